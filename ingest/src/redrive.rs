//! A second try for refused records, under the definition of today.
//!
//! A redrive is a source unit of its own: it lands exactly once, and what it
//! refuses again stands in `_quarantine` under its own landing. The rows land
//! first, then the old records are marked; a rerun does what is missing.

mod spool;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use downlake_lake::schema::store::StoredDefinition;
use downlake_lake::schema::{Definition, InputLayout};
use downlake_lake::table::append::QuarantineLimit;
use downlake_lake::table::redrive::RefusedGroup;
use downlake_lake::table::unit::UnitIdentity;
use downlake_lake::table::{Lake, Table};
use downlake_lake::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::decode::{self, Framing};
use crate::pipeline::{Reading, Target, UnitLimits, UnitWork};
use crate::progress::Progress;
use crate::stop::Stop;

pub(crate) use spool::Spool;

/// How the raw records of a unit are framed, as `_quarantine.format` says it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct StoredFraming {
    format: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delimiter: Option<char>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<Vec<String>>,
    /// The unit's constant columns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    constants: BTreeMap<String, String>,
}

impl StoredFraming {
    pub(crate) fn new(framing: Framing, constants: &BTreeMap<String, String>) -> StoredFraming {
        StoredFraming {
            format: framing.format.to_owned(),
            delimiter: framing.delimiter.map(char::from),
            header: framing.header,
            constants: constants.clone(),
        }
    }

    pub(crate) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|e| Error::internal("a framing cannot be written as JSON").with_source(e))
    }

    /// The layout of a file of such records.
    fn layout(&self, definition: &Definition) -> InputLayout {
        InputLayout {
            format: Some(self.format.clone()),
            header: self.delimiter.map(|_| self.header.is_some()),
            delimiter: self.delimiter.and_then(|d| u8::try_from(d).ok()),
            null_values: definition.input.null_values.clone(),
        }
    }

    /// The line in front of the records.
    fn header_line(&self) -> Option<String> {
        let delimiter = self.delimiter?.to_string();
        let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let names: Vec<_> = self.header.as_ref()?.iter().map(quoted).collect();
        Some(names.join(&delimiter))
    }
}

/// What became of the refused records of one landing.
#[derive(Debug, Clone, Serialize)]
pub struct Redriven {
    /// The landing that refused them.
    pub ingest_id: i64,
    /// The table.
    pub table_name: String,
    /// Where the bytes came from.
    pub source: String,
    /// The landing of the redrive.
    pub redriven_as: i64,
    /// Records tried again.
    pub records: u64,
    /// Records whose raw bytes were too long to be kept.
    pub without_raw: u64,
    /// Rows that are in the table now.
    pub rows_committed: u64,
    /// Rows dropped because the table had them.
    pub rows_duplicate: u64,
    /// Records refused again.
    pub rows_quarantined: u64,
    /// Whether the rows were there already, from a redrive that was cut off.
    pub already: bool,
}

/// Tries refused records again, one landing after the other.
///
/// # Errors
/// Corrupt, where kept records do not read as as many; Cancelled, once it was
/// asked to stop.
pub async fn redrive(
    lake: &Arc<Lake>,
    ingest_id: Option<i64>,
    table: Option<&str>,
    memory_bytes: usize,
    temp_dir: &Path,
    progress: Arc<dyn Progress>,
    stop: &Stop,
) -> Result<Vec<Redriven>> {
    let mut done = Vec::new();
    for (group, (all, with_raw)) in lake.refused_groups(ingest_id, table).await? {
        stop.check()?;
        let Some(target) = ready(lake, &group, &progress).await? else {
            continue;
        };
        tracing::debug!(phase = "spool");
        let mut redriven = one(
            lake,
            &group,
            target,
            memory_bytes,
            temp_dir,
            &progress,
            stop,
        )
        .await?;
        redriven.without_raw = all - with_raw;
        // Once the records are marked, nothing leads a rerun to this landing.
        lake.flush_ledger().await?;
        redriven.records = lake.mark_redriven(&group, redriven.redriven_as).await?;
        tracing::debug!(phase = "marked");
        done.push(redriven);
    }
    Ok(done)
}

