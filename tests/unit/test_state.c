/* SPDX-License-Identifier: MIT */
/* src/state, src/formats/state.c and src/verdict/state.c: a saved state, its stream, and whether a host may load it. */
#include <gabi/formats.h>
#include <gabi/nested.h>
#include <gabi/plan.h>
#include <gabi/state.h>

#include "../data/manifest.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <cbor.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define REQUIRE(call)                                                            \
	do {                                                                     \
		struct gabi_diag diag = { 0 };                                   \
		if (call)                                                        \
			fail_msg("%s: %s %s", #call, diag.where, diag.text);     \
	} while (0)

#define PSCI      0x6030000000140000
#define BITMAP    0x6030000000160000
#define CTR_EL0   0x603000000013d801
#define X0        0x6030000000100000
#define V0        0x6040000000100054
#define UNNAMED   0x603000000013ffff
#define EXTRA_MSR 0xc0010000 /* MSR_K7_EVNTSEL0, which resets to 0 */
#define OTHER_MSR 0x4b564d42 /* of no row */

/* ---- states by hand ---- */

static void add_word(struct gabi_state *state, unsigned space, uint64_t index, unsigned part, unsigned bits, unsigned vp, uint64_t value)
{
	const struct gabi_word word = { .key = { .space = (uint16_t)space, .index = index, .part = (uint16_t)part },
					.value = value, .bits = (uint8_t)bits, .vp = (uint16_t)vp };

	REQUIRE(gabi_state_add_word(state, &word, &diag));
}

/* Every part that there is, with bytes that differ. */
static void add_parts(struct gabi_state *state)
{
	size_t count;
	const struct gabi_state_row *row = gabi_state_rows(&count);
	static uint8_t bytes[8192];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = count; i-- > 0;) { /* from the end, so that the order is the seal's work */
		const struct gabi_state_pair pairs[] = { { 1, i }, { 0x100000000, 23 }, { UINT64_MAX, UINT64_MAX } };
		bool is_pairs = row[i].form == GABI_STATE_PAIRS;

		if (row[i].arch != gabi_state_arch(state) || row[i].form == GABI_STATE_WORDS)
			continue;
		for (unsigned vp = 0; vp < (row[i].scope == GABI_SCOPE_VM ? 1 : gabi_state_vps(state)); vp++)
			REQUIRE(gabi_state_add(state, row[i].kind, row[i].scope == GABI_SCOPE_VM ? GABI_VP_ALL : vp,
					       is_pairs ? (const void *)pairs : bytes, is_pairs ? sizeof(pairs) : row[i].least,
					       &diag));
	}
}

static struct gabi_state *unsealed(enum gabi_arch arch)
{
	struct gabi_state *state = gabi_state_new(arch, 2, NULL);
	uint8_t digest[GABI_DIGEST_LEN];

	assert_non_null(state);
	memset(digest, 0xa5, sizeof(digest));
	gabi_state_set_digest(state, digest);
	REQUIRE(gabi_state_set_release(state, "6.1.0-50-amd64", &diag));
	add_parts(state);
	for (unsigned vp = 2; vp-- > 0;) {
		if (arch == GABI_ARCH_X86) {
			add_word(state, GABI_SPACE_MSR_STATE, 0x10, 0, 64, vp, 0x123456789 + vp);
			add_word(state, GABI_SPACE_MSR_STATE, 0xc0000080, 0, 64, vp, 0xd01);
			continue;
		}
		add_word(state, GABI_SPACE_ARM64, BITMAP, 0, 64, vp, 1);
		add_word(state, GABI_SPACE_ARM64_STATE, V0, 1, 64, vp, UINT64_MAX);
		add_word(state, GABI_SPACE_ARM64_STATE, V0, 0, 64, vp, 1);
		add_word(state, GABI_SPACE_ARM64_STATE, X0, 0, 64, vp, 0x1234);
	}
	REQUIRE(gabi_state_add_own(state, "serial.0", GABI_VP_ALL, "hello", 5, &diag));
	REQUIRE(gabi_state_add_own(state, "empty", 1, NULL, 0, &diag));
	return state;
}

static struct gabi_state *sealed(enum gabi_arch arch)
{
	struct gabi_state *state = unsealed(arch);

	REQUIRE(gabi_state_seal(state, &diag));
	return state;
}

static char *written(const struct gabi_state *state, size_t *ret_len)
{
	char *bytes = NULL;

	assert_int_equal(gabi_state_write(state, NULL, &bytes, ret_len), 0);
	return bytes;
}

static char *stream_of(enum gabi_arch arch, size_t *ret_len)
{
	struct gabi_state *state = sealed(arch);
	char *bytes = written(state, ret_len);

	gabi_state_free(state);
	return bytes;
}

