# shellcheck shell=bash disable=SC2154,SC2034 # a part of lab, with which it shares variables
# SPDX-License-Identifier: MIT
# gabi's own programs for the machines, and the manifests that one of them writes.

program=''

# One of gabi's static programs (lab/meson.build) for an architecture, in $program.
find_program() { # find_program ARCH NAME
	local arch=$1 lock
	local build=$source/build/lab-$arch root=$cache/root-$arch log=$source/build/lab-$arch.log
	local options=(-Dcommand=false --buildtype=release)
	program=$build/lab/$2
	if [[ $arch == arm64 ]]; then
		need aarch64-linux-gnu-gcc 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross'
		update_suite "$(own_suite)"
		cached "$root" fill_packages "$(own_suite)" libmd-dev:arm64
		printf "[constants]\nroot = '%s'\n" "$root" >"$cache/root-arm64.ini"
		options+=(--cross-file "$cache/root-arm64.ini" --cross-file "$lab/aarch64-linux-gnu.ini")
	fi
	mkdir -p "$source/build"
	exec {lock}>"$source/build/lab.lock"
	flock "$lock"
	{
		[[ -f $build/build.ninja ]] || meson setup "$build" "$source" "${options[@]}"
		ninja -C "$build" "lab/$2"
	} >"$log" 2>&1 || die "$2 does not build for $arch: see $log"
	exec {lock}>&-
}

# What the user calls a program, as a file in $program: a path, or the name of one of gabi's own.
name_program() { # name_program PROGRAM
	program=${1//'{arch}'/$arch}
	[[ $program == */* || -e $program ]] || find_program "$arch" "$program"
}

probe_into() { # probe_into FILE
	find_program "$arch" gabi-probe
	say "$host: Linux $version, CPU $cpu"
	run_on "$program" "$host" >"$1"
}

probe_one() { # probe_one HOST DIRECTORY
	local file=$2/$1.json
	prepare "$1"
	fresh=$file.new
	probe_into "$fresh" || die "$1 could not be probed"
	mv "$fresh" "$file"
}

build_of() { # build_of MANIFEST: the package version of its kernel
	sed -n 's/.*"kernel.build": "\(.*\)".*/\1/p' "$1"
}

# Does a fresh manifest equal the one that is there? Not to be known when Debian has gone on to another version.
check_one() { # check_one HOST DIRECTORY
	local file=$2/$1.json was
	[[ -f $file ]] || die "there is no $file to compare with"
	prepare "$1"
	was=$(build_of "$file")
	[[ $was == "$version" ]] || skip "$1: $file is of Linux $was, and Debian's $suite now has $version"
	fresh=$(mktemp "${TMPDIR:-/tmp}/gabi-lab.XXXXXX")
	probe_into "$fresh" || die "$1 could not be probed"
	diff -u "$file" "$fresh" >&2 || die "$1 differs from $file"
	say "$1 is as in $file"
}
