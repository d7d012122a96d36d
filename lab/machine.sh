# shellcheck shell=bash disable=SC2154,SC2034 # a part of lab, with which it shares variables
# SPDX-License-Identifier: MIT
# One machine: its files, and running a program in it.

# ---- vendors: how each kind of machine is made ----
# VENDOR_arch      Debian's name of the architecture
# VENDOR_needs     finds the emulator, or skips
# VENDOR_modules   the kernel modules to load, a line each with its parameters; what they depend on comes by itself
# VENDOR_boot      boots $1 (kernel) with $2 (initial file system) by "${start[@]}"; its input and output are the console.
#                  $paced: the machine's time must not run ahead of ours; $port: the network, see below; $interactive

for file in "$lab"/vendor/*.sh; do
	# shellcheck source=/dev/null
	. "$file"
done

# Labs that this one has started, by their process number.
declare -A children=()

# What a program finds beside it, and where the files go that it leaves in /out.
files=() out=''
paced=0 interactive=0

# Two machines are joined by UDP on the loopback: the frames of each come in at its port and go to the other's, which differs
# in its lowest bit. Of three the first is joined with each of the others, and hands on what is not for it.
ports=() port='' address='' peers=()

# What every kernel is told beside its console: to say little, and to leave out what costs time and has nothing to do with KVM.
append=(quiet loglevel=0 nokaslr panic=-1 apparmor=0 audit=0 cryptomgr.notests raid=noautodetect)

# What all of QEMU's machines have.
qemu_common=()
set_qemu_common() {
	qemu_common=(-nodefaults -display none -no-reboot -accel tcg -m 1024
		-chardev 'stdio,id=console,signal=off' -serial chardev:console)
	[[ -z $port ]] || add_network
}

add_network() {
	local each end=link
	for each in "${ports[@]}"; do
		qemu_common+=(-netdev "socket,id=link$each,udp=127.0.0.1:$((each ^ 1)),localaddr=127.0.0.1:$each")
		((${#ports[@]} == 1)) || qemu_common+=(-netdev "hubport,id=port$each,hubid=0,netdev=link$each")
	done
	((${#ports[@]} == 1)) && end=link$port || qemu_common+=(-netdev "hubport,id=link,hubid=0")
	qemu_common+=(-device "e1000,netdev=$end,romfile=,mac=$(mac_address)")
}

mac_address() {
	printf '52:54:00:00:00:%02x' "${address##*.}"
}

# ---- the machine's files ----

# Copies a module with those that it depends on before it, which a module file itself says, and lists them in that order.
copy_module() { # copy_module DIRECTORY NAME [PARAMETER]...
	local directory=$1 name=$2 file needed
	[[ ! -e $directory/$name.ko ]] || return 0
	file=$(find "$kernel/" \( -name "$name.ko" -o -name "$name.ko.xz" \) -print -quit)
	case $file in
	'') echo "Linux $version has no module $name in $kernel" >&2 && return 1 ;;
	*.xz) xz -dc "$file" >"$directory/$name.ko" || return 1 ;;
	*) cp "$file" "$directory/$name.ko" || return 1 ;;
	esac
	for needed in $(tr '\0' '\n' <"$directory/$name.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do
		copy_module "$directory" "$needed" || return 1
	done
	shift
	echo "$*" >>"$directory/list"
}

copy_modules() { # copy_modules DIRECTORY
	local module
	: >"$1/list"
	while read -ra module; do
		copy_module "$1" "${module[@]}" || return 1
	done < <("${vendor}_modules" && { [[ -z $port ]] || echo e1000; })
}

write_command() { # write_command PROGRAM_NAME [ARG]...: as the machine's shell reads it
	printf 'cd / && exec ./program'
	shift
	(($# == 0)) || printf " '%s'" "${@//\'/\'\\\'\'}"
	echo
}

fill_root() { # fill_root ROOT [PROGRAM [ARG]...]
	local root=$1
	shift
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,out,modules} &&
		cp "$busybox/busybox" "$root/bin/busybox" &&
		ln -s busybox "$root/bin/sh" &&
		install -m 755 "$lab/init" "$root/init" &&
		{ ((${#files[@]} == 0)) || cp -a "${files[@]}" "$root"; } &&
		{ (($# == 0)) || { install -m 755 "$1" "$root/program" && write_command "$@" >"$root/command"; }; } &&
		{ ((!interactive)) || : >"$root/interactive"; } &&
		{ [[ -z $port ]] || echo "$address ${peers[*]}" >"$root/peer"; } &&
		copy_modules "$root/modules"
}

make_files() { # make_files [PROGRAM [ARG]...]: the initial file system, in $work/initrd
	local why # kept here, for a full disk takes no words either
	why=$(fill_root "$work/root" "$@" 2>&1) || die_writing "$why"
	why=$( (cd "$work/root" && find . -print0 | cpio --null -o -H newc --quiet -R 0:0 |
		gzip -1 >"$work/initrd") 2>&1) || die_writing "$why"
	rm -rf "$work/root"
}

die_writing() { # die_writing WHY
	die "$host: the machine's files cannot be made in $work: $(tail -n 1 <<<"$1")"
}

# ---- running ----

# Is the program for that host? What is no program of either architecture is told apart here, for in the machine it would be
# "not found".
check_program() { # check_program FILE
	local machine
	[[ -f $1 && -r $1 ]] || die "there is no program $1"
	machine=$(od -An -tx1 -N20 "$1" | tr -d ' \n')
	case $machine in
	7f454c46*3e00) machine=amd64 ;;
	7f454c46*b700) machine=arm64 ;;
	'2321'*) return 0 ;; # a script, for the machine's shell
	*) die "$1 is no program for these machines" ;;
	esac
	[[ $machine == "$arch" ]] || skip "$host is $arch, and $1 is a program for $machine"
}

# Says every second, on a terminal, that the machine is still on its way.
ticker='' started=0
tick() {
	[[ -t 2 && -z ${GABI_LAB_QUIET:-} ]] || return 0
	ticker=1
	printf '\rlab: %s, Linux %s: %d s ' "$host" "$version" "$((SECONDS - started))" >&2
}

clear_tick() {
	[[ -z $ticker ]] || printf '\r\e[K' >&2
	ticker=
}

# Reads a line of the console into $text, whatever time it takes.
read_line() {
	local part=
	text=
	until IFS= read -r -t 1 part; do
		(($? > 128)) || return 1
		text+=$part
		tick
	done
	text+=$part
	text=${text//$'\r'/}
}

# Hands the console's lines to where they belong, until the machine has reported the program's status, which is then in $status.
follow() { # follow <CONSOLE
	local text
	status=
	while read_line; do
		case $text in
		1:*) clear_tick && printf '%s\n' "${text#1:}" ;;
		2:*) clear_tick && printf '%s\n' "${text#2:}" >&2 ;;
		3:*) printf '%s\n' "${text#3:}" >>"$work/out" ;;
		'@status '*) status=${text#@status } && break ;;
		*) printf '%s\n' "$text" >>"$work/console" ;;
		esac
	done
	clear_tick
	[[ $status =~ ^[0-9]+$ ]]
}

bring_out() { # what the program left in /out
	local why
	: >>"$work/out"
	why=$(base64 -d <"$work/out" 2>&1 >"$work/out.tar.gz") || die_writing "$why"
	[[ -s $work/out.tar.gz ]] || return 0
	why=$({ mkdir -p "$out" && tar -xzf "$work/out.tar.gz" -C "$out"; } 2>&1) ||
		die "$host: the program's files cannot be written into $out: $(tail -n 1 <<<"$why")"
}

emulator=''
stop_emulator() { # its status is the function's
	local ended=0
	[[ -n $emulator ]] || return 0
	kill "$emulator" 2>/dev/null || true
	wait "$emulator" 2>/dev/null || ended=$?
	emulator=
	return $ended
}

# A machine that stopped by itself before the program ended.
die_stopped() { # die_stopped STATUS
	local how="its emulator ended by itself (status $1)"
	case $1 in
	124 | 143) how="it took longer than $limit s (GABI_LAB_SECONDS)" ;;
	137) how='its emulator was killed' ;;
	esac
	cat "$work/console" "$work/emulator" 2>/dev/null | tail -n 5 >&2 || true
	die "$host stopped before the program ended: $how; above is the last that it said"
}

vmlinuz=''
find_vmlinuz() {
	vmlinuz=$(find "$kernel/" -name 'vmlinuz*' -size +1M -print -quit)
	[[ -n $vmlinuz ]] || die "$kernel is damaged, it holds no kernel; remove it, so that it is fetched again"
}

# Runs a program on the host that was prepared; its status is the function's.
run_on() { # run_on PROGRAM [ARG]...
	local console status ended
	if [[ $vendor == native ]]; then
		native_run "$@"
		return
	fi
	new_work
	make_files "$@"
	find_vmlinuz
	set_qemu_common
	started=$SECONDS
	local start=(exec setpriv --pdeathsig TERM timeout -k 5 "$limit")
	exec {console}< <("${vendor}_boot" "$vmlinuz" "$work/initrd" 2>"$work/emulator" </dev/null)
	emulator=$!
	if ! follow <&"$console"; then
		exec {console}<&-
		ended=0
		wait "$emulator" || ended=$?
		emulator=
		die_stopped "$ended"
	fi
	[[ -z $port ]] || wait_for_peers
	exec {console}<&-
	stop_emulator || true
	[[ -z $out ]] || bring_out
	return "$status"
}

run() { # run HOST [--out DIRECTORY] [FILE]... -- PROGRAM [ARG]...
	local name=${1:-} file usage='usage: lab run HOST [--out DIRECTORY] [FILE]... -- PROGRAM [ARG]...'
	(($# > 0)) && shift
	if [[ ${1:-} == --out ]]; then
		out=${2:-}
		[[ -n $out ]] || die "$usage"
		shift 2
	fi
	while (($# > 0)) && [[ $1 != -- ]]; do
		files+=("$1")
		shift
	done
	[[ -n $name && ${1:-} == -- && -n ${2:-} ]] || die "$usage"
	shift
	for file in "${files[@]}"; do
		[[ (-f $file || $file == */.) && -r $file ]] || die "there is no file $file"
	done
	find_host "$name"
	name_program "$1"
	check_program "$program"
	prepare "$host"
	run_on "$program" "${@:2}"
}

