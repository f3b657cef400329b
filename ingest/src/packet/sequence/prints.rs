//! What is remembered of packets, so that one that comes again is known.
//!
//! A print is 32 bits of a packet's length and of the ends of its data field,
//! where times, checksums and changing values stand. The one of the last
//! packet with a count is kept, while there is room. Two different packets
//! have the same print with a chance of 2^-32, or because they differ only in
//! their middle.

use crate::packet::header::{HEADER_BYTES, SEQUENCE_MODULUS};

use super::Room;

/// Pages of all APIDs together: 16 MiB.
pub(super) const MAX_PAGES: usize = 4 << 10;

const PAGE: usize = 1 << 10;
const PAGES: usize = SEQUENCE_MODULUS as usize / PAGE;
/// The print of a count that was not seen.
const NONE: u32 = 0;
/// Neighbours that a packet must differ from to be known by its bytes alone.
const NEIGHBOURS: u16 = 16;

/// The prints of the packets of one APID, by count.
#[derive(Debug, Default)]
pub(super) struct Prints {
    pages: [Option<Box<[u32; PAGE]>>; PAGES],
}

impl Prints {
    #[inline]
    pub(super) fn set(&mut self, count: u16, print: u32, room: &mut Room) {
        let (page, at) = place(count);
        if self.pages[page].is_none() && room.pages > 0 {
            room.pages -= 1;
            self.pages[page] = Some(Box::new([NONE; PAGE]));
        }
        if let Some(page) = &mut self.pages[page] {
            page[at] = print;
        }
    }

    /// Whether the last packet with the count has the print.
    pub(super) fn is(&self, count: u16, print: u32) -> bool {
        self.get(count) == print
    }

    /// Whether the packets before it had other prints, so that its own says
    /// which of them it is. Values that stand still tell nothing.
    pub(super) fn is_telling(&self, count: u16) -> bool {
        let print = self.get(count);
        let mut before = (1..=NEIGHBOURS).map(|back| self.get(count.wrapping_sub(back)));
        before.all(|other| other != print)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, room: &mut Room) {
        for page in &mut self.pages {
            room.pages += usize::from(page.take().is_some());
        }
    }

    fn get(&self, count: u16) -> u32 {
        let (page, at) = place(count);
        self.pages[page].as_ref().map_or(NONE, |page| page[at])
    }
}

fn place(count: u16) -> (usize, usize) {
    let count = usize::from(count % SEQUENCE_MODULUS);
    (count / PAGE, count % PAGE)
}

/// The print of a packet; its primary header counts by its length alone.
#[inline]
pub(super) fn print(packet: &[u8]) -> u32 {
    let data = packet.get(HEADER_BYTES..).unwrap_or_default();
    let (front, back) = match (data.first_chunk::<16>(), data.last_chunk::<8>()) {
        (Some(front), Some(back)) => (u128::from_le_bytes(*front), u64::from_le_bytes(*back)),
        _ => (short(data), 0),
    };
    let [low, high] = halves(front);
    let mixed = mix(low ^ 0x9e37_79b9_7f4a_7c15, high ^ 0xd1b5_4a32_d192_ed03);
    let mixed = mix(mixed ^ back, data.len() as u64 ^ 0x8cb9_2ba7_2f3d_8dd7);
    ((mixed >> 32) as u32).max(NONE + 1)
}

/// Fewer bytes than a print takes.
fn short(data: &[u8]) -> u128 {
    let bytes = data.iter().take(16);
    bytes.fold(0, |all, byte| all << 8 | u128::from(*byte))
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of 128 bits")]
fn halves(wide: u128) -> [u64; 2] {
    [wide as u64, (wide >> 64) as u64]
}

fn mix(a: u64, b: u64) -> u64 {
    let [low, high] = halves(u128::from(a) * u128::from(b));
    low ^ high
}
