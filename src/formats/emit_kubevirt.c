/* SPDX-License-Identifier: MIT */
/* KubeVirt: a virtual machine's CPU with the labels that its node must have, and the labels of a node. */
#include "formats/emit.h"

#include <gabi/model.h>
#include <gabi/vocab.h>

#include "formats/items.h"
#include "formats/libvirt.h"

#include <string.h>

/* ---- the virtual machine ---- */

static const struct {
	const char *element, *property, *label;
} enlightenments[] = {
#define GABI_KUBEVIRT_FEATURE_ROW(element, property, label) { element, property, label },
#include <models/kubevirt.def>
};

static void line(struct gabi_emission *emission, unsigned depth, const char *key, const char *value)
{
	for (unsigned i = 0; i < depth; i++)
		gabi_emit_text(emission, "  ");
	gabi_emit_text(emission, key);
	gabi_emit_text(emission, ":");
	if (*value)
		gabi_emit_text(emission, " ");
	gabi_emit_text(emission, value);
	gabi_emit_text(emission, "\n");
}

static void label(struct gabi_emission *emission, unsigned depth, const char *kind, const char *name, const char *value)
{
	char text[160];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, kind);
	gabi_out_text(&out, ".node.kubevirt.io/");
	gabi_out_text(&out, name);
	line(emission, depth, text, value);
}

static bool is_on(const struct gabi_items_of_cpu *items, const char *name)
{
	for (size_t i = items->count; i; i--)
		if (!strcmp(items->at[i - 1].name, name))
			return strcmp(items->at[i - 1].value, "off");
	return false;
}

static bool is_usable(const struct gabi_host *host, const struct gabi_model *model);

/* KubeVirt asks the scheduler for the model and for each required feature by itself; said here, it is seen. */
static void write_selector(struct gabi_emission *emission, const struct gabi_items_of_cpu *items)
{
	const char *last = "";

	line(emission, 1, "nodeSelector", "");
	label(emission, 2, "cpu-model", items->model, "\"true\"");
	for (size_t i = 0; i < items->count; i++)
		if (gabi_item_is_feature(&items->at[i]) && !strcmp(items->at[i].value, "on"))
			label(emission, 2, "cpu-feature", gabi_libvirt_name(items->at[i].name), "\"true\"");
	for (size_t i = 0; i < GABI_COUNT_OF(enlightenments); i++) {
		if (!*enlightenments[i].label || !is_on(items, enlightenments[i].property) || !strcmp(last, enlightenments[i].label))
			continue;
		last = enlightenments[i].label;
		label(emission, 2, "hyperv", last, "\"true\"");
	}
	if (is_on(items, "hv-stimer"))
		label(emission, 2, "hyperv", "synictimer", "\"true\"");
	if (is_on(items, "hv-tlbflush"))
		label(emission, 2, "hyperv", "tlbflush", "\"true\"");
	if (is_on(items, "hv-time"))
		label(emission, 2, "hyperv", "time", "\"true\"");
}

static void write_feature(struct gabi_emission *emission, const char *name, const char *policy, bool first)
{
	if (first)
		line(emission, 3, "features", "");
	gabi_emit_text(emission, "      - name: ");
	gabi_emit_text(emission, name);
	gabi_emit_text(emission, "\n");
	line(emission, 4, "policy", policy);
}

static void write_cpu(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	bool first = true;

	line(emission, 2, "cpu", "");
	line(emission, 3, "model", items->model);
	for (size_t i = 0; i < items->count; i++) {
		struct gabi_item *item = &items->at[i];

		if (!gabi_item_is_feature(item))
			continue;
		item->used = true;
		write_feature(emission, gabi_libvirt_name(item->name), strcmp(item->value, "on") ? "disable" : "require", first);
		first = false;
	}
}

