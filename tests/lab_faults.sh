#!/bin/bash
# SPDX-License-Identifier: MIT
# lab_faults.sh SOURCE: what goes wrong with a lab machine is told in one sentence with the right status, and whatever ends the lab,
# no process and no file of it is left.
set -uo pipefail
cd "$1" || exit
host=arm64-neoverse-n1-linux-6.12
cache=${GABI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gabi}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export GABI_LAB_OFFLINE=1 TMPDIR=$place/tmp
mkdir "$TMPDIR"
# Straight to the console, in lab's own form: what a program prints is held back in the machine while it is short.
printf '#!/bin/sh\necho 1:here >/dev/console; sleep 1000\n' >"$place/hang"
failed=0 got=0

emulators() { # the process numbers of those that the labs of this test started
	local process
	for process in /proc/[0-9]*; do
		[[ $(cat "$process/comm" 2>/dev/null) == qemu-system-* ]] || continue
		! grep -qsF "$TMPDIR" "$process/cmdline" || echo "${process#/proc/}"
	done
}

is() { # is WHAT STATUS SENTENCE: of the run whose status is in $got; what it said last has this, or it said nothing at all
	local said
	said=$(tail -n 1 "$place/err")
	if [[ $got != "$2" || $said != *"$3"* || (-z $3 && -n $said) ]]; then
		echo "[  FAILED  ] $1: status $got, wanted $2 and '$3':"
		tail -n 3 "$place/err"
		failed=1
	elif [[ -n $(ls -A "$TMPDIR") ]]; then
		echo "[  FAILED  ] $1: left $(ls -A "$TMPDIR")"
		failed=1
	elif [[ -n $(emulators) ]]; then
		echo "[  FAILED  ] $1: the emulator is still there: $(emulators)"
		failed=1
	else
		echo "[       OK ] $1"
	fi
}

try() { # try COMMAND...
	got=0
	"$@" >"$place/out" 2>"$place/err" </dev/null || got=$?
}

# Runs the program that hangs, does something to the lab or its emulator as soon as the program says so, and waits. The lab is a
# process group of its own, as on a terminal.
disturb() { # disturb COMMAND: its argument is the lab's process number
	local lab tries=0
	: >"$place/out"
	set -m
	lab/lab run "$host" -- "$place/hang" >"$place/out" 2>"$place/err" </dev/null &
	set +m
	lab=$!
	until grep -q here "$place/out" || ! kill -0 "$lab" 2>/dev/null || ((tries++ > 1200)); do sleep 0.1; done
	grep -q here "$place/out" || { echo "[  FAILED  ] $1: the program did not begin"; failed=1; }
	"$1" "$lab"
	got=0
	wait "$lab" || got=$?
}

# shellcheck disable=SC2046,SC2317 # a word each; disturb calls them
kill_emulator() { kill -KILL $(emulators); }
# shellcheck disable=SC2317
end_lab() { kill -TERM "$1"; }
# shellcheck disable=SC2317
interrupt() { kill -INT -- "-$1"; }

try lab/lab fetch "$host"
((got == 0)) || { tail -n 1 "$place/err"; exit "$got"; }

try env GABI_LAB_SECONDS=8 lab/lab run "$host" -- "$place/hang"
is 'a guest that hangs' 125 'it took longer than 8 s'
disturb kill_emulator
is 'a killed emulator' 125 'its emulator was killed'
disturb end_lab
is 'the end by SIGTERM' 143 ''
disturb interrupt
is 'Ctrl-C' 130 ''

# A kernel's package that is damaged where apt did not see it: apt brings the beginning of one.
mkdir -p "$place/cache/kernels" "$place/bin"
for entry in "$cache"/*; do [[ ${entry##*/} == kernels ]] || ln -s "$entry" "$place/cache/"; done
cat >"$place/bin/apt-get" <<'END'
#!/bin/sh
case " $* " in
*' download '*) printf '!<arch>\ndebian-binary' >damaged.deb ;;
*) exec /usr/bin/apt-get "$@" ;;
esac
END
chmod +x "$place/bin/apt-get"
try env GABI_CACHE="$place/cache" PATH="$place/bin:$PATH" lab/lab run "$host" -- "$place/hang"
is 'a damaged package' 77 'cannot be unpacked: '
[[ -z $(ls -A "$place/cache/kernels") ]] || { echo "[  FAILED  ] a damaged package: left $(ls "$place/cache/kernels")"; failed=1; }

# A kernel whose package was unpacked to nothing, in a cache of its own that has all else of the real one.
for entry in "$cache"/kernels/*; do ln -s "$entry" "$place/cache/kernels/"; done
kernel=$place/cache/kernels/$(<"$cache/kernels/6.12-arm64.version")-arm64
rm "$kernel"
mkdir "$kernel"
try env GABI_CACHE="$place/cache" lab/lab run "$host" -- "$place/hang"
is 'a damaged kernel' 125 'is damaged, it holds no kernel'
rm -rf "$place/cache"

# What is left there is only seen from within.
if unshare -rm true 2>/dev/null; then
	# shellcheck disable=SC2016 # they are that shell's variables
	try unshare -rm sh -c 'mount -t tmpfs -o size=1m lab "$TMPDIR" && { lab/lab run "$@"; got=$?; ls -A "$TMPDIR"; exit $got; }' \
		sh "$host" -- "$place/hang"
	is 'a full disk' 125 'No space left on device'
	[[ ! -s $place/out ]] || { echo "[  FAILED  ] a full disk: left $(<"$place/out")"; failed=1; }
else
	echo '[  SKIPPED ] a full disk: there are no mount namespaces to make one'
fi
exit $failed
