# shellcheck shell=bash disable=SC2034 # for scripts that test guests of `gabi run`
# SPDX-License-Identifier: MIT
# With the arguments GABI GUEST: a place of its own to run them in, guests that end with the test, and how its cases are run.
set -uo pipefail
gabi=$(readlink -f "$1")
guest=$(readlink -f "$2")
[[ -r /dev/kvm && -w /dev/kvm ]] || { echo "there is no /dev/kvm to use"; exit 77; }
work=$(mktemp -d)
chmod 755 "$work" # a guest of another user has its place there
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"
cd "$work" || exit 1
running=()
clean_up() {
	local pid
	for pid in "${running[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	wait
	rm -rf "$work"
}
trap clean_up EXIT

# start NAME [ARG]...: runs the guest until it has said something; its process is in $started
start() {
	local name=$1 tries
	shift
	rm -f "$name.out"
	"$gabi" run --force --memory 64 --cpus 2 --name "$name" "$@" "$guest" </dev/null >"$name.out" 2>"$name.err" &
	started=$!
	running+=("$started")
	for ((tries = 0; tries < 600; tries++)); do
		grep -q patient "$name.out" 2>/dev/null && return 0
		sleep 0.1
	done
	echo "the guest does not run"
	cat "$name.err"
	return 1
}

# run_cases CASE...: the status of all
run_cases() {
	local case failed=0
	for case; do
		if "$case"; then
			echo "[       OK ] $case"
		else
			echo "[  FAILED  ] $case"
			failed=1
		fi
	done
	return $failed
}