static const enum gabi_arch archs[] = { GABI_ARCH_X86, GABI_ARCH_ARM64 };

/* ---- the object ---- */

static void seal__of_what_is_whole__parts_stand_in_order(void **unused)
{
	(void)unused;
	for (size_t a = 0; a < COUNT_OF(archs); a++) {
		struct gabi_state *state = sealed(archs[a]);
		size_t count;
		const struct gabi_state_part *part = gabi_state_parts(state, &count);

		assert_true(count > 8);
		assert_int_equal(part[0].vp, GABI_VP_ALL);
		for (size_t i = 1; i < count; i++)
			assert_true((uint16_t)(part[i - 1].vp + 1) <= (uint16_t)(part[i].vp + 1));
		assert_non_null(gabi_state_find_own(state, "serial.0", GABI_VP_ALL));
		assert_null(gabi_state_find_own(state, "serial.0", 0));
		assert_int_equal(gabi_state_find_own(state, "empty", 1)->len, 0);
		gabi_state_free(state);
	}
}

static void seal__of_what_lacks_a_part__names_it(void **unused)
{
	struct gabi_state *state = gabi_state_new(GABI_ARCH_X86, 1, NULL);
	struct gabi_diag diag = { 0 };

	(void)unused;
	add_parts(state);
	assert_int_equal(gabi_state_seal(state, &diag), GABI_ERR_SCHEMA);
	assert_string_equal(diag.where, "msrs");
	gabi_state_free(state);
}

static void seal__of_a_wide_register_without_all_its_words__refused(void **unused)
{
	struct gabi_state *state = unsealed(GABI_ARCH_ARM64);
	struct gabi_diag diag = { 0 };

	(void)unused;
	add_word(state, GABI_SPACE_ARM64_STATE, V0 + 4, 1, 64, 0, 1);
	assert_int_equal(gabi_state_seal(state, &diag), GABI_ERR_SCHEMA);
	assert_int_equal(diag.key.index, V0 + 4);
	gabi_state_free(state);
}

static void add__of_what_a_row_does_not_allow__refused(void **unused)
{
	static const struct gabi_state_pair falling[] = { { 2, 0 }, { 1, 0 } };
	static const struct {
		enum gabi_state_kind kind;
		unsigned vp;
		const void *data;
		size_t len;
		int err;
	} cases[] = {
		{ GABI_STATE_REGS, 0, falling, 16, GABI_ERR_RANGE },                 /* too short */
		{ GABI_STATE_REGS, 2, falling, 144, GABI_ERR_RANGE },                /* no such processor */
		{ GABI_STATE_CLOCK, 0, falling, 48, GABI_ERR_RANGE },                /* of the VM */
		{ GABI_STATE_TSC, 0, falling, sizeof(falling), GABI_ERR_RANGE },     /* numbers fall */
		{ GABI_STATE_TSC, 0, falling, 17, GABI_ERR_RANGE },                  /* half a pair */
		{ GABI_STATE_GIC_DIST, GABI_VP_ALL, falling, 16, GABI_ERR_ARCH },    /* of arm64 */
		{ GABI_STATE_MSRS, 0, falling, 16, GABI_ERR_ARG },                   /* registers come one by one */
		{ GABI_STATE_OWN, 0, falling, 16, GABI_ERR_ARG },
	};
	struct gabi_state *state = gabi_state_new(GABI_ARCH_X86, 2, NULL);

	(void)unused;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(gabi_state_add(state, cases[i].kind, cases[i].vp, cases[i].data, cases[i].len, NULL), cases[i].err);
	assert_int_equal(gabi_state_add_own(state, "Big", 0, "", 0, NULL), GABI_ERR_ARG);
	assert_int_equal(gabi_state_add_own(state, "", 0, "", 0, NULL), GABI_ERR_ARG);
	gabi_state_free(state);
}

/* ---- the stream ---- */

static void write__read__write__gives_the_same_bytes(void **unused)
{
	(void)unused;
	for (size_t a = 0; a < COUNT_OF(archs); a++) {
		struct gabi_state *again = NULL;
		size_t len, len_again, count;
		char *bytes = stream_of(archs[a], &len), *bytes_again;

		REQUIRE(gabi_state_read(bytes, len, NULL, &again, &diag));
		assert_string_equal(gabi_state_release(again), "6.1.0-50-amd64");
		assert_int_equal(gabi_state_digest(again)[31], 0xa5);
		assert_int_equal(gabi_state_vps(again), 2);
		gabi_state_words(again, &count);
		assert_int_equal(count, archs[a] == GABI_ARCH_X86 ? 4 : 8);
		bytes_again = written(again, &len_again);
		assert_int_equal(len, len_again);
		assert_memory_equal(bytes, bytes_again, len);
		gabi_text_free(bytes, NULL);
		gabi_text_free(bytes_again, NULL);
		gabi_state_free(again);
	}
}

