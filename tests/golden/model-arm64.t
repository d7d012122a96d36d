Models of arm64, and the guest of a line there.
=== run
gabi model list neoverse-n1
gabi model list Kunpeng
gabi model diff cortex-a53 cortex-a72 || echo "status $?"
gabi model diff a64fx a64fx,sve512=off,pmu=off || echo "status $?"
gabi model show Kunpeng-920
gabi model fit $HOSTS/arm64-neoverse-n1-linux-6.12.json | head -7
cd $HOSTS
gabi pin --qemu '-M virt-7.2 -cpu cortex-a57,pmu=off' arm64-cortex-a57-linux-6.1.json arm64-cortex-a57-linux-6.12.json arm64-cortex-a72-linux-6.1.json amd-epyc-linux-6.1.json || echo "status $?"
gabi pin --qemu '-M virt-7.2 -cpu host,sve256=on,pauth=off' arm64-max-linux-6.12.json 2>/dev/null >$OLDPWD/contract.json
gabi emit --as qemu $OLDPWD/contract.json arm64-max-linux-6.12.json
gabi emit --as libvirt $OLDPWD/contract.json arm64-max-linux-6.12.json
gabi emit --as kubevirt $OLDPWD/contract.json arm64-max-linux-6.12.json
gabi pin --qemu 'host' arm64-cortex-a57-linux-6.1.json || echo "status $?"
=== status 0
=== out
Models
MODEL        PARENT      SINCE     CHANGES
neoverse-n1  cortex-a76  QEMU 7.2  midr.partnum=0xd0c id-aa64pfr1.ssbs=2 id-aa64mmfr0.parange=5
Models
MODEL        PARENT  SINCE        CHANGES
Kunpeng-920          libvirt 9.0  midr.implementer=0x48 midr.partnum=0xd01
Differences
NAME                  FIRST  SECOND
midr.revision         4      3
midr.partnum          3331   3336
revidr                256    0
id-mmfr0.auxreg       1      2
id-aa64mmfr0.parange  2      4
ctr.l1ip              2      3
status 1
Differences
NAME                FIRST  SECOND
id-aa64dfr0.pmuver  4      0
sve-lengths         11     3
status 1
Model: Kunpeng-920
Since: libvirt 9.0
Changes: midr.implementer=0x48 midr.partnum=0xd01

Asks for
WORD                           VALUE  MEANS
arm64 0x603000000013c000  0x4800d010  midr.partnum=3329 midr.implementer=72
Nearest, made the same: host: with KVM the CPU is the host's own

Nearest models
MODEL         HOST LACKS  HOST HAS MORE
neoverse-n1            1              8
Neoverse-N1            0            130
cortex-a76             1             10
Machine: virt-7.2
CPU: cortex-a57,pmu=off

Beside the first host
GUEST    HOST                         WHERE
differs  arm64-cortex-a57-linux-6.12  ccsidr-l1d.associativity ccsidr-l1d.numsets ccsidr-l1d.policy
                                      ccsidr-l1i.associativity ccsidr-l1i.numsets ccsidr-l1i.policy
                                      ccsidr-l2d.linesize ccsidr-l2d.associativity
                                      ccsidr-l2d.numsets ccsidr-l2d.policy clidr.ctype2 clidr.loc
                                      pmcr.idcode pmcr.imp, 31 saved registers
refused  arm64-cortex-a72-linux-6.1   KVM gives a guest a cortex-a57 on that CPU alone, and the host
                                      is another
refused  amd-epyc-linux-6.1           another architecture
status 1
-machine virt-7.2,accel=kvm -cpu host,pauth=off,sve256=on
<domain type='kvm'>
  <os>
    <type arch='aarch64' machine='virt-7.2'>hvm</type>
  </os>
  <cpu mode='host-passthrough' check='none'>
    <feature policy='disable' name='pauth'/>
    <feature policy='require' name='sve256'/>
  </cpu>
</domain>
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstance
metadata:
  name: gabi
spec:
  architecture: arm64
  nodeSelector:
    kubernetes.io/arch: arm64
  domain:
    machine:
      type: virt-7.2
    cpu:
      model: host-passthrough
      features:
      - name: pauth
        policy: disable
      - name: sve384
        policy: disable
      - name: sve512
        policy: disable
      - name: sve640
        policy: disable
      - name: sve768
        policy: disable
      - name: sve896
        policy: disable
      - name: sve1024
        policy: disable
      - name: sve1152
        policy: disable
      - name: sve1280
        policy: disable
      - name: sve1408
        policy: disable
      - name: sve1536
        policy: disable
      - name: sve1664
        policy: disable
      - name: sve1792
        policy: disable
      - name: sve1920
        policy: disable
      - name: sve2048
        policy: disable
    resources:
      requests:
        memory: 1Gi
    devices: {}
status 3
=== err
gabi: note: assumed KVM
gabi: note: these are the parts of a domain that decide what its guest sees of the CPU; memory, devices and the number of CPUs are to be added
gabi: note: KubeVirt labels no CPU of an arm64 node: nothing here keeps the VM off a node with another one; give those that gabi check finds to fit a label of your own, and select that
gabi: note: name, memory, devices and the number of CPUs are examples
gabi: arm64-cortex-a57-linux-6.1.json: the manifest is of arm64, whose guests are of -machine virt, and the line is of pc-i440fx-11.1
