/* SPDX-License-Identifier: MIT */
/*
 * A hypervisor as a guest, on this machine's KVM. Static and alone, so that it runs in a machine that has nothing else.
 *
 * gabi-nested save LINE            runs each kind of hypervisor that KVM takes, and prints its state in L1 and in L2, one line a part, each
 *                                  of which begins with LINE:KIND-PLACE
 * gabi-nested layouts FILE...      takes each nested state in such lines to every VMCS layout and back (needs no KVM)
 * gabi-nested resume LINE FILE...  goes on with each state, and says whether it came to its right end; LINE is this kernel's
 * gabi-nested lose LINE FILE...    goes on with each enlightened state without what the nested state itself does not hold, and says what KVM
 *                                  makes of that and whether gabi foretold it
 * gabi-nested rules LINE SEED N    tries N mutated nested states: does gabi foretell what KVM says?
 * gabi-nested both LINE SEED N     first saves, then tries
 * gabi-nested off LINE SEED N FILE tries the mutations of saved states on a KVM whose module has nested=0
 */
#include "nested_vm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 8, SAVED_ROUND = 3, NAME = 48 };

/* ---- save ---- */

static bool ended_well(const struct nested_vm *vm)
{
	const struct l1_page *page = nested_vm_page(vm);
	bool good = !page->wrong && page->l1_rounds == ROUNDS && page->l2_rounds == ROUNDS && page->chain == nested_vm_chain(ROUNDS);

	if (!good)
		fprintf(stderr, "gabi-nested: the %s guest ended wrongly: code 0x%llx, %llu and %llu rounds, 0x%llx\n",
			nested_vm_kind(vm->kind), page->wrong, page->l1_rounds, page->l2_rounds, page->chain);
	return good;
}

static void print_state(const struct nested_vm *vm, const char *line, const char *place)
{
	struct saved saved;
	char name[NAME];

	snprintf(name, sizeof(name), "%s:%s-%s", line, nested_vm_kind(vm->kind), place);
	nested_vm_save(vm, &saved);
	saved_print(&saved, name);
	saved_free(&saved);
}

static bool save_kind(const char *line, enum l1_kind kind)
{
	struct nested_vm vm;
	enum nested_stop stop;
	bool good;

	nested_vm_new(&vm, kind, ROUNDS);
	while ((stop = nested_vm_run(&vm)) != STOP_END) {
		unsigned long long round = nested_vm_page(&vm)->l1_rounds;

		if (stop == STOP_L2 && round == SAVED_ROUND)
			print_state(&vm, line, "l2");
		else if (stop == STOP_L1 && (round == SAVED_ROUND || round == SAVED_ROUND + 1))
			print_state(&vm, line, round == SAVED_ROUND ? "l1" : "l1-next");
	}
	good = ended_well(&vm);
	nested_vm_free(&vm);
	return good;
}

static int save_all(const char *line)
{
	bool good = true, any = false;

	for (enum l1_kind kind = L1_SVM; kind <= L1_EVMCS; kind++) {
		if (!nested_vm_can(kind))
			continue;
		any = true;
		good &= save_kind(line, kind);
	}
	if (!any)
		fprintf(stderr, "gabi-nested: KVM has no nested virtualisation here\n");
	return any && good ? 0 : 1;
}

/* ---- states out of files ---- */

static enum l1_kind kind_of(const char *name)
{
	const char *kind = strchr(name, ':');
	enum l1_kind at = L1_SVM;

	while (at < L1_EVMCS && (!kind || strncmp(kind + 1, nested_vm_kind(at), strlen(nested_vm_kind(at)))))
		at++;
	return at;
}

