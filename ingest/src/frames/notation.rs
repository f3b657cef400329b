//! A link in words: on the command line, in definitions, in messages.
//!
//! On the command line a link is a preset or a kind of frame, with parameters
//! in brackets; a parameter without a value is `true`:
//!
//! ```text
//! jpss
//! jpss(spacecraft = 157)
//! aos(frame_length = 892, insert_zone = 4, fecf)
//! tm(frame_length = 1115, marker, randomized, reed_solomon = 223, interleave = 5)
//! ```
//!
//! In a definition the same parameters are a table ([`LinkTable`]) with the
//! key `preset` or `kind`. Promises: what a [`Link`] displays, [`Link::named`]
//! reads back. Refuses parameters that it does not know, and links that do not
//! fit together.

use std::fmt;

use downlake_lake::{Error, Result};
use serde::Deserialize;

use super::link::{FrameKind, Link, PRESETS};
use super::reed_solomon::{Basis, Code, Strength};

/// The names of kinds of frames.
const KINDS: [(&str, FrameKind); 2] = [("tm", FrameKind::Tm), ("aos", FrameKind::Aos)];

/// The Reed-Solomon codes by the number of data symbols in a codeword.
const CODES: [(u16, Strength); 2] = [(223, Strength::E16), (239, Strength::E8)];

/// The names of bases.
const BASES: [(&str, Basis); 2] = [("dual", Basis::Dual), ("conventional", Basis::Conventional)];

/// A link as a table of parameters; what is left out is as in the preset, or
/// off. The fields are those of [`Link`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkTable {
    /// The name of a preset to start from.
    pub preset: Option<String>,
    /// `tm` or `aos`, where there is no preset.
    pub kind: Option<String>,
    /// Length of a frame in bytes.
    pub frame_length: Option<usize>,
    /// Whether each frame begins with the attached sync marker.
    pub marker: Option<bool>,
    /// Whether frames are randomised.
    pub randomized: Option<bool>,
    /// 223 or 239, the data symbols of a codeword of 255.
    pub reed_solomon: Option<u16>,
    /// `dual` (the default) or `conventional`.
    pub basis: Option<String>,
    /// Codewords in a frame, 1 (the default) to 8.
    pub interleave: Option<usize>,
    /// AOS: length of the insert zone in bytes.
    pub insert_zone: Option<usize>,
    /// AOS: whether the header carries error control.
    pub header_control: Option<bool>,
    /// AOS: whether frames carry an operational control field.
    pub ocf: Option<bool>,
    /// Whether frames end in a frame error control field.
    pub fecf: Option<bool>,
    /// Refuse frames of other spacecraft.
    pub spacecraft: Option<u16>,
    /// Read packets of these virtual channels only.
    pub virtual_channels: Option<Vec<u8>>,
    /// Take packets of any version number without proof.
    pub any_packet_version: Option<bool>,
}

impl LinkTable {
    /// The link.
    ///
    /// # Errors
    /// Invalid, if a word is not known or the parameters do not fit each other.
    pub fn link(&self) -> Result<Link> {
        let mut link = self.base()?;
        set(&mut link.frame_length, self.frame_length);
        set(&mut link.marker, self.marker);
        set(&mut link.randomized, self.randomized);
        set(&mut link.insert_zone, self.insert_zone);
        set(&mut link.header_control, self.header_control);
        set(&mut link.ocf, self.ocf);
        set(&mut link.fecf, self.fecf);
        set(&mut link.any_packet_version, self.any_packet_version);
        link.code = self.code(link.code)?;
        link.spacecraft = self.spacecraft.or(link.spacecraft);
        link.virtual_channels = self.virtual_channels.clone().or(link.virtual_channels);
        link.validate()?;
        Ok(link)
    }

    fn base(&self) -> Result<Link> {
        match (&self.preset, &self.kind) {
            (Some(preset), None) => Link::preset(preset),
            (None, Some(kind)) => {
                let kind = word("kind of frame", kind, &KINDS)?;
                let length = self.frame_length.ok_or_else(|| {
                    Error::invalid("a link without preset needs its frame_length in bytes")
                })?;
                Ok(match kind {
                    FrameKind::Tm => Link::tm(length),
                    FrameKind::Aos => Link::aos(length),
                })
            }
            _ => Err(Error::invalid(
                "a link is said by either preset or kind: expected one of them",
            )),
        }
    }

    fn code(&self, base: Option<Code>) -> Result<Option<Code>> {
        let strength = self.reed_solomon.map(strength).transpose()?;
        let basis = self
            .basis
            .as_deref()
            .map(|name| word("basis", name, &BASES));
        let basis = basis.transpose()?;
        let Some(strength) = strength.or(base.map(|code| code.strength)) else {
            return match (basis, self.interleave) {
                (None, None) => Ok(None),
                _ => Err(Error::invalid(
                    "basis and interleave speak of a code: expected reed_solomon = 223 or 239 beside them",
                )),
            };
        };
        Ok(Some(Code {
            strength,
            basis: basis.or(base.map(|code| code.basis)).unwrap_or(Basis::Dual),
            interleave: (self.interleave)
                .or(base.map(|code| code.interleave))
                .unwrap_or(1),
        }))
    }
}

