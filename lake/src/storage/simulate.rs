//! A turnstile before a store: the order of all calls of all actors, and the
//! faults they meet, decided by a seed alone.
//!
//! An actor is one participant of a simulation (an appender, a compactor, a
//! reader); it sees the store through a wrapper of its own. Its calls may come
//! from any thread. Every call waits at the turnstile, which lets one through
//! at a time.
//!
//! **When the turnstile moves.** Once, after [`Turnstile::open`], whenever no
//! call is inside and every actor that is neither idle nor finished
//! has a call waiting. Then the seed, and nothing else, picks the actor, and
//! the fault that its call meets. Until the last actor has made up its mind,
//! nobody moves; so the speed of threads changes nothing.
//!
//! **What an actor owes.** Its calls pass in the order in which it makes
//! them, so an actor that makes calls from several threads at once must order
//! them itself; one task that polls several calls together is fine. Before it
//! waits for anything other than the store, its driver says
//! [`Actor::idle`]; whoever gives it new work says [`Actor::resume`] first.
//! When it is done, it is dropped or told to [`Actor::finish`]. A crashed
//! actor is told so by the error of every further call, and the turnstile
//! stands until its driver has dropped it, so a successor that is added
//! before that is added at a moment the seed decides.
//!
//! Promises: the same seed, actors and inner state give the same log of
//! calls. Parts of an upload pass freely, for nothing shows before the
//! upload completes. Refuses: simulating time.

mod faults;
mod history;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::oneshot;

pub use faults::{Fault, Faults};

use faults::{Dice, Injected};
use history::History;
use store::ActorStore;

/// The turnstile of one simulation.
#[derive(Debug, Clone)]
pub struct Turnstile {
    shared: Arc<Shared>,
}

impl Turnstile {
    /// A closed turnstile whose every decision follows from `seed`.
    pub fn new(seed: u64, faults: Faults) -> Self {
        let state = State {
            dice: Dice::new(seed),
            faults,
            open: false,
            inside: None,
            tickets: 0,
            actors: BTreeMap::new(),
            log: Vec::new(),
            history: History::default(),
        };
        Turnstile {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
            }),
        }
    }

    /// Adds an actor that reaches `inner` through the turnstile. All actors
    /// of one turnstile reach the same objects.
    ///
    /// After [`Turnstile::open`], only the driver of an actor that is not
    /// finished and has no call waiting may add another: the turnstile stands
    /// still then.
    pub fn actor(&self, name: &str, inner: Arc<dyn ObjectStore>) -> Actor {
        let id = self.shared.state().add_actor(name);
        let store = ActorStore::new(id, Arc::clone(&self.shared), inner);
        Actor {
            id,
            shared: Arc::clone(&self.shared),
            store: Arc::new(store),
        }
    }

    /// Lets calls pass from now on: every actor of the start has been added.
    pub fn open(&self) {
        let mut state = self.shared.state();
        state.open = true;
        state.turn();
    }

    /// The calls so far, in the order in which they passed.
    pub fn log(&self) -> Vec<Call> {
        self.shared.state().log.clone()
    }

    /// The actors without a call, for whom the others wait: who to look at
    /// when a simulation stands still.
    pub fn waits_for(&self) -> Vec<String> {
        let state = self.shared.state();
        let missing = state.actors.values().filter(|seat| seat.holds_up());
        missing.map(|seat| seat.name.clone()).collect()
    }
}

/// One participant, in the hands of its driver. Dropping it ends it.
#[derive(Debug)]
pub struct Actor {
    id: ActorId,
    shared: Arc<Shared>,
    store: Arc<ActorStore>,
}

