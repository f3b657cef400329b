//! Whether a unit may have a key.

/// Bits for each key; with four probes one key of about 400 is let in wrongly.
const BITS_PER_KEY: u64 = 16;
const PROBES: u64 = 4;
const BITS_MIN: u64 = 1 << 10;

/// A Bloom filter over key hashes: it never misses a key, and lets a few in
/// that are not there, more of them once its memory is too small for the keys.
pub(super) struct KeyFilter {
    words: Vec<u64>,
    mask: u64,
}

impl KeyFilter {
    /// An empty filter for so many keys.
    pub(super) fn new(keys: u64, memory_bytes: usize) -> KeyFilter {
        let most = (memory_bytes as u64 * 8).max(BITS_MIN);
        // The largest power of two that the budget holds.
        let most = 1 << most.ilog2();
        let wanted = keys.saturating_mul(BITS_PER_KEY).clamp(BITS_MIN, most);
        let bits = wanted.next_power_of_two().min(most);
        let words = usize::try_from(bits / 64).expect("bits come from a size in memory");
        KeyFilter {
            words: vec![0; words],
            mask: bits - 1,
        }
    }

    pub(super) fn insert(&mut self, key: u128) {
        for bit in probes(key) {
            let (word, bit) = self.place(bit);
            self.words[word] |= bit;
        }
    }

    /// False only where the key was not inserted.
    pub(super) fn may_have(&self, key: u128) -> bool {
        probes(key).all(|bit| {
            let (word, bit) = self.place(bit);
            self.words[word] & bit != 0
        })
    }

    fn place(&self, probe: u64) -> (usize, u64) {
        let bit = probe & self.mask;
        let word = usize::try_from(bit / 64).expect("the mask keeps bits inside the words");
        (word, 1 << (bit % 64))
    }
}

/// Double hashing: the halves of a good hash are independent.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of the hash are wanted"
)]
fn probes(key: u128) -> impl Iterator<Item = u64> {
    let (start, step) = (key as u64, (key >> 64) as u64);
    (0..PROBES).map(move |n| start.wrapping_add(n.wrapping_mul(step)))
}
