/* SPDX-License-Identifier: MIT */
/*
 * Saves and restores a counting guest (guest/counter.c) on this machine. Static and alone, so that it runs in a machine that has
 * nothing else.
 *
 *     gabi-state save CONTRACT...         makes a VM of each contract, whatever its verdict, lets the guest run, and writes
 *                                         $LAB_OUT/CONTRACT@KERNEL.state where that went well
 *     gabi-state load CONTRACT STATE ...  in pairs: judges each state, restores it whatever the verdict, and lets the guest go on
 *     gabi-state prove CONTRACT STATE ... the same, and beside it each contract saved and loaded here, and on arm64 loaded where
 *                                         only one side has an interrupt controller; status 1 where a verdict does not come true
 *     gabi-state bench CONTRACT           calls and times of saving and restoring one virtual processor
 *     gabi-state older CONTRACT STATE ... judges each state and tries it, and nothing else: for gabi-state-older, which has never
 *                                         heard of some registers; the states' names get "+older"
 *
 * With --raw FILE before it `load` judges each state that fits a second time, by what `cpuid -r` said of this machine's processor
 * in FILE ("+raw"): such a manifest knows nothing of KVM, and the verdict is "unknown".
 *
 * A guest is only saved where it sees what its contract says: another's state would be no witness. A line "saved" has contract,
 * outcome, why; a line "loaded" has state, verdict, outcome, first finding, why.
 */
#include <gabi/formats.h>
#include <gabi/kvm.h>
#include <gabi/state.h>
#include <gabi/verdict.h>
#include <gabi/vocab.h>

#include "kvm/guest.h"
#include "kvm/uapi.h"

#include "../guest/counter.h"

#include "base/base.h"
#include "shown.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 3, PAGE = 4096, ROUNDS = 200 };

static const unsigned char image[] = {
#include "counter.inc"
};

static unsigned untrue;          /* verdicts that did not come true */
static struct gabi_host *host;   /* this machine */
static struct gabi_host *raw;    /* its processor, as a tool that knows nothing of KVM saw it; NULL: nobody looked */
static int unverified;         /* bench: a KVM that does not keep the CPUID it is given can be measured all the same */

static void complain(const char *what, const struct gabi_diag *diag)
{
	fprintf(stderr, "gabi-state: %s: %s%s%s\n", what, diag->where, *diag->where ? ": " : "", diag->text);
}

/* ---- files ---- */

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "re");
	size_t cap = 4u << 20;
	char *text = file ? malloc(cap) : NULL;

	*ret_len = text ? fread(text, 1, cap, file) : 0;
	if (file)
		fclose(file);
	return text;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static struct gabi_contract *read_contract(const char *path)
{
	struct gabi_contract *contract = NULL;
	struct gabi_diag diag = { 0 };
	size_t len;
	char *text = read_file(path, &len);

	if (!text)
		fprintf(stderr, "gabi-state: %s cannot be read\n", path);
	else if (gabi_contract_read(text, len, NULL, &contract, &diag))
		complain(path, &diag);
	free(text);
	return contract;
}

static struct gabi_state *read_state(const char *path)
{
	struct gabi_state *state = NULL;
	struct gabi_diag diag = { 0 };
	size_t len;
	char *bytes = read_file(path, &len);

	if (!bytes)
		fprintf(stderr, "gabi-state: %s cannot be read\n", path);
	else if (gabi_state_read(bytes, len, NULL, &state, &diag))
		complain(path, &diag);
	free(bytes);
	return state;
}

/* name is a contract's file, or the state's that was loaded. */
static int write_state(const struct gabi_state *state, const char *name)
{
	const char *out = getenv("LAB_OUT");
	struct utsname kernel;
	char path[512], *bytes;
	size_t len, stem = strlen(name) - strlen(strstr(name, ".state") ? ".state" : ".json");
	FILE *file;

	if (gabi_state_write(state, NULL, &bytes, &len) || uname(&kernel))
		return -1;
	snprintf(path, sizeof(path), "%s/%.*s@%s.state", out ? out : ".", (int)stem, name, kernel.release);
	file = fopen(path, "we");
	if (!file || fwrite(bytes, 1, len, file) != len || fclose(file)) {
		perror(path);
		return -1;
	}
	gabi_text_free(bytes, NULL);
	return 0;
}

