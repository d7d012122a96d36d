/* SPDX-License-Identifier: MIT */
/* A domain of libvirt, as far as it decides what the guest sees of its CPU: what gabi_domain_read reads. */
#include "formats/emit.h"

#include "formats/items.h"
#include "formats/libvirt.h"

#include <string.h>

/* Between apostrophes: what is there is from our tables or from a CPU's own text. */
static void quoted(struct gabi_emission *emission, const char *text)
{
	gabi_emit_text(emission, "'");
	for (; *text; text++) {
		const char one[2] = { *text, '\0' };

		gabi_emit_text(emission, *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '\'' ? "&apos;" : one);
	}
	gabi_emit_text(emission, "'");
}

static void attr(struct gabi_emission *emission, const char *name, const char *value)
{
	gabi_emit_text(emission, " ");
	gabi_emit_text(emission, name);
	gabi_emit_text(emission, "=");
	quoted(emission, value);
}

static void element(struct gabi_emission *emission, unsigned depth, const char *name, const char *attr_name, const char *value)
{
	for (unsigned i = 0; i < depth; i++)
		gabi_emit_text(emission, "  ");
	gabi_emit_text(emission, "<");
	gabi_emit_text(emission, name);
	attr(emission, attr_name, value);
	gabi_emit_text(emission, "/>\n");
}

static const char *const switches[] = { "off", "on" };

/* <stimer> and <tlbflush> have parts. */
static void write_parts(struct gabi_emission *emission, struct gabi_items_of_cpu *items, const char *name, const char *const parts[][2], size_t count)
{
	gabi_emit_text(emission, "      <");
	gabi_emit_text(emission, name);
	gabi_emit_text(emission, " state='on'>\n");
	for (size_t i = 0; i < count; i++)
		if (gabi_items_take_switch(items, parts[i][1]) == 1)
			element(emission, 4, parts[i][0], "state", "on");
	gabi_emit_text(emission, "      </");
	gabi_emit_text(emission, name);
	gabi_emit_text(emission, ">\n");
}

static void write_enlightenment(struct gabi_emission *emission, struct gabi_items_of_cpu *items, const char *name, const char *property)
{
	static const char *const stimer[][2] = { { "direct", "hv-stimer-direct" } };
	static const char *const tlbflush[][2] = { { "direct", "hv-tlbflush-direct" }, { "extended", "hv-tlbflush-ext" } };
	bool number = !strcmp(property, "hv-spinlocks"), text = !strcmp(property, "hv-vendor-id");
	const char *value = gabi_items_take(items, property);

	if (!value || (!number && !text && strcmp(value, "on")))
		return;
	if (!strcmp(name, "stimer")) {
		write_parts(emission, items, name, stimer, 1);
	} else if (!strcmp(name, "tlbflush")) {
		write_parts(emission, items, name, tlbflush, 2);
	} else {
		gabi_emit_text(emission, "      <");
		gabi_emit_text(emission, name);
		gabi_emit_text(emission, " state='on'");
		if (number || text)
			attr(emission, number ? "retries" : "value", value);
		gabi_emit_text(emission, "/>\n");
	}
}

static bool has_hyperv(const struct gabi_items_of_cpu *items)
{
	for (const struct gabi_item *item = items->at; item < items->at + items->count; item++)
		if (!strncmp(item->name, "hv-", 3) && strcmp(item->value, "off") && strcmp(item->name, "hv-time"))
			return true;
	return false;
}

static void write_hyperv(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	static const struct {
		const char *name, *property;
	} rows[] = {
#define GABI_LIBVIRT_HYPERV_ROW(name, property) { name, property },
#include <models/libvirt.def>
	};

	if (gabi_items_take_switch(items, "hv-passthrough") == 1) {
		gabi_emit_text(emission, "    <hyperv mode='passthrough'/>\n");
		return;
	}
	if (!has_hyperv(items))
		return;
	gabi_emit_text(emission, "    <hyperv mode='custom'>\n");
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		write_enlightenment(emission, items, rows[i].name, rows[i].property);
	gabi_emit_text(emission, "    </hyperv>\n");
}

