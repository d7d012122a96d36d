#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds data/models/qemu_host.def against an installed QEMU, by its emulator alone.
     qemu_host.py PRINT_ROWS DATA [QEMU...]        QEMU: the command, qemu-system-x86_64 by default
   1. Words of features: the bits that have a name are those of QEMU's own properties, release by release.
   2. Compatibility properties: every machine pc-q35 of this QEMU is started and asked; a property has the row's value on the machines up to
      the row's, and on later ones the newest machine's.
   Exit 77 where there is no QEMU, or one between 7.2 and 11.1, of which the rows do not speak."""
import pathlib
import re
import shutil
import subprocess
import sys

import rows
from models_qemu import qemu_names
from x86_qemu import known_names, qmp

PATH = '/machine/unattached/device[0]'
PARTS = {'GABI_EAX': 0, 'GABI_EBX': 1, 'GABI_ECX': 2, 'GABI_EDX': 3, '0': 0}


def table(data, name):
    text = pathlib.Path(data, 'qemu_host.def').read_text(encoding='ascii')
    return [[cell.strip().strip('"') for cell in line.split(',')] for line in re.findall(rf'^GABI_QEMU_{name}_ROW\((.*?)\)', text, re.M)]


def check_words(report, qemu, data, fields, column):
    ours = {(row[0].lower(), int(row[1], 0), int(row[2]), PARTS[row[3]]): int(row[column], 0) for row in table(data, 'WORD')}
    theirs = dict.fromkeys(ours, 0)
    names, known = qemu_names(fields), {rows.same(name) for name in known_names(qemu)}
    for name in known:
        for space, index, sub, part, lo in names.get(name, ()):
            if space != 'hyperv':
                theirs[space, index, sub, part] = theirs.get((space, index, sub, part), 0) | 1 << lo
    for word in theirs:
        if theirs[word] != ours.get(word, 0):
            report.differs(f'{word}: QEMU has names for {theirs[word]:#x}, the row for {ours.get(word, 0):#x}')
    report.compared('words of features', len(ours), 40)


def value_of(text):
    return {'on': True, 'off': False}[text] if text in ('on', 'off') else int(text, 0)


def properties_of(qemu, machine, names, cpu):
    gets = [{'execute': 'qom-get', 'arguments': {'path': PATH, 'property': name}} for name in names]
    return dict(zip(names, qmp(qemu, ['-machine', machine, '-cpu', cpu], gets)[0]))


def version_of(machine):
    return tuple(map(int, machine.rsplit('-', 1)[1].split('.')[:2]))


def check_machines(report, qemu, data):
    (machines,), _ = qmp(qemu, ['-machine', 'none'], [{'execute': 'query-machines'}])
    machines = sorted((machine['name'] for machine in machines if re.fullmatch(r'pc-q35-\d+\.\d+', machine['name'])), key=version_of)
    (listed,), _ = qmp(qemu, ['-machine', 'none'], [{'execute': 'device-list-properties', 'arguments': {'typename': 'qemu64-x86_64-cpu'}}])
    have = {item['name'] for item in listed}
    compats = [row for row in table(data, 'COMPAT') if row[3] in have]
    names = sorted({row[3] for row in compats})
    newest = properties_of(qemu, machines[-1], names, 'qemu64')
    compared = 0
    for machine in machines:
        if version_of(machine) < (4, 1):
            continue
        seen = properties_of(qemu, machine, names, 'qemu64')
        for name in names:
            values = [value_of(row[4]) for row in compats if row[3] == name and version_of(machine) <= (int(row[0]), int(row[1]))]
            expected = values[0] if values else newest[name]
            compared += 1
            if seen[name] != expected:
                report.differs(f'{machine}: {name} is {seen[name]} there and {expected} here')
    report.compared('compatibility properties of machines', compared, 70)


def main():
    fields, _ = rows.read(sys.argv[1])
    qemu = sys.argv[3:] or ['qemu-system-x86_64']
    if not shutil.which(qemu[0]):
        print('qemu-system-x86_64 (package qemu-system-x86) is not installed')
        sys.exit(rows.SKIP)
    version = subprocess.run([*qemu, '--version'], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    release = re.search(r'version (\d+\.\d+)', version)[1]
    print(version)
    if release not in ('7.2', '11.1'):
        print('the rows speak of QEMU 7.2 and 11.1')
        sys.exit(rows.SKIP)
    report = rows.Report()
    check_words(report, qemu, sys.argv[2], fields, 4 if release == '7.2' else 5)
    check_machines(report, qemu, sys.argv[2])
    report.end()


if __name__ == '__main__':
    main()
