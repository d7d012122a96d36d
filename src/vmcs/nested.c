/* SPDX-License-Identifier: MIT */
/* Nested state as bytes: take apart, put together, move to another VMCS layout. */
#include <gabi/nested.h>

#include "base/base.h"
#include "vmcs.h"

#include <string.h>

/* struct kvm_nested_state, linux/arch/x86/include/uapi/asm/kvm.h */
enum {
	AT_FLAGS = 0, AT_FORMAT = 2, AT_SIZE = 4,
	AT_VMXON = 8, AT_VMCS12 = 16, AT_SMM = 24, AT_VMX_FLAGS = 28, AT_DEADLINE = 32,
	AT_VMCB = 8, AT_GPAT = 16,
	AT_DATA = GABI_NESTED_HEADER, AT_SHADOW = GABI_NESTED_HEADER + GABI_VMCS_PAGE,
};

static void out_of(const uint8_t *blob, size_t have, struct gabi_nested *nested)
{
	*nested = (struct gabi_nested){
		.flags = (uint16_t)gabi_le_load(blob, AT_FLAGS, 2),
		.format = (uint16_t)gabi_le_load(blob, AT_FORMAT, 2),
		.size = (uint32_t)gabi_le_load(blob, AT_SIZE, 4),
	};
	if (nested->format == GABI_NESTED_SVM) {
		nested->vmcb_pa = gabi_le_load(blob, AT_VMCB, 8);
		nested->gpat = gabi_le_load(blob, AT_GPAT, 8);
		nested->vmcb = have >= AT_DATA + GABI_NESTED_SVM_DATA ? blob + AT_DATA : NULL;
		return;
	}
	nested->vmxon_pa = gabi_le_load(blob, AT_VMXON, 8);
	nested->vmcs12_pa = gabi_le_load(blob, AT_VMCS12, 8);
	nested->smm_flags = (uint16_t)gabi_le_load(blob, AT_SMM, 2);
	nested->vmx_flags = (uint32_t)gabi_le_load(blob, AT_VMX_FLAGS, 4);
	nested->deadline = gabi_le_load(blob, AT_DEADLINE, 8);
	nested->vmcs12 = have >= AT_DATA + GABI_VMCS_PAGE ? blob + AT_DATA : NULL;
	nested->shadow = have >= AT_SHADOW + GABI_VMCS_PAGE ? blob + AT_SHADOW : NULL;
}

int gabi_nested_read(const void *blob, size_t len, struct gabi_nested *ret_nested, struct gabi_diag *diag)
{
	uint32_t size;

	if (len < GABI_NESTED_HEADER)
		return gabi_fail(diag, GABI_ERR_SCHEMA, "a nested state has a header of 128 bytes; this is cut short",
				 (char *)NULL);
	size = (uint32_t)gabi_le_load(blob, AT_SIZE, 4);
	if (size > len) {
		char said[16], have[24];
		struct gabi_out out = gabi_out_to(said, sizeof(said));

		gabi_out_dec(&out, size);
		out = gabi_out_to(have, sizeof(have));
		gabi_out_dec(&out, len);
		return gabi_fail(diag, GABI_ERR_SCHEMA, "the header's size at offset 4 says ", said, " bytes, but there are ",
				 have, (char *)NULL);
	}
	out_of(blob, size, ret_nested);
	return 0;
}

int gabi_nested_is_empty(const struct gabi_nested *nested)
{
	if (nested->format == GABI_NESTED_SVM)
		return (nested->flags & (GABI_NESTED_GUEST_MODE | GABI_NESTED_GIF_SET)) == GABI_NESTED_GIF_SET;
	return nested->format == GABI_NESTED_VMX && nested->vmxon_pa == GABI_NESTED_NONE;
}

