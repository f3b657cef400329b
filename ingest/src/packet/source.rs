//! A source of packets as a decoder: many streams, what is missing, and what
//! belongs to none.
//!
//! Promises: every packet is a row of one stream, refused with a reason, or
//! skipped (idle, or of an APID that was not asked for); every byte that gave
//! no packet is told, and so is the end of a packet that its container does
//! not describe. Rows of a stream come in the order of their packets.

use std::collections::{BTreeSet, VecDeque};
use std::io::BufRead;
use std::sync::{Arc, Mutex};

use arrow::array::{
    ArrayRef, BooleanArray, Int16Array, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use downlake_lake::Result;
use downlake_lake::schema::settings::StreamSettings;
use downlake_lake::schema::{Column, ColumnType, Definition, InputLayout};

use super::decoder::StreamRows;
use super::feed::{Chunk, Entry, Feed, Hole};
use super::header::{IDLE_APID, PrimaryHeader};
use super::losses::Losses;
use super::schema::{self, Counts, PacketSchema, SchemaDecoder, Segments};
use super::segments::{Joiner, SegmentRule};
use super::stream::{RowSize, Stream};
use crate::decode::batch::unreadable;
use crate::decode::packets::{framing, open_feed, open_frames};
use crate::decode::{Decoded, Decoder, Framing, Missing, RawRecord, Records, Reject, reason};
use crate::redrive::SpooledPackets;

/// The columns of packets that came in frames.
const CHANNEL_COLUMNS: [(&str, ColumnType, &str); 3] = [
    (
        "scid",
        ColumnType::U16,
        "spacecraft identifier of the frame",
    ),
    ("vcid", ColumnType::U8, "virtual channel of the frame"),
    ("replay", ColumnType::Bool, "whether the frame was a replay"),
];

/// Definitions of packets and what was asked for, compiled.
pub struct PacketPlan {
    schemas: Vec<PacketSchema>,
    prefix: Option<String>,
    time: Option<String>,
    apids: Vec<u16>,
    /// The name of the link, where the command says it.
    format: Option<String>,
    is_framed: bool,
    streams: Vec<Definition>,
    notices: Vec<String>,
    /// The streams whose notices were told.
    told: Arc<Mutex<BTreeSet<usize>>>,
    hash: String,
}

/// What is asked of packets beside their definitions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Names tables `<prefix>_<container>`.
    pub prefix: Option<&'a str>,
    /// The time axis of the streams that have its columns.
    pub time: Option<&'a str>,
    /// The APIDs that are taken; all if empty.
    pub apids: &'a [u16],
    /// The format of the sources.
    pub format: Option<&'a str>,
    /// Whether the sources are frames, as their content says.
    pub is_framed: bool,
}

/// One source of packets.
pub(crate) struct PacketInput {
    /// What messages call it.
    pub(crate) source: String,
    /// About how many bytes a batch may have.
    pub(crate) batch_bytes: usize,
    /// Where its packets are found.
    pub(crate) found: FoundPackets,
}

/// Where packets are found.
pub(crate) enum FoundPackets {
    /// In bytes, that begin like frames or not.
    In {
        reader: Box<dyn BufRead + Send>,
        has_markers: bool,
    },
    /// One by one, by an earlier landing that refused them.
    Spooled(SpooledPackets<Box<dyn BufRead + Send>>),
}

impl PacketPlan {
    /// Compiles definitions.
    ///
    /// # Errors
    /// Those of [`schema::decoder`]; Invalid, if nothing says which APID a
    /// definition is for.
    pub fn new(schemas: &[PacketSchema], asked: Asked<'_>) -> Result<PacketPlan> {
        let decoder =
            schema::decoder(schemas, asked.prefix, asked.time)?.with_apids(asked.apids)?;
        let is_framed = decoder.link().is_some() || asked.is_framed;
        let streams = decoder.streams().enumerate().map(|(number, stream)| {
            let mut definition = stream.definition.clone();
            if is_framed {
                let options = decoder.options(number);
                let said = options.and_then(|options| options.of(&stream.container));
                add_channels(&mut definition, said.map(|said| &said.settings));
            }
            definition
        });
        Ok(PacketPlan {
            streams: streams.collect(),
            notices: decoder.notices().to_vec(),
            told: Arc::default(),
            hash: hash_of(schemas, asked.time),
            schemas: schemas.to_vec(),
            prefix: asked.prefix.map(str::to_owned),
            time: asked.time.map(str::to_owned),
            apids: asked.apids.to_vec(),
            format: asked.format.map(str::to_owned),
            is_framed,
        })
    }

