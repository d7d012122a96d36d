/* SPDX-License-Identifier: MIT */
/*
 * A guest that does what a hostile kernel can: seeded traffic at random to every port, window, MSR, hypercall, ring, page table and
 * interrupt that there is, from all of its processors at once, and with trust levels from VTL 1 too. What comes of that for the guest
 * is nobody's concern; tests look at the monitor. The command line: "seed=7 steps=5000 memory=64", memory in MiB; "hyperv=1" where
 * Hyper-V's interface is there, "vsm=1" with trust levels; "direct=1" where VMCALL and VMMCALL reach a KVM that knows them, "nested=1" where its attempts to
 * be a hypervisor and its breakpoints do no harm to an emulated processor. "only=9": one kind of traffic, counted as in step(). After so many steps it ends itself,
 * in one way or another.
 */
#include "bare.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>
#include <gabi/hv_turn.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define FAST  ((uint64_t)1 << 16)
#define REP(n) ((uint64_t)(n) << 32)

enum {
	PAGE = 4096, ARENA = 64 * PAGE, VPS = 8, STACK = 16384,
	HYPERCALL_PORT = 0x30, TEST_PORT = 0x3000, EXIT_PORT = 0xf4, PM_CONTROL = 0x604, RESET_PORT = 0xcf9,
	VIRTIOS = 4, /* one more than there are */
	SVME = 1 << 12, VIRTUAL_WIRE = 0x1ff, X2APIC_ICR = 0x830,
};
#define EFER       0xc0000080u
#define VIRTIO_GPA 0xd0000000u
#define WILD_GVA   0x8000000000ull /* what its page tables hold is made up */

/* One trust level of one processor. */
struct actor {
	uint64_t state;
	unsigned vp, vtl;
};
static struct actor actors[VPS][2];
static uint8_t stacks_of[VPS][2][STACK] __attribute__((aligned(STACK)));

/* What it makes up lies here: rings, parameters of hypercalls, page tables, pages for overlays and devices. */
static volatile uint8_t arena[ARENA] __attribute__((aligned(4096)));
static uint8_t hypercall_page[2][PAGE] __attribute__((aligned(4096))); /* RET below the overlay */
static uint64_t parameters[VPS][2][PAGE / 8] __attribute__((aligned(4096)));
static volatile uint32_t others, steps;
static uint64_t seed, steps_max, memory, only;
static bool hyperv, vsm, direct, nested;

/* ---- chance ---- */

static uint64_t bits(struct actor *me)
{
	me->state ^= me->state << 13;
	me->state ^= me->state >> 7;
	me->state ^= me->state << 17;
	return me->state;
}

static uint64_t some(struct actor *me, uint64_t below)
{
	return bits(me) % below;
}

static bool once_in(struct actor *me, uint64_t times)
{
	return !some(me, times);
}

static uint64_t value_of_any(struct actor *me)
{
	switch (some(me, 6)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return 1ull << some(me, 64);
	case 3:
		return some(me, 256);
	default:
		return bits(me);
	}
}

static uint64_t in_arena(struct actor *me, uint64_t align)
{
	return (uint64_t)arena + some(me, ARENA / align) * align;
}

/* Mostly where it does this guest no harm, else at an edge, or anywhere. */
static uint64_t any_gpa(struct actor *me)
{
	const uint64_t edges[] = { 0, 0x9fc00, 0xa0000, 0xe0000, memory, 0xc0000000, VIRTIO_GPA, 0xfec00000, APIC_GPA, 0xff000000,
				   0x100000000, 1ull << 36, 1ull << 40, 1ull << 52, 1ull << 63, 0 };

	switch (some(me, 16)) {
	case 0:
		return bits(me);
	case 1:
		return bits(me) & 0xffffffffff;
	case 2:
	case 3:
		return edges[some(me, COUNT_OF(edges))] + some(me, 64) - 32;
	case 4:
		return memory - some(me, 2 * PAGE) + PAGE;
	case 5:
		return once_in(me, 16) ? some(me, memory) : in_arena(me, 1);
	default:
		return in_arena(me, once_in(me, 4) ? 1 : once_in(me, 2) ? 16 : PAGE);
	}
}

/* ---- what may fault ---- */

/* One instruction: a fault of it goes on behind it. */
#define TRY(instruction, ...)                                                                                        \
	__asm__ volatile("1: " instruction "\n2:\n\t.pushsection fixups, \"a\"\n\t.quad 1b, 2b\n\t.popsection" __VA_ARGS__)

