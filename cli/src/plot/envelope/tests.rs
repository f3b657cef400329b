use super::*;

fn of(rows: impl IntoIterator<Item = (f64, f64)>) -> Vec<Vec<(f64, f64)>> {
    let mut envelope = Envelope::default();
    for (x, y) in rows {
        envelope.push(x, y);
    }
    envelope.lines()
}

#[test]
fn few_rows_are_kept_in_order_and_break_where_numbers_miss() {
    let lines = of([(3.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (4.0, 5.0)]);
    assert_eq!(lines, [vec![(1.0, 2.0)], vec![(3.0, 1.0), (4.0, 5.0)]]);
    assert!(of([(1.0, f64::NAN)]).is_empty());
}

/// One row in a million is far out, wherever it is, in whatever order the
/// rows come.
#[test]
fn extremes_are_never_lost() {
    const ROWS: u32 = 200_000;
    let value = |i: u32| match i {
        77_777 => 1e6,
        123_456 => -1e6,
        _ => f64::from(i % 10),
    };
    let orders: [Box<dyn Iterator<Item = u32>>; 3] = [
        Box::new(0..ROWS),
        Box::new((0..ROWS).rev()),
        Box::new((0..ROWS).map(|i| (i * 7919) % ROWS)),
    ];
    for order in orders {
        let lines = of(order.map(|i| (f64::from(i), value(i))));
        let [line] = lines.as_slice() else {
            panic!("{} lines", lines.len());
        };
        assert!(line.len() <= 4 * MAX_COLUMNS + 8, "{}", line.len());
        assert!(line.contains(&(77_777.0, 1e6)) && line.contains(&(123_456.0, -1e6)));
        assert_eq!(line[0].0, 0.0);
        assert_eq!(line[line.len() - 1].0, f64::from(ROWS - 1));
        assert!(line.is_sorted_by(|a, b| a.0 <= b.0));
    }
}

#[test]
fn a_hole_breaks_a_folded_line() {
    let hole = 60_000..70_000;
    let rows =
        (0..100_000u32).map(|i| (f64::from(i), if hole.contains(&i) { f64::NAN } else { 1.0 }));
    let lines = of(rows);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0][lines[0].len() - 1].0, 59_999.0);
    assert_eq!(lines[1][0].0, 70_000.0);
}

#[test]
fn strange_axes_do_no_harm() {
    let same = of((0..20_000).map(|i| (5.0, f64::from(i))));
    assert_eq!(same[0][0], (5.0, 0.0));
    let mut far = Envelope::default();
    for i in 0..20_000 {
        far.push(f64::from(i), 0.0);
    }
    far.push(1e300, 7.0);
    far.push(-1e300, -7.0);
    let lines = far.lines();
    let values: Vec<f64> = lines.iter().flatten().map(|p| p.1).collect();
    assert!(values.contains(&7.0) && values.contains(&-7.0));
}
