/* SPDX-License-Identifier: MIT */
/*
 * What KVM_GET_SUPPORTED_HV_CPUID gave the probe on real hosts is what gabi_hv_offer computes: on a vCPU, after eVMCS was enabled there,
 * and by the system-scope ioctl.
 *   test_hv_offer DIRECTORY
 */
#define _GNU_SOURCE /* scandir */
#include <gabi/formats.h>
#include <gabi/hv_offer.h>

#include "manifest.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *directory;
static size_t hosts, tables, with_evmcs;

static uint64_t value_of(const struct gabi_host *host, unsigned space, uint32_t leaf, unsigned reg)
{
	const struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)reg, .index = leaf };
	const struct gabi_word *word = gabi_host_find(host, &key);

	return word ? word->value : 0;
}

static size_t count_words(const struct gabi_host *host, unsigned space)
{
	size_t count, found = 0;
	const struct gabi_word *word = gabi_host_words(host, &count);

	for (size_t i = 0; i < count; i++)
		found += word[i].key.space == space;
	return found;
}

#define ADVICE_LEAF   0x40000004u
#define NO_SMT        (1u << 18)
#define CAP_MAX_VCPUS 66

/* What the answer depends on and no leaf tells by itself: the build's limit, and whether the host can have SMT. */
static struct gabi_hv_offer_input input_of(const struct gabi_host *host, unsigned space)
{
	bool evmcs = count_words(host, GABI_SPACE_HYPERV_EVMCS) > 0;

	return (struct gabi_hv_offer_input){
		.size = sizeof(struct gabi_hv_offer_input),
		.release = gabi_host_fact(host, "kernel.release"),
		.max_vcpus = (uint32_t)value_of(host, GABI_SPACE_CAP, CAP_MAX_VCPUS, 0),
		.system = space == GABI_SPACE_HYPERV_SYSTEM,
		.lapic = 1, /* the probe's machine has its local APICs in the kernel */
		.evmcs = space == GABI_SPACE_HYPERV_EVMCS || (space == GABI_SPACE_HYPERV_SYSTEM && evmcs),
		.smt_possible = !(value_of(host, GABI_SPACE_HYPERV, ADVICE_LEAF, GABI_EAX) & NO_SMT),
	};
}

static void check_table(const char *name, const struct gabi_host *host, unsigned space)
{
	struct gabi_hv_offer_input input = input_of(host, space);
	struct gabi_word words[GABI_HV_OFFER_WORDS];
	struct gabi_diag diag = { 0 };
	size_t count;

	if (gabi_hv_offer(&input, words, &count, &diag))
		fail_msg("%s: %s", name, diag.text);
	for (size_t i = 0; i < count; i++) {
		uint64_t seen = value_of(host, space, (uint32_t)words[i].key.index, words[i].key.part);

		if (seen != words[i].value)
			fail_msg("%s, %s: leaf 0x%" PRIx64 " register %u was 0x%" PRIx64 ", and is 0x%" PRIx64 " here", name,
				 gabi_space_text(space), words[i].key.index, words[i].key.part, seen, words[i].value);
	}
	if (count_words(host, space) != count)
		fail_msg("%s, %s: %zu words were seen, and %zu are here", name, gabi_space_text(space), count_words(host, space), count);
	tables++;
}

static void check_file(const char *file)
{
	static const uint8_t spaces[] = { GABI_SPACE_HYPERV, GABI_SPACE_HYPERV_EVMCS, GABI_SPACE_HYPERV_SYSTEM };
	struct gabi_host *host = read_manifest(directory, file);

	for (size_t i = 0; i < sizeof(spaces); i++)
		if (count_words(host, spaces[i]))
			check_table(file, host, spaces[i]);
	hosts += gabi_host_arch(host) == GABI_ARCH_X86;
	with_evmcs += count_words(host, GABI_SPACE_HYPERV_EVMCS) > 0;
	gabi_host_free(host);
}

static int is_manifest(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && !strcmp(dot, ".json");
}

static void hv_offer__is_what_the_probe_saw_on_every_host(void **state)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_manifest, alphasort);

	(void)state;
	assert_true(count > 0);
	for (int i = 0; i < count; i++) {
		check_file(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	print_message("%zu hosts, %zu tables, %zu hosts with eVMCS\n", hosts, tables, with_evmcs);
	assert_true(hosts > 0 && tables > hosts); /* all but the oldest kernels' answer twice */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hv_offer__is_what_the_probe_saw_on_every_host) };

	if (argc != 2)
		return 2;
	directory = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
