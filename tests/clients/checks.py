"""Named checks, counted, and the binary under test.

A check is a call that raises where something is wrong. The last line of a run
is "N passed, N failed, N skipped", like that of every other test runner here.
"""

import json
import math
import subprocess
import sys
import traceback
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path


class Skipped(Exception):
    """The check cannot run here; the message says why."""


@dataclass
class Report:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def check(self, name, call, *arguments):
        """Runs one check; returns what it returned, None where it did not pass."""
        try:
            result = call(*arguments)
        except Skipped as why:
            self.skipped += 1
            print(f"SKIPPED {name}: {why}")
        except Exception as why:
            self.failed += 1
            print(f"FAILED {name}: {type(why).__name__}: {why}")
            if not isinstance(why, (AssertionError, CommandFailed)):
                traceback.print_exc(file=sys.stdout)
        else:
            self.passed += 1
            print(f"ok {name}")
            return result
        return None

    def close(self):
        """Prints the closing line; returns the exit code."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0


class CommandFailed(Exception):
    """The binary ended with another exit code than 0."""

    def __init__(self, arguments, code, stderr):
        super().__init__(f"{' '.join(arguments)}: exit {code}: {stderr.strip()}")
        self.code = code
        self.stderr = stderr


@dataclass
class Downlake:
    """The binary, bound to one lake."""

    binary: Path
    lake: Path
    timeout_s: int = field(default=300)

    def run(self, *arguments):
        command = [str(self.binary), "--lake", str(self.lake), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=self.timeout_s)
        if done.returncode != 0:
            raise CommandFailed(command[3:], done.returncode, done.stderr)
        return done.stdout

    def ingest(self, *arguments):
        return json.loads(self.run("ingest", "--json", *arguments))

    def tables(self):
        """Table name to its line of `table list`, system tables included."""
        return {t["table"]: t for t in json.loads(self.run("table", "list", "--all", "--json"))}

    def sql(self, query):
        """Rows as dictionaries."""
        return [json.loads(line) for line in self.run("sql", "-f", "json", query).splitlines()]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def same_number(a, b):
    """Whole numbers exactly; others to the error of summing in another order."""
    a, b = plain(a), plain(b)
    if a is None or b is None:
        return a is b
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    a, b = float(a), float(b)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def plain(value):
    """A number without the type of the engine that made it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, str):
        return plain(Decimal(value))
    return value


def assert_same(ours, theirs, what):
    """Two dictionaries of numbers with the same keys."""
    assert set(ours) == set(theirs), f"{what}: {sorted(ours)} and {sorted(theirs)}"
    wrong = {k: (ours[k], theirs[k]) for k in ours if not same_number(ours[k], theirs[k])}
    assert not wrong, f"{what} differ: {wrong}"
