/* SPDX-License-Identifier: MIT */
/* QEMU command lines, and the guests that they give on a host made up for it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <gabi/qemu.h>
#include <gabi/vocab.h>

#include <stdio.h>
#include <string.h>

#include "short_mem.h"

/* ---- lines ---- */

static struct gabi_qemu *line_of(const char *text)
{
	struct gabi_diag diag = { 0 };
	struct gabi_qemu *line = NULL;

	if (gabi_qemu_parse(text, strlen(text), NULL, NULL, &line, &diag))
		fail_msg("%s: %s", text, diag.text);
	return line;
}

static void line__of_any_form__means_the_same(void **state)
{
	static const struct {
		const char *name, *text, *machine, *cpu;
	} cases[] = {
		{ "the argument alone", "EPYC,+svm", "pc-i440fx-11.1", "EPYC,+svm" },
		{ "the option", "-cpu EPYC,+svm", "pc-i440fx-11.1", "EPYC,+svm" },
		{ "two hyphens", "--cpu EPYC --machine pc-q35-7.2", "pc-q35-7.2", "EPYC" },
		{ "a whole line", "/usr/bin/qemu-system-x86_64 -M q35,accel=kvm -cpu host -m 4G disk.img", "pc-q35-11.1",
		  "host" },
		{ "quotes", "-cpu 'EPYC,model-id=A B' -M \"pc-q35-8.0\"", "pc-q35-8.0", "EPYC,model-id=A B" },
		{ "a quoted part of a word", "-cpu EPYC,model-id=\"A \\\"B\\\"\",+svm", "pc-i440fx-11.1",
		  "EPYC,model-id=A \"B\",+svm" },
		{ "a line that goes on", "-cpu \\\n  EPYC \\\n  -M pc-i440fx-6.0\n", "pc-i440fx-6.0", "EPYC" },
		{ "comments", "#!/bin/sh\n# start it\nexec qemu -enable-kvm \\\n -cpu EPYC\n", "pc-i440fx-11.1", "EPYC" },
		{ "a comment at the end", "-cpu EPYC # the end", "pc-i440fx-11.1", "EPYC" },
		{ "a backslash at the end", "-cpu EPYC \\", "pc-i440fx-11.1", "EPYC" },
		{ "the last one counts", "-cpu EPYC -cpu max -M pc-q35-7.2 -machine pc-q35-8.2", "pc-q35-8.2", "max" },
		{ "type=", "-machine accel=kvm,type=pc-q35-9.0 -cpu EPYC", "pc-q35-9.0", "EPYC" },
		{ "no CPU", "-machine pc-q35-7.2", "pc-q35-7.2", "qemu64" },
		{ "others are passed over", "-cpu EPYC -drive file=a,if=virtio -nographic -netdev user,id=n", "pc-i440fx-11.1",
		  "EPYC" },
		{ "-readconfig",
		  "# a comment\n[machine]\n  type = \"pc-q35-7.2\"\n\n[smp-opts]\n cpus = \"2\"\n[drive \"d\"]\n file = "
		  "\"-cpu\"\n",
		  "pc-q35-7.2", "qemu64" },
		{ "an arm64 machine", "-M virt,mte=on,gic-version=3 -cpu host,sve=off", "virt-11.1,mte=on", "host,sve=off" },
		{ "an arm64 model alone", "cortex-a57,pmu=off", "virt-11.1", "cortex-a57,pmu=off" },
		{ "KVM, then the emulator", "qemu -accel kvm -accel tcg -cpu EPYC", "pc-i440fx-11.1", "EPYC" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct gabi_qemu *line = line_of(cases[i].text);

		if (strcmp(gabi_qemu_machine(line), cases[i].machine) || strcmp(gabi_qemu_cpu(line), cases[i].cpu))
			fail_msg("%s: %s, %s", cases[i].name, gabi_qemu_machine(line), gabi_qemu_cpu(line));
		gabi_qemu_free(line);
	}
}

static void line__that_is_wrong__is_refused_in_one_sentence(void **state)
{
	static const struct {
		const char *name, *text, *says;
		int err;
	} cases[] = {
		{ "nothing", " \n", "empty", GABI_ERR_SYNTAX },
		{ "a comment alone", "# EPYC", "empty", GABI_ERR_SYNTAX },
		{ "two words", "EPYC host", "no spaces", GABI_ERR_SYNTAX },
		{ "an open quote", "-cpu 'EPYC", "not closed", GABI_ERR_SYNTAX },
		{ "no argument", "-m 1G -cpu", "wants an argument", GABI_ERR_SYNTAX },
		{ "a slip", "-cpu EPYC -machin q35", "machine", GABI_ERR_UNKNOWN },
		{ "no machine of ours", "-M microvm -cpu EPYC", "microvm", GABI_ERR_UNKNOWN },
		{ "a machine of tomorrow", "-M pc-q35-12.0", "pc-q35-12.0", GABI_ERR_UNKNOWN },
		{ "a machine of yesterday", "-M pc-q35-2.6", "pc-q35-2.6", GABI_ERR_UNKNOWN },
		{ "the emulator", "qemu-system-x86_64 -cpu EPYC", "emulated", GABI_ERR_UNSUPPORTED },
		{ "the emulator by name", "-cpu EPYC -accel tcg", "emulated", GABI_ERR_UNSUPPORTED },
		{ "power management", "-cpu host -overcommit cpu-pm=on", "not foreseen", GABI_ERR_UNSUPPORTED },
		{ "a global CPU property", "-cpu EPYC -global EPYC-x86_64-cpu.avx=off", "not foreseen", GABI_ERR_UNSUPPORTED },
		{ "another file", "-readconfig vm.cfg", "not foreseen", GABI_ERR_UNSUPPORTED },
		{ "confidential guests", "-M q35,confidential-guest-support=sev0", "not foreseen", GABI_ERR_UNSUPPORTED },
		{ "processors that do not add up", "-smp 7,sockets=2,cores=2,threads=2", "-smp", GABI_ERR_CONFLICT },
		{ "no number", "-smp many", "-smp", GABI_ERR_RANGE },
		{ "no part of -smp", "-smp 2,nodes=2", "nodes", GABI_ERR_UNKNOWN },
		{ "an interrupt controller", "-machine q35,kernel-irqchip=maybe", "irqchip", GABI_ERR_RANGE },
		{ "a line of no file", "[machine]\ntype: q35\n", "key = ", GABI_ERR_SYNTAX },
		{ "no group", "[\n", "[group]", GABI_ERR_SYNTAX },
		{ "a CPU of the other architecture", "-M virt -cpu EPYC", "no machine of a CPU of x86", GABI_ERR_CONFLICT },
		{ "and the other way", "-M q35 -cpu cortex-a57", "no machine of a CPU of arm64", GABI_ERR_CONFLICT },
		{ "no CPU on arm64", "-M virt-7.2", "-cpu host is", GABI_ERR_UNSUPPORTED },
		{ "nested on arm64", "-M virt,virtualization=on -cpu host", "not foreseen", GABI_ERR_UNSUPPORTED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct gabi_diag diag = { 0 };
		struct gabi_qemu *line = NULL;
		int err = gabi_qemu_parse(cases[i].text, strlen(cases[i].text), NULL, NULL, &line, &diag);

		if (err != cases[i].err || line || !strstr(diag.text, cases[i].says))
			fail_msg("%s: %d, '%s'", cases[i].name, err, diag.text);
	}
}

static void line__too_long_or_with_nul__is_refused(void **state)
{
	static char text[GABI_QEMU_MAX_LEN + 1];
	struct gabi_qemu *line = NULL;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(gabi_qemu_parse(text, sizeof(text), NULL, NULL, &line, NULL), GABI_ERR_LIMIT);
	assert_int_equal(gabi_qemu_parse("-cpu\0EPYC", 9, NULL, NULL, &line, NULL), GABI_ERR_SYNTAX);
	assert_null(line);
}

/* ---- guests ---- */

static void add(struct gabi_host *host, unsigned space, uint64_t index, uint32_t sub, unsigned part, unsigned bits,
		uint64_t value)
{
	const struct gabi_word word = { .key = { .space = (uint16_t)space, .part = (uint16_t)part, .sub = sub, .index = index },
					.value = value, .bits = (uint8_t)bits, .vp = GABI_VP_ALL };

	assert_int_equal(gabi_host_add(host, &word, NULL), 0);
}

static void add_leaf(struct gabi_host *host, uint64_t leaf, uint32_t sub, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	const uint32_t reg[] = { a, b, c, d };

	for (unsigned part = 0; part < 4; part++)
		add(host, GABI_SPACE_CPUID, leaf, sub, part, 32, reg[part]);
}

/* An AMD host of few features: SSE2, AVX with XSAVE, long mode, SVM; KVM's clock; Hyper-V's first flags. */
static struct gabi_host *small_host(void)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);

	add_leaf(host, 0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65);
	add_leaf(host, 1, 0, 0x00830f10, 0, 0x1c202001, 0x078bfbfd); /* pni cx16 x2apic xsave osxsave avx */
	add_leaf(host, 7, 0, 0, 0x00000020, 0, 0);                   /* avx2 */
	add_leaf(host, 0xd, 0, 7, 0x340, 0x340, 0);
	add_leaf(host, 0xd, 1, 1, 0, 0, 0);
	add_leaf(host, 0xd, 2, 0x100, 0x240, 0, 0);
	add_leaf(host, 0x80000000, 0, 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65);
	add_leaf(host, 0x80000001, 0, 0x00830f10, 0, 0x5, 0x2183fbfd); /* lahf-lm svm; nx lm */
	add_leaf(host, 0x80000008, 0, 0x3030, 0, 0, 0);
	add_leaf(host, 0x8000000a, 0, 1, 8, 0, 1);
	add(host, GABI_SPACE_KVM, 0x40000001, 0, GABI_EAX, 32, 0x0100007b);
	add(host, GABI_SPACE_HYPERV, 0x40000003, 0, GABI_EAX, 32, 0x2ff);
	add(host, GABI_SPACE_HYPERV, 0x40000004, 0, GABI_EAX, 32, 0x824);
	add(host, GABI_SPACE_CAP, GABI_KVM_CAP_HYPERV, 0, 0, 32, 1);
	add(host, GABI_SPACE_CAP, GABI_KVM_CAP_HYPERV_SYNIC2, 0, 0, 32, 1);
	add(host, GABI_SPACE_CAP, GABI_KVM_CAP_HYPERV_VP_INDEX, 0, 0, 32, 1);
	add(host, GABI_SPACE_VM, GABI_VM_TSC_KHZ, 0, 0, 64, 2000000);
	for (unsigned space = GABI_SPACE_CPUID; space < GABI_SPACE_COUNT; space++)
		gabi_host_cover(host, space);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

static struct gabi_qemu_guest *guest_of(const char *text, const struct gabi_host *host)
{
	struct gabi_qemu *line = line_of(text);
	struct gabi_qemu_guest *guest = NULL;
	struct gabi_diag diag = { 0 };

	if (gabi_qemu_start(line, host, NULL, &guest, &diag))
		fail_msg("%s: %s", text, diag.text);
	gabi_qemu_free(line);
	return guest;
}

static uint64_t value_of(const struct gabi_qemu_guest *guest, unsigned space, uint64_t index, uint32_t sub, unsigned part)
{
	const struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)part, .sub = sub, .index = index };
	const struct gabi_word *word = gabi_contract_find(gabi_qemu_guest_contract(guest), &key, GABI_VP_ALL);

	return word ? word->value : 0;
}

