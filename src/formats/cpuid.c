/* SPDX-License-Identifier: MIT */
/*
 * Raw dumps of CPUID, as cpuid -r and cpuid -1 -r print them, with MSRs in lines of our own:
 *
 *	CPU 0:
 *	   0x00000000 0x00: eax=0x0000000d ebx=0x68747541 ecx=0x444d4163 edx=0x69746e65
 *	msr 0x10a 0x0000000000000001
 *
 * Blank lines, and lines that begin with #, are passed over.
 */
#include "formats/import.h"

#include <gabi/vocab.h>

#include <string.h>

enum kind { BLANK, CPU, LEAF, MSR };

struct line {
	enum kind kind;
	uint64_t cpu;
	struct gabi_leaf leaf;
	uint32_t msr;
	uint64_t value;
};

struct scan {
	const char *text, *at, *end;
	uint32_t line;
	const char *line_at; /* where the line begins */
};

/* ---- one line ---- */

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r'))
		scan->at++;
}

static bool at_end_of_line(struct scan *scan)
{
	skip_blanks(scan);
	return scan->at == scan->end || *scan->at == '\n';
}

static bool take(struct scan *scan, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, text, len))
		return false;
	scan->at += len;
	return true;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "0x" and at most that many digits. */
static bool take_hex(struct scan *scan, unsigned digits, uint64_t *ret_number)
{
	uint64_t number = 0;
	unsigned count = 0;

	if (!take(scan, "0x"))
		return false;
	for (; scan->at < scan->end && digit_of(*scan->at) >= 0; scan->at++) {
		if (++count > digits)
			return false;
		number = number << 4 | (uint64_t)digit_of(*scan->at);
	}
	*ret_number = number;
	return count > 0;
}

static bool take_word(struct scan *scan, uint32_t *ret_number)
{
	uint64_t number;

	if (!take_hex(scan, 8, &number))
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

static bool scan_leaf(struct scan *scan, struct gabi_leaf *leaf)
{
	static const char *const names[] = { "eax=", "ebx=", "ecx=", "edx=" };

	if (!take_word(scan, &leaf->leaf) || !take(scan, " ") || !take_word(scan, &leaf->sub) || !take(scan, ":"))
		return false;
	for (unsigned reg = GABI_EAX; reg <= GABI_EDX; reg++)
		if (!take(scan, " ") || !take(scan, names[reg]) || !take_word(scan, &leaf->reg[reg]))
			return false;
	return true;
}

/* "CPU:" or "CPU 3:" */
static bool scan_cpu(struct scan *scan, uint64_t *ret_cpu)
{
	*ret_cpu = 0;
	if (take(scan, " ")) {
		const char *from = scan->at;

		for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9' && scan->at - from < 9; scan->at++)
			*ret_cpu = 10 * *ret_cpu + (uint64_t)(*scan->at - '0');
		if (scan->at == from)
			return false;
	}
	return take(scan, ":");
}

static bool scan_msr(struct scan *scan, struct line *line)
{
	return take(scan, " ") && take_word(scan, &line->msr) && take(scan, " ") && take_hex(scan, 16, &line->value);
}

static bool scan_content(struct scan *scan, struct line *line)
{
	if (at_end_of_line(scan) || *scan->at == '#') {
		line->kind = BLANK;
		while (scan->at < scan->end && *scan->at != '\n')
			scan->at++;
		return true;
	}
	if (take(scan, "CPU")) {
		line->kind = CPU;
		return scan_cpu(scan, &line->cpu);
	}
	if (take(scan, "msr")) {
		line->kind = MSR;
		return scan_msr(scan, line);
	}
	line->kind = LEAF;
	return scan_leaf(scan, &line->leaf);
}

/* 1 and a line, 0 at the end of the text, or an error with its position. */
static int scan_line(struct scan *scan, struct line *ret_line, struct gabi_diag *diag)
{
	if (scan->at == scan->end)
		return 0;
	scan->line++;
	scan->line_at = scan->at;
	if (!scan_content(scan, ret_line) || !at_end_of_line(scan)) {
		gabi_fail(diag, GABI_ERR_SYNTAX, "this is no line of cpuid -r, nor of the form \"msr 0x10a 0x1\"", (char *)NULL);
		if (diag) {
			diag->line = scan->line;
			diag->column = (uint32_t)(scan->at - scan->line_at) + 1;
		}
		return GABI_ERR_SYNTAX;
	}
	if (scan->at < scan->end)
		scan->at++;
	return 1;
}

/* ---- the dump, in three passes ---- */

struct pass {
	struct gabi_importer *importer;
	uint64_t first_cpu; /* the one whose words are taken */
	bool any_leaf;
	int (*leaf)(struct pass *pass, const struct line *line);
	int (*msr)(struct pass *pass, const struct line *line);
};

static int see_leaf(struct pass *pass, const struct line *line)
{
	if (line->cpu == pass->first_cpu)
		gabi_import_see(pass->importer, &line->leaf);
	pass->any_leaf = true;
	return 0;
}

static int add_leaf(struct pass *pass, const struct line *line)
{
	return line->cpu == pass->first_cpu ? gabi_import_leaf(pass->importer, &line->leaf) : 0;
}

static int add_msr(struct pass *pass, const struct line *line)
{
	return line->cpu == pass->first_cpu ?
		       gabi_import_msr(pass->importer, line->msr, line->value, GABI_SPACE_MSR) : 0;
}

/* Bits of a word that say something of the machine and not of where one processor is in it. */
static uint64_t common_bits(const struct gabi_key *key)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);
	uint64_t bits = UINT32_MAX;

	for (size_t i = 0; i < count; i++)
		if (field[i].rule == GABI_RULE_FREE)
			bits &= ~(gabi_mask(field[i].bits) << field[i].lo);
	return bits;
}

