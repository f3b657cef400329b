use downlake_lake::ErrorKind;

use super::*;

/// Places by the offset in the spooled file, of records that stood elsewhere.
#[test]
fn places_are_those_of_the_source() {
    let mut file = tempfile::tempfile().unwrap();
    let mut writing = Writing {
        out: BufWriter::new(&mut file),
        index: BufWriter::new(tempfile::tempfile().unwrap()),
        offset: 0,
        records: 0,
        is_json: false,
    };
    writing.line(b"a,b").unwrap();
    let raws = ["1,x", "2,\"y\nz\"", "3,"];
    for (at, raw) in (0..).zip(raws) {
        let record = RefusedRecord {
            byte_offset: Some(1_000 + at),
            line: (at != 1).then_some(100 + at),
            packet_index: None,
            raw: raw.as_bytes(),
        };
        writing.record(&record).unwrap();
    }
    let (index, records) = writing.end().unwrap();
    let spool = Spool {
        source: "a.csv".to_owned(),
        records,
        index: Some(index),
    };
    let place = |offset: Option<u64>| {
        let record = RawRecord {
            byte_offset: offset,
            line: Some(7),
            ..RawRecord::default()
        };
        let placed = spool.placed(record).unwrap();
        (placed.byte_offset, placed.line)
    };
    assert_eq!(place(Some(4)), (Some(1_000), Some(100)));
    assert_eq!(place(Some(8)), (Some(1_001), None));
    assert_eq!(place(Some(16)), (Some(1_002), Some(102)));
    assert_eq!(place(Some(0)), (None, None), "in front of the first");
    assert_eq!(place(None), (None, None));

    assert!(spool.check_records(3).is_ok());
    for read in [2, 4] {
        let error = spool.check_records(read).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}
