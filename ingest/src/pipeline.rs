//! From a source unit to its commits: decode, conform, sort, land.
//!
//! One thread decodes, one conforms, sorts and encodes; two batches wait
//! between them. Whatever is refused on the way carries its place and its raw
//! bytes. Nothing is visible before the commit, and a unit that fails leaves
//! the lake as it was.

mod tables;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use downlake_lake::schema::{Definition, InputLayout, names};
use downlake_lake::table::append::{
    Destination, QuarantineLimit, UnitReport, UnitSpec, UnitWriter,
};
use downlake_lake::table::unit::{UnitIdentity, UnitState};
use downlake_lake::table::{Lake, StoredDefinition};
use downlake_lake::{Error, Result};
use tokio::runtime::Handle;

use self::tables::Tables;
use crate::decode::{Access, DecodeOptions, Decoded, Decoder, Format};
use crate::frames::has_markers;
use crate::packet::source::{FoundPackets, PacketInput, PacketPlan};
use crate::progress::Progress;
use crate::redrive::{Spool, SpooledPackets, StoredFraming};
use crate::source::SourceFile;
use crate::stop::Stop;

/// Batches that wait between decoding and sorting.
const BATCHES_WAITING: usize = 2;
/// The share of the memory that batches on their way may hold.
const BATCH_SHARE: usize = 8;
const BATCH_BYTES_MIN: usize = 256 << 10;
const BATCH_BYTES_MAX: usize = 8 << 20;

/// One unit on its way into its tables.
pub(crate) struct UnitWork {
    pub(crate) lake: Arc<Lake>,
    /// Where the rows of each stream go.
    pub(crate) streams: Vec<Target>,
    pub(crate) reading: Reading,
    pub(crate) file: SourceFile,
    pub(crate) identity: UnitIdentity,
    pub(crate) limits: UnitLimits,
    pub(crate) temp_dir: PathBuf,
    /// Where the records of a redrive come from.
    pub(crate) spool: Option<Spool>,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) stop: Stop,
}

/// The table of a stream.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) destination: Destination,
    /// What the landing is recorded under.
    pub(crate) definition: StoredDefinition,
}

/// How the bytes of a unit are read.
pub(crate) enum Reading {
    /// As rows of one stream.
    Rows {
        format: &'static Format,
        /// How the bytes are laid out, where the definition says it of other
        /// bytes.
        layout: Option<InputLayout>,
    },
    /// As packets of many streams.
    Packets {
        plan: Arc<PacketPlan>,
        /// What became of the unit before.
        state: UnitState,
    },
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
        let writer = self.begin().await?;
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

    /// Whether rows may go to several tables.
    fn is_group(&self) -> bool {
        matches!(self.reading, Reading::Packets { .. })
    }

    async fn begin(&self) -> Result<UnitWriter> {
        let spec = UnitSpec {
            identity: self.identity.clone(),
            source: self.file.name.clone(),
            bytes_in: self.file.size,
            max_quarantine: self.limits.max_quarantine,
            memory_bytes: self.limits.memory_bytes - self.limits.memory_bytes / BATCH_SHARE,
            operation: "INGEST",
        };
        match (&self.reading, self.streams.as_slice()) {
            (Reading::Packets { plan, state }, _) => {
                Ok(self.lake.begin_group(spec, *state, plan.hash().to_owned()))
            }
            (Reading::Rows { .. }, [only]) => {
                let definition = Some(only.definition.clone());
                let destination = only.destination.clone();
                self.lake.begin_unit(destination, definition, spec).await
            }
            (Reading::Rows { .. }, _) => Err(Error::internal("rows go to one table")),
        }
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
        let batch_bytes = share.clamp(BATCH_BYTES_MIN, BATCH_BYTES_MAX);
        match &self.reading {
            Reading::Rows { format, .. } => {
                let options = DecodeOptions {
                    source: self.file.name.clone(),
                    batch_bytes,
                    is_spool: self.spool.is_some(),
                    ..DecodeOptions::default()
                };
                let input = self.file.input(format.access, &self.temp_dir)?;
                (format.open)(input, &self.read_as(), &options)
            }
            Reading::Packets { plan, .. } => {
                let input = self.file.input(Access::Sequential, &self.temp_dir)?;
                let definitions = self.streams.iter().map(|s| &s.definition.definition);
                let reader = input.into_reader();
                let found = match self.spool {
                    Some(_) => FoundPackets::Spooled(SpooledPackets::new(reader)),
                    None => FoundPackets::In {
                        reader,
                        has_markers: has_markers(&self.file.head()?),
                    },
                };
                let input = PacketInput {
                    source: self.file.name.clone(),
                    batch_bytes,
                    found,
                };
                plan.open(input, definitions)
            }
        }
    }

    /// The definition by which the bytes are read.
    fn read_as(&self) -> Cow<'_, Definition> {
        let stored = &self.streams[0].definition.definition;
        match &self.reading {
            Reading::Rows {
                layout: Some(layout),
                ..
            } => Cow::Owned(Definition {
                input: layout.clone(),
                ..stored.clone()
            }),
            _ => Cow::Borrowed(stored),
        }
    }

    fn write(&self, writer: UnitWriter, batches: &Receiver<Decoded>) -> Result<UnitWriter> {
        let mut tables = Tables::new(self, writer);
        while let Ok(decoded) = batches.recv() {
            let written = self.stop.check();
            if let Err(error) = written.and_then(|()| tables.take(decoded)) {
                tables.into_writer().abort();
                return Err(error);
            }
            self.progress
                .advance(self.file.bytes_read(), tables.records());
        }
        Ok(tables.into_writer())
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
