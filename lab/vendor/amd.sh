# shellcheck shell=bash disable=SC2154 # a part of lab, whose variables it uses
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

amd_machine() {
	echo 'before() { :; }; after() { :; }'
}

# -icount makes a nanosecond of one instruction, so that the TSC runs at 1 GHz, and skips idle time. The kernel is told so
# and finds nothing to measure the TSC against: its own measurement is off by a kHz now and then, and KVM takes it over.
amd_boot() {
	exec timeout -k 5 "$limit" qemu-system-x86_64 -nodefaults -display none -serial stdio -no-reboot \
		-accel tcg -icount shift=0,sleep=off -machine "$machine,hpet=off" -cpu "$cpu" -m 1024 -kernel "$1" -initrd "$2" \
		-append 'console=ttyS0 quiet loglevel=0 nokaslr panic=-1 tsc_early_khz=1000000 pmtmr=0'
}