/* ---- a VM with the guest in it ---- */

struct box {
	struct gabi_kvm_vm *vm;
	unsigned char *memory;
	struct kvm_run *run;
	size_t run_len;
};

static int carry_out(const struct box *box, const struct gabi_plan *plan, struct gabi_diag *diag)
{
	int err = gabi_kvm_apply(plan, box->vm, NULL, diag);

	return err == GABI_ERR_KVM && unverified ? 0 : err;
}

static int open_box(struct box *box, const struct gabi_contract *contract, struct gabi_diag *diag)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = GUEST_MEM, .memory_size = GUEST_LEN };
	int kvm, err = gabi_kvm_vm_create(contract, NULL, NULL, &box->vm, diag);

	if (err)
		return err;
	err = kvm_open("/dev/kvm", &kvm, diag);
	if (err)
		return err;
	box->run_len = (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	kvm_close(kvm);
	box->run = mmap(NULL, box->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, box->vm->vcpu[0], 0);
	box->memory = mmap(NULL, GUEST_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)box->memory;
	if (box->run == MAP_FAILED || box->memory == MAP_FAILED || kvm_ioctl(box->vm->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return kvm_refused(diag, "give a guest its memory");
	return 0;
}

static void close_box(struct box *box)
{
	if (box->run)
		munmap(box->run, box->run_len);
	gabi_kvm_vm_free(box->vm);
	if (box->memory)
		munmap(box->memory, GUEST_LEN);
	*box = (struct box){ 0 };
}

static struct counter *counter_of(const struct box *box)
{
	return (struct counter *)(box->memory + (GUEST_COUNT - GUEST_MEM));
}

static int wrong(const struct counter *counter, struct gabi_diag *diag)
{
	static const char *const texts[] = { "", "the ABI word", "the clock", "the vector register", "the register", "the stack" };

	diag->err = GABI_ERR_CONFLICT;
	snprintf(diag->text, sizeof(diag->text), "the guest sees %s 0x%llx change from 0x%llx to 0x%llx",
		 counter->wrong < GABI_COUNT_OF(texts) ? texts[counter->wrong] : "something", counter->detail, counter->want, counter->seen);
	return GABI_ERR_CONFLICT;
}

/* A turn ends where the guest lets go of the processor; what that left open is finished before a state is saved. */
static int turn(struct box *box, struct gabi_diag *diag)
{
	unsigned long long beats = counter_of(box)->beats;

	if (kvm_ioctl(box->vm->vcpu[0], KVM_RUN, NULL))
		return kvm_refused(diag, "run the guest");
	if (!guest_ended(box->run) || counter_of(box)->beats != beats + 1) {
		diag->err = GABI_ERR_KVM;
		snprintf(diag->text, sizeof(diag->text), "the guest stopped, exit reason %u, after %llu beats", box->run->exit_reason,
			 counter_of(box)->beats);
		return GABI_ERR_CONFLICT;
	}
	return counter_of(box)->wrong ? wrong(counter_of(box), diag) : 0;
}

static int finish_exit(struct box *box, struct gabi_diag *diag)
{
	int ret;

	box->run->immediate_exit = 1;
	ret = ioctl(box->vm->vcpu[0], KVM_RUN, 0);
	box->run->immediate_exit = 0;
	return ret == -1 && errno == EINTR ? 0 : kvm_refused(diag, "finish a guest's exit");
}

static int turns(struct box *box, struct gabi_diag *diag)
{
	int err = 0;

	for (unsigned i = 0; !err && i < TURNS; i++)
		err = turn(box, diag);
	return err ? err : finish_exit(box, diag);
}

/* ---- memory, as a part of the VMM's own: pages that are not zero, each after its address ---- */

struct page {
	uint64_t at;
	unsigned char bytes[PAGE];
};

static int save_memory(struct gabi_state *state, const struct box *box, struct gabi_diag *diag)
{
	static const unsigned char zero[PAGE];
	struct page *pages = calloc(GUEST_LEN / PAGE, sizeof(*pages));
	size_t count = 0;
	int err;

	if (!pages)
		return GABI_ERR_NOMEM;
	for (size_t at = 0; at < GUEST_LEN; at += PAGE)
		if (memcmp(box->memory + at, zero, PAGE)) {
			pages[count].at = at;
			memcpy(pages[count++].bytes, box->memory + at, PAGE);
		}
	err = gabi_state_add_own(state, "memory", GABI_VP_ALL, pages, count * sizeof(*pages), diag);
	free(pages);
	return err ? err : gabi_state_seal(state, diag);
}

static int load_memory(const struct gabi_state *state, const struct box *box)
{
	const struct gabi_state_part *part = gabi_state_find_own(state, "memory", GABI_VP_ALL);
	const struct page *page = part ? part->data : NULL;

	for (size_t i = 0; part && i < part->len / sizeof(*page); i++)
		if (page[i].at <= GUEST_LEN - PAGE)
			memcpy(box->memory + page[i].at, page[i].bytes, PAGE);
	return part ? 0 : GABI_ERR_SCHEMA;
}

/* ---- stolen time: an address that the VMM gives KVM, once ---- */

#ifdef __aarch64__
static int pv_time(const struct box *box, unsigned long request, uint64_t *address)
{
	struct kvm_device_attr call = { .group = KVM_ARM_VCPU_PVTIME_CTRL, .attr = KVM_ARM_VCPU_PVTIME_IPA, .addr = (uintptr_t)address };

	return kvm_ioctl(box->vm->vcpu[0], request, &call);
}

/* Not every kernel has it. */
static void give_pv_time(const struct box *box)
{
	uint64_t address = GUEST_STOLEN;

	pv_time(box, KVM_SET_DEVICE_ATTR, &address);
}

static int check_pv_time(const struct box *box, const struct gabi_state *state, struct gabi_diag *diag)
{
	uint64_t address = 0;

	if (!gabi_state_find(state, GABI_STATE_PV_TIME, 0) || (!pv_time(box, KVM_GET_DEVICE_ATTR, &address) && address == GUEST_STOLEN))
		return 0;
	return gabi_fail(diag, GABI_ERR_CONFLICT, "the guest's stolen time is not where it was", (char *)NULL);
}
#else
static void give_pv_time(const struct box *box)
{
	(void)box;
}

static int check_pv_time(const struct box *box, const struct gabi_state *state, struct gabi_diag *diag)
{
	(void)box;
	(void)state;
	(void)diag;
	return 0;
}
#endif

/* ---- saving ---- */

static int start(struct box *box, const struct gabi_contract *contract, const struct gabi_plan *plan, struct gabi_diag *diag)
{
	int err = open_box(box, contract, diag);

	if (!err)
		err = gabi_kvm_apply(plan, box->vm, NULL, diag);
	if (err)
		return err;
	give_pv_time(box);
	memcpy(box->memory + (GUEST_IMAGE - GUEST_MEM), image, sizeof(image));
	err = guest_enter(box->vm->vcpu[0], box->memory, diag);
	return err ? err : turns(box, diag);
}

static int save_box(struct box *box, const struct gabi_contract *contract, const char *name, struct gabi_diag *diag)
{
	struct gabi_state *state = NULL;
	int err = gabi_kvm_save(contract, box->vm, NULL, &state, NULL, diag);

	if (!err)
		err = save_memory(state, box, diag);
	if (!err)
		err = write_state(state, name);
	gabi_state_free(state);
	return err ? err : turns(box, diag); /* a source that was saved can run on */
}

/* Is the promise kept here? What a guest of an unkept one sees change later is nobody's fault but this host's. */
static int look(const struct gabi_contract *contract, struct gabi_diag *diag)
{
	struct gabi_kvm_trial trial = { .testimony = NULL };
	int err = gabi_kvm_try(contract, host, NULL, NULL, &trial, diag);

	gabi_kvm_testimony_free(trial.testimony);
	if (err || trial.outcome == GABI_KVM_HELD)
		return err;
	if (trial.outcome == GABI_KVM_REFUSED)
		*diag = trial.refusal;
	else
		snprintf(diag->text, sizeof(diag->text), "the guest does not see here what it is promised");
	return trial.outcome == GABI_KVM_REFUSED ? GABI_ERR_KVM : GABI_ERR_CONFLICT;
}

static int save_one(const char *path)
{
	struct gabi_contract *contract = read_contract(path);
	struct gabi_plan *plan = NULL;
	struct box box = { 0 };
	struct gabi_diag diag = { 0 };
	int err;

	if (!contract)
		return 3;
	err = look(contract, &diag);
	if (!err)
		err = gabi_plan_new(contract, host, NULL, NULL, &plan, &diag);
	if (!err)
		err = start(&box, contract, plan, &diag);
	if (!err)
		err = save_box(&box, contract, base_name(path), &diag);
	printf("saved\t%s\t%s\t%s\n", base_name(path), err == 0 ? "yes" : err == GABI_ERR_KVM ? "refused" : "broken", err ? diag.text : "");
	close_box(&box);
	gabi_plan_free(plan);
	gabi_contract_free(contract);
	return 0;
}

/* ---- loading ---- */

/* As the probe saw it; what is only known of the kernel is in no list of it. KVM lists the vector registers as SVE's or as the
 * core's (0x10), and loads both. */
static int is_listed(const struct gabi_word *word)
{
	const struct gabi_word *offer = gabi_host_find(host, &word->key);
	int core = word->key.space == GABI_SPACE_ARM64_STATE && (word->key.index >> 16 & 0xfff) == 0x10;

	return core || (offer && !(offer->flags & GABI_WORD_IMPLIED));
}

/* A VMM that does not ask: everything that this kernel does not list is left behind, and what the verdict calls impossible is
 * tried. */
static struct gabi_state *without_unlisted(const struct gabi_state *state)
{
	struct gabi_state *less = gabi_state_new(gabi_state_arch(state), gabi_state_vps(state), NULL);
	size_t count;
	const struct gabi_word *word = gabi_state_words(state, &count);
	const struct gabi_state_part *part;
	int err = less ? 0 : GABI_ERR_NOMEM;

	for (size_t i = 0; !err && i < count; i++)
		err = is_listed(&word[i]) ? gabi_state_add_word(less, &word[i], NULL) : 0;
	part = gabi_state_parts(state, &count);
	for (size_t i = 0; !err && i < count; i++)
		err = part[i].kind == GABI_STATE_OWN ? 0 : gabi_state_add(less, part[i].kind, part[i].vp, part[i].data, part[i].len, NULL);
	if (!err)
		err = gabi_state_seal(less, NULL);
	if (!err)
		return less;
	gabi_state_free(less);
	return NULL;
}

/* Of some registers KVM takes a write that it forgets: only what reads back has been loaded. */
#ifdef __x86_64__
static int kernel_takes(const struct box *box, const struct gabi_finding *finding)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} call = { .head.nmsrs = 1, .entry = { .index = (uint32_t)finding->key.index, .data = finding->want } };
	int vcpu = box->vm->vcpu[0];

	return kvm_ioctl(vcpu, KVM_SET_MSRS, &call) == 1 && kvm_ioctl(vcpu, KVM_GET_MSRS, &call) == 1 && call.entry.data == finding->want;
}
#else
static int kernel_takes(const struct box *box, const struct gabi_finding *finding)
{
	uint64_t value[32] = { finding->want };
	struct kvm_one_reg reg = { .id = finding->key.index, .addr = (uintptr_t)value };
	int vcpu = box->vm->vcpu[0];

	return !kvm_ioctl(vcpu, KVM_SET_ONE_REG, &reg) && !kvm_ioctl(vcpu, KVM_GET_ONE_REG, &reg) && value[0] == finding->want;
}
#endif