    /// The definition of each stream, by its number.
    pub fn streams(&self) -> &[Definition] {
        &self.streams
    }

    /// What a person should know.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The BLAKE3 hash of all that decides how packets are read.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Starts to decode a source into the columns of the definitions in force.
    ///
    /// # Errors
    /// Invalid, if the source is not one of packets or frames.
    pub(crate) fn open<'a>(
        &self,
        input: PacketInput,
        definitions: impl Iterator<Item = &'a Definition>,
    ) -> Result<Box<dyn Decoder>> {
        let decoder = schema::decoder(&self.schemas, self.prefix.as_deref(), self.time.as_deref())?
            .with_apids(&self.apids)?;
        // What is missing beside them was told by the earlier landing.
        let is_spooled = matches!(input.found, FoundPackets::Spooled(_));
        let (feed, notices) = self.feed(input.found, &decoder, &input.source)?;
        let layouts = decoder
            .streams()
            .zip(definitions)
            .map(|(stream, definition)| Layout::new(stream, definition));
        let layouts: Vec<Layout> = layouts.collect();
        let row_sizes = decoder.streams().map(|stream| stream.row_size);
        let mut first = nothing();
        first.notices = notices;
        Ok(Box::new(PacketSource {
            chunk: Chunk::with_target(input.batch_bytes),
            batch_bytes: input.batch_bytes,
            row_size: row_sizes.reduce(RowSize::max).unwrap_or_default(),
            parts: VecDeque::new(),
            apids: self.apids.clone(),
            losses: Some(match is_spooled {
                true => Losses::untold(),
                false => Losses::default(),
            }),
            joiner: joiner(decoder.segments()),
            tails: vec![(0, 0); layouts.len()],
            routes: Routes::default(),
            told: Arc::clone(&self.told),
            layouts,
            feed,
            decoder,
            source: input.source,
            ready: VecDeque::from([first]),
        }))
    }

    fn feed(
        &self,
        found: FoundPackets,
        decoder: &SchemaDecoder,
        source: &str,
    ) -> Result<(Box<dyn Feed>, Vec<String>)> {
        let (reader, has_markers) = match found {
            FoundPackets::Spooled(feed) => return Ok((Box::new(feed), Vec::new())),
            FoundPackets::In {
                reader,
                has_markers,
            } => (reader, has_markers),
        };
        if let Some(link) = decoder.link() {
            return Ok((open_feed(reader, Some(link))?, Vec::new()));
        }
        let is_packets = self.format.as_deref() == Some(framing().format);
        if is_packets || !(has_markers || self.is_framed) {
            return Ok((open_feed(reader, None)?, Vec::new()));
        }
        let layout = InputLayout {
            format: self.format.clone(),
            ..InputLayout::default()
        };
        open_frames(reader, &layout, source)
    }
}

/// Segments of every APID are joined, or of none.
fn joiner(segments: Segments) -> Option<Joiner> {
    let Segments::Join { header_bytes } = segments else {
        return None;
    };
    let rule = SegmentRule {
        secondary_header_bytes: header_bytes,
    };
    Some(Joiner::new((0..IDLE_APID).map(|apid| (apid, rule))))
}

