/* SPDX-License-Identifier: MIT */
#include <gabi/contract.h>
#include <gabi/cpu_string.h>
#include <gabi/emit.h>
#include <gabi/formats.h>
#include <gabi/libvirt.h>
#include <gabi/qemu.h>
#include <gabi/vocab.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "short_mem.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

#define DOMAIN(inner) "<domain type='kvm'><name>web</name><vcpu>4</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>" inner "</domain>"
#define CPU(inner)    DOMAIN("<cpu><model>Haswell</model>" inner "</cpu>")
#define FEATURES(inner) DOMAIN("<features>" inner "</features>")
#define ARM64(inner) "<domain type='kvm'><vcpu>4</vcpu><os><type arch='aarch64' machine='virt'>hvm</type></os>" inner "</domain>"
#define ARM64_CPU(inner) ARM64("<cpu mode='host-passthrough'>" inner "</cpu>")
#define HYPERV(inner) FEATURES("<hyperv>" inner "</hyperv>")

static int read_domain(const char *text, const struct gabi_host *host, struct gabi_domain **ret_domain, struct gabi_diag *diag)
{
	struct gabi_xml *xml;
	int err = gabi_xml_read(text, strlen(text), NULL, &xml, diag);

	if (err)
		return err;
	err = gabi_domain_read(gabi_xml_root(xml), host, NULL, ret_domain, diag);
	gabi_xml_free(xml);
	return err;
}

/* A host with those names on. */
static struct gabi_host *host_with(uint64_t ecx)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	struct gabi_word word = { .key = { .space = GABI_SPACE_CPUID, .part = GABI_ECX, .index = 1 }, .value = ecx, .vp = GABI_VP_ALL, .bits = 32 };

	assert_int_equal(gabi_host_add(host, &word, NULL), 0);
	gabi_host_cover(host, GABI_SPACE_CPUID);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