static int try_impossible(const struct box *box, const struct gabi_report *report, struct gabi_diag *diag)
{
	size_t count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);

	for (size_t i = 0; i < count; i++) {
		char name[96];

		if (finding[i].kind != GABI_FINDING_CANNOT_LOAD || kernel_takes(box, &finding[i]))
			continue;
		gabi_finding_name(&finding[i], name, sizeof(name));
		diag->err = GABI_ERR_KVM;
		snprintf(diag->text, sizeof(diag->text), "KVM does not keep %s with the value 0x%" PRIx64, name, finding[i].want);
		return GABI_ERR_KVM;
	}
	return 0;
}

static int load_anyway(struct box *box, const struct gabi_state *state, const struct gabi_plan *plan, const struct gabi_report *report,
		       struct gabi_diag *diag)
{
	struct gabi_state *less = without_unlisted(state);
	int err = less ? try_impossible(box, report, diag) : GABI_ERR_NOMEM;

	if (!err)
		err = gabi_kvm_restore(less, plan, box->vm, NULL, NULL, diag);
	gabi_state_free(less);
	return err;
}

static int go_on(struct box *box, const struct gabi_state *state, const struct gabi_contract *contract, const struct gabi_plan *plan,
		 const struct gabi_report *report, struct gabi_diag *diag)
{
	int err = open_box(box, contract, diag);

	if (!err)
		err = load_memory(state, box);
	if (!err)
		err = gabi_kvm_apply(plan, box->vm, NULL, diag);
	if (!err && gabi_report_verdict(report) == GABI_DOES_NOT_FIT)
		err = load_anyway(box, state, plan, report, diag);
	else if (!err) /* and where the verdict is that nothing is known, the kernel's own list decides */
		err = gabi_kvm_restore(state, plan, box->vm, NULL, NULL, diag);
	if (!err)
		err = check_pv_time(box, state, diag);
	return err ? err : turns(box, diag);
}

