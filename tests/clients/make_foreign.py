"""Tables of another maker's engine, and what must become of each of them.

    make_foreign.py DIR

Writes tables into DIR with deltalake (and, for features that it does not
write, the log actions that a writer of such a table would leave) and
DIR/expected.json:

    {"<table>": {"read": "must" | "may" | "refuse", "names": "<feature>",
                 "figures": {"rows": 3, "<column>": <sum>, ...}}}

"must": these figures. "may": these figures, or a refusal that names the
feature. "refuse": a refusal that names the feature; a number is a wrong one.
"""

import argparse
import datetime as dt
import json
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow
from deltalake import DeltaTable, write_deltalake

from check_open import figures_arrow
from checks import plain

UTC = dt.timezone.utc
START = dt.datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Foreign:
    """How one table is made, and what is expected of a reader."""

    make: callable
    read: str = "must"
    names: str = ""


def rows(count, first=0):
    numbers = range(first, first + count)
    return pyarrow.table(
        {
            "time": pyarrow.array(
                [START + dt.timedelta(hours=7 * n) for n in numbers],
                pyarrow.timestamp("us", "UTC"),
            ),
            "channel": pyarrow.array([f"c{n % 3}" for n in numbers], pyarrow.string()),
            "value": pyarrow.array([n / 4 for n in numbers], pyarrow.float64()),
            "count": pyarrow.array(numbers, pyarrow.int64()),
        }
    )


def write(folder, table, **options):
    write_deltalake(str(folder), table, **options)


def plain_table(folder):
    write(folder, rows(50))
    write(folder, rows(50, 50), mode="append")


def partitioned(folder):
    """Values that a path cannot hold as they are, and NULL."""
    keys = ["plain", "with space", "a=b", "100%", "ä/ö", None]
    table = rows(60).append_column("key", pyarrow.array([keys[n % 6] for n in range(60)]))
    write(folder, table, partition_by=["key"])


def many_types(folder):
    nothing = None
    columns = {
        "i8": pyarrow.array([-128, 127, nothing], pyarrow.int8()),
        "i16": pyarrow.array([-32768, 32767, nothing], pyarrow.int16()),
        "i32": pyarrow.array([-(2**31), 2**31 - 1, nothing], pyarrow.int32()),
        "i64": pyarrow.array([-(2**62), 2**62, nothing], pyarrow.int64()),
        "f32": pyarrow.array([0.5, -0.25, nothing], pyarrow.float32()),
        "f64": pyarrow.array([1e300, -1e-300, nothing], pyarrow.float64()),
        "fixed": pyarrow.array([Decimal("1.25"), Decimal("-9.75"), nothing], pyarrow.decimal128(20, 2)),
        "flag": pyarrow.array([True, False, nothing]),
        "text": pyarrow.array(["", "ä", nothing]),
        "raw": pyarrow.array([b"\x00\xff", b"", nothing]),
        "day": pyarrow.array([dt.date(1958, 1, 1), dt.date(2026, 2, 28), nothing]),
        "list": pyarrow.array([[1, 2], [], nothing], pyarrow.list_(pyarrow.int64())),
        "nested": pyarrow.array([{"a": 1, "b": "x"}, {"a": nothing, "b": nothing}, nothing]),
    }
    write(folder, pyarrow.table(columns))


def widened_schema(folder):
    write(folder, rows(10))
    more = rows(10, 10).append_column("added", pyarrow.array(range(10), pyarrow.int64()))
    write(folder, more, mode="append", schema_mode="merge")


def with_checkpoint(folder):
    for n in range(12):
        write(folder, rows(5, 5 * n), mode="append")
    DeltaTable(str(folder)).create_checkpoint()
    write(folder, rows(5, 60), mode="append")


def rewritten(folder):
    """Deleted by rewriting, then compacted: removed files lie about."""
    for n in range(4):
        write(folder, rows(20, 20 * n), mode="append")
    table = DeltaTable(str(folder))
    table.delete("count % 10 = 3")
    table.optimize.compact()


def overwritten(folder):
    write(folder, rows(30))
    write(folder, rows(7, 100), mode="overwrite")


def no_rows(folder):
    write(folder, rows(0))


def change_data_feed(folder):
    write(folder, rows(20), configuration={"delta.enableChangeDataFeed": "true"})
    DeltaTable(str(folder)).delete("count < 5")


def naive_timestamps(folder):
    column = pyarrow.array([dt.datetime(2026, 1, 1, n) for n in range(5)], pyarrow.timestamp("us"))
    write(folder, rows(5).append_column("local", column))


def append_only(folder):
    write(folder, rows(5), configuration={"delta.appendOnly": "true"})


