#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the arm64 rows against the kernel: register ids against the exported header, encodings and fields against the
   description of system registers, rules against the safe values of cpufeature.c, and the rows' completeness against
   KVM's table of registers.
     arm64_linux.py PRINT_ROWS CC TREE...
   CC is a compiler command in one word or more, ended by '--'. TREE is an unpacked kernel source; without one, every
   linux-source package installed under /usr/src is used. Exit 77 where neither those nor the header is there."""
import glob
import os
import re
import subprocess
import sys
import tempfile

import rows

HEADERS = '/usr/aarch64-linux-gnu/include'
KVM, CPUFEATURE, CPUINFO = 'arch/arm64/kvm/sys_regs.c', 'arch/arm64/kernel/cpufeature.c', 'arch/arm64/kernel/cpuinfo.c'
SYSREG_H, SYSREG = 'arch/arm64/include/asm/sysreg.h', 'arch/arm64/tools/sysreg'
WANTED = ['Makefile', KVM, CPUFEATURE, CPUINFO, SYSREG_H, SYSREG]

# The names of our rows and the expressions of <linux/kvm.h> that stand for the same register.
IDS = {
    'core.sp': 'CORE(regs.sp)', 'core.pc': 'CORE(regs.pc)', 'core.pstate': 'CORE(regs.pstate)', 'core.sp-el1': 'CORE(sp_el1)',
    'core.elr-el1': 'CORE(elr_el1)', 'core.fp.fpsr': 'CORE32(fp_regs.fpsr)', 'core.fp.fpcr': 'CORE32(fp_regs.fpcr)',
    'core.spsr-el1': 'CORE(spsr[KVM_SPSR_EL1])', 'core.spsr-abt': 'CORE(spsr[KVM_SPSR_ABT])',
    'core.spsr-und': 'CORE(spsr[KVM_SPSR_UND])', 'core.spsr-irq': 'CORE(spsr[KVM_SPSR_IRQ])',
    'core.spsr-fiq': 'CORE(spsr[KVM_SPSR_FIQ])', 'sve.ffr': 'KVM_REG_ARM64_SVE_FFR(0)',
    'CNTP_CTL_EL0': 'KVM_REG_ARM_PTIMER_CTL', 'CNTP_CVAL_EL0': 'KVM_REG_ARM_PTIMER_CVAL', 'CNTPCT_EL0': 'KVM_REG_ARM_PTIMER_CNT',
    'CNTV_CTL_EL0': 'KVM_REG_ARM_TIMER_CTL', 'CNTV_CVAL_EL0': 'KVM_REG_ARM_TIMER_CVAL', 'CNTVCT_EL0': 'KVM_REG_ARM_TIMER_CNT',
}
IDS.update({f'core.x{n}': f'CORE(regs.regs[{n}])' for n in range(31)})
IDS.update({f'core.fp.v{n}': f'CORE128(fp_regs.vregs[{n}])' for n in range(32)})
IDS.update({f'sve.z{n}': f'KVM_REG_ARM64_SVE_ZREG({n}, 0)' for n in range(32)})
IDS.update({f'sve.p{n}': f'KVM_REG_ARM64_SVE_PREG({n}, 0)' for n in range(16)})
IDS.update({f'CCSIDR_EL1.L{n // 2 + 1}{"DI"[n % 2]}':
            f'(KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_DEMUX | KVM_REG_ARM_DEMUX_ID_CCSIDR | {n})' for n in range(14)})
IDS.update({name: name for name in (
    'KVM_REG_ARM_PSCI_VERSION', 'KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1', 'KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2',
    'KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3', 'KVM_REG_ARM_STD_BMAP', 'KVM_REG_ARM_STD_HYP_BMAP', 'KVM_REG_ARM_VENDOR_HYP_BMAP',
    'KVM_REG_ARM64_SVE_VLS')})
BITS = {
    'fw-trng-v1': 'KVM_REG_ARM_STD_BIT_TRNG_V1_0', 'fw-pv-time': 'KVM_REG_ARM_STD_HYP_BIT_PV_TIME',
    'fw-vendor-features': 'KVM_REG_ARM_VENDOR_HYP_BIT_FUNC_FEAT', 'fw-vendor-ptp': 'KVM_REG_ARM_VENDOR_HYP_BIT_PTP',
}
PROGRAM = '''#include <linux/kvm.h>
#include <stddef.h>
#include <stdio.h>
#define AT(member) (offsetof(struct kvm_regs, member) / sizeof(__u32))
#define CORE(member) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | AT(member))
#define CORE32(member) (KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_CORE | AT(member))
#define CORE128(member) (KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE | AT(member))
int main(void)
{
%s
	return 0;
}
'''


def check_ids(report, cc, scratch, regs, fields):
    source, program = os.path.join(scratch, 'ids.c'), os.path.join(scratch, 'ids')
    with open(source, 'w', encoding='utf-8') as file:
        file.write(PROGRAM % '\n'.join(f'\tprintf("{name}\\t%llx\\n", (unsigned long long)({expression}));'
                                       for name, expression in {**IDS, **BITS}.items()))
    subprocess.run(cc + ['-isystem', HEADERS, '-o', program, source], check=True)
    ours = {reg.name: reg.index for reg in regs}
    ours.update({field.name: field.lo for field in fields})
    count = 0
    for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines():
        name, theirs = line.split('\t')
        count += 1
        if ours.get(name) != int(theirs, 16):
            report.differs(f'{name} is {theirs} there and {ours.get(name, 0):x} here')
    report.compared('ids of the exported header', count, 150)


def sysreg_id(op0, op1, crn, crm, op2):
    return 0x6030000000130000 | op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


def parse_sysreg(text):
    """The description's registers, by name: id, and fields as (name, lo, bits, signed)."""
    registers, sets, current, prefixed = {}, {}, None, False
    for line in text.splitlines():
        word = line.split('#')[0].split()
        if not word:
            continue
        if word[0] == 'Sysreg':
            current = registers[word[1]] = {'id': sysreg_id(*map(int, word[2:7])), 'fields': [], 'set': None}
        elif word[0] == 'SysregFields':
            current = sets[word[1]] = {'fields': []}
        elif word[0] in ('Prefix', 'EndPrefix'):  # another layout of the same register
            prefixed = word[0] == 'Prefix'
        elif word[0] == 'Fields':
            current['set'] = word[1]
        elif word[0] in ('Field', 'Enum', 'SignedEnum', 'UnsignedEnum') and not prefixed:
            high, _, low = word[1].partition(':')
            low = low or high
            current['fields'].append((word[2], int(low), int(high) - int(low) + 1, word[0] == 'SignedEnum'))
    for register in registers.values():
        if register['set'] in sets:
            register['fields'] = sets[register['set']]['fields']
    return registers


