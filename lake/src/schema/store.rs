//! Definitions beside the table log: `<table>/_downlake/schema-0001.toml`.
//!
//! Promises: a stored definition never changes; numbers rise; the highest is
//! in force. Of writers that race for a number one wins, and the others take
//! the winner's columns over or end with a conflict that names what stands
//! against it. A lost reply does no harm: the repeated write finds its own
//! text and takes its number.

#[cfg(test)]
mod tests;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::Definition;
use crate::storage::{OWN_FOLDER, table_folder};
use crate::{Error, Result};

/// Rounds of a race after which a writer gives up; each lost round means that
/// another writer stored a definition.
const MAX_ROUNDS: usize = 100;

/// A definition with its number in the table.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDefinition {
    /// The number, from 1.
    pub number: u32,
    /// What is stored under it.
    pub definition: Definition,
}

/// The definition in force, or `None` where the table has none.
pub async fn load_latest(
    objects: &dyn ObjectStore,
    table: &str,
) -> Result<Option<StoredDefinition>> {
    let Some(number) = numbers(objects, table).await?.into_iter().max() else {
        return Ok(None);
    };
    let definition = load(objects, table, number).await?;
    Ok(Some(StoredDefinition { number, definition }))
}

/// The definition with a number.
pub async fn load(objects: &dyn ObjectStore, table: &str, number: u32) -> Result<Definition> {
    let path = path_of(table, number)?;
    let got = match objects.get(&path).await {
        Err(object_store::Error::NotFound { .. }) => {
            return Err(Error::not_found(format!(
                "table {table:?} has no definition {number} ({path})"
            )));
        }
        got => got?,
    };
    let bytes = got.bytes().await?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        Error::corrupt(format!("definition {path} is not UTF-8")).with_source(error)
    })?;
    Definition::from_toml(text, path.as_ref()).map_err(|error| {
        Error::corrupt(format!(
            "stored definition does not read: {}",
            error.message()
        ))
    })
}

/// Puts a definition in force and returns what is in force then: the same
/// definition, or one with more columns where another writer was faster. The
/// caller must go on with the returned one. A definition that is in force
/// already keeps its number.
///
/// An error is [`crate::ErrorKind::Conflict`] where rows that are stored, or
/// another writer's definition, stand against it, and
/// [`crate::ErrorKind::Invalid`] where it contradicts itself.
pub async fn save_next(
    objects: &dyn ObjectStore,
    table: &str,
    definition: &Definition,
) -> Result<StoredDefinition> {
    definition.check()?;
    for _ in 0..MAX_ROUNDS {
        let latest = load_latest(objects, table).await?;
        let next = match &latest {
            Some(latest) => latest.definition.succeed(definition)?,
            None => definition.clone(),
        };
        if let Some(latest) = latest.as_ref().filter(|l| l.definition == next) {
            return Ok(latest.clone());
        }
        let number = latest.map_or(1, |latest| latest.number + 1);
        if create(objects, &path_of(table, number)?, &next).await? {
            return Ok(StoredDefinition {
                number,
                definition: next,
            });
        }
    }
    Err(Error::conflict(format!(
        "table {table:?}: other writers stored a definition {MAX_ROUNDS} times in a row; try again"
    )))
}

/// Whether the text is stored under the path by us; `false` if the path
/// was taken.
async fn create(objects: &dyn ObjectStore, path: &Path, definition: &Definition) -> Result<bool> {
    let payload = PutPayload::from(definition.to_toml().into_bytes());
    let options = PutOptions::from(PutMode::Create);
    match objects.put_opts(path, payload, options).await {
        Ok(_) => Ok(true),
        Err(
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. },
        ) => Ok(false),
        Err(error) => Err(Error::from(error).context(format!("storing definition {path}"))),
    }
}

async fn numbers(objects: &dyn ObjectStore, table: &str) -> Result<Vec<u32>> {
    let folder = folder_of(table)?;
    let listed: Vec<_> = objects.list(Some(&folder)).try_collect().await?;
    Ok(listed
        .iter()
        .filter_map(|meta| number_of(meta.location.filename()?))
        .collect())
}

fn folder_of(table: &str) -> Result<Path> {
    Ok(table_folder(table)?.join(OWN_FOLDER))
}

fn path_of(table: &str, number: u32) -> Result<Path> {
    Ok(folder_of(table)?.join(format!("schema-{number:04}.toml")))
}

fn number_of(file_name: &str) -> Option<u32> {
    let digits = file_name.strip_prefix("schema-")?.strip_suffix(".toml")?;
    let number: u32 = digits.parse().ok()?;
    // Only the form that we write counts, so that no number has two files.
    (number > 0 && file_name == format!("schema-{number:04}.toml")).then_some(number)
}
