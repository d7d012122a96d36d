#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the changes of data/changes against kernel sources: what a row says the tree's release has must be in the tree, and
   what it says the release lacks must not.
     changes_linux.py PRINT_CHANGES [TREE...]
   TREE is an unpacked kernel source; without one, every linux-source package installed under /usr/src is used.
   Exit 77 where there is none."""
import collections
import os
import re
import subprocess
import sys
import tempfile

import arm64_linux
import rows
import x86_linux

KVM = 'arch/x86/kvm/'
WANTED = x86_linux.WANTED + arm64_linux.WANTED + [KVM + name for name in (
    'cpuid.c', 'reverse_cpuid.h', 'msrs.c', 'svm/svm.c', 'vmx/nested.c', 'hyperv.c')]
REGISTERS = {'EAX': 0, 'EBX': 1, 'ECX': 2, 'EDX': 3}
Touch = collections.namedtuple('Touch', 'id here space index last sub part bits')

# With these the tree stops offering what they touch.
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../data/changes/linux.def'), encoding='utf-8') as linux_def:
    TAKES_AWAY = set(re.findall(r'^GABI_AWAY_ROW\((\w+)\)', linux_def.read(), re.M))

# What is offered hangs on the processor, not on a list of the tree's.
BY_PROCESSOR = {'x86_pmu_driven'}


def touches(print_changes, release):
    lines = subprocess.run([print_changes, release], check=True, capture_output=True, text=True).stdout.splitlines()
    for line in lines:
        cell = line.split('\t')
        if cell[0] == 'emulated' or cell[0] in BY_PROCESSOR:
            continue
        yield Touch(cell[0], cell[1] == '1', cell[2], *(int(number, 0) for number in cell[3:]))


def bits_of(mask):
    return [bit for bit in range(64) if mask >> bit & 1]


def cpuid_word(name):
    """'CPUID_8000_0021_EAX' is leaf, subleaf, register."""
    match = re.fullmatch(r'CPUID_(?:(8000|C000)_)?([0-9A-F]+?)(?:_(\d))?_(E[ABCD]X)', name)
    leaf = int((match[1] or '') + match[2], 16)
    return leaf, int(match[3] or 0), REGISTERS[match[4]]


def feature_words(tree):
    """Where each X86_FEATURE_ is, by the tree's own headers."""
    words = {}
    for name, word, bit in re.findall(r'#define X86_FEATURE_(\w+)\s+\(\s*(\d+)\*32\s*\+\s*(\d+)\)', tree.text(x86_linux.ASM + 'cpufeatures.h')):
        words[name] = (x86_linux.WORDS.get(int(word)), int(bit))
    for name, word, bit in re.findall(r'#define (?:KVM_)?X86_FEATURE_(\w+)\s+KVM_X86_FEATURE\((\w+),\s*(\d+)\)', tree.text(KVM + 'reverse_cpuid.h')):
        words[name] = (cpuid_word(word), int(bit))
    for name, word, bit in re.findall(r'#define KVM_X86_FEATURE_(\w+)\s+\(\s*(\d+)\*32\s*\+\s*(\d+)\)', tree.text(KVM + 'cpuid.c')):
        words[name] = (x86_linux.WORDS[int(word)], int(bit))
    return words


def function(text, name):
    match = re.search(r'\n(?:static )?(?:__init )?void (?:__init )?' + name + r'\([^)]*\)\n\{(.*?)\n\}', text, re.S)
    return re.sub(r'/\*.*?\*/|//[^\n]*', '', match[1], flags=re.S) if match else ''


