/* SPDX-License-Identifier: MIT */
/*
 * Round trips over real hosts: the guest of a model on a host, the line that is found for it, and the guest of that line.
 *
 *   test_qemu_round DIRECTORY     of manifests; those that are not of x86 and of KVM are passed over
 *
 * Each host has its share of the models, so that all are tried; and its own contract, of all that it offers, of which QEMU
 * cannot say everything: what the emission says that it does not express is what then differs, no more and no less.
 */
#include <gabi/emit.h>
#include <gabi/formats.h>
#include <gabi/model.h>
#include <gabi/qemu.h>

#include "file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARES 12 /* a host tries each twelfth model */

static size_t failed, trips, exact;

static struct gabi_host *read_host(const char *directory, const char *name)
{
	struct gabi_host *host = NULL;
	size_t len = 0;
	const char *text = read_file(directory, name, &len);

	return text && !gabi_host_read(text, len, NULL, &host, NULL) ? host : NULL;
}

static struct gabi_qemu_guest *start(const char *text, const struct gabi_host *host)
{
	struct gabi_diag diag = { 0 };
	struct gabi_qemu *line = NULL;
	struct gabi_qemu_guest *guest = NULL;

	if (gabi_qemu_parse(text, strlen(text), NULL, NULL, &line, &diag) || gabi_qemu_start(line, host, NULL, &guest, &diag)) {
		printf("%s: %s\n", text, diag.text);
		failed++;
	}
	gabi_qemu_free(line);
	return guest;
}

static size_t differences(const struct gabi_contract *a, const struct gabi_contract *b)
{
	size_t count, found = 0;
	const struct gabi_word *word = gabi_contract_words(a, &count);

	for (size_t i = 0; i < count; i++) {
		const struct gabi_word *other = gabi_contract_find(b, &word[i].key, GABI_VP_ALL);

		found += word[i].value != (other ? other->value : 0);
	}
	word = gabi_contract_words(b, &count);
	for (size_t i = 0; i < count; i++)
		found += word[i].value && !gabi_contract_find(a, &word[i].key, GABI_VP_ALL);
	return found;
}

/* The contract in QEMU's words, started again: what differs is what was said not to be expressed. */
static void trip(const char *what, const struct gabi_contract *contract, const struct gabi_host *host)
{
	struct gabi_diag diag = { 0 };
	struct gabi_emission *emission = NULL;
	struct gabi_qemu_guest *guest;
	uint8_t digest[GABI_DIGEST_LEN], other[GABI_DIGEST_LEN];
	size_t gaps, len;

	if (gabi_emit(GABI_EMIT_QEMU, contract, host, NULL, &emission, &diag)) {
		printf("%s: %s\n", what, diag.text);
		failed++;
		return;
	}
	gabi_emission_gaps(emission, &gaps);
	guest = start(gabi_emission_text(emission, &len), host);
	trips++;
	if (!guest || !gabi_qemu_guest_contract(guest) || differences(contract, gabi_qemu_guest_contract(guest)) != gaps) {
		printf("%s: %s does not differ in %zu words as said\n", what, gabi_emission_text(emission, &len), gaps);
		failed++;
	} else if (!gaps) {
		gabi_contract_digest(contract, digest);
		gabi_contract_digest(gabi_qemu_guest_contract(guest), other);
		exact += !memcmp(digest, other, sizeof(digest));
	}
	gabi_qemu_guest_free(guest);
	gabi_emission_free(emission);
}

static void try_models(const char *name, const struct gabi_host *host, size_t share)
{
	size_t count, before_trips = trips, before_exact = exact;
	const struct gabi_model *model = gabi_models(&count);

	for (size_t i = share % SHARES; i < count; i += SHARES) {
		char text[160], what[320];
		struct gabi_qemu_guest *guest;

		if (model[i].arch != GABI_ARCH_X86 || strncmp(model[i].source, "QEMU", 4))
			continue;
		snprintf(text, sizeof(text), "-machine %s -cpu %s%s",
			 strcmp(model[i].source, "QEMU 7.2") ? "pc-q35-11.1" : "pc-q35-7.2", model[i].name,
			 i % 2 ? ",hv-relaxed,hv-time,-cx16" : "");
		snprintf(what, sizeof(what), "%s: %s", name, text);
		guest = start(text, host);
		if (guest && gabi_qemu_guest_contract(guest))
			trip(what, gabi_qemu_guest_contract(guest), host);
		gabi_qemu_guest_free(guest);
	}
	if (exact - before_exact != trips - before_trips) {
		printf("%s: %zu of %zu lines give the same guest again\n", name, exact - before_exact, trips - before_trips);
		failed++;
	}
}

static void try_host(const char *directory, const char *name, size_t share)
{
	struct gabi_contract *all = NULL;
	struct gabi_host *host = read_host(directory, name);

	if (!host) {
		printf("%s/%s cannot be read\n", directory, name);
		failed++;
		return;
	}
	if (gabi_host_arch(host) == GABI_ARCH_X86 && gabi_host_view(host) == GABI_VIEW_KVM) {
		try_models(name, host, share);
		if (!gabi_contract_pin(host, NULL, NULL, &all, NULL))
			trip(name, all, host);
		gabi_contract_free(all);
	}
	gabi_host_free(host);
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int count = argc > 1 ? scandir(argv[1], &entries, NULL, alphasort) : -1;

	for (int i = 0; i < count; i++) {
		size_t len = strlen(entries[i]->d_name);

		if (len > 5 && !strcmp(entries[i]->d_name + len - 5, ".json"))
			try_host(argv[1], entries[i]->d_name, (size_t)i);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	printf("%zu lines found, %zu of the same guest; %zu failed\n", trips, exact, failed);
	return failed || trips < 100;
}
