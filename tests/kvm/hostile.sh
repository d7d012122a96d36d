#!/bin/bash
# SPDX-License-Identifier: MIT
# hostile.sh GABI PATIENT HOSTILE: guests that do whatever a hostile kernel can, each by a seed of its own. However one ends, its monitor ends by
# itself with a status and a sentence that the manual knows; where it does not end, the monitor still listens; and another guest goes on all the while.
# shellcheck disable=SC2154,SC2317 # guests.sh has them; the cases are called by their names
here=$(dirname "$(readlink -f "$0")")
hostile=$(readlink -f "$3")
# shellcheck source=SCRIPTDIR/guests.sh
. "$here/guests.sh"
seeds=12 first=1
[[ -z ${GABI_SOAK:-} ]] || seeds=400 first=$RANDOM
ends='the guest ended itself with [0-9]+|the guest reported a crash|the guest crashed: a triple fault of processor [0-9]+ at 0x[0-9a-f]+|the guest was ended through its socket'
stops='KVM could not emulate an instruction, suberror 0x[0-9a-f]+, at 0x[0-9a-f]+|KVM stopped for a reason that it should not have, exit reason 0x[0-9a-f]+, at 0x[0-9a-f]+|the processor refused to enter the guest, reason 0x[0-9a-f]+, at 0x[0-9a-f]+|KVM refused to run a virtual processor: [a-zA-Z/ ]+'

ticks() { "$gabi" ctl --json other counters | jq '[.vps[].ports] | add'; }

# One that waits for ever is nobody's fault but its own: its monitor does as it is told.
wait_or_end() { # wait_or_end PROCESS
	local tries
	for ((tries = 0; tries < 80; tries++)); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	"$gabi" ctl hostile status >/dev/null && "$gabi" ctl hostile quit >/dev/null || ! kill -0 "$1" 2>/dev/null ||
		{ echo "the monitor does not listen any more"; kill -KILL "$1"; return 1; }
}

# A seed says how the machine is, too.
attack() { # attack SEED
	local seed=$1 options=(--cpus $((1 + $1 % 3))) line="seed=$1 steps=400 memory=32 nested=1" status=0 wanted
	((seed % 2)) || { options+=(--hyperv); line+=' hyperv=1'; }
	((seed % 3)) || options+=(--disk disk)
	"$gabi" run --force --memory 32 --name hostile "${options[@]}" --append "$line" "$hostile" </dev/null >hostile.out 2>hostile.err &
	local guest=$! listens=1
	wait_or_end "$guest" || listens=0
	wait "$guest" || status=$?
	case $status in
	0) wanted='^$' ;;
	1) wanted="^gabi: ($ends)\$" ;;
	4) wanted="^gabi: ($stops)\$" ;;
	*) wanted='no other status' ;;
	esac
	((listens)) && (($(wc -l <hostile.err) <= 1)) && grep -qE "$wanted" <<<"$(<hostile.err)" && return 0
	echo "seed $seed (${options[*]}): status $status: $(head -n 20 hostile.err)"
	return 1
}

whatever_they_do() {
	local seed before after failed=0
	truncate -s 1M disk
	start other || return 1
	before=$(ticks)
	for ((seed = first; seed < first + seeds; seed++)); do
		attack "$seed" || failed=1
	done
	after=$(ticks)
	((after > before)) || { echo "the other guest stands still"; failed=1; }
	"$gabi" ctl other quit >/dev/null
	[[ -z $(ls -A "$XDG_RUNTIME_DIR/gabi") ]] || { wait; [[ -z $(ls -A "$XDG_RUNTIME_DIR/gabi") ]]; } || { echo "something is left behind"; failed=1; }
	return $failed
}
run_cases whatever_they_do
