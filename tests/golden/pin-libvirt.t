A libvirt domain on a host is the QEMU command line that libvirt makes of it; written as a domain and read again, the contract is the same.
=== file web.xml
<domain type='kvm'>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <features><acpi/><hyperv><relaxed state='on'/><vpindex state='on'/></hyperv></features>
  <cpu check='none'><model>Nehalem</model><feature policy='disable' name='popcnt'/></cpu>
</domain>
=== file checked.xml
<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
 <cpu mode='custom' check='full'><model>Icelake-Server</model></cpu></domain>
=== file typo.xml
<domain type='kvm'>
  <features><hyperv><evcms state='on'/></hyperv></features>
</domain>
=== file tcg.xml
<domain type='qemu'/>
=== run
cp $HOSTS/amd-epyc-milan-linux-6.12.json host.json
gabi pin --libvirt web.xml host.json -o web.json
gabi pin --qemu '-machine pc-q35-7.2,accel=kvm -cpu Nehalem,popcnt=off,hv-relaxed=on,hv-vpindex=on -smp 2' host.json -o qemu.json 2>/dev/null
cmp <(gabi show -d web.json | cut -d' ' -f1) <(gabi show -d qemu.json | cut -d' ' -f1) && echo "the same as QEMU's line"
gabi emit --as libvirt web.json host.json -o emitted.xml 2>/dev/null
gabi pin --libvirt emitted.xml host.json -o again.json
cmp <(gabi show -d web.json | cut -d' ' -f1) <(gabi show -d again.json | cut -d' ' -f1) && echo "the same as emitted"
gabi pin --libvirt checked.xml host.json 2>/dev/null || echo "status $?"
for file in typo.xml tcg.xml; do gabi pin --libvirt $file host.json || echo "status $?"; done
=== status 0
=== out
the same as QEMU's line
the same as emitted
status 4
status 3
status 3
=== err
gabi: note: the host lacks what is asked for: vme; QEMU starts without it, unless enforce is on
gabi: note: the host lacks what is asked for: vme; QEMU starts without it, unless enforce is on
gabi: typo.xml:2:1: /domain/features/hyperv/evcms: libvirt has no Hyper-V enlightenment "evcms"; near it is evmcs
gabi: tcg.xml: the domain is an emulator's (type='qemu'): its guest sees nothing of the host
