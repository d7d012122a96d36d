How a command is used.
=== run
gabi help | head -n 2
gabi help pin
gabi check --help
gabi version
=== status 0
=== out
Usage: gabi COMMAND [OPTION]... [OPERAND]...
Keeps the ABI that a guest sees the same for its whole life.
Usage: gabi pin [OPTION]... FILE [HOST]...
Use it to write the contract of a guest that is given all a host offers.

  -h, --help               say how the command is used, and stop
  -j, --json               print JSON instead of tables
  -o, --output FILE        write to FILE, whole or not at all, instead of standard output
      --offer FILE         lay the offer of a VMM over every host
  -m, --minus NAME,..      leave out the named features
  -n, --name TEXT          give the result, or the guest, that name
  -q, --qemu LINE          the guest of that QEMU command line: -cpu ..., @FILE or -
      --evmcs              with the enlightened VMCS, which is promised to no guest by default
      --firecracker FILE   lay a CPU template of Firecracker over the host
      --cloud-hypervisor CPUS as Cloud Hypervisor with these --cpus gives it to a guest
      --libvirt FILE       the guest of that libvirt domain, as virsh dumpxml prints it
      --models PATH        take the CPU models of that file, or of all files in that folder, as well
Usage: gabi check [OPTION]... CONTRACT HOST...
Use it to say whether a contract fits hosts, and why not.

  -h, --help               say how the command is used, and stop
  -j, --json               print JSON instead of tables
      --offer FILE         lay the offer of a VMM over every host
  -a, --all                leave nothing out of the tables
gabi 0.1.0
=== err
