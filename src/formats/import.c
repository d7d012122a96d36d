/* SPDX-License-Identifier: MIT */
#include "formats/import.h"

#include <gabi/vocab.h>

#include "host/canonical.h"

#include <string.h>

#define HYPERVISOR_FIRST 0x40000000u
#define HYPERVISOR_LAST  0x4000ffffu
#define HYPERVISOR_RUN   0x100u /* each interface has that many leaves */

/* ---- ranges of leaves ---- */

/* CPUID.<base>: EBX, ECX, EDX. Linux, Documentation/virt/kvm/x86/cpuid.rst: "KVMKVMKVM". */
static bool is_kvm(const struct gabi_leaf *leaf)
{
	return leaf->reg[GABI_EBX] == 0x4b4d564b && leaf->reg[GABI_ECX] == 0x564b4d56 && leaf->reg[GABI_EDX] == 0x4d;
}

/* TLFS 2.4: an interface that conforms says "Hv#1" here; the vendor's name before it may be any. */
static bool is_hyperv(const struct gabi_leaf *leaf)
{
	return leaf->leaf == HYPERVISOR_FIRST + 1 && leaf->reg[GABI_EAX] == 0x31237648;
}

static bool in_run(uint32_t leaf, uint32_t base)
{
	return base && leaf >= base && leaf - base < HYPERVISOR_RUN;
}

static void set_bit(uint8_t *bits, uint32_t bit)
{
	bits[bit / 8] |= (uint8_t)(1u << bit % 8);
}

static bool has_bit(const uint8_t *bits, uint32_t bit)
{
	return bits[bit / 8] >> bit % 8 & 1;
}

static bool is_hypervisor(uint32_t leaf)
{
	return leaf >= HYPERVISOR_FIRST && leaf <= HYPERVISOR_LAST;
}

/* The first leaf of a range returns its last; what a CPU returns for a range that it does not have is another's data. */
void gabi_import_see(struct gabi_importer *importer, const struct gabi_leaf *leaf)
{
	uint32_t first = leaf->leaf, len = is_hypervisor(first) ? HYPERVISOR_RUN : 0x10000, last = leaf->reg[GABI_EAX];

	if (is_hyperv(leaf))
		importer->hyperv = true;
	if (first == 0 || first % len)
		return;
	if (is_hypervisor(first) && is_kvm(leaf)) { /* old kernels return 0 for the last leaf */
		if (!importer->kvm_base)
			importer->kvm_base = first;
	} else if (last < first || last - first >= len) {
		if (is_hypervisor(first))
			set_bit(importer->dead_runs, (first - HYPERVISOR_FIRST) / HYPERVISOR_RUN);
		else
			set_bit(importer->dead, first >> 16);
	}
}

static bool is_dead(const struct gabi_importer *importer, uint32_t leaf)
{
	if (is_hypervisor(leaf))
		return has_bit(importer->dead_runs, (leaf - HYPERVISOR_FIRST) / HYPERVISOR_RUN);
	return has_bit(importer->dead, leaf >> 16);
}

struct gabi_key gabi_import_key(const struct gabi_importer *importer, const struct gabi_leaf *leaf)
{
	struct gabi_key key = { .space = GABI_SPACE_CPUID, .sub = leaf->sub, .index = leaf->leaf };

	if (in_run(leaf->leaf, importer->kvm_base)) {
		key.space = GABI_SPACE_KVM;
		key.index = leaf->leaf - importer->kvm_base + HYPERVISOR_FIRST;
	} else if (importer->hyperv && in_run(leaf->leaf, HYPERVISOR_FIRST)) {
		key.space = GABI_SPACE_HYPERV;
	} else if (is_dead(importer, leaf->leaf)) {
		key.space = GABI_SPACE_NONE;
	}
	return key;
}

/* ---- words ---- */

static int add(struct gabi_importer *importer, const struct gabi_key *key, uint64_t value)
{
	unsigned width = gabi_key_width(key);
	struct gabi_word word = { .key = *key, .value = value, .vp = GABI_VP_ALL, .bits = (uint8_t)(width < 64 ? width : 64) };
	size_t count;

	gabi_host_words(importer->host, &count);
	if (count == GABI_FORMATS_MAX_WORDS)
		return gabi_fail(importer->diag, GABI_ERR_LIMIT, "the file lists more words than gabi takes", (char *)NULL);
	word.settable = gabi_settable_rule(key->space) & gabi_mask(word.bits);
	return gabi_host_add(importer->host, &word, importer->diag);
}

int gabi_import_leaf(struct gabi_importer *importer, const struct gabi_leaf *leaf)
{
	struct gabi_key key = gabi_import_key(importer, leaf);
	int err = 0;

	if (key.space == GABI_SPACE_NONE)
		return 0;
	for (unsigned reg = GABI_EAX; !err && reg <= GABI_EDX; reg++) {
		key.part = (uint16_t)reg;
		err = add(importer, &key, leaf->reg[reg]);
	}
	return err;
}

