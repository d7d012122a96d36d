/* SPDX-License-Identifier: MIT */
#include <gabi/formats.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contract__written_and_read__is_the_same),
		cmocka_unit_test(canonical__is_the_text_that_was_read),
		cmocka_unit_test(host__written_and_read__is_the_same),
	};

	return cmocka_run_group_tests_name("formats", tests, NULL, NULL);
}
