#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Starts a real QEMU with KVM and lets the guest look: is what it sees what gabi pin --qemu foretells, bit by bit? In the lab also: is
   the guest of the line that gabi emit --as qemu writes for a contract that of the contract, but for what it says that it does not express?
     qemu_guest.py GABI ROM [QEMU...]         on this machine's own KVM
     qemu_guest.py GABI ROM --lab HOST...     on emulated hosts of the lab, with the installed QEMU inside
   The guest is a firmware (guest/rom.c) that prints CPUID and MSRs. Of QEMU itself its feature words are asked too, where it is at hand.
   Some KVMs show a guest more of leaves 1, 7 and 0xD than they were told (a hypervisor above them does not let them hide it): on this machine a
   guest of no features at all tells, and those leaves are then compared by QEMU's words alone, and named.
   Exit 77 where there is no KVM, no QEMU, or no such host."""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import rows

SPACES = ('cpuid', 'kvm', 'hyperv', 'msr')
REGISTERS = ('eax', 'ebx', 'ecx', 'edx')
PATH = '/machine/unattached/device[0]'
SOURCE = pathlib.Path(__file__).resolve().parents[2]

# What has a rule of its own in QEMU, at least once each; the machine is one that QEMU 7.2 has.
LINES = '''
-machine pc-q35-7.2 -cpu EPYC-Rome
-machine pc-q35-7.2 -cpu host
-machine pc-q35-7.2 -cpu host,migratable=off
-machine pc-q35-7.2 -cpu EPYC,+svm,kvm=off,phys-bits=39,-monitor
-machine pc-i440fx-6.1 -cpu EPYC-Milan,hv-relaxed,hv-vapic,hv-time,hv-vpindex,hv-synic,hv-stimer,hv-spinlocks=0x1fff
-machine pc-i440fx-6.0 -cpu Skylake-Client-v1,hv-passthrough
-machine pc-q35-7.2,kernel-irqchip=split -cpu qemu64,host-phys-bits=on,l3-cache=off
-machine pc-q35-6.2 -cpu Cascadelake-Server,vendor=GenuineIntel,+invtsc
-machine pc-q35-7.2 -cpu kvm32
-machine pc-q35-7.2 -cpu max,+topoext,-avx
-machine pc-q35-7.2 -cpu base,+fpu,+apic,level=7
-machine pc-q35-7.2 -cpu Opteron_G5,hv-relaxed,hv-crash,hv-reset,hv-runtime,hv-frequencies,hv-time,hv-no-nonarch-coresharing=on,hv-vendor-id=gabi
-machine pc-q35-7.2 -cpu phenom,legacy-cache=on,ucode-rev=0x1234,-kvm-pv-eoi
-machine pc-q35-7.2 -cpu EPYC-Rome,enforce
'''.strip().splitlines()

# Contracts of a host, as pin is asked for them, that are emitted. Those of all that the host offers leave out what has no name before
# QEMU 10: the line would be one for a machine that the QEMU inside does not have.
NEW = 'gds-no,rfds-no,its-no,kvm-asyncpf-vmexit'
CONTRACTS = (
    ('--minus', NEW),
    ('--minus', f'{NEW},avx2,svm,x2apic,hv-time'),
    ('--minus', f'{NEW},hypervisor,aes,fma,tsc-deadline,npt,rdctl-no,hv-syndbg,kvm-pv-ipi'),
    ('--qemu', '-machine pc-q35-7.2 -cpu EPYC-Rome'),
    ('--qemu', '-machine pc-q35-7.2 -cpu Opteron_G5,hv-relaxed,hv-time,-xsave,+svm'),
)


def arguments(line, rom, out):
    if 'accel=' not in line:
        line = line.replace('-machine ', '-machine accel=kvm,type=')
    return ['-nodefaults', '-display', 'none', '-m', '16', '-bios', rom, '-debugcon', f'file:{out}', '-device',
            'isa-debug-exit,iobase=0xf4,iosize=4', *shlex.split(line)]


# ---- what gabi says ----

class Gabi:
    def __init__(self, command, work):
        self.command, self.work = command, pathlib.Path(work)

    def run(self, *args):
        return subprocess.run([self.command, *map(str, args)], capture_output=True, text=True, check=False)

    def promises(self, *args):
        """The promises of the contract that pin writes, or the sentence of a refusal."""
        path = self.work / 'contract.json'
        run = self.run('pin', *args, '-o', path)
        return json.loads(path.read_text())['promises'] if run.returncode == 0 else run.stderr.strip().splitlines()[-1]

    def foretold(self, line, host):
        return self.promises('--qemu', line, host)

    def emitted(self, pinned, host):
        """A contract's promises, its line, and what of it the line is said not to express."""
        promises = self.promises(*pinned, host)
        if isinstance(promises, str):
            sys.exit(f'{pinned}: {promises}')
        run = self.run('emit', '--json', '--as', 'qemu', self.work / 'contract.json', host)
        said = json.loads(run.stdout) if run.stdout else sys.exit(run.stderr)
        return promises, said['text'].strip(), said['gaps']

    def seen(self, dump):
        text, host = self.work / 'dump.txt', self.work / 'seen.json'
        text.write_text(dump)
        run = self.run('import', '--view', 'guest', text, '-o', host)
        return self.promises(host) if run.returncode == 0 else run.stderr


