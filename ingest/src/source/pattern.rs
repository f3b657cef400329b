//! Constants of a source unit in its path: `{vehicle}/{date}/*.jsonl`.

use std::collections::BTreeMap;

use downlake_lake::schema::names;
use downlake_lake::{Error, Result};

/// A pattern of the last parts of a path. `{name}` stands for one or more
/// characters of a part, `*` for any number; neither crosses a `/`. A pattern
/// that begins with `/` is one of the whole path. `{date}` and the other names
/// of the axis become `path_date` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    /// The parts between slashes, each a row of pieces.
    parts: Vec<Vec<Piece>>,
    is_whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Any,
    Name(String),
}

/// The column a name becomes. A folder's day is not the day of its rows, so
/// names of the axis get a prefix.
fn column_of(name: &str) -> String {
    match name {
        names::TIME | names::DATE | names::MONTH | names::YEAR => format!("path_{name}"),
        _ => name.to_owned(),
    }
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Invalid, for a name that is empty, stands twice or is no column name,
    /// a bracket without its partner, and a pattern without names.
    pub fn parse(pattern: &str) -> Result<PathPattern> {
        let wrong = |what: String| Error::invalid(format!("path pattern \"{pattern}\": {what}"));
        let body = pattern.strip_prefix('/');
        let parts = body.unwrap_or(pattern).split('/').map(pieces);
        let parts = parts.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let mut names: Vec<_> = parts.iter().flatten().filter_map(Piece::name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(format!("name \"{}\" stands twice", twice[0])));
        }
        if names.is_empty() {
            return Err(wrong(String::from("it has no {name}")));
        }
        Ok(PathPattern {
            parts,
            is_whole: body.is_some(),
        })
    }

    /// The names, in the order of the pattern.
    pub fn names(&self) -> Vec<&str> {
        let pieces = self.parts.iter().flatten();
        pieces.filter_map(Piece::name).collect()
    }

    /// The values of the names in a path; `None` if the path is not of the pattern.
    pub fn extract(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let start = parts.len().checked_sub(self.parts.len())?;
        if self.is_whole && start > 0 {
            return None;
        }
        let mut values = BTreeMap::new();
        for (pieces, part) in self.parts.iter().zip(&parts[start..]) {
            if !match_part(pieces, part, &mut values) {
                return None;
            }
        }
        Some(values)
    }
}

impl Piece {
    fn name(&self) -> Option<&str> {
        match self {
            Piece::Name(name) => Some(name),
            Piece::Literal(_) | Piece::Any => None,
        }
    }
}

fn pieces(part: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = part;
    while let Some(at) = rest.find(['*', '{', '}']) {
        if at > 0 {
            pieces.push(Piece::Literal(rest[..at].to_owned()));
        }
        let special = &rest[at..];
        rest = if let Some(behind) = special.strip_prefix('*') {
            pieces.push(Piece::Any);
            behind
        } else {
            let (name, behind) = bracketed(special)?;
            pieces.push(Piece::Name(column_of(name)));
            behind
        };
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(pieces)
}

/// The name in front, and what stands behind its bracket.
fn bracketed(text: &str) -> Result<(&str, &str), String> {
    let inside = text.strip_prefix('{').and_then(|text| text.split_once('}'));
    let (name, behind) = inside.ok_or("a bracket has no partner")?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_word) {
        return Err(format!(
            "\"{name}\" is no column name: letters, digits and _ are"
        ));
    }
    Ok((name, behind))
}

/// Matches the shortest values first.
fn match_part(pieces: &[Piece], part: &str, values: &mut BTreeMap<String, String>) -> bool {
    let Some((piece, behind)) = pieces.split_first() else {
        return part.is_empty();
    };
    let shortest = match piece {
        Piece::Literal(literal) => {
            let rest = part.strip_prefix(literal.as_str());
            return rest.is_some_and(|rest| match_part(behind, rest, values));
        }
        Piece::Any => 0,
        Piece::Name(_) => 1,
    };
    let ends = part.char_indices().map(|(at, _)| at).chain([part.len()]);
    for end in ends.skip(shortest) {
        if match_part(behind, &part[end..], values) {
            if let Piece::Name(name) = piece {
                values.insert(name.clone(), part[..end].to_owned());
            }
            return true;
        }
    }
    false
}
