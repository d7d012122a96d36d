#!/bin/bash
# SPDX-License-Identifier: MIT
# lint.sh BUILD: looks over the code (clang-tidy), the manuals (mandoc) and the scripts (shellcheck). Says all, then fails.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit
build=$1
failed=0

note() {
	echo "lint: $1"
}

# What a fuzzer made of a script is none.
note 'scripts'
mapfile -t scripts < <(git ls-files ':!fuzz/corpus' | while read -r file; do
	[[ -f $file ]] && head -c 64 "$file" | head -n 1 | grep -aqE '^#(!.*\b(bash|sh)$| shellcheck shell=)' && echo "$file"
done)
((${#scripts[@]})) || { note 'no scripts were found'; exit 1; }
shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}" || failed=1

note 'manuals'
for page in man/*.[1-9]; do
	mandoc -T lint -W warning "$page" || failed=1
done

note 'code'
# What this machine's build compiles; the other architecture's files need its headers.
mapfile -t sources < <(git ls-files 'src/*.c' 'tools/*.c' | while read -r file; do
	grep -qF "/$file\"" "$build/compile_commands.json" && echo "$file"
done)
((${#sources[@]})) || { note 'no code was found'; exit 1; }
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$build" 2>/dev/null || failed=1

((failed)) && note 'there is something to mend' && exit 1
note 'nothing to mend'