static void domain__asks_qemu_for_what_libvirt_asks_it(void **state)
{
	static const struct {
		const char *text, *cpu;
	} cases[] = {
		{ DOMAIN(""), "qemu64" },
		{ DOMAIN("<cpu/>"), "qemu64" },
		{ CPU(""), "Haswell" },
		{ DOMAIN("<cpu mode='host-passthrough'/>"), "host,migratable=on" },
		{ DOMAIN("<cpu mode='host-passthrough' migratable='off'/>"), "host,migratable=off" },
		{ DOMAIN("<cpu mode='maximum'/>"), "max,migratable=on" },
		{ DOMAIN("<cpu><model vendor_id='Libvirt QEMU'>486</model></cpu>"), "486,vendor=Libvirt QEMU" },
		{ CPU("<feature name='vmx'/><feature policy='force' name='ds_cpl'/>"), "Haswell,vmx=on,ds-cpl=on" },
		{ CPU("<feature policy='disable' name='pclmuldq'/>"), "Haswell,pclmulqdq=off" },
		{ CPU("<feature policy='disable' name='osxsave'/>"), "Haswell" },
		{ CPU("<feature policy='disable' name='arch-lbr-depths'/>"), NULL },
		{ DOMAIN("<cpu><model>Icelake-Server</model><feature name='mpx'/></cpu>"), "Icelake-Server,mpx=on,intel-pt=off" },
		{ CPU("<cache mode='emulate' level='3'/>"), "Haswell,l3-cache=on" },
		{ CPU("<cache mode='passthrough'/>"), "Haswell,host-cache-info=on,l3-cache=off" },
		{ CPU("<cache mode='disable'/>"), "Haswell,l3-cache=off" },
		{ DOMAIN("<cpu mode='host-passthrough'><cache mode='disable'/></cpu>"), "host,migratable=on,host-cache-info=off,l3-cache=off" },
		{ CPU("<maxphysaddr mode='emulate' bits='42'/>"), "Haswell,phys-bits=42" },
		{ CPU("<maxphysaddr mode='emulate'/>"), "Haswell,host-phys-bits=off" },
		{ CPU("<maxphysaddr mode='passthrough' limit='39'/>"), "Haswell,host-phys-bits=on,host-phys-bits-limit=39" },
		{ DOMAIN("<clock><timer name='kvmclock' present='no'/><timer name='hypervclock' present='yes'/></clock>"),
		  "qemu64,kvmclock=off,hv-time=on" },
		{ DOMAIN("<clock><timer name='tsc' frequency='4567890000' mode='native'/></clock>"), "qemu64,tsc-frequency=4567890000" },
		{ FEATURES("<apic eoi='on'/><pvspinlock state='off'/><pmu state='off'/>"), "qemu64,kvm-pv-eoi=on,kvm-pv-unhalt=off,pmu=off" },
		{ FEATURES("<pmu/><pvspinlock/>"), "qemu64,kvm-pv-unhalt=on,pmu=on" },
		{ HYPERV("<ipi state='on'/><relaxed state='on'/><vapic state='off'/>"), "qemu64,hv-relaxed=on,hv-ipi=on" },
		{ HYPERV("<spinlocks state='on' retries='8191'/><vendor_id state='on' value='KVM Hv'/>"),
		  "qemu64,hv-spinlocks=0x1fff,hv-vendor-id=KVM Hv" },
		{ HYPERV("<stimer state='on'><direct state='on'/></stimer><evmcs state='on'/>"),
		  "qemu64,hv-stimer=on,hv-stimer-direct=on,hv-evmcs=on" },
		{ HYPERV("<tlbflush state='on'><extended state='on'/><direct state='on'/></tlbflush>"),
		  "qemu64,hv-tlbflush=on,hv-tlbflush-direct=on,hv-tlbflush-ext=on" },
		{ HYPERV("<tlbflush state='off'><direct state='on'/></tlbflush><emsr_bitmap state='on'/><xmm_input state='on'/>"),
		  "qemu64,hv-emsr-bitmap=on,hv-xmm-input=on" },
		{ FEATURES("<hyperv mode='passthrough'><relaxed state='off'/></hyperv>"), "qemu64,hv-passthrough=on" },
		{ FEATURES("<kvm><hidden state='on'/><hint-dedicated state='on'/><poll-control state='on'/><pv-ipi state='off'/>"
			   "<dirty-ring state='on' size='4096'/></kvm>"),
		  "qemu64,kvm=off,kvm-hint-dedicated=on,kvm-poll-control=on,kvm-pv-ipi=off" },
		{ FEATURES("<kvm><hidden state='off'/><pv-ipi state='on'/></kvm>"), "qemu64" },
		{ DOMAIN("<devices><panic model='hyperv'/></devices>"), "qemu64,hv-crash" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_diag diag = { 0 };
		struct gabi_domain *domain;
		int err = read_domain(cases[i].text, NULL, &domain, &diag);

		if (!cases[i].cpu) {
			assert_int_equal(err, GABI_ERR_UNKNOWN);
			continue;
		}
		if (err)
			fail_msg("%s: %s: %s", cases[i].cpu, diag.where, diag.text);
		assert_string_equal(gabi_domain_cpu(domain), cases[i].cpu);
		gabi_domain_free(domain);
	}
}

static void domain__machine_and_topology__are_qemus(void **state)
{
	static const struct {
		const char *text, *smp;
	} cases[] = {
		{ DOMAIN(""), "4,sockets=4,cores=1,threads=1" },
		{ "<domain type='kvm'><vcpu current='2'>8</vcpu></domain>", "2,maxcpus=8,sockets=8,cores=1,threads=1" },
		{ "<domain type='kvm'/>", "1,sockets=1,cores=1,threads=1" },
		{ CPU("<topology sockets='1' cores='2' threads='2'/>"), "4,sockets=1,dies=1,clusters=1,cores=2,threads=2" },
		{ CPU("<topology sockets='1' dies='2' cores='1' threads='2'/>"), "4,sockets=1,dies=2,clusters=1,cores=1,threads=2" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_domain *domain;

		assert_int_equal(read_domain(cases[i].text, NULL, &domain, NULL), 0);
		assert_string_equal(gabi_domain_smp(domain), cases[i].smp);
		assert_int_equal(gabi_domain_arch(domain), GABI_ARCH_X86);
		assert_int_equal(gabi_domain_is_kvm(domain), 1);
		gabi_domain_free(domain);
	}
	{
		struct gabi_domain *domain;

		assert_int_equal(read_domain(DOMAIN(""), NULL, &domain, NULL), 0);
		assert_string_equal(gabi_domain_machine(domain), "q35");
		assert_string_equal(gabi_domain_name(domain), "web");
		gabi_domain_free(domain);
	}
}

static void domain__check__says_whether_libvirt_looks(void **state)
{
	static const struct {
		const char *cpu;
		int checked;
	} cases[] = {
		{ "<cpu check='none'><model>486</model></cpu>", 0 },
		{ "<cpu check='partial'><model>486</model></cpu>", 1 },
		{ "<cpu check='full' mode='host-passthrough'/>", 1 },
		{ "<cpu><model>486</model></cpu>", 1 },
		{ "<cpu mode='host-passthrough'/>", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[512];
		struct gabi_domain *domain;

		snprintf(text, sizeof(text), "<domain type='kvm'>%s</domain>", cases[i].cpu);
		assert_int_equal(read_domain(text, NULL, &domain, NULL), 0);
		assert_int_equal(gabi_domain_is_checked(domain), cases[i].checked);
		gabi_domain_free(domain);
	}
}

/* ECX of leaf 1: bit 5 is vmx. */
static void domain__what_the_host_decides__is_decided_by_it(void **state)
{
	static const char optional[] = CPU("<feature policy='optional' name='vmx'/>"), forbid[] = CPU("<feature policy='forbid' name='vmx'/>");
	struct gabi_host *with = host_with(1u << 5), *without = host_with(0);
	struct gabi_diag diag = { 0 };
	struct gabi_domain *domain;

	(void)state;
	assert_int_equal(read_domain(optional, with, &domain, NULL), 0);
	assert_string_equal(gabi_domain_cpu(domain), "Haswell,vmx=on");
	gabi_domain_free(domain);
	assert_int_equal(read_domain(optional, without, &domain, NULL), 0);
	assert_string_equal(gabi_domain_cpu(domain), "Haswell,vmx=off");
	gabi_domain_free(domain);
	assert_int_equal(read_domain(optional, NULL, &domain, &diag), GABI_ERR_ARG);
	assert_int_equal(read_domain(forbid, without, &domain, NULL), 0);
	assert_string_equal(gabi_domain_cpu(domain), "Haswell,vmx=off");
	gabi_domain_free(domain);
	assert_int_equal(read_domain(forbid, with, &domain, &diag), GABI_ERR_CONFLICT);
	assert_non_null(strstr(diag.text, "forbids vmx"));
	gabi_host_free(with);
	gabi_host_free(without);
}

static void domain__what_libvirt_refuses__is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *where, *says;
	} cases[] = {
		{ "<network/>", GABI_ERR_SCHEMA, "/network", "<domain>" },
		{ "<domain type='xen'/>", GABI_ERR_SCHEMA, "/domain", "type='xen'" },
		{ "<domain/>", GABI_ERR_SCHEMA, "/domain", "type is missing" },
		{ "<domain type='kvm'><os><type arch='ppc64'>hvm</type></os></domain>", GABI_ERR_ARCH, "/domain/os/type", "ppc64" },
		{ DOMAIN("<cpu mode='custm'/>"), GABI_ERR_SCHEMA, "/domain/cpu", "custm" },
		{ DOMAIN("<cpu match='exactly'/>"), GABI_ERR_SCHEMA, "/domain/cpu", "exactly" },
		{ DOMAIN("<cpu/><cpu/>"), GABI_ERR_DUPLICATE, "/domain/cpu", "twice" },
		{ DOMAIN("<cpu><feature name='vmx'/></cpu>"), GABI_ERR_SCHEMA, "/domain/cpu/feature", "no <model>" },
		{ DOMAIN("<cpu><modl>486</modl></cpu>"), GABI_ERR_UNKNOWN, "/domain/cpu/modl", "near it is model" },
		{ DOMAIN("<cpu><model>a,b</model></cpu>"), GABI_ERR_SYNTAX, "/domain/cpu/model", "a,b" },
		{ DOMAIN("<cpu><model vendor_id='AMD'>486</model></cpu>"), GABI_ERR_RANGE, "/domain/cpu/model", "vendor_id" },
		{ CPU("<feature name='avx512ff'/>"), GABI_ERR_UNKNOWN, "/domain/cpu/feature", "near it are avx512f" },
		{ CPU("<feature/>"), GABI_ERR_SCHEMA, "/domain/cpu/feature", "name is missing" },
		{ CPU("<feature name='vmx'/><feature name='vmx' policy='disable'/>"), GABI_ERR_DUPLICATE, "/domain/cpu/feature", "twice" },
		{ CPU("<feature name='vmx' policy='maybe'/>"), GABI_ERR_SCHEMA, "/domain/cpu/feature", "maybe" },
		{ CPU("<topology sockets='1' cores='3' threads='1'/>"), GABI_ERR_CONFLICT, "/domain/cpu/topology", "as many CPUs" },
		{ CPU("<topology sockets='1' cores='0' threads='1'/>"), GABI_ERR_RANGE, "/domain/cpu/topology", "cannot be 0" },
		{ CPU("<topology sockets='65535' cores='65535' threads='65535'/>"), GABI_ERR_RANGE, "/domain/cpu/topology", "more CPUs" },
		{ CPU("<maxphysaddr mode='emulate' bits='4x'/>"), GABI_ERR_RANGE, "/domain/cpu/maxphysaddr", "bits='4x'" },
		{ CPU("<maxphysaddr mode='emulate' limit='39'/>"), GABI_ERR_CONFLICT, "/domain/cpu/maxphysaddr", "passthrough" },
		{ "<domain type='kvm'><vcpu>many</vcpu></domain>", GABI_ERR_RANGE, "/domain/vcpu", "many" },
		{ HYPERV("<evcms state='on'/>"), GABI_ERR_UNKNOWN, "/domain/features/hyperv/evcms", "near it is evmcs" },
		{ HYPERV("<evmcs/>"), GABI_ERR_SCHEMA, "/domain/features/hyperv/evmcs", "state is missing" },
		{ HYPERV("<evmcs state='yes'/>"), GABI_ERR_SCHEMA, "/domain/features/hyperv/evmcs", "yes" },
		{ HYPERV("<spinlocks state='on' retries='12'/>"), GABI_ERR_RANGE, "/domain/features/hyperv/spinlocks", "4095" },
		{ HYPERV("<spinlocks state='on' retries='0x1ffff ffff'/>"), GABI_ERR_RANGE, "/domain/features/hyperv/spinlocks", "no number" },
		{ HYPERV("<vendor_id state='on' value='a,hv-evmcs'/>"), GABI_ERR_RANGE, "/domain/features/hyperv/vendor_id", "12 characters" },
		{ HYPERV("<stimer state='on'><indirect state='on'/></stimer>"), GABI_ERR_UNKNOWN, "/domain/features/hyperv/stimer/indirect",
		  "<stimer>" },
		{ FEATURES("<hyperv mode='all'/>"), GABI_ERR_SCHEMA, "/domain/features/hyperv", "all" },
		{ FEATURES("<hyprv/>"), GABI_ERR_UNKNOWN, "/domain/features/hyprv", "near it is hyperv" },
		{ FEATURES("<kvm><hide state='on'/></kvm>"), GABI_ERR_UNKNOWN, "/domain/features/kvm/hide", "near" },
		{ FEATURES("<hyperv mode='host-model'/>"), GABI_ERR_ARG, "/domain/features/hyperv", "is decided by the host" },
		{ ARM64("<features><hyperv mode='host-model'/></features>"), GABI_ERR_UNSUPPORTED, "/domain/features/hyperv", "on arm64" },
		{ ARM64("<features><virtualization/></features>"), GABI_ERR_UNSUPPORTED, "/domain/features/virtualization", "EL2" },
		{ ARM64("<cpu mode='host-model'/>"), GABI_ERR_UNSUPPORTED, "/domain/cpu", "on arm64" },
		{ ARM64_CPU("<feature name='sve-512'/>"), GABI_ERR_UNKNOWN, "/domain/cpu/feature", "near it is sve512" },
		{ ARM64_CPU("<feature policy='disable' name='vmx'/>"), GABI_ERR_UNKNOWN, "/domain/cpu/feature", "no arm64 CPU feature \"vmx\"" },
		{ DOMAIN("<clock><timer name='tcs'/></clock>"), GABI_ERR_SCHEMA, "/domain/clock/timer", "tcs" },
		{ "<domain type='kvm' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:commandline><q:arg value='-cpu'/>"
		  "<q:arg value='host'/></q:commandline></domain>",
		  GABI_ERR_CONFLICT, "/domain/commandline/arg", "overrides" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_diag diag = { 0 };
		struct gabi_domain *domain = NULL;
		int err = read_domain(cases[i].text, NULL, &domain, &diag);

		if (err != cases[i].err || strcmp(diag.where, cases[i].where) || !strstr(diag.text, cases[i].says) || domain)
			fail_msg("case %zu: %s: %s: %s", i, gabi_err_name(err), diag.where, diag.text);
		assert_int_equal(diag.line, 1);
	}
}

static void domain__another_architecture__is_refused(void **state)
{
	struct gabi_host *host = host_with(0);
	struct gabi_diag diag = { 0 };
	struct gabi_domain *domain;

	(void)state;
	assert_int_equal(read_domain("<domain type='kvm'><os><type arch='aarch64'/></os></domain>", host, &domain, &diag), GABI_ERR_ARCH);
	assert_int_equal(read_domain("<domain type='kvm'><os><type arch='aarch64'/></os></domain>", NULL, &domain, &diag), 0);
	assert_string_equal(gabi_domain_cpu(domain), "");
	gabi_domain_free(domain);
	gabi_host_free(host);
}

/* A feature for each way to write the name: QEMU takes underscores for hyphens. */
static size_t write_spellings(char *text, const char *name)
{
	unsigned hyphens = 0;
	size_t len = 0;

	for (const char *at = name; *at; at++)
		hyphens += *at == '-';
	for (unsigned way = 0; way < 1u << hyphens; way++) {
		unsigned hyphen = 0;

		len += (size_t)sprintf(text + len, "<feature name='");
		for (const char *at = name; *at; at++)
			text[len++] = *at == '-' && way >> hyphen++ & 1 ? '_' : *at;
		len += (size_t)sprintf(text + len, "'/>");
	}
	return len;
}

static void domain__too_long_an_argument__is_refused(void **state)
{
	static char text[1 << 20];
	size_t len = (size_t)sprintf(text, "<domain type='kvm'><cpu mode='host-passthrough'>"), count;
	const struct gabi_field *field = gabi_fields(&count);
	struct gabi_diag diag = { 0 };
	struct gabi_domain *domain;

	(void)state;
	for (size_t i = 0; i < count; i++)
		if (field[i].kind == GABI_KIND_FLAG && gabi_cpu_has_property(field[i].name))
			len += write_spellings(text + len, field[i].name);
	strcpy(text + len, "</cpu></domain>");
	assert_int_equal(read_domain(text, NULL, &domain, &diag), GABI_ERR_LIMIT);
}

static void domain__short_memory__is_said(void **state)
{
	static const char text[] = CPU("<feature policy='disable' name='osxsave'/>");
	struct gabi_domain *domain;
	struct gabi_xml *xml;
	bool done = false;

	(void)state;
	assert_int_equal(gabi_xml_read(text, sizeof(text) - 1, NULL, &xml, NULL), 0);
	for (size_t at = 1; !done; at++) {
		struct short_mem failing = { .fail_at = at };
		const struct gabi_mem mem = short_mem_of(&failing);
		int err = gabi_domain_read(gabi_xml_root(xml), NULL, &mem, &domain, NULL);

		done = !short_mem_hit(&failing);
		assert_int_equal(err, done ? 0 : GABI_ERR_NOMEM);
		if (done) {
			assert_int_equal(gabi_domain_note_count(domain), 1);
			assert_non_null(strstr(gabi_domain_note(domain, 0), "osxsave"));
			gabi_domain_free(domain);
		}
		assert_int_equal(failing.live, 0);
	}
	gabi_xml_free(xml);
}

/* ---- written ---- */

static struct gabi_host *read_changed_host(const char *name, bool with_mte)
{
	static char text[1u << 20], path[512];
	struct gabi_diag diag = { 0 };
	struct gabi_host *host;
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), DATA_HOSTS "/%s", name);
	file = fopen(path, "rb");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	if (with_mte) { /* of which the lab has no host */
		char *pfr1 = strstr(text, "\"settable\":\"0x0000000000000031\",\"value\":\"0x0000000000000021\"");

		assert_non_null(pfr1);
		*(strstr(pfr1, "021\"")) = '2';
	}
	if (gabi_host_read(text, len, NULL, &host, &diag))
		fail_msg("%s: %s", name, diag.text);
	return host;
}

