/* SPDX-License-Identifier: MIT */
#include <gabi/formats.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "formats/syntax.h"
#include "short_mem.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

#define CONTRACT_HEAD "{\"gabi\":\"contract\",\"schema\":1,"
#define HOST_HEAD "{\"gabi\":\"host\",\"schema\":1,\"arch\":\"x86\",\"view\":\"kvm\","

/* One word of each kind of key, in the order of the keys' texts and not of their numbers. */
static const char x86_promises[] =
	"{\"arch\":\"x86\",\"cpuid\":{"
	"\"0x1.0x0\":{\"eax\":\"0x00000001\",\"ebx\":\"0x00000000\",\"ecx\":\"0x80000000\",\"edx\":\"0xefffffff\"},"
	"\"0xd.0x1\":{\"eax\":\"0x00000000\",\"ebx\":\"0x00000000\",\"ecx\":\"0x00000000\",\"edx\":\"0x00000000\"},"
	"\"0xd.0x11\":{\"eax\":\"0x00000000\",\"ebx\":\"0x00000000\",\"ecx\":\"0x00000000\",\"edx\":\"0x00000000\"},"
	"\"0xd.0x2\":{\"eax\":\"0x00000000\",\"ebx\":\"0x00000000\",\"ecx\":\"0x00000000\",\"edx\":\"0x00000000\"}},"
	"\"msr\":{\"0x10a\":\"0x0000000000000001\",\"0xc0010015\":\"0x8000000000000000\",\"0xce\":\"0x0000000000000000\"},"
	"\"msr-state\":{\"0x10\":\"0x1\",\"0x8\":\"0x1\"},"
	"\"vm\":{\"0xfffffff0\":\"0x0000000000000000\",\"kvm-quirks\":\"0x0000000000000000\",\"tsc-khz\":\"0x00000000001e8480\"}}";

static void contract__written_and_read__is_the_same(void **state)
{
	struct gabi_contract *contract, *again;
	char text[4096], *first, *second;
	size_t first_len, second_len;
	struct gabi_diag diag;

	(void)state;
	strcpy(text, CONTRACT_HEAD "\"name\":\"a \\\"b\\\"\\u0001\",\"promises\":");
	strcat(text, x86_promises);
	strcat(text, "}");
	if (gabi_contract_read(text, strlen(text), NULL, &contract, &diag))
		fail_msg("%s: %s", diag.where, diag.text);
	assert_int_equal(gabi_contract_write(contract, NULL, &first, &first_len), 0);
	assert_int_equal(strlen(first), first_len);
	if (gabi_contract_read(first, first_len, NULL, &again, &diag))
		fail_msg("%s: %s", diag.where, diag.text);
	assert_string_equal(gabi_contract_name(again), "a \"b\"\001");
	assert_int_equal(gabi_contract_write(again, NULL, &second, &second_len), 0);
	assert_string_equal(first, second);
	gabi_text_free(first, NULL);
	gabi_text_free(second, NULL);
	gabi_contract_free(contract);
	gabi_contract_free(again);
}

struct collected {
	char text[4096];
	size_t len;
};

static int collect(void *ctx, const char *text, size_t len)
{
	struct collected *to = ctx;

	assert_true(len < sizeof(to->text) - to->len);
	memcpy(to->text + to->len, text, len);
	to->len += len;
	return 0;
}

static void canonical__is_the_text_that_was_read(void **state)
{
	struct collected canonical = { .len = 0 };
	struct gabi_contract *contract;
	char text[4096] = CONTRACT_HEAD "\"promises\":";

	(void)state;
	strcat(text, x86_promises);
	strcat(text, "}");
	assert_int_equal(gabi_contract_read(text, strlen(text), NULL, &contract, NULL), 0);
	assert_int_equal(gabi_contract_canonical(contract, collect, &canonical), 0);
	assert_string_equal(canonical.text, x86_promises);
	gabi_contract_free(contract);
}

static void host__what_a_guest_saw__stays_marked(void **state)
{
	static const char words[] = "\"covers\":[\"arm64\"],\"words\":{\"arm64\":{\"0x603000000013d801\":"
		"{\"seen\":true,\"value\":\"0x000000008444c004\"}}}}";
	static const char text[] = "{\"gabi\":\"host\",\"schema\":1,\"arch\":\"arm64\",\"view\":\"kvm\",\"facts\":{},";
	char whole[sizeof(words) + sizeof(text)], *written;
	struct gabi_host *host;
	struct gabi_diag diag;
	size_t count, len;

	(void)state;
	snprintf(whole, sizeof(whole), "%s%s", text, words);
	if (gabi_host_read(whole, strlen(whole), NULL, &host, &diag))
		fail_msg("%s: %s", diag.where, diag.text);
	assert_int_equal(gabi_host_words(host, &count)[0].flags, GABI_WORD_SEEN);
	assert_int_equal(gabi_host_write(host, NULL, &written, &len), 0);
	assert_non_null(strstr(written, "\"seen\":true"));
	gabi_text_free(written, NULL);
	gabi_host_free(host);
}

static void host__written_and_read__is_the_same(void **state)
{
	static const char text[] = HOST_HEAD "\"facts\":{\"kernel.release\":\"6.1.0\",\"module.kvm.nested\":\"Y\"},"
		"\"covers\":[\"cpuid\",\"vm\"],\"words\":{\"cap\":{\"0x1\":\"0x00000001\"},\"msr\":{\"0x10a\":"
		"{\"once\":true,\"settable\":\"0x0000000000000001\",\"value\":\"0x0000000000000003\"},\"0x3a\":\"0x0000000000000000\"}}}";
	struct gabi_host *host, *again;
	char *first, *second;
	size_t first_len, second_len, count;
	const struct gabi_word *word;
	struct gabi_diag diag;

	(void)state;
	if (gabi_host_read(text, strlen(text), NULL, &host, &diag))
		fail_msg("%s: %s", diag.where, diag.text);
	word = gabi_host_words(host, &count);
	assert_int_equal(count, 3);
	assert_int_equal(word[0].settable, UINT64_MAX);
	assert_int_equal(word[1].settable, 1);
	assert_int_equal(word[1].flags, GABI_WORD_ONCE);
	assert_int_equal(word[2].settable, 0);
	assert_int_equal(gabi_host_write(host, NULL, &first, &first_len), 0);
	if (gabi_host_read(first, first_len, NULL, &again, &diag))
		fail_msg("%s: %s", diag.where, diag.text);
	assert_int_equal(gabi_host_write(again, NULL, &second, &second_len), 0);
	assert_string_equal(first, second);
	gabi_text_free(first, NULL);
	gabi_text_free(second, NULL);
	gabi_host_free(host);
	gabi_host_free(again);
}