#define CPUID(leaf, sub, reg) GABI_SPACE_CPUID, leaf, sub, GABI_##reg
#define HV(leaf, reg)         GABI_SPACE_HYPERV, 0x40000000 + (leaf), 0, GABI_##reg

static void guest__word__is_as_qemu_makes_it(void **state)
{
	static const struct {
		const char *name, *text;
		unsigned space;
		uint64_t index;
		uint32_t sub;
		unsigned part;
		uint64_t mask, value;
	} cases[] = {
		{ "what the host lacks is off", "EPYC", CPUID(1, 0, ECX), 1u << 12, 0 },
		{ "what it has is on", "EPYC", CPUID(7, 0, EBX), 1u << 5, 1u << 5 },
		{ "the vendor is the host's", "Skylake-Server", CPUID(0, 0, EBX), ~0u, 0x68747541 },
		{ "unless it is named", "Skylake-Server,vendor=GenuineIntel", CPUID(0, 0, EBX), ~0u, 0x756e6547 },
		{ "AMD repeats leaf 1", "EPYC,-mmx", CPUID(0x80000001, 0, EDX), 1u << 23, 0 },
		{ "svm is off with KVM", "EPYC", CPUID(0x80000001, 0, ECX), 4, 0 },
		{ "unless it is named", "EPYC,+svm", CPUID(0x80000001, 0, ECX), 4, 4 },
		{ "SVM has a fixed revision", "EPYC,+svm", CPUID(0x8000000a, 0, EBX), ~0u, 0x10 },
		{ "x2apic is on with KVM", "qemu64", CPUID(1, 0, ECX), 1u << 21, 1u << 21 },
		{ "and off without its interrupt controller", "-cpu qemu64 -machine q35,kernel-irqchip=off", CPUID(1, 0, ECX),
		  1u << 21, 0 },
		{ "XCR0 follows the features", "EPYC", CPUID(0xd, 0, EAX), ~0u, 7 },
		{ "and the size XCR0", "EPYC,-avx", CPUID(0xd, 0, ECX), ~0u, 0x240 },
		{ "without xsave there is no leaf 0xD", "EPYC,-xsave", CPUID(0xd, 0, EAX), ~0u, 0 },
		{ "addresses of 40 bits", "EPYC", CPUID(0x80000008, 0, EAX), 0xff, 40 },
		{ "as they are named", "EPYC,phys-bits=46", CPUID(0x80000008, 0, EAX), 0xff, 46 },
		{ "the host's", "EPYC,host-phys-bits=on", CPUID(0x80000008, 0, EAX), 0xff, 48 },
		{ "at most so many", "host,host-phys-bits-limit=42", CPUID(0x80000008, 0, EAX), 0xff, 42 },
		{ "a model's caches", "EPYC", CPUID(0x80000005, 0, EDX), ~0u, 0x40040140 },
		{ "the old ones", "EPYC,legacy-cache=on", CPUID(0x80000005, 0, EDX), ~0u, 0x40020140 },
		{ "no L3", "EPYC,l3-cache=off", CPUID(0x80000006, 0, EDX), ~0u, 0 },
		{ "AMD has no leaf 4", "-cpu EPYC -M pc-q35-7.2", CPUID(4, 0, EAX), ~0u, 0 },
		{ "old machines show it", "-cpu EPYC -M pc-q35-6.0", CPUID(4, 0, EBX), ~0u, 0x01c0003f },
		{ "old machines have another qemu64", "-cpu qemu64 -M pc-q35-6.0", CPUID(1, 0, EAX), ~0u, 0x663 },
		{ "newer ones", "-cpu qemu64 -M pc-q35-6.1", CPUID(1, 0, EAX), ~0u, 0x60fb1 },
		{ "KVM's leaves are at 0x40000000", "EPYC", GABI_SPACE_VM, GABI_VM_KVM_LEAF_BASE, 0, 0, ~0u, 0x40000000 },
		{ "and behind Hyper-V's", "EPYC,hv-relaxed", GABI_SPACE_VM, GABI_VM_KVM_LEAF_BASE, 0, 0, ~0u, 0x40000100 },
		{ "or not there", "EPYC,kvm=off", GABI_SPACE_KVM, 0x40000000, 0, GABI_EBX, ~0u, 0 },
		{ "KVM's defaults", "EPYC", GABI_SPACE_KVM, 0x40000001, 0, GABI_EAX, ~0u, 0x0100007b & ~4u },
		{ "less one", "EPYC,-kvm-pv-eoi", GABI_SPACE_KVM, 0x40000001, 0, GABI_EAX, 1u << 6, 0 },
		{ "hypercalls come with any flag", "EPYC,hv-relaxed", HV(3, EAX), ~0u, 1u << 5 },
		{ "hv-time is two bits", "EPYC,hv-time", HV(3, EAX), 0x202, 0x202 },
		{ "SynIC brings messages and events", "EPYC,hv-synic,hv-vpindex", HV(3, EBX), ~0u, 3u << 4 },
		{ "Microsoft's name", "EPYC,hv-relaxed", HV(0, EBX), ~0u, 0x7263694d },
		{ "or another", "EPYC,hv-relaxed,hv-vendor-id=gabi", HV(0, EBX), ~0u, 0x69626167 },
		{ "which may be short", "EPYC,hv-relaxed,hv-vendor-id=gabi", HV(0, ECX), ~0u, 0 },
		{ "flushes by any mask", "EPYC,hv-vpindex,hv-tlbflush", HV(4, EAX), 0x804, 0x804 },
		{ "a version of 2016", "-cpu EPYC,hv-relaxed -M pc-q35-6.2", HV(2, EAX), ~0u, 0x3839 },
		{ "of 2008 on old machines", "-cpu EPYC,hv-relaxed -M pc-q35-6.1", HV(2, EAX), ~0u, 0x1bbc },
		{ "spin locks alone are Hyper-V's", "EPYC,hv-spinlocks=0x1fff", HV(4, EBX), ~0u, 0x1fff },
		{ "a fixed TSC tells its frequency", "EPYC,tsc-freq=2000000000", GABI_SPACE_KVM, 0x40000010, 0, GABI_EAX, ~0u,
		  2000000 },
		{ "in parts of a GHz", "EPYC,tsc-freq=2.0000G", GABI_SPACE_VM, GABI_VM_TSC_KHZ, 0, 0, ~0u, 2000000 },
		{ "another does not", "EPYC", GABI_SPACE_KVM, 0x40000010, 0, GABI_EAX, ~0u, 0 },
		{ "host has the host's signature", "host", CPUID(1, 0, EAX), ~0u, 0x00830f10 },
		{ "and its levels", "host", CPUID(0x80000000, 0, EAX), ~0u, 0x8000000a },
		{ "a level is cut", "EPYC,level=6", CPUID(7, 0, EBX), ~0u, 0 },
	};
	struct gabi_host *host = small_host();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct gabi_qemu_guest *guest = guest_of(cases[i].text, host);
		uint64_t value;

		if (gabi_qemu_guest_refusal(guest))
			fail_msg("%s: refused: %s", cases[i].name, gabi_qemu_guest_refusal(guest));
		value = value_of(guest, cases[i].space, cases[i].index, cases[i].sub, cases[i].part) & cases[i].mask;
		if (value != cases[i].value)
			fail_msg("%s: 0x%llx", cases[i].name, (unsigned long long)value);
		gabi_qemu_guest_free(guest);
	}
	gabi_host_free(host);
}