impl Actor {
    /// The store as this actor sees it.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as _
    }

    /// Says that the actor makes no call until [`Actor::resume`].
    pub fn idle(&self) {
        self.become_presence(Presence::Idle);
    }

    /// Says that the actor is about to make calls again.
    pub fn resume(&self) {
        self.become_presence(Presence::Live);
    }

    /// Says that the actor makes no more calls.
    pub fn finish(&self) {
        self.become_presence(Presence::Finished);
    }

    /// Whether the simulation killed the actor; its driver ends its work and
    /// may add a successor.
    pub fn is_crashed(&self) -> bool {
        self.shared.state().is_crashed(self.id)
    }

    fn become_presence(&self, presence: Presence) {
        let mut state = self.shared.state();
        if let Some(seat) = state.actors.get_mut(&self.id) {
            seat.presence = presence;
        }
        state.turn();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Creates an object that must not exist.
    Create,
    /// Puts an object, in place of one that exists.
    Put,
    /// Completes an upload in parts.
    Complete,
    /// Reads content.
    Get,
    /// Looks at an object without its content.
    Head,
    /// Deletes an object.
    Delete,
    /// Lists all objects below a prefix.
    List,
    /// Lists one level below a prefix.
    ListLevel,
    /// Copies an object.
    Copy,
    /// Renames an object.
    Rename,
}

impl Verb {
    fn is_write(self) -> bool {
        !matches!(self, Verb::Get | Verb::Head | Verb::List | Verb::ListLevel)
    }
}

/// How a call ended for its actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// There is no such object.
    NotFound,
    /// There is such an object already.
    AlreadyExists,
    /// It failed in another way.
    Failed,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The actor's name.
    pub actor: String,
    /// What was called.
    pub verb: Verb,
    /// The object or prefix, for copies and renames the target.
    pub path: Path,
    /// The fault that was injected.
    pub fault: Option<Fault>,
    /// What the actor was told; `None` while the call is inside.
    pub outcome: Option<Outcome>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.actor, self.verb, self.path)?;
        if let Some(fault) = self.fault {
            write!(f, " ({fault:?})")?;
        }
        match self.outcome {
            Some(outcome) => write!(f, " -> {outcome:?}"),
            None => write!(f, " ..."),
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every method of `State` leaves it whole; a panic elsewhere is the test's.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the call's turn; `None` where the actor has crashed.
    async fn pass(self: &Arc<Self>, actor: ActorId, verb: Verb, path: &Path) -> Option<Turn> {
        let (ticket, granted) = self.state().enter(actor, verb, path)?;
        let place = Place {
            shared: Arc::clone(self),
            ticket,
        };
        let grant = granted.await.ok()?;
        Some(Turn { place, grant })
    }
}

/// A call's place before the turnstile or in it; dropping it leaves, so a
/// call that its actor gives up does not block the others.
#[derive(Debug)]
struct Place {
    shared: Arc<Shared>,
    ticket: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.state().leave(self.ticket);
    }
}

/// A call inside the turnstile.
#[derive(Debug)]
struct Turn {
    place: Place,
    grant: Grant,
}

impl Turn {
    fn injected(&self) -> Injected {
        self.grant.injected
    }

    /// Notes what the actor is told.
    fn end(self, outcome: Outcome) {
        let mut state = self.place.shared.state();
        state.log[self.grant.line].outcome = Some(outcome);
    }
}

#[derive(Debug, Clone, Copy)]
struct Grant {
    /// The call's line in the log.
    line: usize,
    injected: Injected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Presence {
    #[default]
    Live,
    Idle,
    Finished,
}

/// Actors in the order in which they were added.
type ActorId = u32;

/// An actor as the turnstile sees it.
#[derive(Debug, Default)]
struct Seat {
    name: String,
    presence: Presence,
    crashed: bool,
    waiting: VecDeque<Waiting>,
}

impl Seat {
    /// Whether the turnstile must wait for this actor to make up its mind.
    fn holds_up(&self) -> bool {
        self.presence == Presence::Live && self.waiting.is_empty()
    }
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    verb: Verb,
    path: Path,
    /// Moves of the turnstile that still pass this call by.
    delay: u32,
    /// Whether the call is slow; `None` until that is drawn.
    slow: Option<bool>,
    grant: oneshot::Sender<Grant>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    faults: Faults,
    open: bool,
    /// The ticket of the call inside.
    inside: Option<u64>,
    tickets: u64,
    actors: BTreeMap<ActorId, Seat>,
    log: Vec<Call>,
    history: History,
}

impl State {
    fn add_actor(&mut self, name: &str) -> ActorId {
        let id = self.actors.last_key_value().map_or(0, |(last, _)| last + 1);
        let seat = Seat {
            name: name.to_owned(),
            ..Seat::default()
        };
        self.actors.insert(id, seat);
        id
    }

