/* SPDX-License-Identifier: MIT */
/* A domain that is taken makes the same arguments when it is read again, and each stands for one word of QEMU's; its -cpu argument is
 * taken as one, or refused in a sentence. Capabilities that are taken are a manifest that is written and read back the same. */
#include "fuzz.h"

#include <gabi/cpu_string.h>
#include <gabi/formats.h>
#include <gabi/libvirt.h>

#include <string.h>

static void expect_argument(const char *text)
{
	for (; *text; text++)
		fuzz_expect(*text >= ' ' && *text <= '~' && !strchr("'\"\\", *text));
}

static void expect_cpu(const char *text)
{
	struct gabi_diag diag = { 0 };
	struct gabi_cpu *cpu;

	if (*text && gabi_cpu_parse(text, strlen(text), NULL, NULL, &cpu, &diag))
		fuzz_expect(diag.text[0]);
	else if (*text)
		gabi_cpu_free(cpu);
}

/* Where host-model, match='minimum' and the policies optional and forbid are decided. */
static const struct gabi_host *some_host(void)
{
	static const char text[] = "{\"gabi\":\"host\",\"schema\":1,\"arch\":\"x86\",\"view\":\"kvm\",\"facts\":{},\"covers\":[\"cpuid\"],\"words\":{\"cpuid\":{"
		"\"0x0.0x0\":{\"eax\":\"0x0000000d\",\"ebx\":\"0x756e6547\",\"ecx\":\"0x6c65746e\",\"edx\":\"0x49656e69\"},"
		"\"0x1.0x0\":{\"eax\":\"0x000306a9\",\"ebx\":\"0x00000800\",\"ecx\":\"0xffb82203\",\"edx\":\"0x0f8bfbff\"},"
		"\"0x80000001.0x0\":{\"eax\":\"0x00000000\",\"ebx\":\"0x00000000\",\"ecx\":\"0x00000001\",\"edx\":\"0x28100800\"}}}}";
	static struct gabi_host *host;

	if (!host)
		fuzz_expect(!gabi_host_read(text, sizeof(text) - 1, NULL, &host, NULL));
	return host;
}

/* On a host as much is taken, or refused in a sentence. */
static void read_on_host(const struct gabi_xml *xml)
{
	struct gabi_diag diag = { 0 };
	struct gabi_domain *domain;
	int err = gabi_domain_read(gabi_xml_root(xml), some_host(), NULL, &domain, &diag);

	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return;
	}
	expect_argument(gabi_domain_cpu(domain));
	if (gabi_domain_arch(domain) == GABI_ARCH_X86)
		expect_cpu(gabi_domain_cpu(domain));
	gabi_domain_free(domain);
}

static void read_domain(const struct gabi_xml *xml)
{
	struct gabi_diag diag = { 0 };
	struct gabi_domain *domain, *again;
	int err = gabi_domain_read(gabi_xml_root(xml), NULL, NULL, &domain, &diag);

	read_on_host(xml);
	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return;
	}
	fuzz_expect(!gabi_domain_read(gabi_xml_root(xml), NULL, NULL, &again, &diag));
	fuzz_expect(!strcmp(gabi_domain_cpu(domain), gabi_domain_cpu(again)));
	fuzz_expect(!strcmp(gabi_domain_smp(domain), gabi_domain_smp(again)));
	expect_argument(gabi_domain_cpu(domain));
	expect_argument(gabi_domain_machine(domain));
	expect_argument(gabi_domain_smp(domain));
	if (gabi_domain_arch(domain) == GABI_ARCH_X86)
		expect_cpu(gabi_domain_cpu(domain));
	gabi_domain_free(domain);
	gabi_domain_free(again);
	fuzz_reached();
}

static void import_capabilities(const struct gabi_xml *xml)
{
	struct gabi_diag diag = { 0 };
	struct gabi_host *host, *again;
	char *text, *second;
	size_t len, second_len;
	int err = gabi_capabilities_import(gabi_xml_root(xml), NULL, &host, &diag);

	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return;
	}
	fuzz_expect(!gabi_host_write(host, NULL, &text, &len));
	fuzz_expect(!gabi_host_read(text, len, NULL, &again, NULL));
	fuzz_expect(!gabi_host_write(again, NULL, &second, &second_len));
	fuzz_expect(len == second_len && !memcmp(text, second, len));
	for (unsigned space = 0; space < GABI_SPACE_COUNT; space++)
		fuzz_expect(!gabi_host_covers(host, space));
	gabi_text_free(text, NULL);
	gabi_text_free(second, NULL);
	gabi_host_free(host);
	gabi_host_free(again);
	fuzz_reached();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gabi_diag diag = { 0 };
	struct gabi_xml *xml;
	int err = gabi_xml_read((const char *)data, len, NULL, &xml, &diag);

	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return 0;
	}
	read_domain(xml);
	import_capabilities(xml);
	gabi_xml_free(xml);
	return 0;
}
