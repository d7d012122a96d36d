Fields by name and by encoding, whether known or not.
=== run
gabi vmcs fields tsc
gabi vmcs fields 0x2011
gabi vmcs fields 0x2bfe || echo status $?
gabi vmcs fields 0x4403 || echo status $?
gabi vmcs layouts | head -3
gabi vmcs fields --layout 3.15 GUEST_CR3
gabi vmcs fields --layout 2.6 || echo status $?
gabi vmcs fields zzz || echo status $?
gabi vmcs fields 0x6c16
gabi vmcs fields --json 0x2010
gabi vmcs nonsense
=== status 2
=== out
ENCODING  NAME            WIDTH    TYPE     OFFSET  USED IF             TLFS           SDM
0x2010    TSC_OFFSET      64       control          vmx-tsc-offset      TscOffset      TSC offset
0x2032    TSC_MULTIPLIER  64       control          vmx-tsc-scaling     TscMultiplier  TSC multiplier
0x6828    GUEST_S_CET     natural  guest            vmx-entry-load-cet  GuestSCet      Guest IA32_S_CET
0x6c18    HOST_S_CET      natural  host             vmx-exit-save-cet   HostSCet       Host IA32_S_CET
0x2011: 64-bit, control, index 8: TSC_OFFSET, upper 32 bits
0x2bfe: 64-bit, guest, index 511: not a field known here
status 1
status 3
LAYOUT       FAMILY  REVISION    BYTES  FIELDS  WHAT
kvm-3.1      vmcs12  0x11e57ed0    936     127  Linux 3.1 to 3.9
kvm-3.10     vmcs12  0x11e57ed0    936     128  Linux 3.10 to 3.14: the preemption timer in what was
ENCODING  NAME       WIDTH    TYPE   OFFSET  USED IF  TLFS      SDM
0x6802    GUEST_CR3  natural  guest     384           GuestCr3  Guest CR3
status 2
status 1
0x6c16: natural width, host, index 11: HOST_RIP
{"fields":[{"encoding":"0x2010","name":"TSC_OFFSET","width":"64","type":"control","used_if":"vmx-tsc-offset","tlfs":"TscOffset","sdm":"TSC offset"}]}
=== err
gabi: vmcs fields: 0x4403: only 64-bit fields have a high access, bit 0 must be 0
gabi: '2.6' is no layout: there are kvm-3.1, kvm-3.10, kvm-3.16, kvm-4.0, kvm-4.13, kvm-4.14, kvm-4.18, kvm-5.10, kvm-6.1, kvm-6.12, kvm-7.2, kvm-rfc2017, kvm-3.19, evmcs-5.10, evmcs-6.1, evmcs-6.12, evmcs-7.2, evmcs-tlfs, virtualbox, acrn, xen, bochs, and the releases of Linux from 3.1 on
gabi: vmcs fields: no field has 'zzz' in a name
gabi: vmcs: there is no 'nonsense'; see gabi-vmcs(1)
