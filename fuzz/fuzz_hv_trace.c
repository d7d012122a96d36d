/* SPDX-License-Identifier: MIT */
/*
 * A trace from anywhere: its reader takes or refuses it within the memory that it is given, and what it takes comes out the same when
 * the engine is saved and restored between all calls.
 */
#include "fuzz.h"

#include <gabi/hv_save.h>
#include <gabi/hv_trace.h>

#include <stdlib.h>

enum { STEPS = 2000, MEMORY = 32 << 20 };

/* As many bytes as a small guest needs; what is given back is not counted, so that no input runs long. */
static void *resize(void *ctx, void *ptr, size_t len)
{
	size_t *left = ctx;

	if (!len) {
		free(ptr);
		return NULL;
	}
	if (len > *left)
		return NULL;
	*left -= len;
	return realloc(ptr, len);
}

static void read_words(const struct gabi_hv_step *step)
{
	char text[200];

	fuzz_expect(gabi_hv_step_what(step, text, sizeof(text)) > 0);
	gabi_hv_step_result(step, text, sizeof(text));
	for (uint32_t i = 0; step->turn && i < step->turn->count; i++)
		gabi_hv_act_what(step->turn, &step->turn->act[i], text, sizeof(text));
	for (uint32_t i = 0; step->turn && i < step->turn->changes; i++)
		gabi_hv_change_what(&step->turn->change[i], text, sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t left = MEMORY, left_too = MEMORY;
	struct gabi_mem mem = { resize, &left }, mem_too = { resize, &left_too };
	struct gabi_hv_replay *straight, *moved = NULL;
	struct gabi_hv_step step;

	if (gabi_hv_replay_new(data, len, &mem, &straight, NULL))
		return 0;
	fuzz_expect(!gabi_hv_replay_new(data, len, &mem_too, &moved, NULL));
	for (unsigned i = 0; i < STEPS; i++) {
		int result = gabi_hv_replay_step(straight, &step, NULL), err;

		if (result <= 0)
			break;
		read_words(&step);
		fuzz_reached();
		if (!moved)
			continue;
		err = gabi_hv_replay_move(moved, NULL);
		if (err) {
			fuzz_expect(err == GABI_ERR_NOMEM);
			gabi_hv_replay_free(moved);
			moved = NULL;
			continue;
		}
		fuzz_expect(gabi_hv_replay_step(moved, &step, NULL) == result);
	}
	gabi_hv_replay_free(straight);
	gabi_hv_replay_free(moved);
	return 0;
}
