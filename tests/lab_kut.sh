#!/bin/bash
# SPDX-License-Identifier: MIT
# lab_kut.sh SOURCE HOST: kvm-unit-tests' tests of Hyper-V on ours, in the lab. KVM_UNIT_TESTS names a directory where they are built.
set -uo pipefail
source=$(readlink -f "$1")
host=$2
tests=(hyperv_synic hyperv_connections hyperv_stimer 'hyperv_stimer direct' hyperv_clock)
[[ -n ${KVM_UNIT_TESTS:-} ]] || { echo "${#tests[@]} tests are not run: KVM_UNIT_TESTS names no directory of built kvm-unit-tests"; exit 77; }
built=$(readlink -f "$KVM_UNIT_TESTS")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
program=$("$source/lab/lab" program amd64 gabi-run) || exit

echo '#!/bin/sh' >run
for test in "${tests[@]}"; do
	name=${test%% *}
	[[ -f $built/x86/$name.flat ]] || { echo "$built/x86/$name.flat is not there"; exit 1; }
	cp "$built/x86/$name.flat" .
	echo "echo 'test: $test'; ./gabi-run -H -c 2 -m 128 -a '$test' $name.flat </dev/null 2>&1; echo \"status \$?\"" >>run
done
GABI_LAB_SECONDS=1200 GABI_LAB_SHIFT=5 "$source/lab/lab" run "$host" "$program" ./*.flat -- "$work/run" 2>&1 | tr -d '\r' >out
status=${PIPESTATUS[0]}
((status == 77)) && { tail -n 1 out; exit 77; }
((status == 0)) || { echo "status $status"; tail -n 20 out; exit 1; }

# A test that skips itself has tested nothing.
failed=0
for test in "${tests[@]}"; do
	part=$(sed -n "/^test: $test\$/,/^status /p" out)
	if grep -qx 'status 0' <<<"$part" && grep -q '^PASS: ' <<<"$part" && ! grep -qE '^(FAIL|SKIP): ' <<<"$part"; then
		echo "[       OK ] $test: $(grep -c '^PASS: ' <<<"$part") checks"
	else
		printf '[  FAILED  ] %s\n%s\n' "$test" "$part"
		failed=1
	fi
done
exit $failed
