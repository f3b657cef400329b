//! Says which features of a table are in the way: all of them, where the
//! kernel stops at the first.

use delta_kernel::SnapshotRef;
use delta_kernel::table_features::TableFeature;

use super::engine::{LogEngine, Place};
use super::history::available_versions;
use super::table::fetch_commit;
use crate::{Error, ErrorKind};

/// The error of a table that could not be opened, with the reader features
/// that nobody here knows.
pub(super) async fn explain_read(engine: &LogEngine, place: &Place, error: Error) -> Error {
    if error.kind() != ErrorKind::Invalid {
        return error;
    }
    let features = reader_features(engine, place).await;
    explain("reader", unknown(features), error)
}

/// The error of a transaction that could not be built, with the writer
/// features that nobody here knows.
pub(super) fn explain_write(kernel: &SnapshotRef, error: Error) -> Error {
    let protocol = kernel.table_configuration().protocol();
    let features = protocol.writer_features().unwrap_or_default();
    explain(
        "writer",
        unknown(features.iter().map(ToString::to_string)),
        error,
    )
}

fn explain(role: &str, unknown: Vec<String>, error: Error) -> Error {
    if unknown.is_empty() {
        return error;
    }
    Error::invalid(format!(
        "the table uses {role} features that are not supported: {}: \
         use the tool that wrote it, or drop the features there",
        unknown.join(", ")
    ))
    .with_source(error)
}

fn unknown(features: impl IntoIterator<Item = String>) -> Vec<String> {
    features
        .into_iter()
        .filter(|name| matches!(TableFeature::from(name.clone()), TableFeature::Unknown(_)))
        .collect()
}

/// The reader features of the newest protocol that a commit in the log sets;
/// empty where it can no longer be found, since this only words an error.
async fn reader_features(engine: &LogEngine, place: &Place) -> Vec<String> {
    let Ok(versions) = available_versions(engine, place).await else {
        return Vec::new();
    };
    for version in versions.into_iter().rev() {
        if let Ok(Some(commit)) = fetch_commit(engine, place, version).await
            && let Some(features) = commit.reader_features
        {
            return features;
        }
    }
    Vec::new()
}
