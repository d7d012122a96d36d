#!/bin/bash
# SPDX-License-Identifier: MIT
# lab.sh SOURCE: the lab's table and data/hosts name the same hosts; wrong use of the lab is told in a sentence.
set -uo pipefail
cd "$1" || exit
failed=0

same() { # same WHAT A B
	if [[ -z $2 || $2 != "$3" ]]; then
		echo "$1 differ:"
		diff <(echo "$2") <(echo "$3")
		failed=1
	fi
}

says() { # says STATUS TEXT COMMAND...
	local status=$1 text=$2 output got=0
	shift 2
	output=$("$@" 2>&1) || got=$?
	if [[ $got != "$status" || $output != *"$text"* ]]; then
		echo "$*: status $got, '$output'; wanted $status, '$text'"
		failed=1
	fi
}

hosts=$(lab/lab list | awk 'NR > 1 { print $1 }' | sort)
same "the lab's hosts and the manifests" "$hosts" "$(find data/hosts -name '*.json' -printf '%f\n' | sed 's/\.json$//' | sort)"

empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
says 125 "there is no host 'vax'" lab/lab run vax -- /bin/true
says 125 'usage: lab run' lab/lab run amd-epyc-linux-6.1 /bin/true
says 125 'there is no file /nowhere' lab/lab run amd-epyc-linux-6.1 /nowhere -- /bin/true
says 125 'there is no program /nowhere' lab/lab run amd-epyc-linux-6.1 -- /nowhere
says 125 "there is no command 'fly'" lab/lab fly
says 77 'skipped: ' env GABI_CACHE="$empty" GABI_LAB_OFFLINE=1 lab/lab fetch amd-epyc-linux-6.1
exit $failed
