/* SPDX-License-Identifier: MIT */
/*
 * libgabi-kvm: a virtual machine that runs. x86.
 *
 * A machine is one KVM virtual machine for each trust level (VTL) over one file of memory, under a contract. This is all of KVM
 * that a VMM needs: it loads memory, gives virtual processors their first registers, runs them, and answers their exits.
 *
 * Threads: a virtual processor is run, and its registers touched, by one thread at a time. The functions that say "any thread"
 * may be called at any time between _new and _free.
 */
#ifndef GABI_KVM_MACHINE_H
#define GABI_KVM_MACHINE_H

#include <gabi/hv_turn.h>
#include <gabi/kvm.h>

GABI_BEGIN

#define GABI_KVM_VPS_MAX  240u
#define GABI_KVM_VTLS_MAX 3u

/* RAM lies from address 0 on, and what is more than this from 4 GiB on; in between is room for devices. */
#define GABI_KVM_LOW_RAM  0xc0000000u
#define GABI_KVM_HIGH_RAM 0x100000000u

struct gabi_kvm_machine;

/* Without options.shim whoever may read may execute: KVM knows no other way. */
enum gabi_kvm_rights { GABI_KVM_READ = 1, GABI_KVM_WRITE = 2, GABI_KVM_EXECUTE = 4 };

struct gabi_kvm_machine_options {
	size_t size;        /* sizeof(struct gabi_kvm_machine_options); bytes that this library does not know must be 0 */
	const char *device; /* NULL: /dev/kvm */
	unsigned vps;       /* virtual processors; 0: 1 */
	unsigned vtls;      /* trust levels; 0: 1 */
	uint64_t memory;    /* bytes, whole pages */
	int kick;           /* the signal of gabi_kvm_vp_kick; the caller has given it a handler, without SA_RESTART */
	int hyperv;         /* 1: Hyper-V's MSRs are the caller's, but for those of the local APIC, which are KVM's */
	unsigned overlays;  /* pages that can be laid over memory (gabi_kvm_machine_overlay) */
	int unverified;     /* 1: run even if KVM shows something else than was set (gabi_kvm_apply) */
	/* What a trust level may do with a page: enum gabi_kvm_rights. Asked from any thread, answers at once. Needed with several. */
	unsigned (*rights)(void *ctx, unsigned vtl, uint64_t gpa);
	/* As in struct gabi_kvm_vm. */
	void (*cpuid)(void *ctx, unsigned vp, uint32_t leaf, uint32_t sub, uint32_t regs[4]);
	void *ctx;
	/* Called at the beginning of a thread that the machine makes, which it does only for trust levels' protections. May be NULL. */
	void (*thread)(void *ctx);
	/*
	 * 1: pages can be kept from being executed too, in all trust levels but the highest: each runs as the nested guest of its VM (docs/vsm.md). Of
	 * AMD's processors that nest, and for contracts without svm; GABI_ERR_KVM and GABI_ERR_CONFLICT where that is not so.
	 */
	unsigned shim;
};

/*
 * Makes a machine with cleared memory, carries the plan out on it, and stops before the first instruction. VTL 0 has the
 * interrupt controllers and the timer of a PC in the kernel, with 24 lines; the other VTLs have local APICs.
 * With more than one VTL there is a thread that reads of accesses that are not allowed, and HLT in any but the highest waits inside the
 * processor (docs/vsm.md). GABI_ERR_UNSUPPORTED where this kernel cannot protect memory so, or tell a TSC's offset.
 * Virtual processor 0 is as after a reset, the others wait for INIT and startup IPIs. Errors: as of gabi_kvm_vm_create and
 * gabi_kvm_apply.
 */
GABI_API int gabi_kvm_machine_new(const struct gabi_contract *contract, const struct gabi_plan *plan,
				  const struct gabi_kvm_machine_options *options, const struct gabi_mem *mem,
				  struct gabi_kvm_machine **ret_machine, struct gabi_diag *diag);
GABI_API void gabi_kvm_machine_free(struct gabi_kvm_machine *machine); /* NULL is fine; nobody may be inside */

/* The VM of a VTL, for what has an API of its own: saving, restoring, ioctls. Owned by the machine. */
GABI_API const struct gabi_kvm_vm *gabi_kvm_machine_vm(const struct gabi_kvm_machine *machine, unsigned vtl);

