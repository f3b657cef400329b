//! The text form of a definition.
//!
//! Promises: what [`Definition::to_toml`] writes, [`Definition::from_toml`]
//! reads back as the same definition, and equal definitions give the same
//! bytes; an error names the file, the line and the column of the text at
//! fault, what was expected, and the nearest word that is known. Refuses
//! every key and word that it does not know, so that a mistyped key never
//! passes for a default.

mod document;
mod read;
mod settings;
#[cfg(test)]
mod tests;
mod write;

pub use document::{Document, Section, Value};
pub use settings::SETTINGS_KEYS;

pub(super) use read::{CODES, SCALES};

use super::Definition;
use crate::Result;

impl Definition {
    /// Reads a definition. `file_name` is what errors call the text.
    ///
    /// An error is [`crate::ErrorKind::Invalid`].
    pub fn from_toml(text: &str, file_name: &str) -> Result<Definition> {
        read::read(text, file_name)
    }

    /// The canonical text of a definition that passes its check.
    pub fn to_toml(&self) -> String {
        write::write(self)
    }

    /// The BLAKE3 hash of the canonical text, as 64 lower-case hex digits.
    pub fn hash(&self) -> String {
        blake3::hash(self.to_toml().as_bytes()).to_hex().to_string()
    }
}
