#!/bin/bash
# SPDX-License-Identifier: MIT
# lab_move.sh SOURCE GABI GUEST WHAT HOST HOST [TRIPS]: a guest that works is moved live from the first host to the second, of another
# kernel, and back, over a network with TLS, under the contract of the first; then saved there, restored, and asked whether it noticed
# anything. WHAT is "hyperv", and the guest guest/traveller.c; "vsm", and it is guest/secure with a secret in VTL 1; "shim", the same with
# a page that VTL 0 may not execute; "nested", and it is guest/nested.c, a hypervisor with a guest of its own, which the second host refuses at
# first, for its KVM is loaded without what the contract promises of nested virtualization; or "linux" with - for a GUEST, and it is the first
# host's own kernel, whose init looks.
set -uo pipefail
source=$(readlink -f "$1") gabi=$(readlink -f "$2") guest=$(readlink -f "$3")
what=$4 hosts=("$5" "$6")
trips=${7:-1} weak=
downtime=300 # ms: a guest that writes much needs some rounds; the emulated network between Intel's hosts is too slow for that
[[ $5 != intel-* ]] || downtime=1000
case $what in
hyperv) options=(--memory 32M --cpus 2 --hyperv) append='cpus=2 pages=128 every=16 hyperv=1' last='STIMER1: goes on' ;;
vsm) options=(--memory 32M --vsm) append='travel=1' last='the secret is there, and nobody saw it' ;;
shim) options=(--memory 32M --vsm --vsm-execute=shim) append='travel=1 execute=1' last='the secret is there, and nobody saw it' ;;
nested)
	options=(--memory 32M) append='every=64' last='L2: all of its rounds are as they should be' weak='kvm-amd nested=0'
	[[ $6 != intel-* ]] || weak='kvm-intel nested=1 ept=0'
	;;
linux) options=(--memory 128M --initrd initrd) append='console=ttyS0 quiet panic=-1 raid=noautodetect cryptomgr.notests' last='the kernel, its files and its clocks are as they were' ;;
esac
if [[ -n ${GABI_SOAK:-} ]]; then
	trips=50
	[[ $5 != intel-* ]] || trips=10
	[[ $what != linux ]] || trips=10
elif [[ $what == nested || $what == linux || $5 == intel-* ]]; then
	echo 'takes minutes: ./dev soak runs it'
	exit 77
fi

