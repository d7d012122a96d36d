/* SPDX-License-Identifier: MIT */
/* gabi show: what contracts and manifests say, register by register, by name. */
#include "load.h"
#include "rows.h"
#include "save.h"

#include <gabi/formats.h>
#include <gabi/verdict.h>
#include <gabi/vocab.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of the two; the other is NULL. */
struct shown {
	struct gabi_contract *contract;
	struct gabi_host *host;
};

static const struct gabi_word *words_of(const struct shown *shown, size_t *ret_count)
{
	return shown->contract ? gabi_contract_words(shown->contract, ret_count) : gabi_host_words(shown->host, ret_count);
}

static uint64_t mask(unsigned bits)
{
	return bits >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1;
}

/* The bits of a word that have no row, one run after the other: false when there is none from *lo on. A register whose
 * row has no fields is named as a whole. */
static bool next_unnamed(const struct gabi_word *word, unsigned *lo, unsigned *ret_bits)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(&word->key, &count);

	if (!count && gabi_reg_of(&word->key))
		return false;
	while (*lo < word->bits) {
		unsigned end = word->bits;

		for (size_t i = 0; i < count; i++) {
			if (field[i].lo <= *lo && *lo < field[i].lo + field[i].bits)
				end = *lo; /* named */
			else if (field[i].lo > *lo && field[i].lo < end)
				end = field[i].lo;
		}
		if (end > *lo) {
			*ret_bits = end - *lo;
			return true;
		}
		++*lo;
	}
	return false;
}

/* ---- what a word means ---- */

static void print_bits(FILE *out, unsigned lo, unsigned bits, uint64_t value)
{
	if (bits == 1)
		fprintf(out, "bit-%u", lo);
	else
		fprintf(out, "bits-%u:%u=0x%" PRIx64, lo + bits - 1, lo, value);
}

static void print_field(FILE *out, const struct gabi_field *field, const struct gabi_word *word)
{
	char name[128], value[64];
	struct gabi_finding finding = {
		.field = field,
		.key = word->key,
		.lo = field->lo,
		.bits = field->bits,
		.has_have = 1,
		.have = word->value >> field->lo & mask(field->bits),
	};

	gabi_field_print(field, &word->key, name, sizeof(name));
	gabi_finding_values(&finding, 1, value, sizeof(value));
	if (field->kind == GABI_KIND_FLAG)
		fprintf(out, "%s ", name);
	else
		fprintf(out, "%s=%s ", name, value);
}

/* Names first, then the bits without one. */
static void print_meaning(FILE *out, const struct gabi_word *word)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(&word->key, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t value = word->value >> field[i].lo & mask(field[i].bits);

		if (value != field[i].absent && (value || field[i].kind != GABI_KIND_FLAG))
			print_field(out, &field[i], word);
	}
	for (unsigned lo = 0, bits; next_unnamed(word, &lo, &bits); lo += bits) {
		uint64_t value = word->value >> lo & mask(bits);

		if (!value)
			continue;
		print_bits(out, lo, bits, value);
		fputc(' ', out);
	}
}

/* "settable", "settable 0xf0", "once", "implied", "seen", "offer": what a VMM may do with a manifest's word. */
static void note_text(const struct gabi_word *word, char *out, size_t cap)
{
	size_t len = 0;

	*out = '\0';
	if (word->vp != GABI_VP_ALL)
		len += (size_t)snprintf(out + len, cap - len, "VP %u ", word->vp);
	if (word->settable == mask(word->bits))
		len += (size_t)snprintf(out + len, cap - len, "settable ");
	else if (word->settable)
		len += (size_t)snprintf(out + len, cap - len, "settable 0x%" PRIx64 " ", word->settable);
	if (word->flags & GABI_WORD_ONCE)
		len += (size_t)snprintf(out + len, cap - len, "once ");
	if (word->flags & GABI_WORD_IMPLIED)
		len += (size_t)snprintf(out + len, cap - len, "implied ");
	if (word->flags & GABI_WORD_SEEN)
		len += (size_t)snprintf(out + len, cap - len, "seen ");
	if (word->flags & GABI_WORD_OFFER)
		len += (size_t)snprintf(out + len, cap - len, "offer ");
	if (len)
		out[len - 1] = '\0';
}

/* ---- the table: a section a space ---- */

static bool same_register(const struct gabi_key *a, const struct gabi_key *b)
{
	return a->space == b->space && a->index == b->index && a->sub == b->sub;
}

/* Ends a list of words that each end in a space; the caller frees it. */
static char *close_text(FILE *out, char **text, size_t *len)
{
	if (!out || fclose(out))
		return NULL;
	if (*len)
		(*text)[*len - 1] = '\0';
	return *text;
}

static char *meaning_of(const struct gabi_word *word)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out)
		print_meaning(out, word);
	return close_text(out, &text, &len);
}

