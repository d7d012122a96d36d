What gabi verify refuses before it touches KVM.
=== file host.json
{"gabi":"host"}
=== run
gabi verify host.json || echo "status $?"
gabi verify nowhere.json || echo "status $?"
gabi verify || echo "status $?"
=== status 0
=== out
status 3
status 3
status 2
=== err
gabi: host.json: /gabi: a file that says "contract" here is wanted, and this one is something else
gabi: nowhere.json: cannot be opened: No such file or directory
gabi: verify: too few operands; usage: gabi verify [OPTION]... CONTRACT