/* Calls back for each state of a file; its lines stand together. The number of those for which that gave false. */
static unsigned each_state(const char *path, bool (*take)(const char *name, struct saved *saved, const char *arg), const char *arg)
{
	FILE *file = fopen(path, "re");
	struct saved saved = { .count = 0 };
	char *line = NULL, name[NAME] = "", next[NAME];
	size_t cap = 0;
	unsigned bad = 0;

	if (!file)
		give_up(path);
	while (getline(&line, &cap, file) > 0) {
		if (sscanf(line, "%47s", next) != 1)
			continue;
		if (strcmp(name, next) && saved.count) {
			bad += !take(name, &saved, arg);
			saved_free(&saved);
		}
		strcpy(name, next);
		saved_parse(&saved, line, name);
	}
	if (saved.count)
		bad += !take(name, &saved, arg);
	saved_free(&saved);
	free(line);
	fclose(file);
	return bad;
}

/* ---- layouts ---- */

static const struct gabi_vmcs_layout *layout_of_line(const char *name)
{
	char release[16] = "";

	sscanf(name, "%15[0-9.]", release);
	return gabi_nested_layout(release);
}

enum { FINDINGS = 64 };

/* Puts back what a finding said would stay behind. */
static void put_back(uint8_t *back, const uint8_t *blob, const struct gabi_vmcs_finding *finding)
{
	struct gabi_vmcs_encoding encoding = { .bytes = finding->kind == GABI_VMCS_FINDING_LAUNCHED ? 4 : 0 };
	size_t at = GABI_NESTED_HEADER + finding->offset, count;

	if (finding->id < GABI_VMCS_COUNT)
		gabi_vmcs_decode(gabi_vmcs_fields(&count)[finding->id].encoding, &encoding, NULL);
	memcpy(back + at, blob + at, encoding.bytes);
}

/* There and back again is the same bytes, but for what a finding names. */
static bool take_round_trip(const char *name, const struct saved_part *nested, const struct gabi_vmcs_layout *own,
			    const struct gabi_vmcs_layout *other)
{
	static uint8_t there[GABI_NESTED_MAX], back[GABI_NESTED_MAX];
	struct gabi_vmcs_finding findings[FINDINGS];
	struct gabi_diag diag = { 0 };
	size_t len, total, none;
	bool same;

	if (gabi_nested_convert(nested->bytes, nested->len, own, other, 0, NULL, there, sizeof(there), &len, findings, FINDINGS, &total, &diag) ||
	    gabi_nested_convert(there, len, other, own, 0, NULL, back, sizeof(back), &len, NULL, 0, &none, &diag)) {
		fprintf(stderr, "gabi-nested: %s as %s: %s\n", name, other->name, diag.text);
		return false;
	}
	same = len == nested->len && !memcmp(back, nested->bytes, len);
	for (size_t i = 0; i < total && i < FINDINGS; i++)
		put_back(back, nested->bytes, &findings[i]);
	if (len != nested->len || memcmp(back, nested->bytes, len)) {
		printf("layout\t%s\t%s\tdiffers\n", name, other->name);
		return false;
	}
	printf("layout\t%s\t%s\tidentical%s\n", name, other->name, same ? "" : " but for what findings name");
	return true;
}

static bool take_layouts(const char *name, struct saved *saved, const char *arg)
{
	const struct gabi_vmcs_layout *own = layout_of_line(name), *layout;
	const struct saved_part *nested = saved_find(saved, "nested");
	size_t count;
	bool good = true;

	(void)arg;
	if (kind_of(name) == L1_SVM)
		return true;
	if (!own || !nested) {
		fprintf(stderr, "gabi-nested: %s has no nested state, or no layout\n", name);
		return false;
	}
	layout = gabi_vmcs_layouts(&count);
	for (size_t i = 0; i < count; i++)
		good &= take_round_trip(name, nested, own, &layout[i]);
	return good;
}

/* ---- resume ---- */

