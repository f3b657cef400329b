//! ONCE-1, ROW-1 and BAD-1 without faults: what processes leave to one
//! another. Each `Lake` here is a process of its own; dropping it without a
//! word to the ledger is its death.

use std::sync::Arc;

use downlake_lake::ErrorKind;
use downlake_lake::schema::{Column, ColumnType};
use downlake_lake::seam::Seams;
use downlake_lake::table::append::{Destination, QuarantineLimit, UnitReport, UnitWriter};
use downlake_lake::table::{Lake, StoredDefinition};
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Runtime;

use crate::simulation::audit::{Books, Objects};
use crate::simulation::land;
use crate::simulation::plan::{Told, Unit, definition};

/// A store and the processes on it.
struct Site {
    runtime: Runtime,
    objects: Objects,
}

impl Site {
    fn new() -> Site {
        Site {
            runtime: Runtime::new().unwrap(),
            objects: Arc::new(InMemory::new()),
        }
    }

    fn process(&self) -> Arc<Lake> {
        let objects = Arc::clone(&self.objects);
        land::open(self.runtime.handle(), objects, Seams::system()).unwrap()
    }

    fn land(&self, lake: &Arc<Lake>, unit: &Unit) -> Option<UnitReport> {
        land::land(self.runtime.handle(), lake, unit).unwrap()
    }

    fn begin(&self, lake: &Arc<Lake>, unit: &Unit) -> UnitWriter {
        let begun = land::begin(self.runtime.handle(), lake, unit).unwrap();
        land::filled(begun.unwrap(), unit).unwrap()
    }

    /// The process ends well.
    fn end(&self, lake: Arc<Lake>) {
        self.runtime.block_on(lake.flush_ledger()).unwrap();
    }

    fn books(&self) -> Books {
        self.runtime.block_on(Books::open(&self.objects))
    }

    /// The names of all objects.
    fn names(&self) -> Vec<String> {
        let listed = self.objects.list(None);
        let names = listed.map_ok(|object| object.location.to_string());
        let mut names: Vec<String> = self.runtime.block_on(names.try_collect()).unwrap();
        names.sort();
        names
    }

    /// Lands a unit without rows under a definition that the table contradicts.
    fn commit_under_another_type(
        &self,
        lake: &Arc<Lake>,
        unit: &Unit,
    ) -> downlake_lake::Result<UnitReport> {
        let mut other = definition();
        let value = other
            .columns
            .iter_mut()
            .find(|c| c.name == "value")
            .unwrap();
        value.kind = ColumnType::Text;
        let stored = StoredDefinition {
            number: 9,
            definition: other,
        };
        let unit = Unit {
            rows: 0,
            ..unit.clone()
        };
        let begun = self.runtime.block_on(async {
            let table = lake.ensure_table(&definition()).await?;
            lake.begin_unit(table, Some(stored), unit.spec()).await
        });
        land::filled(begun?, &unit)?.commit(self.runtime.handle())
    }

    /// Everything is there once and the ledger says so.
    fn check(&self, units: &[Unit]) {
        let books = self.books();
        books.check_any_time(units, &Told::default());
        books.check_at_the_end(units);
    }
}

fn with_extra(number: u8) -> Unit {
    Unit {
        extra: Some("flow"),
        ..Unit::plain(number)
    }
}

fn with_refusals(number: u8, refused: u64) -> Unit {
    Unit {
        refused,
        ..Unit::plain(number)
    }
}

/// The process that made the table died before it stored the definition.
#[test]
fn the_log_knows_the_definition_of_a_table() {
    let site = Site::new();
    let lake = site.process();
    site.land(&lake, &Unit::plain(1)).unwrap();
    site.end(lake);
    let stored = Path::from("engine/_downlake/schema-0001.toml");
    site.runtime.block_on(site.objects.delete(&stored)).unwrap();
    let lake = site.process();
    let report = site.land(&lake, &with_extra(2)).unwrap();
    assert_eq!(report.rows_committed, 3);
    site.end(lake);
    let names = site.names();
    for number in 1..=2 {
        let name = format!("engine/_downlake/schema-000{number}.toml");
        assert!(names.contains(&name), "{names:?}");
    }
    site.check(&[Unit::plain(1), with_extra(2)]);
}

