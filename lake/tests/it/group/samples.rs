//! Groups of tables, the records of their units, and the auditor's view.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::Field;
use downlake_lake::Result;
use downlake_lake::schema::Definition;
use downlake_lake::table::append::{
    Destination, QuarantineLimit, UnitReport, UnitSpec, UnitWriter,
};
use downlake_lake::table::gaps::{Gap, GapKind};
use downlake_lake::table::quarantine::Refusal;
use downlake_lake::table::unit::UnitIdentity;
use downlake_lake::table::{Lake, StoredDefinition};
use tokio::runtime::Handle;

use crate::simulation::audit::{Objects, Row, Table};

const DAY: i64 = 86_400_000_000;
/// Midnight of the first day, microseconds since 1970.
const FIRST_DAY: i64 = 1_767_225_600_000_000;
/// Rows that are written at once.
const BATCH_ROWS: usize = 700;

/// A row: its number, which is its key, and its value.
pub(crate) type Sample = (i64, f64);

/// The rows of one table of a unit.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) table: String,
    pub(crate) dedup: bool,
    pub(crate) rows: Vec<Sample>,
    pub(crate) refused: u64,
    pub(crate) skipped: u64,
}

/// A unit that goes to several tables.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Its content.
    pub(crate) number: u8,
    /// In the order in which the tables are met.
    pub(crate) parts: Vec<Part>,
    /// Records that belong to no table.
    pub(crate) refused: u64,
    pub(crate) skipped: u64,
    pub(crate) bytes_undecoded: u64,
    pub(crate) gaps: u32,
    /// The definition that tells the tables apart.
    pub(crate) definition_hash: &'static str,
    pub(crate) memory_bytes: usize,
}

pub(crate) fn definition(table: &str, dedup: bool) -> Definition {
    let dedup = if dedup { "\"time\", \"row\"" } else { "" };
    let text = format!(
        r#"
stream = "{table}"

[table]
sort_by = ["time"]
dedup_by = [{dedup}]

[time]
axis = "absolute"
columns = ["time"]
code = "iso"

[[column]]
name = "time"
type = "timestamp"

[[column]]
name = "row"
type = "i64"

[[column]]
name = "value"
type = "f64"
"#
    );
    Definition::from_toml(&text, "group.toml").unwrap()
}

impl Group {
    /// A unit without records.
    pub(crate) fn empty(number: u8) -> Group {
        Group {
            number,
            parts: Vec::new(),
            refused: 0,
            skipped: 0,
            bytes_undecoded: 0,
            gaps: 0,
            definition_hash: "d1",
            memory_bytes: 4 << 20,
        }
    }

    pub(crate) fn source(&self) -> String {
        format!("unit-{}", self.number)
    }

    pub(crate) fn identity(&self) -> UnitIdentity {
        UnitIdentity {
            target: "*".to_owned(),
            content_hash: [self.number; 32],
            constants: [].into(),
            name: None,
        }
    }

    fn spec(&self) -> UnitSpec {
        UnitSpec {
            identity: self.identity(),
            source: self.source(),
            bytes_in: 1_000,
            max_quarantine: QuarantineLimit::default(),
            memory_bytes: self.memory_bytes,
            operation: "INGEST",
        }
    }

    /// All records that go in.
    pub(crate) fn records(&self) -> u64 {
        let of = |part: &Part| part.rows.len() as u64 + part.refused + part.skipped;
        self.parts.iter().map(of).sum::<u64>() + self.refused + self.skipped
    }

    /// A writer that holds all records; `None` where they have landed.
    pub(crate) fn begin(&self, runtime: &Handle, lake: &Arc<Lake>) -> Result<Option<UnitWriter>> {
        let (mut there, mut targets) = (Vec::new(), Vec::new());
        for part in &self.parts {
            let definition = definition(&part.table, part.dedup);
            let table = runtime.block_on(lake.table(&part.table))?;
            there.extend(table.clone());
            targets.push(match table {
                Some(table) => Destination::Table(table),
                None => Destination::Founding(Arc::new(definition)),
            });
        }
        let state = runtime.block_on(lake.group_state(&there, &self.identity()))?;
        if state.is_landed() {
            return Ok(None);
        }
        let hash = self.definition_hash.to_owned();
        let mut writer = lake.begin_group(self.spec(), state, hash);
        match self.fill(&mut writer, targets) {
            Ok(()) => Ok(Some(writer)),
            Err(error) => {
                writer.abort();
                Err(error)
            }
        }
    }