static void write_hyperv(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	static const char *const parts[][3] = { { "synictimer", "hv-stimer", "" }, { "tlbflush", "hv-tlbflush", "" } };
	static const char *const inner[][3] = { { "synictimer", "direct", "hv-stimer-direct" }, { "tlbflush", "direct", "hv-tlbflush-direct" },
						{ "tlbflush", "extended", "hv-tlbflush-ext" } };
	const char *spins = gabi_items_take(items, "hv-spinlocks"), *vendor = gabi_items_take(items, "hv-vendor-id");
	bool any = spins || vendor;

	for (size_t i = 0; i < items->count; i++)
		any |= !strncmp(items->at[i].name, "hv-", 3) && strcmp(items->at[i].value, "off");
	if (!any)
		return;
	line(emission, 3, "hyperv", "");
	for (size_t i = 0; i < GABI_COUNT_OF(enlightenments); i++)
		if (gabi_items_take_switch(items, enlightenments[i].property) == 1)
			line(emission, 4, enlightenments[i].element, "{}");
	if (spins) {
		line(emission, 4, "spinlocks", "");
		line(emission, 5, "spinlocks", spins);
	}
	if (vendor) {
		line(emission, 4, "vendorid", "");
		line(emission, 5, "vendorid", vendor);
	}
	for (size_t i = 0; i < GABI_COUNT_OF(parts); i++) {
		if (gabi_items_take_switch(items, parts[i][1]) != 1)
			continue;
		line(emission, 4, parts[i][0], "");
		line(emission, 5, "enabled", "true");
		for (size_t k = 0; k < GABI_COUNT_OF(inner); k++)
			if (!strcmp(inner[k][0], parts[i][0]) && gabi_items_take_switch(items, inner[k][2]) == 1)
				line(emission, 5, inner[k][1], "{}");
	}
}

static void write_features(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	int unhalt = gabi_items_take_switch(items, "kvm-pv-unhalt"), eoi = gabi_items_take_switch(items, "kvm-pv-eoi"),
	    kvm = gabi_items_take_switch(items, "kvm");

	line(emission, 2, "features", "");
	line(emission, 3, "acpi", "{}");
	line(emission, 3, "apic", eoi < 0 ? "{}" : "");
	if (eoi >= 0)
		line(emission, 4, "endOfInterrupt", eoi ? "true" : "false");
	write_hyperv(emission, items);
	if (kvm == 0) {
		line(emission, 3, "kvm", "");
		line(emission, 4, "hidden", "true");
	}
	if (unhalt >= 0) {
		line(emission, 3, "pvspinlock", "");
		line(emission, 4, "enabled", unhalt ? "true" : "false");
	}
}

static void write_clock(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	int kvmclock = gabi_items_take_switch(items, "kvmclock"), hyperv = gabi_items_take_switch(items, "hv-time");

	if (kvmclock < 0 && hyperv != 1)
		return;
	line(emission, 2, "clock", "");
	line(emission, 3, "utc", "{}");
	line(emission, 3, "timer", "");
	if (kvmclock >= 0) {
		line(emission, 4, "kvm", "");
		line(emission, 5, "present", kvmclock ? "true" : "false");
	}
	if (hyperv == 1)
		line(emission, 4, "hyperv", "{}");
}

static void write_x86(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	write_selector(emission, items);
	line(emission, 1, "domain", "");
	if (*items->machine) {
		line(emission, 2, "machine", "");
		line(emission, 3, "type", items->machine);
	}
	write_cpu(emission, items);
	write_features(emission, items);
	write_clock(emission, items);
	gabi_items_take(items, "enforce");
	gabi_items_take(items, "migratable");
}

static uint64_t lengths_in(const struct gabi_word *word)
{
	return word ? word->value : 0;
}

/* A required feature would ask for a node with its label, and no arm64 node has one: the lengths that the host has beyond are disabled. */
static size_t write_disabled_lengths(struct gabi_emission *emission, size_t written)
{
	const struct gabi_field *field = gabi_field_by_name("sve-lengths", GABI_ARCH_ARM64);
	uint64_t ours = lengths_in(gabi_contract_find(emission->contract, &field->key, GABI_VP_ALL)),
		 hosts = lengths_in(gabi_host_find(emission->host, &field->key));

	for (unsigned i = 0; ours && i < 16; i++) {
		char name[16];
		struct gabi_out out = gabi_out_to(name, sizeof(name));

		if (!((hosts & ~ours) >> i & 1))
			continue;
		gabi_out_text(&out, "sve");
		gabi_out_dec(&out, 128 * (i + 1));
		write_feature(emission, name, "disable", !written++);
	}
	return written;
}

