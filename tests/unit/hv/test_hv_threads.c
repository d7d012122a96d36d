/* SPDX-License-Identifier: MIT */
/* The protection store while one thread changes it and others look: no look ever sees another region's leaf. */
#include "hv_rig.h"

#include "hv/protect.h"

#include <pthread.h>

enum { PAGES = 1 << 20, REGION = 512, ROUNDS = 1000000 };

static struct protect_pool pool;
static struct protect store;
static atomic_bool stop;

/* Pages below REGION are 1 or 15, those above it 3 or 7. */
static void *look(void *wrong)
{
	uint64_t random = 88172645463325252u ^ (uintptr_t)wrong;

	while (!atomic_load(&stop)) {
		uint64_t gfn;
		unsigned prot;

		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		gfn = random >> 20 & (2 * REGION - 1);
		prot = gabi_hv_protect_get(&store, &pool, gfn);
		if (gfn < REGION ? prot != 1 && prot != 15 : prot != 3 && prot != 7)
			++*(unsigned *)wrong;
	}
	return NULL;
}

static void set(uint64_t gfn, uint64_t count, unsigned prot)
{
	bool changed;

	assert_int_equal(gabi_hv_protect_set(&store, &pool, gfn, count, prot, &changed), count);
}

static void store__changed_while_others_look__never_shows_another_regions_leaf(void **state)
{
	struct gabi_mem mem = gabi_mem_or_default(NULL);
	pthread_t thread[2];
	unsigned wrong[2] = { 0 };

	(void)state;
	assert_int_equal(gabi_hv_protect_pool_init(&pool, &mem, 64 << 20), 0);
	gabi_hv_protect_init(&store, PAGES, 15);
	set(REGION, REGION, 7);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, look, &wrong[i]), 0);
	/* Leaves come and go in both regions by turns, so that each is used again in the other. */
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned leaf = 0; leaf < REGION / 512; leaf++) {
			set(leaf * 512 + round % 512, 1, 1);
			set(leaf * 512, 512, 15);
			set(REGION + leaf * 512 + round % 512, 1, 3);
			set(REGION + leaf * 512, 512, 7);
		}
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(wrong[0] + wrong[1], 0);
	gabi_hv_protect_free(&store, &mem);
	gabi_hv_protect_pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(store__changed_while_others_look__never_shows_another_regions_leaf),
	};

	return cmocka_run_group_tests_name("hv_threads", tests, NULL, NULL);
}