    fn fill(&self, writer: &mut UnitWriter, targets: Vec<Destination>) -> Result<()> {
        writer.set_format("{}".to_owned());
        for (part, target) in self.parts.iter().zip(targets) {
            let stored = StoredDefinition {
                number: 1,
                definition: definition(&part.table, part.dedup),
            };
            let table = writer.add_table(target, Some(stored))?;
            // Each table has had rows when the next one comes.
            for rows in part.rows.chunks(BATCH_ROWS) {
                writer.write(table, &batch(writer, table, rows))?;
            }
            writer.skip(Some(table), part.skipped);
            for record in 0..part.refused {
                writer.refuse(Some(table), &refusal(&part.table, record))?;
            }
        }
        writer.skip(None, self.skipped);
        for record in 0..self.refused {
            writer.refuse(None, &refusal("none", record))?;
        }
        writer.leave_bytes(self.bytes_undecoded);
        (0..self.gaps).try_for_each(|gap| writer.note_gap(self.gap(gap)))
    }

    fn gap(&self, at: u32) -> Gap {
        Gap {
            table_name: self.parts.first().map(|part| part.table.clone()),
            spacecraft: None,
            virtual_channel: None,
            apid: Some(u16::from(self.number)),
            kind: GapKind::Lost,
            from_time: None,
            to_time: None,
            from_seq: Some(at * 10),
            to_seq: Some(at * 10 + 1),
            missing: 2,
            byte_offset: None,
        }
    }

    /// Lands the unit and tells the ledger; `None` where it was there.
    pub(crate) fn land(&self, runtime: &Handle, lake: &Arc<Lake>) -> Result<Option<UnitReport>> {
        let landed = match self.begin(runtime, lake)? {
            Some(writer) => Some(writer.commit(runtime)?),
            None => None,
        };
        runtime.block_on(lake.flush_ledger())?;
        Ok(landed)
    }
}

fn refusal(place: &str, record: u64) -> Refusal {
    Refusal {
        byte_offset: Some(record * 10),
        line: None,
        packet_index: Some(record),
        reason: "length",
        detail: "shorter than its definition".to_owned(),
        raw: format!("{place}/{record}").into_bytes().into(),
    }
}

