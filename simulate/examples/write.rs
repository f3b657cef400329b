//! Writes a campaign: `write DIR [SEED [FLIGHTS [HOURS [SATELLITES]]]]`.

#![expect(clippy::print_stdout, reason = "an example says what it did")]

use std::io;
use std::path::Path;

use downlake_simulate::Campaign;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u32>().ok());
    let default = Campaign::default();
    let campaign = Campaign {
        seed: number(1).map_or(default.seed, u64::from),
        flights: number(2).unwrap_or(default.flights),
        hours: number(3).unwrap_or(default.hours),
        satellites: number(4).unwrap_or(default.satellites),
    };
    let dir = arguments.first().map_or("raw", String::as_str);
    let began = std::time::Instant::now();
    let written = campaign.write(Path::new(dir), &mut |_, _| {})?;
    println!(
        "{} files, {} records, {} bytes in {:.2} s",
        written.files.len(),
        written.records(),
        written.bytes(),
        began.elapsed().as_secs_f64()
    );
    Ok(())
}