class Tree:
    def __init__(self, path):
        self.path = path
        self.header = self.text(SYSREG_H)
        self.registers = parse_sysreg(self.text(SYSREG))
        self.shifts = {name: int(number) for name, number in re.findall(r'#define (\w+)_SHIFT\s+(\d+)\s', self.header)}
        for name, register in self.registers.items():
            self.shifts.update({f'{name}_{field[0]}': field[1] for field in register['fields']})
        self.ids = {name: sysreg_id(*map(int, numbers.split(','))) for name, numbers in
                    re.findall(r'#define SYS_(\w+)\s+sys_reg\(([\d, ]+)\)', self.header)}
        self.ids.update({name: register['id'] for name, register in self.registers.items()})

    def text(self, name):
        try:
            with open(os.path.join(self.path, name), encoding='utf-8') as file:
                return re.sub(r'/\*.*?\*/', '', file.read(), flags=re.S)
        except OSError:
            return ''

    def version(self):
        return '.'.join(re.findall(r'^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)', self.text('Makefile'), re.M))

    def array(self, name, declaration):
        match = re.search(declaration + re.escape(name) + r'\[\] = \{(.*?)\n\};', self.text(name_of_file[name]), re.S)
        return match[1] if match else ''


name_of_file = {'sys_reg_descs': KVM, 'arm64_elf_hwcaps': CPUFEATURE, 'hwcap_str': CPUINFO}

# Encodings that a number makes up: the row of the highest number there is stands for all.
NUMBERED = {'DBGBVR15_EL1': (2, 0, 0, 15, 4), 'DBGBCR15_EL1': (2, 0, 0, 15, 5), 'DBGWVR15_EL1': (2, 0, 0, 15, 6),
            'DBGWCR15_EL1': (2, 0, 0, 15, 7), 'PMEVCNTR30_EL0': (3, 3, 14, 11, 6), 'PMEVTYPER30_EL0': (3, 3, 14, 15, 6)}
# Known by what KVM calls them, against their encoding (check_ids holds them).
SWAPPED = {'CNTV_CVAL_EL0', 'CNTVCT_EL0'}