/* ---- what other words look like ---- */

static const char arm64_promises[] =
	"{\"arch\":\"arm64\","
	"\"arm64\":{\"0x603000000013c000\":\"0x00000000410fd0c1\","
	"\"0x606000000015ffff\":\"0x"
	"0000000000000000000000000000000000000000000000000000000000000000"
	"000000000000000000000000000000000000000000000000000000000000000f\"},"
	"\"arm64-state\":{\"0x6020000000100054\":\"0x00000001\",\"0x6040000000100058\":\"0x0123456789abcdeffedcba9876543210\"}}";

static struct gabi_contract *contract_of(const char *promises)
{
	struct gabi_contract *contract = NULL;
	char text[8192];
	struct gabi_diag diag;
	int len = snprintf(text, sizeof(text), CONTRACT_HEAD "\"promises\":%s}", promises);

	if (gabi_contract_read(text, (size_t)len, NULL, &contract, &diag))
		fail_msg("%s: %s", diag.where, diag.text);
	return contract;
}

static void wide_value__highest_digits_are_the_last_part(void **state)
{
	const struct gabi_key low = { .space = GABI_SPACE_ARM64_STATE, .index = 0x6040000000100058 };
	const struct gabi_key high = { .space = GABI_SPACE_ARM64_STATE, .part = 1, .index = 0x6040000000100058 };
	struct gabi_contract *contract = contract_of(arm64_promises);
	struct collected canonical = { .len = 0 };

	(void)state;
	assert_int_equal(gabi_contract_find(contract, &low, GABI_VP_ALL)->value, 0xfedcba9876543210);
	assert_int_equal(gabi_contract_find(contract, &high, GABI_VP_ALL)->value, 0x0123456789abcdef);
	assert_int_equal(gabi_contract_canonical(contract, collect, &canonical), 0);
	assert_string_equal(canonical.text, arm64_promises);
	gabi_contract_free(contract);
}

/* A register whose row lets processors differ. */
static const struct gabi_reg *own_reg(void)
{
	size_t count;
	const struct gabi_reg *reg = gabi_regs(&count);

	for (size_t i = 0; i < count; i++)
		if (reg[i].key.space == GABI_SPACE_MSR && reg[i].scope == GABI_SCOPE_VP && !reg[i].same)
			return &reg[i];
	fail_msg("no MSR may differ between processors");
	return NULL;
}

static void vps__are_written_in_the_order_of_their_texts(void **state)
{
	static const char *const order[] = { "0", "1", "10", "2" };
	struct collected canonical = { .len = 0 };
	struct gabi_contract *contract;
	char promises[1024], *at = promises;

	(void)state;
	at += sprintf(at, "{\"arch\":\"x86\",\"vps\":{");
	for (size_t i = 0; i < COUNT_OF(order); i++)
		at += sprintf(at, "%s\"%s\":{\"msr\":{\"0x%llx\":\"0x%016zx\"}}", i ? "," : "", order[i],
			      (unsigned long long)own_reg()->key.index, i);
	strcpy(at, "}}");
	contract = contract_of(promises);
	assert_int_equal(gabi_contract_find(contract, &own_reg()->key, 10)->value, 2);
	assert_null(gabi_contract_find(contract, &own_reg()->key, 3));
	assert_int_equal(gabi_contract_canonical(contract, collect, &canonical), 0);
	assert_string_equal(canonical.text, promises);
	gabi_contract_free(contract);
}

/* jansson knows nothing of our words, and its sorted compact form of ASCII is RFC 8785's. */
static void canonical__is_what_another_writer_makes_of_the_file(void **state)
{
	static const char *const all[] = { x86_promises, arm64_promises };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		struct gabi_contract *contract = contract_of(all[i]);
		struct collected canonical = { .len = 0 };
		char *text, *theirs;
		size_t len;
		json_t *root;

		assert_int_equal(gabi_contract_canonical(contract, collect, &canonical), 0);
		assert_int_equal(gabi_contract_write(contract, NULL, &text, &len), 0);
		root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(root);
		theirs = json_dumps(json_object_get(root, "promises"), JSON_COMPACT | JSON_SORT_KEYS);
		assert_string_equal(canonical.text, theirs);
		free(theirs);
		json_decref(root);
		gabi_text_free(text, NULL);
		gabi_contract_free(contract);
	}
}

/* ---- the digest ---- */

