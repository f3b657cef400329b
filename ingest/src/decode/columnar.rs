//! From Arrow batches of any schema to the columns of a definition.
//!
//! Shared by the formats whose files carry typed columns. Promises: a column
//! is found by its source name, or by the name it folds to; every value keeps
//! its meaning to the last bit (in a float column of fewer bits: is the nearest
//! of its numbers), or goes to the column's siblings, or its row is refused;
//! columns the input lacks are NULL; rows keep their order.
//! Refuses to cast a number into a timestamp or text into bytes, since the
//! file does not say the unit or the code.
//!
//! The raw record of a columnar row is the row as one JSON object (see
//! [`row_json`]), so that refused rows can be read again as JSON lines; its
//! line is the number of the row in the file, from 1.

mod fit;
mod row_json;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::compute::{and_not, filter_record_batch, is_not_null, nullif};
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use bytes::Bytes;
use downlake_lake::Result;
use downlake_lake::schema::{ColumnType, Definition, Evolution, names::fold};

use self::fit::{Fitted, fit};
use super::{DecodeOptions, Decoded, Decoder, Missing, RawRecord, Records, Reject, reason};
use crate::infer::{self, Inferred, Kind};

/// Batches of one input, in order, each within bounded memory.
pub(super) trait BatchSource: Send {
    /// The next batch; `None` at the end.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>>;
}

/// Decodes the batches of a source into the columns of a definition.
pub(super) struct ColumnarDecoder<S> {
    source: S,
    binding: Binding,
    notices: Vec<String>,
    batch_rows: usize,
    batch_bytes: usize,
    /// What is left of the last batch of the source.
    rest: Option<RecordBatch>,
    rows_read: u64,
}

impl<S: BatchSource> ColumnarDecoder<S> {
    pub(super) fn new(
        source: S,
        schema: &Schema,
        definition: &Definition,
        options: &DecodeOptions,
    ) -> Result<Self> {
        let (binding, notices) = Binding::new(schema, definition, &options.source)?;
        Ok(ColumnarDecoder {
            source,
            binding,
            notices,
            batch_rows: options.batch_rows.max(1),
            batch_bytes: options.batch_bytes.max(1),
            rest: None,
            rows_read: 0,
        })
    }

    fn next_piece(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let batch = match self.rest.take() {
                Some(batch) => Some(batch),
                None => self.source.next_batch()?,
            };
            match batch {
                None => return Ok(None),
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => return Ok(Some(self.cut(&batch))),
            }
        }
    }

    /// Takes as many rows as a batch may hold and keeps the rest.
    fn cut(&mut self, batch: &RecordBatch) -> RecordBatch {
        let mut rows = batch.num_rows().min(self.batch_rows);
        while rows > 1 && value_bytes(&batch.slice(0, rows)) > self.batch_bytes {
            rows /= 2;
        }
        let left = batch.num_rows() - rows;
        self.rest = (left > 0).then(|| batch.slice(rows, left));
        batch.slice(0, rows)
    }
}

impl<S: BatchSource> Decoder for ColumnarDecoder<S> {
    fn next(&mut self) -> Result<Option<Decoded>> {
        let Some(piece) = self.next_piece()? else {
            return Ok(None);
        };
        let first_row = self.rows_read;
        self.rows_read += piece.num_rows() as u64;
        let mut decoded = self.binding.decode(&piece, first_row)?;
        decoded.notices = std::mem::take(&mut self.notices);
        Ok(Some(decoded))
    }
}

/// The columns that a schema declares, structs flattened.
///
/// # Errors
/// Invalid, if a column's type has no counterpart in a table.
pub(super) fn infer_schema(schema: &Schema, source: &str, records: u64) -> Result<Inferred> {
    let mut inferred = Inferred {
        records,
        ..Inferred::default()
    };
    for node in nodes(schema).into_iter().filter(|node| !node.is_struct()) {
        if is_naive(&node.data_type) {
            inferred.notices.push(naive_notice(&node.source));
        }
        inferred.fields.push(infer::Field {
            kind: kind_of(&node, source)?,
            source: node.source,
            seen_in: source.to_owned(),
        });
    }
    Ok(inferred)
}

