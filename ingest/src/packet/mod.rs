//! Space packets: what a mission's definition says, and the columns it makes.
//!
//! One model ([`model`]) stands between the forms that definitions come in
//! ([`xtce`], [`ccsdspy`], [`document`]) and the decoder ([`decoder`]). A
//! definition is compiled to flat plans ([`plan`]), packets are resolved to a
//! container and decoded column by column ([`kernels`]); what has no fixed
//! place is found packet by packet first ([`locate`]).
//!
//! Promises: a packet becomes a row with exactly the values that the
//! definition says, or is refused with a reason, a bit and the name at fault.
//! Refuses: every construct of a definition that is not implemented, with file
//! and line, before a packet is read. Nothing is decoded in part, guessed or
//! wrapped.

pub mod ccsdspy;
pub mod check;
pub mod decoder;
pub mod document;
pub mod error_control;
pub mod feed;
pub mod frame_feed;
pub mod header;
pub mod kernels;
pub mod locate;
pub(crate) mod losses;
pub mod model;
pub mod plan;
pub mod schema;
pub mod segments;
pub mod sequence;
pub mod source;
pub mod stream;
pub mod walk;
pub mod xtce;

pub(crate) mod bits;
