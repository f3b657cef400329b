//! Refused records on their way back: read from `_quarantine`, and marked
//! once they have been decoded again.
//!
//! A redrive is a source unit of its own, `redrive:<ingest_id>`, whose key is
//! the hash of its records. Its rows land first, then `_quarantine` is
//! rewritten so that the records say under which landing they were tried
//! again. A rerun after a kill between the two finds the unit landed and does
//! the second step.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::Int64Type;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::append::{TAG_INGEST_ID, unknown};
use super::lake::{Lake, Table};
use super::ledger::LEDGER;
use super::quarantine::QUARANTINE;
use super::sorter::{SortedWriter, SorterSpec};
use crate::log::{Commit, FileEntry, RewriteOutcome, Snapshot};
use crate::{Error, Result};

/// Rows of `_quarantine` that are read at once: raw records may be 64 KiB each.
const ROWS_AT_ONCE: usize = 256;

/// The records of one landing that were refused for one table, or for none,
/// and not tried again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedGroup {
    /// The landing.
    pub ingest_id: i64,
    /// The table they were meant for, if for one.
    pub table_name: Option<String>,
    /// Whether they are packets; bytes between packets are not.
    pub are_packets: bool,
    /// Where the bytes came from.
    pub source: String,
    /// How a raw record is framed, JSON.
    pub format: String,
    /// Hash of the definition that refused them.
    pub definition_hash: Option<String>,
}

/// A refused record as it stands in `_quarantine`, raw bytes kept.
#[derive(Debug, Clone, Copy)]
pub struct RefusedRecord<'a> {
    /// Byte offset in its source, after decompression.
    pub byte_offset: Option<u64>,
    /// Line in its source, from 1.
    pub line: Option<u64>,
    /// Number of the packet in its source, from 0.
    pub packet_index: Option<u64>,
    /// The record.
    pub raw: &'a [u8],
}

impl Lake {
    /// Groups of refused records that were not tried again, with their counts:
    /// all records, and those whose raw bytes were kept.
    pub async fn refused_groups(
        &self,
        ingest_id: Option<i64>,
        table: Option<&str>,
    ) -> Result<BTreeMap<RefusedGroup, (u64, u64)>> {
        let mut groups = BTreeMap::new();
        let Some(quarantine) = self.table(QUARANTINE).await? else {
            return Ok(groups);
        };
        for file in &*quarantine.snapshot().files {
            if ingest_id.is_some_and(|id| !is_of(file, id)) {
                continue;
            }
            for batch in self.read_file(&quarantine, file).await? {
                count_groups(&batch?, ingest_id, table, &mut groups)?;
            }
        }
        Ok(groups)
    }

