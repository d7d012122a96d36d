#!/bin/sh
# SPDX-License-Identifier: MIT
# Holds the rows of vmcs_field.def, vmcs12.def and evmcs1.def against the kernel's own headers, compiled:
#   vmcs_linux.sh PRINT_LAYOUT CC [TREE...]
# TREE is an unpacked kernel source; without one, every linux-source package installed under /usr/src is used.
# Exit 77 where there is none.
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
	hyperv=$tree/include/hyperv/hvgdk.h
	[ -e "$hyperv" ] || hyperv=$tree/arch/x86/include/asm/hyperv-tlfs.h
	map=$vmx/hyperv_evmcs.c
	[ -e "$map" ] || map=$vmx/evmcs.c
	{
		cat <<-'C'
			#include <stddef.h>
			#include <stdint.h>
			#include <stdio.h>
			typedef uint64_t u64, natural_width; typedef uint32_t u32; typedef uint16_t u16; typedef uint8_t u8;
			#define __packed __attribute__((packed))
			#define BIT(n) (1u << (n))
		C
		cut "$tree/arch/x86/include/asm/vmx.h" '^enum vmcs_field' '^};'
		cat "$vmx/vmcs.h" "$tree/arch/x86/include/asm/vmx.h" | sed -n "/^struct vmcs_hdr/,/^};/p"
		cut "$vmx/vmcs12.h" '^struct __packed vmcs12' '^};'
		cut "$hyperv" '^struct hv_enlightened_vmcs' '^}'
		grep -h 'define HV_VMX_ENLIGHTENED_CLEAN_FIELD_' "$hyperv" | grep -v '\\$'
		cat <<-'C'
			static unsigned group(unsigned mask, unsigned all)
			{
				return mask == 0 ? 16 : mask == all ? 17 : (unsigned)__builtin_ctz(mask);
			}
			int main(int argc, char **argv)
			{
				if (argc > 1 && argv[1][0] == 'v') {
					printf("size %zu\n", sizeof(struct vmcs12));
			#define FIELD(number, name) printf("%04x %zu\n", number, offsetof(struct vmcs12, name));
			#define FIELD64(number, name) FIELD(number, name)
		C
		grep -E '^[[:space:]]FIELD(64)?\([A-Z]' "$vmx/vmcs12.c" | sed 's/),$/)/'
		cat <<-'C'
				} else if (argc > 1 && argv[1][0] == 'e') {
					printf("size %zu\n", sizeof(struct hv_enlightened_vmcs));
			#define EVMCS1_FIELD(number, name, clean) printf("%04x %zu %u\n", number, \
				offsetof(struct hv_enlightened_vmcs, name), group(HV_VMX_ENLIGHTENED_CLEAN_FIELD_##clean, 0xffff));
		C
		cut "$map" '^const struct evmcs_field vmcs_field_to_evmcs_1' '^};' | sed '1d;$d;s/HV_VMX_ENLIGHTENED_CLEAN_FIELD_//;s/),$/)/' |
			grep -v 'EVMCS1_FIELD64$'
		printf '\t\t} else {\n'
		cut "$tree/arch/x86/include/asm/vmx.h" '^enum vmcs_field' '^};' | grep -oE '^[[:space:]]+[A-Z][A-Z0-9_]+' |
			sed 's/.*/printf("%04x &\\n", &);/;s/\t//g'
		printf '\t\t}\n\treturn 0;\n}\n'
	} >"$dir/kernel.c"
	$cc -std=gnu11 -w -o "$dir/kernel" "$dir/kernel.c"

	for family in vmcs12 evmcs; do
		case $family in vmcs12) layout=kvm-$version ;; *) layout=evmcs-$version ;; esac
		"$dir/kernel" $family | sort -u >"$dir/theirs"
		"$print" "$layout" | sort >"$dir/ours"
		[ "$(wc -l <"$dir/theirs")" -gt 100 ] || { echo "$tree: found no $family fields"; exit 1; }
		if diff "$dir/theirs" "$dir/ours"; then
			echo "$layout: $(wc -l <"$dir/theirs") lines equal"
		else
			echo "$layout differs from $tree"
			status=1
		fi
	done
	"$dir/kernel" | "$print" names || status=1
done
exit $status
