Named CPU models and -cpu arguments.
=== run
gabi model list Denverton
gabi model list --list EPYC-Rome
gabi model diff Cascadelake-Server-v4,+vmx Cascadelake-Server-v5,+vmx || echo "status $?"
gabi model diff Haswell-noTSX Haswell-v2 || echo "status $?"
gabi model show 486,+avx2,avx2=off,model-id=x86
gabi model show --json 486-v1
=== status 0
=== out
Models
MODEL            PARENT        SINCE     CHANGES
Denverton-v1     Broadwell-v4  QEMU 7.2  model=95 stepping=1 level=21 arch-capabilities clflushopt
                                         monitor mpx pdpe1gb rdctl-no sha-ni skip-l1dfl-vmentry ssbd
                                         xgetbv1 xsavec -abm -adx -avx -avx2 -bmi1 -bmi2 -f16c -fma
                                         -invpcid -pcid -vmx-invpcid-exit
Denverton-v2     Denverton-v1  QEMU 7.2  -monitor -mpx
Denverton-v3     Denverton-v2  QEMU 7.2  vmx-xsaves xsaves
Denverton-eVMCS  Denverton-v3  gabi      -vmx-apicv-register -vmx-apicv-vid -vmx-apicv-xapic
                                         -vmx-entry-load-perf-global-ctrl -vmx-eptp-switching
                                         -vmx-exit-load-perf-global-ctrl
                                         -vmx-exit-save-preemption-timer -vmx-pml -vmx-posted-intr
                                         -vmx-preemption-timer -vmx-shadow-vmcs -vmx-vmfunc

Aliases
ALIAS      MODEL         SINCE
Denverton  Denverton-v1  QEMU 7.2
EPYC-Rome-v1
EPYC-Rome-v2
EPYC-Rome-v3
EPYC-Rome-v4
EPYC-Rome-v5
EPYC-Rome
Differences
NAME        FIRST  SECOND
xsaves      off    on
vmx-xsaves  off    on
status 1
Model: 486-v1
Since: QEMU 7.2
Changes: vendor=GenuineIntel family=4 model=8 level=1 fpu hypervisor pse vme

Asks for
WORD                           VALUE  MEANS
cpuid 0x0.0x0 eax                0x7  level=7
cpuid 0x0.0x0 ebx         0x756e6547  Genu
cpuid 0x0.0x0 ecx         0x6c65746e  ntel
cpuid 0x0.0x0 edx         0x49656e69  ineI
cpuid 0x1.0x0 eax              0x480  base-model=8 base-family=4
cpuid 0x1.0x0 ecx         0x80000000  hypervisor
cpuid 0x1.0x0 edx                0xb  fpu vme pse
cpuid 0x7.0x0 ebx               0x20  avx2
cpuid 0x80000002.0x0 eax    0x363878  x86
{"model":"486-v1","since":"QEMU 7.2","changes":"vendor=GenuineIntel family=4 model=8 level=1 fpu hypervisor pse vme","words":[{"word":"cpuid 0x0.0x0 eax","value":"0x1","means":"level=1"},{"word":"cpuid 0x0.0x0 ebx","value":"0x756e6547","means":"Genu"},{"word":"cpuid 0x0.0x0 ecx","value":"0x6c65746e","means":"ntel"},{"word":"cpuid 0x0.0x0 edx","value":"0x49656e69","means":"ineI"},{"word":"cpuid 0x1.0x0 eax","value":"0x480","means":"base-model=8 base-family=4"},{"word":"cpuid 0x1.0x0 ecx","value":"0x80000000","means":"hypervisor"},{"word":"cpuid 0x1.0x0 edx","value":"0xb","means":"fpu vme pse"}]}
=== err
gabi: note: +avx2 overrides avx2=on and =off, wherever they stand
