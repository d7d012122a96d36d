The named model nearest to a host, made the same by what is added and removed.
=== file old.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm", "facts": {"name": "old"}, "covers": ["cpuid"],
 "words": {"cpuid": {"0x0.0x0": {"eax": "0x0000000d", "ebx": "0x756e6547", "ecx": "0x6c65746e", "edx": "0x49656e69"},
  "0x1.0x0": {"eax": "0x000106a5", "ebx": "0x00000800", "ecx": "0x80b82201", "edx": "0x0f8bfbff"},
  "0x80000001.0x0": {"eax": "0x00000000", "ebx": "0x00000000", "ecx": "0x00000001", "edx": "0x28100800"}}}}
=== run
gabi model fit old.json
=== status 0
=== out
Nearest, made the same: Nehalem-v1,+ss,+rdtscp

Nearest models
MODEL        HOST LACKS  HOST HAS MORE
Nehalem-v1            0              2
Nehalem-v2            1              2
Penryn-v1             0              4
core2duo-v1           0              4
Westmere-v1           3              2
=== err
