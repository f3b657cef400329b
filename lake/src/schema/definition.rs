//! The model of a stream definition. Text forms (TOML) and rules (names,
//! types, evolution) live in the sibling modules.

/// One kind of telemetry: a stream is a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The table's name.
    pub stream: String,
    /// What the stream is, for people.
    pub description: Option<String>,
    /// Whether a person gave the definition or it was inferred from data.
    pub origin: Origin,
    /// How raw files of this stream are laid out, where the bytes do not say it.
    pub input: InputLayout,
    /// The axis along which rows are ordered.
    pub time: TimeAxis,
    /// How an absolute stream is cut into folders.
    pub partition: Partition,
    /// String columns with one value for a whole source unit (`--set`,
    /// `--from-path`), first in the table and first in the order of rows.
    pub constants: Vec<String>,
    /// Columns by which rows are sorted inside every file.
    pub sort_by: Vec<String>,
    /// The key of duplicate rows; empty where duplicates are kept.
    pub dedup_by: Vec<String>,
    /// Columns in which equal rows may differ: how a row came, not what it is.
    pub dedup_ignore: Vec<String>,
    /// The source column that says when the ground received a row.
    pub received_at: Option<String>,
    /// What happens to fields that the definition does not name.
    pub evolution: Evolution,
    /// The columns taken from the source, in table order.
    pub columns: Vec<Column>,
}

impl Definition {
    /// A definition with these columns, no axis and every default.
    pub fn new(stream: impl Into<String>, origin: Origin, columns: Vec<Column>) -> Self {
        Definition {
            stream: stream.into(),
            description: None,
            origin,
            input: InputLayout::default(),
            time: TimeAxis::None,
            partition: Partition::Day,
            constants: Vec::new(),
            sort_by: Vec::new(),
            dedup_by: Vec::new(),
            dedup_ignore: Vec::new(),
            received_at: None,
            evolution: Evolution::Add,
            columns,
        }
    }

    /// The column with this name in the table.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Where a definition comes from; it decides what becomes of a value that
/// does not fit its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Given by a person: a value that does not fit is quarantined.
    Given,
    /// Inferred from data: a value that does not fit lands in a sibling column.
    Inferred,
}

/// What becomes of a field that the definition does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evolution {
    /// A new nullable column is added.
    Add,
    /// The row is quarantined.
    Strict,
    /// The field is dropped, with a notice that counts it.
    Ignore,
}

/// The layout of raw text that the bytes themselves do not say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InputLayout {
    /// The format's name in the list of formats; by extension or content if absent.
    pub format: Option<String>,
    /// Delimited text: whether the first line names the columns (default: sniffed).
    pub header: Option<bool>,
    /// Delimited text: the delimiter; `Some(b' ')` means runs of blanks.
    pub delimiter: Option<u8>,
    /// Delimited text: texts that mean NULL, beside the empty field.
    pub null_values: Vec<String>,
}

/// The axis of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeAxis {
    /// Instants: they become the column `time` (microseconds, UTC) and its day `date`.
    Absolute(AbsoluteTime),
    /// A number that counts from the start of a run; keeps its name and type.
    Relative {
        /// The column that counts.
        column: String,
        /// The unit of the count (`s`, `ms`, `cycle`, ...).
        unit: String,
        /// The column that names the run, if one does.
        run_key: Option<String>,
    },
    /// A reference table without an axis.
    None,
}

/// How source columns become the column `time`.
#[derive(Debug, Clone, PartialEq)]
pub struct AbsoluteTime {
    /// The source columns (their names in the table), in the order of the code's arguments.
    pub columns: Vec<String>,
    /// How the values are read.
    pub code: TimeCode,
    /// The instant that counts as zero, microseconds since 1970-01-01 UTC
    /// whatever the scale; not for [`TimeCode::Iso`].
    pub epoch_micros: i64,
    /// The time scale of the source values.
    pub scale: TimeScale,
    /// Earliest instant that is accepted, microseconds since 1970-01-01 UTC.
    pub valid_from_micros: i64,
    /// Latest instant that is accepted; `None` means one day after now.
    pub valid_to_micros: Option<i64>,
}

