//! Raw files as rows, for `FROM 'file'`.
//!
//! A query must not answer from part of a file in silence: the first record
//! that cannot be decoded ends the rows with an error that names its place.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use downlake_lake::schema::{Definition, Origin};
use downlake_lake::table::rows::{FileRows, RowSource};
use downlake_lake::{Error, ErrorKind, Result};
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::decode::{self, DecodeOptions, Decoded, Format, InferOptions, Reject};
use crate::source::{self, SourceFile, SourceOptions};

/// Batches that wait between decoding and the query.
const BATCHES_WAITING: usize = 2;

/// Opens files of every input format.
#[derive(Debug)]
pub struct FileRowSource {
    temp_dir: PathBuf,
    cloud: Vec<(String, String)>,
}

impl FileRowSource {
    /// Spools what is not a local file into `temp_dir`; objects are read with
    /// these options of their clouds.
    pub fn new(temp_dir: PathBuf, cloud: Vec<(String, String)>) -> Self {
        FileRowSource { temp_dir, cloud }
    }
}

#[async_trait]
impl RowSource for FileRowSource {
    async fn open(&self, path: &str) -> Result<Option<FileRows>> {
        let options = SourceOptions::with_cloud_options(self.cloud.clone());
        let sources = match source::discover(&[path.to_owned()], &options).await {
            Ok(found) => found.sources,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let [one] = sources.as_slice() else {
            return Err(Error::invalid(format!(
                "'{path}' names {} files; a query reads one, `downlake ingest` takes many",
                sources.len()
            )));
        };
        let file = source::open(one, &self.temp_dir, &options).await?;
        let temp_dir = self.temp_dir.clone();
        let opened = tokio::task::spawn_blocking(move || prepare(file, &temp_dir)).await;
        let (file, format, definition) =
            opened.map_err(|e| Error::internal(format!("opening a file stopped: {e}")))??;
        let schema = definition.decoded_schema();
        let temp_dir = self.temp_dir.clone();
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        tokio::task::spawn_blocking(move || {
            decode_into(&file, &temp_dir, format, &definition, &sender)
        });
        let batches = futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|batch| (batch, receiver))
        });
        Ok(Some(FileRows {
            schema,
            batches: batches.boxed(),
        }))
    }
}

fn prepare(file: SourceFile, temp_dir: &Path) -> Result<(SourceFile, &'static Format, Definition)> {
    let format = decode::detect(&file.name, &file.head()?)?;
    let options = InferOptions {
        source: file.name.clone(),
        ..InferOptions::default()
    };
    let inferred = (format.infer)(file.input(format.access, temp_dir)?, &options)?;
    let input = inferred.layout.clone();
    let (columns, _) = inferred.columns()?;
    let definition = Definition {
        input,
        ..Definition::new("file", Origin::Inferred, columns)
    };
    Ok((file, format, definition))
}

fn decode_into(
    file: &SourceFile,
    temp_dir: &Path,
    format: &Format,
    definition: &Definition,
    out: &mpsc::Sender<Result<arrow::array::RecordBatch>>,
) {
    let options = DecodeOptions {
        source: file.name.clone(),
        ..DecodeOptions::default()
    };
    let decoder = file
        .input(format.access, temp_dir)
        .and_then(|input| (format.open)(input, definition, &options));
    let mut decoder = match decoder {
        Ok(decoder) => decoder,
        Err(error) => {
            // Whoever asked has gone if this cannot be said.
            let _ = out.blocking_send(Err(error));
            return;
        }
    };
    loop {
        let next = match decoder.next() {
            Ok(None) => return,
            Ok(Some(decoded)) => whole(&file.name, decoded),
            Err(error) => Err(error),
        };
        let failed = next.is_err();
        if out.blocking_send(next).is_err() || failed {
            return;
        }
    }
}

fn whole(url: &str, decoded: Decoded) -> Result<arrow::array::RecordBatch> {
    match decoded.rejects.first() {
        None => Ok(decoded.batch),
        Some(reject) => Err(refused(url, reject)),
    }
}

fn refused(url: &str, reject: &Reject) -> Error {
    let place = match (reject.record.line, reject.record.byte_offset) {
        (Some(line), _) => format!("line {line}"),
        (None, Some(offset)) => format!("byte {offset}"),
        (None, None) => "a record".to_owned(),
    };
    Error::invalid(format!(
        "{url}, {place}: {} ({}); `downlake ingest` quarantines such records and goes on",
        reject.detail, reject.reason
    ))
}
