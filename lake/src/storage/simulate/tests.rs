use std::thread;

use expect_test::expect;
use futures::executor::block_on;
use futures::{FutureExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutMode};

use super::*;

/// Four actors on threads of their own append to one log until each has
/// landed three entries or crashed; a crashed one is followed by a successor.
fn simulate(seed: u64, faults: Faults, pace: u64) -> Vec<String> {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let turnstile = Turnstile::new(seed, faults);
    let actors: Vec<Actor> = (0..4)
        .map(|n| turnstile.actor(&format!("w{n}"), Arc::clone(&objects)))
        .collect();
    turnstile.open();
    thread::scope(|scope| {
        for (n, actor) in (0..).zip(actors) {
            let (turnstile, objects) = (&turnstile, &objects);
            scope.spawn(move || {
                // Threads that start and run at a pace that differs each time.
                let pause = std::time::Duration::from_micros((pace * (n + 7) * 131) % 1500);
                thread::sleep(pause);
                append(&actor, pause);
                if actor.is_crashed() {
                    let heir = turnstile.actor(&format!("w{n}'"), Arc::clone(objects));
                    drop(actor);
                    append(&heir, pause);
                }
            });
        }
    });
    turnstile.log().iter().map(Call::to_string).collect()
}

/// Appends at the version after the last that a listing shows.
fn append(actor: &Actor, pause: std::time::Duration) {
    let store = actor.store();
    for _ in 0..6 {
        let listed = block_on(store.list(Some(&Path::from("log"))).try_collect::<Vec<_>>());
        thread::sleep(pause);
        let Ok(listed) = listed else { continue };
        let version = listed.len();
        let path = Path::from(format!("log/{version:04}"));
        let _ = block_on(store.put_opts(&path, "entry".into(), PutMode::Create.into()));
        let _ = block_on(store.head(&path));
    }
}

#[test]
fn the_same_seed_gives_the_same_calls_on_any_schedule_of_threads() {
    let mut logs = std::collections::HashSet::new();
    for seed in 0..8 {
        let first = simulate(seed, Faults::stormy(), 0);
        for pace in 1..4 {
            assert_eq!(first, simulate(seed, Faults::stormy(), pace), "seed {seed}");
        }
        logs.insert(first);
    }
    assert_eq!(logs.len(), 8, "another seed is another story");
}

#[test]
fn every_kind_of_fault_is_met() {
    let logs: Vec<String> = (0..12)
        .flat_map(|seed| simulate(seed, Faults::stormy(), 0))
        .collect();
    for fault in [
        "ReplyLost",
        "OwnRetry",
        "Unavailable",
        "Slow",
        "StaleList",
        "Crash",
    ] {
        assert!(logs.iter().any(|line| line.contains(fault)), "no {fault}");
    }
}

/// What one actor is told of a create, and what is there afterwards, when
/// one fault is certain.
fn create_under(faults: Faults) -> String {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let turnstile = Turnstile::new(1, faults);
    let actor = turnstile.actor("w", Arc::clone(&objects));
    turnstile.open();
    let path = Path::from("a");
    let put = block_on(
        actor
            .store()
            .put_opts(&path, "x".into(), PutMode::Create.into()),
    );
    let there = block_on(objects.head(&path)).is_ok();
    let answer = put.map_or_else(|error| error.to_string(), |_| "ok".to_owned());
    let next = block_on(actor.store().list(None).try_collect::<Vec<_>>());
    let next = next.map_or_else(
        |error| error.to_string(),
        |listed| format!("{} listed", listed.len()),
    );
    format!("{answer} | landed: {there} | then: {next}\n")
}

#[test]
fn faults_do_what_their_names_say() {
    let none = Faults::none();
    let told: String = [
        none,
        Faults {
            reply_lost: 1000,
            ..none
        },
        Faults {
            own_retry: 1000,
            ..none
        },
        Faults {
            unavailable: 1000,
            ..none
        },
        Faults { slow: 1000, ..none },
        Faults {
            stale_list: 1000,
            ..none
        },
        Faults {
            crash: 1000,
            ..none
        },
    ]
    .map(create_under)
    .concat();
    expect![[r#"
        ok | landed: true | then: 1 listed
        Generic simulated error: the connection closed before the reply | landed: true | then: 1 listed
        Object at location a already exists: 412, to a second try of the client | landed: true | then: 1 listed
        Generic simulated error: 503, nothing landed | landed: false | then: Generic simulated error: 503, nothing landed
        ok | landed: true | then: 1 listed
        ok | landed: true | then: 0 listed
        Generic simulated error: this actor has crashed | landed: false | then: Generic simulated error: this actor has crashed
    "#]].assert_eq(&told);
}

#[test]
fn a_stale_listing_is_the_listing_of_an_earlier_moment() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let faults = Faults {
        stale_list: 1000,
        ..Faults::none()
    };
    let turnstile = Turnstile::new(3, faults);
    let actor = turnstile.actor("w", Arc::clone(&objects));
    turnstile.open();
    let store = actor.store();
    let mut moments = vec![Vec::new()];
    for n in 0..20 {
        let path = Path::from(format!("t/{n:02}"));
        block_on(store.put(&path, "x".into())).unwrap();
        moments.push(locations(&objects));
        if n % 3 == 2 {
            let path = Path::from(format!("t/{:02}", n - 1));
            block_on(store.delete(&path)).unwrap();
            moments.push(locations(&objects));
        }
        let seen = locations(&store);
        let at = moments.iter().position(|moment| *moment == seen);
        let lag = moments.len() - 1 - at.expect("a listing of some moment");
        assert!((1..=8).contains(&lag), "{lag} writes behind");
        let level = block_on(store.list_with_delimiter(Some(&"t".into()))).unwrap();
        let level: Vec<_> = level
            .objects
            .into_iter()
            .map(|object| object.location)
            .collect();
        assert!(moments.contains(&level) && moments.last() != Some(&level));
    }
}

fn locations(store: &Arc<dyn ObjectStore>) -> Vec<Path> {
    block_on(
        store
            .list(None)
            .map_ok(|object| object.location)
            .try_collect(),
    )
    .unwrap()
}

#[test]
fn an_idle_actor_and_a_call_given_up_hold_nobody_up() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let turnstile = Turnstile::new(1, Faults::none());
    let busy = turnstile.actor("busy", Arc::clone(&objects));
    let other = turnstile.actor("other", Arc::clone(&objects));
    turnstile.open();
    let path = Path::from("a");
    let store = busy.store();
    let mut waiting = Box::pin(store.head(&path));
    let answer = (&mut waiting).now_or_never();
    assert!(answer.is_none(), "the other has not made up its mind");
    assert_eq!(turnstile.waits_for(), ["other"]);
    drop(waiting);
    assert_eq!(turnstile.waits_for(), ["busy", "other"]);
    other.idle();
    block_on(store.head(&path)).unwrap_err();
    let names: Vec<_> = turnstile.log().into_iter().map(|call| call.actor).collect();
    assert_eq!(names, ["busy"]);
}
