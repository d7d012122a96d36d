#!/bin/sh
# SPDX-License-Identifier: MIT
# embed.sh OBJCOPY FILE: what FILE puts into memory, as the elements of a C array.
set -e
image=$(mktemp)
trap 'rm -f "$image"' EXIT
"$1" -O binary "$2" "$image"
od -An -v -tx1 "$image" | sed 's/ \(..\)/0x\1,/g'
