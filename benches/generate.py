"""Inputs for the benches: the same bytes for the same name and size, always.

    generate.py SHAPE SCALE FOLDER      makes one input and prints its path
    generate.py --list                  the shapes, and their rows at scale 1

A shape is a kind of telemetry, a scale a number of rows: 1 is about 16 MB of
CSV, 10 has ten times the rows. Text is made block by block, so a large input
takes no more memory than a small one. Compressed inputs and Parquet are the
narrow CSV in another coat.
"""

import argparse
import gzip
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

SEED = 20260101
START = np.datetime64("2026-01-01T00:00:00", "s")
HOSTS = 100
TAGS = {
    "hostname": [f"host_{n}" for n in range(HOSTS)],
    "region": ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-1"],
    "datacenter": ["1a", "1b", "1c"],
    "rack": [str(n) for n in range(97)],
    "os": ["Debian12", "Ubuntu24.04LTS", "Ubuntu22.04LTS"],
    "arch": ["x64", "arm64"],
    "team": ["GNC", "PROP", "AVI", "OPS"],
    "service": [str(n) for n in range(19)],
    "service_version": ["0", "1"],
    "service_environment": ["production", "staging", "test"],
}
METRICS = [
    f"usage_{name}"
    for name in "user system idle nice iowait irq softirq steal guest guest_nice".split()
]
WIDE_COLUMNS = 2000
DAYS = 5000
# The last of the 5,000 days has to be in the past: a time to come is refused.
DAYS_START = np.datetime64("2012-01-01T00:00:00", "s")
BLOCK_BYTES = 16 << 20
MIB = 1 << 20
# All values that a metric can have, as text: formatting is then a look-up.
CENTS = np.array([f"{n / 100:g}" for n in range(10_001)], dtype="S")


def joined(columns):
    """Lines of text from columns of texts and constants, as bytes.

    Texts of one column are padded with NUL to one width; the rows are laid out
    as a matrix of bytes, out of which the padding is then dropped.
    """
    rows = max(len(c) for c in columns if isinstance(c, np.ndarray))
    parts = [np.frombuffer(c, np.uint8) if isinstance(c, bytes) else as_bytes(c) for c in columns]
    width = sum(part.shape[-1] for part in parts)
    matrix = np.empty((rows, width), np.uint8)
    at = 0
    for part in parts:
        matrix[:, at : at + part.shape[-1]] = part
        at += part.shape[-1]
    return matrix[matrix != 0].tobytes()


def as_bytes(texts):
    """An array of texts, one or two dimensions, as rows of bytes."""
    return np.ascontiguousarray(texts).view(np.uint8).reshape(len(texts), -1)


def between(separator, columns):
    """The columns with a constant between each two."""
    return [part for column in columns for part in (separator, column)][1:]


def walk(random, last, steps):
    """Random walks in hundredths from 0 to 100, one a column, reflected at the ends."""
    moves = random.integers(-150, 151, (steps, len(last)), dtype=np.int32)
    places = np.cumsum(moves, axis=0, dtype=np.int64) + last
    folded = np.abs((places + 10_000) % 40_000 - 20_000)  # 0 to 20,000 and back
    return np.abs(folded - 10_000), places[-1]


def times(first, count, step_s, start=START):
    """Time stamps as text, one each step."""
    stamps = start + (first + np.arange(count)) * np.timedelta64(step_s, "s")
    return np.char.add(np.datetime_as_string(stamps, unit="s").astype("S"), b"Z")


def host_tags():
    """For each tag the texts of all hosts."""
    random = np.random.default_rng(SEED)
    drawn = {tag: random.integers(0, len(v), HOSTS) for tag, v in TAGS.items()}
    drawn["hostname"] = np.arange(HOSTS)
    return {tag: np.array(TAGS[tag], dtype="S")[places] for tag, places in drawn.items()}


def metric_blocks(rows):
    """Steps of ten seconds, all hosts in each: number of the first step, and metrics."""
    random = np.random.default_rng(SEED + 1)
    last = random.integers(0, 10_000, HOSTS * len(METRICS))
    steps = rows // HOSTS
    for first in range(0, steps, 500):
        values, last = walk(random, last, min(500, steps - first))
        yield first, values.reshape(-1, len(METRICS))


def metric_rows(rows):
    """Blocks of (time, tags, metrics) as texts."""
    tags = host_tags()
    for first, values in metric_blocks(rows):
        steps = len(values) // HOSTS
        stamps = np.repeat(times(first, steps, 10), HOSTS)
        yield stamps, [np.tile(t, steps) for t in tags.values()], CENTS[values].T


def narrow_csv(rows):
    """Host metrics like those of TSBS: 10 tags, 10 metrics, in order of time."""
    yield (",".join(["time", *TAGS, *METRICS]) + "\n").encode()
    for stamps, tags, values in metric_rows(rows):
        yield joined([*between(b",", [stamps, *tags, *values]), b"\n"])


def narrow_json(rows):
    """The same rows as JSON lines."""
    for stamps, tags, values in metric_rows(rows):
        parts = [b'{"time":"', stamps]
        for name, column in zip(TAGS, tags):
            parts += [f'","{name}":"'.encode(), column]
        parts += [b'"']
        for name, column in zip(METRICS, values):
            parts += [f',"{name}":'.encode(), column]
        yield joined([*parts, b"}\n"])


