/* SPDX-License-Identifier: MIT */
/* A monitor that is held and let go while its guest works, on this machine's KVM. */
#include "traveller.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct traveller guest;

/* Interrupt lines, of which KVM keeps what it was told: a call that changes nothing costs what every call costs. */
static atomic_uint changes, repeats;

int __real_gabi_kvm_machine_line(const struct gabi_kvm_machine *machine, unsigned line, int level); /* ld's --wrap */
int __wrap_gabi_kvm_machine_line(const struct gabi_kvm_machine *machine, unsigned line, int level);

int __wrap_gabi_kvm_machine_line(const struct gabi_kvm_machine *machine, unsigned line, int level)
{
	static bool high[32];

	assert_in_range(line, 0, 31);
	atomic_fetch_add(high[line] == !!level ? &repeats : &changes, 1);
	high[line] = level;
	return __real_gabi_kvm_machine_line(machine, line, level);
}

static void pause_it(void)
{
	struct gabi_diag diag = { 0 };

	if (vmm_pause(guest.monitor, &diag))
		fail_msg("%s: %s", diag.text, guest.said);
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ 0, ms * 1000000 }, NULL);
}

static int free_guest(void **state)
{
	(void)state;
	traveller_stop(&guest);
	return 0;
}

static void pause__guest_works__nothing_moves_until_resumed(void **state)
{
	unsigned char *before = malloc(32 << 20), *ram;

	(void)state;
	traveller_new(&guest, true, 2, false);
	ram = gabi_kvm_machine_ram(vmm_machine(guest.monitor), 0, 32 << 20);
	traveller_run(&guest);
	traveller_wait(&guest, "turn", 1);
	pause_it();
	assert_true(vmm_is_paused(guest.monitor));
	memcpy(before, ram, 32 << 20);
	sleep_ms(30);
	assert_memory_equal(before, ram, 32 << 20);
	vmm_resume(guest.monitor);
	assert_false(vmm_is_paused(guest.monitor));
	traveller_wait(&guest, "turn", 2);
	assert_int_equal(traveller_end(&guest), 0);
	free(before);
}

static void pause__again_and_again__guest_does_not_notice(void **state)
{
	(void)state;
	traveller_new(&guest, true, 2, false);
	traveller_run(&guest);
	traveller_wait(&guest, "turn", 1);
	for (int i = 0; i < 500; i++) {
		pause_it();
		vmm_resume(guest.monitor);
	}
	traveller_wait(&guest, "turn", 1);
	assert_int_equal(traveller_end(&guest), 0);
}

static void lines__guest_speaks_and_is_spoken_to__only_changes_are_told(void **state)
{
	(void)state;
	atomic_store(&changes, 0);
	atomic_store(&repeats, 0);
	traveller_new(&guest, false, 1, false);
	traveller_run(&guest);
	traveller_wait(&guest, "turn", 2);
	assert_int_equal(traveller_end(&guest), 0);
	assert_true(changes > 0);
	assert_int_equal(repeats, 0);
}

static void pause__twice__wants_two_resumes(void **state)
{
	uint64_t first;

	(void)state;
	traveller_new(&guest, false, 1, false);
	first = gabi_kvm_vp_registers(vmm_machine(guest.monitor), 0, 0)->rip;
	pause_it(); /* before it runs */
	traveller_run(&guest);
	pause_it();
	vmm_resume(guest.monitor);
	sleep_ms(20);
	assert_true(vmm_is_paused(guest.monitor));
	assert_int_equal(gabi_kvm_vp_registers(vmm_machine(guest.monitor), 0, 0)->rip, first); /* it has not run */
	vmm_resume(guest.monitor);
	traveller_wait(&guest, "turn", 1);
	assert_int_equal(traveller_end(&guest), 0);
}