extern const uint64_t __start_fixups[][2], __stop_fixups[][2];

static void go_on(void) __attribute__((noreturn));

static struct actor *whose_stack(uint64_t at)
{
	uint64_t index = (at - (uint64_t)stacks_of) / STACK;

	return at >= (uint64_t)stacks_of && index < VPS * 2ull ? &actors[index / 2][index % 2] : 0;
}

static bool fix(struct guest_frame *frame)
{
	for (const uint64_t(*fixup)[2] = __start_fixups; fixup < __stop_fixups; fixup++) {
		if ((*fixup)[0] == frame->rip) {
			frame->rip = (*fixup)[1];
			return true;
		}
	}
	return false;
}

/* A fault inside the hypercall page, or behind a wild jump: the actor begins anew on its stack. */
static void begin_anew(struct guest_frame *frame)
{
	struct actor *me = whose_stack((uint64_t)frame);

	if (!me)
		out8(EXIT_PORT, 3);
	frame->rip = (uint64_t)go_on;
	frame->cs = 8;
	frame->ss = 16;
	frame->rflags = 0x202;
	frame->rsp = (uint64_t)stacks_of[me->vp][me->vtl] + STACK - 8;
}

void guest_interrupt(struct guest_frame *frame)
{
	if (frame->vector == 1)
		__asm__ volatile("mov %0, %%dr7" : : "r"(0x400ull));
	if (frame->vector >= 32)
		mmio(APIC_GPA)[APIC_EOI / 4] = 0;
	else if (frame->vector != 1 && frame->vector != 2 && !fix(frame))
		begin_anew(frame);
}

/* ---- ports ---- */

static void touch_port(struct actor *me)
{
	static const struct {
		uint16_t first, count;
	} ranges[] = {
		{ 0x3f8, 8 }, { 0x70, 2 }, { 0x510, 4 }, { 0x600, 12 }, { 0xe0, 8 }, { 0x2000, 28 }, { HYPERCALL_PORT, 3 }, { TEST_PORT, 4 },
		{ 0x20, 2 }, { 0xa0, 2 }, { 0x4d0, 2 }, { 0x40, 4 }, { 0x60, 5 }, { 0x80, 1 }, { 0xcf8, 8 }, { EXIT_PORT, 4 }, { 0xfff8, 8 },
	};
	unsigned range = (unsigned)some(me, COUNT_OF(ranges) + 2), count = (unsigned)some(me, once_in(me, 8) ? 5000 : 9);
	uint16_t port = (uint16_t)(range < COUNT_OF(ranges) ? ranges[range].first + some(me, ranges[range].count) : bits(me));
	uint32_t value = (uint32_t)value_of_any(me);
	uint64_t at = once_in(me, 16) ? any_gpa(me) : in_arena(me, 1);
	bool ends = (port >= EXIT_PORT - 3 && port < EXIT_PORT + 4) || (port >= RESET_PORT - 3 && port <= RESET_PORT) || port == PM_CONTROL || port == PM_CONTROL + 1;

	if (ends && !once_in(me, 64))
		return;
	if (port == TEST_PORT && once_in(me, 2))
		value = (uint32_t)(some(me, 9) << 16 | some(me, 4) << 24 | some(me, 3) << 8 | some(me, 17));
	switch (some(me, 10)) {
	case 0:
		TRY("inb %1, %b0", : "+a"(value) : "d"(port));
		break;
	case 1:
		TRY("inw %1, %w0", : "+a"(value) : "d"(port));
		break;
	case 2:
		TRY("inl %1, %0", : "+a"(value) : "d"(port));
		break;
	case 3:
	case 4:
		TRY("outb %b0, %1", : : "a"(value), "d"(port));
		break;
	case 5:
		TRY("outw %w0, %1", : : "a"(value), "d"(port));
		break;
	case 6:
	case 7:
		TRY("outl %0, %1", : : "a"(value), "d"(port));
		break;
	case 8:
		TRY("rep insl", : "+D"(at), "+c"(count) : "d"(port) : "memory");
		break;
	default:
		TRY("rep outsw", : "+S"(at), "+c"(count) : "d"(port) : "memory");
	}
}

/* ---- memory where there is none ---- */

