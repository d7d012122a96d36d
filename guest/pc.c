/* SPDX-License-Identifier: MIT */
/*
 * A guest that looks at the monitor's devices. Its command line says what is right: "cpus=2 memory=64 module=hello topology=2", memory in MiB.
 */
#include "bare.h"

enum {
	LOADER_MAGIC = 0x2badb002,
	FW_CFG = 0x510, FW_CFG_SIGNATURE = 0, FW_CFG_MEMORY = 3, FW_CFG_CPUS = 5,
	ECHO = 0xe0, LINES = 0x2000, PM_TIMER = 0x608, CMOS = 0x70, NOWHERE = 0x900,
	VIRTIO_MAGIC = 0x74726976,
	VECTOR_LINE = 0x40, VECTOR_IPI = 0x50, LINE = 20,
};

#define IOAPIC_GPA 0xfec00000u
#define ECHO_GPA   0xff000000u
#define VIRTIO     0xd0000000u

static volatile uint32_t line_interrupts, ipis, others, others_told, faults;
static volatile bool fault_wanted;

void guest_interrupt(struct guest_frame *frame)
{
	if (fault_wanted && frame->vector == 13) {
		faults++;
		frame->rip += 2; /* RDMSR */
		return;
	}
	if (frame->vector == VECTOR_LINE)
		line_interrupts++;
	else if (frame->vector == VECTOR_IPI)
		__atomic_fetch_add(&ipis, 1, __ATOMIC_SEQ_CST);
	else
		check("no exception", frame->vector, 256);
	if (frame->vector < 32)
		finish();
	mmio(APIC_GPA)[APIC_EOI / 4] = 0;
}

