/* SPDX-License-Identifier: MIT */
/* libvirt's domains into the QEMU arguments that libvirt makes of them: libvirt 11.3, qemuBuildCpuCommandLine. */
#include <gabi/cpu_string.h>
#include <gabi/libvirt.h>
#include <gabi/qemu.h>
#include <gabi/vocab.h>

#include "base/nearest.h"
#include "formats/libvirt.h"
#include "formats/libvirt_host.h"
#include "formats/tree.h"

#include <string.h>

#define WORD_CAP 128

struct gabi_domain {
	struct gabi_mem mem;
	enum gabi_arch arch;
	bool kvm, checked;
	char cpu[GABI_CPU_MAX_LEN + 1];
	char name[WORD_CAP], machine[WORD_CAP], smp[WORD_CAP];
	char **notes;
	size_t note_count, note_cap;
};

struct reader {
	const struct gabi_xml_node *root, *cpu; /* cpu NULL: there is no <cpu> */
	const struct gabi_host *host;
	struct gabi_domain *domain;
	struct gabi_out out; /* into domain->cpu */
	struct gabi_diag *diag;
	bool named; /* the model is named, and not the host's */
	int err; /* the first one stays */
};

#define FAIL(reader, node, number, ...) ((reader)->err = GABI_TREE_FAIL((reader)->diag, node, number, __VA_ARGS__))

static void add_note(struct reader *reader, const char *before, const char *name, const char *after)
{
	struct gabi_domain *domain = reader->domain;
	void *notes = domain->notes;
	char text[256], *copy;
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, before);
	gabi_out_text(&out, name);
	gabi_out_text(&out, after);
	copy = gabi_mem_copy_text(&domain->mem, text);
	if (!copy || gabi_mem_room(&domain->mem, &notes, &domain->note_cap, domain->note_count, sizeof(copy))) {
		gabi_mem_put(&domain->mem, copy);
		reader->err = gabi_fail(reader->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
		return;
	}
	domain->notes = notes;
	domain->notes[domain->note_count++] = copy;
}

/* ---- pieces of the argument ---- */

/* What QEMU could take for more than one item, or a shell for more than one word, is refused. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || strchr(",='\"\\", *text))
			return false;
	return true;
}

static void out_name(struct reader *reader, const struct gabi_xml_node *node, const char *text)
{
	if (reader->err)
		return;
	if (!*text || strlen(text) >= WORD_CAP || !is_plain(text))
		FAIL(reader, node, GABI_ERR_SYNTAX, "'", text, "' is no name that can stand in a -cpu argument");
	else
		gabi_out_text(&reader->out, text);
}

/* ",name=value" */
static void out_item(struct reader *reader, const char *name, const char *value)
{
	gabi_out_char(&reader->out, ',');
	gabi_out_text(&reader->out, name);
	gabi_out_char(&reader->out, '=');
	gabi_out_text(&reader->out, value);
}

static void out_number(struct reader *reader, const char *name, uint64_t value)
{
	char text[24];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_dec(&out, value);
	out_item(reader, name, text);
}

static const char *const switches[] = { "off", "on" };
static const char *const answers[] = { "no", "yes" };

enum { OFF, ON, ABSENT };

/* state='on', and its like: ON, OFF, or ABSENT. */
static size_t switch_of(struct reader *reader, const struct gabi_xml_node *node, const char *attr, const char *const *words)
{
	size_t state = ABSENT;

	if (node && !reader->err && gabi_tree_attr(node, attr))
		reader->err = gabi_tree_word(node, attr, words, 2, ABSENT, &state, reader->diag);
	return state;
}

static size_t required_switch(struct reader *reader, const struct gabi_xml_node *node)
{
	if (!reader->err && !gabi_tree_attr(node, "state"))
		FAIL(reader, node, GABI_ERR_SCHEMA, "the attribute state is missing: on or off");
	return switch_of(reader, node, "state", switches);
}

static size_t word_of(struct reader *reader, const struct gabi_xml_node *node, const char *attr, const char *const *words,
		      size_t count, size_t usual)
{
	size_t word = usual;

	if (!reader->err && node)
		reader->err = gabi_tree_word(node, attr, words, count, usual, &word, reader->diag);
	return word;
}

/* ---- what there is of one element at most ---- */

static const struct gabi_xml_node *only(struct reader *reader, const struct gabi_xml_node *node, const char *name)
{
	const struct gabi_xml_node *child = gabi_tree_child(node, name);

	if (child && !reader->err && gabi_tree_next(child))
		FAIL(reader, gabi_tree_next(child), GABI_ERR_DUPLICATE, "the element is there twice");
	return child;
}

