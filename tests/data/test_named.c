/* SPDX-License-Identifier: MIT */
/*
 * What differs between real hosts has a name: over all pairs of Firecracker fingerprints of one architecture, at least
 * 97% of the differing bits are of a field, or of a saved register that has a name.
 *   test_named DIRECTORY
 */
#include <gabi/vocab.h>

#include <dirent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PERCENT_NAMED 97

struct value {
	struct gabi_key key;
	uint64_t bits;
};

struct file {
	char name[256];
	bool arm64;
	struct value *at; /* sorted by key */
	size_t count, cap;
};

static void fail(const char *what, const char *where)
{
	fprintf(stderr, "%s: %s\n", where, what);
	exit(1);
}

static uint64_t number(const json_t *text, const char *where)
{
	const char *s = json_string_value(text);
	uint64_t value = 0;
	char *end;

	if (!s || s[0] != '0')
		fail("a number is not as expected", where);
	if (s[1] == 'x') {
		value = strtoull(s, &end, 16);
		if (*end)
			fail("a number is not hexadecimal", where);
		return value;
	}
	if (s[1] != 'b' || strlen(s) > 2 + 128)
		fail("a bitmap is not binary, or too long", where);
	for (s += 2; *s; s++) { /* the upper half of a 128-bit value is in no file: it would be lost here */
		if ((*s != '0' && *s != '1') || value >> 63)
			fail("a bitmap is not binary, or wider than 64 bits", where);
		value = value << 1 | (uint64_t)(*s - '0');
	}
	return value;
}

static void add(struct file *file, const struct gabi_key *key, uint64_t bits)
{
	if (file->count == file->cap) {
		file->cap = file->cap ? 2 * file->cap : 512;
		file->at = realloc(file->at, file->cap * sizeof(*file->at));
		if (!file->at)
			fail("out of memory", file->name);
	}
	file->at[file->count++] = (struct value){ *key, bits };
}

static unsigned cpuid_space(uint64_t leaf)
{
	return leaf >= 0x40000000 && leaf <= 0x400000ff ? GABI_SPACE_KVM : GABI_SPACE_CPUID;
}

static void add_cpuid(struct file *file, const json_t *leaves)
{
	static const char *const registers[] = { "eax", "ebx", "ecx", "edx" };
	const json_t *leaf, *modifier;
	size_t i, k;

	json_array_foreach(leaves, i, leaf) {
		struct gabi_key key = { .index = number(json_object_get(leaf, "leaf"), file->name),
					.sub = (uint32_t)number(json_object_get(leaf, "subleaf"), file->name) };

		key.space = (uint16_t)cpuid_space(key.index);
		json_array_foreach(json_object_get(leaf, "modifiers"), k, modifier) {
			const char *name = json_string_value(json_object_get(modifier, "register"));

			for (key.part = 0; key.part < 4 && (!name || strcmp(name, registers[key.part])); key.part++)
				;
			if (key.part == 4)
				fail("a leaf has an unknown register", file->name);
			add(file, &key, number(json_object_get(modifier, "bitmap"), file->name));
		}
	}
}

static void add_registers(struct file *file, const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		struct gabi_key key = { .space = GABI_SPACE_MSR, .index = number(json_object_get(item, "addr"), file->name) };

		if (file->arm64)
			key.space = (uint16_t)gabi_arm64_space(key.index);
		add(file, &key, number(json_object_get(item, "bitmap"), file->name));
	}
}

static int by_key(const void *a, const void *b)
{
	return gabi_key_compare(&((const struct value *)a)->key, &((const struct value *)b)->key);
}

static void read_file(struct file *file, const char *directory, const char *name)
{
	char path[4096];
	json_error_t error;
	const json_t *config;
	json_t *root;

	*file = (struct file){ .arm64 = !strncmp(name, "ARM_", 4) };
	snprintf(file->name, sizeof(file->name), "%s", name);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail(error.text, path);
	config = json_object_get(root, "guest_cpu_config");
	add_cpuid(file, json_object_get(config, "cpuid_modifiers"));
	add_registers(file, json_object_get(config, file->arm64 ? "reg_modifiers" : "msr_modifiers"));
	json_decref(root);
	if (file->count < 50)
		fail("hardly any register was found", path);
	qsort(file->at, file->count, sizeof(*file->at), by_key);
}

static uint64_t value_in(const struct file *file, const struct gabi_key *key)
{
	const struct value wanted = { .key = *key };
	const struct value *value = bsearch(&wanted, file->at, file->count, sizeof(*file->at), by_key);

	return value ? value->bits : 0;
}

