use super::*;

const SEEDS: [u64; 5] = [0, 1, 7, 42, u64::MAX];

fn flights(seed: u64) -> Vec<Vec<Sample>> {
    let mut noise = Noise::new(seed);
    MISSIONS
        .iter()
        .map(|_| fly(&Vehicle::for_mission(&mut noise)))
        .collect()
}

fn campaign(name: &str, seed: u64) -> (Written, Vec<Vec<u8>>) {
    let dir = std::env::temp_dir().join(format!("downlake-{name}-{}", std::process::id()));
    let written = write(&dir, seed).unwrap();
    let bytes = written.files.iter().map(|f| fs::read(f).unwrap()).collect();
    fs::remove_dir_all(&dir).unwrap();
    (written, bytes)
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let (_, first) = campaign("same-a", 7);
    let (_, again) = campaign("same-b", 7);
    let (_, other) = campaign("same-c", 8);
    assert!(first == again);
    assert!(first.iter().zip(&other).all(|(a, b)| a != b));
}

#[test]
fn rows_are_the_lines_that_are_there() {
    let (written, bytes) = campaign("rows", 7);
    let lines: usize = bytes
        .iter()
        .map(|b| b.split(|b| *b == b'\n').count() - 1)
        .sum();
    assert_eq!(written.rows, lines as u64 - 1, "one header");
    assert_eq!(written.files.len(), MISSIONS.len() + 1);
}

#[test]
fn altitude_rises_until_the_engine_stops() {
    for seed in SEEDS {
        for samples in flights(seed) {
            let ascent: Vec<_> = samples.iter().filter(|s| s.throttle > 0.0).collect();
            assert!(
                ascent
                    .windows(2)
                    .all(|w| w[0].altitude_m <= w[1].altitude_m)
            );
        }
    }
}

#[test]
fn mass_only_falls() {
    for seed in SEEDS {
        for samples in flights(seed) {
            for w in samples.windows(2) {
                assert!(w[1].propellant_kg >= 0.0);
                assert!(w[1].stage >= w[0].stage);
                if w[0].stage == w[1].stage {
                    assert!(w[1].propellant_kg <= w[0].propellant_kg);
                    let burns = w[0].throttle > 0.0 && w[1].throttle > 0.0;
                    assert!(!burns || w[1].propellant_kg < w[0].propellant_kg);
                }
            }
        }
    }
}

#[test]
fn each_flight_ends_in_a_low_circular_orbit() {
    for seed in SEEDS {
        for samples in flights(seed) {
            let last = samples.last().unwrap();
            let radius = EARTH_RADIUS_M + last.altitude_m;
            let circular = (EARTH_MU / radius).sqrt();
            assert!(
                last.throttle == 0.0,
                "seed {seed}: still burning after {} ms",
                last.since_liftoff_ms
            );
            assert!(
                (180_000.0..240_000.0).contains(&last.altitude_m),
                "seed {seed}: {last:?}"
            );
            assert!(
                (last.velocity_m_s - circular).abs() < 15.0,
                "seed {seed}: {last:?}"
            );
            assert!(
                last.propellant_kg > 0.0,
                "seed {seed}: the tank ran dry before orbit"
            );
        }
    }
}

#[test]
fn the_work_of_the_engines_is_less_than_their_propellant_allows() {
    for seed in SEEDS {
        let mut noise = Noise::new(seed);
        for _ in &MISSIONS {
            let vehicle = Vehicle::for_mission(&mut noise);
            let samples = fly(&vehicle);
            let last = samples.last().unwrap();
            assert!(last.velocity_m_s < ideal_speed_m_s(&vehicle));
        }
    }
}

/// The rocket equation: no gravity, no air.
fn ideal_speed_m_s(vehicle: &Vehicle) -> f64 {
    let [first, second] = &vehicle.stages;
    let upper = second.dry_kg + second.propellant_kg + vehicle.payload_kg;
    let gain = |stage: &Stage, above_kg: f64| {
        let empty = stage.dry_kg + above_kg;
        stage.specific_impulse_vacuum_s * G0 * ((empty + stage.propellant_kg) / empty).ln()
    };
    gain(first, upper) + gain(second, vehicle.payload_kg)
}

#[test]
fn loads_stay_within_what_a_vehicle_bears() {
    for samples in flights(7) {
        for w in samples.windows(2) {
            let acceleration = (w[1].velocity_m_s - w[0].velocity_m_s) * f64::from(SAMPLES_PER_S);
            assert!(acceleration < ACCELERATION_LIMIT + G0, "{:?}", w[1]);
            assert!((0.0..=1.0).contains(&w[1].throttle));
        }
    }
}

#[test]
fn only_the_fifth_engine_drifts() {
    let (_, bytes) = campaign("drift", 7);
    let text = String::from_utf8_lossy(bytes.last().unwrap()).into_owned();
    let mut pressures = vec![Vec::new(); 10];
    for line in text.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        let [time, engine, pressure, _, _] = fields[..] else {
            continue;
        };
        if time > "2026-02-20T13:00:34"
            && time < "2026-02-20T13:00:36"
            && let Some(engine) = engine.strip_prefix('e')
        {
            let engine: usize = engine.parse().unwrap();
            pressures[engine].push(pressure.parse::<f64>().unwrap());
        }
    }
    for (engine, values) in pressures.iter().enumerate().skip(1) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let low = mean < CHAMBER_PRESSURE_BAR - 4.0;
        assert_eq!(low, engine == 5, "engine {engine}: {mean} bar");
    }
}

#[test]
fn damaged_lines_are_damaged_and_no_others() {
    let (written, bytes) = campaign("damage", 7);
    let stand = bytes.last().unwrap();
    let broken = stand
        .strip_suffix(b"\n")
        .unwrap()
        .split(|b| *b == b'\n')
        .filter(|line| {
            line.iter().filter(|b| **b == b',').count() != 4 || std::str::from_utf8(line).is_err()
        })
        .count();
    assert_eq!(broken as u64, written.damaged);
}

#[test]
fn instants_are_rfc_3339() {
    assert_eq!(instant("2026-03-14", 34_200, 0), "2026-03-14T09:30:00.000Z");
    assert_eq!(
        instant("2026-03-14", 34_200, 59_900),
        "2026-03-14T09:30:59.900Z"
    );
    assert_eq!(
        instant("2026-03-14", 34_200, 60_100),
        "2026-03-14T09:31:00.100Z"
    );
}
