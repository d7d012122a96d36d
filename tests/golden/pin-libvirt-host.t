Domains whose CPU libvirt chooses, or compares, on the host: host-model, minimum and strict.
=== file host-model.xml
<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
 <cpu mode='host-model'><feature policy='disable' name='avx2'/></cpu></domain>
=== file minimum.xml
<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
 <cpu mode='custom' match='minimum'><model>Nehalem</model><feature policy='disable' name='avx2'/></cpu></domain>
=== file too-much.xml
<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
 <cpu mode='custom' match='minimum'><model>Icelake-Server</model></cpu></domain>
=== file strict.xml
<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
 <cpu mode='custom' match='strict'><model>Nehalem</model></cpu></domain>
=== file strict-unchecked.xml
<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
 <cpu mode='custom' match='strict' check='none'><model>Nehalem</model></cpu></domain>
=== file exact.xml
<domain type='kvm'><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
 <cpu mode='custom' match='exact' check='none'><model>Nehalem</model></cpu></domain>
=== file arm64.xml
<domain type='kvm'><os><type arch='aarch64' machine='virt-7.2'>hvm</type></os><cpu mode='host-model'/></domain>
=== file passthrough.xml
<domain type='kvm'><os><type arch='aarch64' machine='virt-7.2'>hvm</type></os><cpu mode='host-passthrough'/></domain>
=== run
cp $HOSTS/intel-skylake-x-linux-6.1.json skylake.json
cp $HOSTS/amd-epyc-milan-linux-6.12.json milan.json
cp $HOSTS/arm64-max-linux-6.12.json arm64.json
for host in skylake milan; do
	gabi pin --libvirt host-model.xml $host.json $host.json | sed -n 's/^CPU: //p'
