#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""explain_all.py GABI: every name that the vocabulary has is explained, by itself and by each of its other names, and every register:
   no error, and of each field all that a person may ask."""
import json
import subprocess
import sys

ALWAYS = {'where', 'fits a host if', 'hiding', 'offered since', 'migration', 'rollback', 'source'}
TOOLS = {'name in QEMU', 'name in libvirt', 'name in Linux', 'name in the Arm ARM', 'other names'}
gabi, failed, names, others = sys.argv[1], 0, 0, 0


def fail(text):
    global failed
    print(text)
    failed += 1


def explain(name):
    run = subprocess.run([gabi, 'explain', '--json', name], capture_output=True, text=True, check=False)
    if run.returncode or run.stderr:
        fail(f'{name}: status {run.returncode}: {run.stderr.strip()}')
        return {'fields': [], 'registers': []}
    return json.loads(run.stdout)


listed = subprocess.run([gabi, 'explain', '--list'], capture_output=True, text=True, check=True).stdout.splitlines()
fields = set(subprocess.run([gabi, 'names', '--list'], capture_output=True, text=True, check=True).stdout.splitlines())
if len(fields) < 2000 or not fields < set(listed):
    fail('explain --list lists less than gabi names')
for name in listed:
    answer = explain(name)
    names += 1
    if name not in fields:
        if not answer['registers']:
            fail(f'{name}: a register without an answer')
        continue
    rows = {}
    for row in answer['fields']:
        rows.setdefault(row['name'], {})[row['what']] = row['answer']
    missing = ALWAYS - set(rows.get(name, {}))
    if missing:
        fail(f'{name}: does not say {sorted(missing)}')
    for tool in sorted(TOOLS & set(rows.get(name, {}))):
        for other in rows[name][tool].split():
            others += 1
            if others % 5 == 0 and not explain(other.split(':')[-1])['fields']: # each fifth: they are many
                fail(f'{name}: its name {other} of {tool[8:]} is not one')
print(f'{names} names explained, {others} names of other tools')
if others < 1000:
    fail('hardly any names of other tools')
nothing = subprocess.run([gabi, 'explain', 'vmx-tsc-scalin'], capture_output=True, text=True, check=False)
if nothing.returncode != 1 or 'near it is vmx-tsc-scaling' not in nothing.stderr:
    fail(f'the nearest name is not told: {nothing.stderr}')
sys.exit(1 if failed else 0)
