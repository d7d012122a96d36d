#!/bin/bash
# SPDX-License-Identifier: MIT
# vsm.sh SOURCE GUEST [HOST [shim]]: what trust levels cost on a host of the lab, or `native`: this machine's own KVM. One JSON line a case: what the guest sees,
# beside an OUT to a device in the same run, with one virtual processor and with four; what the kernel's own calls cost; and protections, beside the kernel's
# call for the same pages. Without HOST it is native where that can be, else an emulated one, which counts instructions: there ns are
# instructions, of the host and of the guest together. shim: the same with the lower levels under the shim.
set -uo pipefail
source=$(readlink -f "$1") guest=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
for name in gabi-run gabi-costs; do
	program=$("$source/lab/lab" program amd64 "$name") || exit
	cp "$program" "$name"
done
cp "$guest" guest
shim='' execute=''
[[ ${4:-} != shim ]] || shim=-X execute=execute=1
cat >all <<END
#!/bin/sh
./gabi-run -V 2 $shim -m 64 -a 'costs=1 $execute' guest </dev/null && ./gabi-run -V 2 $shim -c 4 -m 64 -a 'cpus=4 costs=1 $execute' guest </dev/null && ./gabi-costs
END

# measure HOST: not 0 where it cannot have trust levels
measure() {
	GABI_LAB_SECONDS=1500 GABI_LAB_SHIFT=0 "$source/lab/lab" run "$1" gabi-run gabi-costs guest -- "$work/all" >out 2>err </dev/null
}

if (($# > 2)); then
	host=$3
	measure "$host"
else
	host=native
	measure native || { host=amd-epyc-linux-6.12 && measure "$host"; }
fi
status=$?
((status == 0)) || { tail -n 1 err >&2; exit "$status"; }
tr -d '\r' <out | sed -nE 's/^cost: (.*): (0x[0-9a-f]+), (.*): (0x[0-9a-f]+)$/\1\t\2\t\3\t\4/p' >rows
(($(cut -f 3 rows | sort -u | wc -l) == 4)) || { echo 'a part of the costs is missing' >&2; exit 1; }
while IFS=$'\t' read -r name ticks peer_name peer; do
	printf '{"bench":"vsm","case":"%s","n":1,"ns_per_op":%d,"peer":"%s","peer_ns":%d,"ratio":%s,"data":"%s"}\n' \
		"$name" "$ticks" "$peer_name" "$peer" "$(awk -v a="$((ticks))" -v b="$((peer))" 'BEGIN { printf "%.3g", a / b }')" "$host"
done <rows
