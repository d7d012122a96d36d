#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures the Hyper-V engine beside KVM's own hypercalls, which are cut out of an installed linux-source-6.1 package for the run:
#   hv.sh CC LIBGABI_ARCHIVE SOURCE_ROOT [TREE]
# TREE is an unpacked source of that kernel. Without one, and without the package under /usr/src, only ours is measured.
set -eu
cc=$1 archive=$2 root=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tree=${4:-}
package=/usr/src/linux-source-6.1.tar.xz

if [ -z "$tree" ] && [ -e "$package" ]; then
	tree=$dir/linux
	mkdir "$tree"
	tar -xJf "$package" -C "$tree" --strip-components=1 --wildcards '*/arch/x86/kvm/hyperv.c' '*/arch/x86/include/asm/hyperv-tlfs.h' \
		'*/include/asm-generic/hyperv-tlfs.h'
fi

peer() { # PREFIX: one C file out of the kernel's source
	arch=$tree/arch/x86/include/asm/hyperv-tlfs.h generic=$tree/include/asm-generic/hyperv-tlfs.h
	echo '#include "kvm.h"'
	echo 'static int kvm_hv_hypercall(struct kvm_vcpu *vcpu);'
	grep -h '^#define HV' "$arch" "$generic" | grep -v '\\$'
	sed -n '/^#define HV_HYPERCALL_RSVD_MASK/,/)$/p;/^enum HV_GENERIC_SET_FORMAT/,/^}/p;/^struct hv_vpset/,/^}/p;/^struct hv_send_ipi/,/^}/p;/^struct hv_tlb_flush/,/^}/p' "$generic"
	sed -n '/^static void sparse_set_to_vcpu_mask/,/^}/p;/^struct kvm_hv_hcall {/,/^void kvm_hv_set_cpuid/{/^void kvm_hv_set_cpuid/!p}
		/^static void kvm_hv_hypercall_set_result/,/^void kvm_hv_init_vm/{/^void kvm_hv_init_vm/!p}' "$tree/arch/x86/kvm/hyperv.c"
	cat <<-C
		u64 *$1_setup(unsigned count, unsigned enforce, void *ram, u64 ram_len)
		{
			vm = (struct kvm){ .vcpus = count, .vcpu = vcpus, .ram = ram, .ram_len = ram_len };
			vm.arch.hyperv.conn_to_evt[2] = &event;
			for (unsigned i = 0; i < count; i++) {
				struct kvm_vcpu *v = &vcpus[i];

				*v = (struct kvm_vcpu){ .kvm = &vm, .run = &run, .vcpu_idx = i, .cr0 = 3, .arch.hyperv = &v->hv };
				v->hv = (struct kvm_vcpu_hv){ .vcpu = v, .vp_index = i, .enforce_cpuid = enforce, .synic.active = true };
				memset(&v->hv.cpuid_cache, 0xff, sizeof(v->hv.cpuid_cache));
				v->hv.cpuid_cache.enlightenments_ebx = 0xfff;
			}
			return vcpus[0].arch.regs;
		}
		u64 *$1_xmm(void) { return (u64 *)vcpus[0].arch.xmm; }
		void $1_call(void) { kvm_hv_hypercall(&vcpus[0]); }
	C
}

set --
if [ -n "$tree" ]; then
	# As a kernel is built: no vector registers, no alias analysis by type, and no tables of jumps. The second has tables.
	for name in kvm kvm_tables; do
		flag=-fno-jump-tables
		[ $name = kvm ] || flag=-fjump-tables
		peer $name >"$dir/$name.c"
		$cc -std=gnu11 -w -O2 -I"$root/bench/hv" -fno-strict-aliasing -fno-common -mno-sse -mno-mmx -mno-avx -mno-80387 -mno-red-zone \
			-fcf-protection=none -fno-asynchronous-unwind-tables -fno-stack-protector $flag -c -o "$dir/$name.o" "$dir/$name.c"
		set -- "$@" "$dir/$name.o"
	done
else
	echo "linux-source-6.1 is not installed: there is no peer to measure" >&2
fi
$cc -std=gnu11 -O3 -D_GNU_SOURCE -DNDEBUG -I"$root/include" -I"$root/src" -I"$root/bench" -o "$dir/bench" "$root/bench/hv/bench_hv.c" \
	"$root/bench/bench.c" "$@" "$archive" -lmd
"$dir/bench"
