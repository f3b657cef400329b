//! Worlds of writers and readers over a store that decides by a seed who goes
//! first, which reply is lost and who dies, against the promises ROW-1,
//! ONCE-1, AMB-1 and ACK-1.
//!
//! A seed makes a world: its units, who is given which (some are given to
//! several writers at once), and the faults. Crashed writers are followed by
//! successors that repeat their units; at the end a process without faults
//! repeats every unit once. The auditor then reads the store by other means
//! than the lake: JSON of the log, rows of the files.
//!
//! `DOWNLAKE_SIMULATION_SEED` runs one world alone and prints its calls.

mod actors;
pub(crate) mod audit;
mod duplicates;
pub(crate) mod land;
pub(crate) mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use downlake_lake::seam::Seams;
use downlake_lake::storage::simulate::{Actor, Call, Faults, Outcome, Turnstile, Verb};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::runtime::{Handle, Runtime};

use actors::{Driver, World};
use audit::Books;
use plan::{Plan, Told, seams};

/// Worlds that are run each time; those that once found something stay.
const PINNED: [u64; 4] = [1, 2, 3, 7];
/// A world that makes no call for so long stands still.
const STANDSTILL: Duration = Duration::from_secs(60);

#[test]
fn budgeted_simulation_holds_the_promises() {
    let runtime = Runtime::new().unwrap();
    if let Ok(seed) = std::env::var("DOWNLAKE_SIMULATION_SEED") {
        let calls = run(runtime.handle(), seed.parse().unwrap());
        calls.iter().for_each(|call| println!("{call}"));
        return;
    }
    let until = Instant::now() + budget();
    let fresh = Seams::system().random.next_u64();
    let mut executions = 0;
    for seed in PINNED
        .into_iter()
        .chain((0..).map(|n| fresh.wrapping_add(n)))
    {
        run(runtime.handle(), seed);
        executions += 1;
        if executions > PINNED.len() && Instant::now() >= until {
            break;
        }
    }
    println!("{executions} executions, fresh seeds from {fresh}");
}

fn budget() -> Duration {
    let seconds = std::env::var("DOWNLAKE_BUDGET_SECONDS").ok();
    let seconds = seconds.map_or(1.0, |text| text.parse().expect("seconds"));
    Duration::from_secs_f64(seconds)
}

/// Runs the world of a seed, audits it, and returns its calls.
fn run(runtime: &Handle, seed: u64) -> Vec<Call> {
    let plan = Plan::of(seed);
    println!(
        "seed {seed}: {} units, {} writers, {} readers",
        plan.units.len(),
        plan.writers.len(),
        plan.readers
    );
    let world = Arc::new(World {
        turnstile: Turnstile::new(seed, plan.faults),
        objects: Arc::new(InMemory::new()),
        told: Told::default(),
        runtime: runtime.clone(),
        plan,
    });
    // The probe of an unfit store refuses it, so it is asked without faults.
    alone(&world, "founder", |objects, seams| {
        let lake = land::open(runtime, objects, seams).unwrap();
        runtime.block_on(lake.make()).unwrap();
    });
    play(&world);
    let books = runtime.block_on(Books::open(&world.objects));
    books.check_any_time(&world.plan.units, &world.told);
    let calls = world.turnstile.log();
    println!("  {}", summary(&calls, &books));
    repeat_all(&world);
    let books = runtime.block_on(Books::open(&world.objects));
    books.check_any_time(&world.plan.units, &world.told);
    books.check_at_the_end(&world.plan.units);
    calls
}

/// One process that meets no faults and no others.
fn alone(world: &World, name: &str, work: impl FnOnce(Arc<dyn ObjectStore>, Seams)) {
    let turnstile = Turnstile::new(0, Faults::none());
    let actor = turnstile.actor(name, Arc::clone(&world.objects));
    turnstile.open();
    work(actor.store(), seams(world.plan.seed, name));
}

/// Every unit once more, in a fresh process without faults; then once more,
/// which must change nothing.
fn repeat_all(world: &World) {
    let runtime = &world.runtime;
    alone(world, "last", |objects, seams| {
        let lake = land::open(runtime, objects, seams).unwrap();
        for unit in &world.plan.units {
            land::land(runtime, &lake, unit).unwrap();
        }
        runtime.block_on(lake.flush_ledger()).unwrap();
        let version = land::version(runtime, &lake);
        for unit in &world.plan.units {
            let again = land::land(runtime, &lake, unit).unwrap();
            assert!(again.is_none(), "{unit:?} landed again");
        }
        assert_eq!(land::version(runtime, &lake), version);
    });
}

/// Lets all actors work until the last has finished.
fn play(world: &Arc<World>) {
    let mut threads = Vec::new();
    for (number, units) in world.plan.writers.iter().cloned().enumerate() {
        let driver = Driver::new(world, &format!("w{number}"));
        threads.push(thread::spawn(move || {
            driver.work(|driver| driver.write(&units))
        }));
    }
    for number in 0..world.plan.readers {
        let driver = Driver::new(world, &format!("r{number}"));
        threads.push(thread::spawn(move || driver.work(Driver::read)));
    }
    world.turnstile.open();
    await_all(world, threads);
}

/// Waits for the actors. A read-ahead that the kernel gave up may come late
/// and would count as a sign of life, so who has finished is told so again.
fn await_all(world: &World, mut threads: Vec<JoinHandle<Actor>>) {
    let mut finished: Vec<Actor> = Vec::new();
    let (mut calls, mut since) = (0, Instant::now());
    while !threads.is_empty() {
        thread::sleep(Duration::from_millis(2));
        let (done, working): (Vec<_>, Vec<_>) =
            threads.into_iter().partition(JoinHandle::is_finished);
        threads = working;
        for thread in done {
            finished.push(thread.join().expect("the actor said why it failed"));
        }
        finished.iter().for_each(Actor::finish);
        if since.elapsed() < STANDSTILL {
            continue;
        }
        let now = world.turnstile.log().len();
        let waits_for = world.turnstile.waits_for();
        assert!(
            now > calls,
            "seed {}: all wait for {waits_for:?}",
            world.plan.seed
        );
        (calls, since) = (now, Instant::now());
    }
}

fn summary(calls: &[Call], books: &Books) -> String {
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    for fault in calls.iter().filter_map(|call| call.fault) {
        *faults.entry(format!("{fault:?}")).or_default() += 1;
    }
    let conflicts = calls.iter().filter(|call| is_conflict(call)).count();
    let commits =
        books.engine.commits.len() + books.ledger.commits.len() + books.quarantine.commits.len();
    format!(
        "{} calls, {commits} commits, {conflicts} conflicts, faults {faults:?}",
        calls.len()
    )
}

/// A commit that met another at its version.
fn is_conflict(call: &Call) -> bool {
    call.verb == Verb::Create
        && call.path.as_ref().contains("/_delta_log/")
        && call.outcome == Some(Outcome::AlreadyExists)
        && call.fault.is_none()
}