/* KubeVirt takes no other model on arm64. */
static void write_arm64(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	size_t written = 0;

	line(emission, 1, "architecture", "arm64");
	line(emission, 1, "nodeSelector", "");
	line(emission, 2, "kubernetes.io/arch", "arm64");
	line(emission, 1, "domain", "");
	line(emission, 2, "machine", "");
	line(emission, 3, "type", items->machine);
	line(emission, 2, "cpu", "");
	line(emission, 3, "model", "host-passthrough");
	for (size_t i = 0; i < items->count; i++) {
		struct gabi_item *item = &items->at[i];

		if (!gabi_libvirt_has_arm64(item->name))
			continue;
		item->used = true;
		if (!strcmp(item->value, "off"))
			write_feature(emission, item->name, "disable", !written++);
	}
	write_disabled_lengths(emission, written);
	gabi_emit_note(emission, "KubeVirt labels no CPU of an arm64 node: nothing here keeps the VM off a node with another one; give those that gabi check "
			       "finds to fit a label of your own, and select that");
}

void gabi_emit_kubevirt(struct gabi_emission *emission)
{
	struct gabi_items_of_cpu *items = gabi_items_get(emission);
	const struct gabi_model *model;

	if (!items)
		return;
	gabi_emit_text(emission, "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata:\n  name: ");
	gabi_emit_text(emission, "gabi\nspec:\n");
	(gabi_contract_arch(emission->contract) == GABI_ARCH_ARM64 ? write_arm64 : write_x86)(emission, items);
	gabi_emit_text(emission, "    resources:\n      requests:\n        memory: 1Gi\n    devices: {}\n");
	gabi_items_note_rest(emission, items, "KubeVirt");
	gabi_emit_note(emission, "name, memory, devices and the number of CPUs are examples");
	model = gabi_model_find(items->model);
	if (model && !is_usable(emission->host, model))
		gabi_emit_note(emission, "the host has not all of the model, so that KubeVirt gives it no label cpu-model of that name and starts the VM elsewhere; "
			       "choose a model that it has");
	gabi_items_put(emission, items);
}

/* ---- the node ---- */

static bool has_word(const struct gabi_host *host, unsigned space, uint64_t index)
{
	const struct gabi_key key = { .space = (uint16_t)space, .index = index };
	const struct gabi_word *word = gabi_host_find(host, &key);

	return word && word->value;
}

/* The node labeller asks the device, before there is a VM; older manifests have the VM's answer alone. */
static bool has_capability(const struct gabi_host *host, uint64_t number)
{
	return has_word(host, gabi_host_covers(host, GABI_SPACE_CAP_SYSTEM) ? GABI_SPACE_CAP_SYSTEM : GABI_SPACE_CAP, number);
}

static bool host_has(const struct gabi_host *host, const struct gabi_field *field)
{
	const struct gabi_word *word = gabi_host_find(host, &field->key);

	return word && word->value >> field->lo & 1;
}

static bool is_qemus(const struct gabi_field *field)
{
	return field->kind == GABI_KIND_FLAG && !strncmp(field->source, "QEMU", 4) &&
	       (field->key.space == GABI_SPACE_CPUID || field->key.space == GABI_SPACE_MSR);
}

/* Features of a model that QEMU with KVM turns off, or gives whatever the host has. */
static bool is_no_matter(const struct gabi_field *field)
{
	static const char *const names[] = {
#define GABI_KVM_DEFAULT_ROW(name, value) name,
#include <models/qemu_option.def>
		"hypervisor",
	};

	for (size_t i = 0; i < GABI_COUNT_OF(names); i++)
		if (!strcmp(field->name, names[i]))
			return true;
	return field->key.space == GABI_SPACE_MSR && field->key.index >= 0x480 && field->key.index <= 0x491; /* VMX, off unless asked for */
}

