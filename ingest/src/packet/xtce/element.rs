//! An XML document as a tree of elements that know their lines.
//!
//! Promises: names without their namespace prefix, since documents in use have
//! three namespaces and none; bounded size and depth. Refuses document type
//! definitions, and with them entities of one's own making.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use downlake_lake::{Error, Result};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::packet::model::Place;

/// Bytes of the largest document.
const MAX_DOCUMENT_BYTES: usize = 64 << 20;
/// Most elements of a document, so that its tree stays within memory.
const MAX_ELEMENTS: usize = 1 << 21;
/// Deepest nesting of elements.
const MAX_DEPTH: usize = 64;

/// An element with all it holds.
#[derive(Debug)]
pub(super) struct Element {
    /// Its name, without prefix.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) children: Vec<Element>,
    attributes: Vec<(String, String)>,
    text: String,
}

/// Children that describe and change nothing.
const DESCRIPTIVE: &[&str] = &[
    "LongDescription",
    "ShortDescription",
    "AliasSet",
    "AncillaryDataSet",
];

impl Element {
    /// An attribute, if it is there.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// An attribute that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str> {
        self.attribute(name)
            .ok_or_else(|| self.refuse(format!("has no attribute {name:?}")))
    }

    /// An attribute that is a number of some kind.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.attribute(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().map(Some);
        number.ok_or_else(|| self.refuse(format!("has {name}={text:?}, which is no such number")))
    }

    /// An attribute that is true or false.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.attribute(name) {
            None => Ok(default),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => {
                Err(self.refuse(format!("has {name}={other:?}: expected true or false")))
            }
        }
    }

    /// The child of that name, of which there may be one.
    pub(super) fn child(&self, name: &str) -> Result<Option<&Element>> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        let first = found.next();
        match found.next() {
            None => Ok(first),
            Some(second) => Err(second.refuse(format!("stands twice in {:?}", self.name))),
        }
    }

    /// The child of that name, which must be there.
    pub(super) fn need_child(&self, name: &str) -> Result<&Element> {
        self.child(name)?
            .ok_or_else(|| self.refuse(format!("has no element {name:?} in it")))
    }

    /// The text between the tags.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Refuses attributes and children beyond these and the descriptive ones.
    pub(super) fn only(&self, attributes: &[&str], children: &[&str]) -> Result<()> {
        for (key, value) in &self.attributes {
            if !attributes.contains(&key.as_str()) && key != "shortDescription" {
                return Err(self.refuse(format!("has {key}={value:?}: not implemented")));
            }
        }
        for child in &self.children {
            let name = child.name.as_str();
            if !children.contains(&name) && !DESCRIPTIVE.contains(&name) {
                return Err(child.refuse(format!("in {:?} is not implemented", self.name)));
            }
        }
        Ok(())
    }

    /// What it is, for people.
    pub(super) fn description(&self) -> Option<String> {
        let child = |name| {
            let found = self.children.iter().find(|child| child.name == name);
            found.map(Element::text)
        };
        let texts = [
            self.attribute("shortDescription"),
            child("ShortDescription"),
            child("LongDescription"),
        ];
        let text = texts.into_iter().flatten().find(|text| !text.is_empty())?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// An error that names the file, the line and this element.
    pub(super) fn refuse(&self, why: impl Display) -> Error {
        match self.attribute("name") {
            Some(name) => self.place.refuse(format!("{} {name:?} {why}", self.name)),
            None => self.place.refuse(format!("{} {why}", self.name)),
        }
    }
}

