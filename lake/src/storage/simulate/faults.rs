//! Which faults a simulation has, and how they are drawn.

use super::Verb;

/// What can befall a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The write landed and its reply was lost: an error of no kind.
    ReplyLost,
    /// The create landed, its reply was lost, and the client's own second
    /// try found the object: "already exists".
    OwnRetry,
    /// The store was unavailable before anything landed.
    Unavailable,
    /// Others went first.
    Slow,
    /// A listing shows the objects of an earlier moment.
    StaleList,
    /// The actor's process ends here, before or after the call landed.
    Crash,
}

/// How often each fault befalls the calls that it can befall, per thousand.
/// The faults of a kind of call must not add up to more than a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// [`Fault::ReplyLost`], of writes.
    pub reply_lost: u32,
    /// [`Fault::OwnRetry`], of creates.
    pub own_retry: u32,
    /// [`Fault::Unavailable`], of all calls.
    pub unavailable: u32,
    /// [`Fault::Slow`], of all calls; may come with another fault.
    pub slow: u32,
    /// [`Fault::StaleList`], of listings.
    pub stale_list: u32,
    /// [`Fault::Crash`], of all calls.
    pub crash: u32,
}

impl Faults {
    /// No faults: only interleavings.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every fault, often enough that a hundred calls meet most of them.
    pub fn stormy() -> Self {
        Faults {
            reply_lost: 60,
            own_retry: 60,
            unavailable: 60,
            slow: 150,
            stale_list: 100,
            crash: 10,
        }
    }
}

/// The fault of one call, with what else was drawn for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Injected {
    pub(super) fault: Option<Fault>,
    /// How many writes a stale listing lags behind.
    pub(super) lag: usize,
    /// Whether a call that crashes its actor lands.
    pub(super) lands: bool,
}

/// The seeded source of all decisions: the SplitMix64 generator of Steele,
/// Lea and Flood (OOPSLA 2014). It is written out so that a seed in a bug
/// report means the same for ever.
#[derive(Debug)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Dice { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let drawn = self.next() % bound.max(1) as u64;
        usize::try_from(drawn).expect("below a usize")
    }

    fn per_thousand(&mut self) -> u32 {
        u32::try_from(self.next() % 1000).expect("below a thousand")
    }

    /// How many moves a call is passed by; mostly none.
    pub(super) fn delay(&mut self, faults: &Faults) -> u32 {
        if self.per_thousand() >= faults.slow {
            return 0;
        }
        1 + self.per_thousand() % 8
    }

    /// Draws the fault of a call. Always draws the same number of times, so
    /// that a changed rate changes as few later decisions as it can.
    pub(super) fn inject(&mut self, faults: &Faults, verb: Verb) -> Injected {
        let mut drawn = self.per_thousand();
        let lag = 1 + self.below(8);
        let lands = self.below(2) == 0;
        let fault = possible(faults, verb)
            .into_iter()
            .find_map(|(fault, rate)| {
                let hit = drawn < rate;
                drawn = drawn.saturating_sub(rate);
                hit.then_some(fault)
            });
        Injected { fault, lag, lands }
    }
}

/// The faults that can befall a call, with their rates.
fn possible(faults: &Faults, verb: Verb) -> [(Fault, u32); 5] {
    let only = |possible: bool, rate: u32| if possible { rate } else { 0 };
    let is_listing = matches!(verb, Verb::List | Verb::ListLevel);
    [
        (Fault::Crash, faults.crash),
        (Fault::Unavailable, faults.unavailable),
        (Fault::ReplyLost, only(verb.is_write(), faults.reply_lost)),
        (
            Fault::OwnRetry,
            only(verb == Verb::Create, faults.own_retry),
        ),
        (Fault::StaleList, only(is_listing, faults.stale_list)),
    ]
}
