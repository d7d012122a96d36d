/* SPDX-License-Identifier: MIT */
/* src/contract/model.c, named.c: the rows of data/models are whole, and expand to what they say. That they say what QEMU does
 * is tests/oracle/models_qemu.py's to see. */
#include <gabi/cpu_string.h>
#include <gabi/evmcs.h>
#include <gabi/model.h>
#include <gabi/vocab.h>

#include "contract/named.h"
#include "short_mem.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct gabi_model *model_of(const char *name)
{
	const struct gabi_model *model = gabi_model_find(name);

	if (!model)
		fail_msg("there is no %s", name);
	return model;
}

static uint64_t value_of(const struct gabi_model *model, unsigned space, uint64_t index, unsigned part)
{
	size_t count;
	const struct gabi_word *word = gabi_model_words(model, &count);

	for (size_t i = 0; i < count; i++)
		if (word[i].key.space == space && word[i].key.index == index && word[i].key.part == part && !word[i].key.sub)
			return word[i].value;
	return 0;
}

static bool has(const struct gabi_model *model, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_X86);
	size_t count;
	const struct gabi_word *word = gabi_model_words(model, &count);

	for (size_t i = 0; i < count; i++)
		if (!gabi_key_compare(&word[i].key, &field->key))
			return word[i].value >> field->lo & 1;
	return false;
}

/* ---- the table ---- */

static void models__are_sorted_words_of_named_bits(void **state)
{
	size_t models;
	const struct gabi_model *model = gabi_models(&models);

	(void)state;
	assert_true(models > 74);
	for (size_t m = 0; m < models; m++) {
		size_t count, fields;
		const struct gabi_word *word = gabi_model_words(&model[m], &count);

		assert_true(count > 4 || !strncmp(model[m].source, "libvirt", 7));
		for (size_t i = 0; i < count; i++) {
			uint64_t named = 0;
			const struct gabi_field *field = gabi_fields_of(&word[i].key, &fields);

			for (size_t f = 0; f < fields; f++)
				named |= gabi_mask(field[f].bits) << field[f].lo;
			if ((word[i].value & ~named) || !word[i].value || word[i].vp != GABI_VP_ALL)
				fail_msg("%s: word %zu", model[m].name, i);
			assert_true(!i || gabi_key_compare(&word[i - 1].key, &word[i].key) < 0);
		}
	}
}

static void aliases__name_models_and_hide_none(void **state)
{
	size_t count;
	const struct gabi_model_alias *alias = gabi_model_aliases(&count);

	(void)state;
	assert_true(count > 54);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(model_of(alias[i].name)->name, alias[i].model);
		for (size_t other = 0; other < i; other++)
			assert_string_not_equal(alias[i].name, alias[other].name);
	}
}

static void find__takes_names_as_written(void **state)
{
	(void)state;
	assert_string_equal(model_of("Cascadelake-Server")->name, "Cascadelake-Server-v1");
	assert_string_equal(model_of("EPYC-IBPB")->name, "EPYC-v2");
	assert_null(gabi_model_find("cascadelake-server"));
	assert_null(gabi_model_find("Cascadelake-Server-v99"));
	assert_null(gabi_model_find(""));
}

static void row__differs_from_its_parent_by_what_it_says(void **state)
{
	const struct gabi_model *old = model_of("Cascadelake-Server-v4"), *new = model_of("Cascadelake-Server-v5");

	(void)state;
	assert_string_equal(new->parent, old->name);
	assert_string_equal(new->changes, "vmx-xsaves xsaves");
	assert_false(has(old, "xsaves"));
	assert_false(has(old, "vmx-xsaves"));
	assert_true(has(new, "xsaves"));
	assert_true(has(new, "vmx-xsaves"));
	assert_true(has(model_of("Haswell-v1"), "rtm"));
	assert_false(has(model_of("Haswell-v2"), "rtm")); /* "-rtm" */
	assert_false(has(new, "vmx"));
}

