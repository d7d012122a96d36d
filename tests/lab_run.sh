#!/bin/bash
# SPDX-License-Identifier: MIT
# lab_run.sh SOURCE HOST [WHAT GUEST]...: the monitor in the lab, on an unmodified kernel with real KVM, under a contract that is held. All of it in one
# boot of the host, one after the other. What comes to no end takes nothing else with it: the host is booted again for what is left.
# WHAT is "pc", "hyperv", "vsm" or "shim": our guest looks at its machine, at Hyper-V's interface, or has trust levels, without or with protection of
# execution; "facts": it asks KVM's own Hyper-V and ours the same, and tests/lab_facts.sh compares; or, with - for a GUEST, "linux" or "linux-hyperv": the host's own
# kernel boots in it to busybox, without Hyper-V's interface or with it, uses its devices and switches itself off.
# shellcheck disable=SC2317 # WHAT chooses what is run
set -uo pipefail
source=$(readlink -f "$1")
host=$2
limit=${GABI_LAB_SECONDS:-900} # for each, the boot with the first
declare -A guest_of=()
waiting=()
for ((i = 3; i < $#; i += 2)); do
	waiting+=("${!i}")
	at=$((i + 1))
	guest_of[${!i}]=$(readlink -f "${!at}")
done
((${#waiting[@]})) || { echo 'usage: lab_run.sh SOURCE HOST [WHAT GUEST]...'; exit 1; }
work=$(mktemp -d)
lab=
trap '[[ -z $lab ]] || kill "$lab" 2>/dev/null; wait; rm -rf "$work"' EXIT
mkdir "$work/files"
cd "$work" || exit 1
program=$("$source/lab/lab" program amd64 gabi-run) || exit
unpacked=$("$source/lab/lab" files "$host") || exit
kernel=$(sed -n 1p <<<"$unpacked")
busybox=$(find "$(sed -n 2p <<<"$unpacked")" -type f -name busybox -print -quit)
failed=0

# ---- what is said of each check, as cmocka says it ----

verdict() { # verdict OK|FAILED CHECK [WHY]
	local word='     OK'
	[[ $1 == OK ]] || { word=' FAILED '; failed=1; }
	printf '[ RUN      ] %s: %s\n' "$what" "$2"
	[[ -z ${3:-} ]] || printf '%s\n' "$3"
	printf '[ %8s ] %s: %s\n' "$word" "$what" "$2"
}

# says TEXT...: its output has a line with each
says() {
	local text
	for text; do
		if grep -qF -- "$text" "$out"; then
			verdict OK "$text"
		else
			verdict FAILED "$text" 'nothing says so'
		fi
	done
}

holds() { # holds CHECK COMMAND...: the command succeeds; what it prints says why not
	local check=$1 why
	shift
	if why=$("$@" 2>&1); then
		verdict OK "$check"
		[[ -z $why ]] || printf '%s\n' "$why"
	else
		verdict FAILED "$check" "$why"
	fi
}

# ---- each WHAT: prepare_WHAT prints what runs it, beside which its files lie; check_WHAT looks at its output, $out ----

# A guest's ticks are emulated twice: on a slow host they would leave no time for anything else.
prepare_pc() {
	printf hello >files/module
	echo "./gabi-run -c 4 -m 64 -i module -a 'cpus=4 memory=64 module=hello topology=4' guest-pc"
}

check_pc() {
	says 'INIT and startup IPIs: all others run' 'a hypervisor is there' ', 0x0 bad'
}

# Emulated nested paging flushes more than a processor does: a guest sees no stale entry even where nobody flushed. So KVM is asked what it was told.
prepare_hyperv() {
	cat <<'END'
trace=/sys/kernel/tracing
/bin/busybox mount -t tracefs trace $trace
for event in kvm_hv_flush_tlb kvm_hv_flush_tlb_ex; do echo 1 >$trace/events/kvm/$event/enable || exit; done
./gabi-run -H -c 2 -m 64 -a 'cpus=2 flush=1' guest-hyperv || exit
/bin/busybox grep -o 'kvm_hv_flush_tlb.*' $trace/trace
echo 0 >$trace/events/kvm/enable
END
}

check_hyperv() {
	says 'flush: it reads through the old one again' 'reference TSC: runs with the reference counter' ', 0x0 bad'
	holds 'KVM was asked for both flushes, of processor 1' asked_for_flushes 2
}

asked_for_flushes() {
	local asked
	asked=$(grep -c '^kvm_hv_flush_tlb: processor_mask 0x2 ' "$out")
	((asked == $1)) || { echo "it was asked for $asked of $1"; return 1; }
}

# The levels switch so often that a machine with a nanosecond an instruction is the quickest. Behind that all four processors wait, for six seconds;
# not on Bochs' newer processors, which tell another frequency than their TSC's: there a second is 35 of Bochs'.
vsm_soak=2000 vsm_xcr0=0 vsm_waits=1
[[ -z ${GABI_SOAK:-} ]] || vsm_soak=300000
[[ $host != intel-* ]] || vsm_soak=0 vsm_xcr0=1
[[ $host != intel-[!h]* ]] || vsm_waits=0
prepare_vsm() {
	cat <<END
box=/bin/busybox
\$box mount -t debugfs debugfs /sys/kernel/debug
run() {
	>runs
	while [ -e runs ]; do \$box cat /sys/kernel/debug/kvm/pages_2m; \$box sleep 0.1; done | \$box sort -n | \$box tail -n 1 >most &
	./gabi-run -V 2 -m 64 -c 4 -a "xcr0=$vsm_xcr0 cpus=4 soak=$vsm_soak" guest-vsm
	status=\$?
	\$box rm runs
	wait
	[ \$status = 0 ] && echo "the \$1 is done" && echo "the \$1: at most \$(\$box cat most) large pages"
}
pages=/sys/kernel/mm/transparent_hugepage/shmem_enabled
echo never >\$pages
run first || exit
[ $vsm_soak = 0 ] || { echo always >\$pages; run second; status=\$?; echo never >\$pages; [ \$status = 0 ]; } || exit
[ $vsm_waits = 0 ] || time ./gabi-run -V 2 -m 64 -c 4 -a 'cpus=4 idle=6000' guest-vsm
END
}

check_vsm() {
	grep ' refusals ' "$out"
	says 'EnableVpVtl' 'VTL call: VTL 1 goes on' 'the intercept: the page' ', 0x0 bad' 'the first is done' 'the first: at most 0 large pages'
	if ((vsm_soak)); then
		says 'the second is done'
		holds 'the second ran over large pages' ran_over_large_pages
	fi
	((vsm_waits)) || return
	says 'waiting: its timer ends it'
	holds 'processors that wait leave the machine alone' leaves_alone
}

# all 16 stretches of the soak, in VTL 0 before the first is protected
ran_over_large_pages() {
	awk '/^the second: at most/ { print; most = $5 } END { exit most < 16 }' "$out"
}

# seconds NAME: what `time` said of that: real, user or sys
seconds() {
	awk -v name="$1" '$1 == name { sub(/s$/, "", $3); sub(/m$/, "", $2); print $2 * 60 + $3 }' "$out"
}

leaves_alone() {
	echo "four processors wait: $(seconds real) s, of which the machine worked $(seconds user) s and $(seconds sys) s"
	awk -v real="$(seconds real)" -v user="$(seconds user)" -v sys="$(seconds sys)" 'BEGIN { exit !(real > 6 && (user + sys) * 4 < real) }'
}

# The same under the shim, with what it can do more.
prepare_shim() {
	local soak=2000
	[[ -z ${GABI_SOAK:-} ]] || soak=300000
	echo "./gabi-run -V 2 -X -m 64 -c 4 -a 'cpus=4 soak=$soak execute=1' guest-shim"
}

check_shim() {
	grep ' refusals ' "$out"
	says 'the intercept: the page' 'execution: where it is forbidden' 'a page of code: is executed without an intercept' "SVM's instructions: are undefined" \
		'soak: no write is lost, and none is made twice' ', 0x0 bad'
}

# One guest under one contract on both. What is left out of it KVM's own does not have, on older kernels with one thing more.
prepare_facts() {
	local without=hv-sint-polling-mode,hv-hypercall-msr-lock,hv-as-switch,hv-local-tlb-flush,hv-system-reset
	[[ $host != *-linux-6.1 ]] || without+=,hv-extended-hypercalls
	cat <<END
./gabi-run -H -x $without -o contract -c 2 || exit
./gabi-run -H -p contract -c 2 -m 64 -a cpus=2 guest-facts >ours && ./gabi-run -p contract -c 2 -m 64 -a cpus=2 guest-facts >kvm
status=\$?
/bin/busybox sed 's/^/ours: /' ours
/bin/busybox sed 's/^/kvm: /' kvm
exit \$status
END
}

check_facts() {
	sed -n 's/^ours: //p' "$out" >ours
	sed -n 's/^kvm: //p' "$out" >kvm
	holds "KVM's own Hyper-V and ours differ as foretold" "$source/tests/lab_facts.sh" "$source" "$host" ours kvm
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
	(cd root && find . -print0 | cpio --null -o -H newc --quiet -R 0:0) | gzip -1 >files/initrd
	rm -r root
}

prepare_boot() { # prepare_boot PROCESSORS [OPTION]
	local cpus=$1
	shift
	cp "$(find "$kernel" -name 'vmlinuz*' -print -quit)" files/vmlinuz
	make_initrd
	truncate -s 1M "files/disk-$what"
	printf 'on the disk!' | dd "of=files/disk-$what" conv=notrunc status=none
	echo "./gabi-run $* -c $cpus -m 256 -i initrd -d disk-$what -a 'console=ttyS0 quiet panic=-1' vmlinuz"
}

check_boot() { # check_boot PROCESSORS
	says "guest: the disk's device is acpi:LNRO0005:" "guest: $1 processors" 'guest: the disk says: on the disk!' 'guest: the disk keeps: from the guest' \
		'guest: random: 64 bytes' 'guest: by virtio' "guest: year $(date -u +%Y)" 'the guest switched itself off'
	holds 'the guest has nothing to complain of' does_not_complain
}

does_not_complain() { ! grep -F 'guest: complains' "$out"; }

# Two processors wait for each other by PAUSE, which the emulator is slowest at: so the host's scheduler looks every 0.2 ms, and not every 4. And KVM's own end of
# interrupts by memory is left out: with it the emulated processor delivers interrupts twice, where it counts instructions, and a guest waits for itself (docs/bench.md).
prepare_linux() {
	cat <<END
sched=/sys/kernel/debug/sched
/bin/busybox mount -t debugfs debugfs /sys/kernel/debug
read -r slice <\$sched/base_slice_ns
echo 200000 >\$sched/base_slice_ns
echo HRTICK >\$sched/features
./gabi-run -o contract-linux -x kvm-pv-eoi -c 2 || exit
$(prepare_boot 2 -p contract-linux)
status=\$?
echo NO_HRTICK >\$sched/features
echo \$slice >\$sched/base_slice_ns
/bin/busybox umount /sys/kernel/debug
exit \$status
END
}
check_linux() { check_boot 2; }

prepare_linux_hyperv() { prepare_boot 2 -H; }
check_linux_hyperv() {
	check_boot 2
	says 'guest: 2 processors, hyperv_clocksource_tsc_page' 'guest: dmesg: Hyper-V: privilege flags' 'guest: timer: Hyper-V clockevent'
}

# ---- all of them ----

prepare() { # prepare WHAT
	what=$1
	[[ ! -f ${guest_of[$what]} ]] || cp "${guest_of[$what]}" "files/guest-$what" || exit 1
	{ echo '#!/bin/sh' && "prepare_${what//-/_}"; } >"files/run-$what" || exit 1
	chmod 755 "files/run-$what"
}

check() { # check WHAT STATUS: it ended with that one, or with a sentence why it did not
	what=$1 out=$work/$1.out
	if [[ $2 != 0 ]]; then
		verdict FAILED 'it comes to its end' "$(tail -n 40 "$out"; echo "$what: ${2/#[0-9]/status &}")"
		return
	fi
	says 'the contract: fits'
	"check_${what//-/_}"
}

# In the machine: a line before each and one behind, whatever it left of a line itself.
write_all() { # write_all WHAT...
	local each
	echo '#!/bin/sh'
	for each; do
		cat <<END
echo; echo '@begins $each'
./run-$each </dev/null 2>&1; status=\$?
echo; echo "@ends \$status"
END
	done
}

end_lab() { # its status is the function's
	exec {console}<&-
	[[ $1 != now ]] || kill "$lab" 2>/dev/null
	wait "$lab"
	local status=$?
	lab=
	return $status
}

# Boots the host for all that wait, and takes those off that had their turn. Whoever is silent at its limit ends with the machine.
boot() {
	local line now='' why='' status=0 began=$SECONDS
	write_all "${waiting[@]}" >all
	exec {console}< <(GABI_LAB_SECONDS=$((limit * ${#waiting[@]})) GABI_LAB_SHIFT=0 exec "$source/lab/lab" run "$host" files/. "$program" -- "$work/all" 2>err)
	lab=$!
	while :; do
		IFS= read -r -t $((began + limit > SECONDS ? began + limit - SECONDS : 1)) line <&"$console" || { (($? > 128)) && why="no end after $limit s"; break; }
		case $line in
		'@begins '*) now=${line#@begins } began=$SECONDS waiting=("${waiting[@]:1}") && : >"$work/$now.out" ;;
		'@ends '*) check "$now" "${line#@ends }" && now='' began=$SECONDS ;;
		*) [[ -z $now ]] || printf '%s\n' "$line" >>"$work/$now.out" ;;
		esac
		((SECONDS - began < limit)) || { why="no end after $limit s"; break; }
	done
	end_lab "${why:+now}" || status=$?
	[[ -z $now ]] || check "$now" "the machine stopped in it: ${why:-$(tail -n 1 err)}"
	return $status
}

for each in "${waiting[@]}"; do prepare "$each"; done
while ((${#waiting[@]})); do
	left=${#waiting[@]} status=0
	boot || status=$?
	((${#waiting[@]} < left)) && continue
	what=$host
	((status != 77 || failed)) || { tail -n 1 err; exit 77; }
	verdict FAILED "it runs ${waiting[*]}" "status $status: $(tail -n 5 err)"
	break
done
exit $failed
