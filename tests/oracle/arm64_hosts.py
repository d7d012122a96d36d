#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the arm64 rows against the manifests of real kernels: what they list has a row, and what a row says resets to 0 read 0
   on a vCPU that never ran.
     arm64_hosts.py PRINT_ROWS DIRECTORY"""
import glob
import json
import sys

import rows


def number(word):
    value = word['value'] if isinstance(word, dict) else word
    return [int(part, 16) for part in (value if isinstance(value, list) else [value])]


def main():
    _, regs = rows.read(sys.argv[1])
    by_index = {reg.index: reg for reg in regs if reg.space.startswith('arm64')}
    report, listed, reset = rows.Report(), 0, 0
    for path in sorted(glob.glob(sys.argv[2] + '/*.json')):
        with open(path, encoding='utf-8') as file:
            manifest = json.load(file)
        if manifest['arch'] != 'arm64':
            continue
        for space in ('arm64', 'arm64-state'):
            for index, word in manifest['words'].get(space, {}).items():
                listed += 1
                reg = by_index.get(int(index, 16))
                if not reg or reg.space != space:
                    report.differs(f'{path}: {index} has no row in {space}')
                elif reg.resets_to_0:
                    reset += 1
                    if any(number(word)):
                        report.differs(f'{path}: {reg.name} is {word}, and its row says that it resets to 0')
    report.compared('registers', listed, 300)
    report.compared('registers that reset to 0', reset, 100)
    report.end()


if __name__ == '__main__':
    main()
