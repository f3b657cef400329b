use expect_test::expect;

use super::*;

/// Length of the blocks here, in bytes.
const BLOCK: usize = 20;

/// Frames are good whose block is one byte over and over; others are not.
fn is_good(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == block[0])
}

/// What a stream holds when it is fed in pieces: `@` and bits of good frames,
/// `!` of refused ones, and holes.
fn found(bytes: &[u8], piece: usize) -> String {
    let mut sync = Synchronizer::new(BLOCK, true);
    let mut lines = Vec::new();
    let mut next = 0;
    for piece in bytes.chunks(piece) {
        sync.feed(piece);
        take(&mut sync, &mut lines, &mut next);
        assert!(sync.buffer.len() < piece.len() + BLOCK + 16);
    }
    sync.end();
    take(&mut sync, &mut lines, &mut next);
    lines.extend(sync.rest().map(|hole| line_of(&hole, &mut next)));
    assert_eq!(next, 8 * bytes.len() as u64);
    lines.join("\n")
}

fn take(sync: &mut Synchronizer, lines: &mut Vec<String>, next: &mut u64) {
    let mut block = [0; BLOCK];
    while let Some(candidate) = sync.candidate() {
        sync.copy_block(&candidate, &mut block);
        let good = is_good(&block);
        if !good && !candidate.confirmed {
            sync.pass_over(Cause::FrameControl);
            continue;
        }
        let hole = sync.consume(&candidate);
        lines.extend(hole.map(|hole| line_of(&hole, next)));
        assert_eq!(*next, candidate.bits.start);
        *next = candidate.bits.end;
        let sign = if good { "@" } else { "!" };
        let Candidate {
            bits, wrong_bits, ..
        } = candidate;
        lines.push(format!("{sign} {bits:?} {:02x} {wrong_bits}", block[0]));
    }
}

fn line_of(hole: &Hole, next: &mut u64) -> String {
    assert_eq!(*next, hole.bits.start);
    *next = hole.bits.end;
    format!("hole {:?} {}", hole.bits, hole.cause.code())
}

/// The same for every way to cut the stream.
fn check(bytes: &[u8], expected: expect_test::Expect) {
    let whole = found(bytes, bytes.len().max(1));
    for piece in [1, 2, 3, 7, 23, 24, 25, 100] {
        assert_eq!(found(bytes, piece), whole, "in pieces of {piece}");
    }
    expected.assert_eq(&whole);
}

fn frame(fill: u8) -> Vec<u8> {
    marked(MARKER, &[fill; BLOCK])
}

fn marked(marker: u32, block: &[u8]) -> Vec<u8> {
    [marker.to_be_bytes().as_slice(), block].concat()
}

/// The bytes behind some zero bits.
fn shifted(bytes: &[u8], bits: u32) -> Vec<u8> {
    let mut carried = 0;
    let mut shifted: Vec<u8> = bytes
        .iter()
        .map(|&byte| {
            let pair = u16::from(byte) << (8 - bits);
            let [high, low] = pair.to_be_bytes();
            let place = carried | high;
            carried = low;
            place
        })
        .collect();
    shifted.push(carried);
    shifted
}

