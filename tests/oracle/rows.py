# SPDX-License-Identifier: MIT
"""The vocabulary as the oracles see it, and how they report."""
import collections
import subprocess
import sys

Field = collections.namedtuple('Field', 'space index sub part lo bits name aliases source signed rule')
Reg = collections.namedtuple('Reg', 'space index name resets_to_0')
SKIP = 77


def same(text):
    """Names are the same whether written with '_' or '-'."""
    return text.lower().replace('_', '-')


def read(print_rows):
    fields, regs = [], []
    for line in subprocess.run([print_rows], check=True, capture_output=True, text=True).stdout.splitlines():
        kind, *cell = line.split('\t')
        if kind == 'field':
            fields.append(Field(cell[0], int(cell[1], 0), *map(int, cell[2:6]), cell[6], cell[7].split(), cell[8], cell[9] == '1', cell[10]))
        else:
            regs.append(Reg(cell[0], int(cell[1], 0), cell[2], cell[3] == '1'))
    return fields, regs


class Report:
    """Counts what was compared, so that a check whose subject is missing fails."""

    def __init__(self):
        self.wrong = 0

    def differs(self, text):
        print('  ' + text)
        self.wrong += 1

    def compared(self, what, count, least):
        print(f'{what}: {count} compared')
        if count < least:
            self.differs(f'{what}: fewer than {least} were found to compare')

    def end(self):
        print(f'{self.wrong} differ')
        sys.exit(1 if self.wrong else 0)
