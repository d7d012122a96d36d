/* SPDX-License-Identifier: MIT */
/* What QEMU makes of a CPU model on a host with KVM: the machine's and KVM's own settings around it, the host's features where
 * they are asked for, and less what the host lacks. Each step as QEMU takes it: x86_cpu_expand_features,
 * x86_cpu_filter_features. */
#include "contract/qemu.h"

#include "contract/named.h"

#include <string.h>

/* Words of features, and what has a name there. */
static const struct word {
	struct gabi_key key;
	uint64_t names[2]; /* in QEMU 7.2, in 11.1 */
	uint64_t kept, bare;
} words[] = {
#define GABI_QEMU_WORD_ROW(of_space, leaf, subleaf, reg, old, new, on_request, with_migratable_off)                            \
	{ { .space = GABI_SPACE_##of_space, .part = reg, .sub = subleaf, .index = leaf },                                      \
	  { old, new },                                                                                                        \
	  on_request,                                                                                                          \
	  with_migratable_off },
#include <models/qemu_host.def>
};

static const struct compat {
	unsigned major, minor;
	const char *model, *name, *value;
} compats[] = {
#define GABI_QEMU_COMPAT_ROW(to_major, to_minor, of, property, text) { to_major, to_minor, of, property, text },
#include <models/qemu_host.def>
};

static const struct gabi_cpu_preset kvm_defaults[] = {
#define GABI_KVM_DEFAULT_ROW(name, value) { name, (value) ? "on" : "off" },
#include <models/qemu_option.def>
};

uint64_t gabi_qemu_named(const struct gabi_key *key, bool is_new)
{
	for (size_t i = 0; i < GABI_COUNT_OF(words); i++)
		if (gabi_key_compare(&words[i].key, key) == 0)
			return words[i].names[is_new];
	return UINT64_MAX;
}

/* ---- what the host can give ---- */

uint64_t gabi_host_value(const struct gabi_host *host, unsigned space, uint64_t index, uint32_t sub, unsigned part)
{
	const struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)part, .sub = sub, .index = index };
	const struct gabi_word *word = gabi_host_find(host, &key);

	return word ? word->value : 0;
}

static bool is_leaf(const struct gabi_key *key, unsigned space, uint64_t leaf, uint32_t sub, unsigned part)
{
	return key->space == space && key->index == leaf && key->sub == sub && key->part == part;
}

/* Haswell and Broadwell before the steppings whose TSX works: host_tsx_broken of QEMU. */
static bool has_broken_tsx(const struct gabi_host *host)
{
	uint64_t signature = gabi_host_value(host, GABI_SPACE_CPUID, 1, 0, GABI_EAX);
	uint64_t family = signature >> 8 & 0xf, model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0),
		 stepping = signature & 0xf;

	if (gabi_host_value(host, GABI_SPACE_CPUID, 0, 0, GABI_ECX) != 0x6c65746e || family != 6) /* "ntel" */
		return false;
	return (model == 63 && stepping < 4) || model == 60 || model == 69 || model == 70;
}

/* kvm_arch_get_supported_cpuid: what QEMU knows better than KVM's list. */
static uint64_t corrected(const struct gabi_qemu *line, const struct gabi_host *host, const struct gabi_key *key,
			  uint64_t value)
{
	bool irqchip = line->irqchip != GABI_IRQCHIP_OFF;

	if (is_leaf(key, GABI_SPACE_CPUID, 1, 0, GABI_EDX))
		return value | 1u << 12 | 1u << 16 | 1u << 7 | 1u << 14 |
		       (gabi_qemu_is_new(line) ? 1u << 28 : 0); /* mtrr pat mce mca, ht */
	if (is_leaf(key, GABI_SPACE_CPUID, 1, 0, GABI_ECX)) {
		if (irqchip && gabi_host_value(host, GABI_SPACE_CAP, GABI_KVM_CAP_TSC_DEADLINE_TIMER, 0, 0))
			value |= 1u << 24;
		return (irqchip ? value : value & ~(1ull << 21)) | 1u << 31; /* x2apic; hypervisor */
	}
	if (is_leaf(key, GABI_SPACE_CPUID, 6, 0, GABI_EAX))
		return value | 1u << 2; /* arat */
	if (is_leaf(key, GABI_SPACE_CPUID, 7, 0, GABI_EBX) && has_broken_tsx(host))
		return value & ~(1ull << 4 | 1ull << 11);
	if (is_leaf(key, GABI_SPACE_CPUID, 0x80000001, 0, GABI_ECX))
		return value | 1u << 22; /* topoext */
	if (is_leaf(key, GABI_SPACE_CPUID, 0x80000001, 0, GABI_EDX))
		return value | (gabi_host_value(host, GABI_SPACE_CPUID, 1, 0, GABI_EDX) & GABI_AMD_COPIES);
	if (is_leaf(key, GABI_SPACE_CPUID, 0x80000007, 0, GABI_EBX) && gabi_qemu_is_new(line))
		return value | 3; /* overflow-recov succor */
	if (is_leaf(key, GABI_SPACE_KVM, 0x40000001, 0, GABI_EAX)) {
		value = irqchip ? value : value & ~(1ull << 7);                      /* kvm-pv-unhalt */
		return line->irqchip == GABI_IRQCHIP_SPLIT ? value | 1u << 15 : value; /* kvm-msi-ext-dest-id */
	}
	if (is_leaf(key, GABI_SPACE_KVM, 0x40000001, 0, GABI_EDX))
		return value | 1; /* kvm-hint-dedicated */
	return value;
}

