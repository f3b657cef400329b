//! Rows of files, as marks, or as they were written.
//!
//! Reads the columns of the key first, and the others only of rows whose key
//! is let through: a file without a row of the unit costs its key.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;

use super::identity::Identity;
use super::verdict::{Mark, STORED};
use crate::parquet::{DataFile, Target, WrittenFile};
use crate::{Error, Result};

/// One stored file.
pub(super) struct Reader<'a> {
    file: DataFile,
    location: &'a Path,
    identity: &'a Identity,
    key: Columns,
    /// The other columns that are compared.
    rest: Columns,
}

/// Some columns of a file, in the file's order.
struct Columns {
    places: Vec<usize>,
    /// As the table has them.
    schema: SchemaRef,
}

impl Columns {
    fn of(file: &Schema, table: &Schema, chosen: impl Fn(&str) -> bool) -> Columns {
        let told: HashMap<&str, &FieldRef> = table
            .fields()
            .iter()
            .filter(|field| chosen(field.name()))
            .map(|field| (field.name().as_str(), field))
            .collect();
        let fields = file.fields().iter().enumerate();
        let (places, fields): (Vec<usize>, Vec<FieldRef>) = fields
            .filter_map(|(place, field)| {
                Some((place, Arc::clone(told.get(field.name().as_str())?)))
            })
            .unzip();
        Columns {
            places,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The batch in the types of the table: other writers may store others.
    fn typed(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, told)| typed(column, told));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns.collect::<Result<_>>()?,
            &options,
        )?)
    }
}

/// Hands all rows of a file of ours over, in order, in the columns of the
/// table. Blocks.
pub(super) fn replay(
    target: &Target,
    schema: &SchemaRef,
    written: &WrittenFile,
    mut take: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let location = target.location(&written.path)?;
    let runtime = &target.runtime;
    let file = runtime.block_on(DataFile::open(&target.objects, &location))?;
    let columns = Columns::of(file.schema(), schema, |_| true);
    for row_group in 0..file.row_groups() {
        let mut batches = file.rows(row_group, &columns.places, None)?;
        while let Some(batch) = runtime.block_on(batches.try_next())? {
            take(with_partition(
                &columns.typed(&batch)?,
                schema,
                &written.partition,
            )?)?;
        }
    }
    Ok(())
}

/// All columns of the table: those that are not in files say the same in each row.
fn with_partition(
    batch: &RecordBatch,
    schema: &SchemaRef,
    partition: &BTreeMap<String, Option<String>>,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let columns = schema.fields().iter().map(|field| {
        if let Some(column) = batch.column_by_name(field.name()) {
            return Ok(Arc::clone(column));
        }
        match partition.get(field.name()).and_then(Option::as_deref) {
            Some(value) => {
                let text: ArrayRef = Arc::new(StringArray::from(vec![value; rows]));
                typed(&text, field)
            }
            None => Ok(new_null_array(field.data_type(), rows)),
        }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
}

fn typed(column: &ArrayRef, told: &FieldRef) -> Result<ArrayRef> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, told.data_type(), &strict).map_err(|e| {
        Error::corrupt(format!(
            "column \"{}\" is not {} as the table says: {e}",
            told.name(),
            told.data_type()
        ))
        .with_source(e)
    })
}

/// Rows of a row group whose keys were let through.
#[derive(Default)]
struct Hits {
    keys: Vec<u128>,
    ranges: Vec<Range<usize>>,
}

impl Hits {
    fn add(&mut self, row: usize, key: u128) {
        self.keys.push(key);
        match self.ranges.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => self.ranges.push(row..row + 1),
        }
    }
}

impl<'a> Reader<'a> {
    /// Opens a file of a table with this schema.
    pub(super) async fn open(
        objects: &Arc<dyn ObjectStore>,
        location: &'a Path,
        identity: &'a Identity,
        schema: &Schema,
    ) -> Result<Reader<'a>> {
        let file = DataFile::open(objects, location).await?;
        let columns = |chosen: &dyn Fn(&str) -> bool| Columns::of(file.schema(), schema, chosen);
        Ok(Reader {
            key: columns(&|name| identity.is_in_key(name)),
            rest: columns(&|name| identity.is_compared(name)),
            file,
            location,
            identity,
        })
    }

    /// Tells of every row whose key is let through, in order, as of a stored one.
    pub(super) async fn marks(
        &self,
        lets_through: impl Fn(u128) -> bool,
        mut tell: impl FnMut(Mark) -> Result<()>,
    ) -> Result<()> {
        for row_group in 0..self.file.row_groups() {
            let hits = self.hits(row_group, &lets_through).await?;
            if !hits.keys.is_empty() {
                self.tell_of(row_group, &hits, &mut tell).await?;
            }
        }
        Ok(())
    }

    async fn hits(&self, row_group: usize, lets_through: impl Fn(u128) -> bool) -> Result<Hits> {
        let mut hits = Hits::default();
        let mut row = 0;
        let mut batches = self.file.rows(row_group, &self.key.places, None)?;
        while let Some(batch) = batches.try_next().await? {
            for key in self.identity.key_hashes(&self.key.typed(&batch)?)? {
                if lets_through(key) {
                    hits.add(row, key);
                }
                row += 1;
            }
        }
        Ok(hits)
    }

    async fn tell_of(
        &self,
        row_group: usize,
        hits: &Hits,
        tell: &mut impl FnMut(Mark) -> Result<()>,
    ) -> Result<()> {
        let mut keys = hits.keys.iter();
        let mut batches = self
            .file
            .rows(row_group, &self.rest.places, Some(&hits.ranges))?;
        while let Some(batch) = batches.try_next().await? {
            let rows = self.identity.row_hashes(&self.rest.typed(&batch)?)?;
            for (row, key) in rows.into_iter().zip(keys.by_ref()) {
                tell(Mark {
                    key: *key,
                    row,
                    place: STORED,
                })?;
            }
        }
        match keys.next() {
            None => Ok(()),
            Some(_) => Err(Error::corrupt(format!(
                "{} has fewer rows in some columns than in others; restore the file",
                self.location
            ))),
        }
    }
}
