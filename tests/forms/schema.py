#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# schema.py PRINT_FORMS SOURCE GABI: what gabi writes, and the manifests of data/hosts, against data/schema.
import json, pathlib, subprocess, sys
try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

print_forms, source, gabi = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
checks = {}
for kind in "contract", "host", "report", "plan":
    schema = json.loads((source / "data/schema" / (kind + ".schema.json")).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    checks[kind] = jsonschema.Draft202012Validator(schema)

hosts = sorted((source / "data/hosts").glob("*.json"))
pairs = [(a, b) for a, b in zip(hosts, hosts[1:]) if a.name.split("-")[0] == b.name.split("-")[0]]
assert pairs, "data/hosts has no two hosts of one kind"
seen = set()
for path in hosts:
    checks["host"].validate(json.loads(path.read_text()))
for pair in pairs:
    for form in json.loads(subprocess.run([print_forms, *pair], check=True, capture_output=True).stdout):
        checks[form["gabi"]].validate(form)
        seen.add(form["gabi"])
        form["other"] = 1 # a check that takes anything would take that
        assert not checks[form["gabi"]].is_valid(form), form["gabi"] + ": the schema takes an unknown member"
assert seen == set(checks), "not every kind was seen"

schema = json.loads((source / "data/schema/models.schema.json").read_text())
jsonschema.Draft202012Validator.check_schema(schema)
check, taken = jsonschema.Draft202012Validator(schema), 0
for path in sorted((source / "fuzz/corpus/models").glob("*.json")): # every form that gabi takes, the schema takes
    models = json.loads(path.read_text())
    if subprocess.run([gabi, "model", "list", "--models", path], capture_output=True).returncode == 0:
        check.validate(models)
        taken += 1
        models["models"].append({"name": "x", "parent": "486", "changes": ["a b"]})
        assert not check.is_valid(models), "the schema takes a change with a blank"
assert taken > 2, "no models were seen"
print(len(hosts), "manifests and", len(pairs), "pairs are of the form that the schemas say")