static void guest__that_cannot_be__is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *name, *text, *says;
	} cases[] = {
		{ "enforce", "EPYC,enforce", "enforce is on" },
		{ "a flag that the kernel lacks", "EPYC,hv-relaxed,hv-vpindex,hv-ipi", "hv-ipi" },
		{ "a TSC that cannot be", "EPYC,tsc-freq=3G", "cannot be scaled" },
		{ "caches of none", "Skylake-Server,legacy-cache=off", "no caches of its own" },
		{ "too many address bits", "EPYC,phys-bits=60", "phys-bits" },
		{ "address bits of 32", "qemu32,phys-bits=40", "64-bit" },
		{ "the host's caches", "host,host-cache-info=on", "0x80000005" },
	};
	struct gabi_host *host = small_host();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct gabi_qemu_guest *guest = guest_of(cases[i].text, host);
		const char *refusal = gabi_qemu_guest_refusal(guest);

		if (!refusal || !strstr(refusal, cases[i].says) || gabi_qemu_guest_contract(guest))
			fail_msg("%s: %s", cases[i].name, refusal ? refusal : "it starts");
		gabi_qemu_guest_free(guest);
	}
	gabi_host_free(host);
}

static void guest__losses__are_what_was_asked_for_and_is_not_there(void **state)
{
	struct gabi_host *host = small_host();
	struct gabi_qemu_guest *guest = guest_of("base,+avx,+avx512f,+sse4.2", host);
	size_t count;
	const struct gabi_qemu_loss *loss = gabi_qemu_guest_losses(guest, &count);

	(void)state;
	assert_int_equal(count, 2);
	assert_int_equal(loss[0].bits | loss[1].bits, 1u << 16 | 1u << 20);
	gabi_qemu_guest_free(guest);
	gabi_host_free(host);
}

