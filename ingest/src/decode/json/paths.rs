//! The names of an input as a tree that is learned while it is read.
//!
//! Each distinct path has a number, its place. Since records of telemetry
//! repeat their names in the same order, the next name is tried before it is
//! looked up.

use std::collections::HashMap;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::super::cells::Misfit;
use super::super::{reason, scalar};
use super::DEPTH_LIMIT;

/// Most different names of an input.
pub(super) const LIMIT: usize = 100_000;

/// What takes the values of records.
pub(super) trait Leaves {
    /// A place that was not there before; places count up from 1.
    fn learn(&mut self, path: &str);

    /// Whether an object at this place is a value instead of being flattened.
    fn takes_objects(&self, place: usize) -> bool;

    /// Takes a value, as JSON.
    fn take(&mut self, place: usize, json: &str) -> Result<(), Misfit>;
}

/// The tree of names; place 0 is the record itself.
pub(super) struct Paths {
    nodes: Vec<Node>,
    /// The record that is being read.
    record: u64,
    is_full: bool,
}

#[derive(Default)]
struct Node {
    path: String,
    places: HashMap<String, usize>,
    /// Names in order of first appearance.
    order: Vec<(String, usize)>,
    /// Where in `order` the next name is expected.
    next: usize,
    /// The record that named it last.
    record: u64,
}

impl Default for Paths {
    fn default() -> Self {
        Paths {
            nodes: vec![Node::default()],
            record: 0,
            is_full: false,
        }
    }
}

impl Paths {
    /// Whether names were refused because there are too many.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Hands the values of one object over, in their order.
    pub(super) fn walk(&mut self, record: &[u8], leaves: &mut dyn Leaves) -> Result<(), Misfit> {
        self.record += 1;
        let record = std::str::from_utf8(record).map_err(|error| Misfit {
            reason: reason::UTF8,
            detail: format!("byte {} of the record is not UTF-8", error.valid_up_to()),
        })?;
        let record = record.trim_ascii();
        if !record.starts_with('{') {
            return Err(not_an_object(record));
        }
        self.walk_object(0, record, 1, leaves)
    }

    fn walk_object(
        &mut self,
        place: usize,
        json: &str,
        depth: usize,
        leaves: &mut dyn Leaves,
    ) -> Result<(), Misfit> {
        if depth > DEPTH_LIMIT {
            return Err(too_deep());
        }
        self.nodes[place].next = 0;
        let mut refused = None;
        let walker = Walker {
            paths: self,
            leaves,
            place,
            depth,
            refused: &mut refused,
        };
        let mut parser = Deserializer::from_str(json);
        let walked = parser.deserialize_map(walker).and_then(|()| parser.end());
        walked.map_err(|error| refused.unwrap_or_else(|| syntax(&error)))
    }

    /// The place of a name inside of an object.
    fn place_of(
        &mut self,
        parent: usize,
        name: &str,
        leaves: &mut dyn Leaves,
    ) -> Result<usize, Misfit> {
        let place = match self.known_place(parent, name) {
            Some(place) => place,
            None => self.learn(parent, name, leaves)?,
        };
        let child = &mut self.nodes[place];
        if child.record == self.record {
            return Err(Misfit {
                reason: reason::DUPLICATE_KEY,
                detail: format!("field \"{}\" is named twice", child.path),
            });
        }
        child.record = self.record;
        Ok(place)
    }

    fn known_place(&mut self, parent: usize, name: &str) -> Option<usize> {
        let node = &mut self.nodes[parent];
        let expected = node.next;
        node.next += 1;
        match node.order.get(expected) {
            Some((known, place)) if known == name => Some(*place),
            _ => node.places.get(name).copied(),
        }
    }

    fn learn(
        &mut self,
        parent: usize,
        name: &str,
        leaves: &mut dyn Leaves,
    ) -> Result<usize, Misfit> {
        let place = self.nodes.len();
        if place > LIMIT {
            self.is_full = true;
            return Err(Misfit {
                reason: reason::UNKNOWN_FIELD,
                detail: format!("field \"{name}\" comes after {LIMIT} other names"),
            });
        }
        let path = match self.nodes[parent].path.as_str() {
            _ if parent == 0 => name.to_owned(),
            above => format!("{above}.{name}"),
        };
        leaves.learn(&path);
        let node = &mut self.nodes[parent];
        node.places.insert(name.to_owned(), place);
        node.order.push((name.to_owned(), place));
        self.nodes.push(Node {
            path,
            ..Node::default()
        });
        Ok(place)
    }
}

/// Walks through the fields of one object.
struct Walker<'a> {
    paths: &'a mut Paths,
    leaves: &'a mut dyn Leaves,
    place: usize,
    depth: usize,
    /// Why the walk ended, if it was not for the grammar.
    refused: &'a mut Option<Misfit>,
}

impl Walker<'_> {
    fn take(&mut self, place: usize, json: &str) -> Result<(), Misfit> {
        match json.as_bytes().first() {
            Some(b'{') if !self.leaves.takes_objects(place) => {
                self.paths
                    .walk_object(place, json, self.depth + 1, self.leaves)
            }
            Some(b'{' | b'[') if nesting(json) + self.depth > DEPTH_LIMIT => Err(too_deep()),
            _ => self.leaves.take(place, json),
        }
    }
}

impl<'de> Visitor<'de> for Walker<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(found) = map.next_key_seed(Name {
            paths: self.paths,
            leaves: self.leaves,
            parent: self.place,
        })? {
            let value: &RawValue = map.next_value()?;
            let taken = found.and_then(|place| self.take(place, value.get()));
            if let Err(misfit) = taken {
                *self.refused = Some(misfit);
                return Err(A::Error::custom("the record is refused"));
            }
        }
        Ok(())
    }
}

/// Finds the place of a name without copying it.
struct Name<'a> {
    paths: &'a mut Paths,
    leaves: &'a mut dyn Leaves,
    parent: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Result<usize, Misfit>;

    fn deserialize<D: serde::Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Result<usize, Misfit>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.paths.place_of(self.parent, name, self.leaves))
    }
}

/// How deep objects and arrays of a well-formed value are nested.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn too_deep() -> Misfit {
    Misfit {
        reason: reason::TOO_DEEP,
        detail: format!("values are nested deeper than {DEPTH_LIMIT}"),
    }
}

fn not_an_object(record: &str) -> Misfit {
    match serde_json::from_str::<&RawValue>(record) {
        Err(error) => syntax(&error),
        Ok(_) => Misfit {
            reason: reason::NOT_AN_OBJECT,
            detail: format!("{} is no object", scalar::shown(record.as_bytes())),
        },
    }
}

fn syntax(error: &serde_json::Error) -> Misfit {
    Misfit {
        reason: reason::SYNTAX,
        detail: error.to_string(),
    }
}
