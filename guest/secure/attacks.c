/* SPDX-License-Identifier: MIT */
/* Attacks past the processor: devices, hypercalls, pages that lie over memory and KVM itself are to write where VTL 0 may not. */
#include "secure.h"

#define VIRTIO_RNG 0xd0001000u
enum { ECHO = 0xe0, RING = 8, WRITES = 2, DRIVER_OK = 0xf, FEATURES_OK = 0xb };
enum { FEATURES = 0x20, FEATURES_SELECT = 0x24, QUEUE_NUM = 0x38, QUEUE_READY = 0x44, NOTIFY = 0x50, STATUS = 0x70, QUEUE_AT = 0x80 };

static struct {
	struct {
		uint64_t at;
		uint32_t len;
		uint16_t flags, next;
	} descriptor[RING];
	uint16_t driver[2 + RING + 2] __attribute__((aligned(16)));
	volatile uint16_t device[2 + RING * 4 + 2] __attribute__((aligned(16)));
} ring;

static void write_register(unsigned at, uint32_t value)
{
	mmio(VIRTIO_RNG)[at / 4] = value;
}

/* Lets the random number generator write 64 bytes there, and say so there. */
static void let_device_use(const void *to, uint64_t used)
{
	const uint64_t parts[] = { (uint64_t)ring.descriptor, (uint64_t)ring.driver, used };

	write_register(STATUS, 0);
	for (unsigned i = 0; i < sizeof(ring.driver) / 2; i++)
		ring.driver[i] = 0;
	write_register(FEATURES_SELECT, 1);
	write_register(FEATURES, 1); /* version 1 */
	write_register(STATUS, FEATURES_OK);
	write_register(QUEUE_NUM, RING);
	for (unsigned i = 0; i < 3; i++) {
		write_register(QUEUE_AT + i * 16, (uint32_t)parts[i]);
		write_register(QUEUE_AT + i * 16 + 4, (uint32_t)(parts[i] >> 32));
	}
	write_register(QUEUE_READY, 1);
	write_register(STATUS, DRIVER_OK);
	ring.descriptor[0].at = (uint64_t)to;
	ring.descriptor[0].len = 64;
	ring.descriptor[0].flags = WRITES;
	ring.driver[1] = 1;
	write_register(NOTIFY, 0);
}

static void let_device_write(void)
{
	let_device_use(shot, (uint64_t)ring.device);
}

static bool is_untouched(void)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		if (*(volatile uint64_t *)word(i) != FILLING)
			return false;
	return true;
}

/* KVM carries these out itself, and cannot begin them anew: the write is lost, and a read finds ones. */
static void look_at_string_io(void)
{
	uint64_t count = 8, before = secure.intercepts;
	void *to = shot;
	const void *from = shot;

	secure.rights_after = READ;
	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"((uint16_t)ECHO) : "memory");
	check("string input to a read-only page: is told", secure.intercepts > before, 1);
	check("string input to a read-only page: writes nothing", is_untouched(), 1);
	secure.rights_after = NONE;
	protect_shot(0, NONE);
	before = secure.intercepts;
	count = 1;
	out8(ECHO, 0x55);
	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"((uint16_t)ECHO) : "memory");
	check("string output from a page without access: is told", secure.intercepts > before, 1);
	check("string output from a page without access: tells nothing of it", in8(ECHO) != 0x10, 1);
	secure.rights_after = EVERYTHING;
}

/* Hypercalls of the engine: what it reads and writes for VTL 0 is told to VTL 1 as if VTL 0 had done it, and then made again. */
static void look_at_hypercall_pages(void)
{
	uint64_t before = secure.intercepts, *in = level[0].in, status;

	in[0] = SELF;
	in[1] = VP_SELF;
	in[2] = GABI_HV_REG_VsmVpStatus;
	secure.skip = 2; /* the OUT in the hypercall page: VTL 1 passes over it, and the call is not made */
	status = hypercall(0, GABI_HV_CALL_GetVpRegisters | REP(1), in, shot);
	check("a hypercall's output in a read-only page: is told", secure.intercepts > before, 1);
	check("a hypercall's output in a read-only page: writes nothing", is_untouched(), 1);
	protect_shot(0, NONE);
	before = secure.intercepts;
	status = hypercall(0, GABI_HV_CALL_GetVpRegisters | REP(1), shot, level[0].out);
	check("a hypercall's input in a page without access: is told", secure.intercepts > before && (status & 0xffff) != 1, 1);
	secure.skip = 0;
	protect_shot(0, READ);
}