def words(promises):
    """{(space, key, register): value} without zeros of leaves."""
    found = {}
    for space in SPACES:
        for key, value in promises.get(space, {}).items():
            if space == 'msr':
                found[space, key, ''] = int(value if isinstance(value, str) else value['value'], 0)
                continue
            found.update({(space, key, register): int(value[register], 0) for register in REGISTERS if int(value[register], 0)})
    return found


# ---- what QEMU and the guest say ----

def feature_words(qemu, line):
    """{(leaf, subleaf, register): bits}; None where QEMU does not start."""
    commands = [{'execute': 'qmp_capabilities'}, {'execute': 'qom-get', 'arguments': {'path': PATH, 'property': 'feature-words'}},
                {'execute': 'quit'}]
    run = subprocess.run([*qemu, *arguments(line, ROM, '/dev/null'), '-S', '-qmp', 'stdio'], capture_output=True, text=True, timeout=120, check=False,
                         input=''.join(json.dumps(command) + '\n' for command in commands))
    answers = [json.loads(text)['return'] for text in run.stdout.splitlines() if '"return": [' in text]
    if not answers:
        return None
    return {(word['cpuid-input-eax'], word.get('cpuid-input-ecx', 0), word['cpuid-register'].lower()): word['features'] for word in answers[0]}


def look(qemu, line, work):
    out = pathlib.Path(work, 'guest.txt')
    out.unlink(missing_ok=True)
    subprocess.run([*qemu, *arguments(line, ROM, out)], capture_output=True, timeout=300, check=False)
    return out.read_text() if out.exists() else ''


# ---- compared ----

def leaf_of(key):
    leaf, _, sub = key.partition('.0x')
    return int(leaf, 16), int(sub or '0', 16)


def compare_sights(report, line, foretold, seen, lost, gaps=()):
    """Each word that is promised or seen; of a gap, just its bits differ."""
    ours, theirs = words(foretold), words(seen)
    for gap in gaps:
        space, key, register = (gap['word'] + ' ').split(' ')[:3]
        if space in SPACES:
            ours[space, key, register] = ours.get((space, key, register), 0) ^ int(gap['bits'], 0)
    compared = 0
    for word in sorted(set(ours) | set(theirs)):
        if word[0] == 'cpuid' and leaf_of(word[1])[0] in lost:
            continue
        if word[0] == 'msr' and word not in ours:
            continue  # what is not promised of MSRs can be read all the same
        compared += 1
        if ours.get(word, 0) != theirs.get(word, 0):
            report.differs(f'{line}: {" ".join(word)} is {theirs.get(word, 0):#x} in the guest and {ours.get(word, 0):#x} here')
    return compared


def compare_features(report, line, foretold, features, free):
    ours, last = words(foretold), {0: 0, 0x80000000: 0, 0xc0000000: 0}
    for first in last:
        last[first] = ours.get(('cpuid', f'{first:#x}.0x0', 'eax'), 0)
    compared = 0
    for (leaf, sub, register), bits in features.items():
        if leaf & 0xffff0000 == 0x40000000 or leaf > last[leaf & 0xf0000000]:
            continue
        here = ours.get(('cpuid', f'{leaf:#x}.{sub:#x}', register), 0)
        ignored = free.get((leaf, sub, register), 0) | (1 << 15 if (leaf, register) == (1, 'ecx') else 0)  # pdcm hangs on pmu too
        compared += 1
        if (here ^ bits) & ~ignored and not (leaf == 0xd and sub == 0 and register == 'eax' and not here):
            report.differs(f'{line}: leaf {leaf:#x}.{sub} {register} is {bits:#x} in QEMU and {here:#x} here')
    return compared


