# shellcheck shell=bash disable=SC2154,SC2034 # a part of lab, with which it shares variables
# SPDX-License-Identifier: MIT
# This machine itself, where it has KVM: nothing is booted, and the program has the kernel that is here.

native_arch() {
	dpkg --print-architecture
}

native_needs() {
	[[ -c /dev/kvm ]] || skip 'native: this machine has no /dev/kvm'
	[[ -r /dev/kvm && -w /dev/kvm ]] || skip 'native: /dev/kvm may not be opened by this user'
}

# Beside its files, as in a machine.
native_run() { # native_run PROGRAM [ARG]...
	local ended=0
	new_work
	mkdir "$work/out" || die_writing
	export LAB_OUT=$work/out
	install -m 755 "$1" "$work/program" || die_writing
	((${#files[@]} == 0)) || cp "${files[@]}" "$work" || die_writing
	(cd "$work" && exec setpriv --pdeathsig TERM timeout --foreground -k 5 "$limit" ./program "${@:2}" </dev/null) || ended=$?
	((ended != 124)) || die "native: the program took longer than $limit s (GABI_LAB_SECONDS)"
	[[ -z $out ]] || { mkdir -p "$out" && cp -r "$work/out/." "$out"; } || die "native: the program's files cannot be written into $out"
	return $ended
}
