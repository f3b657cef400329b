"""How fast a damaged stream of frames becomes packets, on one core.

    frames.py --binary target/release/examples/decode_frames --data DIR
              [--megabytes 1000] [--damage 1.0] [--runs 5] [--scratch DIR] [--json]

The stream is 65 CADUs of Suomi-NPP, again and again: AOS frames of 892 bytes,
randomised, Reed-Solomon (255,223) four deep. In the given percentage of
codewords, drawn by a seed, eight symbols are wrong. Every run reads the whole
stream from the page cache; the table shows the median, and what share of it the
code alone takes over the same blocks.

Packets are counted: a run that mends another number of codewords than were
damaged, or refuses a frame, stops the bench.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

from measure import Failed, run

CADU = 1024
MARKER = 4
LANES = 4
SYMBOLS_WRONG = 8
LINK = "jpss"


def damaged_stream(source, target, megabytes, percent):
    """Writes the stream; returns how many codewords are damaged."""
    one = source.read_bytes()
    draw = random.Random(1)
    damaged = 0
    with target.open("wb") as out:
        for _ in range(max(1, round(megabytes * 1e6 / len(one)))):
            copy = bytearray(one)
            for codeword in range(len(one) // CADU * LANES):
                if draw.random() * 100 < percent:
                    damage(copy, codeword, draw)
                    damaged += 1
            out.write(copy)
    return damaged


def damage(stream, codeword, draw):
    """Makes eight symbols of a codeword wrong."""
    cadu, lane = divmod(codeword, LANES)
    for place in draw.sample(range((CADU - MARKER) // LANES), SYMBOLS_WRONG):
        stream[cadu * CADU + MARKER + place * LANES + lane] ^= draw.randrange(1, 256)


def measure(binary, stream, damaged):
    """One run, on one core where the system lets us choose."""
    command = [binary, stream, LINK]
    if hasattr(os, "sched_getaffinity"):
        core = max(os.sched_getaffinity(0))
        command = ["taskset", "-c", core, *command]
    usage = run(command)
    figures = json.loads(usage.stdout)
    if figures["codewords_corrected"] != damaged or figures["frames_refused"]:
        sys.exit(f"damaged {damaged} codewords, but {figures}")
    return {**figures, "peak_rss_bytes": usage.peak_rss_bytes}


def median(runs, key):
    return statistics.median(one[key] for one in runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--damage", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    source = options.data / "frames/snpp/snpp_synchronized_cadus.dat"
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        stream = Path(scratch) / "cadus.dat"
        damaged = damaged_stream(source, stream, options.megabytes, options.damage)
        runs = [measure(options.binary, stream, damaged) for _ in range(options.runs)]
    keys = ["seconds", "megabytes_per_second", "reed_solomon_share", "peak_rss_bytes"]
    figures = {
        **{key: runs[0][key] for key in ["bytes", "frames", "packets", "codewords_corrected"]},
        **{key: median(runs, key) for key in keys},
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{'MB':>8}{'packets':>10}{'damaged':>9}{'s':>8}{'MB/s':>7}{'code':>7}{'peak MiB':>10}")
    print(
        f"{figures['bytes'] / 1e6:8.0f}{figures['packets']:10}{damaged:9}"
        f"{figures['seconds']:8.2f}{figures['megabytes_per_second']:7.0f}"
        f"{figures['reed_solomon_share']:7.0%}{figures['peak_rss_bytes'] / (1 << 20):10.0f}"
    )


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(str(error))