/* An oracle that nobody here wrote: libcbor takes the stream as well, to its end. */
static void stream__for_libcbor__is_one_item_of_sections(void **unused)
{
	(void)unused;
	for (size_t a = 0; a < COUNT_OF(archs); a++) {
		struct cbor_load_result result;
		size_t len;
		char *bytes = stream_of(archs[a], &len);
		cbor_item_t *root = cbor_load((const unsigned char *)bytes, len, &result), *array, *section;

		assert_non_null(root);
		assert_int_equal(result.read, len);
		assert_true(cbor_isa_tag(root));
		assert_int_equal(cbor_tag_value(root), 55799);
		array = cbor_tag_item(root);
		section = cbor_array_get(array, 2);
		assert_int_equal(cbor_array_size(section), 4);
		for (size_t i = 2; i < cbor_array_size(array); i++)
			assert_int_equal(cbor_bytestring_length(cbor_move(cbor_array_get(cbor_move(cbor_array_get(array, i)), 3))), 32);
		cbor_decref(&section);
		cbor_decref(&array);
		cbor_decref(&root);
		gabi_text_free(bytes, NULL);
	}
}

static void expect_refused(const char *bytes, size_t len)
{
	struct gabi_state *state = NULL;
	struct gabi_diag diag = { 0 };
	char *own = malloc(len + 1); /* of its own length, so that a read behind it is seen */

	assert_non_null(own);
	memcpy(own, bytes, len);
	assert_true(gabi_state_read(own, len, NULL, &state, &diag) < 0);
	assert_null(state);
	assert_true(diag.text[0] && diag.err < 0);
	free(own);
}

static void read__of_a_stream_cut_anywhere__refused(void **unused)
{
	(void)unused;
	for (size_t a = 0; a < COUNT_OF(archs); a++) {
		size_t len;
		char *bytes = stream_of(archs[a], &len);

		for (size_t cut = 0; cut < len; cut += cut < 600 || cut > len - 200 ? 1 : 13)
			expect_refused(bytes, cut);
		gabi_text_free(bytes, NULL);
	}
}

static void read__of_a_stream_with_any_bit_flipped__refused(void **unused)
{
	(void)unused;
	for (size_t a = 0; a < COUNT_OF(archs); a++) {
		size_t len;
		char *bytes = stream_of(archs[a], &len);

		for (size_t i = 0; i < len; i += i < 600 || i > len - 200 ? 1 : 7)
			for (unsigned bit = 0; bit < 8; bit++) {
				bytes[i] = (char)(bytes[i] ^ 1 << bit);
				expect_refused(bytes, len);
				bytes[i] = (char)(bytes[i] ^ 1 << bit);
			}
		gabi_text_free(bytes, NULL);
	}
}

