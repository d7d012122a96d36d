A trace of a guest that enables VTL 1, enters it, protects two pages and is told of a write: each call and what follows from it, in
words. Carried out again it comes out the same, moved at each call too. One that is cut off or changed is refused.
=== run
cp $HOSTS/../../tests/unit/hv/golden/story-1.bin trace
gabi hv show trace
gabi hv replay trace
gabi hv replay --save-at all trace
gabi hv replay --json --save-at=16 trace
gabi hv replay --save-at 18 trace || echo status $?
gabi hv replay --save-at 0 trace || echo status $?
head -c 3300 trace | gabi hv replay - || echo status $?
{ head -c 3300 trace; printf '\377'; tail -c +3302 trace; } | gabi hv replay - || echo status $?
gabi hv show /dev/null || echo status $?
gabi hv show --save-at all trace || echo status $?
=== status 0
=== out
Virtual processors: 2
Trust levels: 2

CALL  TIME  VP  VTL  WHAT                                           RESULT
1     0     0   0    hypercall HvCallEnablePartitionVtl code 0xd    HV_STATUS_SUCCESS
                     input at 0x1000 output at 0x2000
2     0     0   0    hypercall HvCallEnableVpVtl code 0xf input at  HV_STATUS_SUCCESS
                     0x1000 output at 0x2000
                     context vtl 1 vp 0 rip 0x1000
3     0     0   0    vtl_call mode 0x2                              done
                     switch vtl 0 vp 0 to 1 by call
4     1000  0   1    wrmsr HV_X64_MSR_GUEST_OS_ID msr 0x40000000    done
                     value 0x1040
5     1100  0   1    wrmsr HV_X64_MSR_VP_ASSIST_PAGE msr            done
                     0x40000073 value 0x30001
                     overlay vtl 1 vp 0-1 gpa 0x30000 page 0xa
                     prot 0x3
6     1200  0   1    wrmsr HV_X64_MSR_SCONTROL msr 0x40000080       done
                     value 0x1
7     1300  0   1    wrmsr HV_X64_MSR_SIMP msr 0x40000083 value     done
                     0x31001
                     overlay vtl 1 vp 0-1 gpa 0x31000 page 0xb
                     prot 0x3
8     1400  0   1    wrmsr HV_X64_MSR_SINT0 msr 0x40000090 value    done
                     0x40
9     0     0   1    hypercall HvCallSetVpRegisters code 0x51       HV_STATUS_SUCCESS elements 1
                     elements 1 from 0 input at 0x1000 output at
                     0x2000
10    0     0   1    hypercall HvCallModifyVtlProtectionMask code   HV_STATUS_SUCCESS elements 2
                     0xc elements 2 from 0 input at 0x1000 output
                     at 0x2000
                     protect vtl 0 pages 0x7 to 0x8 r-ku
11    0     0   1    vtl_return mode 0x2                            done
                     switch vtl 1 vp 0 to 0 by return restoring
                     rax 0x1111
12    2000  0   0    memory_fault gpa 0x7123 gva                    again
                     0xffff800000007123 access 0x1 gva-valid 0x1
                     switch vtl 0 vp 0 to 1 for an intercept
                     interrupt vtl 1 vp 0 vector 0x40
13    2000  0   1    interrupt pending 0x1                          done
14    2100  0   1    rdmsr HV_X64_MSR_VP_INDEX msr 0x40000002       0x0
15    2200  0   1    post vtl 0x1 type 0x5 bytes 8                  HV_STATUS_SUCCESS
16    0     0   1    hypercall unknown code 0xff input at 0x1000    HV_STATUS_INVALID_HYPERCALL_CODE
                     output at 0x2000
Virtual processors: 2
Trust levels: 2
Calls that came out the same: 16
Saved and restored between them: 0
Virtual processors: 2
Trust levels: 2
Calls that came out the same: 16
Saved and restored between them: 17
{"processors":"2","vtls":"2","calls":"16","saves":"1"}
status 2
status 2
status 3
status 1
status 3
status 2
=== err
gabi: trace: there is no call 18 to save before; the trace has 16
gabi: hv replay: --save-at takes the number of a call, from 1 on, or 'all', and not '0'
gabi: standard input: the trace is cut off in its call 10; those before it are whole
gabi: standard input: call 10 comes out otherwise than it was recorded
gabi: /dev/null: this is not a trace of a Hyper-V partition
gabi: hv show: --save-at is an option of 'replay'
