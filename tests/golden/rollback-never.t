A guest that was given what only the new host has cannot come back.
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
 "cpuid": {"0x7.0x0": {"eax": "0x00000000", "ebx": "0x00010020", "ecx": "0x00000000", "edx": "0x00000000"},
           "0xd.0x0": {"eax": "0x00000007", "ebx": "0x00000340", "ecx": "0x00000340", "edx": "0x00000000"}},
 "msr-state": {"0x10": "0x1", "0x1d9": "0x1"},
 "vm": {"tsc-khz": "0x0000000000200000"}}}
=== run
gabi pin new.json --name web-8 -o web-8.json
gabi rollback web-8.json --old old.json --new new.json
=== status 1
=== out
web-8: from blade-3 to blade-4 and back: never

WHAT                  PROMISED  HOST HAS  CAUSE   REMEDY

on the way back, missing: the guest would lose what it was promised
avx512f               yes       no        CPU     without avx512f

on the way back, too small: the guest was promised more than the host has
xsave-size-max        832       576       CPU     pin a baseline of both, which has 576

on the way back, drop if unused: saved state that the destination cannot load; dropped when it holds its reset value
MSR_IA32_DEBUGCTLMSR  saved     -         kernel  when saving, drop MSR_IA32_DEBUGCTLMSR if it is
                                                  0x0, else keep the guest
=== err
