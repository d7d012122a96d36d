/* SPDX-License-Identifier: MIT */
#include "vocab/place.h"

#include "base/base.h"

/* The rows of one word, or of one register over all its parts. */
struct place {
	uint64_t index;
	uint64_t absent, zero, presented;
	uint32_t sub, sub_last;
	uint16_t space, part;
	uint16_t first, count;  /* rows */
	int16_t reg_when, when; /* rows; -1: none */
};

/* Written by gen_names at build time: word_places and reg_places, sorted and with one of no space at the end; and word_slots
 * and reg_slots, hash tables by space and index, of 1 + the number of the first such place, or 0. */
#include "places.inc"

/*
 * Several spaces hold words of one kind, seen from several sides; what they mean is told once, in the rows of one space.
 * A saved MSR's word says only that it is there, so that it has a register but no fields.
 */
static unsigned space_of_fields(unsigned space)
{
	switch (space) {
	case GABI_SPACE_CPUID_EMULATED:
		return GABI_SPACE_CPUID;
	case GABI_SPACE_HYPERV_EVMCS:
	case GABI_SPACE_HYPERV_SYSTEM:
		return GABI_SPACE_HYPERV;
	case GABI_SPACE_MSR_DEFAULT:
	case GABI_SPACE_MSR_EVMCS:
		return GABI_SPACE_MSR;
	case GABI_SPACE_CAP_SYSTEM:
		return GABI_SPACE_CAP;
	default:
		return space;
	}
}

static bool is_of(const struct place *place, unsigned space, uint64_t index)
{
	return place->index == index && place->space == space;
}

/* The place of a subleaf, and of a part where places have parts. */
static const struct place *find(const struct place *places, const uint16_t *slots, size_t slot_count, unsigned space,
				const struct gabi_key *key, unsigned part)
{
	size_t slot = gabi_place_slot(space, key->index, slot_count);
	const struct place *at;

	while (slots[slot] && !is_of(&places[slots[slot] - 1], space, key->index))
		slot = (slot + 1) & (slot_count - 1);
	if (!slots[slot])
		return NULL;
	for (at = &places[slots[slot] - 1]; is_of(at, space, key->index); at++)
		if (at->sub <= key->sub && key->sub <= at->sub_last && at->part == part)
			return at;
	return NULL;
}

static const struct place *find_word(const struct gabi_key *key)
{
	return find(word_places, word_slots, GABI_COUNT_OF(word_slots), space_of_fields(key->space), key, key->part);
}

static const struct place *find_reg_in(unsigned space, const struct gabi_key *key)
{
	return find(reg_places, reg_slots, GABI_COUNT_OF(reg_slots), space, key, 0);
}

static const struct place *find_reg(const struct gabi_key *key)
{
	unsigned space = space_of_fields(key->space);
	const struct place *place = find_reg_in(space, key);

	/* A feature MSR may be saved state, and a saved MSR may be read as a feature: each has one row, in either space. */
	if (!place && space == GABI_SPACE_MSR)
		place = find_reg_in(GABI_SPACE_MSR_STATE, key);
	else if (!place && space == GABI_SPACE_MSR_STATE)
		place = find_reg_in(GABI_SPACE_MSR, key);
	return place;
}

static const struct gabi_field *field_at(int row)
{
	size_t count;

	return row < 0 ? NULL : gabi_fields(&count) + row;
}

struct gabi_place gabi_place_of(const struct gabi_key *key)
{
	const struct place *word = find_word(key), *place = word ? word : find_reg(key);
	struct gabi_place found = { .count = 0 };

	if (!place)
		return found;
	found.absent = place->absent;
	found.zero = place->zero;
	found.presented = place->presented;
	found.reg_when = field_at(place->reg_when);
	found.when = field_at(place->when);
	if (word) {
		found.field = field_at(word->first);
		found.count = word->count;
	}
	return found;
}

const struct gabi_field *gabi_fields_of(const struct gabi_key *key, size_t *ret_count)
{
	const struct place *place = find_word(key);

	*ret_count = place ? place->count : 0;
	return place ? field_at(place->first) : NULL;
}

const struct gabi_reg *gabi_reg_of(const struct gabi_key *key)
{
	const struct place *place = find_reg(key);
	size_t count;

	return place ? gabi_regs(&count) + place->first : NULL;
}

const struct gabi_field *gabi_reg_when(const struct gabi_reg *reg)
{
	size_t count;

	return field_at(reg_places[reg - gabi_regs(&count)].when);
}