/* Guests of the lab, saved on real kernels. */
static char *real_state(const char *name, size_t *ret_len)
{
	static char path[512];
	char *bytes = malloc(1 << 20);
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", CORPUS, name);
	file = fopen(path, "re");
	assert_non_null(bytes);
	if (!file)
		fail_msg("there is no %s", path);
	*ret_len = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

static void read__of_a_real_state_with_any_byte_flipped__refused(void **unused)
{
	static const char *const names[] = { "amd-epyc-linux-6.12", "arm64-max-linux-7.2" };
	static const unsigned char flips[] = { 0x01, 0x80, 0xff };

	(void)unused;
	for (size_t n = 0; n < COUNT_OF(names); n++) {
		struct gabi_state *state = NULL;
		size_t len;
		char *bytes = real_state(names[n], &len);

		REQUIRE(gabi_state_read(bytes, len, NULL, &state, &diag)); /* as it is, it is taken */
		gabi_state_free(state);
		for (size_t i = 0; i < len; i++)
			for (size_t flip = 0; flip < COUNT_OF(flips); flip++) {
				bytes[i] = (char)(bytes[i] ^ flips[flip]);
				expect_refused(bytes, len);
				bytes[i] = (char)(bytes[i] ^ flips[flip]);
			}
		free(bytes);
	}
}

static void read__of_what_a_later_version_wrote__says_so(void **unused)
{
	struct gabi_state *state = NULL;
	struct gabi_diag diag = { 0 };
	size_t len, at;
	char *bytes = stream_of(GABI_ARCH_X86, &len);

	(void)unused;
	for (at = 0; memcmp(bytes + at, "gabi-state", 10); at++)
		;
	assert_int_equal(bytes[at + 10], GABI_STATE_VERSION);
	bytes[at + 10] = GABI_STATE_VERSION + 1;
	assert_int_equal(gabi_state_read(bytes, len, NULL, &state, &diag), GABI_ERR_VERSION);
	assert_non_null(strstr(diag.text, "version 2"));
	gabi_text_free(bytes, NULL);
}

static void read__of_what_is_damaged__names_section_and_byte(void **unused)
{
	struct gabi_state *state = NULL;
	struct gabi_diag diag = { 0 };
	size_t len;
	char *bytes = stream_of(GABI_ARCH_X86, &len);

	(void)unused;
	bytes[len - 60] ^= 1; /* in the last section: mp-state of virtual processor 1, or what is the VMM's behind it */
	assert_int_equal(gabi_state_read(bytes, len, NULL, &state, &diag), GABI_ERR_SCHEMA);
	assert_non_null(strstr(diag.where, "of virtual processor 1, byte "));
	assert_non_null(strstr(diag.text, "damaged"));
	gabi_text_free(bytes, NULL);
}

static void read__of_what_stands_behind__refused(void **unused)
{
	size_t len;
	char *bytes = stream_of(GABI_ARCH_X86, &len);

	(void)unused;
	expect_refused(bytes, len + 1); /* the final NUL that a writer's text has */
	gabi_text_free(bytes, NULL);
}

/* ---- may a host load it? ---- */

static struct gabi_host *host_of(enum gabi_arch arch, const struct gabi_word *words, size_t count)
{
	struct gabi_host *host = gabi_host_new(arch, GABI_VIEW_KVM, NULL);

	for (unsigned space = GABI_SPACE_NONE + 1; space < GABI_SPACE_COUNT; space++)
		gabi_host_cover(host, space);
	REQUIRE(gabi_host_set_fact(host, "kernel.release", "6.1.0", &diag));
	for (size_t i = 0; i < count; i++)
		REQUIRE(gabi_host_add(host, &words[i], &diag));
	REQUIRE(gabi_host_seal(host, &diag));
	return host;
}

struct extra {
	const char *name;
	struct gabi_word host;  /* bits 0: none beside the usual */
	struct gabi_word state; /* the same */
	enum gabi_verdict verdict;
	unsigned kind; /* of the first finding; NONE: there is none */
	uint64_t want;
};

#define WORD(of, at, width, is) { .key = { .space = GABI_SPACE_##of, .index = at }, .bits = width, .value = is, .vp = GABI_VP_ALL }

static const struct gabi_word arm64_usual[] = {
	WORD(ARM64, PSCI, 64, 0x10001),
	WORD(ARM64_STATE, X0, 64, 0),
};
static const struct gabi_word x86_usual[] = {
	WORD(MSR_STATE, 0x10, 1, 1),
};

static const struct extra arm64_extras[] = {
	{ "nothing more", { .bits = 0 }, { .bits = 0 }, GABI_FITS, GABI_FINDING_NONE, 0 },
	{ "a register more in the state, as an older kernel behaves", { .bits = 0 }, WORD(ARM64, BITMAP, 64, 0),
	  GABI_FITS_WITH_ACTIONS, GABI_FINDING_DROP_IF_UNUSED, 0 },
	{ "a register more in the state, in use", { .bits = 0 }, WORD(ARM64, BITMAP, 64, 1), GABI_DOES_NOT_FIT,
	  GABI_FINDING_CANNOT_LOAD, 1 },
	{ "a register that the host's kernel is known to do without, as it behaves", { .bits = 0 }, WORD(ARM64, BITMAP + 3, 64, 0),
	  GABI_FITS_WITH_ACTIONS, GABI_FINDING_DROP_IF_UNUSED, 0 },
	{ "the same, in use", { .bits = 0 }, WORD(ARM64, BITMAP + 3, 64, 1), GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_LOAD, 1 },
	{ "an unknown bitmap of the state, zero", { .bits = 0 }, WORD(ARM64, BITMAP + 0xff, 64, 0), GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_DROP_IF_UNUSED, 0 },
	{ "an unknown bitmap of the host", WORD(ARM64, BITMAP + 0xff, 64, 7), { .bits = 0 }, GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_HIDE_BY_WRITE, 0 },
	{ "an unknown register of the host that is state", WORD(ARM64_STATE, UNNAMED, 64, 7), { .bits = 0 }, GABI_UNKNOWN,
	  GABI_FINDING_UNNAMED, 7 },
	{ "an unknown register of the state", { .bits = 0 }, WORD(ARM64_STATE, UNNAMED, 64, 7), GABI_DOES_NOT_FIT,
	  GABI_FINDING_CANNOT_LOAD, 7 },
};

static const struct extra x86_extras[] = {
	{ "nothing more", { .bits = 0 }, { .bits = 0 }, GABI_FITS, GABI_FINDING_NONE, 0 },
	{ "an MSR that resets to 0, unused", { .bits = 0 }, WORD(MSR_STATE, EXTRA_MSR, 64, 0), GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_DROP_IF_UNUSED, 0 },
	{ "an MSR that resets to 0, in use", { .bits = 0 }, WORD(MSR_STATE, EXTRA_MSR, 64, 0x530076), GABI_DOES_NOT_FIT,
	  GABI_FINDING_CANNOT_LOAD, 0x530076 },
	{ "an MSR without a row", { .bits = 0 }, WORD(MSR_STATE, OTHER_MSR, 64, 0), GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_LOAD, 0 },
};

static struct gabi_state *state_begun(enum gabi_arch arch, const struct gabi_contract *contract, const struct gabi_word *more)
{
	struct gabi_state *state = gabi_state_new(arch, 2, NULL);
	uint8_t digest[GABI_DIGEST_LEN];
	size_t count;
	const struct gabi_state_row *row = gabi_state_rows(&count);
	static const uint8_t zeros[65536];

	gabi_contract_digest(contract, digest);
	gabi_state_set_digest(state, digest);
	for (unsigned vp = 0; vp < 2; vp++) {
		for (size_t i = 0; i < count; i++)
			if (row[i].arch == arch && row[i].form == GABI_STATE_BYTES && (row[i].needed || row[i].kind == GABI_STATE_SREGS))
				REQUIRE(gabi_state_add(state, row[i].kind, vp, zeros, row[i].least, &diag));
		if (arch == GABI_ARCH_X86)
			add_word(state, GABI_SPACE_MSR_STATE, 0x10, 0, 64, vp, vp);
		else
			add_word(state, GABI_SPACE_ARM64_STATE, X0, 0, 64, vp, vp);
		if (more->bits)
			add_word(state, more->key.space, more->key.index, 0, more->bits, vp, more->value);
	}
	return state;
}

static struct gabi_state *state_for(enum gabi_arch arch, const struct gabi_contract *contract, const struct gabi_word *more)
{
	struct gabi_state *state = state_begun(arch, contract, more);

	REQUIRE(gabi_state_seal(state, &diag));
	return state;
}

static void expect_extra(enum gabi_arch arch, const struct gabi_word *usual, size_t usual_count, const struct extra *extra)
{
	struct gabi_host *home = host_of(arch, usual, usual_count), *host;
	struct gabi_contract *contract = NULL;
	struct gabi_report *report = NULL;
	struct gabi_state *state;
	struct gabi_word words[4];
	const struct gabi_finding *finding;
	size_t count = usual_count;

	memcpy(words, usual, usual_count * sizeof(*usual));
	if (extra->host.bits)
		words[count++] = extra->host;
	if (extra->host.bits)
		words[count - 1].settable = extra->host.value;
	host = host_of(arch, words, count);
	REQUIRE(gabi_contract_pin(home, NULL, NULL, &contract, &diag));
	state = state_for(arch, contract, &extra->state);
	REQUIRE(gabi_state_check(state, contract, host, &report, &diag));
	finding = gabi_report_findings(report, &count);
	if (gabi_report_verdict(report) != extra->verdict || count != (extra->kind != GABI_FINDING_NONE))
		fail_msg("%s: %s, %zu findings", extra->name, gabi_verdict_text(gabi_report_verdict(report)), count);
	if (count && (finding->kind != extra->kind || finding->want != extra->want || finding->vp != GABI_VP_ALL))
		fail_msg("%s: %s, 0x%llx", extra->name, gabi_finding_text(finding->kind), (unsigned long long)finding->want);
	gabi_report_free(report);
	gabi_state_free(state);
	gabi_contract_free(contract);
	gabi_host_free(home);
	gabi_host_free(host);
}

static void check__of_registers_that_one_side_lacks__goes_by_value_and_class(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT_OF(arm64_extras); i++)
		expect_extra(GABI_ARCH_ARM64, arm64_usual, COUNT_OF(arm64_usual), &arm64_extras[i]);
	for (size_t i = 0; i < COUNT_OF(x86_extras); i++)
		expect_extra(GABI_ARCH_X86, x86_usual, COUNT_OF(x86_usual), &x86_extras[i]);
}

