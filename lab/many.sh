# shellcheck shell=bash disable=SC2154,SC2034 # a part of lab, with which it shares variables
# SPDX-License-Identifier: MIT
# Many hosts at a time.

# How many machines this one can run at once: each keeps a core busy and takes a bit more than 1 GiB.
job_count() {
	local cores free
	cores=$(nproc)
	free=$(awk '/^MemAvailable:/ { print int($2 / 1250000) }' /proc/meminfo)
	echo "${GABI_LAB_JOBS:-$((free < 1 ? 1 : free < cores ? free : cores))}"
}

# The hosts that any of the patterns names, in $selected. `all` are those of the tables, which `native` is not of.
selected=()
select_hosts() { # select_hosts PATTERN...
	local name pattern found
	selected=()
	for pattern; do
		found=0
		[[ $pattern != native ]] || { selected+=(native) && continue; }
		[[ $pattern != all ]] || pattern='*'
		while read -r name; do
			# shellcheck disable=SC2053 # it is a pattern
			[[ $name == $pattern ]] || continue
			selected+=("$name")
			found=1
		done < <(each_host | cut -f 1)
		((found)) || die "there is no host '$pattern'; lab list names them"
	done
}

# What became of each host, by its name.
declare -A status_of=() seconds_of=()

progress() { # progress TOTAL: one line that is written over, on a terminal
	[[ -t 2 ]] || return 0
	ticker=1
	printf '\r\e[Klab: %d of %d done; now: %s' "${#status_of[@]}" "$1" "${running[*]}" >&2
}

say_done() { # say_done HOST TOTAL
	clear_tick
	say "${#status_of[@]} of $2: $1: $(outcome "${status_of[$1]}") (${seconds_of[$1]} s)"
}

outcome() { # outcome STATUS: in a word
	case $1 in
	0) echo 'done' ;;
	"$skipped") echo skipped ;;
	"$failed") echo 'the lab failed' ;;
	*) echo "status $1" ;;
	esac
}

# Runs `lab COMMAND HOST ARG...` for each selected host, as many at a time as the machine can; what each says goes into
# $results/HOST.out and HOST.err.
results=''
for_each() { # for_each COMMAND [ARG]...
	local -A host_of=() start_of=() running=()
	local command=$1 name pid ended jobs waiting=("${selected[@]}") total=${#selected[@]}
	shift
	jobs=$(job_count)
	status_of=() seconds_of=()
	while ((${#waiting[@]} + ${#running[@]})); do
		while ((${#waiting[@]} && ${#running[@]} < jobs)); do
			name=${waiting[0]}
			waiting=("${waiting[@]:1}")
			GABI_LAB_QUIET=1 "$BASH" "$0" "$command" "$name" "$@" </dev/null >"$results/$name.out" 2>"$results/$name.err" &
			children[$!]=$name
			host_of[$!]=$name start_of[$!]=$SECONDS running[$!]=$name
		done
		progress "$total"
		ended=0
		wait -n -p pid "${!running[@]}" || ended=$?
		name=${host_of[$pid]}
		status_of[$name]=$ended
		seconds_of[$name]=$((SECONDS - start_of[$pid]))
		unset "running[$pid]" "children[$pid]"
		say_done "$name" "$total"
	done
}

# The status of all together: the lab's own failure, else the first program's, else that nothing could be run.
status_of_all() {
	local name ran=0
	for name in "${selected[@]}"; do [[ ${status_of[$name]} != "$failed" ]] || return "$failed"; done
	for name in "${selected[@]}"; do
		case ${status_of[$name]} in
		0) ran=1 ;;
		"$skipped") ;;
		*) return 1 ;;
		esac
	done
	((ran)) || return "$skipped"
}

count_of() { # count_of STATUS
	local name count=0
	for name in "${selected[@]}"; do [[ ${status_of[$name]} != "$1" ]] || count=$((count + 1)); done
	echo "$count"
}

last_line() { # last_line FILE...: the last that was said there, without the lab's name
	sed 's/^lab: //; /^$/d' "$@" | tail -n 1
}

summary() {
	local name
	printf 'HOST\tENDED\tSECONDS\tLAST LINE\n'
	for name in "${selected[@]}"; do
		case ${status_of[$name]} in
		"$skipped" | "$failed") set -- "$results/$name.err" ;;
		*) set -- "$results/$name.err" "$results/$name.out" ;;
		esac
		printf '%s\t%s\t%s\t%s\n' "$name" "$(outcome "${status_of[$name]}")" "${seconds_of[$name]}" "$(last_line "$@" | cut -c 1-72)"
	done
}

say_counts() {
	local ran=$((${#selected[@]} - $(count_of "$skipped") - $(count_of "$failed")))
	say "${#selected[@]} hosts: $(count_of 0) done, $((ran - $(count_of 0))) ended otherwise, $(count_of "$skipped") skipped," \
		"$(count_of "$failed") failed"
}

# matrix [--output DIRECTORY] [HOST]... -- PROGRAM [ARG]...: the program on all these hosts; a table of how it ended.
matrix() {
	local names=()
	if [[ ${1:-} == --output ]]; then
		results=${2:-}
		shift 2
	fi
	while (($# > 0)) && [[ $1 != -- ]]; do names+=("$1") && shift; done
	(($# > 1)) || die 'usage: lab matrix [--output DIRECTORY] [HOST]... -- PROGRAM [ARG]...'
	shift
	((${#names[@]})) || names=(all native)
	select_hosts "${names[@]}"
	[[ -n $results ]] || { new_work && results=$work; }
	mkdir -p "$results" || die "$results cannot be made"
	for_each run -- "$@"
	summary | column -t -s $'\t'
	say_counts
	status_of_all
}

# A command of lab's own for a host, or for many; then it says why some were left out.
for_hosts() { # for_hosts COMMAND HOST|all [ARG]...
	local command=$1 which=$2 name
	shift 2
	select_hosts "$which"
	if ((${#selected[@]} == 1)); then
		"$command" "${selected[0]}" "$@"
		return
	fi
	new_work
	results=$work
	for_each "$command" "$@"
	for name in "${selected[@]}"; do
		[[ ${status_of[$name]} == 0 ]] || say "$name: $(last_line "$results/$name.err")"
	done
	say_counts
	status_of_all
}