static void digest__is_checked_against_the_promises_in_any_order(void **state)
{
	/* printf '{"arch":"x86","msr":{"0x10":"0x0000000000000001","0x9":"0x0000000000000000"}}' | sha256sum */
	static const char sum[] = "sha256:6817e8abea69bf7222537e9c07af0aaaea4f246528b956116604bd6216c84297";
	static const struct {
		const char *name, *digest, *promises;
		int err;
	} rows[] = {
		{ "sorted", sum, "{\"arch\":\"x86\",\"msr\":{\"0x10\":\"0x0000000000000001\",\"0x9\":\"0x0000000000000000\"}}", 0 },
		{ "sorted, with white space", sum,
		  "{ \"arch\": \"x86\",\n\t\"msr\": {\"0x10\": \"0x0000000000000001\", \"0x9\": \"0x0000000000000000\" } }", 0 },
		{ "unsorted", sum, "{\"msr\":{\"0x9\":\"0x0000000000000000\",\"0x10\":\"0x0000000000000001\"},\"arch\":\"x86\"}", 0 },
		{ "another value", sum, "{\"arch\":\"x86\",\"msr\":{\"0x10\":\"0x0000000000000003\",\"0x9\":\"0x0000000000000000\"}}",
		  GABI_ERR_CONFLICT },
		{ "no digest at all", "", "{\"arch\":\"x86\"}", GABI_ERR_CONFLICT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct gabi_contract *contract = NULL;
		struct gabi_diag diag = { 0 };
		char text[1024];
		int len = snprintf(text, sizeof(text), CONTRACT_HEAD "\"digest\":\"%s\",\"promises\":%s}", rows[i].digest, rows[i].promises);
		int err = gabi_contract_read(text, (size_t)len, NULL, &contract, &diag);

		if (err != rows[i].err || (err && strcmp(diag.where, "/digest")))
			fail_msg("%s: %s at %s: %s", rows[i].name, gabi_err_name(err), diag.where, diag.text);
		gabi_contract_free(contract);
	}
}

/* ---- bad input ---- */

struct bad {
	const char *name, *text;
	int err;
	const char *where;
	unsigned line, column;
};

#define LEAF_0 "{\"eax\":\"0x00000000\",\"ebx\":\"0x00000000\",\"ecx\":\"0x00000000\",\"edx\":\"0x00000000\"}"
#define PROMISE(text) CONTRACT_HEAD "\"promises\":{\"arch\":\"x86\"," text "}}"
#define ARM_PROMISE(text) CONTRACT_HEAD "\"promises\":{\"arch\":\"arm64\"," text "}}"
#define WORDS(text) HOST_HEAD "\"facts\":{},\"covers\":[],\"words\":{" text "}}"

/* Either reader says the same of these. */
static const struct bad bad_syntax[] = {
	{ "nothing", "", GABI_ERR_SYNTAX, "", 1, 1 },
	{ "white space", " \n ", GABI_ERR_SYNTAX, "", 2, 2 },
	{ "a bare text", "\"gabi\"", GABI_ERR_SYNTAX, "", 1, 1 },
	{ "cut off", "{\"gabi\":\n\"con", GABI_ERR_SYNTAX, "", 2, 5 },
	{ "no comma", "{\"a\":1\n \"b\":2}", GABI_ERR_SYNTAX, "", 2, 2 },
	{ "a comma too many", "{\"a\":1,}", GABI_ERR_SYNTAX, "", 1, 8 },
	{ "no colon", "{\"a\" 1}", GABI_ERR_SYNTAX, "", 1, 6 },
	{ "single quotes", "{'a':1}", GABI_ERR_SYNTAX, "", 1, 2 },
	{ "another bracket", "{\"a\":[1}", GABI_ERR_SYNTAX, "", 1, 8 },
	{ "trailing data", "{}\n{}", GABI_ERR_SYNTAX, "", 2, 1 },
	{ "a leading zero", "{\"a\":01}", GABI_ERR_SYNTAX, "", 1, 7 },
	{ "a bare point", "{\"a\":1.}", GABI_ERR_SYNTAX, "", 1, 8 },
	{ "no digit in the exponent", "{\"a\":1e+}", GABI_ERR_SYNTAX, "", 1, 9 },
	{ "a literal that is none", "{\"a\":nul}", GABI_ERR_SYNTAX, "", 1, 9 },
	{ "hexadecimal", "{\"a\":0x10}", GABI_ERR_SYNTAX, "", 1, 7 },
	{ "a bare new line", "{\"a\":\"\n\"}", GABI_ERR_SYNTAX, "", 1, 7 },
	{ "Latin-1", "{\"a\":\"\xe9\"}", GABI_ERR_SYNTAX, "", 1, 7 },
	{ "an overlong character", "{\"a\":\"\xc0\xaf\"}", GABI_ERR_SYNTAX, "", 1, 7 },
	{ "a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", GABI_ERR_SYNTAX, "", 1, 7 },
	{ "half a surrogate pair", "{\"a\":\"\\ud800x\"}", GABI_ERR_SYNTAX, "", 1, 13 },
	{ "an escape that is none", "{\"a\":\"\\x\"}", GABI_ERR_SYNTAX, "", 1, 8 },
	{ "a NUL", "{\"a\":\"\\u0000\"}", GABI_ERR_SYNTAX, "", 1, 8 },
	{ "a list", "[]", GABI_ERR_SCHEMA, "", 0, 0 },
	{ "another's file", "{\"a\":1}", GABI_ERR_SCHEMA, "", 0, 0 },
	{ "a file of another kind", "{\"gabi\":\"x\",\"schema\":1}", GABI_ERR_SCHEMA, "/gabi", 0, 0 },
};

static const struct bad bad_contracts[] = {
	{ "no schema", "{\"gabi\":\"contract\"}", GABI_ERR_SCHEMA, "/schema", 0, 0 },
	{ "a schema that is no number", "{\"gabi\":\"contract\",\"schema\":\"1\"}", GABI_ERR_SCHEMA, "/schema", 0, 0 },
	{ "schema 0", "{\"gabi\":\"contract\",\"schema\":0}", GABI_ERR_SCHEMA, "/schema", 0, 0 },
	{ "a fraction", "{\"gabi\":\"contract\",\"schema\":1.0}", GABI_ERR_SCHEMA, "/schema", 0, 0 },
	{ "a later schema", "{\"new\":1,\"gabi\":\"contract\",\"schema\":2}", GABI_ERR_VERSION, "/schema", 0, 0 },
	{ "an unknown member", CONTRACT_HEAD "\"promise\":{}}", GABI_ERR_SCHEMA, "/promise", 0, 0 },
	{ "an unknown member with odd letters", CONTRACT_HEAD "\"a/b~\\u001b\":{}}", GABI_ERR_SCHEMA, "/a~1b~0\\u001b", 0, 0 },
	{ "a member twice", CONTRACT_HEAD "\"name\":\"a\",\"name\":\"a\"}", GABI_ERR_DUPLICATE, "/name", 0, 0 },
	{ "a name that is no text", CONTRACT_HEAD "\"name\":1}", GABI_ERR_SCHEMA, "/name", 0, 0 },
	{ "no promises", CONTRACT_HEAD "\"name\":\"a\"}", GABI_ERR_SCHEMA, "", 0, 0 },
	{ "no architecture", CONTRACT_HEAD "\"promises\":{}}", GABI_ERR_SCHEMA, "/promises", 0, 0 },
	{ "an architecture that is no text", CONTRACT_HEAD "\"promises\":{\"arch\":1}}", GABI_ERR_SCHEMA, "/promises/arch", 0, 0 },
	{ "an unknown architecture", CONTRACT_HEAD "\"promises\":{\"arch\":\"riscv\"}}", GABI_ERR_SCHEMA, "/promises/arch", 0, 0 },
	{ "the architecture twice", PROMISE("\"arch\":\"x86\""), GABI_ERR_DUPLICATE, "/promises/arch", 0, 0 },
	{ "an unknown section", PROMISE("\"cpu\":{}"), GABI_ERR_SCHEMA, "/promises/cpu", 0, 0 },
	{ "another architecture's section", PROMISE("\"arm64\":{}"), GABI_ERR_ARCH, "/promises/arm64", 0, 0 },
	{ "an empty section", PROMISE("\"msr\":{}"), GABI_ERR_SCHEMA, "/promises/msr", 0, 0 },
	{ "a section that is a list", PROMISE("\"msr\":[]"), GABI_ERR_SCHEMA, "/promises/msr", 0, 0 },
	{ "a section twice", PROMISE("\"msr\":{\"0x1\":\"0x0000000000000000\"},\"msr\":{}"), GABI_ERR_DUPLICATE, "/promises/msr", 0, 0 },
	{ "what only a manifest lists", PROMISE("\"cap\":{\"0x1\":\"0x00000000\"}"), GABI_ERR_SCHEMA, "/promises/cap/0x1", 0, 0 },
	{ "a key without 0x", PROMISE("\"msr\":{\"10\":\"0x0000000000000000\"}"), GABI_ERR_SCHEMA, "/promises/msr/10", 0, 0 },
	{ "a key with junk", PROMISE("\"msr\":{\"0x10 \":\"0x0000000000000000\"}"), GABI_ERR_SCHEMA, "/promises/msr/0x10 ", 0, 0 },
	{ "a key with a leading zero", PROMISE("\"msr\":{\"0x010\":\"0x0000000000000000\"}"), GABI_ERR_SCHEMA, "/promises/msr/0x010", 0, 0 },
	{ "an escaped key", PROMISE("\"msr\":{\"\\u0030x10\":\"0x0000000000000000\"}"), GABI_ERR_SCHEMA, "/promises/msr/\\u0030x10", 0, 0 },
	{ "a key in capitals", PROMISE("\"msr\":{\"0xCE\":\"0x0000000000000000\"}"), GABI_ERR_SCHEMA, "/promises/msr/0xCE", 0, 0 },
	{ "an MSR of 33 bits", PROMISE("\"msr\":{\"0x100000000\":\"0x0000000000000000\"}"), GABI_ERR_RANGE, "/promises/msr/0x100000000", 0, 0 },
	{ "a key of 65 bits", PROMISE("\"msr\":{\"0x10000000000000000\":\"0x0000000000000000\"}"), GABI_ERR_SCHEMA,
	  "/promises/msr/0x10000000000000000", 0, 0 },
	{ "a key twice", PROMISE("\"msr\":{\"0x10\":\"0x0000000000000000\",\"0x10\":\"0x0000000000000001\"}"), GABI_ERR_DUPLICATE,
	  "/promises/msr/0x10", 0, 0 },
	{ "a leaf twice", PROMISE("\"cpuid\":{\"0x7.0x1\":" LEAF_0 ",\"0x1.0x0\":" LEAF_0 ",\"0x7.0x1\":" LEAF_0 "}"), GABI_ERR_DUPLICATE,
	  "/promises/cpuid/0x7.0x1", 0, 0 },
	{ "a value that is a number", PROMISE("\"msr\":{\"0x10\":0}"), GABI_ERR_SCHEMA, "/promises/msr/0x10", 0, 0 },
	{ "a value with a digit too few", PROMISE("\"msr\":{\"0x10\":\"0x000000000000000\"}"), GABI_ERR_RANGE, "/promises/msr/0x10", 0, 0 },
	{ "a value with a digit too many", PROMISE("\"msr\":{\"0x10\":\"0x00000000000000000\"}"), GABI_ERR_RANGE, "/promises/msr/0x10", 0, 0 },
	{ "a value in capitals", PROMISE("\"msr\":{\"0x10\":\"0x000000000000000A\"}"), GABI_ERR_RANGE, "/promises/msr/0x10", 0, 0 },
	{ "an empty value", PROMISE("\"msr\":{\"0x10\":\"\"}"), GABI_ERR_RANGE, "/promises/msr/0x10", 0, 0 },
	{ "a value of one letter", PROMISE("\"msr\":{\"0x10\":\"0\"}"), GABI_ERR_RANGE, "/promises/msr/0x10", 0, 0 },
	{ "a value wider than its bits", PROMISE("\"msr-state\":{\"0x10\":\"0x2\"}"), GABI_ERR_RANGE, "/promises/msr-state/0x10", 0, 0 },
	{ "what is settable, in a contract", PROMISE("\"msr\":{\"0x10\":{\"value\":\"0x0000000000000000\"}}"), GABI_ERR_SCHEMA,
	  "/promises/msr/0x10", 0, 0 },
	{ "a leaf without a subleaf", PROMISE("\"cpuid\":{\"0x7\":" LEAF_0 "}"), GABI_ERR_SCHEMA, "/promises/cpuid/0x7", 0, 0 },
	{ "a leaf of 33 bits", PROMISE("\"cpuid\":{\"0x100000000.0x0\":" LEAF_0 "}"), GABI_ERR_SCHEMA, "/promises/cpuid/0x100000000.0x0", 0, 0 },
	{ "a leaf that is a text", PROMISE("\"cpuid\":{\"0x7.0x0\":\"0x0\"}"), GABI_ERR_SCHEMA, "/promises/cpuid/0x7.0x0", 0, 0 },
	{ "a leaf without edx", PROMISE("\"cpuid\":{\"0x7.0x0\":{\"eax\":\"0x00000000\",\"ebx\":\"0x00000000\",\"ecx\":\"0x00000000\"}}"),
	  GABI_ERR_SCHEMA, "/promises/cpuid/0x7.0x0", 0, 0 },
	{ "a fifth register", PROMISE("\"cpuid\":{\"0x7.0x0\":{\"esi\":\"0x00000000\"}}"), GABI_ERR_SCHEMA, "/promises/cpuid/0x7.0x0/esi", 0, 0 },
	{ "a register twice", PROMISE("\"cpuid\":{\"0x7.0x0\":{\"eax\":\"0x00000000\",\"eax\":\"0x00000000\"}}"), GABI_ERR_DUPLICATE,
	  "/promises/cpuid/0x7.0x0/eax", 0, 0 },
	{ "a register of 64 bits", PROMISE("\"cpuid\":{\"0x7.0x0\":{\"eax\":\"0x0000000000000000\",\"ebx\":\"0x00000000\","
	  "\"ecx\":\"0x00000000\",\"edx\":\"0x00000000\"}}"), GABI_ERR_RANGE, "/promises/cpuid/0x7.0x0/eax", 0, 0 },
	{ "the number of what has a name", PROMISE("\"vm\":{\"0x1\":\"0x0000000000000000\"}"), GABI_ERR_SCHEMA, "/promises/vm/0x1", 0, 0 },
	{ "an unknown name", PROMISE("\"vm\":{\"tsc\":\"0x0000000000000000\"}"), GABI_ERR_SCHEMA, "/promises/vm/tsc", 0, 0 },
	{ "an arm64 register of 4096 bits", ARM_PROMISE("\"arm64\":{\"0x6090000000000000\":\"0x0\"}"), GABI_ERR_RANGE,
	  "/promises/arm64/0x6090000000000000", 0, 0 },
	{ "an arm64 value of half the width", ARM_PROMISE("\"arm64\":{\"0x603000000013c000\":\"0x00000000\"}"), GABI_ERR_RANGE,
	  "/promises/arm64/0x603000000013c000", 0, 0 },
	{ "no virtual processors", PROMISE("\"vps\":{}"), GABI_ERR_SCHEMA, "/promises/vps", 0, 0 },
	{ "virtual processors in a list", PROMISE("\"vps\":[]"), GABI_ERR_SCHEMA, "/promises/vps", 0, 0 },
	{ "a virtual processor with a leading zero", PROMISE("\"vps\":{\"01\":{}}"), GABI_ERR_SCHEMA, "/promises/vps/01", 0, 0 },
	{ "a virtual processor beyond the last", PROMISE("\"vps\":{\"4096\":{}}"), GABI_ERR_SCHEMA, "/promises/vps/4096", 0, 0 },
	{ "a virtual processor without words", PROMISE("\"vps\":{\"1\":{}}"), GABI_ERR_SCHEMA, "/promises/vps/1", 0, 0 },
	{ "virtual processors within one", PROMISE("\"vps\":{\"1\":{\"vps\":{}}}"), GABI_ERR_SCHEMA, "/promises/vps/1/vps", 0, 0 },
	{ "a VM's word for one processor", PROMISE("\"vps\":{\"1\":{\"vm\":{\"tsc-khz\":\"0x0000000000000000\"}}}"), GABI_ERR_CONFLICT,
	  "/promises/vps/1/vm/tsc-khz", 0, 0 },
};

static const struct bad bad_hosts[] = {
	{ "no view", "{\"gabi\":\"host\",\"schema\":1,\"arch\":\"x86\",\"facts\":{},\"covers\":[],\"words\":{}}", GABI_ERR_SCHEMA, "", 0, 0 },
	{ "an unknown view", "{\"gabi\":\"host\",\"schema\":1,\"arch\":\"x86\",\"view\":\"qemu\",\"facts\":{},\"covers\":[],\"words\":{}}",
	  GABI_ERR_SCHEMA, "/view", 0, 0 },
	{ "an unknown fact", HOST_HEAD "\"facts\":{\"time\":\"now\"},\"covers\":[],\"words\":{}}", GABI_ERR_SCHEMA, "/facts/time", 0, 0 },
	{ "half a module's fact", HOST_HEAD "\"facts\":{\"module.kvm\":\"\"},\"covers\":[],\"words\":{}}", GABI_ERR_SCHEMA, "/facts/module.kvm", 0, 0 },
	{ "a fact that is a number", HOST_HEAD "\"facts\":{\"name\":1},\"covers\":[],\"words\":{}}", GABI_ERR_SCHEMA, "/facts/name", 0, 0 },
	{ "a fact twice", HOST_HEAD "\"facts\":{\"name\":\"a\",\"name\":\"b\"},\"covers\":[],\"words\":{}}", GABI_ERR_DUPLICATE, "/facts/name", 0, 0 },
	{ "covers an unknown section", HOST_HEAD "\"facts\":{},\"covers\":[\"cpuid\",\"cpu\"],\"words\":{}}", GABI_ERR_SCHEMA, "/covers/1", 0, 0 },
	{ "covers a section twice", HOST_HEAD "\"facts\":{},\"covers\":[\"msr\",\"msr\"],\"words\":{}}", GABI_ERR_DUPLICATE, "/covers/1", 0, 0 },
	{ "covers another architecture's", HOST_HEAD "\"facts\":{},\"covers\":[\"arm64\"],\"words\":{}}", GABI_ERR_ARCH, "/covers/0", 0, 0 },
	{ "a promise's architecture", WORDS("\"arch\":\"x86\""), GABI_ERR_SCHEMA, "/words/arch", 0, 0 },
	{ "once false", WORDS("\"msr\":{\"0x10\":{\"once\":false,\"value\":\"0x0000000000000000\"}}"), GABI_ERR_SCHEMA, "/words/msr/0x10/once", 0, 0 },
	{ "no value", WORDS("\"msr\":{\"0x10\":{\"once\":true}}"), GABI_ERR_SCHEMA, "/words/msr/0x10", 0, 0 },
	{ "settable of another width", WORDS("\"msr\":{\"0x10\":{\"settable\":\"0x0\",\"value\":\"0x0000000000000000\"}}"), GABI_ERR_RANGE,
	  "/words/msr/0x10/settable", 0, 0 },
	{ "a word twice", WORDS("\"cap\":{\"0x10\":\"0x00000000\",\"0x1\":\"0x00000000\",\"0x10\":\"0x00000000\"}"), GABI_ERR_DUPLICATE,
	  "/words/cap/0x10", 0, 0 },
};

static void expect(const struct bad *bad, int err, const struct gabi_diag *diag)
{
	if (err != bad->err || diag->err != err || !diag->text[0] || strcmp(diag->where, bad->where) || diag->line != bad->line ||
	    diag->column != bad->column)
		fail_msg("%s: %s at \"%s\" %u:%u: %s", bad->name, gabi_err_name(err), diag->where, diag->line, diag->column, diag->text);
}

static void expect_contract(const struct bad *bad)
{
	struct gabi_contract *contract = NULL;
	struct gabi_diag diag = { 0 };
	int err = gabi_contract_read(bad->text, strlen(bad->text), NULL, &contract, &diag);

	expect(bad, err, &diag);
	assert_null(contract);
	assert_int_equal(gabi_contract_read(bad->text, strlen(bad->text), NULL, &contract, NULL), err);
}

static void expect_host(const struct bad *bad)
{
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };
	int err = gabi_host_read(bad->text, strlen(bad->text), NULL, &host, &diag);

	expect(bad, err, &diag);
	assert_null(host);
	assert_int_equal(gabi_host_read(bad->text, strlen(bad->text), NULL, &host, NULL), err);
}