/* The caller's view of len bytes of RAM, which no VTL's protection touches; NULL if they are not all RAM. Any thread. */
GABI_API void *gabi_kvm_machine_ram(const struct gabi_kvm_machine *machine, uint64_t gpa, uint64_t len);

/*
 * RAM as pages of 4 KiB, numbered from the first on without the hole between low and high RAM. A bitmap has a bit for each, bit
 * n % 64 of word n / 64, and is the caller's.
 */
GABI_API uint64_t gabi_kvm_machine_pages(const struct gabi_kvm_machine *machine);

/* The caller's view of count pages; NULL if they are not all there. Any thread. */
GABI_API void *gabi_kvm_machine_page(const struct gabi_kvm_machine *machine, uint64_t page, uint64_t count);

/* Sets the bits of the pages that may hold anything; all others are clear memory, and their bits become 0. */
GABI_API int gabi_kvm_machine_used(const struct gabi_kvm_machine *machine, uint64_t *bitmap, struct gabi_diag *diag);

/* Begins or ends to write down which pages are written to: by the guest in any VTL, by KVM, and by the caller, who says so with
 * gabi_kvm_machine_wrote after each write. */
GABI_API int gabi_kvm_machine_log(struct gabi_kvm_machine *machine, int on, struct gabi_diag *diag);
GABI_API void gabi_kvm_machine_wrote(struct gabi_kvm_machine *machine, uint64_t gpa, uint64_t len); /* any thread */

/* Sets the bits of the pages that were written to since it was called last, or since it began; the other bits stay. Exact only
 * while no virtual processor runs. */
GABI_API int gabi_kvm_machine_dirty(struct gabi_kvm_machine *machine, uint64_t *bitmap, struct gabi_diag *diag);

/* gabi_kvm_restore on the VM of a VTL; VTL 0's also says what the machine's TSC is from now on. */
GABI_API int gabi_kvm_machine_restore(struct gabi_kvm_machine *machine, unsigned vtl, const struct gabi_state *state,
				      const struct gabi_plan *plan, struct gabi_diag *diag);

/* Sets one of the lines of VTL 0's interrupt controllers: 0 to 15 are those of a PC, 0 to 23 the I/O APIC's. Any thread. */
GABI_API int gabi_kvm_machine_line(const struct gabi_kvm_machine *machine, unsigned line, int level);

/* Sends a message-signalled interrupt to the local APICs of a VTL. Any thread. */
GABI_API int gabi_kvm_machine_msi(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t address, uint32_t data);

/* The pages that can be laid over memory, as many as the options said; NULL if none. */
GABI_API void *gabi_kvm_machine_overlays(const struct gabi_kvm_machine *machine);

/* Lays such a page over a page of a VTL's RAM, which stays as it is below; page UINT32_MAX: uncovers the RAM again. Any thread. */
GABI_API int gabi_kvm_machine_overlay(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t gpa, uint32_t page);

/*
 * Brings what a VTL may do with pages of RAM to its page tables: enum gabi_kvm_rights, as options.rights already answers. When it
 * returns no processor of that VTL can do more. Overlays are not touched. Any thread.
 */
GABI_API int gabi_kvm_machine_protect(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t gpa, uint64_t len, unsigned rights,
				      struct gabi_diag *diag);

/* From now on an INIT to that VTL of the processor is dropped, which takes options.shim: else GABI_ERR_UNSUPPORTED. Its thread, or where nobody
 * runs it. */
