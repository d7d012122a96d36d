/* SPDX-License-Identifier: MIT */
#include <gabi/contract.h>

#include <gabi/vocab.h>

#include "vocab/facts.h"
#include "contract/pin.h"

#include <string.h>

struct gabi_contract {
	struct gabi_mem mem;
	enum gabi_arch arch;
	char *name, *note;
	struct gabi_facts origin;
	struct gabi_words words;
};

struct gabi_contract *gabi_contract_new(enum gabi_arch arch, const struct gabi_mem *mem)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_contract *contract = gabi_mem_get(&own, sizeof(*contract));

	if (!contract)
		return NULL;
	contract->mem = own;
	contract->arch = arch;
	return contract;
}

void gabi_contract_free(struct gabi_contract *contract)
{
	if (!contract)
		return;
	gabi_mem_put(&contract->mem, contract->name);
	gabi_mem_put(&contract->mem, contract->note);
	gabi_facts_free(&contract->origin, &contract->mem);
	gabi_words_free(&contract->words, &contract->mem);
	gabi_mem_put(&contract->mem, contract);
}

enum gabi_arch gabi_contract_arch(const struct gabi_contract *contract)
{
	return contract->arch;
}

bool gabi_space_is_promise(unsigned space)
{
	static const bool both[GABI_SPACE_COUNT] = {
#define HOLDER_HOST false
#define HOLDER_BOTH true
#define GABI_SPACE_ROW(name, text, bits, holder, what) [GABI_SPACE_##name] = HOLDER_##holder,
#include <gabi/space.def>
	};

	return space < GABI_SPACE_COUNT && both[space];
}

int gabi_contract_add(struct gabi_contract *contract, const struct gabi_word *word, struct gabi_diag *diag)
{
	enum gabi_arch arch = gabi_space_arch(word->key.space);
	const struct gabi_reg *reg;
	int err = gabi_word_valid(word, diag);

	if (err)
		return err;
	if (arch != GABI_ARCH_ANY && arch != contract->arch)
		return gabi_fail_at(diag, GABI_ERR_ARCH, &word->key, "the promise is not of the contract's architecture", (char *)NULL);
	if (!gabi_space_is_promise(word->key.space) || word->settable)
		return gabi_fail_at(diag, GABI_ERR_ARG, &word->key, "a contract cannot promise that", (char *)NULL);
	reg = gabi_reg_of(&word->key);
	if (word->vp != GABI_VP_ALL && (!reg || reg->scope != GABI_SCOPE_VP || reg->same))
		return gabi_fail_at(diag, GABI_ERR_CONFLICT, &word->key, reg ? reg->name : "the word",
				    " must be the same on all virtual processors", (char *)NULL);
	if (gabi_words_add(&contract->words, &contract->mem, word))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	return 0;
}

static int set_text(const struct gabi_contract *contract, char **where, const char *text)
{
	char *copy = text ? gabi_mem_copy_text(&contract->mem, text) : NULL;

	if (text && !copy)
		return GABI_ERR_NOMEM;
	gabi_mem_put(&contract->mem, *where);
	*where = copy;
	return 0;
}

int gabi_contract_set_name(struct gabi_contract *contract, const char *name)
{
	return set_text(contract, &contract->name, name);
}

int gabi_contract_set_note(struct gabi_contract *contract, const char *note)
{
	return set_text(contract, &contract->note, note);
}

const char *gabi_contract_name(const struct gabi_contract *contract)
{
	return contract->name ? contract->name : "";
}

const char *gabi_contract_note(const struct gabi_contract *contract)
{
	return contract->note ? contract->note : "";
}

int gabi_contract_set_origin(struct gabi_contract *contract, const char *name, const char *value, struct gabi_diag *diag)
{
	if (gabi_facts_set(&contract->origin, &contract->mem, name, value))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	return 0;
}

const struct gabi_facts *gabi_contract_origin(const struct gabi_contract *contract)
{
	return &contract->origin;
}

/* Clears what is not promised: the fields that the VMM sets per VM. */
static void clear_free_fields(struct gabi_word *word)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(&word->key, &count);

	for (size_t i = 0; i < count; i++)
		if (field[i].rule == GABI_RULE_FREE)
			word->value &= ~(gabi_mask(field[i].bits) << field[i].lo);
}

/* ---- calls that KVM is not to answer ---- */

#define ARCH_CALL(id) (((id) & 0xbfff0000) == 0x80000000) /* Arm DEN 0028: calls of the architecture, of 32 and 64 bits */

/* KVM takes no filter over the architecture's calls, by which a guest learns of its processor's flaws
 * (Documentation/virt/kvm/devices/vm.rst, KVM_ARM_VM_SMCCC_FILTER). */
static const char *wrong_calls(uint64_t first, uint64_t value)
{
	uint64_t functions = GABI_SMCCC_FUNCTIONS(value), action = GABI_SMCCC_ACTION(value), last = first + functions - 1;

	if (action != GABI_SMCCC_DENY && action != GABI_SMCCC_TO_VMM)
		return "there is no such treatment of calls";
	if (!functions || last > UINT32_MAX)
		return "there are no such calls";
	if (ARCH_CALL(first) || ARCH_CALL(last) || (first < 0x80000000 && last > 0x8000ffff) || (first < 0xc0000000 && last > 0xc000ffff))
		return "no filter can be laid over the architecture's own calls";
	return NULL;
}

static bool uses_filter(const struct gabi_contract *contract)
{
	const struct gabi_key key = { .space = GABI_SPACE_VM, .index = GABI_VM_SMCCC_FILTER };
	const struct gabi_word *word = gabi_words_find(&contract->words, &key, GABI_VP_ALL);

	return word && word->value;
}

static int check_calls(const struct gabi_contract *contract, struct gabi_diag *diag)
{
	uint64_t free = 0; /* the first function that no range has yet */

	for (size_t i = 0; i < contract->words.count; i++) {
		const struct gabi_word *word = &contract->words.at[i];
		const char *wrong = word->key.space == GABI_SPACE_SMCCC ? wrong_calls(word->key.index, word->value) : NULL;

		if (word->key.space != GABI_SPACE_SMCCC)
			continue;
		if (!wrong && word->key.index < free)
			wrong = "a call is treated in two ways";
		if (!wrong && !uses_filter(contract))
			wrong = "calls are treated specially, and \"smccc-filter\" is not promised";
		if (wrong)
			return gabi_fail_at(diag, GABI_ERR_CONFLICT, &word->key, wrong, (char *)NULL);
		free = word->key.index + GABI_SMCCC_FUNCTIONS(word->value);
	}
	return 0;
}

int gabi_contract_seal(struct gabi_contract *contract, struct gabi_diag *diag)
{
	int err;

	for (size_t i = 0; i < contract->words.count; i++)
		clear_free_fields(&contract->words.at[i]);
	err = gabi_words_sort(&contract->words, diag);
	return err ? err : check_calls(contract, diag);
}

const struct gabi_word *gabi_contract_words(const struct gabi_contract *contract, size_t *ret_count)
{
	return gabi_words_all(&contract->words, ret_count);
}

const struct gabi_word *gabi_contract_find(const struct gabi_contract *contract, const struct gabi_key *key, unsigned vp)
{
	const struct gabi_word *own = vp == GABI_VP_ALL ? NULL : gabi_words_find(&contract->words, key, vp);

	return own ? own : gabi_words_find(&contract->words, key, GABI_VP_ALL);
}
