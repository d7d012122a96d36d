/* SPDX-License-Identifier: MIT */
#include "nested_vm.h"

#include "kvm/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint8_t image[] = {
#include "l1.inc"
};

void give_up(const char *what)
{
	fprintf(stderr, "gabi-nested: %s: %s\n", what, strerror(errno));
	exit(4);
}

static void need(int fd, unsigned long request, void *arg, const char *what)
{
	if (ioctl(fd, request, arg) < 0)
		give_up(what);
}

static const char *const kinds[] = { [L1_SVM] = "svm", [L1_VMX] = "vmx", [L1_EVMCS] = "evmcs" };

const char *nested_vm_kind(enum l1_kind kind)
{
	return kinds[kind];
}

bool nested_module_has(const char *parameter)
{
	char path[96], text[8] = "";
	int file;
	bool on;

	snprintf(path, sizeof(path), "/sys/module/%s", parameter);
	file = open(path, O_RDONLY | O_CLOEXEC);
	on = file >= 0 && read(file, text, sizeof(text) - 1) > 0 && (*text == '1' || *text == 'Y');

	if (file >= 0)
		close(file);
	return on;
}

bool nested_vm_can(enum l1_kind kind)
{
	return nested_module_has(kind == L1_SVM ? "kvm_amd/parameters/nested" : "kvm_intel/parameters/nested");
}

/* ---- making ---- */

enum { ENTRIES = 256 };

static struct kvm_cpuid2 *get_cpuid(int fd, unsigned long request)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + ENTRIES * sizeof(cpuid->entries[0]));

	if (!cpuid)
		give_up("memory");
	cpuid->nent = request == KVM_GET_SUPPORTED_HV_CPUID ? 16 : ENTRIES;
	need(fd, request, cpuid, "KVM_GET_SUPPORTED_CPUID");
	return cpuid;
}

/* Hyper-V's leaves take the place of KVM's own. */
static void add_hyperv(const struct nested_vm *vm, struct kvm_cpuid2 *cpuid)
{
	uint16_t version;
	struct kvm_enable_cap enable = { .cap = KVM_CAP_HYPERV_ENLIGHTENED_VMCS, .args = { (uintptr_t)&version } };
	struct kvm_cpuid2 *hyperv;
	unsigned kept = 0;

	need(vm->vcpu, KVM_ENABLE_CAP, &enable, "KVM_CAP_HYPERV_ENLIGHTENED_VMCS");
	hyperv = get_cpuid(vm->vcpu, KVM_GET_SUPPORTED_HV_CPUID);
	for (unsigned i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function >> 8 != 0x400000)
			cpuid->entries[kept++] = cpuid->entries[i];
	for (unsigned i = 0; i < hyperv->nent && kept < ENTRIES; i++)
		cpuid->entries[kept++] = hyperv->entries[i];
	cpuid->nent = kept;
	free(hyperv);
}

void nested_vm_new(struct nested_vm *vm, enum l1_kind kind, unsigned rounds)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = GUEST_MEM, .memory_size = GUEST_LEN };
	struct l1_page page = { .kind = kind, .rounds = rounds };
	struct gabi_diag diag = { 0 };
	int len;

	*vm = (struct nested_vm){ .kind = kind, .kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC) };
	if (vm->kvm < 0)
		give_up("/dev/kvm");
	vm->vm = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	vm->vcpu = vm->vm < 0 ? -1 : ioctl(vm->vm, KVM_CREATE_VCPU, 0);
	len = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->memory = mmap(NULL, GUEST_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	vm->run = vm->vcpu < 0 ? MAP_FAILED : mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->vcpu < 0 || vm->memory == MAP_FAILED || vm->run == MAP_FAILED)
		give_up("a virtual machine");
	region.userspace_addr = (uintptr_t)vm->memory;
	need(vm->vm, KVM_SET_USER_MEMORY_REGION, &region, "memory");
	vm->cpuid = get_cpuid(vm->kvm, KVM_GET_SUPPORTED_CPUID);
	if (kind == L1_EVMCS)
		add_hyperv(vm, vm->cpuid);
	need(vm->vcpu, KVM_SET_CPUID2, vm->cpuid, "KVM_SET_CPUID2");
	memcpy(vm->memory + GUEST_IMAGE, image, sizeof(image));
	memcpy(vm->memory + L1_PAGE, &page, sizeof(page));
	if (guest_enter(vm->vcpu, vm->memory, &diag))
		give_up(diag.text);
}