def offered_cpuid(tree):
    """Bits that KVM may offer: those of its masks, those it sets, and those it takes from the host by number."""
    words = feature_words(tree)
    body = function(tree.text(KVM + 'cpuid.c'), 'kvm_set_cpu_caps') or function(tree.text(KVM + 'cpuid.c'), 'kvm_initialize_cpu_caps')
    bits = set()
    for word, mask in re.findall(r'kvm_cpu_cap_(?:mask|init|init_kvm_defined|init_scattered)\((\w+),(.*?)\);', body, re.S):
        for kind, name in re.findall(r'\b(\w*F)\((\w+)\)', mask):
            if kind in ('VENDOR_F', 'RUNTIME_F'):
                continue
            bits.add(cpuid_word(word) + (words[name][1],))
        for name in re.findall(r'__feature_bit\(KVM_X86_FEATURE_(\w+)\)', mask):
            bits.add(cpuid_word(word) + (words[name][1],))
        for name in re.findall(r'\bf_(\w+)', mask):
            bits.add(cpuid_word(word) + (words[name.upper()][1],))
        bits.update(cpuid_word(word) + (int(bit),) for bit in re.findall(r'BIT\((\d+)\)', mask))
    for name in re.findall(r'kvm_cpu_cap_(?:set|check_and_set)\(X86_FEATURE_(\w+)\)', body):
        bits.add(words[name][0] + (words[name][1],))
    return bits


def offered_svm(tree):
    words = feature_words(tree)
    return {words[name][0] + (words[name][1],) for name in re.findall(
        r'kvm_cpu_cap_(?:set|check_and_set)\(X86_FEATURE_(\w+)\)', function(tree.text(KVM + 'svm/svm.c'), 'svm_set_cpu_caps'))}


def compare(report, touch, there, what):
    expected = touch.here != (touch.id in TAKES_AWAY)
    if there != expected:
        report.differs(f'{touch.id}: {what} is {"there" if there else "not there"}, and the row says it '
                       f'{"has" if touch.here else "lacks"} the change')


def check_cpuid(report, tree, touched):
    offered, svm = offered_cpuid(tree), offered_svm(tree)
    # Leaf 0x80000021 was masked in __do_cpuid_func before, 0x80000007 as well; SVM's own leaf is svm.c's.
    count = 0
    for touch in touched:
        if touch.space != 'cpuid' or not touch.id.startswith('x86_') or touch.bits == 0xffffffff or touch.sub < 0:
            continue
        place = (touch.index, touch.sub, touch.part)
        if touch.index == 0x8000000a:
            known = svm
        elif any(place == bit[:3] for bit in offered) and touch.id not in ('x86_state_pebs', 'x86_leaf_21', 'x86_emulated_shown'):
            known = offered
        elif touch.here and touch.id not in ('x86_state_pebs', 'x86_leaf_21', 'x86_emulated_shown') and touch.index not in (
                0xd, 0x24, 0x80000008, 0x80000021):
            known = offered
        else:
            continue
        for bit in bits_of(touch.bits):
            if (touch.index, touch.part) in ((0x24, 1),) and bit < 8 or touch.index == 0x80000008 and touch.part == 0:
                continue
            count += 1
            compare(report, touch, place + (bit,) in known, f'CPUID {touch.index:#x}.{touch.sub} {touch.part} bit {bit}')
    report.compared('CPUID bits', count, 40)


def check_arch_capabilities(report, tree, touched):
    mask = re.search(r'#define KVM_SUPPORTED_ARCH_CAP(.*?)\n\n', tree.text(KVM + 'x86.c') + tree.text(KVM + 'msrs.c'), re.S)
    if not mask:
        return
    known = {tree.macro(name).bit_length() - 1 for name in re.findall(r'ARCH_CAP_\w+', mask[1])}
    count = 0
    for touch in touched:
        if touch.space != 'msr' or touch.index != 0x10a:
            continue
        for bit in bits_of(touch.bits):
            if bit == 25:  # GDS_CTRL is passed through by kernels without the mask alone
                continue
            count += 1
            if touch.id == 'x86_arch_cap_mask':
                if bit in known:
                    report.differs(f'{touch.id}: bit {bit} is in the mask')
            else:
                compare(report, touch, bit in known, f'IA32_ARCH_CAPABILITIES bit {bit}')
    report.compared('bits of IA32_ARCH_CAPABILITIES', count, 15)


def check_caps(report, tree, touched):
    numbers = {int(number) for number in re.findall(r'#define KVM_CAP_\w+\s+(\d+)', tree.text('include/uapi/linux/kvm.h'))}
    count = 0
    for touch in touched:
        if touch.space != 'cap' or not re.fullmatch(r'caps_\d+_\d+', touch.id):
            continue
        for number in range(touch.index, touch.last + 1):
            count += 1
            compare(report, touch, number in numbers, f'capability {number}')
    report.compared('capabilities', count, 50)


