#!/bin/bash
# SPDX-License-Identifier: MIT
# control.sh GABI GUEST: guests that run are found, told what to do, and leave nothing behind however they end.
# shellcheck disable=SC2317 # the cases are called by their names
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=SCRIPTDIR/guests.sh
. "$here/guests.sh"

# ends PID STATUS
ends() {
	local status=0
	wait "$1" || status=$?
	((status == $2)) || { echo "it ended with status $status, and $2 was expected"; return 1; }
}

ctl() { "$gabi" ctl "$@" 2>err; }
refused() { # refused STATUS TEXT ARG...
	local wanted=$1 text=$2 status=0
	shift 2
	ctl "$@" >out || status=$?
	((status == wanted)) && (($(wc -l <err) == 1)) && grep -qF -- "$text" err && return 0
	echo "status $status, and $wanted was expected with '$text': $*"
	cat err
	return 1
}
state_of() { "$gabi" ps --json | jq -r --arg name "$1" '.guests[] | select(.name == $name) | .state // .status.state'; }
total() { "$gabi" top --json web | jq '[.counters[] | .mmio + .ports] | add'; }
nothing_left() { [[ -z $(ls -A "$XDG_RUNTIME_DIR/gabi") ]] || { ls -lA "$XDG_RUNTIME_DIR/gabi"; return 1; }; }

