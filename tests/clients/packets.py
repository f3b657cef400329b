"""Spacecraft packets, ingested by their missions' own definitions: the tables
hold the values that other decoders and the ground systems wrote down.

The tables are read with deltalake, so that nothing of what is checked checks
itself. Each file is ingested twice; the second time must add nothing (ONCE-1).
"""

import hashlib
import math
import re
from dataclasses import dataclass, field

import pyarrow.parquet as pq
from deltalake import DeltaTable

from checks import Downlake


@dataclass
class Mission:
    """A file of packets, and what must come of it."""

    name: str
    files: list
    schema: str
    # Table to the file with its expected values.
    tables: dict
    quarantined: int = 0
    # Rows of `_gaps` that say lost, and packets missing in them.
    lost: tuple = (0, 0)
    options: list = field(default_factory=list)
    # What a TOML that points to the definition says beside it.
    said: str = ""


def ctim_tables():
    apids = [1, 20, 32, 33, 34, 39, 41, 42, 47]
    return {f"apid_{a}_packet": f"packets/ctim/expected/apid{a:04}.parquet" for a in apids}


MISSIONS = [
    Mission(
        "jpss",
        ["packets/jpss/J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1"],
        "packets/jpss/jpss1_geolocation_xtce_v1.xml",
        {"jpss_att_ephem": "packets/jpss/expected_apid0011.parquet"},
        options=["--time", "cds(DOY,MSEC,USEC)"],
    ),
    Mission(
        "ctim",
        ["packets/ctim/ccsds_2021_155_14_39_51"],
        "packets/ctim/ctim_xtce_v1.xml",
        ctim_tables(),
        # The ends of packets that go on beyond their containers.
        quarantined=105,
        lost=(4, 39),
    ),
    Mission(
        "imap_hit",
        [
            "packets/imap_hit/imap_hit_l0_hk_20100105_v001.pkts",
            "packets/imap_hit/sci_sample.ccsds",
        ],
        "packets/imap_hit/hit_packet_definitions.xml",
        {
            "hit_hskp": "packets/imap_hit/expected_apid1251.parquet",
            "hit_science": "packets/imap_hit/expected_apid1252.parquet",
        },
    ),
    Mission(
        "imap_codice",
        ["packets/imap_codice/imap_codice_l0_hskp_20100101_v001.pkts"],
        "packets/imap_codice/P_COD_NHK.xml",
        {"p_cod_nhk": "packets/imap_codice/expected/apid1136.parquet"},
        quarantined=523,
        lost=(6, 6),
    ),
    *(
        Mission(
            f"hs{apid}",
            [f"packets/hs/apid{apid}/SSAT1_2015-180-00-00-00_2015-180-01-59-{end}_{int(apid)}_1_sim.tlm"],
            f"packets/hs/apid{apid}/defs.csv",
            {f"hs{apid}_defs": f"packets/hs/apid{apid}/expected.parquet"},
            options=["--prefix", f"hs{apid}"],
            # The files count offsets from the end of the primary header.
            said=f'apid = {int(apid)}\noffsets = "data"\n',
        )
        for apid, end in (("035", "59"), ("251", "59"), ("895", "56"))
    ),
]

SNPP = [
    ("synchronized_cadus", 12, "5e11051d86c46ddc3500904c99bbe978"),
    ("16errors_per_codeword", 12, "5e11051d86c46ddc3500904c99bbe978"),
    ("garbage_between", 12, "5e11051d86c46ddc3500904c99bbe978"),
    ("dropped_frame20", 11, None),
    ("uncorrectable_frame30", 11, None),
]


def check_packets(report, scratch, binary, data):
    for mission in MISSIONS:
        lake = scratch / f"packets-{mission.name}"
        report.check(f"packets: {mission.name}", check_mission, mission, lake, binary, data)
    for variant, packets, md5 in SNPP:
        lake = scratch / f"frames-{variant}"
        path = data / f"frames/snpp/snpp_{variant}.dat"
        report.check(f"frames: {variant}", check_frames, path, packets, md5, lake, binary)


