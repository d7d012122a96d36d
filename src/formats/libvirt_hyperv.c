/* SPDX-License-Identifier: MIT */
/* <hyperv> */
#include <gabi/vocab.h>

#include "formats/libvirt_reader.h"

#include <string.h>

static const struct {
	const char *name, *property;
} enlightenments[] = {
#define GABI_LIBVIRT_HYPERV_ROW(name, property) { name, property },
#include <models/libvirt.def>
};

static void read_child_switch(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *name, const char *property)
{
	const struct gabi_xml_node *child = gabi_reader_only(reader, node, name);

	if (child && !reader->err && gabi_reader_required_switch(reader, child) == ON)
		gabi_reader_out_item(reader, property, "on");
}

static void out_retries(struct gabi_domain_reader *reader, uint64_t retries)
{
	char text[16];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, "0x");
	gabi_out_hex(&out, retries, 1);
	gabi_reader_out_item(reader, "hv-spinlocks", text);
}

static void read_spinlocks(struct gabi_domain_reader *reader, const struct gabi_xml_node *node)
{
	uint64_t retries = 0;

	reader->err = gabi_tree_number(node, "retries", true, UINT32_MAX, 0, &retries, reader->diag);
	if (!reader->err && retries < 4095)
		GABI_READER_FAIL(reader, node, GABI_ERR_RANGE, "retries must be at least 4095");
	out_retries(reader, retries);
}

static void read_hyperv_vendor(struct gabi_domain_reader *reader, const struct gabi_xml_node *node)
{
	const char *value = gabi_tree_attr(node, "value");

	if (!value || strlen(value) > 12 || !gabi_reader_is_plain(value))
		GABI_READER_FAIL(reader, node, GABI_ERR_RANGE, "value must be at most 12 characters that QEMU takes");
	else
		gabi_reader_out_item(reader, "hv-vendor-id", value);
}

static void read_enlightenment(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *property)
{
	static const char *const direct[] = { "direct" }, *const flushes[] = { "direct", "extended" };

	if (gabi_reader_required_switch(reader, node) != ON || reader->err)
		return;
	if (!strcmp(property, "hv-spinlocks")) {
		read_spinlocks(reader, node);
	} else if (!strcmp(property, "hv-vendor-id")) {
		read_hyperv_vendor(reader, node);
	} else {
		gabi_reader_out_item(reader, property, "on");
	}
	if (!strcmp(property, "hv-stimer")) {
		gabi_reader_only_known(reader, node, direct, 1, "part of <stimer>");
		read_child_switch(reader, node, "direct", "hv-stimer-direct");
	}
	if (!strcmp(property, "hv-tlbflush")) {
		gabi_reader_only_known(reader, node, flushes, 2, "part of <tlbflush>");
		read_child_switch(reader, node, "direct", "hv-tlbflush-direct");
		read_child_switch(reader, node, "extended", "hv-tlbflush-ext");
	}
}

/* ---- mode='host-model': what QEMU's hv-passthrough has on the host, but for what the domain names; libvirt 11.9, 12.1 ---- */

static bool promises(const struct gabi_contract *contract, const char *property)
{
	const struct gabi_field *field = gabi_field_by_name(property, GABI_ARCH_X86);
	bool has = field;

	for (; has && field; field = gabi_field_by_name_next(property, GABI_ARCH_X86, field)) {
		const struct gabi_word *word = gabi_contract_find(contract, &field->key, GABI_VP_ALL);

		has = word && gabi_field_get(field, word->value);
	}
	return has;
}

static uint32_t number(const struct gabi_contract *contract, uint32_t leaf, unsigned part)
{
	const struct gabi_key key = { .space = GABI_SPACE_HYPERV, .part = (uint16_t)part, .index = leaf };
	const struct gabi_word *word = gabi_contract_find(contract, &key, GABI_VP_ALL);

	return word ? (uint32_t)word->value : 0;
}

static void out_vendor(struct gabi_domain_reader *reader, const struct gabi_contract *offer)
{
	static const unsigned parts[] = { GABI_EBX, GABI_ECX, GABI_EDX };
	char text[13] = "";

	for (size_t i = 0; i < 12; i++)
		text[i] = (char)(number(offer, 0x40000000, parts[i / 4]) >> 8 * (i % 4));
	if (*text && gabi_reader_is_plain(text))
		gabi_reader_out_item(reader, "hv-vendor-id", text);
}

