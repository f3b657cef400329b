use super::*;

#[test]
fn few_points_are_kept() {
    let mut cloud = Cloud::default();
    for point in [(2.0, 1.0), (1.0, 5.0), (2.0, 1.0)] {
        cloud.push(point);
    }
    assert_eq!(cloud.points(), [(1.0, 5.0), (2.0, 1.0)]);
}

#[test]
fn many_points_become_few_and_the_outermost_stay() {
    let mut cloud = Cloud::default();
    for i in 0..300_000u32 {
        cloud.push((
            f64::from(i % 1000),
            f64::from(i.wrapping_mul(2_654_435_761) >> 8),
        ));
    }
    let outermost = [(-5.0, 10.0), (2000.0, 11.0), (3.0, -1e9), (4.0, 1e9)];
    for point in outermost {
        cloud.push(point);
    }
    cloud.push((500.0, 500.0));
    let points = cloud.points();
    assert!(
        points.len() <= MAX_CELLS + 4 && points.len() > 10_000,
        "{}",
        points.len()
    );
    assert!(outermost.iter().all(|point| points.contains(point)));
}
