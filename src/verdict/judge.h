/* SPDX-License-Identifier: MIT */
/* One contract against one host, word by word. */
#ifndef GABI_JUDGE_H
#define GABI_JUDGE_H

#include "verdict/blame.h"
#include "verdict/report.h"
#include "verdict/rule.h"

struct gabi_judge {
	const struct gabi_contract *contract;
	const struct gabi_host *host;
	struct gabi_sink *sink;
	bool skip_state; /* rollback judges saved state by itself */

	enum gabi_view view;
	const struct gabi_field *gate; /* the last condition that was looked up, and its answer */
	bool gate_open;
	bool said_unseen[GABI_SPACE_COUNT];
};

/* Judges all; 0, or what the sink ended it with. */
int gabi_judge_run(struct gabi_judge *judge);

/* Does the contract promise that field (NULL: nothing need be promised)? */
bool gabi_contract_promises(const struct gabi_contract *contract, const struct gabi_field *field);

/* The space of the host's words against which a contract's Hyper-V leaves are held. */
unsigned gabi_hyperv_space(const struct gabi_contract *contract, const struct gabi_host *host);

/* Can the host be made to show `want` in a register whose default it shows unless told otherwise (arm64)? */
enum gabi_answer gabi_host_accepts(const struct gabi_host *host, const struct gabi_word *word, const struct gabi_span *span,
				   uint64_t want);

#endif
