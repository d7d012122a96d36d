#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the arm64 models against QEMU's and libvirt's.
     models_arm64.py PRINT_ROWS PRINT_MODELS PRINT_CPU [QEMU...]        QEMU: the command, qemu-system-aarch64 by default
   1. Every 64-bit model that QEMU has: each ID register as EL1 reads it, by one MRS after another; its properties, by
      query-cpu-model-expansion, full. Every field of these registers that we name is compared.
   2. Arguments: registers behind properties that are on and off, and what is refused.
   3. libvirt's cpu_map, where it is installed ($LIBVIRT_CPU_MAP names another): implementer and part number of each arm model.
   Exit 77 where there is no QEMU."""
import glob
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import rows
from arm64_gdb import id_registers
from models_qemu import our_models
from x86_qemu import qmp

REGISTERS = [(0, 0, crm, op2) for crm in range(8) for op2 in range(8)] + [(3, 0, 0, 1), (3, 0, 0, 7), (1, 0, 0, 1)]
SVE_LENGTHS = 0x606000000015ffff
NO_MODELS = {'max', 'host'}
# What releases before 11 have otherwise: the rows are the newest's.
OLDER = {'id-dfr0.mmaptrc', 'revidr'}
# -machine virt does not take them: they are asked bare, as the first is too, to see that it is the same.
BARE = {'cortex-a78ae'}
ALSO_BARE = 'neoverse-n1'
# Since some release the emulator alone makes a 32-bit CPU of it, of which nothing is foretold here.
OF_EMULATOR = {'cortex-a57,aarch64=off'}
ARGUMENTS = ['a64fx,sve=off', 'a64fx,sve256=off', 'a64fx,sve512=off', 'a64fx,sve128=on', 'a64fx,sve256=on', 'a64fx,sve512=on,sve256=off',
             'a64fx,sve384=on', 'a64fx,sve128=off', 'a64fx,sve=off,sve256=on', 'a64fx,sve512=on,sve256=on', 'a64fx,sve2048=off',
             'a64fx,sve2048=on', 'a64fx,sve=on,pmu=off', 'cortex-a57,pmu=off', 'cortex-a57,pmu=on,pmu=off', 'cortex-a57,sve=on',
             'cortex-a57,sve=off', 'cortex-a57,sve128=off', 'cortex-a57,pauth=off', 'cortex-a57,aarch64=off', 'cortex-a57,aarch64=on',
             'cortex-a57,+pmu', 'cortex-a57,pmu', 'cortex-a57,pmu=1', 'cortex-a57,kvm-steal-time=off', 'cortex-a57,no-such=on',
             'neoverse-n1,,pmu=off', 'neoverse-n1,sve130=on', 'neoverse-n1,sve2176=on', 'neoverse-v1,pauth=off', 'neoverse-v1,pauth-impdef=on',
             'neoverse-v1,pauth-qarma3=on', 'neoverse-v1,pauth-qarma5=on', 'neoverse-v1,pauth-qarma5=on,pauth-qarma3=on',
             'neoverse-v1,pauth=off,pauth-impdef=on', 'neoverse-v1,sve256=off', 'neoverse-n2,sve=off,pauth=off,pmu=off', 'cortex-a710,sve128=off',
             'cortex-a710,sve256=on']


def key_of(op1, crn, crm, op2):
    return 0x6030000000130000 | 3 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


def compare(report, what, words, registers, fields, older):
    """Every named field of the registers that were read."""
    compared = 0
    for field in fields:
        for register, value in registers.items():
            if field.index != key_of(*register):
                continue
            theirs = value >> field.lo & ((1 << field.bits) - 1)
            ours = words.get(('arm64', field.index, field.sub, field.part), 0) >> field.lo & ((1 << field.bits) - 1)
            compared += 1
            if ours != theirs and not (older and field.name in OLDER):
                report.differs(f'{what}: {field.name} is {theirs:#x} there and {ours:#x} here')
    return compared


def lengths(props):
    return sum(1 << int(name[3:]) // 128 - 1 for name, value in props.items() if re.fullmatch(r'sve[0-9]+', name) and value)


def check_models(report, qemu, ours, fields, older):
    (definitions,), _ = qmp(qemu, ['-machine', 'virt'], [{'execute': 'query-cpu-definitions'}])
    names = sorted(item['name'] for item in definitions if item['name'] not in NO_MODELS)
    answers = qmp(qemu, ['-machine', 'virt'], [{'execute': 'query-cpu-model-expansion', 'arguments': {'type': 'full', 'model': {'name': name}}}
                                               for name in names])[0]
    models, compared = 0, 0
    for name, answer in zip(names, answers, strict=True):
        props = answer['model'].get('props', {})
        if 'aarch64' not in props:
            continue  # a 32-bit CPU
        if name not in ours:
            report.differs(f'we have no {name}')
            continue
        words = ours[name][1]
        compared += compare(report, name, words, id_registers(qemu, name, REGISTERS, 'none' if name in BARE else 'virt'), fields, older)
        if name == ALSO_BARE:
            compare(report, f'{name}, bare', words, id_registers(qemu, name, REGISTERS, 'none'), fields, older)
        models += 1
        if lengths(props) != words.get(('arm64', SVE_LENGTHS, 0, 0), 0):
            report.differs(f'{name}: other vector lengths there: {props}')
    for name, (source, _) in ours.items():
        if source.startswith('QEMU') and (source == 'QEMU 7.2' or not older) and name not in names:
            report.differs(f'{name} is said to be in {source} and is not there')
    report.compared('models', models, 7)
    report.compared('fields of them', compared, 7 * 200)
    return set(names)


def parse(print_cpu, arguments):
    run = subprocess.run([print_cpu], input='\n'.join(arguments) + '\n', capture_output=True, text=True, check=True)
    for line in run.stdout.splitlines():
        kind, *cell = line.split('\t')
        if kind == 'error':
            yield cell[1]
            continue
        words = {}
        for word in cell[0].split():
            key, value = word.split('=')
            space, index, sub, part = key.split(':')
            words[space, int(index, 0), int(sub), int(part)] = int(value, 0)
        yield words


def check_arguments(report, qemu, print_cpu, names, fields, older):
    arguments = [text for text in ARGUMENTS if text.split(',')[0] in names]
    refused = 0
    for text, words in zip(arguments, parse(print_cpu, arguments), strict=True):
        registers = id_registers(qemu, text, REGISTERS)
        if text in OF_EMULATOR and not older:
            continue
        if isinstance(words, str) != isinstance(registers, str):
            report.differs(f'{text}: {registers if isinstance(registers, str) else "started"} there, '
                           f'{words if isinstance(words, str) else "taken"} here')
        elif isinstance(words, str):
            refused += 1
        else:
            compare(report, text, words, registers, fields, older)
            props = dict(pair.split('=') for pair in text.split(',')[1:] if pair)
            answer = qmp(qemu, ['-machine', 'virt'], [{'execute': 'query-cpu-model-expansion', 'arguments': {'type': 'full', 'model': {
                'name': text.split(',')[0], 'props': {name: value == 'on' for name, value in props.items()}}}}])[0][0]
            if lengths(answer['model'].get('props', {})) != words.get(('arm64', SVE_LENGTHS, 0, 0), 0):
                report.differs(f'{text}: other vector lengths there')
    report.compared('arguments', len(arguments), 20)
    report.compared('refusals', refused, 10)


def check_libvirt(report, ours, fields):
    folder = os.environ.get('LIBVIRT_CPU_MAP', '/usr/share/libvirt/cpu_map')
    paths = sorted(glob.glob(f'{folder}/arm_*.xml'))
    if not paths:
        print('libvirt (package libvirt0) is not installed: its models are not compared')
        return
    vendors = {node.get('name'): int(node.get('value'), 0)
               for node in xml.etree.ElementTree.parse(f'{folder}/arm_vendors.xml').getroot().iter('vendor')}
    place = {field.name: field for field in fields if field.name in ('midr.implementer', 'midr.partnum')}
    count = 0
    for path in paths:
        for model in xml.etree.ElementTree.parse(path).getroot().iter('model'):
            theirs = {'midr.implementer': vendors[model.find('vendor').get('name')], 'midr.partnum': int(model.find('pvr').get('value'), 0)}
            count += 1
            if model.get('name') not in ours:
                report.differs(f'we have no {model.get("name")} of libvirt')
                continue
            words = ours[model.get('name')][1]
            for name, value in theirs.items():
                field = place[name]
                if words.get(('arm64', field.index, 0, 0), 0) >> field.lo & ((1 << field.bits) - 1) != value:
                    report.differs(f'{model.get("name")}: {name} is {value:#x} in libvirt')
    report.compared("libvirt's models", count, 10)


def main():
    fields = [field for field in rows.read(sys.argv[1])[0] if field.space == 'arm64' and not field.part and not field.sub]
    qemu = sys.argv[4:] or ['qemu-system-aarch64']
    if not shutil.which(qemu[0]):
        print('qemu-system-aarch64 (package qemu-system-arm) is not installed')
        sys.exit(rows.SKIP)
    version = subprocess.run([*qemu, '--version'], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    print(version)
    older = int(re.search(r'version (\d+)', version)[1]) < 11
    report, ours = rows.Report(), our_models(sys.argv[2], 'arm64')[0]
    names = check_models(report, qemu, ours, fields, older)
    check_arguments(report, qemu, sys.argv[3], names, fields, older)
    check_libvirt(report, ours, fields)
    report.end()


if __name__ == '__main__':
    main()
