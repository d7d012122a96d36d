/* SPDX-License-Identifier: MIT */
/*
 * Mutated nested states: what gabi_nested_check says of each beforehand, and what KVM_SET_NESTED_STATE then says. Which they are follows from
 * the seed alone. Each row of nested_mutation.def aims at one rule; the rest are drawn.
 */
#include "nested_vm.h"

#include "base/base.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- mutations ---- */

/* What is changed: bytes of the blob (VMX: a field of the VMCS, too), some bits cleared and then some set. */
struct edit {
	uint16_t field; /* VMX: enum gabi_vmcs_id; GABI_VMCS_COUNT: offset and bytes say what */
	uint16_t offset;
	uint8_t bytes;
	uint64_t clear, set;
};

enum base { BASE_L2, BASE_L1, BASE_OFF, BASES };

enum situation {
	USUAL,
	IN_SMM,
	WITH_EVMCS, /* a vCPU that may use it */
	LACKS,      /* VMX: its CPUID has no VMX; SVM: EFER.SVME is clear */
	OWN_PAT,    /* SVM: L2 has a PAT of its own */
	SITUATIONS
};

enum { EDITS = 6 };

struct row {
	uint16_t rule; /* enum gabi_nested_rule */
	uint8_t svm, base, situation;
	struct edit edit[EDITS];
};

#define ALL              UINT64_MAX
#define BIT(n)           (UINT64_C(1) << (n))
#define FIELD(name, c, s) { .field = GABI_VMCS_##name, .clear = c, .set = s }
#define BYTES(at, n, c, s) { .field = GABI_VMCS_COUNT, .offset = at, .bytes = n, .clear = c, .set = s }
#define VMCB(at, n, c, s) BYTES(GABI_NESTED_HEADER + (at), n, c, s)

static const struct row rows[] = {
#define NESTED_MUTATION_VMX(id, from, where, ...) { GABI_NESTED_##id, 0, BASE_##from, where, { __VA_ARGS__ } },
#define NESTED_MUTATION_SVM(id, from, where, ...) { GABI_NESTED_##id, 1, BASE_##from, where, { __VA_ARGS__ } },
#include "nested_mutation.def"
};

static uint64_t stream;

