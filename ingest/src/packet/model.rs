//! The model of a packet definition: parameters, and the containers that say
//! where in a packet they are.
//!
//! Every form of definition is read into this model, with names as the source
//! spells them and the [`Place`] of each construct for messages. Names refer
//! to names; [`PacketDefinition::check`](super::check) proves that they lead
//! somewhere. The vocabulary is that of XTCE (CCSDS 660.0-B).

use std::fmt;
use std::sync::Arc;

use downlake_lake::Error;
use downlake_lake::schema::{TimeCode, TimeScale};

/// Bits of the longest packet: 6 bytes of primary header and 65,536 of data
/// (CCSDS 133.0-B, 4.1.3).
pub const MAX_PACKET_BITS: u32 = (6 + 65_536) * 8;

/// A construct's file and line, for messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The definition's file, as the user named it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

impl Place {
    /// An Invalid error that begins with this place.
    pub fn refuse(&self, message: impl fmt::Display) -> Error {
        Error::invalid(format!("{self}: {message}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// All that one definition says about packets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PacketDefinition {
    /// The name of the definition.
    pub name: String,
    /// What it describes, for people.
    pub description: Option<String>,
    /// The container that every packet begins with.
    pub root: String,
    /// Whether the definition describes packets of one APID that it does not
    /// name: who gives the definition has to say which.
    pub one_apid: bool,
    /// The parameters, in the order of the source.
    pub parameters: Vec<Parameter>,
    /// The containers, in the order of the source.
    pub containers: Vec<Container>,
    /// What the definition says beyond the values of packets and is not used.
    pub notices: Vec<String>,
}

/// A named value of a packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name in the source; parameters of inner systems carry their path.
    pub name: String,
    /// What it is, for people.
    pub description: Option<String>,
    /// Its type.
    pub shape: Shape,
    /// Where it is defined.
    pub place: Place,
}

/// The structure of a parameter's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// One value.
    Scalar(Scalar),
    /// Values of one shape, one behind the other.
    Array {
        /// The shape of each.
        element: Box<Shape>,
        /// How many there are, at least one.
        count: u32,
    },
    /// Named values, one behind the other.
    Aggregate(Vec<Member>),
}

/// A named part of an aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The name within the aggregate.
    pub name: String,
    /// Its type.
    pub shape: Shape,
}

/// One value: its bits and what they mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// The unit of the engineering value.
    pub unit: Option<String>,
    /// How the bits are read.
    pub encoding: Encoding,
    /// What the raw value means.
    pub meaning: Meaning,
}

/// How bits become a raw value. Bit 0 is the most significant everywhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoding {
    /// A whole number.
    Integer {
        /// Its width, 1 to 64 bits.
        bits: u8,
        /// How it says its sign.
        sign: Sign,
        /// The order of its bytes; `Little` for whole bytes only.
        order: ByteOrder,
    },
    /// An IEEE 754 number.
    Float {
        /// Its width: 16, 32 or 64 bits.
        bits: u8,
        /// The order of its bytes.
        order: ByteOrder,
    },
    /// Text.
    Text {
        /// The bits that it takes.
        extent: Extent,
        /// Where in them it ends.
        ending: Ending,
        /// How its bytes become characters.
        charset: Charset,
    },
    /// Bytes.
    Binary {
        /// The bits that they take.
        extent: Extent,
    },
}

/// How a whole number says its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It has none.
    Unsigned,
    /// Two's complement.
    TwosComplement,
    /// The first bit is the sign, the rest the amount.
    SignMagnitude,
    /// Negative numbers are inverted bit by bit; both zeros are 0.
    OnesComplement,
}

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Most significant first, as CCSDS has it.
    Big,
    /// Least significant first.
    Little,
}

/// How many bits a text or a run of bytes takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// Always the same number, whole bytes.
    Fixed(u32),
    /// `slope * parameter + intercept` bits; the parameter comes earlier.
    Dynamic {
        /// The raw whole number that says it.
        parameter: String,
        /// Bits for each unit of the parameter.
        slope: i64,
        /// Bits beside.
        intercept: i64,
    },
    /// As far as the [`Ending`] says, but not beyond so many bits.
    Open(Option<u32>),
}

