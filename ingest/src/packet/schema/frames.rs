//! The `[frames]` of a definition: the managed parameters of a link.
//!
//! ```toml
//! [frames]
//! preset = "jpss"              # or everything by hand:
//! kind = "aos"                 # or "tm"
//! frame_length = 892
//! marker = true
//! randomized = true
//! reed_solomon = "255/223"     # or "255/239"
//! interleave = 4
//! basis = "dual"               # or "conventional"
//! virtual_channels = [16, 17]
//! ```

use downlake_lake::Result;
use downlake_lake::schema::toml::{Section, Value};

use super::options::{quoted, spelling};
use crate::frames::reed_solomon::{Basis, Code, Strength};
use crate::frames::{FrameKind, Link};

/// The keys of the table.
pub(crate) const KEYS: &[&str] = &[
    "preset",
    "kind",
    "frame_length",
    "marker",
    "randomized",
    "reed_solomon",
    "interleave",
    "basis",
    "insert_zone",
    "ocf",
    "fecf",
    "header_error_control",
    "virtual_channels",
    "spacecraft",
    "any_packet_version",
];
const KINDS: &[(&str, FrameKind)] = &[("tm", FrameKind::Tm), ("aos", FrameKind::Aos)];
const STRENGTHS: &[(&str, Strength)] = &[("255/223", Strength::E16), ("255/239", Strength::E8)];
const BASES: &[(&str, Basis)] = &[("dual", Basis::Dual), ("conventional", Basis::Conventional)];

/// The link that a table says: a preset, or one by hand; what stands beside a
/// preset takes the place of what the preset says.
///
/// # Errors
/// Invalid, with the place in the text.
pub fn link(section: &Section<'_>) -> Result<Link> {
    let mut link = match section.get("preset") {
        Some(preset) => {
            refuse_beside_preset(section)?;
            Link::preset(preset.text()?).map_err(|error| preset.error(error))?
        }
        None => by_hand(section)?,
    };
    set_flag(section, "marker", &mut link.marker)?;
    set_flag(section, "randomized", &mut link.randomized)?;
    set_flag(section, "ocf", &mut link.ocf)?;
    set_flag(section, "fecf", &mut link.fecf)?;
    set_flag(section, "header_error_control", &mut link.header_control)?;
    set_flag(section, "any_packet_version", &mut link.any_packet_version)?;
    if let Some(value) = section.get("insert_zone") {
        link.insert_zone = within(&value)?;
    }
    if let Some(value) = section.get("spacecraft") {
        link.spacecraft = Some(within(&value)?);
    }
    if let Some(value) = section.get("virtual_channels") {
        let channels = value.items()?;
        link.virtual_channels = Some(channels.iter().map(within).collect::<Result<_>>()?);
    }
    link.validate().map_err(|error| section.error(error))?;
    Ok(link)
}

/// The text of a link under `[frames]`.
pub(crate) fn text(link: &Link) -> String {
    let mut text = format!(
        "\n[frames]\nkind = {}\nframe_length = {}\n",
        quoted(spelling(&link.kind, KINDS)),
        link.frame_length
    );
    let mut pair = |key: &str, value: String| text.push_str(&format!("{key} = {value}\n"));
    if let Some(code) = link.code {
        pair("reed_solomon", quoted(spelling(&code.strength, STRENGTHS)));
        pair("interleave", code.interleave.to_string());
        pair("basis", quoted(spelling(&code.basis, BASES)));
    }
    let flags = [
        ("marker", link.marker),
        ("randomized", link.randomized),
        ("ocf", link.ocf),
        ("fecf", link.fecf),
        ("header_error_control", link.header_control),
        ("any_packet_version", link.any_packet_version),
    ];
    for (key, _) in flags.into_iter().filter(|(_, set)| *set) {
        pair(key, "true".to_owned());
    }
    if link.insert_zone > 0 {
        pair("insert_zone", link.insert_zone.to_string());
    }
    if let Some(spacecraft) = link.spacecraft {
        pair("spacecraft", spacecraft.to_string());
    }
    if let Some(channels) = &link.virtual_channels {
        pair("virtual_channels", format!("{channels:?}"));
    }
    text
}

/// What a preset is made of cannot be changed and keep its name.
fn refuse_beside_preset(section: &Section<'_>) -> Result<()> {
    for key in [
        "kind",
        "frame_length",
        "reed_solomon",
        "interleave",
        "basis",
    ] {
        if let Some(value) = section.get(key) {
            return Err(value.error(format!("{key} beside preset: leave one of them out")));
        }
    }
    Ok(())
}

fn by_hand(section: &Section<'_>) -> Result<Link> {
    let kind = section.need("kind", "kind = \"aos\"")?.word(KINDS)?;
    let frame_length = within(&section.need("frame_length", "frame_length = 892")?)?;
    let link = match kind {
        FrameKind::Tm => Link::tm(frame_length),
        FrameKind::Aos => Link::aos(frame_length),
    };
    Ok(Link {
        code: code(section)?,
        ..link
    })
}

fn code(section: &Section<'_>) -> Result<Option<Code>> {
    let Some(strength) = section.get("reed_solomon") else {
        for key in ["interleave", "basis"] {
            if let Some(value) = section.get(key) {
                return Err(value.error(format!("{key} belongs to reed_solomon")));
            }
        }
        return Ok(None);
    };
    let interleave = section.get("interleave").map(|value| within(&value));
    Ok(Some(Code {
        strength: strength.word(STRENGTHS)?,
        basis: section.word("basis", BASES, Basis::Dual)?,
        interleave: interleave.transpose()?.unwrap_or(1),
    }))
}

fn set_flag(section: &Section<'_>, key: &'static str, flag: &mut bool) -> Result<()> {
    if let Some(set) = section.boolean(key)? {
        *flag = set;
    }
    Ok(())
}

fn within<T: TryFrom<i64>>(value: &Value<'_>) -> Result<T> {
    T::try_from(value.whole()?).map_err(|_| value.expected("a number in its range"))
}
