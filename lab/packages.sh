# shellcheck shell=bash disable=SC2154,SC2034 # a part of lab, with which it shares variables
# SPDX-License-Identifier: MIT
# Kernels and other packages of any suite of Debian, as apt verifies them: fetched, unpacked into the cache, never installed.

apt_with() { # apt_with SUITE|SUITE-source COMMAND...: one of apt's commands with a state of its own
	local state=$cache/apt/$1 command=$2
	shift 2
	"$command" -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$state/sources" \
		-o Dir::State::lists="$state/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$state" \
		-o APT::Architectures=amd64,arm64 -o APT::Sandbox::User=root "$@"
}

# The machine's own source of Debian with another suite in it, so that the same mirror and the same keys serve.
other_suite() { # other_suite SUITE deb|deb-src DIRECTORY
	local files
	mapfile -t files < <(find /etc/apt -maxdepth 2 -type f \( -name '*.sources' -o -name '*.list' \) | sort)
	awk -v own="$(own_suite)" -v suite="$1" -v type="$2" -v dir="$3" '
		function has(list, word) { return index(" " list " ", " " word " ") }
		FILENAME ~ /\.sources$/ && /^[[:space:]]*$/ { flush() ; next }
		FILENAME != last { flush(); last = FILENAME }
		/^#/ { next }
		FILENAME ~ /\.list$/ && $1 == "deb" {
			sub(/arch=[^] ]*/, "")
			if (match($0, /\[[^]]*\]/)) { options = substr($0, RSTART, RLENGTH); rest = substr($0, RSTART + RLENGTH) }
			else { options = ""; rest = substr($0, 4) }
			split(rest, field, " ")
			if (field[2] == own && !done++) print type, options, field[1], suite, "main" > (dir "/own.list")
		}
		FILENAME ~ /\.sources$/ {
			if (tolower($1) == "suites:") { if (has(substr($0, 8), own)) right = 1; $0 = "Suites: " suite }
			if (tolower($1) == "components:") $0 = "Components: main"
			if (tolower($1) == "types:") $0 = "Types: " type
			if (tolower($1) != "architectures:") stanza = stanza $0 "\n"
		}
		function flush() {
			if (right && !done++) printf "%s", stanza > (dir "/own.sources")
			stanza = ""; right = 0
		}
		END { flush(); exit !done }
	' "${files[@]}" /dev/null
}

# Brings the suite's list of packages, or of source packages, up to date, once a day.
update_suite() { # update_suite SUITE|SUITE-source
	local state=$cache/apt/$1 type=deb
	[[ $1 != *-source ]] || type=deb-src
	[[ -z $(find "$state/updated" -mmin -1440 2>/dev/null) ]] || return 0
	[[ -z ${GABI_LAB_OFFLINE:-} ]] || return 0
	rm -rf "$state/sources"
	mkdir -p "$state/sources" "$state/lists/partial" "$state/archives/partial"
	other_suite "${1%-source}" "$type" "$state/sources" || skip "apt has no source of Debian on this machine that could serve for $1"
	say "reading Debian's list of packages for $1"
	if apt_with "$1" apt-get update >"$state/log" 2>&1; then
		touch "$state/updated"
	else
		say "the list of $1 cannot be renewed: $(tail -n 1 "$state/log")"
	fi
}

record_of() { # record_of SUITE PACKAGE FIELD: from the newest version's record; nothing if there is none
	{ apt_with "$1" apt-cache show --no-all-versions "$2" 2>/dev/null || true; } | sed -n "s/^$3: //p" | sed -n 1p
}

