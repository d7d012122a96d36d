/* SPDX-License-Identifier: MIT */
#include "hyperv_own.h"

#include "base/base.h"

#include <gabi/hv_msr.h>
#include <gabi/hv_save.h>
#include <gabi/hv_synic.h>
#include <gabi/vocab.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNDEFINED = 6, GENERAL_PROTECTION = 13, APIC_HZ = 1000000000 /* KVM's */, CONNECTIONS = 256 /* the test device's */ };

uint64_t vmm_hyperv_now(const struct vmm_hyperv *hyperv)
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

/* Without trust levels the calls that read and write processors' registers are not offered. */
static int no_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	(void)ctx, (void)vp, (void)vtl, (void)name, (void)ret_value;
	return GABI_ERR_UNKNOWN;
}

static int no_reg_to_write(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
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

/* Intel SDM volume 3, IA32_APIC_BASE: enabled, and in x2APIC mode. A caller's mode is that of all: its own registers are no trouble to look at. */
static bool uses_x2apic(const struct vmm_hyperv *hyperv, unsigned self, unsigned vtl)
{
	enum { APIC_BASE = 0x1b, X2APIC = 3 << 10 };
	uint64_t base;

	return self < hyperv->options.cpus && !gabi_kvm_vp_get_msr(hyperv->machine, self, vtl, APIC_BASE, &base) && (base & X2APIC) == X2APIC;
}

/* Intel SDM volume 3, logical x2APIC ID: the cluster is the APIC id's upper part, and the bit its lower four. All bits: everybody. */
static bool is_in_cluster(uint32_t destination, unsigned apic_id)
{
	return destination == UINT32_MAX || (destination >> 16 == apic_id >> 4 && destination >> (apic_id & 15) & 1);
}

/* A message has eight bits for its destination, which a logical one in x2APIC mode has no room in. With an xAPIC the guest chooses who has which. */
static void interrupt_logical(struct vmm_hyperv *hyperv, unsigned self, const struct gabi_hv_act *act)
{
	enum { LOWEST_PRIORITY = 1 }; /* to one of them */
	bool by_cluster = uses_x2apic(hyperv, self, act->vtl);

	if (!by_cluster)
		interrupt_one(hyperv, act, act->interrupt.ldr, true);
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++) {
		if (by_cluster && !is_in_cluster(act->interrupt.ldr, vp))
			continue;
		if (by_cluster)
			interrupt_one(hyperv, act, vp, false);
		vmm_vsm_sent(hyperv, self, vp, act->vtl);
		if (by_cluster && act->interrupt.type == LOWEST_PRIORITY)
			return;
	}
}

static void interrupt(struct vmm_hyperv *hyperv, unsigned self, const struct gabi_hv_act *act, const struct gabi_hv_set *set)
{
	if (act->vp == GABI_HV_VP_LDR) {
		interrupt_logical(hyperv, self, act);
		return;
	}
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++) {
		if (!is_meant(act, set, vp))
			continue;
		vmm_vsm_end_of(hyperv, self, act);
		interrupt_one(hyperv, act, vp, false);
		vmm_vsm_sent(hyperv, self, vp, act->vtl);
		if (act->vp == GABI_HV_VP_ANY)
			return;
	}
}

/*
 * Threads carry their turns out side by side, and what one was told may be older than what stands here: so only what is earlier counts. One that
 * comes too early finds nothing due, and is told the next.
 */
static void set_timer(struct vmm_hyperv *hyperv, const struct gabi_hv_act *act)
{
	uint64_t at = atomic_load(&hyperv->timer_100ns[act->vp]);

	while (act->at_100ns < at)
		if (atomic_compare_exchange_weak(&hyperv->timer_100ns[act->vp], &at, act->at_100ns)) {
			hyperv->options.wake(hyperv->options.ctx);
			return;
		}
}

/* Without a shim a flush comes only of a guest that leaves by the port past the hypercall page, whose code leaves flushes to KVM: it keeps its own
 * stale entries. */
static void flush(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_act *act)
{
	struct gabi_diag diag = { 0 };

	if (hyperv->options.shim && gabi_kvm_vp_flush(hyperv->machine, vp, act->vtl, &diag))
		vmm_hyperv_fail(hyperv, diag.text);
}