/* A manifest has one CPUID for all processors: another processor must not differ in anything that is a promise. */
static int compare_leaf(struct pass *pass, const struct line *line)
{
	struct gabi_key key = gabi_import_key(pass->importer, &line->leaf);

	if (line->cpu == pass->first_cpu || key.space == GABI_SPACE_NONE)
		return 0;
	for (unsigned reg = GABI_EAX; reg <= GABI_EDX; reg++) {
		const struct gabi_word *word;
		char text[64];

		key.part = (uint16_t)reg;
		word = gabi_host_find(pass->importer->host, &key);
		if (word && !((word->value ^ line->leaf.reg[reg]) & common_bits(&key)))
			continue;
		gabi_key_print(&key, text, sizeof(text));
		return gabi_fail_at(pass->importer->diag, GABI_ERR_CONFLICT, &key, "the processors of the dump differ in ", text,
				    "; import one of them alone (cpuid -1 -r)", (char *)NULL);
	}
	return 0;
}

static int run_pass(struct pass *pass, const char *text, size_t len)
{
	struct scan scan = { .text = text, .at = text, .end = text + len };
	struct line line = { .cpu = pass->first_cpu };
	int got;

	while ((got = scan_line(&scan, &line, pass->importer->diag)) > 0) {
		int err = 0;

		if (line.kind == LEAF)
			err = pass->leaf(pass, &line);
		else if (line.kind == MSR && pass->msr)
			err = pass->msr(pass, &line);
		if (err && pass->importer->diag)
			pass->importer->diag->line = scan.line;
		if (err)
			return err;
	}
	return got;
}

/* The first header's number: cpuid may have run on some processors alone. */
static uint64_t first_cpu(const char *text, size_t len)
{
	struct scan scan = { .text = text, .at = text, .end = text + len };
	struct line line = { .cpu = 0 };

	while (scan_line(&scan, &line, NULL) > 0)
		if (line.kind != BLANK)
			return line.kind == CPU ? line.cpu : 0;
	return 0;
}

static int check_view(const struct gabi_host *host, struct gabi_diag *diag)
{
	const struct gabi_key key = { .space = GABI_SPACE_CPUID, .part = GABI_ECX, .index = 1 };
	const struct gabi_word *word = gabi_host_find(host, &key);

	if (gabi_host_view(host) == GABI_VIEW_CPU && word && word->value >> 31)
		return gabi_fail_at(diag, GABI_ERR_CONFLICT, &key, "the dump was taken in a guest, as its hypervisor bit says, and not on a bare CPU",
				    (char *)NULL);
	return 0;
}

int gabi_import_cpuid(const char *text, size_t len, enum gabi_view view, const struct gabi_mem *mem, struct gabi_host **ret_host,
		      struct gabi_diag *diag)
{
	struct gabi_importer importer = { .diag = diag };
	struct pass pass = { .importer = &importer, .first_cpu = first_cpu(text, len), .leaf = see_leaf };
	int err;

	if (view != GABI_VIEW_GUEST && view != GABI_VIEW_CPU)
		return gabi_fail(diag, GABI_ERR_ARG, "a dump of CPUID is what a guest or a bare CPU shows", (char *)NULL);
	err = run_pass(&pass, text, len);
	if (err)
		return err;
	if (!pass.any_leaf)
		return gabi_fail(diag, GABI_ERR_SCHEMA, "no leaf of CPUID is in the text", (char *)NULL);
	importer.host = gabi_host_new(GABI_ARCH_X86, view, mem);
	if (!importer.host)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = gabi_host_set_fact(importer.host, "source", "cpuid -r", diag);
	pass.leaf = add_leaf;
	pass.msr = add_msr;
	if (!err)
		err = run_pass(&pass, text, len);
	if (!err)
		err = gabi_import_end(&importer);
	if (err == GABI_ERR_DUPLICATE && diag)
		gabi_key_print(&diag->key, diag->where, sizeof(diag->where));
	pass.leaf = compare_leaf;
	pass.msr = NULL;
	if (!err)
		err = run_pass(&pass, text, len);
	if (!err)
		err = check_view(importer.host, diag);
	if (err)
		gabi_host_free(importer.host);
	else
		*ret_host = importer.host;
	return err;
}