/* Can QEMU give a guest all of the model? The vendor is no matter to it. */
static bool is_usable(const struct gabi_host *host, const struct gabi_model *model)
{
	size_t count, fields;
	const struct gabi_word *word = gabi_model_words(model, &count);

	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *field = gabi_fields_of(&word[i].key, &fields);

		for (size_t k = 0; k < fields; k++)
			if (is_qemus(&field[k]) && word[i].value >> field[k].lo & 1 && !is_no_matter(&field[k]) && !host_has(host, &field[k]))
				return false;
	}
	return true;
}

/* "qemu64" and "qemu64-v1" */
static bool is_obsolete(const char *name)
{
	static const char *const obsolete[] = {
#define GABI_KUBEVIRT_OBSOLETE_ROW(model) model,
#include <models/kubevirt.def>
	};

	for (size_t i = 0; i < GABI_COUNT_OF(obsolete); i++) {
		size_t len = strlen(obsolete[i]);

		if (!strncmp(name, obsolete[i], len) && (!name[len] || !strcmp(name + len, "-v1")))
			return true;
	}
	return false;
}

static void write_model(struct gabi_emission *emission, const char *name, const struct gabi_model *model)
{
	if (is_obsolete(name) || !strcmp(model->source, "gabi"))
		return;
	if (is_usable(emission->host, model))
		label(emission, 2, "cpu-model", name, "\"true\"");
	label(emission, 2, "cpu-model-migration", name, "\"true\"");
}

static void write_models(struct gabi_emission *emission)
{
	size_t count;
	const struct gabi_model *model = gabi_models(&count);
	const struct gabi_model_alias *alias;

	for (size_t i = 0; i < count; i++)
		if (model[i].arch == GABI_ARCH_X86)
			write_model(emission, model[i].name, &model[i]);
	alias = gabi_model_aliases(&count);
	for (size_t i = 0; i < count; i++)
		write_model(emission, alias[i].name, gabi_model_find(alias[i].model));
}

static void write_node_features(struct gabi_emission *emission)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++)
		if (is_qemus(&field[i]) && host_has(emission->host, &field[i]))
			label(emission, 2, "cpu-feature", gabi_libvirt_name(field[i].name), "\"true\"");
}

static void write_node_hyperv(struct gabi_emission *emission)
{
	static const struct {
		const char *label;
		uint32_t capability, msr;
	} rows[] = {
#define GABI_KUBEVIRT_HYPERV_ROW(label, capability, msr) { label, capability, msr },
#include <models/kubevirt.def>
	};

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (rows[i].capability ? has_capability(emission->host, rows[i].capability) : has_word(emission->host, GABI_SPACE_MSR_STATE, rows[i].msr))
			label(emission, 2, "hyperv", rows[i].label, "\"true\"");
}

static void write_timer(struct gabi_emission *emission)
{
	const struct gabi_key key = { .space = GABI_SPACE_VM, .index = GABI_VM_TSC_KHZ };
	const struct gabi_word *word = gabi_host_find(emission->host, &key);
	char text[32];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	if (!word || !word->value)
		return;
	gabi_out_char(&out, '"');
	gabi_out_dec(&out, word->value * 1000);
	gabi_out_char(&out, '"');
	label(emission, 2, "cpu-timer", "tsc-frequency", text);
	label(emission, 2, "cpu-timer", "tsc-scalable", has_capability(emission->host, GABI_KVM_CAP_TSC_CONTROL) ? "\"true\"" : "\"false\"");
}

void gabi_emit_kubevirt_node(struct gabi_emission *emission)
{
	const char *vendor = gabi_host_fact(emission->host, "cpu.vendor");

	if (gabi_host_arch(emission->host) != GABI_ARCH_X86) {
		gabi_emit_fail(emission, GABI_ERR_ARG, "the host is of arm64, and KubeVirt gives such a node no label of its CPU");
		return;
	}
	gabi_emit_text(emission, "metadata:\n  labels:\n");
	write_node_features(emission);
	write_models(emission);
	write_node_hyperv(emission);
	write_timer(emission);
	if (vendor && (!strcmp(vendor, "GenuineIntel") || !strcmp(vendor, "AuthenticAMD")))
		label(emission, 2, "cpu-vendor", *vendor == 'G' ? "Intel" : "AMD", "\"true\"");
	gabi_emit_note(emission, "which model libvirt takes for host-model, and what the machine types, SEV and TDX are, is not in a manifest");
}
