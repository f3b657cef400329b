"""Packets to a committed, sorted table without duplicates, end to end.

    landing.py --binary DOWNLAKE --data DIR [--size 1000] [--runs 3]
               [--memory SIZE]... [--scratch DIR] [--json]

Two recordings are replicated (`replicate.py`) and landed with default settings,
or with each `--memory`: hashed, decoded, checked for duplicates, sorted,
encoded, synced to the disk, committed. Each run has a lake of its own. `again`
lands the second half of a file after the whole: every row of it is a duplicate,
the most that duplicates can cost. Peaks are those of the process beside what
was promised, the memory given and 128 MiB.
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measure import MIB, run

BESIDE = 128 * MIB
DEFAULT_MEMORY = "384MiB"
UNITS = {"MiB": MIB, "GiB": 1 << 30}


@dataclass(frozen=True)
class Case:
    """A recording and where its packets keep the time."""

    name: str
    source: str
    definition: str
    clock: str
    options: tuple
    target_mb_s: float


CASES = [
    Case(
        "jpss",
        "packets/jpss/J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1",
        "packets/jpss/jpss1_geolocation_xtce_v1.xml",
        "cds",
        ("--time", "cds(DOY,MSEC,USEC)"),
        100.0,
    ),
    Case(
        "ctim",
        "packets/ctim/ccsds_2021_155_14_39_51",
        "packets/ctim/ctim_xtce_v1.xml",
        "seconds",
        (),
        100.0,
    ),
]


@dataclass(frozen=True)
class Line:
    """The runs of one case with one amount of memory."""

    case: str
    memory: str
    command: str
    bytes: int
    rows: int
    duplicates: int
    wall_s: tuple
    cpu_s: tuple
    peak_bytes: tuple

    @property
    def mb_s(self):
        return self.bytes / statistics.median(self.wall_s) / 1e6

    @property
    def promised_bytes(self):
        number, unit = self.memory[:-3], self.memory[-3:]
        return int(number) * UNITS[unit] + BESIDE


def command(case, arguments, memory, lake, file):
    definition = arguments.data / case.definition
    return [
        arguments.binary,
        *("--lake", lake, "--memory", memory, "--json"),
        *("ingest", file, "--schema", definition, *case.options),
    ]


def landed(case, name, arguments, memory, file, before=None):
    """Lands a file several times, each in a new lake."""
    usages, report = [], None
    lake = file.with_name("lake")
    line = command(case, arguments, memory, lake, file)
    for _ in range(arguments.runs):
        shutil.rmtree(lake, ignore_errors=True)
        if before is not None:
            run(command(case, arguments, memory, lake, before))
        usages.append(run(line))
        report = json.loads(usages[-1].stdout)
        check(name, report)
    shutil.rmtree(lake)
    return Line(
        case=name,
        memory=memory,
        command=shlex.join(str(part) for part in line),
        bytes=file.stat().st_size,
        rows=report["rows_committed"],
        duplicates=report["rows_duplicate"],
        wall_s=tuple(usage.wall_s for usage in usages),
        cpu_s=tuple(usage.cpu_s for usage in usages),
        peak_bytes=tuple(usage.peak_rss_bytes for usage in usages),
    )


def check(name, report):
    """Every record is accounted for."""
    ends = ("committed", "quarantined", "duplicate", "skipped")
    if report["rows_in"] != sum(report[f"rows_{end}"] for end in ends):
        sys.exit(f"{name}: the counts do not add up: {report}")


def second_half(file):
    """Whole packets from the middle on, as a file beside it."""
    data = file.read_bytes()
    at = 0
    while at < len(data) // 2:
        at += 7 + int.from_bytes(data[at + 4 : at + 6], "big")
    part = file.with_suffix(".half")
    part.write_bytes(data[at:])
    return part


HEADER = f"{'input':12}{'memory':>8}{'MB':>8}{'rows':>12}{'duplicates':>12}{'s':>8}{'cpu s':>8}{'MB/s':>8}{'peak MiB':>10}{'promised':>10}"


def text(line):
    wall, cpu = statistics.median(line.wall_s), statistics.median(line.cpu_s)
    return (
        f"{line.case:12}{line.memory:>8}{line.bytes / 1e6:8.0f}{line.rows:12}{line.duplicates:12}"
        f"{wall:8.2f}{cpu:8.2f}{line.mb_s:8.1f}{max(line.peak_bytes) / MIB:10.0f}{line.promised_bytes / MIB:10.0f}"
    )


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, required=True, help="downlake, built with --release")
    parser.add_argument("--data", type=Path, required=True, help="the folder of test data")
    parser.add_argument("--size", type=int, default=1000, help="millions of bytes")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", action="append", help="such as 128MiB; may be repeated")
    parser.add_argument("--scratch", type=Path, help="folder for inputs and lakes, emptied after")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def lines(arguments, scratch):
    here = Path(__file__)
    memories = arguments.memory or [DEFAULT_MEMORY]
    for case in CASES:
        file = Path(scratch) / f"{case.name}.bin"
        source = arguments.data / case.source
        run([sys.executable, here.with_name("replicate.py"), case.clock, arguments.size, source, file])
        for memory in memories:
            yield case, landed(case, case.name, arguments, memory, file)
        if case.options:
            run([sys.executable, here, "--cut", file])
            half = file.with_suffix(".half")
            yield None, landed(case, f"{case.name} again", arguments, memories[0], half, file)
            half.unlink()
        file.unlink()


def main():
    # Inputs are cut in a process of their own: see `measure`.
    if sys.argv[1:2] == ["--cut"]:
        second_half(Path(sys.argv[2]))
        return 0
    arguments = parse()
    say = sys.stderr if arguments.json else sys.stdout
    done, broken = [], False
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        print(f"load {os.getloadavg()[0]:.1f} before the first run\n{HEADER}", file=say)
        for case, line in lines(arguments, scratch):
            print(text(line), file=say, flush=True)
            if case is not None:
                word = "reached" if line.mb_s >= case.target_mb_s else "MISSED"
                print(f"{case.name}: target {case.target_mb_s:.0f} MB/s: {word}", file=say)
            broken |= max(line.peak_bytes) > line.promised_bytes
            done.append(line)
    if arguments.json:
        print(json.dumps([vars(line) | {"mb_s": line.mb_s} for line in done], indent=2))
    else:
        print("\nCommands:", *(f"  {line.command}" for line in done), sep="\n")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
