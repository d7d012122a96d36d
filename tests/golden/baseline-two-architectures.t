Hosts of two architectures have no baseline.
=== run
cp "$HOSTS"/amd-epyc-linux-6.1.json x86.json
cp "$HOSTS"/arm64-max-linux-6.1.json arm64.json
gabi baseline x86.json arm64.json --output both.json
=== status 3
=== out
=== err
gabi: x86.json is of x86 and arm64.json of arm64: two architectures have no baseline
