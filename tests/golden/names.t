What can be promised, by name.
=== run
gabi names xsave-avx
gabi names --list --arch x86 avx512f
gabi names --json xsave-avx-size
gabi names no-such-thing
=== status 1
=== out
NAME                  REGISTER   KEY                BITS  RULE    OTHER NAMES
xsave-avx-size        CPUID.D.2  cpuid 0xd.0x2 eax  31:0  equal
xsave-avx-offset      CPUID.D.2  cpuid 0xd.0x2 ebx  31:0  equal
xsave-avx-supervisor  CPUID.D.2  cpuid 0xd.0x2 ecx  0     equal
xsave-avx-aligned     CPUID.D.2  cpuid 0xd.0x2 ecx  1     equal
xsave-avx-xfd         CPUID.D.2  cpuid 0xd.0x2 ecx  2     subset
avx512f
{"names":[{"name":"xsave-avx-size","register":"CPUID.D.2","key":"cpuid 0xd.0x2 eax","bits":"31:0","rule":"equal"}]}
=== err
