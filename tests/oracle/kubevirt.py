#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What gabi writes for KubeVirt is YAML, its labels are labels of Kubernetes, and a virtual machine that was pinned on a node asks for
   nothing that the node's labels do not have.
     kubevirt.py GABI HOST...
   Exit 77 where python3-yaml is not installed."""
import re
import subprocess
import sys
import tempfile

import rows

try:
    import yaml
except ImportError:
    print('python3-yaml is not installed')
    sys.exit(rows.SKIP)

# Kubernetes, "Labels and selectors": a DNS subdomain of at most 253 characters, a slash, a name of at most 63.
LABEL = re.compile(r'[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?')
VALUE = re.compile(r'([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?')


def emit(gabi, *args):
    run = subprocess.run([gabi, 'emit', '--as', *args], capture_output=True, text=True, check=False)
    return yaml.safe_load(run.stdout), run.stderr


def main():
    gabi, *hosts = sys.argv[1:]
    report, compared = rows.Report(), 0
    for host in hosts:
        labels = emit(gabi, 'kubevirt-node', host)[0]['metadata']['labels']
        for label, value in labels.items():
            compared += 1
            if not LABEL.fullmatch(label) or not isinstance(value, str) or not VALUE.fullmatch(value):
                report.differs(f'{host}: {label}: {value!r} is no label')
        with tempfile.NamedTemporaryFile(suffix='.json') as contract:
            subprocess.run([gabi, 'pin', '--qemu', '-machine pc-q35-7.2,accel=kvm -cpu Nehalem', host, '-o', contract.name], check=True, stderr=subprocess.DEVNULL)
            machine, notes = emit(gabi, 'kubevirt', contract.name, host)
        asked = machine['spec']['nodeSelector']
        unusable = 'starts the VM elsewhere' in notes
        for label, value in asked.items():
            compared += 1
            if labels.get(label) != value and not (unusable and label.startswith('cpu-model.')):
                report.differs(f'{host}: the virtual machine asks for {label}, and its node has {labels.get(label)!r}')
        if machine['kind'] != 'VirtualMachineInstance' or not machine['spec']['domain']['cpu']['model']:
            report.differs(f'{host}: no virtual machine is written')
    report.compared('labels', compared, 500)
    report.end()


if __name__ == '__main__':
    main()
