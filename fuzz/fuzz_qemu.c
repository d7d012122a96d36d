/* SPDX-License-Identifier: MIT */
/* A command line means the same when it is written down again, each letter by itself, and starts the same guest or is refused
 * for the same reason. */
#include "fuzz.h"

#include <gabi/qemu.h>
#include <gabi/vocab.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct gabi_host *host;

static void add_leaf(uint64_t leaf, uint32_t sub, const uint32_t reg[4])
{
	for (unsigned part = 0; part < 4; part++) {
		const struct gabi_word word = {
			.key = { .space = GABI_SPACE_CPUID, .part = (uint16_t)part, .sub = sub, .index = leaf },
			.value = reg[part],
			.bits = 32,
			.vp = GABI_VP_ALL
		};

		fuzz_expect(!gabi_host_add(host, &word, NULL));
	}
}

static void make_host(void)
{
	host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	fuzz_expect(host);
	add_leaf(0, 0, (const uint32_t[]){ 0xd, 0x68747541, 0x444d4163, 0x69746e65 });
	add_leaf(1, 0, (const uint32_t[]){ 0x00830f10, 0, 0xfffa3223, 0x178bfbff });
	add_leaf(7, 0, (const uint32_t[]){ 2, 0xffffffff, 0xffffffff, 0xffffffff });
	add_leaf(0xd, 0, (const uint32_t[]){ 0x600e7, 0x2b00, 0x2b00, 0 });
	add_leaf(0xd, 1, (const uint32_t[]){ 0x1f, 0, 0x1800, 0 });
	add_leaf(0x80000000, 0, (const uint32_t[]){ 0x80000021, 0x68747541, 0x444d4163, 0x69746e65 });
	add_leaf(0x80000001, 0, (const uint32_t[]){ 0x00830f10, 0, 0xffffffff, 0xffffffff });
	add_leaf(0x80000008, 0, (const uint32_t[]){ 0x3030, 0xffffffff, 0, 0 });
	for (unsigned space = GABI_SPACE_CPUID; space < GABI_SPACE_COUNT; space++)
		gabi_host_cover(host, space);
	fuzz_expect(!gabi_host_seal(host, NULL));
}

static char *put_escaped(char *to, const char *text)
{
	for (; *text; text++) {
		*to++ = '\\';
		*to++ = *text;
	}
	return to;
}

static struct gabi_qemu *written_again(const struct gabi_qemu *line)
{
	const char *cpu = gabi_qemu_cpu(line), *machine = gabi_qemu_machine(line);
	char *text = malloc(2 * (strlen(cpu) + strlen(machine)) + 64), *at;
	struct gabi_qemu *again = NULL;

	fuzz_expect(text);
	at = text + sprintf(text, "-enable-kvm -machine ");
	at = put_escaped(at, machine);
	at += sprintf(at, " -cpu ");
	at = put_escaped(at, cpu);
	*at = '\0';
	fuzz_expect(!gabi_qemu_parse(text, strlen(text), NULL, NULL, &again, NULL));
	fuzz_expect(!strcmp(gabi_qemu_machine(again), machine) && !strcmp(gabi_qemu_cpu(again), cpu));
	free(text);
	return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gabi_diag diag = { 0 };
	struct gabi_qemu *line, *again;
	struct gabi_qemu_guest *guest = NULL;
	int err = gabi_qemu_parse((const char *)data, len, NULL, NULL, &line, &diag);

	if (!host)
		make_host();
	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return 0;
	}
	if (!strchr(gabi_qemu_cpu(line), '\n') && 2 * strlen(gabi_qemu_cpu(line)) + 64 < GABI_QEMU_MAX_LEN) {
		again = written_again(line);
		gabi_qemu_free(again);
	}
	err = gabi_qemu_start(line, host, NULL, &guest, &diag);
	fuzz_expect(err ? diag.text[0] : !gabi_qemu_guest_contract(guest) == !!gabi_qemu_guest_refusal(guest));
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
	fuzz_reached();
	return 0;
}