/* What each row of <kvm> adds to -cpu, in the other direction. */
static void write_kvm(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	static const struct {
		const char *name, *state, *item;
	} rows[] = {
#define GABI_LIBVIRT_KVM_ROW(name, state, item) { name, state, item },
#include <models/libvirt.def>
	};
	bool opened = false;

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		char property[GABI_ITEM_CAP];
		size_t len = strcspn(rows[i].item, "=");
		const char *value;

		memcpy(property, rows[i].item, len);
		property[len] = '\0';
		value = len ? gabi_items_take(items, property) : NULL;
		if (!value || strcmp(value, rows[i].item + len + 1))
			continue;
		if (!opened)
			gabi_emit_text(emission, "    <kvm>\n");
		opened = true;
		element(emission, 3, rows[i].name, "state", rows[i].state);
	}
	if (opened)
		gabi_emit_text(emission, "    </kvm>\n");
}

static void write_features(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	int eoi = gabi_items_take_switch(items, "kvm-pv-eoi"), unhalt = gabi_items_take_switch(items, "kvm-pv-unhalt"),
	    pmu = gabi_items_take_switch(items, "pmu");

	gabi_emit_text(emission, "  <features>\n    <acpi/>\n");
	if (eoi >= 0)
		element(emission, 2, "apic", "eoi", switches[eoi]);
	else
		gabi_emit_text(emission, "    <apic/>\n");
	write_hyperv(emission, items);
	write_kvm(emission, items);
	if (unhalt >= 0)
		element(emission, 2, "pvspinlock", "state", switches[unhalt]);
	if (pmu >= 0)
		element(emission, 2, "pmu", "state", switches[pmu]);
	gabi_emit_text(emission, "  </features>\n");
}

static void write_cache(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	int host = gabi_items_take_switch(items, "host-cache-info"), l3 = gabi_items_take_switch(items, "l3-cache");

	if (host == 1)
		element(emission, 2, "cache", "mode", "passthrough");
	else if (l3 == 1)
		gabi_emit_text(emission, "    <cache level='3' mode='emulate'/>\n");
	else if (l3 == 0)
		element(emission, 2, "cache", "mode", "disable");
}

static void write_address_bits(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	const char *bits = gabi_items_take(items, "phys-bits"), *limit = gabi_items_take(items, "host-phys-bits-limit");
	int host = gabi_items_take_switch(items, "host-phys-bits");

	if (!bits && host < 0)
		return;
	gabi_emit_text(emission, host == 1 ? "    <maxphysaddr mode='passthrough'" : "    <maxphysaddr mode='emulate'");
	if (host == 1 && limit)
		attr(emission, "limit", limit);
	if (host != 1 && bits)
		attr(emission, "bits", bits);
	gabi_emit_text(emission, "/>\n");
}

/* Those that libvirt took out of the model and the argument does not speak of stay as QEMU's model has them. */
static void write_kept(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	static const struct {
		const char *model, *feature;
	} removed[] = {
#define GABI_LIBVIRT_REMOVED_ROW(model, feature) { model, feature },
#include <models/libvirt.def>
	};

	for (size_t i = 0; i < GABI_COUNT_OF(removed); i++) {
		bool said = strcmp(removed[i].model, items->model) != 0;

		for (size_t k = 0; !said && k < items->count; k++)
			said = !strcmp(items->at[k].name, removed[i].feature);
		if (!said) {
			gabi_emit_text(emission, "    <feature policy='require'");
			attr(emission, "name", removed[i].feature);
			gabi_emit_text(emission, "/>\n");
		}
	}
}

static void write_feature(struct gabi_emission *emission, struct gabi_item *item)
{
	item->used = true;
	gabi_emit_text(emission, "    <feature");
	attr(emission, "policy", strcmp(item->value, "on") ? "disable" : "require");
	attr(emission, "name", gabi_libvirt_name(item->name));
	gabi_emit_text(emission, "/>\n");
}