# A shell in the machine, on this terminal, which has no other use meanwhile.
shell() { # shell HOST [FILE]...
	local state
	[[ -t 0 && -t 1 ]] || die 'lab shell wants a terminal'
	files=("${@:2}")
	prepare "$1"
	[[ $vendor != native ]] || exec "${SHELL:-/bin/sh}"
	new_work
	interactive=1 paced=1
	make_files
	set_qemu_common
	say "$host, Linux $version; \`exit\` turns it off"
	state=$(stty -g)
	local start=(exec setpriv --pdeathsig TERM)
	find_vmlinuz
	("${vendor}_boot" "$vmlinuz" "$work/initrd" 2>"$work/emulator") || true
	stty "$state"
}

# ---- two or three machines on a network of their own ----

# The port of one of two machines: a pair that nobody here uses.
find_port() {
	local tries candidate
	for ((tries = 0; tries < 100; tries++)); do
		candidate=$((20000 + RANDOM % 20000 * 2))
		[[ " ${ports[*]} " != *" $candidate "* ]] || continue
		grep -qE "$(printf ':(%04X|%04X) ' "$candidate" "$((candidate + 1))")" /proc/net/udp || { ports+=("$candidate") && return; }
	done
	die 'there are no free UDP ports'
}

# No machine is turned off before all programs have ended: what one sent last may still be under way.
wait_for_peers() {
	local peer
	echo "$status" >"$GABI_LAB_PAIR/$address"
	for peer in "${peers[@]}"; do
		while [[ ! -e $GABI_LAB_PAIR/$peer ]] && kill -0 "$emulator" 2>/dev/null; do
			sleep 0.2
		done
	done
}

