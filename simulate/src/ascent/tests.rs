use super::*;
use crate::numeric::{degrees, ln};

fn flown(seed: u64, flight: u32, faults: &[Fault], mut each: impl FnMut(&Ascent)) -> Ascent {
    let vehicle = Vehicle::of_flight(&mut Noise::new(seed, "vehicle", flight));
    let mut noise = Noise::new(seed, "engines", flight);
    let mut ascent = Ascent::new(vehicle, faults, &mut noise);
    while ascent.is_flying() {
        ascent.advance();
        each(&ascent);
    }
    ascent
}

/// Lowest and highest point of the orbit, m above the sphere (vis-viva and
/// angular momentum; Bate, Mueller and White, 1.6).
fn apses(motion: &Motion) -> (f64, f64) {
    let momentum = motion.radius_m * motion.horizontal_m_s;
    let energy = motion.energy_j_kg();
    let shape = 1.0 + 2.0 * energy * momentum * momentum / (EARTH_MU * EARTH_MU);
    let axis_m = -EARTH_MU / (2.0 * energy);
    let eccentricity = shape.max(0.0).sqrt();
    (
        axis_m * (1.0 - eccentricity) - EARTH_RADIUS_M,
        axis_m * (1.0 + eccentricity) - EARTH_RADIUS_M,
    )
}

#[test]
fn flights_of_many_seeds_reach_their_orbits() {
    for seed in 0..12 {
        for flight in 1..=3 {
            let ascent = flown(seed, flight, &[], |_| {});
            let target_m = ascent.vehicle.orbit_altitude_m;
            let (low_m, high_m) = apses(&ascent.motion);
            let at = format!("seed {seed} flight {flight}: {low_m} {high_m} of {target_m}");
            assert_eq!(ascent.phase, Phase::Orbit, "{at}");
            assert!((low_m - target_m).abs() < 4_000.0, "{at}");
            assert!((high_m - target_m).abs() < 4_000.0, "{at}");
            let speed = ascent.motion.speed_m_s();
            assert!((7_600.0..7_900.0).contains(&speed), "{at}: {speed} m/s");
            let margin = ascent.tanks[2].mass_kg / ascent.vehicle.stages[1].lox_kg;
            assert!(margin > 0.01, "{at}: {margin} left");
        }
    }
}

#[test]
fn other_orbits_are_reached_too() {
    for target_m in [200_000.0, 300_000.0, 400_000.0] {
        let mut vehicle = Vehicle::of_flight(&mut Noise::new(1, "vehicle", 1));
        vehicle.orbit_altitude_m = target_m;
        vehicle.payload_kg = 11_000.0;
        let mut ascent = Ascent::new(vehicle, &[], &mut Noise::new(1, "engines", 1));
        while ascent.is_flying() {
            ascent.advance();
        }
        let (low_m, high_m) = apses(&ascent.motion);
        assert!((low_m - target_m).abs() < 4_000.0, "{low_m} of {target_m}");
        assert!(
            (high_m - target_m).abs() < 4_000.0,
            "{high_m} of {target_m}"
        );
        assert!((7_600.0..7_900.0).contains(&ascent.motion.speed_m_s()));
    }
}

#[test]
fn energy_changes_by_the_work_of_forces_alone() {
    let mut before = None;
    let ascent = flown(3, 1, &[], |ascent| {
        let motion = ascent.motion;
        let balance = motion.energy_j_kg() - motion.work_j_kg;
        let first = *before.get_or_insert(balance);
        assert!((balance - first).abs() < 1.0, "{} s", ascent.time_s());
    });
    assert!(ascent.motion.work_j_kg > 3e7);
}

#[test]
fn mass_and_tanks_only_fall() {
    let mut before = (f64::INFINITY, [f64::INFINITY; 4]);
    flown(5, 2, &[], |ascent| {
        let tanks = ascent.tanks.each_ref().map(|tank| tank.mass_kg);
        assert!(ascent.mass_kg() <= before.0);
        assert!(tanks.iter().zip(&before.1).all(|(now, then)| now <= then));
        before = (ascent.mass_kg(), tanks);
    });
}

/// What the rocket equation promises is what was gained and lost on the way.
#[test]
fn ideal_speed_covers_the_losses() {
    let mut ideal_m_s = 0.0;
    let mut mass_kg = None;
    let ascent = flown(7, 1, &[], |ascent| {
        let stage = usize::from(!ascent.has_first_stage);
        let now = ascent.mass_kg();
        let before = mass_kg.replace((now, stage));
        if let Some((then, same)) = before.filter(|_| ascent.phase != Phase::Countdown)
            && same == stage
        {
            ideal_m_s += ascent.vehicle.stages[stage].exhaust_m_s() * ln(then / now);
        }
    });
    let losses = ideal_m_s - (ascent.motion.speed_m_s() - 408.0);
    assert!((1_100.0..2_200.0).contains(&losses), "{losses} m/s");
}

#[test]
fn the_ascent_looks_like_one() {
    let (mut largest_pa, mut most, mut least_throttle) = (0.0_f64, 0.0_f64, 1.0_f64);
    let mut separation = None;
    flown(1, 1, &[], |ascent| {
        largest_pa = largest_pa.max(ascent.dynamic_pressure_pa());
        most = most.max(ascent.axial_m_s2);
        if ascent.phase == Phase::GravityTurn {
            least_throttle = least_throttle.min(ascent.throttle);
        }
        if ascent.phase == Phase::Separation {
            separation.get_or_insert((ascent.time_s(), ascent.motion));
        }
    });
    assert!(
        (22_000.0..36_000.0).contains(&largest_pa),
        "{largest_pa} Pa"
    );
    assert!(most < 6.0 * G0, "{most} m/s2");
    assert!(least_throttle < 0.9, "{least_throttle}");
    let (time_s, motion) = separation.unwrap();
    assert!((130.0..190.0).contains(&time_s), "{time_s} s");
    let height_m = motion.altitude_m();
    assert!((50_000.0..110_000.0).contains(&height_m), "{height_m} m");
    let path = degrees(motion.flight_path_rad());
    assert!((10.0..50.0).contains(&path), "{path} deg");
}

#[test]
fn faults_do_not_lose_the_flight() {
    let faults = [
        Fault::Bearing {
            engine: 4,
            from_s: 60.0,
            to_s: 150.0,
        },
        Fault::StuckValve {
            engine: 7,
            from_s: 38.0,
            to_s: 100.0,
        },
    ];
    for seed in 0..5 {
        let ascent = flown(seed, 3, &faults, |_| {});
        assert_eq!(ascent.phase, Phase::Orbit, "seed {seed}");
        assert!(ascent.motion.speed_m_s() > 7_600.0, "seed {seed}");
    }
}
