/* SPDX-License-Identifier: MIT */
/* One contract against one host, word by word. */
#ifndef GABI_JUDGE_H
#define GABI_JUDGE_H

#include "contract/evmcs.h"
#include "verdict/blame.h"
#include "verdict/report.h"
#include "verdict/rule.h"

struct gabi_judge {
	const struct gabi_contract *contract;
	const struct gabi_host *host;
	struct gabi_sink *sink;
	struct gabi_blame *blame; /* NULL: nobody asks who causes a finding */
	bool skip_state; /* rollback judges saved state by itself */

	enum gabi_view view;
	const struct gabi_field *gate; /* the last condition that was looked up, and its answer */
	bool gate_open;
	const struct gabi_word *started; /* the last MSR whose start was looked up, and that */
	uint64_t start;
	bool said_unseen[GABI_SPACE_COUNT];
};

/* Judges all; 0, or what the sink ended it with. */
int gabi_judge_run(struct gabi_judge *judge);

/* Weighs a finding, blames who causes it, and hands it to the sink: 0, or what that ended it with. */
int gabi_judge_tell(struct gabi_judge *judge, struct gabi_finding *finding);

/* Does the contract promise that field (NULL: nothing need be promised)? */
bool gabi_contract_promises(const struct gabi_contract *contract, const struct gabi_field *field);

/* The kind of finding that a promise (NULL: none) of a span makes on a host that lists `offer` (NULL: does not list the word);
 * GABI_FINDING_NONE where it fits as it is. Conditions are not looked at. */
unsigned gabi_judge_kind(const struct gabi_host *host, const struct gabi_key *key, const struct gabi_span *span,
			 const struct gabi_word *promise, const struct gabi_word *offer);

/* What becomes of saved state that a host cannot load: GABI_FINDING_DROP_IF_UNUSED, with the value that it must then have,
 * or GABI_FINDING_CANNOT_LOAD. */
unsigned gabi_judge_unloadable(const struct gabi_word *state, uint64_t *ret_unused);

/* Is it a counter that runs by itself? */
static inline bool gabi_reg_runs(const struct gabi_reg *reg)
{
	return reg && reg->resets_to_0 == GABI_REG_RUNS;
}

/* The words of one space out of a sorted set. */
struct gabi_range {
	const struct gabi_word *at, *end;
};
struct gabi_range gabi_range_of(const struct gabi_word *words, size_t count, unsigned space);

static inline bool gabi_is_state(unsigned space)
{
	return space == GABI_SPACE_MSR_STATE || space == GABI_SPACE_ARM64_STATE;
}

/* One span of one word, whatever its condition; promise and offer may be NULL, not both. 0, or what the sink ended it with. */
int gabi_judge_span(struct gabi_judge *judge, const struct gabi_key *key, const struct gabi_span *span,
		    const struct gabi_word *promise, const struct gabi_word *offer);

/* Can the host load that saved state? As a rule it lists what it can. */
bool gabi_host_loads(const struct gabi_host *host, const struct gabi_key *state);

/* Saved state that the contract's guest may have and the host does not list. */
int gabi_judge_state(struct gabi_judge *judge, const struct gabi_word *promise);

/* VMX controls that the host's kernel would take away from a guest with eVMCS: of one span of a promised MSR; of all of them.
 * 0, or what the sink ended it with. */
int gabi_judge_evmcs_span(struct gabi_judge *judge, const struct gabi_evmcs_guest *guest, const struct gabi_span *span,
			  const struct gabi_word *promise);
int gabi_judge_evmcs(struct gabi_judge *judge, struct gabi_range promises);

/* Does the contract promise eVMCS? */
bool gabi_promises_evmcs(const struct gabi_contract *contract);

/* The space of the host's words against which the Hyper-V leaves of a contract with or without eVMCS are held. */
unsigned gabi_hyperv_space(bool evmcs, const struct gabi_host *host);

/* Can the host be made to show `want` in a register whose default it shows unless told otherwise (arm64)? */
enum gabi_answer gabi_host_accepts(const struct gabi_host *host, const struct gabi_word *word, const struct gabi_span *span,
				   uint64_t want);

#endif
