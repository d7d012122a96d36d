#!/bin/bash
# SPDX-License-Identifier: MIT
# lab_facts.sh SOURCE HOST OURS KVM: what one guest under one contract was told on that host by our Hyper-V and by KVM's own (tests/lab_run.sh).
# Where its facts differ, a row of tests/hyperv_facts.tsv says so and who is right; a difference without a row fails, and a row without
# its difference too. The host has one processor, on which the guest's two take turns: with two, which QEMU emulates one after the other, Linux 6.1 does not come
# through its own start. No entry of a TLB outlives such a turn, so of stale entries this says nothing: tests/lab_run.sh asks KVM what it was told to flush.
set -uo pipefail
source=$1 host=$2

# Facts by their names, which are unique; of the guest's own judgement there is one line.
declare -A ours=() kvm=()
read_facts() { # read_facts FILE ARRAY
	local -n into=$2
	local line name
	grep -q '^ok the guest came to its end' "$1" || { echo "$1: the guest did not come to its end"; tail -n 3 "$1"; exit 1; }
	while IFS= read -r line; do
		name=${line%: *}
		[[ ! -v into[$name] ]] || { echo "$1: two facts are called '$name'"; exit 1; }
		into["$name"]=${line##*: }
	done < <(tr -d '\r' <"$1" | sed -n 's/^fact //p')
}
read_facts "$3" ours
read_facts "$4" kvm
((${#ours[@]} > 300)) || { echo "there are only ${#ours[@]} facts"; exit 1; }

mapfile -t rows < <(grep -v '^#' "$source/tests/hyperv_facts.tsv")
declare -A used=()
failed=0

# is_foretold NAME KVM OURS
is_foretold() {
	local row hosts name theirs own
	for row in "${rows[@]}"; do
		IFS=$'\t' read -r hosts name theirs own _ <<<"$row"
		# shellcheck disable=SC2053 # they are patterns
		if [[ $host == $hosts && $1 == $name && $2 == $theirs && $3 == $own ]]; then
			used[$row]=1
			return 0
		fi
	done
	return 1
}

different=0
for name in "${!ours[@]}"; do
	[[ -v kvm[$name] ]] || { echo "[  FAILED  ] KVM's own does not say: $name"; failed=1; continue; }
	[[ ${ours[$name]} != "${kvm[$name]}" ]] || continue
	different=$((different + 1))
	is_foretold "$name" "${kvm[$name]}" "${ours[$name]}" ||
		{ echo "[  FAILED  ] $name: KVM's own says ${kvm[$name]}, ours ${ours[$name]}, and no row knows of it"; failed=1; }
done
for name in "${!kvm[@]}"; do
	[[ -v ours[$name] ]] || { echo "[  FAILED  ] ours does not say: $name"; failed=1; }
done
for row in "${rows[@]}"; do
	# shellcheck disable=SC2053 # a pattern
	if [[ $host == ${row%%$'\t'*} && ! -v used[$row] ]]; then
		echo "[  FAILED  ] it is not so any more: $row"
		failed=1
	fi
done
# What must be so of both: a stale entry in a TLB and an interrupt that is lost are no matter of opinion.
for name in "${!ours[@]}"; do
	[[ $name == *'no stale entry' || $name == *'comes to all that it is for' ]] || continue
	[[ ${ours[$name]} == yes && ${kvm[$name]:-} == yes ]] || { echo "[  FAILED  ] $name: KVM's own ${kvm[$name]:-}, ours ${ours[$name]}"; failed=1; }
done
echo "${#ours[@]} facts, $different of them differ as foretold by ${#used[@]} rows"
exit $failed
