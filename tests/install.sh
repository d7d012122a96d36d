#!/bin/bash
# SPDX-License-Identifier: MIT
# install.sh BUILD SOURCE CC...: what is installed is enough to build a program against it, and shows no more than it should.
set -euo pipefail
build=$1
source=$2
cc=("${@:3}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

meson install -C "$build" --no-rebuild --quiet --destdir "$work" >/dev/null
config=$(find "$work" -name libgabi.pc)
[[ $config ]] || { echo "libgabi.pc is not installed"; exit 1; }
libdir=$(dirname "$(dirname "$config")")
export PKG_CONFIG_PATH=$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work LD_LIBRARY_PATH=$libdir

# The example, against the shared libraries and against the static ones.
read -ra flags < <(pkg-config --cflags --libs libgabi-formats)
"${cc[@]}" -std=c11 -Wall -Wextra -Werror -o "$work/example" "$source/docs/example.c" "${flags[@]}"
gabi=$(find "$work" -path '*/bin/gabi')
hosts=$source/data/hosts
"$gabi" pin "$hosts/amd-epyc-rome-linux-7.2.json" --name web -o "$work/web.json"
[[ $("$work/example" "$work/web.json" "$hosts/amd-epyc-rome-linux-7.2.json") == fits ]]
"$work/example" "$work/web.json" "$hosts/amd-epyc-rome-linux-5.10.json" >"$work/out" && { echo "it should not fit"; exit 1; }
grep -q '^missing: vmcb-clean: promised yes, the host has no; ' "$work/out"
for name in libgabi libgabi-formats libgabi-xml libgabi-kvm; do
	pkg-config --validate $name && [[ $(pkg-config --modversion $name) == $(pkg-config --modversion libgabi) ]]
done

# The forms of all that --json writes.
for schema in "$source"/data/schema/*.json; do
	[[ $(find "$work" -path "*/share/gabi/schema/${schema##*/}") ]] || { echo "${schema##*/} is not installed"; exit 1; }
done

# The small VMM; where there is a KVM to use it runs a guest of eight instructions, and refuses a contract of another machine.
read -ra flags < <(pkg-config --cflags --libs libgabi-kvm libgabi-formats)
"${cc[@]}" -std=c11 -Wall -Wextra -Werror -o "$work/vmm" "$source/docs/vmm.c" "${flags[@]}"
(($(wc -l <"$source/docs/vmm.c") < 300))
if [[ -r /dev/kvm && -w /dev/kvm ]]; then
	printf '\xb0h\xe6\xe9\xb0i\xe6\xe9\xb0\n\xe6\xe9\xb0\x07\xe6\xf4' >"$work/image" # mov al, 'h'; out 0xe9, al; ...; out 0xf4, al
	status=0
	"$work/vmm" --unverified "$work/image" >"$work/out" || status=$?
	[[ $(cat "$work/out") == hi ]] && ((status == 7))
	status=0
	"$work/vmm" "$work/image" "$work/web.json" >"$work/out" || status=$?
	((status == 1)) && grep -q '^the contract on this machine: does not fit$' "$work/out"
else
	echo "there is no /dev/kvm to use: docs/vmm.c is built and not run"
fi

# A C++ program can include every header, where there is a C++ compiler.
if command -v g++ >/dev/null; then
	printf '#include <gabi/%s>\n' "$(cd "$source/include/gabi" && printf '%s\n' *.h | paste -sd ' ' | sed 's/ />\\n#include <gabi\//g')" |
		sed 's/\\n/\n/g' >"$work/all.cc"
	# shellcheck disable=SC2046 # words are wanted
	g++ -fsyntax-only $(pkg-config --cflags libgabi) "$work/all.cc"
fi

# Every symbol has the version, is called gabi_, and every function that a header shows is there.
shown=$work/shown
: >"$shown"
for name in gabi gabi-formats gabi-xml gabi-kvm; do
	nm -D --defined-only "$libdir/lib$name.so" | awk '$2 != "A" { print $3 }' >"$work/symbols"
	[[ -s $work/symbols ]]
	grep -vE '^gabi_[a-z0-9_]+@@GABI_[0-9.]+$' "$work/symbols" && { echo "lib$name.so shows what it should not"; exit 1; }
	sed 's/@.*//' "$work/symbols" >>"$shown"
	[[ -L $libdir/lib$name.so && $(readelf -d "$libdir/lib$name.so") == *"Library soname: [lib$name.so.0]"* ]]
done
sort "$shown" | uniq -d | grep . && { echo "two libraries show the same"; exit 1; }
grep -hoE '\bGABI_API [^;(]*\bgabi_[a-z0-9_]+\(' "$source"/include/gabi/*.h | grep -oE 'gabi_[a-z0-9_]+\($' | tr -d '(' | sort -u >"$work/declared"
[[ -s $work/declared ]]
sort -u "$shown" | diff "$work/declared" - || { echo "what headers declare (<) and what libraries show (>) differ"; exit 1; }

# The manual and the completions are where man and the shells look.
for file in share/man/man1/gabi.1 share/man/man1/gabi-check.1 share/man/man3/libgabi.3 share/bash-completion/completions/gabi \
	share/zsh/site-functions/_gabi; do
	[[ -s ${gabi%bin/gabi}$file ]] || { echo "$file is not installed"; exit 1; }
done
