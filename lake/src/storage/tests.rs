use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use expect_test::{Expect, expect};
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use tempfile::TempDir;

use super::count::Counting;
use super::format::{check_format, ensure_format};
use super::probe::{ensure_probed, probe};
use super::*;
use crate::ErrorKind;
use crate::seam::Seams;

fn memory() -> Storage {
    Storage::open("memory:///", &StorageOptions::default()).unwrap()
}

#[test]
fn urls_become_stores_or_a_reason() {
    let base = TempDir::new().unwrap();
    let base = base.path().canonicalize().unwrap();
    std::os::unix::fs::symlink(&base, base.join("link")).unwrap();
    std::fs::write(base.join("file"), "").unwrap();
    let cloud = [
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", "https://user:secret@gateway:9000/x"),
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5"),
        ("HOME", "/root"),
    ];
    let options = StorageOptions {
        cloud: cloud.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        ..StorageOptions::default()
    };
    let mut lines = String::new();
    for url in [
        "BASE/new/lake",
        "BASE/link/./gone/../lake",
        "file://BASE/with%20space",
        "BASE/odd #?%20",
        "BASE/file/lake",
        "",
        "memory://",
        "s3://bucket/some/prefix",
        "s3://key:secret@bucket/prefix",
        "az://container/prefix?sig=secret",
        "az://container",
        "abfss://container@account.dfs.core.windows.net/prefix",
        "https://account.blob.core.windows.net/container/prefix",
        "ftp://host/lake",
        "http://host/lake",
        "file://host/lake",
    ] {
        let opened = Storage::open(&url.replace("BASE", base.to_str().unwrap()), &options);
        let line = match opened {
            Ok(storage) => format!("{} | {}", storage.url(), storage.endpoint()),
            Err(error) => format!("{error:?}"),
        };
        lines += &format!(
            "{url}\n  {}\n",
            line.replace(base.to_str().unwrap(), "BASE")
        );
    }
    expect![[r#"
        BASE/new/lake
          file://BASE/new/lake/ | DurableDisk(BASE/new/lake)
        BASE/link/./gone/../lake
          file://BASE/lake/ | DurableDisk(BASE/lake)
        file://BASE/with%20space
          file://BASE/with%20space/ | DurableDisk(BASE/with space)
        BASE/odd #?%20
          file://BASE/odd%20%23%3F%2520/ | DurableDisk(BASE/odd #?%20)
        BASE/file/lake
          Invalid: cannot resolve lake path "BASE/file/lake": Not a directory (os error 20): Not a directory (os error 20)

          Invalid: the lake's path is empty; give a folder or a URL
        memory://
          memory:// | InMemory
        s3://bucket/some/prefix
          s3://bucket/some/prefix | AmazonS3(bucket) at https://gateway:9000
        s3://key:secret@bucket/prefix
          Invalid: lake URL "s3://bucket/prefix" came with a user, password, query or fragment; leave it out and give credentials as cloud options
        az://container/prefix?sig=secret
          Invalid: lake URL "az://container/prefix" came with a user, password, query or fragment; leave it out and give credentials as cloud options
        az://container
          az://container | MicrosoftAzure { account: account, container: container } at https://gateway:9000
        abfss://container@account.dfs.core.windows.net/prefix
          abfss://container@account.dfs.core.windows.net/prefix | MicrosoftAzure { account: account, container: container } at https://gateway:9000
        https://account.blob.core.windows.net/container/prefix
          https://account.blob.core.windows.net/container/prefix | MicrosoftAzure { account: account, container: container } at https://gateway:9000
        ftp://host/lake
          Invalid: lake URL "ftp://host/lake" is of no kind that is known; give a path, memory://, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix
        http://host/lake
          Invalid: lake URL "http://host/lake" is of no kind that is known; give a path, memory://, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix
        file://host/lake
          Invalid: lake URL "file://host/lake" names no path on this machine; write file:///folder
    "#]].assert_eq(&lines);
}

#[test]
fn a_relative_path_is_a_lake_below_the_current_folder() {
    let storage = Storage::open("./some/lake", &StorageOptions::default()).unwrap();
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    assert_eq!(storage.local_root().unwrap(), here.join("some/lake"));
    assert!(storage.is_durable());
    assert!(!here.join("some").exists(), "opening writes nothing");
}

#[test]
fn memory_and_unsynced_disks_are_not_durable() {
    let options = StorageOptions {
        fsync: false,
        ..StorageOptions::default()
    };
    assert!(!Storage::open("some/lake", &options).unwrap().is_durable());
    assert!(!memory().is_durable());
}

#[tokio::test]
async fn a_lake_is_marked_once() {
    let (storage, seams) = (memory(), Seams::system());
    assert_eq!(check_format(&storage).await.unwrap(), None);
    let racing = (0..4).map(|_| ensure_format(&storage, &seams));
    let marks: Vec<_> = futures::future::try_join_all(racing).await.unwrap();
    assert!(marks.iter().all(|mark| *mark == marks[0]));
    assert_eq!(
        check_format(&storage).await.unwrap().as_ref(),
        Some(&marks[0])
    );
}

async fn check_mark(content: &'static str, expected: Expect) {
    let storage = memory();
    let mark = Path::from("_downlake/lake.json");
    storage.objects().put(&mark, content.into()).await.unwrap();
    let seams = Seams::system();
    let read = check_format(&storage).await.unwrap_err();
    let written = ensure_format(&storage, &seams).await.unwrap_err();
    assert_eq!(format!("{read:?}"), format!("{written:?}"));
    expected.assert_eq(&format!("{:?}: {read}", read.kind()));
}

#[tokio::test]
async fn strange_marks_are_refused_by_name() {
    check_mark(
        r#"{"format":2,"whatever":[]}"#,
        expect!["Invalid: lake has format 2, this downlake reads format 1; use a newer downlake"],
    )
    .await;
    check_mark("", expect!["Corrupt: _downlake/lake.json at memory:/// is not the mark of a lake: EOF while parsing a value at line 1 column 0; restore the file or choose another lake"]).await;
    check_mark(r#"{"format":1,"id":"x"}"#, expect!["Corrupt: _downlake/lake.json at memory:/// is not the mark of a lake: missing field `created_at` at line 1 column 21; restore the file or choose another lake"]).await;
}

#[tokio::test]
async fn a_fit_store_is_probed_once_per_endpoint() {
    let counting = Arc::new(Counting::new(Arc::new(InMemory::new())));
    let storage = Storage::new(
        Url::parse("memory:///").unwrap(),
        Arc::clone(&counting) as _,
    );
    let seams = Seams::system();
    let first = ensure_probed(&storage, &seams).await.unwrap();
    assert!(first.is_fit());
    let asked = counting.counts();
    assert_eq!(ensure_probed(&storage, &seams).await.unwrap(), first);
    let again = counting.counts();
    assert_eq!(
        (again.put, again.get.calls),
        (asked.put, asked.get.calls + 1)
    );
    let left: Vec<_> = futures::TryStreamExt::try_collect(storage.objects().list(None))
        .await
        .unwrap();
    let left: Vec<String> = left
        .iter()
        .map(|o: &ObjectMeta| o.location.to_string())
        .collect();
    assert_eq!(left, ["_downlake/store.json"], "the probe cleans up");
    let elsewhere = Storage {
        endpoint: "another gateway".into(),
        ..storage
    };
    assert_ne!(ensure_probed(&elsewhere, &seams).await.unwrap(), first);
}

#[tokio::test]
async fn a_store_that_decides_by_check_then_write_fails_the_race() {
    for (create, faults) in [
        (
            Creates::CheckThenPut,
            expect![[r#"
            in race 0, 8 of 8 writers created the same object
            in race 1, 8 of 8 writers created the same object
            in race 2, 8 of 8 writers created the same object
            in race 3, 8 of 8 writers created the same object
            in race 4, 8 of 8 writers created the same object
            in race 5, 8 of 8 writers created the same object
        "#]],
        ),
        (
            Creates::Always,
            expect![[r#"
            creating an object that exists succeeded
            an object does not hold what was written first
            in race 0, 8 of 8 writers created the same object
            in race 1, 8 of 8 writers created the same object
            in race 2, 8 of 8 writers created the same object
            in race 3, 8 of 8 writers created the same object
            in race 4, 8 of 8 writers created the same object
            in race 5, 8 of 8 writers created the same object
        "#]],
        ),
        (
            Creates::Refused,
            expect![[r#"
            creating an object that exists was answered with "Operation conditional put not yet implemented by Unfit(Refused)."
            in race 0, 8 of 8 writers created the same object
            in race 1, 8 of 8 writers created the same object
            in race 2, 8 of 8 writers created the same object
            in race 3, 8 of 8 writers created the same object
            in race 4, 8 of 8 writers created the same object
            in race 5, 8 of 8 writers created the same object
        "#]],
        ),
    ] {
        let unfit = Arc::new(Unfit {
            inner: InMemory::new(),
            create,
        });
        let storage = Storage::new(Url::parse("s3://bucket/lake").unwrap(), unfit);
        let seams = Seams::system();
        let report = probe(storage.objects(), &seams).await.unwrap();
        let seen: Vec<_> = report
            .faults
            .iter()
            .map(|fault| format!("{fault}\n"))
            .collect();
        faults.assert_eq(&seen.concat());
        let error = ensure_probed(&storage, &seams).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("s3://bucket/lake"), "{error}");
        let kept = storage
            .read_small(&"_downlake/store.json".into())
            .await
            .unwrap();
        assert_eq!(kept, None, "a refusal is not kept");
    }
}

/// How an unfit store creates.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Creates {
    CheckThenPut,
    Always,
    Refused,
}

/// A store whose creates are not atomic.
#[derive(Debug)]
struct Unfit {
    inner: InMemory,
    create: Creates,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unfit({:?})", self.create)
    }
}

#[async_trait]
impl ObjectStore for Unfit {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        if opts.mode == PutMode::Create {
            let exists = self.inner.head(location).await.is_ok();
            tokio::time::sleep(Duration::from_millis(2)).await;
            match self.create {
                Creates::CheckThenPut if exists => {
                    return Err(object_store::Error::AlreadyExists {
                        path: location.to_string(),
                        source: "412".into(),
                    });
                }
                Creates::Refused if exists => {
                    return Err(object_store::Error::NotImplemented {
                        operation: "conditional put".into(),
                        implementer: self.to_string(),
                    });
                }
                _ => {}
            }
        }
        self.inner.put(location, payload).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn calls_and_bytes_are_counted() {
    let counting = Counting::new(Arc::new(InMemory::new()));
    let (a, b) = (Path::from("a"), Path::from("b"));
    counting.put(&a, "hello".into()).await.unwrap();
    counting
        .put_opts(&a, "x".into(), PutMode::Create.into())
        .await
        .unwrap_err();
    counting.get(&a).await.unwrap();
    counting.get_ranges(&a, &[0..2, 3..4]).await.unwrap();
    counting.head(&a).await.unwrap();
    counting.copy(&a, &b).await.unwrap();
    counting.list_with_delimiter(None).await.unwrap();
    drop(counting.list(None));
    let mut upload = counting.put_multipart(&b).await.unwrap();
    upload.put_part("12345678".into()).await.unwrap();
    upload.complete().await.unwrap();
    counting.delete(&b).await.unwrap();
    let text = format!("{:?}", counting.counts()).replace("}, ", "},\n");
    expect![[r#"
        Counts { put: Tally { calls: 2, bytes: 5 },
        put_part: Tally { calls: 1, bytes: 8 },
        complete: Tally { calls: 1, bytes: 0 },
        get: Tally { calls: 2, bytes: 8 },
        head: Tally { calls: 1, bytes: 0 },
        delete: Tally { calls: 1, bytes: 0 },
        list: Tally { calls: 2, bytes: 0 },
        copy: Tally { calls: 1, bytes: 0 } }"#]]
    .assert_eq(&text);
}
