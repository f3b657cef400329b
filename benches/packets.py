"""Packets to columns, on one core, beside the decoders that scientists use.

    packets.py --example DECODE_PACKETS --data DIR [--size 1000] [--runs 5]
               [--core 0] [--scratch DIR] [--json]

Two recordings are replicated (`replicate.py`) and decoded whole, to Arrow
batches that are dropped again, beside ccsdspy (a fixed layout, NumPy) and
space_packet_parser (any XTCE, an object a packet). The latter gets the first
1.3 MB, since the whole would take it half an hour. Runs alternate and are
pinned to one core; medians are shown. Each side's time begins when its
definition is read, contains the reading of the file, and ends with the last
value.

What is not the same: ccsdspy gives the raw fields of the packet, without and
with those of the primary header, for packets of one layout; downlake finds out
what each packet is, refuses what does not fit, and adds the place and number of
each packet. space_packet_parser gives raw and engineering values, as downlake
does. Only the numbers of rows are compared here; that the values are the same
is what the tests of `ingest` hold.
"""

import argparse
import json
import os
import shlex
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measure import run

CCSDSPY = """
import json, sys, time
from xml.etree import ElementTree
import ccsdspy
xtce, file, header = sys.argv[1:]
space = "{http://www.omg.org/spec/XTCE/20180204}"
root = ElementTree.parse(xtce)
widths = {}
for kind in root.iter(space + "ParameterTypeSet").__next__():
    for part in kind:
        if part.tag.endswith("DataEncoding"):
            name = "float" if "Float" in part.tag else "uint"
            widths[kind.get("name")] = name, int(part.get("sizeInBits"))
kinds = {p.get("name"): widths[p.get("parameterTypeRef")] for p in root.iter(space + "Parameter")}
names = [r.get("parameterRef") for r in root.iter(space + "ParameterRefEntry")][7:]
fields = [ccsdspy.PacketField(name=n, data_type=kinds[n][0], bit_length=kinds[n][1]) for n in names]
begun = time.perf_counter()
columns = ccsdspy.FixedLength(fields).load(file, include_primary_header=header == "header")
seconds = time.perf_counter() - begun
rows = len(columns[names[0]])
print(json.dumps({"seconds": seconds, "rows": rows, "values": rows * len(columns)}))
"""

SPACE_PACKET_PARSER = """
import json, sys, time
import space_packet_parser
xtce, file, root = sys.argv[1:]
definition = space_packet_parser.load_xtce(xtce)
begun = time.perf_counter()
rows = values = 0
with open(file, "rb") as packets:
    for packet in space_packet_parser.ccsds_generator(packets):
        values += len(definition.parse_bytes(packet, root_container_name=root))
        rows += 1
seconds = time.perf_counter() - begun
print(json.dumps({"seconds": seconds, "rows": rows, "values": values}))
"""


@dataclass(frozen=True)
class Peer:
    """Another decoder: what runs it, and how many bytes it is given."""

    name: str
    script: str
    option: str
    # Millions of bytes, rounded up to whole packets; the whole file where None.
    part_mb: float | None = None


@dataclass(frozen=True)
class Case:
    """A recording, where its packets keep the time, and who else can decode it."""

    name: str
    source: str
    definition: str
    clock: str
    flags: tuple
    peers: tuple
    target: float


CASES = [
    Case(
        "jpss",
        "packets/jpss/J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1",
        "packets/jpss/jpss1_geolocation_xtce_v1.xml",
        "cds",
        (),
        (
            Peer("ccsdspy", CCSDSPY, "fields"),
            Peer("ccsdspy, header too", CCSDSPY, "header"),
        ),
        1.3,
    ),
    Case(
        "ctim",
        "packets/ctim/ccsds_2021_155_14_39_51",
        "packets/ctim/ctim_xtce_v1.xml",
        "seconds",
        # The definition ends before some of the packets do, and the peer keeps
        # those too.
        ("--keep-longer",),
        (Peer("space_packet_parser", SPACE_PACKET_PARSER, "CCSDSTelemetryPacket", 1.3),),
        350.0,
    ),
]


