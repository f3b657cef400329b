"""A large file of packets out of a small one: the same telemetry, over and over,
later each time.

    replicate.py CLOCK SIZE_MB SOURCE OUT

CLOCK says where packets keep their time: `cds` (days since 1958, milliseconds,
microseconds) or `seconds` (32 bits), right behind the primary header. Every
copy continues the sequence counts of each APID, and its times begin where those
of the copy before end; so no two packets of OUT are equal if those of SOURCE
are not. All else stays as it was recorded. The same arguments make the same
bytes.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

DAY_MS = 86_400_000
HEADER = 6


def starts(data):
    """Where packets begin."""
    found, at = [], 0
    while at + HEADER <= len(data):
        found.append(at)
        at += HEADER + 1 + int.from_bytes(data[at + 4 : at + 6], "big")
    if at != len(data):
        sys.exit(f"the last packet ends at byte {at}, the file at {len(data)}")
    return np.array(found)


def field(data, places, width):
    """Unsigned numbers of so many bytes."""
    return sum(data[places + n].astype(np.int64) << 8 * (width - 1 - n) for n in range(width))


def put(data, places, width, numbers):
    for n in range(width):
        data[places + n] = numbers >> 8 * (width - 1 - n) & 0xFF


class Cds:
    """Days since 1958-01-01, 16 bits, and milliseconds, 32 bits."""

    def __init__(self, data, places):
        self.days = places + HEADER
        self.first = field(data, self.days, 2) * DAY_MS + field(data, self.days + 2, 4)
        self.span = int(np.ptp(self.first)) + 1000

    def stamp(self, data, copy):
        times = self.first + copy * self.span
        put(data, self.days, 2, times // DAY_MS)
        put(data, self.days + 2, 4, times % DAY_MS)


class Seconds:
    """Seconds of any epoch, 32 bits."""

    def __init__(self, data, places):
        self.places = places + HEADER
        self.first = field(data, self.places, 4)
        self.span = int(np.ptp(self.first)) + 1

    def stamp(self, data, copy):
        put(data, self.places, 4, self.first + copy * self.span)


CLOCKS = {"cds": Cds, "seconds": Seconds}


class Counts:
    """The sequence counts of each APID, with the gaps that were recorded."""

    def __init__(self, data, places):
        self.words = places + 2
        self.flags = field(data, self.words, 2) & 0xC000
        self.first = field(data, self.words, 2) & 0x3FFF
        self.step = np.zeros(len(places), np.int64)
        apids = field(data, places, 2) & 0x7FF
        for apid in np.unique(apids):
            here = apids == apid
            counts = self.first[here]
            steps = np.diff(counts) & 0x3FFF
            self.step[here] = int(steps.sum()) + 1

    def stamp(self, data, copy):
        put(data, self.words, 2, self.flags | (self.first + copy * self.step) & 0x3FFF)


def replicate(clock, size, source, out):
    data = np.frombuffer(source.read_bytes(), np.uint8).copy()
    places = starts(data.tobytes())
    stamps = [Counts(data, places), CLOCKS[clock](data, places)]
    copies = -(-size // len(data))
    part = out.with_name(f"part-{out.name}")
    with open(part, "wb") as file:
        for copy in range(copies):
            for stamp in stamps:
                stamp.stamp(data, copy)
            file.write(data)
    part.rename(out)
    return copies


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clock", choices=CLOCKS)
    parser.add_argument("size_mb", type=int, help="millions of bytes, at least")
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    copies = replicate(
        arguments.clock, arguments.size_mb * 1_000_000, arguments.source, arguments.out
    )
    print(f"{arguments.out}: {copies} copies")
    return 0


if __name__ == "__main__":
    sys.exit(main())
