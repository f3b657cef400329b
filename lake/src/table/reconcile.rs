//! Keeps `_ledger` in step with the data commits, which hold the truth.
//!
//! A landing is recorded after its data commit; a process that dies between
//! the two leaves the row to the next one. The transaction `ledger/<table>`
//! in the ledger's log says up to which version of a table every landing is
//! recorded, so that only newer commits are looked at.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Deserialize;
use serde_json::Value;

use super::append::{COMMIT_TRIES, INFO_KEY, overtaken, unknown};
use super::lake::{Lake, Table};
use super::ledger::{LEDGER, LedgerRow, ledger_batch, ledger_schema};
use super::unit::{UnitKey, UnitState};
use crate::log::{Commit, CommitOutcome, HistoryEntry, NewFile, Snapshot};
use crate::{Error, Result};

/// Landings that wait before the ledger is written.
const PENDING_MAX: usize = 64;

/// What a data commit says of its unit.
#[derive(Debug, Clone, Deserialize)]
struct LandingInfo {
    /// The transaction version of the landing.
    landing: i64,
    /// The rows of the ledger.
    rows: Vec<LedgerRow>,
}

/// Landings that are in the data but not yet in the ledger.
#[derive(Debug, Default)]
pub(crate) struct PendingLedger {
    rows: Vec<(LedgerRow, i64)>,
    /// Versions of each table whose landings are recorded or pending.
    known: BTreeMap<String, BTreeSet<u64>>,
    reconciled: HashSet<String>,
}

impl PendingLedger {
    /// Adds landings; they may wait already, of another writer of the unit.
    fn add(&mut self, found: Vec<(LedgerRow, i64)>) {
        let key = |row: &LedgerRow, landing: i64| (row.unit_key.clone(), landing);
        let waiting: HashSet<_> = self.rows.iter().map(|(row, at)| key(row, *at)).collect();
        let is_new = |(row, landing): &(LedgerRow, i64)| !waiting.contains(&key(row, *landing));
        self.rows.extend(found.into_iter().filter(is_new));
    }

    /// The state of a unit by a row that waits.
    pub(crate) fn landing_of(&self, key: UnitKey) -> Option<UnitState> {
        let key = key.to_string();
        let mut waiting = self.rows.iter().filter(|(row, _)| row.unit_key == key);
        waiting
            .next()
            .map(|(_, landing)| UnitState::after(*landing))
    }

    /// Says that every landing of a table is recorded or waits here.
    pub(crate) fn note_reconciled(&mut self, table: &str) {
        self.reconciled.insert(table.to_owned());
    }
}

impl Lake {
    /// Notes a landing for the ledger, with the commits that hold it; written
    /// at once only when many wait.
    pub(crate) async fn record_landing(
        &self,
        commits: &[(String, u64)],
        landing: i64,
        rows: Vec<LedgerRow>,
    ) -> Result<()> {
        let full = {
            let mut pending = self.pending_ledger();
            for (table, version) in commits {
                let known = pending.known.entry(table.clone()).or_default();
                known.insert(*version);
            }
            pending.add(rows.into_iter().map(|row| (row, landing)).collect());
            pending.rows.len() >= PENDING_MAX
        };
        if full {
            self.flush_ledger().await
        } else {
            Ok(())
        }
    }