static void guest__of_a_manifest_that_is_no_kvm__is_an_error(void **state)
{
	struct gabi_host *saw = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_GUEST, NULL),
			 *arm = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, NULL);
	struct gabi_qemu *line = line_of("EPYC");
	struct gabi_qemu_guest *guest = NULL;

	(void)state;
	gabi_host_seal(saw, NULL);
	gabi_host_seal(arm, NULL);
	assert_int_equal(gabi_qemu_start(line, saw, NULL, &guest, NULL), GABI_ERR_ARG);
	assert_int_equal(gabi_qemu_start(line, arm, NULL, &guest, NULL), GABI_ERR_ARG);
	assert_null(guest);
	gabi_qemu_free(line);
	gabi_host_free(saw);
	gabi_host_free(arm);
}

static int start_with(const struct gabi_mem *mem, const struct gabi_host *host)
{
	static const char text[] = "-cpu EPYC,hv-relaxed,hv-time -M pc-q35-7.2 -nographic";
	struct gabi_qemu *line = NULL;
	struct gabi_qemu_guest *guest = NULL;
	int err = gabi_qemu_parse(text, sizeof(text) - 1, NULL, mem, &line, NULL);

	if (!err)
		err = gabi_qemu_start(line, host, mem, &guest, NULL);
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
	return err;
}

