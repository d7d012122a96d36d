/* SPDX-License-Identifier: MIT */
/* What the levels share beside general registers: floating point, debug registers, XCR0. One changes it, and the other has to find it. */
#include "secure.h"

static uint64_t get_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void set_xcr0(uint64_t value)
{
	__asm__ volatile("xsetbv" : : "a"((uint32_t)value), "d"(0), "c"(0));
}

static void allow_xsave(void)
{
	uint64_t cr4;

	__asm__ volatile("mov %%cr4, %0; or $0x40000, %0; mov %0, %%cr4" : "=r"(cr4));
}

/* ---- floating point ---- */

/* All that FXSAVE and the upper halves of AVX's registers say, with the reserved parts left out. */
struct floats {
	uint8_t legacy[512] __attribute__((aligned(64)));
	uint8_t upper[16 * 16] __attribute__((aligned(64)));
};
static struct floats floats_of[2]; /* as each level saw them */
static bool has_avx;

/* QEMU's emulated SVM lets XSETBV pass by, and KVM puts XCR0 back at each entry: so it is set where AVX is used. */
static void use_avx(void)
{
	set_xcr0(7);
}

#define UPPER(n) "vextractf128 $1, %%ymm" #n ", %%xmm0; movups %%xmm0, " #n "*16(%0);"
static void see(struct floats *to)
{
	__asm__ volatile("fxsave64 (%0)" : : "r"(to->legacy) : "memory");
	if (!has_avx)
		return;
	use_avx();
	__asm__ volatile(UPPER(1) UPPER(2) UPPER(3) UPPER(4) UPPER(5) UPPER(6) UPPER(7) UPPER(8) UPPER(9) UPPER(10) UPPER(11) UPPER(12)
			 UPPER(13) UPPER(14) UPPER(15) "movups (%1), %%xmm0" : : "r"(to->upper), "r"(to->legacy + 160) : "memory");
}

static uint64_t see_in_vtl1(void)
{
	see(&floats_of[1]);
	return 0;
}

/* How many bytes differ. The last words of a register of x87's, of the mask of MXCSR and behind the registers say nothing. */
static uint64_t differences(void)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < 416; i++)
		count += (i < 28 || (i >= 32 && i < 160 && i % 16 < 10) || i >= 160) && floats_of[0].legacy[i] != floats_of[1].legacy[i];
	for (unsigned i = 0; i < sizeof(floats_of[0].upper); i++)
		count += floats_of[0].upper[i] != floats_of[1].upper[i];
	return count;
}

/* Every component holds something, and always the same. */
static void fill_floats(void)
{
	static const uint32_t mxcsr = 0x1f80;

	__asm__ volatile("fninit; fld1; fldpi; ldmxcsr %0" : : "m"(mxcsr));
	__asm__ volatile("movq %0, %%xmm1; movq %0, %%xmm2; movq %0, %%xmm9; movq %0, %%xmm15; xorps %%xmm5, %%xmm5"
			 : : "r"(0x4242424242ull));
	if (!has_avx)
		return;
	use_avx();
	__asm__ volatile("vinsertf128 $1, %%xmm1, %%ymm3, %%ymm3; vinsertf128 $1, %%xmm1, %%ymm14, %%ymm14; vinsertf128 $1, %%xmm5, %%ymm7, %%ymm7" : : );
}

static void change_xmm(void)
{
	__asm__ volatile("movq %0, %%xmm5" : : "r"(0x5151ull));
}

