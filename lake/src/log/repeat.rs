//! Commits that are repeated until the log has settled them.

use std::sync::Arc;
use std::time::Duration;

use super::table::lost;
use super::{AppendOutcome, Commit, CommitOutcome, RewriteOutcome, Snapshot, TableLog};
use crate::{Error, Result};

/// Conflicts in a row that one commit may lose. Each means that another
/// commit landed.
const CONFLICTS_MAX: u32 = 1_000;
/// Conflicts that are answered at once, before others are let go first.
const CONFLICTS_AT_ONCE: u32 = 3;
/// The longest pause after a conflict, in milliseconds.
const PAUSE_MAX_MS: u64 = 50;

impl TableLog {
    /// Lands a commit that may follow any other, unless `already` says of the
    /// version it would follow that the work is done (by its transactions).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a commit that is
    /// not blind, [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) after a
    /// thousand lost races, and those of [`TableLog::commit`].
    pub async fn append_blind(
        &self,
        commit: &Commit,
        already: impl Fn(&Snapshot) -> bool,
    ) -> Result<AppendOutcome> {
        if !commit.blind {
            return Err(Error::invalid(
                "a commit that is not blind has read the table and cannot follow any version",
            ));
        }
        let mut base = self.snapshot();
        for conflicts in 0..CONFLICTS_MAX {
            if already(&base) {
                return Ok(AppendOutcome::AlreadyThere(base));
            }
            match self.commit(&base, commit).await? {
                CommitOutcome::Committed(done) => return Ok(AppendOutcome::Committed(done)),
                CommitOutcome::Unknown(error) => return Ok(AppendOutcome::Unknown(error)),
                CommitOutcome::Conflicted(newer) => base = newer,
            }
            self.let_others_go(conflicts).await;
        }
        Err(self.too_many_conflicts())
    }

    /// Lands a commit that replaces files, so that no other rewrite of the
    /// same files lands too.
    ///
    /// The commit was prepared on `base`. Where another commit is in the way,
    /// it is repeated as long as all its inputs are active; where its outputs
    /// are active, an earlier try has landed. The outputs are never deleted.
    ///
    /// # Errors
    /// As [`TableLog::append_blind`].
    pub async fn rewrite(&self, base: &Snapshot, commit: &Commit) -> Result<RewriteOutcome> {
        let mut newer = match self.commit(base, commit).await? {
            CommitOutcome::Committed(done) => return Ok(RewriteOutcome::Committed(done)),
            CommitOutcome::Unknown(error) => return Ok(RewriteOutcome::Unknown(error)),
            CommitOutcome::Conflicted(newer) => newer,
        };
        for conflicts in 0..CONFLICTS_MAX {
            if has_outputs(&newer, commit) {
                return Ok(RewriteOutcome::Committed(newer));
            }
            let lost = lost(&newer, commit);
            if !lost.is_empty() {
                return Ok(RewriteOutcome::GaveUp {
                    snapshot: newer,
                    lost,
                });
            }
            match self.commit(&newer, commit).await? {
                CommitOutcome::Committed(done) => return Ok(RewriteOutcome::Committed(done)),
                CommitOutcome::Unknown(error) => return Ok(RewriteOutcome::Unknown(error)),
                CommitOutcome::Conflicted(newest) => newer = newest,
            }
            self.let_others_go(conflicts).await;
        }
        Err(self.too_many_conflicts())
    }

    /// A random pause, so that losers of a race do not meet again.
    async fn let_others_go(&self, conflicts: u32) {
        if conflicts >= CONFLICTS_AT_ONCE {
            let random = self.engine().seams().random.next_u64();
            tokio::time::sleep(Duration::from_millis(random % PAUSE_MAX_MS)).await;
        }
    }

    fn too_many_conflicts(&self) -> Error {
        Error::conflict(format!(
            "table {} took other commits {CONFLICTS_MAX} times in a row: \
             write with fewer writers, or in larger commits",
            self.table()
        ))
    }
}

fn has_outputs(snapshot: &Arc<Snapshot>, commit: &Commit) -> bool {
    let active = |path: &str| snapshot.files.iter().any(|file| file.path == path);
    !commit.adds.is_empty() && commit.adds.iter().all(|file| active(&file.path))
}