static void read__refuses_bad_input_and_says_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad_syntax); i++) {
		expect_contract(&bad_syntax[i]);
		expect_host(&bad_syntax[i]);
	}
	for (size_t i = 0; i < COUNT_OF(bad_contracts); i++)
		expect_contract(&bad_contracts[i]);
	for (size_t i = 0; i < COUNT_OF(bad_hosts); i++)
		expect_host(&bad_hosts[i]);
}

static void read__refuses_every_beginning_of_a_file(void **state)
{
	struct gabi_contract *contract = contract_of(x86_promises), *none = NULL;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(gabi_contract_write(contract, NULL, &text, &len), 0);
	for (size_t cut = 0; cut + 1 < len; cut++) { /* the last character is a new line */
		char *copy = malloc(cut ? cut : 1);  /* a sanitizer sees what reads beyond it */

		assert_non_null(copy);
		memcpy(copy, text, cut);
		assert_int_equal(gabi_contract_read(copy, cut, NULL, &none, NULL), GABI_ERR_SYNTAX);
		free(copy);
	}
	gabi_text_free(text, NULL);
	gabi_contract_free(contract);
}

static void read__refuses_what_is_too_large(void **state)
{
	struct gabi_host *host = NULL;
	struct gabi_diag diag;
	size_t len = 0, cap = 4u << 20;
	char *text = malloc(cap);

	(void)state;
	assert_non_null(text);
	assert_int_equal(gabi_host_read("{", GABI_FORMATS_MAX_LEN + 1u, NULL, &host, &diag), GABI_ERR_LIMIT);
	len += (size_t)sprintf(text, HOST_HEAD "\"facts\":{},\"covers\":[],\"words\":{\"msr\":{");
	for (unsigned i = 0; i <= GABI_FORMATS_MAX_WORDS; i++)
		len += (size_t)sprintf(text + len, "%s\"0x%x\":\"0x0000000000000000\"", i ? "," : "", i);
	len += (size_t)sprintf(text + len, "}}}");
	assert_true(len < cap);
	assert_int_equal(gabi_host_read(text, len, NULL, &host, &diag), GABI_ERR_LIMIT);
	assert_string_equal(diag.where, "/words/msr/0x10000");
	memset(text, '[', cap);
	assert_int_equal(gabi_host_read(text, cap, NULL, &host, &diag), GABI_ERR_LIMIT);
	assert_int_equal(diag.column, GABI_SYNTAX_MAX_DEPTH + 1);
	free(text);
}

