/* SPDX-License-Identifier: MIT */
/* Every manifest of data/hosts is one that the probe wrote on real KVM, whole, and in the one spelling that the writer has. */
#define _GNU_SOURCE /* scandir */
#include <gabi/formats.h>

#include "file.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST = 60 };

static const char *directory;
static size_t seen;

static const unsigned char x86_spaces[] = { GABI_SPACE_CPUID, GABI_SPACE_CPUID_EMULATED, GABI_SPACE_KVM, GABI_SPACE_HYPERV,
					     GABI_SPACE_HYPERV_EVMCS, GABI_SPACE_MSR, GABI_SPACE_MSR_DEFAULT,
					     GABI_SPACE_MSR_STATE, GABI_SPACE_CAP, GABI_SPACE_CAP_SYSTEM, GABI_SPACE_VM };
static const unsigned char arm64_spaces[] = { GABI_SPACE_ARM64, GABI_SPACE_ARM64_ACCEPTS, GABI_SPACE_ARM64_STATE,
					       GABI_SPACE_CAP, GABI_SPACE_CAP_SYSTEM, GABI_SPACE_VM };
static const char *const facts[] = { "name", "source", "kernel.release", "kernel.build", "cpu.signature" };

static void check_spaces(const char *name, const struct gabi_host *host, const unsigned char *spaces, size_t count)
{
	size_t words, found;
	const struct gabi_word *word = gabi_host_words(host, &words);

	for (size_t i = 0; i < count; i++) {
		found = 0;
		for (size_t w = 0; w < words; w++)
			found += word[w].key.space == spaces[i];
		if (!gabi_host_covers(host, spaces[i]))
			fail_msg("%s does not cover %s", name, gabi_space_text(spaces[i]));
		/* Only Intel has eVMCS; and KVM of AMD emulates nothing on some models. */
		if (!found && spaces[i] != GABI_SPACE_HYPERV_EVMCS && spaces[i] != GABI_SPACE_CPUID_EMULATED)
			fail_msg("%s lists no word of %s", name, gabi_space_text(spaces[i]));
	}
}

static void check_facts(const char *name, const struct gabi_host *host)
{
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		if (!gabi_host_fact(host, facts[i]))
			fail_msg("%s does not say its %s", name, facts[i]);
	/* Bochs has no microcode, and Linux then says nothing of it. */
	if (!gabi_host_fact(host, "cpu.microcode") && strncmp(name, "intel-", 6))
		fail_msg("%s does not say its cpu.microcode", name);
	if (strcmp(gabi_host_fact(host, "name"), name))
		fail_msg("%s says that its name is %s", name, gabi_host_fact(host, "name"));
}

static void check_file(const char *file)
{
	char name[256], *again;
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };
	size_t len = 0, again_len;
	const char *text = read_file(directory, file, &len);

	snprintf(name, sizeof(name), "%.*s", (int)strlen(file) - 5, file);
	assert_non_null(text);
	if (gabi_host_read(text, len, NULL, &host, &diag))
		fail_msg("%s: %s %s", name, diag.where, diag.text);
	assert_int_equal(gabi_host_view(host), GABI_VIEW_KVM);
	check_facts(name, host);
	if (gabi_host_arch(host) == GABI_ARCH_X86)
		check_spaces(name, host, x86_spaces, sizeof(x86_spaces));
	else
		check_spaces(name, host, arm64_spaces, sizeof(arm64_spaces));
	assert_int_equal(gabi_host_write(host, NULL, &again, &again_len), 0);
	if (again_len != len || memcmp(again, text, len))
		fail_msg("%s is not written as the writer writes it", name);
	gabi_text_free(again, NULL);
	gabi_host_free(host);
	seen++;
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void hosts__each_file__is_a_whole_manifest_under_its_own_name(void **state)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_file, alphasort);

	(void)state;
	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		const char *dot = strrchr(entries[i]->d_name, '.');

		if (!dot || strcmp(dot, ".json"))
			fail_msg("%s does not belong here", entries[i]->d_name);
		check_file(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	print_message("%zu manifests\n", seen);
	assert_true(seen >= FEWEST);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hosts__each_file__is_a_whole_manifest_under_its_own_name) };

	if (argc != 2)
		return 2;
	directory = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