def check_encodings(report, tree, regs):
    ids = {**tree.ids, **{name: sysreg_id(*numbers) for name, numbers in NUMBERED.items()}}
    count = 0
    for reg in regs:
        if not reg.space.startswith('arm64') or reg.name in SWAPPED or reg.name not in ids:
            continue
        count += 1
        if ids[reg.name] != reg.index:
            report.differs(f'{reg.name} is {ids[reg.name]:#x} there and {reg.index:#x} here')
    report.compared('encodings', count, 120)


def field_name(register, field):
    return rows.same(re.sub(r'_EL[01]$', '', register)) + '.' + rows.same(field)


def check_fields(report, tree, fields):
    ours = {field.name: field for field in fields}
    ids = {field.index for field in fields if field.space == 'arm64'}
    count = 0
    for name, register in tree.registers.items():
        if register['id'] not in ids or name.startswith('MIDR'):
            continue
        for field, lo, bits, _ in register['fields']:
            row = ours.get(field_name(name, field))
            count += 1
            if not row or (row.index, row.lo, row.bits) != (register['id'], lo, bits):
                report.differs(f'{name} {field} is {bits} bits from {lo} there and '
                               f'{f"{row.bits} from {row.lo}" if row else "nothing"} here')
    report.compared('fields', count, 100)


RULES = {'LOWER_SAFE': 'at most', 'HIGHER_SAFE': 'at least', 'HIGHER_OR_ZERO_SAFE': 'at least or 0', 'EXACT': 'equal'}
# KVM's own directions, arch/arm64/kvm/sys_regs.c kvm_arm64_ftr_safe_value.
KVM_RULES = {('ID_AA64DFR0_EL1', 0): 'at most', ('ID_AA64DFR0_EL1', 8): 'at most', ('ID_DFR0_EL1', 24): 'at most',
             # Linux 7.2 takes a 0 there, and sets it at the first run by the VM's interrupt controller (vgic-init.c).
             ('ID_AA64PFR0_EL1', 24): 'imposed', ('ID_PFR1_EL1', 28): 'imposed'}


def safe_values(tree):
    """(register, lo, bits, signed, direction) of every field in the kernel's tables."""
    text = tree.text(CPUFEATURE)
    tables = {'ftr_ctr': ['CTR_EL0']}
    for register, table in re.findall(r'ARM64_FTR_REG(?:_OVERRIDE)?\(SYS_(\w+),\s*(ftr_\w+)', text):
        tables.setdefault(table, []).append(register)
    for table, body in re.findall(r'struct arm64_ftr_bits (ftr_\w+)\[\] = \{(.*?)\n\};', text, re.S):
        for signed, direction, shift, width in re.findall(
                r'(S_)?ARM64_FTR_BITS\(FTR_\w+(?:\(\w+\))?,\s*FTR_\w+,\s*FTR_(\w+),\s*(\w+),\s*(\w+),', body):
            for register in tables.get(table, []):
                lo = int(shift) if shift.isdigit() else tree.shifts.get(shift.removesuffix('_SHIFT'))
                bits = int(width) if width.isdigit() else None
                yield register, shift, lo, bits, bool(signed), direction


def check_rules(report, tree, fields):
    by_place = {(field.index, field.lo): field for field in fields if field.space == 'arm64'}
    count = 0
    for register, shift, lo, bits, signed, direction in safe_values(tree):
        if register in ('ZCR_EL1', 'SMCR_EL1'):  # lengths that Linux keeps among its features
            continue
        if register not in tree.ids or lo is None:
            report.differs(f'{register} {shift} is not understood')
            continue
        row = by_place.get((tree.ids[register], lo))
        if not row:
            if (register, lo) not in (('CTR_EL0', 31), ('CNTFRQ_EL0', 0)) and not register.startswith('MPAMIDR'):
                named = [f[0] for f in tree.registers.get(register, {'fields': []})['fields'] if f[1] == lo]
                if named or not tree.registers.get(register):
                    report.differs(f'{register} {shift} has no row')
            continue
        count += 1
        rule = KVM_RULES.get((register, lo), RULES[direction])
        if (register, lo) in KVM_RULES:  # old trees have the PMU's version as signed, and none of those lets it be written
            signed = row.signed
        if rule == 'equal' and row.rule == 'subset' and direction == 'EXACT' and register == 'ID_AA64SMFR0_EL1' or bits == 1:
            rule = row.rule
        if (row.rule, row.signed) != (rule, signed) or (bits and row.bits != bits):
            report.differs(f'{row.name}: {bits} bits, {rule}, {"" if signed else "un"}signed there and {row.bits} bits, {row.rule}, '
                           f'{"" if row.signed else "un"}signed here')
    report.compared('safe values', count, 150)