/* ---- JSON itself, against another reader ---- */

static void syntax__takes_what_jansson_takes(void **state)
{
	static const char *const texts[] = {
		"{}", "[]", " [ ] ", "[1,2]", "[1 2]", "[,]", "[1,]", "{\"a\":{}}", "{\"a\"}", "{a:1}", "{\"a\":1,\"b\":[true,false,null]}",
		"[tru]", "[truex]", "[-]", "[-0]", "[-01]", "[0.5]", "[.5]", "[1e5]", "[1E+5]", "[1e]", "[1.e1]", "[+1]", "[\"\"]", "[\"\\\"\"]",
		"[\"\\/\\b\\f\\n\\r\\t\\\\\"]", "[\"\\u00e9\"]", "[\"\\ud83d\\ude00\"]", "[\"\\ude00\"]", "[\"\\ud83d\"]", "[\"\\ud83d\\n\"]",
		"[\"\\u12\"]", "[\"\\u12g4\"]", "[\"\t\"]", "[\"\x7f\"]", "[\"\xc2\x80\"]", "[\"\xe2\x82\xac\"]", "[\"\xf0\x9f\x98\x80\"]",
		"[\"\xf4\x90\x80\x80\"]", "[\"\xe2\x82\"]", "[\"\xff\"]", "[\xef\xbb\xbf]", "{\"\xc3\xa9\":1}", "[[[[[[[[]]]]]]]]", "[}", "{]", "[]]",
		"[] x", "[]\n\t\r ", "\xef\xbb\xbf[]", "[\v]", "{\"a\":1,}", "{,}", "{\"a\":}", "{\"a\":1 \"b\":2}", "{\"a\",\"b\"}", "[\"a\":1]",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		const char *at;
		bool ours = gabi_syntax_check(texts[i], strlen(texts[i]), &at) == GABI_SYNTAX_GOOD;
		json_t *root = json_loadb(texts[i], strlen(texts[i]), 0, NULL);

		if (ours != (root != NULL))
			fail_msg("%s: gabi %s it, jansson does not agree", texts[i], ours ? "takes" : "refuses");
		json_decref(root);
	}
}

