use std::sync::Arc;

use object_store::memory::InMemory;

use super::*;
use crate::ErrorKind;
use crate::schema::{Column, ColumnType, Origin};

fn stream(origin: Origin, columns: &[(&str, ColumnType)]) -> Definition {
    let columns = columns
        .iter()
        .map(|(name, kind)| Column::new(*name, *name, kind.clone()));
    Definition::new("engine", origin, columns.collect())
}

#[tokio::test]
async fn numbers_rise_and_the_same_definition_is_stored_once() {
    let objects = InMemory::new();
    assert_eq!(load_latest(&objects, "engine").await.expect("a list"), None);
    let first = stream(Origin::Given, &[("pc", ColumnType::F64)]);
    let saved = save_next(&objects, "engine", &first).await.expect("saved");
    assert_eq!((saved.number, &saved.definition), (1, &first));
    let again = save_next(&objects, "engine", &first).await.expect("saved");
    assert_eq!(again.number, 1);

    let second = stream(
        Origin::Given,
        &[("pc", ColumnType::F64), ("thrust", ColumnType::F64)],
    );
    let saved = save_next(&objects, "engine", &second).await.expect("saved");
    assert_eq!(saved.number, 2);
    assert_eq!(load(&objects, "engine", 1).await.expect("kept"), first);
    let latest = load_latest(&objects, "engine").await.expect("a list");
    assert_eq!(latest, Some(saved));
}

#[tokio::test]
async fn what_contradicts_the_stored_rows_is_a_conflict() {
    let objects = InMemory::new();
    let first = stream(Origin::Given, &[("pc", ColumnType::F64)]);
    save_next(&objects, "engine", &first).await.expect("saved");
    let other = stream(Origin::Given, &[("pc", ColumnType::Text)]);
    let error = save_next(&objects, "engine", &other)
        .await
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let missing = load(&objects, "engine", 7).await.expect_err("absent");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn foreign_files_and_other_tables_are_not_definitions() {
    let objects = InMemory::new();
    for path in [
        "engine/_downlake/schema-1.toml",
        "engine/_downlake/schema-0000.toml",
        "engine/_downlake/schema-0009.toml.tmp",
        "engine/_downlake/notes.txt",
        "engine2/_downlake/schema-0005.toml",
    ] {
        objects
            .put(&Path::from(path), "x = ".into())
            .await
            .expect("put");
    }
    assert_eq!(load_latest(&objects, "engine").await.expect("a list"), None);
    let error = load_latest(&objects, "engine2").await.expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn numbers_have_more_than_four_digits_when_they_must() {
    let objects = InMemory::new();
    let definition = stream(Origin::Given, &[("pc", ColumnType::F64)]);
    for number in [9_999, 10_000] {
        let path = path_of("engine", number).expect("a path");
        assert!(create(&objects, &path, &definition).await.expect("created"));
    }
    let latest = load_latest(&objects, "engine").await.expect("a list");
    assert_eq!(latest.map(|l| l.number), Some(10_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_end_with_all_columns() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let writers = (0..8).map(|writer| {
        let objects = Arc::clone(&objects);
        tokio::spawn(async move {
            let own = format!("c{writer}");
            let columns = [("pc", ColumnType::I64), (own.as_str(), ColumnType::F64)];
            let definition = stream(Origin::Inferred, &columns);
            save_next(objects.as_ref(), "engine", &definition).await
        })
    });
    let mut numbers = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        let saved = writer.await.expect("no panic").expect("merged");
        numbers.push(saved.number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<u32>>());
    let latest = load_latest(objects.as_ref(), "engine")
        .await
        .expect("a list");
    assert_eq!(latest.map(|l| l.definition.columns.len()), Some(9));
}
