//! Packet definitions as they are given: a file of any form, and what is said
//! about its streams beside the bits.
//!
//! The content tells the form: an XTCE document, a ccsdspy CSV, our own TOML
//! ([`document`]), or a TOML that points to one of them and
//! adds to it:
//!
//! ```toml
//! definition = "instrument.xml"   # beside this file
//! error_control = "crc-16"
//!
//! [time]                          # of every stream that has the columns
//! axis = "absolute"
//! code = "cds"
//! columns = ["DAY", "MSEC", "USEC"]
//!
//! [stream.HOUSEKEEPING]           # by the container's name
//! table = "hk"
//! units = { VOLTAGE = "V" }
//! ```
//!
//! Our own form takes the same keys. Promises: the text of a schema
//! ([`PacketSchema::text`]) is one document that holds all of it and reads back
//! as the same. Refuses keys that it does not know, containers and columns
//! that are not there, and a pointer to a pointer. Reads no files itself.

mod decoder;
mod frames;
mod options;
mod survey;

use downlake_lake::schema::toml::{Document, Section};
use downlake_lake::{Error, Result};
use toml::Spanned;
use toml::de::DeTable;

use super::check::Surveyed;
use super::model::PacketDefinition;
use super::{ccsdspy, document, xtce};

pub(super) use decoder::table_name;
pub use decoder::{SchemaDecoder, decoder};
pub(crate) use frames::{KEYS as LINK_KEYS, text as link_text};

pub use frames::link;
pub use options::{ContainerSettings, Counts, ErrorControl, PacketOptions, Segments};
pub use survey::{Survey, SurveyedColumn, SurveyedStream};

/// The key of a TOML that points to a definition.
const DEFINITION: &str = "definition";
/// Keys beside the options where a TOML points to a definition.
const POINTER_KEYS: &[&str] = &[DEFINITION, "apid", "offsets", "root"];
/// The greatest APID; the one after it is that of idle packets.
const MAX_APID: u16 = 0x7FE;

/// A packet definition and what is said about its streams.
#[derive(Debug, Clone, PartialEq)]
pub struct PacketSchema {
    /// What packets hold.
    pub definition: PacketDefinition,
    /// What is said beside.
    pub options: PacketOptions,
    /// All of it as one TOML document.
    pub text: String,
}

impl PacketSchema {
    /// Reads a definition; nothing if the file is something else, such as the
    /// definition of a stream. `open` reads a file that the definition names,
    /// by its path from where `file_name` is.
    ///
    /// # Errors
    /// Invalid, with file and line; and what `open` says.
    pub fn read(
        bytes: &[u8],
        file_name: &str,
        open: impl Fn(&str) -> Result<Vec<u8>>,
    ) -> Result<Option<PacketSchema>> {
        let Some(given) = Given::read(bytes, file_name, open)? else {
            return Ok(None);
        };
        let definition = given.surveyed.accept()?;
        PacketSchema::new(definition, given.options).map(Some)
    }

    fn new(definition: PacketDefinition, options: PacketOptions) -> Result<PacketSchema> {
        options.check(&definition)?;
        Ok(PacketSchema {
            text: options.text(&definition)?,
            definition,
            options,
        })
    }

    /// The BLAKE3 hash of the text, as 64 lower-case hex digits.
    pub fn hash(&self) -> String {
        blake3::hash(self.text.as_bytes()).to_hex().to_string()
    }
}

/// The forms that definitions come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An XTCE document.
    Xtce,
    /// A ccsdspy CSV.
    Ccsdspy,
    /// Our own TOML.
    Toml,
}

/// A definition as far as it could be read.
struct Given {
    form: Form,
    surveyed: Surveyed,
    options: PacketOptions,
}

impl Given {
    fn read(
        bytes: &[u8],
        file: &str,
        open: impl Fn(&str) -> Result<Vec<u8>>,
    ) -> Result<Option<Given>> {
        if let Some(form) = form_without_options(bytes, file) {
            let surveyed = survey_of(form, bytes, file, &Pointer::default())?;
            let options = PacketOptions::default();
            return Ok(Some(Given {
                form,
                surveyed,
                options,
            }));
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(None);
        };
        let toml = Document {
            text,
            file_name: file,
        };
        // What is no TOML at all is for the reader of stream definitions to refuse.
        let Ok(tree) = toml.parse() else {
            return Ok(None);
        };
        match kind_of(tree.get_ref()) {
            Some(Kind::Pointer) => Given::pointed_to(toml, &tree, open).map(Some),
            Some(Kind::Packets) => Given::packets(toml, tree).map(Some),
            None => Ok(None),
        }
    }

    /// Our own form, with options among its keys.
    fn packets(toml: Document<'_>, mut tree: Spanned<DeTable<'_>>) -> Result<Given> {
        let keys = [document::KEYS, options::KEYS].concat();
        let table = tree.get_ref();
        let top = Section::open(toml, table, 0..0, "the packet definition", &keys)?;
        let options = PacketOptions::read(&top, toml.file_name)?;
        for key in options::KEYS {
            tree.get_mut().remove(*key);
        }
        Ok(Given {
            form: Form::Toml,
            surveyed: document::survey(tree, toml.text, toml.file_name)?,
            options,
        })
    }