GABI_API int gabi_kvm_vp_drop_init(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/*
 * Flushes the TLBs of all processors of a VTL, whatever they run: for one that asks for it by an exit, on its thread. When it returns
 * none of them has a translation that it made before.
 */
GABI_API int gabi_kvm_vp_flush(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_diag *diag);

struct gabi_kvm_msrs {
	uint32_t first, count;
	uint8_t reads, writes; /* 1: they come as exits */
};

/* The MSRs of a VTL that are the caller's, beside Hyper-V's. GABI_ERR_LIMIT: more than KVM can leave to it. Any thread. */
GABI_API int gabi_kvm_machine_take_msrs(struct gabi_kvm_machine *machine, unsigned vtl, const struct gabi_kvm_msrs *msrs,
					size_t count, struct gabi_diag *diag);

/* The frequency of the guest's TSC, and what virtual processor 0 would read now had the guest not written it: a clock that it cannot step. Any thread. */
GABI_API uint64_t gabi_kvm_machine_tsc_hz(const struct gabi_kvm_machine *machine);
GABI_API uint64_t gabi_kvm_machine_tsc(const struct gabi_kvm_machine *machine);

/*
 * How far the guest has moved virtual processor 0's TSC in VTL 0, modulo 2^64. A state that is restored has that in its TSC and does not say it: it is
 * asked where the state is saved, while nothing runs, and told behind gabi_kvm_machine_restore.
 */
GABI_API int gabi_kvm_machine_tsc_moved(const struct gabi_kvm_machine *machine, uint64_t *ret_moved, struct gabi_diag *diag);
GABI_API void gabi_kvm_machine_set_tsc_moved(struct gabi_kvm_machine *machine, uint64_t moved);

/* ---- virtual processors ---- */

/* The general registers, in KVM's order. */
struct gabi_kvm_registers {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags;
};

/* Puts a virtual processor at its first instruction. rsp, rip and rflags are the context's. registers NULL: all 0. */
GABI_API int gabi_kvm_vp_start(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl,
			       const struct gabi_hv_context *context, const struct gabi_kvm_registers *registers,
			       struct gabi_diag *diag);

enum gabi_kvm_exit_kind {
	GABI_KVM_EXIT_KICKED,   /* somebody kicked, or there is nothing to do: run again */
	GABI_KVM_EXIT_PORT,     /* IN or OUT */
	GABI_KVM_EXIT_MMIO,     /* an access of memory where there is none */
	GABI_KVM_EXIT_MSR,      /* RDMSR or WRMSR of one that is the caller's: 8 bytes in data */
	GABI_KVM_EXIT_PROTECTED, /* an access of a page that the VTL has no right to; the instruction has not been executed */
	GABI_KVM_EXIT_HYPERCALL, /* one of Hyper-V's, by a guest for which that is KVM's, that KVM leaves to its VMM: data is a struct gabi_kvm_hypercall */
	GABI_KVM_EXIT_CRASHED,  /* a triple fault */
	GABI_KVM_EXIT_RESET,    /* the guest asked for a reset or shutdown by a way that KVM knows */
	GABI_KVM_EXIT_STUCK,    /* KVM can go no further: exit.text says why */
};

/* The registers of a hypercall by their meaning; result is what the guest gets in RAX. */
struct gabi_kvm_hypercall {
	uint64_t input, result, in_gpa, out_gpa;
};

/* Why a virtual processor stopped. What is read by the guest has to be in `data` before it runs again. */
struct gabi_kvm_exit {
	uint8_t kind;     /* enum gabi_kvm_exit_kind */
	uint8_t write;    /* 1 or 0 */
	uint8_t size;     /* bytes of one access: 1 to 8 */
	uint8_t execute;  /* PROTECTED: 1: the fetch of an instruction, that is known to be one; address is its byte's, not its page's */
	uint32_t count;   /* PORT: accesses, one after the other in data; else 1 */
	uint64_t address; /* the port, the guest-physical address, the MSR, or the hypercall's code */
	void *data;
	uint8_t *fault;   /* MSR: set it to 1 for #GP; it is 1 where KVM has refused the access, which gabi_kvm_vp_set_msr might carry out */
	char text[160];   /* STUCK */
};

/* Runs a virtual processor in a VTL until it needs something. GABI_ERR_KVM: KVM refused. */
GABI_API int gabi_kvm_vp_run(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_kvm_exit *exit,
			     struct gabi_diag *diag);

/*
 * Before gabi_kvm_vp_run, which has returned KICKED: does the processor wait in HLT, in a VTL where that is no exit and keeps this machine's
 * processor busy? Then it waits in KVM until an interrupt comes or it is kicked, after which it goes on by itself. Whether it waits is not certain,
 * so a kick has to come after a while. 1: it rests. Its thread.
 */
GABI_API int gabi_kvm_vp_rest(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* Behind the run: 1: it rested until the kick, and nothing came. Its thread. */
GABI_API int gabi_kvm_vp_rested(const struct gabi_kvm_machine *machine, unsigned vp);

/*
 * 1: the processor waits in KVM now, because it rests, or nobody has started it. 0: it runs, or this KVM does not say. Any thread, for
 * machines with more than one VTL; nobody is disturbed.
 */
GABI_API int gabi_kvm_vp_waits(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* Has a processor been started in VTL 0, at the beginning or by a local APIC? 1 or 0. Its thread, or while it does not run. */
GABI_API int gabi_kvm_vp_is_started(const struct gabi_kvm_machine *machine, unsigned vp);

/* Drops what local APICs of VTL 0 have sent a processor that was never run, to start it. Its thread, or while it does not run. */
GABI_API void gabi_kvm_vp_drop_startup(const struct gabi_kvm_machine *machine, unsigned vp);

/* Makes gabi_kvm_vp_run return KICKED soon, or at once when it is next called. When it does nothing of an earlier exit is open in
 * that VTL. Any thread. */
GABI_API void gabi_kvm_vp_kick(struct gabi_kvm_machine *machine, unsigned vp);

/*
 * The general registers as they are since the last exit, in memory that is shared with KVM. What is written there is the guest's
 * from the next run on if gabi_kvm_vp_changed was called.
 */
GABI_API struct gabi_kvm_registers *gabi_kvm_vp_registers(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);
GABI_API void gabi_kvm_vp_changed(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* The processor's mode: 64 or 32 where protected mode is on, else 16; and its privilege level. */
GABI_API int gabi_kvm_vp_mode(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, unsigned *ret_bits,
			      unsigned *ret_cpl, struct gabi_diag *diag);

#define GABI_KVM_NO_FAULT (-1)

/* After a PORT or MSR exit: the instruction has not been executed. It is executed again, or faults if vector is that of a fault. */
GABI_API int gabi_kvm_vp_again(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, int vector,
			       struct gabi_diag *diag);

/*
 * Lets KVM finish what the last exit of each VTL left open, such as a register that a read goes to, without running the guest; after
 * it gabi_kvm_save can be called. What an exit asked for must be in its data. Its thread, or where nobody runs it.
 */
GABI_API int gabi_kvm_vp_settle(struct gabi_kvm_machine *machine, unsigned vp, struct gabi_diag *diag);

/* Sets an MSR for KVM itself, past the guest, one that all VTLs share in each of them; and reads one. */
GABI_API int gabi_kvm_vp_set_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, uint64_t value);
GABI_API int gabi_kvm_vp_get_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, uint64_t *ret_value);

/*
 * After an MSR exit of what gabi_kvm_machine_take_msrs has taken and is KVM's all the same: carries the access out as KVM would have for the guest, on
 * a machine with more than one VTL. value is what is written, or gets what is read. GABI_ERR_RANGE: KVM refuses it to guests: #GP. Its thread.
 */
GABI_API int gabi_kvm_vp_carry_out_msr(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, int write, uint64_t *value);

/* ---- trust levels ---- */

/*
 * Carries over what the levels of a virtual processor share (gabi/hv_reg.def: SHARED) when it leaves one and goes on in another.
 * Everything else is private because the other level is another VM. Its thread.
 */
GABI_API int gabi_kvm_vp_switch(const struct gabi_kvm_machine *machine, unsigned vp, unsigned from, unsigned to, struct gabi_diag *diag);

/*
 * Has the local APIC of a level that does not run something to deliver, whatever RFLAGS.IF says? And in how many ns does its timer
 * fire: UINT64_MAX if it does not run. Its thread.
 */
GABI_API int gabi_kvm_vp_interrupt(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, int *ret_pending,
				   uint64_t *ret_timer_ns, struct gabi_diag *diag);

/*
 * A register by its HV_REGISTER_NAME (gabi/hv_reg.def, those that the processor holds), of a level that does not run. GABI_ERR_UNKNOWN:
 * there is no such register; GABI_ERR_RANGE: it cannot have that value. Its thread, or where nobody runs it.
 */
GABI_API int gabi_kvm_vp_get_register(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t name,
				      struct gabi_hv_value *ret_value);
GABI_API int gabi_kvm_vp_set_register(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t name,
				      const struct gabi_hv_value *value);

/* Where a linear address of a level leads; GABI_ERR_RANGE: nowhere. As the registers. */
GABI_API int gabi_kvm_vp_translate(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t gva, uint64_t *ret_gpa);

GABI_END
#endif