static uint64_t any_window(struct actor *me)
{
	const uint64_t windows[] = { VIRTIO_GPA, VIRTIO_GPA + PAGE, VIRTIO_GPA + 2 * PAGE, VIRTIO_GPA + 3 * PAGE, 0xff000000, 0xff00fff0,
				     0xfec00000, APIC_GPA, memory, 0xc0000000, 0xfffff000 };
	uint64_t window = windows[some(me, COUNT_OF(windows))];

	switch (some(me, 4)) {
	case 0:
		return window + some(me, PAGE);
	case 1:
		return memory + some(me, 0x100000000 - memory);
	default:
		return window + some(me, 0x200 / 4) * 4;
	}
}

/* By instructions that the processor leaves to KVM's emulator. */
static void touch_memory(struct actor *me, uint64_t at)
{
	uint64_t value = value_of_any(me), other = in_arena(me, 1), count = some(me, 40);

	switch (some(me, 20)) {
	case 0:
		TRY("movb (%1), %b0", : "+r"(value) : "r"(at));
		break;
	case 1:
		TRY("movw (%1), %w0", : "+r"(value) : "r"(at));
		break;
	case 2:
	case 3:
		TRY("movl (%1), %k0", : "+r"(value) : "r"(at));
		break;
	case 4:
		TRY("movq (%1), %0", : "+r"(value) : "r"(at));
		break;
	case 5:
		TRY("movb %b0, (%1)", : : "r"(value), "r"(at) : "memory");
		break;
	case 6:
		TRY("movw %w0, (%1)", : : "r"(value), "r"(at) : "memory");
		break;
	case 7:
	case 8:
	case 9:
		TRY("movl %k0, (%1)", : : "r"(value), "r"(at) : "memory");
		break;
	case 10:
		TRY("movq %0, (%1)", : : "r"(value), "r"(at) : "memory");
		break;
	case 11:
		TRY("lock xaddl %k0, (%1)", : "+r"(value) : "r"(at) : "memory", "cc");
		break;
	case 12:
		TRY("xchgq %0, (%1)", : "+r"(value) : "r"(at) : "memory");
		break;
	case 13:
		TRY("lock cmpxchg8b (%0)", : : "r"(at), "a"(0), "b"(value), "c"(value), "d"(0) : "memory", "cc");
		break;
	case 14:
		TRY("rep movsb", : "+S"(at), "+D"(other), "+c"(count) : : "memory");
		break;
	case 15:
		TRY("rep movsl", : "+S"(other), "+D"(at), "+c"(count) : : "memory");
		break;
	case 16:
		TRY("pushq (%0); pop %%rax", : : "r"(at) : "rax", "memory");
		break;
	case 17:
		TRY("addl %k0, (%1)", : : "r"(value), "r"(at) : "memory", "cc");
		break;
	case 18:
		TRY("movdqu %%xmm0, (%0)", : : "r"(at) : "memory");
		break;
	default:
		if (once_in(me, 256)) /* KVM's emulator cannot do it to a device */
			TRY("fxsave (%0)", : : "r"(at) : "memory");
	}
}

static void touch_wild_window(struct actor *me)
{
	touch_memory(me, any_window(me));
}

/* ---- MSRs ---- */

