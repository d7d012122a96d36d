A manifest by name.
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
gabi show new.json
=== status 0
=== out
blade-4: manifest, x86, 11 words, what KVM offers

FACT            VALUE
kernel.release  6.18.0
name            blade-4

REGISTER   WORD     VALUE  MEANS                       NOTE

cpuid
CPUID.7.0  eax        0x0                              settable
           ebx    0x10020  avx2 avx512f                settable
           ecx        0x0                              settable
           edx        0x0                              settable
CPUID.D.0  eax        0x7  xcr0-x87 xcr0-sse xcr0-avx  settable
           ebx      0x340  xsave-size-enabled=832      settable
           ecx      0x340  xsave-size-max=832          settable
           edx        0x0                              settable

msr-state
MSR_IA32_TSC MSR_IA32_DEBUGCTLMSR

vm
tsc-khz    0x1   0x200000  tsc-khz=2097152
=== err
