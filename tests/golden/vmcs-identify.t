A page of Linux 4.14, told from the seven other forms of the same revision id, and one that fits none.
=== file page.b64
H4sIAAAAAAACA7tQ91SQgRxgIEScOgf86uIYBBgoAf+hgGGEAmMG1gYwQwHCX6BAoYEGQPwPGJ4CUJoBSrNA5e0YGRhO/v+vzHig
ERTubkxEuk+AgPtw2YsbNFIj3u2B+Ffugq0Y6SqfGcEWxq53nQDEUzxY5BiJSKP5wLCoB8nzA4kDjAyzFzAwTD4AYSPjbjL8xQgN
dAlERoTSCDGQCACuw3EUAAQAAA==
=== file broken.b64
H4sIAAAAAAACA7tQ91SQgRxgIEScOgfs6uIYBMiy9j8UMAxKwEgzk40ZWBvADAUIf4EChQYaAPE/YDgKQGkGKM0ClbcD+uXk///K
jAcaQeHtwkSk+wQIuA+XvbhBIzXi2x6If+Uu2IqRnvKZEWxh7HrXCUA8xUMgxnGlzXxgWNSD5PmBxAFGhtkLGBgmH4CwkXE3VD0T
ySlOgEECkeHQRBzwZhUA5LQymAAEAAA=
=== run
base64 -d page.b64 | gzip -d | gabi vmcs identify - | sed -n '1p;/kvm-4.14/p;/kvm-4.13.*STRAY\|kvm-4.13.*against.*CR3/p'
base64 -d broken.b64 | gzip -d | gabi vmcs identify - | sed -n '1p;/kvm-7.2 .*against/p'
exit ${PIPESTATUS[1]}
=== status 0
=== out
Can be: kvm-4.14
Can be: kvm-4.14
kvm-4.13    no        against   CR3_TARGET_COUNT                772  0xb5a06dfa          a reserved bit
kvm-4.14    yes       for                                         0  0x11e57ed0          the revision id
kvm-4.14    yes       for       VMCS_LINK_POINTER               192  0xffffffffffffffff  the link pointer
kvm-4.14    yes       for       PIN_BASED_VM_EXEC_CONTROL       768  0x0000003f          the bits are set
kvm-4.14    yes       for       CPU_BASED_VM_EXEC_CONTROL       772  0xb5a06dfa          the bits are set
kvm-4.14    yes       for       VM_EXIT_CONTROLS                792  0x00036fff          the bits are set
kvm-4.14    yes       for       VM_ENTRY_CONTROLS               804  0x000013ff          the bits are set
kvm-4.14    yes       for       GUEST_RFLAGS                    576  0x0000000000000246  the bits are set
Can be: none that is known
kvm-7.2     no        against   GUEST_RFLAGS                    552  0x0000000000000244  a bit is clear
=== err