/* A register of the state that is promised too. CTR_EL0: kernels before 6.3 show a VMM their own IDC. IA32_MISC_ENABLE: a guest writes
 * some of it. */
#define CTR  WORD(ARM64, CTR_EL0, 64, 0x8444c004)
#define INFO WORD(MSR, 0xce, 64, 0x80000000)
#define CAPS WORD(MSR, 0x10a, 64, 0x8)
#define MISC WORD(MSR, 0x1a0, 64, 0x1800)
static const struct {
	const char *name, *release;
	enum gabi_arch arch;
	struct gabi_word promise;
	uint64_t value;
	unsigned host_flags;
	enum gabi_verdict verdict;
	unsigned kind; /* of the only finding; NONE: there is none */
} promised[] = {
	{ "what was promised", "6.12.107", GABI_ARCH_ARM64, CTR, 0x8444c004, 0, GABI_FITS, GABI_FINDING_NONE },
	{ "KVM's own IDC, of a kernel that shows guests another", "6.1.176", GABI_ARCH_ARM64, CTR, 0x9444c004, 0, GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_PROMISE_STANDS },
	{ "the same, of a kernel that nobody named", "", GABI_ARCH_ARM64, CTR, 0x9444c004, 0, GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_PROMISE_STANDS },
	{ "another IDC, of a kernel that shows guests the same", "6.3", GABI_ARCH_ARM64, CTR, 0x9444c004, 0, GABI_DOES_NOT_FIT,
	  GABI_FINDING_CANNOT_LOAD },
	{ "another bit beside it, of a kernel that shows guests another IDC", "6.1.176", GABI_ARCH_ARM64, CTR, 0x9444c005, 0,
	  GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_LOAD },
	{ "what was promised, on a host that shows its VMM another", "6.12.107", GABI_ARCH_ARM64, CTR, 0x8444c004, GABI_WORD_SEEN,
	  GABI_FITS_WITH_ACTIONS, GABI_FINDING_PROMISE_STANDS },
	{ "KVM's own IDC, on such a host", "6.1.176", GABI_ARCH_ARM64, CTR, 0x9444c004, GABI_WORD_SEEN, GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_PROMISE_STANDS },
	{ "a feature MSR as promised", "6.1.176", GABI_ARCH_X86, INFO, 0x80000000, 0, GABI_FITS, GABI_FINDING_NONE },
	{ "a feature MSR with more", "6.1.176", GABI_ARCH_X86, INFO, 0x80000100, 0, GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_LOAD },
	{ "a feature MSR with less", "6.1.176", GABI_ARCH_X86, INFO, 0, 0, GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_LOAD },
	{ "a feature MSR that this guest cannot read", "6.1.176", GABI_ARCH_X86, CAPS, 0x9, 0, GABI_FITS, GABI_FINDING_NONE },
	{ "a feature MSR of which the guest wrote what it may", "6.1.176", GABI_ARCH_X86, MISC, 0x41801, 0, GABI_FITS, GABI_FINDING_NONE },
	{ "the same MSR, and what it may not", "6.1.176", GABI_ARCH_X86, MISC, 0x801, 0, GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_LOAD },
};

