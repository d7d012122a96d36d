/* SPDX-License-Identifier: MIT */
#include "hyperv.h"

#include "base/base.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>
#include <gabi/hv_save.h>
#include <gabi/hv_synic.h>
#include <gabi/vocab.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNDEFINED = 6, GENERAL_PROTECTION = 13, APIC_HZ = 1000000000 /* KVM's */ };

struct vmm_hyperv {
	struct vmm_hyperv_options options;
	struct gabi_kvm_machine *machine;
	struct gabi_hv_config config;
	struct gabi_hv *hv;
	struct gabi_hv_turn *turn;      /* of each virtual processor, and one for timers */
	_Atomic uint64_t *timer_100ns;  /* of each virtual processor */
};

static uint64_t now_100ns(const struct vmm_hyperv *hyperv)
{
	uint64_t tsc = gabi_kvm_machine_tsc(hyperv->machine), hz = hyperv->config.tsc_hz;

	return tsc / hz * 10000000 + tsc % hz * 10000000 / hz;
}

/* ---- what the engine asks ---- */

static int read_gpa(void *ctx, uint64_t gpa, void *buf, size_t len)
{
	const struct vmm_hyperv *hyperv = ctx;
	const void *from = gabi_kvm_machine_ram(hyperv->machine, gpa, len);

	if (!from)
		return GABI_ERR_RANGE;
	memcpy(buf, from, len);
	return 0;
}

static int write_gpa(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	const struct vmm_hyperv *hyperv = ctx;
	void *to = gabi_kvm_machine_ram(hyperv->machine, gpa, len);

	if (!to)
		return GABI_ERR_RANGE;
	memcpy(to, buf, len);
	gabi_kvm_machine_wrote(hyperv->machine, gpa, len);
	return 0;
}

/* The calls that read and write processors' registers are not offered. */
static int read_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	(void)ctx, (void)vp, (void)vtl, (void)name, (void)ret_value;
	return GABI_ERR_UNKNOWN;
}

static int write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	(void)ctx, (void)vp, (void)vtl, (void)name, (void)value;
	return GABI_ERR_UNKNOWN;
}

/* ---- what it wants done ---- */

/* Intel SDM volume 3, message address and data: the destination in bits 19:12, logical by bit 2; vector and delivery mode. */
static void interrupt_one(const struct vmm_hyperv *hyperv, const struct gabi_hv_act *act, uint32_t destination, bool logical)
{
	gabi_kvm_machine_msi(hyperv->machine, act->vtl, 0xfee00000u | (destination & 0xff) << 12 | (logical ? 4u : 0),
			     act->interrupt.vector | (act->interrupt.type & 7u) << 8);
}

static bool is_meant(const struct gabi_hv_act *act, const struct gabi_hv_set *set, unsigned vp)
{
	if (act->vp < GABI_HV_VPS_MAX)
		return act->vp == vp;
	return set->valid >> vp / 64 & 1 && set->bank[vp / 64] >> vp % 64 & 1;
}

static void interrupt(const struct vmm_hyperv *hyperv, const struct gabi_hv_act *act, const struct gabi_hv_set *set)
{
	if (act->vp == GABI_HV_VP_LDR) {
		interrupt_one(hyperv, act, act->interrupt.ldr, true);
		return;
	}
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++) {
		if (!is_meant(act, set, vp))
			continue;
		interrupt_one(hyperv, act, vp, false);
		if (act->vp == GABI_HV_VP_ANY)
			return;
	}
}

static void set_timer(struct vmm_hyperv *hyperv, const struct gabi_hv_act *act)
{
	atomic_store(&hyperv->timer_100ns[act->vp], act->at_100ns);
	if (act->at_100ns != GABI_HV_NEVER)
		hyperv->options.wake(hyperv->options.ctx);
}

/*
 * What is not here cannot come: it belongs to privileges that are not offered. FLUSH comes only of a guest that leaves by the port
 * past the hypercall page, whose code leaves flushes to KVM: it keeps its own stale entries.
 */
