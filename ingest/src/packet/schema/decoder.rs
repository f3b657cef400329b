//! Several definitions side by side: their streams, and the packets that each
//! of them claims.
//!
//! Promises: tables have names of their own; a packet is a row of one
//! definition at most, and refused where two describe it; error control that a
//! definition asks for is proven before a packet of it becomes a row. Refuses
//! a time axis that no stream has the columns of.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use downlake_lake::schema::TimeAxis;
use downlake_lake::schema::axis_expr::parse_axis;
use downlake_lake::schema::names::{self, PACKET_INDEX, TIME};
use downlake_lake::schema::settings::StreamSettings;
use downlake_lake::{Error, ErrorKind, Result};

use super::{ContainerSettings, Counts, ErrorControl, PacketOptions, PacketSchema, Segments};
use crate::decode::reason;
use crate::frames::Link;
use crate::packet::check::Index;
use crate::packet::decoder::{DecodedChunk, PacketDecoder, StreamRows};
use crate::packet::error_control;
use crate::packet::feed::{Chunk, Entry};
use crate::packet::locate::Refusal;
use crate::packet::model::{Condition, Operator, PacketDefinition};
use crate::packet::plan::{Plan, Spot};
use crate::packet::stream::Stream;

/// Bytes of error control at the end of a packet.
const ERROR_CONTROL_BYTES: usize = 2;

/// Definitions, ready to decode packets.
#[derive(Debug)]
pub struct SchemaDecoder {
    parts: Vec<Part>,
    notices: Vec<String>,
}

/// One definition.
#[derive(Debug)]
struct Part {
    decoder: PacketDecoder,
    options: PacketOptions,
    /// What to say where it is not said which APID the definition is for.
    unsaid: Option<String>,
    /// The number of its first stream among all.
    first: usize,
}

/// Compiles definitions that packets are decoded by side by side. Tables are
/// named `<prefix>_<container>`; `time` is an axis as the command line says
/// it, for every stream that has its columns.
///
/// # Errors
/// Invalid, if a definition cannot be decoded by, if two make one table, or if
/// they say different things about the source; NotFound, if no stream has the
/// columns of the axis.
pub fn decoder(
    schemas: &[PacketSchema],
    prefix: Option<&str>,
    time: Option<&str>,
) -> Result<SchemaDecoder> {
    check_together(schemas)?;
    let mut parts: Vec<Part> = Vec::new();
    for schema in schemas {
        let decoder = PacketDecoder::new(&schema.definition, prefix)?;
        let first = parts.last().map_or(0, Part::end);
        parts.push(Part {
            decoder: decoder.with_longer_packets(schema.options.longer),
            options: schema.options.clone(),
            unsaid: unsaid_apid(&schema.definition),
            first,
        });
    }
    let said = schemas.iter().map(|schema| &schema.options.notices);
    let mut notices: Vec<String> = said.flatten().cloned().collect();
    let asked = match time {
        Some(text) => asked_axes(&parts, text, &mut notices)?,
        None => HashMap::new(),
    };
    for (part, schema) in parts.iter_mut().zip(schemas) {
        let axes = Axes::of(schema, &asked, part)?;
        let singles = containers_of_one_apid(&schema.definition)?;
        for (at, stream) in part.decoder.streams_mut().iter_mut().enumerate() {
            let own = schema.options.of(&stream.container);
            let several_apids = !singles.contains(&*stream.container);
            let implied = Implied {
                several_apids,
                counts: schema.options.counts,
            };
            let settings = settings(own, axes.of_stream(at), &implied);
            stream.notices = settle(stream, own, &settings, prefix)?;
        }
    }
    check_tables(&parts)?;
    Ok(SchemaDecoder { parts, notices })
}