/* What is not here cannot come: it belongs to privileges that are not offered. */
void vmm_hyperv_carry_out(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_turn *turn)
{
	vmm_vsm_protect(hyperv, vp, turn);
	for (unsigned i = 0; i < turn->count; i++) {
		const struct gabi_hv_act *act = &turn->act[i];

		switch (act->kind) {
		case GABI_HV_ACT_INTERRUPT:
			interrupt(hyperv, vp, act, &turn->set);
			break;
		case GABI_HV_ACT_OVERLAY:
			gabi_kvm_machine_overlay(hyperv->machine, act->vtl, act->overlay.gpa, act->overlay.page);
			break;
		case GABI_HV_ACT_FLUSH:
			flush(hyperv, vp, act);
			break;
		case GABI_HV_ACT_TIMER:
			set_timer(hyperv, act);
			break;
		case GABI_HV_ACT_APIC_EOI:
			gabi_kvm_vp_set_msr(hyperv->machine, act->vp, act->vtl, GABI_HV_MSR_EOI, 0);
			break;
		case GABI_HV_ACT_SPIN:
			sched_yield();
			break;
		case GABI_HV_ACT_RESET:
		case GABI_HV_ACT_CRASH:
			hyperv->options.end(hyperv->options.ctx, act->kind == GABI_HV_ACT_CRASH);
			break;
		default:
			vmm_vsm_act(hyperv, vp, act, turn);
		}
	}
}

void vmm_hyperv_fail(struct vmm_hyperv *hyperv, const char *text)
{
	hyperv->options.fail(hyperv->options.ctx, text);
}

/* ---- exits ---- */

/*
 * What KVM has to know too: who the guest is, without which it takes none of its hypercalls; and which vectors end their own
 * service, which is the local APIC's to do.
 */
static bool is_mirrored(uint32_t msr)
{
	return msr == GABI_HV_MSR_GUEST_OS_ID || (msr >= GABI_HV_MSR_SINT0 && msr <= GABI_HV_MSR_SINT15);
}

static bool serve_msr(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	struct gabi_hv_turn *turn = &hyperv->turn[vp];
	uint32_t msr = (uint32_t)exit->address;
	uint64_t value = 0, now = vmm_hyperv_now(hyperv);
	int done;

	if (msr == GABI_HV_MSR_ICR || msr == GABI_HV_MSR_TPR) { /* they are KVM's, which has refused that value */
		*exit->fault = 1;
		return true;
	}
	if (exit->write) {
		memcpy(&value, exit->data, sizeof(value));
		done = gabi_hv_wrmsr(hyperv->hv, vp, msr, value, now, turn);
	} else {
		done = gabi_hv_rdmsr(hyperv->hv, vp, msr, now, &value, turn);
		memcpy(exit->data, &value, sizeof(value));
	}
	if (done == GABI_ERR_UNKNOWN && vmm_vsm_serve(hyperv, vp, exit))
		return true;
	*exit->fault = done != GABI_HV_DONE;
	if (done != GABI_HV_DONE)
		return true;
	if (exit->write && is_mirrored(msr)) {
		gabi_kvm_vp_set_msr(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), msr, value);
		vmm_vsm_source_changed(hyperv, vp, msr);
	}
	vmm_hyperv_carry_out(hyperv, vp, turn);
	return true;
}

static void put_changed(const struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_regs *from)
{
	unsigned vtl = vmm_vsm_current(hyperv, vp);
	struct gabi_kvm_registers *to = gabi_kvm_vp_registers(hyperv->machine, vp, vtl);

	if (from->changed & GABI_HV_CHANGED_RAX)
		to->rax = from->rax;
	if (from->changed & GABI_HV_CHANGED_RCX)
		to->rcx = from->rcx;
	if (from->changed & GABI_HV_CHANGED_RDX)
		to->rdx = from->rdx;
	if (from->changed & GABI_HV_CHANGED_R8)
		to->r8 = from->r8;
	gabi_kvm_vp_changed(hyperv->machine, vp, vtl);
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

bool vmm_hyperv_regs(const struct vmm_hyperv *hyperv, unsigned vp, struct gabi_hv_regs *ret_regs)
{
	unsigned vtl = vmm_vsm_current(hyperv, vp), bits = 64, cpl = 0;
	const struct gabi_kvm_registers *from = gabi_kvm_vp_registers(hyperv->machine, vp, vtl);

	if (!is_kernel_code(from) && gabi_kvm_vp_mode(hyperv->machine, vp, vtl, &bits, &cpl, NULL))
		return false;
	*ret_regs = (struct gabi_hv_regs){
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

	if (!vmm_hyperv_regs(hyperv, vp, &regs))
		return;
	done = gabi_hv_hypercall(hyperv->hv, vp, &regs, vmm_hyperv_now(hyperv), turn);
	if (done == GABI_HV_UD || done == GABI_HV_GP) {
		gabi_kvm_vp_again(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), done == GABI_HV_UD ? UNDEFINED : GENERAL_PROTECTION, NULL);
		return;
	}
	put_changed(hyperv, vp, &regs);
	if (done == GABI_HV_AGAIN) /* before the actions, of which one may leave for another trust level */
		gabi_kvm_vp_again(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), GABI_KVM_NO_FAULT, NULL);
	vmm_hyperv_carry_out(hyperv, vp, turn);
	vmm_vsm_stop(hyperv, vp);
}

