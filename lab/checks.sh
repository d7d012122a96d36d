# shellcheck shell=bash disable=SC2154,SC2034 # a part of lab, with which it shares variables
# SPDX-License-Identifier: MIT
# The checks of checks.tsv: all of a host in one boot.

# The rows for the host, with their words filled in.
checks_of_host() { # NAME PROGRAM ARGUMENTS EXPECTED
	local name pattern program arguments expected
	while IFS=$'\t' read -r name pattern program arguments expected; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $host == $pattern ]] || continue
		arguments=${arguments//'{host}'/$host}
		printf '%s\t%s\t%s\t%s\n' "$name" "$program" "${arguments//'{line}'/$line}" "${expected//'{host}'/$host}"
	done < <(rows "$lab/checks.tsv")
}

# An argument with a slash is a file of the source tree, which lies beside the program in the machine.
beside() { # beside ARGUMENT...
	local argument
	for argument; do printf ' %s' "${argument##*/}"; done
}

# The script that runs them in the machine: what each prints goes into a file, its status into another.
write_checks() { # write_checks FILE
	local name program arguments expected
	echo '#!/bin/sh' >"$1"
	while IFS=$'\t' read -r name program arguments expected; do
		[[ $arguments != - ]] || arguments=
		# shellcheck disable=SC2086 # they are words
		arguments=$(beside $arguments)
		# shellcheck disable=SC2016 # it is the machine's variable
		printf './%s%s >"$LAB_OUT/%s.out" 2>"$LAB_OUT/%s.err"; echo $? >"$LAB_OUT/%s.status"\n' \
			"$program" "$arguments" "$name" "$name" "$name" >>"$1"
	done < <(checks_of_host)
	echo 'exit 0' >>"$1"
}

# One check's result, as a line: HOST, check, result, why.
judge_check() { # judge_check NAME EXPECTED
	local status said result=passed why=''
	[[ -f $out/$1.status ]] || die "$host did not report the check $1"
	status=$(<"$out/$1.status")
	said=$(last_line "$out/$1.err" "$out/$1.out")
	if [[ $status == "$skipped" ]]; then
		result=skipped why=$said
	elif [[ $status != 0 ]]; then
		result=failed why="status $status: $said"
	elif [[ $2 != - && $(build_of "$source/$2") != "$version" ]]; then
		result=skipped why="$2 is of Linux $(build_of "$source/$2"), and Debian's $suite now has $version"
	elif [[ $2 != - ]] && ! diff -u "$source/$2" "$out/$1.out" >&2; then
		result=failed why="it differs from $2"
	fi
	printf '%s\t%s\t%s\t%s\n' "$host" "$1" "$result" "$why"
	[[ $result != failed ]]
}

test_one() { # test_one HOST
	local name program_name arguments expected failures=0 script argument
	prepare "$1"
	while IFS=$'\t' read -r name program_name arguments expected; do
		find_program "$arch" "$program_name"
		files+=("$program")
		for argument in $arguments; do
			# shellcheck disable=SC2206 # it may be a pattern
			[[ $argument != */* ]] || files+=("$source"/$argument)
		done
	done < <(checks_of_host)
	fresh=$(mktemp -d "${TMPDIR:-/tmp}/gabi-lab.XXXXXX")
	script=$fresh/checks out=$fresh/out
	write_checks "$script"
	run_on "$script"
	while IFS=$'\t' read -r name program_name arguments expected; do
		judge_check "$name" "$expected" || failures=$((failures + 1))
	done < <(checks_of_host)
	((failures == 0))
}

# test [HOST]...: all checks on these hosts, or on all, and how many of them passed.
test_hosts() {
	local name results_file
	(($#)) || set -- all
	select_hosts "$@"
	new_work
	results=$work
	for_each test_one
	results_file=$work/results
	for name in "${selected[@]}"; do
		case ${status_of[$name]} in
		0 | 1) cat "$results/$name.out" ;;
		"$skipped") printf '%s\tall\tskipped\t%s\n' "$name" "$(last_line "$results/$name.err")" ;;
		*) printf '%s\tall\tfailed\t%s\n' "$name" "$(last_line "$results/$name.err")" ;;
		esac
	done >"$results_file"
	grep -v $'\tpassed\t' "$results_file" | column -t -s $'\t' || true
	awk -F '\t' '{ count[$3]++ } END { printf "%d passed, %d failed, %d skipped\n", count["passed"], count["failed"], count["skipped"] }' "$results_file"
	! grep -q $'\tfailed\t' "$results_file" || return 1
	grep -q $'\tpassed\t' "$results_file" || return "$skipped"
}