static void write_msr(uint32_t msr, uint64_t value)
{
	TRY("wrmsr", : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* And the ICRs: what is made up is an INIT as often as not. */
static bool ends_by(uint32_t msr)
{
	return msr == GABI_HV_MSR_RESET || msr == GABI_HV_MSR_CRASH_CTL || msr == GABI_HV_MSR_ICR || msr == X2APIC_ICR;
}

static void touch_msr(struct actor *me)
{
	static const struct {
		uint32_t first, count;
	} ranges[] = {
		{ 0x40000000, 0x180 }, { 0x40000080, 0x40 }, { 0x400000b0, 8 }, { 0x40000070, 4 }, { 0x800, 0x40 }, { 0x4b564d00, 12 }, { 0x11, 2 }, { 0x1b, 1 },
		{ 0x200, 0x20 }, { 0x250, 0x30 }, { 0x2f0, 0x10 }, { 0xc0000080, 5 }, { 0xc0000100, 4 }, { 0xc0010000, 0x20 }, { 0xc0010110, 0x10 }, { 0, 0x800 },
		{ 0x6e0, 1 }, { 0xd90, 0x20 }, { 0xd0006, 1 }, { 0xc0000000, 0x2000 },
	};
	unsigned range = (unsigned)some(me, COUNT_OF(ranges) + 1);
	uint32_t msr = range < COUNT_OF(ranges) ? ranges[range].first + (uint32_t)some(me, ranges[range].count) : (uint32_t)bits(me), low = msr, high;
	uint64_t value = once_in(me, 2) ? value_of_any(me) : (any_gpa(me) & ~0xfffull) | some(me, 4);

	if (ends_by(msr) && !once_in(me, 64))
		return;
	if (once_in(me, 4))
		TRY("rdmsr", : "+c"(low), "=a"(msr), "=d"(high));
	else
		write_msr(msr, value);
}

/* ---- hypercalls ---- */

static const uint16_t codes[] = {
#define GABI_HV_CALL_ROW(code, name, kind, in, in_each, out, out_each, needs, handler, source) code,
#include <gabi/hv_call.def>
};

/* By the hypercall page, which may lie elsewhere by now; or past it. VTL 0 may find all registers changed, but for RSP. */
static void call_out(struct actor *me, uint64_t control, uint64_t in, uint64_t out, unsigned way)
{
	register uint64_t r8 __asm__("r8") = out;
	const void *page = hypercall_page[me->vtl];

	if (way == 0)
		__asm__ volatile("push %%rbx; push %%rbp; call *%3; pop %%rbp; pop %%rbx" : "+c"(control), "+d"(in), "+r"(r8) : "r"(page)
				 : "rax", "rsi", "rdi", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
	else if (way == 1)
		TRY("vmmcall", : "+c"(control), "+d"(in), "+r"(r8) : : "rax", "rbx", "rsi", "rdi", "cc", "memory");
	else if (way == 2)
		TRY("vmcall", : "+c"(control), "+d"(in), "+r"(r8) : : "rax", "rbx", "rsi", "rdi", "cc", "memory");
	else
		TRY("outb %%al, %3", : "+c"(control), "+d"(in), "+r"(r8) : "N"(HYPERCALL_PORT) : "rax", "cc", "memory");
}

/* A call's header as it ought to be, and elements that may be. */
static void fill_parameters(struct actor *me, uint64_t *in)
{
	in[0] = once_in(me, 8) ? value_of_any(me) : UINT64_MAX;
	in[1] = once_in(me, 4) ? value_of_any(me) : 0xfffffffe | some(me, 0x14) << 32 | some(me, 16) << 48;
	for (unsigned i = 2; i < 40; i++)
		in[i] = once_in(me, 3) ? value_of_any(me) : once_in(me, 2) ? some(me, 0x100000) : in_arena(me, PAGE) / PAGE;
}

static void make_hypercall(struct actor *me)
{
	uint64_t *own = parameters[me->vp][me->vtl];
	uint64_t control = once_in(me, 8) ? bits(me) & 0xffff : codes[some(me, COUNT_OF(codes))];
	uint64_t in = once_in(me, 3) ? any_gpa(me) : (uint64_t)own, out = once_in(me, 3) ? any_gpa(me) : in_arena(me, PAGE);

	if (control == GABI_HV_CALL_EnableVpVtl && vsm && !once_in(me, 8))
		return; /* with what is made up here it would start a level that ends at once */
	control |= once_in(me, 3) ? REP(some(me, 6)) : once_in(me, 8) ? REP(some(me, 4096)) : 0;
	control |= once_in(me, 8) ? FAST : 0;
	control |= once_in(me, 12) ? some(me, 1024) << 17 : 0;
	control |= once_in(me, 12) ? some(me, 4096) << 48 : 0;
	control |= once_in(me, 32) ? bits(me) : 0;
	fill_parameters(me, own);
	if (once_in(me, 4)) {
		write_msr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001);
		write_msr(GABI_HV_MSR_HYPERCALL, (uint64_t)hypercall_page[me->vtl] | 1);
	}
	call_out(me, control, in, out, !direct ? 3 : once_in(me, 2) ? 0 : (unsigned)some(me, 4));
}

/* ---- rings ---- */

static volatile uint32_t *device_of(unsigned number)
{
	return mmio(VIRTIO_GPA + number * (uint64_t)PAGE);
}

static uint32_t any_len(struct actor *me)
{
	static const uint32_t lens[] = { 0, 1, 16, 512, 513, 4096, 0x7fffffff, 0xffffffff };

	return once_in(me, 3) ? (uint32_t)some(me, once_in(me, 64) ? memory : 8192) : lens[some(me, COUNT_OF(lens))];
}

/* How the descriptors are: as a driver makes them, three for a request; in a circle; anyhow. */
enum manner { NEAT, ROUND, WILD };

static void fill_descriptor(struct actor *me, volatile uint32_t *descriptor, enum manner manner, unsigned at, unsigned size)
{
	uint64_t gpa = manner == WILD ? any_gpa(me) : in_arena(me, 512);
	uint32_t flags = at % 3 == 2 ? 2 : at % 3 ? 3 : 1, next = at + 1, len = at % 3 ? 512 : 16;

	if (manner == ROUND) {
		flags = 3;
		next = (uint32_t)some(me, size);
	} else if (manner == WILD) {
		flags = (uint32_t)some(me, once_in(me, 16) ? 0x10000 : 4);
		next = (uint32_t)(once_in(me, 16) ? bits(me) & 0xffff : some(me, size));
		len = any_len(me);
	} else if (at % 3 == 0) { /* a disk's request */
		*(volatile uint32_t *)gpa = (uint32_t)some(me, 10);
		*(volatile uint64_t *)(gpa + 8) = once_in(me, 8) ? bits(me) : some(me, 64);
	}
	descriptor[0] = (uint32_t)gpa;
	descriptor[1] = (uint32_t)(gpa >> 32);
	descriptor[2] = len;
	descriptor[3] = flags | next << 16;
}

static void fill_ring(struct actor *me, uint64_t ring[3], unsigned size)
{
	volatile uint16_t *driver = (volatile uint16_t *)ring[1];
	enum manner manner = (enum manner)some(me, 3);

	for (unsigned i = 0; i < size; i++)
		fill_descriptor(me, (volatile uint32_t *)(ring[0] + i * 16ull), manner, i, size);
	for (unsigned i = 0; i < size; i++)
		driver[2 + i] = (uint16_t)(manner == NEAT ? i * 3 % size : once_in(me, 32) ? bits(me) : some(me, size));
	driver[0] = (uint16_t)some(me, 2);
	driver[1] = (uint16_t)(once_in(me, 8) ? bits(me) : 1 + some(me, size));
}

static void work_ring(struct actor *me)
{
	unsigned number = (unsigned)some(me, VIRTIOS), size = 1u << some(me, 8);
	volatile uint32_t *device = device_of(number);
	uint64_t ring[3];
	bool in_place = !once_in(me, 4);

	for (unsigned i = 0; i < 3; i++)
		ring[i] = (uint64_t)arena + some(me, ARENA / PAGE - 1) * PAGE;
	fill_ring(me, ring, size);
	device[0x70 / 4] = 0;
	device[0x70 / 4] = 3;
	device[0x24 / 4] = 1;
	device[0x20 / 4] = 1;
	device[0x70 / 4] = 11;
	device[0x30 / 4] = (uint32_t)some(me, once_in(me, 16) ? 1ull << 32 : 3);
	device[0x38 / 4] = once_in(me, 16) ? (uint32_t)value_of_any(me) : size;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t at = in_place ? ring[i] : any_gpa(me);

		device[(0x80 + 16 * i) / 4] = (uint32_t)at;
		device[(0x84 + 16 * i) / 4] = (uint32_t)(at >> 32);
	}
	device[0x44 / 4] = 1;
	device[0x70 / 4] = 15;
	for (uint64_t i = some(me, 4); i < 4; i++) {
		device[0x50 / 4] = (uint32_t)some(me, once_in(me, 16) ? 1ull << 32 : 3);
		((volatile uint16_t *)ring[1])[1] += (uint16_t)some(me, size + 2);
	}
	device[0x64 / 4] = 3;
}

/* ---- page tables, and what else a kernel has ---- */

static uint64_t *table(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	return (uint64_t *)(cr3 & 0x000ffffffffff000);
}

/* Entries with reserved bits, of nowhere, and of themselves. */
static uint64_t any_entry(struct actor *me)
{
	uint64_t at = once_in(me, 4) ? any_gpa(me) : in_arena(me, PAGE);

	return (at & 0x000ffffffffff000) | some(me, 512) | (once_in(me, 4) ? bits(me) & 0xfff0000000000000 : 0) | (once_in(me, 8) ? 0 : 7);
}

static void walk_tables(struct actor *me)
{
	volatile uint64_t *made_up = (volatile uint64_t *)in_arena(me, PAGE);
	uint64_t at = WILD_GVA + (bits(me) & 0x7fffffffff);

	for (unsigned i = 0; i < 16; i++)
		made_up[some(me, 512)] = any_entry(me);
	table()[1] = once_in(me, 8) ? any_entry(me) : (uint64_t)made_up | 7;
	if (once_in(me, 2))
		made_up[at >> 30 & 511] = (uint64_t)made_up | 7;
	if (once_in(me, 2))
		__asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
	for (unsigned i = 0; i < 3; i++)
		touch_memory(me, once_in(me, 2) ? at : WILD_GVA + (bits(me) & 0x7fffffffff));
}

static void send_ipi(struct actor *me)
{
	static const uint32_t modes[] = { 0, 0x100, 0x200, 0x400, 0x500, 0x600, 0x700 };
	unsigned mode = once_in(me, 64) ? (unsigned)some(me, COUNT_OF(modes)) : once_in(me, 4) ? 3 : 0;
	volatile uint32_t *apic = mmio(APIC_GPA);
	uint32_t vector = (uint32_t)(once_in(me, 64) ? some(me, 256) : 32 + some(me, 224));

	apic[APIC_ICR_HIGH / 4] = (uint32_t)some(me, once_in(me, 4) ? 256 : 4) << 24;
	apic[APIC_ICR / 4] = modes[mode] | (mode == 5 ? 8 : vector) | (once_in(me, 3) ? 0xc0000 : 0) | (uint32_t)some(me, 2) << 11 | 0x4000;
}

/* Ticks, so that no processor waits in HLT for ever; and the rest of the local APIC. */
static void touch_apic(struct actor *me)
{
	static const uint16_t regs[] = { 0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0, 0x3f0 };
	volatile uint32_t *apic = mmio(APIC_GPA);

	if (once_in(me, 2))
		apic[regs[some(me, COUNT_OF(regs))] / 4] = (uint32_t)value_of_any(me);
	apic[APIC_SPURIOUS / 4] = VIRTUAL_WIRE;
	apic[APIC_TPR / 4] = 0;
	apic[0x3e0 / 4] = 0xb;
	apic[0x320 / 4] = 1 << 17 | 0x40;
	apic[0x380 / 4] = 1000000;
}

static void touch_control(struct actor *me)
{
	uint64_t value = value_of_any(me), keep;
	uint32_t regs[4];

	switch (some(me, 9)) {
	case 0:
		__asm__ volatile("mov %%cr4, %0" : "=r"(keep));
		TRY("mov %0, %%cr4", : : "r"(keep ^ 1ull << some(me, 26)));
		TRY("mov %0, %%cr4", : : "r"(keep));
		break;
	case 1:
		__asm__ volatile("mov %%cr0, %0" : "=r"(keep));
		TRY("mov %0, %%cr0", : : "r"(keep ^ 1ull << some(me, 31)));
		TRY("mov %0, %%cr0", : : "r"(keep));
		break;
	case 2:
		TRY("mov %0, %%cr8", : : "r"(value));
		__asm__ volatile("mov %0, %%cr8" : : "r"(0ull));
		break;
	case 3:
		if (!nested)
			break;
		TRY("mov %0, %%dr0", : : "r"(any_gpa(me)));
		TRY("mov %0, %%dr7", : : "r"(value & 0xffffffff));
		break;
	case 4:
		TRY("xsetbv", : : "c"(some(me, 2)), "a"((uint32_t)value), "d"((uint32_t)some(me, 2)));
		break;
	case 5:
		cpuid((uint32_t)(once_in(me, 2) ? 0x40000000 + some(me, 16) : bits(me)), (uint32_t)some(me, 4), regs);
		break;
	case 6:
		TRY("wbinvd", : : : "memory");
		break;
	case 7:
		if (once_in(me, 8))
			__asm__ volatile("sti; hlt");
		break;
	default:
		TRY("rdpmc", : : "c"((uint32_t)some(me, 8)) : "rax", "rdx");
	}
}

/* Guests of its own, which are made up too. */
static void be_a_host(struct actor *me)
{
	uint64_t vmcb = once_in(me, 2) ? in_arena(me, PAGE) : any_gpa(me);

	if (!nested)
		return;
	write_msr(EFER, 0x500 | SVME);
	write_msr(0xc0010117, in_arena(me, PAGE));
	switch (some(me, 7)) {
	case 0:
		TRY("vmrun", : "+a"(vmcb) : : "memory");
		break;
	case 1:
		TRY("vmload", : "+a"(vmcb) : : "memory");
		break;
	case 2:
		TRY("vmsave", : "+a"(vmcb) : : "memory");
		break;
	case 3:
		TRY("clgi", : : : "memory");
		break;
	case 4:
		TRY("invlpga", : "+a"(vmcb) : "c"(1) : "memory");
		break;
	case 5:
		TRY("skinit", : "+a"(vmcb) : : "memory");
		break;
	default:
		break;
	}
	TRY("stgi", : : : "memory");
}

/* ---- trust levels ---- */

static void switch_level(struct actor *me)
{
	uint64_t zero = 0;

	if (!vsm)
		return;
	if (me->vtl)
		__asm__ volatile("push %%rbx; push %%rbp; outb %%al, %1; pop %%rbp; pop %%rbx" : "+c"(zero) : "N"(HYPERCALL_PORT + 2)
				 : "rax", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
	else
		__asm__ volatile("push %%rbx; push %%rbp; outb %%al, %1; pop %%rbp; pop %%rbx" : "+c"(zero) : "N"(HYPERCALL_PORT + 1)
				 : "rax", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
}

static struct gabi_hv_segment segment(uint16_t selector, uint16_t attributes)
{
	return (struct gabi_hv_segment){ .limit = UINT32_MAX, .selector = selector, .attributes = attributes };
}

static void enable_level(struct actor *me)
{
	uint64_t *in = parameters[me->vp][0], cr0, cr3, cr4;
	struct gabi_hv_context *context = (struct gabi_hv_context *)(in + 2);
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) idt, gdt;

	__asm__ volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2" : "=r"(cr0), "=r"(cr3), "=r"(cr4));
	__asm__ volatile("sidt %0; sgdt %1" : "=m"(idt), "=m"(gdt));
	in[0] = UINT64_MAX;
	in[1] = 1;
	call_out(me, GABI_HV_CALL_EnablePartitionVtl, (uint64_t)in, 0, 0);
	*context = (struct gabi_hv_context){
		.rip = (uint64_t)go_on, .rsp = (uint64_t)stacks_of[me->vp][1] + STACK - 8, .rflags = 2, .cs = segment(8, 0xa09b),
		.ds = segment(16, 0xc093), .es = segment(16, 0xc093), .fs = segment(16, 0xc093), .gs = segment(16, 0xc093), .ss = segment(16, 0xc093),
		.tr = { .limit = 0x67, .selector = 0, .attributes = 0x8b }, .ldtr = { .attributes = 0x82 },
		.idtr = { .limit = idt.limit, .base = idt.base }, .gdtr = { .limit = gdt.limit, .base = gdt.base },
		.efer = 0x500, .cr0 = cr0, .cr3 = cr3, .cr4 = cr4, .pat = 0x0007040600070406,
	};
	in[1] = 0xfffffffe | 1ull << 32;
	call_out(me, GABI_HV_CALL_EnableVpVtl, (uint64_t)in, 0, 0);
}

/* VTL 1 takes pages away from VTL 0, and gives some back. */
static void protect(struct actor *me)
{
	uint64_t *in = parameters[me->vp][me->vtl], count = 1 + some(me, 8);

	in[0] = UINT64_MAX;
	in[1] = (once_in(me, 2) ? 15 : some(me, 16)) | 0x10ull << 32;
	for (unsigned i = 0; i < count; i++)
		in[2 + i] = (once_in(me, 32) ? any_gpa(me) : in_arena(me, PAGE)) / PAGE;
	call_out(me, GABI_HV_CALL_ModifyVtlProtectionMask | REP(count), (uint64_t)in, 0, 0);
}

/* Registers of its own or of the level below, whichever and whatever. */
static void set_register(struct actor *me)
{
	static const uint32_t names[] = { 0x20000, 0x2000e, 0x40000, 0x40001, 0x40002, 0x40003, 0x50000, 0x80000, 0x80001, 0xa0010, 0xa0018, 0xd0000, 0xd0007,
					  0xd0010, 0xe0000 };
	uint64_t *in = parameters[me->vp][me->vtl];

	in[0] = UINT64_MAX;
	in[1] = 0xfffffffe | (once_in(me, 2) ? 0x10ull : 0) << 32;
	in[2] = names[some(me, COUNT_OF(names))] + some(me, 16);
	in[3] = 0;
	in[4] = value_of_any(me);
	in[5] = value_of_any(me);
	if (once_in(me, 2))
		in[2] = 0xd0007, in[4] = 1 | 15 << 1;
	call_out(me, GABI_HV_CALL_SetVpRegisters | REP(1), (uint64_t)in, 0, 0);
}

static void be_secure(struct actor *me)
{
	if (!me->vtl)
		return;
	if (once_in(me, 3))
		set_register(me);
	else
		protect(me);
}

/* ---- all ---- */

static void end(struct actor *me)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) nothing = { 0, 0 };

	switch (some(me, 8)) {
	case 0:
		out8(EXIT_PORT, 0);
		break;
	case 1:
		out8(EXIT_PORT, 7);
		break;
	case 2:
		out8(RESET_PORT, 6);
		break;
	case 3:
		out16(PM_CONTROL, 5 << 10 | 1 << 13);
		break;
	case 4:
		write_msr(GABI_HV_MSR_CRASH_CTL, 1ull << 63);
		break;
	case 5: /* execution where no memory is */
		__asm__ volatile("jmp *%0" : : "r"(0xc0000000ull));
		break;
	default:
		break;
	}
	__asm__ volatile("lidt %0; int3" : : "m"(nothing));
}

