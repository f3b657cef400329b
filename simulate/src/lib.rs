//! A launch campaign, simulated: raw files as real systems write them, with
//! what real systems do to them, and the truth about it beside.
//!
//! Promises:
//!
//! * The same [`Campaign`] writes the same bytes on every machine: randomness
//!   depends on the seed alone, and arithmetic is that of IEEE 754 without
//!   functions of the platform. A further flight or satellite changes no
//!   packet of the others.
//! * Memory does not grow with the length of a campaign, but for the lists of
//!   files and of what links did to packets.
//! * Masses only fall, energy is the work of forces, orbits are orbits: each
//!   module says what its physics is, where the formulas come from, and what
//!   is left out.
//!
//! Refuses: to be a flight dynamics tool, and to sync files to the disk; raw
//! files can be written again.
//!
//! ```text
//! launcher.toml launcher.xml          definitions of packets
//! satellites.toml satellites.xml
//! stand.toml                          definition of the stand's CSV
//! launcher/F01/flight.ccsds           one file a flight
//! satellites/S01/P0001-SVB.ccsds      one file a pass over a station
//! stand/SF-01.csv                     static fires
//! stations/tracking/SVB.jsonl         antennas, once a second of a pass
//! stations/receipts/SVB.jsonl         which packets came when
//! stations/health/SVB.jsonl           values with both their times
//! flights.csv labels.csv truth.csv    lists
//! ```

mod ascent;
mod atmosphere;
mod constellation;
mod definitions;
mod downlink;
mod engine;
mod flight;
mod ground;
mod guidance;
mod instant;
mod labels;
mod lists;
mod noise;
mod numeric;
mod orbit;
mod output;
mod packet;
mod satellite;
mod stand;
mod station;
mod tank;
mod vehicle;

use std::io;
use std::path::Path;

pub use output::{Kind, Written, WrittenFile};

use constellation::Mission;
use flight::Plan;
use ground::Ground;
use lists::Lists;
use output::Folder;

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Campaign {
    /// What all randomness comes from.
    pub seed: u64,
    /// Launches, some two days apart from March 2024 on, so that the dates of
    /// more than some hundreds lie in the future. The first is the golden one,
    /// the third has a worn bearing and a stuck valve.
    pub flights: u32,
    /// How long satellites are followed, from May 2024 on.
    pub hours: u32,
    /// Satellites. The first starts anew, the second leaks, a sensor of the
    /// third freezes.
    pub satellites: u32,
}

impl Default for Campaign {
    fn default() -> Campaign {
        Campaign {
            seed: 42,
            flights: 3,
            hours: 6,
            satellites: 3,
        }
    }
}

impl Campaign {
    /// Writes the campaign into a folder, which is made where it is absent.
    /// Files of an earlier campaign with the same names are overwritten,
    /// others stay. `progress` hears of each file when it is finished, with
    /// its size.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn write(&self, dir: &Path, progress: &mut dyn FnMut(&Path, u64)) -> io::Result<Written> {
        let mut folder = Folder::new(dir, progress);
        let mut lists = Lists::default();
        definitions::write(&mut folder)?;
        for number in 1..=self.flights {
            let plan = Plan::of(number);
            let outcome = flight::write(&mut folder, self.seed, &plan)?;
            lists.add_flight(&plan, outcome);
        }
        let stations = station::stations();
        let mut ground = Ground::open(&folder, &stations, self.seed)?;
        for number in 1..=self.satellites {
            let mission = Mission {
                seed: self.seed,
                number,
                hours: self.hours,
            };
            let outcome = constellation::write(&mut folder, &mut ground, &stations, &mission)?;
            lists.add_satellite(outcome);
        }
        lists.add_files(ground.finish(&mut folder)?);
        lists.add_files(stand::write(&mut folder, self.seed)?);
        lists.write(&mut folder)?;
        Ok(folder.into_written())
    }
}
