#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the rows of x86 and of KVM's capabilities against the kernel's own headers and KVM's lists of MSRs.
     x86_linux.py PRINT_ROWS [TREE...]
   TREE is an unpacked kernel source; without one, every linux-source package installed under /usr/src is used.
   Exit 77 where there is none."""
import glob
import os
import re
import subprocess
import sys
import tempfile

import rows

ASM = 'arch/x86/include/asm/'
WANTED = ['Makefile', 'include/uapi/linux/kvm.h', 'arch/x86/include/uapi/asm/kvm_para.h', 'arch/x86/kvm/x86.c',
          'arch/x86/kvm/hyperv.h', 'arch/x86/kernel/fpu/xstate.c', 'arch/x86/include/asm/fpu/types.h'] + [ASM + name for name in (
              'cpufeatures.h', 'msr-index.h', 'vmx.h', 'vmxfeatures.h', 'hyperv-tlfs.h', 'perf_event.h')] + [
                  'include/asm-generic/hyperv-tlfs.h', 'include/hyperv/hvgdk_mini.h', 'include/hyperv/hvhdk.h']

# Word of cpufeatures.h: leaf, subleaf, register. Words that Linux fills by itself are not here.
WORDS = {0: (1, 0, 3), 1: (0x80000001, 0, 3), 4: (1, 0, 2), 5: (0xc0000001, 0, 3), 6: (0x80000001, 0, 2), 9: (7, 0, 1), 10: (0xd, 1, 0),
         12: (7, 1, 0), 13: (0x80000008, 0, 1), 14: (6, 0, 0), 15: (0x8000000a, 0, 3), 16: (7, 0, 2), 17: (0x80000007, 0, 1),
         18: (7, 0, 3), 19: (0x8000001f, 0, 0), 20: (0x80000021, 0, 0)}


class Tree:
    """Macros of a kernel's headers, worked out as numbers."""

    def __init__(self, path):
        self.path = path
        self.macros = {}
        self.vmx_features = {}
        for name in WANTED:
            for macro, value in re.findall(r'^#\s*define\s+(\w+)[ \t]+([^\n]+)', self.text(name), re.M):
                self.macros.setdefault(macro, re.sub(r'/\*.*|//.*', '', value).strip())
        for name, word, bit in re.findall(r'#define VMX_FEATURE_(\w+)\s+\(\s*(\d+)\*32\s*\+\s*(\d+)\)', self.text(ASM + 'vmxfeatures.h')):
            self.vmx_features[name] = int(bit)

    def text(self, name):
        try:
            with open(os.path.join(self.path, name), encoding='utf-8', errors='replace') as file:
                return file.read()
        except OSError:
            return ''

    def version(self):
        return '.'.join(re.findall(r'^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)', self.text('Makefile'), re.M))

    def number(self, text, depth=0):
        """The number that an expression of macros stands for; None if it is none."""
        def name(match):
            value = self.number(self.macros[match[0]], depth + 1) if match[0] in self.macros and depth < 8 else None
            return 'None' if value is None else str(value)
        text = re.sub(r'VMCS_CONTROL_BIT\((\w+)\)', lambda m: f'(1<<{self.vmx_features.get(m[1], "None")})', text)
        text = re.sub(r'VMFUNC_CONTROL_BIT\((\w+)\)', lambda m: f'(1<<({self.vmx_features.get(m[1], "None")}-28))', text)
        text = re.sub(r'\bBIT(?:_ULL)?\(', '(1<<(', text)
        text += ')' * (text.count('(') - text.count(')'))
        text = re.sub(r'\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b', r'\1', text)
        text = re.sub(r'\b[A-Za-z_]\w*', name, text)
        if not re.fullmatch(r'[0-9a-fA-FxX()<>|+\-*~& ]+', text):
            return None
        try:
            return eval(text)  # digits and operators alone
        except (SyntaxError, TypeError, ValueError):
            return None

    def macro(self, name):
        return self.number(self.macros[name]) if name in self.macros else None


def unpack(into):
    trees = []
    for archive in sorted(glob.glob('/usr/src/linux-source-*.tar.xz')):
        top = os.path.basename(archive)[:-len('.tar.xz')]
        path = os.path.join(into, top)
        os.mkdir(path)
        # A file that this kernel does not have makes tar fail: what is missing shows in the counts.
        subprocess.run(['tar', '-xJf', archive, '-C', path, '--strip-components=1'] + [f'{top}/{name}' for name in WANTED],
                       stderr=subprocess.DEVNULL, check=False)
        trees.append(path)
    return trees