static void print_loaded(const char *path, const struct gabi_report *report, int err, const struct gabi_diag *diag)
{
	const char *outcome = err == 0 ? "held" : err == GABI_ERR_KVM ? "refused" : "broken";
	char why[200] = "";
	size_t count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);

	if (count && gabi_report_verdict(report) != GABI_FITS) {
		size_t len = (size_t)snprintf(why, sizeof(why), "%s: ", gabi_finding_text(finding[0].kind));

		gabi_finding_name(&finding[0], why + len, sizeof(why) - len);
	}
	if (!err && is_shown_only(report, host))
		outcome = "shown only";
	else if (gabi_report_verdict(report) != GABI_UNKNOWN)
		untrue += (gabi_report_verdict(report) == GABI_DOES_NOT_FIT) != (err != 0);
	printf("loaded\t%s\t%s\t%s\t%s\t%s\n", base_name(path), gabi_verdict_text(gabi_report_verdict(report)), outcome, why,
	       err ? diag->text : "");
}

static int plan_of(const struct gabi_state *state, const struct gabi_contract *contract, const struct gabi_host *judged_by,
		   struct gabi_report **ret_report, struct gabi_plan **ret_plan, struct gabi_diag *diag)
{
	int err = gabi_state_check(state, contract, judged_by, ret_report, diag);
	enum gabi_verdict verdict = err ? GABI_UNKNOWN : gabi_report_verdict(*ret_report);