/* Refuses children that are none of the names: "what" says of what. */
static void only_known(struct reader *reader, const struct gabi_xml_node *node, const char *const *names, size_t count, const char *what)
{
	for (const struct gabi_xml_node *at = node ? node->child : NULL; at && !reader->err; at = at->next) {
		struct gabi_nearest nearest = { .wanted = at->name };
		char text[3 * 64 + 32];
		struct gabi_out out = gabi_out_to(text, sizeof(text));
		size_t i = 0;

		while (i < count && !gabi_tree_is(at, names[i]))
			i++;
		if (i < count)
			continue;
		for (i = 0; i < count; i++)
			gabi_nearest_offer(&nearest, names[i], strlen(names[i]));
		gabi_nearest_print(&nearest, &out);
		FAIL(reader, at, GABI_ERR_UNKNOWN, "libvirt has no ", what, " \"", at->name, "\"", text);
	}
}

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

static void unknown_feature(struct reader *reader, const struct gabi_xml_node *node, const char *name)
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
	FAIL(reader, node, GABI_ERR_UNKNOWN, "there is no CPU feature \"", name, "\"", text);
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
static bool is_on(struct reader *reader, const struct gabi_xml_node *node, const char *name, enum policy policy)
{
	if ((policy == OPTIONAL || policy == FORBID) && !reader->host) {
		FAIL(reader, node, GABI_ERR_ARG, "what becomes of policy='", policies[policy], "' is decided by the host: name one");
		return false;
	}
	if (policy == FORBID && host_has(reader->host, name))
		FAIL(reader, node, GABI_ERR_CONFLICT, "the domain forbids ", name, ", and the host has it: libvirt does not start it there");
	return policy == OPTIONAL ? host_has(reader->host, name) : policy == FORCE || policy == REQUIRE;
}

static void read_feature(struct reader *reader, const struct gabi_xml_node *node)
{
	const char *own = gabi_tree_attr(node, "name"), *name = gabi_libvirt_qemu_name(own ? own : "");
	size_t policy = word_of(reader, node, "policy", policies, GABI_COUNT_OF(policies), REQUIRE);
	bool x86 = reader->domain->arch == GABI_ARCH_X86, on;

	if (reader->err)
		return;
	if (!*name) {
		FAIL(reader, node, GABI_ERR_SCHEMA, "the attribute name is missing");
		return;
	}
	for (const struct gabi_xml_node *other = gabi_tree_child(node->up, "feature"); other != node; other = gabi_tree_next(other))
		if (!strcmp(gabi_tree_attr(other, "name"), own)) {
			FAIL(reader, node, GABI_ERR_DUPLICATE, "the feature ", own, " is named twice");
			return;
		}
	on = is_on(reader, node, name, (enum policy)policy);
	if (reader->err)
		return;
	if (x86 && is_unsaid(own)) {
		add_note(reader, "libvirt tells QEMU nothing of ", own, ", whatever its policy");
		return;
	}
	if (x86 && !gabi_cpu_has_property(name)) {
		if (on || !gabi_field_by_name(own, GABI_ARCH_X86))
			unknown_feature(reader, node, own);
		else
			add_note(reader, "QEMU has no property ", own, ", so that it is off without being said");
		return;
	}
	gabi_out_char(&reader->out, ',');
	out_name(reader, node, name);
	gabi_out_text(&reader->out, on ? "=on" : "=off");
}

/* What libvirt took out of a model that QEMU still has it in: off, unless the domain names it. */
static void add_removed(struct reader *reader)
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
			out_item(reader, removed[i].feature, "off");
	}
}

/* ---- <cpu> ---- */

enum mode { CUSTOM, HOST_MODEL, HOST_PASSTHROUGH, MAXIMUM };

static void read_migratable(struct reader *reader)
{
	size_t migratable = switch_of(reader, reader->cpu, "migratable", switches);

	if (reader->domain->arch == GABI_ARCH_X86) /* libvirt says it always, where QEMU has it */
		out_item(reader, "migratable", switches[migratable == ABSENT ? ON : migratable]);
}

static void read_vendor_id(struct reader *reader, const struct gabi_xml_node *model)
{
	const char *vendor = gabi_tree_attr(model, "vendor_id");

	if (!vendor || reader->err)
		return;
	if (strlen(vendor) != 12 || !is_plain(vendor))
		FAIL(reader, model, GABI_ERR_RANGE, "vendor_id='", vendor, "' is not 12 characters that QEMU takes");
	else
		out_item(reader, "vendor", vendor);
}