static void guest__every_allocation_fails_in_turn__is_out_of_memory_and_no_leak(void **state)
{
	struct gabi_host *host = small_host();
	bool done = false;

	(void)state;
	for (size_t at = 1; !done; at++) {
		struct short_mem failing = { .fail_at = at };
		const struct gabi_mem mem = short_mem_of(&failing);
		int err = start_with(&mem, host);

		done = !short_mem_hit(&failing);
		assert_int_equal(err, done ? 0 : GABI_ERR_NOMEM);
		assert_int_equal(failing.live, 0);
	}
	gabi_host_free(host);
}

/* ---- arm64 ---- */

/* A host with the PMU, pointer authentication, and SVE of up to 512 bits but not of 384. */
static struct gabi_host *arm64_host(void)
{
	static const struct {
		const char *field;
		uint64_t value;
	} fields[] = {
		{ "midr.implementer", 0x41 },    { "midr.partnum", 0xd07 },       { "id-aa64dfr0.pmuver", 5 }, { "id-aa64pfr0.sve", 1 },
		{ "id-aa64isar1.api", 1 },       { "id-aa64isar1.gpi", 1 },       { "id-aa64pfr1.mte", 2 },    { "sve-lengths", 0xb },
	};
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, NULL);
	struct gabi_word words[16] = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const struct gabi_field *field = gabi_field_by_name(fields[i].field, GABI_ARCH_ARM64);
		size_t at = 0;

		assert_non_null(field);
		while (at < count && gabi_key_compare(&words[at].key, &field->key))
			at++;
		count += at == count;
		words[at].key = field->key;
		words[at].vp = GABI_VP_ALL;
		words[at].bits = 64;
		words[at].value |= fields[i].value << field->lo;
	}
	for (size_t i = 0; i < count; i++)
		assert_int_equal(gabi_host_add(host, &words[i], NULL), 0);
	assert_int_equal(gabi_host_cover(host, GABI_SPACE_ARM64), 0);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

