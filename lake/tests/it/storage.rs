//! One suite for every store that a lake may live on: what the log and the
//! tables take for granted of an object store.

use std::collections::BTreeSet;

use bytes::Bytes;
use downlake_lake::seam::Seams;
use downlake_lake::storage::count::Counting;
use downlake_lake::storage::probe::ensure_probed;
use downlake_lake::storage::simulate::{Faults, Turnstile};
use downlake_lake::storage::{Storage, StorageOptions};
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::sync::Arc;
use tempfile::TempDir;

use crate::stores;

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    let options = StorageOptions::default();
    conforms(&Storage::open("memory:///", &options).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_conforms() {
    let base = TempDir::new().unwrap();
    for (fsync, folder) in [(true, "lake"), (false, "odd name % ü=1/lake")] {
        let options = StorageOptions {
            fsync,
            ..StorageOptions::default()
        };
        let path = base.path().join(folder);
        conforms(&Storage::open(path.to_str().unwrap(), &options).unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrappers_conform() {
    let memory = || Storage::open("memory:///", &StorageOptions::default()).unwrap();
    conforms(&memory().wrapped(|objects| Arc::new(Counting::new(objects)))).await;
    let memory = memory();
    let turnstile = Turnstile::new(1, Faults::none());
    let actor = turnstile.actor("alone", Arc::clone(memory.objects()));
    turnstile.open();
    conforms(&memory.wrapped(|_| actor.store())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_conforms() {
    let Some(storage) = stores::s3("storage::s3_conforms") else {
        return;
    };
    ensure_probed(&storage, &Seams::system()).await.unwrap();
    conforms(&storage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_conforms() {
    let Some(storage) = stores::azure("storage::azure_conforms") else {
        return;
    };
    ensure_probed(&storage, &Seams::system()).await.unwrap();
    conforms(&storage).await;
}

/// The suite. Each part works in a folder of its own.
async fn conforms(storage: &Storage) {
    let store = storage.objects().as_ref();
    creates_once_in_sequence(store).await;
    creates_once_in_a_race(store).await;
    overwrites(store).await;
    reads_ranges(store).await;
    says_what_is_missing(store).await;
    lists_in_order(store).await;
    lists_one_level(store).await;
    deletes(store).await;
    copies_and_renames(store).await;
    uploads_in_parts(store).await;
    takes_odd_names(store).await;
}

async fn create(store: &dyn ObjectStore, path: &Path, content: &str) -> Result<(), Error> {
    let payload = PutPayload::from(content.to_owned());
    store
        .put_opts(path, payload, PutMode::Create.into())
        .await
        .map(drop)
}

async fn put(store: &dyn ObjectStore, path: &str, content: &str) {
    let payload = PutPayload::from(content.to_owned());
    store.put(&Path::from(path), payload).await.unwrap();
}

async fn read(store: &dyn ObjectStore, path: &Path) -> Bytes {
    store.get(path).await.unwrap().bytes().await.unwrap()
}

async fn list(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    let prefix = Path::from(prefix);
    let listed: Vec<_> = store.list(Some(&prefix)).try_collect().await.unwrap();
    listed
        .iter()
        .map(|object| object.location.to_string())
        .collect()
}

async fn creates_once_in_sequence(store: &dyn ObjectStore) {
    let path = Path::from("sequence/deep/object");
    create(store, &path, "first").await.unwrap();
    let second = create(store, &path, "second").await.unwrap_err();
    assert!(matches!(second, Error::AlreadyExists { .. }), "{second}");
    assert_eq!(read(store, &path).await, "first");
    store.delete(&path).await.unwrap();
    create(store, &path, "third").await.unwrap();
    assert_eq!(read(store, &path).await, "third");
}

async fn creates_once_in_a_race(store: &dyn ObjectStore) {
    for round in 0..10 {
        let path = Path::from(format!("race/{round}"));
        let names: Vec<String> = (0..8).map(|writer| format!("writer {writer}")).collect();
        let answers = join_all(names.iter().map(|name| create(store, &path, name))).await;
        let winners: Vec<_> = (0..8).filter(|&writer| answers[writer].is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {answers:?}");
        assert_eq!(read(store, &path).await, names[winners[0]]);
        for answer in answers.into_iter().filter_map(Result::err) {
            assert!(matches!(answer, Error::AlreadyExists { .. }), "{answer}");
        }
    }
}

async fn overwrites(store: &dyn ObjectStore) {
    let path = Path::from("overwrite/object");
    for content in ["a long first content", "short", ""] {
        let tag = store
            .put(&path, content.to_owned().into())
            .await
            .unwrap()
            .e_tag;
        assert_eq!(read(store, &path).await, content);
        let head = store.head(&path).await.unwrap();
        assert_eq!(head.size, content.len() as u64);
        assert_eq!(head.location, path);
        assert_eq!(
            head.e_tag, tag,
            "the tag of the put is the tag of the object"
        );
    }
}

async fn reads_ranges(store: &dyn ObjectStore) {
    let path = Path::from("ranges/object");
    put(store, "ranges/object", "0123456789").await;
    let got = |range: GetRange| {
        let options = GetOptions::new().with_range(Some(range));
        async { store.get_opts(&path, options).await?.bytes().await }
    };
    for (range, expected) in [
        (GetRange::Bounded(2..5), "234"),
        (GetRange::Bounded(8..100), "89"),
        (GetRange::Offset(7), "789"),
    ] {
        assert_eq!(got(range.clone()).await.unwrap(), expected, "{range:?}");
    }
    // Azure has no suffix ranges, so the lake uses none.
    assert!(got(GetRange::Bounded(20..30)).await.is_err());
    let ranges = store.get_ranges(&path, &[8..10, 0..1, 3..6]).await.unwrap();
    assert_eq!(ranges, ["89", "0", "345"]);
}

async fn says_what_is_missing(store: &dyn ObjectStore) {
    put(store, "missing/folder/object", "x").await;
    for name in ["missing/nothing", "missing/folder", "nowhere/at/all"] {
        let path = Path::from(name);
        let answers = [
            store.get(&path).await.map(drop).unwrap_err(),
            store.head(&path).await.map(drop).unwrap_err(),
            store
                .get_ranges(&path, std::slice::from_ref(&(0..1)))
                .await
                .map(drop)
                .unwrap_err(),
            store.copy(&path, &"missing/copy".into()).await.unwrap_err(),
        ];
        for answer in answers {
            assert!(
                matches!(answer, Error::NotFound { .. }),
                "{name}: {answer:?}"
            );
        }
    }
    assert_eq!(list(store, "missing/nothing").await, [""; 0]);
    // A listing below an object's own name does not hold the object.
    assert_eq!(list(store, "missing/folder/object").await, [""; 0]);
}

async fn lists_in_order(store: &dyn ObjectStore) {
    // `.` and `-` sort before `/`, `0` and letters after it.
    let mut names = vec![
        "list/a",
        "list/b/1",
        "list/b/2",
        "list/b.x",
        "list/b-x",
        "list/b0",
        "list/c/d/e",
        "list/B",
    ];
    for name in names.iter().rev() {
        put(store, name, name).await;
    }
    put(store, "list2/outside", "x").await;
    names.sort_unstable();
    assert_eq!(list(store, "list").await, names);
    assert_eq!(list(store, "list/b").await, ["list/b/1", "list/b/2"]);
    for offset in [
        "list/",
        "list/b",
        "list/b.x",
        "list/b/1",
        "list/b/1x",
        "list/zzz",
    ] {
        let offset = Path::parse(offset).unwrap();
        let prefix = Path::from("list");
        let listed: Vec<_> = store
            .list_with_offset(Some(&prefix), &offset)
            .try_collect()
            .await
            .unwrap();
        let listed: Vec<_> = listed
            .iter()
            .map(|object| object.location.as_ref())
            .collect();
        let expected: Vec<_> = names
            .iter()
            .filter(|name| **name > offset.as_ref())
            .copied()
            .collect();
        assert_eq!(listed, expected, "after {offset}");
    }
    let sizes: Vec<_> = store
        .list(Some(&"list".into()))
        .try_collect()
        .await
        .unwrap();
    for object in sizes {
        assert_eq!(object.size, object.location.as_ref().len() as u64);
    }
}

async fn lists_one_level(store: &dyn ObjectStore) {
    for name in [
        "level/x",
        "level/b/1",
        "level/b/c/2",
        "level/a/1",
        "level/gone/1",
    ] {
        put(store, name, "x").await;
    }
    store.delete(&"level/gone/1".into()).await.unwrap();
    let listed = store
        .list_with_delimiter(Some(&"level".into()))
        .await
        .unwrap();
    let objects: Vec<_> = listed
        .objects
        .iter()
        .map(|object| object.location.as_ref())
        .collect();
    let prefixes: Vec<_> = listed.common_prefixes.iter().map(AsRef::as_ref).collect();
    assert_eq!(objects, ["level/x"]);
    assert_eq!(
        prefixes,
        ["level/a", "level/b"],
        "a folder without objects does not exist"
    );
    let root = store.list_with_delimiter(None).await.unwrap();
    assert!(root.common_prefixes.contains(&Path::from("level")));
    let whole: BTreeSet<_> = store
        .list(None)
        .map_ok(|object| object.location)
        .try_collect()
        .await
        .unwrap();
    assert!(whole.contains(&Path::from("level/b/c/2")));
}

async fn deletes(store: &dyn ObjectStore) {
    let paths: Vec<Path> = (0..25)
        .map(|n| Path::from(format!("delete/{}/{n}", n % 3)))
        .collect();
    for path in &paths {
        store.put(path, "x".into()).await.unwrap();
    }
    let doomed = futures::stream::iter(paths[1..].to_vec()).map(Ok).boxed();
    let deleted: BTreeSet<Path> = store.delete_stream(doomed).try_collect().await.unwrap();
    assert_eq!(deleted, paths[1..].iter().cloned().collect());
    assert_eq!(list(store, "delete").await, ["delete/0/0"]);
    // Stores differ in whether deleting nothing is an error; nothing else is.
    match store.delete(&paths[1]).await {
        Ok(()) | Err(Error::NotFound { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn copies_and_renames(store: &dyn ObjectStore) {
    let [a, b, c] = ["copy/a", "copy/new/b", "copy/c"].map(Path::from);
    put(store, "copy/a", "from a").await;
    put(store, "copy/c", "from c").await;
    store.copy(&a, &b).await.unwrap();
    store.copy(&a, &c).await.unwrap();
    store.copy(&a, &c).await.unwrap();
    for path in [&a, &b, &c] {
        assert_eq!(read(store, path).await, "from a");
    }
    put(store, "copy/a", "changed").await;
    assert_eq!(read(store, &b).await, "from a", "a copy stands on its own");
    store.rename(&a, &b).await.unwrap();
    assert_eq!(read(store, &b).await, "changed");
    assert!(matches!(store.head(&a).await, Err(Error::NotFound { .. })));
    assert_eq!(list(store, "copy").await, ["copy/c", "copy/new/b"]);
}

async fn uploads_in_parts(store: &dyn ObjectStore) {
    const MIB: usize = 1 << 20;
    let path = Path::from("parts/object");
    let content: Vec<u8> = (0..12 * MIB)
        .map(|at| u8::try_from((at / 7 + at / MIB) % 251).unwrap())
        .collect();
    let content = Bytes::from(content);
    let mut upload = store.put_multipart(&path).await.unwrap();
    let parts = [0..5 * MIB, 5 * MIB..10 * MIB, 10 * MIB..12 * MIB];
    let parts: Vec<_> = parts
        .map(|range| upload.put_part(content.slice(range).into()))
        .into_iter()
        .collect();
    futures::future::try_join_all(parts).await.unwrap();
    assert_eq!(
        list(store, "parts").await,
        [""; 0],
        "nothing shows before the end"
    );
    upload.complete().await.unwrap();
    assert_eq!(read(store, &path).await, content);
    let middle = store.get_range(&path, 5_242_875..5_242_885).await.unwrap();
    assert_eq!(middle, content.slice(5_242_875..5_242_885));

    let mut aborted = store
        .put_multipart(&Path::from("parts/aborted"))
        .await
        .unwrap();
    aborted.put_part("x".into()).await.unwrap();
    aborted.abort().await.unwrap();
    assert_eq!(list(store, "parts").await, ["parts/object"]);
}

async fn takes_odd_names(store: &dyn ObjectStore) {
    let names = [
        "odd/date=2026-01-31/a b.parquet",
        "odd/k=100%25/x",
        "odd/plus+and&amp;=,;'()!$@:/x",
        "odd/Ünïcödé-日本-🚀/x",
        "odd/%2E%2E/x",
        "odd/.hidden/_x",
        "odd/a%23b/x",
    ];
    for name in names {
        let path = Path::parse(name).unwrap();
        create(store, &path, name).await.unwrap();
        assert_eq!(read(store, &path).await, name);
        assert_eq!(store.head(&path).await.unwrap().location, path, "{name}");
        let copy = Path::parse(format!("{name} copy")).unwrap();
        store.copy(&path, &copy).await.unwrap();
        assert_eq!(read(store, &copy).await, name);
        store.delete(&copy).await.unwrap();
    }
    let listed: BTreeSet<_> = list(store, "odd").await.into_iter().collect();
    assert_eq!(listed, names.map(str::to_owned).into());
    for name in names {
        let (folder, _) = name.rsplit_once('/').unwrap();
        let folder = Path::parse(folder).unwrap();
        let listed: Vec<_> = store.list(Some(&folder)).try_collect().await.unwrap();
        assert_eq!(listed.len(), 1, "{name}");
    }
}