static void add_word(struct table *table, const struct gabi_word *word, const struct gabi_word *before)
{
	const struct gabi_reg *reg = gabi_reg_of(&word->key);
	char key[64], value[24], note[64], *text = meaning_of(word);
	const char *number, *name = reg ? reg->name : "";

	gabi_key_print(&word->key, key, sizeof(key)); /* "cpuid 0x7.0x0 eax", "msr 0x10a" */
	number = strchr(key, ' ') + 1;
	if (reg && strchr(number, ' '))
		number = strchr(number, ' ') + 1;
	if (before && same_register(&before->key, &word->key))
		name = "";
	snprintf(value, sizeof(value), "0x%" PRIx64, word->value);
	note_text(word, note, sizeof(note));
	table_row(table, COLOR_NONE, (const char *[]){ name, number, value, text ? text : "out of memory", note });
	free(text);
}

static bool is_cap(unsigned space)
{
	return space == GABI_SPACE_CAP || space == GABI_SPACE_CAP_SYSTEM;
}

/* Lists of what is there: each word is one more name. */
static bool is_list(unsigned space)
{
	return space == GABI_SPACE_MSR_STATE || space == GABI_SPACE_ARM64_STATE || is_cap(space);
}

static void print_list_entry(FILE *out, const struct gabi_word *word)
{
	const struct gabi_reg *reg = gabi_reg_of(&word->key);

	if (!word->value && is_cap(word->key.space))
		return;
	if (reg)
		fputs(reg->name, out);
	else
		fprintf(out, "0x%" PRIx64, word->key.index);
	if (is_cap(word->key.space) && word->value != 1)
		fprintf(out, "=%" PRIu64, word->value);
	fputc(' ', out);
}

/* A list as one paragraph; returns how many words it has. */
static size_t add_list(struct table *table, const struct gabi_word *word, size_t count)
{
	char *text = NULL;
	size_t len, used = 0;
	FILE *out = open_memstream(&text, &len);

	for (; used < count && word[used].key.space == word->key.space; used++)
		if (out && word[used].key.part == 0)
			print_list_entry(out, &word[used]);
	if (!close_text(out, &text, &len))
		table_paragraph(table, "out of memory");
	else
		table_paragraph(table, text);
	free(text);
	return used;
}

/* Adds the words of one space; returns how many it has. Zero says nothing, unless a VMM could change it. */
static size_t add_space(struct table *table, const struct gabi_word *word, size_t count, bool all)
{
	unsigned space = word->key.space;
	const struct gabi_word *before = NULL;
	size_t used = 0;

	table_section(table, COLOR_BOLD, gabi_space_text(space));
	if (is_list(space))
		return add_list(table, word, count);
	for (; used < count && word[used].key.space == space; used++) {
		if (!all && !word[used].value && !word[used].settable)
			continue;
		add_word(table, &word[used], before);
		before = &word[used];
	}
	return used;
}

static void print_words(const struct args *args, const struct shown *shown)
{
	static const struct column columns[] = {
		{ "REGISTER" }, { "WORD" }, { "VALUE", .right = true }, { "MEANS", .wraps = true }, { "NOTE" },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));
	size_t count;
	const struct gabi_word *word = words_of(shown, &count);

	for (size_t at = 0; at < count;)
		at += add_space(table, word + at, count - at, args->option[OPTION_ALL]);
	table_print(table);
}

static void digest_text(const struct gabi_contract *contract, char text[GABI_FORMATS_DIGEST_CAP])
{
	uint8_t digest[GABI_DIGEST_LEN];

	gabi_contract_digest(contract, digest);
	gabi_digest_print(digest, text);
}

static void print_contract_head(const struct gabi_contract *contract, const char *path)
{
	char title[TITLE_LEN], digest[GABI_FORMATS_DIGEST_CAP], text[TITLE_LEN + 160];
	size_t count;

	gabi_contract_words(contract, &count);
	contract_title(contract, path, title);
	digest_text(contract, digest);
	snprintf(text, sizeof(text), "%s: contract, %s, %zu words, %s", title, gabi_arch_text(gabi_contract_arch(contract)), count,
		 digest);
	print_headline(COLOR_BOLD, text);
	if (*gabi_contract_note(contract))
		print_headline(COLOR_NONE, gabi_contract_note(contract));
	putchar('\n');
}

static void print_facts(const struct gabi_host *host)
{
	static const struct column columns[] = { { "FACT" }, { "VALUE", .wraps = true } };
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));

	for (size_t i = 0; i < gabi_facts_count(gabi_host_facts(host)); i++) {
		const char *value, *name = gabi_facts_at(gabi_host_facts(host), i, &value);

		table_row(table, COLOR_NONE, (const char *[]){ name, value });
	}
	table_print(table);
	putchar('\n');
}

