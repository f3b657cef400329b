//! Space packets and the tables that describe them.
//!
//! Promises: packets are packed from the same tables from which their XTCE
//! definition is generated, so the two cannot disagree. Bytes follow CCSDS
//! 133.0-B (primary header) and end in CRC-16 packet error control.

pub(crate) mod launcher;
pub(crate) mod layout;
pub(crate) mod satellite;
pub(crate) mod table;
pub(crate) mod xtce;
