//! Random units beside a model that keeps every row in memory.

use std::collections::{BTreeMap, BTreeSet};

use downlake_lake::seam::Seams;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Site;
use super::samples::{Landing, Sample, absolute, sample};

const PINNED: [u64; 3] = [1, 20, 300];
const FRESH: usize = 2;
const HOSTS: [&str; 3] = ["a", "b", "c"];

/// What the table must have: of each key its values, and how many rows of all
/// units were equal to one that was there.
#[derive(Default)]
struct Model {
    values: BTreeMap<(i64, i64, &'static str), BTreeSet<i64>>,
    duplicates: u64,
}

impl Model {
    fn take(&mut self, row: &Sample) {
        let host = row.host.unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
        let value = row.value.unwrap() as i64;
        let values = self.values.entry((row.day, row.second, host)).or_default();
        if !values.insert(value) {
            self.duplicates += 1;
        }
    }
}

/// Rows that come in order, as telemetry does, with steps back, repeats, and
/// other values under the same key.
fn unit(dice: &mut StdRng) -> Vec<Sample> {
    let rows = dice.random_range(1..30_000);
    let is_in_order = dice.random_bool(0.5);
    let mut second = dice.random_range(0..50_000);
    let mut day = dice.random_range(0..2);
    let mut sent: Vec<Sample> = Vec::with_capacity(rows);
    while sent.len() < rows {
        match dice.random_range(0..2_000) {
            0 if !sent.is_empty() && !is_in_order => {
                let from = dice.random_range(0..sent.len());
                let to = (from + dice.random_range(1..500)).min(sent.len());
                sent.extend_from_within(from..to);
            }
            1 => second = dice.random_range(0..80_000),
            2 => (day, second) = (dice.random_range(0..3), 0),
            3..30 if !sent.is_empty() => {
                let last = sent[sent.len() - 1];
                let value = last.value.map(|v| v + f64::from(dice.random_range(0..2)));
                sent.push(Sample { value, ..last });
            }
            _ => {
                second = (second + dice.random_range(0..2)) % 86_400;
                let host = match is_in_order {
                    true => "a",
                    false => HOSTS[dice.random_range(0..3)],
                };
                sent.push(sample(second, host, f64::from(dice.random_range(0..3))).on(day));
            }
        }
    }
    sent
}

fn check(seed: u64) {
    println!("duplicates: seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let site = Site::new();
    let mut model = Model::default();
    let mut dropped = 0;
    for number in 1..=dice.random_range(2..5) {
        let rows = unit(&mut dice);
        rows.iter().for_each(|row| model.take(row));
        let landing = Landing {
            memory_bytes: 1 << dice.random_range(18..24),
            ..Landing::new(absolute(), number, &rows)
        };
        let report = site.land(&site.process(), &landing);
        assert_eq!(report.rows_in, rows.len() as u64, "seed {seed}");
        dropped += report.rows_duplicate;
    }
    let mut found: BTreeMap<_, BTreeSet<i64>> = BTreeMap::new();
    let mut unflagged: BTreeMap<_, u64> = BTreeMap::new();
    let rows = site.table().rows;
    for row in &rows {
        let seconds = (row.long("time").unwrap() - 1_767_225_600_000_000) / 1_000_000;
        let key = (seconds / 86_400, seconds % 86_400, row.shown("host"));
        let value: f64 = row.shown("value").parse().unwrap();
        *unflagged.entry(key.clone()).or_default() +=
            u64::from(row.shown("_key_conflict") == "false");
        #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
        let is_new = found.entry(key).or_default().insert(value as i64);
        assert!(is_new, "seed {seed}: there twice: {}", super::shown(row));
    }
    let expected: BTreeMap<_, BTreeSet<i64>> = model
        .values
        .into_iter()
        .map(|((day, second, host), values)| ((day, second, host.to_owned()), values))
        .collect();
    assert!(found == expected, "seed {seed}: other rows than were sent");
    assert_eq!(dropped, model.duplicates, "seed {seed}");
    let ends = unflagged.values().filter(|count| **count != 1).count();
    assert_eq!(
        ends, 0,
        "seed {seed}: keys without or with several first rows"
    );
    // What was replaced is gone, what is committed is there.
    let committed = site.committed_files();
    assert_eq!(
        site.files(),
        committed,
        "seed {seed}: files that no commit names"
    );
}

#[test]
fn random_units_leave_each_row_once() {
    let random = Seams::system().random;
    let fresh = std::iter::repeat_with(|| random.next_u64()).take(FRESH);
    PINNED.into_iter().chain(fresh).for_each(check);
}
