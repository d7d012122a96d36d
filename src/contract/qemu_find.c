/* SPDX-License-Identifier: MIT */
/* The QEMU command line for a contract: the model whose guest is nearest, and each difference by name, tried until none is
 * left. */
#include "contract/cpu.h"
#include "contract/named.h"
#include "contract/qemu.h"

#include <gabi/model.h>
#include <gabi/vocab.h>

#include <string.h>

/* The newest machine that all of QEMU 7.2 to 11.1 have, then others for what it has no words for. */
static const char *const machines[] = { "pc-q35-7.2", "pc-q35-11.1", "pc-q35-6.1", "pc-q35-6.0" };

#define MAX_ITEMS 256
#define MAX_TEXT  8192
#define ROUNDS    4 /* a change can bring another about: hv-synic wants hv-vpindex, xsave brings its leaf */
#define TRIED     3 /* models that are tried to the end */

struct item {
	const char *name;
	char sign;   /* '+', '-', or 0 for name=value */
	char value[52];
};

struct search {
	const struct gabi_contract *contract;
	const struct gabi_host *host;
	struct gabi_mem mem;
	const char *machine;
	const struct gabi_model *model;
	struct item items[MAX_ITEMS];
	size_t count;
	char text[MAX_TEXT];
	size_t differ; /* what is left between the guest of the text and the contract's */
};

/* ---- differences ---- */

static uint64_t value_in(const struct gabi_contract *contract, const struct gabi_key *key)
{
	const struct gabi_word *word = gabi_contract_find(contract, key, GABI_VP_ALL);

	return word ? word->value : 0;
}

/* Calls for each word in which the two differ. */
static void each_difference(const struct gabi_contract *want, const struct gabi_contract *have,
			    void (*found)(void *ctx, const struct gabi_key *key, uint64_t want, uint64_t have), void *ctx)
{
	size_t count;
	const struct gabi_word *word = gabi_contract_words(want, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t other = value_in(have, &word[i].key);

		if (word[i].value != other)
			found(ctx, &word[i].key, word[i].value, other);
	}
	word = gabi_contract_words(have, &count);
	for (size_t i = 0; i < count; i++)
		if (word[i].value && !gabi_contract_find(want, &word[i].key, GABI_VP_ALL))
			found(ctx, &word[i].key, 0, word[i].value);
}

/* ---- a difference by its name ---- */

static struct item *item_named(struct search *search, const char *name)
{
	for (size_t i = 0; i < search->count; i++)
		if (!strcmp(search->items[i].name, name))
			return &search->items[i];
	return NULL;
}

/* What was said once is not said otherwise: it did not help. */
static struct item *new_item(struct search *search, const char *name, char sign)
{
	if (search->count == MAX_ITEMS || item_named(search, name))
		return NULL;
	search->items[search->count] = (struct item){ .name = name, .sign = sign };
	return &search->items[search->count++];
}

static void say_number(struct search *search, const char *name, uint64_t value)
{
	struct item *item = new_item(search, name, '\0');
	struct gabi_out out;

	if (!item)
		return;
	out = gabi_out_to(item->value, sizeof(item->value));
	gabi_out_text(&out, "0x");
	gabi_out_hex(&out, value, 1);
}

static void say_text(struct search *search, const char *name, const char *value)
{
	struct item *item = new_item(search, name, '\0');
	struct gabi_out out;

	if (!item)
		return;
	out = gabi_out_to(item->value, sizeof(item->value));
	gabi_out_text(&out, value);
}

/* The bytes of a text in the contract; "" where they would not be read as they are written. */
static void say_letters(struct search *search, const char *name, const struct gabi_key *keys, unsigned count)
{
	char text[49];

	for (unsigned i = 0; i < count; i++)
		for (unsigned n = 0; n < 4; n++)
			text[4 * i + n] = (char)(value_in(search->contract, &keys[i]) >> 8 * n);
	text[4 * count] = '\0';
	for (const char *at = text; *at; at++)
		if (*at == ',' || *at == '\'' || *at < ' ' || *at > '~')
			return;
	say_text(search, name, text);
}

#define CPUID_KEY(leaf, reg) { .space = GABI_SPACE_CPUID, .part = GABI_##reg, .index = leaf }
#define HV_KEY(leaf, reg)    { .space = GABI_SPACE_HYPERV, .part = GABI_##reg, .index = leaf }

