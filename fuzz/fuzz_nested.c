/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a nested state. A kernel and what its vCPU is like, then the blob: a verdict always comes; one that accepts has
 * not passed over the rules about the header, which are written down here a second time; taking apart and putting together are
 * inverse.
 */
#include "fuzz.h"

#include <gabi/nested.h>

#include <stdlib.h>
#include <string.h>

static void expect_header(const struct gabi_nested *n, const struct gabi_nested_target *target, const uint8_t *blob)
{
	uint32_t revision;

	fuzz_expect(n->size >= 128 && !(n->flags & ~0x10f));
	fuzz_expect(!(n->flags & GABI_NESTED_RUN_PENDING) || n->flags & GABI_NESTED_GUEST_MODE);
	fuzz_expect(n->format == (target->svm ? GABI_NESTED_SVM : GABI_NESTED_VMX));
	if (target->svm) {
		fuzz_expect(!(n->flags & (GABI_NESTED_EVMCS | GABI_NESTED_MTF_PENDING)));
		fuzz_expect(!(n->flags & GABI_NESTED_GUEST_MODE) || (n->size >= 4224 && !(n->vmcb_pa & 0xfff)));
		return;
	}
	fuzz_expect(!(n->smm_flags & ~3) && !(n->vmx_flags & ~1u));
	fuzz_expect(target->in_smm ? !(n->flags & 3) : !n->smm_flags);
	fuzz_expect(!(n->flags & GABI_NESTED_EVMCS) || target->evmcs.enabled);
	if (n->vmxon_pa == UINT64_MAX) {
		fuzz_expect(n->vmcs12_pa == UINT64_MAX && !(n->flags & ~(unsigned)GABI_NESTED_EVMCS));
		return;
	}
	fuzz_expect(!(n->vmxon_pa & 0xfff) && !(n->vmxon_pa >> 52));
	if (n->size < 128 + 998)
		return;
	revision =
		(uint32_t)blob[128] | (uint32_t)blob[129] << 8 | (uint32_t)blob[130] << 16 | (uint32_t)(blob[131] & 0x7f) << 24;
	fuzz_expect(revision == 0x11e57ed0);
	fuzz_expect(n->vmcs12_pa != n->vmxon_pa &&
		    (n->vmcs12_pa == UINT64_MAX ? (n->flags & GABI_NESTED_EVMCS) != 0 : !(n->vmcs12_pa & 0xfff)));
}

static void expect_inverse(const struct gabi_nested *nested)
{
	uint8_t blob[GABI_NESTED_MAX], again[GABI_NESTED_MAX];
	struct gabi_nested same;
	size_t len, len_again;

	if (gabi_nested_write(nested, blob, sizeof(blob), &len, NULL))
		return;
	fuzz_expect(!gabi_nested_read(blob, len, &same, NULL) && same.flags == nested->flags && same.size == len);
	fuzz_expect(!gabi_nested_write(&same, again, sizeof(again), &len_again, NULL));
	fuzz_expect(len == len_again && !memcmp(blob, again, len));
}

static void expect_conversion(const uint8_t *blob, size_t len, unsigned choice)
{
	size_t count, to_len, total, back_len, back_total;
	const struct gabi_vmcs_layout *from = gabi_vmcs_layout_by_name("kvm-7.2"), *to = gabi_vmcs_layouts(&count);
	uint8_t there[GABI_NESTED_MAX], back[GABI_NESTED_MAX];
	struct gabi_vmcs_finding findings[4];
	unsigned flags = choice / count & 1 ? GABI_VMCS_NARROW_HOST : 0;
	struct gabi_diag diag;

	to += choice % count;
	if (gabi_nested_convert(blob, len, from, to, flags, NULL, there, sizeof(there), &to_len, findings, 4, &total, &diag)) {
		fuzz_expect(diag.text[0]);
		return;
	}
	fuzz_expect(!gabi_nested_convert(there, to_len, to, from, 0, NULL, back, sizeof(back), &back_len, findings, 4, &back_total,
					 &diag));
	fuzz_expect(to_len == back_len);
	if (!total)
		fuzz_expect(!memcmp(blob, back, back_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const releases[] = { "5.10", "6.1", "6.12", "7.2" };
	struct gabi_nested_target target = { .size = sizeof(target) };
	struct gabi_nested_verdict verdict;
	struct gabi_nested nested;
	struct gabi_diag diag = { 0 };
	uint8_t *blob;
	int err;

	if (len < 2)
		return 0;
	target.release = releases[data[0] & 3];
	target.svm = data[0] >> 2 & 1;
	target.in_smm = data[0] >> 3 & 1;
	target.evmcs = (struct gabi_evmcs_guest){ data[0] >> 4 & 1, data[0] >> 5 & 1, data[0] >> 6 & 1 };
	target.own_pat = data[0] >> 7;
	target.msr_known = data[1] & 1 ? 0 : (1u << GABI_NESTED_MSRS) - 1;
	for (unsigned i = 6; i < GABI_NESTED_MSRS; i++)
		target.msr[i] = i == 6 || i == 8 ? 0
				: i == 12        ? UINT64_MAX
						 : UINT64_MAX << 32; /* fixed bits: none; controls: all */
	target.msr[7] = target.msr[9] = UINT64_MAX;
	data += 2;
	len -= 2;
	blob = malloc(len + 1); /* of its own, so that a read beyond it is seen */
	if (!blob)
		abort();
	memcpy(blob, data, len);
	err = gabi_nested_check(blob, len, &target, &verdict, &diag);
	if (err) {
		fuzz_expect(err == GABI_ERR_SCHEMA && diag.text[0]);
		free(blob);
		return 0;
	}
	fuzz_expect(verdict.rule < GABI_NESTED_RULE_COUNT && verdict.notes <= GABI_NESTED_NOTES &&
		    verdict.id <= GABI_VMCS_COUNT);
	fuzz_expect(!gabi_nested_read(blob, len, &nested, NULL));
	if (!verdict.rule) {
		fuzz_reached();
		expect_header(&nested, &target, blob);
	} else { /* a rule with its number and sentence, and a place in the blob */
		fuzz_expect(*gabi_nested_rule_number(verdict.rule) && *gabi_nested_rule_text(verdict.rule));
		fuzz_expect(verdict.offset < (len > GABI_NESTED_MAX ? len : GABI_NESTED_MAX));
		fuzz_expect(verdict.id == GABI_VMCS_COUNT || verdict.offset >= GABI_NESTED_HEADER);
	}
	expect_inverse(&nested);
	expect_conversion(blob, len, data[-1] >> 1);
	free(blob);
	return 0;
}
