#!/bin/bash
# SPDX-License-Identifier: MIT
# bad_input.sh GABI HOSTS: whatever a file holds, gabi says one sentence, ends with the right status, and leaves nothing
# half-written. Each case is a function; prints cmocka's lines, so that each is counted.
# shellcheck disable=SC2317 # the cases are called by their names
set -uo pipefail
gabi=$(readlink -f "$1")
hosts=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cp "$gabi" "$work/gabi" # so that an unprivileged user can run it wherever the build lies
cd "$work" || exit 1
umask 022
cp "$hosts/amd-epyc-rome-linux-5.10.json" host.json
cp "$hosts/arm64-neoverse-n1-linux-5.10.json" arm64.json
./gabi pin host.json -o contract.json || { echo "the case for all cases fails: pin"; exit 1; }

# fails STATUS TEXT COMMAND...: it ends so, prints nothing, and says one sentence with that text in it
fails() {
	local wanted=$1 text=$2 status=0
	shift 2
	"$@" >out 2>err || status=$?
	((status == wanted)) || { echo "status $status, and $wanted was expected: $*"; cat err; return 1; }
	[[ ! -s out ]] || { echo "it printed something: $*"; head -c 300 out; return 1; }
	(($(wc -l <err) == 1)) || { echo "not one line: $*"; cat err; return 1; }
	grep -qF -- "$text" err || { echo "no '$text' in: $(cat err)"; return 1; }
	[[ $(cat err) == gabi:* ]] || { echo "it does not begin with gabi: $(cat err)"; return 1; }
}

# Everything that reads a manifest, or a contract.
hosts_fail() {
	fails "$1" "$2" ./gabi show "$3" && fails "$1" "$2" ./gabi pin "$3" && fails "$1" "$2" ./gabi check contract.json "$3" &&
		fails "$1" "$2" ./gabi baseline host.json "$3" && fails "$1" "$2" ./gabi diff host.json "$3" &&
		fails "$1" "$2" ./gabi rollback contract.json --old "$3" --new host.json && fails "$1" "$2" ./gabi plan contract.json "$3"
}
contracts_fail() {
	fails "$1" "$2" ./gabi check "$3" host.json && fails "$1" "$2" ./gabi plan "$3" host.json &&
		fails "$1" "$2" ./gabi rollback "$3" --old host.json --new host.json && fails "$1" "$2" ./gabi show --digest "$3"
}

# ---- what a file may hold ----

empty() {
	: >empty.json
	hosts_fail 3 'empty.json:1:1: the text is empty' empty.json && contracts_fail 3 'the text is empty' empty.json
}

cut_off_anywhere() {
	local len
	for len in 1 2 10 100 1000 3000 5000 -3; do
		head -c "$len" host.json >cut.json
		fails 3 'cut.json:' ./gabi show cut.json || return 1
		head -c "$len" contract.json >cut.json
		fails 3 'cut.json:' ./gabi check cut.json host.json || return 1
	done
}

gigabyte() {
	truncate -s 1G huge.json
	hosts_fail 3 'huge.json: longer than 64 MiB' huge.json && contracts_fail 3 'longer than 64 MiB' huge.json
}

endless_pipe() {
	fails 3 'standard input: longer than 64 MiB' bash -c 'yes 2>/dev/null | ./gabi show -'
}

deep() {
	head -c 1000000 /dev/zero | tr '\0' '[' >deep.json
	hosts_fail 3 'nested too deeply' deep.json && contracts_fail 3 'nested too deeply' deep.json
}

not_utf8() {
	sed 's/AuthenticAMD/Authentic\xff\xfeAMD/' host.json >latin.json
	hosts_fail 3 'not UTF-8' latin.json
}

key_twice() {
	sed 's/^ "arch": "x86",/&\n "arch": "x86",/' host.json >twice.json
	hosts_fail 3 'twice' twice.json
}

word_twice() {
	sed 's/^   "0x40000000.0x0": .*/&\n&/' host.json >words.json
	hosts_fail 3 'words.json:' words.json
}

wrong_type() {
	sed 's/^ "view": "kvm"/ "view": 7/' host.json >type.json
	hosts_fail 3 '/view' type.json
	sed 's/"0x0": "0x00000001"/"0x0": 1/' host.json >number.json
	hosts_fail 3 '/words/cap/0x0' number.json
}

unknown_key() {
	sed 's/^ "view"/ "color": "red",\n&/' host.json >key.json
	hosts_fail 3 '/color' key.json
}

not_json() {
	printf 'hello\n' >hello.json
	hosts_fail 3 'hello.json:1:' hello.json && head -c 4096 "$gabi" >elf.json && hosts_fail 3 'elf.json:1:' elf.json
}

