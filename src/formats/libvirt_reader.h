/* SPDX-License-Identifier: MIT */
/*
 * A domain of libvirt while it is read: each of the libvirt_*.c writes what its elements make of QEMU's argument, in libvirt's order. The first
 * error stays, and what is called behind it does nothing.
 */
#ifndef GABI_FORMATS_LIBVIRT_READER_H
#define GABI_FORMATS_LIBVIRT_READER_H

#include <gabi/cpu_string.h>
#include <gabi/libvirt.h>
#include <gabi/qemu.h>

#include "formats/tree.h"

#define GABI_DOMAIN_WORD_CAP 128

struct gabi_domain {
	struct gabi_mem mem;
	enum gabi_arch arch;
	bool kvm, checked;
	char cpu[GABI_CPU_MAX_LEN + 1];
	char name[GABI_DOMAIN_WORD_CAP], machine[GABI_DOMAIN_WORD_CAP], smp[GABI_DOMAIN_WORD_CAP];
	char **notes;
	size_t note_count, note_cap;
};

struct gabi_domain_reader {
	const struct gabi_xml_node *root, *cpu; /* cpu NULL: there is no <cpu> */
	const struct gabi_host *host;
	struct gabi_domain *domain;
	struct gabi_out out; /* into domain->cpu */
	struct gabi_diag *diag;
	bool named; /* the model is named, and not the host's */
	int err;
};

#define GABI_READER_FAIL(reader, node, number, ...) ((reader)->err = GABI_TREE_FAIL((reader)->diag, node, number, __VA_ARGS__))

/* ---- the elements, each by its file ---- */

void gabi_reader_cpu(struct gabi_domain_reader *reader);      /* <cpu>: model and features */
void gabi_reader_cpu_rest(struct gabi_domain_reader *reader); /* its caches and address bits, which stand behind what follows */
void gabi_reader_clock(struct gabi_domain_reader *reader);
void gabi_reader_features(struct gabi_domain_reader *reader);
void gabi_reader_hyperv(struct gabi_domain_reader *reader, const struct gabi_xml_node *features);
void gabi_reader_topology(struct gabi_domain_reader *reader); /* <vcpu> and <topology>, into domain->smp */

/* mode='host-model' without a model, match='minimum' and 'strict' with one; asked_for names it. */
void gabi_reader_relative(struct gabi_domain_reader *reader, const char *asked_for, bool host_model, const struct gabi_xml_node *model);

/* The guest of -cpu host on the host, "items" behind it, and its line; NULL after an error, which is at the node. */
struct gabi_qemu_guest *gabi_reader_start_host(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *asked_for,
					       const char *items, struct gabi_qemu **ret_line);

/* ---- what they share ---- */

void gabi_reader_note(struct gabi_domain_reader *reader, const char *before, const char *name, const char *after);

/* Pieces of the argument. A name that QEMU could take for more than one item, or a shell for more than one word, is refused. */
bool gabi_reader_is_plain(const char *text);
void gabi_reader_out_name(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *text);
void gabi_reader_out_item(struct gabi_domain_reader *reader, const char *name, const char *value); /* ",name=value" */
void gabi_reader_out_number(struct gabi_domain_reader *reader, const char *name, uint64_t value);

/* state='on', and its like; required: the attribute must be there. */
enum { OFF, ON, ABSENT };
extern const char *const gabi_reader_switches[2]; /* "off", "on" */
size_t gabi_reader_switch(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *attr, const char *const *words);
size_t gabi_reader_required_switch(struct gabi_domain_reader *reader, const struct gabi_xml_node *node);

/* The attribute as one of the words; `usual` where it is missing, or there is no node. */
size_t gabi_reader_word(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *attr, const char *const *words,
			size_t count, size_t usual);

/* The child of that name, of which there is one at most. */
const struct gabi_xml_node *gabi_reader_only(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *name);

/* Refuses children that are none of the names: "what" says of what. */
void gabi_reader_only_known(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *const *names, size_t count,
			    const char *what);

/* Refuses a name that is none of the names, and says those near it. */
void gabi_reader_unknown(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *what, const char *wanted,
			 const char *const *names, size_t count);

#endif