/* ---- the test device: QEMU's hw/hyperv/hyperv_testdev.c ---- */

enum test_command { SOURCE_MAKE = 1, SOURCE_END, SOURCE_SET, MESSAGES_MAKE, MESSAGES_END, EVENTS_MAKE, EVENTS_END };

/* A source has no interrupt without a reason: here it is a flag that was not set, another one each time. */
static void set_source(struct vmm_hyperv *hyperv, unsigned caller, unsigned vp, unsigned sint)
{
	struct gabi_hv_turn *turn = &hyperv->turn[caller];

	hyperv->test_flag = (uint16_t)((hyperv->test_flag + 1) % GABI_HV_FLAGS);
	if (!gabi_hv_signal(hyperv->hv, vp, 0, sint, hyperv->test_flag, turn))
		vmm_hyperv_carry_out(hyperv, caller, turn);
}

/* What cannot be made or ended is none of the guest's to know, as with QEMU's. */
static void serve_test(struct vmm_hyperv *hyperv, unsigned caller, uint32_t value)
{
	unsigned id = value >> 24, vp = value >> 8 & 0xff, sint = value & 0xff;
	struct gabi_hv_port port = { .kind = GABI_HV_PORT_MESSAGE, .sint = (uint8_t)sint, .vp = vp };

	pthread_mutex_lock(&hyperv->connecting);
	switch (value >> 16 & 0xff) {
	case SOURCE_SET:
		set_source(hyperv, caller, vp, sint);
		break;
	case EVENTS_MAKE:
		port.kind = GABI_HV_PORT_EVENT;
		port.base_flag = (uint16_t)id;
		port.flag_count = 1;
		/* fall through */
	case MESSAGES_MAKE:
		gabi_hv_connect(hyperv->hv, id, &port, NULL);
		break;
	case MESSAGES_END:
	case EVENTS_END:
		gabi_hv_disconnect(hyperv->hv, id);
		break;
	default: /* a source is there by itself */
		break;
	}
	pthread_mutex_unlock(&hyperv->connecting);
}

static bool is_test(const struct gabi_kvm_exit *exit)
{
	return exit->kind == GABI_KVM_EXIT_PORT && exit->write && exit->address == VMM_HYPERV_TEST_PORT && exit->size == 4 && exit->count == 1;
}

/* ---- all exits ---- */

static bool serve_port(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	if (is_test(exit)) {
		uint32_t value;

		memcpy(&value, exit->data, sizeof(value));
		serve_test(hyperv, vp, value);
		return true;
	}
	if (!exit->write || exit->address < VMM_HYPERV_PORT || exit->address > VMM_HYPERV_PORT + 2)
		return vmm_vsm_serve(hyperv, vp, exit);
	if (exit->address == VMM_HYPERV_PORT)
		serve_hypercall(hyperv, vp);
	else if (exit->address == VMM_HYPERV_PORT + 1)
		vmm_vsm_call(hyperv, vp);
	else
		vmm_vsm_return(hyperv, vp);
	return true;
}

bool vmm_hyperv_serve(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	switch (exit->kind) {
	case GABI_KVM_EXIT_MSR:
		return serve_msr(hyperv, vp, exit);
	case GABI_KVM_EXIT_PORT:
		return serve_port(hyperv, vp, exit);
	default:
		return vmm_vsm_serve(hyperv, vp, exit);
	}
}

