#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds the layouts against the hypervisors' own sources, whose structs and functions are cut out and compiled:
vmcs_layouts.py PRINT_LAYOUT CC... [-- TREE...]

A tree is an unpacked source of Linux from 3.1 on, ACRN, Xen, VirtualBox or Bochs; without any, those in GABI_VMCS_SOURCES, between colons.
linux-source packages are for vmcs_linux.sh. Exit 77 without a tree.
"""
import os
import re
import subprocess
import sys
import tempfile

TYPES = '''#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
typedef uint64_t u64, natural_width; typedef uint32_t u32, __u32; typedef uint16_t u16; typedef uint8_t u8; typedef int64_t s64;
#define __packed __attribute__((packed))
#define SAY(code, at) printf("%04x %u\\n", (unsigned)(code), (unsigned)(at))
'''

# Fields that a source does not have, though the row is right.
ABSENT = {'virtualbox': (14, 'fields that VirtualBox 7 added where 6.1 has reserved words')}


class Tree:
    def __init__(self, path):
        self.path = path

    def has(self, name):
        return os.path.exists(os.path.join(self.path, name))

    def read(self, *names):
        text = ''
        for name in names:
            if self.has(name):
                with open(os.path.join(self.path, name), encoding='utf-8', errors='replace') as file:
                    text += file.read().replace('\r', '')
        return text


def cut(text, first, last):
    found = re.search(f'^{first}.*?^{last}', text, re.M | re.S)
    if not found:
        raise LookupError(f'there is no {first}')
    return found.group(0) + '\n'


# ---- one function a hypervisor: the layout, and a program that says where it has what ----

def linux(tree):
    version = re.search(r'^VERSION = (\d+)\nPATCHLEVEL = (\d+)', tree.read('Makefile'), re.M)
    if not version:
        raise LookupError('its Makefile says no version')
    vmx = tree.read('arch/x86/kvm/vmx.c') or tree.read('arch/x86/kvm/vmx/vmcs12.h', 'arch/x86/kvm/vmx/vmcs12.c')
    fields = re.findall(r'^\tFIELD(?:64)?\(([A-Z]\w+),\s*([\w\[\].]+)\)', vmx, re.M)
    code = TYPES + 'struct vmcs_hdr { u32 revision_id:31; u32 shadow_vmcs:1; };\n'
    code += cut(tree.read('arch/x86/include/asm/vmx.h'), 'enum vmcs_field', '};') + cut(vmx, 'struct __packed vmcs12', '};')
    says = ''.join(f'\tSAY({name}, offsetof(struct vmcs12, {member}));\n' for name, member in fields)
    return '.'.join(version.groups()), code + 'int main(void)\n{\n\tprintf("size %zu\\n", sizeof(struct vmcs12));\n' + says + '}\n'


def acrn(tree):
    struct = cut(tree.read('hypervisor/include/arch/x86/asm/guest/nested.h'), 'struct acrn_vmcs12 {\n', '}.*?;')
    table = cut(tree.read('hypervisor/arch/x86/guest/nested.c'), 'static const uint16_t vmcs12_group_offset_table', '};')
    return 'acrn', TYPES + re.sub(r'__aligned\(\w+\)', '', struct) + table + '''
int main(void)
{
	const uint16_t *at = vmcs12_group_offset_table;

	printf("size %zu\\n", sizeof(struct acrn_vmcs12));
	for (unsigned group = 0; group < 16; group++) {
		unsigned bytes = group >> 2 == 0 ? 2 : group >> 2 == 2 ? 4 : 8, end = sizeof(struct acrn_vmcs12);

		for (unsigned other = 0; other < 16; other++)
			if (at[other] > at[group] && at[other] < end)
				end = at[other];
		for (unsigned index = 0; group != 1 && at[group] + (index + 1) * bytes <= end; index++)
			SAY((group >> 2) << 13 | (group & 3) << 10 | index << 1, at[group] + index * bytes);
	}
}
'''


def xen(tree):
    return 'xen', TYPES + cut(tree.read('xen/arch/x86/hvm/vmx/vvmx.c'), 'static int vvmcs_offset', '}') + '''
int main(void)
{
	for (unsigned code = 0; code < 0x8000; code += 2)
		if ((code >> 1 & 0x1ff) < 0x20)
			SAY(code, 8 * vvmcs_offset(code >> 13 & 3, code >> 10 & 3, code >> 1 & 0x1ff));
}
'''


def virtualbox(tree):
    struct = cut(tree.read('include/VBox/vmm/hm_vmx.h'), r'typedef struct\n{\n    /\*\* @name Header', r'} VMXVVMCS;')
    name = 'src/VBox/VMM/VMMAll/IEMAllCImplVmxInstr.cpp'
    table = cut(tree.read(name, name + '.h'), r'uint16_t const g_aoffVmcsMap', '};')
    return 'virtualbox', TYPES + '''#define RT_UOFFSETOF(a, b) offsetof(a, b)
#define VMX_V_VMCS_MAX_INDEX (0x2033 >> 1 & 0x1ff)
#define X86_PAGE_4K_SIZE 4096
typedef uint16_t RTSEL;
typedef int32_t VMXABORT;
typedef union { uint64_t u; } RTUINT64U;
typedef union { uint32_t u; } VMXVMCSREVID;
''' + struct + table + '''
int main(void)
{
	for (unsigned group = 0; group < 16; group++)
		for (unsigned index = 0; index <= VMX_V_VMCS_MAX_INDEX; index++)
			if (g_aoffVmcsMap[group][index] != UINT16_MAX)
				SAY((group >> 2) << 13 | (group & 3) << 10 | index << 1, g_aoffVmcsMap[group][index]);
}
'''


def bochs(tree):
    code = tree.read('cpu/vmcs.cc')
    defines = re.findall(r'^#define (?:VMX_HIGHEST_|VMCS_DATA_OFFSET).*$', tree.read('cpu/vmx.h'), re.M)
    return 'bochs', TYPES + 'typedef uint32_t Bit32u;\n' + '\n'.join(defines + re.findall(r'^const Bit32u VMCS_\w+_FIELD_ADDR .*$', code, re.M)) + '''
#define VMX_VMCS_AREA_SIZE 0x1000
#define BX_PANIC(x)
#define BX_DEBUG(x)
static Bit32u vmcs_encoding(Bit32u type, Bit32u field) { return type + field; }
struct VMCS_Mapping {
	unsigned vmcs_revision_id_field_offset, vmx_abort_field_offset, vmcs_launch_state_field_offset;
	unsigned vmcs_map[16][VMX_HIGHEST_VMCS_ENCODING];
	void init_generic_mapping();
};
''' + cut(code, r'void VMCS_Mapping::init_generic_mapping\(\)', '}') + '''
int main(void)
{
	static VMCS_Mapping map;

	memset(map.vmcs_map, 0xff, sizeof(map.vmcs_map));
	map.init_generic_mapping();
	for (unsigned group = 0; group < 16; group++)
		for (unsigned field = 0; field < VMX_HIGHEST_VMCS_ENCODING; field += 2)
			if (map.vmcs_map[group][field] != 0xffffffff)
				SAY((group >> 2) << 13 | (group & 3) << 10 | field, map.vmcs_map[group][field]);
}
'''


KINDS = {'hypervisor/arch/x86/guest/nested.c': acrn, 'xen/arch/x86/hvm/vmx/vvmx.c': xen, 'include/VBox/vmm/hm_vmx.h': virtualbox,
         'cpu/vmcs.cc': bochs, 'arch/x86/kvm/vmx.c': linux, 'arch/x86/kvm/vmx/vmcs12.h': linux}


def compiled(cc, code, work):
    """What the program says: encodings, or "size", and offsets. The structs are C but for Bochs's."""
    source = os.path.join(work, 'cut.c')
    with open(source, 'w', encoding='utf-8') as file:
        file.write(code)
    language = ['-xc++'] if 'VMCS_Mapping' in code else ['-xc', '-std=gnu11']
    subprocess.run([*cc, *language, '-w', '-o', os.path.join(work, 'cut'), source], check=True)
    return numbers(os.path.join(work, 'cut'))