other_kind() {
	fails 3 '"host" here is wanted' ./gabi check contract.json contract.json && fails 3 '"contract" here is wanted' ./gabi check host.json host.json
}

later_schema() {
	sed 's/"schema": 1/"schema": 9/' contract.json >later.json
	contracts_fail 3 'a later version' later.json && sed 's/"schema": 1/"schema": 9/' host.json >later.json &&
		hosts_fail 3 'a later version' later.json
}

changed_after_the_digest() {
	sed 's/"0x68747541"/"0x68747542"/' contract.json >changed.json
	contracts_fail 3 '/digest' changed.json
}

other_architecture() {
	local status=0
	./gabi check contract.json arm64.json >out 2>err || status=$?
	((status == 1)) && grep -q 'does not fit' out && [[ ! -s err ]] && grep -q 'architecture' out &&
		sed 's/"view": "kvm"/"view": "offer"/' arm64.json >offer.json &&
		fails 3 'offer.json: the offer is for another architecture' ./gabi check contract.json --offer offer.json host.json
}

imports() {
	: >empty
	truncate -s 1G huge
	printf 'CPU 0:\n   0x00000000 0x00: eax=0xffffffffff' >cut.txt
	mkdir -p folder
	fails 3 'empty' ./gabi import empty && fails 3 'longer than 64 MiB' ./gabi import huge && fails 3 'cut.txt:' ./gabi import cut.txt &&
		fails 3 'host.json:' ./gabi import host.json && fails 3 'is a directory' ./gabi import folder &&
		fails 2 "'kernel' is no view" ./gabi import --view=kernel cut.txt && fails 2 "'xml' is no format" ./gabi import --format=xml cut.txt && fails 3 'has no "props"' ./gabi import --format=qemu host.json
}

cpu_arguments() {
	local long
	long=$(printf ',avx2%.0s' {1..4000})
	printf '{"gabi":"models","schema":1,"models":[{"name":"a","parent":"EPYC","changes":["avx2","-avx2"]}]}' >contrary.json
	fails 2 'there is no CPU model "Cascadelake-Servr"; near it' ./gabi pin --qemu Cascadelake-Servr host.json &&
		fails 2 'near it are avx512f' ./gabi pin --qemu EPYC,avx512ff host.json &&
		fails 2 'near it are hyperv-nova' ./gabi pin --qemu EPYC,hyperv-nov host.json &&
		fails 2 'hv-evmcs needs hv-vapic' ./gabi pin --qemu EPYC,hv-evmcs host.json &&
		fails 2 'hv-evmcs needs vmx' ./gabi model show EPYC,hv-vapic,hv-evmcs &&
		fails 2 '"avx2" wants on or off and not "maybe"' ./gabi pin --qemu EPYC,avx2=maybe host.json &&
		fails 2 'hv-spinlocks' ./gabi pin --qemu EPYC,hv-spinlocks=12x host.json &&
		fails 2 'model' ./gabi pin --qemu EPYC,model=300 host.json && fails 2 'at most 16384 bytes' ./gabi model show "EPYC$long" &&
		fails 2 '"hv-spinlocks" has a value' ./gabi model show EPYC,+hv-spinlocks &&
		fails 3 'the change "avx2" is there twice' ./gabi pin --models contrary.json --qemu a host.json || return 1
	./gabi model show EPYC,+avx2,-avx2 >out 2>err && grep -qx 'gabi: note: -avx2 overrides +avx2, wherever they stand' err
}

domains() {
	local cpu='<domain type="kvm"><cpu match="exact"><model>EPYC</model>'
	printf '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><domain type="kvm"><name>&b;</name></domain>' >bomb.xml
	truncate -s 5M big.xml && sed -i '1s/^/<domain>/' big.xml
	echo "$cpu<feature name='avx512ff'/></cpu></domain>" >unknown.xml
	echo "$cpu<feature name='avx2'/><feature policy='disable' name='avx2'/></cpu></domain>" >contrary.xml
	echo "$cpu<feature policy='perhaps' name='avx2'/></cpu></domain>" >junk.xml
	echo '<domain type="kvm"><features><hyperv><spinlocks state="on" retries="12x"/></hyperv></features></domain>' >retries.xml
	echo '<domain type="kvm"><cpu><model>EPIC</model></cpu></domain>' >model.xml
	fails 3 'document type' ./gabi pin --libvirt bomb.xml host.json && fails 3 'longer than 4 MiB' ./gabi pin --libvirt big.xml host.json &&
		fails 3 'near it are avx512f' ./gabi pin --libvirt unknown.xml host.json &&
		fails 3 'avx2 is named twice' ./gabi pin --libvirt contrary.xml host.json &&
		fails 3 "'perhaps'" ./gabi pin --libvirt junk.xml host.json && fails 3 "'12x'" ./gabi pin --libvirt retries.xml host.json &&
		fails 3 'there is no CPU model "EPIC"; near it' ./gabi pin --libvirt model.xml host.json
}

