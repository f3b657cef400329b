//! Asks a store to show that it creates objects atomically.
//!
//! The log rests on one ability: of several writers that create the same
//! object, exactly one succeeds. Some stores that speak the right protocol do
//! not have it, and some have it only while nobody races. So the ability is
//! tried before the first write through an endpoint, and the answer is kept
//! with the lake.
//!
//! Promises: throw-away objects live under `_downlake/probe/` and are removed
//! whatever the outcome; those of a process that was killed are removed by the
//! next probe. Refuses: running for a caller that only reads.

use std::fmt;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::future::join_all;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde::{Deserialize, Serialize};

use super::{OWN_FOLDER, Storage};
use crate::seam::Seams;
use crate::{Error, Result};

/// Writers that race for one object.
const WRITERS: usize = 8;
/// Races that are run; a store that decides by check-then-write loses the first.
const ROUNDS: usize = 6;

/// Bytes of a trial write: more than a full disk finds in the slack of a file.
const TRIAL_BYTES: usize = 64 << 10;

/// After this time a probe has ended or its process is dead, microseconds.
const PROBE_MICROS_MAX: i64 = 3_600 * 1_000_000;

/// What a store showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The endpoint that was asked.
    pub endpoint: String,
    /// When it was asked, microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Races that were run.
    pub rounds: usize,
    /// Writers in each race.
    pub writers: usize,
    /// What was seen that must not be; empty for a fit store.
    pub faults: Vec<Fault>,
}

impl ProbeReport {
    /// Whether the store can hold a lake that is written to.
    pub fn is_fit(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Something a store must not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A second create of an existing object succeeded.
    SecondCreateSucceeded,
    /// A create of an existing object failed, but not by saying so.
    SecondCreateAnswered {
        /// The store's answer.
        answer: String,
    },
    /// Not exactly one of the racing writers won.
    Winners {
        /// Which race, from 0.
        round: usize,
        /// How many were told that they had won.
        count: usize,
    },
    /// The object does not hold what its writer wrote.
    OtherContent {
        /// Which race, from 0; `None` outside the races.
        round: Option<usize>,
    },
    /// A listing leaves out an object that was just created.
    NotListed,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::SecondCreateSucceeded => {
                write!(f, "creating an object that exists succeeded")
            }
            Fault::SecondCreateAnswered { answer } => {
                write!(
                    f,
                    "creating an object that exists was answered with \"{answer}\""
                )
            }
            Fault::Winners { round, count } => {
                write!(
                    f,
                    "in race {round}, {count} of {WRITERS} writers created the same object"
                )
            }
            Fault::OtherContent { round: Some(round) } => {
                write!(
                    f,
                    "in race {round}, the object does not hold what the winner wrote"
                )
            }
            Fault::OtherContent { round: None } => {
                write!(f, "an object does not hold what was written first")
            }
            Fault::NotListed => write!(f, "a new object is missing from the listing"),
        }
    }
}

/// Tries the store, in sequence and racing, on throw-away objects.
///
/// # Errors
/// What the store answers where it fails altogether; an unfit store is no
/// error but a report with faults.
pub async fn probe(objects: &dyn ObjectStore, seams: &Seams) -> Result<ProbeReport> {
    let trial = Trial {
        objects,
        folder: Path::from_iter([OWN_FOLDER, "probe", &seams.new_id()]),
    };
    let tried = trial.run().await;
    let cleaned = trial.clean().await;
    let faults = tried.map_err(|error| error.context("cannot probe the store"))?;
    cleaned?;
    Ok(ProbeReport {
        endpoint: objects.to_string(),
        at: seams.clock.now_micros(),
        rounds: ROUNDS,
        writers: WRITERS,
        faults,
    })
}

/// Probes the store unless the lake remembers that this endpoint passed.
///
/// # Errors
/// `Invalid`: the store is unfit; the message says what was seen.
pub async fn ensure_probed(storage: &Storage, seams: &Seams) -> Result<ProbeReport> {
    if let Some(known) = kept_answer(storage).await? {
        return Ok(known);
    }
    remove_leftovers(storage, seams).await?;
    let report = ProbeReport {
        endpoint: storage.endpoint().to_owned(),
        ..probe(storage.objects(), seams).await?
    };
    if !report.is_fit() {
        return Err(unfit(storage, &report));
    }
    let bytes = serde_json::to_vec(&report).expect("numbers and text are JSON");
    storage.objects().put(&answer(), bytes.into()).await?;
    Ok(report)
}

/// Writes an object and removes it again: whether the store takes writes now,
/// whatever it showed when the lake was made.
///
/// # Errors
/// What the store answers, such as `Limit` where it is full.
pub async fn try_write(storage: &Storage, seams: &Seams) -> Result<()> {
    let location = Path::from_iter([OWN_FOLDER, "probe", &seams.new_id(), "write"]);
    let objects = storage.objects();
    let written = objects.put(&location, vec![0; TRIAL_BYTES].into()).await;
    let removed = remove(objects, &location).await;
    written.map_err(|error| Error::from(error).context("the store takes no writes"))?;
    removed
}

