/* SPDX-License-Identifier: MIT */
#include "guest.h"

#include "uapi.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static const unsigned char image[] = {
#include "guest.inc"
};

struct space {
	int vm;
	unsigned char *memory;
	struct kvm_run *run;
	size_t run_len;
};

static int set_memory(int vm, void *memory, size_t len)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = GUEST_MEM, .memory_size = len, .userspace_addr = (uintptr_t)memory,
	};

	return kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static int map_memory(struct space *space, const struct gabi_kvm_vm *vm, struct gabi_diag *diag)
{
	void *memory = mmap(NULL, GUEST_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	space->memory = memory;
	return set_memory(vm->vm, memory, GUEST_LEN) ? kvm_refused(diag, "give a guest its memory") : 0;
}

static int map_run(struct space *space, int kvm_run_len, int vcpu, struct gabi_diag *diag)
{
	void *run = mmap(NULL, (size_t)kvm_run_len, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		return kvm_refused(diag, "share a virtual processor's state");
	space->run = run;
	space->run_len = (size_t)kvm_run_len;
	return 0;
}

static void unmap(struct space *space)
{
	if (space->run)
		munmap(space->run, space->run_len);
	if (space->memory) {
		set_memory(space->vm, space->memory, 0);
		munmap(space->memory, GUEST_LEN);
	}
}

static int stopped(const struct kvm_run *run, struct gabi_diag *diag)
{
	char number[24];
	struct gabi_out out = gabi_out_to(number, sizeof(number));

	gabi_out_dec(&out, run->exit_reason);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY || run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return gabi_fail(diag, GABI_ERR_KVM, "KVM could not run the guest, exit reason ", number, (char *)NULL);
	return gabi_fail(diag, GABI_ERR_KVM, "the guest stopped before it had answered, exit reason ", number, (char *)NULL);
}

/* calls: how often the guest may want something of its VMM. */
static int run_to_end(int vcpu, const struct kvm_run *run, size_t calls, struct gabi_diag *diag)
{
	do {
		if (kvm_ioctl(vcpu, KVM_RUN, NULL))
			return kvm_refused(diag, "run the guest");
	} while (run->exit_reason == KVM_EXIT_HYPERCALL && calls-- && !guest_answer(vcpu));
	return guest_ended(run) ? 0 : stopped(run, diag);
}

static int ask(struct space *space, int vcpu, struct guest_request *requests, size_t count, struct gabi_diag *diag)
{
	uint64_t number = count;
	int err;

	memcpy(space->memory + (GUEST_IMAGE - GUEST_MEM), image, sizeof(image));
	memcpy(space->memory + (GUEST_COUNT - GUEST_MEM), &number, sizeof(number));
	memcpy(space->memory + (GUEST_REQUESTS - GUEST_MEM), requests, count * sizeof(*requests));
	err = guest_enter(vcpu, space->memory, diag);
	if (!err)
		err = run_to_end(vcpu, space->run, count, diag);
	if (!err)
		memcpy(requests, space->memory + (GUEST_REQUESTS - GUEST_MEM), count * sizeof(*requests));
	for (size_t i = 0; !err && i < count; i++)
		if (requests[i].answered != 1)
			err = gabi_fail(diag, GABI_ERR_KVM, "the guest did not answer all that it was asked", (char *)NULL);
	return err;
}

static int run_len_of(struct gabi_diag *diag, int *ret_len)
{
	int kvm = -1, err = kvm_open("/dev/kvm", &kvm, diag);

	if (err)
		return err;
	*ret_len = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	kvm_close(kvm);
	return *ret_len > 0 ? 0 : kvm_refused(diag, "say how large a virtual processor's state is");
}

int guest_ask_all(const struct gabi_kvm_vm *vm, struct guest_request *requests, size_t count, struct gabi_diag *diag)
{
	struct space space = { .vm = vm->vm };
	int len = 0, err;

	if (count > GUEST_REQUESTS_MAX)
		return gabi_fail(diag, GABI_ERR_LIMIT, "more than the guest can be asked", (char *)NULL);
	err = run_len_of(diag, &len);
	if (!err)
		err = map_memory(&space, vm, diag);
	if (!err)
		err = map_run(&space, len, vm->vcpu[0], diag);
	if (!err)
		err = ask(&space, vm->vcpu[0], requests, count, diag);
	unmap(&space);
	return err;
}