def check_mission(mission, lake, binary, data):
    downlake = Downlake(binary, lake)
    files = [data / name for name in mission.files]
    options = ["--schema", definition(mission, lake, data), *mission.options]
    report = downlake.ingest(*options, *files)
    assert_adds_up(report)
    assert report["rows_quarantined"] == mission.quarantined, report
    compared = 0
    for table, expected in mission.tables.items():
        compared += assert_values(lake / table, pq.read_table(data / expected), table)
    assert compared > 0
    again = downlake.ingest(*options, *files)
    assert again["rows_in"] == 0, f"ingested twice: {again}"
    lost = [gap for gap in gaps(lake) if gap["kind"] == "lost"]
    found = (len(lost), sum(gap["missing"] for gap in lost))
    assert found == mission.lost, f"lost {found}, expected {mission.lost}"
    assert_ledger(lake, report)


def definition(mission, lake, data):
    path = data / mission.schema
    if not mission.said:
        return path
    pointer = lake.with_suffix(".toml")
    pointer.write_text(f'definition = "{path}"\n{mission.said}')
    return pointer


def check_frames(path, packets, md5, lake, binary):
    downlake = Downlake(binary, lake)
    report = downlake.ingest(path)
    assert_adds_up(report)
    rows = ordered(lake / "packets")
    assert len(rows["raw"]) == packets, f"{len(rows['raw'])} packets, expected {packets}"
    found = hashlib.md5(b"".join(rows["raw"])).hexdigest()
    assert md5 in (None, found), f"MD5 {found}, expected {md5}"
    assert downlake.ingest(path)["rows_in"] == 0, "ingested twice"
    assert_ledger(lake, report)


def assert_adds_up(report):
    parts = ("rows_committed", "rows_quarantined", "rows_duplicate", "rows_skipped")
    assert report["rows_in"] == sum(report[part] for part in parts), report
    assert all(unit["state"] == "landed" for unit in report["units"]), report


def assert_ledger(lake, report):
    """The ledger says the same as the report, over its rows."""
    ledger = DeltaTable(str(lake / "_ledger")).to_pyarrow_table().to_pydict()
    for part in ("rows_in", "rows_committed", "rows_quarantined", "rows_skipped"):
        assert sum(ledger[part]) == report[part], f"{part}: {ledger[part]}, {report[part]}"
    units = ledger["table_name"].count(None)
    assert units == len(report["units"]), f"{units} units in the ledger"


def gaps(lake):
    if not (lake / "_gaps").exists():
        return []
    return DeltaTable(str(lake / "_gaps")).to_pyarrow_table().to_pylist()


def ordered(table):
    rows = DeltaTable(str(table)).to_pyarrow_table()
    return rows.sort_by("_packet_index").to_pydict()


def assert_values(table, expected, name):
    """Every expected column is one of ours; how many values were compared."""
    ours, theirs = ordered(table), expected.to_pydict()
    compared = 0
    # ccsdspy has raw values only, without a suffix.
    is_raw_only = "pkt_index" not in theirs
    for column, values in theirs.items():
        if column == "pkt_bytes":
            continue
        near = candidates(ours, column, is_raw_only)
        assert near, f"{name}: no column for {column}"
        wrong = [first_difference(values, ours[candidate]) for candidate in near]
        # A parameter that stands in a packet again has a column for each time.
        assert None in wrong, f"{name}.{column}: {wrong[0]}"
        compared += len(values)
    return compared


def candidates(ours, column, is_raw_only):
    if column in ("pkt_index", "byte_offset"):
        return ["_packet_index" if column == "pkt_index" else "_byte_offset"]
    base = re.sub(r"\W+", "_", column.removesuffix("__raw").lower())
    is_raw = column.endswith("__raw") or is_raw_only
    pattern = re.compile(re.escape(base) + r"(_\d+)?(__raw)?")
    names = [n for n in ours if (found := pattern.fullmatch(n))]
    raw = [n for n in names if n.endswith("__raw")]
    plain = [n for n in names if not n.endswith("__raw")]
    return raw if is_raw and raw else plain


def first_difference(theirs, ours):
    if len(theirs) != len(ours):
        return f"{len(ours)} rows, expected {len(theirs)}"
    for row, (a, b) in enumerate(zip(theirs, ours)):
        if not same(a, b):
            return f"row {row}: {b!r}, expected {a!r}"
    return None


def same(a, b):
    if isinstance(a, bytes) and isinstance(b, str):
        a = a.decode()
    if isinstance(a, str) and isinstance(b, bytes):
        return a == b.hex()
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    # Pandas writes what is no number as NULL.
    if a is None:
        return b is None or (isinstance(b, float) and math.isnan(b))
    if isinstance(a, float) or isinstance(b, float):
        return float(a) == float(b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, (int, bool)) and not isinstance(b, (str, bytes)) and b is not None:
        return int(a) == int(b)
    return a == b