# One of them: lab runs itself for each. Its peers begin with the first machine, or on that with the second.
member() { # member COUNT NUMBER PORTS HOST...
	local number
	read -ra ports <<<"$3"
	port=${ports[0]} address=10.0.0.$2 paced=1
	for ((number = 1; number <= $1; number++)); do
		((number == $2)) || peers+=("10.0.0.$number")
	done
	shift 3
	run "$@"
}

# Which ports a machine has: of the first one for each other.
ports_of() { # ports_of NUMBER
	if (($1 == 1)); then
		echo "${ports[*]}"
	else
		echo $((ports[$1 - 2] + 1))
	fi
}

start_member() { # start_member COUNT NUMBER HOST...
	local name
	name=$(tail -c +"$2" <<<ABC | head -c 1)
	"$BASH" "$0" member "$1" "$2" "$(ports_of "$2")" "${@:3}" > >(exec sed -u "s/^/$name: /") 2> >(exec sed -u "s/^/$name: /" >&2) </dev/null &
	children[$!]=$name
	members+=($!)
}

# Splits `HOST... [FILE]... -- A... -- B...`, as many as there are hosts: each gets all files.
together() { # together USAGE COUNT ARG...
	local usage="usage: lab $1" count=$2 number ended status=0 told=() shared=() command=() members=() hosts=("${@:3:$2}")
	(($# > count + 2)) || die "$usage"
	shift $((count + 2))
	while (($# > 0)) && [[ $1 != -- ]]; do shared+=("$1") && shift; done
	new_work
	for ((number = 1; number < count; number++)); do find_port; done
	export GABI_LAB_PAIR=$work GABI_LAB_QUIET=1
	for ((number = 1; number <= count; number++)); do
		command=()
		(($# > 0)) && shift
		while (($# > 0)) && [[ $1 != -- || $number == "$count" ]]; do command+=("$1") && shift; done
		((${#command[@]} > 0)) || die "$usage"
		start_member "$count" "$number" "${hosts[number - 1]}" "${shared[@]}" -- "${command[@]}"
	done
	for ((number = 0; number < count; number++)); do
		ended=0
		wait "${members[number]}" || ended=$?
		told+=("$(tail -c +$((number + 1)) <<<ABC | head -c 1), ${hosts[number]}: $ended")
		((status)) || status=$ended
	done
	children=()
	say "$(printf '%s; ' "${told[@]}" | sed 's/; $//')"
	return "$status"
}

pair() {
	together 'pair HOST HOST [FILE]... -- PROGRAM [ARG]... -- PROGRAM [ARG]...' 2 "$@"
}

trio() {
	together 'trio HOST HOST HOST [FILE]... -- PROGRAM [ARG]... -- PROGRAM [ARG]... -- PROGRAM [ARG]...' 3 "$@"
}
