#!/bin/sh
# SPDX-License-Identifier: MIT
# embed_file.sh FILE: all of FILE, as the elements of a C array.
od -An -v -tx1 "$1" | sed 's/ \(..\)/0x\1,/g'
