//! What a world is to do, drawn from its seed, and what must stand in the
//! lake afterwards.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use downlake_lake::schema::Definition;
use downlake_lake::seam::{Clock, Random, Seams};
use downlake_lake::storage::simulate::Faults;
use downlake_lake::table::append::{QuarantineLimit, UnitSpec};
use downlake_lake::table::quarantine::Refusal;
use downlake_lake::table::unit::UnitIdentity;

/// The table of all worlds.
pub(crate) const TABLE: &str = "engine";

const DEFINITION: &str = r#"
stream = "engine"

[time]
axis = "absolute"
columns = ["t"]
code = "iso"

[[column]]
name = "t"
type = "timestamp"

[[column]]
name = "unit"
type = "i64"

[[column]]
name = "row"
type = "i64"

[[column]]
name = "value"
type = "f64"
"#;

/// Midnight of the first day of every world, microseconds since 1970.
const FIRST_DAY: i64 = 1_767_225_600_000_000;
const DAY: i64 = 86_400_000_000;
/// When every actor's clock starts, microseconds since 1970.
const NOW: i64 = 1_780_000_000_000_000;

/// The definition that the table begins with.
pub(crate) fn definition() -> Definition {
    Definition::from_toml(DEFINITION, "engine.toml").unwrap()
}

/// A seeded source of numbers (SplitMix64), so that a printed seed says all.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of one part of a world, whatever the other parts draw.
    pub(crate) fn of(seed: u64, part: &str) -> Dice {
        let hash = blake3::hash(format!("{seed} {part}").as_bytes());
        let bytes = *hash.as_bytes();
        Dice(u64::from_le_bytes(*bytes.first_chunk().unwrap()))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// Time and randomness of one process that follow from its name.
pub(crate) fn seams(seed: u64, process: &str) -> Seams {
    Seams {
        clock: Arc::new(Ticking(AtomicI64::new(NOW))),
        random: Arc::new(Seeded(AtomicU64::new(Dice::of(seed, process).next()))),
    }
}

/// A clock that moves on by a millisecond whenever it is read.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now_micros(&self) -> i64 {
        self.0.fetch_add(1_000, Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Seeded(AtomicU64);

impl Random for Seeded {
    fn next_u64(&self) -> u64 {
        mix(self.0.fetch_add(GAMMA, Ordering::Relaxed))
    }
}

/// A source unit.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    /// Its content: units of one number have the same bytes.
    pub(crate) number: u8,
    /// Rows, over one or several days.
    pub(crate) rows: i64,
    /// Days over which the rows are spread.
    pub(crate) days: i64,
    /// Records that are refused.
    pub(crate) refused: u64,
    /// Records that carry no data.
    pub(crate) skipped: u64,
    /// A column that only some units have.
    pub(crate) extra: Option<&'static str>,
    /// Constant columns of its identity.
    pub(crate) constants: BTreeMap<String, String>,
}

impl Unit {
    /// A unit of three rows and nothing else.
    pub(crate) fn plain(number: u8) -> Unit {
        Unit {
            number,
            rows: 3,
            days: 1,
            refused: 0,
            skipped: 0,
            extra: None,
            constants: BTreeMap::new(),
        }
    }

    fn drawn(number: u8, dice: &mut Dice) -> Unit {
        let some = |dice: &mut Dice, times, most| {
            if dice.once_in(times) {
                dice.below(most) + 1
            } else {
                0
            }
        };
        Unit {
            // A unit without rows still lands, with its counts.
            rows: i64::try_from(dice.below(13)).unwrap(),
            days: i64::try_from(1 + dice.below(2)).unwrap(),
            refused: u64::try_from(some(dice, 2, 4)).unwrap(),
            skipped: u64::try_from(some(dice, 3, 9)).unwrap(),
            extra: [None, None, None, Some("flow"), Some("thrust")][dice.below(5)],
            ..Unit::plain(number)
        }
    }

    /// Its name, which tells it from all others of a world.
    pub(crate) fn source(&self) -> String {
        let constants: Vec<&str> = self.constants.values().map(String::as_str).collect();
        format!("unit-{}{}", self.number, constants.concat())
    }

    pub(crate) fn identity(&self) -> UnitIdentity {
        UnitIdentity {
            target: TABLE.to_owned(),
            content_hash: [self.number; 32],
            constants: self.constants.clone(),
            name: None,
        }
    }

    pub(crate) fn spec(&self) -> UnitSpec {
        UnitSpec {
            identity: self.identity(),
            source: self.source(),
            bytes_in: self.bytes_in(),
            max_quarantine: QuarantineLimit::default(),
            memory_bytes: 4 << 20,
            operation: "INGEST",
        }
    }

    pub(crate) fn bytes_in(&self) -> u64 {
        1_000 + u64::from(self.number)
    }

    pub(crate) fn rows_in(&self) -> u64 {
        u64::try_from(self.rows).unwrap() + self.refused + self.skipped
    }

    /// The time of a row, microseconds since 1970.
    pub(crate) fn time(&self, row: i64) -> i64 {
        FIRST_DAY + (row % self.days) * DAY + i64::from(self.number) * 1_000_000 + row
    }

    /// The value of a row, another one for each row of a world.
    pub(crate) fn value(&self, row: i64) -> f64 {
        f64::from(self.number) + f64::from(i32::try_from(row).unwrap()) / 64.0
    }

    pub(crate) fn refusals(&self) -> impl Iterator<Item = Refusal> {
        let number = self.number;
        (0..self.refused).map(move |line| Refusal {
            byte_offset: Some(line * 10),
            line: Some(line + 1),
            packet_index: None,
            reason: "type",
            detail: "not a number".to_owned(),
            raw: format!("{number}/{line}").into_bytes().into(),
        })
    }
}

/// What one seed makes of a world.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) faults: Faults,
    pub(crate) units: Vec<Unit>,
    /// For each writer, the units that it is given, in its order.
    pub(crate) writers: Vec<Vec<usize>>,
    pub(crate) readers: usize,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Plan {
        let mut dice = Dice::of(seed, "plan");
        let writers = 2 + dice.below(7);
        let count = writers + dice.below(5);
        let units = (0..count)
            .map(|number| Unit::drawn(u8::try_from(number).unwrap(), &mut dice))
            .collect();
        Plan {
            seed,
            faults: faults(&mut dice),
            units,
            writers: shared_out(count, writers, &mut dice),
            readers: dice.below(3),
        }
    }
}