fn kind_of(node: &Node, source: &str) -> Result<Kind> {
    if node.data_type == DataType::Null {
        return Ok(Kind::Null);
    }
    let exact = ColumnType::from_arrow(&node.data_type);
    exact
        .map(Kind::Exact)
        .map_err(|e| e.context(format_args!("{source}: column \"{}\"", node.source)))
}

/// A struct or a leaf of a schema.
#[derive(Debug, Clone)]
struct Node {
    /// Names from the top, joined with `.`.
    source: String,
    path: Vec<usize>,
    data_type: DataType,
}

impl Node {
    fn is_struct(&self) -> bool {
        matches!(self.data_type, DataType::Struct(_))
    }

    /// The node's array; NULL where a struct around it is.
    fn array(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let (top, inner) = self.path.split_first().expect("a node has a place");
        let mut array = Arc::clone(batch.column(*top));
        for index in inner {
            let parent = array.as_struct();
            let child = Arc::clone(parent.column(*index));
            array = match parent.nulls().filter(|nulls| nulls.null_count() > 0) {
                Some(nulls) if *child.data_type() != DataType::Null => {
                    nullif(&child, &BooleanArray::new(!nulls.inner(), None))?
                }
                _ => child,
            };
        }
        Ok(array)
    }
}

/// Structs and leaves in the order of the schema, parents first.
fn nodes(schema: &Schema) -> Vec<Node> {
    let mut found = Vec::new();
    collect_nodes(schema.fields(), None, &mut found);
    found
}

fn collect_nodes(fields: &Fields, parent: Option<&Node>, found: &mut Vec<Node>) {
    for (index, field) in fields.iter().enumerate() {
        let node = Node {
            source: match parent {
                Some(parent) => format!("{}.{}", parent.source, field.name()),
                None => field.name().clone(),
            },
            path: parent
                .map_or(&[][..], |parent| &parent.path)
                .iter()
                .copied()
                .chain([index])
                .collect(),
            data_type: field.data_type().clone(),
        };
        found.push(node.clone());
        if let DataType::Struct(children) = field.data_type() {
            collect_nodes(children, Some(&node), found);
        }
    }
}

/// One column of the definition and where its values come from.
struct Bound {
    name: String,
    kind: ColumnType,
    enumeration: Vec<(i64, String)>,
    data_type: DataType,
    node: Option<Node>,
    /// Columns of the definition that take values which do not fit.
    siblings: Vec<usize>,
}

/// The columns of a definition, bound to the nodes of a schema.
struct Binding {
    schema: SchemaRef,
    columns: Vec<Bound>,
    /// Leaves that no column takes; rows with a value there are refused,
    /// since a table that takes new columns has them in its definition by now.
    forbidden: Vec<Node>,
}

impl Binding {
    fn new(schema: &Schema, definition: &Definition, source: &str) -> Result<(Self, Vec<String>)> {
        let nodes = nodes(schema);
        let mut notices = Vec::new();
        let mut taken = HashSet::new();
        let mut columns = Vec::with_capacity(definition.columns.len());
        for column in &definition.columns {
            let node = find_node(&nodes, &column.source, &column.name, &mut taken);
            match node {
                Some(node) if is_naive(&node.data_type) => notices.push(naive_notice(&node.source)),
                None if column.sibling_of.is_none() => notices.push(format!(
                    "column \"{}\" is not in {source}; it is NULL",
                    column.source
                )),
                _ => {}
            }
            columns.push(Bound {
                name: column.name.clone(),
                kind: column.kind.clone(),
                enumeration: column.enumeration.clone(),
                data_type: column.decoded_type(),
                node: node.cloned(),
                siblings: siblings_of(definition, &column.name),
            });
        }
        let unknown = unknown_leaves(&nodes, &taken);
        let ignored = definition.evolution == Evolution::Ignore;
        if ignored {
            notices.extend(unknown.iter().map(|node| {
                let name = &node.source;
                format!("column \"{name}\" of {source} is not in the definition; it is left out")
            }));
        }
        let binding = Binding {
            schema: definition.decoded_schema(),
            columns,
            forbidden: if ignored { Vec::new() } else { unknown },
        };
        Ok((binding, notices))
    }