/* ---- what the host is for libvirt: what QEMU's host CPU gives a guest there ---- */

static bool is_known(void *ctx, const struct gabi_model *model, const char *name)
{
	const struct gabi_qemu *line = ctx;

	(void)name;
	return !strcmp(model->source, "QEMU 7.2") || (!strncmp(model->source, "QEMU", 4) && gabi_qemu_release(line) >= 8);
}

/* The guest of -cpu host, and its line; NULL after an error. What is asked for names why a host is wanted. */
static struct gabi_qemu_guest *start_host(struct reader *reader, const char *asked_for, struct gabi_qemu **ret_line)
{
	char text[WORD_CAP + 64];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	const struct gabi_mem *mem = &reader->domain->mem;
	struct gabi_qemu_guest *guest = NULL;
	struct gabi_diag why = { 0 };
	const char *refusal;

	if (reader->domain->arch != GABI_ARCH_X86) {
		FAIL(reader, reader->cpu, GABI_ERR_UNSUPPORTED, "on arm64 libvirt has no ", asked_for);
		return NULL;
	}
	if (!reader->host) {
		FAIL(reader, reader->cpu, GABI_ERR_ARG, "what becomes of ", asked_for, " is decided by the host: name one");
		return NULL;
	}
	gabi_out_text(&out, "-machine ");
	gabi_out_text(&out, *reader->domain->machine ? reader->domain->machine : "pc");
	gabi_out_text(&out, ",accel=kvm -cpu host,migratable=on");
	if (gabi_qemu_parse(text, strlen(text), NULL, mem, ret_line, &why)) {
		FAIL(reader, reader->cpu, why.err, why.text);
		return NULL;
	}
	if (gabi_qemu_start(*ret_line, reader->host, mem, &guest, &why)) {
		FAIL(reader, reader->cpu, why.err, why.text);
	} else if ((refusal = gabi_qemu_guest_refusal(guest))) {
		FAIL(reader, reader->cpu, GABI_ERR_CONFLICT, "QEMU would not start the host's own CPU: ", refusal);
		gabi_qemu_guest_free(guest);
		guest = NULL;
	}
	if (!guest)
		gabi_qemu_free(*ret_line);
	return guest;
}

/* Does the domain name the feature? */
static bool is_named(void *ctx, const char *name)
{
	const struct reader *reader = ctx;

	for (const struct gabi_xml_node *at = gabi_tree_child(reader->cpu, "feature"); at; at = gabi_tree_next(at)) {
		const char *own = gabi_tree_attr(at, "name");

		if (own && !strcmp(gabi_libvirt_qemu_name(own), name))
			return true;
	}
	return false;
}

