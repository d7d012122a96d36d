/* SPDX-License-Identifier: MIT */
/* What a lower level does and a higher one wants to be told of: ports, MSRs and registers that it has named, and accesses of memory that it has protected. */
#include "insn.h"
#include "vsm_own.h"

#include "base/base.h"

#include <string.h>

enum { GENERAL_PROTECTION = 13, INSTRUCTION = 16 };

/* ---- what is intercepted ---- */

enum { REG, MSR };
enum { ACCESS_READ, ACCESS_WRITE };

static const struct trap {
	uint32_t msr;
	uint8_t form, write;
} traps[] = {
#define GABI_HV_TRAP_ROW(bit, name, reg, form, access, msr, mask, source) [bit] = { msr, form, ACCESS_##access },
#include <gabi/hv_trap.def>
};

enum { TAKEN_MAX = 128 };

static size_t add_traps(const struct vmm_hyperv *hyperv, unsigned vtl, struct gabi_kvm_msrs *msrs, size_t count)
{
	uint64_t all = 0;

	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++)
		all |= gabi_hv_traps(hyperv->hv, vp, vtl);
	for (size_t i = 0; i < GABI_COUNT_OF(traps) && count < TAKEN_MAX; i++)
		if (all >> i & 1 && traps[i].form == MSR)
			msrs[count++] = (struct gabi_kvm_msrs){ traps[i].msr, 1, !traps[i].write, traps[i].write };
	return count;
}

static size_t add_installed(struct vmm_hyperv *hyperv, unsigned vtl, struct gabi_kvm_msrs *msrs, size_t count)
{
	struct gabi_hv_installed one;
	bool ports = false;

	for (size_t i = 0; gabi_hv_installed(hyperv->hv, vtl, i, &one); i++) {
		ports = ports || one.type == GABI_HV_INTERCEPT_IO_PORT_RANGE;
		if (one.type == GABI_HV_INTERCEPT_MSR && count < TAKEN_MAX)
			msrs[count++] = (struct gabi_kvm_msrs){ one.first, 1, one.access & 1, one.access >> 1 & 1 };
	}
	atomic_store(&hyperv->vsm->ports[vtl], ports);
	return count;
}

/* One VM has one filter for all its virtual processors; whom an access concerns the engine knows. */
void vsm_set_traps(struct vmm_hyperv *hyperv, unsigned above)
{
	struct gabi_kvm_msrs msrs[TAKEN_MAX];
	struct gabi_diag diag = { 0 };

	pthread_mutex_lock(&hyperv->vsm->traps);
	for (unsigned vtl = 0; vtl < above; vtl++) {
		size_t count = add_installed(hyperv, vtl, msrs, add_traps(hyperv, vtl, msrs, 0));

		if (gabi_kvm_machine_take_msrs(hyperv->machine, vtl, msrs, count, &diag))
			vmm_hyperv_fail(hyperv, diag.text);
	}
	pthread_mutex_unlock(&hyperv->vsm->traps);
}

/* ---- exits ---- */

/* An intercept: the instruction has not been executed, and will be when its level goes on. */
static bool intercepted(struct vmm_hyperv *hyperv, unsigned vp, int done)
{
	if (done == GABI_HV_DONE)
		return false;
	vsm_take(hyperv, vp);
	gabi_kvm_vp_again(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), done == GABI_HV_GP ? GENERAL_PROTECTION : GABI_KVM_NO_FAULT, NULL);
	vsm_give(hyperv, vp);
	vmm_hyperv_carry_out(hyperv, vp, &hyperv->turn[vp]);
	return true;
}

/* The instruction that a processor is at, as far as it lies in one page of RAM. */
struct code {
	uint64_t gva, gpa;  /* of its first byte */
	unsigned bits;      /* of the segment: 16, 32 or 64 */
	unsigned count;     /* 0: it is in no RAM, and nothing else is known of it but perhaps where it is */
	uint8_t bytes[INSTRUCTION];
};

/* The attributes of CS, as a descriptor has them, are its last two bytes: L and D/B. Only 64-bit code has no base. */
static void place(struct code *code, const struct gabi_hv_value *cs, uint64_t rip)
{
	bool is_long = cs->high >> 61 & 1;

	code->bits = is_long ? 64 : cs->high >> 62 & 1 ? 32 : 16;
	code->gva = is_long ? rip : (uint32_t)(rip + cs->low);
}