    fn decode(&self, batch: &RecordBatch, first_row: u64) -> Result<Decoded> {
        let mut refusals = Refusals::default();
        let columns = self.fit_columns(batch, &mut refusals)?;
        self.refuse_forbidden(batch, &mut refusals)?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let fitted = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        refusals.split(batch, fitted, first_row)
    }

    fn fit_columns(&self, batch: &RecordBatch, refusals: &mut Refusals) -> Result<Vec<ArrayRef>> {
        let mut values = Vec::with_capacity(self.columns.len());
        let mut misfits = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            let Some(node) = &column.node else {
                values.push(new_null_array(&column.data_type, batch.num_rows()));
                continue;
            };
            let source = node.array(batch)?;
            let fitted = column.fit(&source)?;
            values.push(fitted.values);
            if let Some(misfit) = fitted.misfits {
                misfits.push((index, source, misfit));
            }
        }
        for (index, source, misfit) in misfits {
            let left = self.fit_siblings(index, &source, misfit, &mut values)?;
            let column = &self.columns[index];
            for row in set_rows(&left) {
                refusals.add(row, || column.refusal(&source, row));
            }
        }
        Ok(values)
    }

    /// Puts misfits of a column into its siblings; returns those no sibling takes.
    fn fit_siblings(
        &self,
        index: usize,
        source: &ArrayRef,
        mut misfits: BooleanArray,
        values: &mut [ArrayRef],
    ) -> Result<BooleanArray> {
        for &sibling in &self.columns[index].siblings {
            let present = is_not_null(&values[sibling])?;
            let wanted = and_not(&misfits, &present)?;
            let others = BooleanArray::new(!wanted.values(), None);
            let fitted = self.columns[sibling].fit(&nullif(source, &others)?)?;
            let taken = is_not_null(&fitted.values)?;
            values[sibling] =
                arrow::compute::kernels::zip::zip(&taken, &fitted.values, &values[sibling])?;
            misfits = and_not(&misfits, &taken)?;
        }
        Ok(misfits)
    }

    fn refuse_forbidden(&self, batch: &RecordBatch, refusals: &mut Refusals) -> Result<()> {
        for node in &self.forbidden {
            for row in set_rows(&is_not_null(&node.array(batch)?)?) {
                refusals.add(row, || Refusal {
                    reason: reason::UNKNOWN_FIELD,
                    detail: format!("column \"{}\" is not in the definition", node.source),
                });
            }
        }
        Ok(())
    }
}

impl Bound {
    fn fit(&self, source: &ArrayRef) -> Result<Fitted> {
        fit(source, &self.kind, &self.enumeration, &self.data_type)
            .map_err(|e| e.context(format_args!("column \"{}\"", self.name)))
    }

    fn refusal(&self, source: &ArrayRef, row: usize) -> Refusal {
        const SHOWN: usize = 80;
        let reason = fit::reason_of(source, row, &self.kind);
        let mut value = row_json::value(source, row);
        if let Some((cut, _)) = value.char_indices().nth(SHOWN) {
            value.truncate(cut);
            value.push_str("...");
        }
        Refusal {
            reason,
            detail: format!(
                "column \"{}\": {value} ({}) does not fit {} unchanged",
                self.name,
                source.data_type(),
                self.kind
            ),
        }
    }
}

fn find_node<'a>(
    nodes: &'a [Node],
    source: &str,
    name: &str,
    taken: &mut HashSet<Vec<usize>>,
) -> Option<&'a Node> {
    let by_source = nodes.iter().find(|node| node.source == source);
    let by_name = || {
        nodes
            .iter()
            .find(|node| !node.is_struct() && fold(&node.source).name == name)
    };
    let node = by_source.or_else(by_name)?;
    taken.insert(node.path.clone()).then_some(node)
}

fn siblings_of(definition: &Definition, name: &str) -> Vec<usize> {
    let columns = definition.columns.iter().enumerate();
    columns
        .filter(|(_, column)| column.sibling_of.as_deref() == Some(name))
        .map(|(index, _)| index)
        .collect()
}

