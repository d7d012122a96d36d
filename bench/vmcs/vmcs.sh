#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures the translation of VMCS pages beside the kernel's own copy, which is cut out of an installed linux-source package for the run:
#   vmcs.sh CC LIBGABI_ARCHIVE SOURCE_ROOT [TREE]
# TREE is an unpacked kernel source. Without one, and without a package under /usr/src, only ours is measured. COUNT=1 counts the instructions
# of a call as well: by callgrind, and of the AVX-512 code, which valgrind does not know and which has no branches, by looking at it.
set -eu
cc=$1 archive=$2 root=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tree=${4:-}

if [ -z "$tree" ]; then
	for package in /usr/src/linux-source-*.tar.xz; do
		[ -e "$package" ] || continue
		tree=$dir/linux
		rm -rf "$tree" && mkdir "$tree"
		tar -xJf "$package" -C "$tree" --strip-components=1 --wildcards '*/arch/x86/kvm/vmx' '*/arch/x86/include/asm/vmx.h' \
			'*/arch/x86/include/asm/hyperv-tlfs.h' 'linux-source-*/include/hyperv/*' 'linux-source-*/Makefile' 2>/dev/null || true
	done
fi

peer() { # PREFIX: one C file out of the kernel's source
	vmx=$tree/arch/x86/kvm/vmx
	hyperv=$tree/include/hyperv/hvgdk.h
	[ -e "$hyperv" ] || hyperv=$tree/arch/x86/include/asm/hyperv-tlfs.h
	cat <<-'C'
		#include <stdbool.h>
		#include <stddef.h>
		#include <stdint.h>
		typedef uint64_t u64, natural_width; typedef uint32_t u32; typedef uint16_t u16; typedef uint8_t u8;
		#define __packed __attribute__((packed))
		#define BIT(n) (1u << (n))
		#define unlikely(x) __builtin_expect(!!(x), 0)
		#define CONFIG_KVM_HYPERV 1
	C
	cat "$vmx/vmcs.h" "$tree/arch/x86/include/asm/vmx.h" | sed -n '/^struct vmcs_hdr/,/^};/p'
	sed -n '/^struct __packed vmcs12/,/^};/p' "$vmx/vmcs12.h"
	sed -n '/^struct hv_enlightened_vmcs/,/^}/p' "$hyperv"
	grep -h 'define HV_VMX_ENLIGHTENED_CLEAN_FIELD_' "$hyperv" | grep -v '\\$'
	cat <<-'C'
		struct kvm_vcpu_hv { struct { u64 pa_page_gpa, vm_id; u32 vp_id; } nested; };
		struct kvm_vcpu { struct kvm_vcpu_hv hv; };
		struct vcpu_vmx {
			struct kvm_vcpu vcpu;
			struct { struct vmcs12 *cached_vmcs12; struct hv_enlightened_vmcs *hv_evmcs; bool force_msr_bitmap_recalc; } nested;
		};
		#define to_hv_vcpu(v) (&(v)->hv)
		#define nested_vmx_evmcs(v) ((v)->nested.hv_evmcs)
	C
	sed -n '/^static void copy_enlightened_to_vmcs12/,/^}/p;/^static void copy_vmcs12_to_enlightened/,/^}/p' "$vmx/nested.c"
	cat <<-C
		static struct vcpu_vmx vmx;
		void $1_in(const void *from, void *to, u32 clean);
		void $1_in(const void *from, void *to, u32 clean)
		{
			vmx.nested.hv_evmcs = (void *)from;
			vmx.nested.cached_vmcs12 = to;
			copy_enlightened_to_vmcs12(&vmx, clean);
		}
		void $1_out(const void *from, void *to, u32 clean);
		void $1_out(const void *from, void *to, u32 clean)
		{
			vmx.nested.cached_vmcs12 = (void *)from;
			vmx.nested.hv_evmcs = to;
			copy_vmcs12_to_enlightened(&vmx);
		}
	C
}

if [ -n "$tree" ]; then
	peer peer_kernel >"$dir/kernel.c"
	peer peer_native >"$dir/native.c"
	# As a kernel is built: no vector registers, no alias analysis by type.
	$cc -std=gnu11 -w -O2 -fno-strict-aliasing -fno-common -mno-sse -mno-mmx -mno-avx -mno-80387 -mno-red-zone \
		-fcf-protection=none -fno-asynchronous-unwind-tables -fno-stack-protector -c -o "$dir/kernel.o" "$dir/kernel.c"
	$cc -std=gnu11 -w -O3 -march=native -c -o "$dir/native.o" "$dir/native.c"
else
	echo "no linux-source package under /usr/src: there is no peer to measure" >&2
fi
set -- "$dir"/*.o
[ -e "$1" ] || set --
$cc -std=gnu11 -O2 -I"$root/include" -I"$root/bench/vmcs" -o "$dir/bench" "$root/bench/vmcs/bench_vmcs.c" "$@" "$archive" -lmd
"$dir/bench"
[ -n "${COUNT:-}" ] || exit 0
command -v valgrind >/dev/null || { echo "COUNT: there is no valgrind" >&2; exit 1; }

callgrind() { # CASE PATH: instructions in the copies of 1000 calls; nothing if there is no such path
	valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no --toggle-collect='gabi_translation_run*' \
		--toggle-collect='peer_*' "$dir/bench" count "$1" "$2" 2>&1 | sed -n 's/.*Collected : //p'
}

for case in 'full in' 'full out' 'random clean fields, in' 'all clean, in' 'guest-basic and crdr dirty, in'; do
	for path in avx2 direct runs kernel; do
		count=$(callgrind "$case" "$path")
		[ "${count:-0}" -eq 0 ] ||
			echo "{\"bench\":\"vmcs\",\"case\":\"$case\",\"path\":\"$path\",\"n\":1000,\"instructions_per_op\":$((count / 1000))}"
	done
done
for way in in out; do
	count=$(objdump -d --no-show-raw-insn "--disassemble=gabi_wide_$way" "$dir/bench" | grep -c '^ .*:	[a-z]')
	echo "{\"bench\":\"vmcs\",\"case\":\"full $way\",\"path\":\"avx512\",\"n\":1,\"instructions_per_op\":$((count + 1))}"
done
