use expect_test::{Expect, expect};

use super::*;

fn check(source: &str, expected: &str) {
    let FoldedName { name, unit } = fold(source);
    let shown = match unit {
        Some(unit) => format!("{name} | {unit}"),
        None => name,
    };
    assert_eq!(shown, expected, "folding {source:?}");
}

#[test]
fn one_name() {
    for (source, expected) in [
        ("time", "time"),
        ("  Pc (bar) ", "pc | bar"),
        ("Pc[bar]", "pc | bar"),
        ("Time Stamp", "time_stamp"),
        ("Tpy (raw)", "tpy__raw"),
        ("Tpy (°C)", "tpy | °C"),
        ("Tbatt (℃)", "tbatt | ℃"),
        ("Ibatt(raw)", "ibatt__raw"),
        ("Ibatt(mA)", "ibatt | mA"),
        ("Tbatt raw)", "tbatt__raw"),
        ("Status [HEX]", "status__raw"),
        ("straw)", "straw_"),
        ("raw", "raw"),
        ("Mode (raw, latched)", "mode_raw_latched_"),
        ("a.b", "a_b"),
        ("velocity-m/s", "velocity_m_s"),
        ("Größe (m)", "größe | m"),
        ("ТЕМП", "темп"),
        ("温度", "温度"),
        ("Duration (total)", "duration_total_"),
        ("gyro[3]", "gyro_3_"),
        ("gyro (1)", "gyro_1_"),
        ("_id", "id"),
        ("__raw", "raw"),
        ("#1", "c_1"),
        ("2m temp", "c_2m_temp"),
        ("", ""),
        ("(bar)", " | bar"),
        ("%", ""),
        ("_ingest_id", "ingest_id"),
        ("unclosed (bar", "unclosed_bar"),
    ] {
        check(source, expected);
    }
}

#[test]
fn units() {
    for unit in [
        "bar", "mA", "m/s", "m/s^2", "m/s²", "kg·m²", "uW/cm2", "deg C", "deg/s", "%", "°C", "psi",
        "1/s", "N*m", "N.m", "kbit/s", "dBm", "s^-1", "km/h", "counts", "µT", "nT", "W/m2/sr", "g",
    ] {
        assert!(is_unit(unit), "{unit:?} is a unit");
    }
    for not in [
        "",
        "3",
        "1",
        "total",
        "WGS84",
        "old",
        "raw",
        "x",
        "a/",
        "/s",
        "m//",
        "0..3",
        "left side",
        "m^",
        "m^999",
    ] {
        assert!(!is_unit(not), "{not:?} is no unit");
    }
}

fn check_all(sources: &[&str], taken: &[&str], on_collision: OnCollision, expected: Expect) {
    let shown = match fold_all_beside(sources, taken, on_collision) {
        Ok(folded) => {
            let names: Vec<&str> = folded.names.iter().map(|n| n.name.as_str()).collect();
            format!("{}\n{}", names.join(" "), folded.notices.join("\n"))
        }
        Err(error) => format!("{error:?}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn collisions_are_numbered_beside_names_that_exist() {
    check_all(
        &["Temp (C)", "temp", "TEMP_2", "time", "", "(raw)"],
        &["time", "date"],
        OnCollision::Number,
        expect![[r#"
            temp temp_3 temp_2 time_2 column_5 column_6__raw
            column "temp" is named "temp_3": "temp" is taken by "Temp (C)"
            column "time" is named "time_2": "time" is taken by a column of the lake"#]],
    );
}

#[test]
fn collisions_are_refused_with_both_names() {
    check_all(
        &["Pc (bar)", "pc (psi)"],
        &[],
        OnCollision::Refuse,
        expect![[
            r#"Invalid: source column "pc (psi)" folds to "pc", which is taken by "Pc (bar)": give one of them another name"#
        ]],
    );
}

#[test]
fn folding_twice_changes_nothing_and_names_never_clash() {
    let alphabet = [
        "a", "A", "_", "1", " ", "(", ")", "raw", "bar", "[", "]", "é", ".", "İ",
    ];
    let mut sources = Vec::new();
    for a in alphabet {
        for b in alphabet {
            for c in alphabet {
                sources.push(format!("{a}{b}{c}"));
            }
        }
    }
    for source in &sources {
        let once = fold(source).name;
        if once != RAW_SUFFIX {
            assert_eq!(fold(&once).name, once, "{source:?}");
        }
    }
    let folded = fold_all(&sources, OnCollision::Number).expect("numbers are never refused");
    let distinct: HashSet<&str> = folded.names.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(distinct.len(), sources.len());
    assert!(distinct.iter().all(|name| !name.starts_with('_')));
}