	if (!err) /* whatever the verdict is, it is tried */
		err = gabi_plan_new(contract, host, verdict <= GABI_FITS_WITH_ACTIONS ? *ret_report : NULL, NULL, ret_plan, diag);
	return err;
}

/* name: as it is printed; the guest that went on is saved again if `keeps`. Returns the verdict, or an error. */
static int load_state(const char *name, const struct gabi_contract *contract, const struct gabi_host *judged_by,
		      const struct gabi_state *state, int keeps)
{
	struct gabi_report *report = NULL;
	struct gabi_plan *plan = NULL;
	struct box box = { 0 };
	struct gabi_diag diag = { 0 };
	int err = plan_of(state, contract, judged_by, &report, &plan, &diag), verdict;

	if (err) {
		complain(name, &diag);
	} else {
		verdict = (int)gabi_report_verdict(report);
		err = go_on(&box, state, contract, plan, report, &diag);
		print_loaded(name, report, err, &diag);
		if (!err && keeps && verdict <= GABI_FITS_WITH_ACTIONS)
			err = save_box(&box, contract, name, &diag);
		err = verdict;
	}
	close_box(&box);
	gabi_plan_free(plan);
	gabi_report_free(report);
	return err;
}

/* The state of a guest that has used one register which this host does not list: the number `which` of them. NULL: there are
 * not so many. */
static struct gabi_state *with_one_used(const struct gabi_state *state, size_t which)
{
	struct gabi_state *used = gabi_state_new(gabi_state_arch(state), gabi_state_vps(state), NULL);
	size_t count, unlisted = 0;
	const struct gabi_word *word = gabi_state_words(state, &count);
	const struct gabi_state_part *part;
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		struct gabi_word one = word[i];

