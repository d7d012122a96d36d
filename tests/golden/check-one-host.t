A contract that a host cannot keep: every kind of finding with both values, its cause and what to do.
=== file web.json
{"gabi": "contract", "schema": 1, "name": "web-7", "promises": {"arch": "x86",
 "cpuid": {"0x7.0x0": {"eax": "0x00000000", "ebx": "0x00010020", "ecx": "0x00000000", "edx": "0x00000000"},
           "0xd.0x0": {"eax": "0x00000007", "ebx": "0x00000340", "ecx": "0x00000340", "edx": "0x00000000"}},
 "msr-state": {"0x10": "0x1", "0x1d9": "0x1"},
 "vm": {"tsc-khz": "0x0000000000200000"}}}
=== file host.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "blade-3", "kernel.release": "5.10.0"},
 "covers": ["cpuid", "msr-state", "cap", "vm"],
 "words": {
 "cpuid": {"0x7.0x0": {"eax": "0x00000000", "ebx": "0x00000020", "ecx": "0x00000000", "edx": "0x00000000"},
           "0xd.0x0": {"eax": "0x00000007", "ebx": "0x00000240", "ecx": "0x00000240", "edx": "0x00000000"}},
 "msr-state": {"0x10": "0x1"},
 "vm": {"tsc-khz": "0x0000000000200000"}}}
=== run
gabi check web.json host.json
=== status 1
=== out
web-7 on blade-3: does not fit: 2 blocking, 1 answered by the plan

WHAT                  PROMISED  HOST HAS  CAUSE                  REMEDY

missing: the guest would lose what it was promised
avx512f               yes       no        CPU                    without avx512f

too small: the guest was promised more than the host has
xsave-size-max        832       576       CPU                    pin a baseline of both, which has
                                                                 576

drop if unused: saved state that the destination cannot load; dropped when it holds its reset value
MSR_IA32_DEBUGCTLMSR  saved     -         kernel: x86_state_lbr  when saving, drop
                                                                 MSR_IA32_DEBUGCTLMSR if it is 0x0,
                                                                 else keep the guest
=== err