    /// Writes the landings that wait. Rows that another process wrote on our
    /// behalf are left out.
    pub async fn flush_ledger(&self) -> Result<()> {
        let (rows, known) = {
            let mut pending = self.pending_ledger();
            (std::mem::take(&mut pending.rows), pending.known.clone())
        };
        if rows.is_empty() && known.is_empty() {
            return Ok(());
        }
        match self.commit_ledger(&rows, &known).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.pending_ledger().add(rows);
                Err(error)
            }
        }
    }

    async fn commit_ledger(
        &self,
        rows: &[(LedgerRow, i64)],
        known: &BTreeMap<String, BTreeSet<u64>>,
    ) -> Result<()> {
        let ledger = self.system_table(LEDGER, ledger_schema()).await?;
        let mut base = ledger.snapshot();
        let mut written: Option<(Vec<LedgerRow>, Vec<NewFile>)> = None;
        for _ in 0..COMMIT_TRIES {
            let missing: Vec<_> = rows
                .iter()
                .filter(|(row, landing)| !is_recorded(&base, row, *landing))
                .collect();
            let mut transactions: Vec<_> = missing
                .iter()
                .map(|(row, landing)| (transaction(row), *landing))
                .collect();
            transactions.extend(
                known
                    .iter()
                    .filter_map(|(table, versions)| watermark(&base, table, versions)),
            );
            if transactions.is_empty() {
                return Ok(());
            }
            let rows: Vec<_> = missing.into_iter().map(|(row, _)| row.clone()).collect();
            let adds = match &written {
                _ if rows.is_empty() => Vec::new(),
                Some((same, files)) if *same == rows => files.clone(),
                _ => {
                    let batch = ledger_batch(&rows);
                    let files = self.write_small_files(LEDGER, batch).await?;
                    written = Some((rows, files.clone()));
                    files
                }
            };
            let commit = Commit {
                operation: "LEDGER".to_owned(),
                blind: !adds.is_empty(),
                adds,
                data_change: true,
                transactions,
                ..Commit::default()
            };
            match ledger.log().commit(&base, &commit).await? {
                CommitOutcome::Committed(_) => return Ok(()),
                CommitOutcome::Conflicted(newest) => base = newest,
                CommitOutcome::Unknown(error) => return Err(unknown(LEDGER, error)),
            }
        }
        Err(overtaken(LEDGER))
    }

    /// Records landings of earlier processes that did not reach the ledger.
    /// Looks at a table once a process, and only at versions above the watermark.
    pub async fn reconcile(&self, table: &Table) -> Result<()> {
        if self.pending_ledger().reconciled.contains(table.name()) {
            return Ok(());
        }
        let newest = table.snapshot().version;
        let recorded = match self.table(LEDGER).await? {
            Some(ledger) => recorded_up_to(&ledger.snapshot(), table.name()),
            None => 0,
        };
        let behind = newest.saturating_sub(recorded);
        let entries = table.log().history(usize::try_from(behind).ok()).await?;
        let mut found = Vec::new();
        for entry in entries.iter().rev() {
            found.extend(landings_of(table.name(), entry)?);
        }
        {
            let mut pending = self.pending_ledger();
            pending
                .known
                .entry(table.name().to_owned())
                .or_default()
                .extend(entries.iter().map(|entry| entry.version));
            pending.add(found);
            pending.note_reconciled(table.name());
        }
        self.flush_ledger().await
    }
}

fn transaction(row: &LedgerRow) -> String {
    format!("unit/{}", row.unit_key)
}

fn is_recorded(ledger: &Snapshot, row: &LedgerRow, landing: i64) -> bool {
    ledger
        .transactions
        .get(&transaction(row))
        .is_some_and(|there| there >= landing)
}

fn watermark_name(table: &str) -> String {
    format!("ledger/{table}")
}

fn recorded_up_to(ledger: &Snapshot, table: &str) -> u64 {
    let there = ledger.transactions.get(&watermark_name(table)).unwrap_or(0);
    u64::try_from(there).unwrap_or(0)
}

/// The new watermark of a table: the end of the run of known versions.
fn watermark(ledger: &Snapshot, table: &str, known: &BTreeSet<u64>) -> Option<(String, i64)> {
    let there = recorded_up_to(ledger, table);
    let mut reached = there;
    while known.contains(&(reached + 1)) {
        reached += 1;
    }
    (reached > there).then(|| {
        (
            watermark_name(table),
            i64::try_from(reached).unwrap_or(i64::MAX),
        )
    })
}

/// The landings that a commit says, as ledger rows at its version.
fn landings_of(table: &str, entry: &HistoryEntry) -> Result<Vec<(LedgerRow, i64)>> {
    let Some(info) = entry
        .info
        .get(INFO_KEY)
        .filter(|info| info.get("landing").is_some())
    else {
        return Ok(Vec::new());
    };
    let info = parse(table, entry.version, info)?;
    let version = i64::try_from(entry.version).ok();
    let with_version = |row: LedgerRow| match row.table_name {
        Some(_) => LedgerRow { version, ..row },
        None => row,
    };
    Ok(info
        .rows
        .into_iter()
        .map(|row| (with_version(row), info.landing))
        .collect())
}

fn parse(table: &str, version: u64, info: &Value) -> Result<LandingInfo> {
    LandingInfo::deserialize(info).map_err(|e| {
        Error::corrupt(format!(
            "commitInfo of version {version} of \"{table}\" has a \"{INFO_KEY}\" that is not of this format: {e}"
        ))
    })
}