/// How the values of one or several columns say an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeCode {
    /// ISO 8601 or RFC 3339 text (calendar or ordinal date), or a column that
    /// is a timestamp already. Text without a zone is UTC.
    Iso,
    /// A count of seconds since the epoch, whole or not.
    Seconds,
    /// A count of milliseconds since the epoch.
    Millis,
    /// A count of microseconds since the epoch.
    Micros,
    /// A count of nanoseconds since the epoch.
    Nanos,
    /// CCSDS day segmented: days, milliseconds of day, and optionally microseconds of millisecond.
    Cds,
    /// CCSDS unsegmented: whole seconds and a binary fraction of the given number of bits.
    Cuc {
        /// Width of the fraction, 0 to 56 bits.
        fraction_bits: u8,
    },
    /// Core Flight System: whole seconds and 16 bits of subseconds.
    Cfs,
}

/// The time scale of source values; leap seconds are taken out for `Tai` and `Gps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeScale {
    /// Coordinated universal time.
    Utc,
    /// International atomic time.
    Tai,
    /// GPS time, TAI - 19 s.
    Gps,
}

/// How an absolute stream is cut into folders. Other streams have one folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// One folder a UTC day: `date=2026-01-31`.
    Day,
    /// One folder a month: `month=2026-01-01`.
    Month,
    /// One folder a year: `year=2026`.
    Year,
    /// No folders.
    None,
}

/// One column taken from the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The name in the table.
    pub name: String,
    /// The name in the source; nested fields are joined with `.`.
    pub source: String,
    /// The type of the values.
    pub kind: ColumnType,
    /// The unit, as text.
    pub unit: Option<String>,
    /// What the column is, for people.
    pub description: Option<String>,
    /// Whether NULL is refused.
    pub required: bool,
    /// Values outside are quarantined; in the units of the column, both ends included.
    pub valid_range: Option<(f64, f64)>,
    /// Named limits for alarms and plots: name, low, high.
    pub limits: Vec<Limit>,
    /// Source number (as text) to label; the column is text then, `<name>__raw` keeps the number.
    pub enumeration: Vec<(i64, String)>,
    /// For a sibling column (`<name>__double`, `<name>__text`): the name of
    /// the column whose misfits it takes.
    pub sibling_of: Option<String>,
}

impl Column {
    /// A nullable column with nothing but a name, a source and a type.
    pub fn new(name: impl Into<String>, source: impl Into<String>, kind: ColumnType) -> Self {
        Column {
            name: name.into(),
            source: source.into(),
            kind,
            unit: None,
            description: None,
            required: false,
            valid_range: None,
            limits: Vec::new(),
            enumeration: Vec::new(),
            sibling_of: None,
        }
    }
}

/// A named band of a column's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// `warning`, `critical`, or the mission's word.
    pub name: String,
    /// Below is outside the band.
    pub low: Option<f64>,
    /// Above is outside the band.
    pub high: Option<f64>,
}

/// The type of a source value, and with it the type of the table's column
/// (Delta has no unsigned integers, so some widen).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// 8-bit signed.
    I8,
    /// 16-bit signed.
    I16,
    /// 32-bit signed.
    I32,
    /// 64-bit signed: the type of inferred whole numbers.
    I64,
    /// 8-bit unsigned, stored in 16 bits.
    U8,
    /// 16-bit unsigned, stored in 32 bits.
    U16,
    /// 32-bit unsigned, stored in 64 bits.
    U32,
    /// 64-bit unsigned, stored as decimal(20,0).
    U64,
    /// Half precision, stored in single.
    F16,
    /// Single precision.
    F32,
    /// Double precision: the type of inferred numbers that are not all whole.
    F64,
    /// Fixed point with precision up to 38 and scale.
    Decimal(u8, i8),
    /// UTF-8 text.
    Text,
    /// JSON text of a value that has no column type.
    Json,
    /// Bytes; in text sources as hex.
    Binary,
    /// Whole numbers written in hexadecimal in text sources; stored as 64-bit signed.
    Hex,
    /// An instant, microseconds, UTC.
    Timestamp,
    /// An instant in nanoseconds: stored as microseconds in `<name>` and as a
    /// count of nanoseconds since 1970 in `<name>__ns`.
    TimestampNs,
    /// A calendar day.
    Date,
    /// A span, stored as 64-bit microseconds.
    Duration,
    /// A list of one type.
    List(Box<ColumnType>),
}
