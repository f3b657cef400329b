use super::*;

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
    assert_eq!(written.files.len(), ascent::MISSIONS.len() + 1);
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