    fn pointed_to(
        toml: Document<'_>,
        tree: &Spanned<DeTable<'_>>,
        open: impl Fn(&str) -> Result<Vec<u8>>,
    ) -> Result<Given> {
        let keys = [POINTER_KEYS, options::KEYS].concat();
        let table = tree.get_ref();
        let top = Section::open(toml, table, 0..0, "the packet definition", &keys)?;
        let pointer = Pointer::read(&top)?;
        let definition = top.need(DEFINITION, "definition = \"packets.xml\"")?;
        let file = beside(toml.file_name, definition.text()?);
        let bytes = open(&file)?;
        let form = form_without_options(&bytes, &file).or_else(|| {
            let text = std::str::from_utf8(&bytes).ok()?;
            let tree = DeTable::parse(text).ok()?;
            let kind = kind_of(tree.get_ref());
            (kind == Some(Kind::Packets)).then_some(Form::Toml)
        });
        let form = form.ok_or_else(|| {
            definition.error(format!(
                "definition {file:?} is no XTCE document, no ccsdspy CSV and no TOML with packets of its own"
            ))
        })?;
        if form == Form::Toml && has_options(&bytes) {
            return Err(definition.error(format!(
                "definition {file:?} says more than what packets hold: keep that in one of the two files"
            )));
        }
        pointer.check(form).map_err(|why| definition.error(why))?;
        Ok(Given {
            surveyed: survey_of(form, &bytes, &file, &pointer)?,
            options: PacketOptions::read(&top, toml.file_name)?,
            form,
        })
    }
}

/// What a TOML says to the reader of the definition that it points to.
#[derive(Default)]
struct Pointer {
    ccsdspy: ccsdspy::Said,
    root: Option<String>,
}

impl Pointer {
    fn read(top: &Section<'_>) -> Result<Pointer> {
        let apid = top.get("apid").map(|value| {
            let apid = u16::try_from(value.whole()?).ok();
            apid.filter(|apid| *apid <= MAX_APID)
                .ok_or_else(|| value.error(format!("apid must be 0 to {MAX_APID}")))
        });
        let offsets = top.get("offsets").map(|value| value.word(ccsdspy::ORIGINS));
        Ok(Pointer {
            ccsdspy: ccsdspy::Said {
                apid: apid.transpose()?,
                offsets: offsets.transpose()?,
            },
            root: top.text("root")?,
        })
    }

    /// Keys that say nothing of a definition of that form.
    fn check(&self, form: Form) -> Result<(), String> {
        if form != Form::Ccsdspy && self.ccsdspy.apid.is_some() {
            return Err("apid is for ccsdspy definitions, which do not say theirs".to_owned());
        }
        if form != Form::Ccsdspy && self.ccsdspy.offsets.is_some() {
            return Err("offsets is for ccsdspy definitions; others say it themselves".to_owned());
        }
        if self.root.is_some() && form != Form::Xtce {
            return Err("root is for XTCE documents; this definition says its own".to_owned());
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pointer,
    Packets,
}

/// A stream definition has none of these keys.
fn kind_of(table: &DeTable<'_>) -> Option<Kind> {
    if table.contains_key(DEFINITION) {
        return Some(Kind::Pointer);
    }
    let known = ["packets", "parameter", "container"];
    let is_ours = known.iter().any(|key| table.contains_key(*key));
    is_ours.then_some(Kind::Packets)
}

/// Whether our own form has keys beside those of the definition.
fn has_options(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let tree = DeTable::parse(text);
    tree.is_ok_and(|tree| {
        options::KEYS
            .iter()
            .any(|key| tree.get_ref().contains_key(*key))
    })
}

/// The form of a file that is no TOML.
fn form_without_options(bytes: &[u8], file: &str) -> Option<Form> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_xml = text.trim_ascii_start().starts_with(b"<");
    let is_utf16 = text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff");
    if is_xml || is_utf16 {
        return Some(Form::Xtce);
    }
    let is_csv = file.to_ascii_lowercase().ends_with(".csv") || ccsdspy::has_header(text);
    is_csv.then_some(Form::Ccsdspy)
}

fn survey_of(form: Form, bytes: &[u8], file: &str, pointer: &Pointer) -> Result<Surveyed> {
    match form {
        Form::Xtce => xtce::survey(bytes, file, pointer.root.as_deref()),
        Form::Ccsdspy => ccsdspy::survey(bytes, file, stem(file), pointer.ccsdspy),
        Form::Toml => {
            let text = std::str::from_utf8(bytes)
                .map_err(|_| Error::invalid(format!("{file}: the text is not UTF-8")))?;
            let toml = Document {
                text,
                file_name: file,
            };
            document::survey(toml.parse()?, text, file)
        }
    }
}

/// A path as seen from where another file is.
fn beside(file: &str, path: &str) -> String {
    match file.rsplit_once('/') {
        Some((folder, _)) if !path.starts_with('/') => format!("{folder}/{path}"),
        _ => path.to_owned(),
    }
}

/// A file's name without folders and extension.
fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}