impl SchemaDecoder {
    /// The streams that packets can go to, by number.
    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.parts.iter().flat_map(|part| part.decoder.streams())
    }

    /// The options of the definition that a stream is of.
    pub fn options(&self, stream: usize) -> Option<&PacketOptions> {
        let part = self.parts.iter().find(|part| stream < part.end());
        part.map(|part| &part.options)
    }

    /// Takes the one APID that is asked for where the definition is for one and
    /// does not say which.
    ///
    /// # Errors
    /// Invalid, if none or several are asked for.
    pub(crate) fn with_apids(mut self, asked: &[u16]) -> Result<SchemaDecoder> {
        let asked: BTreeSet<u16> = asked.iter().copied().collect();
        for part in self.parts.iter_mut().filter(|part| part.unsaid.is_some()) {
            match (asked.len(), asked.first(), part.unsaid.take()) {
                (1, Some(apid), _) => part.decoder.bind(*apid),
                (.., Some(advice)) => return Err(Error::invalid(advice)),
                (.., None) => {}
            }
        }
        Ok(self)
    }

    /// The link that the packets come over, if a definition says it.
    pub fn link(&self) -> Option<&Link> {
        self.parts
            .iter()
            .find_map(|part| part.options.link.as_ref())
    }

    /// What becomes of segments.
    pub fn segments(&self) -> Segments {
        self.parts
            .first()
            .map_or(Segments::Keep, |part| part.options.segments)
    }

    /// What a person should know of all streams; each has notices of its own.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Decodes the packets of a chunk, which is the same afterwards.
    ///
    /// # Errors
    /// Limit, if the chunk has more bytes than a batch may have; refused
    /// packets are no error.
    pub fn decode_chunk(&mut self, chunk: &mut Chunk) -> Result<DecodedChunk> {
        let mut all = Vec::new();
        for part in &mut self.parts {
            all.push(part.decode_chunk(chunk)?);
        }
        match all.len() {
            1 => Ok(all.pop().unwrap_or_default()),
            _ => joined(all, chunk.packets.len()),
        }
    }
}

impl Part {
    fn end(&self) -> usize {
        self.first + self.decoder.streams().len()
    }

    fn decode_chunk(&mut self, chunk: &mut Chunk) -> Result<DecodedChunk> {
        let mut decoded = match self.options.error_control {
            ErrorControl::Unsaid => self.decoder.decode_chunk(chunk)?,
            ErrorControl::Crc16 => self.decode_controlled(chunk)?,
        };
        for rows in &mut decoded.rows {
            rows.stream += self.first;
        }
        Ok(decoded)
    }

    /// What follows the error control is not there for the container; packets
    /// that it shows to be broken are refused if they are of this definition.
    fn decode_controlled(&mut self, chunk: &mut Chunk) -> Result<DecodedChunk> {
        let intact: Vec<bool> = chunk
            .packets
            .iter()
            .map(|entry| error_control::is_intact(chunk.packet(entry).bytes))
            .collect();
        let whole = chunk.packets.clone();
        for (entry, _) in chunk.packets.iter_mut().zip(&intact).filter(|(_, ok)| **ok) {
            without_error_control(entry);
        }
        let decoded = self.decoder.decode_chunk(chunk);
        chunk.packets = whole;
        let mut decoded = decoded?;
        for rows in &mut decoded.rows {
            refuse(rows, |at| {
                (!intact[at as usize]).then(|| {
                    Refusal::new(
                        reason::ERROR_CONTROL,
                        "the last two bytes are not the CRC-16 of those before them",
                    )
                })
            })?;
        }
        Ok(decoded)
    }
}

/// Its length is then not that of its header, as with joined packets.
fn without_error_control(entry: &mut Entry) {
    entry.length -= ERROR_CONTROL_BYTES;
    entry.is_joined = true;
}