/// Leaves that are neither taken nor inside a struct that is.
fn unknown_leaves(nodes: &[Node], taken: &HashSet<Vec<usize>>) -> Vec<Node> {
    let covered = |node: &Node| (1..=node.path.len()).any(|n| taken.contains(&node.path[..n]));
    let leaves = nodes.iter().filter(|node| !node.is_struct());
    leaves.filter(|node| !covered(node)).cloned().collect()
}

fn is_naive(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, zone) => zone.is_none(),
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            is_naive(field.data_type())
        }
        _ => false,
    }
}

fn naive_notice(source: &str) -> String {
    format!("column \"{source}\" has timestamps without a time zone; they are read as UTC")
}

/// Why a row is refused.
struct Refusal {
    reason: &'static str,
    detail: String,
}

/// The first refusal of each refused row.
#[derive(Default)]
struct Refusals(BTreeMap<usize, Refusal>);

impl Refusals {
    fn add(&mut self, row: usize, refusal: impl FnOnce() -> Refusal) {
        self.0.entry(row).or_insert_with(refusal);
    }

    /// Parts the rows that were refused from those that stay.
    fn split(self, source: &RecordBatch, fitted: RecordBatch, first_row: u64) -> Result<Decoded> {
        let all = ColumnarRecords {
            batch: source.clone(),
            kept: None,
            first_row,
        };
        if self.0.is_empty() {
            return Ok(decoded(fitted, all, Vec::new()));
        }
        let kept: Vec<usize> = (0..source.num_rows())
            .filter(|row| !self.0.contains_key(row))
            .collect();
        let keep: BooleanArray = (0..source.num_rows())
            .map(|row| Some(!self.0.contains_key(&row)))
            .collect();
        let batch = filter_record_batch(&fitted, &keep)?;
        let reject = |(row, refusal): (usize, Refusal)| Reject {
            record: all.record(row),
            reason: refusal.reason,
            detail: refusal.detail,
        };
        let rejects = self.0.into_iter().map(reject).collect();
        let kept = ColumnarRecords {
            kept: Some(kept),
            ..all
        };
        Ok(decoded(batch, kept, rejects))
    }
}

fn decoded(batch: RecordBatch, records: ColumnarRecords, rejects: Vec<Reject>) -> Decoded {
    Decoded {
        stream: Some(0),
        missing: Missing::default(),
        batch,
        origins: Box::new(records),
        rejects,
        skipped: 0,
        notices: Vec::new(),
    }
}

/// The rows of a source's batch as records.
struct ColumnarRecords {
    batch: RecordBatch,
    /// The batch's rows that were kept; `None` if all were.
    kept: Option<Vec<usize>>,
    first_row: u64,
}

impl Records for ColumnarRecords {
    fn record(&self, row: usize) -> RawRecord {
        let row = self.kept.as_ref().map_or(row, |kept| kept[row]);
        RawRecord {
            line: Some(self.first_row + row as u64 + 1),
            raw: Bytes::from(row_json::row(&self.batch, row)),
            ..RawRecord::default()
        }
    }
}

fn set_rows(mask: &BooleanArray) -> impl Iterator<Item = usize> + '_ {
    mask.values().set_indices()
}

/// Bytes of a batch's values once views and dictionaries are spelled out.
fn value_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|c| array_bytes(c)).sum()
}

fn array_bytes(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().lengths().map(|n| n as usize).sum(),
        DataType::BinaryView => array.as_binary_view().lengths().map(|n| n as usize).sum(),
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            columns.iter().map(|c| array_bytes(c)).sum()
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (first, last) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
            let (first, last) = (first.unsigned_abs() as usize, last.unsigned_abs() as usize);
            array_bytes(&list.values().slice(first, last - first)) + 4 * list.len()
        }
        DataType::Dictionary(_, _) => dictionary_bytes(array),
        _ => array
            .to_data()
            .get_slice_memory_size()
            .unwrap_or(usize::MAX),
    }
}

/// At most: every key could name the longest value.
fn dictionary_bytes(array: &dyn Array) -> usize {
    let values = array.as_any_dictionary().values();
    let whole = array_bytes(values);
    let longest = (0..values.len()).map(|i| array_bytes(&values.slice(i, 1)));
    let longest = if values.len() > array.len() {
        whole
    } else {
        longest.max().unwrap_or(0)
    };
    longest.saturating_mul(array.len())
}
