use std::sync::Arc;

use object_store::memory::InMemory;
use url::Url;

use super::*;
use crate::schema::{Column, ColumnType, Origin};
use crate::storage::StorageOptions;
use crate::table::ledger::{LEDGER, LedgerRow, ledger_batch};

async fn lake() -> Lake {
    let url = Url::parse("memory:///").unwrap();
    lake_in(Storage::new(url, Arc::new(InMemory::new()))).await
}

async fn lake_in(storage: Storage) -> Lake {
    let options = LakeOptions {
        temp_dir: std::env::temp_dir(),
        host: "test".to_owned(),
    };
    Lake::open_or_create(storage, Seams::system(), options)
        .await
        .unwrap()
}

/// Text that does not compress.
fn noise(seed: u64, bytes: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    let mut noise = vec![0; bytes / 2];
    hasher.finalize_xof().fill(&mut noise);
    noise.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_many_landings_is_several_files() {
    let row = |seed| LedgerRow {
        source: noise(seed, 256 << 10),
        ..LedgerRow::default()
    };
    let rows: Vec<_> = (0..400).map(row).collect();
    let written = lake()
        .await
        .write_small_files(LEDGER, ledger_batch(&rows))
        .await;
    let files = written.unwrap();
    assert!(files.len() > 1, "{} files", files.len());
    let count: u64 = files.iter().filter_map(|file| file.stats.rows).sum();
    assert_eq!(count, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_a_lake_makes_none() {
    let lake = lake().await;
    assert!(lake.table("t").await.unwrap().is_none());
    lake.flush_ledger().await.unwrap();
    let listed: Vec<_> = lake.objects().list(None).try_collect().await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");
}

/// The folders at the top of a lake that are not the lake's own, each once.
async fn folders(lake: &Lake) -> Vec<String> {
    let objects: Vec<_> = lake.objects().list(None).try_collect().await.unwrap();
    let tops = objects.iter().filter_map(|object| {
        let path = object.location.as_ref();
        path.split_once('/').map(|(top, _)| top.to_owned())
    });
    let tops: std::collections::BTreeSet<String> = tops.filter(|top| top != "_downlake").collect();
    tops.into_iter().collect()
}

/// A table without rows, under a definition where its name is one of ours,
/// and one data file in its folder.
async fn make_table(lake: &Lake, name: &str) {
    let column = Column::new("v", "v", ColumnType::Text);
    let definition = Definition::new(name, Origin::Given, vec![column]);
    if definition.check().is_ok() {
        lake.ensure_table(&definition).await.unwrap();
    } else {
        let schema = definition.table_schema();
        lake.system_table(name, schema).await.unwrap();
        // What another program calls a table may yet get a definition of ours.
        let definition = Definition {
            stream: "plain".to_owned(),
            ..definition
        };
        store::save_next(lake.objects(), name, &definition)
            .await
            .unwrap();
    }
    let rows = ledger_batch(&[LedgerRow::default()]);
    lake.write_small_files(name, rows).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_one_folder_of_its_own_name() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["ünï", "engine 7", "50%", "a#b", "東京"] {
        let address = dir.path().join(name);
        let disk = Storage::open(address.to_str().unwrap(), &StorageOptions::default()).unwrap();
        let memory = Storage::open("memory://", &StorageOptions::default()).unwrap();
        for storage in [disk, memory] {
            let lake = lake_in(storage.clone()).await;
            make_table(&lake, name).await;
            assert_eq!(folders(&lake).await, [name], "in {}", storage.url());
            let again = lake_in(storage).await;
            assert_eq!(again.table_names(false).await.unwrap(), [name]);
            let table = again.table(name).await.unwrap().unwrap();
            assert!(table.definition(&again).await.unwrap().is_some());
        }
        assert!(address.join(name).join("_delta_log").is_dir(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_no_folder_is_refused() {
    let lake = lake().await;
    for name in ["", "a//b", ".."] {
        let error = lake.table(name).await.err().expect("refused");
        assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{name:?}");
    }
}