int gabi_nested_write(const struct gabi_nested *nested, void *blob, size_t cap, size_t *ret_len, struct gabi_diag *diag)
{
	bool svm = nested->format == GABI_NESTED_SVM;
	size_t len = AT_DATA;

	if (nested->format > GABI_NESTED_SVM || (!svm && nested->shadow && !nested->vmcs12))
		return gabi_fail(diag, GABI_ERR_ARG, "a nested state is VMX's or SVM's, and a shadow VMCS comes behind a VMCS",
				 (char *)NULL);
	if (svm)
		len += nested->vmcb ? GABI_NESTED_SVM_DATA : 0;
	else
		len += (nested->vmcs12 ? GABI_VMCS_PAGE : 0) + (nested->shadow ? GABI_VMCS_PAGE : 0);
	if (len > cap)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the buffer is too small for this nested state", (char *)NULL);
	memset(blob, 0, AT_DATA);
	gabi_le_store(blob, AT_FLAGS, 2, nested->flags);
	gabi_le_store(blob, AT_FORMAT, 2, nested->format);
	gabi_le_store(blob, AT_SIZE, 4, len);
	if (svm) {
		gabi_le_store(blob, AT_VMCB, 8, nested->vmcb_pa);
		gabi_le_store(blob, AT_GPAT, 8, nested->gpat);
		if (nested->vmcb)
			memcpy((uint8_t *)blob + AT_DATA, nested->vmcb, GABI_NESTED_SVM_DATA);
	} else {
		gabi_le_store(blob, AT_VMXON, 8, nested->vmxon_pa);
		gabi_le_store(blob, AT_VMCS12, 8, nested->vmcs12_pa);
		gabi_le_store(blob, AT_SMM, 2, nested->smm_flags);
		gabi_le_store(blob, AT_VMX_FLAGS, 4, nested->vmx_flags);
		gabi_le_store(blob, AT_DEADLINE, 8, nested->deadline);
		if (nested->vmcs12)
			memcpy((uint8_t *)blob + AT_DATA, nested->vmcs12, GABI_VMCS_PAGE);
		if (nested->shadow)
			memcpy((uint8_t *)blob + AT_SHADOW, nested->shadow, GABI_VMCS_PAGE);
	}
	*ret_len = len;
	return 0;
}

const struct gabi_vmcs_layout *gabi_nested_layout(const char *release)
{
	return gabi_release_number(release) < 418 ? NULL : gabi_vmcs_layout_of_release(release);
}

static size_t convert_page(const struct gabi_translation *translation, unsigned flags, const uint8_t *page, uint8_t *out,
			   struct gabi_vmcs_finding *findings, size_t cap)
{
	size_t total;

	gabi_translation_check(translation, page, flags, findings, cap, &total);
	gabi_translation_make(translation, page, out);
	return total;
}

int gabi_nested_convert(const void *blob, size_t len, const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to,
			unsigned flags, const struct gabi_mem *mem, void *out, size_t cap, size_t *ret_len,
			struct gabi_vmcs_finding *findings, size_t findings_cap, size_t *ret_total, struct gabi_diag *diag)
{
	struct gabi_translation *translation;
	struct gabi_nested nested;
	size_t total = 0;
	int err = gabi_nested_read(blob, len, &nested, diag);

	if (err)
		return err;
	if (nested.format != GABI_NESTED_VMX)
		return gabi_fail(diag, GABI_ERR_ARG,
				 "only VMX's nested state holds a VMCS; an SVM state is the same on every kernel",
				 (char *)NULL);
	if (nested.size < GABI_NESTED_HEADER)
		return gabi_fail(diag, GABI_ERR_SCHEMA, "the header's size at offset 4 is below its own 128 bytes",
				 (char *)NULL);
	if (nested.size > cap)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the buffer is too small for this nested state", (char *)NULL);
	err = gabi_translation_new(from, to, GABI_VMCS_SET_ALL, mem, &translation, diag);
	if (err)
		return err;
	memcpy(out, blob, nested.size);
	if (nested.vmcs12)
		total = convert_page(translation, flags, nested.vmcs12, (uint8_t *)out + AT_DATA, findings, findings_cap);
	if (nested.shadow) {
		size_t room = total < findings_cap ? findings_cap - total : 0, more;
		struct gabi_vmcs_finding *rest = room ? findings + total : NULL;

		more = convert_page(translation, flags, nested.shadow, (uint8_t *)out + AT_SHADOW, rest, room);
		for (size_t i = 0; i < more && i < room; i++)
			rest[i].offset = (uint16_t)(rest[i].offset + GABI_VMCS_PAGE);
		total += more;
	}
	gabi_translation_free(translation);
	*ret_len = nested.size;
	*ret_total = total;
	return 0;
}
