//! ONCE-1 and ROW-1 of units that go to several tables: killed at every call
//! to the store, with every reply lost, raced, and run again.
//!
//! Whatever happens, the lake must come to say what it says of a landing that
//! nothing disturbed, word for word; and that is written down here.

mod cut;
mod samples;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use downlake_lake::seam::Seams;
use downlake_lake::storage::simulate::{Actor, Faults, Turnstile};
use downlake_lake::table::Lake;
use downlake_lake::table::append::UnitReport;
use downlake_lake::{ErrorKind, Result};
use expect_test::{Expect, expect};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::runtime::Runtime;

use crate::simulation::audit::{Objects, Table};
use crate::simulation::land::open;
use cut::{Cut, Fault, copied};
use samples::{Group, Part, account};

/// Calls of a landing, many times over.
const CALLS_MAX: usize = 5_000;
/// Worlds of two processes.
const RACES: u64 = 12;

fn part(table: &str, dedup: bool, rows: &[(i64, f64)]) -> Part {
    Part {
        table: table.to_owned(),
        dedup,
        rows: rows.to_vec(),
        refused: 0,
        skipped: 0,
    }
}

/// Three rows for each of three tables.
fn first() -> Group {
    let rows = [(1, 0.5), (2, 0.5), (3, 0.5)];
    Group {
        parts: vec![
            part("gamma", true, &rows),
            part("alpha", true, &rows),
            part("beta", false, &rows),
        ],
        ..Group::empty(1)
    }
}

/// Records of every fate: new, in the table, twice in the unit, of a key that
/// is there with another value, refused and skipped, of tables and of none.
fn second() -> Group {
    Group {
        parts: vec![
            Part {
                refused: 2,
                ..part("gamma", true, &[(2, 7.5), (3, 0.5), (4, 1.5)])
            },
            Part {
                skipped: 3,
                ..part("alpha", true, &[(5, 1.5), (3, 0.5), (4, 1.5), (4, 1.5)])
            },
            Part {
                refused: 1,
                ..part("beta", false, &[(9, 1.5), (3, 0.5), (9, 1.5)])
            },
        ],
        refused: 2,
        skipped: 5,
        bytes_undecoded: 17,
        gaps: 3,
        ..Group::empty(2)
    }
}

/// A unit of which nothing can be decoded.
fn hopeless() -> Group {
    Group {
        refused: 3,
        skipped: 2,
        bytes_undecoded: 900,
        gaps: 1,
        ..Group::empty(2)
    }
}

/// A store and the processes on it.
struct Site {
    runtime: Runtime,
    objects: Objects,
}

impl Site {
    /// With a lake in which these units have landed.
    fn with(units: &[&Group]) -> Site {
        let site = Site {
            runtime: Runtime::new().unwrap(),
            objects: Arc::new(InMemory::new()),
        };
        let lake = site.process();
        site.runtime.block_on(lake.make()).unwrap();
        for unit in units {
            let landed = unit.land(site.runtime.handle(), &lake).unwrap();
            assert!(!landed.unwrap().already);
        }
        site
    }

    fn process(&self) -> Arc<Lake> {
        self.process_on(Arc::clone(&self.objects)).unwrap()
    }

    fn process_on(&self, objects: Objects) -> Result<Arc<Lake>> {
        open(self.runtime.handle(), objects, Seams::system())
    }

    /// A process of its own lands the unit.
    fn land_on(&self, objects: &Objects, unit: &Group) -> Result<Option<UnitReport>> {
        let lake = self.process_on(Arc::clone(objects))?;
        let landed = unit.land(self.runtime.handle(), &lake);
        self.runtime.block_on(lake.settle());
        landed
    }

    fn account_on(&self, objects: &Objects, units: &[&Group]) -> String {
        self.runtime.block_on(account(objects, units))
    }

    fn copied(&self) -> Objects {
        self.runtime.block_on(copied(&self.objects))
    }
}

/// Lands the last of the units undisturbed and with every fault at every call.
fn check(units: &[&Group], expected: &Expect) {
    let (unit, before) = units.split_last().unwrap();
    let site = Site::with(before);
    let undisturbed = site.copied();
    site.land_on(&undisturbed, unit).unwrap().unwrap();
    let account = site.account_on(&undisturbed, units);
    expected.assert_eq(&account);
    for fault in Fault::ALL {
        let reached = (0..CALLS_MAX).find(|at| !is_mended(&site, units, fault, *at, &account));
        let calls = reached.expect("a landing comes to an end");
        println!("{fault:?}: {calls} calls");
        assert!(calls > 20, "the faults were met");
    }
}

