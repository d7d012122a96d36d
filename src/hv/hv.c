/* SPDX-License-Identifier: MIT */
/* Partitions: configuration, creation, and what is the same for ever. */
#include "hv.h"

enum { EAX, EBX, ECX, EDX };

static const struct {
	uint8_t leaf, reg;
} feature_words[] = { { 3, EAX }, { 3, EBX }, { 3, EDX }, { 4, EAX }, { 10, EAX } };

int gabi_hv_config_has(const struct gabi_hv_config *config, enum gabi_hv_feature feature)
{
	unsigned word = feature / 32;

	return config->leaf[feature_words[word].leaf][feature_words[word].reg] >> feature % 32 & 1;
}

static bool has_vsm(const struct gabi_hv_config *config)
{
	/* TLFS, VSM Detection and Status: all three. */
	return gabi_hv_config_has(config, GABI_HV_FEATURE_VSM) && gabi_hv_config_has(config, GABI_HV_FEATURE_VP_REGISTERS) &&
	       gabi_hv_config_has(config, GABI_HV_FEATURE_SYNIC);
}

int gabi_hv_config_from_contract(struct gabi_hv_config *config, const struct gabi_contract *contract, struct gabi_diag *diag)
{
	uint32_t leaf[GABI_HV_LEAF_COUNT][4] = { { 0 } };
	size_t count;
	const struct gabi_word *words = gabi_contract_words(contract, &count);

	if (gabi_contract_arch(contract) != GABI_ARCH_X86)
		return gabi_fail(diag, GABI_ERR_ARCH, "only an x86 contract has the engine's leaves", (char *)NULL);
	for (size_t i = 0; i < count; i++) {
		const struct gabi_key *key = &words[i].key;

		if (key->space != GABI_SPACE_HYPERV || !words[i].value) /* a leaf of zeros promises nothing */
			continue;
		if (key->index < GABI_HV_LEAF_BASE || key->index >= GABI_HV_LEAF_BASE + GABI_HV_LEAF_COUNT || key->sub || key->part > EDX)
			return gabi_fail_at(diag, GABI_ERR_RANGE, key, "the engine does not provide that leaf", (char *)NULL);
		if (words[i].vp != GABI_VP_ALL)
			return gabi_fail_at(diag, GABI_ERR_UNSUPPORTED, key, "the engine's leaves are the same on all virtual processors",
					    (char *)NULL);
		leaf[key->index - GABI_HV_LEAF_BASE][key->part] = (uint32_t)words[i].value;
	}
	memcpy(config->leaf, leaf, sizeof(leaf));
	config->vtl_count = has_vsm(config) ? 2 : 1;
	gabi_contract_digest(contract, config->digest);
	return 0;
}

size_t gabi_hv_page_count(const struct gabi_hv_config *config)
{
	if (config->vp_count < 1 || config->vp_count > GABI_HV_VPS_MAX || config->vtl_count < 1 ||
	    config->vtl_count > GABI_HV_VTLS_MAX)
		return 0;
	return (size_t)config->vtl_count * (PAGES_OF_VTL + (size_t)config->vp_count * PAGES_OF_VP);
}

static int check(const struct gabi_hv_config *config, const struct gabi_hv_ops *ops, struct gabi_diag *diag)
{
	if (config->size != sizeof(*config))
		return gabi_fail(diag, GABI_ERR_VERSION, "the configuration is of another version of the library", (char *)NULL);
	if (!gabi_hv_page_count(config))
		return gabi_fail(diag, GABI_ERR_RANGE, "a partition has 1 to 1024 virtual processors and 1 to 16 VTLs", (char *)NULL);
	if (config->vtl_count > 1 && !has_vsm(config))
		return gabi_fail(diag, GABI_ERR_CONFLICT, "more than one VTL needs AccessVsm, AccessVpRegisters and AccessSynicRegs",
				 (char *)NULL);
	if (config->partition_id == 0 || config->partition_id == PARTITION_SELF)
		return gabi_fail(diag, GABI_ERR_RANGE, "that number cannot be a partition's", (char *)NULL);
	if (config->gpa_pages == 0 || config->gpa_pages > (uint64_t)1 << 32)
		return gabi_fail(diag, GABI_ERR_RANGE, "the guest's physical address space must have 1 to 2^32 pages", (char *)NULL);
	if (config->tsc_hz == 0 || config->connections > 4096)
		return gabi_fail(diag, GABI_ERR_RANGE, "the TSC's frequency or the number of connections is out of range", (char *)NULL);
	if (config->exit > GABI_HV_EXIT_PORT_VMMCALL || (config->exit >= GABI_HV_EXIT_PORT && config->exit_port > 0xfd))
		return gabi_fail(diag, GABI_ERR_RANGE, "the way out of the hypercall page is not one that there is", (char *)NULL);
	if ((uintptr_t)config->pages & PAGE_MASK)
		return gabi_fail(diag, GABI_ERR_ARG, "the overlay pages are not page-aligned", (char *)NULL);
	if (!ops->read_gpa || !ops->write_gpa || !ops->read_reg || !ops->write_reg)
		return gabi_fail(diag, GABI_ERR_ARG, "an op that every partition needs is missing", (char *)NULL);
	return 0;
}

