/* SPDX-License-Identifier: MIT */
/* What libvirt says of a host: domain capabilities and host capabilities. */
#include <gabi/libvirt.h>
#include <gabi/model.h>

#include "formats/libvirt.h"
#include "formats/offered.h"
#include "formats/tree.h"

#include <string.h>

/* What QEMU's model has and libvirt's of that name does not: the CPU may lack it. */
static void take_less(struct gabi_offered *offered, const char *model)
{
	static const struct {
		const char *model, *features;
	} less[] = {
#define GABI_LIBVIRT_LESS_ROW(of_model, names) { of_model, names },
#include <models/libvirt.def>
	};

	for (size_t i = 0; i < GABI_COUNT_OF(less); i++) {
		const char *at = strcmp(less[i].model, model) ? "" : less[i].features;

		for (char name[64]; *at; at += strspn(at, " ")) {
			size_t len = strcspn(at, " ");

			memcpy(name, at, len); /* a name of our own table */
			name[len] = '\0';
			gabi_offered_add(offered, gabi_libvirt_qemu_name(name), "off");
			at += len;
		}
	}
}

/* <model> and the <feature>s beside it. */
static int take_cpu(struct gabi_offered *offered, const struct gabi_xml_node *cpu, struct gabi_diag *diag)
{
	const struct gabi_xml_node *model = gabi_tree_child(cpu, "model");

	if (!model)
		return GABI_TREE_FAIL(diag, cpu, GABI_ERR_SCHEMA, "the file names no CPU model here, so that it says nothing of the CPU");
	if (!gabi_model_find(model->text))
		return gabi_tree_at(diag, model, gabi_model_unknown(NULL, model->text, diag));
	gabi_offered_begin(offered, model->text);
	offered->without_vmx = true; /* what libvirt says of them follows from the model's name */
	take_less(offered, gabi_model_find(model->text)->name);
	for (const struct gabi_xml_node *feature = gabi_tree_child(cpu, "feature"); feature; feature = gabi_tree_next(feature)) {
		const char *name = gabi_tree_attr(feature, "name"), *policy = gabi_tree_attr(feature, "policy");

		if (!name)
			return GABI_TREE_FAIL(diag, feature, GABI_ERR_SCHEMA, "the attribute name is missing");
		gabi_offered_add(offered, gabi_libvirt_qemu_name(name), policy && strcmp(policy, "require") && strcmp(policy, "force") ? "off" : "on");
	}
	return 0;
}

/* ---- domain capabilities ---- */

static const struct gabi_xml_node *named(const struct gabi_xml_node *node, const char *element, const char *name)
{
	const struct gabi_xml_node *at = gabi_tree_child(node, element);

	while (at) {
		const char *own = gabi_tree_attr(at, "name");

		if (own && !strcmp(own, name))
			break;
		at = gabi_tree_next(at);
	}
	return at;
}

/* Hyper-V's, by libvirt's names. That the reference counter goes with hv-stimer is QEMU's own condition; what wants more than is
 * there is left out. */
static void take_hyperv(struct gabi_offered *offered, const struct gabi_xml_node *root)
{
	const struct gabi_xml_node *hyperv = gabi_tree_child(gabi_tree_child(root, "features"), "hyperv");
	const struct gabi_xml_node *value = gabi_tree_child(named(hyperv, "enum", "features"), "value");

	for (; value; value = gabi_tree_next(value)) {
		const char *property = gabi_libvirt_enlightenment(value->text);

		if (!property)
			offered->unknown++;
		else if (!strcmp(property, "hv-spinlocks"))
			gabi_offered_add(offered, property, "0xfff");
		else if (strcmp(property, "hv-vendor-id") && (strcmp(property, "hv-evmcs") || strstr(offered->argument, ",vmx=on")))
			gabi_offered_add(offered, property, "on");
		if (property && !strcmp(property, "hv-stimer"))
			gabi_offered_add(offered, "hv-time", "on");
	}
}

