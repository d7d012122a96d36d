# shellcheck shell=bash disable=SC2154,SC2034 # a part of lab, with which it shares variables
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

arm64_boot() {
	"${start[@]}" qemu-system-aarch64 "${qemu_common[@]}" -machine "$machine" -cpu "$cpu" -kernel "$1" -initrd "$2" \
		-append "console=ttyAMA0 ${append[*]}"
}