/* Does the plan leave the register behind that holds this value? */
static bool leaves_behind(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_report *report,
			  const struct gabi_word *word)
{
	struct gabi_plan *plan = NULL;
	const struct gabi_op *op;
	size_t count, drops = 0;

	REQUIRE(gabi_plan_new(contract, host, report, NULL, &plan, &diag));
	op = gabi_plan_ops(plan, &count);
	for (size_t i = 0; i < count; i++)
		drops += op[i].kind == GABI_OP_DROP_IF_EQUAL && !gabi_key_compare(&op[i].key, &word->key) && op[i].value == word->value;
	gabi_plan_free(plan);
	return drops == 1;
}

static void check__of_a_register_that_is_promised_too__goes_by_the_promise(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT_OF(promised); i++) {
		const bool is_x86 = promised[i].arch == GABI_ARCH_X86;
		struct gabi_word saved = promised[i].promise, listed = { .key = saved.key, .bits = 1, .value = 1, .vp = GABI_VP_ALL };
		struct gabi_word words[] = { promised[i].promise, is_x86 ? x86_usual[0] : arm64_usual[1], listed };
		const size_t word_count = is_x86 ? 3 : 2;
		struct gabi_host *home, *host;
		struct gabi_contract *contract = NULL;
		struct gabi_report *report = NULL;
		struct gabi_state *state;
		const struct gabi_finding *finding;
		size_t count;

		if (is_x86)
			saved.key.space = words[2].key.space = GABI_SPACE_MSR_STATE;
		home = host_of(promised[i].arch, words, word_count);
		words[0].flags = (uint8_t)promised[i].host_flags;
		saved.value = promised[i].value;
		host = host_of(promised[i].arch, words, word_count);
		REQUIRE(gabi_contract_pin(home, NULL, NULL, &contract, &diag));
		state = state_for(promised[i].arch, contract, &saved);
		REQUIRE(gabi_state_set_release(state, promised[i].release, &diag));
		REQUIRE(gabi_state_check(state, contract, host, &report, &diag));
		finding = gabi_report_findings(report, &count);
		if (gabi_report_verdict(report) != promised[i].verdict || count != (promised[i].kind != GABI_FINDING_NONE) ||
		    (count && finding->kind != promised[i].kind))
			fail_msg("%s: %s, %zu findings, %s", promised[i].name, gabi_verdict_text(gabi_report_verdict(report)), count,
				 gabi_finding_text(count ? finding->kind : GABI_FINDING_NONE));
		if (promised[i].verdict != GABI_DOES_NOT_FIT)
			assert_int_equal(leaves_behind(contract, host, report, &saved), promised[i].kind != GABI_FINDING_NONE);
		gabi_report_free(report);
		gabi_state_free(state);
		gabi_contract_free(contract);
		gabi_host_free(host);
		gabi_host_free(home);
	}
}

