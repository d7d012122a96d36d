The machine is the newest whose QEMU has a name for everything that has one: a line for 7.2 names nothing that QEMU 7.2 would refuse.
=== run
host=$HOSTS/amd-epyc-rome-linux-6.1.json
for minus in avx2 gds-no,rfds-no,its-no,kvm-asyncpf-vmexit
do
	gabi pin --minus $minus $host -o web.json
	gabi emit --as qemu web.json $host 2>/dev/null | grep -oE 'pc-q35-[0-9.]*|.gds-no|.rfds-no|.its-no|.kvm-asyncpf-vmexit'
done
=== status 0
=== out
pc-q35-11.1
+kvm-asyncpf-vmexit
+gds-no
+rfds-no
+its-no
pc-q35-7.2
=== err