/* Of the VMX control MSRs those bits count that may be 1 and need not be. */
static bool is_vmx_control(const struct gabi_key *key)
{
	return key->space == GABI_SPACE_MSR && (key->index == 0x48b || (key->index >= 0x48d && key->index <= 0x490));
}

uint64_t gabi_qemu_supported(const struct gabi_qemu *line, const struct gabi_host *host, const struct gabi_key *key)
{
	uint64_t value = gabi_host_value(host, key->space, key->index, key->sub, key->part);

	if (is_vmx_control(key))
		return value & ~(value << 32) & 0xffffffff00000000;
	return corrected(line, host, key, value);
}

/* ---- around the model ---- */

#define MAX_PRESETS 40

struct presets {
	struct gabi_cpu_preset at[MAX_PRESETS];
	size_t count;
	char vendor[13], numbers[3][8], model_id[49];
};

static void preset(struct presets *presets, const char *name, const char *value)
{
	if (presets->count < MAX_PRESETS)
		presets->at[presets->count++] = (struct gabi_cpu_preset){ name, value };
}

static void letters(char *out, uint64_t word)
{
	for (unsigned i = 0; i < 4; i++)
		out[i] = (char)(word >> 8 * i);
}

static void take_vendor(struct presets *presets, const struct gabi_host *host)
{
	static const unsigned order[] = { GABI_EBX, GABI_EDX, GABI_ECX };

	for (unsigned i = 0; i < 3; i++)
		letters(presets->vendor + 4 * i, gabi_host_value(host, GABI_SPACE_CPUID, 0, 0, order[i]));
	if (strlen(presets->vendor) == 12)
		preset(presets, "vendor", presets->vendor);
}

static void number_preset(struct presets *presets, unsigned at, const char *name, uint64_t value)
{
	struct gabi_out out = gabi_out_to(presets->numbers[at], sizeof(presets->numbers[at]));

	gabi_out_dec(&out, value);
	preset(presets, name, presets->numbers[at]);
}

/* KVM passes the brand string of Intel's CPUs alone; the probe took it from the CPU. */
static void take_model_id(struct presets *presets, const struct gabi_host *host)
{
	const char *fact = gabi_host_fact(host, "cpu.model");

	for (unsigned i = 0; i < 12; i++)
		letters(presets->model_id + 4 * i, gabi_host_value(host, GABI_SPACE_CPUID, 0x80000002 + i / 4, 0, i % 4));
	if (!*presets->model_id && fact && strlen(fact) < sizeof(presets->model_id))
		memcpy(presets->model_id, fact, strlen(fact) + 1);
	if (*presets->model_id)
		preset(presets, "model-id", presets->model_id);
}

static void take_identity(struct presets *presets, const struct gabi_host *host)
{
	uint64_t signature = gabi_host_value(host, GABI_SPACE_CPUID, 1, 0, GABI_EAX);

	number_preset(presets, 0, "family", (signature >> 8 & 0xf) + (signature >> 20 & 0xff));
	number_preset(presets, 1, "model", (signature >> 4 & 0xf) | (signature >> 12 & 0xf0));
	number_preset(presets, 2, "stepping", signature & 0xf);
	take_model_id(presets, host);
	preset(presets, "pmu", "on");
	preset(presets, "host-phys-bits", "on");
}