impl Link {
    /// A link in words: `jpss`, `aos(frame_length = 892, fecf)`. `None` if the
    /// text begins with neither a preset nor a kind of frame.
    ///
    /// # Errors
    /// Invalid, with the text and what is wrong in it.
    pub fn named(text: &str) -> Option<Result<Link>> {
        let (name, parameters) = match text.split_once('(') {
            Some((name, behind)) => (name.trim(), Some(behind)),
            None => (text.trim(), None),
        };
        let is_preset = PRESETS.iter().any(|preset| preset.name == name);
        let key = match is_preset {
            true => "preset",
            false if KINDS.iter().any(|(kind, _)| *kind == name) => "kind",
            false => return None,
        };
        let table = read_table(key, name, parameters).and_then(|table| table.link());
        Some(table.map_err(|error| error.context(format!("link \"{text}\""))))
    }
}

/// The table that a name and the text behind its opening bracket say.
fn read_table(key: &str, name: &str, parameters: Option<&str>) -> Result<LinkTable> {
    let mut text = format!("{key} = \"{name}\"\n");
    if let Some(behind) = parameters {
        let inside = behind.trim_end().strip_suffix(')');
        let inside = inside.ok_or_else(|| Error::invalid("expected \")\" at the end"))?;
        for parameter in parameters_of(inside) {
            let value = if parameter.contains('=') {
                ""
            } else {
                " = true"
            };
            text.push_str(&format!("{parameter}{value}\n"));
        }
    }
    toml::from_str(&text).map_err(|error| Error::invalid(error.message()))
}

/// The parts between commas that stand outside of lists.
fn parameters_of(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn strength(data_symbols: u16) -> Result<Strength> {
    let known = CODES.iter().find(|(symbols, _)| *symbols == data_symbols);
    known.map(|(_, strength)| *strength).ok_or_else(|| {
        Error::invalid(format!(
            "there is no code reed-solomon (255,{data_symbols}): expected reed_solomon = 223 or 239"
        ))
    })
}

fn word<T: Copy>(what: &str, name: &str, words: &[(&str, T)]) -> Result<T> {
    let known = words.iter().find(|(word, _)| *word == name);
    known.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Error::invalid(format!(
            "no {what} is called \"{name}\"; there are {}",
            words.join(", ")
        ))
    })
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind);
        let name = kind.map_or("", |(name, _)| name);
        write!(f, "{name}(frame_length = {}", self.frame_length)?;
        write_flags(
            f,
            &[(self.marker, "marker"), (self.randomized, "randomized")],
        )?;
        if let Some(code) = self.code {
            write_code(f, code)?;
        }
        if self.insert_zone > 0 {
            write!(f, ", insert_zone = {}", self.insert_zone)?;
        }
        write_flags(
            f,
            &[
                (self.header_control, "header_control"),
                (self.ocf, "ocf"),
                (self.fecf, "fecf"),
                (self.any_packet_version, "any_packet_version"),
            ],
        )?;
        if let Some(spacecraft) = self.spacecraft {
            write!(f, ", spacecraft = {spacecraft}")?;
        }
        if let Some(channels) = &self.virtual_channels {
            write!(f, ", virtual_channels = {channels:?}")?;
        }
        f.write_str(")")
    }
}

fn write_flags(f: &mut fmt::Formatter<'_>, flags: &[(bool, &str)]) -> fmt::Result {
    let set = flags.iter().filter(|(set, _)| *set);
    set.map(|(_, name)| write!(f, ", {name}")).collect()
}

fn write_code(f: &mut fmt::Formatter<'_>, code: Code) -> fmt::Result {
    let symbols = CODES
        .iter()
        .find(|(_, strength)| *strength == code.strength);
    let symbols = symbols.map_or(0, |(symbols, _)| *symbols);
    write!(
        f,
        ", reed_solomon = {symbols}, interleave = {}",
        code.interleave
    )?;
    match code.basis {
        Basis::Dual => Ok(()),
        Basis::Conventional => f.write_str(", basis = \"conventional\""),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn links_read_as_they_are_written() {
        let mut written = String::new();
        for text in [
            "jpss",
            "tm-1115",
            "jpss(spacecraft=157, virtual_channels=[16, 6], fecf)",
            "aos(frame_length = 892, insert_zone=4, fecf=true, ocf, header_control)",
            "tm(frame_length=1115, marker, randomized, reed_solomon=239, interleave=5, basis=\"conventional\",)",
            "tm(frame_length=100, any_packet_version)",
        ] {
            let link = Link::named(text).expect("a name").expect("a link");
            let shown = link.to_string();
            assert_eq!(Link::named(&shown).expect("a name").expect("a link"), link);
            written.push_str(&format!("{shown}\n"));
        }
        expect![[r#""#]].assert_eq(&written);
        assert!(Link::named("csv").is_none());
        assert!(Link::named("cadu(frame_length = 3)").is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_text() {
        let texts = [
            "aos",
            "aos(insert_zone=4)",
            "aos(frame_length=892",
            "aos(frame_length=892, insertzone=4)",
            "aos(frame_length=\"892\")",
            "aos(frame_length=892, interleave=4)",
            "aos(frame_length=892, reed_solomon=255)",
            "aos(frame_length=892, reed_solomon=223, basis=\"berlekamp\")",
            "tm(frame_length=1115, insert_zone=4)",
            "jpss(kind=\"tm\")",
            "jpss(frame_length=893)",
        ];
        let errors = texts.map(|text| {
            let error = Link::named(text).expect("a name").expect_err("no link");
            format!("{}\n", error.message())
        });
        expect![[r#""#]].assert_eq(&errors.concat());
    }
}
