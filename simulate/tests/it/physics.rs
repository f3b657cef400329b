//! Plausibility of what is in the files.

use std::collections::BTreeSet;

use downlake_simulate::{Campaign, Kind};

use crate::xtce::{Decoded, Definition, counters, packets, remainder};
use crate::{Simulated, default_campaign, micros};

const EARTH_RATE: f64 = 7.292_115e-5;
const EARTH_MU: f64 = 3.986_004_418e14;

pub(crate) fn decoded(campaign: &Simulated, file: &str, container: &str) -> Vec<Decoded> {
    let definition = match file.starts_with("launcher") {
        true => campaign.path("launcher.xml"),
        false => campaign.path("satellites.xml"),
    };
    let definition = Definition::read(&definition);
    let mut rows = Vec::new();
    // The APID alone decides, so one packet of each that is another's will do.
    let mut others = BTreeSet::new();
    for packet in packets(&campaign.path(file)) {
        let (apid, _) = counters(&packet);
        if others.contains(&apid) || remainder(&packet) != 0 {
            continue;
        }
        match definition.decode_as(container, &packet) {
            Some(row) => rows.push(row),
            None => drop(others.insert(apid)),
        }
    }
    rows
}

/// Microseconds since 1970 of the launcher's clock.
pub(crate) fn launcher_micros(packet: &Decoded) -> i64 {
    let days = packet.raw["DAY"] - 4383;
    days * 86_400_000_000 + packet.raw["MSEC"] * 1000 + packet.raw["USEC"]
}

/// Microseconds since 1970 of a satellite's clock.
pub(crate) fn satellite_micros(packet: &Decoded) -> i64 {
    let gps = packet.raw["OBT"];
    315_964_782_000_000 + gps / 65_536 * 1_000_000 + gps % 65_536 * 1_000_000 / 65_536
}

#[test]
fn every_packet_is_described_to_its_last_bit() {
    let campaign = Simulated::new(Campaign {
        flights: 1,
        satellites: 1,
        hours: 2,
        seed: 9,
    });
    for (kind, xml) in [
        (Kind::LauncherPackets, "launcher.xml"),
        (Kind::SatellitePackets, "satellites.xml"),
    ] {
        let definition = Definition::read(&campaign.path(xml));
        for path in campaign.of(kind) {
            for packet in packets(&path).iter().step_by(7) {
                let decoded = definition.decode(packet);
                assert_eq!(
                    decoded.bits,
                    8 * (packet.len() - 2),
                    "{}",
                    decoded.container
                );
                assert_eq!(packet[0] >> 3, 1, "version 0, telemetry, secondary header");
                assert_eq!(decoded.raw["SEQ_FLAGS"], 3);
            }
        }
    }
}

#[test]
fn flights_end_in_orbit_at_orbital_speed() {
    for seed in [1, 2, 3] {
        let campaign = Simulated::new(Campaign {
            seed,
            flights: 4,
            hours: 0,
            satellites: 0,
        });
        for row in campaign.rows("flights.csv") {
            let number = |at: usize| row[at].parse::<f64>().unwrap();
            let (target_km, altitude_km, speed) = (number(4), number(7), number(8));
            assert!((200.0..400.0).contains(&target_km), "{row:?}");
            assert!((altitude_km - target_km).abs() < 2.0, "{row:?}");
            assert!((7_600.0..7_900.0).contains(&speed), "{row:?}");
        }
    }
}

#[test]
fn guidance_tells_an_ascent() {
    let campaign = default_campaign();
    let definition = Definition::read(&campaign.path("launcher.xml"));
    let rows = decoded(campaign, "launcher/F01/flight.ccsds", "guidance");
    let liftoff = micros(&campaign.rows("flights.csv")[0][1]);
    let mut mass = f64::INFINITY;
    let mut phase = 0;
    for row in &rows {
        assert!(row.value["mass"] <= mass);
        assert!(row.raw["phase"] >= phase);
        mass = row.value["mass"];
        phase = row.raw["phase"];
        assert_eq!(launcher_micros(row), liftoff + row.raw["met"] * 1000);
    }
    let last = rows.last().unwrap();
    assert_eq!(definition.label("phase", phase), "ORBIT");
    assert!((7_600.0..7_900.0).contains(&last.value["inertial_speed"]));
    assert!(last.value["flight_path_angle"].abs() < 0.2);
    let highest = rows.iter().map(|row| row.value["dynamic_pressure"]);
    assert!((20_000.0..36_000.0).contains(&highest.fold(0.0, f64::max)));
}

