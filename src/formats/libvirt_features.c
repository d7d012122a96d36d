/* SPDX-License-Identifier: MIT */
/* <clock> and <features>, but for Hyper-V. */
#include "formats/libvirt_reader.h"

#include <string.h>

/* ---- <clock> ---- */

static const char *const answers[] = { "no", "yes" };

static void read_timer(struct gabi_domain_reader *reader, const struct gabi_xml_node *timer)
{
	static const char *const names[] = { "platform", "pit", "rtc", "hpet", "tsc", "kvmclock", "hypervclock", "armvtimer" };
	static const char *const policies_of_ticks[] = { "delay", "catchup", "merge", "discard" };
	size_t name = gabi_reader_word(reader, timer, "name", names, GABI_COUNT_OF(names), GABI_COUNT_OF(names));
	size_t present = gabi_reader_switch(reader, timer, "present", answers);
	size_t ticks = gabi_reader_word(reader, timer, "tickpolicy", policies_of_ticks, 4, 1);
	const char *mode = gabi_tree_attr(timer, "mode");
	uint64_t frequency = 0;

	if (!reader->err)
		reader->err = gabi_tree_number(timer, "frequency", false, UINT64_MAX, 0, &frequency, reader->diag);
	if (reader->err)
		return;
	if (name == 4 && frequency)
		gabi_reader_out_number(reader, "tsc-frequency", frequency);
	if (name == 4 && mode)
		gabi_reader_note(reader, "<timer name='tsc' mode='", mode, "'> is a word of Xen's; libvirt tells QEMU nothing of it");
	if (name == 5 && present != ABSENT)
		gabi_reader_out_item(reader, "kvmclock", gabi_reader_switches[present]);
	if (name == 6 && present == ON)
		gabi_reader_out_item(reader, "hv-time", "on");
	if (name == 7 && (ticks == 0 || ticks == 3))
		gabi_reader_out_item(reader, "kvm-no-adjvtime", gabi_reader_switches[ticks == 3]);
}

void gabi_reader_clock(struct gabi_domain_reader *reader)
{
	const struct gabi_xml_node *clock = gabi_reader_only(reader, reader->root, "clock");

	for (const struct gabi_xml_node *at = gabi_tree_child(clock, "timer"); at && !reader->err; at = gabi_tree_next(at))
		read_timer(reader, at);
}

/* ---- <features> ---- */

static void read_kvm(struct gabi_domain_reader *reader, const struct gabi_xml_node *features)
{
	static const struct {
		const char *name, *state, *items;
	} rows[] = {
#define GABI_LIBVIRT_KVM_ROW(name, of_state, added) { name, of_state, added },
#include <models/libvirt.def>
	};
	const struct gabi_xml_node *kvm = gabi_reader_only(reader, features, "kvm");
	const char *names[GABI_COUNT_OF(rows)];

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		names[i] = rows[i].name;
	gabi_reader_only_known(reader, kvm, names, GABI_COUNT_OF(names), "feature of KVM");
	for (size_t i = 0; i < GABI_COUNT_OF(rows) && !reader->err; i++) {
		const struct gabi_xml_node *node = gabi_reader_only(reader, kvm, names[i]);
		size_t state = node && !reader->err ? gabi_reader_required_switch(reader, node) : ABSENT;

		if (state == ABSENT || strcmp(gabi_reader_switches[state], rows[i].state) || !*rows[i].items)
			continue;
		gabi_out_char(&reader->out, ',');
		gabi_out_text(&reader->out, rows[i].items);
	}
}

/* An element whose being there means on. */
static size_t bare_switch(struct gabi_domain_reader *reader, const struct gabi_xml_node *features, const char *name)
{
	const struct gabi_xml_node *node = gabi_tree_child(features, name);
	size_t state;

	while (node && gabi_tree_next(node)) /* libvirt: the last counts */
		node = gabi_tree_next(node);
	state = gabi_reader_switch(reader, node, "state", gabi_reader_switches);
	return node && state == ABSENT ? ON : state;
}

static void read_panic(struct gabi_domain_reader *reader)
{
	const struct gabi_xml_node *panic = gabi_tree_child(gabi_tree_child(reader->root, "devices"), "panic");

	for (; panic; panic = gabi_tree_next(panic)) {
		const char *model = gabi_tree_attr(panic, "model");

		if (model && !strcmp(model, "hyperv")) {
			gabi_out_text(&reader->out, ",hv-crash");
			return;
		}
	}
}

void gabi_reader_features(struct gabi_domain_reader *reader)
{
	static const char *const known[] = {
#define GABI_LIBVIRT_FEATURE_ROW(name) name,
#include <models/libvirt.def>
	};
	const struct gabi_xml_node *features = gabi_reader_only(reader, reader->root, "features"), *nested;
	size_t eoi, unhalt, pmu;

	gabi_reader_only_known(reader, features, known, GABI_COUNT_OF(known), "feature of a domain");
	nested = gabi_tree_child(features, "virtualization");
	if (nested && !reader->err)
		GABI_READER_FAIL(reader, nested, GABI_ERR_UNSUPPORTED, "what a guest that has EL2 for its own sees is not foreseen here");
	eoi = gabi_reader_switch(reader, gabi_tree_child(features, "apic"), "eoi", gabi_reader_switches);
	if (eoi != ABSENT)
		gabi_reader_out_item(reader, "kvm-pv-eoi", gabi_reader_switches[eoi]);
	unhalt = bare_switch(reader, features, "pvspinlock");
	if (unhalt != ABSENT)
		gabi_reader_out_item(reader, "kvm-pv-unhalt", gabi_reader_switches[unhalt]);
	if (!reader->err)
		gabi_reader_hyperv(reader, features);
	read_panic(reader);
	if (!reader->err)
		read_kvm(reader, features);
	pmu = bare_switch(reader, features, "pmu");
	if (pmu != ABSENT)
		gabi_reader_out_item(reader, "pmu", gabi_reader_switches[pmu]);
}
