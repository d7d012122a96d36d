A contract that promises Hyper-V's interface with trust levels: no kernel gives it, KVM with the engine does, on every host with such a
processor. What the engine does not give, here a root partition's privilege, is refused with its offer as well.
=== run
gabi hv offer -o engine.json
gabi pin --offer=engine.json --name vbs -o vbs.json $HOSTS/amd-epyc-rome-linux-6.12.json
gabi check vbs.json $HOSTS/amd-epyc-rome-linux-6.12.json | grep -E 'vbs on|vsm' || echo not found
gabi check --offer=engine.json vbs.json $HOSTS/amd-epyc-rome-linux-6.12.json
gabi check --offer=engine.json vbs.json $HOSTS/amd-epyc-rome-linux-7.2.json | head -n 1
sed -e 's/0x00330832/0x00330833/' -e '/"digest"/d' vbs.json >root.json
gabi check --offer=engine.json root.json $HOSTS/amd-epyc-rome-linux-6.12.json || echo status $?
=== status 0
=== out
vbs on amd-epyc-rome-linux-6.12: does not fit: 13 blocking, 5 worth knowing
hv-guest-idle-msr hv-access-partition-id hv-access-vsm   yes       no        kernel  without them
vbs on amd-epyc-rome-linux-6.12: fits
vbs on amd-epyc-rome-linux-7.2: fits
vbs on amd-epyc-rome-linux-6.12: does not fit: 1 blocking

WHAT                  PROMISED  HOST HAS  CAUSE   REMEDY

missing: the guest would lose what it was promised
hv-create-partitions  yes       no        kernel  without hv-create-partitions
status 1
=== err