def free_bits(print_rows):
    bits = {}
    for field in rows.read(print_rows)[0]:
        if field.space == 'cpuid' and field.rule in ('free', 'zero'):
            key = field.index, field.sub, REGISTERS[field.part]
            bits[key] = bits.get(key, 0) | ((1 << field.bits) - 1) << field.lo
    return bits


def kept_leaves(qemu, gabi, host, work):
    """The leaves of CPUID of which this KVM shows a guest no more than QEMU tells it."""
    line = '-machine pc-q35-7.2 -cpu base,+fpu,+apic,+xsave,level=0xd,xlevel=0x80000008'
    ours, theirs = words(gabi.foretold(line, host)), words(gabi.seen(look(qemu, line, work)))
    lost = {leaf_of(word[1])[0] for word in set(ours) | set(theirs) if word[0] == 'cpuid' and ours.get(word, 0) != theirs.get(word, 0)}
    if not lost <= {1, 7, 0xd}:
        sys.exit(f'this KVM shows a guest other leaves than it was told, beyond 1, 7 and 0xD: {sorted(lost)}')
    return lost


def on_this_machine(report, gabi, print_rows, qemu, work):
    host, free = pathlib.Path(work, 'host.json'), free_bits(print_rows)
    if gabi.run('probe', '-o', host).returncode:
        print('gabi probe cannot look at this machine')
        sys.exit(rows.SKIP)
    lost = kept_leaves(qemu, gabi, host, work)
    if lost:
        print('this KVM does not keep leaves ' + ', '.join(map(hex, sorted(lost))) + ': compared by QEMU\'s words')
    models = [name for name in gabi.run('model', 'list', '--list').stdout.split() if re.fullmatch(r'.*-v\d+', name)]
    sights = features = started = 0
    for line in LINES + [f'-machine pc-q35-7.2 -cpu {model}' for model in models]:
        foretold, told = gabi.foretold(line, host), feature_words(qemu, line)
        if isinstance(foretold, str) or told is None:
            # A QEMU that does not start need not have refused: of a KVM that it does not expect, it aborts.
            if told is not None:
                report.differs(f'{line}: QEMU starts, and here: {foretold}')
            continue
        started += 1
        features += compare_features(report, line, foretold, told, free)
        if line in LINES or started % 8 == 0:
            sights += compare_sights(report, line, foretold, gabi.seen(look(qemu, line, work)), lost)
    report.compared('lines that start', started, 50)
    report.compared('words of features', features, 700)
    report.compared('words that guests saw', sights, 300)


# ---- the lab ----

SCRIPT = '''#!/bin/sh
# Each line by itself; a firmware ends QEMU when it has said all.
while read -r line; do
	echo "### $line"
	rm -f /tmp/guest.txt
	eval "set -- $line" # its words are quoted
	timeout 240 /qemu "$@" </dev/null >/tmp/said 2>&1
	echo "### ended $? $(tail -n 1 /tmp/said)"
	[ ! -f /tmp/guest.txt ] || cat /tmp/guest.txt
done </lines
'''


def make_tree(qemu, tree):
    """QEMU with what it needs, as it lies on this machine."""
    program = shutil.which(qemu[0])
    shutil.copy(program, tree / 'qemu')
    for library in sorted(set(re.findall(r'(/\S+)', subprocess.run(['ldd', program], capture_output=True, text=True, check=True).stdout))):
        (tree / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, tree / library[1:])
    apic = pathlib.Path('/usr/share/qemu/kvmvapic.bin')
    (tree / 'usr/share/qemu').mkdir(parents=True)
    if apic.exists():
        shutil.copy(apic, tree / 'usr/share/qemu')
    shutil.copy(ROM, tree / 'rom.bin')


