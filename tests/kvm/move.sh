#!/bin/bash
# SPDX-License-Identifier: MIT
# move.sh GABI GUEST: save, restore and migrate as commands, with processes that are killed and connections that are spoken to wrongly.
# The guest is guest/traveller.c: it ends with another status than 0 if it notices anything.
# shellcheck disable=SC2317 # cases are called by their names
set -uo pipefail
gabi=$(readlink -f "$1") guest=$(readlink -f "$2")
"$gabi" probe >/dev/null 2>&1 || { echo 'skipped: no usable KVM here'; exit 77; }
work=$(mktemp -d)
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"
cd "$work" || exit 1
failed=0 pids=()

end() {
	((${#pids[@]} == 0)) || kill -9 "${pids[@]}" 2>/dev/null
	rm -rf "$work"
}
trap end EXIT

# is WHAT COMMAND...: the command's status is 0
is() {
	local what=$1
	shift
	if "$@" >cmd.out 2>&1; then
		echo "[       OK ] $what"
	else
		echo "[  FAILED  ] $what"
		cat cmd.out
		failed=1
	fi
}

status_is() { # status_is STATUS COMMAND...
	local want=$1 got=0
	shift
	"$@" >said 2>&1 || got=$?
	cat said
	((got == want))
}

says() { # says FILE TEXT [TIMES]: waits for it
	for ((i = 0; i < 600; i++)); do
		(($(grep -cF -- "$2" "$1") >= ${3:-1})) && return
		sleep 0.1
	done
	echo "$1 does not say: $2"
	tail -n 5 "$1"
	return 1
}

# start NAME ARG...: gabi with its console in NAME.in and NAME.out; its process in pid
start() {
	local name=$1
	shift
	mkfifo "$name.in"
	: >"$name.out" 2>"$name.err"
	"$gabi" "$@" --force --name "$name" <"$name.in" >"$name.out" 2>"$name.err" &
	pid=$!
	pids+=("$pid")
	exec {fd}>"$name.in"
	input[$pid]=$fd
}
declare -A input

boot() { # boot NAME
	start "$1" run --cpus 2 --memory 32M --hyperv --append 'cpus=2 pages=512 every=64 hyperv=1' "$guest"
	says "$1.out" turn
}

works_on() { # works_on NAME: it says more than it has said
	says "$1.out" turn $(($(grep -cF turn "$1.out") + 1))
}

ends_well() { # ends_well PID
	echo q >&"${input[$1]}"
	wait "$1"
}

monitor_of() { # monitor_of NAME: the process of its monitor
	"$gabi" ctl "$1" status | sed -n 's/^pid: //p'
}

waits() { # waits NAME ADDRESS [ARG]...
	local name=$1 address=$2
	shift 2
	start "$name" run --incoming "$address" "$@"
	says "$name.err" 'waiting for a guest'
}

# ---- save, restore ----

boot one && first=$pid
is 'save' "$gabi" save one file
is 'save: the guest goes on' works_on one
is 'save: the guest ends well' ends_well "$first"
start two restore file
is 'restore: the guest goes on' works_on two
is 'restore: the guest ends well' ends_well "$pid"
is 'save: there is no such guest' status_is 3 "$gabi" save one file2
head -c 5000 file >short
is 'restore: a file that is cut off is refused' status_is 3 "$gabi" restore --force short
is 'restore: and says so' grep -q 'is cut off' said
is 'restore: no guest at all' status_is 3 "$gabi" restore "$guest"
is 'restore: no file' status_is 3 "$gabi" restore nowhere

# A full disk: the monitor writes into a file of a file system that nobody else sees.
saves_on_full_disk() {
	mkdir narrow
	# shellcheck disable=SC2016 # it is for the other shell
	unshare -rm sh -c 'mount -t tmpfs -o size=64k full narrow && { "$1" save full narrow/file; status=$?; ls -A narrow; exit $status; }' sh "$gabi"
}

boot full && first=$pid
is 'save: on a full disk says so' status_is 4 saves_on_full_disk
is 'save: and why' grep -q 'No space left on device' said
is 'save: and leaves nothing' test "$(wc -l <said)" = 1
is 'save: and the guest goes on' works_on full
is 'save: which ends well' ends_well "$first"

# ---- migrate ----

boot three && source=$pid
waits four unix:"$work/link"
moves() { # moves NAME ADDRESS: and says how it went
	"$gabi" migrate "$@" >moved && tail -n 1 moved | grep -E '^moved in [0-9]+ ms and (1 round|([2-9]|[1-9][0-9]+) rounds), [0-9]+ KiB; it stood still for [0-9]+ ms$'
}
is 'migrate: by a Unix socket' moves three unix:"$work/link"
is 'migrate: the source ends well' wait "$source"
is 'migrate: says that it was moved' grep -q 'moved to another host' three.err
is 'migrate: the guest goes on there' works_on four

is_off_the_network() { # is_off_the_network PID: its sockets are all of this machine
	local link sockets=0
	for link in /proc/"$1"/fd/*; do
		link=$(readlink "$link")
		[[ $link == socket:* ]] || continue
		sockets=$((sockets + 1))
		link=${link#socket:[}
		awk -v inode="${link%]}" '$7 == inode { found = 1 } END { exit !found }' /proc/net/unix || return
	done
	((sockets))
}

is_closed() { # is_closed PORT PID: nobody listens, and no connection is there any more; nor any process of PID's but its monitor
	local port
	port=$(printf '%04X' "$1")
	for ((i = 0; i < 100; i++)); do
		awk -v port=":$port\$" '($2 ~ port || $3 ~ port) && ($4 == "01" || $4 == "0A") { found = 1 } END { exit found }' /proc/net/tcp &&
			[[ $(cat /proc/[0-9]*/stat 2>/dev/null | awk -v parent="$2" '$4 == parent' | wc -l) == 1 ]] && return
		sleep 0.1
	done
	grep ":$port " /proc/net/tcp
	return 1
}