def check_state_msrs(report, tree, touched):
    text = re.sub(r'/\*.*?\*/', '', tree.text(KVM + 'x86.c') + tree.text(KVM + 'msrs.c'), flags=re.S)
    listed = set()
    for body in re.findall(r'\bu32 (?:msrs_to_save|emulated_msrs)\w*\[\] = \{(.*?)\};', text, re.S):
        for item in filter(None, (part.strip() for part in re.sub(r'^#.*', '', body, flags=re.M).split(','))):
            listed.add(tree.number(item))
    one = {'x86_state_tsc_ratio', 'x86_state_pebs', 'x86_state_tsc_invariant', 'x86_state_tsx_ctrl', 'x86_state_pmc_set', 'x86_state_lbr',
           'x86_cet', 'x86_amx', 'x86_perfmon_v2'}
    count = 0
    for touch in touched:
        if touch.space != 'msr-state' or touch.id not in one:
            continue
        for msr in range(touch.index, touch.last + 1):
            count += 1
            compare(report, touch, msr in listed, f'MSR {msr:#x} in the list')
    report.compared('saved MSRs', count, 20)


def check_arm64(report, tree, touched):
    names = arm64_linux.listed(tree)
    ids = {tree.ids.get(name) for name in names}
    count = 0
    for touch in touched:
        if touch.space != 'arm64-state' or touch.index != touch.last or not re.fullmatch(r'arm64_(\w+_state|os_lock)', touch.id):
            continue
        count += 1
        compare(report, touch, touch.index in ids, f'register {touch.index:#x}')
    report.compared('saved arm64 registers', count, 10)


def check_emulated(report, tree, print_changes, release):
    """What KVM marks as made up, or puts in, for every guest is in gabi/emulated.def."""
    words, count = feature_words(tree), 0
    lines = subprocess.run([print_changes, release], check=True, capture_output=True, text=True).stdout.splitlines()
    known = {tuple(int(number, 0) for number in line.split('\t')[1:5]) for line in lines if line.startswith('emulated')}
    body = function(tree.text(KVM + 'cpuid.c'), 'kvm_set_cpu_caps') or function(tree.text(KVM + 'cpuid.c'), 'kvm_initialize_cpu_caps')
    names = re.findall(r'(?:EMULATED_F\(|SYNTHESIZED_F\(|kvm_cpu_cap_set\(X86_FEATURE_)(\w+)\)', body)
    # Of nested SVM what stands under no condition of its own; that there is SVM at all the bare CPU shows.
    nested = re.search(r'\tif \(nested\) \{\n(.*?)\n\t\}\n', function(tree.text(KVM + 'svm/svm.c'), 'svm_set_cpu_caps'), re.S)
    names += re.findall(r'(?<!\)\n)^\t\tkvm_cpu_cap_set\(X86_FEATURE_(?!SVM\))(\w+)\)', nested.group(1), re.M)
    for name in names:
        if words[name][0] is None or words[name][0][0] == 0x40000001 or name == 'LA57':  # LA57: when the bare CPU has it
            continue
        count += 1
        if words[name][0] + (words[name][1],) not in known:
            report.differs(f'KVM makes up {name}, which gabi/emulated.def does not list')
    report.compared('features that KVM makes up', count, 8)


def main():
    report = rows.Report()
    with tempfile.TemporaryDirectory() as scratch:
        x86_linux.WANTED = WANTED
        paths = sys.argv[2:] or x86_linux.unpack(scratch)
        if not paths:
            print('no linux-source package is installed under /usr/src')
            sys.exit(rows.SKIP)
        for path in paths:
            tree, arm64 = x86_linux.Tree(path), arm64_linux.Tree(path)
            release = os.environ.get('RELEASE') or tree.version()
            print(f'Linux {release}')
            touched = list(touches(sys.argv[1], release))
            check_cpuid(report, tree, touched)
            check_emulated(report, tree, sys.argv[1], release)
            check_arch_capabilities(report, tree, touched)
            check_caps(report, tree, touched)
            check_state_msrs(report, tree, touched)
            check_arm64(report, arm64, touched)
    report.end()


if __name__ == '__main__':
    main()
