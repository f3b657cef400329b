//! From a source unit to a commit: decode, conform, sort, land.
//!
//! One thread decodes, one conforms, sorts and encodes; two batches wait
//! between them. Whatever is refused on the way carries its place and its raw
//! bytes. Nothing is visible before the commit, and a unit that fails leaves
//! the lake as it was.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use downlake_lake::schema::{Definition, InputLayout, names};
use downlake_lake::table::append::{
    Destination, QuarantineLimit, UnitReport, UnitSpec, UnitWriter,
};
use downlake_lake::table::conform::{Conform, ReceivedAt, UnitColumns};
use downlake_lake::table::quarantine::Refusal;
use downlake_lake::table::unit::UnitIdentity;
use downlake_lake::table::{Lake, StoredDefinition};
use downlake_lake::{Error, Result};
use tokio::runtime::Handle;

use crate::decode::{DecodeOptions, Decoded, Decoder, Format, RawRecord, Reject};
use crate::progress::Progress;
use crate::redrive::{Spool, StoredFraming};
use crate::source::SourceFile;
use crate::stop::Stop;

/// Batches that wait between decoding and sorting.
const BATCHES_WAITING: usize = 2;
/// The share of the memory that batches on their way may hold.
const BATCH_SHARE: usize = 8;
const BATCH_BYTES_MIN: usize = 256 << 10;
const BATCH_BYTES_MAX: usize = 8 << 20;

/// One unit on its way into one table.
pub(crate) struct UnitWork {
    pub(crate) lake: Arc<Lake>,
    pub(crate) destination: Destination,
    /// What the landing is recorded under.
    pub(crate) definition: StoredDefinition,
    /// How the bytes are laid out, where the definition says it of other bytes.
    pub(crate) layout: Option<InputLayout>,
    pub(crate) format: &'static Format,
    pub(crate) file: SourceFile,
    pub(crate) identity: UnitIdentity,
    pub(crate) limits: UnitLimits,
    pub(crate) temp_dir: PathBuf,
    /// Where the records of a redrive come from.
    pub(crate) spool: Option<Spool>,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) stop: Stop,
}

/// What a unit may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnitLimits {
    /// Memory for decoding, sorting and encoding, bytes.
    pub memory_bytes: usize,
    /// How much of a unit may be refused.
    pub max_quarantine: QuarantineLimit,
}

impl UnitWork {
    /// Lands the unit. Blocks; the runtime is used for the store only.
    pub(crate) async fn land(self) -> Result<UnitReport> {
        let spec = UnitSpec {
            identity: self.identity.clone(),
            source: self.file.name.clone(),
            bytes_in: self.file.size,
            max_quarantine: self.limits.max_quarantine,
            memory_bytes: self.limits.memory_bytes - self.limits.memory_bytes / BATCH_SHARE,
            operation: "INGEST",
        };
        let definition = Some(self.definition.clone());
        let writer = self
            .lake
            .begin_unit(self.destination.clone(), definition, spec)
            .await?;
        let runtime = Handle::current();
        let (progress, source) = (Arc::clone(&self.progress), self.file.name.clone());
        let done = tokio::task::spawn_blocking(move || self.run(writer, &runtime)).await;
        let report: UnitReport =
            done.map_err(|e| Error::internal(format!("the ingest of a unit stopped: {e}")))??;
        if report.key_conflicts > 0 {
            progress.notice(&format!(
                "{source}: rows with the key of another row and other values: {}; both are kept, {} is true in the later one",
                report.key_conflicts,
                names::KEY_CONFLICT
            ));
        }
        Ok(report)
    }

    fn run(self, mut writer: UnitWriter, runtime: &Handle) -> Result<UnitReport> {
        tracing::debug!(phase = "decode");
        let decoder = match self.open() {
            Ok(decoder) => decoder,
            Err(error) => {
                writer.abort();
                return Err(error);
            }
        };
        writer
            .set_format(StoredFraming::new(decoder.framing(), &self.identity.constants).to_json()?);
        if let Some(spool) = &self.spool {
            writer.set_refused_source(spool.source.clone());
        }
        let (sender, receiver) = sync_channel(BATCHES_WAITING);
        let decoded = std::thread::scope(|threads| {
            let decoding = threads.spawn(move || decode(decoder, &sender));
            let written = self.write(writer, &receiver);
            // A decoder that is ahead of a writer that failed must not wait for it.
            drop(receiver);
            let decoding = decoding.join().unwrap_or_else(|_| {
                Err(Error::internal(format!(
                    "decoding {} panicked",
                    self.file.name
                )))
            });
            (written, decoding)
        });
        let writer = match decoded {
            (Ok(writer), Ok(())) => writer,
            (Ok(writer), Err(error)) => {
                writer.abort();
                return Err(error);
            }
            (Err(error), _) => return Err(error),
        };
        if let Err(error) = self.check_whole(&writer) {
            writer.abort();
            return Err(error);
        }
        writer.commit(runtime)
    }