/// Where text ends within its extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// At the end of the extent.
    Whole,
    /// At the end of the extent, without the NULs before it.
    Padded,
    /// Before these bytes, which belong to the extent; in a closed extent
    /// without them, at its end.
    Terminator(Vec<u8>),
    /// After as many bytes as a number of so many bits in front says.
    LeadingSize(u8),
}

/// How bytes become characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, of which ASCII is a part.
    Utf8,
    /// ISO 8859-1: every byte is the character of that number.
    Latin1,
}

/// What a raw value means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// Itself.
    Plain,
    /// The sum of the terms.
    Polynomial(Vec<Term>),
    /// A label.
    Labels(Vec<Label>),
    /// False for zero, true for all else.
    Boolean,
    /// An instant.
    Instant(Clock),
}

/// `coefficient * raw ^ exponent`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// The factor.
    pub coefficient: f64,
    /// The power, from 0.
    pub exponent: u8,
}

/// A label of all raw values within its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The lowest raw value.
    pub low: i64,
    /// The highest raw value.
    pub high: i64,
    /// The text.
    pub text: String,
}

/// A count that says an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// What is counted: seconds, their decimal parts, or (`Cuc`) parts of
    /// `2^-fraction_bits` seconds in one number.
    pub code: TimeCode,
    /// The instant of zero, microseconds since 1970-01-01 UTC.
    pub epoch_micros: i64,
    /// The time scale of the count.
    pub scale: TimeScale,
}

/// A sequence of entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// The name in the source.
    pub name: String,
    /// What it is, for people.
    pub description: Option<String>,
    /// The container whose entries come before its own.
    pub base: Option<String>,
    /// What must hold of the base's parameters.
    pub when: Option<Condition>,
    /// Whether packets must be of a container that inherits from it.
    pub is_abstract: bool,
    /// What it holds, in order.
    pub entries: Vec<Entry>,
    /// Where it is defined.
    pub place: Place,
}

/// One element of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What is there.
    pub item: Item,
    /// Where it begins.
    pub location: Location,
    /// When it is there.
    pub when: Option<Condition>,
    /// Where it is defined.
    pub place: Place,
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A parameter, by name.
    Parameter(String),
    /// All entries of a container, by name.
    Container(String),
}

/// Where an entry begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// So many bits after the end of the previous entry; 0 is the rule.
    AfterPrevious(i32),
    /// So many bits after the start of the container with all it inherits.
    FromStart(u32),
}

/// What must hold of raw whole numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// A comparison with a constant.
    Compare(Comparison),
    /// Each of them.
    All(Vec<Condition>),
    /// At least one of them.
    Any(Vec<Condition>),
}

/// A comparison of a raw whole number with a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The parameter.
    pub parameter: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub value: i128,
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Every operator with its spelling.
pub const OPERATORS: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<", Operator::Less),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterOrEqual),
];

impl Operator {
    /// Whether `left operator right`.
    pub fn holds(self, left: i128, right: i128) -> bool {
        match self {
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
            Operator::Less => left < right,
            Operator::LessOrEqual => left <= right,
            Operator::Greater => left > right,
            Operator::GreaterOrEqual => left >= right,
        }
    }
}

impl Condition {
    /// Every comparison in it.
    pub fn comparisons(&self) -> Vec<&Comparison> {
        match self {
            Condition::Compare(comparison) => vec![comparison],
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().flat_map(Condition::comparisons).collect()
            }
        }
    }
}

impl Encoding {
    /// The bits it takes, where they are always as many.
    pub fn fixed_bits(&self) -> Option<u32> {
        match self {
            Encoding::Integer { bits, .. } | Encoding::Float { bits, .. } => Some((*bits).into()),
            Encoding::Text { extent, .. } | Encoding::Binary { extent } => match extent {
                Extent::Fixed(bits) => Some(*bits),
                Extent::Dynamic { .. } | Extent::Open(_) => None,
            },
        }
    }
}