#[test]
fn tanks_only_empty_and_stay_under_pressure() {
    let campaign = default_campaign();
    for flight in ["F01", "F03"] {
        let mut rows = decoded(
            campaign,
            &format!("launcher/{flight}/flight.ccsds"),
            "launcher_tanks",
        );
        rows.sort_by_key(launcher_micros);
        for tank in ["s1_lox", "s1_rp1", "s2_lox", "s2_rp1"] {
            let mass = |row: &Decoded| row.value[&format!("{tank}.mass")];
            assert!(rows.windows(2).all(|two| mass(&two[1]) <= mass(&two[0])));
            assert!(mass(rows.last().unwrap()) >= 0.0);
            for row in &rows {
                let bar = row.value[&format!("{tank}.ullage_pressure")];
                assert!((3.1..3.7).contains(&bar), "{tank}: {bar}");
            }
        }
    }
}

/// Positions and velocities from the receiver, with the Earth's rotation put
/// back, have the energy of one orbit.
#[test]
fn satellites_keep_their_energy() {
    let campaign = default_campaign();
    for path in campaign.of(Kind::SatellitePackets) {
        let mut energies = Vec::new();
        for row in decoded(campaign, &campaign.name(&path), "sat_gps")
            .iter()
            .step_by(11)
        {
            let part = |what: &str, axis: &str| row.value[&format!("{what}.{axis}")];
            let [x, y, z] = ["x", "y", "z"].map(|axis| part("position", axis));
            let [vx, vy, vz] = ["x", "y", "z"].map(|axis| part("velocity", axis));
            let (vx, vy) = (vx - EARTH_RATE * y, vy + EARTH_RATE * x);
            let radius = (x * x + y * y + z * z).sqrt();
            let square = vx * vx + vy * vy + vz * vz;
            assert!((7_500.0..7_700.0).contains(&square.sqrt()));
            energies.push(square / 2.0 - EARTH_MU / radius);
        }
        let (low, high) = energies
            .iter()
            .fold((0.0_f64, f64::NEG_INFINITY), |(low, high), e| {
                (low.min(*e), high.max(*e))
            });
        assert!(high - low < 5e-4 * low.abs(), "{path:?}: {low} to {high}");
    }
}

#[test]
fn antennas_point_above_the_horizon_and_shift_follows_range() {
    let campaign = default_campaign();
    let mut lines = 0;
    for path in campaign.of(Kind::GroundJson) {
        if !campaign.name(&path).contains("tracking") {
            continue;
        }
        let mut before: Option<(i64, f64, f64)> = None;
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let Ok(row) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            lines += 1;
            let number = |name: &str| row[name].as_f64().unwrap();
            assert!(number("elevation_deg") > 4.8);
            let now = (micros(row["time"].as_str().unwrap()), number("range_km"));
            if let Some((then, range_km, doppler_hz)) = before
                && now.0 - then == 1_000_000
            {
                let rate_m_s = (now.1 - range_km) * 1000.0;
                let wanted = -rate_m_s / 299_792_458.0 * 2.245e9;
                let found = (number("doppler_hz") + doppler_hz) / 2.0;
                assert!((found - wanted).abs() < 15.0, "{found} {wanted}");
            }
            before = Some((now.0, now.1, number("doppler_hz")));
        }
    }
    assert!(lines > 2_000);
}

#[test]
fn the_stand_fires_as_it_is_told() {
    let campaign = default_campaign();
    let text = std::fs::read(campaign.path("stand/SF-01.csv")).unwrap();
    let text = String::from_utf8(text).unwrap();
    let columns: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    assert_eq!(columns.len(), 13);
    assert_eq!(text.lines().count(), 24_001);
    let mut before = 0;
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), 13);
        let now = micros(cells[0]);
        assert!(before == 0 || now == before + 1000);
        before = now;
        let (pressure, thrust): (f64, f64) = (cells[1].parse().unwrap(), cells[2].parse().unwrap());
        assert!((pressure * 845.0 / 97.0 - thrust).abs() < 60.0, "{line}");
    }
    let damaged = std::fs::read(campaign.path("stand/SF-02.csv")).unwrap();
    let sound = |line: &&[u8]| line.iter().filter(|b| **b == b',').count() == 12 && line.is_ascii();
    let lines: Vec<&[u8]> = damaged.split(|byte| *byte == b'\n').collect();
    let unsound = lines.iter().filter(|line| !sound(line)).count();
    assert_eq!(unsound, 3 + 1, "three lines, and nothing behind the last");
    assert_eq!(lines.len(), 1 + 24_000 - 345 + 40 + 1);
}