def numbers(*command):
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split('\n')
    return {line.split()[0]: int(line.split()[1]) for line in lines if line}


def differences(layout, have, want, known):
    """What is placed elsewhere, what only they have, and what only we have without a reason."""
    found = [f'{code} at {have[code]}, theirs {want[code]}' for code in have if code in want and have[code] != want[code]]
    found += [f'{code} only theirs, at {want[code]}' for code in want if code in known and code not in have]
    absent = [code for code in have if code not in want and code != 'size']
    if len(absent) > ABSENT.get(layout, (0, ''))[0]:
        found += [f'{code} only ours, at {have[code]}' for code in absent]
    return found, absent


def hold(print_layout, cc, path, known):
    """Holds one tree; the number of differences, or 1 where nothing can be cut out of it."""
    tree = Tree(path)
    kind = next((KINDS[name] for name in KINDS if tree.has(name)), None)
    if not kind:
        print(f'{path}: no source of a hypervisor that is known')
        return 1
    try:
        with tempfile.TemporaryDirectory() as work:
            layout, code = kind(tree)
            want = compiled(cc, code, work)
    except (LookupError, subprocess.CalledProcessError) as why:
        print(f'{path}: {why}')
        return 1
    found, absent = differences(layout, numbers(print_layout, layout), want, known)
    enough = len(want) > 100
    print(f'{path}: {layout}, {len(want)} offsets' + ('' if enough else ': too few') +
          (f'; not there: {", ".join(absent)} ({ABSENT[layout][1]})' if absent and layout in ABSENT else ''))
    print(''.join(f'\tdiffers: {text}\n' for text in found), end='')
    return len(found) + (not enough)


def main():
    print_layout, *rest = sys.argv[1:]
    cc, trees = (rest[:rest.index('--')], rest[rest.index('--') + 1:]) if '--' in rest else (rest, [])
    trees = trees or [tree for tree in os.environ.get('GABI_VMCS_SOURCES', '').split(':') if tree]
    if not trees:
        print('GABI_VMCS_SOURCES names no source of Linux, ACRN, Xen, VirtualBox or Bochs')
        return 77
    known = set(numbers(print_layout, 'known'))
    return 1 if sum([hold(print_layout, cc, tree, known) for tree in trees]) else 0


sys.exit(main())
