/* SPDX-License-Identifier: MIT */
/* libvirt's domains into the QEMU arguments that libvirt makes of them: libvirt 11.3, qemuBuildCpuCommandLine. */
#include "formats/libvirt_reader.h"

#include <string.h>

static void copy_word(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *text, char out[GABI_DOMAIN_WORD_CAP])
{
	if (strlen(text) >= GABI_DOMAIN_WORD_CAP || !gabi_reader_is_plain(text))
		GABI_READER_FAIL(reader, node, GABI_ERR_SYNTAX, "'", text, "' is too long, or cannot stand in an argument");
	else
		memcpy(out, text, strlen(text) + 1);
}

static void read_machine(struct gabi_domain_reader *reader)
{
	const struct gabi_xml_node *type = gabi_reader_only(reader, gabi_reader_only(reader, reader->root, "os"), "type");
	const char *arch = gabi_tree_attr(type, "arch"), *machine = gabi_tree_attr(type, "machine");

	if (reader->err)
		return;
	reader->domain->arch = GABI_ARCH_X86;
	if (arch && !strcmp(arch, "aarch64"))
		reader->domain->arch = GABI_ARCH_ARM64;
	else if (arch && strcmp(arch, "x86_64") && strcmp(arch, "i686"))
		GABI_READER_FAIL(reader, type, GABI_ERR_ARCH, "the domain is of ", arch, "; gabi knows x86_64, i686 and aarch64");
	else if (!arch && reader->host)
		reader->domain->arch = gabi_host_arch(reader->host);
	if (!reader->err && reader->host && gabi_host_arch(reader->host) != reader->domain->arch)
		GABI_READER_FAIL(reader, type ? type : reader->root, GABI_ERR_ARCH, "the domain is of ", gabi_arch_text(reader->domain->arch),
		     ", and the host of ", gabi_arch_text(gabi_host_arch(reader->host)));
	if (!reader->err && machine)
		copy_word(reader, type, machine, reader->domain->machine);
}

static void read_kind(struct gabi_domain_reader *reader)
{
	static const char *const types[] = { "kvm", "qemu" };
	const struct gabi_xml_node *name = gabi_tree_child(reader->root, "name");

	if (!gabi_tree_is(reader->root, "domain")) {
		GABI_READER_FAIL(reader, reader->root, GABI_ERR_SCHEMA, "a <domain> of libvirt is wanted here");
		return;
	}
	reader->domain->kvm = gabi_reader_word(reader, reader->root, "type", types, 2, 2) == 0;
	if (name && strlen(name->text) < GABI_DOMAIN_WORD_CAP)
		memcpy(reader->domain->name, name->text, strlen(name->text) + 1);
}

static bool is_plain_arm64(const struct gabi_domain_reader *reader)
{
	return reader->domain->arch == GABI_ARCH_ARM64 && !reader->out.len;
}

/* libvirt passes on the arguments of <qemu:commandline> behind its own, where QEMU takes the last. */
static void refuse_override(struct gabi_domain_reader *reader)
{
	for (const struct gabi_xml_node *line = reader->root->child; line && !reader->err; line = line->next) {
		if (!*line->space || strcmp(line->name, "commandline"))
			continue;
		for (const struct gabi_xml_node *arg = line->child; arg && !reader->err; arg = arg->next) {
			const char *value = gabi_tree_attr(arg, "value");

			if (value && !strcmp(value, "-cpu"))
				GABI_READER_FAIL(reader, arg, GABI_ERR_CONFLICT, "the domain gives QEMU a -cpu of its own, which overrides <cpu>; "
				     "read that argument instead");
		}
	}
}

static int read_domain(struct gabi_domain_reader *reader)
{
	read_kind(reader);
	if (!reader->err)
		read_machine(reader);
	if (!reader->err)
		refuse_override(reader);
	if (reader->err)
		return reader->err;
	reader->cpu = gabi_reader_only(reader, reader->root, "cpu");
	if (reader->cpu || reader->domain->arch == GABI_ARCH_X86)
		gabi_reader_cpu(reader);
	if (!reader->err)
		gabi_reader_clock(reader);
	if (!reader->err)
		gabi_reader_features(reader);
	if (!reader->err)
		gabi_reader_cpu_rest(reader);
	if (!reader->err)
		gabi_reader_topology(reader);
	if (!reader->err && reader->out.len > GABI_CPU_MAX_LEN)
		GABI_READER_FAIL(reader, reader->cpu ? reader->cpu : reader->root, GABI_ERR_LIMIT, "the domain makes a -cpu argument of more than 16384 bytes");
	if (!reader->err && is_plain_arm64(reader))
		reader->domain->cpu[0] = '\0';
	return reader->err;
}

int gabi_domain_read(const struct gabi_xml_node *root, const struct gabi_host *host, const struct gabi_mem *mem,
		     struct gabi_domain **ret_domain, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_domain_reader reader = { .root = root, .host = host, .diag = diag };

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