fn hash_of(schemas: &[PacketSchema], time: Option<&str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for schema in schemas {
        hasher.update(schema.text.as_bytes());
        hasher.update(&[0]);
    }
    hasher.update(time.unwrap_or_default().as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// The columns of frames. What spacecraft a packet is of is part of its key,
/// unless another is said; by which way it came is no part of what it is.
fn add_channels(definition: &mut Definition, said: Option<&StreamSettings>) {
    let is_implied = said.is_none_or(|said| said.dedup_by.is_none());
    for (name, kind, description) in CHANNEL_COLUMNS {
        if definition.column(name).is_some() {
            continue;
        }
        let mut column = Column::new(name, name, kind);
        column.description = Some(description.to_owned());
        definition.columns.push(column);
        if definition.dedup_by.is_empty() {
            continue;
        }
        match name {
            "scid" if is_implied => definition.dedup_by.push(name.to_owned()),
            "scid" => {}
            _ => definition.dedup_ignore.push(name.to_owned()),
        }
    }
}

/// Where the columns of a stream's table come from.
struct Layout {
    name: String,
    schema: SchemaRef,
    columns: Vec<From>,
}

enum From {
    /// The column of that number of the decoder's batch.
    Decoded(usize),
    Spacecraft,
    VirtualChannel,
    Replay,
    /// A column of an earlier definition.
    Nothing,
}

impl Layout {
    fn new(stream: &Stream, definition: &Definition) -> Layout {
        let decoded = &stream.definition.columns;
        let from = |column: &Column| {
            let place = decoded.iter().position(|c| c.name == column.name);
            match (place, column.name.as_str()) {
                (Some(place), _) => From::Decoded(place),
                (None, "scid") => From::Spacecraft,
                (None, "vcid") => From::VirtualChannel,
                (None, "replay") => From::Replay,
                (None, _) => From::Nothing,
            }
        };
        let fields = definition.columns.iter().map(Column::decoded_field);
        Layout {
            name: definition.stream.clone(),
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            columns: definition.columns.iter().map(from).collect(),
        }
    }

    fn batch(&self, rows: &StreamRows, entries: &[Entry]) -> Result<RecordBatch> {
        let channels = || rows.kept.iter().map(|at| entries[*at as usize].channel);
        let columns = self.columns.iter().zip(self.schema.fields());
        let columns = columns.map(|(from, field)| -> ArrayRef {
            match from {
                From::Decoded(place) => Arc::clone(rows.batch.column(*place)),
                From::Spacecraft => {
                    let ids = channels().map(|c| Some(i32::from(c?.spacecraft)));
                    Arc::new(ids.collect::<arrow::array::Int32Array>())
                }
                From::VirtualChannel => {
                    let ids = channels().map(|c| Some(i16::from(c?.virtual_channel)));
                    Arc::new(ids.collect::<Int16Array>())
                }
                From::Replay => {
                    let flags = rows.kept.iter().map(|at| {
                        let entry = &entries[*at as usize];
                        entry.channel.map(|_| entry.replay)
                    });
                    Arc::new(flags.collect::<BooleanArray>())
                }
                From::Nothing => new_null_array(field.data_type(), rows.kept.len()),
            }
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows.kept.len()));
        let columns = columns.collect();
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &options,
        )?)
    }
}

/// The decoder of one source.
struct PacketSource {
    feed: Box<dyn Feed>,
    decoder: SchemaDecoder,
    layouts: Vec<Layout>,
    apids: Vec<u16>,
    joiner: Option<Joiner>,
    /// None, once all was told.
    losses: Option<Losses>,
    routes: Routes,
    told: Arc<Mutex<BTreeSet<usize>>>,
    chunk: Chunk,
    batch_bytes: usize,
    /// What a row takes, which may be much more than its packet.
    row_size: RowSize,
    /// Packets of the chunk that wait.
    parts: VecDeque<Chunk>,
    /// For each stream: packets that go on beyond their container, and bytes.
    tails: Vec<(u64, u64)>,
    source: String,
    ready: VecDeque<Decoded>,
}

impl Decoder for PacketSource {
    fn next(&mut self) -> Result<Option<Decoded>> {
        while self.ready.is_empty() {
            match self.parts.pop_front() {
                Some(part) => self.decode(part, nothing())?,
                None if self.losses.is_some() => self.advance()?,
                None => break,
            }
        }
        Ok(self.ready.pop_front())
    }

    fn framing(&self) -> Framing {
        framing()
    }
}

impl PacketSource {
    /// Decodes the next chunk, or says what the end of the source shows.
    fn advance(&mut self) -> Result<()> {
        self.chunk.clear();
        self.feed
            .fill(&mut self.chunk)
            .map_err(|error| unreadable(&self.source, error))?;
        let is_end = self.chunk.is_empty();
        let skipped = self.leave_other_apids();
        let Some(losses) = &mut self.losses else {
            return Ok(());
        };
        let missing = losses.note(&mut self.chunk);
        if let Some(joiner) = &mut self.joiner {
            match is_end {
                true => joiner.finish(&mut self.chunk),
                false => joiner.join(&mut self.chunk),
            }
        }
        let mut rest = nothing();
        rest.skipped = skipped;
        rest.missing = missing;
        rest.rejects.extend(self.chunk.holes.drain(..).map(hole));
        self.parts = self.split();
        let first = self.parts.pop_front().unwrap_or_default();
        self.decode(first, rest)?;
        if is_end {
            self.close();
        }
        Ok(())
    }

