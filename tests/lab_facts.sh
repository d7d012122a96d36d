#!/bin/bash
# SPDX-License-Identifier: MIT
# lab_facts.sh SOURCE GUEST HOST [NAME]: one guest under one contract, on KVM's own Hyper-V and on ours, on an unmodified kernel in the lab.
# Where its facts differ, a row of tests/hyperv_facts.tsv says so and who is right; a difference without a row fails, and a row without
# its difference too. NAME: promises beside those below that this host's KVM does not have. The host has one processor, on which the
# guest's two take turns: with two, which QEMU emulates one after the other, Linux 6.1 does not come through its own start. No entry of a
# TLB outlives such a turn, so of stale entries this says nothing: tests/lab_run.sh asks KVM what it was told to flush.
set -uo pipefail
source=$(readlink -f "$1")
guest=$(readlink -f "$2")
host=$3
without=hv-sint-polling-mode,hv-hypercall-msr-lock,hv-as-switch,hv-local-tlb-flush,hv-system-reset${4:+,$4}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
program=$("$source/lab/lab" program amd64 gabi-run) || exit

cp "$guest" guest
cat >both <<END
#!/bin/sh
./gabi-run -H -x $without -o contract -c 2 &&
./gabi-run -H -p contract -c 2 -m 64 -a cpus=2 guest </dev/null >\$LAB_OUT/ours &&
./gabi-run -p contract -c 2 -m 64 -a cpus=2 guest </dev/null >\$LAB_OUT/kvm
END
GABI_LAB_SECONDS=900 GABI_LAB_SHIFT=0 "$source/lab/lab" run "$host" --out . "$program" guest -- "$work/both" >out 2>&1
status=$?
((status == 77)) && { tail -n 1 out; exit 77; }
((status == 0)) || { echo "status $status"; tail -n 20 out ours kvm; exit 1; }

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
read_facts ours ours
read_facts kvm kvm
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