def nested_json(rows):
    """The same rows as objects in objects, with a list and a field that is not always there."""
    for stamps, tags, values in metric_rows(rows):
        extra = np.where(np.arange(len(stamps)) % 5 == 0, b',"note":"throttled"', b"")
        yield joined(
            [b'{"time":"', stamps, b'","host":{"name":"', tags[0], b'","place":{"region":"', tags[1]]
            + [b'","rack":"', tags[3], b'"}},"cpu":{"user":', values[0], b',"system":', values[1]]
            + [b',"load":[', *between(b",", values[2:5]), b"]}", extra, b"}\n"]
        )


def days_csv(rows):
    """Host metrics over 5,000 days, one host after the other, so that days come again and again."""
    tags = list(host_tags().values())
    yield (",".join(["time", *TAGS, *METRICS]) + "\n").encode()
    per_host = rows // HOSTS
    step_s = DAYS * 86_400 // per_host
    random = np.random.default_rng(SEED + 2)
    for host in range(HOSTS):
        start = DAYS_START + host * step_s // HOSTS
        for first in range(0, per_host, 50_000):
            count = min(50_000, per_host - first)
            part = times(first, count, step_s, start)
            values = CENTS[random.integers(0, 10_001, (len(METRICS), len(part)))]
            constants = between(b",", [bytes(tag[host]) for tag in tags])
            yield joined([part, b",", *constants, b",", *between(b",", values), b"\n"])


def wide_csv(rows):
    """2,000 metrics a row, a row each second."""
    names = [f"m{n:04}" for n in range(WIDE_COLUMNS)]
    yield (",".join(["time", "vehicle", *names]) + "\n").encode()
    random = np.random.default_rng(SEED + 3)
    last = random.integers(0, 10_000, WIDE_COLUMNS)
    commas = np.broadcast_to(np.array(b",", dtype="S1"), (1, 1))
    for first in range(0, rows, 1000):
        count = min(1000, rows - first)
        values, last = walk(random, last, count)
        texts = np.char.add(commas, CENTS[values]).reshape(count, -1)
        yield joined([times(first, count, 1), b",v1", texts, b"\n"])


def texts_csv(rows, fields):
    """Rows of a time, a host and text fields of 1 MiB each."""
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz 0123456789.:;=-_/()[]ABCDEFGHIJKLMNOP", np.uint8)
    random = np.random.default_rng(SEED + 4)
    yield (",".join(["time", "hostname", *(f"text{n}" for n in range(fields))]) + "\n").encode()
    for row in range(rows):
        stamp, host = times(row, 1, 10)[0], f"host_{random.integers(HOSTS)}".encode()
        texts = [letters[random.integers(0, 64, MIB, dtype=np.uint8)].tobytes() for _ in range(fields)]
        yield b",".join([stamp, host, *texts]) + b"\n"


def compressed(opener):
    def write(path, rows):
        with opener(path) as out:
            for block in narrow_csv(rows):
                out.write(block)

    return write


def open_gzip(path):
    return gzip.GzipFile(path, "wb", compresslevel=6, mtime=0)


def open_zstd(path):
    import zstandard

    return zstandard.open(path, "wb", cctx=zstandard.ZstdCompressor(level=3))


def parquet(path, rows):
    """The narrow CSV as Parquet, written by DuckDB as it does by default."""
    import duckdb

    text = path.with_suffix(".csv")
    plain(narrow_csv)(text, rows)
    duckdb.sql(f"COPY (FROM read_csv('{text}')) TO '{path}' (FORMAT parquet)")
    text.unlink()


def plain(blocks):
    def write(path, rows):
        with open(path, "wb") as out:
            for block in blocks(rows):
                out.write(block)

    return write


@dataclass(frozen=True)
class Shape:
    """A kind of input."""

    suffix: str
    # Rows at scale 1.
    rows: int
    write: Callable[[Path, int], None]


SHAPES = {
    "csv": Shape("csv", 110_000, plain(narrow_csv)),
    "csv-gz": Shape("csv.gz", 110_000, compressed(open_gzip)),
    "csv-zst": Shape("csv.zst", 110_000, compressed(open_zstd)),
    "json": Shape("jsonl", 110_000, plain(narrow_json)),
    "nested-json": Shape("jsonl", 110_000, plain(nested_json)),
    "parquet": Shape("parquet", 110_000, parquet),
    "days": Shape("csv", 110_000, plain(days_csv)),
    "wide": Shape("csv", 1_350, plain(wide_csv)),
    "text-1m": Shape("csv", 16, plain(lambda rows: texts_csv(rows, 1))),
    "text-8m": Shape("csv", 2, plain(lambda rows: texts_csv(rows, 8))),
}


def make(shape, scale, folder):
    """The path of an input, made where it is not there yet."""
    path = Path(folder) / f"{shape}-{scale}.{SHAPES[shape].suffix}"
    if not path.exists():
        part = path.with_name(f"part-{path.name}")
        SHAPES[shape].write(part, SHAPES[shape].rows * scale)
        part.rename(path)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the shapes and their rows")
    parser.add_argument("shape", nargs="?", choices=SHAPES)
    parser.add_argument("scale", nargs="?", type=int)
    parser.add_argument("folder", nargs="?", type=Path)
    arguments = parser.parse_args()
    if arguments.list:
        print(json.dumps({name: shape.rows for name, shape in SHAPES.items()}, indent=2))
        return 0
    if not arguments.folder:
        parser.error("name a shape, a scale and a folder")
    print(make(arguments.shape, arguments.scale, arguments.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