is_watched() { # is_watched PORT: somebody who connects and says nothing is asked now and then whether they are still there
	python3 - "$1" <<'END'
import socket, sys, time
port = int(sys.argv[1])
connection = socket.create_connection(('127.0.0.1', port))
mine = connection.getsockname()[1]
for _ in range(100):
	with open('/proc/net/tcp', encoding='ascii') as table:
		for line in table:
			field = line.split()
			if field[1].endswith(f':{port:04X}') and field[2].endswith(f':{mine:04X}') and field[5].startswith('02:'):
				sys.exit(0)
	time.sleep(0.1)
sys.exit('the kernel does not ask')
END
}

mkdir keys wrong
echo 'guests:00112233445566778899aabbccddeeff' >keys/psk
echo 'guests:00112233445566778899aabbccddee00' >wrong/psk
waits five tcp:127.0.0.1:0 --tls keys && fifth=$pid
port=$(sed -n 's/.*waiting for a guest at tcp:127.0.0.1:\([0-9]*\).*/\1/p' five.err)
is 'migrate: a host that is gone does not keep the connection' is_watched "$port"
is 'migrate: another key is refused' status_is 4 "$gabi" migrate four "tcp:127.0.0.1:$port" --tls wrong
is 'migrate: no TLS where it is wanted is refused' status_is 4 "$gabi" migrate four "tcp:127.0.0.1:$port"
is 'migrate: and the guest goes on' works_on four
is 'migrate: by TLS with a shared key' "$gabi" migrate four "tcp:127.0.0.1:$port" --tls keys
is 'migrate: the guest goes on there' works_on five
is 'migrate: nothing is left of the connection' is_closed "$port" "$fifth"
is 'migrate: the monitor does not have the connection' is_off_the_network "$(monitor_of five)"
is 'migrate: memory does not go over a network in the open' status_is 2 "$gabi" migrate five tcp:192.0.2.1:4444
is 'migrate: no address' status_is 2 "$gabi" migrate five 192.0.2.1
is 'migrate: no port' status_is 2 "$gabi" migrate five "tcp:127.0.0.1:$((port + 65536))"
mkdir empty nokey && echo nonsense >nokey/psk
is 'incoming: no keys are there' status_is 4 timeout 20 "$gabi" run --incoming tcp:127.0.0.1:0 --tls empty
is 'incoming: a key that is none' status_is 3 timeout 20 "$gabi" run --incoming tcp:127.0.0.1:0 --tls nokey
waits gone unix:"$work/left" && kill -KILL "$pid"
wait "$pid" 2>/dev/null
is 'incoming: the address of one that was killed' [ -S left ]
waits again unix:"$work/left"
is 'incoming: is taken anew' kill -TERM "$pid"
is 'incoming: a file that is none of ours stays' status_is 4 timeout 20 "$gabi" run --incoming unix:file
is 'incoming: and is what it was' [ -f file ]
is 'migrate: nobody there' status_is 4 "$gabi" migrate five unix:"$work/nobody"

