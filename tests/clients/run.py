"""All checks with other makers' engines, in lakes that are thrown away.

    run.py --binary DOWNLAKE --data DATA_DIR

Real inputs land and count as DuckDB counts them; other engines read the lake
that came of it, and write to it; tables of theirs are read or refused. Packets
have the values that other decoders wrote down.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from check_foreign import check_foreign
from check_open import check_lake
from checks import Report
from make_foreign import make_all
from oracle import check_oracle
from packets import check_packets


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        lake, foreign = Path(scratch) / "lake", Path(scratch) / "foreign"
        check_oracle(report, lake, arguments.binary, arguments.data)
        check_lake(report, lake, arguments.binary)
        check_packets(report, Path(scratch), arguments.binary, arguments.data)
        foreign.mkdir()
        if report.check("foreign: tables are made", make_all, foreign):
            check_foreign(report, foreign, arguments.binary)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
