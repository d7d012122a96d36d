/* SPDX-License-Identifier: MIT */
/* Locks that a higher level holds on a lower one's TLB. */
#include "vsm.h"

enum { TLB_LOCKED = 2, ALL_PROCESSORS = 1, ALL_SPACES = 2, MS = 5 };

static volatile uint32_t waits_in_vtl1; /* of processor 1 */
static volatile uint32_t locked_there;

static unsigned set_lock(bool locked)
{
	return vsm_set(VP_SELF, 0, REG_SECURE_CONFIG_VTL0, locked ? TLB_LOCKED : 0);
}

static uint64_t get_lock(uint64_t argument)
{
	unsigned status;

	(void)argument;
	return vsm_get(VP_SELF, 0, REG_SECURE_CONFIG_VTL0, &status) | (uint64_t)status << 32;
}

static uint64_t flush(uint64_t argument)
{
	const uint64_t in[] = { 0, ALL_PROCESSORS | ALL_SPACES, 0 };

	(void)argument;
	return vsm_status(GABI_HV_CALL_FlushVirtualAddressSpace, in, sizeof(in));
}

static bool is_missing(void)
{
	return vsm_used < 2;
}

#define MISSING SKIP("it takes two processors with VTL 1, and a third for a hypercall")

/* ---- the register ---- */

static uint64_t lock_and_look(uint64_t argument)
{
	bool good = !set_lock(true) && get_lock(0) == TLB_LOCKED;

	(void)argument;
	return good && !set_lock(false) && get_lock(0) == 0;
}

static const char *says_so(void)
{
	return in_vtl1(lock_and_look, 0) ? NULL : "it is refused, or says something else";
}

static const char *lower_locks(void)
{
	return vsm_set(VP_SELF, VTL1, REG_SECURE_CONFIG_VTL0, TLB_LOCKED) && vsm_set(VP_SELF, 0, REG_SECURE_CONFIG_VTL0, TLB_LOCKED) ? NULL :
																	   "it is taken";
}

static uint64_t set_badly(uint64_t bit)
{
	return vsm_set(VP_SELF, 0, REG_SECURE_CONFIG_VTL0, bit);
}

static const char *reserved(void)
{
	return in_vtl1(set_badly, 4) && in_vtl1(set_badly, 1ull << 63) ? NULL : "it is taken";
}

static const char *no_mbec(void)
{
	unsigned status;

	if (vsm_get(VP_SELF, 0, REG_PARTITION_STATUS, &status) >> 21 & 1)
		return SKIP("VTL 1 was enabled with MBEC");
	return in_vtl1(set_badly, 1) ? NULL : "it is taken";
}

static uint64_t only_lock(uint64_t argument)
{
	return set_lock(argument);
}

static const char *gone_after_return(void)
{
	if (in_vtl1(only_lock, true))
		return "it cannot be locked";
	return in_vtl1(get_lock, 0) == 0 ? NULL : "it is still locked";
}

/* ---- who waits ---- */

/* In VTL 1 of processor 0: that of processor 1 flushes, which is not to come to its end before the lock goes. */
static uint64_t flush_under_lock(uint64_t keeps)
{
	uint64_t result;

	begin_on_vp(1, flush, 0);
	if (!has_ended_on_vp(1, &result) || result)
		return 1;
	if (set_lock(true))
		return 2;
	begin_on_vp(1, flush, 0);
	vsm_wait(MS);
	if (has_job_ended_on_vp(1))
		return 3;
	if (keeps)
		return 0;
	return set_lock(false) ? 2 : has_ended_on_vp(1, &result) && !result ? 0 : 4;
}

static const char *why_not(uint64_t result)
{
	static const char *const why[] = {
		NULL, "a flush does not end, though nothing is locked", "it cannot be locked or unlocked", "it ends under the lock",
		"it does not end when the lock is gone, or fails",
	};

	return why[result];
}

static const char *flush_waits(void)
{
	return is_missing() ? MISSING : why_not(in_vtl1(flush_under_lock, false));
}

static const char *return_unlocks(void)
{
	uint64_t result;

	if (is_missing())
		return MISSING;
	result = in_vtl1(flush_under_lock, true);
	if (result)
		return why_not(result);
	return has_ended_on_vp(1, &result) && !result ? NULL : why_not(4);
}

/* Its own TLB is another. */
static uint64_t flush_own(uint64_t argument)
{
	uint64_t status = set_lock(true) || flush(argument);

	set_lock(false);
	return status;
}

static const char *holder_is_free(void)
{
	return in_vtl1(flush_own, 0) ? "it is refused" : NULL;
}

/* In VTL 1 of processor 1: it returns while processor 0 holds its lock. */
static uint64_t ask_to_wait(uint64_t argument)
{
	(void)argument;
	__atomic_store_n(&waits_in_vtl1, 1, __ATOMIC_SEQ_CST);
	vsm_comes(&locked_there, 1);
	return vsm_set(VP_SELF, VTL0, REG_WAIT_FOR_TLB_LOCK, 1);
}

static uint64_t return_there(uint64_t argument)
{
	return in_vtl1(ask_to_wait, argument);
}

static uint64_t lock_while_it_returns(uint64_t argument)
{
	uint64_t result;

	waits_in_vtl1 = locked_there = 0;
	begin_on_vp(1, return_there, argument);
	if (!vsm_comes(&waits_in_vtl1, 1) || set_lock(true))
		return 2;
	locked_there = 1;
	vsm_wait(MS);
	if (has_job_ended_on_vp(1))
		return 3;
	return set_lock(false) ? 2 : has_ended_on_vp(1, &result) && !result ? 0 : 4;
}

static const char *return_waits(void)
{
	static const char *const why[] = {
		NULL, NULL, "it cannot be locked or unlocked", "it is back in VTL 0 under the lock", "it does not come back, or the register is refused",
	};

	return is_missing() ? MISSING : why[in_vtl1(lock_while_it_returns, 0)];
}

#define LOCKS "vsm, TlbLocked"

const struct vsm_case vsm_tlb_cases[] = {
	{ LOCKS, "VTL 1 locks and unlocks the TLB of VTL 0, and the register says so", says_so, NULL, 0 },
	{ LOCKS, "VTL 0 locks none", lower_locks, NULL, 0 },
	{ "vsm, Configuring Lower VTLs", "reserved bits are refused", reserved, NULL, 0 },
	{ "vsm, MbecEnabled", "is refused where the VTL was enabled without MBEC", no_mbec, NULL, 0 },
	{ LOCKS, "a return to a lower VTL releases the lock", gone_after_return, NULL, 0 },
	{ LOCKS, "flushes of VTL 0 wait until the lock is lifted", flush_waits, NULL, 0 },
	{ LOCKS, "or until its holder returns", return_unlocks, NULL, 0 },
	{ LOCKS, "VTL 1's own do not wait", holder_is_free, NULL, 0 },
	{ "HvRegisterVsmVpWaitForTlbLock", "a return waits for the locks of other processors", return_waits, NULL, 0 },
	{ 0 },
};