/// Every unit goes to one writer, and every third to another one too.
fn shared_out(units: usize, writers: usize, dice: &mut Dice) -> Vec<Vec<usize>> {
    let mut given = vec![Vec::new(); writers];
    for unit in 0..units {
        let owner = (unit + dice.below(2)) % writers;
        given[owner].push(unit);
        if dice.once_in(3) {
            let rival = (owner + 1 + dice.below(writers - 1)) % writers;
            given[rival].push(unit);
        }
    }
    given
}

/// Rates at which a process of a few hundred calls comes to its end now and
/// then; a store's client would hide most of the 503s.
fn faults(dice: &mut Dice) -> Faults {
    let stormy = Faults {
        reply_lost: 60,
        own_retry: 80,
        unavailable: 4,
        slow: 100,
        stale_list: 30,
        crash: 4,
    };
    match dice.below(6) {
        0 => Faults::none(),
        1 => Faults {
            crash: 8,
            ..Faults::none()
        },
        2 => Faults {
            reply_lost: 150,
            own_retry: 150,
            ..Faults::none()
        },
        _ => stormy,
    }
}

/// What the actors of a world were told, for the auditor.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Units that were reported as landed by the process that asked.
    pub(crate) landed: Mutex<Vec<usize>>,
    /// Units that somebody was told to be in the table.
    pub(crate) acknowledged: Mutex<Vec<usize>>,
    /// What readers saw: the files and the rows of a version.
    pub(crate) seen: Mutex<BTreeMap<u64, Sighting>>,
}

/// One version as a reader saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) files: Vec<String>,
    pub(crate) rows: u64,
}