static void say_vendor(struct search *search)
{
	static const struct gabi_key keys[] = { CPUID_KEY(0, EBX), CPUID_KEY(0, EDX), CPUID_KEY(0, ECX) };

	say_letters(search, "vendor", keys, 3);
}

static void say_hv_vendor(struct search *search)
{
	static const struct gabi_key keys[] = { HV_KEY(0x40000000, EBX), HV_KEY(0x40000000, ECX), HV_KEY(0x40000000, EDX) };

	say_letters(search, "hv-vendor-id", keys, 3);
}

static void say_model_id(struct search *search)
{
	struct gabi_key keys[12];

	for (unsigned i = 0; i < 12; i++)
		keys[i] =
			(struct gabi_key){ .space = GABI_SPACE_CPUID, .part = (uint16_t)(i % 4), .index = 0x80000002 + i / 4 };
	say_letters(search, "model-id", keys, 12);
}

/* SDM, CPUID.01H: the family and the model stand in two fields each. */
static void say_signature(struct search *search, uint64_t want)
{
	say_number(search, "family", (want >> 8 & 0xf) + (want >> 20 & 0xff));
	say_number(search, "model", (want >> 4 & 0xf) | (want >> 12 & 0xf0));
	say_number(search, "stepping", want & 0xf);
}

static void say_switch(struct search *search, const char *name, bool on)
{
	say_text(search, name, on ? "on" : "off");
}

static void say_tsc(struct search *search, uint64_t khz)
{
	struct item *item = new_item(search, "tsc-frequency", '\0');
	struct gabi_out out;

	if (!item)
		return;
	out = gabi_out_to(item->value, sizeof(item->value));
	gabi_out_dec(&out, khz * 1000);
}

/* A model's caches can be changed for the old ones, and the last be left out. */
static void say_caches(struct search *search, uint64_t leaf, uint64_t want)
{
	if (leaf == 0x80000006 && !want)
		say_switch(search, "l3-cache", false);
	else
		say_switch(search, "legacy-cache", true);
}

/* Is the machine one of a release that knows what QEMU 11.1 knows? Others are started by QEMU 7.2 too, in its words alone. */
static bool is_new(const char *machine)
{
	return !strcmp(machine, "pc-q35-11.1");
}

static void say_addresses(struct search *search, uint64_t want, uint64_t have)
{
	if ((want ^ have) & 0xff)
		say_number(search, "phys-bits", want & 0xff);
	if ((want ^ have) & 0xff0000 && is_new(search->machine))
		say_number(search, "guest-phys-bits", want >> 16 & 0xff);
}

/* What no name of a field says. True if the word was one of these. */
static bool say_special(struct search *search, const struct gabi_key *key, uint64_t want, uint64_t have)
{
	if (key->space == GABI_SPACE_VM && key->index == GABI_VM_TSC_KHZ)
		return say_tsc(search, want), true;
	if (key->space == GABI_SPACE_KVM && key->index == 0x40000000 && key->part == GABI_EBX)
		return say_switch(search, "kvm", want != 0), true;
	if (key->space == GABI_SPACE_KVM && key->index == 0x40000010)
		return say_switch(search, "vmware-cpuid-freq", want != 0), true;
	if (key->space == GABI_SPACE_MSR && key->index == 0x8b)
		return say_number(search, "ucode-rev", want), true;
	if (key->space == GABI_SPACE_HYPERV && key->index == 0x40000000)
		return key->part != GABI_EAX ? say_hv_vendor(search), true : true;
	if (key->space == GABI_SPACE_HYPERV && key->index == 0x40000004 && key->part == GABI_EAX && (want ^ have) >> 18 & 1)
		return say_switch(search, "hv-no-nonarch-coresharing", want >> 18 & 1), false;
	if (key->space != GABI_SPACE_CPUID)
		return false;
	switch (key->index) {
	case 0:
	case 0x80000000:
		return key->part != GABI_EAX ? say_vendor(search), true : false;
	case 1:
		return key->part == GABI_EAX ? say_signature(search, want), true : false;
	case 2:
	case 4:
	case 0x80000005:
	case 0x80000006:
	case 0x8000001d:
		return say_caches(search, key->index, want), true;
	case 7:
		return key->part == GABI_EAX && !key->sub ? say_number(search, "level-func7", want), true : false;
	case 0xa:
		return say_switch(search, "pmu", want != 0), true;
	case 0x80000002:
	case 0x80000003:
	case 0x80000004:
		return say_model_id(search), true;
	case 0x80000008:
		return key->part == GABI_EAX ? say_addresses(search, want, have), true : false;
	default:
		return false;
	}
}

