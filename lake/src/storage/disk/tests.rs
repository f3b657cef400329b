use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use expect_test::expect;
use futures::executor::block_on;
use object_store::ObjectStoreExt;
use tempfile::TempDir;

use super::power_cut::{PowerCut, UnsyncedNames};
use super::*;
use crate::ErrorKind;

type Objects = BTreeMap<String, Vec<u8>>;

/// One change, and what it does to the objects.
enum Change {
    Put(&'static str, &'static str),
    Create(&'static str, &'static str),
    Upload(&'static str, &'static [&'static str]),
    Copy(&'static str, &'static str),
    Rename(&'static str, &'static str),
    Delete(&'static str),
}

impl Change {
    fn make(&self, store: &DurableDisk) -> Result<()> {
        block_on(async {
            match *self {
                Change::Put(path, content) => {
                    store.put(&path.into(), content.into()).await.map(drop)
                }
                Change::Create(path, content) => create(store, path, content).await,
                Change::Upload(path, parts) => upload(store, path, parts).await,
                Change::Copy(from, to) => store.copy(&from.into(), &to.into()).await,
                Change::Rename(from, to) => store.rename(&from.into(), &to.into()).await,
                Change::Delete(path) => store.delete(&path.into()).await,
            }
        })
    }

    fn apply(&self, objects: &mut Objects) {
        match *self {
            Change::Put(path, content) | Change::Create(path, content) => {
                objects.insert(path.into(), content.into());
            }
            Change::Upload(path, parts) => {
                objects.insert(path.into(), parts.concat().into());
            }
            Change::Copy(from, to) => {
                objects.insert(to.into(), objects[from].clone());
            }
            Change::Rename(from, to) => {
                let moved = objects.remove(from).unwrap();
                objects.insert(to.into(), moved);
            }
            Change::Delete(path) => drop(objects.remove(path)),
        }
    }
}

async fn create(store: &DurableDisk, path: &str, content: &'static str) -> Result<()> {
    let path = Path::from(path);
    let put = store.put_opts(&path, content.into(), PutMode::Create.into());
    put.await.map(drop)
}

async fn upload(store: &DurableDisk, path: &str, parts: &[&'static str]) -> Result<()> {
    let mut upload = store.put_multipart(&path.into()).await?;
    let mut written: Vec<_> = parts
        .iter()
        .map(|part| upload.put_part((*part).into()))
        .collect();
    // Parts may land in any order.
    written.reverse();
    for part in written {
        part.await?;
    }
    upload.complete().await.map(drop)
}

const CHANGES: &[Change] = &[
    Change::Create("_log/0.json", "commit zero"),
    Change::Put("t/date=2026-01-01/a.parquet", "first"),
    Change::Put(
        "t/date=2026-01-01/a.parquet",
        "second, longer than the first",
    ),
    Change::Upload(
        "t/date=2026-01-02/b.parquet",
        &["part one, ", "part two, ", "three"],
    ),
    Change::Upload("t/date=2026-01-02/b.parquet", &["again"]),
    Change::Create("_log/1.json", "commit one"),
    Change::Copy("_log/1.json", "backup/deep/1.json"),
    Change::Copy("_log/0.json", "backup/deep/1.json"),
    Change::Copy("_log/0.json", "backup/deep/1.json"),
    Change::Rename("backup/deep/1.json", "other/1.json"),
    Change::Delete("t/date=2026-01-01/a.parquet"),
    Change::Create("t/date=2026-01-01/a.parquet", "back again"),
    Change::Upload("empty", &[]),
];

/// A lake two folders below a folder that exists.
fn lake(fsync: bool) -> (TempDir, Arc<PowerCut>, DurableDisk) {
    let base = TempDir::new().unwrap();
    let cut = Arc::new(PowerCut::new(fsync));
    let root = base.path().canonicalize().unwrap().join("deep/lake");
    let store = DurableDisk::with_calls(&root, Arc::clone(&cut) as _).unwrap();
    (base, cut, store)
}

/// Makes all changes; after each, how many calls were made and what is promised.
fn promises(cut: &PowerCut, store: &DurableDisk) -> Vec<(usize, Objects)> {
    let mut objects = Objects::new();
    let mut promises = vec![(0, objects.clone())];
    for change in CHANGES {
        change.make(store).unwrap();
        change.apply(&mut objects);
        promises.push((cut.calls_made(), objects.clone()));
    }
    promises
}

#[test]
fn a_power_cut_at_any_point_loses_nothing_that_was_acknowledged() {
    let (_base, cut, store) = lake(true);
    let promises = promises(&cut, &store);
    for step in promises.windows(2) {
        let [(from, before), (to, after)] = step else {
            unreachable!()
        };
        for calls in *from..=*to {
            for names in [UnsyncedNames::Lost, UnsyncedNames::Kept] {
                let left = cut.after_cut(store.root(), calls, names);
                let paths = before.keys().chain(after.keys()).chain(left.keys());
                for path in paths {
                    let found = left.get(path);
                    let acknowledged = calls == *to && found != after.get(path);
                    let torn = found != before.get(path) && found != after.get(path);
                    assert!(
                        !acknowledged && !torn,
                        "after call {calls} ({names:?}) {path} holds {found:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn without_fsync_a_power_cut_loses_what_was_acknowledged() {
    let (_base, cut, store) = lake(false);
    let (calls, promised) = promises(&cut, &store).pop().unwrap();
    assert_eq!(
        cut.after_cut(store.root(), calls, UnsyncedNames::Lost),
        Objects::new()
    );
    let torn = cut.after_cut(store.root(), calls, UnsyncedNames::Kept);
    assert_eq!(torn["_log/1.json"], b"", "a name without its content");
    assert_ne!(torn, promised);
}

#[test]
fn a_folder_that_somebody_else_made_is_not_taken_for_durable() {
    let (_base, cut, store) = lake(true);
    for folder in ["..", "", "t"] {
        let path = match folder {
            ".." => store.root().parent().unwrap().to_owned(),
            _ => store.root().join(folder),
        };
        cut.make_folder(&path).unwrap();
    }
    // The parents above the root are the business of whoever made them.
    cut.sync_folder(store.root().parent().unwrap().parent().unwrap())
        .unwrap();
    Change::Create("t/object", "content").make(&store).unwrap();
    let left = cut.after_cut(store.root(), cut.calls_made(), UnsyncedNames::Lost);
    assert_eq!(
        left,
        Objects::from([("t/object".into(), b"content".to_vec())])
    );
}

#[test]
fn an_object_that_a_stranger_wrote_is_durable_once_persisted() {
    let (_base, cut, store) = lake(true);
    Change::Put("t/ours", "x").make(&store).unwrap();
    let path = store.root().join("t/theirs");
    let mut file = cut.create(&path).unwrap();
    cut.write(&mut file, &path, 0, b"written without a sync")
        .unwrap();
    let left = |cut: &PowerCut| cut.after_cut(store.root(), cut.calls_made(), UnsyncedNames::Lost);
    assert!(!left(&cut).contains_key("t/theirs"));
    block_on(store.persist(&"t/theirs".into())).unwrap();
    assert_eq!(left(&cut)["t/theirs"], b"written without a sync");
}

#[test]
fn the_first_commit_of_a_lake_makes_these_calls() {
    let (base, cut, store) = lake(true);
    Change::Create("_log/0.json", "commit")
        .make(&store)
        .unwrap();
    Change::Create("_log/1.json", "commit")
        .make(&store)
        .unwrap();
    expect![[r#"
        make folder deep
        sync folder .
        make folder deep/lake
        sync folder deep
        make folder deep/lake/_log
        sync folder deep/lake
        create deep/lake/_log/#
        write deep/lake/_log/# 0+6
        sync file deep/lake/_log/#
        link deep/lake/_log/# deep/lake/_log/0.json
        unlink deep/lake/_log/#
        sync folder deep/lake/_log
        create deep/lake/_log/#
        write deep/lake/_log/# 0+6
        sync file deep/lake/_log/#
        link deep/lake/_log/# deep/lake/_log/1.json
        unlink deep/lake/_log/#
        sync folder deep/lake/_log
    "#]]
    .assert_eq(&cut.transcript(&base.path().canonicalize().unwrap()));
}

/// A disk on which one kind of call fails once `broken` is set.
#[derive(Debug)]
struct Failing {
    disk: SystemDisk,
    broken: AtomicBool,
    call: &'static str,
    code: i32,
}

impl Failing {
    fn fail(&self, call: &str) -> io::Result<()> {
        if call == self.call && self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(self.code));
        }
        Ok(())
    }
}

impl DiskCalls for Failing {
    fn create(&self, path: &FsPath) -> io::Result<File> {
        self.fail("create")?;
        self.disk.create(path)
    }

    fn write(&self, file: &mut File, path: &FsPath, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.fail("write")?;
        self.disk.write(file, path, offset, bytes)
    }

    fn sync_file(&self, file: &File, path: &FsPath) -> io::Result<()> {
        self.fail("sync file")?;
        self.disk.sync_file(file, path)
    }

    fn sync_folder(&self, path: &FsPath) -> io::Result<()> {
        self.fail("sync folder")?;
        self.disk.sync_folder(path)
    }

    fn link(&self, from: &FsPath, to: &FsPath) -> io::Result<()> {
        self.fail("link")?;
        self.disk.link(from, to)
    }

    fn rename(&self, from: &FsPath, to: &FsPath) -> io::Result<()> {
        self.fail("rename")?;
        self.disk.rename(from, to)
    }

    fn unlink(&self, path: &FsPath) -> io::Result<()> {
        self.disk.unlink(path)
    }

    fn make_folder(&self, path: &FsPath) -> io::Result<()> {
        self.fail("make folder")?;
        self.disk.make_folder(path)
    }
}

fn failing(call: &'static str, code: i32) -> (TempDir, Arc<Failing>, DurableDisk) {
    let base = TempDir::new().unwrap();
    let calls = Arc::new(Failing {
        disk: SystemDisk { fsync: true },
        broken: AtomicBool::new(false),
        call,
        code,
    });
    let root = base.path().canonicalize().unwrap();
    let store = DurableDisk::with_calls(&root, Arc::clone(&calls) as _).unwrap();
    (base, calls, store)
}

#[test]
fn a_call_that_the_disk_refuses_says_what_to_do_and_leaves_nothing() {
    const ENOSPC: i32 = 28;
    const EROFS: i32 = 30;
    const EACCES: i32 = 13;
    const EDQUOT: i32 = 122;
    const EIO: i32 = 5;
    let mut answers = String::new();
    for (call, code) in [
        ("write", ENOSPC),
        ("sync file", ENOSPC),
        ("write", EDQUOT),
        ("create", EROFS),
        ("create", EACCES),
        ("make folder", ENOSPC),
        ("rename", EIO),
    ] {
        let (base, calls, store) = failing(call, code);
        calls.broken.store(true, Ordering::SeqCst);
        let error =
            crate::Error::from(Change::Put("t/object", "content").make(&store).unwrap_err());
        let message = error
            .to_string()
            .replace(base.path().to_str().unwrap(), "LAKE");
        answers += &format!("{call}: {:?}: {message}\n", error.kind());
        let left = store.root().join("t").read_dir().map_or(0, Iterator::count);
        assert_eq!(left, 0, "{call} left a file");
        calls.broken.store(false, Ordering::SeqCst);
        Change::Put("t/object", "content").make(&store).unwrap();
    }
    expect![[r#"
        write: Limit: Generic disk error: cannot write LAKE/t/object: No space left on device (os error 28); the disk is full: free some space
        sync file: Limit: Generic disk error: cannot sync LAKE/t/object: No space left on device (os error 28); the disk is full: free some space
        write: Limit: Generic disk error: cannot write LAKE/t/object: Disk quota exceeded (os error 122); the quota is used up: raise it or free some space
        create: Invalid: The operation lacked the necessary privileges to complete for path LAKE/t/object: cannot create LAKE/t/object: Read-only file system (os error 30); the disk is mounted read-only: remount it, or choose another lake
        create: Invalid: The operation lacked the necessary privileges to complete for path LAKE/t/object: cannot create LAKE/t/object: Permission denied (os error 13); give this user the right to it, or choose another lake
        make folder: Limit: Generic disk error: cannot create folder LAKE: No space left on device (os error 28); the disk is full: free some space
        rename: Unavailable: Generic disk error: cannot replace LAKE/t/object: Input/output error (os error 5)
    "#]].assert_eq(&answers);
}

#[test]
fn after_a_failed_sync_of_a_folder_nothing_is_promised_or_read() {
    let (_base, calls, store) = failing("sync folder", 5);
    Change::Create("_log/0.json", "zero").make(&store).unwrap();
    calls.broken.store(true, Ordering::SeqCst);
    Change::Create("_log/1.json", "one")
        .make(&store)
        .unwrap_err();
    calls.broken.store(false, Ordering::SeqCst);
    // The object is there, so reading it back would call the commit durable.
    assert!(store.root().join("_log/1.json").exists());
    block_on(store.get(&"_log/1.json".into())).unwrap_err();
    let error = Change::Create("_log/2.json", "two")
        .make(&store)
        .unwrap_err();
    assert!(error.to_string().contains("look at the disk"), "{error}");
    assert_eq!(crate::Error::from(error).kind(), ErrorKind::Unavailable);
}

#[test]
fn a_folder_that_vanishes_is_made_again() {
    let (base, _calls, store) = failing("", 0);
    Change::Put("t/a", "x").make(&store).unwrap();
    std::fs::remove_dir_all(base.path().join("t")).unwrap();
    Change::Put("t/a", "y").make(&store).unwrap();
    let read = block_on(async { store.get(&"t/a".into()).await?.bytes().await });
    assert_eq!(read.unwrap(), "y");
}

#[test]
fn an_upload_that_lacks_a_part_does_not_complete() {
    let (base, _calls, store) = failing("", 0);
    block_on(async {
        let mut upload = store.put_multipart(&"t/a".into()).await.unwrap();
        upload.put_part("one".into()).await.unwrap();
        drop(upload.put_part("never written".into()));
        upload.complete().await.unwrap_err();
        let mut dropped = store.put_multipart(&"t/b".into()).await.unwrap();
        dropped.put_part("one".into()).await.unwrap();
    });
    assert_eq!(base.path().join("t").read_dir().unwrap().count(), 0);
}

#[test]
fn temporaries_are_neither_listed_nor_named() {
    let (base, _calls, store) = failing("", 0);
    Change::Put("t/a", "x").make(&store).unwrap();
    std::fs::write(base.path().join("t/.part#0017"), "half").unwrap();
    std::fs::create_dir(base.path().join("t/folder#1")).unwrap();
    std::fs::write(base.path().join("t/folder#1/c"), "x").unwrap();
    let listed: Vec<_> = block_on(store.list(None).try_collect()).unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|object: &ObjectMeta| object.location.as_ref())
        .collect();
    assert_eq!(listed, ["t/a", "t/folder#1/c"]);
    let named = Path::parse("t/x#1").unwrap();
    block_on(store.put(&named, "x".into())).unwrap_err();
}
