What QEMU would refuse is refused, and the nearest names are told.
=== run
gabi model show Casadelake-Server || echo "status $?"
gabi model show qemu64,+avx5 || echo "status $?"
gabi model show qemu64,hv-evmcs,+vmx || echo "status $?"
gabi model show qemu64,avx2=1 || echo "status $?"
gabi model list no-such-model || echo "status $?"
gabi model shew || echo "status $?"
=== status 0
=== out
status 2
status 2
status 2
status 2
status 1
status 2
=== err
gabi: there is no CPU model "Casadelake-Server"; near it are Cascadelake-Server, Cascadelake-Server-v1 and Cascadelake-Server-v2
gabi: QEMU has no CPU property "avx5"; near it are avx, avx2 and adx
gabi: hv-evmcs needs hv-vapic: add it, or take hv-evmcs away
gabi: "avx2" wants on or off and not "1"
gabi: model: there is no 'shew'; see gabi-model(1)