static void carry_out(struct vmm_hyperv *hyperv, const struct gabi_hv_turn *turn)
{
	for (unsigned i = 0; i < turn->count; i++) {
		const struct gabi_hv_act *act = &turn->act[i];

		switch (act->kind) {
		case GABI_HV_ACT_INTERRUPT:
			interrupt(hyperv, act, &turn->set);
			break;
		case GABI_HV_ACT_OVERLAY:
			gabi_kvm_machine_overlay(hyperv->machine, act->vtl, act->overlay.gpa, act->overlay.page);
			break;
		case GABI_HV_ACT_TIMER:
			set_timer(hyperv, act);
			break;
		case GABI_HV_ACT_SPIN:
			sched_yield();
			break;
		case GABI_HV_ACT_RESET:
		case GABI_HV_ACT_CRASH:
			hyperv->options.end(hyperv->options.ctx, act->kind == GABI_HV_ACT_CRASH);
			break;
		default:
			break;
		}
	}
}

/* ---- exits ---- */

static void serve_msr(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	struct gabi_hv_turn *turn = &hyperv->turn[vp];
	uint32_t msr = (uint32_t)exit->address;
	uint64_t value = 0, now = now_100ns(hyperv);
	int done;

	if (exit->write) {
		memcpy(&value, exit->data, sizeof(value));
		done = gabi_hv_wrmsr(hyperv->hv, vp, msr, value, now, turn);
	} else {
		done = gabi_hv_rdmsr(hyperv->hv, vp, msr, now, &value, turn);
		memcpy(exit->data, &value, sizeof(value));
	}
	*exit->fault = done != GABI_HV_DONE;
	if (done != GABI_HV_DONE)
		return;
	if (exit->write && msr == GABI_HV_MSR_GUEST_OS_ID) /* KVM takes hypercalls only of a guest that said who it is */
		gabi_kvm_vp_set_msr(hyperv->machine, vp, 0, msr, value);
	carry_out(hyperv, turn);
}

static void put_changed(const struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_regs *from)
{
	struct gabi_kvm_registers *to = gabi_kvm_vp_registers(hyperv->machine, vp, 0);

	if (from->changed & GABI_HV_CHANGED_RAX)
		to->rax = from->rax;
	if (from->changed & GABI_HV_CHANGED_RCX)
		to->rcx = from->rcx;
	if (from->changed & GABI_HV_CHANGED_RDX)
		to->rdx = from->rdx;
	if (from->changed & GABI_HV_CHANGED_R8)
		to->r8 = from->r8;
	gabi_kvm_vp_changed(hyperv->machine, vp, 0);
}

/*
 * After OUT: code above the middle of the address space is 64-bit code, and with IOPL 0 it is the kernel's. For that not to be so a
 * kernel must map pages for its users there and also grant them this very port: then it makes its hypercalls through them, which
 * it could make itself. It need not be asked of KVM, which would cost half as much as the exit.
 */
static bool is_kernel_code(const struct gabi_kvm_registers *regs)
{
	enum { IOPL = 3 << 12 };

	return regs->rip >> 63 && !(regs->rflags & IOPL);
}

/* False if KVM does not say in which mode the processor is. */
static bool get_regs(const struct vmm_hyperv *hyperv, unsigned vp, struct gabi_hv_regs *regs)
{
	const struct gabi_kvm_registers *from = gabi_kvm_vp_registers(hyperv->machine, vp, 0);
	unsigned bits = 64, cpl = 0;

	if (!is_kernel_code(from) && gabi_kvm_vp_mode(hyperv->machine, vp, 0, &bits, &cpl, NULL))
		return false;
	*regs = (struct gabi_hv_regs){
		.rax = from->rax, .rbx = from->rbx, .rcx = from->rcx, .rdx = from->rdx, .rsi = from->rsi, .rdi = from->rdi,
		.r8 = from->r8, .cpl = (uint8_t)cpl,
		.mode = bits == 64 ? GABI_HV_MODE_64 : bits == 32 ? GABI_HV_MODE_32 : GABI_HV_MODE_REAL,
	};
	return true;
}

