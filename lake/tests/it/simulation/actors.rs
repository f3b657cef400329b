//! The actors of a world: writers that end only when their units are in, and
//! readers that look at random moments.
//!
//! Each actor is a thread that drives one process after another: a crashed
//! one is followed by a successor that is given the same units.

use std::sync::Arc;

use downlake_lake::log::{Snapshot, VersionAsked};
use downlake_lake::storage::simulate::{Actor, Turnstile};
use downlake_lake::table::{Lake, Table};
use downlake_lake::{Error, ErrorKind, Result};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Handle;

use super::audit::rows_in;
use super::land;
use super::plan::{Dice, Plan, Sighting, TABLE, Told, seams};

/// Processes that one actor may need before it is thought to go in circles.
const PROCESSES_MAX: u32 = 300;

/// What all actors of a world share.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) told: Told,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) turnstile: Turnstile,
    pub(crate) runtime: Handle,
}

/// One actor, and the process that it is at the moment.
pub(crate) struct Driver {
    world: Arc<World>,
    name: String,
    dice: Dice,
    actor: Actor,
    lake: Option<Arc<Lake>>,
    processes: u32,
}

impl Driver {
    pub(crate) fn new(world: &Arc<World>, name: &str) -> Driver {
        Driver {
            world: Arc::clone(world),
            name: name.to_owned(),
            dice: Dice::of(world.plan.seed, name),
            actor: world.turnstile.actor(name, Arc::clone(&world.objects)),
            lake: None,
            processes: 0,
        }
    }

    /// Works until a process comes to the end of the work, and hands back the
    /// actor, which has finished.
    pub(crate) fn work(mut self, work: impl Fn(&mut Driver) -> Result<()>) -> Actor {
        loop {
            let done = work(&mut self);
            let crashed = self.actor.is_crashed();
            match done {
                Ok(()) if !crashed => break,
                Err(error) if !crashed => self.retry(&error),
                _ => self.succeed(),
            }
            self.processes += 1;
            assert!(self.processes < PROCESSES_MAX, "{} gets nowhere", self.name);
        }
        self.close();
        self.actor.finish();
        self.actor
    }

    /// What a caller does who is told to run the same command again: in the
    /// same process or in a new one.
    fn retry(&mut self, error: &Error) {
        let expected = match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Conflict => true,
            // What a stale listing does not show is not there.
            ErrorKind::NotFound => self.world.plan.faults.stale_list > 0,
            _ => false,
        };
        assert!(
            expected,
            "{}: a fault of the store became {error:?}",
            self.name
        );
        if self.dice.once_in(2) {
            self.close();
        }
    }

    fn succeed(&mut self) {
        self.close();
        let name = format!("{}+{}", self.name, self.processes);
        let objects = Arc::clone(&self.world.objects);
        self.actor = self.world.turnstile.actor(&name, objects);
    }

    fn close(&mut self) {
        if let Some(lake) = self.lake.take() {
            self.world.runtime.block_on(lake.settle());
        }
    }

    /// The lake as this process has it open.
    pub(crate) fn lake(&mut self) -> Result<Arc<Lake>> {
        if let Some(lake) = &self.lake {
            return Ok(Arc::clone(lake));
        }
        let process = format!("{} {}", self.name, self.processes);
        let seams = seams(self.world.plan.seed, &process);
        let lake = land::open(&self.world.runtime, self.actor.store(), seams)?;
        self.lake = Some(Arc::clone(&lake));
        Ok(lake)
    }

    /// Lands the units, in order, and tells the ledger now and then.
    pub(crate) fn write(&mut self, units: &[usize]) -> Result<()> {
        let world = Arc::clone(&self.world);
        let lake = self.lake()?;
        for number in units {
            let landed = land::land(&world.runtime, &lake, &world.plan.units[*number])?;
            world.told.acknowledged.lock().unwrap().push(*number);
            if landed.is_some_and(|report| !report.already) {
                world.told.landed.lock().unwrap().push(*number);
            }
            if self.dice.once_in(3) {
                world.runtime.block_on(lake.flush_ledger())?;
            }
        }
        world.runtime.block_on(lake.flush_ledger())
    }

    /// Looks at the table several times.
    pub(crate) fn read(&mut self) -> Result<()> {
        let world = Arc::clone(&self.world);
        let lake = self.lake()?;
        let mut last: Option<Arc<Snapshot>> = None;
        for _ in 0..4 {
            let Some(table) = world.runtime.block_on(lake.table(TABLE))? else {
                continue;
            };
            let now = table.snapshot();
            if let Some(last) = &last {
                assert!(now.version >= last.version, "{} went back", self.name);
                assert!(now.rows() >= last.rows(), "{} lost rows", self.name);
            }
            see(&world, &now);
            self.look_back(&table)?;
            self.look_into(&now)?;
            last = Some(now);
        }
        Ok(())
    }

    /// A version that somebody saw reads the same now.
    fn look_back(&mut self, table: &Table) -> Result<()> {
        let newest = usize::try_from(table.snapshot().version).unwrap();
        let version = self.dice.below(newest + 1) as u64;
        let asked = table.log().snapshot_at(VersionAsked::Version(version));
        let found = self.world.runtime.block_on(asked)?;
        assert_eq!(found.version, version, "{}", self.name);
        see(&self.world, &found);
        Ok(())
    }

    /// A file of a version is there, with the rows that the version says.
    fn look_into(&mut self, snapshot: &Snapshot) -> Result<()> {
        if snapshot.files.is_empty() {
            return Ok(());
        }
        let file = &snapshot.files[self.dice.below(snapshot.files.len())];
        let place = Path::parse(format!("{TABLE}/{}", file.path)).unwrap();
        let store = self.actor.store();
        let bytes = self
            .world
            .runtime
            .block_on(async { store.get(&place).await?.bytes().await })?;
        assert_eq!(Some(rows_in(bytes).len() as u64), file.stats.rows);
        Ok(())
    }
}

/// Notes what a version looks like, or compares it with what was noted.
fn see(world: &World, snapshot: &Snapshot) {
    let mut files: Vec<String> = snapshot.files.iter().map(|f| f.path.clone()).collect();
    files.sort();
    let sighting = Sighting {
        files,
        rows: snapshot.rows().unwrap(),
    };
    let mut seen = world.told.seen.lock().unwrap();
    let before = seen.entry(snapshot.version).or_insert(sighting.clone());
    assert_eq!(*before, sighting, "version {}", snapshot.version);
}
