Cloud Hypervisor's argument with what it cannot leave out, and a file for Prometheus.
=== run
cp $HOSTS/amd-epyc-milan-linux-6.12.json host.json
gabi pin --cloud-hypervisor kvm_hyperv=on,nested=off,max_phys_bits=39 host.json -o windows.json
gabi emit --as cloud-hypervisor windows.json host.json -o cpus
cat cpus
gabi pin --cloud-hypervisor "$(cat cpus)" host.json -o again.json
cmp <(gabi show -d windows.json | cut -d' ' -f1) <(gabi show -d again.json | cut -d' ' -f1) && echo same
gabi pin --cloud-hypervisor boot=1 host.json -o all.json
gabi pin --minus avx2,clwb all.json -o less.json
gabi emit --as cloud_hypervisor less.json host.json || echo "status $?"
gabi emit --as prometheus host.json | grep -E '^#|info|vmcb-clean|phys-bits'
gabi emit --as prometheus all.json || echo "status $?"
=== status 0
=== out
--cpus boot=1,max_phys_bits=39,kvm_hyperv=on,nested=off
same
--cpus boot=1,max_phys_bits=40,kvm_hyperv=off,nested=on
status 1
# HELP gabi_host_info What is known of the host beside what it offers; always 1.
# TYPE gabi_host_info gauge
gabi_host_info{host="amd-epyc-milan-linux-6.12",arch="x86",kernel="6.12.107+deb13-amd64",vendor="AuthenticAMD",cpu="AMD EPYC-Milan Processor",signature="0xa00f11",microcode="0x1000065",firmware="1.16.2-debian-1.16.2-1 (0.0)"} 1
# HELP gabi_host_feature A feature that the host can give a guest; absent where it cannot.
# TYPE gabi_host_feature gauge
gabi_host_feature{name="vmcb-clean",section="cpuid"} 1
# HELP gabi_host_number A number that the host can give a guest: a width, a size, a version; absent where it is none.
# TYPE gabi_host_number gauge
gabi_host_number{name="phys-bits",section="cpuid"} 40
status 3
=== err
gabi: note: how many CPUs there are, and their topology, is no promise: set boot, max and topology as the VM has them
gabi: note: how many CPUs there are, and their topology, is no promise: set boot, max and topology as the VM has them
gabi: not expressed: avx2 (cpuid 0x7.0x0 ebx): promised 0x0, given 0x1000020: Cloud Hypervisor gives a guest what the host has; --cpus cannot say it otherwise
gabi: all.json: /gabi: a file that says "host" here is wanted, and this one is something else
