"""Other makers' engines read every table of a lake as we do, and write to it.

    check_open.py LAKE_DIR [--binary DOWNLAKE]

deltalake and polars read each table and agree on schema, count and the sum of
each numeric column, now and at earlier versions; DuckDB reads the data files
by path, with nothing but their folders where no file is removed. With a binary,
the same figures are asked of it, and a batch that deltalake appends to a copy
of the lake is seen by it.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
import polars
import pyarrow
import pyarrow.compute as compute
from deltalake import DeltaTable, write_deltalake

from checks import Downlake, Report, assert_same, quoted

VERSIONS_CHECKED = 5
ROWS_APPENDED = 100


def tables_of(lake):
    """Folders with a Delta log, by table name."""
    return {log.parent.name: log.parent for log in sorted(Path(lake).glob("*/_delta_log"))}


def is_number(kind):
    types = pyarrow.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def numeric_columns(schema):
    return [f.name for f in schema if is_number(f.type)]


def figures_arrow(table):
    """Count of rows and the sum of each numeric column."""
    figures = {"rows": table.num_rows}
    for name in numeric_columns(table.schema):
        figures[name] = compute.sum(widened(table[name])).as_py()
    return figures


def widened(column):
    """A column whose sum does not overflow its type."""
    kind = column.type
    if pyarrow.types.is_integer(kind):
        return column.cast(pyarrow.decimal128(38, 0))
    if pyarrow.types.is_floating(kind):
        return column.cast(pyarrow.float64())
    return column


def read_deltalake(folder, version=None):
    return DeltaTable(str(folder), version=version).to_pyarrow_table()


def figures_polars(folder, version=None):
    frame = polars.read_delta(str(folder), version=version)
    return figures_arrow(frame.to_arrow()), frame.columns


def check_engines_agree(folder, version=None):
    table = read_deltalake(folder, version)
    theirs, columns = figures_polars(folder, version)
    assert table.schema.names == columns, f"columns: {table.schema.names} and {columns}"
    assert_same(figures_arrow(table), theirs, "deltalake and polars")


def check_earlier_versions(folder):
    newest = DeltaTable(str(folder)).version()
    for version in range(max(0, newest - VERSIONS_CHECKED), newest):
        check_engines_agree(folder, version)


def data_files(folder):
    """Parquet files below a table, those of its log and of ours not counted."""
    parts = (f.relative_to(folder) for f in folder.rglob("*.parquet"))
    return {str(p) for p in parts if not p.parts[0].startswith("_")}


def readable_by_path(folder):
    """What DuckDB is given: the folders where they hold the table's files and
    no others, else the table's files."""
    table = DeltaTable(str(folder))
    active = table.file_uris()
    if len(data_files(folder)) != len(active):
        return active
    # The partition column is in the path alone.
    depth = "**/" if table.metadata().partition_columns else ""
    return [f"{folder}/{depth}*.parquet"]


def check_duckdb(folder):
    """Data files alone, without the log."""
    expected = figures_arrow(read_deltalake(folder))
    names = [n for n in expected if n != "rows"]
    sums = "".join(f", sum({quoted(n)})" for n in names)
    row = duckdb.connect().execute(
        f"SELECT count(*){sums} FROM read_parquet(?, hive_partitioning = true, union_by_name = true)",
        [readable_by_path(folder)],
    ).fetchall()[0]
    assert_same(expected, dict(zip(["rows", *names], row)), "deltalake and DuckDB")


def figures_downlake(downlake, table, names):
    sums = "".join(f", sum({quoted(n)}) AS {quoted(n)}" for n in names)
    return downlake.sql(f'SELECT count(*) AS "rows"{sums} FROM {quoted(table)}')[0]


def check_downlake(downlake, table, folder):
    expected = figures_arrow(read_deltalake(folder))
    # Sums of long columns of random identifiers overflow 64 bits in SQL.
    names = [n for n in expected if n not in ("rows", "_ingest_id", "ingest_id")]
    assert_same(
        {n: expected[n] for n in ["rows", *names]},
        figures_downlake(downlake, table, names),
        "deltalake and downlake",
    )
    listed = downlake.tables()[table]
    assert listed["rows"] == expected["rows"], f"table list says {listed}"
    newest = DeltaTable(str(folder)).version()
    assert listed["version"] == newest, f"table list says {listed}, the log {newest}"


def check_append(downlake, table):
    """deltalake appends rows it has read; both sides then count the same."""
    folder = Path(downlake.lake) / table
    before = read_deltalake(folder)
    batch = before.slice(0, min(ROWS_APPENDED, before.num_rows))
    write_deltalake(str(folder), batch, mode="append")
    expected = before.num_rows + batch.num_rows
    assert read_deltalake(folder).num_rows == expected
    assert downlake.tables()[table]["rows"] == expected
    counted = downlake.sql(f'SELECT count(*) AS "rows" FROM {quoted(table)}')
    assert counted == [{"rows": expected}], f"{counted}, expected {expected}"


def check_lake(report, lake, binary):
    tables = tables_of(lake)
    report.check(f"open {lake}: there are tables", lambda: require(tables))
    for name, folder in tables.items():
        report.check(f"open {name}: deltalake and polars agree", check_engines_agree, folder)
        report.check(f"open {name}: earlier versions", check_earlier_versions, folder)
        if data_files(folder):
            report.check(f"open {name}: DuckDB reads the files", check_duckdb, folder)
        if binary:
            downlake = Downlake(binary, lake)
            report.check(f"open {name}: downlake agrees", check_downlake, downlake, name, folder)
    if binary and tables:
        check_appends(report, lake, binary, tables)


def require(tables):
    assert tables, "no folder with a _delta_log"


def check_appends(report, lake, binary, tables):
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "lake"
        shutil.copytree(lake, copy)
        downlake = Downlake(binary, copy)
        for name, folder in tables.items():
            if not name.startswith("_") and read_deltalake(folder).num_rows:
                report.check(f"open {name}: deltalake appends", check_append, downlake, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lake", type=Path)
    parser.add_argument("--binary", type=Path)
    arguments = parser.parse_args()
    report = Report()
    check_lake(report, arguments.lake, arguments.binary)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
