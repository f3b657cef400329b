//! What `--schema` and the schema commands name: an embedded stream, or a file
//! of any form. Reading the files is here; what they mean is not.

use std::path::Path;

use downlake_ingest::packet::schema::{PacketSchema, Survey};
use downlake_lake::schema::{Definition, embedded};
use downlake_lake::{Error, Result};

/// A definition of either kind.
#[derive(Debug)]
pub(crate) enum Given {
    /// Of one stream.
    Stream(Box<Definition>),
    /// Of packets, which go to many streams.
    Packets(Box<PacketSchema>),
}

/// What a file contains.
pub(crate) enum Content {
    /// The definition of a stream.
    Stream(Box<Definition>),
    /// A packet definition, with all that it would be refused for.
    Packets(Box<Survey>),
}

/// A definition by the name of an embedded stream or from a file.
///
/// # Errors
/// NotFound, if there is none; Invalid, if it is refused.
pub(crate) fn given(name: &str) -> Result<Given> {
    if is_embedded(name) {
        return embedded::get(name).map(|d| Given::Stream(Box::new(d)));
    }
    let bytes = read(name)?;
    match PacketSchema::read(&bytes, name, read)? {
        Some(packets) => Ok(Given::Packets(Box::new(packets))),
        None => stream_of(&bytes, name).map(|d| Given::Stream(Box::new(d))),
    }
}

/// The definition of one stream, by name or from a file.
///
/// # Errors
/// As [`given`]; Invalid too, if it is one of packets.
pub(crate) fn stream(name: &str) -> Result<Definition> {
    match given(name)? {
        Given::Stream(definition) => Ok(*definition),
        Given::Packets(_) => Err(Error::invalid(format!(
            "{name} defines packets, which go to many streams; the definition of one stream is needed here"
        ))),
    }
}

/// A packet definition from a file.
///
/// # Errors
/// As [`given`]; Invalid too, if it is one of a stream.
pub(crate) fn packets(name: &str) -> Result<PacketSchema> {
    match given(name)? {
        Given::Packets(packets) => Ok(*packets),
        Given::Stream(_) => Err(Error::invalid(format!(
            "{name} defines a stream; a packet definition (XTCE, ccsdspy CSV or TOML) is needed here"
        ))),
    }
}

/// Looks at a file, without a stop at the first refusal.
///
/// # Errors
/// NotFound, if there is none; Invalid, if it is broken as a whole.
pub(crate) fn content(name: &str) -> Result<Content> {
    if is_embedded(name) {
        return embedded::get(name).map(|d| Content::Stream(Box::new(d)));
    }
    let bytes = read(name)?;
    match Survey::read(&bytes, name, read)? {
        Some(survey) => Ok(Content::Packets(Box::new(survey))),
        None => stream_of(&bytes, name).map(|d| Content::Stream(Box::new(d))),
    }
}

fn is_embedded(name: &str) -> bool {
    let path = Path::new(name);
    embedded::text(name).is_some() || (path.extension().is_none() && !path.exists())
}

fn read(name: &str) -> Result<Vec<u8>> {
    std::fs::read(name).map_err(|e| {
        Error::not_found(format!("cannot read the definition {name}: {e}")).with_source(e)
    })
}

fn stream_of(bytes: &[u8], name: &str) -> Result<Definition> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Error::invalid(format!("{name}: the definition is not UTF-8: {e}")))?;
    Definition::from_toml(text, name)
}
