#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds QEMU's Hyper-V flags, their bits and what each needs, against a table of them that was read out of QEMU for itself.
     hv_flags.py PRINT_ROWS NEEDS_DEF TABLE       TABLE: prop,func,reg,bits,deps as facts/qemu_hv_flags.csv beside the source
   Exit 77 where the table is not there."""
import collections
import csv
import os
import re
import sys

import rows

REGISTERS = {'EAX': 0, 'EBX': 1, 'ECX': 2, 'EDX': 3}
# The enlightened VMCS is nothing without VMX; of the SynIC QEMU itself asks that VP indexes be there (hyperv_handle_properties).
MORE = {('hv-evmcs', 'vmx'), ('hv-synic', 'hv-vpindex')}
# A bit of its own here, that the guest of either flag gets (pin --qemu adds it); and the debugger's own leaf.
COMMON, DEBUGGER = (0x40000004, 0, 11), (0x40000082, 0, 1)


def main():
    print_rows, needs, table = sys.argv[1:4]
    if not os.path.exists(table):
        print(f'{table} is not there')
        sys.exit(rows.SKIP)
    bits = collections.defaultdict(set)
    for field in rows.read(print_rows)[0]:
        if field.space == 'hyperv':
            for name in {field.name, *(alias[5:] for alias in field.aliases if alias.startswith('qemu:'))}:
                bits[rows.same(name)] |= {(field.index, field.part, bit) for bit in range(field.lo, field.lo + field.bits)}
    with open(needs, encoding='utf-8') as file:
        ours = set(re.findall(r'^GABI_HV_NEEDS_ROW\("([^"]+)", "([^"]+)"\)', file.read(), re.M))
    report, theirs, seen, count = rows.Report(), set(), collections.defaultdict(set), 0
    with open(table, encoding='utf-8') as file:
        for row in csv.DictReader(file):
            name = row['prop'].split('/')[0]
            count += 1
            seen[name] |= {(int(row['func'], 0), REGISTERS[row['reg']], bit) for bit in range(32) if int(row['bits'], 0) >> bit & 1}
            theirs |= {(name, 'hv-' + need.lower()) for need in row['deps'].split('+') if need}
    for name, there in seen.items():
        if bits.get(name, set()) - {DEBUGGER} != there - {COMMON}:
            report.differs(f'{name}: {sorted(there)} there and {sorted(bits.get(name, set()))} here')
    for name, need in sorted(theirs - ours):
        report.differs(f'{name} needs {need} there')
    for name, need in sorted(ours - theirs - MORE):
        if name in seen:
            report.differs(f'{name} needs {need} here')
    report.compared('flags', count, 18)
    report.compared('needs', len(theirs), 8)
    report.end()


if __name__ == '__main__':
    main()
