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
/// Bits in which no attached sync marker begins.
pub const NO_MARKER: &str = "no-marker";
/// A marker begins a frame that nothing confirms: it has no check, and no marker follows.
pub const FRAME_UNCONFIRMED: &str = "frame-unconfirmed";
/// The input ends inside a frame.
pub const FRAME_TRUNCATED: &str = "frame-truncated";
/// A frame has more wrong symbols than its Reed-Solomon code can mend.
pub const FRAME_UNCORRECTABLE: &str = "frame-uncorrectable";
/// A frame's error control field does not agree with its bytes.
pub const FRAME_ERROR_CONTROL: &str = "frame-error-control";
/// The error control of a frame's header does not agree.
pub const FRAME_HEADER_ERROR_CONTROL: &str = "frame-header-error-control";
/// A frame of another transfer frame version.
pub const FRAME_VERSION: &str = "frame-version";
/// A frame of a spacecraft that was not asked for.
pub const FRAME_SPACECRAFT: &str = "frame-spacecraft";
/// A frame's first header pointer points beyond its packet zone.
pub const FRAME_POINTER: &str = "frame-pointer";
/// A frame whose reserved bits say that it holds no packets.
pub const FRAME_RESERVED_BITS: &str = "frame-reserved-bits";
/// A frame of packet segments, of the standards before 2003.
pub const FRAME_SEGMENTS: &str = "frame-segments";
/// A frame's secondary header is of another version, or longer than the frame.
pub const FRAME_SECONDARY_HEADER: &str = "frame-secondary-header";
/// The end of a packet whose beginning is not there.
pub const PACKET_HEADLESS: &str = "packet-headless";
/// The beginning of a packet that needs a frame which is lost.
pub const PACKET_FRAME_LOST: &str = "packet-frame-lost";
/// A first header pointer contradicts the length of a packet.
pub const PACKET_POINTER: &str = "packet-pointer";
/// Bytes that no version number and no pointer show to be a space packet.
pub const PACKET_VERSION: &str = "packet-version";
/// The beginning of a packet that a frame of other data interrupts.
pub const PACKET_INTERRUPTED: &str = "packet-interrupted";
/// The input ends inside a packet.
pub const PACKET_UNFINISHED: &str = "packet-unfinished";
/// The beginning of a packet on one of too many virtual channels.
pub const PACKET_EVICTED: &str = "packet-evicted";

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
    (NO_MARKER, "bits in which no attached sync marker begins"),
    (
        FRAME_UNCONFIRMED,
        "a frame without a check that no marker follows",
    ),
    (FRAME_TRUNCATED, "the input ends inside a frame"),
    (
        FRAME_UNCORRECTABLE,
        "a frame with more wrong symbols than reed-solomon can mend",
    ),
    (
        FRAME_ERROR_CONTROL,
        "a frame's error control does not agree with its bytes",
    ),
    (
        FRAME_HEADER_ERROR_CONTROL,
        "the error control of a frame's header does not agree",
    ),
    (FRAME_VERSION, "a frame of another version"),
    (
        FRAME_SPACECRAFT,
        "a frame of a spacecraft that was not asked for",
    ),
    (
        FRAME_POINTER,
        "a first header pointer beyond the packet zone",
    ),
    (
        FRAME_RESERVED_BITS,
        "reserved bits are set: the frame holds no packets",
    ),
    (FRAME_SEGMENTS, "a frame of packet segments"),
    (
        FRAME_SECONDARY_HEADER,
        "a secondary header of another version, or longer than its frame",
    ),
    (
        PACKET_HEADLESS,
        "the end of a packet whose beginning is not there",
    ),
    (
        PACKET_FRAME_LOST,
        "the beginning of a packet that needs a lost frame",
    ),
    (
        PACKET_POINTER,
        "a first header pointer contradicts the length of a packet",
    ),
    (
        PACKET_VERSION,
        "another packet version, and no first header pointer proves the packet",
    ),
    (
        PACKET_INTERRUPTED,
        "the beginning of a packet that a frame of other data interrupts",
    ),
    (PACKET_UNFINISHED, "the input ends inside a packet"),
    (
        PACKET_EVICTED,
        "the beginning of a packet on one of too many virtual channels",
    ),
];
