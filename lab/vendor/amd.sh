# shellcheck shell=bash disable=SC2154,SC2034 # a part of lab, with which it shares variables
# SPDX-License-Identifier: MIT
# AMD: QEMU, which has SVM and nested paging of its own.

amd_arch() {
	echo amd64
}

amd_needs() {
	need qemu-system-x86_64 qemu-system-x86
}

amd_modules() {
	echo kvm-amd nested=1
}

# -icount makes 8 nanoseconds of each instruction, and skips idle time unless the machine must keep pace with others: the TSC
# runs at 1 GHz, and time is what the program does, whatever else this machine has to do. (1 nanosecond doubles the time to
# boot: the kernel waits by counting.) The kernel is told the frequency and finds nothing to measure it against: its own
# measurement is off by a kHz now and then, and KVM takes it over. Without -icount time and TSC are this machine's.
amd_boot() {
	local sleep=off khz=1000000 count=()
	((!paced)) || sleep=on
	if [[ ${GABI_LAB_SHIFT:=3} == none ]]; then
		khz=$(awk -F: '/^cpu MHz/ { printf "%d", $2 * 1000; exit }' /proc/cpuinfo)
	else
		count=(-icount "shift=$GABI_LAB_SHIFT,sleep=$sleep")
	fi
	"${start[@]}" qemu-system-x86_64 "${qemu_common[@]}" "${count[@]}" -machine "$machine,hpet=off" -smp "${GABI_LAB_CPUS:-1}" \
		-cpu "$cpu" -kernel "$1" -initrd "$2" \
		-append "console=ttyS0 tsc_early_khz=$khz pmtmr=0 ${append[*]}"
}
