/* SPDX-License-Identifier: MIT */
/*
 * Firmware registers, the SMCCC filter and an ITS of arm64 on this machine's KVM: what it refuses, before the first run and after
 * it, and what gabi makes of that. A line each: "passed" or "failed", what, and what came instead. Static and alone, so that it
 * runs in a machine that has nothing else. Exit status: 0 all as the kernel's documents have it, 1 not.
 *
 * Built a second time without the rows of some registers (lab/older), it is a gabi that has never heard of them.
 */
#include <gabi/contract.h>
#include <gabi/kvm.h>
#include <gabi/verdict.h>

#include "kvm/io.h"
#include "kvm/uapi.h"
#include "verdict/blame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define STD_BMAP  0x6030000000160000u
#define NO_SUCH   0x603000000016fff0u /* a bitmap that no kernel has */
#define TRNG      0x84000050u         /* Arm DEN 0098, and of 64 bits */
#define VENDOR    0x86000000u         /* Arm DEN 0028: what the hypervisor's vendor defines */
#define UNKNOWN   (1ull << 63)        /* a bit that no bitmap has */
enum { TRNG_CALLS = 4, VENDOR_CALLS = 64 };

static struct gabi_host *host;
static struct gabi_contract *all; /* of all that this machine offers */
static unsigned failures, checks;

static void say(bool passed, const char *what, uint64_t id, const char *instead)
{
	checks++;
	failures += !passed;
	printf("%s\t0x%" PRIx64 "\t%s%s%s\n", passed ? "passed" : "failed", id, what, passed ? "" : "\t", passed ? "" : instead);
}

static void say_errno(const char *what, uint64_t id, int seen, int want)
{
	say(seen == want, what, id, seen ? strerror(seen) : "it was taken");
}

static int fail(const struct gabi_diag *diag)
{
	fprintf(stderr, "gabi-firmware: %s\n", diag->text);
	return 4;
}

/* ---- registers as KVM has them ---- */

static int move(int vcpu, unsigned long request, uint64_t id, uint64_t *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	return kvm_ioctl(vcpu, request, &reg) ? errno : 0;
}

static int set(const struct gabi_kvm_vm *vm, unsigned vp, uint64_t id, uint64_t value)
{
	return move(vm->vcpu[vp], KVM_SET_ONE_REG, id, &value);
}

static uint64_t get(const struct gabi_kvm_vm *vm, unsigned vp, uint64_t id)
{
	uint64_t value = ~0ull;

	return move(vm->vcpu[vp], KVM_GET_ONE_REG, id, &value) ? ~0ull : value;
}

static bool is_fw_of_class(const struct gabi_key *key, uint64_t class)
{
	return key->space == GABI_SPACE_ARM64 && (key->index >> 16 & 0xfff) == class;
}

static bool is_there(const struct gabi_word *word, uint64_t class)
{
	return is_fw_of_class(&word->key, class) && !(word->flags & GABI_WORD_IMPLIED);
}

static const struct gabi_word *next_bitmap(const struct gabi_word *word)
{
	size_t count;
	const struct gabi_word *first = gabi_host_words(host, &count), *end = first + count;

	for (word = word ? word + 1 : first; word < end; word++)
		if (is_there(word, 0x16))
			return word;
	return NULL;
}

static struct gabi_kvm_vm *new_vm(struct gabi_diag *diag)
{
	const struct gabi_kvm_vm_options options = { .size = sizeof(options), .vcpus = 2 };
	struct gabi_kvm_vm *vm = NULL;

	return gabi_kvm_vm_create(all, &options, NULL, &vm, diag) ? NULL : vm;
}

static struct gabi_plan *plan_for(const struct gabi_contract *contract)
{
	struct gabi_plan *plan = NULL;

	gabi_plan_new(contract, host, NULL, NULL, &plan, NULL);
	return plan;
}

/* All that this machine offers is given to the VM; then a guest in it runs to its end. */
static int give_all(const struct gabi_kvm_vm *vm, struct gabi_diag *diag)
{
	struct gabi_plan *plan = plan_for(all);
	int err = plan ? gabi_kvm_apply(plan, vm, NULL, diag) : GABI_ERR_NOMEM;

	gabi_plan_free(plan);
	return err;
}

