What gabi emit can write; what is no format, and what a format is made of.
=== run
gabi emit --list | grep -x qemu
gabi pin $HOSTS/amd-epyc-rome-linux-6.1.json -o web.json
gabi emit --as qemu web.json || echo $?
gabi emit --as vmx web.json 2>&1 | sed 's/;.*/; .../'
gabi emit web.json 2>&1 | sed 's/:.*/: .../'
gabi pin $HOSTS/intel-skylake-x-linux-6.1.json -o intel.json
for format in qemu libvirt firecracker; do gabi emit --as $format intel.json $HOSTS/amd-epyc-rome-linux-6.1.json || echo $?; done
=== status 0
=== out
qemu
2
gabi: emit: 'vmx' is no format; ...
gabi: ...
3
3
3
=== err
gabi: emit: qemu is made of a contract and a host; usage: gabi emit --as qemu [OPTION]... CONTRACT HOST
gabi: the contract is of another vendor's CPU than the host: no guest of it can run there
gabi: the contract is of another vendor's CPU than the host: no guest of it can run there
gabi: the contract is of another vendor's CPU than the host: no guest of it can run there
