//! The streams that come with the program: every file of `schemas/`.
//!
//! The folder is the registry: the build script lists it, so a stream is
//! added by adding its file. A file is named after its stream.

use super::Definition;
use super::near::did_you_mean;
use crate::{Error, Result};

/// Name and text of every stream, by name.
static STREAMS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/embedded_streams.rs"));

/// The names of the embedded streams, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    STREAMS.iter().map(|(name, _)| *name)
}

/// The text of an embedded stream, as its author wrote it.
pub fn text(name: &str) -> Option<&'static str> {
    STREAMS
        .iter()
        .find(|(stream, _)| *stream == name)
        .map(|(_, text)| *text)
}

/// An embedded stream. An unknown name is [`crate::ErrorKind::NotFound`],
/// with the names that there are.
pub fn get(name: &str) -> Result<Definition> {
    let Some(text) = text(name) else {
        let known: Vec<&str> = names().collect();
        return Err(Error::not_found(format!(
            "no embedded stream {name:?}{}: there are {}",
            did_you_mean(name, &known),
            known.join(", ")
        )));
    };
    Definition::from_toml(text, &format!("schemas/{name}.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn every_stream_reads_and_is_named_after_its_file() {
        for name in names() {
            let definition = get(name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(definition.stream, name);
            let again = Definition::from_toml(&definition.to_toml(), name).expect("canonical text");
            assert_eq!(again, definition, "{name}");
        }
        assert!(names().count() >= 2);
        assert!(names().is_sorted());
    }

    #[test]
    fn an_unknown_name_shows_what_is_near() {
        let error = get("cmaps").expect_err("no such stream");
        let near = error.message().split(": there are").next();
        expect![[r#"no embedded stream "cmaps", did you mean "cmapss""#]]
            .assert_eq(near.unwrap_or_default());
    }
}
