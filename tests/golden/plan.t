The operations that put a contract onto a host, all of them, and none where it does not fit.
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
gabi pin old.json --name web-7 -o web-7.json
gabi plan --all web-7.json old.json
gabi plan web-7.json new.json
gabi pin new.json --name web-8 -o web-8.json
gabi plan web-8.json old.json
=== status 1
=== out
web-7 onto blade-3: 17 operations

STEP  OPERATION    REGISTER   KEY                VALUE                   ONCE A  WHEN
   1  set-tsc-khz  tsc-khz    vm 0x1             0x200000                VM      before the first run
   2  set-cpuid    CPUID.7.0  cpuid 0x7.0x0 eax  0x0                     VP      before the first run
   3  set-cpuid    CPUID.7.0  cpuid 0x7.0x0 ebx  0x20                    VP      before the first run
   4  set-cpuid    CPUID.7.0  cpuid 0x7.0x0 ecx  0x0                     VP      before the first run
   5  set-cpuid    CPUID.7.0  cpuid 0x7.0x0 edx  0x0                     VP      before the first run
   6  set-cpuid    CPUID.D.0  cpuid 0xd.0x0 eax  0x7                     VP      before the first run
   7  set-cpuid    CPUID.D.0  cpuid 0xd.0x0 ebx  0x0                     VP      before the first run
   8  set-cpuid    CPUID.D.0  cpuid 0xd.0x0 ecx  0x240                   VP      before the first run
   9  set-cpuid    CPUID.D.0  cpuid 0xd.0x0 edx  0x0                     VP      before the first run
  10  verify       CPUID.7.0  cpuid 0x7.0x0 eax  0x0 under 0xffffffff    VP      before the first run
  11  verify       CPUID.7.0  cpuid 0x7.0x0 ebx  0x20 under 0xffffffff   VP      before the first run
  12  verify       CPUID.7.0  cpuid 0x7.0x0 ecx  0x0 under 0xffffffef    VP      before the first run
  13  verify       CPUID.7.0  cpuid 0x7.0x0 edx  0x0 under 0xffffffff    VP      before the first run
  14  verify       CPUID.D.0  cpuid 0xd.0x0 eax  0x7 under 0xffffffff    VP      before the first run
  15  verify       CPUID.D.0  cpuid 0xd.0x0 ebx  0x0 under 0x0           VP      before the first run
  16  verify       CPUID.D.0  cpuid 0xd.0x0 ecx  0x240 under 0xffffffff  VP      before the first run
  17  verify       CPUID.D.0  cpuid 0xd.0x0 edx  0x0 under 0xffffffff    VP      before the first run
web-7 onto blade-4: 17 operations

 STEP  OPERATION    REGISTER  KEY     VALUE     ONCE A  WHEN
    1  set-tsc-khz  tsc-khz   vm 0x1  0x200000  VM      before the first run
  2-9  set-cpuid    8 words                             before the first run
10-17  verify       8 words                             before the first run
=== err
gabi: there is no plan for web-8 on blade-3: does not fit: 2 blocking, 1 answered by the plan; 'gabi check' lists them