/* The bits of a word that have a name: those of its fields, or all of a register that is saved state. */
static uint64_t named_bits(const struct gabi_key *key)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);
	const struct gabi_reg *reg = gabi_reg_of(key);
	uint64_t bits = 0;

	if (reg && (reg->key.space == GABI_SPACE_MSR_STATE || reg->key.space == GABI_SPACE_ARM64_STATE))
		return ~(uint64_t)0;
	for (size_t i = 0; i < count; i++)
		bits |= (field[i].bits == 64 ? ~(uint64_t)0 : ((uint64_t)1 << field[i].bits) - 1) << field[i].lo;
	return bits;
}

struct tally {
	unsigned long bits, named;
	struct value *unnamed; /* every unnamed bit that differs somewhere */
	size_t count, cap;
};

static void remember(struct tally *tally, const struct gabi_key *key, uint64_t bits)
{
	for (size_t i = 0; i < tally->count; i++)
		if (!gabi_key_compare(&tally->unnamed[i].key, key)) {
			tally->unnamed[i].bits |= bits;
			return;
		}
	if (tally->count == tally->cap) {
		tally->cap = tally->cap ? 2 * tally->cap : 16;
		tally->unnamed = realloc(tally->unnamed, tally->cap * sizeof(*tally->unnamed));
		if (!tally->unnamed)
			fail("out of memory", "tally");
	}
	tally->unnamed[tally->count++] = (struct value){ *key, bits };
}

static void compare_word(struct tally *tally, const struct gabi_key *key, uint64_t differ)
{
	uint64_t named = differ ? named_bits(key) : 0;

	tally->bits += (unsigned)__builtin_popcountll(differ);
	tally->named += (unsigned)__builtin_popcountll(differ & named);
	if (differ & ~named)
		remember(tally, key, differ & ~named);
}

static void compare(struct tally *tally, const struct file *a, const struct file *b)
{
	for (size_t i = 0; i < a->count; i++)
		compare_word(tally, &a->at[i].key, a->at[i].bits ^ value_in(b, &a->at[i].key));
	for (size_t i = 0; i < b->count; i++) {
		const struct value *value = &b->at[i];

		if (!bsearch(value, a->at, a->count, sizeof(*a->at), by_key))
			compare_word(tally, &value->key, value->bits);
	}
}

static bool enough(const struct tally *tally)
{
	return tally->named * 100 >= tally->bits * PERCENT_NAMED;
}

static double percent(const struct tally *tally)
{
	return tally->bits ? 100.0 * (double)tally->named / (double)tally->bits : 100.0;
}

/* All pairs of one architecture. Returns whether enough has a name, in sum and in each pair. */
static bool judge(const struct file *files, size_t count, bool arm64)
{
	struct tally all = { 0 };
	size_t pairs = 0, poor = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = i + 1; k < count; k++) {
			struct tally pair = { 0 };

			if (files[i].arm64 != arm64 || files[k].arm64 != arm64)
				continue;
			compare(&pair, &files[i], &files[k]);
			pairs++;
			all.bits += pair.bits;
			all.named += pair.named;
			if (!enough(&pair)) {
				poor++;
				printf("%s and %s: %.1f%% of %lu\n", files[i].name, files[k].name, percent(&pair), pair.bits);
			}
			for (size_t n = 0; n < pair.count; n++)
				remember(&all, &pair.unnamed[n].key, pair.unnamed[n].bits);
			free(pair.unnamed);
		}
	printf("%s: %zu pairs, %lu differing bits, %.3f%% named, %zu pairs below %d%%\n", arm64 ? "arm64" : "x86", pairs, all.bits,
	       percent(&all), poor, PERCENT_NAMED);
	for (size_t n = 0; n < all.count; n++) {
		char key[64];

		gabi_key_print(&all.unnamed[n].key, key, sizeof(key));
		printf("  unnamed: %s bits %#llx\n", key, (unsigned long long)all.unnamed[n].bits);
	}
	free(all.unnamed);
	return pairs && all.bits && enough(&all) && !poor;
}

int main(int argc, char **argv)
{
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	struct file *files = NULL;
	size_t count = 0;
	bool good;

	if (!directory) {
		printf("%s is not there\n", argc == 2 ? argv[1] : "the directory");
		return argc == 2 ? 77 : 2;
	}
	for (const struct dirent *entry; (entry = readdir(directory));) {
		const char *dot = strrchr(entry->d_name, '.');

		if (!dot || strcmp(dot, ".json"))
			continue;
		files = realloc(files, (count + 1) * sizeof(*files));
		if (!files)
			fail("out of memory", argv[1]);
		read_file(&files[count++], argv[1], entry->d_name);
	}
	closedir(directory);
	good = judge(files, count, false);
	good = judge(files, count, true) && good;
	for (size_t i = 0; i < count; i++)
		free(files[i].at);
	free(files);
	return !good;
}
