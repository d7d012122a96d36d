#!/bin/bash
# SPDX-License-Identifier: MIT
# purity.sh SYMBOL ARCHIVE CC: the archive with that symbol in it does no I/O. What its objects take from outside is memory, text
# and SHA-256, nothing else.
set -euo pipefail
symbol=$1
archive=$2
shift 2
read -ra cc <<<"$*" # with ccache before it, say
allowed='^(mem(cpy|move|set|cmp|chr)|str(len|cmp|ncmp|chr|rchr|spn|cspn|str|nlen)|malloc|calloc|realloc|free|qsort|bsearch'
allowed+='|SHA256(Init|Update|Final|Data)|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__cpu_(model|indicator_init|features2)'
allowed+='|gabi_fail|__(asan|ubsan|sanitizer|gcov)_.*|__mem(cpy|move|set)_chk)$'

# impure ARCHIVE: the names that its objects take from outside and may not
impure() {
	comm -23 <(nm -u "$1" | awk '$1 == "U" || $1 == "w" { print $2 }' | sort -u) \
		<(nm --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort -u) | grep -Ev "$allowed" || true
}

[[ -s $archive ]] || { echo "there is no $archive"; exit 1; }
nm "$archive" | grep " T $symbol\$" >/dev/null || { echo "$archive is another one: it has no $symbol"; exit 1; }
found=$(impure "$archive")
[[ -z $found ]] || { echo "$archive is not pure; it uses:"; echo "$found"; exit 1; }

# The check must see an object that is not pure.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '#include <stdio.h>
int planted(int n); int planted(int n) { return printf("%d", n); }' >"$work/planted.c"
"${cc[@]}" -c -o "$work/planted.o" "$work/planted.c"
ar rc "$work/planted.a" "$work/planted.o"
[[ $(impure "$work/planted.a") == printf ]] || { echo "the check does not see a planted printf"; exit 1; }
echo "pure"
