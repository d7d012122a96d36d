The largest contract that fits both, and what each host costs.
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
gabi baseline old.json new.json -o both.json --name both
gabi check both.json old.json new.json
gabi show both.json
gabi baseline new.json | head -n 1
gabi show --digest --json both.json
=== status 0
=== out
A contract of 9 words fits all 2 hosts.

HOST     COSTS THE SET   OTHERS  HOST HAS  CAUSE
blade-3  avx512f         yes     no
blade-3  xsave-size-max  832     576
both: fits 2 of 2 hosts

VERDICT  HOST     WHY
fits     blade-3
fits     blade-4
both: contract, x86, 10 words, sha256:275f2d3cbc04d911010384352abe72b661ab6ff93445dcdf06a9cd3af9ec1ee9

REGISTER   WORD     VALUE  MEANS                       NOTE

cpuid
CPUID.7.0  ebx       0x20  avx2
CPUID.D.0  eax        0x7  xcr0-x87 xcr0-sse xcr0-avx
           ecx      0x240  xsave-size-max=576

msr-state
MSR_IA32_TSC

vm
tsc-khz    0x1   0x200000  tsc-khz=2097152
A contract of 10 words fits the host.
{"digests":[{"file":"both.json","digest":"sha256:275f2d3cbc04d911010384352abe72b661ab6ff93445dcdf06a9cd3af9ec1ee9"}]}
=== err