/// Reads a document to its root element.
///
/// # Errors
/// Invalid, with file and line, if it is not well formed or too large.
pub(super) fn parse(bytes: &[u8], file: &str) -> Result<Element> {
    let mut document = Document {
        file: file.into(),
        line: 1,
        counted: 0,
        elements: 0,
    };
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(document.place().refuse(format!(
            "the document has {} bytes: {MAX_DOCUMENT_BYTES} at most",
            bytes.len()
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        document.count(bytes, error.valid_up_to());
        document.place().refuse("the document is not UTF-8")
    })?;
    document.tree(text.trim_start_matches('\u{feff}'))
}

/// The place in a document.
struct Document {
    file: Arc<str>,
    line: u32,
    /// The bytes whose lines were counted.
    counted: usize,
    elements: usize,
}

impl Document {
    fn place(&self) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: self.line,
        }
    }

    fn count(&mut self, bytes: &[u8], to: usize) {
        let passed = bytes.get(self.counted..to).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', passed).count();
        self.line = self
            .line
            .saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.counted = self.counted.max(to);
    }

    fn tree(&mut self, text: &str) -> Result<Element> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Element> = Vec::new();
        loop {
            let from = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            self.count(text.as_bytes(), from);
            let event = reader
                .read_event()
                .map_err(|error| self.place().refuse(format!("not XML: {error}")))?;
            match event {
                Event::Start(start) => {
                    if open.len() == MAX_DEPTH {
                        return Err(self
                            .place()
                            .refuse(format!("elements are nested deeper than {MAX_DEPTH}")));
                    }
                    open.push(self.element(&start)?);
                }
                Event::Empty(start) => {
                    let element = self.element(&start)?;
                    if let Some(root) = close(element, &mut open) {
                        return self.end(&mut reader, root);
                    }
                }
                Event::End(_) => {
                    let root = open.pop().and_then(|element| close(element, &mut open));
                    if let Some(root) = root {
                        return self.end(&mut reader, root);
                    }
                }
                Event::Text(text) => add_text(&mut open, &text),
                Event::CData(text) => add_text(&mut open, &text),
                Event::GeneralRef(name) => self.reference(&mut open, &name)?,
                Event::DocType(_) => {
                    return Err(self
                        .place()
                        .refuse("a document type definition is not accepted: remove the DOCTYPE"));
                }
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => return Err(self.place().refuse("the document ends too early")),
            }
        }
    }

    /// Nothing but comments may stand behind the root.
    fn end(&self, reader: &mut Reader<&[u8]>, root: Element) -> Result<Element> {
        loop {
            match reader.read_event() {
                Ok(Event::Eof) => return Ok(root),
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::Text(text)) if text.iter().all(u8::is_ascii_whitespace) => {}
                _ => return Err(self.place().refuse("more than one root element")),
            }
        }
    }

    fn element(&mut self, start: &BytesStart) -> Result<Element> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(self.place().refuse(format!(
                "the document has more than {MAX_ELEMENTS} elements"
            )));
        }
        let mut attributes: Vec<(String, String)> = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| self.place().refuse(format!("not XML: {e}")))?;
            let value = attribute
                .unescape_value()
                .map_err(|e| self.place().refuse(format!("not XML: {e}")))?;
            let key = String::from_utf8_lossy(attribute.key.as_ref());
            // Others with a prefix are refused where they stand, as unknown.
            let prefix = key.split_once(':').map_or(&*key, |(prefix, _)| prefix);
            if !["xmlns", "xml", "xsi"].contains(&prefix) {
                attributes.push((key.into_owned(), value.trim().to_owned()));
            }
        }
        Ok(Element {
            name: String::from_utf8_lossy(start.local_name().as_ref()).into_owned(),
            place: self.place(),
            children: Vec::new(),
            attributes,
            text: String::new(),
        })
    }

    fn reference(&self, open: &mut [Element], name: &quick_xml::events::BytesRef) -> Result<()> {
        let unknown = || {
            self.place()
                .refuse("an entity that XML itself does not define")
        };
        let character = match name.resolve_char_ref().map_err(|_| unknown())? {
            Some(character) => character,
            None => match &**name {
                b"amp" => '&',
                b"lt" => '<',
                b"gt" => '>',
                b"quot" => '"',
                b"apos" => '\'',
                _ => return Err(unknown()),
            },
        };
        if let Some(element) = open.last_mut() {
            element.text.push(character);
        }
        Ok(())
    }
}

/// Puts an element into the one around it; it comes back if it is the root.
fn close(element: Element, open: &mut [Element]) -> Option<Element> {
    match open.last_mut() {
        Some(parent) => {
            parent.children.push(element);
            None
        }
        None => Some(element),
    }
}

fn add_text(open: &mut [Element], text: &[u8]) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(&String::from_utf8_lossy(text));
    }
}
