//! Ingests whose sources change under them, cannot be read, or are not alike.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use downlake_ingest::job::{IngestRequest, ingest};
use downlake_ingest::packet::schema::PacketSchema;
use downlake_ingest::progress::{Progress, Silent};
use downlake_ingest::report::{IngestReport, UnitState};
use downlake_ingest::stop::Stop;
use downlake_lake::ErrorKind;
use downlake_lake::seam::Seams;
use downlake_lake::storage::{Storage, StorageOptions};
use downlake_lake::table::append::QuarantineLimit;
use downlake_lake::table::{Lake, LakeOptions};
use expect_test::expect;

type Meddle = fn(&Path);

/// Does something to a source after it was hashed and before it is decoded.
struct Meddling {
    path: PathBuf,
    meddle: Meddle,
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
        packets: Vec::new(),
        apids: Vec::new(),
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
    let cases: [(Meddle, ErrorKind); 3] = [
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

/// Ingests what is named into table `t`: how each unit ended, the kind
/// of the error that decides the exit code, the counts, and what was said.
async fn told(lake: &Path, folder: &Path, sources: &[&str]) -> String {
    let said = Arc::new(Said::default());
    let address = lake.display().to_string();
    let storage = Storage::open(&address, &StorageOptions::default()).expect("a store");
    let options = LakeOptions {
        temp_dir: std::env::temp_dir(),
        host: "test".to_owned(),
    };
    let lake = Lake::open_or_create(storage, Seams::system(), options).await;
    let paths = sources.iter().map(|s| folder.join(s).display().to_string());
    let request = IngestRequest {
        sources: paths.collect(),
        table: Some("t".to_owned()),
        ..request(folder)
    };
    let progress: Arc<dyn Progress> = Arc::clone(&said) as Arc<dyn Progress>;
    let lake = Arc::new(lake.expect("a lake"));
    let text = match ingest(&lake, &request, progress, &Stop::default()).await {
        Err(error) => format!("{:?}: {error}\n", error.kind()),
        Ok(report) => {
            let units = report.units.iter().map(|unit| {
                let error = unit.error.as_ref().map(|error| format!(": {error}"));
                format!(
                    "{:?} {}{}\n",
                    unit.state,
                    unit.source,
                    error.unwrap_or_default()
                )
            });
            let kind = report.first_error.as_ref().map(downlake_lake::Error::kind);
            let rows = (
                report.rows_in,
                report.rows_committed,
                report.rows_quarantined,
            );
            format!("{}{kind:?} {rows:?}\n", units.collect::<String>())
        }
    };
    let notices = said.0.lock().expect("no panic").concat();
    format!("{text}{notices}").replace(&folder.display().to_string(), "DIR")
}

/// Keeps the notices.
#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Progress for Said {
    fn begin(&self, _source: &str, _bytes: u64, _index: usize, _units: usize) {}
    fn advance(&self, _bytes: u64, _records: u64) {}
    fn notice(&self, text: &str) {
        let mut said = self.0.lock().expect("no panic");
        said.push(format!("! {text}\n"));
    }
    fn end(&self) {}
}

fn folder_of(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("room");
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_and_without_header_do_not_mix() {
    let files: [(&str, &[u8]); 3] = [
        ("a.csv", b"id,v\n1,2\n2,3\n"),
        ("b.csv", b"3,4\n5,6\n"),
        ("c.csv", b"v;id\n8;7\n"),
    ];
    let folder = folder_of(&files);
    let lake = folder.path().join("lake");
    let mut text = String::new();
    for sources in [
        &["a.csv", "b.csv"][..],
        &["b.csv", "a.csv"],
        &["a.csv", "c.csv"],
        &["b.csv"],
    ] {
        text += &told(&lake, folder.path(), sources).await;
    }
    expect![[r#"
        Invalid: the columns of DIR/a.csv have names (the first is "id"), but DIR/b.csv has no header; ingest them into different tables, or give a definition with --schema
        Invalid: the columns of DIR/a.csv have names (the first is "id"), but DIR/b.csv has no header; ingest them into different tables, or give a definition with --schema
        Landed DIR/a.csv
        Landed DIR/c.csv
        None (3, 3, 0)
        Failed DIR/b.csv: DIR/b.csv has no header, but the columns of stream "t" have names: its first line is "3,4"; ingest it into another table with --table, or say what it is in a definition with --schema
        Some(Invalid) (0, 0, 0)
    "#]]
    .assert_eq(&text);
    let definitions = fs::read_dir(lake.join("t/_downlake")).expect("a table");
    assert_eq!(definitions.count(), 1, "a refused file adds no column");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unreadable_file_does_not_hold_the_others_back() {
    let files: [(&str, &[u8]); 4] = [
        ("a.csv", b"id,v\n1,2\n"),
        ("b.json", b"[1,2,3]"),
        ("c.csv", b"\xff\xfei\0d\0\n\0"),
        ("d.csv", b"id,v\n3,4\n"),
    ];
    let folder = folder_of(&files);
    let lake = folder.path().join("lake");
    let all = ["a.csv", "b.json", "c.csv", "d.csv"];
    expect![[r#"
        Landed DIR/a.csv
        Failed DIR/b.json: DIR/b.json has no record to make columns of, but 3 others; the first thing wrong: "1" is no object
        Failed DIR/c.csv: cannot read DIR/c.csv: the text is UTF-16LE; convert it first: iconv -f UTF-16LE -t UTF-8
        Landed DIR/d.csv
        Some(Corrupt) (2, 2, 0)
    "#]]
    .assert_eq(&told(&lake, folder.path(), &all).await);
    let alone = folder.path().join("other");
    expect![[r#"
        Invalid: cannot read DIR/c.csv: the text is UTF-16LE; convert it first: iconv -f UTF-16LE -t UTF-8
    "#]]
    .assert_eq(&told(&alone, folder.path(), &["c.csv"]).await);
    assert!(!alone.join("t").exists(), "nothing landed");
}

/// A later file of the table still adds its columns: only what this very
/// command inferred from is not looked at twice.
#[tokio::test(flavor = "multi_thread")]
async fn columns_of_later_files_are_found() {
    let files: [(&str, &[u8]); 2] = [("a.csv", b"id,v\n1,2\n"), ("b.csv", b"id,w\n3,x\n")];
    let folder = folder_of(&files);
    let lake = folder.path().join("lake");
    for file in ["a.csv", "b.csv"] {
        let text = told(&lake, folder.path(), &[file]).await;
        assert!(text.contains("None (1, 1, 0)"), "{text}");
    }
    let definitions = fs::read_dir(lake.join("t/_downlake")).expect("a table");
    assert_eq!(definitions.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_have_no_fields_to_be_strict_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pass.ccsds");
    fs::write(&path, [0x08, 5, 0xC0, 0, 0, 0, 1]).expect("a file");
    let csv = "name,data_type,bit_length\nA,uint,8\n";
    let read = PacketSchema::read(csv.as_bytes(), "d.csv", |_| Ok(Vec::new()));
    let strict = IngestRequest {
        packets: vec![read.expect("a definition").expect("of packets")],
        apids: vec![5],
        strict: true,
        ..request(&path)
    };
    let storage = Storage::open(
        &folder.path().join("lake").display().to_string(),
        &StorageOptions::default(),
    );
    let options = LakeOptions {
        temp_dir: std::env::temp_dir(),
        host: "test".to_owned(),
    };
    let lake = Lake::open_or_create(storage.expect("a store"), Seams::system(), options).await;
    let lake = Arc::new(lake.expect("a lake"));
    let refused = ingest(&lake, &strict, Arc::new(Silent), &Stop::default()).await;
    let refused = refused.expect_err("a refusal");
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    expect![[r#"--strict speaks of fields that a definition does not name, and packets have none: say longer = "refuse" in the definition to refuse packets that go on beyond their container"#]].assert_eq(refused.message());
}
