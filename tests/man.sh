#!/bin/bash
# SPDX-License-Identifier: MIT
# man.sh GABI SOURCE: the manual is well-formed, and says neither less nor more than there is: a page for every subcommand
# with every option of it, and every function of a header that has a page.
set -uo pipefail
gabi=$(readlink -f "$1")
cd "$2" || exit 1
failed=0
fail() {
	echo "$*"
	failed=1
}
command -v mandoc >/dev/null || { echo "mandoc is not installed"; exit 77; }
for page in man/*.[1-9]; do
	mandoc -T lint -W warning "$page" || fail "$page is not well-formed"
done
mapfile -t commands < <("$gabi" help --list)
((${#commands[@]} > 5)) || fail "gabi help --list lists no commands"
for command in "${commands[@]}"; do
	page=man/gabi-$command.1
	case $command in help | version) continue ;; esac
	[[ -f $page ]] || { fail "gabi $command has no $page"; continue; }
	grep -q "gabi-$command 1" man/gabi.1 || fail "man/gabi.1 does not name $page"
	diff <("$gabi" help --list "$command" | tr -d = | sort) \
		<(sed -n '/^\.Sh DESCRIPTION/,$p' "$page" | grep '^\.It' | grep -oE 'Fl -[a-z-]+' | sed 's/Fl -/--/' | sort -u) ||
		fail "$page: its options (>) are not those of gabi $command (<)"
done
for page in man/gabi_*.3 man/libgabi.3; do
	mapfile -t headers < <(sed -nE "s/^\.In (gabi\/[a-z0-9_]+\.h)$/include\/\1/p" "$page")
	((${#headers[@]})) || continue
	diff <(cat "${headers[@]}" | tr '\n' ' ' | grep -oE 'GABI_API [^;(]*\bgabi_[a-z0-9_]+\(' | grep -oE '\bgabi_[a-z0-9_]+\(' | tr -d '(' | sort -u) \
		<(sed -n 's/^\.Fo //p' "$page" | sort -u) ||
		fail "$page: its functions (>) are not those of its headers (<)"
done
mapfile -t orders < <("$gabi" ctl --list)
((${#orders[@]} > 5)) || fail "gabi ctl --list lists no commands"
# shellcheck disable=SC2016 # these are the backquotes of a table
diff <(printf '%s\n' "${orders[@]}" | sort) <(sed -n 's/^| `\([a-z]*\)` |.*|.*|$/\1/p' <(sed -n '/^## Commands/,/^## What/p' docs/control.md) | sort) ||
	fail "docs/control.md: its commands (>) are not those of gabi ctl (<)"
diff <(printf '%s\n' "${orders[@]}" | sort) <(sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' man/gabi-ctl.1 | sort) ||
	fail "man/gabi-ctl.1: its commands (>) are not those of gabi ctl (<)"
exit $failed