static struct gabi_host *read_host(const char *name)
{
	return read_changed_host(name, false);
}

/* The guest of a line on the host. */
static struct gabi_qemu_guest *start(const char *text, const struct gabi_host *host)
{
	struct gabi_diag diag = { 0 };
	struct gabi_qemu *line;
	struct gabi_qemu_guest *guest;

	if (gabi_qemu_parse(text, strlen(text), NULL, NULL, &line, &diag) || gabi_qemu_start(line, host, NULL, &guest, &diag))
		fail_msg("%s: %s", text, diag.text);
	assert_null(gabi_qemu_guest_refusal(guest));
	gabi_qemu_free(line);
	return guest;
}

/* libvirt's own case hyperv-host-model, which has xmm_input and the retries of its own. */
static void domain__hyperv_of_the_host__is_what_the_host_offers_but_for_what_is_named(void **state)
{
	static const char named[] = FEATURES("<hyperv mode='host-model'><relaxed state='on'/><spinlocks state='on' retries='8192'/>"
					     "<xmm_input state='off'/></hyperv>");
	static const char all[] = FEATURES("<hyperv mode='host-model'/>") , bare[] = FEATURES("<hyperv mode='host-model'><stimer state='off'/></hyperv>");
	static const char later[] = "hv-reset=on,hv-vendor-id=Linux KVM Hv,hv-frequencies=on,hv-reenlightenment=on,hv-tlbflush=on,hv-tlbflush-direct=on,"
				    "hv-tlbflush-ext=on,hv-ipi=on,hv-avic=on,hv-emsr-bitmap=on";
	static const char old[] = "hv-reset=on,hv-vendor-id=Linux KVM Hv,hv-frequencies=on,hv-reenlightenment=on,hv-tlbflush=on,hv-ipi=on";
	static const struct {
		const char *text, *host, *clock, *spins, *stimer, *behind, *end;
	} cases[] = {
		{ named, "amd-epyc-milan-linux-6.12.json", "hv-time=on,", "0x2000", "hv-stimer=on,hv-stimer-direct=on,", later, "" },
		{ all, "amd-epyc-milan-linux-6.12.json", "hv-time=on,", "0xfff", "hv-stimer=on,hv-stimer-direct=on,", later, ",hv-xmm-input=on" },
		{ all, "amd-epyc-milan-linux-5.10.json", "hv-time=on,", "0xfff", "hv-stimer=on,hv-stimer-direct=on,", old, "" },
		{ bare, "amd-epyc-milan-linux-5.10.json", "", "0xfff", "", old, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_host *host = read_host(cases[i].host);
		struct gabi_diag diag = { 0 };
		struct gabi_domain *domain;
		char wanted[1024];

		snprintf(wanted, sizeof(wanted), "qemu64,%shv-relaxed=on,hv-vapic=on,hv-spinlocks=%s,hv-vpindex=on,hv-runtime=on,hv-synic=on,%s%s%s",
			 cases[i].clock, cases[i].spins, cases[i].stimer, cases[i].behind, cases[i].end);
		if (read_domain(cases[i].text, host, &domain, &diag))
			fail_msg("%s: %s", diag.where, diag.text);
		assert_string_equal(gabi_domain_cpu(domain), wanted);
		gabi_domain_free(domain);
		gabi_host_free(host);
	}
}

/* What KubeVirt makes of its manifest: features with their policies, in a domain of the host's CPU. */
static void domain_of_manifest(const char *manifest, char *text)
{
	const char *at = manifest;

	text += sprintf(text, "<domain type='kvm'><os><type arch='aarch64' machine='virt-7.2'>hvm</type></os><cpu mode='host-passthrough'>");
	while ((at = strstr(at, "- name: "))) {
		char name[32], policy[32];

		assert_int_equal(sscanf(at, "- name: %31s policy: %31s", name, policy), 2);
		text += sprintf(text, "<feature policy='%s' name='%s'/>", policy, name);
		at++;
	}
	strcpy(text, "</cpu></domain>");
}

/* Emits, reads and starts again; the digests are the same where there is no gap, and differ where there is one. */
static void go_round(enum gabi_emit_format format, const char *line, const struct gabi_host *host, size_t gaps)
{
	struct gabi_qemu_guest *guest = start(line, host), *again;
	uint8_t digest[GABI_DIGEST_LEN], second[GABI_DIGEST_LEN];
	struct gabi_emission *emission;
	struct gabi_domain *domain;
	struct gabi_diag diag = { 0 };
	char text[8192];
	size_t len, seen;

	if (gabi_emit(format, gabi_qemu_guest_contract(guest), host, NULL, &emission, &diag))
		fail_msg("%s: %s", line, diag.text);
	gabi_emission_gaps(emission, &seen);
	if (seen != gaps)
		fail_msg("%s: %zu gaps", line, seen);
	if (format == GABI_EMIT_LIBVIRT)
		snprintf(text, sizeof(text), "%s", gabi_emission_text(emission, &len));
	else
		domain_of_manifest(gabi_emission_text(emission, &len), text);
	if (read_domain(text, host, &domain, &diag))
		fail_msg("%s: %s: %s", line, diag.where, diag.text);
	snprintf(text, sizeof(text), "-machine %s,accel=kvm -cpu '%s'", gabi_domain_machine(domain), gabi_domain_cpu(domain));
	again = start(text, host);
	gabi_contract_digest(gabi_qemu_guest_contract(guest), digest);
	gabi_contract_digest(gabi_qemu_guest_contract(again), second);
	if (!memcmp(digest, second, sizeof(digest)) != !gaps)
		fail_msg("%s: %s", line, text);
	gabi_domain_free(domain);
	gabi_emission_free(emission);
	gabi_qemu_guest_free(guest);
	gabi_qemu_guest_free(again);
}

static void domain__written_and_read__is_the_same_contract(void **state)
{
	static const struct {
		const char *host, *line;
		size_t gaps;
	} cases[] = {
		{ "amd-epyc-milan-linux-6.12.json", "-machine pc-q35-7.2,accel=kvm -cpu Nehalem", 0 },
		{ "amd-epyc-milan-linux-6.12.json", "-machine pc-q35-7.2,accel=kvm -cpu EPYC-Rome,-clwb,+invtsc", 0 },
		{ "arm64-neoverse-n1-linux-6.12.json", "-machine virt-7.2,accel=kvm -cpu host", 0 },
		{ "arm64-neoverse-n1-linux-6.12.json", "-machine virt-7.2,accel=kvm -cpu host,pmu=off", 0 },
		{ "arm64-max-linux-6.12.json", "-machine virt-7.2,accel=kvm -cpu host", 0 },
		{ "arm64-max-linux-6.12.json", "-machine virt-7.2,accel=kvm -cpu host,sve=off,pauth=off,pmu=off", 0 },
		{ "arm64-max-linux-6.12.json", "-machine virt-7.2,accel=kvm -cpu host,sve256=on", 0 },
		{ "arm64-max-linux-7.2.json", "-machine virt-7.2,mte=on,accel=kvm -cpu host,sve512=off", 1 }, /* libvirt has no word for MTE */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_host *host = read_changed_host(cases[i].host, strstr(cases[i].line, "mte=on"));

		go_round(GABI_EMIT_LIBVIRT, cases[i].line, host, cases[i].gaps);
		gabi_host_free(host);
	}
}

static void manifest_of_kubevirt__for_arm64__makes_a_domain_of_the_same_contract(void **state)
{
	static const struct {
		const char *host, *line;
		size_t gaps;
	} cases[] = {
		{ "arm64-max-linux-6.12.json", "-machine virt-7.2,accel=kvm -cpu host", 0 },
		{ "arm64-max-linux-6.12.json", "-machine virt-7.2,accel=kvm -cpu host,sve=off,pauth=off", 0 },
		{ "arm64-max-linux-6.12.json", "-machine virt-7.2,accel=kvm -cpu host,sve256=on", 0 },
		{ "arm64-max-linux-6.12.json", "-machine virt-7.2,accel=kvm -cpu host,pmu=off", 2 }, /* KubeVirt has no word for the PMU */
		{ "arm64-max-linux-7.2.json", "-machine virt-7.2,mte=on,accel=kvm -cpu host", 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_host *host = read_changed_host(cases[i].host, strstr(cases[i].line, "mte=on"));

		go_round(GABI_EMIT_KUBEVIRT, cases[i].line, host, cases[i].gaps);
		gabi_host_free(host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domain__asks_qemu_for_what_libvirt_asks_it),
		cmocka_unit_test(domain__machine_and_topology__are_qemus),
		cmocka_unit_test(domain__check__says_whether_libvirt_looks),
		cmocka_unit_test(domain__what_the_host_decides__is_decided_by_it),
		cmocka_unit_test(domain__what_libvirt_refuses__is_refused_with_its_place),
		cmocka_unit_test(domain__another_architecture__is_refused),
		cmocka_unit_test(domain__too_long_an_argument__is_refused),
		cmocka_unit_test(domain__short_memory__is_said),
		cmocka_unit_test(domain__hyperv_of_the_host__is_what_the_host_offers_but_for_what_is_named),
		cmocka_unit_test(domain__written_and_read__is_the_same_contract),
		cmocka_unit_test(manifest_of_kubevirt__for_arm64__makes_a_domain_of_the_same_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
