The example of the README says what is so.
=== run
gabi pin "$HOSTS"/amd-epyc-rome-linux-5.10.json --minus clwb,umip,virt-ssbd --name web-7 -o web-7.json
gabi check web-7.json "$HOSTS"/*.json >seen || true
sed -n 's/^    web-7: /web-7: /p; /^    fits/s/^ *//p; /^    does not fit/s/^ *//p' "$HOSTS"/../../README.md | while IFS= read -r line; do
	tr -s ' ' <seen | sed 's/ *$//' | grep -Fxq -- "$(printf '%s' "$line" | tr -s ' ')" || echo "not so: $line"
done
head -n 1 seen
=== status 0
=== out
web-7: fits 12 of 64 hosts
=== err
