Which VMX controls a guest keeps where it may use the enlightened VMCS, and where it may not: of one CPU, three kernels.
=== file old.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "old", "kernel.release": "5.10.0"},
 "covers": ["cpuid", "hyperv", "hyperv-evmcs", "msr", "vm"],
 "words": {
 "cpuid": {"0x1.0x0": {"eax": "0x00000000", "ebx": "0x00000000", "ecx": "0x00000020", "edx": "0x00000000"}},
 "hyperv": {"0x40000001.0x0": {"eax": "0x31237648", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x40000004.0x0": {"eax": "0x00000020", "ebx": "0x00000fff", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x4000000a.0x0": {"eax": "0x00000000", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"}},
 "hyperv-evmcs": {"0x40000001.0x0": {"eax": "0x31237648", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x40000004.0x0": {"eax": "0x00004020", "ebx": "0x00000fff", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x4000000a.0x0": {"eax": "0x00000101", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"}},
 "msr": {"0x480": "0x00d8100011e57ed0", "0x48b": "0x0240000200000000", "0x48f": "0x00037fff00036dfb", "0x490": "0x0000f3ff000011fb"},
 "vm": {"evmcs-version": "0x0000000000000101"}}}
=== file mid.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "mid", "kernel.release": "6.12.0"},
 "covers": ["cpuid", "hyperv", "hyperv-evmcs", "msr", "vm"],
 "words": {
 "cpuid": {"0x1.0x0": {"eax": "0x00000000", "ebx": "0x00000000", "ecx": "0x00000020", "edx": "0x00000000"}},
 "hyperv": {"0x40000001.0x0": {"eax": "0x31237648", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x40000004.0x0": {"eax": "0x00000020", "ebx": "0x00000fff", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x4000000a.0x0": {"eax": "0x00080000", "ebx": "0x00000001", "ecx": "0x00000000", "edx": "0x00000000"}},
 "hyperv-evmcs": {"0x40000001.0x0": {"eax": "0x31237648", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x40000004.0x0": {"eax": "0x00004020", "ebx": "0x00000fff", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x4000000a.0x0": {"eax": "0x000a0101", "ebx": "0x00000001", "ecx": "0x00000000", "edx": "0x00000000"}},
 "msr": {"0x480": "0x00d8100011e57ed0", "0x48b": "0x0240000200000000", "0x48f": "0x00037fff00036dfb", "0x490": "0x0000f3ff000011fb"},
 "vm": {"evmcs-version": "0x0000000000000101"}}}
=== file new.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "new", "kernel.release": "7.2.0"},
 "covers": ["cpuid", "hyperv", "hyperv-evmcs", "msr", "vm"],
 "words": {
 "cpuid": {"0x1.0x0": {"eax": "0x00000000", "ebx": "0x00000000", "ecx": "0x00000020", "edx": "0x00000000"}},
 "hyperv": {"0x40000001.0x0": {"eax": "0x31237648", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x40000004.0x0": {"eax": "0x00000020", "ebx": "0x00000fff", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x4000000a.0x0": {"eax": "0x00080000", "ebx": "0x00000001", "ecx": "0x00000000", "edx": "0x00000000"}},
 "hyperv-evmcs": {"0x40000001.0x0": {"eax": "0x31237648", "ebx": "0x00000000", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x40000004.0x0": {"eax": "0x00004020", "ebx": "0x00000fff", "ecx": "0x00000000", "edx": "0x00000000"},
            "0x4000000a.0x0": {"eax": "0x000a0101", "ebx": "0x00000001", "ecx": "0x00000000", "edx": "0x00000000"}},
 "msr": {"0x480": "0x00d8100011e57ed0", "0x48b": "0x0240000200000000", "0x48f": "0x00037fff00036dfb", "0x490": "0x0000f3ff000011fb"},
 "vm": {"evmcs-version": "0x0000000000000101"}}}
=== run
echo '--- without: every control goes everywhere, TSC scaling too'
gabi pin mid.json --minus hyperv --name plain -o plain.json
gabi check plain.json old.json mid.json new.json
echo '--- with: what the kernel takes away was never promised'
gabi pin mid.json --evmcs --name nested -o nested.json
gabi evmcs filter --kernel 6.12 nested.json
gabi check nested.json mid.json new.json
echo '--- 5.10 would take a control away'
gabi check nested.json old.json || echo "status $?"
echo '--- 7.2 leaves one more'
gabi pin new.json --evmcs --name newest -o newest.json
gabi check newest.json mid.json || echo "status $?"
echo '--- what no kernel leaves: the controls of the plain contract with the leaves of the other'
jq -s '.[1].promises.msr = .[0].promises.msr | .[1] | del(.digest)' plain.json nested.json >scaling.json
gabi check scaling.json new.json || echo "status $?"
gabi pin scaling.json --minus vmx-tsc-scaling,vmx-mbec --name less -o less.json
gabi check less.json mid.json
echo '--- the plan onto a newer kernel removes what the older took away'
gabi pin old.json --evmcs --name past -o past.json
gabi plan --all past.json new.json | grep -E 'enable-cap|set-msr'
echo '--- whose release nobody knows'
sed 's/, "kernel.release": "7.2.0"//' new.json >anon.json
gabi check nested.json anon.json || echo "status $?"
gabi pin anon.json --evmcs || echo "status $?"
=== status 0
=== out
--- without: every control goes everywhere, TSC scaling too
plain: fits 3 of 3 hosts

VERDICT  HOST  WHY
fits     old
fits     mid
fits     new

7 more weigh less; --all shows them.
--- with: what the kernel takes away was never promised
Enlightened VMCS: promised, with the fields of IA32_PERF_GLOBAL_CTRL
nested: fits 2 of 2 hosts

VERDICT  HOST  WHY
fits     mid
fits     new
--- 5.10 would take a control away
nested on old: does not fit: 5 blocking

WHAT                             PROMISED  HOST HAS  CAUSE                      REMEDY

missing: the guest would lose what it was promised
hv-tlbflush-direct               yes       no        kernel: hv_msr_bitmap      without them, or Linux
hv-emsr-bitmap                                                                  5.17 or later
hv-evmcs-perf-global-ctrl
exit controls: kernel            yes       no        kernel: evmcs_perf_global  without
takes away                                                                      vmx-exit-load-perf-global-ctrl,
vmx-exit-load-perf-global-ctrl                                                  or without hv-evmcs, or
                                                                                Linux 6.1 or later
entry controls: kernel           yes       no        kernel: evmcs_perf_global  without
takes away                                                                      vmx-entry-load-perf-global-ctrl,
vmx-entry-load-perf-global-ctrl                                                 or without hv-evmcs, or
                                                                                Linux 6.1 or later
status 1
--- 7.2 leaves one more
newest on mid: does not fit: 1 blocking

WHAT                        PROMISED  HOST HAS  CAUSE               REMEDY

missing: the guest would lose what it was promised
secondary controls: kernel  yes       no        kernel: evmcs_mbec  without vmx-mbec, or without
takes away vmx-mbec                                                 hv-evmcs, or Linux 7.2 or
                                                                    later
status 1
--- what no kernel leaves: the controls of the plain contract with the leaves of the other
nested on new: does not fit: 1 blocking

WHAT                              PROMISED  HOST HAS  CAUSE   REMEDY

missing: the guest would lose what it was promised
secondary controls: kernel takes  yes       no        kernel  without vmx-tsc-scaling, or without
away vmx-tsc-scaling                                          hv-evmcs
status 1
less on mid: fits
--- the plan onto a newer kernel removes what the older took away
   1  enable-cap  KVM_CAP_HYPERV_ENLIGHTENED_VMCS  cap 0xa3                   0x101                                      VP      before the first run
  18  set-msr     MSR_IA32_VMX_BASIC               msr 0x480                  0xd8100011e57ed0                           VP      before the first run
  19  set-msr     MSR_IA32_VMX_PROCBASED_CTLS2     msr 0x48b                  0x40000200000000                           VP      before the first run
  20  set-msr     MSR_IA32_VMX_TRUE_EXIT_CTLS      msr 0x48f                  0x36fff00036dfb                            VP      before the first run
  21  set-msr     MSR_IA32_VMX_TRUE_ENTRY_CTLS     msr 0x490                  0xd3ff000011fb                             VP      before the first run
--- whose release nobody knows
nested on new: unknown: 2 unknown

WHAT                             PROMISED  HOST HAS  CAUSE   REMEDY

unseen: what the guest would see is not known
exit controls: not seen of the   yes       -         kernel  run gabi probe on the host: its
host:                                                        manifest does not cover this
vmx-exit-load-perf-global-ctrl
entry controls: not seen of the  yes       -         kernel  the same
host:
vmx-entry-load-perf-global-ctrl
status 1
status 4
=== err
gabi: anon.json: what the host's kernel takes away with the enlightened VMCS is not known: the manifest names no release since 5.10
