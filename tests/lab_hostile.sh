#!/bin/bash
# SPDX-License-Identifier: MIT
# lab_hostile.sh SOURCE HOSTILE TRAVELLER HOST: guests that do whatever a hostile kernel can, each by a seed of its own, without Hyper-V's interface, with
# it and with trust levels, of which VTL 1 joins in. Each ends with a status and a sentence of the monitor's, never by a signal; and a guest beside
# them, which looks after its memory, clocks and interrupts, finds all as it was.
set -uo pipefail
source=$(readlink -f "$1")
host=$4
[[ -n ${GABI_SOAK:-}${GABI_SEEDS:-} ]] || { echo "takes many minutes: ./dev soak runs it, or GABI_SEEDS with as many seeds"; exit 77; }
seeds=${GABI_SEEDS:-120} first=${GABI_SEED:-1}
[[ -n ${GABI_SEEDS:-} ]] || first=${GABI_SEED:-$RANDOM}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$2" "$work/hostile"
cp "$3" "$work/traveller"
cd "$work" || exit 1
program=$("$source/lab/lab" program amd64 gabi-run) || exit

cat >attack <<END
#!/bin/sh
/bin/busybox mkfifo keys
/bin/busybox dd if=/dev/zero of=disk bs=1024 count=64 2>/dev/null
./gabi-run -c 1 -m 64 -a 'cpus=1 pages=64 every=64' traveller <keys >\$LAB_OUT/other 2>&1 &
exec 5>keys
until /bin/busybox grep -q . \$LAB_OUT/other; do /bin/busybox usleep 100000; done
seed=$first
while [ \$seed -lt $((first + seeds)) ]; do
	case \$((seed % 3)) in
	0) options= line= ;;
	1) options=-H line='hyperv=1 direct=1' ;;
	2) options='-V 2' line='hyperv=1 direct=1 vsm=1' ;;
	esac
	/bin/busybox timeout 1 ./gabi-run -m 32 -c \$((1 + seed % 2)) \$options -d disk -a "seed=\$seed steps=1500 memory=32 \$line" hostile </dev/null 2>err >/dev/null
	echo "seed \$seed: \$? \$options: \$(/bin/busybox sed 's/^gabi-run: //' err | /bin/busybox tr '\n' ';')"
	seed=\$((seed + 1))
done
echo q >&5
wait \$!
echo "other: \$?"
END
GABI_LAB_SECONDS=${GABI_LAB_SECONDS:-$((600 + seeds * 60))} GABI_LAB_SHIFT=0 "$source/lab/lab" run "$host" --out . hostile traveller "$program" -- "$work/attack" >out 2>&1
status=$?
((status == 77)) && { tail -n 1 out; exit 77; }
((status == 0)) || { echo "status $status"; tail -n 20 out; exit 1; }

# 143: it went on until it was stopped, as a guest may that waits for what does not come.
at='0x[0-9a-f]+'
ends="(the guest switched itself off|the guest wanted a reset|the guest wrote to the exit port|the guest reported a crash|the guest crashed: a triple fault of processor [0-9]+ at $at"
ends+="|KVM could not emulate an instruction, suberror $at, at $at|KVM stopped for a reason that it should not have, exit reason $at, at $at|the processor refused to enter the guest, reason $at, at $at|KVM refused to run a virtual processor: [a-zA-Z/ ]+)"
failed=0
bad=$(grep '^seed' out | grep -vE "^seed [0-9]+: ([01] [-VH2 ]*: the contract: fits;$ends [0-9]+;|143 [-VH2 ]*: the contract: fits;(Terminated;)?)\$")
[[ -z $bad ]] || { printf '[  FAILED  ] %s\n' "$bad"; failed=1; }
(($(grep -c '^seed' out) == seeds)) || { echo "[  FAILED  ] not all of $seeds guests ran"; failed=1; }
(($(grep -c '^seed [0-9]*: 143' out) * 3 <= seeds)) || { echo '[  FAILED  ] most guests do not come to an end'; failed=1; }
if ! grep -q '^other: 0$' out || ! grep -q ', 0x0 bad' other; then
	echo '[  FAILED  ] the guest beside them:'
	tail -n 5 other
	failed=1
fi
sed -n 's/^seed [0-9]*: //p' out | sed -E "s/$at/.../g" | sort | uniq -c
exit $failed
