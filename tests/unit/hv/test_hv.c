/* SPDX-License-Identifier: MIT */
/* Partitions: configuration and creation. */
#include "hv_rig.h"

#include <gabi/vocab.h>

enum spoiled { VPS, MANY_VPS, VTLS, MANY_VTLS, VSM, SELF, NO_SPACE, BIG_SPACE, TSC, PORT, PAGES, SIZE };

static void spoil(struct gabi_hv_config *config, enum spoiled what)
{
	switch (what) {
	case VPS: config->vp_count = 0; return;
	case MANY_VPS: config->vp_count = 1025; return;
	case VTLS: config->vtl_count = 0; return;
	case MANY_VTLS: config->vtl_count = 17; return;
	case VSM: config->leaf[3][1] &= ~(1u << 16); return;
	case SELF: config->partition_id = UINT64_MAX; return;
	case NO_SPACE: config->gpa_pages = 0; return;
	case BIG_SPACE: config->gpa_pages = (1ull << 32) + 1; return;
	case TSC: config->tsc_hz = 0; return;
	case PORT: config->exit_port = 0xfe; return;
	case PAGES: config->pages = (void *)0x1001; return;
	case SIZE: config->size -= 8; return;
	}
}

static const struct {
	const char *name;
	enum spoiled what;
	int err;
} bad_configs[] = {
	{ "no virtual processor", VPS, GABI_ERR_RANGE },
	{ "1025 virtual processors", MANY_VPS, GABI_ERR_RANGE },
	{ "no VTL", VTLS, GABI_ERR_RANGE },
	{ "17 VTLs", MANY_VTLS, GABI_ERR_RANGE },
	{ "two VTLs without AccessVsm", VSM, GABI_ERR_CONFLICT },
	{ "the partition id that means self", SELF, GABI_ERR_RANGE },
	{ "no address space", NO_SPACE, GABI_ERR_RANGE },
	{ "more than 16 TiB", BIG_SPACE, GABI_ERR_RANGE },
	{ "a TSC that stands", TSC, GABI_ERR_RANGE },
	{ "a third port beyond imm8", PORT, GABI_ERR_RANGE },
	{ "pages not on a page boundary", PAGES, GABI_ERR_ARG },
	{ "another version's size", SIZE, GABI_ERR_VERSION },
};

static void new__bad_configuration__is_refused_with_a_sentence(void **state)
{
	struct rig rig = { 0 };
	struct gabi_hv_ops ops = rig_ops(&rig);

	(void)state;
	for (size_t i = 0; i < sizeof(bad_configs) / sizeof(bad_configs[0]); i++) {
		struct gabi_hv_config config = rig_config();
		struct gabi_hv *hv = NULL;
		struct gabi_diag diag = { 0 };

		spoil(&config, bad_configs[i].what);
		if (gabi_hv_new(&config, &ops, NULL, &hv, &diag) != bad_configs[i].err || hv || !diag.text[0])
			fail_msg("%s", bad_configs[i].name);
	}
}

static void new__missing_op__is_refused(void **state)
{
	struct rig rig = { 0 };
	struct gabi_hv_ops ops = rig_ops(&rig);
	struct gabi_hv_config config = rig_config();
	struct gabi_hv *hv = NULL;

	(void)state;
	ops.read_reg = NULL;
	assert_int_equal(gabi_hv_new(&config, &ops, NULL, &hv, NULL), GABI_ERR_ARG);
	assert_null(hv);
}

struct stingy {
	long left;
	long live;
};

static void *stingy_resize(void *ctx, void *ptr, size_t len)
{
	struct stingy *stingy = ctx;

	if (!len) {
		stingy->live -= ptr != NULL;
		free(ptr);
		return NULL;
	}
	if (stingy->left-- <= 0)
		return NULL;
	stingy->live += ptr == NULL;
	return realloc(ptr, len);
}

static void new__each_allocation_failing__fails_whole_and_leaks_nothing(void **state)
{
	struct rig rig = { 0 };
	struct gabi_hv_ops ops = rig_ops(&rig);
	struct gabi_hv_config config = rig_config();
	struct gabi_hv *hv = NULL;
	long allow = 0;

	(void)state;
	for (;; allow++) {
		struct stingy stingy = { .left = allow };
		struct gabi_mem mem = { stingy_resize, &stingy };
		int err = gabi_hv_new(&config, &ops, &mem, &hv, NULL);

		if (!err) {
			gabi_hv_free(hv);
			assert_int_equal(stingy.live, 0);
			break;
		}
		assert_int_equal(err, GABI_ERR_NOMEM);
		assert_null(hv);
		assert_int_equal(stingy.live, 0);
	}
	assert_true(allow > 1);
}

