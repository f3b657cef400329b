//! A link in words: on the command line and in messages.
//!
//! A preset or a kind of frame, then parameters in brackets; they are the keys
//! and values of `[frames]` in a definition, without the quotes, and `true` may
//! be left out:
//!
//! ```text
//! jpss
//! jpss(spacecraft = 157)
//! aos(frame_length = 892, insert_zone = 4, fecf)
//! tm(frame_length = 1115, marker, randomized, reed_solomon = 255/223, interleave = 5)
//! ```
//!
//! Promises: what a [`Link`] displays, [`Link::named`] reads back. Refuses what
//! `[frames]` refuses.

use std::fmt;

use downlake_lake::schema::toml::{Document, Section};
use downlake_lake::{Error, Result};

use super::link::{Link, PRESETS};
use crate::packet::schema::{LINK_KEYS, link, link_text};

/// The names of kinds of frames.
const KINDS: [&str; 2] = ["tm", "aos"];

impl Link {
    /// A link in words. `None` if the text begins with neither a preset nor a
    /// kind of frame.
    ///
    /// # Errors
    /// Invalid, with the text and what is wrong in it.
    pub fn named(text: &str) -> Option<Result<Link>> {
        let (name, parameters) = match text.split_once('(') {
            Some((name, behind)) => (name.trim(), Some(behind)),
            None => (text.trim(), None),
        };
        let key = match name {
            _ if PRESETS.iter().any(|preset| preset.name == name) => "preset",
            _ if KINDS.contains(&name) => "kind",
            _ => return None,
        };
        let link = table(key, name, parameters).and_then(|table| read(&table));
        Some(link.map_err(|error| error.context(format!("link \"{text}\""))))
    }
}

/// The text of the table that a name and the text behind its opening bracket
/// mean.
fn table(key: &str, name: &str, parameters: Option<&str>) -> Result<String> {
    let mut table = format!("{key} = \"{name}\"\n");
    if let Some(behind) = parameters {
        let inside = behind.trim_end().strip_suffix(')');
        let inside = inside.ok_or_else(|| Error::invalid("expected \")\" at the end"))?;
        for parameter in parameters_of(inside) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, "true"));
            table.push_str(&format!("{} = {}\n", key.trim(), quoted(value.trim())));
        }
    }
    Ok(table)
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
    let parts = parts.map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

/// A word as TOML has it; numbers, lists, `true` and `false` are no words.
fn quoted(value: &str) -> String {
    let is_number = value.parse::<i64>().is_ok();
    match value {
        "true" | "false" => value.to_owned(),
        _ if is_number || value.starts_with(['[', '"']) => value.to_owned(),
        _ => format!("\"{value}\""),
    }
}

fn read(text: &str) -> Result<Link> {
    let document = Document {
        text,
        file_name: "",
    };
    let read = || {
        let tree = document.parse()?;
        let section = Section::open(document, tree.get_ref(), 0..0, "the link", LINK_KEYS)?;
        link(&section)
    };
    // Lines and columns are those of a text that nobody wrote.
    read().map_err(|error| match error.message().split_once(": ") {
        Some((_, message)) => Error::invalid(message),
        None => error,
    })
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = link_text(self).replace('"', "");
        let mut pairs = table.lines().filter_map(|line| line.split_once(" = "));
        let (_, kind) = pairs.next().unwrap_or_default();
        let parameters = pairs.map(|(key, value)| match value {
            "true" => key.to_owned(),
            value => format!("{key} = {value}"),
        });
        write!(f, "{kind}({})", parameters.collect::<Vec<_>>().join(", "))
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
            "aos(frame_length = 892, insert_zone=4, fecf=true, ocf, header_error_control)",
            "tm(frame_length=1115, marker, randomized, reed_solomon=255/239, interleave=5, basis=\"conventional\",)",
            "tm(frame_length=100, any_packet_version)",
        ] {
            let link = Link::named(text).expect("a name").expect("a link");
            let shown = link.to_string();
            assert_eq!(Link::named(&shown).expect("a name").expect("a link"), link);
            written.push_str(&format!("{shown}\n"));
        }
        expect![[r#"
            aos(frame_length = 892, reed_solomon = 255/223, interleave = 4, basis = dual, marker, randomized)
            tm(frame_length = 1115, fecf)
            aos(frame_length = 892, reed_solomon = 255/223, interleave = 4, basis = dual, marker, randomized, fecf, spacecraft = 157, virtual_channels = [16, 6])
            aos(frame_length = 892, ocf, fecf, header_error_control, insert_zone = 4)
            tm(frame_length = 1115, reed_solomon = 255/239, interleave = 5, basis = conventional, marker, randomized)
            tm(frame_length = 100, any_packet_version)
        "#]].assert_eq(&written);
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
            "aos(frame_length=892, reed_solomon=255/223, basis=berlekamp)",
            "tm(frame_length=1115, insert_zone=4)",
            "jpss(kind=tm)",
            "aos(frame_length=-1)",
            "aos(frame_length=892, fecf=[)",
            "aos(frame_length=892) and more",
        ];
        let errors = texts.map(|text| {
            let error = Link::named(text).expect("a name").expect_err("no link");
            format!("{}\n", error.message())
        });
        expect![[r#"
            link "aos": the link lacks the key "frame_length", such as frame_length = 892
            link "aos(insert_zone=4)": the link lacks the key "frame_length", such as frame_length = 892
            link "aos(frame_length=892": expected ")" at the end
            link "aos(frame_length=892, insertzone=4)": unknown key "insertzone" in the link, did you mean "insert_zone": keys are preset, kind, frame_length, marker, randomized, reed_solomon, interleave, basis, insert_zone, ocf, fecf, header_error_control, virtual_channels, spacecraft, any_packet_version
            link "aos(frame_length="892")": frame_length is a string: expected a whole number
            link "aos(frame_length=892, interleave=4)": interleave belongs to reed_solomon
            link "aos(frame_length=892, reed_solomon=255)": reed_solomon is an integer: expected a text
            link "aos(frame_length=892, reed_solomon=255/223, basis=berlekamp)": basis is "berlekamp": expected dual, conventional
            link "tm(frame_length=1115, insert_zone=4)": tm frames have no place for an insert zone; leave it out, or choose aos frames
            link "jpss(kind=tm)": kind beside preset: leave one of them out
            link "aos(frame_length=-1)": frame_length is an integer: expected a number in its range
            link "aos(frame_length=892, fecf=[)": not TOML: unclosed array, expected `]`
            link "aos(frame_length=892) and more": expected ")" at the end
        "#]].assert_eq(&errors.concat());
    }
}
