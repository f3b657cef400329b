//! What is missing in a unit, on its way to `_gaps`.

use super::side::SideFiles;
use super::{COMMIT_TRIES, Unit, overtaken, unknown};
use crate::Result;
use crate::log::{Commit, CommitOutcome};
use crate::parquet::WrittenFile;
use crate::table::gaps::{GAPS, Gap, gaps_batch, gaps_schema};

/// Gaps buffered before they are written.
const GAPS_MAX: usize = 16 << 10;

/// Gaps until the commit.
pub(super) struct Missing {
    gaps: Vec<Gap>,
    files: SideFiles,
}

impl Missing {
    pub(super) fn new() -> Missing {
        Missing {
            gaps: Vec::new(),
            files: SideFiles::new(GAPS, gaps_schema()),
        }
    }

    pub(super) fn push(&mut self, unit: &Unit, gap: Gap) -> Result<()> {
        self.gaps.push(gap);
        match self.gaps.len() {
            GAPS_MAX.. => self.flush(unit),
            _ => Ok(()),
        }
    }

    /// Moves what waits to files.
    pub(super) fn flush(&mut self, unit: &Unit) -> Result<()> {
        if self.gaps.is_empty() {
            return Ok(());
        }
        let batch = gaps_batch(unit.ingest_id, &self.gaps);
        self.gaps.clear();
        self.files.push(unit, &batch)
    }

    /// Ends the files.
    pub(super) fn finish(&mut self) -> Result<Vec<WrittenFile>> {
        self.files.finish()
    }

    pub(super) fn abort(self) -> Result<()> {
        self.files.abort()
    }
}

/// Commits the gaps of a unit once; the bytes of a unit have the same gaps
/// whoever reads them.
pub(super) async fn land(unit: &Unit, files: Vec<WrittenFile>) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    tracing::debug!(phase = "gaps");
    let table = unit.lake.system_table(GAPS, gaps_schema()).await?;
    let key = unit.key();
    let mut base = table.log().refresh().await?;
    for _ in 0..COMMIT_TRIES {
        if key.state_in(&base.transactions).reaches(unit.next_landed) {
            return Ok(());
        }
        let commit = Commit {
            operation: "GAPS".to_owned(),
            adds: files.iter().map(|file| unit.new_file(file, &[])).collect(),
            blind: true,
            data_change: true,
            transactions: vec![(key.transaction(), unit.next_landed)],
            ..Commit::default()
        };
        match table.log().commit(&base, &commit).await? {
            CommitOutcome::Committed(_) => return Ok(()),
            CommitOutcome::Conflicted(newest) => base = newest,
            CommitOutcome::Unknown(error) => return Err(unknown(GAPS, error)),
        }
    }
    Err(overtaken(GAPS))
}