# Unpacks a package into a directory.
unpack() { # unpack SUITE PACKAGE:ARCHITECTURE DIRECTORY
	local temporary=$3.download log=$cache/apt/$1/log why
	rm -rf "$temporary"
	mkdir -p "$temporary" "$3"
	say "fetching $2 of $1"
	(cd "$temporary" && apt_with "$1" apt-get download "$2") >"$log" 2>&1 ||
		skip "$2 of $1 cannot be fetched: $(tail -n 1 "$log")"
	why=$(dpkg-deb -x "$temporary"/*.deb "$3" 2>&1) || skip "$2 of $1 cannot be unpacked: $(tail -n 1 <<<"$why")"
	rm -rf "$temporary"
}

# Fetches the upstream part of a source package into a directory.
fetch_source() { # fetch_source SUITE PACKAGE DIRECTORY
	local log=$cache/apt/$1-source/log
	mkdir -p "$3"
	say "fetching the source of $2 of $1"
	(cd "$3" && apt_with "$1-source" apt-get source --download-only --tar-only "$2") >"$log" 2>&1 ||
		skip "the source of $2 of $1 cannot be fetched: $(tail -n 1 "$log")"
}

# Makes a directory of the cache by a command that fills it, whole or not at all.
cached() { # cached DIRECTORY COMMAND ARG...: calls COMMAND DIRECTORY.new ARG...
	local directory=$1 command=$2
	shift 2
	[[ ! -d $directory ]] || return 0
	partial=$directory.new
	rm -rf "$partial" "$partial.download"
	mkdir -p "$partial"
	"$command" "$partial" "$@"
	mv "$partial" "$directory"
	partial=
}

own_suite() {
	# shellcheck source=/dev/null
	(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
}

fill_packages() { # fill_packages DIRECTORY SUITE PACKAGE:ARCHITECTURE...
	local directory=$1 of=$2 package
	shift 2
	for package; do
		unpack "$of" "$package" "$directory"
	done
}

# ---- kernels ----

# The packages of the newest kernel of a suite: one, or from Debian 14 on one for each part.
kernel_packages() { # kernel_packages SUITE ARCH
	local image
	image=$(record_of "$1" "linux-image-$2:$2" Depends | grep -o 'linux-image-[^ ,]*' | sed -n 1p)
	record_of "$1" "$image:$2" Depends | grep -oE 'linux-(binary|modules)-[^ ,]*' || echo "$image"
}

fill_kernel() { # fill_kernel DIRECTORY SUITE ARCH PACKAGE...
	local directory=$1 of=$2 for=$3
	shift 3
	fill_packages "$directory" "$of" "${@/%/:$for}"
	# Most of a kernel is drivers that no emulated machine has.
	find "$directory" \( -path '*/kernel/sound' -o -path '*/kernel/drivers/gpu' -o -path '*/kernel/drivers/media' \
		-o -path '*/kernel/drivers/infiniband' -o -path '*/kernel/drivers/net/wireless' -o -path '*/usr/share' \) \
		-prune -exec rm -rf {} +
}

# The directory of the host's kernel, in $kernel, and its package version, in $version. A record in the cache says which that
# is, until there is a later list of packages to look into.
kernel='' version=''
find_kernel() {
	local record=$cache/kernels/$line-$arch.version packages
	mkdir -p "$cache/kernels"
	update_suite "$suite"
	if [[ ! -f $record || $cache/apt/$suite/updated -nt $record ]]; then
		version=$(record_of "$suite" "linux-image-$arch:$arch" Version)
		if [[ $version == "$line".* ]]; then
			mapfile -t packages < <(kernel_packages "$suite" "$arch")
			cached "$cache/kernels/$version-$arch" fill_kernel "$suite" "$arch" "${packages[@]}"
			echo "$version" >"$record"
		fi
	fi
	if [[ ! -f $record ]]; then
		[[ -n $version ]] || skip "$host: its kernel is not in $cache, and apt has no list of Debian's $suite"
		skip "$host: Debian's $suite has Linux $version, no longer $line; $kernels says what to look for"
	fi
	version=$(<"$record")
	kernel=$cache/kernels/$version-$arch
}

# The directory of a busybox of the host's architecture, in $busybox.
busybox=''
find_busybox() {
	local of
	of=$(own_suite)
	busybox=$cache/busybox-$arch
	if [[ ! -d $busybox ]]; then
		update_suite "$of"
		cached "$busybox" fill_packages "$of" "busybox-static:$arch"
	fi
	busybox=$(dirname "$(find "$busybox/" -type f -name busybox -path '*bin/*' -print -quit)")
}