#[test]
fn frames_in_a_row() {
    check(
        &[frame(1), frame(2), frame(3)].concat(),
        expect![[r#"
        @ 0..192 01 0
        @ 192..384 02 0
        @ 384..576 03 0"#]],
    );
    check(&[], expect![""]);
}

#[test]
fn markers_with_three_wrong_bits_are_markers_and_with_four_are_not() {
    let three = marked(MARKER ^ 0x8000_0101, &[2; BLOCK]);
    let four = marked(MARKER ^ 0x8000_0111, &[3; BLOCK]);
    check(
        &[frame(1), three.clone(), four, frame(4), three].concat(),
        expect![[r#"
            @ 0..192 01 0
            @ 192..384 02 3
            hole 384..576 no-marker
            @ 576..768 04 0
            @ 768..960 02 3"#]],
    );
}

#[test]
fn garbage_is_a_hole() {
    let garbage = [0x55; 31].as_slice();
    check(
        &[garbage, &frame(1), garbage, &frame(2), &frame(3), garbage].concat(),
        expect![[r#"
            hole 0..248 no-marker
            @ 248..440 01 0
            hole 440..688 no-marker
            @ 688..880 02 0
            @ 880..1072 03 0
            hole 1072..1320 no-marker"#]],
    );
    check(garbage, expect!["hole 0..248 no-marker"]);
}

#[test]
fn frames_are_found_again_behind_a_bit_slip() {
    for bits in 1..8 {
        let slipped = shifted(&[frame(2), frame(3)].concat(), bits);
        let stream = [frame(1), slipped].concat();
        let (two, three, end) = (192 + u64::from(bits), 384 + u64::from(bits), 584);
        let lines = [
            "@ 0..192 01 0".to_owned(),
            format!("hole 192..{two} no-marker"),
            format!("@ {two}..{three} 02 0"),
            format!("@ {three}..{} 03 0", three + 192),
            format!("hole {}..{end} no-marker", three + 192),
        ];
        assert_eq!(found(&stream, 5), lines.join("\n"));
    }
}

#[test]
fn a_frame_that_lost_bytes_does_not_hide_the_next() {
    let mut short = frame(2);
    short[10] = 9;
    short.truncate(17);
    check(
        &[frame(1), short, frame(3), frame(4)].concat(),
        expect![[r#"
            @ 0..192 01 0
            hole 192..328 frame-error-control
            @ 328..520 03 0
            @ 520..712 04 0"#]],
    );
}

#[test]
fn a_damaged_frame_in_its_place_is_refused_alone() {
    let mut damaged = frame(2);
    damaged[10] = 9;
    check(
        &[frame(1), damaged.clone(), frame(3), damaged].concat(),
        expect![[r#"
            @ 0..192 01 0
            ! 192..384 02 0
            @ 384..576 03 0
            ! 576..768 02 0"#]],
    );
}

#[test]
fn a_marker_inside_data_is_not_followed() {
    let mut block = [7; BLOCK];
    block[5..9].copy_from_slice(&MARKER.to_be_bytes());
    let garbage = [&[0xAA; 9], MARKER.to_be_bytes().as_slice(), &[0xAA; 3]].concat();
    check(
        &[garbage, frame(1), marked(MARKER, &block), frame(3)].concat(),
        expect![[r#"
            hole 0..128 no-marker
            @ 128..320 01 0
            ! 320..512 07 0
            @ 512..704 03 0"#]],
    );
}

#[test]
fn an_input_that_ends_inside_a_frame() {
    let cut = [frame(1), frame(2)].concat();
    check(
        &cut[..40],
        expect![[r#"
        @ 0..192 01 0
        hole 192..320 frame-truncated"#]],
    );
    check(
        &cut[..26],
        expect![[r#"
        @ 0..192 01 0
        hole 192..208 no-marker"#]],
    );
}

/// Markers one after the other cost a few attempts per frame, not one each.
#[test]
fn an_input_full_of_markers_is_searched_once() {
    let bytes: Vec<u8> = [MARKER.to_be_bytes().as_slice(), &[0]]
        .concat()
        .repeat(1000);
    let mut sync = Synchronizer::new(BLOCK + 2, true);
    sync.feed(&bytes);
    sync.end();
    let mut attempts = 0;
    while sync.candidate().is_some() {
        attempts += 1;
        sync.pass_over(Cause::FrameControl);
    }
    assert_eq!(sync.rest().map(|hole| hole.bits), Some(0..40_000));
    let frames = bytes.len() / (BLOCK + 6);
    assert!(
        attempts <= frames * 5,
        "{attempts} attempts in {frames} frames"
    );
}

#[test]
fn unmarked_frames_are_cut_by_length() {
    let mut sync = Synchronizer::new(BLOCK, false);
    sync.feed(&[1; 2 * BLOCK + 3]);
    sync.end();
    let mut bits = Vec::new();
    while let Some(candidate) = sync.candidate() {
        assert!(sync.consume(&candidate).is_none());
        bits.push(candidate.bits);
    }
    assert_eq!(bits, [0..160, 160..320]);
    let rest = sync.rest().map(|hole| (hole.bits, hole.cause));
    assert_eq!(rest, Some((320..344, Cause::Truncated)));
}
