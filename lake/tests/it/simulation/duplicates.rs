//! DEDUP-1 in worlds of many writers and faults.
//!
//! Units are drawn from a small pool of rows, so that most rows are in several
//! of them and most keys come with several values. The auditor replays the
//! landings in the order of the log and works out from the units alone what
//! each must have kept, dropped and flagged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use downlake_lake::seam::Seams;
use downlake_lake::storage::simulate::Turnstile;
use object_store::memory::InMemory;
use tokio::runtime::{Handle, Runtime};

use super::actors::{Driver, World};
use super::audit::{Table, bodies};
use super::plan::{Dice, Plan, Told};
use super::{PINNED, alone, await_all, budget, land};
use crate::dedup::samples::{Landing, Sample, TABLE, absolute, sample};

const WRITERS: usize = 4;

/// The identity of a row: day, second, host, value.
type Same = (i64, i64, &'static str, i64);
/// The key of a row within its day.
type Key = (i64, i64, &'static str);

#[test]
fn budgeted_simulation_drops_duplicates() {
    let runtime = Runtime::new().unwrap();
    let until = Instant::now() + budget();
    let fresh = Seams::system().random.next_u64();
    let seeds = (0..).map(|n| fresh.wrapping_add(n));
    for (executions, seed) in (1..).zip(PINNED.into_iter().chain(seeds)) {
        run(runtime.handle(), seed);
        if executions > PINNED.len() && Instant::now() >= until {
            println!("{executions} executions, fresh seeds from {fresh}");
            break;
        }
    }
}

fn run(runtime: &Handle, seed: u64) {
    let units = units(seed);
    println!("seed {seed}: {} units", units.len());
    let plan = Plan::of(seed);
    let world = Arc::new(World {
        turnstile: Turnstile::new(seed, plan.faults),
        objects: Arc::new(InMemory::new()),
        told: Told::default(),
        runtime: runtime.clone(),
        plan,
    });
    alone(&world, "founder", |objects, seams| {
        let lake = land::open(runtime, objects, seams).unwrap();
        runtime.block_on(lake.make()).unwrap();
    });
    play(&world, &units);
    alone(&world, "last", |objects, seams| {
        let lake = land::open(runtime, objects, seams).unwrap();
        for landing in landings(&units) {
            landing.land(runtime, &lake).unwrap();
        }
        runtime.block_on(lake.flush_ledger()).unwrap();
    });
    let table = runtime.block_on(Table::read(&world.objects, TABLE));
    audit(&table, &units);
    let ledger = runtime.block_on(Table::read(&world.objects, "_ledger"));
    audit_ledger(&ledger, &table);
}

/// Up to a dozen rows each, of two days, three seconds, two hosts and two values.
fn units(seed: u64) -> Vec<Vec<Sample>> {
    let mut dice = Dice::of(seed, "duplicates");
    let mut draw = |bound: usize| i64::try_from(dice.below(bound)).unwrap();
    let count = 4 + draw(6);
    let unit = |_| {
        let rows = draw(12);
        let row = |_| {
            let value = [1.0, 2.0][usize::try_from(draw(2)).unwrap()];
            let host = ["a", "b"][usize::try_from(draw(2)).unwrap()];
            sample(draw(3), host, value).on(draw(2))
        };
        (0..rows).map(row).collect()
    };
    (0..count).map(unit).collect()
}

fn landings(units: &[Vec<Sample>]) -> impl Iterator<Item = Landing<'_>> {
    let numbered = (0..).zip(units);
    numbered.map(|(number, rows)| Landing::new(absolute(), number, rows))
}

/// Every writer lands every second unit, so that each is fought over.
fn play(world: &Arc<World>, units: &[Vec<Sample>]) {
    let mut threads = Vec::new();
    for writer in 0..WRITERS {
        let (world, units) = (Arc::clone(world), units.to_vec());
        let driver = Driver::new(&world, &format!("w{writer}"));
        threads.push(thread::spawn(move || {
            driver.work(|driver| {
                let lake = driver.lake()?;
                for landing in landings(&units).skip(writer % 2).step_by(2) {
                    landing.land(&world.runtime, &lake)?;
                }
                world.runtime.block_on(lake.flush_ledger())
            })
        }));
    }
    world.turnstile.open();
    await_all(world, threads);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "values are small and whole"
)]
fn same(row: &Sample) -> Same {
    let (day, second, host) = key(row);
    (day, second, host, row.value.unwrap() as i64)
}

fn key(row: &Sample) -> Key {
    (row.day, row.second, row.host.unwrap())
}

/// Replays the log: what each landing says and what the table holds.
fn audit(table: &Table, units: &[Vec<Sample>]) {
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    let (mut rows_there, mut keys_there) = (BTreeSet::new(), BTreeSet::new());
    let mut landed = BTreeSet::new();
    for (version, actions) in table.commits.iter().enumerate() {
        let info = bodies(actions, "commitInfo").next().unwrap();
        let Some(said) = info["downlake"]["rows"].get(0) else {
            continue;
        };
        let source = said["source"].as_str().unwrap();
        let number: usize = source.strip_prefix("unit-").unwrap().parse().unwrap();
        assert!(landed.insert(number), "{source} landed twice");
        let (mut kept, mut conflicts) = (0, 0);
        for row in &units[number] {
            if !rows_there.insert(same(row)) {
                continue;
            }
            kept += 1;
            let is_conflict = !keys_there.insert(key(row));
            conflicts += i32::from(is_conflict);
            *expected.entry(shown(row, is_conflict)).or_default() += 1;
        }
        let rows = units[number].len();
        assert_eq!(said["rows_in"], rows, "version {version}");
        assert_eq!(said["rows_committed"], kept, "version {version}");
        assert_eq!(said["rows_duplicate"], rows - kept, "version {version}");
        assert_eq!(info["downlake"]["key_conflicts"], conflicts, "{version}");
    }
    assert_eq!(landed.len(), units.len(), "units that landed");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for row in &table.rows {
        let columns = ["time", "host", "value", "_key_conflict"];
        let shown = columns.map(|column| row.shown(column)).join(" ");
        *found.entry(shown).or_default() += 1;
    }
    assert_eq!(found, expected);
}

fn shown(row: &Sample, is_conflict: bool) -> String {
    let at = chrono_text(row);
    let value = row.value.unwrap();
    format!("{at} {} {value:?} {is_conflict}", row.host.unwrap())
}

/// The time of a row as the record interface shows it.
fn chrono_text(row: &Sample) -> String {
    format!(
        "2026-01-{:02} 00:00:{:02}.000000 +00:00",
        row.day + 1,
        row.second
    )
}

/// The ledger says of every unit what its commit says.
fn audit_ledger(ledger: &Table, table: &Table) {
    let rows = ledger.rows_of("table_name", TABLE);
    let sum = |column: &str| {
        rows.iter()
            .map(|row| row.long(column).unwrap())
            .sum::<i64>()
    };
    assert_eq!(
        sum("rows_in"),
        sum("rows_committed") + sum("rows_duplicate")
    );
    assert_eq!(
        sum("rows_committed"),
        i64::try_from(table.rows.len()).unwrap()
    );
}