def run_lab(host, qemu, lines, work):
    tree, script = pathlib.Path(work, 'tree'), pathlib.Path(work, 'each-line')
    if not tree.exists():
        tree.mkdir()
        make_tree(qemu, tree)
    (tree / 'lines').write_text(''.join(shlex.join(arguments(line, '/rom.bin', '/tmp/guest.txt')) + '\n' for line in lines))
    script.write_text(SCRIPT)
    script.chmod(0o755)
    run = subprocess.run([SOURCE / 'lab/lab', 'run', host, f'{tree}/.', '--', script], capture_output=True, text=True, check=False,
                         env={**os.environ, 'GABI_LAB_SECONDS': '1200'})
    if run.returncode == rows.SKIP:
        print(run.stderr.strip())
        return None
    if run.returncode:
        sys.exit(f'{host}: {run.stderr[-2000:]}')
    return run.stdout


def compare_lines(report, gabi, host, manifest, parts):
    compared = started = 0
    for line, (ended, dump) in zip(LINES, parts):
        foretold = gabi.foretold(line, manifest)
        if isinstance(foretold, str) or not dump:
            if not isinstance(foretold, str) or dump:
                report.differs(f'{host}: {line}: ended {ended}; here: {foretold if isinstance(foretold, str) else "it starts"}')
            continue
        started += 1
        compared += compare_sights(report, f'{host}: {line}', foretold, gabi.seen(dump), set())
    report.compared(f'{host}: lines that start', started, 9)
    report.compared(f'{host}: words that guests saw', compared, 300)


def compare_contracts(report, gabi, host, emissions, parts):
    compared = 0
    for pinned, (promises, line, gaps), (ended, dump) in zip(CONTRACTS, emissions, parts):
        title = f'{host}: {" ".join(pinned)}'
        print(f'{title}\n  {line}')
        for gap in gaps:
            print(f'  not expressed: {gap["word"]}: promised {gap["promised"]}, given {gap["given"]}')
        if not dump:
            report.differs(f'{title}: ended {ended}')
            continue
        compared += compare_sights(report, title, promises, gabi.seen(dump), set(), gaps)
    report.compared(f'{host}: words of contracts that guests saw', compared, 50 * len(CONTRACTS))


def compare_refusals(report, gabi, host, manifest):
    """What no QEMU with KVM can give a guest on such a host has no line."""
    arm64, contract = SOURCE / 'data/hosts/arm64-max-linux-6.1.json', gabi.work / 'contract.json'
    for pinned, on in ((arm64, manifest), (manifest, arm64)):
        gabi.promises(pinned)
        run = gabi.run('emit', '--as', 'qemu', contract, on)
        if run.returncode != 2 or run.stdout or 'arm64' not in run.stderr:
            report.differs(f'{host}: a contract of {pinned.name} on {on.name}: {run.returncode} {run.stdout}{run.stderr}')


def in_the_lab(report, gabi, qemu, work, hosts):
    done = 0
    for host in hosts:
        manifest = SOURCE / f'data/hosts/{host}.json'
        emissions = [gabi.emitted(pinned, manifest) for pinned in CONTRACTS]
        text = run_lab(host, qemu, LINES + [line for _, line, _ in emissions], work)
        if text is None:
            continue
        done += 1
        parts = [(re.search(r'^### ended (.*)', part, re.M)[1], ''.join(part.partition('CPU 0:')[1:]))
                 for part in re.split(r'^### (?!ended)', text, flags=re.M)[1:]]
        if len(parts) != len(LINES) + len(CONTRACTS):
            sys.exit(f'{host}: only {len(parts)} lines were started')
        compare_lines(report, gabi, host, manifest, parts)
        compare_contracts(report, gabi, host, emissions, parts[len(LINES):])
        compare_refusals(report, gabi, host, manifest)
    if not done:
        sys.exit(rows.SKIP)


ROM = ''


def main():
    global ROM
    command, print_rows, ROM, *rest = sys.argv[1:]
    in_lab, qemu = rest[:1] == ['--lab'], ['qemu-system-x86_64'] if not rest or rest[0] == '--lab' else rest
    if not shutil.which(qemu[0]):
        print('qemu-system-x86_64 (package qemu-system-x86) is not installed')
        sys.exit(rows.SKIP)
    if not in_lab and not os.access('/dev/kvm', os.R_OK | os.W_OK):
        print('there is no KVM here')
        sys.exit(rows.SKIP)
    report = rows.Report()
    with tempfile.TemporaryDirectory() as work:
        if in_lab:
            in_the_lab(report, Gabi(command, work), qemu, work, rest[1:])
        else:
            on_this_machine(report, Gabi(command, work), print_rows, qemu, work)
    report.end()


if __name__ == '__main__':
    main()
