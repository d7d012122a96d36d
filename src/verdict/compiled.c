/* SPDX-License-Identifier: MIT */
/*
 * A universe of columns, in this order:
 *
 *   0         every contract needs it, and every host of the architecture keeps it
 *   outside   what a host has and no contract of the universe speaks of, by the condition under which it matters: a
 *             contract needs the columns of the conditions that it promises
 *   records   for each word that contracts promise: its fields, a column for each value that occurs; then, if not every
 *             contract lists the word, its columns for those that do not, again by condition
 *
 * The rules are in judge.c alone. What depends on the contract (conditions; which of a host's Hyper-V leaves) is resolved
 * when a contract is compiled, what depends on the host when a host is.
 *
 * A contract that promises eVMCS is held against other Hyper-V leaves of the host than one that does not. Its Hyper-V words
 * are therefore records of their own, under the space HYPERV_EVMCS, which no contract uses itself. So are the VMX controls that
 * some kernel takes away from its guest: under MSR_EVMCS, with what the filter asks of the guest as the part.
 */
#include <gabi/compiled.h>

#include "verdict/judge.h"
#include "verdict/universe.h"

#include <string.h>

/* Conditions, each once. */
struct gates {
	const struct gabi_field **at; /* the first is NULL: always open */
	size_t count, cap;
};

/* A field of a word. Of saved state, the word: its values are whether a guest can reach it (1) or not (0). */
struct slot {
	struct gabi_span span;
	const struct gabi_field *gate;
	uint64_t *values; /* that occur, sorted */
	size_t count, cap;
	size_t column; /* of the first value */
};

struct record {
	struct gabi_key key;
	uint8_t bits;
	bool listed_by_all; /* so far no contract left the word out */
	struct slot *slots;
	size_t slot_count, slot_cap;
	struct gates gates;
	size_t unlisted; /* column of the first gate */
};

enum lane { LANE_PLAIN, LANE_HYPERV, LANE_EVMCS, LANE_COUNT };

struct gabi_universe {
	struct gabi_mem mem;
	enum gabi_arch arch;
	struct record *records; /* sorted by key */
	size_t record_count, record_cap;
	size_t learned[LANE_COUNT];   /* contracts that had their say on the words of that lane */
	struct gates gates[2];        /* of all words but Hyper-V's; of Hyper-V's */
	size_t outside[LANE_COUNT];   /* column of the first gate */
	size_t columns, words;
	const struct gabi_bits_ops *ops;
};

static enum lane lane_of(unsigned space)
{
	return space == GABI_SPACE_HYPERV ? LANE_HYPERV : space == GABI_SPACE_HYPERV_EVMCS ? LANE_EVMCS : LANE_PLAIN;
}

static const struct gates *gates_of(const struct gabi_universe *universe, enum lane lane)
{
	return &universe->gates[lane != LANE_PLAIN];
}

/* The key as contracts, hosts and the vocabulary know it. */
static struct gabi_key common_key(struct gabi_key key)
{
	if (key.space == GABI_SPACE_HYPERV_EVMCS) {
		key.space = GABI_SPACE_HYPERV;
	} else if (key.space == GABI_SPACE_MSR_EVMCS) {
		key.space = GABI_SPACE_MSR;
		key.part = 0;
	}
	return key;
}

/* Is it about what a kernel takes away from guests with eVMCS? Such a record has nothing to say of a contract that does not
 * list the word. */
static bool is_filtered(const struct record *record)
{
	return record->key.space == GABI_SPACE_MSR_EVMCS;
}

static struct gabi_key filter_key(const struct gabi_evmcs_guest *guest, const struct gabi_word *word)
{
	struct gabi_key key = gabi_evmcs_key(word);

	key.part = (uint16_t)(guest->hyperv | guest->perf_global << 1);
	return key;
}

static struct gabi_evmcs_guest guest_of_key(const struct gabi_key *key)
{
	return (struct gabi_evmcs_guest){ .enabled = 1, .hyperv = key->part & 1, .perf_global = key->part >> 1 & 1 };
}

/* ---- growing ---- */

static int gates_add(struct gates *gates, const struct gabi_mem *mem, const struct gabi_field *gate)
{
	void *at = gates->at;

	for (size_t i = 0; i < gates->count; i++)
		if (gates->at[i] == gate)
			return 0;
	if (gabi_mem_room(mem, &at, &gates->cap, gates->count, sizeof(*gates->at)))
		return GABI_ERR_NOMEM;
	gates->at = at;
	gates->at[gates->count++] = gate;
	return 0;
}