host_of_libvirt() {
	cat >caps.xml <<-'END'
	<domainCapabilities><domain>kvm</domain><arch>x86_64</arch><cpu><mode name='host-model' supported='yes'><model>EPYC</model></mode></cpu></domainCapabilities>
	END
	printf '<domain type="kvm"><cpu mode="host-passthrough"/></domain>' >dom.xml
	./gabi import caps.xml -o caps.json && fails 3 'the manifest is to be of gabi probe' ./gabi pin --libvirt dom.xml caps.json &&
		fails 3 'the manifest is to be of gabi probe' ./gabi pin --qemu EPYC caps.json &&
		fails 3 'caps.xml: this is XML: gabi import makes a manifest' ./gabi pin --libvirt dom.xml caps.xml &&
		fails 3 'caps.xml: this is XML: gabi import makes a manifest' ./gabi check contract.json caps.xml
}

xml_files() {
	head -c 3000000 /dev/zero | tr '\0' '<' >deep.xml
	truncate -s 5M huge.xml && sed -i '1s/^/<a>/' huge.xml
	{ echo '<a>' && yes '<b/>' | head -n 70000 && echo '</a>'; } >many.xml
	printf '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>' >entity.xml
	printf '<capabilities><host>' >cut.xml
	printf '<domain type="kvm"/>' >domain.xml
	fails 3 'this is not XML' ./gabi import deep.xml && fails 3 'longer than 4 MiB' ./gabi import huge.xml &&
		fails 3 'more than 65536 elements' ./gabi import many.xml && fails 3 'document type' ./gabi import entity.xml &&
		fails 3 'this is not XML' ./gabi import cut.xml && fails 3 'no capabilities of libvirt' ./gabi import domain.xml
}

templates() {
	: >empty
	truncate -s 1G huge
	printf '{"cpuid_modifiers":[{"leaf":"0x7"' >cut.json
	printf '{"msr_modifiers":[{"addr":"0x10a","bitmap":"0b1"},{"addr":"0x10a","bitmap":"0b0"}]}' >overlap.json
	printf '{"msr_modifiers":[{"addr":"0x10a","bitmap":"0b12"}]}' >junk.json
	printf '{"reg_modifiers":[]}' >other.json
	fails 3 'empty:1:1: the text is empty' ./gabi pin --firecracker empty host.json &&
		fails 3 'longer than 64 MiB' ./gabi pin --firecracker huge host.json &&
		fails 3 'cut.json:1:' ./gabi pin --firecracker cut.json host.json &&
		fails 3 'two modifiers of msr 0x10a are of the same bit' ./gabi pin --firecracker overlap.json host.json &&
		fails 3 '/msr_modifiers/0/bitmap: a bitmap is' ./gabi pin --firecracker junk.json host.json &&
		fails 3 'the template is of arm64' ./gabi pin --firecracker other.json host.json &&
		fails 3 '/gabi: no member' ./gabi pin --firecracker host.json host.json
}

cloud_hypervisor() {
	fails 2 'near it is boot' ./gabi pin --cloud-hypervisor bot=1 host.json && fails 2 'it has amx' ./gabi pin --cloud-hypervisor features=avx2 host.json &&
		fails 2 'less than boot' ./gabi pin --cloud-hypervisor boot=2,max=1 host.json &&
		fails 3 'is known of x86' ./gabi pin --cloud-hypervisor boot=1 arm64.json
}

probe_without_kvm() {
	local as=()
	((EUID)) || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	"${as[@]}" test -r /dev/kvm -a -w /dev/kvm && { echo "everyone may use /dev/kvm here"; return 77; }
	fails 4 '/dev/kvm' "${as[@]}" ./gabi probe
}

no_offer() {
	fails 3 "host.json: only a VMM's offer" ./gabi check contract.json --offer host.json host.json
}

control_characters_are_not_printed() {
	sed 's/AuthenticAMD/\\u001b[31mAMD\\u0007/' host.json >control.json
	./gabi show control.json >out 2>err || { cat err; return 1; }
	! grep -q $'[\x1b\x07]' out && fails 3 '\x1b' ./gabi show $'no\x1bfile'
}

# ---- what a file may be ----

missing_file() {
	hosts_fail 3 'nothing.json: cannot be opened: No such file' nothing.json && contracts_fail 3 'No such file' nothing.json
}

directory() {
	mkdir -p folder
	hosts_fail 3 'folder: is a directory; name the files in it' folder && contracts_fail 3 'is a directory' folder
}

