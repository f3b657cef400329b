//! A second try for refused records, under the definition of today.
//!
//! A redrive is a source unit of its own: it lands exactly once, and what it
//! refuses again stands in `_quarantine` under its own landing. The rows land
//! first, then the old records are marked; a rerun does what is missing.

mod spool;

use std::collections::BTreeMap;
use std::sync::Arc;

use downlake_lake::schema::store::StoredDefinition;
use downlake_lake::schema::{Definition, InputLayout};
use downlake_lake::table::append::{QuarantineLimit, UnitReport};
use downlake_lake::table::redrive::RefusedGroup;
use downlake_lake::table::unit::UnitIdentity;
use downlake_lake::table::{Lake, Table};
use downlake_lake::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::decode::{self, Framing};
use crate::job::{IngestRequest, PacketsAgain};
use crate::pipeline::{Reading, Target, UnitLimits, UnitWork};
use crate::progress::Progress;
use crate::source::SourceFile;
use crate::stop::Stop;

pub(crate) use spool::{Spool, SpooledPackets};

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
    /// The table that the records were meant for, if for one.
    pub table_name: Option<String>,
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

/// What is asked of a redrive.
#[derive(Debug, Clone)]
pub struct RedriveRequest {
    /// Only of this landing.
    pub ingest_id: Option<i64>,
    /// Only what was meant for this table.
    pub table: Option<String>,
    /// How packets are read now: their definitions, prefix and time. Memory,
    /// folder and clouds are for all records.
    pub ingest: IngestRequest,
}

/// Tries refused records again, one landing after the other.
///
/// # Errors
/// Corrupt, where kept records do not read as as many; Cancelled, once it was
/// asked to stop.
pub async fn redrive(
    lake: &Arc<Lake>,
    request: &RedriveRequest,
    progress: Arc<dyn Progress>,
    stop: &Stop,
) -> Result<Vec<Redriven>> {
    let again = Again {
        lake,
        request,
        progress,
        stop,
    };
    let mut done = Vec::new();
    let table = request.table.as_deref();
    for (group, (all, with_raw)) in lake.refused_groups(request.ingest_id, table).await? {
        stop.check()?;
        let tried = match group.are_packets {
            true => again.packets(&group).await?,
            false => again.rows(&group).await?,
        };
        let Some(mut redriven) = tried else {
            continue;
        };
        redriven.without_raw = all - with_raw;
        // Once the records are marked, nothing leads a rerun to this landing.
        lake.flush_ledger().await?;
        redriven.records = lake.mark_redriven(&group, redriven.redriven_as).await?;
        tracing::debug!(phase = "marked");
        done.push(redriven);
    }
    Ok(done)
}

struct Again<'a> {
    lake: &'a Arc<Lake>,
    request: &'a RedriveRequest,
    progress: Arc<dyn Progress>,
    stop: &'a Stop,
}

