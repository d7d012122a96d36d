#!/bin/bash
# SPDX-License-Identifier: MIT
# completion.sh GABI SOURCE: what the shells offer, asked of the shells themselves.
set -uo pipefail
gabi=$(readlink -f "$1")
files=$(readlink -f "$2")/tools/gabi/completion
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/dir"
ln -s "$gabi" "$work/bin/gabi"
PATH=$work/bin:$PATH
cd "$work/dir" && touch web.json
failed=0

# bash_gives EXPECTED WORD...: the last word is the one that is completed
# shellcheck disable=SC2034 # the completion reads them
bash_gives() {
	local expected=$1 seen
	shift
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_gabi
	seen=$(printf '%s ' "${COMPREPLY[@]}")
	[[ " $seen" == *" $expected "* ]] || { echo "bash: '$*' gives '$seen', without '$expected'"; failed=1; }
}
# shellcheck disable=SC2317 # the completion calls it
compopt() { :; } # there is no completion under way
# shellcheck source=/dev/null
source "$files/gabi.bash"
bash_gives rollback gabi rol
bash_gives version gabi ''
bash_gives --minus= gabi pin --m
bash_gives --all gabi check --a
bash_gives avx512f gabi pin host.json --minus avx512
bash_gives avx2,avx512f gabi pin host.json --minus avx2,avx512
bash_gives avx512f gabi pin --minus = avx512
bash_gives guest gabi import --view = g
bash_gives web.json gabi check w
bash_gives qemu gabi emit --as = q
bash_gives check gabi help ch
bash_gives diff gabi model d
bash_gives replay gabi hv r
bash_gives offer gabi hv o
bash_gives all gabi hv replay --save-at = a
bash_gives 32 gabi vmcs convert --host-bits = 3
bash_gives --json gabi model --j
bash_gives resume gabi ctl web res
bash_gives Icelake-Server-noTSX gabi model show Icelake
bash_gives EPYC-Milan-v2 gabi model diff EPYC-Rome EPYC-M
bash_gives web.json gabi model fit w
bash_gives vmx-tsc-scaling gabi explain vmx-tsc
bash_gives MSR_IA32_VMX_BASIC gabi explain MSR_IA32_VMX_B

# zsh completes only on a terminal of its own: one is made by zpty, and what it shows is read.
if ! command -v zsh >/dev/null; then
	without='zsh is not installed'
elif ! zsh -f -c 'zmodload zsh/zpty && zpty shell true' 2>/dev/null; then
	without='zsh gets no terminal here'
else
	without=
fi
if [[ -z $without ]]; then
	zsh_gives() {
		local expected=$1 line=$2 seen
		seen=$(FILES=$files LINE=$line EXPECTED=$expected timeout 60 zsh -f <<'END'
zmodload zsh/zpty
zpty shell 'TERM=dumb COLUMNS=200 zsh -f -i'
zpty -w shell 'PS1=; fpath=($FILES $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=10000; zstyle ":completion:*" list-prompt ""; setopt no_beep; echo READ"Y"'
zpty -r shell text '*READY*'
zpty -w -n shell "$LINE"$'\t\t'
repeat 100; do
	while zpty -rt shell text; do seen+=$text; done
	[[ $seen == *$EXPECTED* ]] && break
	sleep 0.1
done
print -rn -- "$seen"
zpty -d shell
END
)
		[[ $seen == *"$expected"* ]] || { echo "zsh: '$line' gives '$seen', without '$expected'"; failed=1; }
	}
	zsh_gives 'gabi rollback' 'gabi rollb'
	zsh_gives '--minus=' 'gabi pin --mi'
	zsh_gives 'avx512f' 'gabi pin --minus=avx51'
	zsh_gives 'guest' 'gabi import --view=gu'
	zsh_gives 'web.json' 'gabi check we'
	zsh_gives '--host-bits=' 'gabi vmcs convert --ho'
	zsh_gives 'qemu' 'gabi emit --as=qe'
	zsh_gives 'Icelake-Server-noTSX' 'gabi model show Icelake-Server-n'
	zsh_gives 'web.json' 'gabi model fit we'
	zsh_gives 'resume' 'gabi ctl web resu'
	zsh_gives 'vmx-tsc-scaling' 'gabi explain vmx-tsc-sc'
else
	echo "$without: its completion is not tested"
	((failed)) || exit 77
fi
exit $failed