named_pipe() {
	mkfifo pipe && { cat host.json >pipe & } && ./gabi check contract.json pipe >out && wait && grep -q 'fits' out &&
		{ head -c 100 host.json >pipe & } && fails 3 'pipe:' ./gabi check contract.json pipe
	wait
}

standard_input() {
	./gabi check contract.json - <host.json >out && ./gabi check - host.json <contract.json >out &&
		fails 3 'standard input:1:1: the text is empty' ./gabi show - </dev/null &&
		fails 2 "check: '-' is given twice" ./gabi check - - <contract.json &&
		fails 2 "rollback: '-' is given twice" ./gabi rollback contract.json --old - --new - <host.json
}

unreadable_file() {
	local as=()
	cp host.json secret.json
	chmod 000 secret.json
	((EUID)) || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	fails 3 'secret.json: cannot be opened: Permission denied' "${as[@]}" ./gabi show secret.json
}

loop_of_links() {
	ln -sf loop.json loop.json
	hosts_fail 3 'loop.json: cannot be opened' loop.json
}

# ---- the command line ----

usage() {
	fails 2 'no command given' ./gabi && fails 2 "there is no command 'chekc'" ./gabi chekc &&
		fails 2 "no option '--jsno'" ./gabi show --jsno host.json && fails 2 'too few operands' ./gabi check contract.json &&
		fails 2 'too many operands' ./gabi diff host.json host.json host.json && fails 2 'wants an argument' ./gabi pin host.json -o &&
		fails 2 '--name is given twice' ./gabi pin host.json --name a --name b &&
		fails 2 'the name is not UTF-8' ./gabi pin host.json --name $'a\xffb' &&
		fails 2 'there is no feature "flux"' ./gabi pin host.json --minus flux &&
		fails 2 '--old and --new' ./gabi rollback contract.json --old host.json && fails 2 'is no architecture' ./gabi names --arch mips
}

ten_thousand_hosts() {
	local list
	mapfile -t list < <(yes host.json | head -n 10000)
	./gabi check contract.json "${list[@]}" >out 2>err || { cat err; return 1; }
	grep -q 'fits 10000 of 10000 hosts' out && ! ./gabi check contract.json "${list[@]}" arm64.json >out && grep -q 'fits 10000 of 10001' out
}

# ---- what is written ----

whole_or_not_at_all() {
	echo old >kept.json
	fails 4 'kept.json: cannot be written: File too large' \
		bash -c 'trap "" XFSZ && ulimit -f 4 && exec ./gabi pin host.json -o kept.json' &&
		[[ $(cat kept.json) == old && -z $(ls kept.json.* 2>/dev/null) ]]
}

killed_while_writing() {
	echo old >kept.json
	{ bash -c 'ulimit -c 0 -f 4 && exec ./gabi pin host.json -o kept.json' >out; } 2>/dev/null
	(($? > 128)) || return 1
	[[ $(cat kept.json) == old ]]
	local same=$?
	rm -f kept.json.*
	return "$same"
}

full_device() {
	fails 4 '/dev/full: cannot be written: No space left' ./gabi pin host.json -o /dev/full &&
		! ./gabi show host.json >/dev/full 2>err && grep -q 'standard output: No space left' err && [[ -c /dev/full ]]
}

full_disk() {
	unshare -rm true 2>/dev/null || { echo "a file system of its own cannot be mounted here"; return 77; }
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare -rm bash -c 'mkdir -p disk && mount -t tmpfs -o size=8k none disk && echo old >disk/kept.json &&
		! ./gabi pin host.json -o disk/kept.json 2>err && [[ $(cat disk/kept.json) == old && $(ls disk) == kept.json ]]' &&
		grep -q 'disk/kept.json: cannot be written: No space left' err
}

no_such_folder() {
	fails 4 'nowhere/x.json: cannot be written' ./gabi pin host.json -o nowhere/x.json &&
		fails 4 'folder: cannot be written' ./gabi pin host.json -o folder
}

link_stays_a_link() {
	echo old >target.json
	ln -sf target.json link.json
	chmod 640 target.json
	./gabi pin host.json -o link.json && [[ -L link.json && $(stat -c %a target.json) == 640 ]] && cmp target.json contract.json
}

failed=0
for name in $(declare -F | awk '{ print $3 }'); do
	case $name in fails | hosts_fail | contracts_fail) continue ;; esac
	echo "[ RUN      ] $name"
	$name
	case $? in
	0) echo "[       OK ] $name" ;;
	77) echo "[  SKIPPED ] $name" ;;
	*) echo "[  FAILED  ] $name" && failed=1 ;;
	esac
done
exit $failed
