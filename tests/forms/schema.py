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

def said(*args, **how): # by the command itself
    run = subprocess.run([gabi, *args], capture_output=True, text=True, **how)
    assert run.returncode < 2 and not run.stderr, run.stderr
    return json.loads(run.stdout)

for old, new in pairs[::8]:
    contract = said("show", "--json", "-", input=subprocess.run([gabi, "pin", new], check=True, capture_output=True, text=True).stdout)
    checks["contract"].validate(contract)
    checks["host"].validate(said("show", "--json", new))
    text = json.dumps(contract)
    for args in ("diff", old, new), ("baseline", old, new), ("rollback", "-", "--old", old, "--new", new):
        checks["report"].validate(said(*args, "--json", input=text))
    checks["plan"].validate(said("plan", "--json", "-", new, input=text))
    many = said("check", "--json", "-", old, new, new, input=text)
    assert set(many) == {"files", "reports"} and [file["report"] for file in many["files"]] == [0, 1, 1]
    for report in many["reports"]:
        checks["report"].validate(report)

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