static void name__comes_through_escapes_as_jansson_reads_them(void **state)
{
	static const char escaped[] = "\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u00e9\\u20ac\\ud83d\\ude00\xc3\xa9";
	struct gabi_contract *contract = NULL, *again = NULL;
	char text[512], *written;
	size_t len;
	json_t *root;

	(void)state;
	snprintf(text, sizeof(text), CONTRACT_HEAD "\"name\":\"%s\",\"promises\":{\"arch\":\"x86\"}}", escaped);
	root = json_loads(text, 0, NULL);
	assert_int_equal(gabi_contract_read(text, strlen(text), NULL, &contract, NULL), 0);
	assert_string_equal(gabi_contract_name(contract), json_string_value(json_object_get(root, "name")));
	assert_int_equal(gabi_contract_write(contract, NULL, &written, &len), 0);
	assert_int_equal(gabi_contract_read(written, len, NULL, &again, NULL), 0);
	assert_string_equal(gabi_contract_name(again), gabi_contract_name(contract));
	json_decref(root);
	gabi_text_free(written, NULL);
	gabi_contract_free(contract);
	gabi_contract_free(again);
}

static void write__refuses_names_that_are_not_utf8(void **state)
{
	struct gabi_contract *contract = contract_of("{\"arch\":\"x86\"}");
	char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(gabi_contract_set_name(contract, "caf\xe9"), 0);
	assert_int_equal(gabi_contract_write(contract, NULL, &text, &len), GABI_ERR_ARG);
	assert_null(text);
	gabi_contract_free(contract);
}

/* ---- other tools' files ---- */

#define DUMP_0 "   0x00000000 0x00: eax=0x00000001 ebx=0x68747541 ecx=0x444d4163 edx=0x69746e65\n"
#define DUMP_1 "   0x00000001 0x00: eax=0x00b00f21 ebx=0x00020800 ecx=0x7efa3203 edx=0x178bfbff\n"

static uint64_t value_of(const struct gabi_host *host, struct gabi_key key)
{
	const struct gabi_word *word = gabi_host_find(host, &key);

	if (!word)
		fail_msg("the word is missing");
	return word->value;
}