def protocol(reader=(), writer=()):
    return {
        "protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": list(reader),
            "writerFeatures": sorted({*reader, *writer}),
        }
    }


def requiring(reader=(), writer=(), configuration=None):
    """A table whose newest commit says that its users must know features.

    The rows stay as they are: a reader that overlooks the features returns
    them, and is caught.
    """

    def make(folder):
        write(folder, rows(10))
        metadata = {**metadata_of(folder), "configuration": configuration or {}}
        commit(folder, [protocol(reader, writer), {"metaData": metadata}])

    return make


def renamed_column(folder):
    """`value` is called `speed` now: the files keep the old name."""
    write(folder, rows(10))
    metadata = metadata_of(folder)
    schema = json.loads(metadata["schemaString"])
    for number, column in enumerate(schema["fields"], 1):
        column["metadata"] = {
            "delta.columnMapping.id": number,
            "delta.columnMapping.physicalName": column["name"],
        }
        column["name"] = {"value": "speed"}.get(column["name"], column["name"])
    metadata["schemaString"] = json.dumps(schema)
    metadata["configuration"] = {
        "delta.columnMapping.mode": "name",
        "delta.columnMapping.maxColumnId": str(len(schema["fields"])),
    }
    commit(folder, [protocol(reader=["columnMapping"]), {"metaData": metadata}])


def metadata_of(folder):
    first = folder / "_delta_log" / f"{0:020}.json"
    actions = map(json.loads, first.read_text().splitlines())
    return next(a["metaData"] for a in actions if "metaData" in a)


def commit(folder, actions):
    version = DeltaTable(str(folder)).version() + 1
    path = folder / "_delta_log" / f"{version:020}.json"
    path.write_text("".join(json.dumps(a) + "\n" for a in actions))


def minimal_log(folder):
    """Legal, and bare: no commitInfo, no statistics."""
    write(folder, rows(8))
    path = folder / "_delta_log" / f"{0:020}.json"
    kept = []
    for action in map(json.loads, path.read_text().splitlines()):
        if "commitInfo" in action:
            continue
        if "add" in action:
            action["add"].pop("stats", None)
        kept.append(json.dumps(action) + "\n")
    path.write_text("".join(kept))


TABLES = {
    "plain": Foreign(plain_table),
    "partitioned": Foreign(partitioned),
    "many_types": Foreign(many_types),
    "widened_schema": Foreign(widened_schema),
    "with_checkpoint": Foreign(with_checkpoint),
    "rewritten": Foreign(rewritten),
    "overwritten": Foreign(overwritten),
    "no_rows": Foreign(no_rows),
    "minimal_log": Foreign(minimal_log),
    "append_only": Foreign(append_only),
    "change_data_feed": Foreign(change_data_feed),
    "naive_timestamps": Foreign(naive_timestamps, "may", "timestampNtz"),
    "unknown_writer_feature": Foreign(requiring(writer=["rowColours"])),
    "unknown_reader_feature": Foreign(requiring(reader=["oddReading"]), "refuse", "oddReading"),
    "deletion_vectors": Foreign(
        requiring(reader=["deletionVectors"], configuration={"delta.enableDeletionVectors": "true"}),
        "may",
        "deletionVectors",
    ),
    "v2_checkpoint": Foreign(
        requiring(reader=["v2Checkpoint"], configuration={"delta.checkpointPolicy": "v2"}),
        "may",
        "v2Checkpoint",
    ),
    "type_widening": Foreign(
        requiring(reader=["typeWidening"], configuration={"delta.enableTypeWidening": "true"}),
        "may",
        "typeWidening",
    ),
    "column_mapping": Foreign(renamed_column, "may", "columnMapping"),
}


def figures(folder):
    """Those of the first version where deltalake does not read the newest."""
    try:
        table = DeltaTable(str(folder)).to_pyarrow_table()
    except Exception:
        table = DeltaTable(str(folder), version=0).to_pyarrow_table()
    return {renamed(folder, n): as_json(v) for n, v in figures_arrow(table).items()}


def renamed(folder, name):
    return "speed" if folder.name == "column_mapping" and name == "value" else name


def as_json(value):
    return value if value is None else plain(value)


def make_all(target):
    """Makes every table; returns what was written to expected.json."""
    expected = {}
    for name, foreign in TABLES.items():
        folder = Path(target) / name
        foreign.make(folder)
        expected[name] = {
            "read": foreign.read,
            "names": foreign.names,
            "figures": figures(folder),
        }
    (Path(target) / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")
    return expected


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    expected = make_all(arguments.target)
    print(f"{len(expected)} tables in {arguments.target}")


if __name__ == "__main__":
    sys.exit(main())