/* The names by which QEMU knows the bits: the first of them that is of one bit or a number. */
static void say_field(struct search *search, const struct gabi_key *key, const struct gabi_field *field, uint64_t want)
{
	size_t count;
	const struct gabi_qemu_name *names = gabi_qemu_names(&count), *own = NULL;
	uint64_t value = want >> field->lo & gabi_mask(field->bits);

	for (size_t i = 0; i < count; i++)
		if (gabi_qemu_field(&names[i]) == field && gabi_cpu_knows(names[i].name) && (!own || names[i].is_alias))
			own = &names[i];
	if (!own || (field->bits == 1 && !(gabi_qemu_named(key, is_new(search->machine)) >> field->lo & 1)))
		return;
	if (field->bits == 1 && gabi_cpu_is_feature(own->name))
		new_item(search, own->name, value ? '+' : '-');
	else
		say_number(search, own->name, value);
}

static void say_word(void *ctx, const struct gabi_key *key, uint64_t want, uint64_t have)
{
	struct search *search = ctx;
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);

	search->differ++;
	if (say_special(search, key, want, have))
		return;
	for (size_t i = 0; i < count; i++)
		if ((want ^ have) >> field[i].lo & gabi_mask(field[i].bits))
			say_field(search, key, &field[i], want);
}

/* ---- a line, tried ---- */

static int write_text(struct search *search)
{
	struct gabi_out out = gabi_out_to(search->text, sizeof(search->text));

	gabi_out_text(&out, "-machine ");
	gabi_out_text(&out, search->machine);
	gabi_out_text(&out, ",accel=kvm -cpu '"); /* a brand has spaces */
	gabi_out_text(&out, search->model->name);
	for (size_t i = 0; i < search->count; i++) {
		const struct item *item = &search->items[i];

		gabi_out_char(&out, ',');
		if (item->sign)
			gabi_out_char(&out, item->sign);
		gabi_out_text(&out, item->name);
		if (!item->sign) {
			gabi_out_char(&out, '=');
			gabi_out_text(&out, item->value);
		}
	}
	gabi_out_char(&out, '\'');
	return out.len < sizeof(search->text) ? 0 : GABI_ERR_LIMIT;
}

/* Counts what differs, and says it in new items where `says`. A line that QEMU refuses differs in everything. */
static int try_line(struct search *search, bool says)
{
	struct gabi_qemu *line = NULL;
	struct gabi_qemu_guest *guest = NULL;
	struct gabi_contract *have = NULL;
	int err = write_text(search);
	size_t count = search->count;

	search->differ = SIZE_MAX / 2;
	if (err)
		return 0;
	err = gabi_qemu_parse(search->text, strlen(search->text), NULL, &search->mem, &line, NULL);
	if (!err)
		err = gabi_qemu_start(line, search->host, &search->mem, &guest, NULL);
	if (!err)
		have = gabi_qemu_guest_contract(guest);
	if (have) {
		search->differ = 0;
		each_difference(search->contract, have, say_word, search);
	}
	if (!says)
		search->count = count;
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
	return err == GABI_ERR_NOMEM || err == GABI_ERR_ARG ? err : 0;
}

static void drop_item(struct search *search, size_t at)
{
	memmove(&search->items[at], &search->items[at + 1], (search->count - at - 1) * sizeof(search->items[0]));
	search->count--;
}

/* Takes away what changes nothing: what helped no difference, and what another item brings by itself. */
static int shorten(struct search *search)
{
	size_t differ = search->differ;
	int err = 0;

	for (size_t i = search->count; !err && i--;) {
		struct item item = search->items[i];

		drop_item(search, i);
		err = try_line(search, false);
		if (search->differ <= differ) {
			differ = search->differ;
			continue;
		}
		memmove(&search->items[i + 1], &search->items[i], (search->count - i) * sizeof(search->items[0]));
		search->items[i] = item;
		search->count++;
	}
	return err ? err : try_line(search, false);
}