bool vmm_hyperv_may(const struct vmm_hyperv *hyperv, uint64_t gpa, uint64_t len, bool writes)
{
	uint64_t first = gpa / GABI_HV_PAGE, last = (gpa + len - !!len) / GABI_HV_PAGE;

	for (uint64_t gfn = first; hyperv->vsm && hyperv->hv && gfn <= last; gfn++)
		if (!(vmm_hyperv_rights(hyperv, 0, gfn * GABI_HV_PAGE) & (writes ? GABI_KVM_WRITE : GABI_KVM_READ)))
			return false;
	return true;
}

bool vmm_hyperv_enter(struct vmm_hyperv *hyperv, unsigned vp, unsigned *ret_vtl)
{
	bool ready = vmm_vsm_ready(hyperv, vp);

	*ret_vtl = vmm_vsm_current(hyperv, vp);
	return ready;
}

void vmm_hyperv_leave(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	vmm_vsm_left(hyperv, vp, exit->kind != GABI_KVM_EXIT_KICKED);
}

unsigned vmm_hyperv_vtls(const struct vmm_hyperv *hyperv)
{
	return hyperv->config.vtl_count;
}

unsigned vmm_hyperv_rights(const struct vmm_hyperv *hyperv, unsigned vtl, uint64_t gpa)
{
	if (!hyperv->hv)
		return GABI_KVM_READ | GABI_KVM_WRITE | GABI_KVM_EXECUTE;
	return gabi_hv_protection(hyperv->hv, vtl, gpa / GABI_HV_PAGE) & (GABI_KVM_READ | GABI_KVM_WRITE | GABI_KVM_EXECUTE);
}

/* There is no extended hypercall but this one. */
static unsigned query_capabilities(const struct vmm_hyperv *hyperv, struct gabi_kvm_machine *machine, uint64_t out_gpa)
{
	uint64_t *capabilities = out_gpa % 8 ? NULL : gabi_kvm_machine_ram(machine, out_gpa, sizeof(*capabilities));

	if (!capabilities)
		return GABI_HV_STATUS_INVALID_ALIGNMENT;
	if (hyperv && !vmm_hyperv_may(hyperv, out_gpa, sizeof(*capabilities), true))
		return GABI_HV_STATUS_ACCESS_DENIED;
	*capabilities = 0;
	gabi_kvm_machine_wrote(machine, out_gpa, sizeof(*capabilities));
	return GABI_HV_STATUS_SUCCESS;
}

void vmm_hyperv_answer(const struct vmm_hyperv *hyperv, struct gabi_kvm_machine *machine, struct gabi_kvm_hypercall *call)
{
	bool fast = call->input >> 16 & 1;

	switch ((uint16_t)call->input) {
	case GABI_HV_CALL_PostMessage: /* a message is too long for registers */
		call->result = fast ? GABI_HV_STATUS_INVALID_HYPERCALL_INPUT : GABI_HV_STATUS_INVALID_CONNECTION_ID;
		break;
	case GABI_HV_CALL_SignalEvent:
		call->result = GABI_HV_STATUS_INVALID_CONNECTION_ID;
		break;
	case GABI_HV_CALL_QueryExtendedCapabilities:
		call->result = query_capabilities(hyperv, machine, call->out_gpa);
		break;
	default:
		call->result = GABI_HV_STATUS_INVALID_HYPERCALL_CODE;
	}
}

uint64_t vmm_hyperv_next(struct vmm_hyperv *hyperv)
{
	struct gabi_hv_turn *turn = &hyperv->turn[hyperv->options.cpus];
	uint64_t next = GABI_HV_NEVER, look = vmm_vsm_tick(hyperv), now;

	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++) {
		uint64_t due = atomic_load(&hyperv->timer_100ns[vp]);

		if (due <= vmm_hyperv_now(hyperv) && atomic_compare_exchange_strong(&hyperv->timer_100ns[vp], &due, GABI_HV_NEVER)) {
			gabi_hv_expire(hyperv->hv, vp, vmm_hyperv_now(hyperv), turn);
			vmm_hyperv_carry_out(hyperv, hyperv->options.cpus, turn);
		}
		due = atomic_load(&hyperv->timer_100ns[vp]);
		next = due < next ? due : next;
	}
	now = vmm_hyperv_now(hyperv);
	next = next == GABI_HV_NEVER ? UINT64_MAX : next <= now ? 0 : (next - now) * 100;
	return look < next ? look : next;
}

