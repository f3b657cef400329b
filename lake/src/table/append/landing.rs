//! The commits of a unit, and what is said of them.
//!
//! A unit of a stream without duplicates follows any version. Where duplicates
//! are dropped, it follows the version that its rows were compared with; where
//! another commit took that place, the rows are compared with what came since,
//! and files that hold a duplicate are written anew. The old ones are deleted:
//! a conflict says that no commit named them.

use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use object_store::ObjectStoreExt;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tracing::warn;

use super::{
    COMMIT_TRIES, Counts, Destination, Held, INFO_KEY, Rows, Times, UnitReport, UnitWriter,
    note_times, overtaken, unknown,
};
use crate::log::{Commit, CommitOutcome, Snapshot};
use crate::parquet::WrittenFile;
use crate::table::Table;
use crate::table::dedup::Survivors;
use crate::table::ledger::LedgerRow;
use crate::table::sorter::SortedWriter;
use crate::{Error, Result};

struct Landed {
    version: u64,
    by_us: bool,
}

impl UnitWriter {
    /// Commits refusals, rows, and the line of the ledger. Blocks.
    pub(super) fn land(
        mut self,
        refused: Vec<WrittenFile>,
        runtime: &Handle,
    ) -> Result<UnitReport> {
        let before = match &self.destination {
            Destination::Table(table) => Some(Arc::clone(table)),
            Destination::Founding(_) | Destination::Creating(_) => None,
        };
        let mut files = self.finished_rows(before.as_deref(), runtime)?;
        runtime.block_on(self.lake.make())?;
        runtime.block_on(self.land_refusals(refused))?;
        let table = match &self.destination {
            Destination::Table(table) => Arc::clone(table),
            Destination::Founding(definition) => {
                runtime.block_on(self.lake.found_table(definition))?
            }
            Destination::Creating(definition) => runtime
                .block_on(self.lake.create_table(definition))
                .inspect_err(|_| self.delete(&files, runtime))?,
        };
        tracing::debug!(phase = "data");
        let landed = self.land_rows(&table, &mut files, runtime)?;
        tracing::debug!(phase = "ledger");
        runtime.block_on(self.record(&table, &landed))?;
        Ok(self.report(&landed, &files))
    }

    /// The files of all rows, or of those that the table does not have, if it
    /// is there.
    fn finished_rows(
        &mut self,
        table: Option<&Table>,
        runtime: &Handle,
    ) -> Result<Vec<WrittenFile>> {
        match self.rows.take() {
            Some(Rows::Sorting(rows)) => rows.finish(),
            Some(Rows::Held(mut held)) => {
                if let Some(table) = table {
                    let base = runtime.block_on(table.log().refresh())?;
                    self.compare(&mut held, table, &base, runtime)?;
                }
                let files = self.write_survivors(&mut held)?;
                self.rows = Some(Rows::Held(held));
                Ok(files)
            }
            None => Err(Error::internal("a unit is committed twice")),
        }
    }

    /// Commits with the unit's transaction, or finds it there.
    fn land_rows(
        &mut self,
        table: &Table,
        files: &mut Vec<WrittenFile>,
        runtime: &Handle,
    ) -> Result<Landed> {
        let mut base = table.snapshot();
        for _ in 0..COMMIT_TRIES {
            if base.transactions.get(&self.key.transaction()) == Some(self.next_landed) {
                if let Some(Rows::Held(_)) = self.rows {
                    self.delete(files, runtime);
                }
                return Ok(Landed {
                    version: base.version,
                    by_us: false,
                });
            }
            self.catch_up(table, &base, files, runtime)?;
            let commit = self.data_commit(files, &base)?;
            match runtime.block_on(table.log().commit(&base, &commit))? {
                CommitOutcome::Committed(after) => {
                    return Ok(Landed {
                        version: after.version,
                        by_us: true,
                    });
                }
                CommitOutcome::Conflicted(newest) => base = newest,
                CommitOutcome::Unknown(error) => return Err(unknown(table.name(), error)),
            }
        }
        Err(overtaken(table.name()))
    }

    /// Drops from files that nobody has seen what the table has by now.
    fn catch_up(
        &mut self,
        table: &Table,
        base: &Snapshot,
        files: &mut Vec<WrittenFile>,
        runtime: &Handle,
    ) -> Result<()> {
        match self.rows.take() {
            Some(Rows::Held(mut held)) => {
                if self.compare(&mut held, table, base, runtime)? {
                    let fewer = self.write_survivors(&mut held)?;
                    self.delete(&std::mem::replace(files, fewer), runtime);
                }
                self.rows = Some(Rows::Held(held));
                Ok(())
            }
            other => {
                self.rows = other;
                Ok(())
            }
        }
    }

