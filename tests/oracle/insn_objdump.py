#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""insn_objdump.py PRINT_INSN: where instructions end, as the monitor says and as binutils' disassembler does, in each mode: every opcode of every map
behind some prefixes, with whatever ModRM. What that calls bad is left out. Cut short by a byte none may be said to end."""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

PREFIXES = [[], [0x66], [0x67], [0xF2], [0xF3], [0x66, 0x67], [0x65], [0xF0]]
REX = [[], [], [0x41], [0x48], [0x4F]]
MODES = {16: "i8086", 32: "i386", 64: "i386:x86-64"}
SLOT, LEN = 48, 15
LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(.*)$")
# Prefixes alone: objdump leaves out what comes behind them. WAIT it takes for a prefix.
ALONE = re.compile(r"^((rex\S*|data16|data32|addr16|addr32|[c-g]s|ss|lock|rep\w*|bnd|xacquire|xrelease|notrack|fwait) ?)+$")
# In 64-bit mode Intel's processors do not heed an operand size of 16 bits there, as we have it; AMD's do.
NEAR_BRANCH = re.compile(rb"^[\x64\x65\x67\xf0-\xf3]*\x66[\x64\x65\x67\xf0-\xf3]*[\x40-\x47]?(\xe8|\xe9|\x0f[\x80-\x8f])")


def beginnings(bits):
    """The bytes of an instruction up to its opcode, many of each kind."""
    maps = [[], [0x0F], [0x0F, 0x38], [0x0F, 0x3A]]
    for prefix in PREFIXES:
        for rex in REX if bits == 64 else [[]]:
            for escape in maps:
                for opcode in range(256):
                    yield prefix + rex + escape + [opcode]
    for opcode in range(256):
        for _ in range(8):
            second = random.randrange(0xC0, 256)
            yield [0xC5, second, opcode]
            yield [0xC4, second & 0xE0 | random.randrange(1, 4), random.randrange(256), opcode]
            yield [0x62, second & 0xF0 | random.randrange(1, 4), random.randrange(256) | 4, random.randrange(256), opcode]
            yield [0x8F, second & 0xE0 | random.randrange(8, 11), random.randrange(256) & 0xFC, opcode]


def disassemble(code, bits):
    """Address, length and text of each instruction. The address of the next one ends it."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(code)
        file.flush()
        text = subprocess.run(["objdump", "-D", "-z", "-b", "binary", "-m", MODES[bits], "--insn-width=16", file.name], check=True,
                              capture_output=True, text=True).stdout
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            yield int(match[1], 16), len(match[2].split()), match[3].strip()


def ours(program, bits, lines):
    answer = subprocess.run([program, str(bits)], input="".join(line.hex() + "\n" for line in lines), check=True, capture_output=True, text=True)
    return [int(line) for line in answer.stdout.split()]


def compare(program, bits):
    slots = [bytes(begin + [random.randrange(256) for _ in range(LEN)])[:LEN] for begin in beginnings(bits)]
    code = b"".join(slot + b"\x90" * (SLOT - LEN) for slot in slots)
    seen = {at // SLOT: (length, text) for at, length, text in disassemble(code, bits) if at % SLOT == 0}
    told = ours(program, bits, slots)
    kept = [(slot, told[i], *seen[i]) for i, slot in enumerate(slots)
            if i in seen and "(bad)" not in seen[i][1] and not ALONE.match(seen[i][1]) and b"\x9b" not in slot[:4]
            and not (bits == 64 and NEAR_BRANCH.match(slot))]
    cut = ours(program, bits, [slot[:length - 1] for slot, _, length, _ in kept])
    wrong = [f"{bits} bits: {slot.hex()}: {mine}, and objdump has {length}: {text}" for slot, mine, length, text in kept if mine != length]
    wrong += [f"{bits} bits: {slot[:length - 1].hex()}: is said to end, and is cut off: {text}"
              for (slot, mine, length, text), short in zip(kept, cut) if mine == length and short]
    print(f"{bits} bits: {len(kept)} of {len(slots)} instructions, {len(wrong)} wrong", *wrong[:20], sep="\n")
    return wrong or len(kept) < len(slots) // 5


def main(program):
    if not shutil.which("objdump"):
        print("skipped: there is no objdump (Debian: binutils)")
        return 77
    random.seed(7)
    return 1 if any([compare(program, bits) for bits in MODES]) else 0


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    sys.exit(main(sys.argv[1]))
