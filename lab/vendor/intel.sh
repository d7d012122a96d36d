# shellcheck shell=bash disable=SC2154,SC2034 # a part of lab, with which it shares variables
# SPDX-License-Identifier: MIT
# Intel: Bochs, the one emulator with VMX of its own. It boots from a CD, and its clock is the count of instructions.

intel_arch() {
	echo amd64
}

intel_needs() {
	need g++ g++
	need make make
	need patch patch
	need xorriso xorriso
	find_bochs
}

intel_modules() {
	echo kvm-intel nested=1
}

# Bochs of trixie, built from Debian's source with our patch, in $bochs; the firmware and the boot loader with it.
bochs=''
find_bochs() {
	bochs=$cache/bochs-$(cat "$lab"/bochs/* | sha256sum | head -c 12)
	[[ ! -d $bochs ]] || return 0
	update_suite trixie
	update_suite trixie-source
	cached "$bochs" fill_bochs
}

fill_bochs() { # fill_bochs DIRECTORY
	local directory=$1 log=$cache/bochs.log
	fill_packages "$directory" trixie bochsbios:all vgabios:all isolinux:all syslinux-common:all
	mkdir -p "$directory/source" "$directory/build"
	fetch_source trixie bochs "$directory/source"
	say "building Bochs (a minute or two, once)"
	"$lab/bochs/build" "$directory"/source/*.orig.tar.* "$directory/build" >"$log" 2>&1 || die "Bochs does not build: see $log"
	mv "$directory/build/bochs" "$directory/bochs"
	rm -rf "$directory/build" "$directory/source"
}

intel_iso() { # intel_iso KERNEL INITRD APPEND ISO
	local root=$work/iso
	mkdir -p "$root/isolinux"
	cp "$1" "$root/kernel"
	mv "$2" "$root/initrd"
	cp "$bochs/usr/lib/ISOLINUX/isolinux.bin" "$bochs/usr/lib/syslinux/modules/bios/ldlinux.c32" "$root/isolinux"
	printf '%s\n' 'DEFAULT linux' 'LABEL linux' 'KERNEL /kernel' 'INITRD /initrd' "APPEND $3" >"$root/isolinux/isolinux.cfg"
	xorriso -as mkisofs -quiet -o "$4" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
		-boot-info-table "$root" >"$work/xorriso" 2>&1
	rm -rf "$root"
}

intel_network() {
	[[ -n $port ]] || return 0
	echo 'pci: enabled=1, chipset=i440fx, slot3=e1000'
	echo "e1000: enabled=1, mac=$(mac_address), ethmod=socket, ethdev=$port"
}

intel_boot() {
	local com1='mode=file, dev=/dev/fd/3' sync=none
	((!paced)) || sync=slowdown
	((!interactive)) || com1="mode=term, dev=$(tty)"
	intel_iso "$1" "$2" "console=ttyS0,115200 rodata=off $told ${append[*]}" "$work/iso.img"
	cat >"$work/bochsrc" <<-END
		display_library: nogui
		cpu: model=$cpu, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
		megs: 512
		romimage: file=$bochs/usr/share/bochs/BIOS-bochs-latest
		vgaromimage: file=$bochs/usr/share/vgabios/vgabios.bin
		ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
		ata0-master: type=cdrom, path=$work/iso.img, status=inserted
		boot: cdrom
		com1: enabled=1, $com1
		$(intel_network)
		speaker: enabled=0
		log: $work/bochs.log
		clock: sync=$sync, time0=1000000000
		panic: action=fatal
		error: action=ignore
		info: action=ignore
		debug: action=ignore
	END
	export BXSHARE=$bochs/usr/share/bochs
	"${start[@]}" "$bochs/bochs" -q -f "$work/bochsrc" 3>&1 >"$work/bochs.out"
}