/* Every page that differs must be told; and what was told is not told again. */
static void dirty__guest_works__all_that_it_wrote_is_told(void **state)
{
	struct gabi_kvm_machine *machine;
	unsigned char *before = malloc(32 << 20), *ram;
	uint64_t bitmap[(32 << 20) / 4096 / 64] = { 0 }, told = 0;

	(void)state;
	traveller_new(&guest, true, 2, false);
	machine = vmm_machine(guest.monitor);
	ram = gabi_kvm_machine_ram(machine, 0, 32 << 20);
	traveller_run(&guest);
	traveller_wait(&guest, "turn", 1);
	pause_it();
	memcpy(before, ram, 32 << 20);
	assert_int_equal(gabi_kvm_machine_log(machine, 1, NULL), 0);
	vmm_resume(guest.monitor);
	traveller_wait(&guest, "turn", 2);
	pause_it();
	assert_int_equal(gabi_kvm_machine_dirty(machine, bitmap, NULL), 0);
	for (size_t page = 0; page < (32 << 20) / 4096; page++) {
		told += bitmap[page / 64] >> page % 64 & 1;
		if (!(bitmap[page / 64] >> page % 64 & 1) && memcmp(before + page * 4096, ram + page * 4096, 4096))
			fail_msg("page %zu was written to, and is not told", page);
	}
	assert_in_range(told, 10, (32 << 20) / 4096 - 1000); /* and not simply all */
	memset(bitmap, 0, sizeof(bitmap));
	gabi_kvm_machine_wrote(machine, 5 * 4096 + 4000, 200);
	assert_int_equal(gabi_kvm_machine_dirty(machine, bitmap, NULL), 0);
	assert_int_equal(bitmap[0], 3 << 5);
	for (size_t i = 1; i < sizeof(bitmap) / sizeof(bitmap[0]); i++)
		assert_int_equal(bitmap[i], 0);
	assert_int_equal(gabi_kvm_machine_log(machine, 0, NULL), 0);
	vmm_resume(guest.monitor);
	assert_int_equal(traveller_end(&guest), 0);
	free(before);
}

static void pause__guest_has_ended__says_so(void **state)
{
	struct gabi_diag diag = { 0 };

	(void)state;
	traveller_new(&guest, false, 1, false);
	traveller_run(&guest);
	assert_int_equal(traveller_end(&guest), 0);
	assert_int_equal(vmm_pause(guest.monitor, &diag), GABI_ERR_CONFLICT);
	assert_string_equal(diag.text, "the guest has ended");
	assert_false(vmm_is_paused(guest.monitor));
}

static void quit__while_paused__ends(void **state)
{
	(void)state;
	traveller_new(&guest, true, 2, false);
	traveller_run(&guest);
	traveller_wait(&guest, "turn", 1);
	pause_it();
	vmm_quit(guest.monitor, "enough");
	pthread_join(guest.thread, NULL);
	guest.runs = false;
	assert_int_equal(guest.result.end, VMM_END_QUIT);
	assert_string_equal(guest.result.text, "enough");
}

/* Its console is full before it says anything. */
static void make_unheard(void)
{
	char much[4096] = { 0 };
	int out, flags;

	memset(much, 'x', sizeof(much));
	traveller_new(&guest, false, 1, false);
	out = guest.options.out;
	flags = fcntl(out, F_GETFL);
	assert_int_not_equal(fcntl(out, F_SETPIPE_SZ, (int)sizeof(much)), -1);
	assert_int_equal(fcntl(out, F_SETFL, flags | O_NONBLOCK), 0);
	while (write(out, much, sizeof(much)) > 0)
		;
	assert_int_equal(fcntl(out, F_SETFL, flags), 0);
	traveller_run(&guest);
	sleep_ms(200); /* it wants to say that it runs */
}

static void output__nobody_reads__guest_is_held_and_nothing_is_lost(void **state)
{
	(void)state;
	make_unheard();
	alarm(60); /* what never comes back */
	pause_it();
	vmm_resume(guest.monitor);
	sleep_ms(20);
	pause_it();
	traveller_wait(&guest, "x", 4096); /* now somebody reads */
	vmm_resume(guest.monitor);
	traveller_wait(&guest, "all others run", 1);
	traveller_wait(&guest, "turn", 2);
	assert_int_equal(traveller_end(&guest), 0);
	alarm(0);
}

static void output__nobody_reads__guest_can_be_ended(void **state)
{
	(void)state;
	make_unheard();
	alarm(60);
	vmm_quit(guest.monitor, "enough");
	pthread_join(guest.thread, NULL);
	alarm(0);
	guest.runs = false;
	assert_int_equal(guest.result.end, VMM_END_QUIT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(pause__guest_works__nothing_moves_until_resumed, free_guest),
		cmocka_unit_test_teardown(pause__again_and_again__guest_does_not_notice, free_guest),
		cmocka_unit_test_teardown(lines__guest_speaks_and_is_spoken_to__only_changes_are_told, free_guest),
		cmocka_unit_test_teardown(pause__twice__wants_two_resumes, free_guest),
		cmocka_unit_test_teardown(dirty__guest_works__all_that_it_wrote_is_told, free_guest),
		cmocka_unit_test_teardown(pause__guest_has_ended__says_so, free_guest),
		cmocka_unit_test_teardown(quit__while_paused__ends, free_guest),
		cmocka_unit_test_teardown(output__nobody_reads__guest_is_held_and_nothing_is_lost, free_guest),
		cmocka_unit_test_teardown(output__nobody_reads__guest_can_be_ended, free_guest),
	};

	traveller_begin(argc > 1 ? argv[1] : "");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