void nested_vm_free(struct nested_vm *vm)
{
	munmap(vm->run, (size_t)ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	munmap(vm->memory, GUEST_LEN);
	close(vm->vcpu);
	close(vm->vm);
	close(vm->kvm);
	free(vm->cpuid);
}

/* ---- running ---- */

/* The OUT is finished by the next KVM_RUN, which is told to come back before it enters the guest. */
static void finish_instruction(struct nested_vm *vm)
{
	vm->run->immediate_exit = 1;
	if (ioctl(vm->vcpu, KVM_RUN, NULL) == 0 || errno != EINTR)
		give_up("KVM_RUN did not come back at once");
	vm->run->immediate_exit = 0;
}

enum nested_stop nested_vm_run(struct nested_vm *vm)
{
	int err = ioctl(vm->vcpu, KVM_RUN, NULL);
	unsigned port;

	if (err && errno != EINTR)
		give_up("KVM_RUN");
	if (err || vm->run->exit_reason != KVM_EXIT_IO) {
		fprintf(stderr, "gabi-nested: the %s guest stopped with exit reason %u, %" PRIu64 "\n", nested_vm_kind(vm->kind),
			vm->run->exit_reason, (uint64_t)vm->run->hw.hardware_exit_reason);
		exit(1);
	}
	port = vm->run->io.port;
	finish_instruction(vm);
	return port == L1_PORT ? STOP_L1 : port == L1_PORT_IN_L2 ? STOP_L2 : STOP_END;
}

unsigned nested_vm_enter(struct nested_vm *vm)
{
	if (ioctl(vm->vcpu, KVM_RUN, NULL) < 0)
		give_up("KVM_RUN");
	return vm->run->exit_reason;
}

unsigned nested_vm_flags(const struct nested_vm *vm)
{
	static union {
		struct kvm_nested_state state;
		uint8_t bytes[GABI_NESTED_MAX];
	} now;

	now.state.size = sizeof(now);
	need(vm->vcpu, KVM_GET_NESTED_STATE, &now, "KVM_GET_NESTED_STATE");
	return now.state.flags;
}

const struct l1_page *nested_vm_page(const struct nested_vm *vm)
{
	return (const struct l1_page *)(const void *)(vm->memory + L1_PAGE);
}

uint64_t nested_vm_chain(unsigned rounds)
{
	uint64_t chain = 0;

	while (rounds--)
		chain = (chain << L1_ROTATE | chain >> (64 - L1_ROTATE)) + L1_STEP;
	return chain;
}

/* ---- saving and restoring ---- */

/* What a guest hypervisor depends on beside the registers: SVM's, VMX's and Hyper-V's, and those that SYSCALL and paging use.
 * A kernel without one of them lists it in no state. */
static const uint32_t msrs[] = {
	0x3a, 0x174, 0x175, 0x176, 0x277, 0x1d9, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0xc0000103, 0xc0010117,
	0x40000000, 0x40000001, 0x40000073,
};

/* In the order in which they are restored: SREGS has EFER.SVME, without which there is no nested state, and Hyper-V's assist
 * page must be there before the first run. */
static const struct {
	const char *name;
	unsigned long get, set;
	size_t len;
} fixed[] = {
	{ "sregs", KVM_GET_SREGS, KVM_SET_SREGS, sizeof(struct kvm_sregs) },
	{ "msrs", 0, 0, sizeof(msrs) / sizeof(msrs[0]) * sizeof(struct kvm_msr_entry) },
	{ "nested", 0, 0, GABI_NESTED_MAX },
	{ "regs", KVM_GET_REGS, KVM_SET_REGS, sizeof(struct kvm_regs) },
	{ "xsave", KVM_GET_XSAVE, KVM_SET_XSAVE, sizeof(struct kvm_xsave) },
	{ "debugregs", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs) },
	{ "events", KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events) },
	{ "memory", 0, 0, GUEST_LEN },
};
enum { FIXED = sizeof(fixed) / sizeof(fixed[0]) };

static struct saved_part *add_part(struct saved *saved, const char *name, size_t len)
{
	struct saved_part *part = &saved->part[saved->count++];

	snprintf(part->name, sizeof(part->name), "%s", name);
	part->len = len;
	part->bytes = calloc(1, len);
	if (!part->bytes)
		give_up("memory");
	return part;
}

const struct saved_part *saved_find(const struct saved *saved, const char *name)
{
	for (size_t i = 0; i < saved->count; i++)
		if (!strcmp(saved->part[i].name, name))
			return &saved->part[i];
	return NULL;
}

void saved_free(struct saved *saved)
{
	for (size_t i = 0; i < saved->count; i++)
		free(saved->part[i].bytes);
	saved->count = 0;
}

struct msr_request {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

static void save_msrs(const struct nested_vm *vm, struct saved_part *part)
{
	struct kvm_msr_entry *entry = (void *)part->bytes;
	size_t kept = 0;

	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		struct msr_request request = { .head.nmsrs = 1, .entry.index = msrs[i] };

		if (ioctl(vm->vcpu, KVM_GET_MSRS, &request) == 1)
			entry[kept++] = request.entry;
	}
	part->len = kept * sizeof(*entry);
}

void saved_set_msr(const struct saved *saved, uint32_t index, uint64_t value)
{
	const struct saved_part *part = saved_find(saved, "msrs");
	struct kvm_msr_entry *entry = part ? (void *)part->bytes : NULL;

	for (size_t i = 0; entry && i < part->len / sizeof(*entry); i++)
		if (entry[i].index == index)
			entry[i].data = value;
}

