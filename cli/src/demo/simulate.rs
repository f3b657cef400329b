//! A small launch campaign, simulated: three orbital flights as JSON lines
//! and one static fire of nine engines as CSV.
//!
//! Promises: the same seed writes the same bytes, and every file is complete
//! and on the disk when `write` returns. Refuses: to be a flight dynamics
//! tool (see `ascent` for what is left out).

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

mod ascent;
mod stand;

/// What a campaign wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The raw files, flights first.
    pub(crate) files: Vec<PathBuf>,
    /// Records in all files, the damaged ones included, header lines not.
    pub(crate) rows: u64,
}

/// Writes a campaign into `dir`, which is created where it is absent: the
/// flights to `flights/<flight>.jsonl`, the stand to `stand/static_fire.csv`.
/// Files of an earlier campaign are overwritten.
///
/// # Errors
///
/// Those of the disk.
pub(crate) fn write(dir: &Path, seed: u64) -> io::Result<Written> {
    let mut noise = Noise::new(seed);
    let mut written = Written {
        files: Vec::new(),
        rows: 0,
    };
    fs::create_dir_all(dir.join("flights"))?;
    fs::create_dir_all(dir.join("stand"))?;
    for mission in &ascent::MISSIONS {
        let name = format!("{}.jsonl", mission.flight);
        let path = dir.join("flights").join(name);
        written.rows += write_file(path, &mut written.files, |out| {
            ascent::write(out, mission, &mut noise)
        })?;
    }
    let path = dir.join("stand").join("static_fire.csv");
    written.rows += write_file(path, &mut written.files, |out| {
        stand::write(out, &mut noise)
    })?;
    Ok(written)
}

fn write_file(
    path: PathBuf,
    files: &mut Vec<PathBuf>,
    body: impl FnOnce(&mut dyn Write) -> io::Result<u64>,
) -> io::Result<u64> {
    let mut out = BufWriter::new(File::create(&path)?);
    let rows = body(&mut out)?;
    out.into_inner()?.sync_all()?;
    files.push(path);
    Ok(rows)
}

/// RFC 3339 text of an instant on a day.
fn instant(date: &str, start_s: u32, since_ms: u32) -> String {
    let seconds = start_s + since_ms / 1000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{date}T{hours:02}:{minutes:02}:{:02}.{:03}Z",
        seconds % 60,
        since_ms % 1000
    )
}

/// Random numbers that depend on the seed alone: SplitMix64 (Steele, Lea and
/// Flood, "Fast splittable pseudorandom number generators", 2014).
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Self {
        Noise(seed)
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal with mean 0 and deviation 1, as a sum of twelve uniforms
    /// (Irwin and Hall): needs no logarithm, and none of the tails matter here.
    fn gauss(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A factor within the given share of 1.
    fn around(&mut self, share: f64) -> f64 {
        1.0 + share * (2.0 * self.uniform() - 1.0)
    }
}

#[cfg(test)]
mod tests;