    fn compare(
        &self,
        held: &mut Held,
        table: &Table,
        base: &Snapshot,
        runtime: &Handle,
    ) -> Result<bool> {
        tracing::debug!(phase = "compare");
        runtime.block_on(held.dedup.check(&self.lake, table, base))
    }

    /// Writes the rows that stay and counts them.
    fn write_survivors(&mut self, held: &mut Held) -> Result<Vec<WrittenFile>> {
        let mut writer = SortedWriter::new(held.sorter.clone())?;
        let mut times: Times = None;
        let survivors = held.dedup.survivors(|batch| {
            note_times(&mut times, batch);
            writer.push(batch)
        });
        let survivors = match survivors {
            Ok(survivors) => survivors,
            Err(error) => {
                if let Err(left) = writer.abort() {
                    warn!(error = %left, "files of a failed write stay as orphans");
                }
                return Err(error);
            }
        };
        let files = writer.finish()?;
        self.times = times;
        self.counts = self.counts.with(survivors);
        Ok(files)
    }

    /// Deletes files that no commit names.
    fn delete(&self, files: &[WrittenFile], runtime: &Handle) {
        for file in files {
            let deleted = self
                .lake
                .location(self.destination.name(), &file.path)
                .and_then(|place| Ok(runtime.block_on(self.lake.objects().delete(&place))?));
            if let Err(error) = deleted {
                warn!(file = file.path, %error, "a file that lost a race stays as an orphan");
            }
        }
    }

    fn data_commit(&self, files: &[WrittenFile], base: &Snapshot) -> Result<Commit> {
        let adds: Vec<_> = files.iter().map(|file| self.new_file(file, &[])).collect();
        Ok(Commit {
            operation: self.spec.operation.to_owned(),
            blind: !adds.is_empty() && !matches!(self.rows, Some(Rows::Held(_))),
            adds,
            data_change: true,
            transactions: vec![(self.key.transaction(), self.next_landed)],
            new_columns: missing_columns(self.destination.name(), base, &self.schema)?,
            info: self.landing_info()?,
            ..Commit::default()
        })
    }

    fn landing_info(&self) -> Result<Map<String, Value>> {
        let mut landing = json!({
            "definition": self.definition.as_ref().map(|d| d.number),
            "landing": self.next_landed,
            "rows": [to_json(&self.ledger_row())?, to_json(&self.unit_row())?],
        });
        if let Some(Rows::Held(_)) = self.rows {
            landing["key_conflicts"] = self.counts.key_conflicts.into();
        }
        Ok(Map::from_iter([(INFO_KEY.to_owned(), landing)]))
    }

    /// Tells the ledger of a landing of ours.
    async fn record(&self, table: &Table, landed: &Landed) -> Result<()> {
        if !landed.by_us {
            return Ok(());
        }
        let version = i64::try_from(landed.version).ok();
        let row = LedgerRow {
            version,
            ..self.ledger_row()
        };
        let rows = vec![row, self.unit_row()];
        self.lake
            .record_landing(table, landed.version, self.next_landed, rows)
            .await
    }

    fn report(&self, landed: &Landed, files: &[WrittenFile]) -> UnitReport {
        let (counts, files) = match landed.by_us {
            true => (self.counts, files),
            false => (Counts::default(), [].as_slice()),
        };
        UnitReport {
            ingest_id: self.ingest_id,
            already: !landed.by_us,
            version: landed.version,
            rows_in: counts.rows_in(),
            rows_committed: counts.committed,
            rows_quarantined: counts.quarantined,
            rows_duplicate: counts.duplicate,
            key_conflicts: counts.key_conflicts,
            rows_skipped: counts.skipped,
            files: files.len() as u64,
            bytes_out: files.iter().map(|file| file.size).sum(),
        }
    }
}

impl Counts {
    fn with(self, survivors: Survivors) -> Counts {
        Counts {
            committed: survivors.rows,
            duplicate: survivors.duplicates,
            key_conflicts: survivors.key_conflicts,
            ..self
        }
    }
}

/// Columns of ours that the table does not have yet.
fn missing_columns(table: &str, base: &Snapshot, schema: &SchemaRef) -> Result<Vec<Field>> {
    let mut missing = Vec::new();
    for field in schema.fields() {
        match base.schema.field_with_name(field.name()) {
            Ok(there) if there.data_type() == field.data_type() => {}
            Ok(there) => {
                return Err(Error::conflict(format!(
                    "column \"{}\" of table \"{table}\" has become {}, the rows to add have {}; run the command again",
                    field.name(),
                    there.data_type(),
                    field.data_type()
                )));
            }
            Err(_) => missing.push(field.as_ref().clone().with_nullable(true)),
        }
    }
    Ok(missing)
}

fn to_json(row: &LedgerRow) -> Result<Value> {
    serde_json::to_value(row)
        .map_err(|e| Error::internal("a ledger row cannot be written as JSON").with_source(e))
}
