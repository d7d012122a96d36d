What kernels take away from a guest that was promised the enlightened VMCS.
=== file guest.json
{"gabi": "contract", "schema": 1, "promises": {"arch": "x86",
 "hyperv": {"0x40000001.0x0": {"eax": "0x31237648", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x4000000a.0x0": {"eax": "0x00080101", "ebx": "0x00000001", "ecx": "0x00000000", "edx": "0x00000000"}},
 "msr": {"0x48b": "0x0040000200000000", "0x48f": "0x00037fff00036dfb"}}}
=== run
gabi evmcs filter guest.json || echo status $?
gabi evmcs filter --kernel 6.1.0-50-amd64 guest.json
=== status 0
=== out
Enlightened VMCS: promised, with the fields of IA32_PERF_GLOBAL_CTRL

Taken away
SINCE  MSR    REGISTER                      CONTROL                                                          REMEDY
5.10   0x48f  MSR_IA32_VMX_TRUE_EXIT_CTLS   exit controls: kernel takes away vmx-exit-load-perf-global-ctrl  leave it out of
                                                                                                             the contract
                                                                                                             before the guest
                                                                                                             first runs
6.3    0x48b  MSR_IA32_VMX_PROCBASED_CTLS2  secondary controls: kernel takes away vmx-mbec                   leave it out of
                                                                                                             the contract
                                                                                                             before the guest
                                                                                                             first runs
status 1
Enlightened VMCS: promised, with the fields of IA32_PERF_GLOBAL_CTRL
=== err
