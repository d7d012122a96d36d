# SPDX-License-Identifier: MIT
"""What a guest of an emulated arm64 CPU reads of its ID registers: QEMU's debugging stub is told to run one MRS after another."""
import os
import re
import socket
import subprocess
import tempfile
import time

RAM = {'virt': 0x40000000, 'none': 0}
# -machine virt leaves both out; of a bare CPU they are properties.
BARE = ',has_el3=off,has_el2=off'


def mrs_x0(op1, crn, crm, op2):
    return 0xd5380000 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5


class Stub:
    """The remote protocol of gdb, as much as is needed."""
    def __init__(self, path, ram):
        self.ram = ram
        self.socket, self.rest = socket.socket(socket.AF_UNIX), b''
        for _ in range(500):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.02)
        self.socket.settimeout(60)

    def ask(self, text):
        data = text.encode()
        self.socket.sendall(b'$' + data + b'#%02x' % (sum(data) & 255))
        while True:
            found = re.search(rb'\$([^#]*)#..', self.rest)
            if found:
                self.rest = self.rest[found.end():]
                self.socket.sendall(b'+')
                return found[1].decode()
            data = self.socket.recv(65536)
            if not data:
                raise EOFError('QEMU ended')
            self.rest += data

    def run(self, instruction):
        """x0 behind one instruction."""
        assert self.ask(f'M{self.ram:x},4:{instruction.to_bytes(4, "little").hex()}') == 'OK'
        assert self.ask(f'P20={self.ram.to_bytes(8, "little").hex()}') == 'OK'
        assert self.ask('s').startswith('T')
        return int.from_bytes(bytes.fromhex(self.ask('p0')), 'little')


def id_registers(qemu, cpu, registers, machine='virt'):
    """{(op1, crn, crm, op2): value} of the CPU, as EL1 reads them; a sentence where QEMU refuses to start it. machine: virt, or none."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'gdb')
        with subprocess.Popen([*qemu, '-machine', machine, '-cpu', cpu + BARE * (machine == 'none'), '-m', '64', '-nodefaults', '-display', 'none', '-S',
                               '-gdb', f'unix:{path},server=on,wait=off'], stderr=subprocess.PIPE, text=True) as process:
            try:
                for _ in range(500):
                    if os.path.exists(path) or process.poll() is not None:
                        break
                    time.sleep(0.02)
                if process.poll() is not None:
                    return process.stderr.read().strip()
                stub = Stub(path, RAM[machine])
                stub.ask('qXfer:features:read:target.xml:0,ffb')  # without which registers cannot be written
                return {register: stub.run(mrs_x0(*register)) for register in registers}
            finally:
                process.kill()
