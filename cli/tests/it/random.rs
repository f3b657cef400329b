//! Random numbers that a seed repeats, and the budget of random tests.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Seeds that every run repeats.
pub(crate) const PINNED: [u64; 2] = [1, 2];

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// One of the choices.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let place = usize::try_from(self.below(choices.len() as u64)).unwrap();
        choices[place]
    }
}

/// The pinned seeds, then fresh ones. `DOWNLAKE_SEED` puts one in front.
pub(crate) fn seeds() -> impl Iterator<Item = u64> {
    let asked = std::env::var("DOWNLAKE_SEED").ok();
    let asked = asked.map(|seed| seed.parse().expect("DOWNLAKE_SEED is a number"));
    let fresh = std::iter::repeat_with(|| RandomState::new().hash_one(0) >> 16);
    asked.into_iter().chain(PINNED).chain(fresh)
}

/// Time for one `budgeted_*` test.
pub(crate) fn budget() -> Duration {
    let seconds = std::env::var("DOWNLAKE_BUDGET_SECONDS").ok();
    let seconds = seconds.map_or(1.0, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs_f64(seconds)
}
