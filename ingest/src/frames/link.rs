//! What must be known of a link before its frames can be read.

use downlake_lake::{Error, Result};

use super::reed_solomon::{Basis, Code, Strength};
use super::{aos, tm};

/// The largest packet zone that the eleven bits of a first header pointer can
/// address, in bytes; 0x7FE and 0x7FF mean something else.
const ZONE_LIMIT: usize = 0x7FE;

/// The kind of transfer frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Telemetry, CCSDS 132.0-B.
    Tm,
    /// Advanced orbiting systems, CCSDS 732.0-B, with packets (M_PDU).
    Aos,
}

/// The managed parameters of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kind of frame.
    pub kind: FrameKind,
    /// Length of a transfer frame in bytes, header to trailer, without marker
    /// and check symbols.
    pub frame_length: usize,
    /// Whether each frame begins with the attached sync marker. Without it
    /// frames follow each other from the first byte on.
    pub marker: bool,
    /// Whether frames (and check symbols) are randomised.
    pub randomized: bool,
    /// The Reed-Solomon code. A frame shorter than the code allows is virtual
    /// fill.
    pub code: Option<Code>,
    /// AOS: length of the insert zone in bytes.
    pub insert_zone: usize,
    /// AOS: whether the header carries error control (FHEC). It is checked,
    /// and not used to correct.
    pub header_control: bool,
    /// AOS: whether frames carry an operational control field; TM frames say
    /// so themselves.
    pub ocf: bool,
    /// Whether frames end in a frame error control field (CRC-16).
    pub fecf: bool,
    /// Refuse frames of other spacecraft.
    pub spacecraft: Option<u16>,
    /// Read packets of these virtual channels only; frames of others are
    /// [`Content::Unread`](super::Content::Unread).
    pub virtual_channels: Option<Vec<u8>>,
    /// Take packets whose version number is not 0 for space packets, as some
    /// instruments send them. Without it they are taken where first header
    /// pointers prove their ends, and are fragments elsewhere: another kind of
    /// packet keeps its length elsewhere.
    pub any_packet_version: bool,
}

impl Link {
    /// TM frames of that length that follow each other, without any option.
    pub const fn tm(frame_length: usize) -> Link {
        Link::plain(FrameKind::Tm, frame_length)
    }

    /// AOS frames of that length that follow each other, without any option.
    pub const fn aos(frame_length: usize) -> Link {
        Link::plain(FrameKind::Aos, frame_length)
    }

    const fn plain(kind: FrameKind, frame_length: usize) -> Link {
        Link {
            kind,
            frame_length,
            marker: false,
            randomized: false,
            code: None,
            insert_zone: 0,
            header_control: false,
            ocf: false,
            fecf: false,
            spacecraft: None,
            virtual_channels: None,
            any_packet_version: false,
        }
    }

    /// The link of a preset.
    ///
    /// # Errors
    /// Invalid, with the presets there are.
    pub fn preset(name: &str) -> Result<Link> {
        let known = PRESETS.iter().find(|preset| preset.name == name);
        known.map(|preset| (preset.link)()).ok_or_else(|| {
            let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
            Error::invalid(format!(
                "no frame preset is called \"{name}\"; there are {}",
                names.join(", ")
            ))
        })
    }

    /// Length of a frame with its check symbols, in bytes.
    pub(super) fn block_length(&self) -> usize {
        self.frame_length + self.code.map_or(0, |code| code.check_bytes())
    }

    /// Whether a frame can be told from noise by itself.
    pub(super) fn is_checked(&self) -> bool {
        self.code.is_some() || self.fecf
    }

    /// Checks that the parameters fit each other.
    ///
    /// # Errors
    /// Invalid, with the parameter and its limits.
    pub fn validate(&self) -> Result<()> {
        if let Some(code) = self.code {
            code.validate(self.frame_length)?;
        }
        match self.kind {
            FrameKind::Tm => self.validate_tm()?,
            FrameKind::Aos => {}
        }
        self.validate_zone()?;
        self.validate_names()
    }

    fn validate_tm(&self) -> Result<()> {
        let foreign = [
            (self.insert_zone > 0, "an insert zone"),
            (self.header_control, "frame header error control"),
            (self.ocf, "a configured operational control field"),
        ];
        match foreign.iter().find(|(set, _)| *set) {
            Some((_, what)) => Err(Error::invalid(format!(
                "tm frames have no place for {what}; leave it out, or choose aos frames"
            ))),
            None => Ok(()),
        }
    }

    fn validate_zone(&self) -> Result<()> {
        let overhead = self.overhead();
        let longest = overhead.saturating_add(ZONE_LIMIT);
        if self.frame_length <= overhead || self.frame_length > longest {
            return Err(Error::invalid(format!(
                "a frame length of {} bytes does not fit: with {overhead} bytes of header and \
                 trailer it is {} to {longest}",
                self.frame_length,
                overhead.saturating_add(1),
            )));
        }
        Ok(())
    }

    /// Bytes of a frame before and behind its packet zone.
    fn overhead(&self) -> usize {
        let header = match self.kind {
            FrameKind::Tm => tm::HEADER_LENGTH,
            FrameKind::Aos => aos::layout(self).zone_start,
        };
        header.saturating_add(self.trailer())
    }

    /// Length of what is configured behind the packet zone, in bytes.
    pub(super) fn trailer(&self) -> usize {
        4 * usize::from(self.ocf) + 2 * usize::from(self.fecf)
    }

    fn validate_names(&self) -> Result<()> {
        let channels = match self.kind {
            FrameKind::Tm => 8,
            FrameKind::Aos => 64,
        };
        let named = self.virtual_channels.iter().flatten();
        if let Some(beyond) = named.into_iter().find(|&&channel| channel >= channels) {
            return Err(Error::invalid(format!(
                "there is no virtual channel {beyond}; they are 0 to {}",
                channels - 1
            )));
        }
        match self.spacecraft {
            Some(id) if id > 0x3FF => Err(Error::invalid(format!(
                "there is no spacecraft {id}; identifiers are 0 to 1023"
            ))),
            _ => Ok(()),
        }
    }
}

/// A link with a name.
#[derive(Debug)]
pub struct Preset {
    /// What it is asked for by.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// The parameters.
    pub link: fn() -> Link,
}

/// The links that have a name.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "jpss",
        about: "science downlink of Suomi-NPP and JPSS: AOS, 1,024-byte CADUs, Reed-Solomon (255,223) 4 deep",
        link: || Link {
            marker: true,
            randomized: true,
            code: Some(Code {
                strength: Strength::E16,
                basis: Basis::Dual,
                interleave: 4,
            }),
            ..Link::aos(892)
        },
    },
    Preset {
        name: "tm-1115",
        about: "TM frames of 1,115 bytes with frame error control, one after the other",
        link: || Link {
            fecf: true,
            ..Link::tm(1115)
        },
    },
    Preset {
        name: "tm-1115-cadu",
        about: "TM frames of 1,115 bytes with frame error control, marked and randomised, without a code",
        link: || Link {
            marker: true,
            randomized: true,
            fecf: true,
            ..Link::tm(1115)
        },
    },
];

#[cfg(test)]
mod tests;
