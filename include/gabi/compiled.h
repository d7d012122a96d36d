/* SPDX-License-Identifier: MIT */
/*
 * Verdicts compiled to bits, for whoever asks millions of times: a scheduler that places VMs, a fleet that is drained.
 *
 * A universe is learned from contracts. It gives each promise that occurs in them a column: this field with this value.
 * A contract is then the set of its columns, and a host the set of columns that it cannot keep, so that a verdict is
 * whether two sets meet. A host's columns are answered by the function that gabi_check uses; the two cannot disagree
 * (tests/unit/test_compiled.c). Hosts need not be learned: any manifest compiles against any universe.
 *
 * A sealed universe is only read and may be used by any number of threads.
 */
#ifndef GABI_COMPILED_H
#define GABI_COMPILED_H

#include <gabi/contract.h>
#include <gabi/host.h>
#include <gabi/verdict.h>

GABI_BEGIN

struct gabi_universe;

/* mem NULL: malloc and free. NULL only if memory is short. */
GABI_API struct gabi_universe *gabi_universe_new(enum gabi_arch arch, const struct gabi_mem *mem);
GABI_API void gabi_universe_free(struct gabi_universe *universe); /* NULL is fine */

/* Makes room for what a sealed contract promises. The contract is not kept. */
GABI_API int gabi_universe_learn(struct gabi_universe *universe, const struct gabi_contract *contract, struct gabi_diag *diag);

/* Numbers the columns. To be called once, after the last gabi_universe_learn; the functions below want it. */
GABI_API int gabi_universe_seal(struct gabi_universe *universe, struct gabi_diag *diag);

/* Columns, and the 64-bit words of one set: a multiple of 8. A set is fastest on a 64-byte boundary. */
GABI_API size_t gabi_universe_columns(const struct gabi_universe *universe);
GABI_API size_t gabi_universe_words(const struct gabi_universe *universe);

/* Writes the set of a sealed contract's columns. What the universe never learned is GABI_ERR_UNKNOWN, never a wrong
 * answer: learn it into a new universe. */
GABI_API int gabi_universe_contract(const struct gabi_universe *universe, const struct gabi_contract *contract, uint64_t *ret_set,
				    struct gabi_diag *diag);

/*
 * Writes the set of columns that make the verdict of a contract on that sealed host `at_least` what is asked for:
 * GABI_UNKNOWN for yes or no (what is not known is no yes); further sets, for GABI_DOES_NOT_FIT or
 * GABI_FITS_WITH_ACTIONS, where the answer must be told apart. GABI_FITS is GABI_ERR_ARG.
 */
GABI_API int gabi_universe_host(const struct gabi_universe *universe, const struct gabi_host *host, enum gabi_verdict at_least,
				uint64_t *ret_set, struct gabi_diag *diag);

/* 1 if a contract's set and a host's have no column in common (it fits), else 0. */
GABI_API int gabi_universe_fits(const struct gabi_universe *universe, const uint64_t *contract, const uint64_t *host);

/*
 * One contract against many hosts at a time. The hosts' sets are turned over: for each column the hosts that fail it.
 * Calls on one matrix change what it remembers: one thread at a time. Each thread makes its own.
 */
struct gabi_matrix;

/* `hosts` are sets of one universe, which must outlive the matrix; they are copied. */
GABI_API int gabi_matrix_new(const struct gabi_universe *universe, const uint64_t *const *hosts, size_t count,
			     const struct gabi_mem *mem, struct gabi_matrix **ret_matrix, struct gabi_diag *diag);
GABI_API void gabi_matrix_free(struct gabi_matrix *matrix); /* NULL is fine */

/* 64-bit words of one row: a multiple of 8. */
GABI_API size_t gabi_matrix_words(const struct gabi_matrix *matrix);

/* Writes the row of a contract's set: bit h is 1 where it fits host h. Bits past the last host are 0. */
GABI_API void gabi_matrix_row(struct gabi_matrix *matrix, const uint64_t *contract, uint64_t *ret_row);

GABI_END
#endif
