#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh GABI GUEST HYPERV: a guest runs on this machine's KVM and finds its devices; and what cannot be run is refused. What KVM shows of
# CPUID is not looked at here (--force), for some KVMs cannot keep a contract: tests/lab_run.sh does that.
# shellcheck disable=SC2317 # the cases are called by their names
set -uo pipefail
gabi=$(readlink -f "$1")
guest=$(readlink -f "$2")
hyperv=$(readlink -f "$3")
[[ -r /dev/kvm && -w /dev/kvm ]] || { echo "there is no /dev/kvm to use"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
printf hello >module

run() {
	timeout 600 "$gabi" run --force "$@" </dev/null >out 2>err
}

# good CPUS MIB [ARG]...: the guest finds that many processors and so much memory, and says that all is well
good() {
	local cpus=$1 memory=$2
	shift 2
	run --cpus "$cpus" --memory "$memory" --initrd module --append "cpus=$cpus memory=${memory%M} module=hello" "$@" "$guest" ||
		{ echo "status $?"; cat out err; return 1; }
	(($(grep -c '^ok ' out) >= 25)) && ! grep '^not ok' out
}

# fails STATUS TEXT ARG...: it ends so, and says one sentence with that text in it
fails() {
	local wanted=$1 text=$2 status=0
	shift 2
	run "$@" || status=$?
	if ((status != wanted)) || (($(wc -l <err) != 1)) || ! grep -qF -- "$text" err; then
		echo "status $status, and $wanted was expected with '$text': $*"
		cat err
		return 1
	fi
}

one_processor() { good 1 64; }
two_processors() { good 2 64; }
eight_processors() { good 8 64; }
five_gigabytes() { # KiB of upper memory end at 3 GiB
	run --memory 5G --append 'cpus=1 memory=5120' "$guest"
	grep -q 'not ok multiboot: upper memory in KiB: 0x2ffc00,' out && (($(grep -c '^not ok' out) == 1))
}
a_disk() { truncate -s 1M disk && good 1 64 --disk disk; }

# But for flushes, which are KVM's: not every KVM has them.
hyperv_of_the_engine() {
	if ! run --hyperv --cpus 2 --output contract.json --append 'cpus=2' "$hyperv" || (($(grep -c '^ok ' out) < 25)); then
		cat out err
		return 1
	fi
	"$gabi" show contract.json | grep -F 'hv-time-reference-tsc' >/dev/null
}
# KVM would want the VP assist page for it, which is the engine's: it is not offered, and a contract with it is refused.
no_evmcs() {
	local status=0
	"$gabi" run --force --hyperv --output plain.json "$hyperv" </dev/null >out 2>err
	! "$gabi" show plain.json | grep evmcs || return 1
	jq 'del(.digest) | walk(if type == "object" and has("0x40000004.0x0") then .["0x40000004.0x0"].eax = "0x00004e3f"
		| .["0x4000000a.0x0"].eax = "0x00000101" else . end)' plain.json >evmcs.json
	"$gabi" run --hyperv --contract evmcs.json "$hyperv" </dev/null >out 2>err || status=$?
	((status == 1)) && grep -q hv-evmcs out && grep -q 'was not started' err
}
# Where KVM nests it is tests/lab_run.sh's.
execute_protection() {
	fails 2 'no way to protect' --vsm --vsm-execute=x "$guest" && fails 2 'without --vsm' --vsm-execute=shim "$guest" || return 1
	[[ $(cat /sys/module/kvm_{amd,intel}/parameters/nested 2>/dev/null) == [1Y] ]] ||
		fails 4 'only where KVM nests' --vsm --vsm-execute=shim "$guest"
}
without_hyperv() { ! run --cpus 2 --append 'cpus=2' "$hyperv" && grep -q '^not ok CPUID: vendor' out; }

# A guest that ends itself with 1, since it finds another number of processors than it is told.
the_guests_status() { fails 1 'ended itself with 1' --append 'cpus=7 memory=512' "$guest"; }

# A KVM that cannot keep a contract says what differs, and how the guest is run nonetheless; one that can runs it.
kept_or_told() {
	local status=0
	timeout 600 "$gabi" run --append 'cpus=1 memory=512' "$guest" </dev/null >out 2>err || status=$?
	((status == 0)) && return
	((status == 4)) && (($(wc -l <err) == 1)) && grep -qE ' reads 0x[0-9a-f]+ where 0x[0-9a-f]+ is promised; --force runs it all the same$' err && return
	echo "status $status"
	cat err
	return 1
}

no_image() { fails 3 'cannot be opened' none; }
no_kernel() { head -c 100000 /dev/urandom >garbage && fails 3 'neither a Linux bzImage nor' garbage; }
empty() { : >empty && fails 3 'neither a Linux bzImage nor' empty; }
cut_off() {
	local len
	for len in 8000 9000 12000; do
		head -c "$len" "$guest" >short
		fails 3 'short' short || return 1
	done
}
too_little_memory() { truncate -s 8M module && fails 3 'give it more' --memory 4 --initrd module "$guest"; }
no_disk() { fails 3 'cannot be opened' --disk none "$guest"; }
a_directory_as_disk() { fails 3 'disk' --disk . "$guest"; }
wrong_numbers() {
	local text
	for text in 0 -1 241 x 1x ''; do
		fails 2 'number of processors' --cpus "$text" "$guest" || return 1
	done
	for text in 0 3 3M -1 x 1T 99999999999999999999 ''; do
		fails 2 'size of memory' --memory "$text" "$guest" || return 1
	done
}
no_contract() { fails 3 'none' --contract none "$guest"; }

failed=0
for case in one_processor two_processors eight_processors five_gigabytes a_disk hyperv_of_the_engine no_evmcs execute_protection without_hyperv the_guests_status kept_or_told no_image \
	no_kernel empty cut_off too_little_memory no_disk a_directory_as_disk wrong_numbers no_contract; do
	if "$case"; then
		echo "[       OK ] $case"
	else
		echo "[  FAILED  ] $case"
		failed=1
	fi
done
exit $failed
