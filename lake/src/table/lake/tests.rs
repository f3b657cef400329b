use std::sync::Arc;

use object_store::memory::InMemory;
use url::Url;

use super::*;
use crate::table::ledger::{LEDGER, LedgerRow, ledger_batch};

async fn lake() -> Lake {
    let url = Url::parse("memory:///").unwrap();
    let options = LakeOptions {
        temp_dir: std::env::temp_dir(),
        host: "test".to_owned(),
    };
    let storage = Storage::new(url, Arc::new(InMemory::new()));
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