static void step(struct actor *me)
{
	static void (*const kinds[])(struct actor *) = {
		touch_port, touch_port, touch_wild_window, touch_wild_window, touch_msr, touch_msr, make_hypercall, make_hypercall, make_hypercall, work_ring,
		work_ring, walk_tables, send_ipi, touch_apic, touch_control, be_a_host, switch_level, be_secure,
	};
	unsigned kind = (unsigned)some(me, COUNT_OF(kinds));

	kinds[only ? only : kind](me);
}

static void __attribute__((noreturn)) run(struct actor *me)
{
	__asm__ volatile("sti");
	while (__atomic_fetch_add(&steps, 1, __ATOMIC_RELAXED) < steps_max) {
		step(me);
		touch_memory(me, in_arena(me, 1));
		if (me->vtl && once_in(me, 4))
			switch_level(me);
	}
	end(me);
	for (;;)
		pause();
}

/* At the top of an actor's stack. */
static void go_on(void)
{
	uint64_t rsp;

	__asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
	run(whose_stack(rsp));
}

static void begin(unsigned vp)
{
	struct actor *me = &actors[vp % VPS][0];

	__asm__ volatile("mov %%cr4, %%rax; or $0x200, %%rax; mov %%rax, %%cr4" : : : "rax"); /* XMM registers */
	for (unsigned vtl = 0; vtl < 2; vtl++) {
		actors[vp % VPS][vtl] = (struct actor){ .state = (seed + 1) * 0x9e3779b97f4a7c15ull + vp * 0x100 + vtl + 1, .vp = vp % VPS, .vtl = vtl };
		for (unsigned i = 0; i < 8; i++)
			bits(&actors[vp % VPS][vtl]);
	}
	touch_apic(me);
	if (hyperv) {
		write_msr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001);
		write_msr(GABI_HV_MSR_HYPERCALL, (uint64_t)hypercall_page[0] | 1);
	}
	if (vsm)
		enable_level(me);
	__asm__ volatile("mov %0, %%rsp; call *%1" : : "r"((uint64_t)stacks_of[me->vp][0] + STACK - 16), "r"(go_on) : "memory");
}

void guest_other(uint32_t number)
{
	__atomic_fetch_add(&others, 1, __ATOMIC_SEQ_CST);
	begin(number);
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	const char *line = (const char *)(uintptr_t)info[4];

	(void)magic;
	seed = number_of(line, "seed");
	steps_max = number_of(line, "steps");
	memory = number_of(line, "memory") << 20;
	hyperv = number_of(line, "hyperv");
	vsm = number_of(line, "vsm");
	only = number_of(line, "only");
	direct = number_of(line, "direct");
	nested = number_of(line, "nested");
	for (unsigned i = 0; i < sizeof(hypercall_page); i++)
		((volatile uint8_t *)hypercall_page)[i] = 0xc3;
	set_up_interrupts();
	say("hostile: ");
	say_number(seed);
	say("\n");
	start_others();
	begin(0);
}