static int run(const struct gabi_kvm_vm *vm, struct gabi_diag *diag)
{
	struct gabi_plan *plan = plan_for(all);
	struct gabi_kvm_testimony *testimony = NULL;
	int err = gabi_kvm_witness(all, plan, vm, NULL, &testimony, diag);

	gabi_kvm_testimony_free(testimony);
	gabi_plan_free(plan);
	return err;
}

/* Of what a guest saw, the first firmware service or call that it was not promised so; NULL: none. */
static const char *wrong_sight(const struct gabi_kvm_testimony *testimony, char text[160])
{
	size_t count;
	const struct gabi_kvm_sight *sight = gabi_kvm_testimony_sights(testimony, &count);

	for (size_t i = 0; i < count; i++) {
		if (!gabi_is_fw(&sight[i].key) && sight[i].key.space != GABI_SPACE_SMCCC)
			continue;
		snprintf(text, 160, "the guest sees 0x%" PRIx64 " at 0x%" PRIx64 " where 0x%" PRIx64 " is promised", sight[i].seen,
			 sight[i].key.index, sight[i].want);
		return text;
	}
	return NULL;
}

static void say_sight(const char *what, uint64_t id, const struct gabi_kvm_trial *trial)
{
	char text[160];
	const char *wrong = trial->testimony ? wrong_sight(trial->testimony, text) : trial->refusal.text;

	say(!wrong, what, id, wrong);
}

static void before_the_first_run(const struct gabi_kvm_vm *vm)
{
	for (const struct gabi_word *word = next_bitmap(NULL); word; word = next_bitmap(word)) {
		uint64_t id = word->key.index;

		say_errno("takes no unknown bit", id, set(vm, 0, id, word->value | UNKNOWN), EINVAL);
		say_errno("takes 0", id, set(vm, 0, id, 0), 0);
		say(get(vm, 1, id) == 0, "is the VM's: the other virtual processor shows 0", id, "it does not");
	}
	say_errno("a register that there is not", NO_SUCH, set(vm, 0, NO_SUCH, 0), ENOENT);
}

static void after_it(const struct gabi_kvm_vm *vm)
{
	for (const struct gabi_word *word = next_bitmap(NULL); word; word = next_bitmap(word)) {
		uint64_t id = word->key.index;

		say_errno("takes no other value after the first run", id, set(vm, 0, id, word->settable & -word->settable), EBUSY);
		say_errno("takes the same value after it", id, set(vm, 1, id, 0), 0);
		say_errno("takes no unknown bit after it", id, set(vm, 0, id, UNKNOWN), EINVAL);
	}
}

/* ---- what gabi makes of it ---- */

typedef bool (*keep_fn)(const struct gabi_word *word);

static bool keep_all(const struct gabi_word *word)
{
	(void)word;
	return true;
}

/* A copy of the contract of all: of words that `keeps` wants, and with more, which take the place of those of their keys. */
static struct gabi_contract *changed(keep_fn keeps, const struct gabi_word *more, size_t mores)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_ARM64, NULL);
	size_t count;
	const struct gabi_word *word = gabi_contract_words(all, &count);
	int err = contract ? 0 : GABI_ERR_NOMEM;

	for (size_t i = 0; !err && i < count; i++) {
		bool replaced = false;

		for (size_t at = 0; at < mores; at++)
			replaced |= !gabi_key_compare(&word[i].key, &more[at].key);
		err = replaced || !keeps(&word[i]) ? 0 : gabi_contract_add(contract, &word[i], NULL);
	}
	for (size_t at = 0; !err && at < mores; at++)
		err = gabi_contract_add(contract, &more[at], NULL);
	if (!err && !gabi_contract_seal(contract, NULL))
		return contract;
	gabi_contract_free(contract);
	return NULL;
}

static void apply_says(const char *what, const struct gabi_contract *contract, const struct gabi_kvm_vm *vm, uint64_t id,
		       int sys_errno)
{
	struct gabi_plan *plan = plan_for(contract);
	struct gabi_diag diag = { 0 };
	int err = gabi_kvm_apply(plan, vm, NULL, &diag);

	say(err == GABI_ERR_KVM && diag.key.index == id && diag.sys_errno == sys_errno, what, id, err ? diag.text : "it was taken");
	gabi_plan_free(plan);
}

