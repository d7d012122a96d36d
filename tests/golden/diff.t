What a change of host means to the guests of the first, with the changes of Linux that explain it.
=== file old.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "blade-3", "kernel.release": "5.10.0"},
 "covers": ["cpuid", "msr-state", "cap", "vm"],
 "words": {
 "cpuid": {"0x7.0x0": {"eax": "0x00000000", "ebx": "0x00000020", "ecx": "0x00000000", "edx": "0x00000000"},
           "0xd.0x0": {"eax": "0x00000007", "ebx": "0x00000240", "ecx": "0x00000240", "edx": "0x00000000"}},
 "msr-state": {"0x10": "0x1"},
 "vm": {"tsc-khz": "0x0000000000200000"}}}
=== file new.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "blade-4", "kernel.release": "6.18.0"},
 "covers": ["cpuid", "msr-state", "cap", "vm"],
 "words": {
 "cpuid": {"0x7.0x0": {"eax": "0x00000000", "ebx": "0x00010020", "ecx": "0x00000000", "edx": "0x01000000"},
           "0xd.0x0": {"eax": "0x00000007", "ebx": "0x00000340", "ecx": "0x00000340", "edx": "0x00000000"}},
 "msr-state": {"0x10": "0x1", "0x1d9": "0x1"},
 "vm": {"tsc-khz": "0x0000000000200000"}}}
=== run
gabi diff old.json new.json
=== status 1
=== out
blade-3 -> blade-4: 1 if unused, 3 one-way

WHAT                  BEFORE  AFTER  CAUSE

if unused: a guest may move while this state holds its reset value
MSR_IA32_DEBUGCTLMSR  -       saved  kernel

one-way: a guest that is given what is new cannot come back
avx512f               no      yes
amx-tile              no      yes    kernel: x86_amx
xsave-size-max        576     832

CHANGE   SINCE LINUX  WHAT IT DOES
x86_amx  5.17         AMX and its XSAVE state: offered to a VMM that asked for it with
                      ARCH_REQ_XCOMP_GUEST_PERM
=== err