    /// What was read is what was hashed, and as many records as were spooled.
    fn check_whole(&self, writer: &UnitWriter) -> Result<()> {
        self.file.verify_unchanged()?;
        match &self.spool {
            Some(spool) => spool.check_records(writer.records()),
            None => Ok(()),
        }
    }

    fn open(&self) -> Result<Box<dyn Decoder>> {
        let share = self.limits.memory_bytes / BATCH_SHARE / (BATCHES_WAITING + 2);
        let options = DecodeOptions {
            source: self.file.name.clone(),
            batch_bytes: share.clamp(BATCH_BYTES_MIN, BATCH_BYTES_MAX),
            is_spool: self.spool.is_some(),
            ..DecodeOptions::default()
        };
        let input = self.file.input(self.format.access, &self.temp_dir)?;
        (self.format.open)(input, &self.read_as(), &options)
    }

    /// The definition by which the bytes are read.
    fn read_as(&self) -> Cow<'_, Definition> {
        let stored = &self.definition.definition;
        match &self.layout {
            None => Cow::Borrowed(stored),
            Some(layout) => Cow::Owned(Definition {
                input: layout.clone(),
                ..stored.clone()
            }),
        }
    }

    fn write(&self, mut writer: UnitWriter, batches: &Receiver<Decoded>) -> Result<UnitWriter> {
        let conform = Conform::new(
            &self.definition.definition,
            &UnitColumns {
                constants: self.identity.constants.clone(),
                ingest_id: writer.ingest_id(),
                ingested_at_micros: writer.started_at_micros(),
                received_at: ReceivedAt::Data,
            },
        )?;
        while let Ok(decoded) = batches.recv() {
            let written = self.stop.check();
            let written = written.and_then(|()| self.write_batch(&mut writer, &conform, decoded));
            if let Err(error) = written {
                writer.abort();
                return Err(error);
            }
            self.progress
                .advance(self.file.bytes_read(), writer.records());
        }
        Ok(writer)
    }

    fn write_batch(
        &self,
        writer: &mut UnitWriter,
        conform: &Conform,
        decoded: Decoded,
    ) -> Result<()> {
        let Decoded {
            batch,
            origins,
            rejects,
            skipped,
            notices,
        } = decoded;
        writer.skip(skipped);
        for notice in &notices {
            self.progress.notice(notice);
        }
        for reject in rejects {
            writer.refuse(&self.refusal(reject)?)?;
        }
        let conformed = conform.apply(&batch)?;
        for refused in conformed.refused {
            let record = origins.record(refused.row);
            writer.refuse(&self.refusal(Reject {
                record,
                reason: refused.reason,
                detail: refused.detail,
            })?)?;
        }
        // The raw records weigh as much as the rows, and writing takes long.
        drop(origins);
        drop(batch);
        if conformed.batch.num_rows() > 0 {
            writer.write(&conformed.batch)?;
        }
        Ok(())
    }

    fn refusal(&self, reject: Reject) -> Result<Refusal> {
        let RawRecord {
            byte_offset,
            line,
            packet_index,
            raw,
        } = match &self.spool {
            Some(spool) => spool.placed(reject.record)?,
            None => reject.record,
        };
        Ok(Refusal {
            byte_offset,
            line,
            packet_index,
            reason: reject.reason,
            detail: reject.detail,
            raw,
        })
    }
}

fn decode(mut decoder: Box<dyn Decoder>, out: &SyncSender<Decoded>) -> Result<()> {
    while let Some(decoded) = decoder.next()? {
        // The writer has failed and says why itself.
        if out.send(decoded).is_err() {
            break;
        }
    }
    Ok(())
}

/// The table's name that a source's path suggests: its stem, folded.
pub(crate) fn stem(url: &str) -> Option<String> {
    let name = Path::new(url).file_name()?.to_str()?;
    let stem = name.split('.').next().filter(|s| !s.is_empty())?;
    Some(stem.to_owned())
}

/// Constant columns of a unit: from its path, and those set by hand, which win.
pub(crate) fn constants(
    from_path: Option<BTreeMap<String, String>>,
    set: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut constants = from_path.unwrap_or_default();
    constants.extend(set.iter().map(|(k, v)| (k.clone(), v.clone())));
    constants
}
