To another hypervisor's layout and back is the same; what a kernel or a 32-bit host cannot hold is named, and then nothing is written.
=== file page.b64
H4sIAAAAAAACA7tQ91SQgRxgIEScOgfs6uIYBMiy9j8UMAxKwEgzk40ZWBvADAUIf4EChQYaAPE/YDgKQGkGKM0ClbcD+uXk///K
jAcaQeHtxkSk+wQIuA+XvbhBIzXi2x6If+Uu2IqRnvKZEWxh7HrXCUA8xUMgxnGlzXxgWNSD5PmBxAFGhtkLGBgmH4CwkXE32SlO
gEECkeHQRBzwZhUABmdrKQAEAAA=
=== file state.b64
H4sIAAAAAAACA2NkYGBoEAASAQwQkMBAV3Ch7qkgWRoNhIhT54BdXRyDAFnW/ocChsEIGhhpZrQxA2sDmKEA4S9QoNBAAyD+BwxH
ASjNAKVZoPJ2QL+c/P9fmfFAIyi83ZiIdJ8AAffhshc3aKRGfNsD8a/cBVsx0lM+M4ItjF3vOgEBsO95sMgxEpE284FhUQ+S5wcS
BxgZZi9gYJh8AMJGxt1k+IsRGugSiAyHJuLAMApGwSgYBaNgFIyCUTAKRsEoGAUgAAA+FLqegBAAAA==
=== run
base64 -d page.b64 | gzip -d >page
gabi vmcs convert --layout kvm-6.1 --to virtualbox --output there page
gabi vmcs convert --to 6.1 --output back there
gabi vmcs diff --layout kvm-6.1 page back && echo the same
base64 -d state.b64 | gzip -d >state
gabi nested convert --to 5.10 --output older state || echo status $?
ls older 2>/dev/null || echo not written
gabi nested convert --to 7.2 --output newer state
cmp state newer && echo the same
gabi vmcs convert --layout kvm-6.1 --to 7.2 --host-bits 32 --output low page || echo status $?
ls low 2>/dev/null || echo not written
gabi vmcs convert --layout kvm-6.1 --to 7.2 --host-bits 32 --lossy --json --output low page || echo status $?
cmp -n 1024 page low && echo all 64 bits are there
gabi vmcs convert --layout kvm-6.1 --to 7.2 --host-bits 64 --output same page
gabi nested convert --to 7.2 --host-bits 32 --json --output half state || echo status $?
ls half 2>/dev/null || echo not written
gabi nested convert --to 7.2 --host-bits 16 --output half state || echo status $?
=== status 0
=== out
From: kvm-6.1
To: virtualbox
From: virtualbox
To: kvm-6.1
Layouts: kvm-6.1 and kvm-6.1
the same
From: kvm-7.2
To: kvm-5.10

Stays behind
FINDING  FIELD           OFFSET  VALUE               MEANING
lost     TSC_MULTIPLIER     328  0x0001800000000000  the target has no such field, and the value is
                                                     not the one that it implies
status 1
not written
From: kvm-7.2
To: kvm-7.2
the same
From: kvm-6.1
To: kvm-7.2

Stays behind
FINDING  FIELD            OFFSET  VALUE               MEANING
narrow   GUEST_TR_BASE       504  0xfffffe0000003000  a 32-bit host keeps the low half only
narrow   GUEST_GDTR_BASE     512  0xfffffe0000001000  a 32-bit host keeps the low half only
narrow   GUEST_IDTR_BASE     520  0xfffffe0000000000  a 32-bit host keeps the low half only
narrow   GUEST_RSP           536  0xffffc90000013e00  a 32-bit host keeps the low half only
narrow   GUEST_RIP           544  0xffffffff81c00123  a 32-bit host keeps the low half only
narrow   HOST_TR_BASE        624  0xfffffe0000003000  a 32-bit host keeps the low half only
narrow   HOST_GDTR_BASE      632  0xfffffe0000001000  a 32-bit host keeps the low half only
narrow   HOST_IDTR_BASE      640  0xfffffe0000000000  a 32-bit host keeps the low half only
narrow   HOST_RIP            672  0xffffffff81000000  a 32-bit host keeps the low half only
status 1
not written
{"from":"kvm-6.1","to":"kvm-7.2","findings":[{"finding":"narrow","field":"GUEST_TR_BASE","offset":"504","value":"0xfffffe0000003000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"GUEST_GDTR_BASE","offset":"512","value":"0xfffffe0000001000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"GUEST_IDTR_BASE","offset":"520","value":"0xfffffe0000000000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"GUEST_RSP","offset":"536","value":"0xffffc90000013e00","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"GUEST_RIP","offset":"544","value":"0xffffffff81c00123","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"HOST_TR_BASE","offset":"624","value":"0xfffffe0000003000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"HOST_GDTR_BASE","offset":"632","value":"0xfffffe0000001000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"HOST_IDTR_BASE","offset":"640","value":"0xfffffe0000000000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"HOST_RIP","offset":"672","value":"0xffffffff81000000","meaning":"a 32-bit host keeps the low half only"}]}
status 1
all 64 bits are there
From: kvm-6.1
To: kvm-7.2
{"from":"kvm-7.2","to":"kvm-7.2","findings":[{"finding":"narrow","field":"GUEST_TR_BASE","offset":"504","value":"0xfffffe0000003000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"GUEST_GDTR_BASE","offset":"512","value":"0xfffffe0000001000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"GUEST_IDTR_BASE","offset":"520","value":"0xfffffe0000000000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"GUEST_RSP","offset":"536","value":"0xffffc90000013e00","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"GUEST_RIP","offset":"544","value":"0xffffffff81c00123","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"HOST_TR_BASE","offset":"624","value":"0xfffffe0000003000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"HOST_GDTR_BASE","offset":"632","value":"0xfffffe0000001000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"HOST_IDTR_BASE","offset":"640","value":"0xfffffe0000000000","meaning":"a 32-bit host keeps the low half only"},{"finding":"narrow","field":"HOST_RIP","offset":"672","value":"0xffffffff81000000","meaning":"a 32-bit host keeps the low half only"}]}
status 1
not written
status 2
=== err
gabi: state: not written, since something would be lost; --lossy writes it all the same
gabi: page: not written, since something would be lost; --lossy writes it all the same
gabi: state: not written, since something would be lost; --lossy writes it all the same
gabi: --host-bits=16: a host has 32 or 64
