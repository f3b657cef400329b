use super::*;

const SEEDS: [u64; 5] = [0, 1, 7, 42, u64::MAX];

fn flights(seed: u64) -> Vec<Vec<Sample>> {
    let mut noise = Noise::new(seed);
    MISSIONS
        .iter()
        .map(|_| fly(&Vehicle::for_mission(&mut noise)))
        .collect()
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
