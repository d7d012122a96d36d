#!/bin/bash
# SPDX-License-Identifier: MIT
# no_kvm.sh GABI IMAGE: where KVM cannot be used, gabi run says in one sentence what is missing, and starts nothing.
# shellcheck disable=SC2317 # the cases are called by their names
set -uo pipefail
gabi=$(readlink -f "$1")
image=$(readlink -f "$2")
unshare --mount sh -c 'mount -t tmpfs none /dev && mknod /dev/kvm c 1 3' 2>/dev/null || { echo "there is no way here to have another /dev: only root has"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cp "$gabi" "$image" "$work"
chmod 755 "$work"/*
cd "$work" || exit 1

# fails TEXT COMMAND [HOW...]: gabi run, with a /dev in which the command made what there is of KVM, says that
fails() {
	local text=$1 make=$2 status=0
	shift 2
	# shellcheck disable=SC2016 # the inner shell expands it
	env -u XDG_RUNTIME_DIR unshare --mount sh -c 'mount -t tmpfs -o mode=755 none /dev && eval "$0" && exec "$@"' "$make" "$@" \
		./"${gabi##*/}" run "${image##*/}" </dev/null >out 2>err || status=$?
	((status == 4)) && (($(wc -l <err) == 1)) && [[ ! -s out ]] && grep -qF -- "$text" err && return 0
	echo "status $status, and 4 was expected with '$text':"
	cat out err
	return 1
}

no_device() { fails '/dev/kvm: there is no such device: load the kernel' true; }
no_permission() { fails '/dev/kvm: no permission to open it: run as root or join the group' 'mknod -m 600 /dev/kvm c 10 232' setpriv --reuid=65534 --regid=65534 --clear-groups; }
no_driver() { fails '/dev/kvm: the kernel has no KVM that works' 'mknod /dev/kvm c 10 250'; }
another_device() { fails "/dev/kvm: is not KVM's device" 'mknod /dev/kvm c 1 3'; }
a_file() { fails "/dev/kvm: is not KVM's device" 'echo >/dev/kvm'; }
a_directory() { fails '/dev/kvm: ' 'mkdir /dev/kvm'; }

failed=0
for case in no_device no_permission no_driver another_device a_file a_directory; do
	if "$case"; then
		echo "[       OK ] $case"
	else
		echo "[  FAILED  ] $case"
		failed=1
	fi
done
exit $failed