static void new__same_apic_id_twice__is_refused(void **state)
{
	static const uint32_t ids[] = { 4, 0, 2, 4 };
	struct rig rig = { 0 };
	struct gabi_hv_ops ops = rig_ops(&rig);
	struct gabi_hv_config config = rig_config();
	struct gabi_hv *hv = NULL;

	(void)state;
	config.vp_count = 4;
	config.apic_id = ids;
	assert_int_equal(gabi_hv_new(&config, &ops, NULL, &hv, NULL), GABI_ERR_DUPLICATE);
}

static void vps__start_in_vtl_0_with_nothing_else_enabled(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	assert_int_equal(gabi_hv_vp_count(rig->hv), RIG_VPS);
	assert_int_equal(gabi_hv_vtl_count(rig->hv), 2);
	for (unsigned vp = 0; vp < RIG_VPS; vp++) {
		assert_int_equal(gabi_hv_active_vtl(rig->hv, vp), 0);
		assert_int_equal(gabi_hv_enabled_vtls(rig->hv, vp), 1);
	}
	rig_free(rig);
}

static void cpuid__leaves_are_the_configured_ones_and_no_others(void **state)
{
	struct rig *rig = rig_new();
	uint32_t regs[4] = { 1, 2, 3, 4 };

	(void)state;
	assert_int_equal(gabi_hv_cpuid(rig->hv, 0x40000003, regs), 0);
	assert_memory_equal(regs, rig->config.leaf[3], sizeof(regs));
	assert_int_equal(gabi_hv_cpuid(rig->hv, 0x4000000d, regs), GABI_ERR_RANGE);
	assert_int_equal(gabi_hv_cpuid(rig->hv, 0x3fffffff, regs), GABI_ERR_RANGE);
	assert_memory_equal(regs, rig->config.leaf[3], sizeof(regs));
	rig_free(rig);
}

static void promise(struct gabi_contract *contract, uint64_t leaf, unsigned reg, uint64_t value)
{
	struct gabi_word word = { .key = { GABI_SPACE_HYPERV, (uint16_t)reg, 0, leaf }, .value = value, .vp = GABI_VP_ALL, .bits = 32 };

	assert_int_equal(gabi_contract_add(contract, &word, NULL), 0);
}

static void config__from_contract__has_its_leaves_digest_and_vtls(void **state)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	struct gabi_hv_config config = rig_config();
	uint8_t digest[GABI_DIGEST_LEN];

	(void)state;
	promise(contract, 0x40000003, GABI_EAX, 1 << 2);
	promise(contract, 0x40000003, GABI_EBX, 1 << 16 | 1 << 17);
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	assert_int_equal(gabi_hv_config_from_contract(&config, contract, NULL), 0);
	gabi_contract_digest(contract, digest);
	assert_memory_equal(config.digest, digest, sizeof(digest));
	assert_int_equal(config.vtl_count, 2);
	assert_int_equal(gabi_hv_config_has(&config, GABI_HV_FEATURE_VSM), 1);
	assert_int_equal(gabi_hv_config_has(&config, GABI_HV_FEATURE_STIMER), 0);
	assert_int_equal(config.leaf[4][0], 0);
	assert_int_equal(config.vp_count, RIG_VPS);
	gabi_contract_free(contract);
}

static void config__from_contract_without_vsm__has_one_vtl(void **state)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	struct gabi_hv_config config = rig_config();

	(void)state;
	promise(contract, 0x40000003, GABI_EBX, 1 << 16 | 1 << 17);
	promise(contract, 0x40000080, GABI_EAX, 0); /* a leaf of zeros, wherever it is, promises nothing */
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	assert_int_equal(gabi_hv_config_from_contract(&config, contract, NULL), 0);
	assert_int_equal(config.vtl_count, 1);
	gabi_contract_free(contract);
}

static void config__from_contract_with_a_leaf_beyond_the_engine__is_refused_and_changes_nothing(void **state)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	struct gabi_hv_config config = rig_config(), before = config;
	struct gabi_diag diag;

	(void)state;
	promise(contract, 0x40000080, GABI_EAX, 1);
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	assert_int_equal(gabi_hv_config_from_contract(&config, contract, &diag), GABI_ERR_RANGE);
	assert_int_equal(diag.key.index, 0x40000080);
	assert_memory_equal(&config, &before, sizeof(config));
	gabi_contract_free(contract);
}

