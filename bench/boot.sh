#!/bin/bash
# SPDX-License-Identifier: MIT
# boot.sh SOURCE [PROCESSORS]...: how long Debian's kernel takes to its first process under the monitor, without Hyper-V's interface and with it, and under
# QEMU with the same KVM, on a host of the lab with one processor; with 1 and 2 processors, unless others are named. From starting the VMM on. One JSON line a case, beside the machine of QEMU's that was
# the quickest. An emulated host counts instructions, its own and the guest's: a nanosecond is one.
set -uo pipefail
source=$(readlink -f "$1") host=amd-epyc-linux-6.12
shift
qemu=$(command -v qemu-system-x86_64) || { echo 'qemu-system-x86_64 (package qemu-system-x86) is not installed'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
program=$("$source/lab/lab" program amd64 gabi-run) || exit
files=$("$source/lab/lab" files "$host") || exit
mapfile -t files <<<"$files"

make_initrd() {
	mkdir -p root/bin root/proc
	cp "$(find "${files[1]}" -type f -name busybox -print -quit)" root/bin/busybox
	cat >root/init <<'END'
#!/bin/busybox sh
echo 'the first process'
/bin/busybox poweroff -f
END
	chmod 755 root/init root/bin/busybox
	(cd root && find . -print0 | cpio --null -o -H newc --quiet -R 0:0) | gzip -1 >tree/initrd
}

# QEMU with its libraries, as they lie on this machine, and its firmware.
make_tree() {
	local library directory file
	mkdir -p tree/data
	cp "$qemu" tree/qemu
	cp "$program" tree/gabi-run
	cp "$(find "${files[0]}" -name 'vmlinuz*' -size +1M -print -quit)" tree/vmlinuz
	while read -r library; do
		(cd / && cp -L --parents "${library#/}" "$work/tree")
	done < <(ldd "$qemu" | sed -nE 's/^[^/]*(\/[^ ]+) .*/\1/p')
	while read -r directory; do
		for file in bios-256k.bin bios-microvm.bin linuxboot_dma.bin kvmvapic.bin; do
			[[ ! -e $directory/$file ]] || cp -L "$directory/$file" tree/data
		done
	done < <("$qemu" -L help)
	cat >each <<'END'
#!/bin/sh
# each PROCESSORS
cpus=$1
for applet in mkfifo rm sleep; do
	eval "$applet() { /bin/busybox $applet \"\$@\"; }"
done

up() { # in hundredths of a second
	read -r now rest </proc/uptime
	echo "${now%.*}${now#*.}"
}

boot() { # boot NAME COMMAND...
	what=$1
	shift
	mkfifo /told
	begin=$(up)
	"$@" </dev/null >/told 2>&1 &
	while read -r line; do
		case $line in
		*'the first process'*) echo "boot	$cpus	$what	$(($(up) - begin))" ;;
		*) echo "$what: $line" >&2 ;;
		esac
	done </told
	wait $!
	rm /told
}

# Two processors wait for each other by PAUSE, which the emulator is slowest at: so the host's scheduler looks every 0.2 ms, and not every 4. And KVM's own end of
# interrupts by memory is left out: with it a guest of two processors comes to no end on an emulated host, QEMU's as ours (docs/bench.md).
model=host
set -- # what ours has then
[ $cpus = 1 ] || {
	/bin/busybox mount -t debugfs debugfs /sys/kernel/debug
	echo 200000 >/sys/kernel/debug/sched/base_slice_ns
	echo HRTICK >/sys/kernel/debug/sched/features
	/gabi-run -o /contract -x kvm-pv-eoi -c $cpus || exit
	model=host,-kvm-pv-eoi
	set -- -p /contract
}
append='console=ttyS0 quiet panic=-1'
boot 'gabi run' /gabi-run "$@" -c $cpus -m 256 -i /initrd -a "$append" /vmlinuz
boot 'gabi run --hyperv' /gabi-run -H -c $cpus -m 256 -i /initrd -a "$append" /vmlinuz
for machine in q35 microvm; do
	boot $machine /qemu -L /data -M $machine,accel=kvm -cpu $model -smp $cpus -m 256 -nodefaults -display none -no-reboot -serial stdio \
		-kernel /vmlinuz -initrd /initrd -append "$append"
done
END
}

make_tree
make_initrd
version=$("$qemu" --version | sed -nE '1s/.*version ([0-9.]+).*/\1/p')
(($# > 0)) || set -- 1 2
for count; do
	GABI_LAB_SECONDS=${GABI_LAB_SECONDS:-1200} GABI_LAB_SHIFT=0 "$source/lab/lab" run "$host" "$work/tree/." -- "$work/each" "$count" >>out 2>>err ||
		{ status=$?; tail -n 5 err >&2; exit $status; }
done
awk -F '\t' -v OFS='\t' -v qemu="QEMU $version" -v host="$host" '
	$1 != "boot" { next }
	$3 ~ /^gabi/ { ours[++count] = $2; name[count] = $3; took[count] = $4; next }
	!($2 in best) || $4 < best[$2] { best[$2] = $4; peer[$2] = qemu ", " $3 }
	END {
		for (i = 1; i <= count; i++) {
			cpus = ours[i]
			printf "{\"bench\":\"boot\",\"case\":\"Linux 6.12 to its first process, %s, processors: %d\",\"n\":1,\"ns_per_op\":%d0000000,\"peer\":\"%s\",\"peer_ns\":%d0000000,\"ratio\":%.3g,\"data\":\"%s\"}\n",
				name[i], cpus, took[i], peer[cpus], best[cpus], took[i] / best[cpus], host
		}
		exit !count
	}' out
