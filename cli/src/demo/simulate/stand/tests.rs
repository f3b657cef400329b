use super::*;

fn firing() -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, &mut Noise::new(7)).unwrap();
    bytes
}

#[test]
fn only_the_fifth_engine_drifts() {
    let bytes = firing();
    let text = String::from_utf8_lossy(&bytes).into_owned();
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
    let broken = firing()
        .strip_suffix(b"\n")
        .unwrap()
        .split(|b| *b == b'\n')
        .filter(|line| {
            line.iter().filter(|b| **b == b',').count() != 4 || std::str::from_utf8(line).is_err()
        })
        .count();
    assert_eq!(broken, DAMAGE.len());
}
