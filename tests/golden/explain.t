What a feature or a register is, by any name or number.
=== run
gabi explain vmx-tsc-scaling || echo "status $?"
gabi explain MSR_IA32_CORE_CAPS || echo "status $?"
gabi explain 0xcf --json || echo "status $?"
gabi explain no-such-thing || echo "status $?"
=== status 0
=== out
NAME             WHAT             ANSWER
vmx-tsc-scaling  where            msr 0x48b, bit 57 of MSR_IA32_VMX_PROCBASED_CTLS2
vmx-tsc-scaling  name in QEMU     vmx-tsc-scaling
vmx-tsc-scaling  name in libvirt  vmx-tsc-scaling
vmx-tsc-scaling  name in Linux    SECONDARY_EXEC_TSC_SCALING
vmx-tsc-scaling  fits a host if   subset: every bit of C is in H (C is the contract's value, H the
                                  host's)
vmx-tsc-scaling  hiding           a guest that is not told of it cannot use it
vmx-tsc-scaling  offered since    Linux 5.14: TSC scaling and ENCLS exiting for nested guests
vmx-tsc-scaling  migration        promised, the guest goes only to hosts that fit; not promised, it
                                  goes anywhere and finds no trace of it
vmx-tsc-scaling  rollback         promised on Linux 5.14 or later, the way back to an older kernel
                                  is barred, unless that is known to do the same (gabi rollback
                                  says); left out of the contract, it is open
vmx-tsc-scaling  needs            vmx
vmx-tsc-scaling  models           DiamondRapids-v1 DiamondRapids-v2
vmx-tsc-scaling  source           QEMU 10.0 FEAT_VMX_SECONDARY_CTLS

Changes of Linux
LINUX  ALSO IN  CHANGE
6.4             KVM lists the feature MSRs that need no VMX apart from those that do: without nested
                VMX the latter are gone
5.14            TSC scaling and ENCLS exiting for nested guests
REGISTER            WORD      BITS  NAME                    RULE
MSR_IA32_CORE_CAPS  msr 0xcf  2     integrity-capabilities  subset
MSR_IA32_CORE_CAPS  msr 0xcf  5     split-lock-detect       subset
{"fields":[],"registers":[{"register":"MSR_IA32_CORE_CAPS","word":"msr 0xcf","bits":"2","name":"integrity-capabilities","rule":"subset"},{"register":"MSR_IA32_CORE_CAPS","word":"msr 0xcf","bits":"5","name":"split-lock-detect","rule":"subset"}]}
status 1
=== err
gabi: explain: nothing is called 'no-such-thing'; gabi names lists what there is
