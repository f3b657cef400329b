//! Packets of real missions against the values of other decoders: every
//! parameter of every packet, raw and engineering, read from files that
//! space_packet_parser, ccsdspy and ground systems wrote.

mod broken;
mod constructs;
mod schema;
pub(crate) mod support;
mod synthetic;

use std::collections::BTreeMap;

use downlake_ingest::packet::ccsdspy::{self, Origin, Said};
use downlake_ingest::packet::{document, xtce};
use expect_test::{Expect, expect};

use support::{Decoded, Value, column, compared, data, expected};

fn xtce_file(path: &str) -> Option<downlake_ingest::packet::model::PacketDefinition> {
    let path = data(path)?;
    let bytes = std::fs::read(&path).expect("a definition");
    Some(xtce::read(&bytes, "definition.xml", None).expect("a definition that can be read"))
}

#[test]
fn jpss_geolocation() {
    let Some(definition) = xtce_file("packets/jpss/jpss1_geolocation_xtce_v1.xml") else {
        return;
    };
    let decoded = Decoded::of(
        &definition,
        "packets/jpss/J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1",
    );
    decoded.check(&expect![[r#"
        jpss_att_ephem 7200x32 of 1 streams, refused {}, not to the end 0, idle 0, holes []
    "#]]);
    let values = compared(&decoded, 11, "packets/jpss/expected_apid0011.parquet");
    expect!["208800 values of 29 columns equal"].assert_eq(&values);
}

#[test]
fn ctim_cubesat() {
    let Some(definition) = xtce_file("packets/ctim/ctim_xtce_v1.xml") else {
        return;
    };
    let decoded = Decoded::of(&definition, "packets/ctim/ccsds_2021_155_14_39_51");
    decoded.check(&expect![[r#"
        apid_20_packet 5x26, apid_32_packet 104x33, apid_33_packet 1x42, apid_34_packet 1x62, apid_39_packet 1x58, apid_41_packet 1147x1008, apid_42_packet 72x1008, apid_47_packet 63x1008 of 38 streams, refused {"packet-length": 105}, not to the end 0, idle 0, holes []
    "#]]);
    // The definition ends before the packets of APID 1 do, and one of APID 20.
    let decoded = Decoded::with_longer(&definition, "packets/ctim/ccsds_2021_155_14_39_51");
    decoded.check(&expect![[r#"
        apid_1_packet 104x72, apid_20_packet 6x26, apid_32_packet 104x33, apid_33_packet 1x42, apid_34_packet 1x62, apid_39_packet 1x58, apid_41_packet 1147x1008, apid_42_packet 72x1008, apid_47_packet 63x1008 of 38 streams, refused {}, not to the end 105, idle 0, holes []
    "#]]);
    let values = [1, 20, 32, 33, 34, 39, 41, 42, 47].map(|apid| {
        let file = format!("packets/ctim/expected/apid{apid:04}.parquet");
        format!("{apid}: {}\n", compared(&decoded, apid, &file))
    });
    expect![[r#"
        1: 7176 values of 69 columns equal
        20: 132 values of 22 columns equal
        32: 3120 values of 30 columns equal
        33: 39 values of 39 columns equal
        34: 59 values of 59 columns equal
        39: 55 values of 55 columns equal
        41: 1152735 values of 1005 columns equal
        42: 72360 values of 1005 columns equal
        47: 63315 values of 1005 columns equal
    "#]]
    .assert_eq(&values.concat());
}

#[test]
fn imap_hit_housekeeping() {
    let Some(definition) = xtce_file("packets/imap_hit/hit_packet_definitions.xml") else {
        return;
    };
    let decoded = Decoded::of(
        &definition,
        "packets/imap_hit/imap_hit_l0_hk_20100105_v001.pkts",
    );
    decoded.check(&expect![[r#"
        hit_hskp 88x224 of 2 streams, refused {}, not to the end 0, idle 0, holes []
    "#]]);
    let values = compared(&decoded, 1251, "packets/imap_hit/expected_apid1251.parquet");
    expect!["19448 values of 221 columns equal"].assert_eq(&values);
}

#[test]
fn imap_hit_science_with_dynamic_lengths() {
    let Some(definition) = xtce_file("packets/imap_hit/hit_packet_definitions.xml") else {
        return;
    };
    let decoded = Decoded::of(&definition, "packets/imap_hit/sci_sample.ccsds");
    decoded.check(&expect![[r#"
        hit_science 1740x14 of 2 streams, refused {}, not to the end 0, idle 0, holes []
    "#]]);
    let values = compared(&decoded, 1252, "packets/imap_hit/expected_apid1252.parquet");
    expect!["19140 values of 11 columns equal"].assert_eq(&values);
}

#[test]
fn imap_codice_housekeeping_among_packets_without_definition() {
    let Some(definition) = xtce_file("packets/imap_codice/P_COD_NHK.xml") else {
        return;
    };
    let decoded = Decoded::of(
        &definition,
        "packets/imap_codice/imap_codice_l0_hskp_20100101_v001.pkts",
    );
    decoded.check(&expect![[r#"
        p_cod_nhk 99x134 of 1 streams, refused {"no-definition": 523}, not to the end 0, idle 0, holes []
    "#]]);
    let values = compared(
        &decoded,
        1136,
        "packets/imap_codice/expected/apid1136.parquet",
    );
    expect!["12969 values of 131 columns equal"].assert_eq(&values);
    expect![[r#"12078 values of the ground system equal, absent: ["timestamp"]"#]]
        .assert_eq(&ground_export(&decoded));
}

/// The mission's own ground system: raw values by the parameters' names.
fn ground_export(decoded: &Decoded) -> String {
    let path = data("packets/imap_codice/ground_export_raw.csv").expect("test data");
    let text = std::fs::read_to_string(path).expect("an export");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let batch = decoded.rows_of(1136);
    let mut equal = 0;
    let mut absent = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let Some(values) = column(&batch, &format!("{name}__raw")) else {
            absent.push(*name);
            continue;
        };
        assert_eq!(values.len(), rows.len(), "rows of {name}");
        for (value, row) in values.iter().zip(&rows) {
            let exported: i128 = row[at].trim().parse().expect("a whole number");
            assert_eq!(*value, Value::Whole(exported), "{name}");
            equal += 1;
        }
    }
    format!("{equal} values of the ground system equal, absent: {absent:?}")
}

#[test]
fn simulated_mission_by_its_csv() {
    if data("packets/hs").is_none() {
        return;
    }
    let cases: [(u16, &str, Expect); 3] = [
        (
            35,
            "SSAT1_2015-180-00-00-00_2015-180-01-59-59_35_1_sim.tlm",
            expect![[r#"
                sim 7200x35 of 1 streams, refused {}, not to the end 0, idle 0, holes []
                208800 values of 29 columns equal
            "#]],
        ),
        (
            251,
            "SSAT1_2015-180-00-00-00_2015-180-01-59-59_251_1_sim.tlm",
            expect![[r#"
                sim 24000x25 of 1 streams, refused {}, not to the end 0, idle 0, holes []
                456000 values of 19 columns equal
            "#]],
        ),
        (
            895,
            "SSAT1_2015-180-00-00-00_2015-180-01-59-56_895_1_sim.tlm",
            expect![[r#"
                sim 71970x26 of 1 streams, refused {}, not to the end 0, idle 0, holes []
                1439400 values of 20 columns equal
            "#]],
        ),
    ];
    for (apid, file, expected) in cases {
        let folder = format!("packets/hs/apid{apid:03}");
        let path = data(&format!("{folder}/defs.csv")).expect("test data");
        let bytes = std::fs::read(path).expect("a definition");
        let definition =
            ccsdspy::read(&bytes, "defs.csv", "sim", said(apid)).expect("a definition");
        let decoded = Decoded::of(&definition, &format!("{folder}/{file}"));
        let values = compared(&decoded, apid, &format!("{folder}/expected.parquet"));
        let summary = format!("{}{values}\n", decoded.summary());
        expected.assert_eq(&summary);
    }
}

/// The files of the simulated mission count offsets from the end of the primary
/// header.
fn said(apid: u16) -> Said {
    Said {
        apid: Some(apid),
        offsets: Some(Origin::Data),
    }
}

/// The polynomials of the simulated mission, by another formula.
#[test]
fn calibrations_of_the_simulated_mission() {
    let Some(path) = data("packets/hs/apid895/defs.csv") else {
        return;
    };
    let bytes = std::fs::read(path).expect("a definition");
    let definition = ccsdspy::read(&bytes, "defs.csv", "sim", said(895)).expect("a definition");
    let decoded = Decoded::of(
        &definition,
        "packets/hs/apid895/SSAT1_2015-180-00-00-00_2015-180-01-59-56_895_1_sim.tlm",
    );
    let batch = decoded.rows_of(895);
    let calibrated = column(&batch, "pkt895_uint16_cnt").expect("a calibrated column");
    let all = expected("packets/hs/apid895/expected.parquet");
    let raw = column(&all, "PKT895_UINT16_CNT__raw").expect("a raw column");
    assert_eq!(calibrated.len(), 71_970);
    for (calibrated, raw) in calibrated.iter().zip(&raw) {
        let (Value::Float(bits), Value::Whole(raw)) = (calibrated, raw) else {
            panic!("{calibrated:?} of {raw:?}");
        };
        #[expect(clippy::cast_precision_loss, reason = "16 bits")]
        let by_hand = 20.0 - 0.000_276_6 * *raw as f64;
        assert!((f64::from_bits(*bits) - by_hand).abs() < 1e-12);
    }
}

/// What one form says, TOML says too.
#[test]
fn definitions_come_back_from_toml() {
    let files = [
        "packets/jpss/jpss1_geolocation_xtce_v1.xml",
        "packets/ctim/ctim_xtce_v1.xml",
        "packets/imap_hit/hit_packet_definitions.xml",
        "packets/imap_codice/P_COD_NHK.xml",
    ];
    for file in files {
        let Some(mut definition) = xtce_file(file) else {
            return;
        };
        let text = document::write(&definition).expect("TOML");
        let mut again = document::read(&text, "written.toml").expect("the same");
        support::forget_places(&mut definition);
        support::forget_places(&mut again);
        assert!(definition == again, "{file} comes back otherwise");
    }
}

/// Streams of the fixtures: cut tails, idle packets, other APIDs.
#[test]
fn damaged_streams_of_geolocation() {
    let Some(definition) = xtce_file("packets/jpss/jpss1_geolocation_xtce_v1.xml") else {
        return;
    };
    let files = [
        "jpss_600.bin",
        "jpss_gap.bin",
        "jpss_dup.bin",
        "jpss_late_dump.bin",
        "jpss_truncated_tail.bin",
        "multiplexed.bin",
    ];
    let summaries: BTreeMap<&str, String> = files
        .into_iter()
        .map(|file| {
            let decoded = Decoded::of(&definition, &format!("fixtures/{file}"));
            (file, decoded.summary())
        })
        .collect();
    let text: String = summaries
        .into_iter()
        .map(|(file, summary)| format!("{file}: {summary}"))
        .collect();
    expect![[r#"
        jpss_600.bin: jpss_att_ephem 600x32 of 1 streams, refused {}, not to the end 0, idle 0, holes []
        jpss_dup.bin: jpss_att_ephem 625x32 of 1 streams, refused {}, not to the end 0, idle 0, holes []
        jpss_gap.bin: jpss_att_ephem 593x32 of 1 streams, refused {}, not to the end 0, idle 0, holes []
        jpss_late_dump.bin: jpss_att_ephem 600x32 of 1 streams, refused {}, not to the end 0, idle 0, holes []
        jpss_truncated_tail.bin: jpss_att_ephem 599x32 of 1 streams, refused {}, not to the end 0, idle 0, holes [(42529, 41)]
        multiplexed.bin: jpss_att_ephem 200x32 of 1 streams, refused {"no-definition": 800}, not to the end 0, idle 102, holes []
    "#]].assert_eq(&text);
}
