/* SPDX-License-Identifier: MIT */
/*
 * A guest for any VMM: a firmware of 64 KiB that prints what CPUID and some MSRs return, as cpuid -r does and gabi import reads, to
 * the debug port 0xe9, and then writes 0 to port 0xf4. It has the first processor alone, no memory but the lowest 640 KiB, and
 * judges nothing.
 */
#define TEXT    ((char *)0x10000) /* the whole text, so that it leaves by one string instruction: each exit costs */
#define FAULTED (*(volatile unsigned int *)0x500)

void rom_main(void);

static unsigned int length;

static void put(const char *text)
{
	while (*text)
		TEXT[length++] = *text++;
}

static void put_hex(unsigned int value, unsigned int digits)
{
	put("0x");
	for (unsigned int i = digits; i; i--)
		TEXT[length++] = "0123456789abcdef"[value >> 4 * (i - 1) & 0xf];
}

static void cpuid(unsigned int leaf, unsigned int sub, unsigned int reg[4])
{
	__asm__ volatile("cpuid" : "=a"(reg[0]), "=b"(reg[1]), "=c"(reg[2]), "=d"(reg[3]) : "a"(leaf), "c"(sub));
}

static void print(unsigned int leaf, unsigned int sub, const unsigned int reg[4])
{
	static const char *const names[] = { ": eax=", " ebx=", " ecx=", " edx=" };

	put("   ");
	put_hex(leaf, 8);
	put(" ");
	put_hex(sub, 2);
	for (unsigned int i = 0; i < 4; i++) {
		put(names[i]);
		put_hex(reg[i], 8);
	}
	put("\n");
}

/* How many subleaves there may be. */
static unsigned int subleaves(unsigned int leaf)
{
	switch (leaf) {
	case 0x7:
	case 0x12:
	case 0x14:
	case 0x1d:
	case 0x1e:
	case 0x24:
		return 3;
	case 0x4:
	case 0x8000001d:
		return 8;
	case 0xb:
	case 0x1f:
		return 4;
	case 0xd:
		return 63;
	default:
		return 1;
	}
}

static int is_zero(const unsigned int reg[4])
{
	return !(reg[0] | reg[1] | reg[2] | reg[3]);
}

static void print_range(unsigned int first, unsigned int most)
{
	unsigned int reg[4];

	cpuid(first, 0, reg);
	for (unsigned int leaf = first, last = reg[0]; leaf >= first && leaf <= last && leaf - first < most; leaf++) {
		for (unsigned int sub = 0; sub < subleaves(leaf); sub++) {
			cpuid(leaf, sub, reg);
			if (!sub || !is_zero(reg))
				print(leaf, sub, reg);
		}
	}
}

static void print_msr(unsigned int index)
{
	unsigned int low = 0, high = 0;

	FAULTED = 0;
	__asm__ volatile("rdmsr" : "+a"(low), "+d"(high) : "c"(index) : "memory");
	if (FAULTED)
		return;
	put("msr ");
	put_hex(index, 8);
	put(" ");
	put_hex(high, 8);
	for (unsigned int i = 8; i; i--)
		TEXT[length++] = "0123456789abcdef"[low >> 4 * (i - 1) & 0xf];
	put("\n");
}

static void leave(void)
{
	const char *text = TEXT;
	unsigned int left = length;

	__asm__ volatile("cld; rep outsb" : "+S"(text), "+c"(left) : "d"(0xe9) : "memory");
	__asm__ volatile("outl %0, $0xf4" : : "a"(0));
}

void rom_main(void)
{
	static const unsigned int msrs[] = { 0x8b, 0xce, 0xcf, 0x10a, 0x345, 0xc0011029 };

	length = 0; /* the image is read-only, and its data are not copied: nothing else is initialized */
	put("CPU 0:\n");
	print_range(0, 0x100);
	print_range(0x40000000, 0x100);
	print_range(0x40000100, 0x100);
	print_range(0x80000000, 0x100);
	for (unsigned int i = 0; i < sizeof(msrs) / sizeof(*msrs); i++)
		print_msr(msrs[i]);
	for (unsigned int i = 0x480; i <= 0x491; i++)
		print_msr(i);
	leave();
}
