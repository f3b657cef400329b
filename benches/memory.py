"""Whether ingest stays within the memory that it was given.

    memory.py --binary DOWNLAKE [--memory 128 384 2048] [--scale 1 10 100]
              [--shape csv json ...] [--scratch DIR] [--json]

The promise: peak resident size is at most `--memory` and 128 MiB, for any size
and shape of input. Every combination of memory, scale and shape is a cell that
holds or does not; one that does not makes the exit code 1. Inputs are made one
at a time and deleted when they were used.
"""

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from measure import MIB, Failed, folder_bytes, run

BESIDE_MIB = 128
SHAPES = ["csv", "json", "parquet", "wide", "text-1m", "text-8m", "days"]
OPTIONS = {"wide": ["--sort-by", "vehicle,time"]}
OPTIONS_DEFAULT = ["--sort-by", "hostname,time"]


@dataclass
class Cell:
    """One run. Sizes in MiB; those of a run that failed are None."""

    shape: str
    scale: int
    memory: int
    limit: int
    input: float
    peak: float | None = None
    anonymous: float | None = None
    spilled: float | None = None
    output: float | None = None
    wall_s: float | None = None
    error: str = ""

    @property
    def holds(self):
        return self.peak is not None and self.peak <= self.limit


HEADER = (
    f"{'shape':10}{'scale':>6}{'input':>8}{'--memory':>10}{'limit':>7}{'peak':>7}{'anon':>7}"
    f"{'spilled':>9}{'output':>8}{'wall s':>8}"
)


def line(cell):
    """A row of the table."""
    start = f"{cell.shape:10}{cell.scale:6}{cell.input:8.0f}{cell.memory:10}{cell.limit:7}"
    if cell.peak is None:
        return f"{start}  FAIL {cell.error}"
    return (
        f"{start}{cell.peak:7.0f}{cell.anonymous:7.0f}{cell.spilled:9.0f}{cell.output:8.0f}"
        f"{cell.wall_s:8.1f}  {'PASS' if cell.holds else 'FAIL'}"
    )


def command(binary, source, memory, lake, temp):
    """What is run for a cell."""
    shape = source.name.rpartition("-")[0]
    where = ["--lake", lake, "--temp-dir", temp, "--memory", f"{memory}MiB"]
    how = ["--table", "t", "--time", "time", *OPTIONS.get(shape, OPTIONS_DEFAULT)]
    return [binary, "ingest", "--quiet", *where, *how, source]


def measure(cell, binary, source, scratch):
    """Runs one ingest into a lake that is thrown away, and fills the cell."""
    lake, temp = scratch / "lake", scratch / "temp"
    temp.mkdir(exist_ok=True)
    try:
        usage = run(command(binary, source, cell.memory, lake, temp), temp)
    except Failed as why:
        cell.error = str(why)
    else:
        cell.peak = usage.peak_rss_bytes / MIB
        cell.anonymous = usage.peak_anonymous_bytes / MIB
        cell.spilled = usage.peak_spilled_bytes / MIB
        cell.output = folder_bytes(lake) / MIB
        cell.wall_s = usage.wall_s
    shutil.rmtree(lake, ignore_errors=True)
    return cell


def cells(arguments, scratch):
    """All cells, each as it is done."""
    generate = Path(__file__).with_name("generate.py")
    for scale in arguments.scale:
        for shape in arguments.shape:
            made = run([sys.executable, generate, shape, scale, scratch])
            source = Path(made.stdout.strip())
            for memory in arguments.memory:
                size = source.stat().st_size / MIB
                cell = Cell(shape, scale, memory, memory + BESIDE_MIB, size)
                yield measure(cell, arguments.binary, source, scratch)
            source.unlink()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--memory", type=int, nargs="+", default=[128, 384, 2048], help="MiB")
    parser.add_argument("--scale", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--shape", nargs="+", default=SHAPES, help="those of generate.py")
    parser.add_argument("--scratch", type=Path, help="folder for inputs and lakes, emptied after")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse()
    say = sys.stderr if arguments.json else sys.stdout
    done = []
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        scratch = Path(scratch)
        example = command("downlake", Path("SHAPE-SCALE"), "MEMORY", Path("LAKE"), Path("TEMP"))
        print(f"{shlex.join(map(str, example))}\n{HEADER}", file=say)
        for cell in cells(arguments, scratch):
            done.append(cell)
            print(line(cell), file=say, flush=True)
    failed = sum(not cell.holds for cell in done)
    print(f"{len(done) - failed} cells hold, {failed} do not", file=say)
    if arguments.json:
        print(json.dumps([asdict(cell) | {"holds": cell.holds} for cell in done], indent=2))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
