"""We read other makers' tables right, or refuse them by name.

    check_foreign.py DIR --binary DOWNLAKE

DIR is what make_foreign.py wrote; it is used as a lake.
"""

import argparse
import json
import sys
from pathlib import Path

from check_open import figures_downlake
from checks import CommandFailed, Downlake, Report, assert_same

EXIT_REFUSED = 2


def check_read(downlake, table, expected):
    names = [n for n in expected["figures"] if n != "rows"]
    try:
        ours = figures_downlake(downlake, table, names)
    except CommandFailed as refusal:
        assert expected["read"] != "must", refusal
        assert refusal.code == EXIT_REFUSED, refusal
        assert expected["names"] in refusal.stderr, f"{expected['names']} is not named: {refusal}"
        return
    assert expected["read"] != "refuse", f"read in spite of {expected['names']}: {ours}"
    assert_same(expected["figures"], ours, "deltalake and downlake")


def check_refusals_spare_the_rest(downlake, expected):
    """One table that cannot be read hides no other table of the lake."""
    names = [row["table_name"] for row in downlake.sql(
        "SELECT table_name FROM information_schema.tables"
    )]
    missing = [t for t, e in expected.items() if e["read"] == "must" and t not in names]
    assert not missing, f"not in information_schema.tables: {missing}"


def check_foreign(report, target, binary):
    downlake = Downlake(binary, target)
    expected = json.loads((Path(target) / "expected.json").read_text())
    for table, what in expected.items():
        report.check(f"foreign {table}: {what['read']}", check_read, downlake, table, what)
    report.check("foreign: refusals spare the rest", check_refusals_spare_the_rest, downlake, expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--binary", type=Path, required=True)
    arguments = parser.parse_args()
    report = Report()
    check_foreign(report, arguments.target, arguments.binary)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
