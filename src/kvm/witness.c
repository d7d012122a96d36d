/* SPDX-License-Identifier: MIT */
/* A guest's own eyes: what it is asked, and what of its answers differs from the contract. */
#include "witness.h"

#include <gabi/vocab.h>

struct gabi_kvm_testimony {
	struct gabi_mem mem;
	struct gabi_kvm_sight *sights;
	size_t count, cap, words;
};

static int short_of_memory(const struct witness *witness)
{
	return gabi_fail(witness->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

const struct guest_request *witness_answer(const struct witness *witness, unsigned ask, uint64_t index, uint32_t sub)
{
	for (size_t i = witness->count; i-- > 0;) {
		const struct guest_request *request = &witness->requests[i];

		if (request->ask == ask && request->index == index && request->sub == sub)
			return request;
	}
	return NULL;
}

int witness_ask(struct witness *witness, unsigned ask, uint64_t index, uint32_t sub)
{
	void *requests = witness->requests;

	if (witness_answer(witness, ask, index, sub))
		return 0;
	if (gabi_mem_room(&witness->mem, &requests, &witness->cap, witness->count, sizeof(*witness->requests)))
		return short_of_memory(witness);
	witness->requests = requests;
	witness->requests[witness->count++] = (struct guest_request){ .ask = ask, .sub = sub, .index = index };
	return 0;
}

static bool is_promised(const struct gabi_contract *contract, const struct gabi_field *field)
{
	const struct gabi_word *word = field ? gabi_contract_find(contract, &field->key, 0) : NULL;

	return !field || (word && ((word->value >> field->lo) & gabi_mask(field->bits)) != field->absent);
}

static int see(struct witness *witness, const struct gabi_kvm_sight *sight)
{
	struct gabi_kvm_testimony *testimony = witness->testimony;
	void *sights = testimony->sights;

	if (gabi_mem_room(&witness->mem, &sights, &testimony->cap, testimony->count, sizeof(*testimony->sights)))
		return short_of_memory(witness);
	testimony->sights = sights;
	testimony->sights[testimony->count++] = *sight;
	return 0;
}

/* What is one word to compare, field by field. */
struct look {
	const struct gabi_word *promise; /* NULL: none */
	struct gabi_key key;
	uint64_t seen;
	bool faulted;
};

static int compare_bits(struct witness *witness, const struct look *look, const struct gabi_field *field, unsigned lo, unsigned bits,
			uint64_t absent)
{
	struct gabi_kvm_sight sight = { .field = field, .key = look->key, .lo = (uint8_t)lo, .bits = (uint8_t)bits,
					.faulted = look->faulted, .promised = look->promise != NULL };

	sight.want = look->promise ? look->promise->value >> lo & gabi_mask(bits) : absent;
	sight.seen = look->seen >> lo & gabi_mask(bits);
	if (look->faulted ? sight.want == absent : sight.want == sight.seen)
		return 0;
	return see(witness, &sight);
}

static bool counts(const struct witness *witness, const struct gabi_field *field)
{
	const struct gabi_reg *reg = gabi_reg_of(&field->key);
	const struct gabi_field *gate = gabi_field_when(field) ? gabi_field_when(field) : reg ? gabi_reg_when(reg) : NULL;

	return field->rule != GABI_RULE_FREE && field->rule != GABI_RULE_OFFERED && is_promised(witness->contract, gate);
}

int witness_compare(struct witness *witness, const struct gabi_key *key, unsigned bits, uint64_t seen, bool faulted)
{
	struct look look = { .promise = gabi_contract_find(witness->contract, key, 0), .key = *key, .seen = seen, .faulted = faulted };
	const struct gabi_reg *reg = gabi_reg_of(key);
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);
	unsigned at = 0;
	int err = 0;

	witness->testimony->words++;
	if (!look.promise && reg && gabi_reg_when(reg) && !is_promised(witness->contract, gabi_reg_when(reg)))
		return 0;
	for (size_t i = 0; !err && i < count && field[i].lo < bits; i++) {
		if (field[i].lo > at)
			err = compare_bits(witness, &look, NULL, at, field[i].lo - at, 0);
		if (!err && counts(witness, &field[i]))
			err = compare_bits(witness, &look, &field[i], field[i].lo, field[i].bits, field[i].absent);
		at = field[i].lo + field[i].bits;
	}
	return !err && at < bits ? compare_bits(witness, &look, NULL, at, bits - at, 0) : err;
}

int gabi_kvm_witness(const struct gabi_contract *contract, const struct gabi_plan *plan, const struct gabi_kvm_vm *vm,
		     const struct gabi_mem *mem, struct gabi_kvm_testimony **ret_testimony, struct gabi_diag *diag)
{
	struct witness witness = { .contract = contract, .plan = plan, .mem = gabi_mem_or_default(mem), .diag = diag };
	struct gabi_kvm_vm ours;
	int err = kvm_take_sized(&ours, sizeof(ours), vm, diag);

	if (err)
		return err;
	witness.testimony = gabi_mem_get(&witness.mem, sizeof(*witness.testimony));
	if (!witness.testimony)
		return short_of_memory(&witness);
	witness.testimony->mem = witness.mem;
	err = witness_ask_all(&witness);
	if (!err)
		err = guest_ask_all(&ours, witness.requests, witness.count, diag);
	if (!err)
		err = witness_compare_all(&witness);
	gabi_mem_put(&witness.mem, witness.requests);
	if (err)
		gabi_kvm_testimony_free(witness.testimony);
	else
		*ret_testimony = witness.testimony;
	return err;
}

void gabi_kvm_testimony_free(struct gabi_kvm_testimony *testimony)
{
	struct gabi_mem mem;

	if (!testimony)
		return;
	mem = testimony->mem;
	gabi_mem_put(&mem, testimony->sights);
	gabi_mem_put(&mem, testimony);
}

const struct gabi_kvm_sight *gabi_kvm_testimony_sights(const struct gabi_kvm_testimony *testimony, size_t *ret_count)
{
	*ret_count = testimony->count;
	return testimony->sights;
}

size_t gabi_kvm_testimony_words(const struct gabi_kvm_testimony *testimony)
{
	return testimony->words;
}