void guest_other(uint32_t number)
{
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	__atomic_fetch_add(&others_told, number, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&others, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("sti; hlt");
}

/* ---- boot ---- */

static const char *text_at(uint32_t gpa)
{
	return (const char *)(uintptr_t)gpa;
}

static bool begins(const char *text, const char *with, uint32_t len)
{
	uint32_t i = 0;

	while (i < len && with[i] && with[i] != ' ' && text[i] == with[i])
		i++;
	return i == len && (!with[i] || with[i] == ' ');
}

static void look_at_boot(uint32_t magic, const uint32_t *info)
{
	const char *line = text_at(info[4]), *module = value_of(line, "module");
	const uint32_t *row = (const uint32_t *)(uintptr_t)info[6];

	check("multiboot: magic", magic, LOADER_MAGIC);
	check("multiboot: memory, command line, modules and map are there", info[0] & 0x4d, 0x4d);
	check("multiboot: lower memory in KiB", info[1], 639);
	check("multiboot: upper memory in KiB", info[2], (number_of(line, "memory") - 1) * 1024);
	check("multiboot: modules", info[5], module != 0);
	if (module && info[5])
		check("multiboot: the module's content", begins(text_at(row[0]), module, row[1] - row[0]), 1);
}

/* ---- devices ---- */

static uint64_t fw_cfg(uint16_t key, unsigned len)
{
	uint64_t value = 0;

	out16(FW_CFG, key);
	for (unsigned i = 0; i < len; i++)
		value |= (uint64_t)in8(FW_CFG + 1) << 8 * i;
	return value;
}

static void look_at_fw_cfg(const char *line)
{
	check("fw_cfg: signature", fw_cfg(FW_CFG_SIGNATURE, 4), 0x554d4551);
	check("fw_cfg: memory", fw_cfg(FW_CFG_MEMORY, 8), number_of(line, "memory") << 20);
	check("fw_cfg: processors", fw_cfg(FW_CFG_CPUS, 2), number_of(line, "cpus"));
}

static void look_at_test_device(void)
{
	out32(ECHO, 0x12345678);
	check("test device: port, 32 bits", in32(ECHO), 0x12345678);
	check("test device: port, 8 bits", in8(ECHO + 1), 0x56);
	mmio(ECHO_GPA)[4] = 0xfeedface;
	check("test device: memory", mmio(ECHO_GPA)[4], 0xfeedface);
	check("nothing there: port", in32(NOWHERE), 0xffffffff);
	check("nothing there: memory", *mmio(0xe0000000), 0xffffffff);
}

/*
 * KVM must not take the fault, which is long delivered, for one on its way when it emulates the first store to a page where nothing is. With no
 * exit in between: the first time has some, for pages that are new.
 */
static void look_behind_fault(void)
{
	enum { NO_MSR = 0x1234567 };
	const uint64_t times = 3, nothing = 0xe0001000;

	fault_wanted = true;
	for (uint64_t i = 0; i < times; i++)
		__asm__ volatile("rdmsr; movl $1, (%0)" : : "r"(nothing + i * 4096), "c"(NO_MSR) : "eax", "edx", "memory");
	fault_wanted = false;
	check("stores at once behind faults: go on", faults, times);
}

static void look_at_string_io(void)
{
	uint8_t bytes[4] = { 0x11, 0x22, 0x33, 0x44 }, *at = bytes;
	uint64_t count = sizeof(bytes);

	__asm__ volatile("rep outsb" : "+S"(at), "+c"(count) : "d"((uint16_t)(ECHO + 3)) : "memory");
	check("string output: the last byte stays", in8(ECHO + 3), 0x44);
}

static void look_at_clocks(void)
{
	uint32_t ticks = in32(PM_TIMER), moved = 0;
	uint8_t month;

	for (unsigned i = 0; i < 100000 && !moved; i++)
		moved = in32(PM_TIMER) - ticks;
	check("PM timer: moves on", moved != 0 && moved < 0x10000000, 1);
	out8(CMOS, 8);
	month = in8(CMOS + 1);
	check("RTC: there is such a month", (month >= 1 && month <= 9) || (month >= 0x10 && month <= 0x12), 1);
	out8(CMOS, 13);
	check("RTC: is valid", in8(CMOS + 1), 0x80);
}

static void look_at_lines(void)
{
	volatile uint32_t *ioapic = mmio(IOAPIC_GPA);

	ioapic[0] = 0x10 + 2 * LINE + 1;
	ioapic[4] = 0;
	ioapic[0] = 0x10 + 2 * LINE;
	ioapic[4] = VECTOR_LINE; /* edge, fixed, to processor 0 */
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	__asm__ volatile("sti");
	out8(LINES + LINE, 1);
	out8(LINES + LINE, 0);
	check("I/O APIC: a line's interrupt comes", wait_for(&line_interrupts, 1), 1);
}

static void look_at_virtio(void)
{
	check("virtio: magic", *mmio(VIRTIO), VIRTIO_MAGIC);
	check("virtio: version", mmio(VIRTIO)[1], 2);
	check("virtio: the first is a console", mmio(VIRTIO)[2], 3);
}

/* Where CPUID is the host's own, whatever KVM is told, the command line does not ask for it. */
static void look_at_cpuid(const char *line)
{
	uint64_t cpus = number_of(line, "topology");
	uint32_t regs[4], bits = 0;

	if (!cpus)
		return;
	while (1u << bits < cpus)
		bits++;
	cpuid(1, 0, regs);
	check("CPUID: the first processor's APIC id", regs[1] >> 24, 0);
	check("CPUID: logical processors", regs[1] >> 16 & 0xff, cpus);
	check("CPUID: a hypervisor is there", regs[2] >> 31, 1);
	cpuid(0x80000008, 0, regs);
	check("CPUID: processors of the package, and bits that number them", regs[2] & 0xf0ff, (cpus - 1) | bits << 12);
}

static bool find_rsdp(void)
{
	for (uint64_t at = 0xe0000; at < 0x100000; at += 16)
		if (*(volatile uint64_t *)at == 0x2052545020445352) /* "RSD PTR " */
			return true;
	return false;
}

static void look_at_others(uint32_t cpus)
{
	start_others();
	check("INIT and startup IPIs: all others run", wait_for(&others, cpus - 1), 1);
	check("each has its own number", others_told, cpus * (cpus - 1) / 2);
	mmio(APIC_GPA)[APIC_ICR / 4] = 0x000c4000 | VECTOR_IPI;
	check("an IPI reaches all others", wait_for(&ipis, cpus - 1), 1);
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	const char *line = text_at(info[4]);

	set_up_interrupts();
	look_at_boot(magic, info);
	look_at_fw_cfg(line);
	look_at_test_device();
	look_behind_fault();
	look_at_string_io();
	look_at_clocks();
	look_at_virtio();
	look_at_cpuid(line);
	check("ACPI: the RSDP is where it is looked for", find_rsdp(), 1);
	look_at_lines();
	look_at_others((uint32_t)number_of(line, "cpus"));
	finish();
}
