#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds our reading of -cpu arguments against an installed QEMU's, by its emulator alone.
     cpu_qemu.py PRINT_ROWS PRINT_CPU [QEMU...]        QEMU: the command, qemu-system-x86_64 by default
   1. Arguments, written down and drawn at random: QEMU starts with it or refuses it, and so do we; the CPUID features that it asks for
      (those that QEMU has and those that its emulator lacks) and what identifies the CPU are ours.
   2. What depends on what: with all of QEMU's features on but one, the same are off there and here.
   Exit 77 where there is no QEMU."""
import json
import random
import shutil
import subprocess
import sys

import rows
from models_qemu import identity, qemu_names, set_bits
from x86_qemu import REGISTERS, known_names, qmp

PATH = '/machine/unattached/device[0]'
IDENTITY = ['family', 'model', 'stepping', 'level', 'xlevel', 'vendor', 'model-id']
# What differs, and may: each of these is a row of docs/models.md, "What differs from the emulator".
SVM = ('cpuid', 0x80000001, 0, 2, 2)          # without it QEMU lists its leaf 0x8000000a, if asked for, as missing
AVX10 = ('cpuid', 7, 1, 3, 19)                # the same of its leaf 0x24
OF_EMULATOR = {('cpuid', 1, 0, 3, 1)}         # vme: tcg_default_props, which KVM does not have
OF_SGX = {(0x12, 0), (0x12, 1)}               # without sgx QEMU 7.2 keeps these, and does not show them
MADE_AT_START = {(0xd, 0)}                    # of the features, when the CPU is started
TAKEN = {'qemu64,legacy-cache=off'}           # here; QEMU then finds that the model has no caches of its own

WRITTEN = '''
avx2=on,avx2=off|avx2=off,avx2=on|+avx2,avx2=off|avx2=off,+avx2|-avx2,avx2=on|avx2=on,-avx2|+avx2,-avx2|-avx2,+avx2|avx2|,avx2,
avx2=yes|avx2=y|avx2=true|avx2=1|avx2=ON|avx2=|avx2=no|avx2=n|avx2=false|lahf_lm=off|-lahf_lm|+avx512_vnni|avx512_vnni|+hv_relaxed
hv_relaxed|+sse4_1|+sse4-1|sse4.2=off|+sse4_2,-sse4.2|pclmuldq|+pclmuldq|family=271|family=270|family=0x19|family=07|family=08|model=255
model=256|stepping=15|stepping=16|vendor=abc|vendor=GenuineIntel|level=7|level=1,avx2|level|xlevel=5|min-level=20|min-level=2
model-id=a b|model-id=0123456789012345678901234567890123456789012345678901234567890|+family|nosuch|+nosuch|-nosuch| avx2|+AVX2|pmu|+pmu
pmu=off|enforce=1|check=off|tsc-freq=2G|tsc-freq=2.5G|tsc-freq=x|tsc-freq=|tsc-frequency=2G|tsc-frequency=2000000000|hv-spinlocks=0x1fff
hv-spinlocks=x|hv-vendor-id=KVMKVMKVM|hv-version-id-build=99999999999|hv-no-nonarch-coresharing=auto|hv-no-nonarch-coresharing=maybe
=on|+|-|+avx2=on|svm=off|-svm|-lm|+invtsc|+xsaves|+avx512-bf16|kvm=off|l3-cache=off|legacy-cache=off|host-phys-bits|phys-bits=46
lmce=on|cpuid-0xb=off|-apic|+apic,-apic|hypervisor=off|+x2apic,x2apic=off
'''.replace('\n', '|').strip('|').split('|')
MODELS = ['qemu64', 'Haswell-noTSX', 'EPYC-Rome-v2', 'Nehalem', 'n270', 'base', 'Cascadelake-Server-v4', 'qemu-64', 'Haswell-v9', 'kvm64-v1']


def drawn(names, count):
    """Arguments at random, but the same each time."""
    draw = random.Random(5)
    for _ in range(count):
        items = [draw.choice([f'+{name}', f'-{name}', f'{name}=on', f'{name}=off', name])
                 for name in draw.choices(draw.sample(names, 3), k=draw.randint(1, 6))]
        yield ','.join([draw.choice(MODELS[:7]), *items])


def ask_qemu(qemu, argument):
    """(CPUID bits, identity), or None where QEMU refuses the argument."""
    gets = [{'execute': 'qom-get', 'arguments': {'path': PATH, 'property': name}} for name in
            ['feature-words', 'filtered-features', *IDENTITY]]
    lines = [{'execute': 'qmp_capabilities'}, *gets, {'execute': 'quit'}]
    run = subprocess.run([*qemu, '-S', '-display', 'none', '-nodefaults', '-accel', 'tcg', '-machine', 'pc', '-m', '16', '-qmp', 'stdio',
                          '-cpu', argument], input=''.join(json.dumps(line) + '\n' for line in lines), capture_output=True, text=True,
                         timeout=120, check=False)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    results = [answer['return'] for answer in answers if 'return' in answer][1:-1]
    if len(results) != len(gets):
        return None
    bits = {('cpuid', word['cpuid-input-eax'], word.get('cpuid-input-ecx', 0), REGISTERS[word['cpuid-register']], bit)
            for which in results[:2] for word in which for bit in range(32) if word['features'] >> bit & 1}
    return bits, dict(zip(IDENTITY, results[2:]))


def ask_us(print_cpu, arguments):
    """A list of words, or of None where we refuse."""
    run = subprocess.run([print_cpu], input=''.join(argument + '\n' for argument in arguments), capture_output=True, text=True, check=True)
    for line in run.stdout.splitlines():
        kind, *cell = line.split('\t')
        words = {}
        for word in cell[0].split() if kind == 'words' else []:
            key, value = word.split('=')
            space, index, sub, part = key.split(':')
            words[space, int(index, 0), int(sub), int(part)] = int(value, 0)
        yield words if kind == 'words' else None


def named_bits(names):
    return {bit for bits in names.values() for bit in bits if bit[0] == 'cpuid' and bit not in OF_EMULATOR and bit[1:3] not in MADE_AT_START}


def compare(report, argument, theirs, ours, known):
    if theirs is None or ours is None:
        if (theirs is None) != (ours is None) and argument not in TAKEN:
            report.differs(f'"{argument}" is {"refused" if theirs is None else "taken"} there, not here')
        return
    bits, who = theirs
    if AVX10 not in bits:
        known = {bit for bit in known if bit[1] != 0x24}
    if SVM not in bits:
        known = {bit for bit in known if bit[1] != 0x8000000a}
    for bit in (bits ^ {bit for bit in set_bits(ours) if bit[0] == 'cpuid'}) & known:
        report.differs(f'"{argument}": {bit} is {"on" if bit in bits else "off"} there, not here')
    us = identity(ours)
    for name in IDENTITY:
        if us[name] != who[name]:
            report.differs(f'"{argument}": {name} is {who[name]!r} there and {us[name]!r} here')


def check_arguments(report, qemu, print_cpu, names, features):
    arguments = [f'qemu64,{item}' for item in WRITTEN] + [f'{model},+avx2' for model in MODELS] + list(drawn(features, 40))
    refused = 0
    for argument, ours in zip(arguments, ask_us(print_cpu, arguments)):
        theirs = ask_qemu(qemu, argument)
        refused += theirs is None
        compare(report, argument, theirs, ours, named_bits(names))
    report.compared('arguments', len(arguments), 130)
    report.compared('refused arguments', refused, 25)


def check_needs(report, qemu, print_cpu, names, features, keeps_sgx):
    """Only features that QEMU's emulator can have on in an expansion; KVM's own are not among them."""
    def expansions(sets):
        commands = [{'execute': 'query-cpu-model-expansion', 'arguments': {'type': 'full', 'model': {'name': 'base', 'props': props}}}
                    for props in sets]
        return [answer['model']['props'] for answer in qmp(qemu, ['-machine', 'none'], commands)[0]]

    every = dict.fromkeys(features, True)
    (full,) = expansions([every])
    features = [name for name in features if full[name]]
    every = dict.fromkeys(features, True)
    theirs = expansions([{**every, name: False} for name in features])
    arguments = [','.join(['base', *features, f'-{name}']) for name in features]
    for name, there, ours in zip(features, theirs, ask_us(print_cpu, arguments)):
        here = set_bits(ours)
        for other in features:
            if keeps_sgx and name == 'sgx' and (other == 'sgxlc' or any(bit[1:3] in OF_SGX for bit in names[rows.same(other)])):
                continue
            if (names[rows.same(other)] <= here) != there[other]:
                report.differs(f'without {name}, {other} is {"on" if there[other] else "off"} there, not here')
    report.compared('features taken away', len(features), 250)


def main():
    fields, _ = rows.read(sys.argv[1])
    qemu = sys.argv[3:] or ['qemu-system-x86_64']
    if not shutil.which(qemu[0]):
        print('qemu-system-x86_64 (package qemu-system-x86) is not installed')
        sys.exit(rows.SKIP)
    version = subprocess.run([*qemu, '--version'], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    print(version)
    names = qemu_names(fields)
    known = known_names(qemu)
    features = sorted({frozenset(names[rows.same(name)]): name for name in sorted(known) if '_' not in name and names.get(rows.same(name)) and not name.startswith('hv-')}.values())  # one name for what several stand for
    report = rows.Report()
    check_arguments(report, qemu, sys.argv[2], names, [name for name in features if all(bit[0] == 'cpuid' for bit in names[name])])
    check_needs(report, qemu, sys.argv[2], names, features, 'version 7.' in version)
    report.end()


if __name__ == '__main__':
    main()
