//! The commits of a unit, and what is said of them.
//!
//! Rows of a stream without duplicates follow any version. Where duplicates
//! are dropped, they follow the version that they were compared with; where
//! another commit took that place, they are compared with what came since.
//! Files that hold a duplicate are written anew; the old ones are deleted once
//! it is known that no commit names them.
//!
//! Each data commit says what it landed, the last one also what belongs to no
//! table: with that row the unit is done.

use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use object_store::ObjectStoreExt;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tracing::warn;

use super::missing;
use super::rows::{Held, TableWriter};
use super::{
    COMMIT_TRIES, Counts, Destination, INFO_KEY, TableReport, Unit, UnitReport, UnitWriter, long,
    overtaken, unknown,
};
use crate::log::{Commit, CommitOutcome, Snapshot};
use crate::parquet::WrittenFile;
use crate::table::Table;
use crate::table::ledger::LedgerRow;
use crate::{Error, Result};

struct Landed {
    version: u64,
    by_us: bool,
}

/// A table's part of the unit, encoded.
struct Part {
    table: TableWriter,
    files: Vec<WrittenFile>,
}

impl UnitWriter {
    /// Commits refusals, gaps, rows, and the lines of the ledger. Blocks.
    pub(super) fn land(mut self, runtime: &Handle) -> Result<UnitReport> {
        let refused = self.refused.finish()?;
        let missing = self.missing.finish()?;
        let mut parts = self.encode(runtime)?;
        runtime.block_on(self.unit.lake.make())?;
        let is_resumed = parts.iter().any(|part| part.table.is_there);
        runtime.block_on(self.refused.land(&self.unit, refused, is_resumed))?;
        runtime.block_on(missing::land(&self.unit, missing))?;
        let mut landed = Vec::with_capacity(parts.len());
        let last = parts.len().saturating_sub(1);
        for (at, part) in parts.iter_mut().enumerate() {
            let rest = (at == last).then(|| self.unit_row());
            landed.push(part.land(&self.unit, rest, runtime)?);
        }
        tracing::debug!(phase = "ledger");
        runtime.block_on(self.record(&parts, &landed))?;
        Ok(self.report(&parts, &landed))
    }

    /// The files of all tables, in the order of their names.
    fn encode(&mut self, runtime: &Handle) -> Result<Vec<Part>> {
        let mut tables = std::mem::take(&mut self.tables);
        tables.sort_by(|a, b| a.name().cmp(b.name()));
        let share = self.unit.spec.memory_bytes / tables.len().max(1);
        let mut parts: Vec<Part> = Vec::new();
        let mut tables = tables.into_iter();
        while let Some(mut table) = tables.next() {
            match table.finished_rows(&self.unit, share, runtime) {
                Ok(files) => parts.push(Part { table, files }),
                Err(error) => {
                    for part in &parts {
                        part.delete_files(&self.unit, runtime);
                    }
                    for left in tables.filter_map(|table| table.abort().err()) {
                        warn!(error = %left, "files of a failed write stay as orphans");
                    }
                    return Err(error);
                }
            }
        }
        Ok(parts)
    }

    /// What of the unit belongs to no table.
    fn unit_row(&self) -> LedgerRow {
        LedgerRow {
            // Where there is one table, its row says what was read.
            bytes_in: match self.unit.is_group {
                true => long(self.unit.spec.bytes_in),
                false => 0,
            },
            bytes_undecoded: long(self.bytes_undecoded),
            ..self.unit.ledger_row(self.unit.key(), None, self.rest)
        }
    }

    /// Tells the ledger of a landing of ours.
    async fn record(&self, parts: &[Part], landed: &[Landed]) -> Result<()> {
        let (mut commits, mut rows) = (Vec::new(), Vec::new());
        for (part, landed) in parts.iter().zip(landed).filter(|(_, landed)| landed.by_us) {
            commits.push((part.table.name().to_owned(), landed.version));
            rows.push(LedgerRow {
                version: i64::try_from(landed.version).ok(),
                ..part.ledger_row(&self.unit)
            });
        }
        if rows.is_empty() && !self.unit.is_group {
            return Ok(());
        }
        rows.push(self.unit_row());
        let lake = &self.unit.lake;
        lake.record_landing(&commits, self.unit.next_landed, rows)
            .await
    }