static struct code fetch(const struct vmm_hyperv *hyperv, unsigned vp)
{
	unsigned vtl = vmm_vsm_current(hyperv, vp), len;
	struct code code = { 0 };
	struct gabi_hv_value cs = { 0, 0 };
	const void *from;
	int err;

	vsm_take(hyperv, vp);
	err = gabi_kvm_vp_get_register(hyperv->machine, vp, vtl, GABI_HV_REG_Cs, &cs);
	place(&code, &cs, gabi_kvm_vp_registers(hyperv->machine, vp, vtl)->rip);
	err = err ? err : gabi_kvm_vp_translate(hyperv->machine, vp, vtl, code.gva, &code.gpa);
	vsm_give(hyperv, vp);
	if (err)
		return code;
	len = (unsigned)(GABI_HV_PAGE - code.gpa % GABI_HV_PAGE);
	len = len < INSTRUCTION ? len : INSTRUCTION;
	from = gabi_kvm_machine_ram(hyperv->machine, code.gpa, len);
	code.count = from ? len : 0;
	if (from)
		memcpy(code.bytes, from, len);
	return code;
}

static bool serve_port(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	struct gabi_hv_io io = { .port = (uint16_t)exit->address, .size = exit->size, .write = exit->write };
	struct vmm_insn insn;
	struct code code;

	if (!atomic_load(&hyperv->vsm->ports[vmm_vsm_current(hyperv, vp)]))
		return false;
	code = fetch(hyperv, vp);
	insn = vmm_insn(code.bytes, code.count, code.bits);
	io.bytes = (uint8_t)code.count;
	memcpy(io.instruction, code.bytes, sizeof(io.instruction));
	io.instruction_len = insn.len;
	io.string = insn.len && (insn.opcode & 0xfc) == 0x6c; /* INS, OUTS */
	io.rep = io.string && insn.rep;
	return intercepted(hyperv, vp, gabi_hv_io(hyperv->hv, vp, &io, vmm_hyperv_now(hyperv), &hyperv->turn[vp]));
}

static uint64_t next_page(uint64_t gva)
{
	return (gva / GABI_HV_PAGE + 1) * GABI_HV_PAGE;
}

/* Does the instruction go on in that page? It has to be fetched before it can read there. */
static bool goes_on_in(const struct vmm_hyperv *hyperv, unsigned vp, const struct code *code, uint64_t page)
{
	uint64_t gpa;
	int err;

	if (!code->count || code->count >= VMM_INSN_MAX || vmm_insn(code->bytes, code->count, code->bits).len)
		return false;
	vsm_take(hyperv, vp);
	err = gabi_kvm_vp_translate(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), next_page(code->gva), &gpa);
	vsm_give(hyperv, vp);
	return !err && gpa / GABI_HV_PAGE == page / GABI_HV_PAGE;
}

/* Where execution is not forbidden on its own, an access of the page that RIP is in can only be the fetch of an instruction. */
static bool is_fetch(const struct vmm_hyperv *hyperv, unsigned vp, const struct code *code, uint64_t page)
{
	return (code->count && code->gpa / GABI_HV_PAGE == page / GABI_HV_PAGE) || goes_on_in(hyperv, vp, code, page);
}

/* Of an instruction that goes on in the next page, that page can be the one. */
static void tell_fetch(const struct code *code, struct gabi_hv_fault *fault)
{
	bool is_next = fault->gpa / GABI_HV_PAGE != code->gpa / GABI_HV_PAGE;

	fault->gpa = is_next ? fault->gpa / GABI_HV_PAGE * GABI_HV_PAGE : code->gpa;
	fault->gva = is_next ? next_page(code->gva) : code->gva;
	fault->gva_valid = fault->gva_is_of_gpa = 1;
	fault->access = GABI_HV_ACCESS_EXECUTE;
}

enum access { JUDGE_READ, JUDGE_WRITE, JUDGE_FETCH };

static int judge(struct vmm_hyperv *hyperv, unsigned vp, uint64_t gpa, enum access access)
{
	struct gabi_hv_fault fault = { .gpa = gpa, .access = access == JUDGE_WRITE ? GABI_HV_ACCESS_WRITE : GABI_HV_ACCESS_READ };
	struct code code = fetch(hyperv, vp);

	fault.bytes = (uint8_t)code.count;
	memcpy(fault.instruction, code.bytes, sizeof(fault.instruction));
	if (access == JUDGE_FETCH || (access == JUDGE_READ && is_fetch(hyperv, vp, &code, gpa)))
		tell_fetch(&code, &fault);
	return gabi_hv_memory_fault(hyperv->hv, vp, &fault, vmm_hyperv_now(hyperv), &hyperv->turn[vp]);
}