enum { NO_FEATURE = 0xff };

static const uint8_t needs[][3] = {
#define GABI_HV_FEATURE_ANY NO_FEATURE
#define GABI_HV_NEED_ROW(name, a, b, c) [NEED_##name] = { GABI_HV_FEATURE_##a, GABI_HV_FEATURE_##b, GABI_HV_FEATURE_##c },
#include <gabi/hv_need.def>
};

bool gabi_hv_meets(const struct gabi_hv *hv, enum need need)
{
	for (unsigned i = 0; i < 3 && needs[need][i] != NO_FEATURE; i++)
		if (!has(hv, needs[need][i]))
			return false;
	return true;
}

static void copy_config(struct gabi_hv *hv, const struct gabi_hv_config *config)
{
	static const uint8_t call_need[CALL_ROWS] = {
#define GABI_HV_CALL_ROW(code, name, kind, in, in_each, out, out_each, need, handler, source) NEED_##need,
#include <gabi/hv_call.def>
	};
	static const uint8_t msr_need[MSR_ROWS] = {
#define GABI_HV_MSR_ROW(number, name, access, need, per, source) NEED_##need,
#include <gabi/hv_msr.def>
	};

	hv->vp_count = config->vp_count;
	hv->vtl_count = config->vtl_count;
	hv->rep_limit = config->rep_limit;
	hv->dialect = config->dialect;
	hv->partition_id = config->partition_id;
	hv->gpa_pages = config->gpa_pages;
	hv->tsc_hz = config->tsc_hz;
	hv->apic_hz = config->apic_hz;
	hv->protect_bytes = config->vtl_count > 1 ? config->protect_bytes : 0;
	hv->mbec_vtls = config->mbec_vtls;
	hv->dr6_shared = config->dr6_shared;
	memcpy(hv->leaf, config->leaf, sizeof(hv->leaf));
	memcpy(hv->digest, config->digest, sizeof(hv->digest));
	for (unsigned i = 0; i < GABI_COUNT_OF(feature_words); i++)
		hv->feature[i] = config->leaf[feature_words[i].leaf][feature_words[i].reg];
	for (unsigned i = 0; i < CALL_ROWS; i++)
		hv->call_ok[i] = gabi_hv_meets(hv, call_need[i]);
	for (unsigned i = 0; i < MSR_ROWS; i++)
		hv->msr_ok[i] = gabi_hv_meets(hv, msr_need[i]);
	hv->vsm_ok = gabi_hv_meets(hv, NEED_VSM);
	gabi_hv_pave(hv);
}

