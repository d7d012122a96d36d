#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds our rows against libvirt's map of CPU features: each of its names is one of ours, at one of the bits that it means.
     x86_libvirt.py PRINT_ROWS [XML]        XML: libvirt's cpu_map/x86_features.xml, by default the installed one
   Exit 77 where libvirt is not installed."""
import os
import sys
import xml.etree.ElementTree

import rows

INSTALLED = '/usr/share/libvirt/cpu_map/x86_features.xml'
REGISTERS = ('eax', 'ebx', 'ecx', 'edx')


def bits_of(feature):
    """What libvirt means by a feature: {(space, index, subleaf, register, bit)}."""
    found = set()
    for leaf in feature.findall('cpuid'):
        for part, register in enumerate(REGISTERS):
            mask = int(leaf.get(register, '0'), 0)
            found |= {('cpuid', int(leaf.get('eax_in'), 0), int(leaf.get('ecx_in', '0'), 0), part, bit)
                      for bit in range(32) if mask >> bit & 1}
    for msr in feature.findall('msr'):
        mask = int(msr.get('edx', '0'), 0) << 32 | int(msr.get('eax', '0'), 0)
        found |= {('msr', int(msr.get('index'), 0), 0, 0, bit) for bit in range(64) if mask >> bit & 1}
    return found


def main():
    fields, _ = rows.read(sys.argv[1])
    path = sys.argv[2] if len(sys.argv) > 2 else INSTALLED
    if not os.path.exists(path):
        print(f'{path} (package libvirt0) is not installed')
        sys.exit(rows.SKIP)
    by_name = {}
    for field in fields:
        place = (field.space, field.index, field.sub, field.part, field.lo)
        for name in [field.name] + [a.split(':')[1] for a in field.aliases if a.startswith('libvirt:')]:
            by_name.setdefault(rows.same(name), set()).add(place)
    report, count = rows.Report(), 0
    for feature in xml.etree.ElementTree.parse(path).getroot().iter('feature'):
        theirs, ours = bits_of(feature), by_name.get(rows.same(feature.get('name')), set())
        count += 1
        if not ours & theirs:
            report.differs(f'{feature.get("name")} is {sorted(theirs)} there and {sorted(ours)} here')
    report.compared('libvirt names', count, 150)
    report.end()


if __name__ == '__main__':
    main()
