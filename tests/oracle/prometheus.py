#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What gabi writes for Prometheus is read by Prometheus' own parser of the format, and says what the manifest says.
     prometheus.py GABI HOST...
   Exit 77 where python3-prometheus-client is not installed."""
import json
import subprocess
import sys
import tempfile

import rows

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    print('python3-prometheus-client is not installed')
    sys.exit(rows.SKIP)


def samples(gabi, path):
    text = subprocess.run([gabi, 'emit', '--as', 'prometheus', path], check=True, capture_output=True, text=True).stdout
    return {(sample.name, *sorted(sample.labels.items())): sample.value for family in text_string_to_metric_families(text)
            for sample in family.samples}, text


def main():
    gabi, *paths = sys.argv[1:]
    report, compared = rows.Report(), 0
    for path in paths:
        seen, text = samples(gabi, path)
        lines = [line for line in text.splitlines() if line and not line.startswith('#')]
        compared += len(seen)
        if len(lines) != len(seen):
            report.differs(f'{path}: {len(lines)} samples are written and {len(seen)} are different ones')
        if sum(name[0] == 'gabi_host_info' for name in seen) != 1:
            report.differs(f'{path}: there is not one gabi_host_info')
    with open(paths[0], encoding='utf-8') as file:
        manifest = json.load(file)
    odd = 'a "b" \\ c\nd \u00e9'
    manifest['facts']['cpu.model'] = odd
    with tempfile.NamedTemporaryFile('w', suffix='.json') as file:
        json.dump(manifest, file)
        file.flush()
        seen, _ = samples(gabi, file.name)
    if not any(('cpu', odd) in name for name in seen):
        report.differs('a label with quotes, a backslash and a line feed does not come through')
    report.compared('samples', compared, 800)
    report.end()


if __name__ == '__main__':
    main()
