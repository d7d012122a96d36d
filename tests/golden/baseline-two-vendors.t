Where there is no contract, it is said why.
=== run
gabi baseline "$HOSTS"/intel-haswell-linux-6.1.json "$HOSTS"/amd-phenom-linux-6.1.json >seen || echo "status $?"
head -n 3 seen
grep -c 'vendor-' seen
=== status 0
=== out
status 1
No contract fits all 2 hosts.

No value fits all hosts: vendor-1 vendor-3 vendor-2
1
=== err