static uint64_t draw(void)
{
	stream ^= stream << 13;
	stream ^= stream >> 7;
	stream ^= stream << 17;
	return stream * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned below(unsigned limit)
{
	return (unsigned)((draw() >> 32) % limit);
}

/* Numbers at which rules change their mind. */
static uint64_t some_number(uint64_t now)
{
	switch (below(9)) {
	case 0:
		return 0;
	case 1:
		return ALL;
	case 2:
		return BIT(below(64));
	case 3:
	case 4:
		return now ^ BIT(below(64));
	case 5:
		return now ^ BIT(below(16));
	case 6:
		return draw() & UINT64_C(0x1ff000); /* a page */
	case 7:
		return draw() >> below(64);
	default:
		return now + below(5) - 2;
	}
}

/* ---- what is tried ---- */

struct world {
	const char *release;
	const struct gabi_vmcs_layout *layout;
	bool svm, off; /* KVM's module has no nested virtualisation */
	struct nested_vm vm[SITUATIONS]; /* a vCPU for each; it never runs */
	bool has[SITUATIONS];
	struct gabi_nested_target target[SITUATIONS];
	struct kvm_sregs sregs;
	uint8_t base[BASES][GABI_NESTED_MAX];
	uint8_t old[GABI_NESTED_MAX]; /* what is there before */
	unsigned tried, agreed, undecided;
	unsigned said[GABI_NESTED_RULE_COUNT];
};

struct trial {
	const char *what; /* "aimed" or "drawn" */
	enum situation situation;
	enum base base;
	struct edit edit[EDITS];
	uint8_t blob[GABI_NESTED_MAX];
};

static struct edit at_bytes(const struct world *world, const struct edit *edit)
{
	struct edit at = *edit;

	if (edit->field < GABI_VMCS_COUNT) {
		struct gabi_vmcs_encoding encoding;
		size_t count;

		gabi_vmcs_decode(gabi_vmcs_fields(&count)[edit->field].encoding, &encoding, NULL);
		at.bytes = world->layout->offset[edit->field] ? encoding.bytes : 0;
		at.offset = (uint16_t)(GABI_NESTED_HEADER + world->layout->offset[edit->field]);
	}
	return at;
}

static uint64_t value_at(const uint8_t *blob, const struct edit *at)
{
	uint64_t value = 0;

	memcpy(&value, blob + at->offset, at->bytes);
	return value;
}

static void apply(const struct world *world, struct trial *trial)
{
	memcpy(trial->blob, world->base[trial->base], sizeof(trial->blob));
	for (unsigned i = 0; i < EDITS; i++) {
		struct edit at = at_bytes(world, &trial->edit[i]);
		uint64_t value = (value_at(trial->blob, &at) & ~at.clear) | at.set;

		memcpy(trial->blob + at.offset, &value, at.bytes);
	}
}

static struct edit draw_header(const struct world *world, const struct trial *trial)
{
	static const struct {
		uint8_t at, bytes;
	} vmx[] = { { 0, 2 }, { 0, 2 }, { 2, 2 }, { 4, 4 }, { 8, 8 }, { 16, 8 }, { 24, 2 }, { 28, 4 }, { 32, 8 }, { 40, 8 } },
	  svm[] = { { 0, 2 }, { 0, 2 }, { 2, 2 }, { 4, 4 }, { 8, 8 }, { 16, 8 } };
	unsigned i = world->svm ? below(GABI_COUNT_OF(svm)) : below(GABI_COUNT_OF(vmx));
	struct edit edit = BYTES(world->svm ? svm[i].at : vmx[i].at, world->svm ? svm[i].bytes : vmx[i].bytes, ALL, 0);

	edit.set = some_number(value_at(world->base[trial->base], &edit));
	return edit;
}

static struct edit draw_vmcb(const struct world *world, const struct trial *trial)
{
	static const uint16_t at[] = { 0x00, 0x04, 0x08, 0x0c, 0x10, 0x40, 0x48, 0x58, 0x5c, 0x60, 0x68, 0x90, 0xa8, 0xb0, 0xb8, 0xc0 };
	static const uint16_t save[] = { 0x10, 0xd0, 0x148, 0x150, 0x158, 0x160, 0x168, 0x170, 0x178, 0x1d8, 0x268 };
	struct edit edit = VMCB(below(2) ? at[below(GABI_COUNT_OF(at))] : GABI_NESTED_SVM_SAVE + save[below(GABI_COUNT_OF(save))], 8, ALL, 0);

	edit.set = some_number(value_at(world->base[trial->base], &edit));
	return edit;
}

static struct edit draw_field(const struct world *world, const struct trial *trial)
{
	struct edit edit = { .clear = ALL }, at;

	do
		edit.field = (uint16_t)below(GABI_VMCS_COUNT);
	while (!world->layout->offset[edit.field]);
	at = at_bytes(world, &edit);
	edit.set = some_number(value_at(world->base[trial->base], &at));
	return edit;
}

/* Control bits that this vCPU may set, so that the rules behind the controls are reached as well. */
static struct edit draw_control(const struct world *world, const struct trial *trial)
{
	static const uint8_t words[] = { GABI_VMCS_WORD_PIN, GABI_VMCS_WORD_PROC, GABI_VMCS_WORD_PROC2, GABI_VMCS_WORD_EXIT, GABI_VMCS_WORD_ENTRY };
	const struct gabi_nested_target *target = &world->target[trial->situation];
	const struct gabi_vmcs_control *control = gabi_vmcs_control(words[below(sizeof(words))]);
	uint32_t msr = control->true_msr ? control->true_msr : control->msr;
	uint64_t may = target->msr[msr - GABI_NESTED_MSR_FIRST] >> 32;

	return (struct edit){ .field = control->id, .set = may & draw() & draw() };
}

static void draw_trial(const struct world *world, struct trial *trial)
{
	unsigned edits = 1 + below(3), situation = below(12);

	*trial = (struct trial){ .what = "drawn", .base = below(4) ? BASE_L2 : below(BASES), .situation = USUAL };
	if (situation < 5 && world->has[situation])
		trial->situation = situation;
	for (unsigned i = 0; i < EDITS; i++)
		trial->edit[i] = (struct edit){ .field = GABI_VMCS_COUNT };
	for (unsigned i = 0; i < edits; i++)
		trial->edit[i] = !below(4) ? draw_header(world, trial) : world->svm ? draw_vmcb(world, trial) : below(3) ? draw_field(world, trial) :
				 draw_control(world, trial);
	if (!world->svm && below(2)) {
		trial->edit[3] = (struct edit)FIELD(CPU_BASED_VM_EXEC_CONTROL, 0, BIT(31));
		trial->edit[4] = draw_control(world, trial);
	}
}

static bool aim_trial(const struct world *world, const struct row *row, struct trial *trial)
{
	if (row->svm != world->svm || !world->has[row->situation])
		return false;
	*trial = (struct trial){ .what = "aimed", .situation = row->situation, .base = row->base };
	for (unsigned i = 0; i < EDITS; i++) {
		trial->edit[i] = row->edit[i];
		if (!row->edit[i].clear && !row->edit[i].set)
			trial->edit[i] = (struct edit){ .field = GABI_VMCS_COUNT };
	}
	return true;
}

/* ---- the vCPU ---- */

static void need(const struct nested_vm *vm, unsigned long request, void *arg, const char *what)
{
	if (ioctl(vm->vcpu, request, arg))
		give_up(what);
}

static void set_smm(const struct nested_vm *vm, bool on)
{
	struct kvm_vcpu_events events;

	need(vm, KVM_GET_VCPU_EVENTS, &events, "KVM_GET_VCPU_EVENTS");
	events.flags = KVM_VCPUEVENT_VALID_SMM;
	events.smi.smm = on;
	need(vm, KVM_SET_VCPU_EVENTS, &events, "KVM_SET_VCPU_EVENTS");
}

/* As before every trial: out of SMM, the registers of L1, and a nested state that can be told from the trial's. */
static void reset(struct world *world, enum situation situation)
{
	struct nested_vm *vm = &world->vm[situation];
	struct kvm_sregs sregs = world->sregs;

	set_smm(vm, false);
	if (ioctl(vm->vcpu, KVM_SET_NESTED_STATE, world->base[BASE_OFF]) && !world->off)
		give_up("no nested state");
	if (situation == LACKS)
		sregs.efer &= ~BIT(12);
	if (situation == LACKS || world->off)
		sregs.cr4 &= ~BIT(13);
	if (world->off && ioctl(vm->vcpu, KVM_SET_SREGS, &sregs)) {
		sregs.efer &= ~BIT(12); /* since 7.2 it is reserved then, and nothing of the nested state is taken whatever it is */
		world->target[situation].svme_off = 1;
	}
	need(vm, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	if (situation != LACKS && !world->off)
		need(vm, KVM_SET_NESTED_STATE, world->old, "the state before the trial");
	if (situation == IN_SMM)
		set_smm(vm, true);
}

/* Is the state before the trial still there? */
static bool old_is_there(const struct world *world, enum situation situation)
{
	static uint8_t now[GABI_NESTED_MAX];
	const uint32_t size = sizeof(now);

	memcpy(now + 4, &size, sizeof(size));
	need(&world->vm[situation], KVM_GET_NESTED_STATE, now, "KVM_GET_NESTED_STATE");
	return !memcmp(now + 8, world->old + 8, world->svm ? 8 : 16);
}

/* ---- one trial ---- */

static void print_edits(const struct world *world, const struct trial *trial)
{
	size_t count;

	for (unsigned i = 0; i < EDITS; i++) {
		struct edit at = at_bytes(world, &trial->edit[i]);

		if (!at.bytes)
			continue;
		if (at.field < GABI_VMCS_COUNT)
			printf(" %s", gabi_vmcs_fields(&count)[at.field].name);
		else
			printf(" @%u", at.offset);
		printf("=0x%" PRIx64, value_at(trial->blob, &at));
	}
}

static void disagree(const struct world *world, const struct trial *trial, const struct gabi_nested_verdict *verdict, const char *kvm)
{
	static const char *const situations[] = { "usual", "in SMM", "with eVMCS", "lacks", "own PAT" };
	static const char *const bases[] = { "L2", "L1", "off" };

	printf("differs\t%s %s %s:", trial->what, bases[trial->base], situations[trial->situation]);
	print_edits(world, trial);
	printf("\tgabi: %s\tKVM: %s\n", gabi_nested_rule_number(verdict->rule), kvm);
}

static void try_one(struct world *world, struct trial *trial)
{
	struct gabi_nested_verdict verdict;
	struct gabi_diag diag = { 0 };
	bool keeps, refused, watched = trial->situation != LACKS && trial->situation != IN_SMM && !world->off;
	uint32_t size;

	apply(world, trial);
	memcpy(&size, trial->blob + 4, 4);
	if (size > GABI_NESTED_MAX)
		return; /* no caller has more */
	reset(world, trial->situation);
	if (gabi_nested_check(trial->blob, sizeof(trial->blob), &world->target[trial->situation], &verdict, &diag))
		give_up(diag.text);
	refused = ioctl(world->vm[trial->situation].vcpu, KVM_SET_NESTED_STATE, trial->blob) != 0;
	if (refused && errno != EINVAL)
		give_up("KVM_SET_NESTED_STATE");
	keeps = refused && watched && old_is_there(world, trial->situation);
	if (verdict.unknown && verdict.rule == GABI_NESTED_ACCEPTED) {
		world->undecided++;
		return;
	}
	world->tried++;
	world->said[verdict.rule]++;
	if (refused != (verdict.rule != GABI_NESTED_ACCEPTED))
		disagree(world, trial, &verdict, refused ? "refused" : "taken");
	else if (refused && watched && keeps != !verdict.late)
		disagree(world, trial, &verdict, keeps ? "the old state is there" : "the old state is gone");
	else
		world->agreed++;
}

/* ---- the world ---- */

static void put(uint8_t *blob, size_t at, uint64_t value)
{
	memcpy(blob + at, &value, sizeof(value));
}

static void make_bases(struct world *world)
{
	struct nested_vm vm;
	enum nested_stop stop;
	struct saved saved;

	nested_vm_new(&vm, world->svm ? L1_SVM : L1_VMX, 2);
	while ((stop = nested_vm_run(&vm)) != STOP_END) {
		const struct saved_part *nested;
		enum base base = stop == STOP_L2 ? BASE_L2 : BASE_L1;

		nested_vm_save(&vm, &saved);
		nested = saved_find(&saved, "nested");
		memcpy(world->base[base], nested->bytes, nested->len);
		if (stop == STOP_L1)
			memcpy(&world->sregs, saved_find(&saved, "sregs")->bytes, sizeof(world->sregs));
		saved_free(&saved);
	}
	nested_vm_free(&vm);
}

static void take_bases(struct world *world, const struct nested_bases *bases)
{
	if (bases) {
		memcpy(world->base[BASE_L1], bases->l1, GABI_NESTED_MAX);
		memcpy(world->base[BASE_L2], bases->l2, GABI_NESTED_MAX);
		world->sregs = bases->sregs;
	} else {
		make_bases(world);
	}
	memcpy(world->base[BASE_OFF], world->base[BASE_L1], 4);
	memset(world->base[BASE_OFF], 0, 2);
	put(world->base[BASE_OFF], 4, GABI_NESTED_HEADER);
	if (world->svm) {
		world->base[BASE_OFF][1] = GABI_NESTED_GIF_SET >> 8;
	} else {
		put(world->base[BASE_OFF], 8, GABI_NESTED_NONE);
		put(world->base[BASE_OFF], 16, GABI_NESTED_NONE);
	}
	memcpy(world->old, world->base[world->svm ? BASE_L2 : BASE_L1], sizeof(world->old));
	put(world->old, 8, 0x1fe000);
	if (!world->svm)
		put(world->old, 16, 0x1ff000);
}

static struct kvm_cpuid_entry2 *leaf_of(const struct nested_vm *vm, uint32_t leaf, uint32_t sub)
{
	for (unsigned i = 0; i < vm->cpuid->nent; i++)
		if (vm->cpuid->entries[i].function == leaf && vm->cpuid->entries[i].index == sub)
			return &vm->cpuid->entries[i];
	return NULL;
}

static uint32_t cpuid_of(const void *vm, uint32_t leaf, uint32_t sub, unsigned reg)
{
	const struct kvm_cpuid_entry2 *entry = leaf_of(vm, leaf, sub);
	const uint32_t regs[] = { entry ? entry->eax : 0, entry ? entry->ebx : 0, entry ? entry->ecx : 0, entry ? entry->edx : 0 };

	return regs[reg];
}

static void take_msrs(const struct nested_vm *vm, struct gabi_nested_target *target)
{
	for (unsigned n = 0; n < GABI_NESTED_MSRS; n++) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} request = { .head.nmsrs = 1, .entry.index = GABI_NESTED_MSR_FIRST + n };

		if (ioctl(vm->vcpu, KVM_GET_MSRS, &request) == 1) {
			target->msr[n] = request.entry.data;
			target->msr_known |= UINT32_C(1) << n;
		}
	}
}

