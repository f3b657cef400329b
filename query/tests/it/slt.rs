//! Every file of sql/tests, each over a fresh sample lake.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use downlake_lake::Error;
use downlake_query::Session;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

use crate::samples::{rows, sample_lake, writing};

struct Database(Session);

#[async_trait]
impl AsyncDB for Database {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let batches = rows(&self.0, sql).await?;
        let Some(first) = batches.first() else {
            return Ok(DBOutput::StatementComplete(0));
        };
        let types = vec![DefaultColumnType::Text; first.num_columns()];
        Ok(DBOutput::Rows {
            types,
            rows: batches.iter().flat_map(cells).collect(),
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "downlake"
    }
}

fn cells(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let formatters: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    let row = |row| {
        formatters
            .iter()
            .map(|f| f.value(row).to_string())
            .collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/tests");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "slt"));
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_hold() {
    let scripts = scripts();
    assert!(!scripts.is_empty(), "no scripts in sql/tests");
    for script in scripts {
        let mut runner = Runner::new(|| async {
            let lake = Arc::new(sample_lake().await);
            Ok(Database(writing(&lake)))
        });
        if let Err(error) = runner.run_file_async(&script).await {
            panic!("{}: {error}", script.display());
        }
    }
}
