/* SPDX-License-Identifier: MIT */
/* gabi model fit: how the sets of Hyper-V flags fit a host, or a contract. */
#include "fit_hyperv.h"

#include <gabi/model.h>
#include <gabi/qemu.h>
#include <gabi/vocab.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))
#define TEXT_CAP 1024 /* longer than all flags of all sets */

struct fit {
	const struct gabi_hyperv_set *set;
	size_t differ, order;
	char lacks[TEXT_CAP], beyond[TEXT_CAP];
};

/* All that the name stands for, and of a number just this one. */
static bool promises(const struct gabi_contract *contract, const char *name, const char *value)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_X86);
	bool has = field;

	for (; has && field; field = gabi_field_by_name_next(name, GABI_ARCH_X86, field)) {
		const struct gabi_word *word = gabi_contract_find(contract, &field->key, GABI_VP_ALL);

		has = word && (uint64_t)gabi_field_get(field, word->value) == strtoull(value, NULL, 0);
	}
	return has;
}

static bool has_hyperv(const struct gabi_contract *contract)
{
	return promises(contract, "hv-interface", "0x31237648"); /* "Hv#1" */
}

/* Would QEMU start the host's own CPU with these flags? Where KVM has nothing of Hyper-V's, it starts without them. */
static bool gives(const struct gabi_host *host, const char *flags)
{
	char text[TEXT_CAP + 64];
	struct gabi_qemu_guest *guest;
	struct gabi_qemu *line;
	bool given = false;

	/* the newest machine, so that every flag has a name */
	snprintf(text, sizeof(text), "-machine pc-q35-11.1,accel=kvm -cpu host%s", flags);
	if (gabi_qemu_parse(text, strlen(text), NULL, NULL, &line, NULL))
		return false;
	if (!gabi_qemu_start(line, host, NULL, &guest, NULL)) {
		given = !gabi_qemu_guest_refusal(guest) && has_hyperv(gabi_qemu_guest_contract(guest));
		gabi_qemu_guest_free(guest);
	}
	gabi_qemu_free(line);
	return given;
}

static void append(char *text, const char *before, const char *word)
{
	size_t len = strlen(text);

	snprintf(text + len, TEXT_CAP - len, "%s%s", before, word);
}

/* Each flag stands behind those that it needs: one that is not there is left out of the rest. */
static size_t measure(const struct gabi_hyperv_set *set, const struct gabi_contract *contract, const struct gabi_host *host, char *lacks)
{
	char words[TEXT_CAP] = "", flags[TEXT_CAP] = "", *rest = NULL;
	size_t missing = 0;

	append(words, "", set->flags);
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		size_t len = strlen(flags);
		char *value;
		bool has;

		append(flags, ",", word);
		value = strchr(word, '=');
		if (value)
			*value++ = '\0';
		has = contract ? promises(contract, word, value ? value : "1") : gives(host, flags);
		if (has)
			continue;
		flags[len] = '\0';
		append(lacks, missing++ ? " " : "", word);
	}
	return missing;
}

static bool has_name(const char *flags, const char *name, size_t len)
{
	for (const char *at = strstr(flags, name); at; at = strstr(at + 1, name))
		if ((at == flags || at[-1] == ' ') && strcspn(at, " =") == len)
			return true;
	return false;
}

/* Of the flags that any set has: what the contract promises beyond this one. */
static size_t measure_beyond(const struct gabi_hyperv_set *set, const struct gabi_contract *contract, char *beyond)
{
	size_t count, more = 0;
	const struct gabi_hyperv_set *other = gabi_hyperv_sets(&count);

	for (size_t i = 0; contract && i < count; i++) {
		char words[TEXT_CAP] = "", *rest = NULL;

		append(words, "", other[i].flags);
		for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
			size_t len = strlen(word);

			if (strchr(word, '=') || has_name(set->flags, word, len) || has_name(beyond, word, len) || !promises(contract, word, "1"))
				continue;
			append(beyond, more++ ? " " : "", word);
		}
	}
	return more;
}

static int by_distance(const void *a, const void *b)
{
	const struct fit *x = a, *y = b;

	if (x->differ != y->differ)
		return x->differ < y->differ ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

void show_hyperv_fits(struct rows *rows, const struct gabi_contract *contract, const struct gabi_host *host, bool all)
{
	static const struct column columns[] = { { "SET" }, { "NOT THERE", .wraps = true }, { "MORE", .wraps = true } };
	size_t count;
	const struct gabi_hyperv_set *set = gabi_hyperv_sets(&count);
	struct fit *fits;

	if (contract ? !has_hyperv(contract) : !gives(host, ",hv-relaxed"))
		return; /* a guest without Hyper-V, or a manifest that nothing can be foretold of */
	fits = calloc(count, sizeof(*fits));
	if (!fits)
		return;
	for (size_t i = 0; i < count; i++) {
		fits[i].set = &set[i];
		fits[i].order = i;
		fits[i].differ = measure(&set[i], contract, host, fits[i].lacks);
		fits[i].differ += measure_beyond(&set[i], contract, fits[i].beyond);
	}
	qsort(fits, count, sizeof(*fits), by_distance);
	rows_open(rows, "hyperv", "Nearest sets of Hyper-V flags", columns, COUNT_OF(columns));
	for (size_t i = 0; i < (all || count < 5 ? count : 5); i++)
		rows_add(rows, COLOR_NONE, (const char *[]){ fits[i].set->name, fits[i].lacks, fits[i].beyond });
	rows_close(rows);
	free(fits);
}
