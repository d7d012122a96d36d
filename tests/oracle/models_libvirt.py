#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds what QEMU's emulator hides of the rows of data/models against libvirt's models: vme, which QEMU has in its models and its
   emulator takes away before it can be asked.
     models_libvirt.py PRINT_MODELS [DIRECTORY]       DIRECTORY: libvirt's cpu_map, by default the installed one
   Exit 77 where libvirt is not installed."""
import glob
import os
import sys
import xml.etree.ElementTree

import rows
from models_qemu import OF_EMULATOR, our_models, set_bits

INSTALLED = '/usr/share/libvirt/cpu_map'
NAME = 'vme'  # nothing is asked of libvirt's older models, which lack it


def features(directory, name, seen):
    """All features of a model, its parent's as well."""
    if name not in seen:
        model = xml.etree.ElementTree.parse(f'{directory}/x86_{name}.xml').getroot().find('model')
        parent = model.find('model')
        seen[name] = (features(directory, parent.get('name'), seen) if parent is not None else set()) | \
            {feature.get('name') for feature in model.findall('feature')}
    return seen[name]


def main():
    directory = sys.argv[2] if len(sys.argv) > 2 else INSTALLED
    if not os.path.isdir(directory):
        print(f'{directory} (package libvirt0) is not installed')
        sys.exit(rows.SKIP)
    models, aliases = our_models(sys.argv[1])
    report, compared, seen = rows.Report(), 0, {}
    for path in sorted(glob.glob(f'{directory}/x86_*.xml')):
        name = os.path.basename(path)[4:-4]
        ours = models.get(aliases.get(name, [name])[0])
        if name in ('features', 'vendors') or not ours or NAME not in features(directory, name, seen):
            continue
        compared += 1
        if OF_EMULATOR not in set_bits(ours[1]):
            report.differs(f'{name} has {NAME} there')
    report.compared('models', compared, 25)
    report.end()


if __name__ == '__main__':
    main()