static void change_mxcsr(void)
{
	static const uint32_t mxcsr = 0x5f80;

	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void change_x87(void)
{
	__asm__ volatile("fldl2e");
}

static void change_x87_control(void)
{
	static const uint16_t control = 0x27f;

	__asm__ volatile("fldcw %0" : : "m"(control));
}

static void empty_x87(void)
{
	__asm__ volatile("fninit");
}

static void clear_xmm(void)
{
	__asm__ volatile("xorps %xmm1, %xmm1; xorps %xmm2, %xmm2; xorps %xmm9, %xmm9; xorps %xmm15, %xmm15");
}

static void change_upper(void)
{
	use_avx();
	__asm__ volatile("vinsertf128 $1, %xmm1, %ymm7, %ymm7");
}

static void empty_upper(void)
{
	use_avx();
	__asm__ volatile("vzeroupper");
}

static void empty_vectors(void)
{
	use_avx();
	__asm__ volatile("vzeroall");
}

/* XRSTOR of an image whose XSTATE_BV has none of these. */
static void restore_nothing(uint32_t components)
{
	static uint8_t image[1024] __attribute__((aligned(64)));

	*(uint32_t *)(void *)(image + 24) = 0x1f80;
	use_avx();
	__asm__ volatile("xrstor64 (%0)" : : "r"(image), "a"(components), "d"(0) : "memory");
}

static void begin_x87(void)
{
	restore_nothing(1);
}

static void begin_sse(void)
{
	restore_nothing(2);
}

static void begin_avx(void)
{
	restore_nothing(4);
}

static void begin_all(void)
{
	restore_nothing(7);
}

static const struct {
	const char *name;
	void (*change)(void);
	bool avx;
} float_changes[] = {
	{ "all components hold something", fill_floats, false }, { "an XMM register", change_xmm, false }, { "MXCSR", change_mxcsr, false },
	{ "x87: a register", change_x87, false }, { "x87: the control word", change_x87_control, false }, { "x87: FNINIT", empty_x87, false },
	{ "SSE: all registers 0", clear_xmm, false }, { "AVX: an upper half alone", change_upper, true }, { "AVX: VZEROUPPER", empty_upper, true },
	{ "AVX: VZEROALL", empty_vectors, true }, { "XRSTOR: x87 as it began", begin_x87, true }, { "XRSTOR: SSE as it began", begin_sse, true },
	{ "XRSTOR: AVX as it began", begin_avx, true }, { "XRSTOR: all as it began", begin_all, true },
};
static volatile unsigned wanted_change;

static uint64_t change_in_vtl1(void)
{
	float_changes[wanted_change].change();
	see(&floats_of[1]);
	return 0;
}

static uint64_t prepare_avx(void)
{
	allow_xsave();
	return 0;
}

/* One level changes something, and the other has to find it. What was before that is known to both. */
static void look_at_float(unsigned number)
{
	uint64_t before;

	say_name(float_changes[number].name);
	fill_floats();
	ask(see_in_vtl1);
	float_changes[number].change();
	see(&floats_of[0]);
	ask(see_in_vtl1);
	check("floating point: VTL 1 finds what VTL 0 changed", differences(), 0);
	fill_floats();
	see(&floats_of[0]);
	ask(see_in_vtl1);
	before = differences();
	wanted_change = number;
	ask(change_in_vtl1);
	check("floating point: VTL 1 changed something", before || (!differences() && number), 0);
	see(&floats_of[0]);
	check("floating point: VTL 0 finds what VTL 1 changed", differences(), 0);
}

static void look_at_floats(void)
{
	enum { XSAVE = 1 << 26, AVX = 1 << 28 };
	uint32_t regs[4];

	cpuid(1, 0, regs);
	has_avx = regs[2] & XSAVE && regs[2] & AVX;
	if (has_avx) {
		allow_xsave();
		ask(prepare_avx);
	}
	for (unsigned i = 0; i < COUNT_OF(float_changes); i++)
		if (has_avx || !float_changes[i].avx)
			look_at_float(i);
}

/* ---- debug registers and XCR0 ---- */

static uint64_t change_xcr0(void)
{
	uint64_t found;

	allow_xsave();
	found = get_xcr0();
	set_xcr0(1);
	return found;
}

static uint64_t change_debug(void)
{
	uint64_t found;

	__asm__ volatile("mov %%db1, %0; mov %1, %%db1" : "=&r"(found) : "r"(0x7070ull));
	return found;
}

void look_at_shared_state(bool has_xcr0)
{
	uint64_t value = 0x4242;
	uint32_t regs[4];

	look_at_floats();
	__asm__ volatile("mov %0, %%db1" : : "r"(value));
	check("DR1: VTL 1 finds VTL 0's", ask(change_debug), 0x4242);
	__asm__ volatile("mov %%db1, %0" : "=r"(value));
	check("DR1: VTL 0 finds VTL 1's", value, 0x7070);
	cpuid(1, 0, regs);
	if (!has_xcr0 || !(regs[2] >> 26 & 1))
		return;
	allow_xsave();
	set_xcr0(3);
	check("XCR0: VTL 1 finds VTL 0's", ask(change_xcr0), 3);
	check("XCR0: VTL 0 finds VTL 1's", get_xcr0(), 1);
}