impl Again<'_> {
    /// Records of one table; nothing if they cannot be tried again now.
    async fn rows(&self, group: &RefusedGroup) -> Result<Option<Redriven>> {
        // Bytes that are no record can only be read again with their source.
        let Some(name) = &group.table_name else {
            return Ok(None);
        };
        let Some((table, definition)) = ready(self.lake, group, name, &self.progress).await? else {
            return Ok(None);
        };
        let framing = framing_of(group)?;
        let format = decode::format_by_name(&framing.format)?;
        tracing::debug!(phase = "spool");
        let temp_dir = &self.request.ingest.temp_dir;
        let (file, spool) = Spool::write(self.lake, group, &framing, temp_dir).await?;
        let identity = identity(group, name, &file, &framing)?;
        let state = self.lake.unit_state(&table, &identity).await?;
        if let Some(landed_as) = identity.key().landed_as(state) {
            return Ok(Some(Redriven::already(group, landed_as)));
        }
        let work = UnitWork {
            lake: Arc::clone(self.lake),
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
            limits: UnitLimits {
                memory_bytes: self.request.ingest.memory_bytes,
                max_quarantine: QuarantineLimit::Share(1.0),
            },
            temp_dir: temp_dir.clone(),
            spool: Some(spool),
            progress: Arc::clone(&self.progress),
            stop: self.stop.clone(),
        };
        let report = work.land().await?;
        Ok(Some(Redriven::landed(group, &report)))
    }

    /// Packets, which need the definition that they are read by now.
    async fn packets(&self, group: &RefusedGroup) -> Result<Option<Redriven>> {
        let request = &self.request.ingest;
        if request.packets.is_empty() {
            self.progress.notice(&format!(
                "{}: refused packets are tried again with --schema FILE, their definition",
                group.source
            ));
            return Ok(None);
        }
        let framing = framing_of(group)?;
        let request = IngestRequest {
            constants: framing.constants.clone(),
            max_quarantine: QuarantineLimit::Share(1.0),
            ..request.clone()
        };
        let mut packets =
            PacketsAgain::plan(self.lake, &request, &self.progress, self.stop).await?;
        if group.definition_hash == packets.definition_hash() {
            self.progress.notice(&format!(
                "{}: its packets were refused by the same definition; mend it first",
                group.source
            ));
            return Ok(None);
        }
        if !packets.has_landed(group.ingest_id).await? {
            self.progress.notice(&format!(
                "{} did not land yet; ingest it again first",
                group.source
            ));
            return Ok(None);
        }
        tracing::debug!(phase = "spool");
        let (file, spool) = Spool::write_packets(self.lake, group, &request.temp_dir).await?;
        let identity = identity(group, "", &file, &framing)?;
        let end = packets.land(file, identity, spool).await?;
        Ok(match (end.report, end.ingest_id) {
            (Some(report), _) => Some(Redriven::landed(group, &report)),
            (None, Some(landed_as)) => Some(Redriven::already(group, landed_as)),
            (None, None) => None,
        })
    }
}

impl Redriven {
    fn of(group: &RefusedGroup, redriven_as: i64) -> Redriven {
        Redriven {
            ingest_id: group.ingest_id,
            table_name: group.table_name.clone(),
            source: group.source.clone(),
            redriven_as,
            records: 0,
            without_raw: 0,
            rows_committed: 0,
            rows_duplicate: 0,
            rows_quarantined: 0,
            already: false,
        }
    }

    fn already(group: &RefusedGroup, landed_as: i64) -> Redriven {
        Redriven {
            already: true,
            ..Redriven::of(group, landed_as)
        }
    }

    fn landed(group: &RefusedGroup, report: &UnitReport) -> Redriven {
        Redriven {
            rows_committed: report.rows_committed,
            rows_duplicate: report.rows_duplicate,
            rows_quarantined: report.rows_quarantined,
            already: report.already,
            ..Redriven::of(group, report.ingest_id)
        }
    }
}

fn framing_of(group: &RefusedGroup) -> Result<StoredFraming> {
    serde_json::from_str(&group.format).map_err(|e| {
        Error::corrupt(format!(
            "landing {}: the framing {} is not understood: {e}",
            group.ingest_id, group.format
        ))
    })
}

fn identity(
    group: &RefusedGroup,
    target: &str,
    file: &SourceFile,
    framing: &StoredFraming,
) -> Result<UnitIdentity> {
    Ok(UnitIdentity {
        target: target.to_owned(),
        content_hash: *file.content_hash()?.as_bytes(),
        constants: framing.constants.clone(),
        name: Some(format!("redrive:{}", group.ingest_id)),
    })
}

/// The table and the definition of a group that can be tried again now.
async fn ready(
    lake: &Lake,
    group: &RefusedGroup,
    name: &str,
    progress: &Arc<dyn Progress>,
) -> Result<Option<(Arc<Table>, StoredDefinition)>> {
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