/* ---- making ---- */

/* Flushes are left to KVM by its own instruction, which a nested guest does not have. */
static uint8_t exit_of(const struct gabi_contract *contract, bool shim)
{
	static const struct gabi_key vendor = { .space = GABI_SPACE_CPUID, .part = GABI_EBX };
	const struct gabi_word *word = gabi_contract_find(contract, &vendor, GABI_VP_ALL);

	if (shim)
		return GABI_HV_EXIT_PORT;
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

_Static_assert(GABI_KVM_READ == (int)GABI_HV_READ && GABI_KVM_WRITE == (int)GABI_HV_WRITE && GABI_KVM_EXECUTE == (int)GABI_HV_KERNEL_EXECUTE,
	       "the rights are the TLFS's; without MBEC both bits of execution are one");

/* TLFS: VTL 0 and those that the guest may enable. Where all pages differ a store takes half a byte for each. */
static int choose_vtls(struct vmm_hyperv *hyperv, struct gabi_diag *diag)
{
	struct gabi_hv_config *config = &hyperv->config;
	unsigned wanted = hyperv->options.vtls ? hyperv->options.vtls : config->vtl_count;

	if (wanted > 1 && config->vtl_count < 2)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the contract does not promise trust levels: hv-access-vsm and what it needs",
				 (char *)NULL);
	config->vtl_count = wanted;
	config->protect_bytes = config->gpa_pages * config->vtl_count + ((uint64_t)16 << 20);
	config->dialect = wanted > 1 ? GABI_HV_DIALECT_STOCK_KVM | (hyperv->options.shim ? GABI_HV_DIALECT_EXECUTE : 0) : 0;
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
	pthread_mutex_init(&hyperv->connecting, NULL);
	hyperv->config = (struct gabi_hv_config){
		.size = sizeof(hyperv->config), .vp_count = options->cpus, .partition_id = 1, .apic_hz = APIC_HZ, .connections = CONNECTIONS,
		.exit = exit_of(options->contract, options->shim), .exit_port = VMM_HYPERV_PORT,
		.gpa_pages = (options->memory > GABI_KVM_LOW_RAM ? options->memory - GABI_KVM_LOW_RAM + GABI_KVM_HIGH_RAM :
								    GABI_KVM_HIGH_RAM) / GABI_HV_PAGE,
	};
	err = new_arrays(hyperv) ? gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL) :
				   gabi_hv_config_from_contract(&hyperv->config, options->contract, diag);
	if (!err)
		err = choose_vtls(hyperv, diag);
	if (!err)
		err = vmm_vsm_new(hyperv, diag);
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

static int set_ram(const struct vmm_hyperv *hyperv)
{
	uint64_t memory = hyperv->options.memory, low = memory < GABI_KVM_LOW_RAM ? memory : GABI_KVM_LOW_RAM;
	int err = gabi_hv_set_ram(hyperv->hv, 0, low / GABI_HV_PAGE);

	if (!err && memory > low)
		err = gabi_hv_set_ram(hyperv->hv, GABI_KVM_HIGH_RAM / GABI_HV_PAGE, (memory - low) / GABI_HV_PAGE);
	return err;
}

int vmm_hyperv_start(struct vmm_hyperv *hyperv, struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	const struct gabi_hv_ops ops = {
		.read_gpa = read_gpa, .write_gpa = write_gpa, .read_reg = hyperv->vsm ? vmm_vsm_read_reg : no_reg,
		.write_reg = hyperv->vsm ? vmm_vsm_write_reg : no_reg_to_write, .ctx = hyperv,
	};
	int err;

	hyperv->machine = machine;
	hyperv->config.pages = gabi_kvm_machine_overlays(machine);
	hyperv->config.tsc_hz = gabi_kvm_machine_tsc_hz(machine);
	err = gabi_hv_new(&hyperv->config, &ops, NULL, &hyperv->hv, diag);
	if (!err)
		err = set_ram(hyperv);
	return err ? err : gabi_hv_set_reference_tsc(hyperv->hv, hyperv->config.tsc_hz, 0, tsc_is_reliable());
}

/* ---- saving ---- */

/*
 * Before the engine's stream, of a guest that has moved its TSC: by how much. That is in the TSC that the machine will have, and is not to be in
 * reference time. Others have no such part.
 */
