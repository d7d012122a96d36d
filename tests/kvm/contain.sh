#!/bin/bash
# SPDX-License-Identifier: MIT
# contain.sh GABI GUEST: what is left to the monitor of a running guest, and what becomes of one that wants more.
# shellcheck disable=SC2317 # the cases are called by their names
set -uo pipefail
gabi=$(readlink -f "$1")
guest=$(readlink -f "$2")
break_out=$(dirname "$(readlink -f "$0")")/break_out.py
[[ -r /dev/kvm && -w /dev/kvm ]] || { echo "there is no /dev/kvm to use"; exit 77; }
work=$(mktemp -d)
chmod 755 "$work"
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"
cd "$work" || exit 1
running=()
clean_up() {
	local pid
	for pid in "${running[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	wait
	rm -rf "$work"
}
trap clean_up EXIT

# start NAME [ARG]...: in $started and $monitor are the command and the process that runs the guest
start() {
	local name=$1 tries
	shift
	rm -f "$name.out"
	"$gabi" run --force --memory 64 --cpus 2 --name "$name" "$@" "$guest" </dev/null >"$name.out" 2>"$name.err" &
	started=$!
	running+=("$started")
	for ((tries = 0; tries < 600; tries++)); do
		if grep -q patient "$name.out" 2>/dev/null; then
			monitor=$("$gabi" ctl "$name" status --json | jq .pid)
			return
		fi
		sleep 0.1
	done
	echo "the guest does not run"
	cat "$name.err"
	return 1
}
stop() { "$gabi" ctl "$1" quit && ! wait "$started"; }
of_all() { # of_all KEY VALUE: every thread's status says that
	local wrong
	wrong=$(awk -v key="$1:" '$1 == key { print $2 }' "/proc/$monitor"/task/*/status | grep -cvx "$2")
	((wrong == 0)) || { echo "$1 of $wrong threads is not $2"; return 1; }
}

every_thread_is_filtered() {
	start web || return 1
	(($(find "/proc/$monitor/task" -mindepth 1 -maxdepth 1 | wc -l) >= 5)) && of_all Seccomp 2 && of_all NoNewPrivs 1
}
no_capabilities() {
	of_all CapEff 0000000000000000 && of_all CapPrm 0000000000000000 && { ((EUID)) || of_all CapBnd 0000000000000000; }
}
no_executable_guest() { # nor anything that can be written and executed, which sanitizers have none of either
	grep -q guest-memory "/proc/$monitor/maps" && ! grep guest-memory "/proc/$monitor/maps" | grep -q '^[^ ]* ..x' &&
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
	start other --user nobody && of_all Uid "$(id -u nobody)" && of_all Gid "$(id -g nobody)" && stop other &&
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
	start web || return 1
	local other=$monitor_of_other tasks
	mapfile -t tasks < <(ls "/proc/$monitor/task")
	"$break_out" "$monitor" "$1" "${tasks[${2:-0}]}" >out || return 1
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
	start other || return 1
	monitor_of_other=$monitor
	local other=$started call thread
	for thread in 0 1 2 3; do # main, jobs, socket, a virtual processor
		breaks_out socket "$thread" || return 1
	done
	for call in execve open mprotect; do
		breaks_out "$call" || return 1
	done
	started=$other
	stop other
}

sanitized=$(nm -D "$gabi" 2>/dev/null | grep -m 1 __asan_init || true)
failed=0
for case in every_thread_is_filtered no_capabilities no_executable_guest an_empty_root no_core_dumps another_user no_such_user \
	a_break_out_ends_it_alone; do
	if "$case"; then
		echo "[       OK ] $case"
	else
		echo "[  FAILED  ] $case"
		failed=1
	fi
done
exit $failed
