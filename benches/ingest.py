"""Ingest beside DuckDB: the same input, the same machine, by turns.

    ingest.py --binary DOWNLAKE [--scale 1 10] [--case csv json ...] [--runs 3]
              [--data DIR] [--scratch DIR] [--json]

Each input is written by both to Parquet, in folders by day where it has days,
compressed with zstd 1, in row groups of 131,072 rows. Twice: sorted inside the
files, and in the order in which it comes. The runs alternate; medians are
shown. What both wrote is then read with DuckDB: the numbers of rows and the
sums have to be the same.

What is not the same, in favour of either: downlake makes a table with a log, a
ledger, a hash and statistics of each file, adds three columns, and waits for
the disk; DuckDB starts an interpreter (the first line says how long that
takes), and takes the memory that it likes.
"""

import argparse
import json
import math
import os
import shlex
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measure import MIB, run

CMAPSS = ["unit", "cycle", "op1", "op2", "op3", *(f"s{n}" for n in range(1, 22))]
METRICS = ["COLUMNS('usage_.*')"]
# What a row of the narrow CSV has, for inputs that are the same in another coat.
CSV_ROW_BYTES = 139.4

DUCKDB = [sys.executable, "-c", "import sys, duckdb; duckdb.execute(sys.argv[1])"]
ASK_DUCKDB = [
    sys.executable,
    "-c",
    "import sys, json, duckdb; print(json.dumps(duckdb.execute(sys.argv[1]).fetchone()))",
]


@dataclass(frozen=True)
class Case:
    """An input: how each side reads it, and what has to be the same after."""

    relation: str
    options: tuple
    order: tuple
    # Expressions over the output of either side.
    sums: tuple
    # Generated inputs have a shape by the name of the case, others are files.
    files: tuple = ()
    select: str = "*"
    dated: bool = True
    coat: bool = False


def generated(relation, sums, order=("hostname", "time"), **others):
    return Case(relation, ("--time", "time"), order, tuple(sums), **others)


CASES = {
    "csv": generated("read_csv({})", METRICS),
    "csv-gz": generated("read_csv({})", METRICS, coat=True),
    "csv-zst": generated("read_csv({})", METRICS, coat=True),
    "json": generated("read_json({}, format = 'newline_delimited')", METRICS),
    "nested-json": generated(
        "read_json({}, format = 'newline_delimited')",
        ["cpu_user", "cpu_system", "list_sum(cpu_load)", "note IS NULL"],
        order=("host_name", "time"),
        select="time, host.name AS host_name, host.place.region AS host_place_region, "
        "host.place.rack AS host_place_rack, cpu.user AS cpu_user, "
        "cpu.system AS cpu_system, cpu.load AS cpu_load, note",
    ),
    "parquet": generated("read_parquet({})", METRICS, coat=True),
    "days": generated("read_csv({})", METRICS),
    "wide": generated(
        "read_csv({})", ["COLUMNS('m[0-9]{4}')"], order=("vehicle", "time")
    ),
    "text-1m": generated("read_csv({}, max_line_size = 33554432)", ["length(text0)"]),
    "text-8m": generated("read_csv({}, max_line_size = 33554432)", ["length(text7)"]),
    "launches": Case(
        "read_parquet({})",
        ("--time", "relative(time, s, run=launch)"),
        ("launch", "time"),
        ("time", "velocity", "altitude"),
        files=("launches/raw_30fps.parquet",),
        dated=False,
    ),
    "birds": Case(
        "read_csv({})",
        ("--schema", "birds_eps"),
        (),
        ("tpy", "vbat"),
        files=("birds/*.csv",),
        select='* RENAME ("Tpy (°C)" AS tpy, "Vbat (V)" AS vbat)',
        dated=False,
    ),
    "cmapss": Case(
        # Lines end in two blanks, which DuckDB reads as two further columns.
        "read_csv({}, delim = ' ', header = false, null_padding = true, "
        f"names = {[*CMAPSS, 'e1', 'e2']})",
        ("--schema", "cmapss"),
        (),
        tuple(CMAPSS),
        files=("cmapss/train_FD001.txt",),
        select="* EXCLUDE (e1, e2)",
        dated=False,
    ),
    "msl": Case(
        "read_parquet({})",
        ("--time", "relative(t, step, run=channel)"),
        ("channel", "t"),
        ("t", "value"),
        files=("msl/train.parquet",),
        dated=False,
    ),
}


def downlake_command(case, ordered, files, binary, out):
    """Where no order is asked for, downlake sorts by time, as generated inputs come."""
    sort = ["--sort-by", ",".join(case.order)] if ordered and case.order else []
    table = [] if "--schema" in case.options else ["--table", "t"]
    return [binary, "ingest", "--quiet", "--lake", out, *table, *case.options, *sort, *files]


def duckdb_command(case, ordered, files, out):
    select, target = case.select, f"{out}/data.parquet"
    keys, folders = list(case.order), ""
    if case.dated:
        select += ", CAST(time AS DATE) AS date"
        keys, folders, target = ["date", *keys], ", PARTITION_BY (date)", out
    order = f" ORDER BY {', '.join(keys)}" if ordered and case.order else ""
    relation = case.relation.format(list_text([str(f) for f in files]))
    return [
        *DUCKDB,
        f"SET TimeZone = 'UTC'; COPY (SELECT {select} FROM {relation}{order}) TO '{target}' "
        f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 131072{folders})",
    ]


def list_text(texts):
    """A list of texts as DuckDB reads it."""
    return "[" + ", ".join(f"'{text}'" for text in texts) + "]"