    /// Whether the landing with this number reached the ledger. Refusals are
    /// committed before the rows of their unit, so a unit that was killed in
    /// between has some; they belong to the rerun of that unit.
    pub async fn has_landed(&self, ingest_id: i64) -> Result<bool> {
        let Some(ledger) = self.table(LEDGER).await? else {
            return Ok(false);
        };
        for file in &*ledger.snapshot().files {
            for batch in self.read_file(&ledger, file).await? {
                let batch = batch?;
                let ids = column(&batch, "ingest_id")?.as_primitive::<Int64Type>();
                if ids.iter().any(|id| id == Some(ingest_id)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Hands a group's records over, in the order of their landing.
    pub async fn refused_records(
        &self,
        group: &RefusedGroup,
        mut take: impl FnMut(&RefusedRecord<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(quarantine) = self.table(QUARANTINE).await? else {
            return Ok(());
        };
        for file in quarantine
            .snapshot()
            .files
            .iter()
            .filter(|f| is_of(f, group.ingest_id))
        {
            for batch in self.read_file(&quarantine, file).await? {
                let batch = batch?;
                let waiting = waiting_in(&batch, group)?;
                let raw = column(&batch, "raw")?.as_binary::<i32>();
                let byte_offset = column(&batch, "byte_offset")?;
                let line = column(&batch, "line")?;
                let packet_index = column(&batch, "packet_index")?;
                for row in waiting.values().set_indices() {
                    take(&RefusedRecord {
                        byte_offset: unsigned(byte_offset, row),
                        line: unsigned(line, row),
                        packet_index: unsigned(packet_index, row),
                        raw: raw.value(row),
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Says in `_quarantine` that a group's records were tried again as the
    /// landing `redriven_as`. Returns how many records it marked.
    ///
    /// # Errors
    /// Conflict, if another process rewrote the same records meanwhile.
    pub async fn mark_redriven(
        self: &Arc<Self>,
        group: &RefusedGroup,
        redriven_as: i64,
    ) -> Result<u64> {
        tracing::debug!(phase = "mark");
        let Some(quarantine) = self.table(QUARANTINE).await? else {
            return Ok(0);
        };
        self.make().await?;
        let base = quarantine.snapshot();
        let mut commit = Commit {
            operation: "REDRIVE".to_owned(),
            data_change: true,
            transactions: vec![next_maintenance(&base)],
            ..Commit::default()
        };
        let mut marked = 0;
        for file in base.files.iter().filter(|f| is_of(f, group.ingest_id)) {
            let (batches, found) = self
                .marked_rows(&quarantine, file, group, redriven_as)
                .await?;
            if found == 0 {
                continue;
            }
            marked += found;
            let tags = file.tags.get(TAG_INGEST_ID).cloned();
            for mut written in self.write_rows(batches, group.ingest_id).await? {
                written
                    .tags
                    .extend(tags.iter().map(|id| (TAG_INGEST_ID.to_owned(), id.clone())));
                commit
                    .adds
                    .push(written.into_new_file(self.seams().clock.now_micros() / 1000));
            }
            commit.removes.push(Arc::clone(file));
        }
        if marked == 0 {
            return Ok(0);
        }
        tracing::debug!(phase = "rewrite");
        match quarantine.log().rewrite(&base, &commit).await? {
            RewriteOutcome::Committed(_) => Ok(marked),
            RewriteOutcome::GaveUp { .. } => Err(Error::conflict(format!(
                "refused records of landing {} were rewritten by another process; run redrive again",
                group.ingest_id
            ))),
            RewriteOutcome::Unknown(error) => Err(unknown(QUARANTINE, error)),
        }
    }

    async fn marked_rows(
        &self,
        quarantine: &Table,
        file: &FileEntry,
        group: &RefusedGroup,
        redriven_as: i64,
    ) -> Result<(Vec<RecordBatch>, u64)> {
        let mut rows = Vec::new();
        let mut marked = 0;
        for batch in self.read_file(quarantine, file).await? {
            let batch = batch?;
            let waiting = waiting_in(&batch, group)?;
            marked += waiting.true_count() as u64;
            rows.push(mark(&batch, &waiting, redriven_as)?);
        }
        Ok((rows, marked))
    }

    async fn write_rows(
        self: &Arc<Self>,
        batches: Vec<RecordBatch>,
        ingest_id: i64,
    ) -> Result<Vec<crate::parquet::WrittenFile>> {
        let Some(first) = batches.first() else {
            return Ok(Vec::new());
        };
        let spec: SorterSpec = self.sorter_spec(QUARANTINE, first.schema(), ingest_id)?;
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = SortedWriter::new(spec)?;
            for batch in &batches {
                writer.push(batch)?;
            }
            writer.finish()
        });
        written
            .await
            .map_err(|e| Error::internal(format!("writing \"{QUARANTINE}\" stopped: {e}")))?
    }

    /// The rows of one file, which is as small as fresh files are.
    async fn read_file(
        &self,
        table: &Table,
        file: &FileEntry,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
        let location = self.location(table.name(), &file.path)?;
        let bytes = self.objects().get(&location).await?.bytes().await?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?
            .with_batch_size(ROWS_AT_ONCE)
            .build()?;
        Ok(reader.map(|batch| batch.map_err(Error::from)))
    }
}

fn is_of(file: &FileEntry, ingest_id: i64) -> bool {
    file.tags
        .get(TAG_INGEST_ID)
        .is_none_or(|id| *id == ingest_id.to_string())
}

/// The transaction of rewrites of `_quarantine`: two never share a number.
fn next_maintenance(base: &Snapshot) -> (String, i64) {
    let id = format!("maintenance/{QUARANTINE}");
    let next = base.transactions.get(&id).unwrap_or(0) + 1;
    (id, next)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array> {
    batch
        .column_by_name(name)
        .map(AsRef::as_ref)
        .ok_or_else(|| {
            Error::corrupt(format!(
                "a file of \"{QUARANTINE}\" has no column \"{name}\""
            ))
        })
}

fn unsigned(column: &dyn Array, row: usize) -> Option<u64> {
    let column = column.as_primitive::<Int64Type>();
    let value = column.is_valid(row).then(|| column.value(row));
    value.and_then(|value| u64::try_from(value).ok())
}

fn count_groups(
    batch: &RecordBatch,
    ingest_id: Option<i64>,
    table: Option<&str>,
    groups: &mut BTreeMap<RefusedGroup, (u64, u64)>,
) -> Result<()> {
    let ids = column(batch, "ingest_id")?.as_primitive::<Int64Type>();
    let tables = column(batch, "table_name")?.as_string::<i32>();
    let sources = column(batch, "source")?.as_string::<i32>();
    let formats = column(batch, "format")?.as_string::<i32>();
    let definitions = column(batch, "definition_hash")?.as_string::<i32>();
    let redriven = column(batch, "redriven_as")?;
    let packets = column(batch, "packet_index")?;
    let raw = column(batch, "raw")?;
    for row in 0..batch.num_rows() {
        let meant_for = tables.is_valid(row).then(|| tables.value(row));
        let wanted = redriven.is_null(row)
            && ingest_id.is_none_or(|id| ids.value(row) == id)
            && table.is_none_or(|table| meant_for == Some(table));
        if !wanted {
            continue;
        }
        let group = RefusedGroup {
            ingest_id: ids.value(row),
            table_name: meant_for.map(str::to_owned),
            are_packets: packets.is_valid(row),
            source: sources.value(row).to_owned(),
            format: formats.value(row).to_owned(),
            definition_hash: definitions
                .is_valid(row)
                .then(|| definitions.value(row).to_owned()),
        };
        let (all, with_raw) = groups.entry(group).or_default();
        *all += 1;
        *with_raw += u64::from(raw.is_valid(row));
    }
    Ok(())
}

/// Which rows belong to the group, were not tried again, and can be: a record
/// whose raw bytes were not kept waits for its source.
fn waiting_in(batch: &RecordBatch, group: &RefusedGroup) -> Result<BooleanArray> {
    let ids = column(batch, "ingest_id")?.as_primitive::<Int64Type>();
    let tables = column(batch, "table_name")?.as_string::<i32>();
    let packets = column(batch, "packet_index")?;
    let redriven = column(batch, "redriven_as")?;
    let raw = column(batch, "raw")?;
    let waits = |row: usize| {
        let meant_for = tables.is_valid(row).then(|| tables.value(row));
        ids.value(row) == group.ingest_id
            && meant_for == group.table_name.as_deref()
            && packets.is_valid(row) == group.are_packets
            && redriven.is_null(row)
            && raw.is_valid(row)
    };
    Ok((0..batch.num_rows()).map(|row| Some(waits(row))).collect())
}

fn mark(batch: &RecordBatch, waiting: &BooleanArray, redriven_as: i64) -> Result<RecordBatch> {
    let place = batch.schema().index_of("redriven_as")?;
    let mut columns = batch.columns().to_vec();
    columns[place] = zip(
        waiting,
        &Int64Array::new_scalar(redriven_as),
        &columns[place],
    )?;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