/* As the other kernel keeps its VMCS; what would be lost refuses it. */
static bool convert(const char *name, const char *line, const struct saved_part *nested)
{
	const struct gabi_vmcs_layout *from = layout_of_line(name), *to = gabi_nested_layout(line);
	static uint8_t out[GABI_NESTED_MAX];
	struct gabi_vmcs_finding finding;
	struct gabi_diag diag = { 0 };
	size_t len, total;

	if (!from || !to ||
	    gabi_nested_convert(nested->bytes, nested->len, from, to, 0, NULL, out, sizeof(out), &len, &finding, 1, &total, &diag)) {
		fprintf(stderr, "gabi-nested: %s: %s\n", name, diag.text);
		return false;
	}
	if (total) {
		fprintf(stderr, "gabi-nested: %s: %s at offset %u\n", name, gabi_vmcs_finding_sentence(finding.kind), finding.offset);
		return false;
	}
	memcpy(nested->bytes, out, len);
	return true;
}

static bool resume(const char *name, struct saved *saved, const char *line)
{
	struct nested_vm vm;
	enum l1_kind kind = kind_of(name);
	const struct saved_part *nested = saved_find(saved, "nested");
	bool good = nested && (kind == L1_SVM || convert(name, line, nested));
	int refused = 0;

	if (!nested_vm_can(kind)) {
		fprintf(stderr, "gabi-nested: %s: this KVM has no nested %s\n", name, nested_vm_kind(kind));
		return false;
	}
	nested_vm_new(&vm, kind, 0);
	if (good) {
		refused = nested_vm_restore(&vm, saved);
		good = !refused;
	}
	while (good && nested_vm_run(&vm) != STOP_END)
		;
	good = good && ended_well(&vm);
	printf("resume\t%s\t%s\t%s\n", name, line, refused ? strerror(refused) : good ? "went on" : "failed");
	nested_vm_free(&vm);
	return good;
}

/* ---- lose ---- */

/* What a VMM may fail to bring along: the MSR that names the VP assist page, or the memory that this page names. */
enum loss { BAD_ADDRESS, ASSIST_PAGE, LOSSES }; /* in this order: the second leaves nothing of the first to be seen */
static const char *const losses[] = { [ASSIST_PAGE] = "without HV_X64_MSR_VP_ASSIST_PAGE", [BAD_ADDRESS] = "at an address without memory" };
enum { MSR_VP_ASSIST_PAGE = 0x40000073, ASSIST_CURRENT_VMCS = 48 };

static void lose_it(const struct saved *saved, enum loss loss)
{
	const struct saved_part *memory = saved_find(saved, "memory");
	const uint64_t nowhere = UINT64_C(0x40000000);

	if (loss == ASSIST_PAGE)
		saved_set_msr(saved, MSR_VP_ASSIST_PAGE, 0);
	else if (memory)
		memcpy(memory->bytes + L1_ASSIST + ASSIST_CURRENT_VMCS, &nowhere, sizeof(nowhere));
}

static bool is_noted(const struct saved_part *nested, const char *release, unsigned kind)
{
	const struct gabi_nested_target target = { .size = sizeof(target), .release = release, .evmcs = { 1, 1, 1 } };
	struct gabi_nested_verdict verdict;
	bool found = false;

	if (gabi_nested_check(nested->bytes, nested->len, &target, &verdict, NULL) || verdict.rule != GABI_NESTED_ACCEPTED)
		return false;
	for (size_t i = 0; i < verdict.notes; i++)
		found |= verdict.note[i].kind == kind;
	return found;
}

