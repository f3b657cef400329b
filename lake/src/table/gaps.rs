//! `_gaps`: what is not there, as far as the data says it.
//!
//! Packets and frames are counted by who sends them, so a reader can tell
//! what was lost. Promises: a gap is told where counting went on behind it; a
//! block that came late closes what it fills, and is told as late. Sums of
//! `missing` where `kind = 'lost'` are what is missing, as far as counts that
//! wrap can say it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::ledger::{utc_array, utc_field};

/// The name of the table.
pub const GAPS: &str = "_gaps";

/// What a row of `_gaps` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapKind {
    /// Counts that were passed over.
    Lost,
    /// A count that went back, to packets that were not there before.
    Reset,
    /// Packets that came behind later ones and were missing.
    Late,
    /// Bytes of the source that no record could be made of.
    Bytes,
}

impl GapKind {
    /// As the column `kind` says it.
    pub fn name(self) -> &'static str {
        match self {
            GapKind::Lost => "lost",
            GapKind::Reset => "reset",
            GapKind::Late => "late",
            GapKind::Bytes => "bytes",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The table that the packet behind it went to.
    pub table_name: Option<String>,
    /// The spacecraft identifier, where frames say it.
    pub spacecraft: Option<u16>,
    /// The virtual channel, for frames and for packets that came in frames.
    pub virtual_channel: Option<u8>,
    /// The APID; NULL for frames and bytes.
    pub apid: Option<u16>,
    /// What it tells.
    pub kind: GapKind,
    /// The time of the packet before it, microseconds since 1970.
    pub from_time: Option<i64>,
    /// The time of the packet behind it, microseconds since 1970.
    pub to_time: Option<i64>,
    /// The first count that is concerned.
    pub from_seq: Option<u32>,
    /// The last count that is concerned.
    pub to_seq: Option<u32>,
    /// How many packets, frames or bytes.
    pub missing: u64,
    /// The place in the source of the packet or frame behind it, or of the
    /// first byte.
    pub byte_offset: Option<u64>,
}

/// The columns of the table.
pub fn gaps_schema() -> SchemaRef {
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        long("ingest_id"),
        text("table_name"),
        long("spacecraft"),
        long("vcid"),
        long("apid"),
        text("kind"),
        utc_field("from_time"),
        utc_field("to_time"),
        long("from_seq"),
        long("to_seq"),
        long("missing"),
        long("byte_offset"),
    ]))
}

/// Gaps of a landing as one batch of [`gaps_schema`].
pub(super) fn gaps_batch(ingest_id: i64, gaps: &[Gap]) -> RecordBatch {
    let longs = |value: &dyn Fn(&Gap) -> Option<i64>| -> ArrayRef {
        Arc::new(gaps.iter().map(value).collect::<Int64Array>())
    };
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let names: StringArray = gaps.iter().map(|gap| gap.table_name.as_deref()).collect();
    let kinds = StringArray::from_iter_values(gaps.iter().map(|gap| gap.kind.name()));
    let columns = vec![
        longs(&|_| Some(ingest_id)),
        Arc::new(names) as ArrayRef,
        longs(&|gap| gap.spacecraft.map(i64::from)),
        longs(&|gap| gap.virtual_channel.map(i64::from)),
        longs(&|gap| gap.apid.map(i64::from)),
        Arc::new(kinds) as ArrayRef,
        utc_array(gaps.iter().map(|gap| gap.from_time)),
        utc_array(gaps.iter().map(|gap| gap.to_time)),
        longs(&|gap| gap.from_seq.map(i64::from)),
        longs(&|gap| gap.to_seq.map(i64::from)),
        longs(&|gap| Some(signed(gap.missing))),
        longs(&|gap| gap.byte_offset.map(signed)),
    ];
    RecordBatch::try_new(gaps_schema(), columns).expect("columns are built from the schema")
}