static void words__identify_the_cpu(void **state)
{
	const struct gabi_model *milan = model_of("EPYC-Milan-v1"), *intel = model_of("Cascadelake-Server-v1");

	(void)state;
	assert_int_equal(value_of(milan, GABI_SPACE_CPUID, 1, GABI_EAX), 0x00a00f11); /* family 25, model 1, stepping 1 */
	assert_int_equal(value_of(milan, GABI_SPACE_CPUID, 0, GABI_EBX), 0x68747541); /* "Auth" */
	assert_int_equal(value_of(milan, GABI_SPACE_CPUID, 0, GABI_EDX), 0x69746e65); /* "enti" */
	assert_int_equal(value_of(milan, GABI_SPACE_CPUID, 0, GABI_ECX), 0x444d4163); /* "cAMD" */
	assert_int_equal(value_of(intel, GABI_SPACE_CPUID, 1, GABI_EAX), 0x00050656); /* family 6, model 85, stepping 6 */
	assert_int_equal(value_of(intel, GABI_SPACE_CPUID, 0x80000002, GABI_EAX), 0x65746e49); /* "Inte" */
}

/* Where QEMU has one name for two bits, a model that has the name has both. */
static void words__of_one_name_are_all_its_bits(void **state)
{
	uint64_t caps = value_of(model_of("Cascadelake-Server-v5"), GABI_SPACE_MSR, 0x48c, 0);

	(void)state;
	assert_true(caps >> 25 & 1 && caps >> 41 & 1); /* vmx-invept-single-context */
}

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), own = strlen(end);

	return len > own && !strcmp(text + len - own, end);
}

/* What some kernel takes of a word from a guest that uses the enlightened VMCS. */
static uint64_t lost_of(const struct gabi_word *word)
{
	static const struct gabi_evmcs_guest guest = { .enabled = 1, .hyperv = 1 };
	size_t lines;
	const struct gabi_evmcs_line *line = gabi_evmcs_lines(&lines);
	uint64_t lost = 0;

	for (size_t l = 0; l < lines && word->key.space == GABI_SPACE_MSR; l++)
		lost |= word->value & ~gabi_evmcs_filter(&line[l], &guest, (uint32_t)word->key.index, word->value);
	return lost;
}

/* A composite is its parent without what some kernel takes, no more and no less. */
static void evmcs_composites__are_what_every_kernel_leaves(void **state)
{
	size_t models, composites = 0;
	const struct gabi_model *model = gabi_models(&models);

	(void)state;
	for (size_t m = 0; m < models; m++) {
		size_t count, controls = 0;
		const struct gabi_word *word;
		const struct gabi_model *parent;

		if (!ends_in(model[m].name, "-eVMCS"))
			continue;
		composites++;
		parent = model_of(model[m].parent);
		word = gabi_model_words(parent, &count);
		for (size_t i = 0; i < count; i++) {
			uint64_t kept = value_of(&model[m], word[i].key.space, word[i].key.index, word[i].key.part), lost = lost_of(&word[i]);

			if (word[i].key.sub || kept == (word[i].value & ~lost)) {
				controls += word[i].key.space == GABI_SPACE_MSR;
				continue;
			}
			fail_msg("%s: 0x%llx of 0x%llx, and 0x%llx is lost", model[m].name, (unsigned long long)kept,
				 (unsigned long long)word[i].key.index, (unsigned long long)lost);
		}
		assert_true(controls >= 6);
		assert_string_equal(model[m].source, "gabi");
	}
	assert_int_equal(composites, 19);
}

static bool has_composite(const struct gabi_model *model, size_t models, const char *family, size_t len)
{
	for (size_t m = 0; m < models; m++)
		if (ends_in(model[m].name, "-eVMCS") && strlen(model[m].name) == len + 6 && !strncmp(model[m].name, family, len))
			return true;
	return false;
}

static void evmcs_composites__are_there_for_every_model_with_ept(void **state)
{
	size_t models;
	const struct gabi_model *model = gabi_models(&models);

	(void)state;
	for (size_t m = 0; m < models; m++) {
		const char *version = strstr(model[m].name, "-v");

		if (model[m].arch == GABI_ARCH_X86 && version && has(&model[m], "vmx-ept") &&
		    !has_composite(model, models, model[m].name, (size_t)(version - model[m].name)))
			fail_msg("%s has none", model[m].name);
	}
}

/* ---- a user's own ---- */

static struct gabi_model_set *set_of(const struct gabi_model *rows, size_t count)
{
	struct gabi_diag diag = { 0 };
	struct gabi_model_set *set;

	assert_int_equal(gabi_model_set_new(NULL, &set), 0);
	for (size_t i = 0; i < count; i++)
		if (gabi_model_set_add(set, &rows[i], &diag))
			fail_msg("%s: %s", rows[i].name, diag.text);
	return set;
}