static void out_offered(struct gabi_domain_reader *reader, const struct gabi_contract *offer, const char *property)
{
	static const char *const parts[][2] = { { "hv-stimer", "hv-stimer-direct" }, { "hv-tlbflush", "hv-tlbflush-direct" }, { "hv-tlbflush", "hv-tlbflush-ext" } };

	if (!strcmp(property, "hv-vendor-id")) {
		out_vendor(reader, offer);
		return;
	}
	if (!strcmp(property, "hv-spinlocks")) {
		out_retries(reader, number(offer, 0x40000004, GABI_EBX));
		return;
	}
	if (!promises(offer, property))
		return;
	gabi_reader_out_item(reader, property, "on");
	for (size_t i = 0; i < GABI_COUNT_OF(parts); i++)
		if (!strcmp(parts[i][0], property) && promises(offer, parts[i][1]))
			gabi_reader_out_item(reader, parts[i][1], "on");
}

/* The timers of Hyper-V want its clock, which is not among the enlightenments but a <timer>. */
static void out_clock(struct gabi_domain_reader *reader, const struct gabi_xml_node *hyperv, const struct gabi_contract *offer)
{
	const struct gabi_xml_node *timer = gabi_tree_child(gabi_tree_child(reader->root, "clock"), "timer");
	const char *stimer = gabi_tree_attr(gabi_tree_child(hyperv, "stimer"), "state");

	for (; timer; timer = gabi_tree_next(timer)) {
		const char *name = gabi_tree_attr(timer, "name");

		if (name && !strcmp(name, "hypervclock"))
			return;
	}
	if (stimer ? !strcmp(stimer, "on") : promises(offer, "hv-stimer"))
		gabi_reader_out_item(reader, "hv-time", "on");
}

static void read_host_model(struct gabi_domain_reader *reader, const struct gabi_xml_node *hyperv)
{
	struct gabi_qemu *line = NULL;
	struct gabi_qemu_guest *guest = gabi_reader_start_host(reader, hyperv, "<hyperv mode='host-model'>", ",hv-passthrough=on", &line);
	const struct gabi_contract *offer;

	if (!guest)
		return;
	offer = gabi_qemu_guest_contract(guest);
	out_clock(reader, hyperv, offer);
	for (size_t i = 0; i < GABI_COUNT_OF(enlightenments) && !reader->err; i++) {
		const struct gabi_xml_node *node = gabi_reader_only(reader, hyperv, enlightenments[i].name);

		if (node && !reader->err)
			read_enlightenment(reader, node, enlightenments[i].property);
		else if (!reader->err)
			out_offered(reader, offer, enlightenments[i].property);
	}
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
}

/* ---- the whole ---- */

/* In libvirt's own order. */
static void read_custom(struct gabi_domain_reader *reader, const struct gabi_xml_node *hyperv)
{
	for (size_t i = 0; i < GABI_COUNT_OF(enlightenments) && !reader->err; i++) {
		const struct gabi_xml_node *node = gabi_reader_only(reader, hyperv, enlightenments[i].name);

		if (node && !reader->err)
			read_enlightenment(reader, node, enlightenments[i].property);
	}
}

void gabi_reader_hyperv(struct gabi_domain_reader *reader, const struct gabi_xml_node *features)
{
	static const char *const modes[] = { "custom", "passthrough", "host-model" };
	const struct gabi_xml_node *hyperv = gabi_reader_only(reader, features, "hyperv");
	const char *names[GABI_COUNT_OF(enlightenments)];
	size_t mode;

	if (!hyperv)
		return;
	mode = gabi_reader_word(reader, hyperv, "mode", modes, GABI_COUNT_OF(modes), 0);
	if (mode == 1) { /* libvirt then looks at nothing that stands in it */
		gabi_reader_out_item(reader, "hv-passthrough", "on");
		return;
	}
	for (size_t i = 0; i < GABI_COUNT_OF(names); i++)
		names[i] = enlightenments[i].name;
	gabi_reader_only_known(reader, hyperv, names, GABI_COUNT_OF(names), "Hyper-V enlightenment");
	if (reader->err)
		return;
	if (mode == 2)
		read_host_model(reader, hyperv);
	else
		read_custom(reader, hyperv);
}