		if (!is_listed(&one) && unlisted++ == which)
			one.value ^= 1;
		err = gabi_state_add_word(used, &one, NULL);
	}
	part = gabi_state_parts(state, &count);
	for (size_t i = 0; !err && i < count; i++)
		err = part[i].kind == GABI_STATE_OWN ?
			      gabi_state_add_own(used, part[i].name, part[i].vp, part[i].data, part[i].len, NULL) :
			      gabi_state_add(used, part[i].kind, part[i].vp, part[i].data, part[i].len, NULL);
	gabi_state_set_digest(used, gabi_state_digest(state));
	if (!err)
		err = gabi_state_set_release(used, gabi_state_release(state), NULL);
	if (!err && !gabi_state_seal(used, NULL) && which < unlisted)
		return used;
	gabi_state_free(used);
	return NULL;
}

enum { USED_MOST = 4 }; /* more of a kind say nothing more */

static void load_used(const char *path, const struct gabi_contract *contract, const struct gabi_state *state)
{
	for (size_t which = 0; which < USED_MOST; which++) {
		struct gabi_state *used = with_one_used(state, which);
		char name[320];

		if (!used)
			return;
		snprintf(name, sizeof(name), "%s+used-%zu", base_name(path), which);
		load_state(name, contract, host, used, 0);
		gabi_state_free(used);
	}
}

/* What another tool says of the machine. */
static int read_raw(const char *path)
{
	struct gabi_diag diag = { 0 };
	size_t len;
	char *text = read_file(path, &len);
	int err = text ? gabi_host_import(text, len, GABI_IMPORT_CPUID, GABI_VIEW_CPU, NULL, &raw, &diag) : GABI_ERR_IO;

	free(text);
	if (err)
		complain(path, &diag);
	return err;
}

static void load_as(const char *path, const char *suffix, const struct gabi_contract *contract, const struct gabi_host *judged_by,
		    const struct gabi_state *state)
{
	char name[320];

	snprintf(name, sizeof(name), "%s+%s", base_name(path), suffix);
	load_state(name, contract, judged_by, state, 0);
}

static int load_one(const char *contract_path, const char *path, int keeps)
{
	struct gabi_contract *contract = read_contract(contract_path);
	struct gabi_state *state = contract ? read_state(path) : NULL;
	int verdict = state ? load_state(base_name(path), contract, host, state, keeps) : -1;

	if (verdict == GABI_FITS_WITH_ACTIONS)
		load_used(path, contract, state);
	if (raw && verdict >= 0 && verdict <= GABI_FITS_WITH_ACTIONS)
		load_as(path, "raw", contract, raw, state);
	gabi_state_free(state);
	gabi_contract_free(contract);
	return verdict < 0 ? 3 : 0;
}

static int load_older(const char *contract_path, const char *path)
{
	struct gabi_contract *contract = read_contract(contract_path);
	struct gabi_state *state = contract ? read_state(path) : NULL;

	if (state)
		load_as(path, "older", contract, host, state);
	gabi_state_free(state);
	gabi_contract_free(contract);
	return state ? 0 : 3;
}

/* ---- saved here, loaded here ---- */

/* $LAB_OUT/CONTRACT@KERNEL.state, as write_state has named it. */
static int load_own(const char *contract_path)
{
	const char *out = getenv("LAB_OUT"), *name = base_name(contract_path);
	struct utsname kernel;
	char path[512];
	int status;

	if (uname(&kernel))
		return 4;
	snprintf(path, sizeof(path), "%s/%.*s@%s.state", out ? out : ".", (int)(strlen(name) - strlen(".json")), name, kernel.release);
	if (access(path, R_OK))
		return 0; /* this host does not take the contract, and the line "saved" has said so */
	status = load_one(contract_path, path, 0);
	unlink(path);
	return status;
}

/* ---- an interrupt controller on one side alone ---- */

#ifdef __aarch64__
static int runs(const struct gabi_key *key)
{
	const struct gabi_reg *reg = gabi_reg_of(key);

	return reg && reg->resets_to_0 == GABI_REG_RUNS;
}

