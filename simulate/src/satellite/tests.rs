use super::*;

fn lived(seconds: i64, faults: Vec<Fault>, mut each: impl FnMut(i64, &Satellite, &[Packet])) {
    let mut satellite = Satellite::new(1, 1, faults);
    let mut packets = Vec::new();
    for time_s in 0..seconds {
        satellite.advance(time_s, &mut packets);
        each(time_s, &satellite, &packets);
    }
}

#[test]
fn charge_and_heat_stay_within_their_bounds() {
    let (mut low, mut high) = (1.0_f64, 0.0_f64);
    lived(20_000, Vec::new(), |_, satellite, _| {
        low = low.min(satellite.charge);
        high = high.max(satellite.charge);
        for (node, (sun, shadow, _)) in satellite.nodes_c.iter().zip(HEAT) {
            assert!((shadow..=sun).contains(node));
        }
    });
    assert!(low > 0.5 && high <= 1.0, "{low} {high}");
    assert!(high - low > 0.02, "there are eclipses: {low} {high}");
}

#[test]
fn a_leak_empties_the_tank_and_nothing_fills_it() {
    let leak = Fault::Leak {
        from_s: 100,
        share_per_s: 1e-5,
    };
    let mut before = f64::INFINITY;
    let mut first = None;
    lived(4_000, vec![leak], |_, satellite, _| {
        let kelvin = satellite.nodes_c[TANK_NODE] + 273.15;
        let moles = satellite.tank.pressure_bar(kelvin) / kelvin;
        assert!(moles <= before * (1.0 + 1e-12));
        before = moles;
        first.get_or_insert(moles);
    });
    let lost = 1.0 - before / first.unwrap();
    assert!((lost - 0.0382).abs() < 0.001, "{lost}");
}

#[test]
fn a_restart_begins_counts_and_clock_anew() {
    let mut silent = 0;
    let mut seqs = Vec::new();
    lived(600, vec![Fault::Reboot { at_s: 300 }], |_, _, packets| {
        silent += usize::from(packets.is_empty());
        seqs.extend(
            packets
                .iter()
                .filter(|p| p.apid == apid::GPS)
                .map(|p| p.seq),
        );
    });
    assert_eq!(silent, 25);
    assert_eq!(seqs[299..302], [299, 0, 1]);
}

#[test]
fn the_attitude_is_a_unit_quaternion_that_turns_smoothly() {
    let orbit = Orbit::sun_synchronous(550_000.0, 1.0, 0.0);
    let mut before: Option<[f64; 4]> = None;
    for time_s in 0..6_000 {
        let q = nadir(&orbit.state(f64::from(time_s)));
        let norm: f64 = q.iter().map(|part| part * part).sum();
        assert!((norm - 1.0).abs() < 1e-9);
        if let Some(then) = before {
            let cos: f64 = q.iter().zip(then).map(|(a, b)| a * b).sum();
            assert!(cos.abs() > 0.999_999, "{time_s}");
        }
        before = Some(q);
    }
}
