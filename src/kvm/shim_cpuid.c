/* SPDX-License-Identifier: MIT */
#include "shim_cpuid.h"

#include "io.h"

#include <gabi/vocab.h>

#include <string.h>

enum { ENTRIES = 256 };

/* What KVM goes by when a guest nests: SVM, pages of 1 GiB in its tables, and from Linux 7.0 on, nested paging. */
static const struct given {
	uint32_t leaf, bit;
	uint8_t part;
} given[] = { { 0x80000001, 1 << 2, GABI_ECX }, { 0x80000001, 1 << 26, GABI_EDX }, { 0x8000000a, 1, GABI_EDX } };
enum { SVM };
_Static_assert(GABI_COUNT_OF(given) == GABI_COUNT_OF(((struct shim_cpuid *)0)->hidden), "a place for each");

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

static bool kvm_nests(const char *device, const struct gabi_mem *mem)
{
	struct gabi_diag diag = { 0 };
	struct kvm_cpuid2 *table = NULL;
	int kvm = -1;
	bool does;

	if (!kvm_open(device, &kvm, &diag))
		table = get(mem, kvm, KVM_GET_SUPPORTED_CPUID);
	does = table;
	for (size_t i = 0; does && i < GABI_COUNT_OF(given); i++) {
		struct kvm_cpuid_entry2 *entry = find(table, given[i].leaf, 0);

		does = entry && *part_of(entry, given[i].part) & given[i].bit;
	}
	kvm_close(kvm);
	gabi_mem_put(mem, table);
	return does;
}

int shim_cpuid_new(struct shim_cpuid *cpuid, const struct gabi_contract *contract, const char *device, const struct gabi_mem *mem,
		   struct gabi_diag *diag)
{
	cpuid->mem = *mem;
	for (size_t i = 0; i < GABI_COUNT_OF(given); i++)
		cpuid->hidden[i] = given[i].bit & ~(uint32_t)shim_cpuid_promised(contract, given[i].leaf, given[i].part);
	if (!cpuid->hidden[SVM])
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the contract promises nested virtualization (svm), which the protection of execution takes for itself",
				 (char *)NULL);
	if (!kvm_nests(device, mem))
		return gabi_fail(diag, GABI_ERR_KVM, "execution can be protected only where KVM nests AMD's virtualization, with pages of 1 GiB: kvm_amd.nested=1",
				 (char *)NULL);
	return 0;
}

/* ---- telling ---- */

static bool put(const struct shim_cpuid *cpuid, struct kvm_cpuid2 *table, size_t row)
{
	struct kvm_cpuid_entry2 *entry = find(table, given[row].leaf, 0);

	if (!entry && table->nent == ENTRIES)
		return false;
	if (!entry) {
		entry = &table->entries[table->nent++];
		*entry = (struct kvm_cpuid_entry2){ .function = given[row].leaf };
	}
	*part_of(entry, given[row].part) |= cpuid->hidden[row];
	return true;
}

int shim_cpuid_give(const struct shim_cpuid *cpuid, int vcpu)
{
	struct kvm_cpuid2 *table = get(&cpuid->mem, vcpu, KVM_GET_CPUID2);
	bool fits = table;
	int ret;

	for (size_t i = 0; fits && i < GABI_COUNT_OF(given); i++)
		fits = put(cpuid, table, i);
	ret = fits ? kvm_ioctl(vcpu, KVM_SET_CPUID2, table) : -1;
	gabi_mem_put(&cpuid->mem, table);
	return ret;
}

/* As KVM answers on AMD's processors: a leaf that is not there is all 0, but for topologies, which count on. */
int shim_cpuid_answer(const struct shim_cpuid *cpuid, int vcpu, struct kvm_regs *regs)
{
	uint32_t leaf = (uint32_t)regs->rax, sub = (uint32_t)regs->rcx;
	struct kvm_cpuid2 *table = get(&cpuid->mem, vcpu, KVM_GET_CPUID2);
	struct kvm_cpuid_entry2 *entry = table ? find(table, leaf, sub) : NULL, found = { 0 };

	if (!table)
		return -1;
	if (entry)
		found = *entry;
	else if ((leaf == 0xb || leaf == 0x1f) && (entry = find(table, leaf, 1)))
		found = (struct kvm_cpuid_entry2){ .ecx = sub & 0xff, .edx = entry->edx };
	for (size_t i = 0; i < GABI_COUNT_OF(given); i++)
		if (given[i].leaf == leaf)
			*part_of(&found, given[i].part) &= ~cpuid->hidden[i];
	regs->rax = found.eax;
	regs->rbx = found.ebx;
	regs->rcx = found.ecx;
	regs->rdx = found.edx;
	gabi_mem_put(&cpuid->mem, table);
	return 0;
}