static void write_cpu(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	bool host = !strcmp(items->model, "host");
	const char *vendor = host ? NULL : gabi_items_take(items, "vendor");
	int migratable = gabi_items_take_switch(items, "migratable");
	bool enforce = gabi_items_take_switch(items, "enforce") == 1; /* QEMU's word for check='full' */

	gabi_emit_text(emission, host ? "  <cpu mode='host-passthrough'" : "  <cpu mode='custom' match='exact'");
	attr(emission, "check", enforce ? "full" : "none");
	if (host && migratable >= 0)
		attr(emission, "migratable", switches[migratable]);
	gabi_emit_text(emission, ">\n");
	if (!host) {
		gabi_emit_text(emission, "    <model fallback='forbid'");
		if (vendor)
			attr(emission, "vendor_id", vendor);
		gabi_emit_text(emission, ">");
		gabi_emit_text(emission, items->model);
		gabi_emit_text(emission, "</model>\n");
	}
	write_cache(emission, items);
	write_address_bits(emission, items);
	for (size_t i = 0; i < items->count; i++) {
		if (!items->at[i].used && gabi_item_is_feature(&items->at[i]))
			write_feature(emission, &items->at[i]);
	}
	write_kept(emission, items);
	gabi_emit_text(emission, "  </cpu>\n");
}

static void write_timer(struct gabi_emission *emission, const char *name, const char *key, const char *value)
{
	gabi_emit_text(emission, "    <timer");
	attr(emission, "name", name);
	attr(emission, key, value);
	gabi_emit_text(emission, "/>\n");
}

static void write_clock(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	static const char *const answers[] = { "no", "yes" };
	int kvmclock = gabi_items_take_switch(items, "kvmclock"), hyperv = gabi_items_take_switch(items, "hv-time");
	const char *frequency = gabi_items_take(items, "tsc-frequency");

	if (!frequency && kvmclock < 0 && hyperv != 1)
		return;
	gabi_emit_text(emission, "  <clock offset='utc'>\n");
	if (frequency)
		write_timer(emission, "tsc", "frequency", frequency);
	if (kvmclock >= 0)
		write_timer(emission, "kvmclock", "present", answers[kvmclock]);
	if (hyperv == 1)
		write_timer(emission, "hypervclock", "present", "yes");
	gabi_emit_text(emission, "  </clock>\n");
}

static void write_x86(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	write_features(emission, items);
	write_cpu(emission, items);
	write_clock(emission, items);
	if (gabi_items_take_switch(items, "hv-crash") == 1)
		gabi_emit_text(emission, "  <devices>\n    <panic model='hyperv'/>\n  </devices>\n");
}

/* With KVM the CPU is the host's, and libvirt's features of it are SVE's and pauth. <acpi/> would want UEFI, which is not ours to choose. */
static void write_arm64(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	int pmu = gabi_items_take_switch(items, "pmu");

	if (pmu >= 0) {
		gabi_emit_text(emission, "  <features>\n");
		element(emission, 2, "pmu", "state", switches[pmu]);
		gabi_emit_text(emission, "  </features>\n");
	}
	gabi_emit_text(emission, "  <cpu mode='host-passthrough' check='none'>\n");
	for (size_t i = 0; i < items->count; i++)
		if (!items->at[i].used && gabi_libvirt_has_arm64(items->at[i].name))
			write_feature(emission, &items->at[i]);
	gabi_emit_text(emission, "  </cpu>\n");
}

void gabi_emit_libvirt(struct gabi_emission *emission)
{
	struct gabi_items_of_cpu *items = gabi_items_get(emission);
	bool arm64 = gabi_contract_arch(emission->contract) == GABI_ARCH_ARM64;

	if (!items)
		return;
	gabi_emit_text(emission, "<domain type='kvm'>\n  <os>\n    <type");
	attr(emission, "arch", arm64 ? "aarch64" : "x86_64");
	if (*items->machine)
		attr(emission, "machine", items->machine);
	gabi_emit_text(emission, ">hvm</type>\n  </os>\n");
	(arm64 ? write_arm64 : write_x86)(emission, items);
	gabi_emit_text(emission, "</domain>\n");
	gabi_items_note_rest(emission, items, "libvirt");
	gabi_emit_note(emission, "these are the parts of a domain that decide what its guest sees of the CPU; memory, devices and the number of CPUs are to be added");
	gabi_items_put(emission, items);
}
