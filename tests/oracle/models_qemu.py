#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the rows of data/models against QEMU's own models: query-cpu-model-expansion, full, with vmx=true.
     models_qemu.py PRINT_ROWS PRINT_MODELS [QEMU...]        QEMU: the command, qemu-system-x86_64 by default
   Every model and alias that QEMU has must be in the table, and every row that says this QEMU or an older one has it must be
   in QEMU. Compared are all of QEMU's names of features, what identifies the CPU, and that we set no bit beyond them.
   Exit 77 where there is no QEMU."""
import collections
import re
import shutil
import subprocess
import sys

import rows
from x86_qemu import qmp

NO_MODELS = {'base', 'host', 'max'}
SPACES = {'cpuid', 'kvm', 'hyperv', 'msr'}
ASKED = {'vmx'}  # because we asked for it
AMD_COPIES = 0x0183f3ff  # of leaf 1's bits in 0x80000001 EDX: QEMU makes them from leaf 1 when the CPU is started
# tcg_default_props of QEMU: its emulator, which alone can be asked here, takes it from every model. models_libvirt.py looks at it.
OF_EMULATOR = ('cpuid', 1, 0, 3, 1)  # vme
NONE = ['-machine', 'none']

# Where a QEMU gives a name another meaning than the oldest one that has it: (release, name, property).
EXCEPTIONS = {}


def expansions(qemu, names):
    commands = [{'execute': 'query-cpu-model-expansion',
                 'arguments': {'type': 'full', 'model': {'name': name, 'props': {'vmx': True}}}} for name in names]
    return dict(zip(names, (answer['model']['props'] for answer in qmp(qemu, NONE, commands)[0])))


def our_models(print_models, kind_wanted='model'):
    models, aliases = {}, {}
    for line in subprocess.run([print_models], check=True, capture_output=True, text=True).stdout.splitlines():
        kind, name, *cell = line.split('\t')
        if kind == 'alias':
            aliases[name] = cell
        if kind != kind_wanted:
            continue
        words = {}
        for word in cell[1].split():
            key, value = word.split('=')
            space, index, sub, part = key.split(':')
            words[space, int(index, 0), int(sub), int(part)] = int(value, 0)
        models[name] = cell[0], words
    return models, aliases


def qemu_names(fields):
    """{name: the bits that QEMU means by it}"""
    bits = collections.defaultdict(set)
    for field in fields:
        copy = (field.space, field.index, field.part) == ('cpuid', 0x80000001, 3) and AMD_COPIES >> field.lo & 1
        if field.space not in SPACES or field.bits != 1 or copy:
            continue
        for name in {field.name, *(alias[5:] for alias in field.aliases if alias.startswith('qemu:'))}:
            bits[rows.same(name)].add((field.space, field.index, field.sub, field.part, field.lo))
    return bits


def text_of(words, keys):
    return b''.join(words.get(('cpuid', leaf, 0, part), 0).to_bytes(4, 'little') for leaf, part in keys).rstrip(b'\0').decode()


def identity(words):
    """What identifies the CPU, under QEMU's names."""
    def leaf(number, part=0):
        return words.get(('cpuid', number, 0, part), 0)
    eax = leaf(1)
    family = eax >> 8 & 15
    return {'family': family + (eax >> 20 & 255 if family == 15 else 0), 'model': (eax >> 4 & 15) | (eax >> 12 & 0xf0),
            'stepping': eax & 15, 'level': leaf(0), 'xlevel': leaf(0x80000000), 'xlevel2': leaf(0xc0000000),
            'level-func7': leaf(7), 'avx10-version': words.get(('cpuid', 0x24, 0, 1), 0) & 0xff, 'vendor': text_of(words, [(0, 1), (0, 3), (0, 2)]),
            'model-id': text_of(words, [(0x80000002 + i // 4, i % 4) for i in range(12)])}


def set_bits(words):
    """All bits but those of identity."""
    return {(*key, bit) for key, value in words.items() for bit in range(64) if value >> bit & 1
            if key[0] != 'cpuid' or not (key[1] in (0, 0x80000000, 0xc0000000) or 0x80000002 <= key[1] <= 0x80000004 or
                                         (key[1] in (1, 7) and key[2] == 0 and key[3] == 0) or
                                         (key[1] == 0x24 and key[3] == 1 and bit < 8))}


def differences(words, theirs, names):
    ours, known = set_bits(words) - {OF_EMULATOR}, set()
    for name, value in theirs.items():
        bits = names.get(rows.same(name))
        if not isinstance(value, bool) or not bits or name in ASKED or name.startswith('hv-') or OF_EMULATOR in bits:
            continue
        known |= bits if value else set()
        if (bits <= ours) != value or (not value and bits & ours):
            yield name, f'{name} is {value} there'
    for name, value in identity(words).items():
        if theirs.get(name, 0) != value:
            yield name, f'{name} is {theirs[name]!r} there and {value!r} here'
    for bit in ours - known:
        yield bit, f'we set {bit}, which no name of QEMU does'


def compare(report, release, definitions, theirs, ours, names):
    for definition in definitions:
        name, alias = definition['name'], definition.get('alias-of')
        if alias:
            if ours[1].get(name, [None])[0] != alias:
                report.differs(f'{name} is {alias} there and {ours[1].get(name)} here')
        elif name not in ours[0]:
            report.differs(f'we have no {name}')
        else:
            for key, text in differences(ours[0][name][1], theirs[name], names):
                if (release, name, key) not in EXCEPTIONS:
                    report.differs(f'{name}: {text}')


def number(release):
    return [int(digits) for digits in re.findall(r'\d+', release)]


def main():
    fields, _ = rows.read(sys.argv[1])
    qemu = sys.argv[3:] or ['qemu-system-x86_64']
    if not shutil.which(qemu[0]):
        print('qemu-system-x86_64 (package qemu-system-x86) is not installed')
        sys.exit(rows.SKIP)
    version = subprocess.run([*qemu, '--version'], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    print(version)
    release = re.search(r'\d+\.\d+', version)[0]
    ours = our_models(sys.argv[2])
    (definitions,), _ = qmp(qemu, NONE, [{'execute': 'query-cpu-definitions'}])
    definitions = [item for item in definitions if item['name'] not in NO_MODELS]
    there = {item['name'] for item in definitions}
    theirs = expansions(qemu, [item['name'] for item in definitions if not item.get('alias-of')])
    report = rows.Report()
    compare(report, release, definitions, theirs, ours, qemu_names(fields))
    for name, cell in [*ours[0].items(), *ours[1].items()]:
        source = cell[0] if name in ours[0] else cell[1]
        if source.startswith('QEMU') and number(source) <= number(release) and name not in there:
            report.differs(f'{name} is said to be in {source} and is not there')
    report.compared('models', len(theirs), 74)
    report.compared('aliases', len(definitions) - len(theirs), 55)
    report.end()


if __name__ == '__main__':
    main()
