use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use expect_test::expect;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tempfile::TempDir;

use super::*;
use crate::decode::{Access, Input};

fn local() -> SourceOptions {
    SourceOptions::with_cloud_options(Vec::new())
}

fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "x").expect("a file");
    }
    folder
}

async fn found(folder: &Path, arguments: &[&str]) -> String {
    let base = folder.display().to_string();
    let arguments: Vec<_> = arguments.iter().map(|a| a.replace("DIR", &base)).collect();
    let text = match discover(&arguments, &local()).await {
        Err(error) => format!("{:?}: {error}\n", error.kind()),
        Ok(found) => {
            let mut text = String::new();
            for source in &found.sources {
                writeln!(text, "{}", source.name()).expect("strings take text");
            }
            for notice in found.notices() {
                writeln!(text, "! {notice}").expect("strings take text");
            }
            text
        }
    };
    text.replace(&base, "DIR")
}

#[cfg(unix)]
#[tokio::test]
async fn pipes_are_refused_and_links_to_nothing_are_left_to_their_turn() {
    let folder = folder(&["a.csv"]);
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path().join("f.csv"))
        .status();
    assert!(made.expect("a shell's tools").success());
    std::os::unix::fs::symlink("nowhere", folder.path().join("l.csv")).expect("a link");
    expect![[r#"
        DIR/a.csv
        DIR/l.csv
        ! 1 pipes, sockets or devices were passed over: DIR/f.csv
    "#]]
    .assert_eq(&found(folder.path(), &["DIR"]).await);
    expect![[r#"
        Invalid: "DIR/f.csv" is a pipe, a socket or a device, which is not read twice; send its bytes to standard input and use -
    "#]]
    .assert_eq(&found(folder.path(), &["DIR/f.csv"]).await);
    expect![[r#"
        Invalid: "/dev/null" is a pipe, a socket or a device, which is not read twice; send its bytes to standard input and use -
    "#]]
    .assert_eq(&found(folder.path(), &["/dev/null"]).await);
}

#[tokio::test]
async fn discovery() {
    let folder = folder(&[
        "b.csv",
        "a/2.json",
        "a/1.csv",
        "a/.hidden",
        "_log/x.csv",
        "c/d/e.csv",
    ]);
    for text in [
        "doc/LICENSE",
        "doc/README.md",
        "doc/readme.txt",
        "doc/frames.dat",
    ] {
        let path = folder.path().join(text);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "a,b\n1,2\n").expect("a file");
    }
    fs::write(folder.path().join("a/unnamed"), "PAR1").expect("a file");
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    let all = [
        &["DIR"][..],
        &["DIR/b.csv", "DIR/a/../b.csv", "-", "-"],
        &["DIR/*.csv"],
        &["DIR/**/*.csv"],
        &["DIR/a/*.{csv,json}"],
        &["DIR/doc", "-"],
        &["DIR/doc/*.dat"],
        &["DIR/doc/frames.dat"],
        &["DIR/empty"],
        &["DIR/none"],
        &["DIR/*.none"],
    ];
    let mut text = String::new();
    for arguments in all {
        writeln!(
            text,
            "{arguments:?}\n{}",
            found(folder.path(), arguments).await
        )
        .expect("text");
    }
    expect![[r#"
        ["DIR"]
        DIR/a/1.csv
        DIR/a/2.json
        DIR/a/unnamed
        DIR/b.csv
        DIR/c/d/e.csv
        ! 2 names that begin with "." or "_" were passed over
        ! 4 files were passed over, their names and first bytes tell no format: DIR/doc/LICENSE, DIR/doc/README.md, DIR/doc/frames.dat and 1 more; name them one by one, or give --format

        ["DIR/b.csv", "DIR/a/../b.csv", "-", "-"]
        DIR/b.csv
        -

        ["DIR/*.csv"]
        DIR/b.csv
        ! 2 names that begin with "." or "_" were passed over

        ["DIR/**/*.csv"]
        DIR/a/1.csv
        DIR/b.csv
        DIR/c/d/e.csv
        ! 2 names that begin with "." or "_" were passed over

        ["DIR/a/*.{csv,json}"]
        DIR/a/1.csv
        DIR/a/2.json
        ! 1 names that begin with "." or "_" were passed over

        ["DIR/doc", "-"]
        Invalid: no file in "DIR/doc" tells its format by its name or first bytes (DIR/doc/LICENSE, DIR/doc/README.md, DIR/doc/frames.dat and 1 more); name files one by one, or give --format

        ["DIR/doc/*.dat"]
        Invalid: no file in "DIR/doc/*.dat" tells its format by its name or first bytes (DIR/doc/frames.dat); name files one by one, or give --format

        ["DIR/doc/frames.dat"]
        DIR/doc/frames.dat

        ["DIR/empty"]
        Invalid: no files in "DIR/empty"

        ["DIR/none"]
        NotFound: there is no file or folder "DIR/none"

        ["DIR/*.none"]
        NotFound: no file matches "DIR/*.none"

    "#]]
    .assert_eq(&text);
}

#[tokio::test]
async fn objects_are_spooled() {
    let store = Arc::new(InMemory::new());
    for name in ["raw/a.csv", "raw/b/c.csv", "raw/_x/d.csv", "other/e.csv"] {
        let payload = PutPayload::from(format!("content of {name}"));
        store
            .put(&object_store::path::Path::from(name), payload)
            .await
            .expect("memory");
    }
    let shared: Arc<dyn ObjectStore> = store;
    let options = SourceOptions {
        any_format: false,
        open_store: Arc::new(move |url| {
            let path = object_store::path::Path::from_url_path(url.path()).expect("a path");
            Ok((Arc::clone(&shared), path))
        }),
    };
    let arguments = [
        "s3://bucket/raw/".to_owned(),
        "s3://bucket/raw/a.csv".to_owned(),
    ];
    let found = discover(&arguments, &options).await.expect("objects");
    let names: Vec<_> = found.sources.iter().map(SourceRef::name).collect();
    assert_eq!(names, ["s3://bucket/raw/a.csv", "s3://bucket/raw/b/c.csv"]);
    assert_eq!(found.passed_over, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let file = open(&found.sources[1], folder.path(), &options)
        .await
        .expect("an object");
    assert_eq!(
        file.content_hash().expect("a hash"),
        blake3::hash(b"content of raw/b/c.csv")
    );
    assert_eq!(content(&file).expect("bytes"), b"content of raw/b/c.csv");
    file.verify_unchanged().expect("nobody wrote");
    drop(file);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let none = discover(&["s3://bucket/none/".to_owned()], &options).await;
    expect![[r#"no files in "s3://bucket/none/""#]]
        .assert_eq(&none.expect_err("empty").to_string());
}

#[tokio::test]
async fn copies_that_wait_are_bounded() {
    let store = InMemory::new();
    let names = ["raw/a.csv", "raw/b.csv", "raw/c.csv"];
    for name in names {
        let path = object_store::path::Path::from(name);
        let put = store.put(&path, PutPayload::from(vec![b'x'; 100]));
        put.await.expect("memory");
    }
    let shared: Arc<dyn ObjectStore> = Arc::new(store);
    let options = SourceOptions {
        any_format: false,
        open_store: Arc::new(move |url| {
            let path = object_store::path::Path::from_url_path(url.path()).expect("a path");
            Ok((Arc::clone(&shared), path))
        }),
    };
    let sources = discover(&["s3://bucket/raw/".to_owned()], &options)
        .await
        .expect("objects")
        .sources;
    let folder = tempfile::tempdir().expect("a folder");
    let local = folder.path().join("local.csv");
    fs::write(&local, "x").expect("a file");
    let copies = || fs::read_dir(folder.path()).expect("a folder").count() - 1;
    let mut opened = Opened::with_bound(250);
    for (index, source) in sources.iter().enumerate() {
        let file = open(source, folder.path(), &options).await.expect("a copy");
        opened.keep(index, source, file);
    }
    opened.keep(
        3,
        &SourceRef::File(local.clone()),
        SourceFile::on_disk(&local).expect("a file"),
    );
    assert_eq!(copies(), 2, "the third goes beyond the bound");
    assert!(opened.take(2).is_none() && opened.take(3).is_some());
    drop(opened.take(0));
    let file = open(&sources[2], folder.path(), &options)
        .await
        .expect("a copy");
    opened.keep(2, &sources[2], file);
    assert_eq!(copies(), 2, "what was taken makes room");
}

fn content(file: &SourceFile) -> std::io::Result<Vec<u8>> {
    let input = file.input(Access::Sequential, Path::new("/nowhere"));
    let mut bytes = Vec::new();
    input
        .expect("a file")
        .into_reader()
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One member, frame or stream of a compressed file.
type Compress = fn(&[u8]) -> Vec<u8>;

const COMPRESSIONS: &[(&str, Compress)] = &[
    ("gzip", |bytes| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).expect("memory");
        writer.finish().expect("memory")
    }),
    ("zstd", |bytes| zstd::encode_all(bytes, 1).expect("memory")),
    ("lz4", |bytes| {
        let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
        writer.write_all(bytes).expect("memory");
        writer.finish().expect("memory")
    }),
    ("bzip2", |bytes| {
        let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        writer.write_all(bytes).expect("memory");
        writer.finish().expect("memory")
    }),
    ("xz", |bytes| {
        let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
        writer.write_all(bytes).expect("memory");
        writer.finish().expect("memory")
    }),
];

fn on_disk(folder: &TempDir, bytes: &[u8]) -> SourceFile {
    let path = folder.path().join("unit");
    fs::write(&path, bytes).expect("a file");
    SourceFile::on_disk(&path).expect("a file")
}

#[test]
fn all_members_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = (0..50_000)
        .map(|i| format!("{i},{}\n", i * 7919 % 1000))
        .collect();
    for (name, compress) in COMPRESSIONS {
        let parts = [compress(lines.as_bytes()), compress(b""), compress(b"last")];
        let file = on_disk(&folder, &parts.concat());
        let read = content(&file).expect(name);
        assert_eq!(read, format!("{lines}last").into_bytes(), "{name}");
        file.content_hash().expect("a hash");
        file.verify_unchanged().expect(name);
        let random = file.input(Access::Random, folder.path()).expect(name);
        assert!(matches!(random, Input::File(_)));
        assert_eq!(file.head().expect(name).len(), 64 << 10);
    }
}

#[test]
fn cut_and_damaged_files_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = (0..50_000)
        .map(|i| format!("{i},{}\n", i * 7919 % 1000))
        .collect();
    for (name, compress) in COMPRESSIONS {
        let whole = compress(lines.as_bytes());
        for cut in [whole.len() / 2, whole.len() - 1, whole.len() - 5, 12] {
            let file = on_disk(&folder, &whole[..cut]);
            let Err(error) = content(&file) else {
                panic!("{name} cut at {cut} of {}", whole.len());
            };
            assert!(error.to_string().contains(name), "{name} at {cut}: {error}");
        }
    }
}

#[test]
fn files_that_change_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = on_disk(&folder, b"a\n1\n");
    file.content_hash().expect("a hash");
    fs::write(&file.path, b"a\n2\n").expect("a file");
    content(&file).expect("bytes");
    let error = file.verify_unchanged().expect_err("it changed");
    assert!(error.message().contains("changed while it was read"));
}

#[test]
fn empty_files_are_units_without_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = on_disk(&folder, b"");
    assert_eq!(content(&file).expect("bytes"), b"");
    assert_eq!(file.head().expect("bytes"), b"");
}

#[test]
fn path_patterns() {
    let cases = [
        ("{vehicle}/{date}/*.jsonl", "/raw/JPSS1/2026-01-31/x.jsonl"),
        ("{vehicle}/{date}/*.jsonl", "JPSS1/2026-01-31/x.csv"),
        ("{vehicle}/{date}/*.jsonl", "x.jsonl"),
        ("{a}_{b}.csv", "x/one_two_three.csv"),
        ("/{a}/x", "b/c/x"),
        ("/{a}/x", "/b/x"),
        ("s3-{a}/*", "s3-é/x"),
        ("{a}/{a}", ""),
        ("{a", ""),
        ("{a b}", ""),
        ("*.csv", ""),
    ];
    let mut text = String::new();
    for (pattern, path) in cases {
        let outcome = match PathPattern::parse(pattern) {
            Ok(pattern) => format!("{:?}", pattern.extract(path)),
            Err(error) => error.to_string(),
        };
        writeln!(text, "{pattern} {path}: {outcome}").expect("text");
    }
    expect![[r#"
        {vehicle}/{date}/*.jsonl /raw/JPSS1/2026-01-31/x.jsonl: Some({"path_date": "2026-01-31", "vehicle": "JPSS1"})
        {vehicle}/{date}/*.jsonl JPSS1/2026-01-31/x.csv: None
        {vehicle}/{date}/*.jsonl x.jsonl: None
        {a}_{b}.csv x/one_two_three.csv: Some({"a": "one", "b": "two_three"})
        /{a}/x b/c/x: None
        /{a}/x /b/x: Some({"a": "b"})
        s3-{a}/* s3-é/x: Some({"a": "é"})
        {a}/{a} : path pattern "{a}/{a}": name "a" stands twice
        {a : path pattern "{a": a bracket has no partner
        {a b} : path pattern "{a b}": "a b" is no column name: letters, digits and _ are
        *.csv : path pattern "*.csv": it has no {name}
    "#]].assert_eq(&text);
}
