//! The way of packets to a file on the ground, and the truth about it.
//!
//! Promises: every packet of an APID has the next sequence count, whatever
//! becomes of it; of each file, the truth says what a reader of it can tell:
//! counts that were passed over between two packets of an APID (`lost`), that
//! came behind later ones (`late`), that began anew (`reset`), packets that
//! stand there twice and packets that were damaged. Memory: the packets of an
//! outage that will be filled, and one row of truth for each event.

use std::io;

use crate::output::Output;
use crate::packet::layout::{COUNTS, HEADER_BYTES};

/// Application processes of a vehicle differ in their lowest eight bits.
const SLOTS: usize = 256;

/// What became of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    Late,
    Reset,
    /// Twice in the file.
    Duplicate,
    /// In the file before as well.
    Overlap,
    Damaged,
}

impl Fate {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fate::Lost => "lost",
            Fate::Late => "late",
            Fate::Reset => "reset",
            Fate::Duplicate => "duplicate",
            Fate::Overlap => "overlap",
            Fate::Damaged => "damaged",
        }
    }
}

/// Packets of one APID, one behind the other, that had the same fate in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) fate: Fate,
    pub(crate) apid: u16,
    pub(crate) from_seq: u16,
    pub(crate) to_seq: u16,
    pub(crate) packets: u64,
}

impl Event {
    /// An event of lines, which have no APID and no counts.
    pub(crate) fn of_lines(fate: Fate, lines: u64) -> Event {
        Event {
            fate,
            apid: 0,
            from_seq: 0,
            to_seq: 0,
            packets: lines,
        }
    }
}

/// A packet with its counters.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) apid: u16,
    pub(crate) seq: u16,
    pub(crate) bytes: Vec<u8>,
}

/// The sequence counts of a vehicle.
#[derive(Debug, Clone)]
pub(crate) struct Counters([u16; SLOTS]);

impl Counters {
    pub(crate) fn starting_at(first: u16) -> Counters {
        Counters([first; SLOTS])
    }

    /// The count of the next packet.
    pub(crate) fn next(&mut self, apid: u16) -> u16 {
        let count = &mut self.0[slot(apid)];
        let next = *count;
        *count = (next + 1) % COUNTS;
        next
    }
}

/// A file that packets come to.
pub(crate) struct PacketFile {
    pub(crate) output: Output,
    apids: Vec<Progress>,
    events: Vec<Event>,
}

/// How far an APID is in a file.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// The count that is due; none before the first packet.
    due: Option<u16>,
    /// The first count of the packets that were lost just now, and how many.
    lost: Option<(u16, u64)>,
}

impl PacketFile {
    pub(crate) fn new(output: Output) -> PacketFile {
        PacketFile {
            output,
            apids: vec![Progress::default(); SLOTS],
            events: Vec::new(),
        }
    }

    /// A packet arrives.
    pub(crate) fn deliver(&mut self, packet: &Packet) -> io::Result<()> {
        self.settle(packet.apid);
        let progress = &mut self.apids[slot(packet.apid)];
        let due = progress.due.replace((packet.seq + 1) % COUNTS);
        if let Some(due) = due.filter(|due| *due != packet.seq) {
            let before = (due + COUNTS - 1) % COUNTS;
            self.note(Fate::Reset, packet.apid, (before, packet.seq), 0);
        }
        self.output.record(&packet.bytes)
    }

    /// A packet arrives with a bit of its data turned over.
    pub(crate) fn deliver_damaged(&mut self, packet: &mut Packet) -> io::Result<()> {
        let middle = (packet.bytes.len() + HEADER_BYTES) / 2;
        packet.bytes[middle] ^= 0x10;
        self.note(Fate::Damaged, packet.apid, (packet.seq, packet.seq), 1);
        self.deliver(packet)
    }

    /// A packet arrives that is there already.
    pub(crate) fn deliver_again(&mut self, packet: &Packet) -> io::Result<()> {
        self.extend(Fate::Duplicate, packet);
        self.output.record(&packet.bytes)
    }

    /// A packet arrives that the file before has as well.
    pub(crate) fn deliver_overlap(&mut self, packet: &Packet) -> io::Result<()> {
        self.extend(Fate::Overlap, packet);
        self.deliver(packet)
    }

    /// A packet arrives behind later ones.
    pub(crate) fn deliver_late(&mut self, packet: &Packet) -> io::Result<()> {
        self.extend(Fate::Late, packet);
        self.output.record(&packet.bytes)
    }

    /// A packet does not arrive.
    pub(crate) fn lose(&mut self, packet: &Packet) {
        let progress = &mut self.apids[slot(packet.apid)];
        if progress.due.is_some() {
            progress.due = Some((packet.seq + 1) % COUNTS);
            progress.lost.get_or_insert((packet.seq, 0)).1 += 1;
        }
    }

    /// A packet does not arrive now, but will in this file.
    pub(crate) fn put_off(&mut self, packet: &Packet) {
        self.settle(packet.apid);
        let progress = &mut self.apids[slot(packet.apid)];
        progress.due = Some((packet.seq + 1) % COUNTS);
    }

    /// The end of the file: what was lost behind the last packet of an APID
    /// cannot be told from the file, and is no event of it.
    pub(crate) fn finish(self) -> (Output, Vec<Event>) {
        (self.output, self.events)
    }

    /// The packets lost just now were followed by another.
    fn settle(&mut self, apid: u16) {
        if let Some((first, lost)) = self.apids[slot(apid)].lost.take() {
            let last = (u64::from(first) + lost - 1) % u64::from(COUNTS);
            let last = u16::try_from(last).unwrap_or_default();
            self.note(Fate::Lost, apid, (first, last), lost);
        }
    }

    fn note(&mut self, fate: Fate, apid: u16, (from_seq, to_seq): (u16, u16), packets: u64) {
        self.events.push(Event {
            fate,
            apid,
            from_seq,
            to_seq,
            packets,
        });
    }

    /// Adds a packet to the event that it goes on with.
    fn extend(&mut self, fate: Fate, packet: &Packet) {
        let mut recent = self.events.iter_mut().rev().take(64);
        let same = recent.find(|event| event.fate == fate && event.apid == packet.apid);
        match same.filter(|event| (event.to_seq + 1) % COUNTS == packet.seq) {
            Some(event) => {
                event.to_seq = packet.seq;
                event.packets += 1;
            }
            None => self.note(fate, packet.apid, (packet.seq, packet.seq), 1),
        }
    }
}

fn slot(apid: u16) -> usize {
    usize::from(apid) % SLOTS
}
