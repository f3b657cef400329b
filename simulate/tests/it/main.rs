//! A campaign as its readers find it.
use std::path::Path;
use std::time::Instant;
#[test]
fn default_campaign() {
    let dir = std::env::var("SIM_DIR").unwrap_or("/tmp/sim-raw".into());
    let t = Instant::now();
    let seed = std::env::var("SIM_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(42);
    let hours = std::env::var("SIM_HOURS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(8);
    let w = downlake_simulate::Campaign {
        seed,
        hours,
        ..Default::default()
    }
    .write(Path::new(&dir), &mut |_, _| {})
    .unwrap();
    println!(
        "TIME {:?} files {} records {} bytes {}",
        t.elapsed(),
        w.files.len(),
        w.records(),
        w.bytes()
    );
}