static void import__cpuid_dump__becomes_words(void **state)
{
	static const char dump[] =
		"# a guest of KVM under Hyper-V's leaves\n\nCPU:\n" DUMP_0 DUMP_1
		"   0x40000000 0x00: eax=0x40000005 ebx=0x7263694d ecx=0x666f736f edx=0x76482074\n"
		"   0x40000001 0x00: eax=0x31237648 ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n"
		"   0x40000100 0x00: eax=0x40000101 ebx=0x4b4d564b ecx=0x564b4d56 edx=0x0000004d\r\n"
		"   0x40000101 0x00: eax=0x00000081 ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n"
		"   0x40000200 0x00: eax=0x00000000 ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n"
		"   0x80860000 0x00: eax=0x00000001 ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n"
		"msr 0x10a 0xA\nmsr 0x10 0x1234";
	struct gabi_host *host = NULL;
	struct gabi_diag diag;
	size_t count;

	(void)state;
	if (gabi_host_import(dump, strlen(dump), GABI_IMPORT_GUESS, GABI_VIEW_GUEST, NULL, &host, &diag))
		fail_msg("%u:%u %s", diag.line, diag.column, diag.text);
	gabi_host_words(host, &count);
	assert_int_equal(count, 4 * 6 + 3); /* without the two ranges that are not there */
	assert_int_equal(value_of(host, (struct gabi_key){ .space = GABI_SPACE_CPUID, .part = GABI_EDX, .index = 1 }), 0x178bfbff);
	assert_int_equal(value_of(host, (struct gabi_key){ .space = GABI_SPACE_HYPERV, .index = 0x40000001 }), 0x31237648);
	assert_int_equal(value_of(host, (struct gabi_key){ .space = GABI_SPACE_KVM, .index = 0x40000001 }), 0x81);
	assert_int_equal(value_of(host, (struct gabi_key){ .space = GABI_SPACE_MSR, .index = 0x10a }), 0xa);
	assert_int_equal(value_of(host, (struct gabi_key){ .space = GABI_SPACE_MSR_STATE, .index = 0x10 }), 1);
	assert_int_equal(value_of(host, gabi_reg_by_name("kvm-leaf-base")->key), 0x40000100);
	assert_string_equal(gabi_host_fact(host, "cpu.vendor"), "AuthenticAMD");
	assert_string_equal(gabi_host_fact(host, "cpu.signature"), "0xb00f21");
	assert_true(gabi_host_covers(host, GABI_SPACE_CPUID));
	assert_false(gabi_host_covers(host, GABI_SPACE_MSR));
	gabi_host_free(host);
}

static void import__processors_may_differ_in_place_alone(void **state)
{
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };
	static const char apic_id[] = "CPU 0:\n" DUMP_1 "CPU 1:\n"
		"   0x00000001 0x00: eax=0x00b00f21 ebx=0x01020800 ecx=0x7efa3203 edx=0x178bfbff\n";
	static const char feature[] = "CPU 0:\n" DUMP_1 "CPU 1:\n"
		"   0x00000001 0x00: eax=0x00b00f21 ebx=0x00020800 ecx=0x7efa3202 edx=0x178bfbff\n";

	(void)state;
	assert_int_equal(gabi_host_import(apic_id, strlen(apic_id), GABI_IMPORT_CPUID, GABI_VIEW_CPU, NULL, &host, &diag), 0);
	gabi_host_free(host);
	host = NULL;
	assert_int_equal(gabi_host_import(feature, strlen(feature), GABI_IMPORT_CPUID, GABI_VIEW_CPU, NULL, &host, &diag), GABI_ERR_CONFLICT);
	assert_int_equal(diag.line, 4);
	assert_int_equal(diag.key.part, GABI_ECX);
	assert_null(host);
}