static bool has_no_lbr(const struct nested_vm *vm)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} call = { { .nmsrs = 1 }, { .index = 0x345 } }; /* IA32_PERF_CAPABILITIES */

	return ioctl(vm->vcpu, KVM_GET_MSRS, &call) == 1 && !(call.entry.data & 0x3f);
}

/* VMX that a guest has not been given, or Hyper-V's quirk of SVM: by what KVM was told before. */
static bool make_situation(struct world *world, enum situation situation)
{
	struct nested_vm *vm = &world->vm[situation];
	struct gabi_nested_target *target = &world->target[situation];
	struct kvm_enable_cap quirk = { .cap = KVM_CAP_DISABLE_QUIRKS2, .args = { BIT(11) } }; /* KVM_X86_QUIRK_NESTED_SVM_SHARED_PAT */

	if (world->svm ? situation == WITH_EVMCS : situation == OWN_PAT || (world->off && situation == WITH_EVMCS))
		return false;
	if (situation == IN_SMM && ioctl(world->vm[USUAL].kvm, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) <= 0)
		return false;
	nested_vm_new(vm, world->svm ? L1_SVM : situation == WITH_EVMCS ? L1_EVMCS : L1_VMX, 0);
	*target = (struct gabi_nested_target){
		.size = sizeof(*target), .release = world->release, .svm = world->svm, .in_smm = situation == IN_SMM,
		.nested_off = world->off, .npt_off = world->svm && !nested_module_has("kvm_amd/parameters/npt"),
		.cr0 = world->sregs.cr0, .svme_off = world->svm && situation == LACKS, .own_pat = situation == OWN_PAT,
	};
	if (situation == WITH_EVMCS)
		target->evmcs = (struct gabi_evmcs_guest){ .enabled = 1, .hyperv = 1 };
	if (!world->svm && situation == LACKS) {
		leaf_of(vm, 1, 0)->ecx &= ~(uint32_t)BIT(5);
		need(vm, KVM_SET_CPUID2, vm->cpuid, "a CPUID without VMX");
	}
	target->no_lbr = !world->svm && has_no_lbr(vm);
	gabi_nested_target_cpuid(target, cpuid_of, vm);
	if (situation == OWN_PAT && ioctl(vm->vm, KVM_ENABLE_CAP, &quirk)) {
		nested_vm_free(vm);
		return false;
	}
	if (!world->svm)
		take_msrs(vm, target);
	return true;
}