def check_caps(report, tree, regs):
    ours = {reg.name: reg.index for reg in regs if reg.space == 'cap'}
    theirs = {name: int(number) for name, number in
              re.findall(r'^#define (KVM_CAP_\w+)\s+(\d+)', tree.text('include/uapi/linux/kvm.h'), re.M)}
    for name, number in theirs.items():
        if ours.get(name) != number:
            report.differs(f'{name} is {number} there and {ours.get(name)} here')
    last = max(theirs.values(), default=0)
    for name, number in ours.items():
        if name not in theirs and number <= last:
            report.differs(f'{name}, {number}, is not there')
    report.compared('capabilities', len(theirs), 180)


def check_words(report, tree, fields):
    by_bit = {(f.index, f.sub, f.part, f.lo): f for f in fields if f.space == 'cpuid' and f.bits == 1}
    count = 0
    for macro, word, bit, comment in re.findall(r'#define X86_FEATURE_(\w+)\s+\(\s*(\d+)\*32\s*\+\s*(\d+)\)\s*(?:/\*\s*([^\n]*))?',
                                                tree.text(ASM + 'cpufeatures.h')):
        if int(word) not in WORDS:
            continue
        count += 1
        shown = re.match(r'"(\w*)"', comment)
        names = {rows.same(macro)} | ({rows.same(shown[1])} if shown else set())
        field = by_bit.get(WORDS[int(word)] + (int(bit),))
        ours = {rows.same(field.name)} | {rows.same(a.split(':')[1]) for a in field.aliases} if field else set()
        if not names & ours:
            report.differs(f'X86_FEATURE_{macro} is {field.name if field else "nothing"} here')
    report.compared('CPUID features', count, 200)


def bit_of(field, macro, value):
    """The bit of the field's word that a macro speaks of: some are numbers of bits, some masks, some of half a word."""
    if macro.startswith(('KVM_', 'MSR_')):
        bit = value
    else:
        if value <= 0 or value & (value - 1):
            return None
        bit = value.bit_length() - 1
    half = macro.startswith(('PIN_', 'CPU_BASED', 'SECONDARY', 'VM_EXIT', 'VM_ENTRY', 'VMX_VPID'))
    return bit + 32 if half else bit


def check_aliases(report, tree, fields):
    count = 0
    for field in fields:
        for alias in field.aliases:
            tool, macro = alias.split(':')
            value = tree.macro(macro) if tool == 'linux' and macro.upper() == macro else None
            if value is None:
                continue
            count += 1
            if bit_of(field, macro, value) != field.lo:
                report.differs(f'{macro} is {value:#x} there and bit {field.lo} of {field.name} here')
    report.compared('macros of bits', count, 150)


# Macros that are all bits of one register, or of a few: none may be without a row.
COMPLETE = {
    'paravirtual features': (r'KVM_FEATURE_\w+|KVM_HINTS_\w+', 15),
    'IA32_ARCH_CAPABILITIES': (r'ARCH_CAP_\w+', 15),
    'VMX controls': (r'(PIN_BASED|CPU_BASED|SECONDARY_EXEC|VM_EXIT|VM_ENTRY)_\w+', 60),
    'VMX capabilities': (r'VMX_(BASIC|MISC)_[A-Z0-9_]+|VMX_(EPT|VPID)_\w+_BIT', 20),
    'Hyper-V features': (r'HV_(X64|MSR|FEATURE)_\w+_AVAILABLE|HV_X64_\w+_RECOMMENDED|HV_X64_NESTED_\w+|HV_ACCESS_\w+', 35),
}
# What these patterns meet that is no such bit.
OTHERS = re.compile(r'.*ALWAYSON.*|.*_(MASK|SHIFT|CLEAR)|VMX_EPT_(IPAT|ACCESS|DIRTY|SUPPRESS_VE)_BIT|VMX_MISC_MSR_LIST_MULTIPLIER|'
                    r'VMX_BASIC_(NO_SEAMRET_INVD_VMCS|MEM_TYPE_WB)|HV_X64_NESTED_VMCS_\w+|HV_ACCESS_(READ|WRITE|EXECUTE)')