static void print_host_head(const struct gabi_host *host, const char *path)
{
	static const char *const views[] = {
		[GABI_VIEW_KVM] = "what KVM offers", [GABI_VIEW_GUEST] = "what a guest saw", [GABI_VIEW_CPU] = "what the bare CPU has",
		[GABI_VIEW_OFFER] = "what a VMM itself provides",
	};
	char title[TITLE_LEN], text[TITLE_LEN + 160];
	size_t count;

	gabi_host_words(host, &count);
	host_title(host, path, title);
	snprintf(text, sizeof(text), "%s: manifest, %s, %zu words, %s", title, gabi_arch_text(gabi_host_arch(host)), count,
		 views[gabi_host_view(host) & 3]);
	print_headline(COLOR_BOLD, text);
	putchar('\n');
	print_facts(host);
}

static enum status print_one(const struct args *args, const char *path, const struct shown *shown)
{
	if (args->option[OPTION_JSON])
		return shown->contract ? save_contract(args, shown->contract) : save_host(args, shown->host);
	if (shown->contract)
		print_contract_head(shown->contract, path);
	else
		print_host_head(shown->host, path);
	print_words(args, shown);
	return STATUS_YES;
}

/* ---- --digest ---- */

static enum status print_digest(struct rows *rows, const char *path, const struct shown *shown)
{
	char digest[GABI_FORMATS_DIGEST_CAP];

	if (!shown->contract) {
		complain("%s: is a manifest; only a contract has a digest", path);
		return STATUS_INPUT;
	}
	digest_text(shown->contract, digest);
	if (rows->json) {
		rows_add(rows, COLOR_NONE, (const char *[]){ path, digest });
		return STATUS_YES;
	}
	printf("%s  ", digest);
	print_safe(path);
	putchar('\n');
	return STATUS_YES;
}

/* ---- --unnamed ---- */

static void bits_text(unsigned lo, unsigned bits, char out[24])
{
	if (bits == 1)
		snprintf(out, 24, "%u", lo);
	else
		snprintf(out, 24, "%u:%u", lo + bits - 1, lo);
}

static void print_run(struct rows *rows, const char *path, const struct gabi_word *word, unsigned lo, unsigned bits, uint64_t value)
{
	char key[64], place[24], number[24];

	gabi_key_print(&word->key, key, sizeof(key));
	if (!rows->json) {
		print_safe(path);
		printf(": %s ", key);
		print_bits(stdout, lo, bits, value);
		putchar('\n');
		return;
	}
	bits_text(lo, bits, place);
	snprintf(number, sizeof(number), "0x%" PRIx64, value);
	rows_add(rows, COLOR_NONE, (const char *[]){ path, key, place, number });
}

static void print_unnamed(struct rows *rows, const char *path, const struct shown *shown)
{
	size_t count;
	const struct gabi_word *word = words_of(shown, &count);

	for (size_t i = 0; i < count; i++) {
		if (word[i].key.space == GABI_SPACE_ARM64_ACCEPTS) /* how a register can be set, bit by bit; no bits of its own */
			continue;
		for (unsigned lo = 0, bits; next_unnamed(&word[i], &lo, &bits); lo += bits) {
			uint64_t value = word[i].value >> lo & mask(bits);

			if (value)
				print_run(rows, path, &word[i], lo, bits, value);
		}
	}
}

static enum status show(const struct args *args, struct rows *rows, const char *path)
{
	struct shown shown;
	enum status status = load_any(args, path, &shown.contract, &shown.host);

	if (status)
		return status;
	if (args->option[OPTION_DIGEST])
		status = print_digest(rows, path, &shown);
	else if (args->option[OPTION_UNNAMED])
		print_unnamed(rows, path, &shown);
	else
		status = print_one(args, path, &shown);
	gabi_contract_free(shown.contract);
	gabi_host_free(shown.host);
	return status;
}

enum status run_show(const struct args *args)
{
	static const struct column bits[] = { { "FILE" }, { "WORD" }, { "BITS" }, { "VALUE" } }, digests[] = { { "FILE" }, { "DIGEST" } };
	bool digest = args->option[OPTION_DIGEST], list = digest || args->option[OPTION_UNNAMED], json = args->option[OPTION_JSON];
	enum status status = STATUS_YES;
	struct rows rows = { 0 };

	if (list && json) {
		rows_begin(&rows, true);
		if (digest)
			rows_open(&rows, "digests", NULL, digests, sizeof(digests) / sizeof(*digests));
		else
			rows_open(&rows, "unnamed", NULL, bits, sizeof(bits) / sizeof(*bits));
	}
	for (size_t i = 0; !status && i < args->files; i++) {
		if (i && !list && !json)
			putchar('\n');
		status = show(args, &rows, args->file[i]);
	}
	if (list && json) {
		rows_close(&rows);
		rows_end(&rows);
	}
	return status;
}
