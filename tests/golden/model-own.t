Models of a user's own, from a file and from a folder, wherever a named model can stand.
=== file gold.json
{"gabi": "models", "schema": 1, "models": [
  {"name": "gold-v1", "parent": "EPYC-Rome", "model-id": "Fleet Gold", "changes": ["-clwb", "-umip", "hv-relaxed", "hv-vapic"]},
  {"name": "gold-v2", "parent": "gold-v1", "changes": ["-xsaves"]}
]}
=== file dom.xml
<domain type='kvm'>
  <name>web-7</name>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <cpu mode='custom' match='exact' check='none'><model>gold-v2</model><feature policy='disable' name='avx2'/></cpu>
</domain>
=== file bad.json
{"gabi": "models", "schema": 1, "models": [
  {"name": "gold-v1", "parent": "EPYC-Rome", "changes": ["-clwb"]},
  {"name": "gold-v2", "parent": "gold-v1", "changes": ["avx2", "-avx2"]}
]}
=== file twice.json
{"gabi": "models", "schema": 1, "models": [{"name": "a", "name": "b", "parent": "EPYC", "changes": []}]}
=== file odd.json
{"gabi": "models", "schema": 1, "models": [{"name": "a", "parent": "EPYC", "changes": ["avx2 fma"]}]}
=== file later.json
{"gabi": "models", "schema": 2, "models": []}
=== run
host=$HOSTS/amd-epyc-rome-linux-6.1.json
gabi model list --models gold.json gold
gabi model list --models gold.json --list gold
gabi model show --models gold.json gold-v2 | head -5
gabi model diff --models gold.json gold-v1 gold-v2 || echo "status $?"
gabi pin --models gold.json --qemu 'gold-v2,enforce=off' $host -o guest.json 2>/dev/null
gabi model fit --all --models gold.json guest.json | grep gold
mkdir models
mv gold.json models/10-gold.json
echo '{"gabi": "models", "schema": 1, "models": [{"name": "gold", "parent": "gold-v2", "changes": []}]}' >models/20-gold.json
gabi pin --models models --qemu 'gold,hv-time' $host | gabi show --digest -
gabi pin --models models --qemu "-M pc-q35-7.2 -cpu gold-v2,avx2=off" $host 2>/dev/null | gabi show --digest -
gabi pin --models models --libvirt dom.xml $host 2>/dev/null | gabi show --digest -
for file in bad.json twice.json odd.json later.json guest.json no.json; do
	gabi model list --models $file || echo "status $?"
done
mkdir empty
gabi model list --models empty || echo "status $?"
gabi model show --models models golf || echo "status $?"
gabi pin --models models $host || echo "status $?"
=== status 0
=== out
Models
MODEL    PARENT     SINCE  CHANGES
gold-v1  EPYC-Rome  user   -clwb -umip hv-relaxed hv-vapic
gold-v2  gold-v1    user   -xsaves
gold-v1
gold-v2
Model: gold-v2
Since: user
Parent: gold-v1
Changes: -xsaves
QEMU is told: EPYC-Rome-v1,clwb=off,umip=off,hv-relaxed=on,hv-vapic=on,model-id=Fleet Gold,xsaves=off
Differences
NAME    FIRST  SECOND
xsaves  on     off
status 1
gold-v2                        17              0
gold-v1                        18              0
sha256:947f0abed63d57447c7da29c981f6367d649fbdfce079d835569858b6755ee27  -
sha256:bffdc0ab640282682eeb74fda471835a1c2914ad1e4107269f33a97ee2874a06  -
sha256:bffdc0ab640282682eeb74fda471835a1c2914ad1e4107269f33a97ee2874a06  -
status 3
status 3
status 3
status 3
status 3
status 3
status 3
status 2
status 2
=== err
gabi: note: assumed machine pc-i440fx-11.1: no -machine is given
gabi: note: assumed KVM
gabi: note: QEMU has no model of that name, and is told -cpu 'EPYC-Rome-v1,clwb=off,umip=off,hv-relaxed=on,hv-vapic=on,model-id=Fleet Gold,xsaves=off,hv-time'
gabi: note: the host lacks what is asked for: vme rdseed sha-ni rdpid xsavec misalignsse 3dnowprefetch osvw perfctr-core fxsr-opt clzero xsaveerptr wbnoinvd ibpb amd-stibp; QEMU starts without it, unless enforce is on
gabi: bad.json: /models/1: the change "avx2" is there twice
gabi: twice.json: /models/0/name: the member is there twice
gabi: odd.json: /models/0/changes/0: a change is "name", "-name" or "name=value", without blanks
gabi: later.json: /schema: the models has schema 2; reading it needs a later version of gabi, one that knows that schema
gabi: guest.json: /gabi: a file that says "models" here is wanted, and this one is something else
gabi: no.json: cannot be opened: No such file or directory
gabi: empty: no file in it ends in .json
gabi: there is no CPU model "golf"; near it is gold
gabi: pin: other hosts are compared, models are read and JSON is printed with one of --qemu and --libvirt alone
