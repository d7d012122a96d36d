A guest saved on Linux 5.10 and judged by files alone: what the state holds, and where it may be loaded. A state that was cut off or
damaged in one bit is refused in a sentence, and so is one under another contract. One that holds KVM's CTR_EL0, and not what its guest
read, leaves that to the plan.
=== run
cd "$HOSTS/../states"
gabi state show amd-epyc.state >"$OLDPWD/shown"
sed -n '1,32p' "$OLDPWD/shown"
for line in 5.10 6.1; do gabi state check amd-epyc.state amd-epyc.json $HOSTS/amd-epyc-linux-$line.json || echo "status $?"; done
gabi state check arm64-neoverse-n1.state arm64-neoverse-n1.json $HOSTS/arm64-neoverse-n1-linux-7.2.json
gabi state check arm64-neoverse-n1.state arm64-neoverse-n1.json $HOSTS/arm64-neoverse-n1-linux-6.1.json >"$OLDPWD/said" || echo "status $?"
sed -n 1p "$OLDPWD/said"
for line in 5.10 7.2; do
	gabi state check arm64-cortex-a76.state arm64-cortex-a76.json $HOSTS/arm64-cortex-a76-linux-$line.json >"$OLDPWD/said"
	sed -n '1p; /^promise stands/,$p' "$OLDPWD/said"
done
gabi state check amd-epyc.state intel-haswell.json $HOSTS/amd-epyc-linux-6.1.json || echo "status $?"
copy=$OLDPWD/copy.state
head -c 20000 amd-epyc.state >"$copy"
gabi state show "$copy" 2>"$OLDPWD/said" || echo "status $?"
sed "s#$OLDPWD/##" "$OLDPWD/said"
{ head -c 10000 amd-epyc.state; printf '\377'; tail -c +10002 amd-epyc.state; } >"$copy"
gabi state show "$copy" 2>"$OLDPWD/said" || echo "status $?"
sed "s#$OLDPWD/##" "$OLDPWD/said"
{ head -c 15 amd-epyc.state; printf '\002'; tail -c +17 amd-epyc.state; } >"$copy"
gabi state show "$copy" 2>"$OLDPWD/said" || echo "status $?"
sed "s#$OLDPWD/##" "$OLDPWD/said"
gabi state check arm64-cortex-a76.state amd-epyc.json $HOSTS/amd-epyc-linux-6.1.json 2>&1 || echo "status $?"
=== status 0
=== out
Architecture: x86
Kernel: 5.10.0-32-amd64
Virtual processors: 1
Contract: sha256:74e58b8544f880f3c95f98e2edb699c26a1bd17138865895d8b0f9b0383ea150

SECTION    VP  BYTES  WHAT
kvm-clock  VM     48  the paravirtual clock: struct kvm_clock_data, KVM_GET_CLOCK
memory     VM  24624  the VMM's own
sregs      0     312  segments, control registers, EFER: struct kvm_sregs, KVM_GET_SREGS
lapic      0    1024  the local APIC's registers: struct kvm_lapic_state, KVM_GET_LAPIC
tsc        0      16  what the time stamp counter is reckoned from: numbers of enum gabi_state_tsc
xcrs       0     392  XCR0: struct kvm_xcrs, KVM_GET_XCRS
xsave      0    4096  the extended state in the processor's standard form: struct kvm_xsave,
                      KVM_GET_XSAVE2
debugregs  0     128  DR0 to DR7: struct kvm_debugregs, KVM_GET_DEBUGREGS
nested     0     128  nested virtualization: struct kvm_nested_state, KVM_GET_NESTED_STATE
regs       0     144  RAX to R15, RIP, RFLAGS: struct kvm_regs, KVM_GET_REGS
events     0      64  exceptions, interrupts, NMI, SMI: struct kvm_vcpu_events, KVM_GET_VCPU_EVENTS
mp-state   0       4  running or halted: struct kvm_mp_state, KVM_GET_MP_STATE

