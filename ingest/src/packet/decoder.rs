//! Packets to the rows of their streams.
//!
//! Promises: of the packets of a chunk, each is a row of exactly one stream,
//! or refused with a reason, or idle and counted. Refuses packets that no
//! container more specific than the root describes (`no-definition`), that two
//! describe (`ambiguous`), and that are longer or shorter than their container
//! (`packet-length`); longer ones are kept and reported where that is asked for
//! ([`PacketDecoder::with_longer_packets`]).

mod tree;

use arrow::array::RecordBatch;
use downlake_lake::{Error, Result};

use crate::decode::reason;

use super::check::{Index, MAX_DEPTH};
use super::feed::{Chunk, Entry};
use super::header::PrimaryHeader;
use super::kernels::{Kernels, Located};
use super::locate::{Found, LongerPackets, Refusal, locate};
use super::model::{Container, PacketDefinition};
use super::plan::{Plan, Spot, Test};
use super::stream::Stream;
use tree::Tree;

/// Most values of all containers of a definition together.
pub const MAX_TOTAL_FIELDS: usize = 1 << 20;
/// Most bytes of packets that one call decodes, so that offsets of Arrow
/// columns stay within 32 bits.
pub const MAX_BATCH_BYTES: usize = 128 << 20;

/// A definition, ready to decode packets.
#[derive(Debug)]
pub struct PacketDecoder {
    tree: Tree,
    streams: Vec<Stream>,
    /// One for each stream.
    layouts: Vec<Layout>,
    /// Whether the definition describes packets of one APID without saying it.
    one_apid: bool,
    /// That APID, once it is said.
    bound_apid: Option<u16>,
    longer: LongerPackets,
}

/// How packets of one stream are decoded.
#[derive(Debug)]
struct Layout {
    plan: Plan,
    kernels: Kernels,
}

/// What became of the packets of a chunk. Numbers of packets are those of
/// [`Chunk::packets`].
#[derive(Debug, Default)]
pub struct DecodedChunk {
    /// The rows of each stream that any of the packets is of, by its number.
    pub rows: Vec<StreamRows>,
    /// The packets that no stream takes, in order, with the reason.
    pub unclaimed: Vec<(usize, Refusal)>,
    /// How many packets are idle.
    pub idle: u64,
}

/// The rows of one stream, and those of its packets that are none.
#[derive(Debug)]
pub struct StreamRows {
    /// The stream, by number.
    pub stream: usize,
    /// The rows, in the order of the packets that were kept.
    pub batch: RecordBatch,
    /// Which packets of the chunk the rows are, in order.
    pub kept: Vec<u32>,
    /// The packets among them that go on beyond their container, with the
    /// bits that were not decoded.
    pub undecoded: Vec<(u32, u32)>,
    /// The others, with the reason.
    pub refused: Vec<(u32, Refusal)>,
}

impl PacketDecoder {
    /// Compiles a definition; tables are named `<prefix>_<container>`.
    ///
    /// # Errors
    /// Invalid, with file and line, at the first construct that cannot be
    /// decoded.
    pub fn new(definition: &PacketDefinition, prefix: Option<&str>) -> Result<PacketDecoder> {
        definition.check()?;
        let mut decoder = PacketDecoder {
            tree: Tree::new(),
            streams: Vec::new(),
            layouts: Vec::new(),
            one_apid: definition.one_apid,
            bound_apid: None,
            longer: LongerPackets::Refuse,
        };
        let index = Index::new(definition)?;
        let mut planting = Planting {
            definition,
            index: &index,
            prefix,
            fields: 0,
        };
        let root = definition
            .containers
            .iter()
            .find(|c| c.name == definition.root);
        let root = root.ok_or_else(|| Error::internal("a checked definition has no root"))?;
        planting.plant(&mut decoder, root, 0)?;
        decoder.check_streams(&definition.name)?;
        Ok(decoder)
    }

    /// Says what becomes of packets that are longer than their container.
    #[must_use]
    pub fn with_longer_packets(mut self, longer: LongerPackets) -> PacketDecoder {
        self.longer = longer;
        self
    }

    /// Says which APID packets have where the definition does not; until then
    /// it describes none.
    pub fn bind(&mut self, apid: u16) {
        self.bound_apid = Some(apid);
    }

    /// The streams that packets can go to.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// The same, to say more about their tables; what columns hold stays.
    pub(super) fn streams_mut(&mut self) -> &mut [Stream] {
        &mut self.streams
    }