nothing_runs() {
	[[ $("$gabi" ps --json) == '{"guests":[]}' ]] && [[ -z $("$gabi" ps) ]] && refused 3 'no guest of the name web' web status
}
it_is_found() {
	start web || return 1
	local contract
	contract=$("$gabi" show --digest "$XDG_RUNTIME_DIR/gabi/web/contract.json") &&
		[[ $(state_of web) == running && $("$gabi" ps --list) == web ]] &&
		[[ $(ctl web status --json | jq -r .contract) == "${contract%% *}" ]] &&
		[[ $(ctl web status --json | jq -c '[.cpus, .memory, .hyperv]') == '[2,67108864,false]' ]] &&
		"$gabi" ps | grep '^web .* running ' >/dev/null
}
the_name_is_taken() {
	local status=0
	"$gabi" run --force --name web "$guest" </dev/null >out 2>err || status=$?
	((status == 4)) && grep -q 'name web runs already' err && [[ $(state_of web) == running ]]
}
a_disk_is_one_guests() { # but one that nobody may write to is anybody's
	local status=0 first web=$started
	truncate -s 1M disk
	start first --disk disk || return 1
	first=$started started=$web
	"$gabi" run --force --disk disk "$guest" </dev/null >out 2>err || status=$?
	if ((status != 3 || $(wc -l <err) != 1)) || ! grep -q "the disk is another guest's already" err; then
		echo "status $status"
		cat err
		return 1
	fi
	ctl first quit && ends "$first" 1
}
a_name_of_the_image() {
	"$gabi" run --force --memory 64 "$guest" </dev/null >/dev/null 2>&1 &
	local first=$!
	running+=("$first")
	until [[ $(state_of guest-patient) == running ]]; do sleep 0.1; done
	ctl guest-patient quit && ends "$first" 1
}
wrong_orders() {
	refused 2 "no command 'dance'" web dance && refused 2 'NAME=NUMBER' web nmi vp=x && refused 2 'takes none' web pause vp=1 &&
		refused 2 'no such virtual processor' web nmi vp=2 && refused 2 'writes a file' web dump &&
		refused 2 'writes no file' web status -o file && refused 2 'no such trust level' web dump vtl=1 -o file &&
		refused 4 'not paused' web resume && refused 4 'no job' web cancel && refused 2 'is no name' ../web status && [[ ! -e file ]]
}
it_stands_still() {
	local before
	ctl web pause && [[ $(state_of web) == paused ]] || return 1
	before=$(total)
	sleep 0.3
	[[ $(total) == "$before" ]] && refused 4 'paused already' web pause && ctl web resume && [[ $(state_of web) == running ]] || return 1
	until (($(total) > before)); do sleep 0.1; done
}
every_processor_is_counted() {
	[[ $(ctl web counters --json | jq -c '[.vps[] | .ports > 0 and .mmio > 0 and .hypercalls == 0]') == '[true,true]' ]] &&
		"$gabi" top web | grep '^VP 1 ' >/dev/null && "$gabi" top | grep '^web ' >/dev/null
}
an_nmi_comes() {
	ctl web nmi && until grep -q nmi web.out; do sleep 0.1; done
	ctl web pause && ctl web nmi vp=0 && ctl web resume && until (($(grep -c nmi web.out) == 2)); do sleep 0.1; done
}
its_state_is_dumped() {
	ctl web dump -o state >out && [[ $(sed -n 's/^bytes: //p' out) == "$(stat -c %s state)" ]] &&
		[[ $("$gabi" state show --json state | jq -r .contract) == "$(ctl web status --json | jq -r .contract)" ]] || return 1
	"$gabi" ctl web dump -o nowhere/state 2>/dev/null && return 1
	[[ $(stat -c %a state) == 600 ]] || { echo 'others may read the guest'; return 1; }
	mkfifo pipe && refused 4 'pipe: cannot be written: it is no regular file' web dump -o pipe && [[ -p pipe ]] || return 1
	refused 4 'no regular file' web save -o pipe && refused 4 'no regular file' web dump -o . && [[ -p pipe ]] || return 1
	"$gabi" save web pipe 2>err && return 1
	grep -q 'no regular file' err && [[ -p pipe ]] || return 1
	[[ $(state_of web) == running && ! -e nowhere ]]
}
its_files_may_not_grow() { # which is no matter of the guest
	local monitor
	monitor=$(ctl web status --json | jq .pid)
	prlimit --pid "$monitor" --fsize=4096:unlimited || return 1
	refused 4 'File too large' web dump -o large && [[ $(state_of web) == running && ! -e large ]] || return 1
	prlimit --pid "$monitor" --fsize=unlimited:unlimited && ctl web dump -o large >out
}
hostile_clients() {
	python3 - "$XDG_RUNTIME_DIR/gabi/web/control" <<'END' || return 1
import os, random, socket, sys
random.seed(1)
kept = []
for n in range(300):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(30)
    kind = n % 5
    try:
        if kind == 0:
            s.sendall(random.randbytes(5000))
        elif kind == 1:
            s.sendall(b'{"do":"counters"}\n' * 200)
        elif kind == 2:
            socket.send_fds(s, [b'{"do":"status"}\n'], [0, 1, 2] * 20)
        elif kind == 3:
            s.sendall(b'[' * 4000 + b'\n')
    except OSError:
        pass
    kept.append(s)
    kept = kept[-40:]
END
	[[ $(state_of web) == running ]] && (($(find "/proc/$(ctl web status --json | jq .pid)/fd" | wc -l) < 60))
}
it_is_ended() {
	ctl web quit && ends "$started" 1 && grep -q 'ended through its socket' web.err && nothing_left
}
a_signal_ends_it() {
	start web && kill -TERM "$started" && ends "$started" 143 && nothing_left
}
# So many that one more has to wait come for it, and it takes none.
its_monitor_stands_still() {
	local monitor
	start web || return 1
	monitor=$(ctl web status --json | jq .pid)
	kill -STOP "$monitor"
	[[ $(state_of web) == silent ]] && refused 4 'web: its monitor does not answer' web status || return 1
	python3 - "$XDG_RUNTIME_DIR/gabi/web/control" <<'END' || return 1
import socket, sys
kept = []
try:
    while len(kept) < 4096:
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        s.connect(sys.argv[1])
        kept.append(s)
    sys.exit("connections without end are taken")
except BlockingIOError:
    pass
END
	refused 4 'which seems to stand still' web status && [[ $(state_of web) == silent ]] || return 1
	kill -CONT "$monitor"
	until [[ $(state_of web) == running ]]; do sleep 0.1; done
	ctl web quit && ends "$started" 1
}
its_monitor_is_killed() {
	start web || return 1
	kill -KILL "$(ctl web status --json | jq .pid)"
	ends "$started" 4 && grep -q 'monitor was ended by the signal Killed' web.err && nothing_left
}
all_of_it_is_killed() { # and nobody cleans up
	start web || return 1
	kill -KILL "$started"
	wait "$started" 2>/dev/null
	until [[ $(state_of web) == dead ]]; do sleep 0.1; done # all its threads must end first
	"$gabi" ps | grep '^web *dead' >/dev/null && refused 4 'monitor is dead' web status || return 1
	start web && [[ $(state_of web) == running ]] && ctl web quit && ends "$started" 1 && nothing_left
}
no_place() {
	local status=0
	XDG_RUNTIME_DIR=$work/none "$gabi" run --force "$guest" </dev/null >out 2>err || status=$?
	((status == 4)) && (($(wc -l <err) == 1)) && grep -q 'none/gabi cannot be made' err
	status=0
	"$gabi" run --force --name a/b "$guest" </dev/null >out 2>err || status=$?
	((status == 2)) && grep -q "'a/b' is no name of a guest" err
}

run_cases nothing_runs it_is_found the_name_is_taken a_disk_is_one_guests a_name_of_the_image wrong_orders it_stands_still every_processor_is_counted an_nmi_comes \
	its_state_is_dumped its_files_may_not_grow hostile_clients it_is_ended a_signal_ends_it its_monitor_stands_still its_monitor_is_killed all_of_it_is_killed no_place
