//! What the objects were before each write, so that a listing can show an
//! earlier moment.

use std::collections::BTreeMap;

use object_store::path::Path;
use object_store::{ListResult, ObjectMeta};

/// The writes that landed, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    changes: Vec<Change>,
}

/// One object changed; `before` is what it was, `None` if it was not there.
#[derive(Debug)]
struct Change {
    path: Path,
    before: Option<ObjectMeta>,
}

impl History {
    pub(super) fn push(&mut self, path: Path, before: Option<ObjectMeta>) {
        self.changes.push(Change { path, before });
    }

    /// The listing as it was `lag` writes ago.
    pub(super) fn rewind(&self, now: Vec<ObjectMeta>, lag: usize) -> Vec<ObjectMeta> {
        let mut objects: BTreeMap<Path, ObjectMeta> = now
            .into_iter()
            .map(|object| (object.location.clone(), object))
            .collect();
        for change in self.changes.iter().rev().take(lag) {
            match &change.before {
                Some(before) => objects.insert(change.path.clone(), before.clone()),
                None => objects.remove(&change.path),
            };
        }
        objects.into_values().collect()
    }
}

/// Whether an object is listed below a prefix, past an offset.
pub(super) fn is_listed(object: &ObjectMeta, prefix: &Path, offset: Option<&Path>) -> bool {
    let below = object.location.prefix_match(prefix);
    let is_below = below.is_some_and(|mut rest| rest.next().is_some());
    is_below && offset.is_none_or(|offset| object.location > *offset)
}

/// The level below a prefix of a whole listing.
pub(super) fn level(objects: Vec<ObjectMeta>, prefix: &Path) -> ListResult {
    let mut listed = ListResult {
        common_prefixes: Vec::new(),
        objects: Vec::new(),
    };
    for object in objects {
        let folder = folder_below(&object.location, prefix);
        match folder {
            Some(folder) if listed.common_prefixes.last() == Some(&folder) => {}
            Some(folder) => listed.common_prefixes.push(folder),
            None => listed.objects.push(object),
        }
    }
    listed.common_prefixes.sort();
    listed.common_prefixes.dedup();
    listed
}

/// The folder directly below the prefix that holds the object, if one does.
fn folder_below(location: &Path, prefix: &Path) -> Option<Path> {
    let mut rest = location.prefix_match(prefix)?;
    let first = rest.next()?;
    rest.next()?;
    Some(prefix.clone().join(first))
}
