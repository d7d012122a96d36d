What gabi emit can write; what is no format, and what a format is made of.
=== run
gabi emit --list | grep -x qemu
gabi pin $HOSTS/amd-epyc-rome-linux-6.1.json -o web.json
gabi emit --as qemu web.json || echo $?
gabi emit --as vmx web.json 2>&1 | sed 's/;.*/; .../'
gabi emit web.json 2>&1 | sed 's/:.*/: .../'
=== status 0
=== out
qemu
2
gabi: emit: 'vmx' is no format; ...
gabi: ...
=== err
gabi: emit: qemu is made of a contract and a host; usage: gabi emit --as qemu [OPTION]... CONTRACT HOST