/* Rules that no trial met: not tried is not agreed. */
static void print_rules(const struct world *world)
{
	for (unsigned rule = 0; rule < GABI_NESTED_RULE_COUNT; rule++)
		if (world->said[rule])
			printf("rule\t%s\t%u\n", gabi_nested_rule_number(rule), world->said[rule]);
	printf("tried\t%u\tagreed\t%u\tundecided\t%u\n", world->tried, world->agreed, world->undecided);
}

unsigned nested_rules(const char *release, const struct nested_bases *bases, uint64_t seed, unsigned count)
{
	static struct world world;
	static struct trial trial;

	world.release = release;
	world.svm = bases ? access("/sys/module/kvm_amd", F_OK) == 0 : nested_vm_can(L1_SVM);
	world.off = bases;
	world.layout = gabi_nested_layout(release);
	if (!world.layout || (bases != NULL) == (nested_vm_can(L1_SVM) || nested_vm_can(L1_VMX))) {
		fprintf(stderr, "gabi-nested: nested virtualisation is %s, or Linux %s is not known\n", bases ? "on" : "off", release);
		return 1;
	}
	stream = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	take_bases(&world, bases);
	for (enum situation situation = USUAL; situation < SITUATIONS; situation++)
		world.has[situation] = make_situation(&world, situation);
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (aim_trial(&world, &rows[i], &trial))
			try_one(&world, &trial);
	while (world.tried < count) {
		draw_trial(&world, &trial);
		try_one(&world, &trial);
	}
	print_rules(&world);
	return world.tried - world.agreed;
}
