# shellcheck shell=bash disable=SC2154 # a part of lab, whose variables it uses
# SPDX-License-Identifier: MIT
# arm64: QEMU with an EL2 of its own.

arm64_arch() {
	echo arm64
}

arm64_needs() {
	need qemu-system-aarch64 qemu-system-arm
}

arm64_modules() {
	: # KVM is built in
}

arm64_machine() {
	echo 'before() { :; }; after() { :; }'
}

arm64_boot() {
	exec timeout -k 5 "$limit" qemu-system-aarch64 -nodefaults -display none -serial stdio -no-reboot \
		-accel tcg -machine "$machine" -cpu "$cpu" -m 1024 \
		-kernel "$1" -initrd "$2" -append 'console=ttyAMA0 quiet loglevel=0 nokaslr panic=-1'
}