def listed(tree):
    """The registers that KVM's table lets user space read."""
    text = tree.array('sys_reg_descs', r'static const struct sys_reg_desc ')
    names = set(re.findall(r'\b(?:ID_\w+|AA32_ID_\w+|MTE_REG|EL2_REG\w*|TIMER_REG|IMPLEMENTATION_ID)\((\w+)', text))
    names -= set(re.findall(r'EL2_REG_VNCR_GICv3\((\w+)', text))
    for name, rest in re.findall(r'\{\s*(?:SYS_DESC|PMU_SYS_REG)\((?:SYS_)?(\w+)\)(.*?)\}\s*,', text, re.S):
        if re.search(r'reset_\w+,\s*\w+|\.reg\s*=|get_user', rest):
            names.add(name)
    return names


def check_listed(report, tree, regs):
    """Every register that KVM lists has a row, and none of ID space is without one."""
    ours = {reg.index for reg in regs if reg.space.startswith('arm64')}
    names = listed(tree)
    count = 0
    for name in names:
        if name.isdigit():  # ID_UNALLOCATED
            continue
        count += 1
        if tree.ids.get(name) not in ours:
            report.differs(f'{name}, which KVM lists, has no row')
    report.compared('registers that KVM lists', count, 80)
    for crm in range(1, 8):
        for op2 in range(8):
            if sysreg_id(3, 0, 0, crm, op2) not in ours:
                report.differs(f'the ID register CRm {crm}, op2 {op2} has no row')


def check_hwcaps(report, tree, fields):
    shown = dict(re.findall(r'\[(KERNEL_HWCAP_\w+)\]\s*=\s*"(\w+)"', tree.array('hwcap_str', r'static const char \*const ')))
    alias = {name: field for field in fields for name in field.aliases if field.space == 'arm64'}
    values = re.findall(r'HWCAP_CAP(?:_MATCH_ID)?\((?:\w+,\s*)?(?:SYS_)?(ID_\w+?_EL1),\s*([\w]+),\s*(?:\w+,\s*)*CAP_HWCAP\s*,\s*'
                        r'(KERNEL_HWCAP_\w+)\)', tree.array('arm64_elf_hwcaps', r'static const struct arm64_cpu_capabilities '))
    count = 0
    for register, field, hwcap in values:
        field = field.removesuffix('_SHIFT').removeprefix(register + '_')
        name = 'linux:' + shown.get(hwcap, '')
        if name not in alias:
            continue
        count += 1
        if alias[name].name != field_name(register, field):
            report.differs(f'{name} is {register} {field} there and {alias[name].name} here')
    report.compared('hwcaps', count, 30)


def unpack(into):
    for archive in sorted(glob.glob('/usr/src/linux-source-*.tar.xz')):
        top = os.path.basename(archive)[:-len('.tar.xz')]
        path = os.path.join(into, top)
        os.mkdir(path)
        # A file that this kernel does not have makes tar fail: what is missing shows in the counts.
        subprocess.run(['tar', '-xJf', archive, '-C', path, '--strip-components=1'] + [f'{top}/{name}' for name in WANTED],
                       stderr=subprocess.DEVNULL, check=False)
        yield path


def main():
    fields, regs = rows.read(sys.argv[1])
    end = sys.argv.index('--')
    cc, trees = sys.argv[2:end], sys.argv[end + 1:]
    report = rows.Report()
    with tempfile.TemporaryDirectory() as scratch:
        trees = trees or list(unpack(scratch))
        header = os.path.exists(HEADERS + '/asm/kvm.h')
        if not trees or not header:
            print('linux-libc-dev-arm64-cross is not installed' if trees else 'no linux-source package is installed under /usr/src')
            sys.exit(rows.SKIP)
        check_ids(report, cc, scratch, regs, fields)
        for path in trees:
            tree = Tree(path)
            print(f'Linux {tree.version()}')
            check_encodings(report, tree, regs)
            check_fields(report, tree, fields)
            check_rules(report, tree, fields)
            check_listed(report, tree, regs)
            check_hwcaps(report, tree, fields)
    report.end()


if __name__ == '__main__':
    main()
