//! Which container a packet is of.
//!
//! Containers inherit from containers under conditions; a packet goes from the
//! root to the heir whose condition it meets, and on from there. Promises: at
//! every container all heirs are asked, so that a packet which meets two
//! conditions is refused and not given to the first. What is skipped: heirs
//! that ask for another APID, and all of the way where a packet with the same
//! first two bytes went it before and no condition looked further.

use std::collections::BTreeMap;

use crate::decode::reason;
use crate::packet::locate::Refusal;
use crate::packet::model::{ByteOrder, Operator, Sign};
use crate::packet::plan::{Source, Spot, Test};

/// Bits of a packet's first two bytes: version, type, secondary header flag
/// and APID.
const START_BITS: u32 = 16;
/// Where the APID is in them, and how wide.
const APID: (u32, u8) = (5, 11);

/// The containers of a definition, by inheritance.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// The streams of packets by their first two bytes, where no other byte
    /// has a say and one such packet was there.
    by_start: Vec<Option<u32>>,
}

/// A container with those that inherit from it.
#[derive(Debug)]
struct Node {
    container: String,
    /// Whether packets can end here, and in which stream.
    stream: Option<usize>,
    /// Those that ask for one APID among other things.
    by_apid: BTreeMap<u16, Vec<Heir>>,
    /// The others.
    heirs: Vec<Heir>,
    /// Whether their conditions look at a packet's first two bytes only.
    is_told_by_start: bool,
}

#[derive(Debug)]
struct Heir {
    test: Option<Test>,
    node: usize,
}

impl Tree {
    pub(super) fn new() -> Tree {
        Tree {
            nodes: Vec::new(),
            by_start: vec![None; 1 << START_BITS],
        }
    }

    /// Adds a container, by its number; the first one is the root.
    pub(super) fn add(&mut self, container: &str) -> usize {
        self.nodes.push(Node {
            container: container.to_owned(),
            stream: None,
            by_apid: BTreeMap::new(),
            heirs: Vec::new(),
            is_told_by_start: true,
        });
        self.nodes.len() - 1
    }

    /// Says that a container inherits from another; the test looks at fixed
    /// places.
    pub(super) fn inherit(&mut self, base: usize, test: Option<Test>, node: usize) {
        let base = &mut self.nodes[base];
        base.is_told_by_start &= test.as_ref().is_none_or(looks_at_start);
        let heirs = match test.as_ref().and_then(asks_for_apid) {
            Some(apid) => base.by_apid.entry(apid).or_default(),
            None => &mut base.heirs,
        };
        heirs.push(Heir { test, node });
    }

    /// Says that packets can end in a container.
    pub(super) fn end(&mut self, node: usize, stream: usize) {
        self.nodes[node].stream = Some(stream);
    }

    /// The stream of a packet.
    ///
    /// # Errors
    /// No container describes it, or two do.
    pub(super) fn find(&mut self, packet: &[u8], apid: u16) -> Result<usize, Refusal> {
        let start = packet.first_chunk().map(|start| u16::from_be_bytes(*start));
        let slot = usize::from(start.unwrap_or_default());
        if let Some(stream) = self.by_start[slot] {
            return Ok(stream as usize);
        }
        let (stream, is_told_by_start) = self.descend(packet, apid)?;
        if is_told_by_start {
            self.by_start[slot] = u32::try_from(stream).ok();
        }
        Ok(stream)
    }

    /// The stream of a packet, and whether its first two bytes told it.
    fn descend(&self, packet: &[u8], apid: u16) -> Result<(usize, bool), Refusal> {
        let (mut node, mut is_told_by_start) = (&self.nodes[0], true);
        loop {
            is_told_by_start &= node.is_told_by_start;
            match (self.heir(node, packet, apid)?, node.stream) {
                (Some(heir), _) => node = heir,
                (None, Some(stream)) => return Ok((stream, is_told_by_start)),
                (None, None) => return Err(node.no_definition(apid)),
            }
        }
    }

    /// The heir of a container that describes a packet.
    fn heir(&self, node: &Node, packet: &[u8], apid: u16) -> Result<Option<&Node>, Refusal> {
        let of_apid = node.by_apid.get(&apid).into_iter().flatten();
        let mut heirs = of_apid.chain(&node.heirs).filter(|heir| heir.takes(packet));
        let Some(heir) = heirs.next() else {
            return Ok(None);
        };
        match heirs.next() {
            None => Ok(Some(&self.nodes[heir.node])),
            Some(other) => Err(self.ambiguous(heir, other, apid)),
        }
    }

    fn ambiguous(&self, one: &Heir, other: &Heir, apid: u16) -> Refusal {
        let first = &self.nodes[one.node.min(other.node)].container;
        let second = &self.nodes[one.node.max(other.node)].container;
        Refusal::new(
            reason::AMBIGUOUS,
            format!("containers {first:?} and {second:?} both describe this packet of APID {apid}"),
        )
    }
}

impl Node {
    fn no_definition(&self, apid: u16) -> Refusal {
        Refusal::new(
            reason::NO_DEFINITION,
            format!(
                "APID {apid}: no container that inherits from {:?} describes this packet",
                self.container
            ),
        )
    }
}

impl Heir {
    /// Whether a packet meets the condition; one too short for it does not.
    fn takes(&self, packet: &[u8]) -> bool {
        let test = self.test.as_ref();
        test.is_none_or(|test| test.holds(packet, &[]).unwrap_or(false))
    }
}

/// Whether a test looks at a packet's first two bytes only.
fn looks_at_start(test: &Test) -> bool {
    test.sources().iter().all(|source| match source.spot {
        Spot::At(bit) => bit + u32::from(source.number.bits) <= START_BITS,
        Spot::Slot(_) => false,
    })
}

/// The one APID whose packets can pass a test.
fn asks_for_apid(test: &Test) -> Option<u16> {
    match test {
        Test::Compare {
            source,
            operator: Operator::Equal,
            value,
        } if is_apid(source) => u16::try_from(*value).ok(),
        Test::All(parts) => parts.iter().find_map(asks_for_apid),
        Test::Compare { .. } | Test::Any(_) => None,
    }
}

fn is_apid(source: &Source) -> bool {
    let number = source.number;
    source.spot == Spot::At(APID.0)
        && number.bits == APID.1
        && number.sign == Sign::Unsigned
        && number.order == ByteOrder::Big
}
