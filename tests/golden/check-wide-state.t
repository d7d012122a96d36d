A register of many words is named once: each of SVE's vectors has 32.
=== run
gabi pin "$HOSTS"/arm64-max-linux-6.12.json --name=vectors -o c.json
gabi check c.json "$HOSTS"/arm64-neoverse-n1-linux-6.12.json | grep -o 'ZCR_EL1 sve.p0 sve.p[0-9]'
=== status 0
=== out
ZCR_EL1 sve.p0 sve.p1
=== err
