"""DuckDB as oracle: real inputs, read by it and by us, count and sum the same.

    oracle.py DATA_DIR                                   print what is expected
    oracle.py DATA_DIR --binary DOWNLAKE --lake DIR      ingest, and compare

Each input is ingested twice; the second time must add nothing (ONCE-1).
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from check_open import figures_downlake
from checks import Downlake, Report, assert_same, plain, quoted


@dataclass
class Source:
    """An input: how we ingest it, how DuckDB reads it, what is summed."""

    table: str
    files: list
    options: list
    relation: str
    # Column of ours to DuckDB's expression; by name where they are alike.
    columns: dict


def same(*names):
    return {n: quoted(n) for n in names}


def number(name):
    return f"CAST({quoted(name)} AS DOUBLE)"


def hexadecimal(name):
    return f"CAST('0x' || {quoted(name)} AS BIGINT)"


CMAPSS = ["unit", "cycle", "op1", "op2", "op3", *(f"s{n}" for n in range(1, 22))]
BIRDS = ["UGUISU_23_October_2020.csv", "UGUISU_13_Feb_2021.csv", "UGUISU_10_April_2021.csv"]

SOURCES = [
    Source(
        "iridium8",
        ["launches/iridium8_raw.jsonl"],
        ["--time", "relative(time, s)"],
        "read_json(?)",
        same("time", "velocity", "altitude"),
    ),
    Source(
        "jason3",
        ["launches/jason3_raw.jsonl"],
        ["--time", "relative(time, s)"],
        "read_json(?)",
        same("time", "velocity", "altitude"),
    ),
    Source(
        "launches",
        ["launches/raw_30fps.parquet"],
        ["--time", "relative(time, s, run=launch)"],
        "read_parquet(?)",
        same("time", "velocity", "altitude"),
    ),
    Source(
        "events",
        ["launches/events.csv"],
        ["--time", "none"],
        "read_csv(?)",
        same("maxq", "meco", "seco1", "apogee"),
    ),
    Source(
        "cmapss",
        ["cmapss/train_FD001.txt"],
        ["--schema", "cmapss"],
        # Lines end in two blanks, which DuckDB reads as two further columns.
        f"read_csv(?, delim = ' ', header = false, null_padding = true, names = {[*CMAPSS, 'e1', 'e2']})",
        same(*CMAPSS),
    ),
    Source(
        "birds_eps",
        [f"birds/{name}" for name in BIRDS],
        ["--schema", "birds_eps"],
        "read_csv(?, all_varchar = true)",
        {
            "tpy": number("Tpy (°C)"),
            "vbat": number("Vbat (V)"),
            "ipx": number("Ipx (mA)"),
            "tpy__raw": hexadecimal("Tpy (raw)"),
            "vbat__raw": hexadecimal("Vbat (raw)"),
        },
    ),
    Source(
        "msl_train",
        ["msl/train.parquet"],
        ["--time", "relative(t, step, run=channel)"],
        "read_parquet(?)",
        same("t", "value"),
    ),
    Source(
        "msl_test",
        ["msl/test.parquet"],
        ["--time", "relative(t, step, run=channel)"],
        "read_parquet(?)",
        same("t", "value"),
    ),
]


def expected(source, data):
    sums = "".join(f", sum({e})" for e in source.columns.values())
    files = [str(Path(data) / f) for f in source.files]
    query = f"SELECT count(*){sums} FROM {source.relation}"
    row = duckdb.connect().execute(query, [files]).fetchall()[0]
    return dict(zip(["rows", *source.columns], map(none_or_plain, row)))


def none_or_plain(value):
    return None if value is None else plain(value)


def ingest(downlake, source, data):
    files = [Path(data) / f for f in source.files]
    # The stream of an embedded schema is its table.
    named = [] if "--schema" in source.options else ["--table", source.table]
    return downlake.ingest(*named, *source.options, *files)


def check_source(downlake, source, data):
    report = ingest(downlake, source, data)
    figures = expected(source, data)
    states = {unit["state"] for unit in report["units"]}
    assert states == {"landed"}, f"units are {states}"
    assert report["rows_quarantined"] == 0, f"{report['rows_quarantined']} rows quarantined"
    assert report["rows_committed"] == figures["rows"], (report["rows_committed"], figures["rows"])
    ours = figures_downlake(downlake, source.table, source.columns)
    assert_same(figures, ours, "DuckDB and downlake")


def check_again(downlake, source, data):
    before = downlake.tables()[source.table]["rows"]
    report = ingest(downlake, source, data)
    states = {unit["state"] for unit in report["units"]}
    assert states == {"already"}, f"units are {states}"
    assert report["rows_in"] == 0, f"{report['rows_in']} rows in"
    after = downlake.tables()[source.table]["rows"]
    assert before == after, f"{before} rows became {after}"


def check_oracle(report, lake, binary, data):
    downlake = Downlake(binary, lake)
    for source in SOURCES:
        report.check(f"oracle {source.table}", check_source, downlake, source, data)
        report.check(f"oracle {source.table}: again", check_again, downlake, source, data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--binary", type=Path)
    parser.add_argument("--lake", type=Path)
    arguments = parser.parse_args()
    if not arguments.binary:
        figures = {s.table: expected(s, arguments.data) for s in SOURCES}
        print(json.dumps(figures, indent=2))
        return 0
    if not arguments.lake:
        parser.error("--binary needs --lake")
    report = Report()
    check_oracle(report, arguments.lake, arguments.binary, arguments.data)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