#[test]
fn a_table_is_made_by_the_first_unit_that_lands() {
    let site = Site::new();
    let founding = || Destination::Founding(Arc::new(definition()));
    let stored = StoredDefinition {
        number: 1,
        definition: definition(),
    };
    let begin = |lake: &Arc<Lake>, unit: &Unit| {
        let begun = lake.begin_unit(founding(), Some(stored.clone()), unit.spec());
        land::filled(site.runtime.block_on(begun).unwrap(), unit).unwrap()
    };
    let units = [Unit::plain(1), Unit::plain(2), Unit::plain(3)];
    let lake = site.process();
    begin(&lake, &units[0]).abort();
    assert_eq!(site.names(), [""; 0], "a unit that gives up leaves nothing");
    // Two processes that both see no table.
    let other = site.process();
    let both = [begin(&lake, &units[0]), begin(&other, &units[1])];
    for writer in both {
        let report = writer.commit(site.runtime.handle()).unwrap();
        assert_eq!((report.already, report.rows_committed), (false, 3));
    }
    let again = begin(&other, &units[0]).commit(site.runtime.handle());
    assert!(again.unwrap().already);
    // Finds its own landing in the log while it waits for the ledger.
    site.land(&other, &units[2]).unwrap();
    site.end(lake);
    site.end(other);
    site.check(&units);
}