/// The rows of all definitions, without those of packets that two claim.
fn joined(all: Vec<DecodedChunk>, packets: usize) -> Result<DecodedChunk> {
    let mut claims = vec![0u32; packets];
    let mut unclaimed: BTreeMap<usize, Refusal> = BTreeMap::new();
    let mut together = DecodedChunk::default();
    for decoded in all {
        together.idle = decoded.idle;
        for rows in &decoded.rows {
            let refused = rows.refused.iter().map(|(at, _)| at);
            for at in rows.kept.iter().chain(refused) {
                claims[*at as usize] += 1;
            }
        }
        together.rows.extend(decoded.rows);
        for (at, refusal) in decoded.unclaimed {
            let known = unclaimed.entry(at).or_insert_with(|| refusal.clone());
            // One that says more than that it knows nothing of the packet.
            if known.reason == reason::NO_DEFINITION {
                *known = refusal;
            }
        }
    }
    // Where one definition cannot decide, another must not decide for it.
    for (at, refusal) in &unclaimed {
        if refusal.reason == reason::AMBIGUOUS && claims[*at] > 0 {
            claims[*at] += 1;
        }
    }
    for rows in &mut together.rows {
        refuse(rows, |at| (claims[at as usize] > 1).then(ambiguous))?;
        rows.refused.retain(|(at, _)| claims[*at as usize] <= 1);
    }
    for (at, claims) in claims.iter().enumerate() {
        match claims {
            0 => {}
            1 => drop(unclaimed.remove(&at)),
            _ => drop(unclaimed.insert(at, ambiguous())),
        }
    }
    together
        .rows
        .retain(|rows| !rows.kept.is_empty() || !rows.refused.is_empty());
    together.unclaimed = unclaimed.into_iter().collect();
    Ok(together)
}

fn ambiguous() -> Refusal {
    Refusal::new(
        reason::AMBIGUOUS,
        "several of the definitions given describe this packet",
    )
}

/// Takes rows back, by the number of their packet.
fn refuse(rows: &mut StreamRows, mut why: impl FnMut(u32) -> Option<Refusal>) -> Result<()> {
    let found: Vec<Option<Refusal>> = rows.kept.iter().map(|at| why(*at)).collect();
    if found.iter().all(Option::is_none) {
        return Ok(());
    }
    let stays: BooleanArray = found
        .iter()
        .map(|refusal| Some(refusal.is_none()))
        .collect();
    rows.batch = filter_record_batch(&rows.batch, &stays)?;
    let mut kept = Vec::new();
    for (at, refusal) in rows.kept.iter().zip(found) {
        match refusal {
            None => kept.push(*at),
            Some(refusal) => rows.refused.push((*at, refusal)),
        }
    }
    rows.kept = kept;
    rows.refused.sort_by_key(|(at, _)| *at);
    let is_kept = |at: &u32| rows.kept.binary_search(at).is_ok();
    rows.undecoded.retain(|(at, _)| is_kept(at));
    Ok(())
}

/// What one source can be only one way.
fn check_together(schemas: &[PacketSchema]) -> Result<()> {
    let Some((first, others)) = schemas.split_first() else {
        return Err(Error::invalid("no packet definition is given"));
    };
    let differ = |what: &str, other: &PacketSchema| {
        Error::invalid(format!(
            "packet definitions {:?} and {:?} say different {what}: ingest with one of them at a time, or make them agree",
            first.definition.name, other.definition.name
        ))
    };
    for other in others {
        let (ours, theirs) = (&first.options, &other.options);
        if ours.segments != theirs.segments {
            return Err(differ("things about segments", other));
        }
    }
    let links = schemas
        .iter()
        .filter(|schema| schema.options.link.is_some());
    let links: Vec<_> = links.collect();
    if let Some(two) = links
        .windows(2)
        .find(|two| two[0].options.link != two[1].options.link)
    {
        return Err(differ("[frames]", two[1]));
    }
    let unnamed = schemas.iter().find(|schema| schema.definition.one_apid);
    match unnamed {
        Some(unnamed) if !others.is_empty() => Err(Error::invalid(format!(
            "packet definition {:?} does not say its APID, which it must beside others: give a TOML with definition = \"...\" and apid = ...",
            unnamed.definition.name
        ))),
        _ => Ok(()),
    }
}

