A CPU template of Firecracker over a host, its contract written back as a template that gives the same, and what Firecracker sets by itself.
=== file template.json
{"cpuid_modifiers": [
  {"leaf": "0x1", "subleaf": "0x0", "flags": 0, "modifiers": [{"register": "ecx", "bitmap": "0b0xxxxxxxxxxxxxx0"}]},
  {"leaf": "0x7", "subleaf": "0x0", "flags": 1, "modifiers": [{"register": "ebx", "bitmap": "0b0xxxxx"}]}]}
=== file overlap.json
{"cpuid_modifiers": [
  {"leaf": "0x7", "subleaf": "0x0", "flags": 1, "modifiers": [{"register": "ebx", "bitmap": "0b11"}, {"register": "ebx", "bitmap": "0b1_x"}]}]}
=== file sse.json
{"cpuid_modifiers": [{"leaf": "0x1c", "subleaf": "0x0", "flags": 0, "modifiers": [{"register": "ebx", "bitmap": "0b11"}]}]}
=== run
cp $HOSTS/amd-epyc-milan-linux-6.12.json host.json
cp $HOSTS/arm64-neoverse-n1-linux-6.12.json arm64.json
gabi pin --firecracker template.json host.json -o web.json
gabi emit --as firecracker web.json host.json -o emitted.json
gabi pin --firecracker emitted.json host.json -o again.json
cmp <(gabi show -d web.json | cut -d' ' -f1) <(gabi show -d again.json | cut -d' ' -f1) && echo same
gabi pin host.json -o all.json
gabi pin --firecracker overlap.json host.json || echo "status $?"
gabi pin --firecracker sse.json host.json || echo "status $?"
gabi pin --firecracker template.json arm64.json || echo "status $?"
gabi emit --as firecracker --json all.json host.json | jq -c '.gaps[] | select(.name | test("pdcm|topoext|tsc-deadline|hv-evmcs|hv-relaxed"))'
=== status 0
=== out
same
status 3
status 3
status 3
{"name":"tsc-deadline","word":"cpuid 0x1.0x0 ecx","bits":"0x81000000","promised":"0x0","given":"0x81000000","why":"Firecracker sets it by itself, or KVM does not list it on this host"}
{"name":"topoext","word":"cpuid 0x80000001.0x0 ecx","bits":"0x400000","promised":"0x0","given":"0x400000","why":"Firecracker sets it by itself, or KVM does not list it on this host"}
{"name":"hv-evmcs-perf-global-ctrl","word":"hyperv 0x4000000a.0x0 ebx","bits":"0x1","promised":"0x1","given":"0x0","why":"Firecracker has no Hyper-V enlightenments"}
=== err
gabi: overlap.json: two modifiers of cpuid 0x7.0x0 ebx are of the same bit, and only the last would count
gabi: sse.json: the template changes cpuid 0x1c.0x0 ebx, which the host does not list: Firecracker does not start a guest with it there
gabi: arm64.json: the template is of x86, and the host of arm64
