#!/bin/bash
# SPDX-License-Identifier: MIT
# lab_run.sh SOURCE GUEST WHAT HOST: the monitor in the lab, on an unmodified kernel with real KVM, under a contract that is held.
# WHAT is "pc", "hyperv", "vsm" or "shim": our guest looks at its machine, at Hyper-V's interface, or has trust levels, without or with protection of execution; or "linux" or "linux-hyperv": the host's own
# kernel boots in it to busybox, without Hyper-V's interface or with it, uses its devices and switches itself off.
# shellcheck disable=SC2317 # WHAT chooses what is run
set -uo pipefail
source=$(readlink -f "$1")
guest=$(readlink -f "$2")
what=$3 host=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
program=$("$source/lab/lab" program amd64 gabi-run) || exit
files=$("$source/lab/lab" files "$host") || exit
kernel=$(sed -n 1p <<<"$files")
busybox=$(find "$(sed -n 2p <<<"$files")" -type f -name busybox -print -quit)
failed=0

# says TEXT...: the machine's output has a line with each
says() {
	local text
	for text; do
		if grep -qF -- "$text" out; then
			echo "[       OK ] $text"
		else
			echo "[  FAILED  ] nothing says: $text"
			failed=1
		fi
	done
}

# A guest's ticks are emulated twice: on a slow host they would leave no time for anything else.
boot() { # boot FILE... -- ARG...
	local files=()
	while [[ $1 != -- ]]; do
		files+=("$1")
		shift
	done
	GABI_LAB_SECONDS=${GABI_LAB_SECONDS:-900} GABI_LAB_SHIFT=0 "$source/lab/lab" run "$host" "${files[@]}" "$@" >out 2>err
	status=$?
	cat err >>out
	((status == 0)) || { echo "[  FAILED  ] status $status"; tail -n 40 out; exit $((status == 77 ? 77 : 1)); }
	says 'the contract: fits'
}

run_pc() {
	cp "$guest" guest
	printf hello >module
	boot guest module -- "$program" -c 4 -m 64 -i module -a 'cpus=4 memory=64 module=hello topology=4' guest
	says 'INIT and startup IPIs: all others run' 'a hypervisor is there' ', 0x0 bad'
}

# Emulated nested paging flushes more than a processor does: a guest sees no stale entry even where nobody flushed. So KVM is asked what it was told.
run_hyperv() {
	local asked
	cp "$guest" guest
	cat >both <<'END'
#!/bin/sh
trace=/sys/kernel/tracing
/bin/busybox mount -t tracefs trace $trace
for event in kvm_hv_flush_tlb kvm_hv_flush_tlb_ex; do echo 1 >$trace/events/kvm/$event/enable || exit; done
./gabi-run -H -c 2 -m 64 -a 'cpus=2 flush=1' guest </dev/null || exit
/bin/busybox grep -o 'kvm_hv_flush_tlb.*' $trace/trace
END
	boot guest "$program" -- "$work/both"
	says 'flush: it reads through the old one again' 'reference TSC: runs with the reference counter' ', 0x0 bad'
	asked=$(grep -c '^kvm_hv_flush_tlb: processor_mask 0x2 ' out)
	if ((asked == 2)); then
		echo '[       OK ] KVM was asked for both flushes, of processor 1'
	else
		echo "[  FAILED  ] KVM was asked for $asked of 2 flushes of processor 1"
		failed=1
	fi
}

# seconds NAME: what `time` said of that: real, user or sys
seconds() {
	awk -v name="$1" '$1 == name { sub(/s$/, "", $3); sub(/m$/, "", $2); print $2 * 60 + $3 }' out
}

# The levels switch so often that a machine with a nanosecond an instruction is the quickest. Behind that all four processors wait, for six seconds;
# not on Bochs' newer processors, which tell another frequency than their TSC's: there a second is 35 of Bochs'.
run_vsm() {
	cp "$guest" guest
	local soak=2000 xcr0=0 waits=1
	[[ -z ${GABI_SOAK:-} ]] || soak=300000
	[[ $host != intel-* ]] || soak=0 xcr0=1
	[[ $host != intel-[!h]* ]] || waits=0
	cat >both <<END
#!/bin/sh
box=/bin/busybox
\$box mount -t debugfs debugfs /sys/kernel/debug
run() {
	>runs
	while [ -e runs ]; do \$box cat /sys/kernel/debug/kvm/pages_2m; \$box sleep 0.1; done | \$box sort -n | \$box tail -n 1 >most &
	./gabi-run -V 2 -m 64 -c 4 -a "xcr0=$xcr0 cpus=4 soak=$soak" guest </dev/null && echo "the \$1 is done" || exit
	\$box rm runs
	wait
	echo "the \$1: at most \$(\$box cat most) large pages"
}
pages=/sys/kernel/mm/transparent_hugepage/shmem_enabled
echo never >\$pages
run first
[ $soak = 0 ] || { echo always >\$pages && run second && echo never >\$pages; } || exit
[ $waits = 0 ] || time ./gabi-run -V 2 -m 64 -c 4 -a 'cpus=4 idle=6000' guest </dev/null
END
	boot guest "$program" -- "$work/both"
	grep ' refusals ' out
	says 'EnableVpVtl' 'VTL call: VTL 1 goes on' 'the intercept: the page' ', 0x0 bad' 'the first is done' 'the first: at most 0 large pages'
	if ((soak)); then
		says 'the second is done'
		# all 16 stretches of the soak, in VTL 0 before the first is protected
		awk '/^the second: at most/ { most = $5 } END { exit most < 16 }' out || { echo '[  FAILED  ] the second ran over small pages'; failed=1; }
		grep '^the second: at most' out
	fi
	((waits)) || return
	says 'waiting: its timer ends it'
	echo "four processors wait: $(seconds real) s, of which this machine worked $(seconds user) s and $(seconds sys) s"
	awk -v real="$(seconds real)" -v user="$(seconds user)" -v sys="$(seconds sys)" 'BEGIN { exit !(real > 6 && (user + sys) * 4 < real) }' ||
		{ echo '[  FAILED  ] processors that wait keep this machine busy'; failed=1; }
}