static bool is_named(const char *argument, const char *model)
{
	size_t len = strcspn(argument, ",");

	return len == strlen(model) && !memcmp(argument, model, len);
}

static void take_compats(struct presets *presets, const struct gabi_qemu *line)
{
	for (size_t i = 0; i < GABI_COUNT_OF(compats); i++) {
		const struct compat *compat = &compats[i];
		bool applies = line->major < compat->major || (line->major == compat->major && line->minor <= compat->minor);

		if (applies && (!*compat->model || is_named(line->cpu, compat->model)))
			preset(presets, compat->name, compat->value);
	}
}

static void take_kvm_defaults(struct presets *presets, const struct gabi_qemu *line)
{
	for (size_t i = 0; i < GABI_COUNT_OF(kvm_defaults); i++) {
		struct gabi_cpu_preset own = kvm_defaults[i];

		if (!strcmp(own.name, "x2apic") && line->irqchip == GABI_IRQCHIP_OFF)
			own.value = "off";
		if (!strcmp(own.name, "kvm-msi-ext-dest-id") && line->irqchip == GABI_IRQCHIP_SPLIT)
			own.value = "on";
		preset(presets, own.name, own.value);
	}
}

/* ---- "host" and "max" ---- */

static bool is_vendor(const struct gabi_host *host, uint64_t ebx)
{
	return gabi_host_value(host, GABI_SPACE_CPUID, 0, 0, GABI_EBX) == ebx;
}

#define INTEL_EBX 0x756e6547u /* "Genu" */
#define AMD_EBX   0x68747541u /* "Auth" */

static uint64_t given_by_itself(const struct gabi_qemu_guest *guest, const struct word *word, bool migratable,
				bool keeps_arch_capabilities)
{
	uint64_t value = gabi_qemu_supported(guest->line, guest->host, &word->key) & ~word->kept;

	if (migratable)
		value &= word->names[gabi_qemu_is_new(guest->line)] & ~word->bare;
	if (!word->names[gabi_qemu_is_new(guest->line)])
		value = 0; /* that QEMU does not know the word */
	/* Windows dislikes arch-capabilities on AMD, where KVM makes it up: QEMU 10.1. */
	if (is_leaf(&word->key, GABI_SPACE_CPUID, 7, 0, GABI_EDX) && is_vendor(guest->host, AMD_EBX) &&
	    !keeps_arch_capabilities)
		value &= ~(1ull << 29);
	return value;
}

static int take_levels(const struct gabi_host *host, struct gabi_cpu *cpu)
{
	static const uint64_t leaves[] = { 0, 0x80000000, 0xc0000000 };
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(leaves); i++) {
		const struct gabi_key key = { .space = GABI_SPACE_CPUID, .index = leaves[i] };

		if (!gabi_cpu_named_bits(cpu, &key))
			err = gabi_cpu_or(cpu, &key, gabi_host_value(host, GABI_SPACE_CPUID, leaves[i], 0, GABI_EAX));
	}
	return err;
}

static bool is_on(const struct gabi_cpu *cpu, const char *name, bool usual)
{
	const char *value = gabi_cpu_option(cpu, name);
	int on = value ? gabi_switch_of(value) : -1;

	return on < 0 ? usual : on;
}

static int take_host(const struct gabi_qemu_guest *guest, struct gabi_cpu *cpu)
{
	bool migratable = is_on(cpu, "migratable", true), keeps = is_on(cpu, "x-arch-cap-always-on", false);
	int err = take_levels(guest->host, cpu);

	for (size_t i = 0; !err && i < GABI_COUNT_OF(words); i++) {
		uint64_t value =
			given_by_itself(guest, &words[i], migratable, keeps) & ~gabi_cpu_named_bits(cpu, &words[i].key);

		if (value)
			err = gabi_cpu_or(cpu, &words[i].key, value);
	}
	return err;
}

/* More than one thread: leaf 1 says so, and all but Intel's CPUs say it once more. */
static int take_threads(const struct gabi_qemu_guest *guest, struct gabi_cpu *cpu)
{
	static const struct gabi_key ht = { .space = GABI_SPACE_CPUID, .part = GABI_EDX, .index = 1 };
	static const struct gabi_key legacy = { .space = GABI_SPACE_CPUID, .part = GABI_ECX, .index = 0x80000001 };
	static const struct gabi_key vendor = { .space = GABI_SPACE_CPUID, .part = GABI_EBX, .index = 0 };
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(cpu, &count);
	bool intel = false;
	int err;

	for (size_t i = 0; i < count; i++)
		intel |= !gabi_key_compare(&word[i].key, &vendor) && word[i].value == INTEL_EBX;
	if ((gabi_qemu_is_new(guest->line) ? guest->line->threads_per_package : guest->line->threads_per_die) < 2)
		return 0;
	err = gabi_cpu_or(cpu, &ht, 1u << 28);
	return err || intel ? err : gabi_cpu_or(cpu, &legacy, 1u << 1);
}

