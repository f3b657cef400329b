//! The refused records of a unit, on their way to `_quarantine`.

use std::sync::Arc;

use super::side::SideFiles;
use super::{COMMIT_TRIES, TAG_INGEST_ID, Unit, overtaken, unknown};
use crate::log::{Commit, CommitOutcome};
use crate::parquet::WrittenFile;
use crate::table::Table;
use crate::table::quarantine::{
    QUARANTINE, Refusal, RefusalBuilder, RefusalContext, quarantine_schema,
};
use crate::{Error, Result};

/// The tag of a quarantine file that names the definition that refused.
const TAG_DEFINITION: &str = "downlake.definition";
/// Refusals buffered before they are written.
const REFUSAL_BYTES: usize = 4 << 20;

/// Refused records until the commit.
pub(super) struct Refused {
    builder: RefusalBuilder,
    files: SideFiles,
    first_reasons: Vec<String>,
    records: u64,
}

impl Refused {
    pub(super) fn new(unit: &Unit) -> Refused {
        let builder = RefusalBuilder::new(RefusalContext {
            ingest_id: unit.ingest_id,
            source: unit.spec.source.clone(),
            format: String::new(),
            definition_hash: unit.definition_hash.clone(),
            at: unit.started_at,
        });
        Refused {
            builder,
            files: SideFiles::new(QUARANTINE, quarantine_schema()),
            first_reasons: Vec::new(),
            records: 0,
        }
    }

    pub(super) fn set_source(&mut self, source: String) {
        self.builder.set_source(source);
    }

    pub(super) fn set_format(&mut self, format: String) {
        self.builder.set_format(format);
    }

    /// The first of them, for people.
    pub(super) fn first_reasons(&self) -> String {
        self.first_reasons.join("; ")
    }

    pub(super) fn push(
        &mut self,
        unit: &Unit,
        table: Option<&str>,
        refusal: &Refusal,
    ) -> Result<()> {
        self.records += 1;
        if self.first_reasons.len() < 3 {
            self.first_reasons.push(describe(refusal));
        }
        self.builder.push(table, refusal);
        if self.builder.bytes() >= REFUSAL_BYTES {
            self.flush(unit)?;
        }
        Ok(())
    }

    /// Moves what waits to files.
    pub(super) fn flush(&mut self, unit: &Unit) -> Result<()> {
        if self.builder.rows() == 0 {
            return Ok(());
        }
        let batch = self.builder.take();
        self.files.push(unit, &batch)
    }

    /// Ends the files.
    pub(super) fn finish(&mut self) -> Result<Vec<WrittenFile>> {
        self.files.finish()
    }

    pub(super) fn abort(self) -> Result<()> {
        self.files.abort()
    }

    /// Commits the records once. A half-landed unit may have left refusals of
    /// another definition or of another count: they are replaced, unless the
    /// unit `is_resumed`, for rows that landed go with the refusals beside them.
    ///
    /// # Errors
    /// Conflict, where a resumed unit refuses other records than before.
    pub(super) async fn land(
        &self,
        unit: &Unit,
        files: Vec<WrittenFile>,
        is_resumed: bool,
    ) -> Result<()> {
        tracing::debug!(phase = "quarantine");
        let ingest_id = unit.ingest_id.to_string();
        let Some(quarantine) = quarantine_for(unit, &files).await? else {
            return Ok(());
        };
        for _ in 0..COMMIT_TRIES {
            let base = quarantine.log().refresh().await?;
            let stale: Vec<_> = base
                .files
                .iter()
                .filter(|f| f.tags.get(TAG_INGEST_ID) == Some(&ingest_id))
                .cloned()
                .collect();
            let there: u64 = stale.iter().filter_map(|f| f.stats.rows).sum();
            let definition = unit.definition_hash.clone().unwrap_or_default();
            let same = stale
                .iter()
                .all(|f| f.tags.get(TAG_DEFINITION) == Some(&definition));
            if same && there == self.records {
                return Ok(());
            }
            if is_resumed {
                return Err(refused_otherwise(unit, there, self.records));
            }
            let commit = Commit {
                operation: "QUARANTINE".to_owned(),
                adds: files
                    .iter()
                    .map(|f| unit.new_file(f, &[(TAG_DEFINITION, &definition)]))
                    .collect(),
                blind: stale.is_empty(),
                removes: stale,
                data_change: true,
                transactions: vec![(unit.key().transaction(), unit.next_landed)],
                ..Commit::default()
            };
            match quarantine.log().commit(&base, &commit).await? {
                CommitOutcome::Committed(_) => return Ok(()),
                CommitOutcome::Conflicted(_) => {}
                CommitOutcome::Unknown(error) => return Err(unknown(QUARANTINE, error)),
            }
        }
        Err(overtaken(QUARANTINE))
    }
}

/// The quarantine, if this unit has refusals or may have left some before.
async fn quarantine_for(unit: &Unit, files: &[WrittenFile]) -> Result<Option<Arc<Table>>> {
    if files.is_empty() {
        return unit.lake.table(QUARANTINE).await;
    }
    let schema = quarantine_schema();
    unit.lake.system_table(QUARANTINE, schema).await.map(Some)
}

fn refused_otherwise(unit: &Unit, before: u64, now: u64) -> Error {
    Error::conflict(format!(
        "{} landed in part, with {before} records refused; now {now} are, under another definition or by other software; run it again as it was begun",
        unit.spec.source
    ))
}

fn describe(refusal: &Refusal) -> String {
    let place = match (refusal.line, refusal.packet_index) {
        (Some(line), _) => format!("line {line}: "),
        (None, Some(packet)) => format!("packet {packet}: "),
        (None, None) => String::new(),
    };
    format!("{place}{} ({})", refusal.reason, refusal.detail)
}
