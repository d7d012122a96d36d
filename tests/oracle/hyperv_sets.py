#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds data/models/hyperv.def against the tools that its sets are of, as far as their files are named:
     hyperv_sets.py GABI
   $VIRT_MANAGER_SOURCE (4.1 and 5.1, parted by ':'), $COMMON_INSTANCETYPES_SOURCE, $PROXMOX_SOURCE (qemu-server), $NOVA_SOURCE: unpacked sources.
   $QEMU_HYPERV_HTML: the chapter of QEMU's manual, by default the installed one where it has the recommendations (QEMU 11.1 has, 7.2 not).
   Exit 77 where there is none of them."""
import html
import json
import os
import re
import subprocess
import sys

import rows

# The words of tools where they are not QEMU's without "hv-".
NAMES = {'synictimer': 'stimer', 'hypervclock': 'time', 'stimer_direct': 'stimer-direct'}
INSTALLED = '/usr/share/doc/qemu-system-common/system/i386/hyperv.html'


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as file:
        return file.read()


def flag(name, value=None):
    name = NAMES.get(name, name).replace('_', '-')
    return f'hv-{name}={value}' if value else f'hv-{name}'


def virt_manager(tree):
    features, clock = read(tree, 'virtinst/domain/features.py'), read(tree, 'virtinst/domain/clock.py')
    found = dict(re.findall(r'self\.hyperv_(\w+) = (\w+)', features)) or \
        {name: value or 'True' for name, value in re.findall(r'_enable\("(\w+)"(?:.*value=(\d+))?', features)}
    spins = hex(int(found.pop('spinlocks_retries')))
    flags = {flag(name, spins if name == 'spinlocks' else None) for name in found}
    flags |= {flag(name) for name in re.findall(r'name = "(hypervclock)"', clock)}
    if 'hv-evmcs' not in flags:
        return {'hyperv-virt-install-4.1': flags}
    return {'hyperv-virt-install-5.1': flags - {'hv-evmcs'}, 'hyperv-virt-install-5.1-intel': flags}


def kubevirt(tree):
    import yaml
    spec = yaml.safe_load(read(tree, 'preferences/components/hyperv/hyperv.yaml'))['spec']
    hyperv = spec['features']['preferredHyperv']
    flags = {flag(name, hex(hyperv[name]['spinlocks']) if name == 'spinlocks' else None) for name in hyperv}
    flags |= {flag(name) + '-direct' for name in hyperv if 'direct' in (hyperv[name] or {})}
    return {'hyperv-kubevirt': flags | ({flag('hypervclock')} if 'hyperv' in spec['clock']['preferredTimer'] else set())}


def proxmox(tree):
    text = read(tree, 'src/PVE/QemuServer/CPUConfig.pm')
    text = re.search(r'\nsub get_hyperv_enlightenments.*?\n}\n', text, re.S)[0]
    text = re.sub(r'} else {.*?\n    }', '', text, flags=re.S)  # machines older than 2.3
    flags = {flag(name[3:], value) for name, value in re.findall(r"\$flagfn->\('(hv_\w+)'(?:, '(\w+)')?", text)}
    return {'hyperv-proxmox': flags - {'hv-evmcs'}, 'hyperv-proxmox-intel': flags}


def nova(tree):
    text = read(tree, 'nova/virt/libvirt/driver.py')
    found = dict(re.findall(r'\bhv\.(\w+) = (\w+)', text))
    found.pop('vendorid_spoof')
    spins = hex(int(found.pop('spinlock_retries')))
    flags = {flag(name, spins if name == 'spinlocks' else None) for name in found}
    return {'hyperv-nova': flags | {flag(name) for name in re.findall(r'name = "(hypervclock)"', text)}}


def manual(text):
    """All that it describes, less what its recommendations name; these are exceptions, hv-evmcs but for Intel's CPUs."""
    flags = {name for names in re.findall(r'<dt>(.*?)</dt>', text, re.S) for name in re.findall(r'hv-[a-z-]*[a-z]', html.unescape(names))}
    advice = re.search(r'id="recommendations".*?id="useful-links"', text, re.S)[0]
    flags -= set(re.findall(r'hv-[a-z-]*[a-z]', html.unescape(re.sub(r'<[^>]*>', '', advice))))
    flags -= {'hv-apicv'}  # the other name of hv-avic
    return {'hyperv-qemu': flags, 'hyperv-qemu-intel': flags | {'hv-evmcs'}}


def main():
    theirs = {}
    for name, reader in (('VIRT_MANAGER', virt_manager), ('COMMON_INSTANCETYPES', kubevirt), ('PROXMOX', proxmox), ('NOVA', nova)):
        for tree in filter(None, os.environ.get(f'{name}_SOURCE', '').split(':')):
            theirs.update(reader(tree))
    page = os.environ.get('QEMU_HYPERV_HTML', INSTALLED)
    text = read(page) if os.path.exists(page) else ''
    if 'id="recommendations"' in text:  # QEMU 7.2's has the word, and no such section
        theirs.update(manual(text))
    if not theirs:
        print('no source of a set is named: eval "$(tests/sources)" fetches what Debian has, as ./dev test does')
        sys.exit(rows.SKIP)
    for variable, place in (('COMMON_INSTANCETYPES_SOURCE', 'kubevirt/common-instancetypes'), ('PROXMOX_SOURCE', 'proxmox/qemu-server')):
        if not os.environ.get(variable):
            print(f'not compared: git clone --depth 1 https://github.com/{place}, and name it in {variable}')
    run = subprocess.run([sys.argv[1], 'model', 'list', '--json', 'hyperv-'], check=True, capture_output=True, text=True)
    ours = {row['set']: set(row['flags'].split()) for row in json.loads(run.stdout)['hyperv']}
    report = rows.Report()
    for name, flags in theirs.items():
        for one in sorted(flags ^ ours[name]):
            report.differs(f'{name}: {one} is only {"there" if one in flags else "here"}')
    report.compared(f'sets ({" ".join(sorted(theirs))})', len(theirs), 1)
    report.end()


if __name__ == '__main__':
    main()
