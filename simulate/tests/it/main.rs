//! A campaign as its readers find it.
use std::path::Path;
use std::time::Instant;
#[test]
fn default_campaign() {
    let dir = std::env::var("SIM_DIR").unwrap_or("/tmp/sim-raw".into());
    let t = Instant::now();
    let w = downlake_simulate::Campaign::default().write(Path::new(&dir), &mut |_,_| {}).unwrap();
    println!("TIME {:?} files {} records {} bytes {}", t.elapsed(), w.files.len(), w.records(), w.bytes());
    for f in &w.files { println!("{:?} {} {} {:?}", f.path, f.records, f.bytes, f.kind); }
}