    /// Packets of APIDs that were not asked for.
    fn leave_other_apids(&mut self) -> u64 {
        if self.apids.is_empty() {
            return 0;
        }
        let before = self.chunk.packets.len();
        let (bytes, apids) = (&self.chunk.bytes, &self.apids);
        self.chunk.packets.retain(|entry| {
            PrimaryHeader::read(&bytes[entry.start..])
                .is_some_and(|header| apids.contains(&header.apid))
        });
        (before - self.chunk.packets.len()) as u64
    }

    /// The packets of the chunk, as many together as may be decoded at once.
    fn split(&mut self) -> VecDeque<Chunk> {
        let target = self.chunk.target();
        let longest = self.chunk.packets.iter().map(|entry| entry.length).max();
        let row_bytes = self.row_size.with_packets_of(longest.unwrap_or_default());
        let rows_at_once = (self.batch_bytes / row_bytes.max(1)).max(1);
        if self.chunk.packets.len() <= rows_at_once {
            let whole = std::mem::replace(&mut self.chunk, Chunk::with_target(target));
            return VecDeque::from([whole]);
        }
        let parts = self.chunk.packets.chunks(rows_at_once);
        let mut parts: VecDeque<Chunk> = parts.map(|some| self.chunk.part(some)).collect();
        if let Some(first) = parts.front_mut() {
            first.take_refused(&mut self.chunk);
        }
        parts
    }

    fn decode(&mut self, mut chunk: Chunk, mut rest: Decoded) -> Result<()> {
        let mut decoded = self.decoder.decode_chunk(&mut chunk)?;
        let bytes = Bytes::from(std::mem::take(&mut chunk.bytes));
        let entries: Arc<[Entry]> = Arc::from(chunk.packets.as_slice());
        rest.skipped += decoded.idle;
        for (entry, refusal) in chunk.refused.drain(..) {
            rest.rejects.push(Reject {
                record: record(&bytes, &entry),
                reason: refusal.reason,
                detail: refusal.detail,
            });
        }
        for (at, refusal) in decoded.unclaimed {
            rest.rejects.push(Reject {
                record: record(&bytes, &entries[at]),
                reason: refusal.reason,
                detail: refusal.detail,
            });
        }
        for rows in &decoded.rows {
            self.tell_tails(rows, &entries, &bytes, &mut rest);
            self.routes.note(rows, &entries, &bytes);
            rest.notices.extend(self.notices_of(rows.stream));
        }
        // Times are asked for before the rows that have them.
        self.ready.push_back(rest);
        for rows in decoded.rows.drain(..) {
            let rejects = rows.refused.iter().map(|(at, refusal)| Reject {
                record: record(&bytes, &entries[*at as usize]),
                reason: refusal.reason,
                detail: refusal.detail.clone(),
            });
            self.ready.push_back(Decoded {
                stream: Some(rows.stream),
                batch: self.layouts[rows.stream].batch(&rows, &entries)?,
                rejects: rejects.collect(),
                origins: Box::new(PacketRecords {
                    bytes: bytes.clone(),
                    entries: Arc::clone(&entries),
                    kept: rows.kept,
                }),
                skipped: 0,
                notices: Vec::new(),
                missing: Missing::default(),
            });
        }
        Ok(())
    }

    /// The ends of packets that are longer than their containers.
    fn tell_tails(
        &mut self,
        rows: &StreamRows,
        entries: &[Entry],
        bytes: &Bytes,
        rest: &mut Decoded,
    ) {
        let layout = &self.layouts[rows.stream];
        for (at, bits) in &rows.undecoded {
            let entry = &entries[*at as usize];
            let tail = (*bits / 8) as usize;
            let (packets, all) = &mut self.tails[rows.stream];
            *packets += 1;
            *all += tail as u64;
            rest.missing.bytes += tail as u64;
            let end = entry.start + entry.length;
            let is_in_file = entry.channel.is_none() && !entry.is_joined;
            let inside = (entry.length - tail) as u64;
            rest.rejects.push(Reject {
                record: RawRecord {
                    byte_offset: Some(entry.offset + if is_in_file { inside } else { 0 }),
                    line: None,
                    packet_index: None,
                    raw: bytes.slice(end - tail..end),
                },
                reason: reason::UNDECODED_TAIL,
                detail: format!(
                    "packet {} has {} bytes, of which its container describes {inside}: they are a row of \"{}\", these {tail} are not",
                    entry.index, entry.length, layout.name
                ),
            });
        }
    }