/* An MSR that reads 0 here and that the other kernel does not have changes nothing. */
static void restore_msrs(const struct nested_vm *vm, const struct saved_part *part)
{
	const struct kvm_msr_entry *entry = (const void *)part->bytes;

	for (size_t i = 0; i < part->len / sizeof(*entry); i++) {
		struct msr_request request = { .head.nmsrs = 1, .entry = entry[i] };

		if (ioctl(vm->vcpu, KVM_SET_MSRS, &request) != 1 && entry[i].data) {
			fprintf(stderr, "gabi-nested: MSR 0x%x cannot be set to 0x%" PRIx64 "\n", entry[i].index, (uint64_t)entry[i].data);
			exit(4);
		}
	}
}

static void save_nested(const struct nested_vm *vm, struct saved_part *part)
{
	struct kvm_nested_state *state = (void *)part->bytes;

	state->size = GABI_NESTED_MAX;
	need(vm->vcpu, KVM_GET_NESTED_STATE, state, "KVM_GET_NESTED_STATE");
	part->len = state->size;
}

static void save_part(const struct nested_vm *vm, size_t i, struct saved_part *part)
{
	if (!strcmp(part->name, "msrs"))
		save_msrs(vm, part);
	else if (!strcmp(part->name, "nested"))
		save_nested(vm, part);
	else if (!strcmp(part->name, "memory"))
		memcpy(part->bytes, vm->memory, GUEST_LEN);
	else
		need(vm->vcpu, fixed[i].get, part->bytes, part->name);
}

/* The nested state goes first: where an enlightened VMCS is in use, getting it writes the guest's page. */
void nested_vm_save(const struct nested_vm *vm, struct saved *saved)
{
	size_t nested = 0;

	saved->count = 0;
	for (size_t i = 0; i < FIXED; i++) {
		add_part(saved, fixed[i].name, fixed[i].len);
		if (!strcmp(fixed[i].name, "nested"))
			nested = i;
	}
	save_part(vm, nested, &saved->part[nested]);
	for (size_t i = 0; i < FIXED; i++)
		if (i != nested)
			save_part(vm, i, &saved->part[i]);
}

int nested_vm_restore(struct nested_vm *vm, const struct saved *saved)
{
	int refused = 0;

	for (size_t i = 0; i < FIXED && !refused; i++) {
		const struct saved_part *part = saved_find(saved, fixed[i].name);

		if (!part) {
			fprintf(stderr, "gabi-nested: the state has no part \"%s\"\n", fixed[i].name);
			exit(3);
		}
		if (!strcmp(part->name, "msrs"))
			restore_msrs(vm, part);
		else if (!strcmp(part->name, "nested"))
			refused = ioctl(vm->vcpu, KVM_SET_NESTED_STATE, part->bytes) ? errno : 0;
		else if (!strcmp(part->name, "memory"))
			memcpy(vm->memory, part->bytes, GUEST_LEN);
		else
			need(vm->vcpu, fixed[i].set, part->bytes, part->name);
	}
	return refused;
}

/* ---- as text ---- */

/* A new VM's memory, without which there would be the image in each state. */
static uint8_t usual_byte(const char *part, size_t at)
{
	return !strcmp(part, "memory") && at >= GUEST_IMAGE && at < GUEST_IMAGE + sizeof(image) ? image[at - GUEST_IMAGE] : 0;
}

static bool is_usual(const struct saved_part *part, size_t at)
{
	return at >= part->len || part->bytes[at] == usual_byte(part->name, at);
}

static void print_runs(const struct saved_part *part)
{
	enum { GAP = 4 };

	for (size_t at = 0, end; at < part->len; at = end) {
		for (; at < part->len && is_usual(part, at); at++)
			;
		end = at;
		for (size_t same = 0; end < part->len && same <= GAP; end++)
			same = is_usual(part, end) ? same + 1 : 0;
		if (at < part->len)
			printf(" %zx:", at);
		for (size_t i = at; i < end; i++)
			printf("%02x", part->bytes[i]);
	}
}

void saved_print(const struct saved *saved, const char *name)
{
	for (size_t i = 0; i < saved->count; i++) {
		printf("%s %s %zu", name, saved->part[i].name, saved->part[i].len);
		print_runs(&saved->part[i]);
		putchar('\n');
	}
}

static void parse_run(struct saved_part *part, const char *text)
{
	char *hex;
	size_t at = strtoul(text, &hex, 16);
	unsigned byte;

	for (hex += *hex == ':'; at < part->len && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		part->bytes[at++] = (uint8_t)byte;
}

bool saved_parse(struct saved *saved, char *line, const char *name)
{
	const char *word = strtok(line, " \n"), *part_name = strtok(NULL, " \n"), *len = strtok(NULL, " \n");
	struct saved_part *part;

	if (!word || strcmp(word, name) || !part_name || !len || saved->count == sizeof(saved->part) / sizeof(saved->part[0]))
		return false;
	part = add_part(saved, part_name, strtoul(len, NULL, 10));
	for (size_t at = 0; at < part->len; at++)
		part->bytes[at] = usual_byte(part->name, at);
	while ((word = strtok(NULL, " \n")))
		parse_run(part, word);
	return true;
}