/* Guests in L2 on Intel, by what differs from one that is sound. CR0's and CR4's fixed bits are in no state: KVM does not list them. */
static const struct {
	const char *name;
	unsigned id;
	uint64_t value;
	bool is_taken;
} nested[] = {
	{ "a sound one", GABI_VMCS_GUEST_RFLAGS, 2, true },
	{ "CR4.SMAP, which its processor has not", GABI_VMCS_GUEST_CR4, 0x2020a0, false },
	{ "CR4.PKE for its hypervisor, which its processor has not", GABI_VMCS_HOST_CR4, 0x4020a0, false },
	{ "CR0 without NE", GABI_VMCS_GUEST_CR0, 0x80050013, false },
	{ "CR0 with what is above 32 bits", GABI_VMCS_HOST_CR0, 0x180050033, false },
	{ "a control that was not promised", GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 0xbf, false },
};

static void nested_with(unsigned id, uint64_t value, uint8_t blob[GABI_NESTED_MAX])
{
	static const struct {
		unsigned id;
		uint64_t value;
	} sound[] = {
		{ GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 0x3f }, { GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 0x401e172 },
		{ GABI_VMCS_VM_EXIT_CONTROLS, 0x36fff }, { GABI_VMCS_VM_ENTRY_CONTROLS, 0x13ff },
		{ GABI_VMCS_HOST_CR0, 0x80050033 }, { GABI_VMCS_HOST_CR4, 0x20a0 }, { GABI_VMCS_HOST_CS_SELECTOR, 0x10 },
		{ GABI_VMCS_HOST_TR_SELECTOR, 0x40 }, { GABI_VMCS_GUEST_CR0, 0x80050033 }, { GABI_VMCS_GUEST_CR4, 0x20a0 },
		{ GABI_VMCS_GUEST_RFLAGS, 2 }, { GABI_VMCS_VMCS_LINK_POINTER, UINT64_MAX },
	};
	const struct gabi_vmcs_layout *layout = gabi_nested_layout("7.2");
	struct gabi_nested in_l2 = { .flags = GABI_NESTED_GUEST_MODE, .format = GABI_NESTED_VMX, .vmxon_pa = 0x5000, .vmcs12_pa = 0x6000 };
	uint8_t page[GABI_VMCS_PAGE];
	size_t len;

	gabi_vmcs_init(layout, 0, page);
	for (size_t i = 0; i < COUNT_OF(sound); i++)
		assert_int_equal(gabi_vmcs_set(layout, page, sound[i].id, sound[i].value), 0);
	assert_int_equal(gabi_vmcs_set(layout, page, id, value), 0);
	in_l2.vmcs12 = in_l2.shadow = page;
	REQUIRE(gabi_nested_write(&in_l2, blob, GABI_NESTED_MAX, &len, &diag));
}

/* What KVM lists as state of the capability MSRs, as the contract promises it. */
static struct gabi_state *state_in_l2(const struct gabi_contract *contract, const struct gabi_host *host, const uint8_t *blob)
{
	const struct gabi_word none = { .bits = 0 };
	struct gabi_state *state = state_begun(GABI_ARCH_X86, contract, &none);

	for (uint64_t index = GABI_NESTED_MSR_FIRST; index < GABI_NESTED_MSR_FIRST + GABI_NESTED_MSRS; index++) {
		const struct gabi_key key = { .space = GABI_SPACE_MSR, .index = index };
		const struct gabi_key saved = { .space = GABI_SPACE_MSR_STATE, .index = index };

		for (unsigned vp = 0; gabi_host_find(host, &saved) && vp < 2; vp++)
			add_word(state, GABI_SPACE_MSR_STATE, index, 0, 64, vp, gabi_contract_find(contract, &key, vp)->value);
	}
	REQUIRE(gabi_state_add(state, GABI_STATE_NESTED, 1, blob, GABI_NESTED_MAX, &diag));
	REQUIRE(gabi_state_seal(state, &diag));
	return state;
}