static void own_models__mean_what_qemu_is_told(void **state)
{
	static const struct gabi_model rows[] = {
		{ .name = "gold-v1", .parent = "Cascadelake-Server", .changes = "-hle stepping=7 level=20 hv-relaxed", .model_id = "Gold" },
		{ .name = "gold", .parent = "gold-v1", .changes = "", .model_id = "" },
		{ .name = "nested", .parent = "Cascadelake-Server-eVMCS", .changes = "vmx xlevel=0x80000021", .model_id = "" },
	};
	static const struct {
		const char *text, *told;
	} arguments[] = {
		{ "gold,+hle", "Cascadelake-Server-v1,hle=off,stepping=7,min-level=20,hv-relaxed=on,model-id=Gold,+hle" },
		{ "-cpu gold-v1 ", "Cascadelake-Server-v1,hle=off,stepping=7,min-level=20,hv-relaxed=on,model-id=Gold" },
		{ "EPYC,-avx2", "EPYC,-avx2" },
		{ "host,pmu=off", "host,pmu=off" },
	};
	struct gabi_model_set *set = set_of(rows, GABI_COUNT_OF(rows));
	const struct gabi_key leaf7 = { .space = GABI_SPACE_CPUID, .part = GABI_EBX, .index = 7 }, level = { .space = GABI_SPACE_CPUID };
	struct gabi_words words = { 0 };
	struct gabi_cpu *cpu;
	char *told;

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(arguments); i++) {
		assert_int_equal(gabi_model_set_argument(set, arguments[i].text, strlen(arguments[i].text), NULL, &told, NULL), 0);
		assert_string_equal(told, arguments[i].told);
		free(told);
	}
	assert_int_equal(gabi_model_set_argument(set, "nested", 6, NULL, &told, NULL), 0);
	assert_non_null(strstr(told, "Cascadelake-Server-v5,vmx-apicv-register=off"));
	assert_non_null(strstr(told, ",vmx=on,min-xlevel=0x80000021"));
	free(told);
	assert_int_equal(gabi_cpu_parse("gold,+hle", 9, set, NULL, &cpu, NULL), 0);
	assert_string_equal(gabi_cpu_model(cpu)->name, "Cascadelake-Server-v1");
	words.at = (struct gabi_word *)(uintptr_t)gabi_cpu_words(cpu, &words.count);
	assert_true(gabi_words_find(&words, &leaf7, GABI_VP_ALL)->value >> 4 & 1); /* what stands behind has the last word */
	assert_int_equal(gabi_words_find(&words, &level, GABI_VP_ALL)->value, 20);
	gabi_cpu_free(cpu);
	assert_int_equal(gabi_cpu_parse("gold", 4, NULL, NULL, &cpu, NULL), GABI_ERR_UNKNOWN);
	gabi_model_set_free(set);
}

/* Each flag stands behind those that it needs, so that any beginning of a set can be asked for. */
static void hyperv_set__each_beginning__is_one_that_qemu_takes(void **state)
{
	size_t count;
	const struct gabi_hyperv_set *set = gabi_hyperv_sets(&count);

	(void)state;
	assert_true(count >= 9);
	for (size_t i = 0; i < count; i++) {
		char text[1024];
		struct gabi_out out = gabi_out_to(text, sizeof(text));
		struct gabi_diag diag = { 0 };
		struct gabi_cpu *cpu;

		gabi_out_text(&out, "qemu64,vmx");
		for (const char *at = set[i].flags; *at; at += strspn(at, " ")) {
			gabi_out_char(&out, ',');
			gabi_out_bytes(&out, at, strcspn(at, " "));
			at += strcspn(at, " ");
			if (gabi_cpu_parse(text, out.len, NULL, NULL, &cpu, &diag))
				fail_msg("%s: %s: %s", set[i].name, text, diag.text);
			gabi_cpu_free(cpu);
		}
		assert_ptr_equal(gabi_hyperv_set_find(set[i].name), &set[i]);
		assert_null(gabi_model_find(set[i].name));
		assert_false(gabi_cpu_has_property(set[i].name));
	}
}

