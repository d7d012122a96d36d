#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds our reading of libvirt's domains against libvirt's own: its tests have domains beside the command lines that it makes of them.
     libvirt_domains.py PRINT_DOMAIN [TREE]...     TREE: unpacked sources of libvirt 11.3 or so, by default $LIBVIRT_SOURCE
   Of every domain of x86_64 and aarch64 as libvirt keeps it: -cpu and the topology of -smp are the same, or we refuse it as a whole
   with one of the sentences below. Exit 77 where there are no sources."""
import glob
import os
import re
import shlex
import subprocess
import sys

import rows

# What we refuse and libvirt does not: it asks the host, which is not there to be asked.
REFUSED = {
    'is decided by the host': 'the policy, or the model, is decided by the host',
    'on arm64 libvirt has no': 'host-model, which libvirt refuses there too once the domain is started',
    'gives QEMU a -cpu of its own': 'the domain overrides its CPU',
    'gabi knows x86_64, i686 and aarch64': 'a 32-bit Arm',
}


def options(path):
    with open(path, encoding='utf-8') as file:
        words = shlex.split(file.read().replace('\\\n', ' '))
    return {word: words[at + 1] for at, word in enumerate(words[:-1]) if word in ('-cpu', '-smp')}


def topology(smp):
    """As numbers by name; libvirt says 1 for what is not named, if at all."""
    values = dict(part.split('=') if '=' in part else ('cpus', part) for part in smp.split(','))
    return {name: value for name, value in values.items() if name != 'cpus' and not (value == '1' and name in ('dies', 'clusters'))}


def main():
    trees = sys.argv[2:] or [tree for tree in [os.environ.get('LIBVIRT_SOURCE')] if tree]
    if not trees:
        print('no sources of libvirt are named (LIBVIRT_SOURCE): eval "$(tests/sources)" fetches them, as ./dev test does')
        sys.exit(rows.SKIP)
    paths = [path for tree in trees for arch in ('x86_64', 'aarch64')
             for path in sorted(glob.glob(f'{tree}/tests/qemuxmlconfdata/*.{arch}-latest.xml')) if os.path.exists(path[:-3] + 'args')]
    seen = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True, input='\n'.join(paths) + '\n').stdout.splitlines()
    report, compared, refused = rows.Report(), 0, 0
    for path, line in zip(paths, seen, strict=True):
        kind, first, *rest = line.split('\t')
        name = os.path.basename(path)
        theirs = options(path[:-3] + 'args')
        if kind == 'error':
            if any(text in rest[-1] for text in REFUSED):
                refused += 1
            else:
                report.differs(f'{name}: refused: {rest[-1]}')
            continue
        compared += 1
        if first != theirs.get('-cpu', ''):
            report.differs(f'{name}: -cpu is\n    {theirs.get("-cpu")} there and\n    {first} here')
        elif topology(rest[1]) != topology(theirs['-smp']):
            report.differs(f'{name}: -smp is {theirs["-smp"]} there and {rest[1]} here')
    print(f'{refused} need a host')
    report.compared('domains', compared, 700)
    report.end()


if __name__ == '__main__':
    main()