/* The host's model, and its features but for those that the domain names, which come behind. */
static void out_host_model(struct reader *reader, const struct gabi_qemu *line, const struct gabi_qemu_guest *guest)
{
	struct gabi_libvirt_cpu *cpu = gabi_mem_get(&reader->domain->mem, sizeof(*cpu));
	const struct gabi_word *word;
	size_t count;

	if (!cpu) {
		reader->err = gabi_fail(reader->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
		return;
	}
	word = gabi_contract_words(gabi_qemu_guest_contract(guest), &count);
	if (!gabi_libvirt_decode(word, count, is_known, (void *)(uintptr_t)line, cpu)) {
		FAIL(reader, reader->cpu, GABI_ERR_CONFLICT, "libvirt has no model of this host's vendor");
	} else {
		gabi_out_text(&reader->out, cpu->model);
		for (size_t i = 0; i < cpu->count; i++)
			if (!is_named(reader, cpu->features[i].name))
				out_item(reader, cpu->features[i].name, switches[cpu->features[i].on]);
		add_note(reader, "libvirt takes the host for a ", cpu->model, ", as its release 11.3 chooses; virsh dumpxml of the running domain has what it chose");
	}
	gabi_mem_put(&reader->domain->mem, cpu);
}

/* A checked domain is not started where the host lacks some of the model, nor, with match='strict', where it has more. */
static void compare_with_host(struct reader *reader, const struct gabi_xml_node *model, bool strict, const struct gabi_qemu_guest *guest)
{
	const struct gabi_model *named = gabi_model_find(model->text);
	struct gabi_libvirt_difference difference;
	const struct gabi_word *word;
	size_t count;

	if (!named) {
		reader->err = gabi_tree_at(reader->diag, model, gabi_model_unknown(NULL, model->text, reader->diag));
		return;
	}
	word = gabi_contract_words(gabi_qemu_guest_contract(guest), &count);
	difference = gabi_libvirt_compare(named, word, count, is_named, reader);
	if (difference.missing)
		FAIL(reader, model, GABI_ERR_CONFLICT, "the host lacks ", difference.missing->name,
		     difference.missing_count > 1 ? " and other features of the model" : " of the model", ": libvirt does not start the domain there");
	else if (strict && difference.extra)
		FAIL(reader, model, GABI_ERR_CONFLICT, "the host has ", difference.extra->name, difference.extra_count > 1 ? " and other features" : "",
		     " beyond the model: libvirt does not start a domain of match='strict' there");
	else if (strict)
		add_note(reader, "with match='strict' libvirt looks at the bare CPU too, which may have more than KVM shows, and then refuses", "", "");
}

/* mode='host-model' without a model, match='minimum' and 'strict' with one. */
static void read_relative(struct reader *reader, const char *asked_for, bool host_model, const struct gabi_xml_node *model)
{
	struct gabi_qemu *line = NULL;
	struct gabi_qemu_guest *guest = start_host(reader, asked_for, &line);

	if (!guest)
		return;
	if (model && reader->domain->checked)
		compare_with_host(reader, model, !host_model, guest);
	if (!reader->err && host_model)
		out_host_model(reader, line, guest);
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
}

enum match { EXACT, MINIMUM, STRICT };

static void read_custom(struct reader *reader, enum match match)
{
	static const char *const fallbacks[] = { "allow", "forbid" };
	const struct gabi_xml_node *model = only(reader, reader->cpu, "model"), *feature = gabi_tree_child(reader->cpu, "feature");

	if (!model && feature) {
		FAIL(reader, feature, GABI_ERR_SCHEMA, "features are named and no <model> that they belong to");
		return;
	}
	if (!model) {
		gabi_out_text(&reader->out, "qemu64");
		return;
	}
	word_of(reader, model, "fallback", fallbacks, 2, 0);
	if (match == MINIMUM)
		read_relative(reader, "match='minimum'", true, model);
	else if (match == STRICT && reader->domain->checked)
		read_relative(reader, "match='strict'", false, model);
	if (match != MINIMUM) {
		reader->named = true;
		out_name(reader, model, model->text);
	}
	read_vendor_id(reader, model);
}

static void read_mode(struct reader *reader)
{
	static const char *const modes[] = { "custom", "host-model", "host-passthrough", "maximum" };
	static const char *const matches[] = { "exact", "minimum", "strict" };
	static const char *const checks[] = { "default", "none", "partial", "full" };
	enum mode mode = (enum mode)word_of(reader, reader->cpu, "mode", modes, 4, CUSTOM);
	size_t check = word_of(reader, reader->cpu, "check", checks, 4, 0), match = word_of(reader, reader->cpu, "match", matches, 3, 0);

	if (reader->err)
		return;
	/* default: partial where a model is named, none for the host's own CPU */
	reader->domain->checked = check >= 2 || (check == 0 && (mode == HOST_MODEL || (mode == CUSTOM && gabi_tree_child(reader->cpu, "model"))));
	if (mode == CUSTOM) {
		read_custom(reader, (enum match)match);
	} else if (mode == HOST_MODEL) {
		read_relative(reader, "mode='host-model'", true, NULL);
		if (gabi_tree_child(reader->cpu, "model"))
			read_vendor_id(reader, gabi_tree_child(reader->cpu, "model"));
	} else {
		gabi_out_text(&reader->out, mode == MAXIMUM ? "max" : "host");
		read_migratable(reader);
	}
}

static void read_cpu(struct reader *reader)
{
	static const char *const known[] = { "arch", "model", "vendor", "topology", "feature", "cache", "maxphysaddr", "numa",
					     "microcode", "signature", "counter", "pages" };

	if (!reader->cpu) {
		gabi_out_text(&reader->out, "qemu64");
		return;
	}
	only_known(reader, reader->cpu, known, GABI_COUNT_OF(known), "part of <cpu>");
	if (!reader->err)
		read_mode(reader);
	for (const struct gabi_xml_node *at = gabi_tree_child(reader->cpu, "feature"); at && !reader->err; at = gabi_tree_next(at))
		read_feature(reader, at);
	if (!reader->err && reader->named)
		add_removed(reader);
}

static void read_cache(struct reader *reader)
{
	static const char *const modes[] = { "emulate", "passthrough", "disable" };
	const struct gabi_xml_node *cache = only(reader, reader->cpu, "cache");
	size_t mode = word_of(reader, cache, "mode", modes, 3, 3);
	const char *own = gabi_tree_attr(reader->cpu, "mode");
	bool of_host = own && (!strcmp(own, "host-passthrough") || !strcmp(own, "maximum"));

	if (!cache || reader->err)
		return;
	if (mode == 0)
		out_item(reader, "l3-cache", "on");
	if (mode == 1)
		out_item(reader, "host-cache-info", "on");
	if (mode != 1 && of_host)
		out_item(reader, "host-cache-info", "off");
	if (mode != 0)
		out_item(reader, "l3-cache", "off");
}

static void read_address_bits(struct reader *reader)
{
	static const char *const modes[] = { "emulate", "passthrough" };
	const struct gabi_xml_node *node = only(reader, reader->cpu, "maxphysaddr");
	size_t mode = word_of(reader, node, "mode", modes, 2, 2);
	uint64_t bits = 0, limit = 0;

	if (!node || reader->err)
		return;
	reader->err = gabi_tree_number(node, "bits", false, 64, 0, &bits, reader->diag);
	if (!reader->err)
		reader->err = gabi_tree_number(node, "limit", false, 64, 0, &limit, reader->diag);
	if (!reader->err && mode == 0 && limit)
		FAIL(reader, node, GABI_ERR_CONFLICT, "limit goes with mode='passthrough' alone");
	if (mode == 1) {
		out_item(reader, "host-phys-bits", "on");
		if (limit)
			out_number(reader, "host-phys-bits-limit", limit);
	} else if (bits) {
		out_number(reader, "phys-bits", bits);
	} else {
		out_item(reader, "host-phys-bits", "off");
	}
}

/* ---- <clock> ---- */

static void read_timer(struct reader *reader, const struct gabi_xml_node *timer)
{
	static const char *const names[] = { "platform", "pit", "rtc", "hpet", "tsc", "kvmclock", "hypervclock", "armvtimer" };
	static const char *const policies_of_ticks[] = { "delay", "catchup", "merge", "discard" };
	size_t name = word_of(reader, timer, "name", names, GABI_COUNT_OF(names), GABI_COUNT_OF(names));
	size_t present = switch_of(reader, timer, "present", answers);
	size_t ticks = word_of(reader, timer, "tickpolicy", policies_of_ticks, 4, 1);
	const char *mode = gabi_tree_attr(timer, "mode");
	uint64_t frequency = 0;

	if (!reader->err)
		reader->err = gabi_tree_number(timer, "frequency", false, UINT64_MAX, 0, &frequency, reader->diag);
	if (reader->err)
		return;
	if (name == 4 && frequency)
		out_number(reader, "tsc-frequency", frequency);
	if (name == 4 && mode)
		add_note(reader, "<timer name='tsc' mode='", mode, "'> is a word of Xen's; libvirt tells QEMU nothing of it");
	if (name == 5 && present != ABSENT)
		out_item(reader, "kvmclock", switches[present]);
	if (name == 6 && present == ON)
		out_item(reader, "hv-time", "on");
	if (name == 7 && (ticks == 0 || ticks == 3))
		out_item(reader, "kvm-no-adjvtime", switches[ticks == 3]);
}

static void read_clock(struct reader *reader)
{
	const struct gabi_xml_node *clock = only(reader, reader->root, "clock");

	for (const struct gabi_xml_node *at = gabi_tree_child(clock, "timer"); at && !reader->err; at = gabi_tree_next(at))
		read_timer(reader, at);
}

/* ---- <features> ---- */

static const struct {
	const char *name, *property;
} enlightenments[] = {
#define GABI_LIBVIRT_HYPERV_ROW(name, property) { name, property },
#include <models/libvirt.def>
};

static void read_child_switch(struct reader *reader, const struct gabi_xml_node *node, const char *name, const char *property)
{
	const struct gabi_xml_node *child = only(reader, node, name);

	if (child && !reader->err && required_switch(reader, child) == ON)
		out_item(reader, property, "on");
}

static void read_spinlocks(struct reader *reader, const struct gabi_xml_node *node)
{
	char text[16];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	uint64_t retries = 0;

	reader->err = gabi_tree_number(node, "retries", true, UINT32_MAX, 0, &retries, reader->diag);
	if (!reader->err && retries < 4095)
		FAIL(reader, node, GABI_ERR_RANGE, "retries must be at least 4095");
	gabi_out_text(&out, "0x");
	gabi_out_hex(&out, retries, 1);
	out_item(reader, "hv-spinlocks", text);
}

static void read_hyperv_vendor(struct reader *reader, const struct gabi_xml_node *node)
{
	const char *value = gabi_tree_attr(node, "value");

	if (!value || strlen(value) > 12 || !is_plain(value))
		FAIL(reader, node, GABI_ERR_RANGE, "value must be at most 12 characters that QEMU takes");
	else
		out_item(reader, "hv-vendor-id", value);
}

static void read_enlightenment(struct reader *reader, const struct gabi_xml_node *node, const char *property)
{
	static const char *const direct[] = { "direct" }, *const flushes[] = { "direct", "extended" };

	if (required_switch(reader, node) != ON || reader->err)
		return;
	if (!strcmp(property, "hv-spinlocks")) {
		read_spinlocks(reader, node);
	} else if (!strcmp(property, "hv-vendor-id")) {
		read_hyperv_vendor(reader, node);
	} else {
		out_item(reader, property, "on");
	}
	if (!strcmp(property, "hv-stimer")) {
		only_known(reader, node, direct, 1, "part of <stimer>");
		read_child_switch(reader, node, "direct", "hv-stimer-direct");
	}
	if (!strcmp(property, "hv-tlbflush")) {
		only_known(reader, node, flushes, 2, "part of <tlbflush>");
		read_child_switch(reader, node, "direct", "hv-tlbflush-direct");
		read_child_switch(reader, node, "extended", "hv-tlbflush-ext");
	}
}

static void read_hyperv(struct reader *reader, const struct gabi_xml_node *features)
{
	static const char *const modes[] = { "custom", "passthrough" };
	const struct gabi_xml_node *hyperv = only(reader, features, "hyperv");
	const char *names[GABI_COUNT_OF(enlightenments)];

	if (!hyperv)
		return;
	if (word_of(reader, hyperv, "mode", modes, 2, 0) == 1) { /* libvirt then looks at nothing that stands in it */
		out_item(reader, "hv-passthrough", "on");
		return;
	}
	for (size_t i = 0; i < GABI_COUNT_OF(names); i++)
		names[i] = enlightenments[i].name;
	only_known(reader, hyperv, names, GABI_COUNT_OF(names), "Hyper-V enlightenment");
	for (size_t i = 0; i < GABI_COUNT_OF(names) && !reader->err; i++) { /* in libvirt's own order */
		const struct gabi_xml_node *node = only(reader, hyperv, names[i]);

		if (node && !reader->err)
			read_enlightenment(reader, node, enlightenments[i].property);
	}
}

static void read_kvm(struct reader *reader, const struct gabi_xml_node *features)
{
	static const struct {
		const char *name, *state, *items;
	} rows[] = {
#define GABI_LIBVIRT_KVM_ROW(name, of_state, added) { name, of_state, added },
#include <models/libvirt.def>
	};
	const struct gabi_xml_node *kvm = only(reader, features, "kvm");
	const char *names[GABI_COUNT_OF(rows)];

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		names[i] = rows[i].name;
	only_known(reader, kvm, names, GABI_COUNT_OF(names), "feature of KVM");
	for (size_t i = 0; i < GABI_COUNT_OF(rows) && !reader->err; i++) {
		const struct gabi_xml_node *node = only(reader, kvm, names[i]);
		size_t state = node && !reader->err ? required_switch(reader, node) : ABSENT;

		if (state == ABSENT || strcmp(switches[state], rows[i].state) || !*rows[i].items)
			continue;
		gabi_out_char(&reader->out, ',');
		gabi_out_text(&reader->out, rows[i].items);
	}
}

/* An element whose being there means on. */
static size_t bare_switch(struct reader *reader, const struct gabi_xml_node *features, const char *name)
{
	const struct gabi_xml_node *node = gabi_tree_child(features, name);
	size_t state;

	while (node && gabi_tree_next(node)) /* libvirt: the last counts */
		node = gabi_tree_next(node);
	state = switch_of(reader, node, "state", switches);
	return node && state == ABSENT ? ON : state;
}

static void read_panic(struct reader *reader)
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

static void read_features(struct reader *reader)
{
	static const char *const known[] = {
#define GABI_LIBVIRT_FEATURE_ROW(name) name,
#include <models/libvirt.def>
	};
	const struct gabi_xml_node *features = only(reader, reader->root, "features");
	size_t eoi, unhalt, pmu;

	only_known(reader, features, known, GABI_COUNT_OF(known), "feature of a domain");
	eoi = switch_of(reader, gabi_tree_child(features, "apic"), "eoi", switches);
	if (eoi != ABSENT)
		out_item(reader, "kvm-pv-eoi", switches[eoi]);
	unhalt = bare_switch(reader, features, "pvspinlock");
	if (unhalt != ABSENT)
		out_item(reader, "kvm-pv-unhalt", switches[unhalt]);
	if (!reader->err)
		read_hyperv(reader, features);
	read_panic(reader);
	if (!reader->err)
		read_kvm(reader, features);
	pmu = bare_switch(reader, features, "pmu");
	if (pmu != ABSENT)
		out_item(reader, "pmu", switches[pmu]);
}

/* ---- <vcpu> and <topology> ---- */

static void out_smp(struct gabi_out *out, const char *name, uint64_t value)
{
	gabi_out_text(out, name);
	gabi_out_dec(out, value);
}

static void read_smp(struct reader *reader)
{
	static const char *const parts[] = { "sockets", "dies", "clusters", "cores", "threads" };
	const struct gabi_xml_node *vcpu = only(reader, reader->root, "vcpu"), *topology = only(reader, reader->cpu, "topology");
	struct gabi_out out = gabi_out_to(reader->domain->smp, sizeof(reader->domain->smp));
	uint64_t most = 1, now, counts[5] = { 0, 1, 1, 1, 1 }, all = 1;

	if (vcpu && *vcpu->text && !gabi_tree_decimal(vcpu->text, 65535, &most)) {
		FAIL(reader, vcpu, GABI_ERR_RANGE, "'", vcpu->text, "' is no number of virtual CPUs");
		return;
	}
	now = most;
	if (!reader->err && vcpu)
		reader->err = gabi_tree_number(vcpu, "current", false, most, most, &now, reader->diag);
	for (size_t i = 0; topology && !reader->err && i < 5; i++) {
		if (!gabi_tree_attr(topology, parts[i]) && i != 1 && i != 2)
			FAIL(reader, topology, GABI_ERR_SCHEMA, "the attribute ", parts[i], " is missing");
		else
			reader->err = gabi_tree_number(topology, parts[i], false, 65535, 1, &counts[i], reader->diag);
		if (!reader->err && !counts[i])
			FAIL(reader, topology, GABI_ERR_RANGE, parts[i], " cannot be 0");
		all *= counts[i] ? counts[i] : 1;
		if (!reader->err && all > 65535)
			FAIL(reader, topology, GABI_ERR_RANGE, "the topology has more CPUs than a domain can have");
	}
	if (reader->err)
		return;
	if (topology && all != most) {
		FAIL(reader, topology, GABI_ERR_CONFLICT, "the topology does not have as many CPUs as <vcpu> says");
		return;
	}
	out_smp(&out, "", now);
	if (now != most)
		out_smp(&out, ",maxcpus=", most);
	out_smp(&out, ",sockets=", topology ? counts[0] : most);
	if (topology) {
		out_smp(&out, ",dies=", counts[1]);
		out_smp(&out, ",clusters=", counts[2]);
	}
	out_smp(&out, ",cores=", counts[3]);
	out_smp(&out, ",threads=", counts[4]);
}

/* ---- the domain ---- */

static void copy_word(struct reader *reader, const struct gabi_xml_node *node, const char *text, char out[WORD_CAP])
{
	if (strlen(text) >= WORD_CAP || !is_plain(text))
		FAIL(reader, node, GABI_ERR_SYNTAX, "'", text, "' is too long, or cannot stand in an argument");
	else
		memcpy(out, text, strlen(text) + 1);
}

static void read_machine(struct reader *reader)
{
	const struct gabi_xml_node *type = only(reader, only(reader, reader->root, "os"), "type");
	const char *arch = gabi_tree_attr(type, "arch"), *machine = gabi_tree_attr(type, "machine");

	if (reader->err)
		return;
	reader->domain->arch = GABI_ARCH_X86;
	if (arch && !strcmp(arch, "aarch64"))
		reader->domain->arch = GABI_ARCH_ARM64;
	else if (arch && strcmp(arch, "x86_64") && strcmp(arch, "i686"))
		FAIL(reader, type, GABI_ERR_ARCH, "the domain is of ", arch, "; gabi knows x86_64, i686 and aarch64");
	else if (!arch && reader->host)
		reader->domain->arch = gabi_host_arch(reader->host);
	if (!reader->err && reader->host && gabi_host_arch(reader->host) != reader->domain->arch)
		FAIL(reader, type ? type : reader->root, GABI_ERR_ARCH, "the domain is of ", gabi_arch_text(reader->domain->arch),
		     ", and the host of ", gabi_arch_text(gabi_host_arch(reader->host)));
	if (!reader->err && machine)
		copy_word(reader, type, machine, reader->domain->machine);
}

static void read_kind(struct reader *reader)
{
	static const char *const types[] = { "kvm", "qemu" };
	const struct gabi_xml_node *name = gabi_tree_child(reader->root, "name");

	if (!gabi_tree_is(reader->root, "domain")) {
		FAIL(reader, reader->root, GABI_ERR_SCHEMA, "a <domain> of libvirt is wanted here");
		return;
	}
	reader->domain->kvm = word_of(reader, reader->root, "type", types, 2, 2) == 0;
	if (name && strlen(name->text) < WORD_CAP)
		memcpy(reader->domain->name, name->text, strlen(name->text) + 1);
}

static bool is_plain_arm64(const struct reader *reader)
{
	return reader->domain->arch == GABI_ARCH_ARM64 && !reader->out.len;
}

/* libvirt passes on the arguments of <qemu:commandline> behind its own, where QEMU takes the last. */
static void refuse_override(struct reader *reader)
{
	for (const struct gabi_xml_node *line = reader->root->child; line && !reader->err; line = line->next) {
		if (!*line->space || strcmp(line->name, "commandline"))
			continue;
		for (const struct gabi_xml_node *arg = line->child; arg && !reader->err; arg = arg->next) {
			const char *value = gabi_tree_attr(arg, "value");

			if (value && !strcmp(value, "-cpu"))
				FAIL(reader, arg, GABI_ERR_CONFLICT, "the domain gives QEMU a -cpu of its own, which overrides <cpu>; "
				     "read that argument instead");
		}
	}
}

static int read_domain(struct reader *reader)
{
	read_kind(reader);
	if (!reader->err)
		read_machine(reader);
	if (!reader->err)
		refuse_override(reader);
	if (reader->err)
		return reader->err;
	reader->cpu = only(reader, reader->root, "cpu");
	if (reader->cpu || reader->domain->arch == GABI_ARCH_X86)
		read_cpu(reader);
	if (!reader->err)
		read_clock(reader);
	if (!reader->err)
		read_features(reader);
	if (!reader->err)
		read_cache(reader);
	if (!reader->err)
		read_address_bits(reader);
	if (!reader->err)
		read_smp(reader);
	if (!reader->err && reader->out.len > GABI_CPU_MAX_LEN)
		FAIL(reader, reader->cpu ? reader->cpu : reader->root, GABI_ERR_LIMIT, "the domain makes a -cpu argument of more than 16384 bytes");
	if (!reader->err && is_plain_arm64(reader))
		reader->domain->cpu[0] = '\0';
	return reader->err;
}

int gabi_domain_read(const struct gabi_xml_node *root, const struct gabi_host *host, const struct gabi_mem *mem,
		     struct gabi_domain **ret_domain, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct reader reader = { .root = root, .host = host, .diag = diag };

	reader.domain = gabi_mem_get(&own, sizeof(*reader.domain));
	if (!reader.domain)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	reader.domain->mem = own;
	reader.out = gabi_out_to(reader.domain->cpu, sizeof(reader.domain->cpu));
	if (read_domain(&reader))
		gabi_domain_free(reader.domain);
	else
		*ret_domain = reader.domain;
	return reader.err;
}

void gabi_domain_free(struct gabi_domain *domain)
{
	struct gabi_mem mem;

	if (!domain)
		return;
	mem = domain->mem;
	for (size_t i = 0; i < domain->note_count; i++)
		gabi_mem_put(&mem, domain->notes[i]);
	gabi_mem_put(&mem, domain->notes);
	gabi_mem_put(&mem, domain);
}

/* ---- questions ---- */

enum gabi_arch gabi_domain_arch(const struct gabi_domain *domain)
{
	return domain->arch;
}

int gabi_domain_is_kvm(const struct gabi_domain *domain)
{
	return domain->kvm;
}

const char *gabi_domain_name(const struct gabi_domain *domain)
{
	return domain->name;
}

const char *gabi_domain_cpu(const struct gabi_domain *domain)
{
	return domain->cpu;
}

const char *gabi_domain_machine(const struct gabi_domain *domain)
{
	return domain->machine;
}

const char *gabi_domain_smp(const struct gabi_domain *domain)
{
	return domain->smp;
}

int gabi_domain_is_checked(const struct gabi_domain *domain)
{
	return domain->checked;
}

size_t gabi_domain_note_count(const struct gabi_domain *domain)
{
	return domain->note_count;
}

const char *gabi_domain_note(const struct gabi_domain *domain, size_t at)
{
	return domain->notes[at];
}