/* Pages that lie over memory: VTL 0 may write to them what it likes, and the memory below is not touched. */
static void look_at_overlays(void)
{
	static const uint32_t msrs[] = { GABI_HV_MSR_SIMP, GABI_HV_MSR_SIEFP, GABI_HV_MSR_VP_ASSIST_PAGE, GABI_HV_MSR_REFERENCE_TSC };

	for (unsigned i = 0; i < COUNT_OF(msrs); i++) {
		uint64_t before = rdmsr(msrs[i]), seen = secure.intercepts;

		wrmsr(msrs[i], (uint64_t)shot | 1);
		secure.skip = 4;
		__asm__ volatile("movq %1, 8(%0)" : : "D"(shot), "S"(0x66ull) : "memory"); /* 48 89 77 08 */
		secure.skip = 0;
		wrmsr(msrs[i], before);
		check("a page of Hyper-V's over protected memory: the memory is untouched", is_untouched() && secure.intercepts - seen <= 1, 1);
	}
}

/* What KVM writes by itself: VTL 0 asks for it where it may not write. */
static void look_at_own_writes(void)
{
	static const struct { uint32_t msr; uint64_t value; const char *name; } rows[] = {
		{ 0x11, 0, "wall clock (old)" }, { 0x12, 1, "system time (old)" }, { 0x4b564d00, 0, "wall clock" }, { 0x4b564d01, 1, "system time" },
		{ 0x4b564d02, 9, "asynchronous page faults" }, { 0x4b564d03, 1, "stolen time" }, { 0x4b564d04, 1, "end of interrupt" },
	};

	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		say_name(rows[i].name);
		expect_faults(BYTES_OF_WRMSR);
		wrmsr(rows[i].msr, (uint64_t)shot | rows[i].value);
		expect_no_faults();
		check("an MSR by which KVM would write memory itself: is not there", faults, 1);
		check("an MSR by which KVM would write memory itself: writes nothing", is_untouched(), 1);
	}
}

/* A hypercall that does not go through the page: KVM takes it, of Hyper-V's or of its own form. */
static uint64_t direct_hypercall(uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t rbx, uint64_t r8_value)
{
	register uint64_t r8 __asm__("r8") = r8_value;

	if (is_intel())
		__asm__ volatile("vmcall" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+r"(r8) : : "memory");
	else
		__asm__ volatile("vmmcall" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+r"(r8) : : "memory");
	return rax;
}

static void look_at_direct_hypercalls(void)
{
	enum { CLOCK_PAIRING = 9 };

	if (has_execute) /* a nested guest has no such instruction */
		expect_faults(BYTES_OF_WRMSR);
	direct_hypercall(0, GABI_HV_CALL_QueryExtendedCapabilities, 0, 0, (uint64_t)shot);
	check("extended capabilities into a read-only page: writes nothing", is_untouched(), 1);
	direct_hypercall(0, GABI_HV_CALL_FlushVirtualAddressSpaceEx, (uint64_t)shot, 0, 0);
	check("a flush whose list is in a read-only page: writes nothing", is_untouched(), 1);
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0); /* now they are KVM's own; the hypercall page is gone */
	direct_hypercall(CLOCK_PAIRING, 0, 0, (uint64_t)shot, 0);
	expect_no_faults();
	open_level(0);
	check("KVM's clock pairing into a read-only page: writes nothing", is_untouched(), 1);
}

static void look_at_devices(void)
{
	static uint8_t random[64];

	let_device_write();
	check("a device does not write where VTL 0 may not", is_untouched(), 1);
	let_device_use(random, (uint64_t)shot);
	check("a device does not put its ring where VTL 0 may not write", is_untouched(), 1);
}

void look_at_attacks(void)
{
	fill_shot();
	let_device_write();
	check("a device writes where VTL 0 may", is_untouched(), 0);
	fill_shot();
	protect_shot(0, READ);
	look_at_devices();
	look_at_hypercall_pages();
	look_at_overlays();
	look_at_own_writes();
	look_at_direct_hypercalls();
	look_at_string_io();
	protect_shot(0, EVERYTHING);
}