static int registers(struct gabi_diag *diag)
{
	const struct gabi_word *bitmap = next_bitmap(NULL);
	const struct gabi_word more = { .key = { .space = GABI_SPACE_ARM64, .index = bitmap ? bitmap->key.index : NO_SUCH },
					.value = UNKNOWN, .vp = GABI_VP_ALL, .bits = 64 };
	struct gabi_contract *with_unknown = changed(keep_all, &more, 1);
	struct gabi_kvm_vm *vm = new_vm(diag), *fresh = vm ? new_vm(diag) : NULL;
	int err = fresh && with_unknown ? 0 : GABI_ERR_KVM;

	if (!err) {
		apply_says("gabi names the register whose bit KVM does not know", with_unknown, fresh, more.key.index, bitmap ? EINVAL : ENOENT);
		err = give_all(vm, diag);
	}
	if (!err) {
		before_the_first_run(vm);
		err = run(vm, diag);
	}
	if (!err)
		after_it(vm);
	if (!err && bitmap && bitmap->value)
		apply_says("gabi names the register that is settled after the first run", all, vm, bitmap->key.index, EBUSY);
	gabi_kvm_vm_free(vm);
	gabi_kvm_vm_free(fresh);
	gabi_contract_free(with_unknown);
	return err;
}

/* ---- the filter ---- */

static const struct gabi_word filter[] = {
	{ .key = { .space = GABI_SPACE_VM, .index = GABI_VM_SMCCC_FILTER }, .value = 1, .vp = GABI_VP_ALL, .bits = 64 },
	{ .key = { .space = GABI_SPACE_SMCCC, .index = TRNG }, .value = GABI_SMCCC_WORD(GABI_SMCCC_DENY, TRNG_CALLS),
	  .vp = GABI_VP_ALL, .bits = 64 },
	{ .key = { .space = GABI_SPACE_SMCCC, .index = VENDOR }, .value = GABI_SMCCC_WORD(GABI_SMCCC_TO_VMM, VENDOR_CALLS),
	  .vp = GABI_VP_ALL, .bits = 64 },
};

/* The verdict, and whether the guest then sees it: KVM has filters since 6.4. */
static int try_filter(const struct gabi_contract *contract, struct gabi_diag *diag)
{
	const struct gabi_word *offer = gabi_host_find(host, &filter[0].key);
	bool can = offer && offer->value, fits = gabi_check_verdict(contract, host) <= GABI_FITS_WITH_ACTIONS;
	struct gabi_kvm_trial trial = { .testimony = NULL };
	int err = gabi_kvm_try(contract, host, NULL, NULL, &trial, diag);

	if (err)
		return err;
	say(fits == can, "gabi knows whether KVM has a filter", TRNG, "the verdict is the other one");
	if (can)
		say_sight("the guest's calls go where the filter says", TRNG, &trial);
	else
		say(trial.outcome == GABI_KVM_REFUSED && trial.refusal.key.space == GABI_SPACE_SMCCC, "KVM takes no filter", TRNG, "it did");
	gabi_kvm_testimony_free(trial.testimony);
	return 0;
}

static int filters(struct gabi_diag *diag)
{
	const struct gabi_word *offer = gabi_host_find(host, &filter[0].key);
	struct gabi_contract *contract = changed(keep_all, filter, sizeof(filter) / sizeof(filter[0]));
	struct gabi_plan *plan = contract ? plan_for(contract) : NULL;
	struct gabi_kvm_vm *vm = plan ? new_vm(diag) : NULL;
	int err = vm ? try_filter(contract, diag) : GABI_ERR_KVM;

	if (!err && offer && offer->value) {
		err = gabi_kvm_apply(plan, vm, NULL, diag);
		if (!err)
			apply_says("a call is filtered once in a VM's life", contract, vm, TRNG, EEXIST);
	}
	gabi_kvm_vm_free(vm);
	if (!err && offer && offer->value) {
		vm = new_vm(diag);
		err = vm ? give_all(vm, diag) : GABI_ERR_KVM;
		if (!err)
			err = run(vm, diag);
		if (!err)
			apply_says("no call is filtered after the first run", contract, vm, TRNG, EBUSY);
		gabi_kvm_vm_free(vm);
	}
	gabi_plan_free(plan);
	gabi_contract_free(contract);
	return err;
}

/* ---- what is not saved ---- */