/* Is the state refused for that reason, before anything of the VM has changed? */
static int is_refused(const struct gabi_state *state, const struct gabi_kvm_vm *vm, const struct gabi_contract *contract,
		      const struct gabi_plan *plan, const char *why)
{
	struct gabi_state *before = NULL, *after = NULL;
	struct gabi_diag diag = { 0 };
	const struct gabi_word *word_before, *word_after;
	size_t count = 0, count_after = 1;
	int same = !gabi_kvm_save(contract, vm, NULL, &before, NULL, &diag) &&
		   gabi_kvm_restore(state, plan, vm, NULL, NULL, &diag) == GABI_ERR_KVM && strstr(diag.text, why) &&
		   !gabi_kvm_save(contract, vm, NULL, &after, NULL, &diag);

	if (same) {
		word_before = gabi_state_words(before, &count);
		word_after = gabi_state_words(after, &count_after);
		same = count == count_after;
	}
	for (size_t i = 0; same && i < count; i++)
		same = word_before[i].value == word_after[i].value || runs(&word_before[i].key);
	gabi_state_free(before);
	gabi_state_free(after);
	return same;
}

static int refuses_other_controllers(struct box *from, struct box *to, const struct gabi_contract *contract, const struct gabi_plan *plan,
				     struct gabi_diag *diag)
{
	struct gabi_kvm_vm from_bare = *from->vm, to_bare = *to->vm;
	struct gabi_state *with = NULL, *without = NULL;
	int err;

	from_bare.gic = to_bare.gic = NULL; /* as a VMM says that keeps the whole controller to itself */
	err = gabi_kvm_save(contract, from->vm, NULL, &with, NULL, diag);
	if (!err)
		err = gabi_kvm_save(contract, &from_bare, NULL, &without, NULL, diag);
	if (!err && !(is_refused(with, &to_bare, contract, plan, "the VM has none") &&
		      is_refused(without, to->vm, contract, plan, "the state has none")))
		err = gabi_fail(diag, GABI_ERR_CONFLICT, "a state with another controller was not refused untouched", (char *)NULL);
	if (!err) { /* and both sides can go on */
		memcpy(to->memory, from->memory, GUEST_LEN);
		err = gabi_kvm_restore(with, plan, to->vm, NULL, NULL, diag);
	}
	if (!err)
		err = turns(to, diag);
	gabi_state_free(with);
	gabi_state_free(without);
	return err ? err : turns(from, diag);
}

static int prove_controllers(const char *path)
{
	struct gabi_contract *contract = read_contract(path);
	struct gabi_plan *plan = NULL;
	struct box from = { 0 }, to = { 0 };
	struct gabi_diag diag = { 0 };
	int err = contract ? gabi_plan_new(contract, host, NULL, NULL, &plan, &diag) : GABI_ERR_IO;

	if (!err)
		err = start(&from, contract, plan, &diag);
	if (err == GABI_ERR_KVM) {
		printf("controller\t%s\tnot tried\t%s\n", base_name(path), diag.text); /* the host does not take the contract */
		err = 0;
	} else {
		if (!err)
			err = open_box(&to, contract, &diag);
		if (!err)
			err = gabi_kvm_apply(plan, to.vm, NULL, &diag);
		if (!err)
			err = refuses_other_controllers(&from, &to, contract, plan, &diag);
		printf("controller\t%s\t%s\t%s\n", base_name(path), err ? "broken" : "refused untouched", err ? diag.text : "");
		untrue += err != 0;
	}
	close_box(&to);
	close_box(&from);
	gabi_plan_free(plan);
	gabi_contract_free(contract);
	return err ? 4 : 0;
}
#else
static int prove_controllers(const char *path)
{
	(void)path; /* x86 saves what chips there are, and asks for those */
	return 0;
}
#endif

static int prove(const char *contract_path, const char *path)
{
	int status = load_one(contract_path, path, 0);

	if (!status)
		status = save_one(contract_path);
	if (!status)
		status = load_own(contract_path);
	return status ? status : prove_controllers(contract_path);
}

