//! Labelled anomalies are where the labels say, and nowhere else.

use std::collections::BTreeMap;

use downlake_simulate::Kind;

use crate::physics::{decoded, launcher_micros, satellite_micros};
use crate::xtce::Decoded;
use crate::{Simulated, default_campaign, micros};

/// Vehicle, begin and end of the label of that name.
fn label(campaign: &Simulated, what: &str) -> (String, i64, i64) {
    let rows = campaign.rows("labels.csv");
    let row = rows.iter().find(|row| row[0] == what);
    let row = row.unwrap_or_else(|| panic!("no label {what}"));
    (row[1].clone(), micros(&row[3]), micros(&row[4]))
}

fn of_satellite(campaign: &Simulated, satellite: &str, container: &str) -> Vec<Decoded> {
    let mut rows: BTreeMap<i64, Decoded> = BTreeMap::new();
    for path in campaign.of(Kind::SatellitePackets) {
        let name = campaign.name(&path);
        if name.contains(satellite) {
            let read = decoded(campaign, &name, container);
            rows.extend(read.into_iter().map(|row| (satellite_micros(&row), row)));
        }
    }
    rows.into_values().collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
    sum / count
}

#[test]
fn one_bearing_wears() {
    let campaign = default_campaign();
    let (flight, from, to) = label(campaign, "turbopump_bearing");
    for vehicle in ["F01", "F02", "F03"] {
        let file = format!("launcher/{vehicle}/flight.ccsds");
        let mut worst: BTreeMap<i64, f64> = BTreeMap::new();
        for row in decoded(campaign, &file, "engine_vibration") {
            let most = worst.entry(row.raw["engine"]).or_default();
            *most = most.max(row.value["overall"]);
            let at = launcher_micros(&row);
            let is_worn = vehicle == flight && row.raw["engine"] == 4 && (from..to).contains(&at);
            assert!(is_worn || row.value["overall"] < 2.6, "{vehicle}");
        }
        let loud: Vec<i64> = worst
            .iter()
            .filter(|(_, g)| **g > 4.0)
            .map(|(e, _)| *e)
            .collect();
        assert_eq!(loud, if vehicle == flight { vec![4] } else { vec![] });
    }
}

#[test]
fn one_valve_sticks() {
    let campaign = default_campaign();
    let (flight, from, to) = label(campaign, "stuck_valve");
    for vehicle in ["F01", "F03"] {
        let file = format!("launcher/{vehicle}/flight.ccsds");
        let mut stuck = Vec::new();
        for row in decoded(campaign, &file, "engine") {
            let beside = row.value["ox_valve_position"] - row.value["ox_valve_command"];
            // While it runs: starts and stops are faster than a valve is.
            if row.raw["state"] == 2 && beside.abs() > 8.0 {
                stuck.push((row.raw["engine"], launcher_micros(&row)));
            }
        }
        if vehicle != flight {
            assert!(stuck.is_empty());
            continue;
        }
        assert!(stuck.len() > 1_000, "{}", stuck.len());
        let settled = to + 500_000;
        assert!(
            stuck
                .iter()
                .all(|(engine, at)| *engine == 7 && (from..settled).contains(at))
        );
    }
}

#[test]
fn one_tank_leaks() {
    let campaign = default_campaign();
    let (leaking, from, _) = label(campaign, "tank_leak");
    for satellite in ["S01", "S02", "S03"] {
        let rows = of_satellite(campaign, satellite, "sat_propulsion");
        let gas = |row: &Decoded| row.value["tank_pressure"] / row.value["tank_temperature"];
        let (early, late): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| satellite_micros(row) < from);
        let last = late.iter().rev().take(50).map(|row| gas(row));
        let change = mean(last) / mean(early.iter().map(|row| gas(row))) - 1.0;
        let leaks = satellite == leaking;
        assert_eq!(change < -0.02, leaks, "{satellite}: {change}");
        assert!(leaks || change.abs() < 0.001, "{satellite}: {change}");
    }
}

#[test]
fn one_sensor_freezes() {
    let campaign = default_campaign();
    let (frozen, from, to) = label(campaign, "frozen_sensor");
    for satellite in ["S01", "S02", "S03"] {
        let rows = of_satellite(campaign, satellite, "sat_thermal");
        for sensor in 0..8 {
            let raw = |row: &Decoded| row.raw[&format!("temperature[{sensor}]")];
            let (mut run, mut longest, mut began) = (1, 1, 0);
            for two in rows.windows(2) {
                run = if raw(&two[0]) == raw(&two[1]) {
                    run + 1
                } else {
                    1
                };
                if run > longest {
                    longest = run;
                    began = satellite_micros(&two[1]) - (run - 1) * 10_000_000;
                }
            }
            let is_frozen = satellite == frozen && sensor == 3;
            assert_eq!(longest > 60, is_frozen, "{satellite} {sensor}: {longest}");
            if is_frozen {
                assert!((began - from).abs() <= 20_000_000);
                assert!((longest * 10_000_000 - (to - from)).abs() <= 30_000_000);
            }
        }
    }
}

#[test]
fn one_clock_is_reset_and_set() {
    let campaign = default_campaign();
    let (reset, from, to) = label(campaign, "clock_reset");
    for satellite in ["S01", "S02", "S03"] {
        let rows = of_satellite(campaign, satellite, "sat_computer");
        let year_2000 = 946_684_800_000_000;
        let lost = rows.iter().filter(|row| satellite_micros(row) < year_2000);
        let lost: Vec<i64> = lost.map(|row| row.raw["uptime"]).collect();
        assert_eq!(!lost.is_empty(), satellite == reset);
        if satellite == reset {
            let seconds = (to - from) / 1_000_000;
            assert!(lost.iter().all(|uptime| *uptime <= seconds));
            assert!((lost.len() as i64 * 10 - seconds).abs() < 60);
        }
        let boots: Vec<i64> = rows.iter().map(|row| row.raw["boot_count"]).collect();
        assert_eq!(boots.contains(&4), satellite == reset);
    }
}
