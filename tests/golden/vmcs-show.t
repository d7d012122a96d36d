A VMCS with which VM entry fails: controls by name, segments in rows, and last what is wrong.
=== file page.b64
H4sIAAAAAAACA7tQ91SQgRxgIEScOgfs6uIYBMiy9j8UMAxKwEgzk40ZWBvADAUIf4EChQYaAPE/YDgKQGkGKM0ClbcD+uXk///K
jAcaQeHtwkSk+wQIuA+XvbhBIzXi2x6If+Uu2IqRnvKZEWxh7HrXCUA8xUMgxnGlzXxgWNSD5PmBxAFGhtkLGBgmH4CwkXE3VD0T
ySlOgEECkeHQRBzwZhUA5LQymAAEAAA=
=== run
base64 -d page.b64 | gzip -d | gabi vmcs show -
=== status 1
=== out
Can be: none that is known
Layout: kvm-7.2 (Linux 6.18 and later: frozen, with CET)
Revision id: 0x11e57ed0
State: clear

CONTROLS            VALUE               SET
pin-based controls  0x0000003f          vmx-intr-exit vmx-nmi-exit vmx-pin-default1-4 vmx-vnmi
primary controls    0xb5a06dfa          vmx-proc-default1-1 vmx-tsc-offset vmx-hlt-exit
                                        vmx-proc-default1-8 vmx-mwait-exit vmx-rdpmc-exit
                                        vmx-flexpriority vmx-movdr-exit vmx-io-exit
                                        vmx-proc-default1-26 vmx-msr-bitmap vmx-monitor-exit
                                        vmx-secondary-ctls
secondary controls  0x001010ae          vmx-ept vmx-desc-exit vmx-rdtscp-exit vmx-vpid
                                        vmx-unrestricted-guest vmx-invpcid-exit vmx-xsaves
exit controls       0x00036fff          vmx-exit-nosave-debugctl vmx-exit-host-addr-space-size
entry controls      0x000013ff          vmx-entry-noload-debugctl vmx-entry-ia32e-mode
                                        vmx-entry-default1-12
VM functions        0x0000000000000000  (not in use)

SEGMENT  SELECTOR  BASE                LIMIT       RIGHTS      HOST SELECTOR  HOST BASE
CS       0x0010    0x0000000000000000  0xffffffff  0x0000a09b  0x0010
SS       0x0018    0x0000000000000000  0xffffffff  0x0000c093  0x0018
DS       0x0000    0x0000000000000000  0x00000000  0x0001c000  0x0000
ES       0x0000    0x0000000000000000  0x00000000  0x0001c000  0x0000
FS       0x0000    0x0000000000000000  0x00000000  0x0001c000  0x0000         0x0000000000000000
GS       0x0000    0x0000000000000000  0x00000000  0x0001c000  0x0000         0x0000000000000000
LDTR     0x0000    0x0000000000000000  0x00000000  0x0001c000
TR       0x0040    0xfffffe0000003000  0x0000206f  0x0000008b  0x0040         0xfffffe0000003000
GDTR               0xfffffe0000001000  0x0000007f                             0xfffffe0000001000
IDTR               0xfffffe0000000000  0x00000fff                             0xfffffe0000000000

Guest
FIELD                 VALUE               OFFSET  IN USE  MEANING
VMCS_LINK_POINTER     0xffffffffffffffff     176  yes     VMCS link pointer
GUEST_ACTIVITY_STATE  0x00000002             916  yes     Guest activity state
GUEST_CR0             0x0000000080050033     424  yes     Guest CR0
GUEST_CR3             0x0000000000002000     432  yes     Guest CR3
GUEST_CR4             0x00000000000020a0     440  yes     Guest CR4
GUEST_DR7             0x0000000000000400     528  yes     Guest DR7
GUEST_RSP             0xffffc90000013e00     536  yes     Guest RSP
GUEST_RIP             0xffffffff81c00123     544  yes     Guest RIP
GUEST_RFLAGS          0x0000000000000244     552  yes     Guest RFLAGS

Control fields
FIELD                   VALUE               OFFSET  IN USE  MEANING
VIRTUAL_PROCESSOR_ID    0x0001                 960  yes     Virtual-processor identifier (VPID)
MSR_BITMAP              0x0000000000123000      56  yes     Address of MSR bitmaps
VIRTUAL_APIC_PAGE_ADDR  0x0000000000124000      96  yes     Virtual-APIC address
EPT_POINTER             0x000000000010005e     120  yes     EPT pointer

Last exit
FIELD                    VALUE       OFFSET  IN USE  MEANING
VM_EXIT_REASON           0x0000000c     812  yes     Exit reason
VM_EXIT_INSTRUCTION_LEN  0x00000001     832  yes     VM-exit instruction length

Host
FIELD     VALUE               OFFSET  IN USE  MEANING
HOST_CR0  0x0000000080050033     584  yes     Host CR0
HOST_CR3  0x0000000000001000     592  yes     Host CR3
HOST_CR4  0x00000000000020a0     600  yes     Host CR4
HOST_RIP  0xffffffff81000000     672  yes     Host RIP

Reserved bits, and combinations that VM entry refuses
RULE          FIELD                 OFFSET  VALUE               WHAT
layout        GUEST_RFLAGS             552  0x0000000000000244  a bit is clear that is always 1
v16.activity  GUEST_ACTIVITY_STATE     916  0x00000002          the guest's activity state is
                                                                neither active nor HLT (since 5.11:
                                                                nor wait-for-SIPI)
=== err
