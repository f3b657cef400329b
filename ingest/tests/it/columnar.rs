//! Columnar formats on the Parquet suite and on real telemetry.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops, and says what it ran"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{Seek, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use downlake_ingest::decode::{
    DecodeOptions, Decoded, Format, InferOptions, Input, detect, format_by_name,
};
use downlake_lake::schema::{ColumnType, Definition, Origin};
use downlake_lake::{Error, ErrorKind, Result};
use expect_test::expect;
use parquet::arrow::ArrowWriter;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use crate::report::{Report, Verdict};

/// A folder of the test data, or nothing, loudly.
fn data(path: &str) -> Option<PathBuf> {
    match std::env::var("DOWNLAKE_TEST_DATA") {
        Ok(data) => Some(Path::new(&data).join(path)),
        Err(_) => {
            println!("NOT RUN: DOWNLAKE_TEST_DATA does not say where {path} is");
            None
        }
    }
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.to_string_lossy().contains(".parquet"))
        .filter(|path| !path.to_string_lossy().ends_with(".json"))
        .collect();
    files.sort();
    files
}

fn open(path: &Path) -> Input {
    Input::File(File::open(path).unwrap())
}

fn spooled(bytes: &[u8]) -> Input {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Input::File(file)
}

fn infer(format: &Format, input: Input) -> Result<Definition> {
    let inferred = (format.infer)(input, &InferOptions::default())?;
    let (columns, _) = inferred.columns()?;
    Ok(Definition::new("s", Origin::Inferred, columns))
}

/// Decodes to the end, handing out each batch.
fn decode(
    format: &Format,
    input: Input,
    definition: &Definition,
    mut each: impl FnMut(Decoded),
) -> Result<()> {
    let mut decoder = (format.open)(input, definition, &DecodeOptions::default())?;
    while let Some(decoded) = decoder.next()? {
        each(decoded);
    }
    Ok(())
}

/// What can be compared between two readings of a column.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Digest {
    values: u64,
    /// Sum of numbers, or of the lengths of texts and bytes.
    sum: f64,
}