def check_complete(report, tree, fields):
    ours = {alias for field in fields for alias in field.aliases}
    for what, (pattern, least) in COMPLETE.items():
        theirs = [m for m in tree.macros if re.fullmatch(pattern, m) and not OTHERS.fullmatch(m)]
        for macro in theirs:
            if 'linux:' + macro not in ours:
                report.differs(f'{macro}, {tree.macros[macro]}, has no row')
        report.compared(what, len(theirs), least)


def check_msrs(report, tree, regs):
    count = 0
    for reg in regs:
        value = tree.macro(reg.name) if reg.space in ('msr', 'msr-state') else None
        if value is None:
            continue
        count += 1
        if value != reg.index:
            report.differs(f'{reg.name} is {value:#x} there and {reg.index:#x} here')
    report.compared('MSR numbers', count, 120)


def check_lists(report, tree, regs):
    """Every MSR that KVM lists as saved state or as a feature has a row."""
    ours = {reg.index for reg in regs if reg.space in ('msr', 'msr-state')}
    text = re.sub(r'/\*.*?\*/', '', tree.text('arch/x86/kvm/x86.c'), flags=re.S)
    bases = {'MSR_ARCH_PERFMON_FIXED_CTR': 0x309, 'MSR_ARCH_PERFMON_PERFCTR': 0xc1, 'MSR_ARCH_PERFMON_EVENTSEL': 0x186}
    count = 0
    for array, body in re.findall(r'\bu32 (\w*msr\w*)\[\] = \{(.*?)\};', text, re.S):
        for item in filter(None, (part.strip() for part in re.sub(r'^#.*', '', body, flags=re.M).split(','))):
            count += 1
            perfmon = re.match(r'(MSR_ARCH_PERFMON_[A-Z_]+?)(\d+)(?:\s*\+\s*(\d+))?$', item)
            if perfmon:  # asm/perf_event.h: numbers of the SDM
                value = bases[perfmon[1]] + int(perfmon[2]) + int(perfmon[3] or 0)
            else:
                value = tree.number(item)
            if value is None:
                report.differs(f'{array}: {item} is not understood')
            elif value not in ours:
                report.differs(f'{array}: {item}, {value:#x}, has no row')
    report.compared('MSRs that KVM lists', count, 140)


def check_states(report, tree, fields):
    """Which feature each component of XSAVE belongs to; the first two are always there."""
    needs_def = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../data/models/needs.def')
    with open(needs_def, encoding='utf-8') as file:
        ours = dict(re.findall(r'^GABI_STATE_NEEDS_ROW\("([^"]+)", "([^"]+)"\)', file.read(), re.M))
    feature = {alias.split(':')[1]: field.name for field in fields for alias in field.aliases if alias.startswith('linux:')}
    state = {field.lo: field.name for field in fields if field.space == 'cpuid' and field.index == 0xd and
             (field.sub, field.part) in ((0, 0), (1, 2)) and field.name.startswith(('xcr0-', 'xss-'))}
    numbers = re.search(r'enum xfeature \{(.*?)\}', tree.text('arch/x86/include/asm/fpu/types.h'), re.S)
    order = re.findall(r'^\s*(XFEATURE_\w+),', numbers[1] if numbers else '', re.M)
    rows_there = re.findall(r'\[(XFEATURE_\w+)\]\s*= X86_FEATURE_(\w+)', tree.text('arch/x86/kernel/fpu/xstate.c'))
    for component, cpu_feature in rows_there:
        name = rows.same(cpu_feature)
        mine = state.get(order.index(component)) if component in order else None
        if cpu_feature not in ('FPU', 'XMM') and ours.get(mine) != feature.get(name, name):
            report.differs(f'{component} is state of {cpu_feature}; here {mine} needs {ours.get(mine)}')
    report.compared('components of XSAVE', len(rows_there), 10)


def main():
    fields, regs = rows.read(sys.argv[1])
    report = rows.Report()
    with tempfile.TemporaryDirectory() as scratch:
        paths = sys.argv[2:] or unpack(scratch)
        if not paths:
            print('no linux-source package is installed under /usr/src')
            sys.exit(rows.SKIP)
        for path in paths:
            tree = Tree(path)
            print(f'Linux {tree.version()}')
            check_caps(report, tree, regs)
            check_words(report, tree, fields)
            check_aliases(report, tree, fields)
            check_complete(report, tree, fields)
            check_msrs(report, tree, regs)
            check_lists(report, tree, regs)
            check_states(report, tree, fields)
    report.end()


if __name__ == '__main__':
    main()