    /// Decodes the packets of a chunk.
    ///
    /// # Errors
    /// Limit, if the chunk has more than [`MAX_BATCH_BYTES`]; refused packets
    /// are no error.
    pub fn decode_chunk(&mut self, chunk: &Chunk) -> Result<DecodedChunk> {
        if chunk.bytes.len() > MAX_BATCH_BYTES {
            return Err(Error::limit(format!(
                "{} bytes of packets are too many for one batch: {MAX_BATCH_BYTES} at most",
                chunk.bytes.len()
            )));
        }
        let mut decoded = DecodedChunk::default();
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); self.streams.len()];
        for (at, entry) in (0u32..).zip(&chunk.packets) {
            match self.resolve(entry, chunk.packet(entry).bytes) {
                Ok(None) => decoded.idle += 1,
                Ok(Some(stream)) => members[stream].push(at),
                Err(refusal) => decoded.unclaimed.push((at as usize, refusal)),
            }
        }
        for (stream, members) in members.into_iter().enumerate() {
            if !members.is_empty() {
                decoded.rows.push(self.decode(stream, chunk, &members)?);
            }
        }
        Ok(decoded)
    }

    /// The stream of a packet, by number; `None` if it is idle.
    fn resolve(&mut self, entry: &Entry, packet: &[u8]) -> Result<Option<usize>, Refusal> {
        let Some(header) = PrimaryHeader::read(packet) else {
            return Err(Refusal::new(
                reason::PACKET_LENGTH,
                format!(
                    "{} bytes are no packet: the header alone has 6",
                    packet.len()
                ),
            ));
        };
        if header.is_idle() {
            return Ok(None);
        }
        if !entry.is_joined && header.packet_bytes() != packet.len() {
            return Err(Refusal::new(
                reason::PACKET_LENGTH,
                format!(
                    "{} bytes are not the packet of APID {}, whose header says {}",
                    packet.len(),
                    header.apid,
                    header.packet_bytes()
                ),
            ));
        }
        if self.one_apid && self.bound_apid != Some(header.apid) {
            return Err(self.other_apid(header.apid));
        }
        self.tree.find(packet, header.apid).map(Some)
    }

    fn other_apid(&self, apid: u16) -> Refusal {
        let why = match self.bound_apid {
            Some(bound) => format!("APID {apid}: the definition is for APID {bound}"),
            None => format!("APID {apid}: the definition does not say which APID it is for"),
        };
        Refusal::new(reason::NO_DEFINITION, why)
    }

    /// Decodes packets of one stream.
    fn decode(&self, stream: usize, chunk: &Chunk, members: &[u32]) -> Result<StreamRows> {
        let Layout { plan, kernels } = &self.layouts[stream];
        let (mut kept, mut found) = (Vec::with_capacity(members.len()), Vec::new());
        let (mut undecoded, mut refused) = (Vec::new(), Vec::new());
        let mut slots = vec![Found::ABSENT; plan.slots];
        for &at in members {
            let packet = chunk.packet(&chunk.packets[at as usize]);
            match locate(plan, packet.bytes, self.longer, &mut slots) {
                Ok(rest) => {
                    kept.push(at);
                    found.extend_from_slice(&slots);
                    if rest > 0 {
                        undecoded.push((at, rest));
                    }
                }
                Err(refusal) => refused.push((at, refusal)),
            }
        }
        let located = Located {
            chunk,
            rows: &kept,
            found: &found,
        };
        Ok(StreamRows {
            stream,
            batch: kernels.decode(plan, &located)?,
            kept,
            undecoded,
            refused,
        })
    }

    fn check_streams(&self, definition: &str) -> Result<()> {
        match self.streams.is_empty() {
            true => Err(Error::invalid(format!(
                "packet definition {definition:?} describes no packets: all its containers are abstract"
            ))),
            false => Ok(()),
        }
    }
}

/// The growing of the tree of containers.
struct Planting<'a> {
    definition: &'a PacketDefinition,
    index: &'a Index<'a>,
    prefix: Option<&'a str>,
    fields: usize,
}

impl Planting<'_> {
    fn plant(
        &mut self,
        decoder: &mut PacketDecoder,
        container: &Container,
        depth: usize,
    ) -> Result<usize> {
        if depth > MAX_DEPTH {
            return Err(container.place.refuse("containers inherit too deeply"));
        }
        let plan = Plan::new(container, self.index)?;
        self.fields += plan.fields.len();
        if self.fields > MAX_TOTAL_FIELDS {
            return Err(container.place.refuse(format!(
                "the containers have more than {MAX_TOTAL_FIELDS} values together"
            )));
        }
        let node = decoder.tree.add(&container.name);
        let all = &self.definition.containers;
        let heirs = all
            .iter()
            .filter(|c| c.base.as_deref() == Some(&*container.name));
        let mut is_leaf = true;
        for heir in heirs {
            let test = self.test(&plan, heir)?;
            let heir = self.plant(decoder, heir, depth + 1)?;
            decoder.tree.inherit(node, test, heir);
            is_leaf = false;
        }
        if !container.is_abstract && (depth > 0 || is_leaf) {
            let stream = Stream::of(&plan, self.prefix)?;
            let kernels = Kernels::new(&plan, &stream)?;
            decoder.tree.end(node, decoder.streams.len());
            decoder.streams.push(stream);
            decoder.layouts.push(Layout { plan, kernels });
        }
        Ok(node)
    }

    /// What a packet of the base must hold to be of the heir.
    fn test(&self, base: &Plan, heir: &Container) -> Result<Option<Test>> {
        let Some(condition) = &heir.when else {
            return Ok(None);
        };
        let test = base.test(condition, &heir.place)?;
        let moving = |test: &Test| {
            let sources = test.sources().into_iter();
            let mut moving = sources.filter(|s| !matches!(s.spot, Spot::At(_)));
            moving.next().map(|source| source.name.clone())
        };
        match moving(&test) {
            None => Ok(Some(test)),
            Some(name) => Err(heir.place.refuse(format!(
                "container {:?} inherits under a condition on {name:?}, which has no fixed place: not implemented",
                heir.name
            ))),
        }
    }
}