def figures(case, pattern):
    """Rows and sums of what one side wrote, read in a process of its own."""
    sums = "".join(f", sum(CAST({e} AS DOUBLE))" for e in case.sums)
    query = f"SELECT count(*){sums} FROM read_parquet('{pattern}', hive_partitioning = false)"
    return json.loads(run([*ASK_DUCKDB, query]).stdout)


def assert_same(ours, theirs):
    """Sums to the error of summing in another order."""
    same = [a == b or math.isclose(a, b, rel_tol=1e-9) for a, b in zip(ours, theirs, strict=True)]
    assert all(same), f"downlake has {ours}, DuckDB {theirs}"


@dataclass
class Side:
    """The runs of one engine."""

    wall_s: float
    cpu_s: float
    rows_per_s: float
    mb_per_s: float
    peak_rss_mib: float
    output_mb: float
    command: str


def one_run(command, out):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    os.sync()  # Neither pays for what the other left to the disk.
    return run(command)


def side(runs, command, rows, text_bytes, out, glob):
    wall_s = statistics.median(r.wall_s for r in runs)
    return Side(
        wall_s=wall_s,
        cpu_s=statistics.median(r.cpu_s for r in runs),
        rows_per_s=rows / wall_s,
        mb_per_s=text_bytes / wall_s / 1e6,
        peak_rss_mib=max(r.peak_rss_bytes for r in runs) / MIB,
        output_mb=sum(f.stat().st_size for f in out.glob(glob)) / 1e6,
        command=shown(command, out.parent),
    )


def shown(command, scratch):
    """A command line to read: of DuckDB's the statement, and a short name for the scratch folder."""
    text = command[-1] if command[: len(DUCKDB)] == DUCKDB else shlex.join(map(str, command))
    return text.replace(str(scratch), "SCRATCH")


def contest(case, ordered, files, arguments, scratch):
    """Both engines on one input, by turns: what each took, and the number of rows."""
    ours, theirs = scratch / "downlake", scratch / "duckdb"
    our_command = downlake_command(case, ordered, files, arguments.binary, ours)
    their_command = duckdb_command(case, ordered, files, theirs)
    our_runs, their_runs = [], []
    for _ in range(arguments.runs):
        our_runs.append(one_run(our_command, ours))
        their_runs.append(one_run(their_command, theirs))
    our_glob, their_glob = "[!_]*/**/part-*.parquet", "**/*.parquet"
    found = figures(case, f"{ours}/{our_glob}")
    assert_same(found, figures(case, f"{theirs}/{their_glob}"))
    text_bytes = found[0] * CSV_ROW_BYTES if case.coat else sum(f.stat().st_size for f in files)
    sides = (
        side(our_runs, our_command, found[0], text_bytes, ours, our_glob),
        side(their_runs, their_command, found[0], text_bytes, theirs, their_glob),
    )
    shutil.rmtree(ours)
    shutil.rmtree(theirs)
    return found[0], *sides


HEADER = (
    f"{'input':15}{'order':9}{'engine':9}{'wall s':>8}{'cpu s':>8}{'rows/s':>11}{'MB/s':>7}"
    f"{'peak MiB':>10}{'out MB':>8}"
)


def lines(name, order, ours, theirs):
    """Two rows of the table, and who was faster."""
    ratio = theirs.wall_s / ours.wall_s
    verdict = f"{ratio:.2f} times as fast as DuckDB{'' if ratio >= 1 else ', a LOSS'}"
    first = row(f"{name:15}{order:9}downlake ", ours)
    second = row(f"{'':24}duckdb   ", theirs)
    return f"{first}  {verdict}\n{second}"


def row(start, side):
    return (
        f"{start}{side.wall_s:8.2f}{side.cpu_s:8.2f}{side.rows_per_s:11,.0f}{side.mb_per_s:7.0f}"
        f"{side.peak_rss_mib:10.0f}{side.output_mb:8.1f}"
    )


def inputs(arguments, scratch):
    """Name, case and files of each input; generated ones are deleted after use."""
    generate = Path(__file__).with_name("generate.py")
    for name in arguments.case:
        case = CASES[name]
        if case.files:
            if arguments.data:
                yield name, case, [f for p in case.files for f in sorted(arguments.data.glob(p))]
            continue
        for scale in arguments.scale:
            made = Path(run([sys.executable, generate, name, scale, scratch]).stdout.strip())
            yield f"{name}-{scale}", case, [made]
            made.unlink()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--scale", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--case", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, help="folder of real telemetry; left out without it")
    parser.add_argument("--scratch", type=Path, help="folder for inputs and outputs, emptied after")
    parser.add_argument("--json", action="store_true", help="also the command lines of both sides")
    return parser.parse_args()


def main():
    arguments = parse()
    say = sys.stderr if arguments.json else sys.stdout
    start = statistics.median(run([*DUCKDB, "SELECT 1"]).wall_s for _ in range(3))
    print(f"{os.cpu_count()} cores; DuckDB's interpreter starts in {start:.2f} s", file=say)
    print(HEADER, file=say)
    results = []
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        for name, case, files in inputs(arguments, Path(scratch)):
            for order in ["sorted", "as is"] if case.order else ["as is"]:
                rows, ours, theirs = contest(
                    case, order == "sorted", files, arguments, Path(scratch)
                )
                print(lines(name, order, ours, theirs), file=say, flush=True)
                results.append(
                    {"input": name, "order": order, "rows": rows}
                    | {"downlake": vars(ours), "duckdb": vars(theirs)}
                )
    show(results, arguments.json)
    return 0


def show(results, as_json):
    if as_json:
        print(json.dumps(results, indent=2))
        return
    print("\nCommands:")
    for result in results:
        print(f"{result['input']}, {result['order']}")
        print(f"  {result['downlake']['command']}\n  {result['duckdb']['command']}")


if __name__ == "__main__":
    sys.exit(main())