/// The table and the definition of a group that can be tried again now.
async fn ready(
    lake: &Lake,
    group: &RefusedGroup,
    progress: &Arc<dyn Progress>,
) -> Result<Option<(Arc<Table>, StoredDefinition)>> {
    let name = &group.table_name;
    let table = lake.table(name).await?.ok_or_else(|| {
        Error::not_found(format!(
            "landing {} was meant for \"{name}\", which does not exist",
            group.ingest_id
        ))
    })?;
    let definition = table
        .definition(lake)
        .await?
        .ok_or_else(|| Error::invalid(format!("table \"{name}\" has no definition of ours")))?;
    if group.definition_hash.as_deref() == Some(definition.definition.hash().as_str()) {
        progress.notice(&format!(
            "{} of \"{name}\": the definition that refused is still in force; mend it with --schema FILE",
            group.source
        ));
        return Ok(None);
    }
    lake.reconcile(&table).await?;
    if !lake.has_landed(group.ingest_id).await? {
        progress.notice(&format!(
            "{} of \"{name}\" did not land yet; ingest it again first",
            group.source
        ));
        return Ok(None);
    }
    Ok(Some((table, definition)))
}

async fn one(
    lake: &Arc<Lake>,
    group: &RefusedGroup,
    (table, definition): (Arc<Table>, StoredDefinition),
    memory_bytes: usize,
    temp_dir: &Path,
    progress: &Arc<dyn Progress>,
    stop: &Stop,
) -> Result<Redriven> {
    let framing: StoredFraming = serde_json::from_str(&group.format).map_err(|e| {
        Error::corrupt(format!(
            "landing {}: the framing {} is not understood: {e}",
            group.ingest_id, group.format
        ))
    })?;
    let format = decode::format_by_name(&framing.format)?;
    let (file, spool) = Spool::write(lake, group, &framing, temp_dir).await?;
    let identity = UnitIdentity {
        target: group.table_name.clone(),
        content_hash: *file.content_hash()?.as_bytes(),
        constants: framing.constants.clone(),
        name: Some(format!("redrive:{}", group.ingest_id)),
    };
    let mut redriven = Redriven {
        ingest_id: group.ingest_id,
        table_name: group.table_name.clone(),
        source: group.source.clone(),
        redriven_as: 0,
        records: 0,
        without_raw: 0,
        rows_committed: 0,
        rows_duplicate: 0,
        rows_quarantined: 0,
        already: false,
    };
    let state = lake.unit_state(&table, &identity).await?;
    if let Some(landed_as) = identity.key().landed_as(state) {
        return Ok(Redriven {
            redriven_as: landed_as,
            already: true,
            ..redriven
        });
    }
    let limits = UnitLimits {
        memory_bytes,
        max_quarantine: QuarantineLimit::Share(1.0),
    };
    let work = UnitWork {
        lake: Arc::clone(lake),
        reading: Reading::Rows {
            format,
            // What is refused again must carry the hash of the stored definition,
            // by which the next redrive knows that nothing has changed.
            layout: Some(framing.layout(&definition.definition)),
        },
        streams: vec![Target {
            destination: table.into(),
            definition,
        }],
        file,
        identity,
        limits,
        temp_dir: temp_dir.to_owned(),
        spool: Some(spool),
        progress: Arc::clone(progress),
        stop: stop.clone(),
    };
    let report = work.land().await?;
    redriven.redriven_as = report.ingest_id;
    redriven.rows_committed = report.rows_committed;
    redriven.rows_duplicate = report.rows_duplicate;
    redriven.rows_quarantined = report.rows_quarantined;
    redriven.already = report.already;
    Ok(redriven)
}