# ---- certificates ----

if command -v certtool >/dev/null; then
	mkdir certs
	printf 'cn = authority\nca\ncert_signing_key\n' >ca.cfg
	printf 'cn = localhost\ndns_name = localhost\nip_address = 127.0.0.1\nsigning_key\ntls_www_server\ntls_www_client\n' >host.cfg
	{
		certtool --generate-privkey --key-type ed25519 --outfile ca.key
		certtool --generate-self-signed --load-privkey ca.key --template ca.cfg --outfile certs/ca.pem
		certtool --generate-privkey --key-type ed25519 --outfile certs/key.pem
		certtool --generate-certificate --load-privkey certs/key.pem --load-ca-privkey ca.key --load-ca-certificate certs/ca.pem \
			--template host.cfg --outfile certs/cert.pem
	} 2>/dev/null
	waits six tcp:127.0.0.1:0 --tls certs && sixth=$pid
	port=$(sed -n 's/.*waiting for a guest at tcp:127.0.0.1:\([0-9]*\).*/\1/p' six.err)
	is 'migrate: by TLS with certificates' "$gabi" migrate five "tcp:127.0.0.1:$port" --tls certs
	is 'migrate: the guest goes on there' works_on six
	last=six last_pid=$sixth
else
	last=five last_pid=$fifth
fi

# ---- faults ----

waits seven unix:"$work/link7" && seventh=$pid
kill -STOP "$seventh"
"$gabi" migrate "$last" unix:"$work/link7" >migrate.out 2>&1 &
mover=$!
sleep 0.5
kill -9 "$seventh"
is 'the destination is killed: migrate says so' status_is 4 wait "$mover"
is 'the destination is killed: the guest goes on here' works_on "$last"
rm -f link7

waits eight unix:"$work/link8" && eighth=$pid
kill -STOP "$eighth"
"$gabi" migrate "$last" unix:"$work/link8" >migrate.out 2>&1 &
mover=$!
sleep 0.5
kill "$mover"
wait "$mover" 2>/dev/null
kill -CONT "$eighth"
is 'migrate is killed: the destination ends' status_is 3 wait "$eighth"
is 'migrate is killed: the guest goes on here' works_on "$last"

waits nine unix:"$work/link9" && ninth=$pid
kill -STOP "$ninth"
"$gabi" migrate "$last" unix:"$work/link9" >migrate.out 2>&1 &
mover=$!
sleep 0.5
is 'a guest on its way cannot be paused' status_is 4 "$gabi" ctl "$last" pause
is 'cancel' "$gabi" ctl "$last" cancel
is 'cancel: migrate says so' status_is 4 wait "$mover"
is 'cancel: the guest goes on here' works_on "$last"
kill -CONT "$ninth"
is 'cancel: the destination ends' status_is 3 wait "$ninth"

waits ten unix:"$work/link10" && tenth=$pid
kill -STOP "$tenth"
victim=$(monitor_of "$last")
"$gabi" migrate "$last" unix:"$work/link10" >migrate.out 2>&1 &
mover=$!
sleep 0.5
kill -9 "$victim"
is 'the source is killed: migrate says so' status_is 4 wait "$mover"
kill -CONT "$tenth"
is 'the source is killed: the destination ends' status_is 3 wait "$tenth"
wait "$last_pid"

waits eleven unix:"$work/link11" && eleventh=$pid
python3 - "$work/link11" <<'END'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b'GET / HTTP/1.1\r\nHost: gabi\r\n\r\n' * 10)
s.close()
END
is 'a guest that is none is refused' status_is 3 wait "$eleventh"
is 'in one sentence' test "$(grep -vc 'waiting for a guest' eleven.err)" = 1
exit $failed