/* ---- bench ---- */

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int bench_save(const struct gabi_contract *contract, const struct box *box, struct gabi_state **ret_state, struct gabi_diag *diag)
{
	struct gabi_kvm_effort effort = { 0 };
	double best = 1e9;
	int err = 0;

	for (unsigned i = 0; !err && i < ROUNDS; i++) {
		double begin = seconds(), took;

		gabi_state_free(*ret_state);
		*ret_state = NULL;
		err = gabi_kvm_save(contract, box->vm, NULL, ret_state, &effort, diag);
		took = seconds() - begin;
		best = took < best ? took : best;
	}
	if (!err)
		printf("{\"bench\":\"state_save\",\"n\":%u,\"ns_per_op\":%.0f,\"ioctls\":%u}\n", ROUNDS, best * 1e9, effort.ioctls);
	return err;
}

static int bench_restore(const struct gabi_state *state, const struct gabi_contract *contract, const struct gabi_plan *plan,
			 struct gabi_diag *diag)
{
	struct gabi_kvm_effort effort = { 0 };
	double best = 1e9;
	int err = 0;

	for (unsigned i = 0; !err && i < ROUNDS / 10; i++) {
		struct box box = { 0 };
		double begin;

		err = open_box(&box, contract, diag);
		if (!err)
			err = carry_out(&box, plan, diag);
		begin = seconds();
		if (!err)
			err = gabi_kvm_restore(state, plan, box.vm, NULL, &effort, diag);
		begin = seconds() - begin;
		best = begin < best ? begin : best;
		close_box(&box);
	}
	if (!err)
		printf("{\"bench\":\"state_restore\",\"n\":%u,\"ns_per_op\":%.0f,\"ioctls\":%u}\n", ROUNDS / 10, best * 1e9, effort.ioctls);
	return err;
}

static int bench(const char *path)
{
	struct gabi_contract *contract = read_contract(path);
	struct gabi_state *state = NULL;
	struct gabi_plan *plan = NULL;
	struct box box = { 0 };
	struct gabi_diag diag = { 0 };
	int err = contract ? gabi_plan_new(contract, host, NULL, NULL, &plan, &diag) : GABI_ERR_IO;

	if (!err)
		err = open_box(&box, contract, &diag);
	if (!err)
		err = carry_out(&box, plan, &diag);
	if (!err)
		err = guest_enter(box.vm->vcpu[0], box.memory, &diag); /* what a guest would do since changes no figure */
	if (!err)
		err = bench_save(contract, &box, &state, &diag);
	if (!err)
		err = bench_restore(state, contract, plan, &diag);
	if (err)
		complain(path, &diag);
	gabi_state_free(state);
	close_box(&box);
	gabi_plan_free(plan);
	gabi_contract_free(contract);
	return err ? 4 : 0;
}

static int run(int argc, char **argv)
{
	int status = 0;

	if (!strcmp(argv[0], "save"))
		for (int i = 1; i < argc; i++)
			status |= save_one(argv[i]);
	else if (!strcmp(argv[0], "load"))
		for (int i = 1; i + 1 < argc; i += 2)
			status |= load_one(argv[i], argv[i + 1], 1);
	else if (!strcmp(argv[0], "older"))
		for (int i = 1; i + 1 < argc; i += 2)
			status |= load_older(argv[i], argv[i + 1]);
	else if (!strcmp(argv[0], "prove")) {
		for (int i = 1; i + 1 < argc; i += 2)
			status |= prove(argv[i], argv[i + 1]);
		printf("%u verdicts did not come true\n", untrue);
		status = status ? status : untrue != 0;
	} else {
		unverified = 1;
		status = bench(argv[1]);
	}
	return status;
}

int main(int argc, char **argv)
{
	int options = argc > 3 && !strcmp(argv[1], "--raw") ? 2 : 0, status;
	struct gabi_diag diag = { 0 };

	if (argc - options < 3) {
		fprintf(stderr, "usage: gabi-state save CONTRACT... | [--raw FILE] load CONTRACT STATE ... | prove CONTRACT STATE ... |\n"
				"       older CONTRACT STATE ... | bench CONTRACT\n");
		return 2;
	}
	if (options && read_raw(argv[2]))
		return 3;
	if (gabi_kvm_probe(NULL, NULL, &host, &diag)) {
		complain("/dev/kvm", &diag);
		return 4;
	}
	status = run(argc - 1 - options, argv + 1 + options);
	gabi_host_free(raw);
	gabi_host_free(host);
	return status;
}
