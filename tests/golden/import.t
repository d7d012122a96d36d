What libvirt and QEMU say of a host, as manifests that know what has a name and nothing else.
=== file domcaps.xml
<domainCapabilities>
  <path>/usr/bin/qemu-system-x86_64</path><domain>kvm</domain><machine>pc-q35-7.2</machine><arch>x86_64</arch>
  <cpu>
    <mode name='host-passthrough' supported='yes'/>
    <mode name='host-model' supported='yes'>
      <model fallback='forbid'>EPYC-Rome</model>
      <vendor>AMD</vendor>
      <feature policy='require' name='x2apic'/>
      <feature policy='require' name='cmp_legacy'/>
      <feature policy='disable' name='xsaves'/>
      <feature policy='require' name='a-later-feature'/>
    </mode>
    <mode name='custom' supported='yes'><model usable='yes'>qemu64</model></mode>
  </cpu>
  <features>
    <hyperv supported='yes'><enum name='features'><value>relaxed</value><value>vpindex</value><value>synic</value><value>stimer</value></enum></hyperv>
  </features>
</domainCapabilities>
=== file caps.xml
<capabilities>
  <host>
    <cpu>
      <arch>x86_64</arch><model>Haswell-noTSX</model><vendor>Intel</vendor><microcode version='45'/>
      <signature family='6' model='60' stepping='3'/>
      <feature name='vme'/><feature name='ds_cpl'/><feature name='vmx'/><feature name='osxsave'/>
    </cpu>
  </host>
</capabilities>
=== file host.json
{"return": {"model": {"name": "base", "props": {"family": 6, "model": 60, "stepping": 3, "vendor": "GenuineIntel", "model-id": "A CPU", "level": 13,
 "xlevel": 2147483656, "avx2": true, "sse4.1": true, "sse4-1": true, "mpx": false, "vmx": false, "vmx-ept": true, "kvm-pv-eoi": true, "pmu": false,
 "a-later-feature": true}}}}
=== file unknown.xml
<capabilities><host><cpu><arch>x86_64</arch><model>Hasswell</model></cpu></host></capabilities>
=== file tcg.xml
<domainCapabilities><domain>qemu</domain><arch>x86_64</arch></domainCapabilities>
=== file bomb.xml
<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<capabilities>&c;</capabilities>
=== run
gabi import domcaps.xml -o domcaps.json
gabi import caps.xml -o caps.json
gabi import host.json --name lab-7 -o qemu.json
jq -c '.view, .facts, .covers, .words.cpuid["0x1.0x0"], .words.hyperv' domcaps.json caps.json qemu.json
gabi pin domcaps.json | jq -c '.promises.cpuid["0x1.0x0"]'
gabi pin caps.json || echo "status $?"
for file in unknown.xml tcg.xml bomb.xml; do gabi import $file || echo "status $?"; done
gabi import --format libvirt host.json || echo "status $?"
gabi import --format qemu domcaps.xml || echo "status $?"
=== status 0
=== out
"guest"
{"source":"libvirt domcapabilities, host-model; says nothing of what has no name there, nor here of 1 name"}
[]
{"eax":"0x00830f10","ebx":"0x00000000","ecx":"0xf6f83203","edx":"0x078bfbff"}
{"0x40000003.0x0":{"eax":"0x0000024e","ebx":"0x00000000","ecx":"0x00000000","edx":"0x00000000"},"0x40000004.0x0":{"eax":"0x00000020","ebx":"0x00000000","ecx":"0x00000000","edx":"0x00000000"}}
"cpu"
{"cpu.microcode":"0x2d","cpu.model":"Haswell-noTSX","source":"libvirt capabilities, the bare CPU; says nothing of what has no name there, nor here of 1 name"}
[]
{"eax":"0x000306c3","ebx":"0x00000000","ecx":"0x17fa3233","edx":"0x078bfbff"}
null
"guest"
{"name":"lab-7","source":"QEMU query-cpu-model-expansion; says nothing of what has no name there, nor here of 1 name"}
[]
{"eax":"0x000306c3","ebx":"0x00000000","ecx":"0x00080000","edx":"0x00000000"}
null
{"eax":"0x00830f10","ebx":"0x00000000","ecx":"0xf6f83203","edx":"0x078bfbff"}
status 3
status 3
status 3
status 3
status 3
status 3
=== err
gabi: caps.json: a dump of the bare CPU says what a host may offer at most, not what a guest gets; pin what gabi probe or a guest saw
gabi: unknown.xml:1:1: /capabilities/host/cpu/model: there is no CPU model "Hasswell"; near it is Haswell
gabi: tcg.xml:1:1: /domainCapabilities/domain: these are the capabilities of an emulator; ask for virttype kvm
gabi: bomb.xml: the XML has a document type (<!DOCTYPE), which could define entities without end; take it away
gabi: host.json:1:1: this is not XML: Start tag expected, '<' not found
gabi: domcaps.xml:1:1: this is not JSON