/// Disturbs a landing at a call; false where it has fewer calls.
fn is_mended(site: &Site, units: &[&Group], fault: Fault, at: usize, account: &str) -> bool {
    let unit = units.last().unwrap();
    let objects = site.copied();
    let cut = Arc::new(Cut::new(Arc::clone(&objects), fault, at));
    let disturbed = site.land_on(&(Arc::clone(&cut) as Objects), unit);
    if let Err(error) = &disturbed
        && !cut.is_dead()
    {
        let expected = [ErrorKind::Unavailable, ErrorKind::Conflict];
        assert!(expected.contains(&error.kind()), "{fault:?} {at}: {error}");
    }
    let again = site.land_on(&objects, unit).unwrap();
    if disturbed.is_ok() && !cut.is_dead() {
        assert!(again.is_none(), "{fault:?} {at}: landed twice: {again:?}");
    }
    let found = site.account_on(&objects, units);
    assert_eq!(found, account, "after {fault:?} at call {at}");
    let third = site.land_on(&objects, unit).unwrap();
    assert!(third.is_none(), "{fault:?} {at}: {third:?}");
    let found = site.account_on(&objects, units);
    assert_eq!(found, account, "after {fault:?} at call {at}, thrice");
    cut.is_cut()
}

#[test]
fn a_group_lands_once_in_tables_that_it_makes() {
    check(
        &[&second()],
        &expect![[r#"
            alpha: A3=0.5, A4=1.5, A5=1.5
              unit-2 landed at [1]
            beta: A3=0.5, A9=1.5, A9=1.5
              unit-2 landed at [1]
            gamma: A2=7.5, A3=0.5, A4=1.5
              unit-2 landed at [1]
            _quarantine: A - none/0, A - none/1, A beta beta/0, A gamma gamma/0, A gamma gamma/1
            _gaps: A gamma 0, A gamma 10, A gamma 20
            unit-2 - v-: 7 = 0 + 2 refused + 0 duplicate + 5 skipped; 17 of 1000 bytes undecoded
            unit-2 alpha v1: 7 = 3 + 0 refused + 1 duplicate + 3 skipped; 0 of 0 bytes undecoded
            unit-2 beta v1: 4 = 3 + 1 refused + 0 duplicate + 0 skipped; 0 of 0 bytes undecoded
            unit-2 gamma v1: 5 = 3 + 2 refused + 0 duplicate + 0 skipped; 0 of 0 bytes undecoded
        "#]],
    );
}

#[test]
fn a_group_lands_once_in_tables_that_are_there() {
    check(
        &[&first(), &second()],
        &expect![[r#"
            alpha: A1=0.5, A2=0.5, A3=0.5, B4=1.5, B5=1.5
              unit-1 landed at [1]
              unit-2 landed at [2]
            beta: A1=0.5, A2=0.5, A3=0.5, B3=0.5, B9=1.5, B9=1.5
              unit-1 landed at [1]
              unit-2 landed at [2]
            gamma: A1=0.5, A2=0.5, A3=0.5, B2=7.5, B4=1.5
              unit-1 landed at [1]
              unit-2 landed at [2]
            _quarantine: B - none/0, B - none/1, B beta beta/0, B gamma gamma/0, B gamma gamma/1
            _gaps: B gamma 0, B gamma 10, B gamma 20
            unit-1 - v-: 0 = 0 + 0 refused + 0 duplicate + 0 skipped; 0 of 1000 bytes undecoded
            unit-1 alpha v1: 3 = 3 + 0 refused + 0 duplicate + 0 skipped; 0 of 0 bytes undecoded
            unit-1 beta v1: 3 = 3 + 0 refused + 0 duplicate + 0 skipped; 0 of 0 bytes undecoded
            unit-1 gamma v1: 3 = 3 + 0 refused + 0 duplicate + 0 skipped; 0 of 0 bytes undecoded
            unit-2 - v-: 7 = 0 + 2 refused + 0 duplicate + 5 skipped; 17 of 1000 bytes undecoded
            unit-2 alpha v2: 7 = 2 + 0 refused + 2 duplicate + 3 skipped; 0 of 0 bytes undecoded
            unit-2 beta v2: 4 = 3 + 1 refused + 0 duplicate + 0 skipped; 0 of 0 bytes undecoded
            unit-2 gamma v2: 5 = 2 + 2 refused + 1 duplicate + 0 skipped; 0 of 0 bytes undecoded
        "#]],
    );
}

#[test]
fn a_group_without_rows_lands_in_the_ledger() {
    check(
        &[&first(), &hopeless()],
        &expect![[r#"
            alpha: A1=0.5, A2=0.5, A3=0.5
              unit-1 landed at [1]
              unit-2 landed at []
            beta: A1=0.5, A2=0.5, A3=0.5
              unit-1 landed at [1]
              unit-2 landed at []
            gamma: A1=0.5, A2=0.5, A3=0.5
              unit-1 landed at [1]
              unit-2 landed at []
            _quarantine: B - none/0, B - none/1, B - none/2
            _gaps: B - 0
            unit-1 - v-: 0 = 0 + 0 refused + 0 duplicate + 0 skipped; 0 of 1000 bytes undecoded
            unit-1 alpha v1: 3 = 3 + 0 refused + 0 duplicate + 0 skipped; 0 of 0 bytes undecoded
            unit-1 beta v1: 3 = 3 + 0 refused + 0 duplicate + 0 skipped; 0 of 0 bytes undecoded
            unit-1 gamma v1: 3 = 3 + 0 refused + 0 duplicate + 0 skipped; 0 of 0 bytes undecoded
            unit-2 - v-: 5 = 0 + 3 refused + 0 duplicate + 2 skipped; 900 of 1000 bytes undecoded
        "#]],
    );
}

#[test]
fn a_group_without_rows_makes_no_table() {
    let site = Site::with(&[]);
    site.land_on(&site.objects, &hopeless()).unwrap().unwrap();
    let names = site.process();
    let names = site.runtime.block_on(names.table_names(false)).unwrap();
    assert_eq!(names, [""; 0]);
}

/// Interleaved by a seed, with lost replies.
#[test]
fn of_two_processes_one_lands_each_table() {
    let (first, second) = (first(), second());
    let units = [&first, &second];
    let site = Site::with(&[&first]);
    let undisturbed = site.copied();
    site.land_on(&undisturbed, &second).unwrap().unwrap();
    let account = site.account_on(&undisturbed, &units);
    for seed in 0..RACES {
        let objects = site.copied();
        let reports = race(&site, &objects, &second, seed);
        // A lost reply may hide a report, but nothing is reported twice.
        let landed: u64 = reports.iter().map(|report| report.rows_in).sum();
        assert!(landed <= second.records(), "seed {seed}: {reports:?}");
        assert!(site.land_on(&objects, &second).unwrap().is_none());
        let found = site.account_on(&objects, &units);
        assert_eq!(found, account, "seed {seed}");
    }
}

/// What two processes report that land the same unit until they may stop.
fn race(site: &Site, objects: &Objects, unit: &Group, seed: u64) -> Vec<UnitReport> {
    let faults = Faults {
        reply_lost: 40,
        own_retry: 40,
        ..Faults::none()
    };
    let turnstile = Turnstile::new(seed, faults);
    let actors = ["one", "other"].map(|name| turnstile.actor(name, Arc::clone(objects)));
    let run = |actor: Actor| -> (Actor, Vec<UnitReport>) {
        let reports = land_until_done(site, &actor.store(), unit);
        actor.finish();
        (actor, reports)
    };
    thread::scope(|scope| {
        let mut running: Vec<_> = actors
            .into_iter()
            .map(|actor| scope.spawn(move || run(actor)))
            .collect();
        turnstile.open();
        let (mut finished, mut reports) = (Vec::new(), Vec::new());
        while !running.is_empty() {
            thread::sleep(Duration::from_millis(2));
            let (done, rest): (Vec<_>, Vec<_>) =
                running.into_iter().partition(|thread| thread.is_finished());
            running = rest;
            for thread in done {
                let (actor, reported) = thread.join().unwrap();
                finished.push(actor);
                reports.extend(reported);
            }
            // A late read-ahead counts as a sign of life.
            finished.iter().for_each(Actor::finish);
        }
        reports
    })
}

fn land_until_done(site: &Site, objects: &Arc<dyn ObjectStore>, unit: &Group) -> Vec<UnitReport> {
    let mut reports = Vec::new();
    for _ in 0..100 {
        let Ok(lake) = site.process_on(Arc::clone(objects)) else {
            continue;
        };
        let runtime = site.runtime.handle();
        let landed = match unit.begin(runtime, &lake) {
            Ok(Some(writer)) => writer.commit(runtime).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        let told = site.runtime.block_on(lake.flush_ledger());
        site.runtime.block_on(lake.settle());
        let is_done = landed.is_ok() && told.is_ok();
        reports.extend(landed.ok().flatten());
        if is_done {
            return reports;
        }
    }
    panic!("a process gets nowhere");
}

/// Two writers of one process, begun before either has landed.
#[test]
fn a_process_that_lands_a_group_twice_tells_it_once() {
    for unit in [second(), hopeless()] {
        let site = Site::with(&[]);
        let undisturbed = site.copied();
        site.land_on(&undisturbed, &unit).unwrap().unwrap();
        let lake = site.process();
        let runtime = site.runtime.handle();
        let begin = || unit.begin(runtime, &lake).unwrap().unwrap();
        let (one, other) = (begin(), begin());
        one.commit(runtime).unwrap();
        other.commit(runtime).unwrap();
        site.runtime.block_on(lake.flush_ledger()).unwrap();
        let found = site.account_on(&site.objects, &[&unit]);
        assert_eq!(found, site.account_on(&undisturbed, &[&unit]));
    }
}

/// The first try lands one table of three, and the definition is mended then.
#[test]
fn refusals_of_a_table_that_landed_are_kept() {
    let unit = second();
    let mended = Group {
        refused: 0,
        parts: unit
            .parts
            .iter()
            .map(|part| Part {
                refused: 0,
                ..part.clone()
            })
            .collect(),
        definition_hash: "d2",
        ..unit.clone()
    };
    let site = Site::with(&[]);
    let mut partly = 0;
    for at in 0..CALLS_MAX {
        let objects = site.copied();
        let cut = Arc::new(Cut::new(Arc::clone(&objects), Fault::DiesAfter, at));
        let _ = site.land_on(&(Arc::clone(&cut) as Objects), &unit);
        if !cut.is_cut() {
            break;
        }
        let landed = |name: &str| {
            let table = site.runtime.block_on(Table::read(&objects, name));
            let key = unit.identity().key_in(name);
            !table.set_by(&format!("unit/{key}")).is_empty()
        };
        if !landed("alpha") || landed("gamma") {
            continue;
        }
        partly += 1;
        let error = site.land_on(&objects, &mended).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let again = site.land_on(&objects, &unit).unwrap();
        assert!(again.is_some(), "under its own definition it is completed");
        let quarantine = site.runtime.block_on(Table::read(&objects, "_quarantine"));
        assert_eq!(quarantine.rows.len(), 5, "call {at}");
        site.account_on(&objects, &[&unit]);
    }
    assert!(partly > 0, "no try landed in part");
}

/// Each further table takes memory from those that are there.
#[test]
fn rows_of_many_tables_survive_little_memory() {
    const TABLES: u32 = 12;
    const ROWS: i64 = 3_000;
    let rows: Vec<_> = (0..ROWS).rev().map(|row| (row, 0.5)).collect();
    let parts = (0..TABLES).map(|n| part(&format!("t{n:02}"), n % 2 == 0, &rows));
    let unit = Group {
        parts: parts.collect(),
        memory_bytes: 256 << 10,
        ..Group::empty(1)
    };
    let site = Site::with(&[]);
    let report = site.land_on(&site.objects, &unit).unwrap().unwrap();
    assert_eq!(report.rows_committed, unit.records());
    let expected: Vec<Option<i64>> = (0..ROWS).map(Some).collect();
    for part in &unit.parts {
        let table = site
            .runtime
            .block_on(Table::read(&site.objects, &part.table));
        let mut found: Vec<_> = table.rows.iter().map(|row| row.long("row")).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{}", part.table);
    }
    assert!(site.land_on(&site.objects, &unit).unwrap().is_none());
}
