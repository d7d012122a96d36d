/* SPDX-License-Identifier: MIT */
/* What of a domain is decided by the host: what QEMU's own CPU of the host gives a guest there. */
#include <gabi/qemu.h>

#include "formats/libvirt.h"
#include "formats/libvirt_host.h"
#include "formats/libvirt_reader.h"

#include <string.h>

static bool is_known(void *ctx, const struct gabi_model *model, const char *name)
{
	const struct gabi_qemu *line = ctx;

	(void)name;
	return !strcmp(model->source, "QEMU 7.2") || (!strncmp(model->source, "QEMU", 4) && gabi_qemu_release(line) >= 8);
}

struct gabi_qemu_guest *gabi_reader_start_host(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *asked_for,
					       const char *items, struct gabi_qemu **ret_line)
{
	char text[GABI_DOMAIN_WORD_CAP + 96];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	const struct gabi_mem *mem = &reader->domain->mem;
	struct gabi_qemu_guest *guest = NULL;
	struct gabi_diag why = { 0 };
	const char *refusal;

	if (reader->domain->arch != GABI_ARCH_X86) {
		GABI_READER_FAIL(reader, node, GABI_ERR_UNSUPPORTED, "on arm64 libvirt has no ", asked_for);
		return NULL;
	}
	if (!reader->host) {
		GABI_READER_FAIL(reader, node, GABI_ERR_ARG, "what becomes of ", asked_for, " is decided by the host: name one");
		return NULL;
	}
	gabi_out_text(&out, "-machine ");
	gabi_out_text(&out, *reader->domain->machine ? reader->domain->machine : "pc");
	gabi_out_text(&out, ",accel=kvm -cpu host");
	gabi_out_text(&out, items);
	if (gabi_qemu_parse(text, strlen(text), NULL, mem, ret_line, &why)) {
		GABI_READER_FAIL(reader, node, why.err, why.text);
		return NULL;
	}
	if (gabi_qemu_start(*ret_line, reader->host, mem, &guest, &why)) {
		GABI_READER_FAIL(reader, node, why.err, why.text);
	} else if ((refusal = gabi_qemu_guest_refusal(guest))) {
		GABI_READER_FAIL(reader, node, GABI_ERR_CONFLICT, "QEMU would not start the host's own CPU: ", refusal);
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
	const struct gabi_domain_reader *reader = ctx;

	for (const struct gabi_xml_node *at = gabi_tree_child(reader->cpu, "feature"); at; at = gabi_tree_next(at)) {
		const char *own = gabi_tree_attr(at, "name");

		if (own && !strcmp(gabi_libvirt_qemu_name(own), name))
			return true;
	}
	return false;
}

/* The host's model, and its features but for those that the domain names, which come behind. */
static void out_host_model(struct gabi_domain_reader *reader, const struct gabi_qemu *line, const struct gabi_qemu_guest *guest)
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
		GABI_READER_FAIL(reader, reader->cpu, GABI_ERR_CONFLICT, "libvirt has no model of this host's vendor");
	} else {
		gabi_out_text(&reader->out, cpu->model);
		for (size_t i = 0; i < cpu->count; i++)
			if (!is_named(reader, cpu->features[i].name))
				gabi_reader_out_item(reader, cpu->features[i].name, gabi_reader_switches[cpu->features[i].on]);
		gabi_reader_note(reader, "libvirt takes the host for a ", cpu->model, ", as its release 11.3 chooses; virsh dumpxml of the running domain has what it chose");
	}
	gabi_mem_put(&reader->domain->mem, cpu);
}

/* A checked domain is not started where the host lacks some of the model, nor, with match='strict', where it has more. */
static void compare_with_host(struct gabi_domain_reader *reader, const struct gabi_xml_node *model, bool strict, const struct gabi_qemu_guest *guest)
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
		GABI_READER_FAIL(reader, model, GABI_ERR_CONFLICT, "the host lacks ", difference.missing->name,
		     difference.missing_count > 1 ? " and other features of the model" : " of the model", ": libvirt does not start the domain there");
	else if (strict && difference.extra)
		GABI_READER_FAIL(reader, model, GABI_ERR_CONFLICT, "the host has ", difference.extra->name, difference.extra_count > 1 ? " and other features" : "",
		     " beyond the model: libvirt does not start a domain of match='strict' there");
	else if (strict)
		gabi_reader_note(reader, "with match='strict' libvirt looks at the bare CPU too, which may have more than KVM shows, and then refuses", "", "");
}

/* mode='host-model' without a model, match='minimum' and 'strict' with one. */
void gabi_reader_relative(struct gabi_domain_reader *reader, const char *asked_for, bool host_model, const struct gabi_xml_node *model)
{
	struct gabi_qemu *line = NULL;
	struct gabi_qemu_guest *guest = gabi_reader_start_host(reader, reader->cpu, asked_for, ",migratable=on", &line);

	if (!guest)
		return;
	if (model && reader->domain->checked)
		compare_with_host(reader, model, !host_model, guest);
	if (!reader->err && host_model)
		out_host_model(reader, line, guest);
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
}

