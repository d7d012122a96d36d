/* SPDX-License-Identifier: MIT */
/* <cpu>: the model, its features, caches and address bits. */
#include <gabi/cpu_string.h>
#include <gabi/vocab.h>

#include "base/nearest.h"
#include "formats/libvirt.h"
#include "formats/libvirt_reader.h"

#include <string.h>

/* ---- features ---- */

/* Names that libvirt takes and does not pass on. */
static bool is_unsaid(const char *name)
{
	static const char *const unsaid[] = {
#define GABI_LIBVIRT_UNSAID_ROW(name) name,
#include <models/libvirt.def>
	};

	for (size_t i = 0; i < GABI_COUNT_OF(unsaid); i++)
		if (!strcmp(name, unsaid[i]))
			return true;
	return false;
}

static void unknown_feature(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *name)
{
	struct gabi_nearest nearest = { .wanted = name };
	char text[3 * 64 + 32];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++)
		if (field[i].kind == GABI_KIND_FLAG && gabi_cpu_has_property(field[i].name))
			gabi_nearest_offer(&nearest, field[i].name, strlen(field[i].name));
	gabi_nearest_print(&nearest, &out);
	GABI_READER_FAIL(reader, node, GABI_ERR_UNKNOWN, "there is no CPU feature \"", name, "\"", text);
}

/* Does the host have all that the name stands for? */
static bool host_has(const struct gabi_host *host, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_X86);
	bool has = field;

	for (; has && field; field = gabi_field_by_name_next(name, GABI_ARCH_X86, field)) {
		const struct gabi_word *word = gabi_host_find(host, &field->key);

		has = word && (uint64_t)gabi_field_get(field, word->value) != field->absent;
	}
	return has;
}

enum policy { FORCE, REQUIRE, OPTIONAL, DISABLE, FORBID };
static const char *const policies[] = { "force", "require", "optional", "disable", "forbid" };

/* What libvirt makes of a policy where it starts the domain. */
static bool is_on(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *name, enum policy policy)
{
	if ((policy == OPTIONAL || policy == FORBID) && !reader->host) {
		GABI_READER_FAIL(reader, node, GABI_ERR_ARG, "what becomes of policy='", policies[policy], "' is decided by the host: name one");
		return false;
	}
	if (policy == FORBID && host_has(reader->host, name))
		GABI_READER_FAIL(reader, node, GABI_ERR_CONFLICT, "the domain forbids ", name, ", and the host has it: libvirt does not start it there");
	return policy == OPTIONAL ? host_has(reader->host, name) : policy == FORCE || policy == REQUIRE;
}

/* x86: what is on is known before QEMU is started. */
static void out_x86(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *own, enum policy policy)
{
	const char *name = gabi_libvirt_qemu_name(own);
	bool on = is_on(reader, node, name, policy);

	if (reader->err)
		return;
	if (is_unsaid(own))
		gabi_reader_note(reader, "libvirt tells QEMU nothing of ", own, ", whatever its policy");
	else if (gabi_cpu_has_property(name))
		gabi_reader_out_item(reader, name, gabi_reader_switches[on]);
	else if (on || !gabi_field_by_name(own, GABI_ARCH_X86))
		unknown_feature(reader, node, own);
	else
		gabi_reader_note(reader, "QEMU has no property ", own, ", so that it is off without being said");
}

/* arm64: libvirt looks at no host, so that what is optional is not said and what is forbidden is off. */
static void out_arm64(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *name, enum policy policy)
{
	size_t count;
	const char *const *names = gabi_libvirt_arm64_names(&count);

	if (!gabi_libvirt_has_arm64(name))
		gabi_reader_unknown(reader, node, "arm64 CPU feature", name, names, count);
	else if (policy != OPTIONAL)
		gabi_reader_out_item(reader, name, gabi_reader_switches[policy == FORCE || policy == REQUIRE]);
}

