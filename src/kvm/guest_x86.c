/* SPDX-License-Identifier: MIT */
/* The guest's processor on x86: 64-bit mode, its memory mapped where it is. */
#include "guest.h"

#include "uapi.h"

#include <string.h>

#define CR0_PE_MP_ET_NE_PG 0x80000033u

enum {
	PRESENT_WRITABLE = 3,
	LARGE = 1 << 7,
	CR4_PAE = 1 << 5,
	EFER_LME_LMA = 0x500,
};

static void put_entry(unsigned char *memory, uint64_t at, uint64_t entry)
{
	memcpy(memory + at, &entry, sizeof(entry));
}

/* One large page of 2 MiB is all the memory there is. */
static void put_tables(unsigned char *memory)
{
	put_entry(memory, GUEST_TABLES, (GUEST_TABLES + 0x1000) | PRESENT_WRITABLE);
	put_entry(memory, GUEST_TABLES + 0x1000, (GUEST_TABLES + 0x2000) | PRESENT_WRITABLE);
	put_entry(memory, GUEST_TABLES + 0x2000, GUEST_MEM | PRESENT_WRITABLE | LARGE);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, uint8_t is_code)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1, .g = 1,
				     .l = is_code, .db = !is_code };
}

int guest_enter(int vcpu, unsigned char *memory, struct gabi_diag *diag)
{
	struct kvm_regs regs = { .rip = GUEST_IMAGE, .rsp = GUEST_STACK, .rflags = 2 };
	struct kvm_sregs sregs;

	put_tables(memory);
	if (kvm_ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return kvm_refused(diag, "say a virtual processor's state");
	sregs.cs = segment(8, 11, 1);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(16, 3, 0);
	sregs.cr0 = CR0_PE_MP_ET_NE_PG;
	sregs.cr3 = GUEST_TABLES;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME_LMA;
	if (kvm_ioctl(vcpu, KVM_SET_SREGS, &sregs) || kvm_ioctl(vcpu, KVM_SET_REGS, &regs))
		return kvm_refused(diag, "put a virtual processor at a guest's entry");
	return 0;
}

int guest_answer(int vcpu)
{
	(void)vcpu;
	return -1; /* nothing that it asks is the VMM's */
}

bool guest_ended(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_END;
}