static int allocate(struct gabi_hv *hv, const struct gabi_hv_config *config)
{
	size_t pages = gabi_hv_page_count(config);

	/* At most half full, so that a search ends soon. */
	for (hv->connection_places = 2; hv->connection_places < config->connections * 2; hv->connection_places *= 2)
		;
	if (gabi_hv_protect_pool_init(&hv->pool, &hv->mem, hv->protect_bytes))
		return GABI_ERR_NOMEM;
	hv->protect = gabi_mem_get(&hv->mem, (config->vtl_count * (config->vtl_count - 1u) / 2 + 1) * sizeof(*hv->protect));
	hv->connection = gabi_mem_get(&hv->mem, hv->connection_places * sizeof(*hv->connection));
	hv->vtl = gabi_mem_get(&hv->mem, (size_t)config->vp_count * config->vtl_count * sizeof(*hv->vtl));
	hv->overlay = gabi_mem_get(&hv->mem, pages * sizeof(*hv->overlay));
	hv->vp_block = gabi_mem_get(&hv->mem, config->vp_count * sizeof(*hv->vp) + 63);
	hv->by_apic_id = gabi_mem_get(&hv->mem, config->vp_count * sizeof(*hv->by_apic_id));
	hv->page_block = config->pages ? NULL : gabi_mem_get(&hv->mem, (pages + 1) * GABI_HV_PAGE - 1);
	if (!hv->protect || !hv->connection || !hv->vtl || !hv->overlay || !hv->vp_block || !hv->by_apic_id || (!config->pages && !hv->page_block))
		return GABI_ERR_NOMEM;
	hv->vp = (struct vp *)(((uintptr_t)hv->vp_block + 63) & ~(uintptr_t)63);
	hv->pages = config->pages ? config->pages : (uint8_t *)(((uintptr_t)hv->page_block + PAGE_MASK) & ~(uintptr_t)PAGE_MASK);
	return 0;
}

/* A VTL of a virtual processor as it is when enabled first. */
static void start_vtl(const struct gabi_hv *hv, const struct vp *vp, unsigned index)
{
	struct vtl *vtl = &vp->vtl[index];

	memset(vtl, 0, sizeof(*vtl));
	for (unsigned i = 0; i < GABI_COUNT_OF(vtl->trap_mask); i++)
		vtl->trap_mask[i] = UINT64_MAX;
	gabi_hv_synic_reset(&vtl->synic);
	for (unsigned kind = PAGE_ASSIST; kind <= PAGE_SIEFP; kind++)
		memset(page_at(hv, (enum page_kind)kind, vp->index, index), 0, GABI_HV_PAGE);
}

/* Everything as it is before the guest's first instruction. */
static void start(struct gabi_hv *hv)
{
	unsigned pages = page_number(hv, PAGE_HYPERCALL, 0, hv->vtl_count);

	for (uint32_t i = 0; i < hv->vp_count; i++) {
		struct vp *vp = &hv->vp[i];

		vp->active = 0;
		vp->enabled = 1;
		vp->started = i == 0;
		vp->pending = 0;
		vp->waits_for = 0;
		vp->timer_at = GABI_HV_NEVER;
		memset(vp->locked, 0, sizeof(vp->locked));
		for (unsigned vtl = 0; vtl < hv->vtl_count; vtl++)
			start_vtl(hv, vp, vtl);
	}
	for (unsigned i = 0; i < pages; i++)
		hv->overlay[i] = NOWHERE;
	for (unsigned vtl = 0; vtl < hv->vtl_count; vtl++) {
		struct vtl_common *common = &hv->common[vtl];

		*common = (struct vtl_common){ .config = vtl ? CONFIG_ZERO_MEMORY : 0 };
		for (unsigned lower = 0; lower < vtl; lower++) {
			gabi_hv_protect_free(store_of(hv, vtl, lower), &hv->mem);
			gabi_hv_protect_init(store_of(hv, vtl, lower), hv->gpa_pages, GABI_HV_ALL_ACCESS);
		}
	}
	hv->speaking = 0;
	hv->enabled = 1;
	hv->mbec = 0;
	hv->tlb_locks = 0;
	hv->waiting.valid = 0;
	memset(hv->crash, 0, sizeof(hv->crash));
	hv->reenlightenment = hv->tsc_emulation = hv->tsc_emulation_status = hv->tsc_invariant = 0;
}

/* What a reset leaves alone. */
static void start_once(struct gabi_hv *hv, const struct gabi_hv_config *config)
{
	for (uint32_t i = 0; i < hv->vp_count; i++) {
		hv->vp[i].index = i;
		hv->vp[i].apic_id = config->apic_id ? config->apic_id[i] : i;
		hv->vp[i].vtl = hv->vtl + (size_t)i * hv->vtl_count;
	}
	for (unsigned vtl = 0; vtl < hv->vtl_count; vtl++)
		gabi_hv_fill_hypercall_page(config, page_at(hv, PAGE_HYPERCALL, 0, vtl));
	gabi_hv_fill_ref_tsc_pages(hv);
}

int gabi_hv_start_over(struct gabi_hv *hv)
{
	gabi_hv_protect_pool_free(&hv->pool);
	if (gabi_hv_protect_pool_init(&hv->pool, &hv->mem, hv->protect_bytes))
		return GABI_ERR_NOMEM;
	start(hv);
	return 0;
}

