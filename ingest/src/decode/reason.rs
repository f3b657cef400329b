//! Why a record is refused: the codes of the `reason` column of `_quarantine`.

/// The record is not of its format's grammar.
pub const SYNTAX: &str = "syntax";
/// A quoted field does not end.
pub const QUOTE: &str = "quote";
/// The record has more or fewer fields than the header or the definition.
pub const FIELD_COUNT: &str = "field-count";
/// A value is not of its column's type.
pub const TYPE: &str = "type";
/// A value is of its column's kind but does not fit its type.
pub const RANGE: &str = "range";
/// Text is not UTF-8.
pub const UTF8: &str = "utf8";
/// The record is longer than the limit.
pub const TOO_LONG: &str = "too-long";
/// The record is nested deeper than the limit.
pub const TOO_DEEP: &str = "too-deep";
/// An object names a field twice.
pub const DUPLICATE_KEY: &str = "duplicate-key";
/// A top-level value is not an object.
pub const NOT_AN_OBJECT: &str = "not-an-object";
/// The record has a field that the definition does not name.
pub const UNKNOWN_FIELD: &str = "unknown-field";
/// No container of the packet definition describes the packet.
pub const NO_DEFINITION: &str = "no-definition";
/// Several containers of the packet definition describe the packet.
pub const AMBIGUOUS: &str = "ambiguous";
/// The packet is longer or shorter than its header or its container says.
pub const PACKET_LENGTH: &str = "packet-length";
/// The packet goes on beyond its container; the row has what comes before.
pub const UNDECODED_TAIL: &str = "undecoded-tail";
/// The packet's error control does not agree with its bytes.
pub const ERROR_CONTROL: &str = "error-control";
/// Segments of a packet that is not there as a whole.
pub const SEGMENT: &str = "segment";
/// Bytes in which no packet begins.
pub const NO_PACKET: &str = "no-packet";

/// Every code a decoder uses, with its meaning.
pub const ALL: &[(&str, &str)] = &[
    (SYNTAX, "the record is not of its format's grammar"),
    (QUOTE, "a quoted field does not end"),
    (
        FIELD_COUNT,
        "more or fewer fields than the header or the definition",
    ),
    (TYPE, "a value is not of its column's type"),
    (
        RANGE,
        "a value is of its column's kind but does not fit its type",
    ),
    (UTF8, "text is not UTF-8"),
    (TOO_LONG, "the record is longer than the limit"),
    (TOO_DEEP, "the record is nested deeper than the limit"),
    (DUPLICATE_KEY, "an object names a field twice"),
    (NOT_AN_OBJECT, "a top-level value is not an object"),
    (UNKNOWN_FIELD, "a field that the definition does not name"),
    (
        NO_DEFINITION,
        "no container of the packet definition describes the packet",
    ),
    (
        AMBIGUOUS,
        "several containers of the packet definition describe the packet",
    ),
    (
        PACKET_LENGTH,
        "the packet is longer or shorter than its header or its container says",
    ),
    (
        UNDECODED_TAIL,
        "the packet goes on beyond its container; the row has what comes before",
    ),
    (
        ERROR_CONTROL,
        "the packet's error control does not agree with its bytes",
    ),
    (SEGMENT, "segments of a packet that is not there as a whole"),
    (NO_PACKET, "bytes in which no packet begins"),
];