/// Where a definition does not say its APID: who must, and how.
pub(super) fn unsaid_apid(definition: &PacketDefinition) -> Option<String> {
    let container = definition.containers.last()?;
    let file = &container.place.file;
    let how = match file.to_ascii_lowercase().ends_with(".toml") {
        true => format!(
            "give container {:?} a condition on it in place of one_apid",
            container.name
        ),
        false => format!("give a TOML with definition = {file:?} and apid = N"),
    };
    definition.one_apid.then(|| {
        format!(
            "packet definition {:?} does not say which APID it is for: {how}, or choose one with --apid N",
            definition.name
        )
    })
}

/// The axis that the command line asks for, by the number of the stream.
fn asked_axes(
    parts: &[Part],
    text: &str,
    notices: &mut Vec<String>,
) -> Result<HashMap<usize, TimeAxis>> {
    let mut axes = HashMap::new();
    let mut without = Vec::new();
    let mut nowhere: Option<Error> = None;
    let streams = parts.iter().flat_map(|part| part.decoder.streams());
    for (number, stream) in streams.enumerate() {
        match parse_axis(text, &stream.definition.columns) {
            Ok(axis) => drop(axes.insert(number, axis)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                without.push(&*stream.definition.stream);
                nowhere = Some(more_helpful(nowhere, error));
            }
            Err(error) => {
                let name = &stream.definition.stream;
                return Err(error.context(format!("stream {name:?}")));
            }
        }
    }
    match nowhere {
        Some(error) if axes.is_empty() => Err(error),
        Some(_) => {
            notices.push(format!(
                "streams without the columns of time axis {text:?} stay in the order of arrival: {}",
                without.join(", ")
            ));
            Ok(axes)
        }
        None => Ok(axes),
    }
}

/// Of two errors about columns that are not there, the one that knows what is
/// near, or else the first.
fn more_helpful(known: Option<Error>, other: Error) -> Error {
    match known {
        Some(known) if !other.message().contains("did you mean") => known,
        _ => other,
    }
}

/// The axes of the streams of one definition that are not their own.
struct Axes(Vec<Option<TimeAxis>>);

impl Axes {
    /// What is asked for comes before what the definition says of all streams.
    fn of(schema: &PacketSchema, asked: &HashMap<usize, TimeAxis>, part: &Part) -> Result<Axes> {
        let mut nowhere = None;
        let streams = part.decoder.streams().iter();
        let said: Vec<Option<TimeAxis>> = streams
            .map(|stream| {
                let axis = schema.options.time.as_ref()?;
                match axis.over(&stream.definition.columns) {
                    Ok(axis) => Some(axis),
                    Err(error) => {
                        nowhere = Some(more_helpful(nowhere.take(), error));
                        None
                    }
                }
            })
            .collect();
        if let (Some(error), true) = (nowhere, said.iter().all(Option::is_none)) {
            let place = &schema.options.time_place;
            return Err(error.context(format!("{place}: [time]")));
        }
        let numbered = said.into_iter().enumerate();
        let axes = numbered.map(|(at, said)| asked.get(&(part.first + at)).cloned().or(said));
        Ok(Axes(axes.collect()))
    }

    fn of_stream(&self, at: usize) -> Option<&TimeAxis> {
        self.0.get(at).and_then(Option::as_ref)
    }
}

/// What the keys of a stream depend on, beside its axis.
struct Implied {
    several_apids: bool,
    counts: Counts,
}