static void import__refuses_bad_input_and_says_where(void **state)
{
	static const struct bad rows[] = {
		{ "nothing", "", GABI_ERR_SCHEMA, "", 0, 0 },
		{ "another text", DUMP_0 "hello\n", GABI_ERR_SYNTAX, "", 2, 1 },
		{ "a register cut off", DUMP_0 "   0x00000001 0x00: eax=0x1 ebx=", GABI_ERR_SYNTAX, "", 2, 33 },
		{ "a register of 36 bits", "0x0 0x0: eax=0x123456789 ebx=0x0 ecx=0x0 edx=0x0", GABI_ERR_SYNTAX, "", 1, 24 },
		{ "junk after a line", "msr 0x1 0x1 x", GABI_ERR_SYNTAX, "", 1, 13 },
		{ "MSRs alone", "msr 0x1 0x1", GABI_ERR_SCHEMA, "", 0, 0 },
		{ "a leaf twice", DUMP_0 DUMP_0, GABI_ERR_DUPLICATE, "cpuid 0x0.0x0 eax", 0, 0 },
		{ "gabi's own", CONTRACT_HEAD "\"promises\":{}}", GABI_ERR_SCHEMA, "/gabi", 0, 0 },
		{ "no configuration", "{}", GABI_ERR_SCHEMA, "", 0, 0 },
		{ "half a file", "{\"guest_cpu_config\":{}}", GABI_ERR_SCHEMA, "", 0, 0 },
		{ "no leaf", "{\"cpuid_modifiers\":[{\"subleaf\":\"0x0\",\"flags\":0,\"modifiers\":[]}]}", GABI_ERR_SCHEMA, "/cpuid_modifiers/0", 0, 0 },
		{ "no registers", "{\"cpuid_modifiers\":[{\"leaf\":\"0x0\",\"subleaf\":\"0x0\",\"flags\":0,\"modifiers\":[]}]}", GABI_ERR_SCHEMA,
		  "/cpuid_modifiers/0", 0, 0 },
		{ "an open bit", "{\"msr_modifiers\":[{\"addr\":\"0x1\",\"bitmap\":"
		  "\"0bx000000000000000000000000000000000000000000000000000000000000000\"}]}", GABI_ERR_SCHEMA, "/msr_modifiers/0/bitmap", 0, 0 },
		{ "a bitmap of 63 bits", "{\"msr_modifiers\":[{\"addr\":\"0x1\",\"bitmap\":"
		  "\"0b000000000000000000000000000000000000000000000000000000000000000\"}]}", GABI_ERR_SCHEMA, "/msr_modifiers/0/bitmap", 0, 0 },
		{ "a value of 65 bits", "{\"msr_modifiers\":[{\"addr\":\"0x1\",\"bitmap\":"
		  "\"0b10000000000000000000000000000000000000000000000000000000000000000\"}]}", GABI_ERR_RANGE, "/msr_modifiers/0/bitmap", 0, 0 },
		{ "an address of 33 bits", "{\"msr_modifiers\":[{\"addr\":\"0x100000000\",\"bitmap\":\"0b0\"}]}", GABI_ERR_RANGE, "/msr_modifiers/0/addr", 0, 0 },
		{ "no arm64 register", "{\"reg_modifiers\":[{\"addr\":\"0x1\",\"bitmap\":\"0b0\"}]}", GABI_ERR_RANGE, "/reg_modifiers/0", 0, 0 },
		{ "two architectures", "{\"reg_modifiers\":[],\"msr_modifiers\":[]}", GABI_ERR_SCHEMA, "", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct gabi_host *host = NULL;
		struct gabi_diag diag = { 0 };
		int err = gabi_host_import(rows[i].text, strlen(rows[i].text), GABI_IMPORT_GUESS, GABI_VIEW_GUEST, NULL, &host, &diag);

		expect(&rows[i], err, &diag);
		assert_null(host);
		assert_int_equal(gabi_host_import(rows[i].text, strlen(rows[i].text), GABI_IMPORT_GUESS, GABI_VIEW_GUEST, NULL, &host, NULL), err);
	}
}

static void import__view_must_be_one_that_the_source_has(void **state)
{
	static const char guest[] = "   0x00000001 0x00: eax=0x00b00f21 ebx=0x00020800 ecx=0xfffa3203 edx=0x178bfbff\n";
	struct gabi_host *host = NULL;

	(void)state;
	assert_int_equal(gabi_host_import(guest, strlen(guest), GABI_IMPORT_GUESS, GABI_VIEW_CPU, NULL, &host, NULL), GABI_ERR_CONFLICT);
	assert_int_equal(gabi_host_import(guest, strlen(guest), GABI_IMPORT_GUESS, GABI_VIEW_KVM, NULL, &host, NULL), GABI_ERR_ARG);
	assert_int_equal(gabi_host_import("{}", 2, GABI_IMPORT_GUESS, GABI_VIEW_CPU, NULL, &host, NULL), GABI_ERR_ARG);
	assert_null(host);
}

/* ---- memory that runs short ---- */

static int read_and_write_contract(const char *text, const struct gabi_mem *mem)
{
	struct gabi_contract *contract;
	struct gabi_diag diag;
	char *written;
	size_t len;
	int err = gabi_contract_read(text, strlen(text), mem, &contract, &diag);

	if (err)
		return err;
	err = gabi_contract_write(contract, mem, &written, &len);
	if (!err)
		gabi_text_free(written, mem);
	gabi_contract_free(contract);
	return err;
}

static int read_and_write_host(const char *text, const struct gabi_mem *mem)
{
	struct gabi_host *host;
	struct gabi_diag diag;
	char *written;
	size_t len;
	int err = gabi_host_read(text, strlen(text), mem, &host, &diag);

	if (err)
		return err;
	err = gabi_host_write(host, mem, &written, &len);
	if (!err)
		gabi_text_free(written, mem);
	gabi_host_free(host);
	return err;
}

static int import_guest(const char *text, const struct gabi_mem *mem)
{
	struct gabi_host *host;
	struct gabi_diag diag;
	int err = gabi_host_import(text, strlen(text), GABI_IMPORT_GUESS, GABI_VIEW_GUEST, mem, &host, &diag);

	if (!err)
		gabi_host_free(host);
	return err;
}

static void memory_short__is_said_and_leaves_nothing(void **state)
{
	static const char fingerprint[] = "{\"firecracker_version\":\"1\",\"kernel_version\":\"6.1\",\"microcode_version\":\"0x1\","
		"\"bios_version\":\"1\",\"bios_revision\":\"1\",\"guest_cpu_config\":{\"msr_modifiers\":[{\"addr\":\"0x10\",\"bitmap\":"
		"\"0b0000000000000000000000000000000000000000000000000000000000000001\"}]}}";
	static const struct {
		const char *name, *text;
		int (*call)(const char *text, const struct gabi_mem *mem);
	} rows[] = {
		{ "a contract", CONTRACT_HEAD "\"name\":\"n\",\"note\":\"m\",\"promises\":{\"arch\":\"x86\",\"cpuid\":{\"0x7.0x0\":" LEAF_0 "}}}",
		  read_and_write_contract },
		{ "a manifest", HOST_HEAD "\"facts\":{\"name\":\"a\"},\"covers\":[],\"words\":{\"cap\":{\"0x1\":\"0x00000000\"}}}", read_and_write_host },
		{ "a dump", DUMP_0 DUMP_1 "msr 0x10 0x1", import_guest },
		{ "a fingerprint", fingerprint, import_guest },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct short_mem state_of = { 0 };
		size_t fail_at = 0;
		int err;

		do {
			struct gabi_mem mem;

			state_of = (struct short_mem){ .fail_at = ++fail_at };
			mem = short_mem_of(&state_of);
			err = rows[i].call(rows[i].text, &mem);
			assert_int_equal(state_of.live, 0);
			if (err != (short_mem_hit(&state_of) ? GABI_ERR_NOMEM : 0))
				fail_msg("%s, request %zu: %s", rows[i].name, fail_at, gabi_err_name(err));
		} while (short_mem_hit(&state_of));
		assert_true(fail_at > 3);
	}
}

static void origin__is_kept_and_no_part_of_the_digest(void **state)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL), *again;
	uint8_t before[GABI_DIGEST_LEN], after[GABI_DIGEST_LEN];
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	gabi_contract_digest(contract, before);
	assert_int_equal(gabi_contract_set_origin(contract, "kernel.release", "6.1.0-50-amd64", NULL), 0);
	assert_int_equal(gabi_contract_write(contract, NULL, &text, &len), 0);
	assert_int_equal(gabi_contract_read(text, len, NULL, &again, NULL), 0);
	assert_string_equal(gabi_facts_get(gabi_contract_origin(again), "kernel.release"), "6.1.0-50-amd64");
	gabi_contract_digest(again, after);
	assert_memory_equal(before, after, sizeof(before));
	gabi_text_free(text, NULL);
	gabi_contract_free(contract);
	gabi_contract_free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contract__written_and_read__is_the_same),
		cmocka_unit_test(origin__is_kept_and_no_part_of_the_digest),
		cmocka_unit_test(canonical__is_the_text_that_was_read),
		cmocka_unit_test(host__written_and_read__is_the_same),
		cmocka_unit_test(host__what_a_guest_saw__stays_marked),
		cmocka_unit_test(wide_value__highest_digits_are_the_last_part),
		cmocka_unit_test(vps__are_written_in_the_order_of_their_texts),
		cmocka_unit_test(canonical__is_what_another_writer_makes_of_the_file),
		cmocka_unit_test(digest__is_checked_against_the_promises_in_any_order),
		cmocka_unit_test(read__refuses_bad_input_and_says_where),
		cmocka_unit_test(read__refuses_every_beginning_of_a_file),
		cmocka_unit_test(read__refuses_what_is_too_large),
		cmocka_unit_test(syntax__takes_what_jansson_takes),
		cmocka_unit_test(name__comes_through_escapes_as_jansson_reads_them),
		cmocka_unit_test(write__refuses_names_that_are_not_utf8),
		cmocka_unit_test(import__cpuid_dump__becomes_words),
		cmocka_unit_test(import__processors_may_differ_in_place_alone),
		cmocka_unit_test(import__refuses_bad_input_and_says_where),
		cmocka_unit_test(import__view_must_be_one_that_the_source_has),
		cmocka_unit_test(memory_short__is_said_and_leaves_nothing),
	};

	return cmocka_run_group_tests_name("formats", tests, NULL, NULL);
}
