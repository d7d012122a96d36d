#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds what we read and write of Firecracker and Cloud Hypervisor against their sources.
     other_vmms.py GABI HOSTS DEF        HOSTS: data/hosts. DEF: data/models/cloud_hypervisor.def. Sources: $FIRECRACKER_SOURCE, $CLOUD_HYPERVISOR_SOURCE
   1. Every template that we emit is one by Firecracker's own schema, which takes no modifier twice and no wrong bitmap.
   2. Every template of Firecracker's tests is read, laid over the fingerprint of a guest from the same place.
   3. The keys of --cpus are those that Cloud Hypervisor's parser has.
   Neither is a package of Debian: exit 77 where no source is named."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import rows


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def check_emitted(report, gabi, hosts, tree):
    try:
        import jsonschema
    except ImportError:
        print('skipped: python3-jsonschema is not installed')
        return
    with open(f'{tree}/docs/cpu_templates/schema.json', encoding='utf-8') as file:
        schema = json.load(file)
    for member in schema['properties'].values():  # as it stands it lets every member pass: a wrong name would be one more
        if 'properties' in member.get('items', {}):
            member['items']['additionalProperties'] = False
    schema['additionalProperties'] = False
    check, emitted = jsonschema.Draft202012Validator(schema), 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(glob.glob(f'{hosts}/*.json')):
            contract = os.path.join(folder, 'contract.json')
            if run(gabi, 'pin', path, '-o', contract).returncode:
                report.differs(f'{path} cannot be pinned')
                continue
            answer = run(gabi, 'emit', '--as', 'firecracker', contract, path)
            if answer.returncode not in (0, 1):
                report.differs(f'{os.path.basename(path)}: {answer.stderr.strip()}')
                continue
            template = json.loads(answer.stdout)
            for error in check.iter_errors(template):
                report.differs(f'{os.path.basename(path)}: {error.message[:200]}')
            for modifier in [m for leaf in template.get('cpuid_modifiers', []) for m in leaf['modifiers']]:
                if not re.fullmatch('0b[01x_]{32,}', modifier['bitmap']):
                    report.differs(f'{os.path.basename(path)}: {modifier["bitmap"]} is no bitmap of 32 bits')
            emitted += 1
    report.compared('emitted templates', emitted, 20)


def check_read(report, gabi, hosts, tree):
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        prints = {}
        for path in sorted(glob.glob(f'{tree}/tests/data/cpu_template_helper/fingerprint_*.json')):
            host = os.path.join(folder, os.path.basename(path))
            if run(gabi, 'import', '--view=guest', path, '-o', host).returncode == 0:
                prints[os.path.basename(path)] = host
        for path in sorted(glob.glob(f'{tree}/tests/data/custom_cpu_templates/*.json')):
            arm = os.path.basename(path).startswith(('AARCH64', 'V1N1'))
            answers = [run(gabi, 'pin', '--firecracker', path, host, '-o', os.path.join(folder, 'out.json'))
                       for name, host in prints.items() if ('_ARM_' in name) == arm]
            count += 1
            if arm:  # a fingerprint does not tell what vcpu_features gives
                answers.append(run(gabi, 'pin', '--firecracker', path, f'{hosts}/arm64-max-linux-6.12.json', '-o', os.path.join(folder, 'out.json')))
            # Firecracker itself refuses a template on a CPU that lacks what it changes.
            if not any(answer.returncode == 0 or 'does not list' in answer.stderr for answer in answers):
                report.differs(f'{os.path.basename(path)}: {answers[-1].stderr.strip() if answers else "no fingerprint"}')
            for answer in answers:
                if answer.returncode and 'does not list' not in answer.stderr and 'is not in a fingerprint' not in answer.stderr:
                    report.differs(f'{os.path.basename(path)}: {answer.stderr.strip()[:300]}')
    report.compared('templates read', count, 8)


def check_keys(report, table, tree):
    with open(f'{tree}/vmm/src/config.rs', encoding='utf-8') as file:
        parser = re.search(r'impl CpusConfig \{.*?\.parse\(', file.read(), re.S)[0]
    theirs = set(re.findall(r'\.add\("([a-z_]+)"\)', parser))
    with open(table, encoding='utf-8') as file:
        ours = set(re.findall(r'^GABI_CLOUD_KEY_ROW\("([a-z_]+)"\)', file.read(), re.M))
    for name in sorted(theirs ^ ours):
        report.differs(f'--cpus has {name} only {"there" if name in theirs else "here"}')
    report.compared('keys of --cpus', len(theirs), 8)


def main():
    gabi, hosts, table = sys.argv[1:4]
    firecracker, cloud = os.environ.get('FIRECRACKER_SOURCE'), os.environ.get('CLOUD_HYPERVISOR_SOURCE')
    if not firecracker and not cloud:
        print('no sources of Firecracker or Cloud Hypervisor are named, which no package of Debian has: git clone --depth 1 '
              'https://github.com/firecracker-microvm/firecracker, FIRECRACKER_SOURCE=firecracker; git clone --depth 1 '
              'https://github.com/cloud-hypervisor/cloud-hypervisor, CLOUD_HYPERVISOR_SOURCE=cloud-hypervisor')
        sys.exit(rows.SKIP)
    report = rows.Report()
    if firecracker:
        check_emitted(report, gabi, hosts, firecracker)
        check_read(report, gabi, hosts, firecracker)
    if cloud:
        check_keys(report, table, cloud)
    report.end()


if __name__ == '__main__':
    main()