done
gabi pin --libvirt host-model.xml skylake.json -o a.json
gabi pin --libvirt minimum.xml skylake.json -o b.json
cmp <(gabi show -d a.json | cut -d' ' -f1) <(gabi show -d b.json | cut -d' ' -f1) && echo "minimum is host-model where the host has the model"
for file in too-much strict; do gabi pin --libvirt $file.xml skylake.json || echo "status $?"; done
for file in exact strict-unchecked; do gabi pin --libvirt $file.xml skylake.json 2>/dev/null | gabi show -d - | cut -d' ' -f1; done
gabi pin --libvirt arm64.xml arm64.json || echo "status $?"
gabi pin --libvirt passthrough.xml arm64.json 2>/dev/null | gabi show -d -
=== status 0
=== out
Skylake-Server,vmx=on,hypervisor=on,ss=on,tsc-adjust=on,hle=off,erms=off,rtm=off,mpx=off,clflushopt=on,umip=on,pku=off,arch-capabilities=on,xsaves=on,wbnoinvd=on,skip-l1dfl-vmentry=on,pschange-mc-no=on,vmx-ins-outs=on,vmx-true-ctls=on,vmx-store-lma=on,vmx-activity-hlt=on,vmx-activity-wait-sipi=on,vmx-vmwrite-vmexit-fields=on,vmx-apicv-xapic=on,vmx-ept=on,vmx-desc-exit=on,vmx-rdtscp-exit=on,vmx-apicv-x2apic=on,vmx-vpid=on,vmx-wbinvd-exit=on,vmx-unrestricted-guest=on,vmx-apicv-register=on,vmx-apicv-vid=on,vmx-rdrand-exit=on,vmx-invpcid-exit=on,vmx-vmfunc=on,vmx-shadow-vmcs=on,vmx-rdseed-exit=on,vmx-pml=on,vmx-xsaves=on,vmx-tsc-scaling=on,vmx-ept-execonly=on,vmx-page-walk-4=on,vmx-ept-2mb=on,vmx-ept-1gb=on,vmx-invept=on,vmx-eptad=on,vmx-invept-single-context=on,vmx-invept-all-context=on,vmx-invvpid=on,vmx-invvpid-single-addr=on,vmx-invvpid-all-context=on,vmx-invept-single-context-noglobals=on,vmx-intr-exit=on,vmx-nmi-exit=on,vmx-vnmi=on,vmx-preemption-timer=on,vmx-posted-intr=on,vmx-vintr-pending=on,vmx-tsc-offset=on,vmx-hlt-exit=on,vmx-invlpg-exit=on,vmx-mwait-exit=on,vmx-rdpmc-exit=on,vmx-rdtsc-exit=on,vmx-cr3-load-noexit=on,vmx-cr3-store-noexit=on,vmx-cr8-load-exit=on,vmx-cr8-store-exit=on,vmx-flexpriority=on,vmx-vnmi-pending=on,vmx-movdr-exit=on,vmx-io-exit=on,vmx-io-bitmap=on,vmx-mtf=on,vmx-msr-bitmap=on,vmx-monitor-exit=on,vmx-pause-exit=on,vmx-secondary-ctls=on,vmx-exit-nosave-debugctl=on,vmx-exit-load-perf-global-ctrl=on,vmx-exit-ack-intr=on,vmx-exit-save-pat=on,vmx-exit-load-pat=on,vmx-exit-save-efer=on,vmx-exit-load-efer=on,vmx-exit-save-preemption-timer=on,vmx-entry-noload-debugctl=on,vmx-entry-ia32e-mode=on,vmx-entry-load-perf-global-ctrl=on,vmx-entry-load-pat=on,vmx-entry-load-efer=on,vmx-eptp-switching=on,avx2=off,enforce
EPYC-Milan,pcid=off,x2apic=on,tsc-deadline=on,hypervisor=on,vme=off,tsc-adjust=on,invpcid=off,rdseed=off,sha-ni=off,rdpid=off,fsrm=off,arch-capabilities=on,xsavec=off,xsaves=off,misalignsse=off,3dnowprefetch=off,osvw=off,topoext=off,perfctr-core=off,fxsr-opt=off,clzero=off,xsaveerptr=off,wbnoinvd=off,ibpb=off,ibrs=off,amd-stibp=off,amd-ssbd=off,nrip-save=off,vmcb-clean=on,flushbyasid=on,rdctl-no=on,skip-l1dfl-vmentry=on,mds-no=on,pschange-mc-no=on,avx2=off,enforce
minimum is host-model where the host has the model
status 3
status 3
sha256:0ef1958c9cea70cfcf828aff3eaa524b13eb0d69ee1918a1df4387647cd1f28b
sha256:0ef1958c9cea70cfcf828aff3eaa524b13eb0d69ee1918a1df4387647cd1f28b
status 4
sha256:8ca99c2163d43ea3918c2f9bf2f1ef68bf26e5c3f01c2ab810aa304783685e74  -
=== err
gabi: note: libvirt takes the host for a Skylake-Server, as its release 11.3 chooses; virsh dumpxml of the running domain has what it chose
gabi: note: libvirt takes the host for a EPYC-Milan, as its release 11.3 chooses; virsh dumpxml of the running domain has what it chose
gabi: note: vmcb-clean is off, since it needs svm
gabi: note: flushbyasid is off, since it needs svm
gabi: note: libvirt takes the host for a Skylake-Server, as its release 11.3 chooses; virsh dumpxml of the running domain has what it chose
gabi: note: libvirt takes the host for a Skylake-Server, as its release 11.3 chooses; virsh dumpxml of the running domain has what it chose
gabi: too-much.xml:2:1: /domain/cpu/model: the host lacks hle and other features of the model: libvirt does not start the domain there
gabi: strict.xml:2:1: /domain/cpu/model: the host has pclmulqdq and other features beyond the model: libvirt does not start a domain of match='strict' there
gabi: arm64.xml:1:1: /domain/cpu: on arm64 libvirt has no mode='host-model'