static uint64_t field_in(const struct gabi_contract *contract, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_ARM64);
	const struct gabi_word *word = gabi_contract_find(contract, &field->key, GABI_VP_ALL);

	return word ? word->value >> field->lo & (((uint64_t)1 << field->bits) - 1) : 0;
}

/* The line that is found for a contract gives the same guest. */
static void expect_way_back(const struct gabi_contract *contract, const struct gabi_host *host, const char *text)
{
	uint8_t want[GABI_DIGEST_LEN], have[GABI_DIGEST_LEN];
	struct gabi_diag diag = { 0 };
	struct gabi_qemu *line;
	struct gabi_qemu_guest *guest;

	if (gabi_qemu_find(contract, host, NULL, &line, &diag) || gabi_qemu_start(line, host, NULL, &guest, &diag))
		fail_msg("%s: %s", text, diag.text);
	gabi_contract_digest(contract, want);
	gabi_contract_digest(gabi_qemu_guest_contract(guest), have);
	if (memcmp(want, have, sizeof(want)))
		fail_msg("%s: %s gives another guest", text, gabi_qemu_cpu(line));
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
}

static void arm64_guest__is_the_host_less_what_is_off(void **state)
{
	static const struct {
		const char *text, *refusal; /* part of why QEMU would not start */
		unsigned pmu, sve, pauth, mte, lengths;
	} cases[] = {
		{ "-M virt -cpu host", NULL, 5, 1, 1, 0, 0xb },
		{ "-M virt,mte=on -cpu max", NULL, 5, 1, 1, 2, 0xb },
		{ "-M virt -cpu host,pmu=off", NULL, 0, 1, 1, 0, 0xb },
		{ "-M virt -cpu host,sve=off", NULL, 5, 0, 1, 0, 0 },
		{ "-M virt -cpu host,pauth=off,kvm-steal-time=off", NULL, 5, 1, 0, 0, 0xb },
		{ "-M virt -cpu host,sve512=off", NULL, 5, 1, 1, 0, 3 },
		{ "-M virt -cpu host,sve256=off", NULL, 5, 1, 1, 0, 1 },
		{ "-M virt -cpu host,sve256=on", NULL, 5, 1, 1, 0, 3 },
		{ "-M virt -cpu host,sve384=off", NULL, 5, 1, 1, 0, 0xb },
		{ "-M virt -cpu cortex-a57", NULL, 5, 1, 1, 0, 0xb },
		{ "-M virt -cpu cortex-a53", "on that CPU alone", 0, 0, 0, 0, 0 },
		{ "-M virt -cpu neoverse-n1", "no way to ask KVM", 0, 0, 0, 0, 0 },
		{ "-M virt -cpu host,sve384=on", "cannot enable sve384", 0, 0, 0, 0, 0 },
		{ "-M virt -cpu host,sve512=on,sve128=off", "every length that the host has", 0, 0, 0, 0, 0 },
		{ "-M virt -cpu host,sve128=off", "no vector length", 0, 0, 0, 0, 0 },
	};
	struct gabi_host *host = arm64_host();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct gabi_diag diag = { 0 };
		struct gabi_qemu *line = line_of(cases[i].text);
		struct gabi_qemu_guest *guest;
		const struct gabi_contract *contract;

		if (gabi_qemu_start(line, host, NULL, &guest, &diag))
			fail_msg("%s: %s", cases[i].text, diag.text);
		contract = gabi_qemu_guest_contract(guest);
		if (cases[i].refusal) {
			const char *refusal = gabi_qemu_guest_refusal(guest);

			if (contract || !refusal || !strstr(refusal, cases[i].refusal))
				fail_msg("%s: %s", cases[i].text, refusal ? refusal : "started");
		} else if (field_in(contract, "id-aa64dfr0.pmuver") != cases[i].pmu || field_in(contract, "id-aa64pfr0.sve") != cases[i].sve ||
			   field_in(contract, "id-aa64isar1.api") != cases[i].pauth || field_in(contract, "id-aa64isar1.gpi") != cases[i].pauth ||
			   field_in(contract, "id-aa64pfr1.mte") != cases[i].mte || field_in(contract, "sve-lengths") != cases[i].lengths) {
			fail_msg("%s: another guest", cases[i].text);
		}
		if (!cases[i].refusal)
			expect_way_back(contract, host, cases[i].text);
		gabi_qemu_guest_free(guest);
		gabi_qemu_free(line);
	}
	gabi_host_free(host);
}

