#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Asks an installed QEMU, by its emulator alone, which bit each of its CPU feature names is, and holds our rows against it.
     x86_qemu.py PRINT_ROWS [QEMU...]        QEMU: the command, qemu-system-x86_64 by default
   QEMU is started once for each binary digit of a feature's number, with the features on whose number has that digit. A
   bit of the CPU model that is on in exactly those runs belongs to that feature. For MSRs, which have no such property,
   QEMU's warnings tell name, register and bit of what its emulator lacks.
   Exit 77 where there is no QEMU."""
import collections
import json
import re
import shutil
import subprocess
import sys

import rows

REGISTERS = {'EAX': 0, 'EBX': 1, 'ECX': 2, 'EDX': 3}
CONTROLS = {0x48b, 0x48d, 0x48e, 0x48f, 0x490}


def qmp(qemu, machine, commands):
    """Results of commands, and what QEMU said on standard error."""
    lines = [{'execute': 'qmp_capabilities'}, *commands, {'execute': 'quit'}]
    run = subprocess.run([*qemu, '-S', '-display', 'none', '-nodefaults', '-accel', 'tcg', '-m', '16', '-qmp', 'stdio', *machine],
                         input=''.join(json.dumps(line) + '\n' for line in lines), capture_output=True, text=True, timeout=120,
                         check=False)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    results = [answer for answer in answers if 'return' in answer or 'error' in answer][1:-1]
    if len(results) != len(commands) or any('error' in result for result in results):
        sys.exit(f'QEMU did not answer: {results} {run.stderr[-500:]}')
    return [result['return'] for result in results], run.stderr


def known_names(qemu):
    (properties,), _ = qmp(qemu, ['-machine', 'none'], [{'execute': 'device-list-properties',
                                                         'arguments': {'typename': 'base-x86_64-cpu'}}])
    return {item['name'] for item in properties if item['type'] == 'bool'}


def run_with(qemu, names):
    """CPUID bits that those features make, wanted or refused, and {name: (msr, bit)} from the warnings."""
    path = '/machine/unattached/device[0]'
    words, warnings = qmp(qemu, ['-machine', 'pc', '-cpu', ','.join(['base', 'pmu=on'] + [name + '=on' for name in names])],
                          [{'execute': 'qom-get', 'arguments': {'path': path, 'property': which}}
                           for which in ('feature-words', 'filtered-features')])
    bits = {(word['cpuid-input-eax'], word.get('cpuid-input-ecx', 0), REGISTERS[word['cpuid-register']], bit)
            for which in words for word in which for bit in range(32) if word['features'] >> bit & 1}
    msrs = {name: (int(number, 16), int(bit)) for number, name, bit in
            re.findall(r'MSR\(([0-9A-Fa-f]+)H?h?\)\.([\w.-]+) \[bit (\d+)\]', warnings)}
    return bits, msrs


def name_bits(qemu, names):
    """{name: its CPUID bits}, {name: (msr, bit)} and the bits that belong to none of the names."""
    seen, msrs = collections.defaultdict(int), {}
    for digit in range(len(names).bit_length()):
        bits, told = run_with(qemu, [name for number, name in enumerate(names, 1) if number >> digit & 1])
        msrs.update(told)
        for bit in bits:
            seen[bit] |= 1 << digit
    owned, stray = collections.defaultdict(set), []
    for bit, number in seen.items():
        if number <= len(names):
            owned[names[number - 1]].add(bit)
        else:
            stray.append(bit)
    return owned, msrs, stray


def check(report, qemu, fields):
    known = known_names(qemu)
    ours = {f.name: f for f in fields if f.source.startswith('QEMU') and f.name in known and not f.name.startswith('hv-')}
    owned, msrs, stray = name_bits(qemu, sorted(ours))
    cpuid = [field for field in ours.values() if field.space == 'cpuid']  # without KVM, QEMU shows none of KVM's leaves
    for field in cpuid:
        bit = (field.index, field.sub, field.part, field.lo)
        if bit not in owned[field.name]:
            report.differs(f'{field.name} is {sorted(owned[field.name])} there and {bit} here')
    for name, (msr, bit) in msrs.items():
        if msr in CONTROLS:  # of which QEMU keeps the may-be-1 half alone
            bit += 32
        here = [(field.index, field.lo) for field in fields if field.space == 'msr' and
                (field.name == name or 'qemu:' + name in field.aliases)]
        if (msr, bit) not in here:
            report.differs(f'{name} is MSR {msr:#x} bit {bit} there and {here} here')
    for bit in stray:
        report.differs(f'CPUID {bit[0]:#x}.{bit[1]} register {bit[2]} bit {bit[3]} goes with no single name')
    report.compared('CPUID names', len(cpuid), 180)
    report.compared('MSR names', len(msrs), 50)


def main():
    fields, _ = rows.read(sys.argv[1])
    qemu = sys.argv[2:] or ['qemu-system-x86_64']
    if not shutil.which(qemu[0]):
        print('qemu-system-x86_64 (package qemu-system-x86) is not installed')
        sys.exit(rows.SKIP)
    print(subprocess.run([*qemu, '--version'], capture_output=True, text=True, check=True).stdout.splitlines()[0])
    report = rows.Report()
    check(report, qemu, fields)
    report.end()


if __name__ == '__main__':
    main()