/* An ITS is not, and a state without it would be none. A host with a GICv2 has no ITS. */
static int its(struct gabi_diag *diag)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS };
	struct gabi_kvm_vm *vm = new_vm(diag);
	struct gabi_state *state = NULL;
	struct gabi_diag said = { 0 };
	int err = vm ? give_all(vm, diag) : GABI_ERR_KVM;

	if (!err && !kvm_ioctl(vm->vm, KVM_CREATE_DEVICE, &device)) {
		int saved = gabi_kvm_save(all, vm, NULL, &state, NULL, &said);

		say(saved == GABI_ERR_UNSUPPORTED && strstr(said.text, "ITS"), "a VM with an ITS is not saved", device.type, said.text);
		kvm_close((int)device.fd);
	}
	gabi_kvm_vm_free(vm);
	return err;
}

/* ---- registers that this gabi has never heard of ---- */

static bool is_known(const struct gabi_word *word)
{
	return !is_fw_of_class(&word->key, 0x16) || gabi_reg_of(&word->key);
}

static bool is_known_level(const struct gabi_word *word)
{
	return !is_fw_of_class(&word->key, 0x14) || gabi_reg_of(&word->key);
}

/* A bitmap is written 0 at its own width, and the guest finds none of its services. */
static int unknown_bitmaps(struct gabi_diag *diag)
{
	struct gabi_contract *contract = changed(is_known, NULL, 0);
	struct gabi_plan *plan = contract ? plan_for(contract) : NULL;
	struct gabi_kvm_vm *vm = plan ? new_vm(diag) : NULL;
	struct gabi_kvm_trial trial = { .testimony = NULL };
	enum gabi_verdict verdict = contract ? gabi_check_verdict(contract, host) : GABI_UNKNOWN;
	int err = vm ? gabi_kvm_apply(plan, vm, NULL, diag) : GABI_ERR_KVM;

	for (const struct gabi_word *word = next_bitmap(NULL); !err && word; word = next_bitmap(word)) {
		say(verdict <= GABI_FITS_WITH_ACTIONS, "an unknown bitmap is no reason to refuse", word->key.index, gabi_verdict_text(verdict));
		say(get(vm, 1, word->key.index) == 0, "an unknown bitmap is written 0", word->key.index, "it is not");
	}
	gabi_kvm_vm_free(vm);
	if (!err)
		err = gabi_kvm_try(contract, host, NULL, NULL, &trial, diag);
	if (!err && next_bitmap(NULL)) /* before them the kernel has services that nobody can switch off */
		say_sight("the guest finds none of the services", STD_BMAP, &trial);
	gabi_kvm_testimony_free(trial.testimony);
	gabi_plan_free(plan);
	gabi_contract_free(contract);
	return err;
}

/* What an unknown register of another class does, nobody here knows: that is the verdict, unless it shows nothing. */
static int unknown_levels(void)
{
	struct gabi_contract *contract = changed(is_known_level, NULL, 0);
	size_t count;
	const struct gabi_word *word = gabi_host_words(host, &count);
	bool shows = false;
	enum gabi_verdict verdict;

	if (!contract)
		return GABI_ERR_NOMEM;
	verdict = gabi_check_verdict(contract, host);
	for (size_t i = 0; i < count; i++)
		shows |= is_there(&word[i], 0x14) && !gabi_reg_of(&word[i].key) && word[i].value;
	say(shows == (verdict == GABI_UNKNOWN), shows ? "an unknown register of another class makes the verdict unknown" :
							"an unknown register that shows nothing is no finding",
	    0x6030000000140000, gabi_verdict_text(verdict));
	gabi_contract_free(contract);
	return 0;
}

static bool is_older(void)
{
	const struct gabi_key key = { .space = GABI_SPACE_ARM64, .index = STD_BMAP };

	return !gabi_reg_of(&key);
}

int main(void)
{
	struct gabi_diag diag = { 0 };
	int err = gabi_kvm_probe(NULL, NULL, &host, &diag);

	if (!err)
		err = gabi_contract_pin(host, NULL, NULL, &all, &diag);
	if (!err)
		err = is_older() ? unknown_bitmaps(&diag) : registers(&diag);
	if (!err)
		err = is_older() ? unknown_levels() : filters(&diag);
	if (!err && !is_older())
		err = its(&diag);
	gabi_contract_free(all);
	gabi_host_free(host);
	if (err)
		return fail(&diag);
	printf("%u checks, %u failed\n", checks, failures);
	return failures || !checks;
}
