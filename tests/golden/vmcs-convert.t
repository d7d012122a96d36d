To another hypervisor's layout and back is the same; what a kernel cannot hold is named, and then nothing is written.
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
=== err
gabi: state: not written, since something would be lost; --lossy writes it all the same
