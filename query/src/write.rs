//! Rows that leave a statement: into the lake through the [`Writer`], or
//! into a file of this machine.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::sql::sqlparser::ast::Ident;
use downlake_lake::{Error, Result};
use futures::stream::StreamExt;

use crate::catalog::{Rows, WriteReport, WriteTarget, Writer};
use crate::error::not_found;
use crate::exact::cast_exact;
use crate::handover::{Handover, handover};
use crate::output::{self, Format, OutputOptions};
use crate::parse::fold;

/// `CREATE TABLE AS`: columns keep their names; views and dictionaries
/// become plain types.
pub(crate) async fn create(
    writer: &dyn Writer,
    table: String,
    if_not_exists: bool,
    rows: Rows,
) -> Result<WriteReport> {
    let fields: Vec<FieldRef> = rows.schema.fields().iter().map(plain_field).collect();
    refuse_repeated(fields.iter().map(|field| field.name().as_str()))?;
    let rows = cast_rows(rows, Arc::new(Schema::new(fields)));
    writer
        .write(
            WriteTarget::Create {
                table,
                if_not_exists,
            },
            rows,
        )
        .await
}

/// `INSERT INTO`: columns by the list, else by position, with the types of
/// the table.
pub(crate) async fn append(
    writer: &dyn Writer,
    table: String,
    columns: &[Ident],
    target: &SchemaRef,
    rows: Rows,
) -> Result<WriteReport> {
    let generated = writer.generated(&table).await?;
    let fields = match columns {
        [] => fields_by_position(&table, target, &generated, rows.schema.fields().len())?,
        columns => fields_by_name(columns, target, &generated)?,
    };
    if fields.len() != rows.schema.fields().len() {
        return Err(Error::invalid(format!(
            "sql: {} columns are named and the rows have {}",
            fields.len(),
            rows.schema.fields().len()
        )));
    }
    let rows = cast_rows(rows, Arc::new(Schema::new(fields)));
    writer.write(WriteTarget::Append { table }, rows).await
}

fn fields_by_name(
    columns: &[Ident],
    target: &SchemaRef,
    generated: &BTreeSet<String>,
) -> Result<Vec<FieldRef>> {
    let names: Vec<String> = columns.iter().map(fold).collect();
    refuse_repeated(names.iter().map(String::as_str))?;
    if let Some(name) = names.iter().find(|name| generated.contains(*name)) {
        return Err(Error::invalid(format!(
            "sql: column \"{name}\" is filled by the lake: leave it out"
        )));
    }
    let field = |name: &String| match target.fields().find(name) {
        Some((_, field)) => Ok(Arc::clone(field)),
        None => Err(not_found(
            "column",
            name,
            target.fields().iter().map(|field| field.name().as_str()),
        )),
    };
    names.iter().map(field).collect()
}

/// All columns but the lake's own; or all, as `SELECT *` from a table of the
/// same shape has them, and then the lake's are filled anew.
fn fields_by_position(
    table: &str,
    target: &SchemaRef,
    generated: &BTreeSet<String>,
    given: usize,
) -> Result<Vec<FieldRef>> {
    let all: Vec<FieldRef> = target.fields().iter().cloned().collect();
    let is_own = |field: &&FieldRef| {
        let name = field.name();
        !name.starts_with('_') && !generated.contains(name)
    };
    let own: Vec<FieldRef> = all.iter().filter(is_own).cloned().collect();
    match given {
        given if given == all.len() => Ok(all),
        given if given == own.len() => Ok(own),
        given => {
            let names: Vec<&str> = own.iter().map(|field| field.name().as_str()).collect();
            Err(Error::invalid(format!(
                "sql: the rows have {given} columns, table {table} has {}: {}",
                own.len(),
                names.join(", ")
            )))
        }
    }
}

fn refuse_repeated<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Error::invalid(format!(
                "sql: column \"{name}\" is there twice: name one with AS"
            )));
        }
    }
    Ok(())
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let plain = plain_type(field.data_type());
    let field = Field::new(field.name(), plain, true).with_metadata(field.metadata().clone());
    Arc::new(field)
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::List(item) | DataType::LargeList(item) => DataType::List(plain_field(item)),
        other => other.clone(),
    }
}

/// Rows with the names and types of another schema, by position.
fn cast_rows(rows: Rows, schema: SchemaRef) -> Rows {
    let to = Arc::clone(&schema);
    let mut rows_before = 0;
    let batches = rows
        .batches
        .map(move |batch| {
            let batch = batch?;
            let cast = cast_batch(&batch, &to, rows_before)?;
            rows_before += batch.num_rows() as u64;
            Ok(cast)
        })
        .boxed();
    Rows { schema, batches }
}

fn cast_batch(batch: &RecordBatch, schema: &SchemaRef, rows_before: u64) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| cast_exact(column, field, rows_before));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = columns.collect::<Result<_>>()?;
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::invalid(format!("sql: {error}")).with_source(error))
}

/// `COPY TO`: the file appears under its name only when it is whole and
/// synced. Returns its rows.
pub(crate) async fn copy(rows: Rows, path: PathBuf, format: Format) -> Result<u64> {
    let (sender, received) = handover();
    let schema = Arc::clone(&rows.schema);
    let file = tokio::task::spawn_blocking(move || write_file(&path, format, &schema, received));
    sender.send_all(rows).await;
    file.await
        .map_err(|error| Error::internal(format!("copy: {error}")).with_source(error))?
}

fn write_file(
    path: &Path,
    format: Format,
    schema: &SchemaRef,
    mut batches: Handover,
) -> Result<u64> {
    let partial = partial_path(path)?;
    let written = (|| {
        let file = File::create(&partial).map_err(|error| file_error(path, error))?;
        let mut buffered = BufWriter::new(file);
        let rows = write_batches(&mut buffered, format, schema, &mut batches)?;
        let file = buffered
            .into_inner()
            .map_err(|error| file_error(path, error.into_error()))?;
        file.sync_all().map_err(|error| file_error(path, error))?;
        std::fs::rename(&partial, path).map_err(|error| file_error(path, error))?;
        Ok(rows)
    })();
    if written.is_err() {
        // The error that is reported is the first one; a file that was never
        // made cannot be removed either.
        let _removed = std::fs::remove_file(&partial);
    }
    written
}

fn write_batches(
    out: &mut (dyn Write + Send),
    format: Format,
    schema: &SchemaRef,
    batches: &mut Handover,
) -> Result<u64> {
    let mut writer = output::writer(format, schema, out, &OutputOptions::default())?;
    let mut rows = 0;
    while let Some(batch) = batches.next()? {
        rows += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    writer.finish()?;
    Ok(rows)
}

fn partial_path(path: &Path) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::invalid(format!("file {} has no name", path.display())))?;
    Ok(path.with_file_name(format!(".{}.partial", name.to_string_lossy())))
}

fn file_error(path: &Path, error: std::io::Error) -> Error {
    Error::invalid(format!(
        "file {} cannot be written: {error}",
        path.display()
    ))
    .with_source(error)
}