/* The vocabulary names every bit that the engine acts on: the same leaf, register and place. */
static void features__are_fields_of_the_vocabulary(void **state)
{
	static const struct {
		const char *name;
		unsigned word, bit;
	} features[] = {
#define GABI_HV_FEATURE_ROW(name, word, bit, source) { #name, word, bit },
#include <gabi/hv_feature.def>
	};
	static const struct gabi_key words[] = {
		{ GABI_SPACE_HYPERV, GABI_EAX, 0, 0x40000003 },
		{ GABI_SPACE_HYPERV, GABI_EBX, 0, 0x40000003 },
		{ GABI_SPACE_HYPERV, GABI_EDX, 0, 0x40000003 },
		{ GABI_SPACE_HYPERV, GABI_EAX, 0, 0x40000004 },
		{ GABI_SPACE_HYPERV, GABI_EAX, 0, 0x4000000a },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		size_t count, at = 0;
		const struct gabi_field *field = gabi_fields_of(&words[features[i].word], &count);

		while (at < count && (field[at].lo != features[i].bit || field[at].bits != 1))
			at++;
		if (at == count)
			fail_msg("%s has no field in the vocabulary", features[i].name);
	}
}

/* As many VTLs as the type takes: each enabled from the one below it, entered one by one, left one by one. */
static void vtls__sixteen__are_climbed_one_by_one(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	(void)state;
	config.vp_count = 2;
	config.vtl_count = GABI_HV_VTLS_MAX;
	rig = rig_with(&config);
	for (unsigned vtl = 1; vtl < GABI_HV_VTLS_MAX; vtl++) {
		assert_int_equal(rig_enable_partition(rig, vtl, 0), GABI_HV_STATUS_SUCCESS);
		assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, vtl), GABI_HV_STATUS_SUCCESS);
		assert_int_equal(rig_vtl_call(rig, 0), GABI_HV_DONE);
		assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), vtl);
		gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, vtl, 0, &rig->turn);
	}
	assert_int_equal(rig_vtl_call(rig, 0), GABI_HV_UD);
	assert_int_equal(gabi_hv_enabled_vtls(rig->hv, 0), 0xffff);
	for (unsigned vtl = GABI_HV_VTLS_MAX - 1; vtl > 0; vtl--) {
		uint64_t id;

		gabi_hv_rdmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 0, &id, &rig->turn);
		assert_int_equal(id, vtl);
		assert_int_equal(rig_vtl_return(rig, 0, 1), GABI_HV_DONE);
	}
	assert_int_equal(rig_vtl_return(rig, 0, 1), GABI_HV_UD);
	rig_free(rig);
}

static void vps__1024__are_all_reached(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;
	uint64_t index;

	(void)state;
	config.vp_count = GABI_HV_VPS_MAX;
	rig = rig_with(&config);
	memset(rig->ram + 0x1000, 0, 64);
	put(rig->ram + 0x1000, 0x80, 8);
	put(rig->ram + 0x1010, 1 << 15, 8);  /* the last bank */
	put(rig->ram + 0x1018, 1ull << 63, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_SendSyntheticClusterIpiEx | VARIABLE(1)), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.act[0].vp, 1023);
	assert_int_equal(gabi_hv_rdmsr(rig->hv, 1023, GABI_HV_MSR_VP_INDEX, 0, &index, &rig->turn), GABI_HV_DONE);
	assert_int_equal(index, 1023);
	assert_int_equal(gabi_hv_rdmsr(rig->hv, 1024, GABI_HV_MSR_VP_INDEX, 0, &index, &rig->turn), GABI_ERR_ARG);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new__bad_configuration__is_refused_with_a_sentence),
		cmocka_unit_test(new__missing_op__is_refused),
		cmocka_unit_test(new__each_allocation_failing__fails_whole_and_leaks_nothing),
		cmocka_unit_test(new__same_apic_id_twice__is_refused),
		cmocka_unit_test(features__are_fields_of_the_vocabulary),
		cmocka_unit_test(vps__start_in_vtl_0_with_nothing_else_enabled),
		cmocka_unit_test(cpuid__leaves_are_the_configured_ones_and_no_others),
		cmocka_unit_test(config__from_contract__has_its_leaves_digest_and_vtls),
		cmocka_unit_test(config__from_contract_without_vsm__has_one_vtl),
		cmocka_unit_test(config__from_contract_with_a_leaf_beyond_the_engine__is_refused_and_changes_nothing),
		cmocka_unit_test(vtls__sixteen__are_climbed_one_by_one),
		cmocka_unit_test(vps__1024__are_all_reached),
	};

	return cmocka_run_group_tests_name("hv", tests, NULL, NULL);
}
