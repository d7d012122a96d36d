The example of the README says what is so.
=== run
gabi pin "$HOSTS"/amd-epyc-rome-linux-5.10.json --minus clwb,umip,virt-ssbd --name web-7 -o web-7.json
gabi check web-7.json "$HOSTS"/*.json >seen || true
sed -n 's/^    web-7: /web-7: /p; /^    fits/s/^ *//p; /^    does not fit/s/^ *//p' "$HOSTS"/../../README.md | while IFS= read -r line; do
	tr -s ' ' <seen | sed 's/ *$//' | grep -Fxq -- "$(printf '%s' "$line" | tr -s ' ')" || echo "not so: $line"
done
head -n 1 seen
gabi pin "$HOSTS"/amd-epyc-rome-linux-7.2.json --name web-8 -o web-8.json
COLUMNS=200 gabi rollback web-8.json --old "$HOSTS"/amd-epyc-rome-linux-5.10.json --new "$HOSTS"/amd-epyc-rome-linux-7.2.json >seen || true
sed -n '/^    \$ gabi rollback/,/^    \.\.\./{s/^    //; /^\$/d; /^\.\.\./d; /^$/d; p}' "$HOSTS"/../../README.md | while IFS= read -r line; do
	tr -s ' ' <seen | sed 's/ *$//' | grep -Fxq -- "$(printf '%s' "$line" | tr -s ' ')" || echo "not so: $line"
done
head -n 1 seen
=== status 0
=== out
web-7: fits 12 of 64 hosts
web-8: from amd-epyc-rome-linux-5.10 to amd-epyc-rome-linux-7.2 and back: never
=== err
