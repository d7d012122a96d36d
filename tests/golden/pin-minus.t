Named features are left out, of a manifest and of a contract.
=== file new.json
{"gabi": "host", "schema": 1, "arch": "x86", "view": "kvm",
 "facts": {"name": "blade-4", "kernel.release": "6.18.0"},
 "covers": ["cpuid", "msr-state", "cap", "vm"],
 "words": {
 "cpuid": {"0x7.0x0": {"eax": "0x00000000", "ebx": "0x00010020", "ecx": "0x00000000", "edx": "0x00000000"},
           "0xd.0x0": {"eax": "0x00000007", "ebx": "0x00000340", "ecx": "0x00000340", "edx": "0x00000000"}},
 "msr-state": {"0x10": "0x1", "0x1d9": "0x1"},
 "vm": {"tsc-khz": "0x0000000000200000"}}}
=== run
gabi pin new.json --minus avx512f -m smep --name web | tee web.json
gabi pin web.json --minus avx2
=== status 0
=== out
{
 "gabi": "contract",
 "schema": 1,
 "name": "web",
 "origin": {
  "kernel.release": "6.18.0"
 },
 "digest": "sha256:bffb97c1edfa37006c091ecd9d5f52c2ae21796304f99446d65144d6575e9030",
 "promises": {
  "arch": "x86",
  "cpuid": {
   "0x7.0x0": {"eax":"0x00000000","ebx":"0x00000020","ecx":"0x00000000","edx":"0x00000000"},
   "0xd.0x0": {"eax":"0x00000007","ebx":"0x00000000","ecx":"0x00000340","edx":"0x00000000"}
  },
  "msr-state": {
   "0x10": "0x1",
   "0x1d9": "0x1"
  },
  "vm": {
   "tsc-khz": "0x0000000000200000"
  }
 }
}
{
 "gabi": "contract",
 "schema": 1,
 "origin": {
  "kernel.release": "6.18.0"
 },
 "digest": "sha256:3f712bacdd09196934dcc9877254bd3ba7921a32eabff66e7defd3bbc1a45516",
 "promises": {
  "arch": "x86",
  "cpuid": {
   "0x7.0x0": {"eax":"0x00000000","ebx":"0x00000000","ecx":"0x00000000","edx":"0x00000000"},
   "0xd.0x0": {"eax":"0x00000007","ebx":"0x00000000","ecx":"0x00000340","edx":"0x00000000"}
  },
  "msr-state": {
   "0x10": "0x1",
   "0x1d9": "0x1"
  },
  "vm": {
   "tsc-khz": "0x0000000000200000"
  }
 }
}
=== err
