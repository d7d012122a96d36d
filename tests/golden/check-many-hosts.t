Many hosts: each once, with how many files hold it, and the findings of all of them together.
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
=== file third.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "blade-5", "kernel.release": "5.10.0"},
 "covers": ["cpuid", "msr-state", "cap", "vm"],
 "words": {
 "cpuid": {"0x7.0x0": {"eax": "0x00000000", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"},
           "0xd.0x0": {"eax": "0x00000007", "ebx": "0x00000240", "ecx": "0x00000240", "edx": "0x00000000"}},
 "msr-state": {"0x10": "0x1"},
 "vm": {"tsc-khz": "0x0000000000200000"}}}
=== run
gabi pin new.json --name web-8 -o web-8.json
cp old.json copy.json
gabi check web-8.json old.json new.json third.json copy.json
=== status 1
=== out
web-8: fits 1 of 4 hosts

VERDICT       HOST     WHY                          FILES
does not fit  blade-3  missing: avx512f and 1 more      2
fits          blade-4                                   1
does not fit  blade-5  missing: avx2 and 2 more         1

WHAT            PROMISED  HOST HAS  CAUSE  REMEDY                                 HOSTS

missing: the guest would lose what it was promised
avx2            yes       no        CPU    without avx2                           blade-5
avx512f         yes       no        CPU    without avx512f                        2 of 3

too small: the guest was promised more than the host has
xsave-size-max  832       576       CPU    pin a baseline of both, which has 576  2 of 3

2 more weigh less; --all shows them.
=== err