int gabi_import_msr(struct gabi_importer *importer, uint32_t index, uint64_t value, enum gabi_space otherwise)
{
	struct gabi_key key = { .space = GABI_SPACE_MSR, .index = index };
	const struct gabi_reg *reg = gabi_reg_of(&key);

	if (!reg) {
		key.space = GABI_SPACE_MSR_STATE;
		reg = gabi_reg_of(&key);
	}
	key.space = reg ? reg->key.space : (uint16_t)otherwise;
	return add(importer, &key, key.space == GABI_SPACE_MSR_STATE ? 1 : value);
}

/* ---- facts ---- */

static uint32_t found(const struct gabi_host *host, uint32_t leaf, enum gabi_cpuid_reg reg)
{
	const struct gabi_key key = { .space = GABI_SPACE_CPUID, .part = (uint16_t)reg, .index = leaf };
	const struct gabi_word *word = gabi_host_find(host, &key);

	return word ? (uint32_t)word->value : 0;
}

struct letters {
	char text[48 + 1];
	size_t len;
};

static void add_letters(struct letters *letters, uint32_t word)
{
	for (unsigned i = 0; i < 4; i++, word >>= 8)
		letters->text[letters->len++] = (char)(word & 0xff);
}

/* The letters up to the first NUL, without the spaces around them; no fact if there are none, or others than ASCII's. */
static int set_letters(struct gabi_importer *importer, const char *name, struct letters *letters)
{
	char *text = letters->text, *end;

	text[letters->len] = '\0';
	while (*text == ' ')
		text++;
	for (end = text; *end; end++)
		if (*end < ' ' || *end > '~')
			return 0;
	while (end > text && end[-1] == ' ')
		*--end = '\0';
	return *text ? gabi_host_set_fact(importer->host, name, text, importer->diag) : 0;
}

static int set_cpu_facts(struct gabi_importer *importer)
{
	struct letters vendor = { .len = 0 }, brand = { .len = 0 };
	char signature[16];
	struct gabi_out out = gabi_out_to(signature, sizeof(signature));
	int err;

	add_letters(&vendor, found(importer->host, 0, GABI_EBX));
	add_letters(&vendor, found(importer->host, 0, GABI_EDX));
	add_letters(&vendor, found(importer->host, 0, GABI_ECX));
	for (uint32_t leaf = 0x80000002; leaf <= 0x80000004; leaf++)
		for (unsigned reg = GABI_EAX; reg <= GABI_EDX; reg++)
			add_letters(&brand, found(importer->host, leaf, reg));
	gabi_out_text(&out, "0x");
	gabi_out_hex(&out, found(importer->host, 1, GABI_EAX), 1);
	err = set_letters(importer, "cpu.vendor", &vendor);
	if (!err)
		err = set_letters(importer, "cpu.model", &brand);
	if (!err && found(importer->host, 1, GABI_EAX))
		err = gabi_host_set_fact(importer->host, "cpu.signature", signature, importer->diag);
	return err;
}

int gabi_import_end(struct gabi_importer *importer)
{
	const struct gabi_reg *base = gabi_reg_by_name("kvm-leaf-base");
	int err = importer->kvm_base && base ? add(importer, &base->key, importer->kvm_base) : 0;

	if (err)
		return err;
	/* A guest sees all leaves that it has. A bare CPU has none of a hypervisor's, which says nothing of what KVM offers. */
	gabi_host_cover(importer->host, GABI_SPACE_CPUID);
	if (gabi_host_view(importer->host) == GABI_VIEW_GUEST) {
		gabi_host_cover(importer->host, GABI_SPACE_KVM);
		gabi_host_cover(importer->host, GABI_SPACE_HYPERV);
	}
	err = gabi_host_seal(importer->host, importer->diag);
	return err ? err : set_cpu_facts(importer);
}

/* ---- which format ---- */

int gabi_host_import(const char *text, size_t len, enum gabi_import format, enum gabi_view view, const struct gabi_mem *mem,
		     struct gabi_host **ret_host, struct gabi_diag *diag)
{
	size_t at = 0;

	if (len > GABI_FORMATS_MAX_LEN)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the text is longer than 64 MiB", (char *)NULL);
	while (at < len && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
		at++;
	if (format == GABI_IMPORT_GUESS)
		format = at == len || text[at] != '{' ? GABI_IMPORT_CPUID : gabi_import_is_qemu(text, len) ? GABI_IMPORT_QEMU : GABI_IMPORT_FIRECRACKER;
	if (format == GABI_IMPORT_QEMU)
		return gabi_import_qemu(text, len, view, mem, ret_host, diag);
	return format == GABI_IMPORT_FIRECRACKER ? gabi_import_firecracker(text, len, view, mem, ret_host, diag) :
						   gabi_import_cpuid(text, len, view, mem, ret_host, diag);
}