static void check__of_a_guest_in_l2__goes_by_capabilities_saved_and_promised(void **unused)
{
	struct gabi_host *home = read_manifest(DATA_HOSTS, "intel-haswell-linux-6.12.json");
	struct gabi_host *host = read_manifest(DATA_HOSTS, "intel-haswell-linux-7.2.json");
	struct gabi_contract *contract = NULL;
	static uint8_t blob[GABI_NESTED_MAX];

	(void)unused;
	REQUIRE(gabi_contract_pin(home, NULL, NULL, &contract, &diag));
	for (size_t i = 0; i < COUNT_OF(nested); i++) {
		struct gabi_report *report = NULL;
		struct gabi_state *state;
		const struct gabi_finding *finding;
		size_t count, found = 0;

		nested_with(nested[i].id, nested[i].value, blob);
		state = state_in_l2(contract, host, blob);
		REQUIRE(gabi_state_check(state, contract, host, &report, &diag));
		finding = gabi_report_findings(report, &count);
		for (size_t at = 0; at < count; at++)
			found += finding[at].key.space == GABI_SPACE_VM && finding[at].key.index == GABI_VM_NESTED_FORMAT &&
				 finding[at].vp == 1 && finding[at].kind == GABI_FINDING_CANNOT_LOAD;
		if (gabi_report_verdict(report) != (nested[i].is_taken ? GABI_FITS : GABI_DOES_NOT_FIT) || found != !nested[i].is_taken)
			fail_msg("%s: %s, %zu findings", nested[i].name, gabi_verdict_text(gabi_report_verdict(report)), count);
		gabi_report_free(report);
		gabi_state_free(state);
	}
	gabi_contract_free(contract);
	gabi_host_free(host);
	gabi_host_free(home);
}

static void check__of_another_contract_or_architecture__refused(void **unused)
{
	struct gabi_host *host = host_of(GABI_ARCH_ARM64, arm64_usual, COUNT_OF(arm64_usual));
	struct gabi_contract *contract = NULL;
	struct gabi_state *other = sealed(GABI_ARCH_ARM64), *x86 = sealed(GABI_ARCH_X86);
	struct gabi_report *report = NULL;

	(void)unused;
	REQUIRE(gabi_contract_pin(host, NULL, NULL, &contract, &diag));
	assert_int_equal(gabi_state_check(other, contract, host, &report, NULL), GABI_ERR_CONFLICT);
	assert_int_equal(gabi_state_check(x86, contract, host, &report, NULL), GABI_ERR_ARCH);
	assert_null(report);
	gabi_state_free(other);
	gabi_state_free(x86);
	gabi_contract_free(contract);
	gabi_host_free(host);
}

/* ---- memory ---- */

struct meter {
	unsigned left;
};

static void *metered(void *ctx, void *ptr, size_t len)
{
	struct meter *meter = ctx;

	if (!len) {
		free(ptr);
		return NULL;
	}
	return meter->left && meter->left-- ? realloc(ptr, len) : NULL;
}

static void read__with_too_little_memory__leaves_nothing(void **unused)
{
	size_t len;
	char *bytes = stream_of(GABI_ARCH_ARM64, &len);
	int err = GABI_ERR_NOMEM;

	(void)unused;
	for (unsigned most = 0; err == GABI_ERR_NOMEM; most++) {
		struct meter meter = { most };
		const struct gabi_mem mem = { metered, &meter };
		struct gabi_state *state = NULL;

		assert_true(most < 1000);
		err = gabi_state_read(bytes, len, &mem, &state, NULL);
		assert_int_equal(err == 0, state != NULL);
		gabi_state_free(state);
	}
	assert_int_equal(err, 0);
	gabi_text_free(bytes, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seal__of_what_is_whole__parts_stand_in_order),
		cmocka_unit_test(seal__of_what_lacks_a_part__names_it),
		cmocka_unit_test(seal__of_a_wide_register_without_all_its_words__refused),
		cmocka_unit_test(add__of_what_a_row_does_not_allow__refused),
		cmocka_unit_test(write__read__write__gives_the_same_bytes),
		cmocka_unit_test(stream__for_libcbor__is_one_item_of_sections),
		cmocka_unit_test(read__of_a_stream_cut_anywhere__refused),
		cmocka_unit_test(read__of_a_stream_with_any_bit_flipped__refused),
		cmocka_unit_test(read__of_a_real_state_with_any_byte_flipped__refused),
		cmocka_unit_test(read__of_what_a_later_version_wrote__says_so),
		cmocka_unit_test(read__of_what_is_damaged__names_section_and_byte),
		cmocka_unit_test(read__of_what_stands_behind__refused),
		cmocka_unit_test(check__of_registers_that_one_side_lacks__goes_by_value_and_class),
		cmocka_unit_test(check__of_a_register_that_is_promised_too__goes_by_the_promise),
		cmocka_unit_test(check__of_a_guest_in_l2__goes_by_capabilities_saved_and_promised),
		cmocka_unit_test(check__of_another_contract_or_architecture__refused),
		cmocka_unit_test(read__with_too_little_memory__leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
