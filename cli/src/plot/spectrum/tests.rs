use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use expect_test::{Expect, expect};

use super::super::PlotKind;
use super::*;

fn columns(unit: &str) -> Columns {
    let field = |name, unit: &str| {
        Field::new(name, DataType::Float64, true)
            .with_metadata([("downlake.unit".to_owned(), unit.to_owned())].into())
    };
    let schema = Schema::new(vec![field("t", unit), field("thrust", "kN")]);
    Columns::of(PlotKind::Spectrum, &Arc::new(schema)).unwrap()
}

fn chart(unit: &str, samples: impl IntoIterator<Item = (f64, f64)>) -> Result<Chart> {
    let mut all = Samples::default();
    for (x, y) in samples {
        all.push(0, x, y)?;
    }
    all.chart(&columns(unit))
}

/// Samples at 1 kHz: 50 Hz of amplitude 3 over a level.
fn tone(count: u32) -> impl Iterator<Item = (f64, f64)> {
    (0..count).map(|i| {
        let t = f64::from(i) / 1000.0;
        (t, 10.0 + 3.0 * (TAU * 50.0 * t).sin())
    })
}

fn power(chart: &Chart) -> f64 {
    let Marks::Lines(lines) = &chart.panels[0].series[0].marks else {
        panic!("a spectrum is a line");
    };
    let points: Vec<_> = lines.iter().flatten().collect();
    let step = points[1].0 - points[0].0;
    points
        .iter()
        .map(|(_, density)| 10f64.powf(*density) * step)
        .sum()
}

/// Parseval: the density over all frequencies is the variance, 3²/2.
#[test]
fn the_density_adds_up_to_the_variance() {
    for count in [200, 4096, 20_000] {
        let chart = chart("s", tone(count)).unwrap();
        let power = power(&chart);
        assert!((power - 4.5).abs() < 0.1, "{count}: {power}");
        assert_eq!(chart.panels[0].x.label, "frequency (Hz)");
        assert_eq!(chart.panels[0].y.label, "power density (kN²/Hz)");
    }
}

#[test]
fn the_unit_of_time_becomes_that_of_frequency() {
    let millis = chart("ms", tone(4096).map(|(t, y)| (t * 1e3, y))).unwrap();
    assert_eq!(millis.panels[0].x.label, "frequency (Hz)");
    assert!((power(&millis) - 4.5).abs() < 0.1);
    let captions = ["s", "ms", "cycle", "m/s"].map(|unit| {
        let chart = chart(unit, tone(4096)).unwrap();
        format!("{} | {}", chart.caption.unwrap(), chart.panels[0].y.label)
    });
    expect![[r#"
        thrust: peak at 50 Hz | power density (kN²/Hz)
        thrust: peak at 49976 Hz | power density (kN²/Hz)
        thrust: peak at 50 1/cycle | power density (kN²·cycle)
        thrust: peak at 50 1/(m/s) | power density (kN²·(m/s))"#]]
    .assert_eq(&captions.join("\n"));
}

/// More samples than are held back give the same spectrum.
#[test]
fn segments_stream() {
    let count = u32::try_from(SEGMENTS * LONGEST_SEGMENT + 100_000).unwrap();
    let chart = chart("s", tone(count)).unwrap();
    assert_eq!(chart.caption.as_deref(), Some("thrust: peak at 50 Hz"));
}

fn check(samples: impl IntoIterator<Item = (f64, f64)>, expected: &Expect) {
    expected.assert_eq(&chart("s", samples).unwrap_err().to_string());
}

#[test]
fn what_has_no_spectrum_is_refused() {
    check(
        tone(10),
        &expect![[r#"spectrum: "thrust" has 10 samples, 16 are the least"#]],
    );
    check(
        tone(100).filter(|(t, _)| *t != 0.05),
        &expect![[
            r#"spectrum: the samples of "thrust" are not even: steps of t go from 0.001 to 0.002 s, the longest after 0.049; choose an even stretch, or make one with avg() over date_bin()"#
        ]],
    );
    check(
        tone(100).map(|(t, y)| (t, if t == 0.05 { f64::NAN } else { y })),
        &expect![
            "spectrum: sample 51 is NULL or not a number: choose a stretch without holes, or leave such rows out with WHERE and even the rest"
        ],
    );
    check(
        tone(100).map(|(t, y)| (-t, y)),
        &expect![
            "spectrum: sample 2 is not later than the one before it: add ORDER BY, and a text column where several series are mixed"
        ],
    );
    check(
        tone(100).map(|(t, _)| (t, 5.0)),
        &expect![[r#"spectrum: "thrust" never changes and has no spectrum"#]],
    );
}