/* Where the gate stands; gates->count if it is not there. */
static size_t gates_place(const struct gates *gates, const struct gabi_field *gate)
{
	size_t at = 0;

	while (at < gates->count && gates->at[at] != gate)
		at++;
	return at;
}

static int slot_add(struct record *record, const struct gabi_mem *mem, const struct gabi_span *span)
{
	const struct gabi_field *gate = span->gate;
	void *slots = record->slots;
	int err = gates_add(&record->gates, mem, gate);

	if (!err)
		err = gabi_mem_room(mem, &slots, &record->slot_cap, record->slot_count, sizeof(*record->slots));
	if (err)
		return err;
	record->slots = slots;
	record->slots[record->slot_count++] = (struct slot){ .span = *span, .gate = gate };
	return 0;
}

static int record_fill(struct record *record, const struct gabi_mem *mem)
{
	struct gabi_key key = common_key(record->key);
	struct gabi_spans spans = gabi_spans_of(&key, record->bits);
	struct gabi_span span = { .bits = record->bits, .rule = GABI_RULE_STATE };
	int err = gates_add(&record->gates, mem, NULL);

	if (gabi_is_state(key.space))
		return err ? err : slot_add(record, mem, &span);
	while (!err && gabi_spans_next(&spans, &span))
		if (gabi_rule_promises(span.rule))
			err = slot_add(record, mem, &span);
	return err;
}

static void record_clear(struct record *record, const struct gabi_mem *mem)
{
	for (size_t i = 0; i < record->slot_count; i++)
		gabi_mem_put(mem, record->slots[i].values);
	gabi_mem_put(mem, record->slots);
	gabi_mem_put(mem, record->gates.at);
}