static void serve_hypercall(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct gabi_hv_turn *turn = &hyperv->turn[vp];
	struct gabi_hv_regs regs;
	int done;

	if (!get_regs(hyperv, vp, &regs))
		return;
	done = gabi_hv_hypercall(hyperv->hv, vp, &regs, now_100ns(hyperv), turn);
	if (done == GABI_HV_UD || done == GABI_HV_GP) {
		gabi_kvm_vp_again(hyperv->machine, vp, 0, done == GABI_HV_UD ? UNDEFINED : GENERAL_PROTECTION, NULL);
		return;
	}
	put_changed(hyperv, vp, &regs);
	carry_out(hyperv, turn);
	if (done == GABI_HV_AGAIN)
		gabi_kvm_vp_again(hyperv->machine, vp, 0, GABI_KVM_NO_FAULT, NULL);
}

/* Without trust levels a VTL call or return is what the TLFS says of one that is not allowed: #UD. */
bool vmm_hyperv_serve(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	if (exit->kind == GABI_KVM_EXIT_MSR) {
		serve_msr(hyperv, vp, exit);
		return true;
	}
	if (exit->kind != GABI_KVM_EXIT_PORT || !exit->write || exit->address < VMM_HYPERV_PORT || exit->address > VMM_HYPERV_PORT + 2)
		return false;
	if (exit->address == VMM_HYPERV_PORT)
		serve_hypercall(hyperv, vp);
	else
		gabi_kvm_vp_again(hyperv->machine, vp, 0, UNDEFINED, NULL);
	return true;
}

uint64_t vmm_hyperv_next(struct vmm_hyperv *hyperv)
{
	struct gabi_hv_turn *turn = &hyperv->turn[hyperv->options.cpus];
	uint64_t next = GABI_HV_NEVER, now;

	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++) {
		uint64_t due = atomic_load(&hyperv->timer_100ns[vp]);

		if (due <= now_100ns(hyperv) && atomic_compare_exchange_strong(&hyperv->timer_100ns[vp], &due, GABI_HV_NEVER)) {
			gabi_hv_expire(hyperv->hv, vp, now_100ns(hyperv), turn);
			carry_out(hyperv, turn);
		}
		due = atomic_load(&hyperv->timer_100ns[vp]);
		next = due < next ? due : next;
	}
	now = now_100ns(hyperv);
	return next == GABI_HV_NEVER ? UINT64_MAX : next <= now ? 0 : (next - now) * 100;
}

/* ---- making ---- */

static uint8_t exit_of(const struct gabi_contract *contract)
{
	static const struct gabi_key vendor = { .space = GABI_SPACE_CPUID, .part = GABI_EBX };
	const struct gabi_word *word = gabi_contract_find(contract, &vendor, GABI_VP_ALL);

	return word && word->value == 0x756e6547 ? GABI_HV_EXIT_PORT_VMCALL : GABI_HV_EXIT_PORT_VMMCALL; /* "Genu" */
}

static int new_arrays(struct vmm_hyperv *hyperv)
{
	hyperv->turn = calloc(hyperv->options.cpus + 1, sizeof(*hyperv->turn));
	hyperv->timer_100ns = calloc(hyperv->options.cpus, sizeof(*hyperv->timer_100ns));
	if (!hyperv->turn || !hyperv->timer_100ns)
		return GABI_ERR_NOMEM;
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++)
		atomic_init(&hyperv->timer_100ns[vp], GABI_HV_NEVER);
	return 0;
}

int vmm_hyperv_new(const struct vmm_hyperv_options *options, struct vmm_hyperv **ret_hyperv, unsigned *ret_overlays,
		   struct gabi_diag *diag)
{
	struct vmm_hyperv *hyperv = calloc(1, sizeof(*hyperv));
	int err;

