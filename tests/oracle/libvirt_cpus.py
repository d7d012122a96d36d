#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds our imports against libvirt's own test data: some 70 real CPUs, each as CPUID returned it, as libvirt describes it, and as QEMU
   answered on it.
     libvirt_cpus.py GABI PRINT_ROWS [TREE]...     TREE: unpacked sources of libvirt 11.3 or so, by default $LIBVIRT_SOURCE
   1. Host capabilities: every feature that libvirt and QEMU have a name for is on in the manifest where CPUID says so, and off where not.
   2. QEMU's answer: what is on in the manifest, CPUID or KVM itself has.
   3. Domain capabilities with KVM: each is imported.
   Exit 77 where there are no sources."""
import glob
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import rows
from x86_libvirt import REGISTERS, bits_of

# KVM's own: it gives these whatever the CPU has.
KVM_GIVES = {('cpuid', 1, 0, 2, 31), ('cpuid', 1, 0, 2, 21), ('cpuid', 1, 0, 2, 24), ('cpuid', 7, 0, 1, 1), ('cpuid', 6, 0, 0, 2),
             ('cpuid', 7, 0, 2, 2), ('cpuid', 7, 0, 3, 29), ('cpuid', 0x80000008, 0, 1, 9), ('cpuid', 0x80000008, 0, 1, 25)}
# KVM gives both where the CPU has one of them: Intel's bits and AMD's for the same controls.
SAME = {('cpuid', 7, 0, 3, 31): ('cpuid', 0x80000008, 0, 1, 24), ('cpuid', 7, 0, 3, 27): ('cpuid', 0x80000008, 0, 1, 15),
        ('cpuid', 7, 0, 3, 26): ('cpuid', 0x80000008, 0, 1, 12)}
SAME |= {amd: intel for intel, amd in SAME.items()}
# libvirt leaves TSX out where the CPU's own is broken (x86DataFilterTSX).
TSX = {('cpuid', 7, 0, 1, 4), ('cpuid', 7, 0, 1, 11)}


def imported(gabi, text, suffix):
    with tempfile.NamedTemporaryFile('w', suffix=suffix) as file:
        file.write(text)
        file.flush()
        run = subprocess.run([gabi, 'import', file.name], capture_output=True, text=True, check=False)
    if run.returncode:
        return None, run.stderr.strip()
    bits = set()
    for key, registers in json.loads(run.stdout)['words'].get('cpuid', {}).items():
        leaf, sub = (int(part, 0) for part in key.split('.'))
        for part, register in enumerate(REGISTERS):
            value = int(registers[register]['value'] if isinstance(registers[register], dict) else registers[register], 0)
            bits |= {('cpuid', leaf, sub, part, bit) for bit in range(32) if value >> bit & 1}
    return bits, None


def raw(path):
    bits = set()
    for leaf in xml.etree.ElementTree.parse(path).getroot().findall('cpuid'):
        for part, register in enumerate(REGISTERS):
            value = int(leaf.get(register), 0)
            bits |= {('cpuid', int(leaf.get('eax_in'), 0), int(leaf.get('ecx_in', '0'), 0), part, bit) for bit in range(32) if value >> bit & 1}
    return bits


def main():
    gabi, print_rows, *trees = sys.argv[1:]
    trees = trees or [tree for tree in [os.environ.get('LIBVIRT_SOURCE')] if tree]
    if not trees:
        print('no sources of libvirt are named (LIBVIRT_SOURCE): eval "$(tests/sources)" fetches them, as ./dev test does')
        sys.exit(rows.SKIP)
    fields, _ = rows.read(print_rows)
    ours = {(f.space, f.index, f.sub, f.part, f.lo) for f in fields if f.bits == 1 and f.source.startswith('QEMU')}
    report, hosts, answers, domains = rows.Report(), 0, 0, 0
    for tree in trees:
        theirs = set()
        for feature in xml.etree.ElementTree.parse(f'{tree}/src/cpu_map/x86_features.xml').getroot().iter('feature'):
            theirs |= bits_of(feature)
        known = ours & theirs
        for path in sorted(glob.glob(f'{tree}/tests/cputestdata/x86_64-cpuid-*-host.xml')):
            name, cpuid = os.path.basename(path), raw(path.replace('-host.xml', '.xml'))
            with open(path, encoding='utf-8') as file:
                seen, error = imported(gabi, file.read(), '.xml')
            if error:
                report.differs(f'{name}: {error}')
                continue
            hosts += 1
            for bit in sorted(((seen ^ cpuid) & known) - (TSX - seen)):
                report.differs(f'{name}: {bit} is {"on" if bit in seen else "off"} here')
        for path in sorted(glob.glob(f'{tree}/tests/cputestdata/x86_64-cpuid-*.json')):
            name, cpuid = os.path.basename(path), raw(path.replace('.json', '.xml'))
            with open(path, encoding='utf-8') as file:
                answer, _ = json.JSONDecoder().raw_decode(file.read())
            seen, error = imported(gabi, json.dumps(answer), '.json')
            if error:
                report.differs(f'{name}: {error}')
                continue
            answers += 1
            for bit in sorted((seen - cpuid) & known - KVM_GIVES):
                if SAME.get(bit) not in cpuid and any(bit[1:3] == other[1:3] for other in cpuid):  # some dumps lack subleaves
                    report.differs(f'{name}: {bit} is on here')
        for path in sorted(glob.glob(f'{tree}/tests/domaincapsdata/qemu_*.x86_64*.xml')):
            with open(path, encoding='utf-8') as file:
                text = file.read()
            if '<domain>kvm</domain>' not in text:
                continue
            domains += 1
            _, error = imported(gabi, text, '.xml')
            if error:
                report.differs(f'{os.path.basename(path)}: {error}')
    report.compared('host capabilities', hosts, 60)
    report.compared("QEMU's answers", answers, 40)
    report.compared('domain capabilities', domains, 20)
    report.end()


if __name__ == '__main__':
    main()