/// The throw-away objects that are there: of probes that run now, and of
/// those whose processes were killed.
pub async fn leftovers(storage: &Storage) -> Result<Vec<ObjectMeta>> {
    let folder = Path::from_iter([OWN_FOLDER, "probe"]);
    let listed = storage.objects().list(Some(&folder));
    Ok(listed.try_collect().await?)
}

/// Young objects stay: without them a probe that runs now would misjudge the store.
async fn remove_leftovers(storage: &Storage, seams: &Seams) -> Result<()> {
    let dead = seams.clock.now_micros() - PROBE_MICROS_MAX;
    for object in leftovers(storage).await? {
        if object.last_modified.timestamp_micros() < dead {
            remove(storage.objects(), &object.location).await?;
        }
    }
    Ok(())
}

async fn remove(objects: &dyn ObjectStore, location: &Path) -> Result<()> {
    match objects.delete(location).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(Error::from(error).context("cannot remove the probe's objects")),
    }
}

/// The kept answer, if it speaks of this store and is good.
pub async fn kept_answer(storage: &Storage) -> Result<Option<ProbeReport>> {
    let Some(bytes) = storage.read_small(&answer()).await? else {
        return Ok(None);
    };
    // An answer that cannot be read is no answer: the store is asked again.
    let report = serde_json::from_slice::<ProbeReport>(&bytes).ok();
    Ok(report.filter(|report| report.is_fit() && report.endpoint == storage.endpoint()))
}

fn answer() -> Path {
    Path::from_iter([OWN_FOLDER, "store.json"])
}

fn unfit(storage: &Storage, report: &ProbeReport) -> Error {
    let seen: Vec<_> = report.faults.iter().map(Fault::to_string).collect();
    Error::invalid(format!(
        "store {} at {} cannot hold a lake that is written to: {}; use a store whose conditional PUT (If-None-Match: *) is atomic",
        report.endpoint,
        storage.url(),
        seen.join("; ")
    ))
}

/// One run of the probe on a folder of its own.
struct Trial<'a> {
    objects: &'a dyn ObjectStore,
    folder: Path,
}

impl Trial<'_> {
    async fn run(&self) -> Result<Vec<Fault>> {
        let mut faults = self.try_in_sequence().await?;
        for round in 0..ROUNDS {
            faults.extend(self.race(round).await?);
        }
        Ok(faults)
    }

    async fn try_in_sequence(&self) -> Result<Vec<Fault>> {
        let mut faults = Vec::new();
        let location = self.folder.clone().join("sequence");
        self.create(&location, "first").await?;
        match self.create(&location, "second").await {
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Ok(()) => faults.push(Fault::SecondCreateSucceeded),
            Err(error) => faults.push(Fault::SecondCreateAnswered {
                answer: error.to_string(),
            }),
        }
        if self.read(&location).await? != "first" {
            faults.push(Fault::OtherContent { round: None });
        }
        let listed = self.objects.list_with_delimiter(Some(&self.folder)).await?;
        if !listed
            .objects
            .iter()
            .any(|found| found.location == location)
        {
            faults.push(Fault::NotListed);
        }
        Ok(faults)
    }

    async fn race(&self, round: usize) -> Result<Option<Fault>> {
        let location = self.folder.clone().join(format!("race-{round}"));
        let writers = (0..WRITERS).map(|writer| self.enter(&location, writer));
        let entered: Vec<Option<usize>> =
            join_all(writers).await.into_iter().collect::<Result<_>>()?;
        let winners: Vec<usize> = entered.into_iter().flatten().collect();
        let [winner] = winners[..] else {
            return Ok(Some(Fault::Winners {
                round,
                count: winners.len(),
            }));
        };
        let content = self.read(&location).await?;
        let is_winners = content == content_of(winner);
        Ok((!is_winners).then_some(Fault::OtherContent { round: Some(round) }))
    }

    /// One writer of a race: its number if it was told that it won.
    async fn enter(&self, location: &Path, writer: usize) -> Result<Option<usize>> {
        match self.create(location, content_of(writer)).await {
            Ok(()) => Ok(Some(writer)),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn create(&self, location: &Path, content: impl Into<Bytes>) -> object_store::Result<()> {
        let payload = PutPayload::from_bytes(content.into());
        let put = self
            .objects
            .put_opts(location, payload, PutMode::Create.into());
        put.await.map(drop)
    }

    async fn read(&self, location: &Path) -> Result<Bytes> {
        Ok(self.objects.get(location).await?.bytes().await?)
    }

    /// Deletes by name: listing is one of the things on trial.
    async fn clean(&self) -> Result<()> {
        let names = (0..ROUNDS).map(|round| format!("race-{round}"));
        for name in names.chain(["sequence".to_owned()]) {
            remove(self.objects, &self.folder.clone().join(name)).await?;
        }
        Ok(())
    }
}

fn content_of(writer: usize) -> String {
    format!("writer {writer}")
}