static int fill(void *ctx, struct gabi_cpu *cpu, struct gabi_diag *diag)
{
	const struct gabi_qemu_guest *guest = ctx;
	int err = gabi_cpu_takes_host(cpu) ? take_host(guest, cpu) : 0;

	if (!err)
		err = take_threads(guest, cpu);
	return err ? gabi_fail(diag, err, gabi_err_text(err), (char *)NULL) : 0;
}

/* ---- less what the host lacks ---- */

static int lose(struct gabi_qemu_guest *guest, const struct gabi_key *key, uint64_t bits)
{
	void *losses = guest->losses;

	if (gabi_mem_room(&guest->mem, &losses, &guest->loss_cap, guest->loss_count, sizeof(*guest->losses)))
		return GABI_ERR_NOMEM;
	guest->losses = losses;
	guest->losses[guest->loss_count++] = (struct gabi_qemu_loss){ *key, bits };
	return 0;
}

static const struct word *word_row(const struct gabi_key *key)
{
	for (size_t i = 0; i < GABI_COUNT_OF(words); i++)
		if (!gabi_key_compare(&words[i].key, key))
			return &words[i];
	return NULL;
}

/* That there are threads is no feature that a host could lack. */
static uint64_t always(const struct gabi_key *key)
{
	if (is_leaf(key, GABI_SPACE_CPUID, 1, 0, GABI_EDX))
		return 1u << 28;
	return is_leaf(key, GABI_SPACE_CPUID, 0x80000001, 0, GABI_ECX) ? 1u << 1 : 0;
}

static int filter(struct gabi_qemu_guest *guest)
{
	bool keeps = gabi_guest_is_set(guest, "x-force-features", false), kvm = gabi_guest_is_set(guest, "kvm", true);
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(guest->cpu, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		struct gabi_word own = word[i];
		uint64_t missing = 0;

		if (own.key.space == GABI_SPACE_KVM && own.key.part == GABI_EAX && !kvm)
			own.value = 0;
		if (word_row(&own.key))
			missing = own.value & ~gabi_qemu_supported(guest->line, guest->host, &own.key) & ~always(&own.key);
		if (missing)
			err = lose(guest, &own.key, missing);
		if (!keeps)
			own.value &= ~missing;
		if (!err && own.key.space != GABI_SPACE_HYPERV)
			err = gabi_words_add(&guest->words, &guest->mem, &own);
	}
	return err;
}

/* "avx2, sse4a and 3 more" */
static void print_losses(const struct gabi_qemu_guest *guest, struct gabi_out *out)
{
	size_t printed = 0, more = 0;

	for (size_t i = 0; i < guest->loss_count; i++) {
		size_t count;
		const struct gabi_field *field = gabi_fields_of(&guest->losses[i].key, &count);

		for (size_t n = 0; n < count; n++) {
			if (field[n].bits != 1 || !(guest->losses[i].bits >> field[n].lo & 1))
				continue;
			if (printed == 6) {
				more++;
				continue;
			}
			gabi_out_text(out, printed++ ? ", " : "");
			gabi_out_text(out, field[n].name);
		}
	}
	if (more) {
		gabi_out_text(out, " and ");
		gabi_out_dec(out, more);
		gabi_out_text(out, " more");
	}
}

static int enforce(struct gabi_qemu_guest *guest)
{
	char text[256];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	if (!guest->loss_count || !gabi_guest_is_set(guest, "enforce", false))
		return 0;
	print_losses(guest, &out);
	return gabi_guest_refuse(guest, "the host lacks ", text, ", and enforce is on", (char *)NULL);
}

/* ---- XSAVE's components follow from the features ---- */

static const struct state {
	unsigned number;
	struct gabi_key key;
	uint64_t bits;
} states[] = {
#define GABI_QEMU_STATE_ROW(of, leaf, subleaf, reg, mask, size) \
	{ of, { .space = GABI_SPACE_CPUID, .part = reg, .sub = subleaf, .index = leaf }, mask },
#include <models/qemu_host.def>
};

