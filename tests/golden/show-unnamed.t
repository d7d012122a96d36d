What has no name keeps its number. What a register accepts has no bits of its own.
=== file odd.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "blade-4", "kernel.release": "6.18.0"},
 "covers": ["cpuid", "msr-state", "cap", "vm"],
 "words": {
 "cpuid": {"0x7.0x0": {"eax": "0x00000000", "ebx": "0x00010020", "ecx": "0x00000000", "edx": "0x00000000"},
           "0xd.0x0": {"eax": "0x00000107", "ebx": "0x00000340", "ecx": "0x00000340", "edx": "0x00000000"}},
 "msr-state": {"0x7777": "0x1", "0x10": "0x1", "0x1d9": "0x1"},
 "vm": {"tsc-khz": "0x0000000000200000"}}}
=== run
gabi show --unnamed odd.json
gabi show --unnamed "$HOSTS"/arm64-max-linux-6.12.json | sed 's|.*/||'
gabi show --unnamed --json odd.json odd.json
=== status 0
=== out
odd.json: cpuid 0xd.0x0 eax bit-8
odd.json: msr-state 0x7777 bit-0
arm64-max-linux-6.12.json: arm64 0x603000000013c005 bit-31
arm64-max-linux-6.12.json: arm64 0x603000000013d801 bits-31:30=0x2
{"unnamed":[{"file":"odd.json","word":"cpuid 0xd.0x0 eax","bits":"8","value":"0x1"},{"file":"odd.json","word":"msr-state 0x7777","bits":"0","value":"0x1"},{"file":"odd.json","word":"cpuid 0xd.0x0 eax","bits":"8","value":"0x1"},{"file":"odd.json","word":"msr-state 0x7777","bits":"0","value":"0x1"}]}
=== err
