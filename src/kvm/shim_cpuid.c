/* SPDX-License-Identifier: MIT */
#include "shim_cpuid.h"

#include "io.h"

#include <gabi/vocab.h>

#include <string.h>

enum { ENTRIES = 256 };

/* ---- tables ---- */

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *table, uint32_t leaf, uint32_t sub)
{
	for (uint32_t i = 0; i < table->nent; i++)
		if (table->entries[i].function == leaf &&
		    (!(table->entries[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || table->entries[i].index == sub))
			return &table->entries[i];
	return NULL;
}

static uint32_t *part_of(struct kvm_cpuid_entry2 *entry, unsigned part)
{
	uint32_t *const parts[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

	return parts[part];
}

/* Before Linux 6.6 KVM does not say how many entries there are. */
static struct kvm_cpuid2 *get(const struct gabi_mem *mem, int fd, unsigned long request)
{
	static const struct kvm_cpuid_entry2 none;
	struct kvm_cpuid2 *table = gabi_mem_get(mem, sizeof(*table) + ENTRIES * sizeof(table->entries[0]));

	if (!table)
		return NULL;
	table->nent = ENTRIES;
	if (kvm_ioctl(fd, request, table)) {
		gabi_mem_put(mem, table);
		return NULL;
	}
	while (table->nent && !memcmp(&table->entries[table->nent - 1], &none, sizeof(none)))
		table->nent--;
	return table;
}

/* ---- can it be done? ---- */

uint64_t shim_cpuid_promised(const struct gabi_contract *contract, uint32_t leaf, unsigned part)
{
	const struct gabi_key key = { .space = GABI_SPACE_CPUID, .index = leaf, .part = (uint8_t)part };
	const struct gabi_word *word = gabi_contract_find(contract, &key, GABI_VP_ALL);

	return word ? word->value : 0;
}

static struct kvm_cpuid2 *supported(int kvm, const struct gabi_mem *mem)
{
	return kvm < 0 ? NULL : get(mem, kvm, KVM_GET_SUPPORTED_CPUID);
}

bool shim_cpuid_is_intel(const char *device, const struct gabi_mem *mem)
{
	enum { GENU = 0x756e6547 };
	struct gabi_diag diag = { 0 };
	struct kvm_cpuid2 *table;
	struct kvm_cpuid_entry2 *first;
	int kvm = -1;
	bool is;

	kvm_open(device, &kvm, &diag);
	table = supported(kvm, mem);
	first = table ? find(table, 0, 0) : NULL;
	is = first && first->ebx == GENU;
	kvm_close(kvm);
	gabi_mem_put(mem, table);
	return is;
}

static bool has_msr_bits(int kvm, uint32_t msr, uint64_t bits)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} call = { { .nmsrs = 1 }, { .index = msr } };

	return !msr || (kvm_ioctl(kvm, KVM_GET_MSRS, &call) == 1 && (call.entry.data & bits) == bits);
}

static bool kvm_nests(const struct shim_cpuid_terms *terms, const char *device, const struct gabi_mem *mem)
{
	struct gabi_diag diag = { 0 };
	struct kvm_cpuid2 *table;
	int kvm = -1;
	bool does;

	kvm_open(device, &kvm, &diag);
	table = supported(kvm, mem);
	does = table && has_msr_bits(kvm, terms->msr, terms->msr_bits);
	for (size_t i = 0; does && i < terms->count; i++) {
		struct kvm_cpuid_entry2 *entry = find(table, terms->given[i].leaf, 0);

		does = entry && *part_of(entry, terms->given[i].part) & terms->given[i].bit;
	}
	kvm_close(kvm);
	gabi_mem_put(mem, table);
	return does;
}

int shim_cpuid_new(struct shim_cpuid *cpuid, const struct shim_cpuid_terms *terms, const struct gabi_contract *contract, const char *device,
		   const struct gabi_mem *mem, struct gabi_diag *diag)
{
	cpuid->mem = *mem;
	cpuid->terms = terms;
	for (size_t i = 0; i < terms->count; i++)
		cpuid->hidden[i] = terms->given[i].bit & ~(uint32_t)shim_cpuid_promised(contract, terms->given[i].leaf, terms->given[i].part);
	if (!cpuid->hidden[0])
		return gabi_fail(diag, GABI_ERR_CONFLICT, terms->promised, (char *)NULL);
	return kvm_nests(terms, device, mem) ? 0 : gabi_fail(diag, GABI_ERR_KVM, terms->absent, (char *)NULL);
}

/* ---- telling ---- */

static bool put(const struct shim_cpuid *cpuid, struct kvm_cpuid2 *table, size_t row)
{
	uint32_t leaf = cpuid->terms->given[row].leaf;
	struct kvm_cpuid_entry2 *entry = find(table, leaf, 0);

	if (!entry && table->nent == ENTRIES)
		return false;
	if (!entry) {
		entry = &table->entries[table->nent++];
		*entry = (struct kvm_cpuid_entry2){ .function = leaf };
	}
	*part_of(entry, cpuid->terms->given[row].part) |= cpuid->hidden[row];
	return true;
}

int shim_cpuid_give(const struct shim_cpuid *cpuid, int vcpu)
{
	struct kvm_cpuid2 *table = get(&cpuid->mem, vcpu, KVM_GET_CPUID2);
	bool fits = table;
	int ret;

	for (size_t i = 0; fits && i < cpuid->terms->count; i++)
		fits = put(cpuid, table, i);
	ret = fits ? kvm_ioctl(vcpu, KVM_SET_CPUID2, table) : -1;
	gabi_mem_put(&cpuid->mem, table);
	return ret;
}

/* Linux arch/x86/kvm/cpuid.c, get_out_of_range_cpuid_entry: on Intel's processors a leaf past the last of its kind is answered as the last basic one. */
static struct kvm_cpuid_entry2 *instead(struct kvm_cpuid2 *table, uint32_t *leaf, uint32_t sub)
{
	const struct kvm_cpuid_entry2 *basic = find(table, 0, 0), *kind;

	if (*leaf >= 0x40000000 && *leaf <= 0x4fffffff)
		kind = find(table, *leaf & 0xffffff00, 0);
	else
		kind = find(table, *leaf >= 0xc0000000 ? 0xc0000000 : *leaf & 0x80000000, 0);
	if (!basic || (kind && *leaf <= kind->eax))
		return NULL;
	*leaf = basic->eax;
	return find(table, *leaf, sub);
}

/* A guest's TSX_CTRL says whether it sees TSX. */
static uint32_t tsx_off(int vcpu)
{
	enum { MSR_TSX_CTRL = 0x122, CPUID_CLEAR = 2, HLE_RTM = 1 << 4 | 1 << 11 };

	return has_msr_bits(vcpu, MSR_TSX_CTRL, CPUID_CLEAR) ? HLE_RTM : 0;
}

/* As KVM answers: a leaf that is not there is all 0, but for topologies, which count on. */
int shim_cpuid_answer(const struct shim_cpuid *cpuid, int vcpu, struct kvm_regs *regs)
{
	uint32_t leaf = (uint32_t)regs->rax, sub = (uint32_t)regs->rcx;
	struct kvm_cpuid2 *table = get(&cpuid->mem, vcpu, KVM_GET_CPUID2);
	struct kvm_cpuid_entry2 *entry = table ? find(table, leaf, sub) : NULL, found = { 0 };

	if (!table)
		return -1;
	if (!entry && cpuid->terms->falls_back)
		entry = instead(table, &leaf, sub);
	if (entry)
		found = *entry;
	else if ((leaf == 0xb || leaf == 0x1f) && (entry = find(table, leaf, 1)))
		found = (struct kvm_cpuid_entry2){ .ecx = sub & 0xff, .edx = entry->edx };
	for (size_t i = 0; i < cpuid->terms->count; i++)
		if (cpuid->terms->given[i].leaf == leaf)
			*part_of(&found, cpuid->terms->given[i].part) &= ~cpuid->hidden[i];
	if (leaf == 7 && !sub)
		found.ebx &= ~tsx_off(vcpu);
	regs->rax = found.eax;
	regs->rbx = found.ebx;
	regs->rcx = found.ecx;
	regs->rdx = found.edx;
	gabi_mem_put(&cpuid->mem, table);
	return 0;
}
