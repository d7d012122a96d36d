# SPDX-License-Identifier: MIT
# Sourced: leaves in "$@" the unpacked kernel sources to look at, and in $dir a directory that goes away at the end. Without arguments, what
# is needed of every linux-source package installed under /usr/src. Exit 77 where there is none.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

if [ $# -eq 0 ]; then
	for archive in /usr/src/linux-source-*.tar.xz; do
		[ -e "$archive" ] || continue
		tree=$dir/$(basename "$archive" .tar.xz)
		mkdir "$tree"
		tar -xJf "$archive" -C "$tree" --strip-components=1 --wildcards '*/arch/x86/kvm/vmx' \
			'*/arch/x86/include/asm/vmx*.h' '*/arch/x86/include/asm/msr-index.h' '*/arch/x86/include/asm/hyperv-tlfs.h' \
			'linux-source-*/include/hyperv/*' 'linux-source-*/Makefile' 2>/dev/null || [ -e "$tree/Makefile" ]
		set -- "$@" "$tree"
	done
fi
if [ $# -eq 0 ]; then
	echo "no linux-source package is installed under /usr/src"
	exit 77
fi


version_of() { # TREE
	echo "$(sed -n 's/^VERSION = //p' "$1/Makefile").$(sed -n 's/^PATCHLEVEL = //p' "$1/Makefile")"
}

cut() { # FILE FIRST LAST: the lines between two patterns
	sed -n "/$2/,/$3/p" "$1"
}

