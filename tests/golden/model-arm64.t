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
gabi emit --as libvirt $OLDPWD/contract.json arm64-max-linux-6.12.json || echo "status $?"
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
MODEL        HOST LACKS  HOST HAS MORE
neoverse-n1           1             10
Neoverse-N1           0            132
cortex-a76            1             12
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
status 2
status 3
=== err
gabi: note: assumed KVM
gabi: what stands before QEMU has its own words for a CPU on x86 alone
gabi: arm64-cortex-a57-linux-6.1.json: the manifest is of arm64, whose guests are of -machine virt, and the line is of pc-i440fx-11.1