	if (!hyperv)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	hyperv->options = *options;
	hyperv->config = (struct gabi_hv_config){
		.size = sizeof(hyperv->config), .vp_count = options->cpus, .partition_id = 1, .apic_hz = APIC_HZ,
		.exit = exit_of(options->contract), .exit_port = VMM_HYPERV_PORT,
		.gpa_pages = (options->memory > GABI_KVM_LOW_RAM ? options->memory - GABI_KVM_LOW_RAM + GABI_KVM_HIGH_RAM :
								    GABI_KVM_HIGH_RAM) / GABI_HV_PAGE,
	};
	err = new_arrays(hyperv) ? gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL) :
				   gabi_hv_config_from_contract(&hyperv->config, options->contract, diag);
	if (!err && hyperv->config.vtl_count > 1)
		err = gabi_fail(diag, GABI_ERR_UNSUPPORTED, "the contract promises trust levels, which this monitor does not give",
				(char *)NULL);
	if (err) {
		vmm_hyperv_free(hyperv);
		return err;
	}
	*ret_overlays = (unsigned)gabi_hv_page_count(&hyperv->config);
	*ret_hyperv = hyperv;
	return 0;
}

/* Linux's own judgement: where it keeps its time by the TSC, guests can too. */
static bool tsc_is_reliable(void)
{
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
	char name[16] = "";

	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return !strcmp(name, "tsc\n");
}

int vmm_hyperv_start(struct vmm_hyperv *hyperv, struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	const struct gabi_hv_ops ops = {
		.read_gpa = read_gpa, .write_gpa = write_gpa, .read_reg = read_reg, .write_reg = write_reg, .ctx = hyperv,
	};
	int err;

	hyperv->machine = machine;
	hyperv->config.pages = gabi_kvm_machine_overlays(machine);
	hyperv->config.tsc_hz = gabi_kvm_machine_tsc_hz(machine);
	err = gabi_hv_new(&hyperv->config, &ops, NULL, &hyperv->hv, diag);
	return err ? err : gabi_hv_set_reference_tsc(hyperv->hv, hyperv->config.tsc_hz, 0, tsc_is_reliable());
}

/* ---- saving ---- */

int vmm_hyperv_save(struct vmm_hyperv *hyperv, void **ret_bytes, size_t *ret_len, struct gabi_diag *diag)
{
	void *bytes;

	gabi_hv_save(hyperv->hv, NULL, 0, ret_len);
	bytes = malloc(*ret_len);
	if (!bytes)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	*ret_bytes = bytes;
	return gabi_hv_save(hyperv->hv, bytes, *ret_len, ret_len) ?
	       gabi_fail(diag, GABI_ERR_CONFLICT, "a virtual processor is inside the Hyper-V engine", (char *)NULL) : 0;
}

static void resume(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct gabi_hv_turn *turn = &hyperv->turn[vp];
	unsigned enabled = gabi_hv_enabled_vtls(hyperv->hv, vp);

	for (unsigned vtl = 0; enabled >> vtl; vtl++)
		if (enabled >> vtl & 1 && !gabi_hv_resume(hyperv->hv, vp, vtl, turn))
			carry_out(hyperv, turn);
}

/* The TSC is by now what the state of the virtual processors made it. */
int vmm_hyperv_load(struct vmm_hyperv *hyperv, const void *bytes, size_t len, struct gabi_diag *diag)
{
	int err = gabi_hv_restore(hyperv->hv, bytes, len, diag);

	if (err)
		return err;
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++)
		resume(hyperv, vp);
	return 0;
}

void vmm_hyperv_free(struct vmm_hyperv *hyperv)
{
	if (!hyperv)
		return;
	gabi_hv_free(hyperv->hv);
	free(hyperv->turn);
	free(hyperv->timer_100ns);
	free(hyperv);
}