fn batch(writer: &UnitWriter, table: usize, rows: &[Sample]) -> RecordBatch {
    let schema = Arc::clone(writer.schema(table));
    let columns = schema.fields().iter();
    let columns = columns.map(|field| column(writer, rows, field)).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

fn column(writer: &UnitWriter, rows: &[Sample], field: &Field) -> ArrayRef {
    let time = |row: &Sample| FIRST_DAY + row.0 * 1_000_000;
    let rows = rows.iter();
    let count = rows.len();
    let times =
        |values: TimestampMicrosecondArray| -> ArrayRef { Arc::new(values.with_timezone("UTC")) };
    match field.name().as_str() {
        "time" => times(rows.map(|row| Some(time(row))).collect()),
        "date" => {
            let day = |row: &Sample| i32::try_from(time(row).div_euclid(DAY)).unwrap();
            Arc::new(rows.map(|row| Some(day(row))).collect::<Date32Array>())
        }
        "row" => Arc::new(rows.map(|row| Some(row.0)).collect::<Int64Array>()),
        "value" => Arc::new(rows.map(|row| Some(row.1)).collect::<Float64Array>()),
        "_ingest_id" => {
            let id = writer.ingest_id();
            Arc::new(rows.map(|_| Some(id)).collect::<Int64Array>())
        }
        "_ingested_at" => {
            let at = writer.started_at_micros();
            times(rows.map(|_| Some(at)).collect())
        }
        _ => new_null_array(field.data_type(), count),
    }
}

/// What the lake says of units, read from the JSON of the logs and the rows
/// of the files: for each table its rows, then refusals, gaps and the ledger.
/// Landings have letters in the order of the units.
pub(crate) async fn account(objects: &Objects, units: &[&Group]) -> String {
    let ledger = Table::read(objects, "_ledger").await;
    let ids: Vec<i64> = units.iter().map(|unit| id_of(&ledger, unit)).collect();
    let letter = |row: &Row, column: &str| {
        let id = row.long(column).unwrap();
        let place = ids.iter().position(|known| *known == id);
        ["A", "B", "C"][place.expect("rows of a landing that the ledger has")]
    };
    let mut said = String::new();
    let names: BTreeSet<&str> = units
        .iter()
        .flat_map(|unit| unit.parts.iter().map(|part| part.table.as_str()))
        .collect();
    for name in names {
        let table = Table::read(objects, name).await;
        let show = |row: &Row| {
            let landing = letter(row, "_ingest_id");
            format!("{landing}{}={}", row.shown("row"), row.shown("value"))
        };
        writeln!(said, "{name}: {}", sorted(&table, show)).unwrap();
        for unit in units {
            let key = unit.identity().key_in(name);
            let versions = table.set_by(&format!("unit/{key}"));
            writeln!(said, "  {} landed at {versions:?}", unit.source()).unwrap();
        }
    }
    let quarantine = Table::read(objects, "_quarantine").await;
    let show = |row: &Row| {
        let landing = letter(row, "ingest_id");
        let raw = String::from_utf8(row.bytes("raw")).unwrap();
        format!("{landing} {} {raw}", row.shown("table_name"))
    };
    writeln!(said, "_quarantine: {}", sorted(&quarantine, show)).unwrap();
    let gaps = Table::read(objects, "_gaps").await;
    let show = |row: &Row| {
        let landing = letter(row, "ingest_id");
        format!(
            "{landing} {} {}",
            row.shown("table_name"),
            row.shown("from_seq")
        )
    };
    writeln!(said, "_gaps: {}", sorted(&gaps, show)).unwrap();
    for unit in units {
        ledger_of(&ledger, unit, &mut said);
    }
    said
}

fn sorted(table: &Table, show: impl Fn(&Row) -> String) -> String {
    let mut rows: Vec<String> = table.rows.iter().map(show).collect();
    rows.sort();
    rows.join(", ")
}

/// The one number of all of a unit's rows in the ledger.
fn id_of(ledger: &Table, unit: &Group) -> i64 {
    let rows = ledger.rows_of("source", &unit.source());
    let ids: BTreeSet<_> = rows.iter().map(|row| row.long("ingest_id")).collect();
    assert_eq!(ids.len(), 1, "{} landed as {ids:?}", unit.source());
    ids.first().copied().flatten().unwrap()
}

/// The unit's rows of the ledger, each of which must add up, and all to what
/// went in.
fn ledger_of(ledger: &Table, unit: &Group, said: &mut String) {
    let mut rows = ledger.rows_of("source", &unit.source());
    rows.sort_by_key(|row| row.shown("table_name"));
    let mut all = 0;
    for row in rows {
        let parts = [
            "rows_committed",
            "rows_quarantined",
            "rows_duplicate",
            "rows_skipped",
        ];
        let [committed, quarantined, duplicate, skipped] =
            parts.map(|column| row.long(column).unwrap());
        let rows_in = row.long("rows_in").unwrap();
        assert_eq!(rows_in, committed + quarantined + duplicate + skipped);
        all += rows_in;
        writeln!(
            said,
            "{} {} v{}: {rows_in} = {committed} + {quarantined} refused + {duplicate} duplicate + {skipped} skipped; {} of {} bytes undecoded",
            unit.source(),
            row.shown("table_name"),
            row.shown("version"),
            row.shown("bytes_undecoded"),
            row.shown("bytes_in"),
        )
        .unwrap();
    }
    assert_eq!(all.unsigned_abs(), unit.records(), "{}", unit.source());
}
