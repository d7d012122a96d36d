#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds our choice of host-model against libvirt's: its tests have QEMU's answers on some 50 real CPUs beside the model and the features that
   libvirt makes of them.
     libvirt_host_model.py PRINT_HOST_MODEL [TREE]...     TREE: unpacked sources of libvirt 11.3 or so, by default $LIBVIRT_SOURCE
   Exit 77 where there are no sources."""
import glob
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import rows


# Old releases of QEMU say them beside a leading feature that is off (svm, arch-capabilities); the import leaves out what is of no use without it.
ALONE = {'+npt', '+nrip-save', '+skip-l1dfl-vmentry', '+ibrs-all', '+rdctl-no'}


def documents(text):
    """The JSON documents that stand after one another."""
    decoder, at, found = json.JSONDecoder(), 0, []
    while at < len(text):
        document, end = decoder.raw_decode(text, at)
        found.append(document)
        at = end
        while at < len(text) and text[at].isspace():
            at += 1
    return found


def main():
    trees = sys.argv[2:] or [tree for tree in [os.environ.get('LIBVIRT_SOURCE')] if tree]
    if not trees:
        print('no sources of libvirt are named (LIBVIRT_SOURCE): eval "$(tests/sources)" fetches them, as ./dev test does')
        sys.exit(rows.SKIP)
    report, compared = rows.Report(), 0
    for tree in trees:
        with tempfile.TemporaryDirectory() as folder:
            lines, names = [], []
            for path in sorted(glob.glob(f'{tree}/tests/cputestdata/x86_64-cpuid-*-json.xml')):
                with open(path[:-4].replace('-json', '') + '.json', encoding='utf-8') as file:
                    answers = documents(file.read())
                name = os.path.basename(path)
                answer = os.path.join(folder, name)
                with open(answer, 'w', encoding='utf-8') as file:
                    json.dump(answers[0], file)
                models = {item['name']: item.get('unavailable-features', []) for document in answers[1:]
                          if isinstance(document.get('return'), list) for item in document['return'] if 'name' in item}
                lines.append(' '.join([answer, *models]))
                names.append((path, models))
            run = subprocess.run([sys.argv[1]], input='\n'.join(lines) + '\n', capture_output=True, text=True, check=True)
            for (path, models), line in zip(names, run.stdout.splitlines(), strict=True):
                root = xml.etree.ElementTree.parse(path).getroot()
                features = {('-' if node.get('policy') == 'disable' else '+') + node.get('name') for node in root.iter('feature')}
                kind, model, *seen = line.split('\t')
                seen = set(seen[0].split()) if seen else set()
                # What keeps QEMU's model from being used is that of the QEMU that answered, where it said so.
                blockers = {'-' + rows.same(name) for name in models.get(model, [])}
                seen -= {name for name in seen - features if name[0] == '-' and rows.same(name) not in blockers}
                name = os.path.basename(path)
                compared += 1
                if kind == 'error':
                    report.differs(f'{name}: {model}')
                elif model != root.find('model').text:
                    report.differs(f'{name}: {root.find("model").text} there and {model} here')
                elif (features ^ seen) - (ALONE - seen):
                    report.differs(f'{name}: {model}: only there {sorted(features - seen)}, '
                                   f'only here {sorted(seen - features)}')
    report.compared('CPUs', compared, 40)
    report.end()


if __name__ == '__main__':
    main()