struct moved {
	char magic[8];
	uint8_t value[8]; /* little endian */
};

static const char moved_magic[8] = "tscmoved";

static void put_moved(struct moved *to, uint64_t moved)
{
	memcpy(to->magic, moved_magic, sizeof(to->magic));
	for (unsigned i = 0; i < sizeof(to->value); i++)
		to->value[i] = (uint8_t)(moved >> 8 * i);
}

/* Returns how long that part is. */
static size_t get_moved(const void *bytes, size_t len, uint64_t *ret_moved)
{
	struct moved from;

	*ret_moved = 0;
	if (len < sizeof(from) || memcmp(bytes, moved_magic, sizeof(moved_magic)))
		return 0;
	memcpy(&from, bytes, sizeof(from));
	for (unsigned i = 0; i < sizeof(from.value); i++)
		*ret_moved |= (uint64_t)from.value[i] << 8 * i;
	return sizeof(from);
}

int vmm_hyperv_save(struct vmm_hyperv *hyperv, void **ret_bytes, size_t *ret_len, struct gabi_diag *diag)
{
	uint64_t moved = 0;
	int err = gabi_kvm_machine_tsc_moved(hyperv->machine, &moved, diag);
	size_t before = moved ? sizeof(struct moved) : 0, len;
	uint8_t *bytes;

	if (err)
		return err;
	gabi_hv_save(hyperv->hv, NULL, 0, &len);
	bytes = malloc(before + len);
	if (!bytes)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (before)
		put_moved((struct moved *)bytes, moved);
	*ret_bytes = bytes;
	*ret_len = before + len;
	return gabi_hv_save(hyperv->hv, bytes + before, len, &len) ?
	       gabi_fail(diag, GABI_ERR_CONFLICT, "a virtual processor is inside the Hyper-V engine", (char *)NULL) : 0;
}

/*
 * KVM's saved state has its sources, and among them may be one that was taken for a VINA (vmm_vsm_end_of), which has to be known again. And there are states
 * without any, that an earlier version saved. The engine tells those of the level that it has the processor in.
 */
void vmm_hyperv_mirror_sources(struct vmm_hyperv *hyperv, unsigned vp, struct gabi_hv_turn *turn)
{
	uint64_t value;

	for (uint32_t msr = GABI_HV_MSR_SINT0; msr <= GABI_HV_MSR_SINT15; msr++)
		if (gabi_hv_rdmsr(hyperv->hv, vp, msr, vmm_hyperv_now(hyperv), &value, turn) == GABI_HV_DONE &&
		    !vmm_vsm_knows_again(hyperv, vp, msr, value))
			gabi_kvm_vp_set_msr(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), msr, value);
}

static void resume(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct gabi_hv_turn *turn = &hyperv->turn[vp];
	unsigned enabled = gabi_hv_enabled_vtls(hyperv->hv, vp);

	for (unsigned vtl = 0; enabled >> vtl; vtl++)
		if (enabled >> vtl & 1 && !gabi_hv_resume(hyperv->hv, vp, vtl, turn))
			vmm_hyperv_carry_out(hyperv, vp, turn);
}

/* The TSC is by now what the state of the virtual processors made it. */
int vmm_hyperv_load(struct vmm_hyperv *hyperv, const void *bytes, size_t len, struct gabi_diag *diag)
{
	uint64_t moved;
	size_t before = get_moved(bytes, len, &moved);
	int err = gabi_hv_restore(hyperv->hv, (const uint8_t *)bytes + before, len - before, diag);

	if (!err) /* this machine's, and not that where it was saved */
		err = gabi_hv_set_reference_tsc(hyperv->hv, hyperv->config.tsc_hz, 0, tsc_is_reliable());
	if (err)
		return err;
	gabi_kvm_machine_set_tsc_moved(hyperv->machine, moved);
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++)
		resume(hyperv, vp);
	vmm_vsm_load(hyperv);
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++)
		vmm_hyperv_mirror_sources(hyperv, vp, &hyperv->turn[vp]);
	return 0;
}

void vmm_hyperv_free(struct vmm_hyperv *hyperv)
{
	if (!hyperv)
		return;
	gabi_hv_free(hyperv->hv);
	vmm_vsm_free(hyperv);
	free(hyperv->turn);
	free(hyperv->timer_100ns);
	free(hyperv);
}
