A host does not differ from itself.
=== file old.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "blade-3", "kernel.release": "5.10.0"},
 "covers": ["cpuid", "msr-state", "cap", "vm"],
 "words": {
 "cpuid": {"0x7.0x0": {"eax": "0x00000000", "ebx": "0x00000020", "ecx": "0x00000000", "edx": "0x00000000"},
           "0xd.0x0": {"eax": "0x00000007", "ebx": "0x00000240", "ecx": "0x00000240", "edx": "0x00000000"}},
 "msr-state": {"0x10": "0x1"},
 "vm": {"tsc-khz": "0x0000000000200000"}}}
=== run
gabi diff old.json old.json
=== status 0
=== out
blade-3 -> blade-3: no guest sees a difference
=== err
