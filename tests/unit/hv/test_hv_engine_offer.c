/* SPDX-License-Identifier: MIT */
/* The engine's offer: contracts with Hyper-V promises against a host, and against host plus engine. */
#include "hv_rig.h"

#include <gabi/verdict.h>

static const struct {
	const char *name;
	uint32_t leaf;
	unsigned reg, vtls;
	uint64_t value;
	enum gabi_verdict verdict;
} promises[] = {
	{ "VSM", 0x40000003, GABI_EBX, 2, 1 << 16 | 1 << 17, GABI_FITS },
	{ "VSM from an engine with VTL 0 only", 0x40000003, GABI_EBX, 1, 1 << 16 | 1 << 17, GABI_DOES_NOT_FIT },
	{ "SynIC and timers", 0x40000003, GABI_EAX, 1, 1 << 2 | 1 << 3, GABI_FITS },
	{ "a root partition's privilege", 0x40000003, GABI_EBX, 2, 1 << 0, GABI_DOES_NOT_FIT },
	{ "statistics pages", 0x40000003, GABI_EAX, 2, 1 << 8, GABI_DOES_NOT_FIT },
	{ "the synthetic debugger's MSRs", 0x40000003, GABI_EDX, 2, 1 << 11, GABI_DOES_NOT_FIT },
	{ "the synthetic debugger's leaf", 0x40000082, GABI_EAX, 2, 1 << 1, GABI_DOES_NOT_FIT },
	{ "cluster IPIs", 0x40000004, GABI_EAX, 1, 1 << 10, GABI_FITS },
	{ "the interface's name", 0x40000001, GABI_EAX, 1, 0x31237648, GABI_FITS },
	{ "another name", 0x40000001, GABI_EAX, 1, 0x31237649, GABI_DOES_NOT_FIT },
};

static struct gabi_host *plain_host(void)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);

	assert_int_equal(gabi_host_cover(host, GABI_SPACE_HYPERV), 0);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

static void offer__laid_over_a_host__decides_what_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(promises) / sizeof(promises[0]); i++) {
		struct gabi_hv_config config = rig_config();
		struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
		struct gabi_host *host = plain_host(), *offer, *both;
		struct gabi_word word = {
			.key = { GABI_SPACE_HYPERV, (uint16_t)promises[i].reg, 0, promises[i].leaf },
			.value = promises[i].value,
			.vp = GABI_VP_ALL,
			.bits = 32,
		};

		config.vtl_count = promises[i].vtls;
		assert_int_equal(gabi_contract_add(contract, &word, NULL), 0);
		assert_int_equal(gabi_contract_seal(contract, NULL), 0);
		assert_int_equal(gabi_hv_engine_offer(&config, NULL, &offer, NULL), 0);
		assert_int_equal(gabi_host_view(offer), GABI_VIEW_OFFER);
		assert_int_equal(gabi_host_overlay(host, offer, &both, NULL), 0);
		if (gabi_check_verdict(contract, host) != GABI_DOES_NOT_FIT)
			fail_msg("%s: the bare host", promises[i].name);
		if ((gabi_check_verdict(contract, both) == GABI_DOES_NOT_FIT) != (promises[i].verdict == GABI_DOES_NOT_FIT))
			fail_msg("%s: %s", promises[i].name, gabi_verdict_text(gabi_check_verdict(contract, both)));
		gabi_contract_free(contract);
		gabi_host_free(both);
		gabi_host_free(offer);
		gabi_host_free(host);
	}
}

/* What it offers is what gabi_hv_new then takes. */
static void offer__pinned__makes_a_partition(void **state)
{
	struct gabi_pin_options options = { .size = sizeof(options) };
	struct gabi_hv_config config = rig_config();
	struct gabi_host *host = plain_host(), *offer, *both;
	struct gabi_contract *contract;
	struct gabi_diag diag;
	struct rig *rig;

	(void)state;
	assert_int_equal(gabi_hv_engine_offer(&config, NULL, &offer, NULL), 0);
	assert_int_equal(gabi_host_overlay(host, offer, &both, NULL), 0);
	if (gabi_contract_pin(both, &options, NULL, &contract, &diag))
		fail_msg("%s", diag.text);
	memset(config.leaf, 0, sizeof(config.leaf));
	if (gabi_hv_config_from_contract(&config, contract, &diag))
		fail_msg("%s", diag.text);
	assert_int_equal(config.vtl_count, 2);
	assert_int_equal(gabi_hv_config_has(&config, GABI_HV_FEATURE_CLUSTER_IPI), 1);
	rig = rig_secure_with(&config);
	rig_free(rig);
	gabi_contract_free(contract);
	gabi_host_free(both);
	gabi_host_free(offer);
	gabi_host_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offer__laid_over_a_host__decides_what_fits),
		cmocka_unit_test(offer__pinned__makes_a_partition),
	};

	return cmocka_run_group_tests_name("hv_engine_offer", tests, NULL, NULL);
}
