#!/bin/sh
# SPDX-License-Identifier: MIT
# Holds evmcs_filter.def against nested_evmcs_filter_control_msr() itself, compiled out of the kernel's source:
#   evmcs_filter_linux.sh PRINT_LAYOUT CC [TREE...]
# shellcheck disable=SC2154 # $dir is set by linux_trees.sh
set -eu
print=$1 cc=$2
shift 2
# shellcheck disable=SC1091 # beside this file
. "$(dirname "$0")/linux_trees.sh"

status=0
for tree; do
	version=$(version_of "$tree")
	vmx=$tree/arch/x86/kvm/vmx
	source=$vmx/hyperv.c
	grep -q '^void nested_evmcs_filter_control_msr' "$source" 2>/dev/null || source=$vmx/evmcs.c
	lists=$(grep -lE '^#define EVMCS1_(UN)?SUPPORTED' "$vmx"/*.h | head -n 1)
	{
		cat <<-'C'
			#include <stdbool.h>
			#include <stdint.h>
			#include <stdio.h>
			typedef uint64_t u64; typedef uint32_t u32; typedef uint16_t u16;
			#define BIT(n) (1u << (n))
			#define BIT_ULL(n) (1ull << (n))
			#define VMCS_CONTROL_BIT(x) BIT(VMX_FEATURE_##x & 0x1f)
			#define WARN_ON_ONCE(x) (x)
			#define HV_X64_NESTED_EVMCS1_PERF_GLOBAL_CTRL 1
			struct kvm_vcpu_hv { struct { u32 nested_ebx; } cpuid_cache; };
			struct kvm_vcpu { struct kvm_vcpu_hv hv; };
			#define to_hv_vcpu(v) (&(v)->hv)
		C
		grep -h 'define VMX_FEATURE_' "$tree/arch/x86/include/asm/vmxfeatures.h"
		grep -h 'define MSR_IA32_VMX_' "$tree/arch/x86/include/asm/msr-index.h"
		grep -hE 'define (PIN_BASED|CPU_BASED|SECONDARY_EXEC|VM_EXIT|VM_ENTRY|VMX_VMFUNC|VMX_FEATURE)_[A-Z0-9_]+[[:space:]]+(VMCS_CONTROL_BIT|0x|BIT|VMFUNC_CONTROL_BIT)' \
			"$tree/arch/x86/include/asm/vmx.h"
		sed -n '/^#define VMFUNC_CONTROL_BIT/p' "$tree/arch/x86/include/asm/vmx.h"
		awk '/^#define EVMCS1_(UN)?SUPPORTED/ || more { print; more = /\\$/ }' "$lists"
		sed -n '/^enum evmcs_revision/,/^uint16_t\|^int/p' "$source" | sed '/^void nested_evmcs_filter/,$d'
		cut "$source" '^void nested_evmcs_filter_control_msr' '^}'
		if grep -q 'filter_control_msr(struct kvm_vcpu' "$source"; then
			echo '#define FILTER(v, i, d) nested_evmcs_filter_control_msr(v, i, d)'
		else
			echo '#define FILTER(v, i, d) nested_evmcs_filter_control_msr(i, d)'
		fi
		cat <<-'C'
			int main(void)
			{
				for (u32 perf = 0; perf < 2; perf++)
					for (u32 msr = 0x480; msr <= 0x493; msr++) {
						struct kvm_vcpu vcpu = { { { perf } } };
						u64 value = ~0ull;
						(void)vcpu;
						FILTER(&vcpu, msr, &value);
						printf("%x %u %016llx\n", msr, perf, (unsigned long long)value);
					}
				return 0;
			}
		C
	} >"$dir/filter.c"
	$cc -std=gnu11 -w -o "$dir/filter" "$dir/filter.c"
	"$dir/filter" >"$dir/theirs"
	"$print" filter "$version" >"$dir/ours"
	[ "$(grep -vc ffffffffffffffff "$dir/theirs")" -ge 10 ] || { echo "$tree: the kernel's function filters nothing"; exit 1; }
	if diff "$dir/theirs" "$dir/ours"; then
		echo "$version: $(wc -l <"$dir/theirs") values equal"
	else
		echo "the filter of $version differs from $tree"
		status=1
	fi
done
exit $status