static void hyperv_set__in_an_argument__is_its_flags(void **state)
{
	static const struct gabi_model rows[] = {
		{ .name = "win", .parent = "EPYC", .changes = "hyperv-virt-install-4.1 -hv-time", .model_id = "" },
	};
#define FLAGS "hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-time=on"
	static const struct {
		const char *text, *told;
	} arguments[] = {
		{ "EPYC,hyperv-virt-install-4.1", "EPYC," FLAGS },
		{ "EPYC,hyperv-virt-install-4.1=on,-hv-time,avx2", "EPYC," FLAGS ",-hv-time,avx2" },
		{ "EPYC,,hyperv-virt-install-4.1,", "EPYC,," FLAGS "," },
		{ "hyperv-virt-install-4.1,hv-time=off", "host," FLAGS ",hv-time=off" },
		{ "win,hv-time", "EPYC-v1," FLAGS ",hv-time=off,hv-time" },
	};
#undef FLAGS
	static const struct {
		const char *text;
		int err;
		const char *says;
	} refused[] = {
		{ "EPYC,-hyperv-nova", GABI_ERR_RANGE, "can only be added" },
		{ "EPYC,+hyperv-nova", GABI_ERR_RANGE, "can only be added" },
		{ "EPYC,hyperv-nova=off", GABI_ERR_RANGE, "can only be added" },
		{ "EPYC,hyperv-novo", GABI_ERR_UNKNOWN, "near it is hyperv-nova" },
		{ "hyperv-nov", GABI_ERR_UNKNOWN, "near it is hyperv-nova" },
		{ "EPYC,hyperv-proxmox-intel", GABI_ERR_CONFLICT, "hv-evmcs needs vmx" },
	};
	struct gabi_model_set *set = set_of(rows, GABI_COUNT_OF(rows));
	char *told;

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(arguments); i++) {
		assert_int_equal(gabi_model_set_argument(set, arguments[i].text, strlen(arguments[i].text), NULL, &told, NULL), 0);
		assert_string_equal(told, arguments[i].told);
		free(told);
	}
	for (size_t i = 0; i < GABI_COUNT_OF(refused); i++) {
		struct gabi_diag diag = { 0 };
		struct gabi_cpu *cpu;

		assert_int_equal(gabi_cpu_parse(refused[i].text, strlen(refused[i].text), set, NULL, &cpu, &diag), refused[i].err);
		if (!strstr(diag.text, refused[i].says))
			fail_msg("%s: %s", refused[i].text, diag.text);
	}
	assert_int_equal(gabi_model_set_add(set, &(struct gabi_model){ .name = "hyperv-nova", .parent = "EPYC", .changes = "", .model_id = "" }, NULL),
			 GABI_ERR_DUPLICATE);
	gabi_model_set_free(set);
}

static void own_model__that_qemu_would_not_take__is_refused(void **state)
{
	static const struct {
		const char *name, *parent, *changes, *model_id;
		int err;
		const char *says;
	} wrong[] = {
		{ "EPYC", "EPYC-v1", "", "", GABI_ERR_DUPLICATE, "already" },
		{ "host", "EPYC-v1", "", "", GABI_ERR_DUPLICATE, "already" },
		{ "first", "EPYC-v1", "", "", GABI_ERR_DUPLICATE, "already" },
		{ "", "EPYC-v1", "", "", GABI_ERR_SYNTAX, "name" },
		{ "-a", "EPYC-v1", "", "", GABI_ERR_SYNTAX, "name" },
		{ "a,b", "EPYC-v1", "", "", GABI_ERR_SYNTAX, "name" },
		{ "a", "a", "", "", GABI_ERR_UNKNOWN, "no CPU model" },
		{ "a", "frist", "", "", GABI_ERR_UNKNOWN, "near it is first" },
		{ "a", "host", "", "", GABI_ERR_UNKNOWN, "no CPU model" },
		{ "a", "EPYC", "avx5", "", GABI_ERR_UNKNOWN, "near it are avx" },
		{ "a", "EPYC", "avx2 -avx2", "", GABI_ERR_DUPLICATE, "avx2" },
		{ "a", "EPYC", "lahf_lm=off xsave lahf-lm", "", GABI_ERR_DUPLICATE, "lahf" },
		{ "a", "EPYC", "stepping=16", "", GABI_ERR_RANGE, "stepping" },
		{ "a", "EPYC", "stepping=seven", "", GABI_ERR_RANGE, "stepping" },
		{ "a", "EPYC", "avx2,-avx", "", GABI_ERR_SYNTAX, "change" },
		{ "a", "EPYC", "hv-synic", "", GABI_ERR_CONFLICT, "hv-vpindex" },
		{ "a", "EPYC", "", "0123456789012345678901234567890123456789012345678", GABI_ERR_RANGE, "model-id" },
		{ "a", "EPYC", "", "one, two", GABI_ERR_RANGE, "model-id" },
		{ "a", "EPYC", "", "one ", GABI_ERR_RANGE, "model-id" },
		{ "a", "EPYC", "", " one", GABI_ERR_RANGE, "model-id" },
		{ "a", "EPYC", "", "one\ntwo", GABI_ERR_RANGE, "model-id" },
	};
	static const struct gabi_model first = { .name = "first", .parent = "EPYC", .changes = "", .model_id = "" };
	struct gabi_model_set *set = set_of(&first, 1);
	size_t count;

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(wrong); i++) {
		const struct gabi_model row = { .name = wrong[i].name, .parent = wrong[i].parent, .changes = wrong[i].changes,
						.model_id = wrong[i].model_id };
		struct gabi_diag diag = { 0 };
		int err = gabi_model_set_add(set, &row, &diag);

		if (err != wrong[i].err || diag.err != err || !strstr(diag.text, wrong[i].says))
			fail_msg("row %zu: %s: %s", i, gabi_err_text(err), diag.text);
		gabi_model_set_models(set, &count);
		assert_int_equal(count, 1);
	}
	gabi_model_set_free(set);
}

