The guest of a QEMU command line on a host, and what the same line gives on others.
=== file start.sh
#!/bin/sh
# web-7
exec qemu-system-x86_64 -name web-7 -machine pc-q35-7.2,accel=kvm \
	-cpu EPYC-Rome,hv-relaxed,hv-vapic,-svm -smp 4 -m 8G \
	-drive file=web.img,if=virtio
=== file machine.cfg
[machine]
  type = "pc-q35-7.2"
  accel = "kvm"
=== run
gabi pin --qemu @start.sh $HOSTS/amd-epyc-rome-linux-6.1.json -n web-7 -o web.json
gabi show web.json | grep -E 'digest|hv-relaxed|kvm-leaf-base' | sed 's/sha256:.*/sha256:.../'
gabi pin --qemu - -o b.json $HOSTS/amd-epyc-rome-linux-6.1.json <machine.cfg
gabi pin --qemu '-cpu EPYC-Rome -M pc-q35-7.2' $HOSTS/amd-epyc-rome-linux-{5.10,6.1,6.12,7.2}.json $HOSTS/arm64-max-linux-6.1.json || echo $?
cp $HOSTS/amd-epyc-rome-linux-6.1.json rome.json
gabi pin --json --qemu 'EPYC-Rome,enforce' rome.json || echo $?
gabi pin --qemu 'EPYC,hv-evmcs' $HOSTS/amd-epyc-linux-6.1.json || echo $?
gabi pin --qemu 'EPYC,hv-evmcs,hv-vapic' $HOSTS/amd-epyc-linux-6.1.json || echo $?
gabi pin --qemu 'EPYC-Roma' $HOSTS/amd-epyc-linux-6.1.json || echo $?
gabi pin --qemu '-cpu EPYC -machin q35' $HOSTS/amd-epyc-linux-6.1.json || echo $?
gabi pin --qemu 'EPYC,+avx3' $HOSTS/amd-epyc-linux-6.1.json || echo $?
gabi pin --qemu EPYC --minus avx $HOSTS/amd-epyc-linux-6.1.json || echo $?
gabi pin $HOSTS/amd-epyc-linux-6.1.json $HOSTS/amd-epyc-linux-7.2.json || echo $?
gabi pin --qemu EPYC $HOSTS/arm64-max-linux-6.1.json 2>&1 | sed 's/.*: the/the/'
=== status 0
=== out
HYPERV_CPUID_ENLIGHTMENT_INFO          eax         0x28  hv-apic-access hv-relaxed
kvm-leaf-base                          0xd   0x40000100  kvm-leaf-base=1073742080
Machine: pc-q35-7.2
CPU: EPYC-Rome

Beside the first host
GUEST       HOST                      WHERE
same guest  amd-epyc-rome-linux-6.1
differs     amd-epyc-rome-linux-6.12  8 saved registers
differs     amd-epyc-rome-linux-7.2   cpuid-fault, 14 saved registers
refused     arm64-max-linux-6.1       another architecture
1
4
2
2
2
2
2
2
2
the manifest is of arm64, whose guests are of -machine virt, and the line is of pc-i440fx-11.1
=== err
gabi: note: passed over: -name, -m, -drive
gabi: note: the host lacks what is asked for: vme rdseed sha-ni rdpid xsavec xsaves misalignsse 3dnowprefetch osvw perfctr-core fxsr-opt clzero xsaveerptr wbnoinvd ibpb amd-stibp; QEMU starts without it, unless enforce is on
gabi: note: assumed CPU qemu64: no -cpu is given
gabi: note: assumed KVM
gabi: note: the host lacks what is asked for: vme rdseed sha-ni rdpid xsavec xsaves misalignsse 3dnowprefetch osvw perfctr-core fxsr-opt clzero xsaveerptr wbnoinvd ibpb amd-stibp; QEMU starts without it, unless enforce is on
gabi: note: assumed machine pc-i440fx-11.1: no -machine is given
gabi: note: assumed KVM
gabi: note: the host lacks what is asked for: vme rdseed sha-ni rdpid xsavec xsaves misalignsse 3dnowprefetch osvw perfctr-core fxsr-opt clzero xsaveerptr wbnoinvd ibpb amd-stibp; QEMU starts without it, unless enforce is on
gabi: rome.json: QEMU would not start: the host lacks vme, rdseed, sha-ni, rdpid, xsavec, xsaves and 10 more, and enforce is on
gabi: hv-evmcs needs hv-vapic: add it, or take hv-evmcs away
gabi: hv-evmcs needs vmx: add it, or take hv-evmcs away
gabi: there is no CPU model "EPYC-Roma"; near it is EPYC-Rome
gabi: QEMU has no option "-machin"; near it is machine
gabi: QEMU has no CPU property "avx3"; near it are avx, avx2 and adx
gabi: pin: --qemu and --libvirt say what the guest has; --minus, --evmcs and what other VMMs are told go without it
gabi: pin: other hosts are compared, models are read and JSON is printed with one of --qemu and --libvirt alone
