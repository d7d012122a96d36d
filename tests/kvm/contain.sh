#!/bin/bash
# SPDX-License-Identifier: MIT
# contain.sh GABI GUEST: what is left to the monitor of a running guest, and what becomes of one that wants more.
# shellcheck disable=SC2317 # the cases are called by their names
! nm -D "$1" 2>/dev/null | grep __tsan_init >/dev/null || { echo 'skipped: the thread sanitizer has a thread of its own, which is under no filter'; exit 77; }
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=SCRIPTDIR/guests.sh
. "$here/guests.sh"

# run NAME [ARG]...: and in $monitor the process that runs the guest
run() { start "$@" && monitor=$("$gabi" ctl "$1" status --json | jq .pid); }
stop() { "$gabi" ctl "$1" quit && ! wait "$started"; }
of_all() { # of_all KEY VALUE: every thread's status says that
	local wrong
	wrong=$(awk -v key="$1:" '$1 == key { print $2 }' "/proc/$monitor"/task/*/status | grep -cvx "$2")
	((wrong == 0)) || { echo "$1 of $wrong threads is not $2"; return 1; }
}

every_thread_is_filtered() {
	run web || return 1
	(($(find "/proc/$monitor/task" -mindepth 1 -maxdepth 1 | wc -l) >= 5)) && of_all Seccomp 2 && of_all NoNewPrivs 1
}
no_capabilities() {
	of_all CapEff 0000000000000000 && of_all CapPrm 0000000000000000 && { ((EUID)) || of_all CapBnd 0000000000000000; }
}
no_executable_guest() { # nor anything that can be written and executed, which sanitizers have none of either
	grep -q guest-memory "/proc/$monitor/maps" && ! grep guest-memory "/proc/$monitor/maps" | grep '^[^ ]* ..x' >/dev/null &&
		! grep -q '^[^ ]* .wx' "/proc/$monitor/maps"
}
an_empty_root() {
	((EUID == 0)) || { echo 'only root can make one'; return 0; }
	[[ -z $sanitized ]] || return 0
	[[ -z $(ls -A "/proc/$monitor/root/") ]] && ! touch "/proc/$monitor/root/x" 2>/dev/null
}
no_core_dumps() { grep -q '^Max core file size *0 *0 ' "/proc/$monitor/limits" && stop web; }
another_user() {
	((EUID == 0)) || { echo 'only root can become one'; return 0; }
	run other --user nobody && of_all Uid "$(id -u nobody)" && of_all Gid "$(id -g nobody)" && stop other &&
		[[ -z $(ls -A "$XDG_RUNTIME_DIR/gabi") ]]
}
no_such_user() {
	local status=0
	"$gabi" run --force --user nobody-at-all "$guest" </dev/null >out 2>err || status=$?
	((status == 2)) && grep -q "no user 'nobody-at-all'" err
}

# The monitor is ended, the command says so and cleans up, and another guest goes on.
breaks_out() { # breaks_out CALL [THREAD'S NUMBER]
	local status=0 before
	run web || return 1
	local other=$monitor_of_other tasks
	mapfile -t tasks < <(ls "/proc/$monitor/task")
	"$here/break_out.py" "$monitor" "$1" "${tasks[${2:-0}]}" >out || return 1
	wait "$started" || status=$?
	if ! grep -q '^signal 31$' out || ((status != 4)) || ! grep -q 'made a system call that it may not make' web.err ||
		[[ $(ls -A "$XDG_RUNTIME_DIR/gabi") != other || ! -e /proc/$other ]]; then
		cat out web.err
		return 1
	fi
	before=$("$gabi" ctl other counters)
	until [[ $("$gabi" ctl other counters) != "$before" ]]; do sleep 0.1; done
}
a_break_out_ends_it_alone() {
	run other || return 1
	monitor_of_other=$monitor
	local other=$started call thread
	for thread in 0 1 2 3; do # main, jobs, socket, a virtual processor
		breaks_out socket "$thread" || return 1
	done
	for call in execve open mprotect; do
		[[ $call == open && -n $sanitized ]] && continue # those open files themselves
		breaks_out "$call" || return 1
	done
	started=$other
	stop other
}

sanitized=$(nm -D "$gabi" 2>/dev/null | grep __asan_init || true)
run_cases every_thread_is_filtered no_capabilities no_executable_guest an_empty_root no_core_dumps another_user no_such_user \
	a_break_out_ends_it_alone