/* Where the record of that key is, or belongs. */
static size_t record_place(const struct gabi_universe *universe, const struct gabi_key *key)
{
	size_t low = 0, high = universe->record_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (gabi_key_compare(&universe->records[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct record *record_find(const struct gabi_universe *universe, const struct gabi_key *key)
{
	size_t at = record_place(universe, key);

	return at < universe->record_count && !gabi_key_compare(&universe->records[at].key, key) ? &universe->records[at] : NULL;
}

static int record_need(struct gabi_universe *universe, const struct gabi_key *key, unsigned bits)
{
	size_t at = record_place(universe, key);
	struct record *place, record = { .key = *key, .bits = (uint8_t)bits };
	void *records = universe->records;
	int err;

	if (at < universe->record_count && !gabi_key_compare(&universe->records[at].key, key))
		return 0;
	record.listed_by_all = is_filtered(&record) || universe->learned[lane_of(key->space)] == 0;
	err = record_fill(&record, &universe->mem);
	if (!err)
		err = gabi_mem_room(&universe->mem, &records, &universe->record_cap, universe->record_count, sizeof(record));
	if (err) {
		record_clear(&record, &universe->mem);
		return err;
	}
	universe->records = records;
	place = &universe->records[at];
	memmove(place + 1, place, (universe->record_count++ - at) * sizeof(record));
	*place = record;
	return 0;
}

/* ---- a universe ---- */

struct gabi_universe *gabi_universe_new(enum gabi_arch arch, const struct gabi_mem *mem)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_universe *universe = gabi_mem_get(&own, sizeof(*universe));

	if (!universe)
		return NULL;
	universe->mem = own;
	universe->arch = arch;
	universe->ops = gabi_bits_ops_best();
	return universe;
}

void gabi_universe_free(struct gabi_universe *universe)
{
	if (!universe)
		return;
	for (size_t i = 0; i < universe->record_count; i++)
		record_clear(&universe->records[i], &universe->mem);
	gabi_mem_put(&universe->mem, universe->records);
	gabi_mem_put(&universe->mem, universe->gates[0].at);
	gabi_mem_put(&universe->mem, universe->gates[1].at);
	gabi_mem_put(&universe->mem, universe);
}

size_t gabi_universe_columns(const struct gabi_universe *universe)
{
	return universe->columns;
}

size_t gabi_universe_words(const struct gabi_universe *universe)
{
	return universe->words;
}

const struct gabi_bits_ops *gabi_universe_ops(const struct gabi_universe *universe)
{
	return universe->ops;
}

int gabi_universe_fits(const struct gabi_universe *universe, const uint64_t *contract, const uint64_t *host)
{
	return !universe->ops->meet(contract, host, universe->words);
}

static int collect_gate(struct gabi_universe *universe, unsigned space, const struct gabi_field *gate)
{
	enum gabi_arch arch = gabi_space_arch(space);

	if (arch != GABI_ARCH_ANY && arch != universe->arch)
		return 0;
	return gates_add(&universe->gates[lane_of(space) != LANE_PLAIN], &universe->mem, gate);
}

/* Any field may stand behind a condition in a word that no contract lists, so that all conditions have a column. */
static int collect_gates(struct gabi_universe *universe)
{
	size_t field_count, reg_count;
	const struct gabi_field *fields = gabi_fields(&field_count);
	const struct gabi_reg *regs = gabi_regs(&reg_count);
	int err = gates_add(&universe->gates[0], &universe->mem, NULL);

	if (!err)
		err = gates_add(&universe->gates[1], &universe->mem, NULL);
	for (size_t i = 0; !err && i < field_count; i++)
		err = collect_gate(universe, fields[i].key.space, gabi_field_when(&fields[i]));
	for (size_t i = 0; !err && i < reg_count; i++)
		if (!gabi_is_state(regs[i].key.space))
			err = collect_gate(universe, regs[i].key.space, gabi_reg_when(&regs[i]));
	return err;
}

int gabi_universe_seal(struct gabi_universe *universe, struct gabi_diag *diag)
{
	size_t column = 1;

	if (collect_gates(universe))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	for (unsigned lane = 0; lane < LANE_COUNT; lane++) {
		universe->outside[lane] = column;
		column += gates_of(universe, lane)->count;
	}
	for (size_t i = 0; i < universe->record_count; i++) {
		struct record *record = &universe->records[i];

		for (size_t j = 0; j < record->slot_count; j++) {
			record->slots[j].column = column;
			column += record->slots[j].count;
		}
		record->unlisted = column;
		if (!record->listed_by_all)
			column += record->gates.count;
	}
	universe->columns = column;
	universe->words = gabi_bits_words(column);
	return 0;
}

/* ---- contracts ---- */

/* What a contract says to a universe, one promise at a time: learning grows the universe by it, compiling sets its bit. */
struct visitor {
	int (*value)(struct visitor *visitor, struct slot *slot, uint64_t value);
	int (*unlisted)(struct visitor *visitor, struct record *record);
	struct gabi_universe *universe; /* learning */
	uint64_t *set;                  /* compiling; NULL where it is only asked whether all is known */

	const struct gabi_contract *contract;
	const struct gabi_word *word, *end; /* the next of the contract's words */
	bool evmcs;
	struct gabi_evmcs_guest guest;
	const struct gabi_field *gate; /* the last that was asked for, and its answer */
	bool open;
};

static bool is_open(struct visitor *visitor, const struct gabi_field *gate)
{
	if (gate && gate != visitor->gate) {
		visitor->gate = gate;
		visitor->open = gabi_contract_promises(visitor->contract, gate);
	}
	return !gate || visitor->open;
}

static void visitor_start(struct visitor *visitor, const struct gabi_contract *contract)
{
	size_t count;

	visitor->contract = contract;
	visitor->word = gabi_contract_words(contract, &count);
	visitor->end = visitor->word + count;
	visitor->evmcs = gabi_promises_evmcs(contract);
	gabi_evmcs_guest_of(contract, &visitor->guest);
}

static struct gabi_key universe_key(const struct visitor *visitor, struct gabi_key key)
{
	if (key.space == GABI_SPACE_HYPERV && visitor->evmcs)
		key.space = GABI_SPACE_HYPERV_EVMCS;
	return key;
}

static bool concerns(const struct visitor *visitor, const struct record *record)
{
	return lane_of(record->key.space) != (visitor->evmcs ? LANE_HYPERV : LANE_EVMCS);
}

static int visit_word(struct visitor *visitor, struct record *record, const struct gabi_word *word)
{
	int err = 0;

	if (gabi_is_state(word->key.space)) {
		const struct gabi_reg *reg = gabi_reg_of(&word->key);

		return visitor->value(visitor, record->slots, is_open(visitor, reg ? gabi_reg_when(reg) : NULL));
	}
	for (size_t i = 0; !err && i < record->slot_count; i++)
		if (is_open(visitor, record->slots[i].gate))
			err = visitor->value(visitor, &record->slots[i], gabi_span_get(&record->slots[i].span, word->value));
	return err;
}

/* The contract's words of the record's key: the common one and those of single virtual processors. */
static int visit_record(struct visitor *visitor, struct record *record)
{
	bool common = gabi_is_state(record->key.space) || !concerns(visitor, record);
	int err = 0;

	if (is_filtered(record))
		return 0; /* visit_filtered goes by the contract's words */
	for (; !err && visitor->word < visitor->end; visitor->word++) {
		struct gabi_key key = universe_key(visitor, visitor->word->key);
		int order = gabi_key_compare(&key, &record->key);

		if (order > 0)
			break;
		if (order < 0)
			return GABI_ERR_UNKNOWN;
		common |= visitor->word->vp == GABI_VP_ALL;
		err = visit_word(visitor, record, visitor->word);
		if (err)
			return err;
	}
	return common ? 0 : visitor->unlisted(visitor, record);
}

static bool asks_filter(const struct visitor *visitor, const struct gabi_word *word)
{
	return visitor->guest.enabled && (word->value & gabi_evmcs_asks(&visitor->guest, word));
}

static int visit_filtered(struct visitor *visitor, const struct gabi_universe *universe)
{
	size_t count;
	const struct gabi_word *words = gabi_contract_words(visitor->contract, &count);
	struct gabi_range msrs = gabi_range_of(words, count, GABI_SPACE_MSR);
	int err = 0;

	for (; !err && msrs.at < msrs.end; msrs.at++) {
		struct gabi_key key = filter_key(&visitor->guest, msrs.at);
		struct record *record = asks_filter(visitor, msrs.at) ? record_find(universe, &key) : NULL;

		if (record)
			err = visit_word(visitor, record, msrs.at);
		else if (asks_filter(visitor, msrs.at))
			err = GABI_ERR_UNKNOWN;
	}
	return err;
}

static int visit_contract(struct visitor *visitor, const struct gabi_universe *universe, struct gabi_diag *diag)
{
	int err = visit_filtered(visitor, universe);

	for (size_t i = 0; !err && i < universe->record_count; i++)
		err = visit_record(visitor, &universe->records[i]);
	if (!err && visitor->word < visitor->end)
		err = GABI_ERR_UNKNOWN;
	if (err == GABI_ERR_UNKNOWN && visitor->word < visitor->end)
		return gabi_fail_at(diag, err, &visitor->word->key,
				    "the universe has not learned this promise: learn the contract into a new one", (char *)NULL);
	if (err == GABI_ERR_UNKNOWN)
		return gabi_fail(diag, err, "every contract that the universe has learned promises more: learn this one into a new one",
				 (char *)NULL);
	return err ? gabi_fail(diag, err, gabi_err_text(err), (char *)NULL) : 0;
}

/* Where the value stands among those of the slot, or belongs. */
static size_t value_place(const struct slot *slot, uint64_t value)
{
	size_t low = 0, high = slot->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (slot->values[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int learn_value(struct visitor *visitor, struct slot *slot, uint64_t value)
{
	size_t at = value_place(slot, value);
	void *values = slot->values;

	if (at < slot->count && slot->values[at] == value)
		return 0;
	if (gabi_mem_room(&visitor->universe->mem, &values, &slot->cap, slot->count, sizeof(*slot->values)))
		return GABI_ERR_NOMEM;
	slot->values = values;
	memmove(&slot->values[at + 1], &slot->values[at], (slot->count++ - at) * sizeof(*slot->values));
	slot->values[at] = value;
	return 0;
}

static int learn_unlisted(struct visitor *visitor, struct record *record)
{
	(void)visitor;
	record->listed_by_all = false;
	return 0;
}

int gabi_universe_learn(struct gabi_universe *universe, const struct gabi_contract *contract, struct gabi_diag *diag)
{
	struct visitor visitor = { .value = learn_value, .unlisted = learn_unlisted, .universe = universe };
	int err = 0;

	if (gabi_contract_arch(contract) != universe->arch)
		return gabi_fail(diag, GABI_ERR_ARCH, "the contract is for another architecture than the universe", (char *)NULL);
	visitor_start(&visitor, contract);
	for (const struct gabi_word *word = visitor.word; !err && word < visitor.end; word++) {
		struct gabi_key key = universe_key(&visitor, word->key);

		err = record_need(universe, &key, word->bits);
		key = filter_key(&visitor.guest, word);
		if (!err && asks_filter(&visitor, word))
			err = record_need(universe, &key, word->bits);
	}
	if (err)
		return gabi_fail(diag, err, gabi_err_text(err), (char *)NULL);
	err = visit_contract(&visitor, universe, diag);
	if (err)
		return err;
	universe->learned[LANE_PLAIN]++;
	universe->learned[visitor.evmcs ? LANE_EVMCS : LANE_HYPERV]++;
	return 0;
}

static int set_value(struct visitor *visitor, struct slot *slot, uint64_t value)
{
	size_t at = value_place(slot, value);

	if (at == slot->count || slot->values[at] != value)
		return GABI_ERR_UNKNOWN;
	if (visitor->set)
		gabi_bits_set(visitor->set, slot->column + at);
	return 0;
}

static int set_unlisted(struct visitor *visitor, struct record *record)
{
	if (record->listed_by_all)
		return GABI_ERR_UNKNOWN;
	for (size_t i = 0; visitor->set && i < record->gates.count; i++)
		if (is_open(visitor, record->gates.at[i]))
			gabi_bits_set(visitor->set, record->unlisted + i);
	return 0;
}

static void set_outside(struct visitor *visitor, const struct gabi_universe *universe, enum lane lane)
{
	const struct gates *gates = gates_of(universe, lane);

	for (size_t i = 0; i < gates->count; i++)
		if (is_open(visitor, gates->at[i]))
			gabi_bits_set(visitor->set, universe->outside[lane] + i);
}

int gabi_universe_contract(const struct gabi_universe *universe, const struct gabi_contract *contract, uint64_t *ret_set,
			   struct gabi_diag *diag)
{
	struct visitor visitor = { .value = set_value, .unlisted = set_unlisted };
	int err;

	if (gabi_contract_arch(contract) != universe->arch)
		return gabi_fail(diag, GABI_ERR_ARCH, "the contract is for another architecture than the universe", (char *)NULL);
	visitor_start(&visitor, contract);
	err = visit_contract(&visitor, universe, diag); /* first without a set, so that a failure leaves it as it is */
	if (err)
		return err;
	visitor.set = memset(ret_set, 0, universe->words * sizeof(*ret_set));
	visitor_start(&visitor, contract);
	gabi_bits_set(ret_set, 0);
	set_outside(&visitor, universe, LANE_PLAIN);
	set_outside(&visitor, universe, visitor.evmcs ? LANE_EVMCS : LANE_HYPERV);
	return visit_contract(&visitor, universe, diag);
}

/* ---- hosts ---- */

/* The heaviest finding of one question. */
struct weigher {
	struct gabi_sink sink; /* first, so that a sink is its weigher */
	uint8_t weight;
	struct gabi_judge judge;
	const struct gabi_host *host;
	enum gabi_verdict at_least;
	uint64_t *set;
};

static int weigh(struct gabi_sink *sink, struct gabi_finding *finding)
{
	struct weigher *weigher = (struct weigher *)(void *)sink;

	if (finding->weight > weigher->weight)
		weigher->weight = finding->weight;
	return 0;
}

static void set_if_heavy(struct weigher *weigher, size_t column)
{
	if (gabi_verdict_of(weigher->weight) >= weigher->at_least)
		gabi_bits_set(weigher->set, column);
	weigher->weight = GABI_WEIGHT_NOTE;
}

/* The host's word against which a record's are held. */
static const struct gabi_word *offer_of(const struct gabi_host *host, struct gabi_key key)
{
	if (lane_of(key.space) != LANE_PLAIN)
		key.space = (uint16_t)gabi_hyperv_space(lane_of(key.space) == LANE_EVMCS, host);
	return gabi_host_find(host, &key);
}

static void host_state(struct weigher *weigher, const struct record *record, const struct gabi_word *offer)
{
	const struct slot *slot = record->slots;
	const struct gabi_reg *reg = gabi_reg_of(&record->key);
	struct gabi_word promise = { .key = record->key, .bits = record->bits, .vp = GABI_VP_ALL };

	for (size_t i = 0; !offer && i < slot->count; i++) {
		weigher->judge = (struct gabi_judge){ .host = weigher->host, .sink = &weigher->sink, .view = weigher->judge.view,
						      .gate = reg ? gabi_reg_when(reg) : NULL, .gate_open = slot->values[i] };
		gabi_judge_state(&weigher->judge, &promise);
		set_if_heavy(weigher, slot->column + i);
	}
}

static void host_values(struct weigher *weigher, const struct record *record, const struct gabi_word *offer)
{
	struct gabi_word promise = { .key = common_key(record->key), .bits = record->bits, .vp = GABI_VP_ALL };

	for (size_t i = 0; i < record->slot_count; i++) {
		const struct slot *slot = &record->slots[i];

		for (size_t j = 0; j < slot->count; j++) {
			promise.value = slot->values[j] << slot->span.lo;
			gabi_judge_span(&weigher->judge, &promise.key, &slot->span, &promise, offer);
			set_if_heavy(weigher, slot->column + j);
		}
	}
}

static void host_filter(struct weigher *weigher, const struct record *record)
{
	struct gabi_evmcs_guest guest = guest_of_key(&record->key);
	struct gabi_word promise = { .key = common_key(record->key), .bits = record->bits, .vp = GABI_VP_ALL };

	for (size_t i = 0; i < record->slot_count; i++) {
		const struct slot *slot = &record->slots[i];

		for (size_t j = 0; j < slot->count; j++) {
			promise.value = slot->values[j] << slot->span.lo;
			gabi_judge_evmcs_span(&weigher->judge, &guest, &slot->span, &promise);
			set_if_heavy(weigher, slot->column + j);
		}
	}
}

/* What the host has and a contract does not list: one column a condition, from `column` on. */
static void host_unlisted(struct weigher *weigher, const struct gabi_key *key, const struct gabi_word *offer,
			  const struct gates *gates, size_t column)
{
	struct gabi_spans spans = gabi_spans_of(key, offer->bits);
	struct gabi_span span;

	while (gabi_spans_next(&spans, &span)) {
		if (!gabi_rule_promises(span.rule))
			continue;
		gabi_judge_span(&weigher->judge, key, &span, NULL, offer);
		set_if_heavy(weigher, column + gates_place(gates, span.gate));
	}
}

static void host_record(struct weigher *weigher, const struct record *record)
{
	const struct gabi_word *offer = offer_of(weigher->host, record->key);
	struct gabi_key key = common_key(record->key);

	if (gabi_is_state(key.space)) {
		host_state(weigher, record, offer);
		return;
	}
	if (is_filtered(record)) {
		host_filter(weigher, record);
		return;
	}
	host_values(weigher, record, offer);
	if (offer && !record->listed_by_all)
		host_unlisted(weigher, &key, offer, &record->gates, record->unlisted);
}

static void host_outside(struct weigher *weigher, const struct gabi_universe *universe, unsigned space)
{
	enum lane lane = lane_of(space);
	unsigned from = lane == LANE_PLAIN ? space : gabi_hyperv_space(lane == LANE_EVMCS, weigher->host);
	size_t count;
	const struct gabi_word *offer = gabi_host_words(weigher->host, &count);

	for (const struct gabi_word *end = offer + count; offer < end; offer++) {
		struct gabi_key key = offer->key;

		key.space = (uint16_t)space;
		if (offer->key.space != from || record_find(universe, &key))
			continue;
		key = common_key(key);
		host_unlisted(weigher, &key, offer, gates_of(universe, lane), universe->outside[lane]);
	}
}

int gabi_universe_host(const struct gabi_universe *universe, const struct gabi_host *host, enum gabi_verdict at_least,
		       uint64_t *ret_set, struct gabi_diag *diag)
{
	static const uint8_t spaces[] = { GABI_SPACE_CPUID, GABI_SPACE_KVM,   GABI_SPACE_HYPERV, GABI_SPACE_HYPERV_EVMCS,
					  GABI_SPACE_MSR,   GABI_SPACE_ARM64, GABI_SPACE_VM };
	struct weigher weigher = { .sink.take = weigh, .host = host, .at_least = at_least, .set = ret_set };

	if (at_least == GABI_FITS)
		return gabi_fail(diag, GABI_ERR_ARG, "every column makes a verdict at least \"fits\"", (char *)NULL);
	memset(ret_set, 0, universe->words * sizeof(*ret_set));
	if (gabi_host_arch(host) != universe->arch) {
		gabi_bits_set(ret_set, 0);
		return 0;
	}
	weigher.judge = (struct gabi_judge){ .host = host, .sink = &weigher.sink, .view = gabi_host_view(host) };
	for (size_t i = 0; i < universe->record_count; i++)
		host_record(&weigher, &universe->records[i]);
	for (size_t i = 0; i < sizeof(spaces); i++)
		host_outside(&weigher, universe, spaces[i]);
	return 0;
}
