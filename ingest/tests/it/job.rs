//! Ingests whose sources change under them.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use downlake_ingest::job::{IngestRequest, ingest};
use downlake_ingest::progress::{Progress, Silent};
use downlake_ingest::report::{IngestReport, UnitState};
use downlake_ingest::stop::Stop;
use downlake_lake::ErrorKind;
use downlake_lake::seam::Seams;
use downlake_lake::storage::{Storage, StorageOptions};
use downlake_lake::table::append::QuarantineLimit;
use downlake_lake::table::{Lake, LakeOptions};

/// Does something to a source after it was hashed and before it is decoded.
struct Meddling {
    path: PathBuf,
    meddle: fn(&Path),
}

impl Progress for Meddling {
    fn begin(&self, _source: &str, bytes: u64, _index: usize, _units: usize) {
        // Inference begins a source without knowing its size.
        if bytes > 0 {
            (self.meddle)(&self.path);
        }
    }
    fn advance(&self, _bytes: u64, _records: u64) {}
    fn notice(&self, _text: &str) {}
    fn end(&self) {}
}

fn request(source: &Path) -> IngestRequest {
    IngestRequest {
        sources: vec![source.display().to_string()],
        definition: None,
        format: None,
        table: None,
        prefix: None,
        constants: BTreeMap::new(),
        from_path: None,
        time: None,
        sort_by: Vec::new(),
        dedup_by: Vec::new(),
        received_at: None,
        shard: None,
        by_name: false,
        strict: false,
        max_quarantine: QuarantineLimit::default(),
        memory_bytes: 64 << 20,
        temp_dir: std::env::temp_dir(),
        cloud: Vec::new(),
    }
}

async fn run(lake: &Path, source: &Path, progress: Arc<dyn Progress>) -> IngestReport {
    let address = lake.display().to_string();
    let storage = Storage::open(&address, &StorageOptions::default()).expect("a store");
    let options = LakeOptions {
        temp_dir: std::env::temp_dir(),
        host: "test".to_owned(),
    };
    let lake = Lake::open_or_create(storage, Seams::system(), options).await;
    let lake = Arc::new(lake.expect("a lake"));
    let report = ingest(&lake, &request(source), progress, &Stop::default()).await;
    report.expect("a report")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_lands_nothing_until_it_rests() {
    let grow = |path: &Path| {
        let file = OpenOptions::new().append(true).open(path);
        file.expect("a file").write_all(b"3,c\n").expect("room");
    };
    let cut = |path: &Path| fs::write(path, "a,b\n1,a\n").expect("room");
    let vanish = |path: &Path| fs::remove_file(path).expect("a file");
    let cases: [(fn(&Path), ErrorKind); 3] = [
        (grow, ErrorKind::Conflict),
        (cut, ErrorKind::Conflict),
        (vanish, ErrorKind::NotFound),
    ];
    for (meddle, kind) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let (lake, path) = (folder.path().join("lake"), folder.path().join("t.csv"));
        fs::write(&path, "a,b\n1,a\n2,b\n").expect("room");
        let meddling = Meddling {
            path: path.clone(),
            meddle,
        };
        let report = run(&lake, &path, Arc::new(meddling)).await;
        assert_eq!(report.units[0].state, UnitState::Failed, "{report:?}");
        let error = report.first_error.as_ref().map(downlake_lake::Error::kind);
        assert_eq!(error, Some(kind), "{report:?}");
        assert!(!lake.join("t/_delta_log").exists(), "{report:?}");

        fs::write(&path, "a,b\n1,a\n2,b\n3,c\n").expect("room");
        let report = run(&lake, &path, Arc::new(Silent)).await;
        assert_eq!(report.rows_committed, 3, "{report:?}");
        assert!(report.first_error.is_none(), "{report:?}");
    }
}
