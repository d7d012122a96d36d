#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# digest.py PRINT_FORMS SOURCE: anyone can compute a contract's digest, with Python, and with jq where it is installed.
import hashlib, json, pathlib, shutil, subprocess, sys

print_forms, source = sys.argv[1], pathlib.Path(sys.argv[2])
hosts = sorted((source / "data/hosts").glob("*.json"))
assert hosts, "data/hosts is empty"
for path in hosts:
    output = subprocess.run([print_forms, path, path], check=True, capture_output=True).stdout
    contract = next(form for form in json.loads(output) if form["gabi"] == "contract")
    texts = {"python": json.dumps(contract["promises"], sort_keys=True, separators=(",", ":")).encode()}
    if shutil.which("jq"):
        texts["jq"] = subprocess.run(["jq", "-cjS", ".promises"], input=json.dumps(contract).encode(), check=True,
                                     capture_output=True).stdout
    for tool, text in texts.items():
        assert contract["digest"] == "sha256:" + hashlib.sha256(text).hexdigest(), f"{path.name}: {tool} has another digest"
print(len(hosts), "digests are those of", " and ".join(texts))