static void read_feature(struct gabi_domain_reader *reader, const struct gabi_xml_node *node)
{
	const char *own = gabi_tree_attr(node, "name");
	enum policy policy = (enum policy)gabi_reader_word(reader, node, "policy", policies, GABI_COUNT_OF(policies), REQUIRE);

	if (reader->err)
		return;
	if (!own || !*own) {
		GABI_READER_FAIL(reader, node, GABI_ERR_SCHEMA, "the attribute name is missing");
		return;
	}
	for (const struct gabi_xml_node *other = gabi_tree_child(node->up, "feature"); other != node; other = gabi_tree_next(other))
		if (!strcmp(gabi_tree_attr(other, "name"), own)) {
			GABI_READER_FAIL(reader, node, GABI_ERR_DUPLICATE, "the feature ", own, " is named twice");
			return;
		}
	if (reader->domain->arch == GABI_ARCH_X86)
		out_x86(reader, node, own, policy);
	else
		out_arm64(reader, node, own, policy);
}

/* What libvirt took out of a model that QEMU still has it in: off, unless the domain names it. */
static void add_removed(struct gabi_domain_reader *reader)
{
	static const struct {
		const char *model, *feature;
	} removed[] = {
#define GABI_LIBVIRT_REMOVED_ROW(of_model, name) { of_model, name },
#include <models/libvirt.def>
	};
	const struct gabi_xml_node *model = gabi_tree_child(reader->cpu, "model");

	for (size_t i = 0; i < GABI_COUNT_OF(removed); i++) {
		const struct gabi_xml_node *named = gabi_tree_child(reader->cpu, "feature");

		while (named && strcmp(gabi_tree_attr(named, "name"), removed[i].feature))
			named = gabi_tree_next(named);
		if (!named && !strcmp(model->text, removed[i].model))
			gabi_reader_out_item(reader, removed[i].feature, "off");
	}
}

/* ---- the model ---- */

enum mode { CUSTOM, HOST_MODEL, HOST_PASSTHROUGH, MAXIMUM };

static void read_migratable(struct gabi_domain_reader *reader)
{
	size_t migratable = gabi_reader_switch(reader, reader->cpu, "migratable", gabi_reader_switches);

	if (reader->domain->arch == GABI_ARCH_X86) /* libvirt says it always, where QEMU has it */
		gabi_reader_out_item(reader, "migratable", gabi_reader_switches[migratable == ABSENT ? ON : migratable]);
}

static void read_vendor_id(struct gabi_domain_reader *reader, const struct gabi_xml_node *model)
{
	const char *vendor = gabi_tree_attr(model, "vendor_id");

	if (!vendor || reader->err)
		return;
	if (strlen(vendor) != 12 || !gabi_reader_is_plain(vendor))
		GABI_READER_FAIL(reader, model, GABI_ERR_RANGE, "vendor_id='", vendor, "' is not 12 characters that QEMU takes");
	else
		gabi_reader_out_item(reader, "vendor", vendor);
}

enum match { EXACT, MINIMUM, STRICT };

static void read_custom(struct gabi_domain_reader *reader, enum match match)
{
	static const char *const fallbacks[] = { "allow", "forbid" };
	const struct gabi_xml_node *model = gabi_reader_only(reader, reader->cpu, "model"), *feature = gabi_tree_child(reader->cpu, "feature");

	if (!model && feature) {
		GABI_READER_FAIL(reader, feature, GABI_ERR_SCHEMA, "features are named and no <model> that they belong to");
		return;
	}
	if (!model) {
		gabi_out_text(&reader->out, "qemu64");
		return;
	}
	gabi_reader_word(reader, model, "fallback", fallbacks, 2, 0);
	if (match == MINIMUM)
		gabi_reader_relative(reader, "match='minimum'", true, model);
	else if (match == STRICT && reader->domain->checked)
		gabi_reader_relative(reader, "match='strict'", false, model);
	if (match != MINIMUM) {
		reader->named = true;
		gabi_reader_out_name(reader, model, model->text);
	}
	read_vendor_id(reader, model);
}

