#!/bin/sh
# SPDX-License-Identifier: MIT
# newest.sh X86|ARM ORACLE ARG...: the oracle, with the newest QEMU behind its arguments. Exit 77 where none is named.
eval "qemu=\${QEMU_NEWEST_$1:-}"
shift
if [ -z "$qemu" ]; then
	echo "no newest QEMU is named: tests/sources fetches it, as ./dev test does"
	exit 77
fi
exec "$@" "$qemu"