static void own_models__say_when_memory_is_short(void **state)
{
	static const struct gabi_model row = { .name = "a", .parent = "EPYC", .changes = "-avx2", .model_id = "" };
	bool done = false;

	(void)state;
	for (unsigned at = 1; !done; at++) {
		struct short_mem failing = { .fail_at = at };
		const struct gabi_mem mem = short_mem_of(&failing);
		struct gabi_model_set *set = NULL;
		int err = gabi_model_set_new(&mem, &set);

		if (!err)
			err = gabi_model_set_add(set, &row, NULL);
		done = !short_mem_hit(&failing);
		assert_int_equal(err, done ? 0 : GABI_ERR_NOMEM);
		gabi_model_set_free(set);
		assert_int_equal(failing.live, 0);
	}
}

/* ---- words by name ---- */

static const struct {
	const char *name, *set;
	uint64_t value;
	int err;
	uint64_t leaf, sub, part, word;
} cases[] = {
	{ "a flag", "avx2", 1, 0, 7, 0, GABI_EBX, 1u << 5 },
	{ "an underscore for a hyphen", "lahf_lm", 1, 0, 0x80000001, 0, GABI_ECX, 1 },
	{ "QEMU's alias", "sse4_1", 1, 0, 1, 0, GABI_ECX, 1u << 19 },
	{ "libvirt's alias", "pclmuldq", 1, 0, 1, 0, GABI_ECX, 1u << 1 },
	{ "a number", "stepping", 7, 0, 1, 0, GABI_EAX, 7 },
	{ "a number that is too large", "stepping", 16, GABI_ERR_RANGE, 0, 0, 0, 0 },
	{ "a small family", "family", 6, 0, 1, 0, GABI_EAX, 0x600 },
	{ "the largest base family", "family", 15, 0, 1, 0, GABI_EAX, 0xf00 },
	{ "an extended family", "family", 25, 0, 1, 0, GABI_EAX, 0xa00f00 },
	{ "the largest family", "family", 270, 0, 1, 0, GABI_EAX, 0xff00f00 },
	{ "a family beyond it", "family", 271, GABI_ERR_RANGE, 0, 0, 0, 0 },
	{ "a model", "model", 0x55, 0, 1, 0, GABI_EAX, 0x50050 },
	{ "a model beyond the largest", "model", 256, GABI_ERR_RANGE, 0, 0, 0, 0 },
	{ "the highest subleaf of leaf 7", "level-func7", 1, 0, 7, 0, GABI_EAX, 1 },
	{ "no name", "avx3", 1, GABI_ERR_UNKNOWN, 0, 0, 0, 0 },
	{ "part of a name", "avx51", 1, GABI_ERR_UNKNOWN, 0, 0, 0, 0 },
	{ "nothing", "", 1, GABI_ERR_UNKNOWN, 0, 0, 0, 0 },
	{ "a name of arm64", "sve", 1, GABI_ERR_UNKNOWN, 0, 0, 0, 0 },
};

static void set_named__finds_the_bits(void **state)
{
	const struct gabi_mem mem = gabi_mem_or_default(NULL);

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(cases); i++) {
		struct gabi_words words = { 0 };
		int err = gabi_words_set_named(&words, &mem, cases[i].set, cases[i].value);

		if (err != cases[i].err || (!err && (words.count != 1 || words.at[0].key.index != cases[i].leaf ||
						      words.at[0].key.sub != cases[i].sub || words.at[0].key.part != cases[i].part ||
						      words.at[0].value != cases[i].word)))
			fail_msg("%s: %s", cases[i].name, gabi_err_text(err));
		gabi_words_free(&words, &mem);
	}
}