/* Foretold is: KVM takes the state, and drops the enlightened VMCS without a word, or fails to map it at the first run. */
static bool lose_one(const char *name, const struct saved *saved, const char *line, enum loss loss)
{
	const struct saved_part *nested = saved_find(saved, "nested");
	bool silent = loss == ASSIST_PAGE, kept, error, agree;
	struct nested_vm vm;
	int refused;

	lose_it(saved, loss);
	nested_vm_new(&vm, L1_EVMCS, 0);
	refused = nested_vm_restore(&vm, saved);
	error = !refused && nested_vm_enter(&vm) == KVM_EXIT_INTERNAL_ERROR;
	kept = !refused && nested_vm_flags(&vm) & GABI_NESTED_EVMCS;
	agree = !refused && (silent ? !error && !kept : error) &&
		is_noted(nested, line, silent ? GABI_NESTED_NOTE_ASSIST_PAGE : GABI_NESTED_NOTE_MAP_PENDING);
	printf("lost\t%s\t%s\t%s\t%s\n", name, losses[loss], refused ? "refused" : error ? "internal error" : kept ? "kept" : "dropped in silence",
	       agree ? "foretold" : "not foretold");
	nested_vm_free(&vm);
	return agree;
}

static bool lose(const char *name, struct saved *saved, const char *line)
{
	bool good = true;

	for (enum loss loss = 0; kind_of(name) == L1_EVMCS && loss < LOSSES; loss++)
		good &= lose_one(name, saved, line, loss);
	return good;
}

/* ---- off ---- */

/* Of SVM and of plain VMX, which are the first in the file. */
static struct nested_bases bases;

static bool take_base(const char *name, struct saved *saved, const char *arg)
{
	const struct saved_part *nested = saved_find(saved, "nested"), *sregs = saved_find(saved, "sregs");
	const char *place = strchr(name, '-');
	bool good = place && nested && sregs && nested->len <= GABI_NESTED_MAX && sregs->len == sizeof(bases.sregs);

	(void)arg;
	if (!good || kind_of(name) == L1_EVMCS)
		return good;
	if (!strcmp(place, "-l2"))
		memcpy(bases.l2, nested->bytes, nested->len);
	if (!strcmp(place, "-l1"))
		memcpy(bases.l1, nested->bytes, nested->len);
	if (!strcmp(place, "-l1"))
		memcpy(&bases.sregs, sregs->bytes, sregs->len);
	return good;
}

/* ---- */

int main(int argc, char **argv)
{
	unsigned bad = 0;

	if (argc == 3 && !strcmp(argv[1], "save"))
		return save_all(argv[2]);
	if (argc == 5 && (!strcmp(argv[1], "rules") || !strcmp(argv[1], "both"))) {
		if (*argv[1] == 'b')
			bad += save_all(argv[2]) != 0;
		bad += nested_rules(argv[2], NULL, strtoull(argv[3], NULL, 0), (unsigned)strtoul(argv[4], NULL, 0));
		return bad ? 1 : 0;
	}
	if (argc == 6 && !strcmp(argv[1], "off")) {
		if (each_state(argv[5], take_base, NULL) || !bases.l1[4] || !bases.l2[4]) { /* the low byte of their sizes */
			fprintf(stderr, "gabi-nested: %s has no state in L1 and in L2\n", argv[5]);
			return 3;
		}
		bad += nested_rules(argv[2], &bases, strtoull(argv[3], NULL, 0), (unsigned)strtoul(argv[4], NULL, 0));
		return bad ? 1 : 0;
	}
	if (argc > 2 && !strcmp(argv[1], "layouts")) {
		for (int i = 2; i < argc; i++)
			bad += each_state(argv[i], take_layouts, NULL);
		return bad ? 1 : 0;
	}
	if (argc > 3 && !strcmp(argv[1], "lose")) {
		for (int i = 3; i < argc; i++)
			bad += each_state(argv[i], lose, argv[2]);
		return bad ? 1 : 0;
	}
	if (argc > 3 && !strcmp(argv[1], "resume")) {
		for (int i = 3; i < argc; i++)
			bad += each_state(argv[i], resume, argv[2]);
		return bad ? 1 : 0;
	}
	fprintf(stderr, "usage: gabi-nested save LINE | layouts FILE... | resume|lose LINE FILE... | rules|both LINE SEED COUNT | off LINE SEED COUNT FILE\n");
	return 2;
}
