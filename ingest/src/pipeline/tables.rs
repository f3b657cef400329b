//! Decoded batches on their way into the tables of a unit.

use std::collections::HashMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use downlake_lake::Result;
use downlake_lake::schema::names;
use downlake_lake::table::append::UnitWriter;
use downlake_lake::table::conform::{Conform, ReceivedAt, UnitColumns};
use downlake_lake::table::gaps::Gap;
use downlake_lake::table::quarantine::Refusal;

use super::UnitWork;
use crate::decode::{Decoded, Missing, PacketGap, RawRecord, Reject};

/// The tables of a unit; each is begun with its first record.
pub(super) struct Tables<'a> {
    work: &'a UnitWork,
    writer: UnitWriter,
    /// For each stream its table's number in the unit, and its rules.
    open: Vec<Option<(usize, Conform)>>,
    marks: Vec<u64>,
    times: HashMap<u64, i64>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(work: &'a UnitWork, writer: UnitWriter) -> Tables<'a> {
        Tables {
            work,
            writer,
            open: work.streams.iter().map(|_| None).collect(),
            marks: Vec::new(),
            times: HashMap::new(),
        }
    }

    /// Records taken so far.
    pub(super) fn records(&self) -> u64 {
        self.writer.records()
    }

    pub(super) fn into_writer(self) -> UnitWriter {
        self.writer
    }

    pub(super) fn take(&mut self, decoded: Decoded) -> Result<()> {
        let Decoded {
            stream,
            batch,
            origins,
            rejects,
            skipped,
            notices,
            missing,
        } = decoded;
        for notice in &notices {
            self.work.progress.notice(notice);
        }
        self.note_missing(missing)?;
        let table = match stream {
            Some(stream) => Some(self.begin(stream)?),
            None => None,
        };
        self.writer.skip(table, skipped);
        for reject in rejects {
            let refusal = self.refusal(reject)?;
            self.writer.refuse(table, &refusal)?;
        }
        let (Some(table), Some(stream)) = (table, stream) else {
            return Ok(());
        };
        let conformed = self.conform(stream, &batch)?;
        for refused in conformed.refused {
            let refusal = self.refusal(Reject {
                record: origins.record(refused.row),
                reason: refused.reason,
                detail: refused.detail,
            })?;
            self.writer.refuse(Some(table), &refusal)?;
        }
        // The raw records weigh as much as the rows, and writing takes long.
        drop(origins);
        drop(batch);
        if conformed.batch.num_rows() > 0 {
            self.note_times(&conformed.batch);
            self.writer.write(table, &conformed.batch)?;
        }
        Ok(())
    }

    /// The number of a stream's table in the unit.
    fn begin(&mut self, stream: usize) -> Result<usize> {
        if let Some((table, _)) = &self.open[stream] {
            return Ok(*table);
        }
        let target = &self.work.streams[stream];
        let conform = Conform::new(
            &target.definition.definition,
            &UnitColumns {
                constants: self.work.identity.constants.clone(),
                ingest_id: self.writer.ingest_id(),
                ingested_at_micros: self.writer.started_at_micros(),
                received_at: ReceivedAt::Data,
            },
        )?;
        let (table, conform) = match self.work.is_group() {
            true => (
                self.writer
                    .add_table(target.destination.clone(), Some(target.definition.clone()))?,
                conform.keeping_unlabelled(),
            ),
            false => (0, conform),
        };
        self.open[stream] = Some((table, conform));
        Ok(table)
    }

    fn conform(
        &self,
        stream: usize,
        batch: &RecordBatch,
    ) -> Result<downlake_lake::table::conform::Conformed> {
        let (_, conform) = self.open[stream]
            .as_ref()
            .expect("the stream's table was begun");
        conform.apply(batch)
    }

    fn refusal(&self, reject: Reject) -> Result<Refusal> {
        let RawRecord {
            byte_offset,
            line,
            packet_index,
            raw,
        } = match &self.work.spool {
            Some(spool) => spool.placed(reject.record)?,
            None => reject.record,
        };
        Ok(Refusal {
            byte_offset,
            line,
            packet_index,
            reason: reject.reason,
            detail: reject.detail,
            raw,
        })
    }

    fn note_missing(&mut self, missing: Missing) -> Result<()> {
        self.writer.leave_bytes(missing.bytes);
        if !missing.marks.is_empty() {
            self.marks = missing.marks;
        }
        for gap in missing.gaps {
            let gap = self.timed(gap);
            self.writer.note_gap(gap)?;
        }
        Ok(())
    }

    /// Keeps the times of packets that gaps will ask for.
    fn note_times(&mut self, rows: &RecordBatch) {
        let column = |name: &str| rows.column_by_name(name);
        let (Some(index), Some(time)) = (column(names::PACKET_INDEX), column(names::TIME)) else {
            return;
        };
        let index = index.as_primitive_opt::<Int64Type>();
        let time = time.as_primitive_opt::<TimestampMicrosecondType>();
        let (Some(index), Some(time)) = (index, time) else {
            return;
        };
        // Rows come in the order of their packets, and so do marks.
        let mut row = 0;
        for mark in &self.marks {
            let Ok(wanted) = i64::try_from(*mark) else {
                continue;
            };
            row += index.values()[row..].partition_point(|at| *at < wanted);
            if index.values().get(row) == Some(&wanted) {
                self.times.insert(*mark, time.value(row));
            }
        }
    }

    fn timed(&self, found: PacketGap) -> Gap {
        let time = |index: Option<u64>| self.times.get(&index?).copied();
        let table = |stream: usize| self.work.streams[stream].destination.name().to_owned();
        Gap {
            table_name: found.stream.map(table),
            from_time: time(found.before),
            to_time: time(found.after),
            ..found.gap
        }
    }
}