static void set_text__refuses_what_does_not_fit(void **state)
{
	static const char text[] = "0123456789012345678901234567890123456789012345678";
	const struct gabi_mem mem = gabi_mem_or_default(NULL);
	struct gabi_words words = { 0 };

	(void)state;
	assert_int_equal(gabi_words_set_text(&words, &mem, "vendor", text, 11), GABI_ERR_RANGE);
	assert_int_equal(gabi_words_set_text(&words, &mem, "vendor", text, 13), GABI_ERR_RANGE);
	assert_int_equal(gabi_words_set_text(&words, &mem, "model-id", text, 49), GABI_ERR_RANGE);
	assert_int_equal(gabi_words_set_text(&words, &mem, "name", text, 12), GABI_ERR_UNKNOWN);
	assert_int_equal(words.count, 0);
	assert_int_equal(gabi_words_set_text(&words, &mem, "model-id", text, 48), 0);
	assert_int_equal(gabi_words_set_text(&words, &mem, "model-id", text, 5), 0); /* the rest is cleared */
	assert_int_equal(words.at[0].value, 0x33323130);
	assert_int_equal(words.at[1].value, 0x34);
	assert_int_equal(words.at[11].value, 0);
	gabi_words_free(&words, &mem);
}

static void raise_levels__follows_the_features(void **state)
{
	const struct gabi_mem mem = gabi_mem_or_default(NULL);
	struct gabi_words words = { 0 };
	static const struct gabi_key level = { .space = GABI_SPACE_CPUID }, xlevel = { .space = GABI_SPACE_CPUID, .index = 0x80000000 },
				     leaf7 = { .space = GABI_SPACE_CPUID, .index = 7 };

	(void)state;
	assert_int_equal(gabi_words_set_named(&words, &mem, "level", 1), 0);
	assert_int_equal(gabi_words_set_named(&words, &mem, "avx512-bf16", 1), 0); /* leaf 7, subleaf 1 */
	assert_int_equal(gabi_words_set_named(&words, &mem, "svm", 1), 0);
	assert_int_equal(gabi_words_raise_levels(&words, &mem), 0);
	assert_int_equal(gabi_words_sort(&words, NULL), 0);
	assert_int_equal(gabi_words_find(&words, &level, GABI_VP_ALL)->value, 7);
	assert_int_equal(gabi_words_find(&words, &leaf7, GABI_VP_ALL)->value, 1);
	assert_int_equal(gabi_words_find(&words, &xlevel, GABI_VP_ALL)->value, 0x8000000a);
	gabi_words_free(&words, &mem);
}

static void set_named__says_when_memory_is_short(void **state)
{
	struct short_mem failing = { .fail_at = 1 };
	const struct gabi_mem mem = short_mem_of(&failing);
	struct gabi_words words = { 0 };

	(void)state;
	assert_int_equal(gabi_words_set_named(&words, &mem, "avx2", 1), GABI_ERR_NOMEM);
	assert_int_equal(gabi_words_set_text(&words, &mem, "vendor", "GenuineIntel", 12), 0); /* only the first request failed */
	gabi_words_free(&words, &mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models__are_sorted_words_of_named_bits),
		cmocka_unit_test(aliases__name_models_and_hide_none),
		cmocka_unit_test(find__takes_names_as_written),
		cmocka_unit_test(row__differs_from_its_parent_by_what_it_says),
		cmocka_unit_test(words__identify_the_cpu),
		cmocka_unit_test(words__of_one_name_are_all_its_bits),
		cmocka_unit_test(evmcs_composites__are_what_every_kernel_leaves),
		cmocka_unit_test(evmcs_composites__are_there_for_every_model_with_ept),
		cmocka_unit_test(own_models__mean_what_qemu_is_told),
		cmocka_unit_test(hyperv_set__each_beginning__is_one_that_qemu_takes),
		cmocka_unit_test(hyperv_set__in_an_argument__is_its_flags),
		cmocka_unit_test(own_model__that_qemu_would_not_take__is_refused),
		cmocka_unit_test(own_models__say_when_memory_is_short),
		cmocka_unit_test(set_named__finds_the_bits),
		cmocka_unit_test(set_text__refuses_what_does_not_fit),
		cmocka_unit_test(raise_levels__follows_the_features),
		cmocka_unit_test(set_named__says_when_memory_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
