Sets of Hyper-V flags: listed, shown, compared, in a -cpu argument, and which of them a host or a contract has.
=== run
gabi model list hyperv-virt-install-4
gabi model list --list hyperv-proxmox
gabi model show hyperv-virt-install-4.1
gabi model diff hyperv-kubevirt hyperv-nova || echo "status $?"
gabi model show 486,hyperv-virt-install-4.1 | head -4
gabi model show 486,-hyperv-nova || echo "status $?"
gabi model show 486,hyperv-qemu-intel || echo "status $?"
gabi pin --qemu '-M pc-q35-7.2 -cpu EPYC,hyperv-virt-install-4.1,-hv-vapic,hv-vpindex' $HOSTS/amd-epyc-linux-6.1.json -o guest.json
gabi model fit guest.json | sed -n '/Hyper-V/,$p'
gabi model fit --all $HOSTS/amd-epyc-linux-5.10.json | sed -n '/Hyper-V/,$p'
=== status 0
=== out
Hyper-V flags
SET                      OF                            FLAGS
hyperv-virt-install-4.1  virt-manager 4.1              hv-relaxed hv-vapic
                         virtinst/domain/features.py,  hv-spinlocks=0x1fff hv-time
                         clock.py
hyperv-proxmox
hyperv-proxmox-intel
Model: the host's, with these changes
Since: virt-manager 4.1 virtinst/domain/features.py, clock.py
QEMU is told: host,hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-time=on

Asks for
WORD                        VALUE  MEANS
hyperv 0x40000003.0x0 eax   0x212  hv-time-ref-count hv-vapic hv-time-reference-tsc
hyperv 0x40000004.0x0 eax    0x20  hv-relaxed
hyperv 0x40000004.0x0 ebx  0x1fff  hv-spinlocks=8191
Differences
NAME                FIRST  SECOND
hv-stimer           on     off
hv-reenlightenment  on     off
hv-stimer-direct    on     off
status 1
Model: 486-v1
Since: QEMU 7.2
Changes: vendor=GenuineIntel family=4 model=8 level=1 fpu hypervisor pse vme
QEMU is told: 486,hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-time=on
status 2
status 2
Nearest sets of Hyper-V flags
SET                      NOT THERE                                                        MORE
hyperv-virt-install-4.1  hv-vapic                                                         hv-vpindex
hyperv-proxmox           hv-vapic hv-runtime hv-synic hv-stimer hv-ipi hv-reset
hyperv-proxmox-intel     hv-vapic hv-runtime hv-synic hv-stimer hv-ipi hv-reset hv-evmcs
hyperv-nova              hv-vapic hv-runtime hv-synic hv-frequencies hv-tlbflush hv-ipi
                         hv-reset
hyperv-virt-install-5.1  hv-vapic hv-runtime hv-synic hv-stimer hv-stimer-direct
                         hv-frequencies hv-tlbflush hv-ipi hv-avic
Nearest sets of Hyper-V flags
SET                            NOT THERE                                                       MORE
hyperv-virt-install-4.1
hyperv-kubevirt
hyperv-proxmox
hyperv-nova
hyperv-virt-install-5.1        hv-avic
hyperv-proxmox-intel           hv-evmcs
hyperv-virt-install-5.1-intel  hv-avic hv-evmcs
hyperv-qemu                    hv-tlbflush-ext hv-tlbflush-direct hv-emsr-bitmap hv-xmm-input
hyperv-qemu-intel              hv-tlbflush-ext hv-tlbflush-direct hv-emsr-bitmap hv-xmm-input
                               hv-evmcs
=== err
gabi: "hyperv-nova" stands for several Hyper-V flags and can only be added, as its name alone; take flags away by their own names
gabi: hv-evmcs needs vmx: add it, or take hv-evmcs away
gabi: note: assumed KVM
gabi: note: a set of Hyper-V flags is no name of QEMU's, which is told -cpu 'EPYC,hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-time=on,-hv-vapic,hv-vpindex'
gabi: note: -hv-vapic overrides hv-vapic=on and =off, wherever they stand
gabi: note: the host lacks what is asked for: vme rdseed sha-ni xsavec misalignsse 3dnowprefetch osvw fxsr-opt; QEMU starts without it, unless enforce is on
