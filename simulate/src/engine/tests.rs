use super::*;

fn run(faults: &[Fault], command: f64) -> Engine {
    let mut engine = Engine::new(4, &mut Noise::new(1, "engine", 4));
    for step in 0..2000 {
        engine.step(f64::from(step) * 0.01, command, faults, 0.01);
    }
    engine
}

#[test]
fn a_sound_engine_settles_at_its_command() {
    let engine = run(&[], 1.0);
    assert!((engine.thrust_share() - 1.0).abs() < 0.005);
    let readings = engine.readings(&mut Noise::new(1, "r", 0));
    assert_eq!(readings.state, 2);
    assert!((readings.chamber_pressure_bar - 97.0).abs() < 2.0);
    assert!((readings.turbopump_speed_rpm - 36_000.0).abs() < 300.0);
    let throttled = run(&[], 0.7);
    assert!((throttled.shaft * throttled.shaft / 0.7 - 1.0).abs() < 0.01);
}

#[test]
fn a_worn_bearing_shakes_slows_and_warms() {
    let bearing = Fault::Bearing {
        engine: 4,
        from_s: 0.0,
        to_s: 19.0,
    };
    let (sound, worn) = (run(&[], 1.0), run(&[bearing], 1.0));
    assert!(worn.shaft < 0.98 * sound.shaft);
    assert!(worn.bearing_k > sound.bearing_k + 20.0);
    let mut noise = Noise::new(2, "v", 0);
    let (overall, _, bands) = worn.vibration(&mut noise);
    assert!(overall > 2.0 * sound.vibration(&mut noise).0);
    let hz = outer_race_hz(SHAFT_SPEED_RPM / 60.0 * worn.shaft);
    let loudest = (0_u32..).zip(bands).max_by(|a, b| a.1.total_cmp(&b.1));
    let from_hz = f64::from(loudest.unwrap().0) * BAND_WIDTH_HZ;
    assert!((from_hz..from_hz + BAND_WIDTH_HZ).contains(&hz));
    let others = Fault::Bearing {
        engine: 5,
        from_s: 0.0,
        to_s: 19.0,
    };
    assert_eq!(run(&[others], 1.0).shaft.to_bits(), sound.shaft.to_bits());
}

#[test]
fn a_stuck_valve_stays_and_shifts_the_mixture() {
    let stuck = Fault::StuckValve {
        engine: 4,
        from_s: 5.0,
        to_s: 30.0,
    };
    let mut engine = Engine::new(4, &mut Noise::new(1, "engine", 4));
    for step in 0..1000 {
        let command = if step < 500 { 1.0 } else { 0.8 };
        engine.step(f64::from(step) * 0.01, command, &[stuck], 0.01);
    }
    assert!((engine.ox_valve - 1.0).abs() < 1e-6);
    assert!((engine.fuel_valve - 0.8).abs() < 1e-6);
    assert!((engine.mixture_ratio() / MIXTURE_RATIO - 1.25).abs() < 1e-4);
}