static int refine(struct search *search)
{
	int err = 0;

	search->count = 0;
	for (unsigned round = 0; !err && round < ROUNDS; round++) {
		size_t count = search->count;

		err = try_line(search, true);
		if (search->count == count)
			break;
	}
	return err ? err : try_line(search, false);
}

/* ---- which model ---- */

struct nearest {
	const struct gabi_model *model;
	size_t distance;
};

/* A difference of what no name can change weighs more. */
static void weigh(void *ctx, const struct gabi_key *key, uint64_t want, uint64_t have)
{
	struct search *search = ctx;
	bool fixed = key->space == GABI_SPACE_CPUID &&
		     (key->index == 2 || key->index == 4 || (key->index >= 0x80000005 && key->index <= 0x80000006) ||
		      key->index == 0x8000001d);

	for (uint64_t bits = want ^ have; bits && !fixed; bits &= bits - 1)
		search->differ++;
	search->differ += fixed ? 8 : 0;
}

static int distance_of(struct search *search, const struct gabi_model *model, size_t *ret_distance)
{
	struct gabi_qemu *line = NULL;
	struct gabi_qemu_guest *guest = NULL;
	int err;

	search->model = model;
	search->count = 0;
	search->differ = 0;
	write_text(search);
	err = gabi_qemu_parse(search->text, strlen(search->text), NULL, &search->mem, &line, NULL);
	if (!err)
		err = gabi_qemu_start(line, search->host, &search->mem, &guest, NULL);
	if (!err && gabi_qemu_guest_contract(guest))
		each_difference(search->contract, gabi_qemu_guest_contract(guest), weigh, search);
	*ret_distance = err ? SIZE_MAX / 2 : search->differ;
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
	return err;
}

static void keep_nearest(struct nearest *nearest, const struct gabi_model *model, size_t distance)
{
	size_t at = TRIED;

	while (at && (!nearest[at - 1].model || distance <= nearest[at - 1].distance))
		at--;
	if (at == TRIED)
		return;
	memmove(&nearest[at + 1], &nearest[at], (TRIED - at - 1) * sizeof(*nearest));
	nearest[at] = (struct nearest){ model, distance };
}

/* The models that this machine's QEMU has. */
static bool is_known(const struct gabi_model *model, const char *machine)
{
	return model->arch == GABI_ARCH_X86 &&
	       (!strcmp(model->source, "QEMU 7.2") || (is_new(machine) && !strncmp(model->source, "QEMU", 4)));
}

static bool is_better(const struct search *search, const struct search *best)
{
	return !best->model || search->differ < best->differ || (search->differ == best->differ && search->count < best->count);
}

/* Tries a machine's nearest models; keeps the line in *best where it is better. */
static int try_machine(struct search *search, struct search *best)
{
	struct nearest nearest[TRIED] = { 0 };
	size_t count, distance;
	const struct gabi_model *model = gabi_models(&count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		if (!is_known(&model[i], search->machine))
			continue;
		err = distance_of(search, &model[i], &distance);
		keep_nearest(nearest, &model[i], distance);
	}
	for (size_t i = 0; !err && i < TRIED && nearest[i].model; i++) {
		search->model = nearest[i].model;
		err = refine(search);
		if (!err && is_better(search, best))
			*best = *search;
	}
	return err;
}

int gabi_qemu_find(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_mem *mem,
		   struct gabi_qemu **ret_line, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct search *search, *best;
	int err;

	if (gabi_host_arch(host) == GABI_ARCH_ARM64)
		return gabi_qemu_find_arm64(contract, host, mem, ret_line, diag);
	search = gabi_mem_get(&own, 2 * sizeof(*search));
	best = search + 1;
	err = search ? gabi_qemu_check_host(host, diag) : GABI_ERR_NOMEM;
	if (!err)
		search[0] = search[1] = (struct search){ .contract = contract, .host = host, .mem = own };
	for (size_t i = 0; !err && i < GABI_COUNT_OF(machines); i++) {
		search->machine = machines[i];
		err = try_machine(search, best);
		if (!err && !best->differ)
			break;
	}
	if (!err)
		err = shorten(best);
	if (!err)
		err = gabi_qemu_parse(best->text, strlen(best->text), NULL, mem, ret_line, diag);
	if (err == GABI_ERR_NOMEM)
		gabi_fail(diag, err, "out of memory", (char *)NULL);
	gabi_mem_put(&own, search);
	return err;
}