static void read_mode(struct gabi_domain_reader *reader)
{
	static const char *const modes[] = { "custom", "host-model", "host-passthrough", "maximum" };
	static const char *const matches[] = { "exact", "minimum", "strict" };
	static const char *const checks[] = { "default", "none", "partial", "full" };
	enum mode mode = (enum mode)gabi_reader_word(reader, reader->cpu, "mode", modes, 4, CUSTOM);
	size_t check = gabi_reader_word(reader, reader->cpu, "check", checks, 4, 0), match = gabi_reader_word(reader, reader->cpu, "match", matches, 3, 0);

	if (reader->err)
		return;
	/* default: partial where a model is named, none for the host's own CPU */
	reader->domain->checked = check >= 2 || (check == 0 && (mode == HOST_MODEL || (mode == CUSTOM && gabi_tree_child(reader->cpu, "model"))));
	if (mode == CUSTOM) {
		read_custom(reader, (enum match)match);
	} else if (mode == HOST_MODEL) {
		gabi_reader_relative(reader, "mode='host-model'", true, NULL);
		if (gabi_tree_child(reader->cpu, "model"))
			read_vendor_id(reader, gabi_tree_child(reader->cpu, "model"));
	} else {
		gabi_out_text(&reader->out, mode == MAXIMUM ? "max" : "host");
		read_migratable(reader);
	}
}

void gabi_reader_cpu(struct gabi_domain_reader *reader)
{
	static const char *const known[] = { "arch", "model", "vendor", "topology", "feature", "cache", "maxphysaddr", "numa",
					     "microcode", "signature", "counter", "pages" };

	if (!reader->cpu) {
		gabi_out_text(&reader->out, "qemu64");
		return;
	}
	gabi_reader_only_known(reader, reader->cpu, known, GABI_COUNT_OF(known), "part of <cpu>");
	if (!reader->err)
		read_mode(reader);
	for (const struct gabi_xml_node *at = gabi_tree_child(reader->cpu, "feature"); at && !reader->err; at = gabi_tree_next(at))
		read_feature(reader, at);
	if (!reader->err && reader->named)
		add_removed(reader);
}

static void read_cache(struct gabi_domain_reader *reader)
{
	static const char *const modes[] = { "emulate", "passthrough", "disable" };
	const struct gabi_xml_node *cache = gabi_reader_only(reader, reader->cpu, "cache");
	size_t mode = gabi_reader_word(reader, cache, "mode", modes, 3, 3);
	const char *own = gabi_tree_attr(reader->cpu, "mode");
	bool of_host = own && (!strcmp(own, "host-passthrough") || !strcmp(own, "maximum"));

	if (!cache || reader->err)
		return;
	if (mode == 0)
		gabi_reader_out_item(reader, "l3-cache", "on");
	if (mode == 1)
		gabi_reader_out_item(reader, "host-cache-info", "on");
	if (mode != 1 && of_host)
		gabi_reader_out_item(reader, "host-cache-info", "off");
	if (mode != 0)
		gabi_reader_out_item(reader, "l3-cache", "off");
}

static void read_address_bits(struct gabi_domain_reader *reader)
{
	static const char *const modes[] = { "emulate", "passthrough" };
	const struct gabi_xml_node *node = gabi_reader_only(reader, reader->cpu, "maxphysaddr");
	size_t mode = gabi_reader_word(reader, node, "mode", modes, 2, 2);
	uint64_t bits = 0, limit = 0;

	if (!node || reader->err)
		return;
	reader->err = gabi_tree_number(node, "bits", false, 64, 0, &bits, reader->diag);
	if (!reader->err)
		reader->err = gabi_tree_number(node, "limit", false, 64, 0, &limit, reader->diag);
	if (!reader->err && mode == 0 && limit)
		GABI_READER_FAIL(reader, node, GABI_ERR_CONFLICT, "limit goes with mode='passthrough' alone");
	if (mode == 1) {
		gabi_reader_out_item(reader, "host-phys-bits", "on");
		if (limit)
			gabi_reader_out_number(reader, "host-phys-bits-limit", limit);
	} else if (bits) {
		gabi_reader_out_number(reader, "phys-bits", bits);
	} else {
		gabi_reader_out_item(reader, "host-phys-bits", "off");
	}
}

void gabi_reader_cpu_rest(struct gabi_domain_reader *reader)
{
	read_cache(reader);
	if (!reader->err)
		read_address_bits(reader);
}