#define XCR0_STATES 0xe02ffull /* x87 to PKRU without PT, AMX, APX: CPUID_XSTATE_XCR0_MASK */

/* Asked of the features before the host's share is taken, as QEMU does: what the host lacks is taken from the mask too. */
static uint64_t asked_states(const struct gabi_cpu *cpu)
{
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(cpu, &count);
	uint64_t mask = 0;

	for (size_t i = 0; i < count; i++) {
		if (is_leaf(&word[i].key, GABI_SPACE_CPUID, 1, 0, GABI_ECX) && word[i].value >> 26 & 1)
			mask |= 3; /* x87 and SSE come with XSAVE */
		for (size_t n = 0; n < GABI_COUNT_OF(states); n++)
			if (!gabi_key_compare(&word[i].key, &states[n].key) && word[i].value & states[n].bits)
				mask |= 1ull << states[n].number;
	}
	return mask & 3 ? mask : 0;
}

static int take_states(struct gabi_qemu_guest *guest)
{
	uint64_t mask = asked_states(guest->cpu),
		 supported = gabi_host_value(guest->host, GABI_SPACE_VM, GABI_VM_XCR0_SUPPORTED, 0, 0);
	uint64_t xss = gabi_host_value(guest->host, GABI_SPACE_CPUID, 0xd, 1, GABI_ECX);
	int err;

	if (!supported) /* kernels before 5.17 do not say it by itself */
		supported = gabi_host_value(guest->host, GABI_SPACE_CPUID, 0xd, 0, GABI_EAX);
	if (!(gabi_guest_get(guest, GABI_SPACE_CPUID, 1, 0, GABI_ECX) >> 26 & 1))
		return 0;
	supported &= mask & XCR0_STATES;
	err = gabi_guest_set(guest, GABI_SPACE_CPUID, 0xd, 0, GABI_EAX, supported & 0xffffffff);
	if (!err)
		err = gabi_guest_set(guest, GABI_SPACE_CPUID, 0xd, 0, GABI_EDX, supported >> 32);
	return err ? err : gabi_guest_set(guest, GABI_SPACE_CPUID, 0xd, 1, GABI_ECX, xss & mask & ~XCR0_STATES);
}

/* ---- the whole ---- */

static int copy_amd_bits(struct gabi_qemu_guest *guest)
{
	uint64_t one = gabi_guest_get(guest, GABI_SPACE_CPUID, 1, 0, GABI_EDX) & GABI_AMD_COPIES;
	uint64_t ext = gabi_guest_get(guest, GABI_SPACE_CPUID, 0x80000001, 0, GABI_EDX) & ~(uint64_t)GABI_AMD_COPIES;

	return guest->amd ? gabi_guest_set(guest, GABI_SPACE_CPUID, 0x80000001, 0, GABI_EDX, ext | one) : 0;
}

static int parse(struct gabi_qemu_guest *guest, struct gabi_diag *diag)
{
	struct presets presets = { 0 };
	struct gabi_cpu_frame frame = { .fill = fill, .ctx = guest };
	const char *cpu = guest->line->cpu;
	bool whole = is_named(cpu, "host") || is_named(cpu, "max");

	if (!is_named(cpu, "base"))
		take_vendor(&presets, guest->host);
	if (whole)
		take_identity(&presets, guest->host);
	else if (!is_named(cpu, "base"))
		take_kvm_defaults(&presets, guest->line);
	preset(&presets, "hv-version-id-build",
	       "0x3839"); /* what QEMU says of Hyper-V unless told otherwise: Windows Server 2016 */
	preset(&presets, "hv-version-id-major", "0x000a");
	take_compats(&presets, guest->line);
	frame.presets = presets.at;
	frame.preset_count = presets.count;
	return gabi_cpu_parse_in(cpu, &frame, &guest->mem, &guest->cpu, diag);
}

int gabi_guest_features(struct gabi_qemu_guest *guest, struct gabi_diag *diag)
{
	uint64_t vendor;
	int err = parse(guest, diag);

	if (err)
		return err;
	guest->pmu = gabi_guest_is_set(guest, "pmu", false);
	err = filter(guest);
	vendor = gabi_guest_get(guest, GABI_SPACE_CPUID, 0, 0, GABI_EBX);
	guest->intel = vendor == INTEL_EBX;
	guest->amd = vendor == AMD_EBX;
	if (!err)
		err = enforce(guest);
	if (!err)
		err = take_states(guest);
	return err ? err : copy_amd_bits(guest);
}