#[test]
fn a_table_of_another_definition_is_not_written_to() {
    let site = Site::new();
    let mut other = definition();
    other.sort_by.clear();
    other
        .columns
        .push(Column::new("late", "late", ColumnType::I64));
    let (lake, unit) = (site.process(), Unit::plain(1));
    let begun = lake.begin_unit(
        Destination::Founding(Arc::new(other.clone())),
        Some(StoredDefinition {
            number: 1,
            definition: other,
        }),
        unit.spec(),
    );
    let writer = land::filled(site.runtime.block_on(begun).unwrap(), &unit).unwrap();
    let first = site.process();
    site.land(&first, &Unit::plain(2)).unwrap();
    let error = writer.commit(site.runtime.handle()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    site.end(first);
    site.check(&[Unit::plain(2)]);
}

#[test]
fn a_unit_lands_once_though_the_schema_moved_on() {
    let site = Site::new();
    let units = [Unit::plain(1), with_extra(2)];
    let lake = site.process();
    for unit in &units {
        let report = site.land(&lake, unit).unwrap();
        assert_eq!((report.already, report.rows_committed), (false, 3));
    }
    let landed = site.books().engine.commits.len();
    assert!(site.land(&lake, &units[0]).is_none(), "in the same process");
    site.end(lake);
    let lake = site.process();
    for unit in &units {
        assert!(site.land(&lake, unit).is_none(), "in a fresh process");
    }
    site.end(lake);
    assert_eq!(site.books().engine.commits.len(), landed);
    site.check(&units);
}

#[test]
fn the_same_bytes_of_another_asset_are_another_unit() {
    let site = Site::new();
    let [one, other] = ["A", "B"].map(|vehicle| Unit {
        constants: [("vehicle".to_owned(), vehicle.to_owned())].into(),
        ..Unit::plain(1)
    });
    let lake = site.process();
    let first = site.land(&lake, &one).unwrap();
    let second = site.land(&lake, &other).unwrap();
    assert_eq!((first.rows_committed, second.rows_committed), (3, 3));
    assert_ne!(first.ingest_id, second.ingest_id);
    assert!(site.land(&lake, &one).is_none());
    site.end(lake);
    let books = site.books();
    assert_eq!(books.engine.rows.len(), 6);
    for unit in [&one, &other] {
        assert_eq!(books.landings(unit).len(), 1);
        assert_eq!(books.ledger.rows_of("source", &unit.source()).len(), 2);
    }
}

#[test]
fn the_next_process_writes_what_a_dead_one_owes_the_ledger() {
    let site = Site::new();
    let units = [
        Unit {
            skipped: 4,
            ..with_refusals(1, 2)
        },
        Unit::plain(2),
    ];
    let lake = site.process();
    let report = site.land(&lake, &units[0]).unwrap();
    drop(lake);
    assert_eq!(site.books().ledger.rows.len(), 0, "it died before");

    let lake = site.process();
    site.land(&lake, &units[1]).unwrap();
    site.end(lake);
    site.check(&units);
    let books = site.books();
    let rows = books.ledger.rows_of("source", &units[0].source());
    let of_table = rows.iter().find(|row| row.text("table_name").is_some());
    let said = |column| of_table.unwrap().long(column).unwrap().unsigned_abs();
    assert_eq!(said("rows_in"), report.rows_in);
    assert_eq!(said("rows_committed"), report.rows_committed);
    assert_eq!(said("rows_quarantined"), report.rows_quarantined);
    assert_eq!(said("rows_skipped"), report.rows_skipped);
    assert_eq!(said("ingest_id"), report.ingest_id.unsigned_abs());
    assert_eq!(said("version"), report.version());

    let commits = books.ledger.commits.len();
    site.end(site.process());
    assert_eq!(site.books().ledger.commits.len(), commits);
}

#[test]
fn refusals_of_an_earlier_definition_are_replaced() {
    let site = Site::new();
    let lake = site.process();
    site.land(&lake, &Unit::plain(1)).unwrap();
    site.end(lake);

    // Its refusals land, its rows do not: the table has another type.
    let unit = with_refusals(2, 5);
    let lake = site.process();
    let error = site.commit_under_another_type(&lake, &unit).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    drop(lake);
    let books = site.books();
    assert!(books.landings(&unit).is_empty());
    books.check_quarantine(&unit);

    let mended = with_refusals(2, 1);
    let lake = site.process();
    let report = site.land(&lake, &mended).unwrap();
    assert_eq!(report.rows_quarantined, 1);
    site.end(lake);
    site.check(&[Unit::plain(1), mended]);
}

#[test]
fn a_unit_with_too_many_refusals_leaves_nothing() {
    let site = Site::new();
    let lake = site.process();
    site.land(&lake, &Unit::plain(1)).unwrap();
    site.end(lake);
    let before = site.names();

    let unit = with_refusals(2, 3);
    let lake = site.process();
    let spec = downlake_lake::table::append::UnitSpec {
        max_quarantine: QuarantineLimit::Rows(2),
        ..unit.spec()
    };
    let begun = site.runtime.block_on(async {
        let table = lake.ensure_table(&definition()).await?;
        let stored = table.definition(&lake).await?;
        lake.begin_unit(table, stored, spec).await
    });
    let Err(error) = land::filled(begun.unwrap(), &unit) else {
        panic!("three of two refusals were taken");
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("3 of 6 records"), "{error}");
    site.end(lake);
    assert_eq!(site.names(), before);

    // A limit that allows them lets the same unit in.
    let lake = site.process();
    assert_eq!(site.land(&lake, &unit).unwrap().rows_quarantined, 3);
    site.end(lake);
    site.check(&[Unit::plain(1), unit]);
}

#[test]
fn of_two_racing_processes_one_lands_and_the_counts_say_which() {
    let site = Site::new();
    let unit = with_refusals(1, 2);
    let (one, other) = (site.process(), site.process());
    let first = site.begin(&one, &unit);
    let second = site.begin(&other, &unit);
    let won = first.commit(site.runtime.handle()).unwrap();
    let lost = second.commit(site.runtime.handle()).unwrap();
    assert_eq!((won.already, won.rows_in, won.files()), (false, 5, 1));
    assert_eq!((lost.already, lost.rows_in, lost.files()), (true, 0, 0));
    assert_eq!(won.ingest_id, lost.ingest_id);
    // Both tell the ledger, the loser first.
    site.end(other);
    site.end(one);
    site.check(&[unit]);
}

#[test]
fn the_loser_of_a_race_says_where_the_winner_landed() {
    let site = Site::new();
    let units = [Unit::plain(1), Unit::plain(2)];
    let (winner, loser) = (site.process(), site.process());
    let late = site.begin(&loser, &units[0]);
    site.land(&winner, &units[0]).unwrap();
    site.land(&winner, &units[1]).unwrap();
    drop(winner);
    late.commit(site.runtime.handle()).unwrap();
    site.end(loser);
    let last = site.process();
    assert!(site.land(&last, &units[1]).is_none());
    site.end(last);
    site.check(&units);
}

#[test]
fn the_loser_of_a_race_does_not_speak_for_others() {
    let site = Site::new();
    let units = [Unit::plain(1), Unit::plain(2)];
    let (winner, loser) = (site.process(), site.process());
    let late = site.begin(&loser, &units[0]);
    site.land(&winner, &units[0]).unwrap();
    site.end(winner);
    // The second lander dies before it has told the ledger.
    let dying = site.process();
    site.land(&dying, &units[1]).unwrap();
    drop(dying);
    late.commit(site.runtime.handle()).unwrap();
    site.end(loser);
    let last = site.process();
    assert!(site.land(&last, &units[1]).is_none());
    site.end(last);
    site.check(&units);
}