/// What is said of a stream, and what follows from its axis where nothing is.
fn settings(
    own: Option<&ContainerSettings>,
    axis: Option<&TimeAxis>,
    implied: &Implied,
) -> StreamSettings {
    let mut settings = own.map_or_else(StreamSettings::default, |own| own.settings.clone());
    settings.time = settings.time.or_else(|| axis.cloned());
    let key = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let sort_by = match &settings.time {
        Some(TimeAxis::Absolute(_)) if implied.several_apids => key(&["apid", TIME, "seq_count"]),
        Some(TimeAxis::Absolute(_)) => key(&[TIME, "seq_count"]),
        _ => None,
    };
    let dedup_by = match &settings.time {
        Some(TimeAxis::Absolute(_)) => key(&["apid", "seq_count", TIME]),
        Some(TimeAxis::Relative { column, .. }) => key(&["apid", "seq_count", column]),
        // Without an axis nothing but the count tells packets apart.
        _ if implied.counts == Counts::Random => key(&[]),
        _ => None,
    };
    settings.sort_by = settings.sort_by.or(sort_by);
    settings.dedup_by = settings.dedup_by.or(dedup_by);
    settings
}

/// Makes a stream what the settings say.
fn settle(
    stream: &mut Stream,
    own: Option<&ContainerSettings>,
    settings: &StreamSettings,
    prefix: Option<&str>,
) -> Result<Vec<String>> {
    let definition = &mut stream.definition;
    if let Some(table) = &settings.table {
        definition.stream = table_name(table, prefix);
    }
    let placed = |error: Error| match own {
        Some(own) => error.context(format!("{}: [stream.{}]", own.place, own.container)),
        None => error,
    };
    let mut notices = settings.apply(definition).map_err(placed)?;
    notices.append(&mut stream.notices);
    // A stream that has its axis needs no other.
    if stream.definition.axis() != Some(PACKET_INDEX) {
        stream.clocks.clear();
    }
    notices.extend(stream.clock_advice());
    Ok(notices)
}

/// The name of a container's table.
pub(crate) fn table_name(container: &str, prefix: Option<&str>) -> String {
    let name = match prefix {
        Some(prefix) => format!("{prefix}_{container}"),
        None => container.to_owned(),
    };
    names::fold(&name).name
}

fn check_tables(parts: &[Part]) -> Result<()> {
    let mut owners: HashMap<&str, &Stream> = HashMap::new();
    for stream in parts.iter().flat_map(|part| part.decoder.streams()) {
        if let Some(other) = owners.insert(&stream.definition.stream, stream) {
            return Err(stream.place.refuse(format!(
                "container {:?} makes the table {:?}, as {:?} at {} does: give one another name with [stream.{}] table = \"...\"",
                stream.container,
                stream.definition.stream,
                other.container,
                other.place,
                stream.container
            )));
        }
    }
    Ok(())
}

/// The containers whose conditions leave one APID.
fn containers_of_one_apid(definition: &PacketDefinition) -> Result<HashSet<&str>> {
    let index = Index::new(definition)?;
    let containers = definition.containers.iter();
    if definition.one_apid {
        return Ok(containers.map(|c| &*c.name).collect());
    }
    let Some(root) = definition
        .containers
        .iter()
        .find(|c| c.name == definition.root)
    else {
        return Ok(HashSet::new());
    };
    let header = Plan::new(root, &index)?;
    let is_apid = |name: &str| {
        let field = header.fields.iter().find(|field| field.name == name);
        field.is_some_and(|f| f.spot == Spot::At(5) && f.scalar.encoding.fixed_bits() == Some(11))
    };
    let mut single = HashSet::new();
    for container in containers {
        let lineage = index.lineage(container)?;
        let mut conditions = lineage.iter().filter_map(|part| part.when.as_ref());
        if conditions.any(|when| leaves_one(when, &is_apid)) {
            single.insert(&*container.name);
        }
    }
    Ok(single)
}

fn leaves_one(condition: &Condition, is_apid: &dyn Fn(&str) -> bool) -> bool {
    match condition {
        Condition::Compare(c) => c.operator == Operator::Equal && is_apid(&c.parameter),
        Condition::All(parts) => parts.iter().any(|part| leaves_one(part, is_apid)),
        Condition::Any(parts) => matches!(&parts[..], [one] if leaves_one(one, is_apid)),
    }
}