static int import_domain(const struct gabi_xml_node *root, const struct gabi_mem *mem, struct gabi_host **ret_host, struct gabi_diag *diag)
{
	const struct gabi_xml_node *mode = named(gabi_tree_child(root, "cpu"), "mode", "host-model"), *arch = gabi_tree_child(root, "arch");
	const struct gabi_xml_node *domain = gabi_tree_child(root, "domain");
	const char *supported = mode ? gabi_tree_attr(mode, "supported") : NULL;
	struct gabi_offered offered;
	int err;

	if (!arch || strcmp(arch->text, "x86_64"))
		return GABI_TREE_FAIL(diag, arch ? arch : root, GABI_ERR_ARCH, "libvirt tells of a CPU's features on x86_64 alone");
	if (domain && strcmp(domain->text, "kvm"))
		return GABI_TREE_FAIL(diag, domain, GABI_ERR_SCHEMA, "these are the capabilities of an emulator; ask for virttype kvm");
	if (!mode || (supported && strcmp(supported, "yes")))
		return GABI_TREE_FAIL(diag, mode ? mode : root, GABI_ERR_SCHEMA, "there is no host-model, and nothing else in the file says what the host has");
	err = take_cpu(&offered, mode, diag);
	if (err)
		return err;
	take_hyperv(&offered, root);
	return gabi_offered_host(&offered, GABI_VIEW_GUEST, "libvirt domcapabilities, host-model", mem, ret_host, diag);
}

/* ---- host capabilities ---- */

static int set_fact(struct gabi_host *host, const char *name, const char *value, struct gabi_diag *diag)
{
	return value && *value ? gabi_host_set_fact(host, name, value, diag) : 0;
}

/* libvirt says the microcode's revision in decimal. */
static int set_microcode(struct gabi_host *host, const struct gabi_xml_node *cpu, struct gabi_diag *diag)
{
	const struct gabi_xml_node *node = gabi_tree_child(cpu, "microcode");
	char text[24];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	uint64_t revision = 0;
	int err = node ? gabi_tree_number(node, "version", false, UINT32_MAX, 0, &revision, diag) : 0;

	if (err || !revision)
		return err;
	gabi_out_text(&out, "0x");
	gabi_out_hex(&out, revision, 1);
	return gabi_host_set_fact(host, "cpu.microcode", text, diag);
}

static int take_signature(struct gabi_offered *offered, const struct gabi_xml_node *cpu, struct gabi_diag *diag)
{
	static const char *const names[] = { "family", "model", "stepping" };
	static const uint64_t most[] = { 270, 255, 15 };
	const struct gabi_xml_node *node = gabi_tree_child(cpu, "signature");
	int err = 0;

	for (size_t i = 0; node && !err && i < 3; i++) {
		uint64_t value;

		err = gabi_tree_number(node, names[i], false, most[i], 0, &value, diag);
		if (!err && gabi_tree_attr(node, names[i]))
			gabi_offered_add(offered, names[i], gabi_tree_attr(node, names[i]));
	}
	return err;
}

static int import_host_cpu(const struct gabi_xml_node *cpu, const struct gabi_mem *mem, struct gabi_host **ret_host, struct gabi_diag *diag)
{
	const struct gabi_xml_node *arch = gabi_tree_child(cpu, "arch");
	struct gabi_offered offered;
	struct gabi_host *host;
	int err;

	if (!arch || strcmp(arch->text, "x86_64"))
		return GABI_TREE_FAIL(diag, arch ? arch : cpu, GABI_ERR_ARCH, "libvirt tells of a CPU's features on x86_64 alone");
	err = take_cpu(&offered, cpu, diag);
	if (err)
		return err;
	gabi_offered_add(&offered, "hypervisor", "off"); /* the models are of guests */
	err = take_signature(&offered, cpu, diag);
	if (!err)
		err = gabi_offered_host(&offered, GABI_VIEW_CPU, "libvirt capabilities, the bare CPU", mem, &host, diag);
	if (err)
		return err;
	err = set_microcode(host, cpu, diag);
	if (!err)
		err = set_fact(host, "cpu.model", gabi_tree_child(cpu, "model")->text, diag);
	if (err)
		gabi_host_free(host);
	else
		*ret_host = host;
	return err;
}

int gabi_capabilities_import(const struct gabi_xml_node *root, const struct gabi_mem *mem, struct gabi_host **ret_host, struct gabi_diag *diag)
{
	const struct gabi_xml_node *cpu;

	if (gabi_tree_is(root, "domainCapabilities"))
		return import_domain(root, mem, ret_host, diag);
	if (gabi_tree_is(root, "cpu"))
		return import_host_cpu(root, mem, ret_host, diag);
	if (!gabi_tree_is(root, "capabilities"))
		return GABI_TREE_FAIL(diag, root, GABI_ERR_SCHEMA, "these are no capabilities of libvirt's: virsh capabilities, or virsh domcapabilities");
	cpu = gabi_tree_child(gabi_tree_child(root, "host"), "cpu");
	if (!cpu)
		return GABI_TREE_FAIL(diag, root, GABI_ERR_SCHEMA, "the host's CPU is not in the file");
	return import_host_cpu(cpu, mem, ret_host, diag);
}
