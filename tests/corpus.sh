#!/bin/bash
# SPDX-License-Identifier: MIT
# corpus.sh GABI SOURCE: docs/corpus.md holds what lab/corpus prints of data/hosts, there are as many hosts as there must be, and
# lab/corpus tells an unexplained difference: it is shown one.
set -uo pipefail
gabi=$(readlink -f "$1")
cd "$2" || exit
command -v jq >/dev/null || { echo 'jq is not installed'; exit 77; }
failed=0

printed=$(lab/corpus "$gabi") || { echo 'lab/corpus failed'; exit 1; }
if ! diff <(sed -n '/^| host /,$p' docs/corpus.md) <(echo "$printed"); then
	echo 'docs/corpus.md is not what lab/corpus prints; see there how it is made'
	failed=1
fi
count=$(find data/hosts -name '*.json' | wc -l)
((count >= 60)) || { echo "there are only $count hosts"; failed=1; }

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
cp data/hosts/arm64-cortex-a72-linux-6.{1,12}.json "$planted"
sed -i 's/^   "0x603000000013c000": .*,$/   "0x603000000013c000": "0x00000000410fd084",/' "$planted/arm64-cortex-a72-linux-6.12.json"
if cmp -s data/hosts/arm64-cortex-a72-linux-6.12.json "$planted/arm64-cortex-a72-linux-6.12.json"; then
	echo 'nothing was planted'
	failed=1
fi
lab/corpus "$gabi" "$planted" | tail -n 1
lab/corpus "$gabi" "$planted" | grep ', 1 not\.$' >/dev/null || { echo 'a planted difference was not told'; failed=1; }
exit $failed
