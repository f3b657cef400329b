use expect_test::{Expect, expect};

use super::*;

fn check(values: impl IntoIterator<Item = f64>, expected: &Expect) {
    let mut histogram = Histogram::default();
    for value in values {
        histogram.push(value);
    }
    let bins = histogram.bins().into_iter();
    let lines: Vec<_> = bins
        .map(|(from, to, count)| format!("{from:.4} {to:.4} {count}"))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn borders_are_round_and_values_on_them_go_up() {
    check(
        (0..10).map(|i| f64::from(i) / 10.0),
        &expect![[r#"
        0.0000 0.2000 2
        0.2000 0.4000 2
        0.4000 0.6000 2
        0.6000 0.8000 2
        0.8000 1.0000 2"#]],
    );
    check(
        [1.0, 2.0, 2.0, 3.0, 3.0, 3.0],
        &expect![[r#"
        1.0000 2.0000 1
        2.0000 3.0000 2
        3.0000 4.0000 3"#]],
    );
    check(
        [0.1, 0.2, 0.3, 0.3],
        &expect![[r#"
        0.1000 0.1500 1
        0.1500 0.2000 0
        0.2000 0.2500 1
        0.2500 0.3000 0
        0.3000 0.3500 2"#]],
    );
    check([7.0], &expect!["7.0000 8.0000 1"]);
    check([0.0, 0.0], &expect!["0.0000 1.0000 2"]);
    check(
        [-1.5, 1.5],
        &expect![[r#"
        -2.0000 0.0000 1
        0.0000 2.0000 1"#]],
    );
    check([], &expect![""]);
}

/// A value far out neither hides the others in one bin nor is lost.
#[test]
fn many_values_are_counted_exactly() {
    let mut histogram = Histogram::default();
    for i in 0..1_000_000u32 {
        histogram.push(f64::from(i % 1000) / 1000.0);
    }
    histogram.push(1.5);
    let bins = histogram.bins();
    let counted: f64 = bins.iter().map(|bin| bin.2).sum();
    assert_eq!(counted, 1_000_001.0);
    assert_eq!(bins[bins.len() - 1].2, 1.0);
    let whole = bins
        .iter()
        .filter(|(from, to, _)| *from >= 0.0 && *to <= 1.0);
    for (from, to, count) in whole {
        assert!(
            (count - (to - from) * 1e6).abs() < 1.0,
            "{from} {to} {count}"
        );
    }
}