/* The instruction has not begun, and begins again by itself. */
static bool serve_protected(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	int done = judge(hyperv, vp, exit->address, exit->execute ? JUDGE_FETCH : exit->write ? JUDGE_WRITE : JUDGE_READ);

	if (done == GABI_HV_AGAIN)
		vmm_hyperv_carry_out(hyperv, vp, &hyperv->turn[vp]);
	else
		intercepted(hyperv, vp, done);
	return true;
}

static bool may(const struct vmm_hyperv *hyperv, unsigned vtl, uint64_t gpa, bool write)
{
	return gabi_hv_protection(hyperv->hv, vtl, gpa / GABI_HV_PAGE) & (write ? GABI_HV_WRITE : GABI_HV_READ);
}

/*
 * KVM emulates some instructions, and what those cannot reach in RAM comes as if there were a device. What is allowed is done here. What is
 * not is told to the level that forbids it; but it cannot be tried again: a write is lost, and a read gives ones.
 */
static bool serve_memory(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	void *ram = gabi_kvm_machine_ram(hyperv->machine, exit->address, exit->size);

	if (!ram)
		return false;
	if (may(hyperv, vmm_vsm_current(hyperv, vp), exit->address, exit->write)) {
		memcpy(exit->write ? ram : exit->data, exit->write ? exit->data : ram, exit->size);
		if (exit->write)
			gabi_kvm_machine_wrote(hyperv->machine, exit->address, exit->size);
		return true;
	}
	if (!exit->write)
		memset(exit->data, 0xff, exit->size);
	if (judge(hyperv, vp, exit->address, exit->write ? JUDGE_WRITE : JUDGE_READ) == GABI_HV_AGAIN)
		vmm_hyperv_carry_out(hyperv, vp, &hyperv->turn[vp]);
	return true;
}

static int trap_msr(struct vmm_hyperv *hyperv, unsigned vp, uint32_t msr, bool write, uint64_t value)
{
	const struct gabi_hv_value wide = { value, 0 };
	uint64_t wanted = gabi_hv_traps(hyperv->hv, vp, vmm_vsm_current(hyperv, vp));
	int done = GABI_HV_DONE;

	for (unsigned i = 0; done == GABI_HV_DONE && i < GABI_COUNT_OF(traps); i++)
		if (wanted >> i & 1 && traps[i].form == MSR && traps[i].msr == msr && traps[i].write == write)
			done = gabi_hv_trap(hyperv->hv, vp, i, &wide, 2, vmm_hyperv_now(hyperv), &hyperv->turn[vp]);
	return done != GABI_HV_DONE ? done :
				      gabi_hv_msr_intercept(hyperv->hv, vp, msr, write, 2, vmm_hyperv_now(hyperv), &hyperv->turn[vp]);
}

/* An MSR that is KVM's, and is here because of an intercept. */
static bool serve_msr(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	unsigned vtl = vmm_vsm_current(hyperv, vp);
	uint32_t msr = (uint32_t)exit->address;
	bool refused = *exit->fault;
	uint64_t value;

	memcpy(&value, exit->data, sizeof(value));
	*exit->fault = 0;
	if (intercepted(hyperv, vp, trap_msr(hyperv, vp, msr, exit->write, value)))
		return true;
	*exit->fault = refused;
	if (refused)
		return true;
	*exit->fault = gabi_kvm_vp_carry_out_msr(hyperv->machine, vp, vtl, msr, exit->write, &value) != 0;
	memcpy(exit->data, &value, sizeof(value));
	return true;
}

bool vmm_vsm_serve(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	if (!hyperv->vsm)
		return false;
	switch (exit->kind) {
	case GABI_KVM_EXIT_PORT:
		return serve_port(hyperv, vp, exit);
	case GABI_KVM_EXIT_MMIO:
		return serve_memory(hyperv, vp, exit);
	case GABI_KVM_EXIT_MSR:
		return serve_msr(hyperv, vp, exit);
	case GABI_KVM_EXIT_PROTECTED:
		return serve_protected(hyperv, vp, exit);
	default:
		return false;
	}
}