@dataclass(frozen=True)
class Line:
    """The runs of one decoder on one input."""

    case: str
    decoder: str
    command: str
    bytes: int
    rows: int
    values: int
    seconds: tuple

    @property
    def mb_s(self):
        return self.bytes / statistics.median(self.seconds) / 1e6


def whole_packets(path, least):
    """The first bytes of a file up to a packet's end, as a file beside it."""
    data = path.open("rb").read(least + 65_542)
    end = 0
    while end < least:
        end += 7 + int.from_bytes(data[end + 4 : end + 6], "big")
    part = path.with_suffix(".part")
    part.write_bytes(data[:end])
    return part


def commands(case, arguments, file):
    """For each decoder its command and its input."""
    definition = arguments.data / case.definition
    pin = ["taskset", "-c", str(arguments.core)]
    yield "downlake", [*pin, arguments.example, definition, file, *case.flags], file
    for peer in case.peers:
        source = file if peer.part_mb is None else whole_packets(file, int(peer.part_mb * 1e6))
        yield peer.name, [*pin, sys.executable, "-c", peer.script, definition, source, peer.option], source


def measured(case, arguments, file):
    """All decoders by turns; the runs of each."""
    sides = list(commands(case, arguments, file))
    results = {name: [] for name, _, _ in sides}
    for _ in range(arguments.runs):
        for name, command, _ in sides:
            results[name].append(json.loads(run(command).stdout.splitlines()[-1]))
    for name, command, source in sides:
        first = results[name][0]
        yield Line(
            case=case.name,
            decoder=name,
            command=shown(command),
            bytes=source.stat().st_size,
            rows=first["rows"],
            values=first["values"],
            seconds=tuple(result["seconds"] for result in results[name]),
        )


def shown(command):
    """A command for people: scripts by the place where they stand."""
    parts = ["<script in packets.py>" if "\n" in str(part) else str(part) for part in command]
    return shlex.join(parts)


def check(case, lines):
    """Every packet is a row, whoever decodes it."""
    ours = lines[0]
    for line in lines[1:]:
        if line.bytes == ours.bytes and line.rows != ours.rows:
            sys.exit(f"{case.name}: {line.decoder} has {line.rows} rows, downlake {ours.rows}")


HEADER = f"{'input':6}{'decoder':22}{'MB':>8}{'rows':>12}{'values':>13}{'s':>9}{'MB/s':>9}{'ours is':>10}"


def text(line, ours):
    seconds = statistics.median(line.seconds)
    ratio = "" if line is ours else f"{ours.mb_s / line.mb_s:9.2f}x"
    return (
        f"{line.case:6}{line.decoder:22}{line.bytes / 1e6:8.1f}{line.rows:12}{line.values:13}"
        f"{seconds:9.3f}{line.mb_s:9.2f}{ratio}"
    )


def verdict(case, lines):
    """Beside the fastest of the others."""
    ours, *others = lines
    ratio = ours.mb_s / max(other.mb_s for other in others)
    word = "reached" if ratio >= case.target else "MISSED"
    return f"{case.name}: {ratio:.2f} times the fastest of the others, target {case.target}: {word}"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", type=Path, required=True, help="decode_packets, built with --release")
    parser.add_argument("--data", type=Path, required=True, help="the folder of test data")
    parser.add_argument("--size", type=int, default=1000, help="millions of bytes")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="folder for inputs, emptied after")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse()
    say = sys.stderr if arguments.json else sys.stdout
    done = []
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        print(f"load {os.getloadavg()[0]:.1f} before the first run\n{HEADER}", file=say)
        for case in CASES:
            file = Path(scratch) / f"{case.name}.bin"
            replicate = Path(__file__).with_name("replicate.py")
            run([sys.executable, replicate, case.clock, arguments.size, arguments.data / case.source, file])
            lines = list(measured(case, arguments, file))
            check(case, lines)
            for line in lines:
                print(text(line, lines[0]), file=say, flush=True)
            print(verdict(case, lines), file=say)
            file.unlink()
            done += lines
    if arguments.json:
        print(json.dumps([vars(line) | {"mb_s": line.mb_s} for line in done], indent=2))
    else:
        print("\nCommands:", *(f"  {line.command}" for line in done), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