    fn report(&self, parts: &[Part], landed: &[Landed]) -> UnitReport {
        let ours = || parts.iter().zip(landed).filter(|(_, landed)| landed.by_us);
        // The last commit tells it, so that of two processes one reports it.
        let (rest, bytes_undecoded) = match landed.last().is_none_or(|last| last.by_us) {
            true => (self.rest, self.bytes_undecoded),
            false => (Counts::default(), 0),
        };
        let counts = ours().fold(rest, |sum, (part, _)| sum.and(part.table.counts));
        UnitReport {
            ingest_id: self.unit.ingest_id,
            already: !parts.is_empty() && ours().next().is_none(),
            rows_in: counts.rows_in(),
            rows_committed: counts.committed,
            rows_quarantined: counts.quarantined,
            rows_duplicate: counts.duplicate,
            key_conflicts: counts.key_conflicts,
            rows_skipped: counts.skipped,
            bytes_undecoded,
            tables: parts
                .iter()
                .zip(landed)
                .map(|(part, landed)| part.report(landed))
                .collect(),
        }
    }
}

impl Part {
    fn land(&mut self, unit: &Unit, rest: Option<LedgerRow>, runtime: &Handle) -> Result<Landed> {
        let table = match &self.table.destination {
            Destination::Table(table) => Arc::clone(table),
            Destination::Founding(definition) => {
                runtime.block_on(unit.lake.found_table(definition))?
            }
            Destination::Creating(definition) => runtime
                .block_on(unit.lake.create_table(definition))
                .inspect_err(|_| self.delete_files(unit, runtime))?,
        };
        tracing::debug!(phase = "data");
        self.land_rows(unit, &table, rest.as_ref(), runtime)
    }