# The first host's kernel as files/guest, and busybox with our init as files/initrd.
make_linux() {
	local found kernel busybox
	found=$("$source/lab/lab" files "${hosts[0]}") || return
	kernel=$(find "$(sed -n 1p <<<"$found")" -name 'vmlinuz*' -print -quit)
	busybox=$(find "$(sed -n 2p <<<"$found")" -type f -name busybox -print -quit)
	[[ -f $kernel && -f $busybox ]] || { echo "there is no kernel or no busybox for ${hosts[0]}"; return 1; }
	cp "$kernel" files/guest
	mkdir -p root/{bin,proc,dev,tmp}
	cp "$busybox" root/bin/busybox
	install -m 755 "$source/tests/lab_move_init" root/init
	(cd root && find . -print0 | cpio --null -o -H newc --quiet -R 0:0) | gzip -1 >files/initrd
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir files

# The command with its libraries: the lab's machines have none.
cp "$gabi" files/gabi
while read -r library; do
	cp -L "$library" files/
done < <(ldd "$gabi" | sed -nE 's/^[^/]*(\/[^ ]+) .*/\1/p')
# Where instructions are counted the emulated processor delivers an interrupt twice now and then, and a Linux that is inside a lock stands still (docs/moving.md).
if [[ $what == linux ]]; then
	make_linux || exit
	export GABI_LAB_SHIFT=none
else
	cp "$guest" files/guest
fi
echo 'guests:00112233445566778899aabbccddeeff' >files/psk

cat >files/side.sh <<'END'
#!/bin/sh
# side.sh A|B TRIPS DOWNTIME WEAK APPEND OPTION...: one of the hosts
trap '' PIPE
side=$1 trips=$2 downtime=$3 weak=$4 append=$5 number=0
shift 5
options=$*
for applet in cat grep insmod mkdir mkfifo mv rmmod sleep tail; do
	eval "$applet() { /bin/busybox $applet \"\$@\"; }"
done
export XDG_RUNTIME_DIR=/tmp/run
mkdir -p /tmp/run keys
mv psk keys/psk

gabi() {
	./ld-linux-x86-64.so.2 --library-path . ./gabi "$@"
}

fail() {
	echo "$side: $1"
	[ ! -e "err$number" ] || tail -n 5 "out$number" "err$number"
	exit 1
}

# start ARG...: a guest whose console is in$number and out$number
start() {
	number=$((number + 1))
	mkfifo "in$number"
	: >"out$number"
	gabi "$@" --name "guest$number" <"in$number" >>"out$number" 2>"err$number" &
	pid=$!
	exec 5>"in$number"
}

# It says something after it came here.
works() {
	tries=3000
	until grep -q turn "out$number"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || fail "the guest $number does nothing"
		sleep 1
	done
	! grep -q '^not ok' "out$number" || fail 'the guest noticed'
}

# The other host may not listen yet.
try_to_send() {
	tries=300
	until gabi migrate "guest$number" "tcp:$LAB_PEER:4444" --tls keys --downtime "$downtime" >moved 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && grep -q 'nobody can be reached' moved || return 1
		sleep 1
	done
}

send() {
	try_to_send || { cat moved; fail 'the guest cannot be moved'; }
	tail -n 1 moved
	wait "$pid" || fail 'the source does not end well'
}

be_refused() {
	! try_to_send || fail 'the other host should have refused the guest'
	cat moved
	grep -q 'does not fit' moved || fail 'it was refused for another reason'
	! grep -q copying moved || fail 'memory was sent to who refuses it'
	: >"out$number"
	works
	echo 'A: it was refused, and works on'
}

# load MODULE PARAMETER...: KVM, in the other's place
load() {
	module=$1
	shift
	rmmod "$module" || fail "$module is in use"
	insmod "/modules/$module.ko" "$@" || fail "$module cannot be loaded with $*"
}

refuse() {
	# shellcheck disable=SC2086 # a module and its parameters
	load $weak
	gabi run --incoming "tcp:$LAB_ADDRESS:4444" --tls keys >out0 2>err0
	[ $? = 1 ] || fail 'the guest should have been refused'
	load "${weak%% *}" nested=1
}

receive() {
	start run --incoming "tcp:$LAB_ADDRESS:4444" --tls keys
	works
	echo "$side: it works here"
}

# shellcheck disable=SC2086 # the options are words, but for the last
[ "$side" = B ] || { start run $options --append "$append" guest && works; }
if [ -n "$weak" ]; then
	case $side in
	A) be_refused ;;
	B) refuse ;;
	esac
fi
while [ "$trips" -gt 0 ]; do
	case $side in
	A) send && receive ;;
	B) receive && send ;;
	esac
	trips=$((trips - 1))
done
[ "$side" = A ] || exit 0
gabi save "guest$number" file || fail 'it cannot be saved'
gabi ctl "guest$number" quit || fail 'it cannot be ended'
wait "$pid"
start restore file
works
echo q >&5
wait "$pid" || fail "it ends with $?"
cat "out$number"
END

chmod +x files/side.sh
GABI_LAB_SECONDS=$((3000 + trips * 240)) "$source/lab/lab" pair "${hosts[@]}" files/. -- files/side.sh A "$trips" "$downtime" "$weak" "$append" \
	"${options[@]}" -- files/side.sh B "$trips" "$downtime" "$weak" "$append" >out 2>err
status=$?
((status != 77)) || { cat err; exit 77; }
moves=$(grep -c 'moved in' out)
grep 'moved in' out | head -n 4
if ((status == 0 && moves == 2 * trips)) && { [[ -z $weak ]] || grep -q 'it was refused, and works on' out; } && grep -qF "$last" out && grep -q ', 0x0 bad' out && ! grep 'guest: complains' out; then
	echo "[       OK ] ${hosts[0]} to ${hosts[1]} and back, $trips times; saved and restored"
	exit 0
fi
echo "[  FAILED  ] status $status, $moves moves of $((2 * trips))"
tail -n 40 out err
exit 1
