#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds the layouts against offsets that the hypervisors' own sources gave, each compiled: vmcs_layouts.py PRINT_LAYOUT CSV

The CSV has the columns layout, encoding (or "size"), offset and source, which names repository, commit and file. Exit 77 without it.
"""
import csv
import os
import subprocess
import sys

# What a source does not have, and why the row is right all the same.
ABSENT = {
    ('virtualbox', '6.1.36'): 'fields that VirtualBox 7 added where 6.1 has reserved words',
    ('acrn', ''): "the preemption timer: its member is declared last in its group, one slot before its index, and no access reaches it",
}
MOST_ABSENT = {'virtualbox': 14, 'acrn': 1}


def ours(print_layout, *args):
    lines = subprocess.run([print_layout, *args], check=True, capture_output=True, text=True).stdout.split('\n')
    return {line.split()[0]: int(line.split()[1]) for line in lines if line}


def reason(layout, source):
    return next((why for (name, part), why in ABSENT.items() if name == layout and part in source), None)


def differences(layout, source, have, want, known):
    """What is placed elsewhere, what only they have, and what only we have without a reason."""
    found = [f'{code} at {have[code]}, theirs {want[code]}' for code in have if code in want and have[code] != want[code]]
    found += [f'{code} only theirs, at {want[code]}' for code in want if code in known and code not in have]
    absent = [code for code in have if code not in want and code != 'size']
    if len(absent) > (MOST_ABSENT[layout] if reason(layout, source) else 0):
        found += [f'{code} only ours, at {have[code]}' for code in absent]
    return found, absent


def main():
    print_layout, path = sys.argv[1:]
    if not os.path.exists(path):
        print(f'{path} is not there')
        return 77
    sources = {}
    with open(path, encoding='utf-8') as file:
        for row in csv.DictReader(file):
            sources.setdefault((row['layout'], row['source']), {})[row['encoding']] = int(row['offset'])
    known = {code for code in ours(print_layout, 'known')}
    bad = 0
    for (layout, source), want in sources.items():
        found, absent = differences(layout, source, ours(print_layout, layout), want, known)
        print(f'{layout}: {len(want)} offsets of {source}' + (f'; not there: {", ".join(absent)}' if absent else ''))
        print(''.join(f'\tdiffers: {text}\n' for text in found), end='')
        bad += len(found)
    missing = {'kvm-3.1', 'kvm-3.10', 'kvm-3.16', 'kvm-3.19', 'kvm-4.0', 'kvm-4.13', 'kvm-4.14', 'kvm-4.18', 'virtualbox', 'acrn', 'xen',
               'bochs'} - {layout for layout, _ in sources}
    if missing:
        print(f'nothing about {", ".join(sorted(missing))}')
    return 1 if bad or missing else 0


sys.exit(main())