impl Digest {
    fn add(&mut self, number: f64) {
        self.values += 1;
        if number.is_finite() {
            self.sum += number;
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Reading {
    rows: usize,
    columns: BTreeMap<String, Digest>,
}

fn our_reading(path: &Path) -> Result<(Reading, usize)> {
    let format = format_by_name("parquet")?;
    let definition = infer(format, open(path))?;
    let (mut reading, mut rejects) = (Reading::default(), 0);
    decode(format, open(path), &definition, |decoded| {
        reading.rows += decoded.batch.num_rows() + decoded.rejects.len();
        rejects += decoded.rejects.len();
        for (column, values) in definition.columns.iter().zip(decoded.batch.columns()) {
            if is_comparable(&column.kind) {
                let digest = reading.columns.entry(column.source.clone()).or_default();
                digest_array(digest, values);
            }
        }
    })?;
    Ok((reading, rejects))
}

fn is_comparable(kind: &ColumnType) -> bool {
    use ColumnType as C;
    !matches!(
        kind,
        C::Json
            | C::List(_)
            | C::Timestamp
            | C::TimestampNs
            | C::Duration
            | C::Decimal(..)
            | C::Date
    )
}

fn digest_array(digest: &mut Digest, values: &ArrayRef) {
    match values.data_type() {
        DataType::Utf8 => {
            let texts = values.as_string::<i32>().iter().flatten();
            texts.for_each(|text| digest.add(text.len() as f64));
        }
        DataType::Binary => {
            let bytes = values.as_binary::<i32>().iter().flatten();
            bytes.for_each(|bytes| digest.add(bytes.len() as f64));
        }
        _ => {
            let numbers = cast(values, &DataType::Float64).unwrap();
            let numbers = numbers.as_primitive::<Float64Type>().iter().flatten();
            numbers.for_each(|number| digest.add(number));
        }
    }
}

/// The same by the record interface of the Parquet crate, which shares no
/// code with its Arrow reader above the pages.
fn independent_reading(path: &Path) -> Option<Reading> {
    let read = || {
        let reader = SerializedFileReader::new(File::open(path).ok()?).ok()?;
        let mut reading = Reading::default();
        for row in reader.get_row_iter(None).ok()? {
            reading.rows += 1;
            for (name, field) in row.ok()?.get_column_iter() {
                digest_field(&mut reading.columns, name, field);
            }
        }
        Some(reading)
    };
    catch_unwind(AssertUnwindSafe(read)).ok().flatten()
}

fn digest_field(columns: &mut BTreeMap<String, Digest>, name: &str, field: &Field) {
    let number = match field {
        Field::Bool(value) => f64::from(u8::from(*value)),
        Field::Byte(value) => f64::from(*value),
        Field::Short(value) => f64::from(*value),
        Field::Int(value) => f64::from(*value),
        Field::Long(value) => *value as f64,
        Field::UByte(value) => f64::from(*value),
        Field::UShort(value) => f64::from(*value),
        Field::UInt(value) => f64::from(*value),
        Field::ULong(value) => *value as f64,
        Field::Float16(value) => f64::from(value.to_f32()),
        Field::Float(value) => f64::from(*value),
        Field::Double(value) => *value,
        Field::Str(text) => text.len() as f64,
        Field::Bytes(bytes) => bytes.len() as f64,
        Field::Group(row) => {
            for (inner, field) in row.get_column_iter() {
                digest_field(columns, &format!("{name}.{inner}"), field);
            }
            return;
        }
        _ => return,
    };
    columns.entry(name.to_owned()).or_default().add(number);
}

/// Nothing, or how the two readings differ.
fn difference(ours: &Reading, theirs: &Reading) -> Option<String> {
    if ours.rows != theirs.rows {
        return Some(format!("{} rows, expected {}", ours.rows, theirs.rows));
    }
    for (name, digest) in &ours.columns {
        let expected = theirs.columns.get(name).copied().unwrap_or_default();
        let near = (digest.sum - expected.sum).abs() <= 1e-9 * digest.sum.abs().max(1.0);
        if digest.values != expected.values || !near {
            return Some(format!("column {name}: {digest:?}, expected {expected:?}"));
        }
    }
    None
}

/// What must become of a good file: its rows as another reader has them, or a
/// refusal by the name of what is not supported.
fn good_verdict(path: &Path) -> Verdict {
    let (ours, rejects) = match our_reading(path) {
        Ok(reading) => reading,
        // What is called broken must be broken on purpose.
        Err(error) if error.kind() == ErrorKind::Corrupt && !is_broken_on_purpose(path) => {
            return Verdict::Failed(format!("{error}"));
        }
        Err(error) => return Verdict::Refused(format!("{:?}: {error}", error.kind())),
    };
    let differs = match independent_reading(path) {
        _ if rejects > 0 => Some(format!("{rejects} rejects")),
        _ if is_unreadable_elsewhere(path) => None,
        None => Some(String::from("no second reading")),
        Some(theirs) => difference(&ours, &theirs),
    };
    match differs {
        Some(difference) => Verdict::Failed(difference),
        None => Verdict::Passed(format!("{} rows", ours.rows)),
    }
}

fn is_broken_on_purpose(path: &Path) -> bool {
    path.to_string_lossy().contains("corrupt")
}

/// Files that the Parquet crate does not open without the footer mended; their
/// values are checked by [`mended_files_have_the_values_of_other_readers`].
fn is_unreadable_elsewhere(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.contains("dict-page-offset-zero") || name.contains("nation.dict-malformed")
}

fn bad_verdict(path: &Path) -> Verdict {
    match our_reading(path) {
        Err(error) => Verdict::Refused(format!("{:?}: {error}", error.kind())),
        Ok((ours, rejects)) => {
            Verdict::Failed(format!("read {} rows, {rejects} rejects", ours.rows))
        }
    }
}

fn parquet_report(folder: &str, verdict: fn(&Path) -> Verdict) -> Option<Report> {
    let mut report = Report::default();
    for path in files_of(&data(folder)?) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        report.add(name, verdict(&path));
    }
    Some(report)
}

#[test]
fn good_files_are_read_or_refused_by_name() {
    if let Some(report) = parquet_report("suites/parquet/data", good_verdict) {
        expect![[r#"
            parquet data: 60 passed, 11 refused, 0 failed
            alltypes_dictionary.parquet passed: 2 rows
            alltypes_plain.parquet passed: 8 rows
            alltypes_plain.snappy.parquet passed: 2 rows
            alltypes_tiny_pages.parquet passed: 7300 rows
            binary.parquet passed: 12 rows
            binary_truncated_min_max.parquet passed: 12 rows
            byte_array_decimal.parquet passed: 24 rows
            byte_stream_split.zstd.parquet passed: 300 rows
            byte_stream_split_extended.gzip.parquet passed: 200 rows
            column_chunk_key_value_metadata.parquet passed: 0 rows
            concatenated_gzip_members.parquet passed: 513 rows
            data_index_bloom_encoding_stats.parquet passed: 14 rows
            data_index_bloom_encoding_with_length.parquet passed: 14 rows
            datapage_v1-corrupt-checksum.parquet refused: Corrupt: input: Parquet argument error: Parquet error: Page CRC checksum mismatch
            datapage_v1-snappy-compressed-checksum.parquet passed: 5120 rows
            datapage_v1-uncompressed-checksum.parquet passed: 5120 rows
            datapage_v2.snappy.parquet passed: 5 rows
            datapage_v2_empty_datapage.snappy.parquet passed: 1 rows
            delta_binary_packed.parquet passed: 200 rows
            delta_byte_array.parquet passed: 1000 rows
            delta_encoding_optional_column.parquet passed: 100 rows
            delta_encoding_required_column.parquet passed: 100 rows
            delta_length_byte_array.parquet passed: 1000 rows
            dict-page-offset-zero.parquet passed: 39 rows
            encrypt_columns_and_footer.parquet.encrypted refused: Invalid: input is encrypted, which is not supported; decrypt it first
            encrypt_columns_and_footer_aad.parquet.encrypted refused: Invalid: input is encrypted, which is not supported; decrypt it first
            encrypt_columns_and_footer_bloom_filter.parquet.encrypted refused: Invalid: input is encrypted, which is not supported; decrypt it first
            encrypt_columns_and_footer_ctr.parquet.encrypted refused: Invalid: input is encrypted, which is not supported; decrypt it first
            encrypt_columns_and_footer_disable_aad_storage.parquet.encrypted refused: Invalid: input is encrypted, which is not supported; decrypt it first
            encrypt_columns_plaintext_footer.parquet.encrypted refused: Invalid: input is encrypted, which is not supported; decrypt it first
            external_key_material_java.parquet.encrypted refused: Invalid: input is encrypted, which is not supported; decrypt it first
            fixed_length_byte_array.parquet passed: 1000 rows
            fixed_length_decimal.parquet passed: 24 rows
            fixed_length_decimal_legacy.parquet passed: 24 rows
            float16_nonzeros_and_nans.parquet passed: 8 rows
            float16_zeros_and_nans.parquet passed: 3 rows
            floating_orders_nan_count.parquet passed: 50 rows
            hadoop_lz4_compressed.parquet passed: 4 rows
            hadoop_lz4_compressed_larger.parquet passed: 10000 rows
            incorrect_map_schema.parquet passed: 1 rows
            int32_decimal.parquet passed: 24 rows
            int32_with_null_pages.parquet passed: 1000 rows
            int64_decimal.parquet passed: 24 rows
            int96_from_spark.parquet passed: 6 rows
            large_string_map.brotli.parquet refused: Limit: input: the page of column "arr.key_value.key" at byte 4 has 1073741828 bytes once decompressed, above the limit of 268435456; write the file with smaller pages
            list_columns.parquet passed: 3 rows
            lz4_raw_compressed.parquet passed: 4 rows
            lz4_raw_compressed_larger.parquet passed: 10000 rows
            map_no_value.parquet passed: 3 rows
            nan_in_stats.parquet passed: 2 rows
            nation.dict-malformed.parquet passed: 25 rows
            nested_lists.snappy.parquet passed: 3 rows
            nested_maps.snappy.parquet passed: 6 rows
            nested_structs.rust.parquet passed: 1 rows
            non_hadoop_lz4_compressed.parquet passed: 4 rows
            nonnullable.impala.parquet passed: 1 rows
            null_list.parquet passed: 1 rows
            nullable.impala.parquet passed: 7 rows
            nulls.snappy.parquet passed: 8 rows
            old_list_structure.parquet passed: 1 rows
            page_v2_empty_compressed.parquet passed: 10 rows
            plain-dict-uncompressed-checksum.parquet passed: 1000 rows
            repeated_no_annotation.parquet passed: 6 rows
            repeated_primitive_no_list.parquet passed: 4 rows
            rle-dict-snappy-checksum.parquet passed: 1000 rows
            rle-dict-uncompressed-corrupt-checksum.parquet refused: Corrupt: input: Parquet argument error: Parquet error: Page CRC checksum mismatch
            rle_boolean_encoding.parquet passed: 68 rows
            single_nan.parquet passed: 1 rows
            sort_columns.parquet passed: 6 rows
            uniform_encryption.parquet.encrypted refused: Invalid: input is encrypted, which is not supported; decrypt it first
            unknown-logical-type.parquet passed: 3 rows
        "#]].assert_eq(&report.whole("parquet data"));
    }
}

#[test]
fn bad_files_are_refused() {
    if let Some(report) = parquet_report("suites/parquet/bad_data", bad_verdict) {
        expect![[r#"
            parquet bad_data: 0 passed, 8 refused, 0 failed
            ARROW-GH-41317.parquet refused: Corrupt: input: Parquet error: Expected list element type of I32 but got I16
            ARROW-GH-41321.parquet refused: Corrupt: input: Parquet argument error: Parquet error: Invalid or corrupted RLE bit width 254. Max allowed is 32
            ARROW-GH-43605.parquet refused: Corrupt: input: Parquet argument error: Parquet error: the page of column "min_fl" at byte 30 is broken: its dictionary indices have a width of 0 and are packed in a run longer than writers make; write the file again with another writer
            ARROW-GH-45185.parquet refused: Corrupt: input: Parquet argument error: Parquet error: first repetition level of batch must be 0
            ARROW-GH-47662.parquet refused: Corrupt: input: Parquet argument error: Parquet error: insufficient values read from column - expected: 100, got: 91
            ARROW-RS-GH-6229-DICTHEADER.parquet refused: Corrupt: input: Parquet error: column "region_key" ends behind the end of the file
            ARROW-RS-GH-6229-LEVELS.parquet refused: Corrupt: input: Parquet argument error: Parquet error: Insufficient repetition levels read from column
            PARQUET-1481.parquet refused: Corrupt: input: Parquet error: Unexpected Type -7
        "#]].assert_eq(&report.whole("parquet bad_data"));
    }
}

/// Sums and counts as DuckDB 2.0 has them.
#[test]
fn mended_files_have_the_values_of_other_readers() {
    let Some(folder) = data("suites/parquet/data") else {
        return;
    };
    let mut text = String::new();
    for name in ["dict-page-offset-zero", "nation.dict-malformed"] {
        let (reading, _) = our_reading(&folder.join(format!("{name}.parquet"))).unwrap();
        for (column, Digest { values, sum }) in reading.columns {
            writeln!(text, "{name} {column}: {values} values, sum {sum}").unwrap();
        }
    }
    expect![[r#"
        dict-page-offset-zero l_partkey: 39 values, sum 60528
        nation.dict-malformed comment_col: 25 values, sum 1857
        nation.dict-malformed name: 25 values, sum 177
        nation.dict-malformed nation_key: 25 values, sum 300
        nation.dict-malformed region_key: 25 values, sum 50
    "#]]
    .assert_eq(&text);
}

#[test]
fn launches_are_read_whole() {
    let Some(path) = data("launches/raw_30fps.parquet") else {
        return;
    };
    let (reading, rejects) = our_reading(&path).unwrap();
    assert_eq!((reading.rows, rejects), (2_031_246, 0));
    assert_eq!(
        difference(&reading, &independent_reading(&path).unwrap()),
        None
    );
}

#[test]
fn rover_channels_have_lists() {
    let Some(folder) = data("msl") else { return };
    for name in ["train.parquet", "test.parquet"] {
        let path = folder.join(name);
        let format = format_by_name("parquet").unwrap();
        let definition = infer(format, open(&path)).unwrap();
        let list = definition
            .columns
            .iter()
            .position(|c| matches!(c.kind, ColumnType::List(_)))
            .unwrap();
        let mut rows = 0;
        decode(format, open(&path), &definition, |decoded| {
            assert_eq!(decoded.rejects, vec![]);
            assert_eq!(decoded.batch.column(list).len(), decoded.batch.num_rows());
            rows += decoded.batch.num_rows();
        })
        .unwrap();
        assert_eq!(rows, independent_reading(&path).unwrap().rows);
    }
}

fn sample() -> RecordBatch {
    let numbers: Int64Array = (0..1000).collect();
    let texts: StringArray = (0..1000)
        .map(|i| (i % 7 > 0).then(|| format!("mode {}", i % 5)))
        .collect();
    let codes = cast(
        &texts,
        &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    )
    .unwrap();
    assert!(codes.as_dictionary::<Int32Type>().values().len() < 10);
    RecordBatch::try_from_iter([
        ("n", Arc::new(numbers) as ArrayRef),
        ("mode", Arc::new(texts) as ArrayRef),
        ("code", codes),
    ])
    .unwrap()
}

fn ipc_file(compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default()
        .try_with_compression(compression)
        .unwrap();
    let mut out = Vec::new();
    let mut writer =
        FileWriter::try_new_with_options(&mut out, &sample().schema(), options).unwrap();
    writer.write(&sample().slice(0, 600)).unwrap();
    writer.write(&sample().slice(600, 400)).unwrap();
    writer.finish().unwrap();
    drop(writer);
    out
}

fn ipc_stream() -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = StreamWriter::try_new(&mut out, &sample().schema()).unwrap();
    writer.write(&sample()).unwrap();
    writer.finish().unwrap();
    drop(writer);
    out
}

fn parquet_file() -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, sample().schema(), None).unwrap();
    writer.write(&sample()).unwrap();
    writer.close().unwrap();
    out
}

#[test]
fn every_container_gives_the_same_rows() {
    let containers = [
        ("a", parquet_file()),
        ("b", ipc_file(None)),
        ("c", ipc_file(Some(CompressionType::ZSTD))),
        ("d", ipc_file(Some(CompressionType::LZ4_FRAME))),
        ("e", ipc_stream()),
    ];
    for (name, bytes) in containers {
        let format = detect(name, &bytes).unwrap();
        let definition = infer(format, spooled(&bytes)).unwrap();
        let (mut rows, mut sum, mut codes, mut lines) = (0, 0, 0, 0);
        decode(format, spooled(&bytes), &definition, |decoded| {
            assert_eq!(decoded.batch.column(1), decoded.batch.column(2), "{name}");
            rows += decoded.batch.num_rows();
            codes += decoded.batch.column(2).len() - decoded.batch.column(2).null_count();
            let numbers = decoded
                .batch
                .column(0)
                .as_primitive::<arrow::datatypes::Int64Type>();
            sum += numbers.values().iter().sum::<i64>();
            lines = decoded
                .origins
                .record(decoded.batch.num_rows() - 1)
                .line
                .unwrap();
        })
        .unwrap();
        assert_eq!(
            (rows, sum, codes, lines),
            (1000, 499_500, 857, 1000),
            "{name}"
        );
    }
}

#[test]
fn containers_that_are_cut_off_are_errors() {
    for (name, bytes) in [
        ("p", parquet_file()),
        ("f", ipc_file(None)),
        ("s", ipc_stream()),
    ] {
        let format = detect(name, &bytes).unwrap();
        let definition = infer(format, spooled(&bytes)).unwrap();
        for end in [9, 30, bytes.len() / 2, bytes.len() - 20] {
            let cut = decode(format, spooled(&bytes[..end]), &definition, |_| {});
            let error: Error = cut.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name} {end}: {error}");
        }
    }
}