REGISTER                            VP             VALUE  KEY
MSR_IA32_TSC                        0          0x13785c8  msr-state 0x10
MSR_KVM_WALL_CLOCK                  0                0x0  msr-state 0x11
MSR_KVM_SYSTEM_TIME                 0                0x0  msr-state 0x12
MSR_SMI_COUNT                       0                0x0  msr-state 0x34
MSR_IA32_TSC_ADJUST                 0                0x0  msr-state 0x3b
MSR_IA32_SPEC_CTRL                  0                0x0  msr-state 0x48
MSR_IA32_UCODE_REV                  0          0x1000065  msr-state 0x8b
MSR_IA32_SMBASE                     0            0x30000  msr-state 0x9e
MSR_ARCH_PERFMON_PERFCTR0           0                0x0  msr-state 0xc1
MSR_ARCH_PERFMON_PERFCTR1           0                0x0  msr-state 0xc2
MSR_PLATFORM_INFO                   0         0x80000000  msr-state 0xce
amd-epyc on amd-epyc-linux-5.10: fits
amd-epyc on amd-epyc-linux-6.1: fits with actions: 4 answered by the plan, 8 worth knowing

WHAT                        PROMISED  HOST HAS  CAUSE                   REMEDY

drop if unused: saved state that the destination cannot load; dropped when it holds its reset value
MSR_ARCH_PERFMON_PERFCTR0   saved     -         kernel:                 when saving, drop each if
MSR_ARCH_PERFMON_PERFCTR1                       x86_state_pmu_counters  it is 0x0, else keep the
MSR_ARCH_PERFMON_EVENTSEL0                                              guest
MSR_ARCH_PERFMON_EVENTSEL1

8 more weigh less; --all shows them.
arm64-neoverse-n1 on arm64-neoverse-n1-linux-7.2: fits with actions: 4 answered by the plan

WHAT               PROMISED  HOST HAS  CAUSE                     REMEDY

set: shown at the host's default unless the VMM writes it before the first run
psci-version       1.1       1.3       kernel: arm64_psci_1_3    write
                                                                 KVM_REG_ARM_PSCI_VERSION=0x10001
                                                                 before the first run

drop if unused: saved state that the destination cannot load; dropped when it holds its reset value
TCR2_EL1           saved     -         kernel: arm64_pie_listed  when saving, drop TCR2_EL1 if it is
                                                                 0x0, else keep the guest
PIRE0_EL1 PIR_EL1  saved     -         kernel: arm64_pie_listed  when saving, drop each if it is
                                                                 0x1de7ec7edbadc0de, else keep the
                                                                 guest
status 1
arm64-neoverse-n1 on arm64-neoverse-n1-linux-6.1: does not fit: 26 blocking, 7 answered by the plan
arm64-cortex-a76 on arm64-cortex-a76-linux-5.10: fits with actions: 1 answered by the plan
promise stands: saved as KVM's own value, which the guest does not read; what it was promised stands
CTR_EL0  0x9444c004  -         kernel: arm64_ctr_trap  leave out CTR_EL0 of the state: the plan sets
                                                       what was promised
arm64-cortex-a76 on arm64-cortex-a76-linux-7.2: fits with actions: 17 answered by the plan
promise stands: saved as KVM's own value, which the guest does not read; what it was promised stands
CTR_EL0                   0x9444c004  -         kernel: arm64_ctr_trap    leave out CTR_EL0 of the
                                                                          state: the plan sets what
                                                                          was promised
status 3
status 3
gabi: copy.state: byte 20000: the stream ends in the middle: it was cut off
status 3
gabi: copy.state: section own:memory, byte 237: its sum is wrong: the section was damaged
status 3
gabi: copy.state: the saved state is of version 2, and this gabi reads version 1; use the gabi that wrote it
gabi: arm64-cortex-a76.state: the state is of arm64, and the contract of x86
status 3
=== err
gabi: amd-epyc.state: the state was saved under another contract: the digests differ
