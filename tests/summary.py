#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what was tested: summary.py NAME=TESTLOG.JSON...

A test program that prints cmocka's lines counts once a case, any other once. Prints what failed, every skip with its reason,
and 'N passed, N failed, N skipped'. Fails if a test failed, a log is missing, or nothing was tested.
"""
import json
import re
import sys

CASE = re.compile(r"^\[ *(RUN|OK|FAILED|SKIPPED|ERROR) *\] (.*)$")


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def cases(output):
    """Yields (name, result, what it printed) for each of cmocka's cases."""
    printed, running = [], None
    for line in output.splitlines():
        match = CASE.match(line)
        if not match:
            printed.append(line)
        elif match[1] == "RUN":
            printed, running = [], match[2]
        elif running is not None:
            yield running, match[1], "\n".join(printed)
            running = None


def results(test):
    """Yields (name, 'passed' | 'failed' | 'skipped', text) for one program of meson's log."""
    output = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    if test["result"] == "SKIP":
        yield test["name"], "skipped", last_line(output)
        return
    found, failed = 0, 0
    for name, result, printed in cases(output):
        found += 1
        if result == "SKIPPED":
            yield f"{test['name']}: {name}", "skipped", last_line(printed)
        elif result == "OK":
            yield f"{test['name']}: {name}", "passed", ""
        else:
            failed += 1
            yield f"{test['name']}: {name}", "failed", printed
    well = test["result"] in ("OK", "EXPECTEDFAIL")
    if not well and not failed:
        yield test["name"], "failed", f"{test['result']}, status {test.get('returncode')}\n{output.strip()}"
    elif well and not found:
        yield test["name"], "passed", ""


def main(logs):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    skips = {}
    for log in logs:
        build, _, path = log.partition("=")
        try:
            with open(path, encoding="utf-8") as file:
                tests = [json.loads(line) for line in file]
        except OSError as error:
            print(f"failed: {build}: no test was run: {error.strerror}: {path}")
            count["failed"] += 1
            continue
        for test in tests:
            for name, result, text in results(test):
                count[result] += 1
                if result == "failed":
                    print(f"failed: {build}: {name}")
                    print("\n".join("    " + line for line in text.splitlines()[-20:]))
                elif result == "skipped":
                    skips.setdefault((name, text), []).append(build)
    for (name, reason), builds in skips.items():
        print(f"skipped: {', '.join(builds)}: {name}: {reason}")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
