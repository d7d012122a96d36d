#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""break_out.py PID: makes a thread of that process, stopped where it waits, call socket(2), as whoever took it over would. With the
name of a kind of call behind it: execve, open, or mprotect to executable memory."""
import ctypes
import os
import struct
import sys
import time

PTRACE_CONT, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 12, 13, 0x4206, 0x4207
CALLS = {"socket": (41, 2, 1, 0), "execve": (59, 0, 0, 0), "open": (2, 0, 0, 0), "mprotect": (10, 0, 4096, 4)}
R = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base "
     "ds es fs gs").split()

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=None, data=None):
    if libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def code_at(pid, address):
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(address)
        return memory.read(2)


def main():
    pid = int(sys.argv[1])
    number, *args = CALLS[sys.argv[2]]
    task = int(sys.argv[3]) if len(sys.argv) > 3 else pid
    ptrace(PTRACE_SEIZE, task)
    room = ctypes.create_string_buffer(27 * 8)
    # Until it waits in the kernel: rip stands behind the instruction that brought it there.
    while True:
        ptrace(PTRACE_INTERRUPT, task)
        os.waitpid(task, 0x40000000)  # __WALL
        ptrace(PTRACE_GETREGS, task, None, room)
        regs = dict(zip(R, struct.unpack("27Q", room.raw)))
        if code_at(pid, regs["rip"] - 2) == b"\x0f\x05":
            break
        ptrace(PTRACE_CONT, task)
        time.sleep(0.01)
    regs.update(rip=regs["rip"] - 2, rax=number, orig_rax=2**64 - 1, rdi=args[0], rsi=args[1], rdx=args[2])
    room.raw = struct.pack("27Q", *(regs[name] for name in R))
    ptrace(PTRACE_SETREGS, task, None, room)
    ptrace(PTRACE_CONT, task)
    _, status = os.waitpid(task, 0x40000000)
    print("signal", status & 0x7f if not os.WIFSTOPPED(status) else "none, it stopped")


main()
