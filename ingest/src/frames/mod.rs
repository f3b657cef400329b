//! Transfer frames: a downlinked bit stream to space packets.
//!
//! A [`Receiver`] takes the bytes of a stream in pieces of any size and hands
//! [`Event`]s to its caller: frames, packets, and everything that became
//! neither. What it promises:
//!
//! * Every bit of the input belongs to one [`Frame`] or one [`Hole`], every
//!   byte of a frame's packet zone to one [`Packet`], one [`Fragment`], or is
//!   counted as idle. Nothing is passed over in silence.
//! * A frame is believed only if all checks that the [`Link`] configures hold.
//!   Where it configures none, the next marker must stand where the frame ends.
//! * A packet is whole: a lost frame, or a header pointer that contradicts the
//!   packet's own length, turns it into a fragment. Nothing is glued.
//! * Memory is bounded by the frame length and a fixed number of virtual
//!   channels, whatever the input; a frame needs no allocation.
//!
//! What it refuses: convolutional, turbo and LDPC codes (a demodulator's work),
//! USLP and Proximity-1 frames, TM segments of the standards before 2003, and
//! packets other than space packets (one-octet encapsulation idle packets are
//! counted as idle).
//!
//! Layouts follow CCSDS 131.0-B (synchronisation and coding), 132.0-B (TM),
//! 732.0-B (AOS) and 133.0-B (space packets). Bit 0 is the most significant.

pub mod aos;
pub(crate) mod crc;
mod event;
mod link;
mod notation;
pub mod randomizer;
mod reassembly;
mod receiver;
pub mod reed_solomon;
mod search;
mod sync;
pub mod tm;

pub use event::{
    Cause, ChannelId, Content, Counts, Event, Fragment, FragmentCause, Frame, Gap, GapKind, Header,
    Hole, Packet, Place,
};
pub use link::{FrameKind, Link, PRESETS, Preset};
pub use receiver::Receiver;
pub use search::{FoundLink, SEARCH_BYTES, find_link, has_markers};
pub use sync::{MARKER, MARKER_WRONG_BITS};