# The same under the shim, with what it can do more.
run_shim() {
	local soak=2000
	[[ -z ${GABI_SOAK:-} ]] || soak=300000
	cp "$guest" guest
	boot guest -- "$program" -V 2 -X -m 64 -c 4 -a "cpus=4 soak=$soak execute=1" guest
	grep ' refusals ' out
	says 'the intercept: the page' 'execution: where it is forbidden' 'a page of code: is executed without an intercept' "SVM's instructions: are undefined" \
		'soak: no write is lost, and none is made twice' ', 0x0 bad'
}

# What the guest does at the end of its boot; modules come in the order in which they need each other.
make_initrd() {
	local module file applet
	mkdir -p root/bin root/proc root/sys root/dev root/modules
	cp "$busybox" root/bin/busybox
	for applet in cat date dd dmesg grep head insmod mount nproc poweroff sed sort sync wc; do
		ln -s busybox "root/bin/$applet"
	done
	for module in rng-core virtio_mmio virtio_blk virtio-rng; do
		file=$(find "$kernel" \( -name "$module.ko" -o -name "$module.ko.xz" \) -print -quit)
		[[ -n $file ]] || continue # built in
		case $file in
		*.xz) xz -dc "$file" >"root/modules/$module.ko" ;;
		*) cp "$file" "root/modules/$module.ko" ;;
		esac
		echo "$module" >>root/modules/list
	done
	cat >root/init <<'END'
#!/bin/busybox sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
echo "guest: the disk's device is $(cat /sys/bus/platform/devices/LNRO0005:02/modalias)"
for module in $(cat /modules/list); do insmod /modules/$module.ko; done
echo "guest: $(nproc) processors, $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo "guest: the disk says: $(head -c 12 /dev/vda)"
echo 'from the guest' | dd of=/dev/vda bs=512 seek=3 conv=sync 2>/dev/null
sync
echo 3 >/proc/sys/vm/drop_caches
echo "guest: the disk keeps: $(dd if=/dev/vda bs=512 skip=3 count=1 2>/dev/null | head -c 14)"
echo "guest: random: $(head -c 64 /dev/hwrng | wc -c) bytes"
echo 'guest: by virtio' >/dev/hvc0
echo "guest: year $(date +%Y)"
dmesg | grep -E 'Hyper-V' | sed 's/^\[.*\] /guest: dmesg: /'
sed -n 's/^Clock Event Device: /guest: timer: /p' /proc/timer_list | sort -u
dmesg | grep -iE 'ACPI (BIOS )?(error|warning)|firmware bug' | sed 's/^/guest: complains: /'
poweroff -f
END
	chmod 755 root/init root/bin/busybox
	(cd root && find . -print0 | cpio --null -o -H newc --quiet -R 0:0) | gzip -1 >initrd
}

boot_linux() { # boot_linux PROCESSORS [OPTION]
	local cpus=$1
	shift
	cp "$(find "$kernel" -name 'vmlinuz*' -print -quit)" vmlinuz
	make_initrd
	truncate -s 1M disk
	printf 'on the disk!' | dd of=disk conv=notrunc status=none
	boot vmlinuz initrd disk -- "$program" "$@" -c "$cpus" -m 256 -i initrd -d disk -a 'console=ttyS0 quiet panic=-1' vmlinuz
	says "guest: the disk's device is acpi:LNRO0005:" "guest: $cpus processors" 'guest: the disk says: on the disk!' 'guest: the disk keeps: from the guest' \
		'guest: random: 64 bytes' 'guest: by virtio' "guest: year $(date -u +%Y)" 'the guest switched itself off'
	if grep -F 'guest: complains' out; then
		failed=1
	fi
}

# With two processors an emulated host mostly comes to no end in 10 minutes: what one of them has the other do waits for the host's scheduler, and waiting
# by PAUSE is what its emulator is slowest at.
run_linux() {
	if [[ -n ${GABI_SOAK:-} ]]; then boot_linux 2; else boot_linux 1; fi
}

run_linux_hyperv() {
	boot_linux 2 -H
	says 'guest: 2 processors, hyperv_clocksource_tsc_page' 'guest: dmesg: Hyper-V: privilege flags' 'guest: timer: Hyper-V clockevent'
}

"run_${what//-/_}"
exit $failed
