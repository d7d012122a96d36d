/* SPDX-License-Identifier: MIT */
/* gabi evmcs: what a kernel takes away from a guest that may use the enlightened VMCS. */
#include "vmcs.h"

#include <gabi/verdict.h>

#include "load.h"

#include <inttypes.h>
#include <stdio.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

struct losses {
	struct rows *rows;
	const struct gabi_evmcs_line *line;
	size_t count;
};

static int lost(void *ctx, const struct gabi_word *word, uint64_t bits)
{
	struct losses *losses = ctx;
	size_t count;
	const struct gabi_reg *reg = gabi_reg_of(&word->key);
	const struct gabi_field *field = gabi_fields_of(&word->key, &count);

	for (unsigned bit = 0; bit < 64; bit++) {
		const struct gabi_finding finding = { .key = { .space = GABI_SPACE_MSR_EVMCS, .index = word->key.index },
						      .kind = GABI_FINDING_MISSING };
		const char *name = NULL;
		char spare[16], msr[16], words[192];
		size_t len = gabi_finding_topic(&finding, words, sizeof(words));

		if (!(bits >> bit & 1))
			continue;
		for (size_t i = 0; i < count; i++)
			if (field[i].lo == bit && field[i].bits == 1)
				name = field[i].name;
		snprintf(spare, sizeof(spare), "bit %u", bit);
		snprintf(words + len, sizeof(words) - len, " %s", name ? name : spare);
		snprintf(msr, sizeof(msr), "0x%" PRIx64, word->key.index);
		rows_add(losses->rows, COLOR_BAD, (const char *[]){ losses->line->name, msr, reg ? reg->name : NULL, words,
								    "leave it out of the contract before the guest first runs" });
		losses->count++;
	}
	return 0;
}

static enum status evmcs_filter(const struct args *args)
{
	static const struct column columns[] = { { "SINCE" }, { "MSR" }, { "REGISTER" }, { "CONTROL" }, { "REMEDY", .wraps = true } };
	const struct gabi_evmcs_line *only = NULL, *line;
	struct gabi_contract *contract;
	struct losses losses = { 0 };
	struct gabi_evmcs_guest guest;
	struct rows rows;
	enum status status;
	size_t count;

	if (args->option[OPTION_KERNEL]) {
		only = gabi_evmcs_line_of(args->option[OPTION_KERNEL]);
		if (!only) {
			complain("evmcs filter: nothing is known of a kernel '%s'; 5.10 is the oldest that was read", args->option[OPTION_KERNEL]);
			return STATUS_USAGE;
		}
	}
	status = load_contract(args->file[0], &contract);
	if (status)
		return status;
	gabi_evmcs_guest_of(contract, &guest);
	rows_begin(&rows, args->option[OPTION_JSON]);
	rows_text(&rows, "guest", "Enlightened VMCS",
		  !guest.enabled ? "not promised, so that no kernel filters anything" :
		  guest.perf_global ? "promised, with the fields of IA32_PERF_GLOBAL_CTRL" :
				      "promised, without the fields of IA32_PERF_GLOBAL_CTRL");
	rows_open(&rows, "taken", "Taken away", columns, COUNT_OF(columns));
	losses.rows = &rows;
	line = gabi_evmcs_lines(&count);
	for (size_t i = 0; i < count; i++) {
		if (only && only != &line[i])
			continue;
		losses.line = &line[i];
		gabi_evmcs_foresee(contract, &line[i], lost, &losses);
	}
	rows_close(&rows);
	rows_end(&rows);
	gabi_contract_free(contract);
	return losses.count ? STATUS_NO : STATUS_YES;
}

enum status run_evmcs(const struct args *args)
{
	static const struct subcommand subs[] = { { "filter", evmcs_filter, 1, 1, "filter [--kernel RELEASE] CONTRACT" } };

	return run_sub("evmcs", subs, COUNT_OF(subs), args);
}
