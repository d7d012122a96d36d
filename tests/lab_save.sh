#!/bin/bash
# SPDX-License-Identifier: MIT
# lab_save.sh SOURCE GABI GUEST WHAT HOST HOST: a guest that works is saved on the first host, goes on from the file on the second, of another
# kernel, is saved there, and goes on once more on the first, where it is asked whether it noticed anything. WHAT: see lab_move.sh.
set -uo pipefail
source=$(readlink -f "$1") gabi=$(readlink -f "$2") guest=$(readlink -f "$3")
what=$4 first=$5 second=$6
case $what in
hyperv) options=(--hyperv --append 'cpus=1 pages=64 every=8 hyperv=1') last='STIMER1: goes on' ;;
vsm) options=(--vsm --append 'travel=1') last='the secret is there, and nobody saw it' ;;
shim) options=(--vsm --vsm-execute=shim --append 'travel=1 execute=1') last='the secret is there, and nobody saw it' ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir files out

# The command with its libraries: the lab's machines have none.
cp "$gabi" files/gabi
cp "$guest" files/guest
while read -r library; do
	cp -L "$library" files/
done < <(ldd "$gabi" | sed -nE 's/^[^/]*(\/[^ ]+) .*/\1/p')

cat >files/side.sh <<'END'
#!/bin/sh
# side.sh save|end ARG...: runs gabi with these arguments until the guest works, then saves it into /out, or ends it
trap '' PIPE
what=$1
shift
for applet in cat grep mkdir mkfifo sleep; do
	eval "$applet() { /bin/busybox $applet \"\$@\"; }"
done
export XDG_RUNTIME_DIR=/tmp/run
mkdir -p /tmp/run

gabi() {
	./ld-linux-x86-64.so.2 --library-path . ./gabi "$@"
}

mkfifo in
: >said
gabi "$@" <in >said 2>complaints &
pid=$!
exec 5>in
tries=200
until grep -q turn said || [ $tries = 0 ]; do
	sleep 1
	tries=$((tries - 1))
done
if [ "$what" = save ]; then
	gabi save one /out/guest.saved && gabi ctl one quit && { wait $pid || :; } # its last line is to be whole
else
	echo q >&5
	wait $pid || echo "it ends with $?"
	cat said
fi
status=$?
cat complaints
exit $status
END

on() { # on HOST ARG...
	local host=$1
	shift
	GABI_LAB_SECONDS=600 "$source/lab/lab" run "$host" --out out files/. -- files/side.sh "$@" >log 2>&1
	local status=$?
	((status == 0)) && return
	((status == 77)) || { echo "[  FAILED  ] $host: status $status"; tail -n 30 log; status=1; }
	[[ $status != 77 ]] || cat log
	exit "$status"
}

on "$first" save run --name one --memory 32M "${options[@]}" guest
cp out/guest.saved files/ || exit 1
on "$second" save restore --name one guest.saved
cp out/guest.saved files/ || exit 1
on "$first" end restore --name one guest.saved
if grep -qF "$last" log && grep -qF ', 0x0 bad' log; then
	echo "[       OK ] saved on $first, $second, and restored on $first"
	exit 0
fi
echo "[  FAILED  ] the guest noticed"
tail -n 30 log
exit 1
