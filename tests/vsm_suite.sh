#!/bin/bash
# SPDX-License-Identifier: MIT
# vsm_suite.sh SOURCE: docs/vsm-suite.md and the cases of guest/vsm name the same sections of the TLFS.
set -uo pipefail
cd "$1" || exit 1
failed=0
# Of the page on Virtual Secure Mode, and hypercalls and registers by their own names; other pages stand behind theirs.
mapfile -t cases < <(grep -ohE '"(vsm, [^"]+|HvCall[A-Za-z]+|HvRegister[A-Za-z]+|HV_[A-Z_]+)"' guest/vsm/*.c | tr -d '"' | sed 's/^vsm, //' | sort -u)
mapfile -t rows < <(sed -nE 's/^\| ([^|]+) \| ([^|]*) \| ([^|]*)\|$/\1|\2|\3/p' docs/vsm-suite.md | grep -v '^section|')
((${#cases[@]} > 30 && ${#rows[@]} > 30)) || { echo "there are ${#cases[@]} sections with cases, and ${#rows[@]} rows"; exit 1; }
named=$(printf '%s\n' "${cases[@]}")
sections=$(printf '%s\n' "${rows[@]}" | cut -d '|' -f 1)
for section in "${cases[@]}"; do
	grep -qxF "$section" <<<"$sections" || { echo "docs/vsm-suite.md has no row for $section"; failed=1; }
done
for row in "${rows[@]}"; do
	IFS='|' read -r section tried why <<<"$row"
	if [[ -n ${tried// } ]]; then
		grep -qxF "$section" <<<"$named" || { echo "docs/vsm-suite.md: no case names $section"; failed=1; }
	elif [[ -z ${why// } ]]; then
		echo "docs/vsm-suite.md: $section has neither a case nor a reason"
		failed=1
	fi
done
exit $failed