int gabi_hv_do_reset(struct gabi_hv *hv, struct gabi_hv_turn *turn)
{
	bool zero = false;
	int err;

	turn->count = turn->changes = 0;
	/* TLFS vsm, Zero Memory on Reset. Only a VTL that was there had secrets. */
	for (unsigned vtl = 1; vtl < hv->vtl_count; vtl++)
		zero |= hv->enabled >> vtl & 1 && hv->common[vtl].config & CONFIG_ZERO_MEMORY;
	err = gabi_hv_start_over(hv);
	if (err)
		return err;
	if (zero) {
		act(turn, GABI_HV_ACT_ZERO_MEMORY, GABI_HV_VP_ANY, 0);
		gabi_hv_set_all(hv, &turn->set);
	}
	return 0;
}

/* Insertion sort: ids come in order but for odd machines, and there are at most 1024. False if an id is there twice. */
static bool sort_by_apic_id(struct gabi_hv *hv)
{
	for (uint32_t i = 0; i < hv->vp_count; i++) {
		uint32_t at = i, id = hv->vp[i].apic_id;

		for (; at && hv->vp[hv->by_apic_id[at - 1]].apic_id >= id; at--) {
			if (hv->vp[hv->by_apic_id[at - 1]].apic_id == id)
				return false;
			hv->by_apic_id[at] = hv->by_apic_id[at - 1];
		}
		hv->by_apic_id[at] = i;
	}
	return true;
}

int gabi_hv_new(const struct gabi_hv_config *config, const struct gabi_hv_ops *ops, const struct gabi_mem *mem,
		struct gabi_hv **ret_hv, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_hv *hv;
	int err = check(config, ops, diag);

	if (err)
		return err;
	hv = gabi_mem_get(&own, sizeof(*hv));
	if (!hv)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	hv->mem = own;
	hv->ops = *ops;
	copy_config(hv, config);
	if (allocate(hv, config)) {
		gabi_hv_free(hv);
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	}
	start_once(hv, config);
	start(hv);
	if (!sort_by_apic_id(hv)) {
		gabi_hv_free(hv);
		return gabi_fail(diag, GABI_ERR_DUPLICATE, "two virtual processors have the same APIC id", (char *)NULL);
	}
	*ret_hv = hv;
	return 0;
}

void gabi_hv_free(struct gabi_hv *hv)
{
	if (!hv)
		return;
	for (unsigned i = 0; hv->protect && i < hv->vtl_count * (hv->vtl_count - 1) / 2; i++)
		gabi_hv_protect_free(&hv->protect[i], &hv->mem);
	gabi_mem_put(&hv->mem, hv->protect);
	gabi_hv_protect_pool_free(&hv->pool);
	gabi_mem_put(&hv->mem, hv->connection);
	gabi_mem_put(&hv->mem, hv->vtl);
	gabi_mem_put(&hv->mem, hv->overlay);
	gabi_mem_put(&hv->mem, hv->vp_block);
	gabi_mem_put(&hv->mem, hv->by_apic_id);
	gabi_mem_put(&hv->mem, hv->page_block);
	gabi_mem_put(&hv->mem, hv);
}

unsigned gabi_hv_vp_count(const struct gabi_hv *hv)
{
	return hv->vp_count;
}

unsigned gabi_hv_vtl_count(const struct gabi_hv *hv)
{
	return hv->vtl_count;
}

unsigned gabi_hv_active_vtl(const struct gabi_hv *hv, unsigned vp)
{
	return vp < hv->vp_count ? active_vtl(&hv->vp[vp]) : 0;
}

unsigned gabi_hv_enabled_vtls(const struct gabi_hv *hv, unsigned vp)
{
	return vp < hv->vp_count ? atomic_load_explicit(&hv->vp[vp].enabled, memory_order_relaxed) : 0;
}

int gabi_hv_cpuid(const struct gabi_hv *hv, uint32_t leaf, uint32_t ret_regs[4])
{
	if (leaf < GABI_HV_LEAF_BASE || leaf >= GABI_HV_LEAF_BASE + GABI_HV_LEAF_COUNT)
		return GABI_ERR_RANGE;
	memcpy(ret_regs, hv->leaf[leaf - GABI_HV_LEAF_BASE], sizeof(hv->leaf[0]));
	return 0;
}
