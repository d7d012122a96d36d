# SPDX-License-Identifier: MIT
# bash completion for gabi. What there is to complete, gabi itself knows.
# shellcheck shell=bash

_gabi() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} list
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$(gabi help --list)" -- "$word")
		return
	fi
	# "--minus=a,b" comes as the words --minus, =, a,b
	[[ $word == '=' ]] && word=
	[[ $before == '=' ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
	case $before in
	--minus | -m)
		local done=
		[[ $word == *,* ]] && done=${word%,*},
		mapfile -t COMPREPLY < <(compgen -P "$done" -W "$(gabi names --list)" -- "${word##*,}")
		compopt -o nospace
		return
		;;
	--view) list='kvm guest cpu' ;;
	--format) list='firecracker cpuid qemu libvirt' ;;
	--as) list=$(gabi emit --list) ;;
	--host-bits) list='32 64' ;;
	--arch) list='x86 arm64' ;;
	--save-at) list=all ;;
	--name | -n | --kernel | -k | --to | --layout | --cpus | --memory | --append | --incoming | --downtime) return ;;
	hv) [[ $word == -* ]] || list='offer replay show' ;;
	help) list=$(gabi help --list) ;;
	explain) [[ $word == -* ]] || list=$(gabi explain --list) ;;
	model) [[ $word == -* ]] || list='list show diff fit' ;;
	ctl | top | save | migrate) [[ $word == -* ]] || list=$(gabi ps --list 2>/dev/null) ;;
	esac
	[[ $command == ctl && $word != -* ]] && ((COMP_CWORD == 3)) && list=$(gabi ctl --list)
	# The operands of "model show" and "model diff" are models and not files.
	[[ $command == model && ${COMP_WORDS[2]} =~ ^(list|show|diff)$ && $word != -* ]] && ((COMP_CWORD > 2)) && list=$(gabi model list --list)
	[[ -z ${list:-} && $word == -* ]] && list=$(gabi help --list "$command" 2>/dev/null)
	if [[ ${list:-} ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$list" -- "$word")
		[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
		return
	fi
	mapfile -t COMPREPLY < <(compgen -f -- "$word")
	compopt -o filenames
}
complete -F _gabi gabi