    /// Commits with the unit's transaction, or finds it there.
    fn land_rows(
        &mut self,
        unit: &Unit,
        table: &Table,
        rest: Option<&LedgerRow>,
        runtime: &Handle,
    ) -> Result<Landed> {
        let mut base = table.snapshot();
        for _ in 0..COMMIT_TRIES {
            if unit.is_in(table.name(), &base.transactions)? {
                if self.table.held.is_some() {
                    self.delete_files(unit, runtime);
                }
                return Ok(Landed {
                    version: base.version,
                    by_us: false,
                });
            }
            self.table
                .catch_up(unit, table, &base, &mut self.files, runtime)?;
            let commit = self.commit(unit, &base, rest)?;
            match runtime.block_on(table.log().commit(&base, &commit))? {
                CommitOutcome::Committed(after) => {
                    self.delete_replaced(unit, runtime);
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

    /// Deletes the files of a part that no commit names.
    fn delete_files(&self, unit: &Unit, runtime: &Handle) {
        unit.delete(self.table.name(), &self.files, runtime);
        self.delete_replaced(unit, runtime);
    }

    /// Deletes files in whose place others were written.
    fn delete_replaced(&self, unit: &Unit, runtime: &Handle) {
        if let Some(held) = &self.table.held {
            unit.delete(self.table.name(), &held.without(&self.files), runtime);
        }
    }

    fn commit(&self, unit: &Unit, base: &Snapshot, rest: Option<&LedgerRow>) -> Result<Commit> {
        let files = self.files.iter();
        let adds: Vec<_> = files.map(|file| unit.new_file(file, &[])).collect();
        let table = &self.table;
        Ok(Commit {
            operation: unit.spec.operation.to_owned(),
            blind: !adds.is_empty() && table.held.is_none(),
            adds,
            data_change: true,
            transactions: unit.transactions(table.key),
            new_columns: missing_columns(table.name(), base, &table.schema)?,
            info: self.landing_info(unit, rest)?,
            ..Commit::default()
        })
    }

    fn landing_info(&self, unit: &Unit, rest: Option<&LedgerRow>) -> Result<Map<String, Value>> {
        let mut rows = vec![to_json(&self.ledger_row(unit))?];
        rows.extend(rest.map(to_json).transpose()?);
        let mut landing = json!({
            "definition": self.table.definition.as_ref().map(|d| d.number),
            "landing": unit.next_landed,
            "rows": rows,
        });
        if self.table.held.is_some() {
            landing["key_conflicts"] = self.table.counts.key_conflicts.into();
        }
        Ok(Map::from_iter([(INFO_KEY.to_owned(), landing)]))
    }

    fn ledger_row(&self, unit: &Unit) -> LedgerRow {
        let table = &self.table;
        LedgerRow {
            bytes_in: long(table.bytes_in),
            min_time: table.times.map(|t| t.0),
            max_time: table.times.map(|t| t.1),
            ..unit.ledger_row(table.key, Some(table.name()), table.counts)
        }
    }

    fn report(&self, landed: &Landed) -> TableReport {
        let files = match landed.by_us {
            true => self.files.as_slice(),
            false => &[],
        };
        TableReport {
            table: self.table.name().to_owned(),
            version: landed.version,
            rows_committed: match landed.by_us {
                true => self.table.counts.committed,
                false => 0,
            },
            files: files.len() as u64,
            bytes_out: files.iter().map(|file| file.size).sum(),
        }
    }
}

impl TableWriter {
    /// The files of all rows, or of those that the table does not have, if it
    /// is there. `share` is the memory of this table among those of the unit.
    fn finished_rows(
        &mut self,
        unit: &Unit,
        share: usize,
        runtime: &Handle,
    ) -> Result<Vec<WrittenFile>> {
        let memory_bytes = unit.spec.memory_bytes;
        if share < memory_bytes {
            self.go_on(memory_bytes / 2)?;
        }
        let files = self.end_files()?;
        let Some(mut held) = self.held.take() else {
            return Ok(files);
        };
        let stays = self
            .compared(unit, &mut held, files.clone(), runtime)
            .inspect_err(|_| unit.delete(self.name(), &files, runtime))?;
        held.dedup.set_memory(share)?;
        self.held = Some(held);
        Ok(stays)
    }

    /// The files of the rows that stay.
    fn compared(
        &mut self,
        unit: &Unit,
        held: &mut Held,
        files: Vec<WrittenFile>,
        runtime: &Handle,
    ) -> Result<Vec<WrittenFile>> {
        tracing::debug!(phase = "compare");
        let own = held.dedup.own_files(&unit.lake, self.name(), files);
        held.own = runtime.block_on(own)?;
        if let (Destination::Table(table), false) = (&self.destination, self.is_there) {
            let table = Arc::clone(table);
            let base = runtime.block_on(table.log().refresh())?;
            compare(unit, held, &table, &base, runtime)?;
        }
        self.write_survivors(held)
    }

    /// Drops from files that nobody has seen what the table has by now.
    fn catch_up(
        &mut self,
        unit: &Unit,
        table: &Table,
        base: &Snapshot,
        files: &mut Vec<WrittenFile>,
        runtime: &Handle,
    ) -> Result<()> {
        let Some(mut held) = self.held.take() else {
            return Ok(());
        };
        if compare(unit, &mut held, table, base, runtime)? {
            let stay = self.write_survivors(&mut held)?;
            let before = std::mem::replace(files, stay);
            let rewritten = held.rewritten(&before);
            unit.delete(table.name(), &rewritten, runtime);
        }
        self.held = Some(held);
        Ok(())
    }
}

fn compare(
    unit: &Unit,
    held: &mut Held,
    table: &Table,
    base: &Snapshot,
    runtime: &Handle,
) -> Result<bool> {
    let Held { dedup, own, .. } = held;
    runtime.block_on(dedup.check(&unit.lake, table, base, own))
}

impl Unit {
    /// Deletes files that no commit names.
    fn delete(&self, table: &str, files: &[WrittenFile], runtime: &Handle) {
        for file in files {
            let deleted = self
                .lake
                .location(table, &file.path)
                .and_then(|place| Ok(runtime.block_on(self.lake.objects().delete(&place))?));
            if let Err(error) = deleted {
                warn!(file = file.path, %error, "a file that lost a race stays as an orphan");
            }
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