static void arm64_line__on_a_host_of_x86__is_an_error_and_the_other_way(void **state)
{
	struct gabi_host *arm64 = arm64_host(), *x86 = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	struct gabi_qemu *virt = line_of("-M virt -cpu host"), *pc = line_of("-M q35 -cpu host");
	struct gabi_qemu_guest *guest = NULL;
	struct gabi_diag diag = { 0 };

	(void)state;
	assert_int_equal(gabi_host_seal(x86, NULL), 0);
	assert_int_equal(gabi_qemu_start(pc, arm64, NULL, &guest, &diag), GABI_ERR_ARG);
	assert_non_null(strstr(diag.text, "-machine virt"));
	assert_int_equal(gabi_qemu_start(virt, x86, NULL, &guest, &diag), GABI_ERR_ARG);
	assert_null(guest);
	gabi_qemu_free(virt);
	gabi_qemu_free(pc);
	gabi_host_free(arm64);
	gabi_host_free(x86);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line__of_any_form__means_the_same),
		cmocka_unit_test(line__that_is_wrong__is_refused_in_one_sentence),
		cmocka_unit_test(line__too_long_or_with_nul__is_refused),
		cmocka_unit_test(guest__word__is_as_qemu_makes_it),
		cmocka_unit_test(guest__that_cannot_be__is_refused_with_the_reason),
		cmocka_unit_test(guest__losses__are_what_was_asked_for_and_is_not_there),
		cmocka_unit_test(guest__of_a_manifest_that_is_no_kvm__is_an_error),
		cmocka_unit_test(arm64_guest__is_the_host_less_what_is_off),
		cmocka_unit_test(arm64_line__on_a_host_of_x86__is_an_error_and_the_other_way),
		cmocka_unit_test(guest__every_allocation_fails_in_turn__is_out_of_memory_and_no_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
