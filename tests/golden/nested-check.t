What KVM would say to a nested state, before it is asked.
=== file state.b64
H4sIAAAAAAACA2NkYGBoEAASAQwQkMBAV3Ch7qkgWRoNhIhT54BdXRyDAFnW/ocChkEJGGlmsjEDawOYoQDhL1Cg0EADIP4HDEcB
KM0ApVmg8nZAv5z8/1+Z8UAjKLzdmIh0nwAB9+GyFzdopEZ82wPxr9wFWzHSUz4zgi2MXe86AYineAjEOK60mQ8Mi3qQPD+QOMDI
MHsBA8PkAxA2Mu6GqmciOcUJMEggMhyaiAPDKBgFo2AUjIJRMApGwSgYBaNgFIAAAFDK2U2AEAAA
=== file evmcs.b64
H4sIAAAAAAACA2NlYGBoEAASAQxg8B8KGOgELtQ9FSRLo4EQceocsKuLYxAgy1p6hw9pgJFmJhszsDaAGQoQ/gIFCg00AOJ/wHAU
gNIMUJoFKm8H9MvJ//+VGQ80gsLbjYlI9wkQcB8ue3GDRmrEtz0Q/8pdsBUjPeUzI9jC2PWuE4B4iodAjONKm/nAsKgHyfMDiQOM
DLMXMDBMPgBhI+NuslOcAIMEIsOhiTgwjIJRMApGwSgYBaNgFIyCUTAKRgEIAACU0bKigBAAAA==
=== run
base64 -d state.b64 | gzip -d >state
base64 -d evmcs.b64 | gzip -d >evmcs
gabi nested check --kernel 7.2 state || echo status $?
gabi nested check --kernel 5.10 --json evmcs | tr '{' '\n' | grep -v '"note":"unknown"'
head -c 2000 state >cut
gabi nested show cut || echo status $?
gabi nested check state
=== status 2
=== out
Verdict: Linux 7.2 would refuse it by rule v16.activity: the guest's activity state is neither active nor HLT (since 5.11: nor wait-for-SIPI) (GUEST_ACTIVITY_STATE at offset 1044 is 0x2)

NOTE         RULE          OFFSET  VALUE  WHAT
destructive  v16.activity    1044  0x2    by then KVM has dropped the vCPU's old nested state; ask
                                          beforehand instead of trying
status 1

"verdict":"Linux 5.10 would take it, as far as can be judged","notes":[
"note":"assist-page","offset":"0","value":"0x5","what":"restore HV_X64_MSR_VP_ASSIST_PAGE before the first run, or the enlightened VMCS is dropped without an error"},
"note":"map-pending","offset":"16","value":"0xffffffffffffffff","what":"the enlightened VMCS is mapped by the first run only; until then a failure to map it shows as an internal error"},
"note":"flag-lost","offset":"16","value":"0xffffffffffffffff","what":"this kernel forgets the EVMCS flag if the state is read again before the first run"}]}
status 3
=== err
gabi: cut: the header's size at offset 4 says 4224 bytes, but there are 2000
gabi: nested check: --kernel RELEASE is needed: the kernel that is to take it