    fn is_crashed(&self, actor: ActorId) -> bool {
        self.actors.get(&actor).is_some_and(|seat| seat.crashed)
    }

    fn enter(
        &mut self,
        actor: ActorId,
        verb: Verb,
        path: &Path,
    ) -> Option<(u64, oneshot::Receiver<Grant>)> {
        let seat = self.actors.get_mut(&actor).filter(|seat| !seat.crashed)?;
        // A call is the plainest sign of life.
        seat.presence = Presence::Live;
        let (grant, granted) = oneshot::channel();
        self.tickets += 1;
        seat.waiting.push_back(Waiting {
            ticket: self.tickets,
            verb,
            path: path.clone(),
            delay: 0,
            slow: None,
            grant,
        });
        let ticket = self.tickets;
        self.turn();
        Some((ticket, granted))
    }

    /// Lets the next call in, if it is time.
    fn turn(&mut self) {
        while self.open && self.inside.is_none() && !self.is_held_up() {
            let Some(actor) = self.pick() else { return };
            self.admit(actor);
        }
    }

    fn is_held_up(&self) -> bool {
        self.actors.values().any(Seat::holds_up)
    }

    /// Draws the actor that moves; slow calls are passed by for a while.
    fn pick(&mut self) -> Option<ActorId> {
        loop {
            let candidates = self.candidates();
            if candidates.is_empty() {
                return None;
            }
            let picked = candidates[self.dice.below(candidates.len())];
            self.shorten_delays();
            if !self.is_slowed(picked) {
                return Some(picked);
            }
        }
    }

    /// The actors that may move: those whose call is not delayed, or all
    /// that wait if every call is.
    fn candidates(&self) -> Vec<ActorId> {
        let waiting = |max_delay: u32| {
            let has_call = move |seat: &Seat| {
                let first = seat.waiting.front();
                first.is_some_and(|call| call.delay <= max_delay)
            };
            let seats = self.actors.iter().filter(move |(_, seat)| has_call(seat));
            seats.map(|(id, _)| *id).collect::<Vec<_>>()
        };
        let ready = waiting(0);
        if ready.is_empty() {
            waiting(u32::MAX)
        } else {
            ready
        }
    }

    fn shorten_delays(&mut self) {
        for seat in self.actors.values_mut() {
            if let Some(call) = seat.waiting.front_mut() {
                call.delay = call.delay.saturating_sub(1);
            }
        }
    }

    /// Draws, once for each call, whether the others go first.
    fn is_slowed(&mut self, actor: ActorId) -> bool {
        let seat = self.actors.get_mut(&actor);
        let Some(call) = seat.and_then(|seat| seat.waiting.front_mut()) else {
            return false;
        };
        if call.slow.is_some() {
            return false;
        }
        call.delay = self.dice.delay(&self.faults);
        call.slow = Some(call.delay > 0);
        call.delay > 0
    }

    fn admit(&mut self, actor: ActorId) {
        let Some(seat) = self.actors.get_mut(&actor) else {
            return;
        };
        let Some(call) = seat.waiting.pop_front() else {
            return;
        };
        let injected = self.dice.inject(&self.faults, call.verb);
        if injected.fault == Some(Fault::Crash) {
            seat.crashed = true;
            // Dropping their grants ends the calls behind this one.
            seat.waiting.clear();
        }
        let slow = (call.slow == Some(true)).then_some(Fault::Slow);
        let line = self.log.len();
        self.log.push(Call {
            actor: seat.name.clone(),
            verb: call.verb,
            path: call.path,
            fault: injected.fault.or(slow),
            outcome: None,
        });
        let sent = call.grant.send(Grant { line, injected });
        self.inside = sent.is_ok().then_some(call.ticket);
    }

    /// A call goes, from the queue or from inside.
    fn leave(&mut self, ticket: u64) {
        if self.inside == Some(ticket) {
            self.inside = None;
        }
        for seat in self.actors.values_mut() {
            seat.waiting.retain(|call| call.ticket != ticket);
        }
        self.turn();
    }
}