    /// What a person should know of a stream that has rows, once a command.
    fn notices_of(&self, stream: usize) -> Vec<String> {
        let mut told = self.told.lock().expect("no panic holds the lock");
        match told.insert(stream) {
            true => {
                let stream = self.decoder.streams().nth(stream);
                stream.map_or_else(Vec::new, |stream| stream.notices.clone())
            }
            false => Vec::new(),
        }
    }

    /// What shows once all packets were seen.
    fn close(&mut self) {
        let Some(losses) = self.losses.take() else {
            return;
        };
        let mut rest = nothing();
        let (gaps, notices) = losses.finish(|apid| self.routes.of(apid));
        let is_counted = |stream: Option<usize>| {
            let options = stream.and_then(|stream| self.decoder.options(stream));
            options.is_none_or(|options| options.counts == Counts::Sequence)
        };
        let counted = gaps.into_iter().filter(|gap| is_counted(gap.stream));
        rest.missing.gaps.extend(counted);
        rest.notices = notices;
        for (layout, (packets, bytes)) in self.layouts.iter().zip(&self.tails) {
            if *packets > 0 {
                rest.notices.push(format!(
                    "{}: {packets} packets of \"{}\" go on beyond what the definition describes; {bytes} bytes of them are no values, see _quarantine ({})",
                    self.source,
                    layout.name,
                    reason::UNDECODED_TAIL
                ));
            }
        }
        self.ready.push_back(rest);
    }
}

/// Which stream the packets of an APID go to.
struct Routes(Vec<Route>);

#[derive(Clone, Copy)]
enum Route {
    Unseen,
    One(usize),
    Several,
}

impl Default for Routes {
    fn default() -> Routes {
        Routes(vec![Route::Unseen; 1 << 11])
    }
}

impl Routes {
    fn note(&mut self, rows: &StreamRows, entries: &[Entry], bytes: &Bytes) {
        for at in &rows.kept {
            let start = entries[*at as usize].start;
            let apid = u16::from_be_bytes([bytes[start] & 0x07, bytes[start + 1]]);
            let route = &mut self.0[usize::from(apid)];
            *route = match *route {
                Route::Unseen => Route::One(rows.stream),
                Route::One(stream) if stream == rows.stream => Route::One(stream),
                Route::One(_) | Route::Several => Route::Several,
            };
        }
    }

    fn of(&self, apid: u16) -> Option<usize> {
        match self.0.get(usize::from(apid)) {
            Some(Route::One(stream)) => Some(*stream),
            _ => None,
        }
    }
}

/// The packets behind the rows of a batch.
struct PacketRecords {
    bytes: Bytes,
    entries: Arc<[Entry]>,
    kept: Vec<u32>,
}

impl Records for PacketRecords {
    fn record(&self, row: usize) -> RawRecord {
        record(&self.bytes, &self.entries[self.kept[row] as usize])
    }
}

fn record(bytes: &Bytes, entry: &Entry) -> RawRecord {
    RawRecord {
        byte_offset: Some(entry.offset),
        line: None,
        packet_index: Some(entry.index),
        raw: bytes.slice(entry.start..entry.start + entry.length),
    }
}

/// Bytes that gave no packet, as a refused record.
pub(crate) fn hole(hole: Hole) -> Reject {
    Reject {
        record: RawRecord {
            byte_offset: Some(hole.offset),
            line: None,
            packet_index: None,
            raw: Bytes::from(hole.head),
        },
        reason: hole.reason,
        detail: hole.detail,
    }
}

/// What belongs to no stream: no rows.
pub(crate) fn nothing() -> Decoded {
    struct NoRows;
    impl Records for NoRows {
        fn record(&self, _row: usize) -> RawRecord {
            RawRecord::default()
        }
    }
    Decoded {
        stream: None,
        batch: RecordBatch::new_empty(Arc::new(Schema::empty())),
        origins: Box::new(NoRows),
        rejects: Vec::new(),
        skipped: 0,
        notices: Vec::new(),
        missing: Missing::default(),
    }
}
