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
# measurement is off by a kHz now and then, and KVM takes it over.
amd_boot() {
	local sleep=off
	((!paced)) || sleep=on
	"${start[@]}" qemu-system-x86_64 "${qemu_common[@]}" -icount "shift=${GABI_LAB_SHIFT:-3},sleep=$sleep" -machine "$machine,hpet=off" \
		-smp "${GABI_LAB_CPUS:-1}" \
		-cpu "$cpu" -kernel "$1" -initrd "$2" \
		-append "console=ttyS0 tsc_early_khz=1000000 pmtmr=0 ${append[*]}"
}
