use expect_test::{Expect, expect};

use super::*;
use crate::frames::reed_solomon;

/// Length of the packets in the streams here, in bytes.
const PACKET: usize = 100;

/// Marked frames of a link that carry packets of one length on one channel,
/// one behind the other.
fn stream(link: &Link, frames: u8) -> Vec<u8> {
    let overhead = header(link, 0, 0).len() + link.trailer();
    let zone = link.frame_length - overhead;
    let packets: Vec<u8> = (0..=u8::MAX).cycle().take(64).flat_map(packet).collect();
    (0..frames)
        .flat_map(|count| {
            let start = usize::from(count) * zone;
            let first = (PACKET - start % PACKET) % PACKET;
            let pointer = if first < zone { first } else { 0x7FF };
            let mut frame = header(link, count, u16::try_from(pointer).unwrap());
            frame.extend(packets.iter().cycle().skip(start).take(zone));
            frame.extend([0x01, 0, 0, count].iter().take(4 * usize::from(link.ocf)));
            if link.fecf {
                frame.extend(crc::checksum(&frame).to_be_bytes());
            }
            coded(link, frame)
        })
        .collect()
}

fn packet(number: u8) -> Vec<u8> {
    let length = u16::try_from(PACKET - 7).unwrap().to_be_bytes();
    let mut packet = vec![0x08, 5, 0xC0, number, length[0], length[1]];
    packet.extend((6..PACKET).map(|at| u8::try_from(at).unwrap() ^ number));
    packet
}

fn header(link: &Link, count: u8, pointer: u16) -> Vec<u8> {
    let [high, low] = pointer.to_be_bytes();
    if link.kind == FrameKind::Tm {
        return vec![0x1A, 0x32, count, count, 0x18 | high, low];
    }
    let fields = [0x67, 0x41, 0, 0, count, 0];
    let mut header = fields.to_vec();
    if link.header_control {
        header.extend(aos::header_control(fields).to_be_bytes());
    }
    header.extend((0..link.insert_zone).map(|at| u8::try_from(at * 37 % 251).unwrap()));
    header.extend([high, low]);
    header
}

fn coded(link: &Link, frame: Vec<u8>) -> Vec<u8> {
    let block = match link.code {
        Some(code) => reed_solomon::tests::block(code, &frame),
        None => frame,
    };
    let block = if link.randomized {
        derandomized(&block)
    } else {
        block
    };
    [0x1ACF_FC1D_u32.to_be_bytes().as_slice(), &block].concat()
}

fn link(text: &str) -> Link {
    Link::named(text).expect("a link's name").expect("a link")
}

const LINKS: [&str; 6] = [
    "aos(frame_length = 120, marker, randomized, fecf)",
    "aos(frame_length = 160, marker, insert_zone = 7, ocf, fecf, header_error_control)",
    "aos(frame_length = 892, marker, randomized, reed_solomon = 255/223, interleave = 4, insert_zone = 2, ocf)",
    "aos(frame_length = 320, marker, reed_solomon = 255/239, interleave = 2, basis = conventional, fecf)",
    "tm(frame_length = 240, marker, reed_solomon = 255/239, interleave = 3)",
    "tm(frame_length = 301, marker, randomized, fecf)",
];

#[test]
fn links_are_found_from_their_frames() {
    for text in LINKS {
        let link = link(text);
        let found = find_link(&stream(&link, 20)).expect(text);
        assert_eq!(found.link.to_string(), link.to_string());
        assert_eq!((found.frames, found.passed), (20, 20));
    }
}

/// Garbage in front, a frame in three beyond mending, and a stream that is not
/// aligned to bytes.
#[test]
fn damaged_streams_are_found_too() {
    for text in LINKS {
        let link = link(text);
        let mut damaged = stream(&link, 24);
        let length = damaged.len() / 24;
        for frame in damaged.chunks_mut(length).step_by(3) {
            let noise = (0..=u8::MAX).map(|n| n.wrapping_mul(n) ^ n.rotate_left(3));
            let places = frame[10..].iter_mut().zip(noise.cycle());
            places.for_each(|(byte, noise)| *byte ^= noise);
        }
        let noisy = [vec![0x3C; 77], damaged].concat();
        let shifted: Vec<u8> = noisy
            .windows(2)
            .map(|two| two[0] << 3 | two[1] >> 5)
            .collect();
        for stream in [noisy, shifted] {
            let found = find_link(&stream).expect(text);
            assert_eq!(found.link.to_string(), link.to_string());
            assert!(found.passed < found.frames);
        }
    }
}

#[test]
fn one_frame_is_enough_for_tm() {
    let link = link("tm(frame_length = 240, marker, reed_solomon = 255/223, interleave = 2)");
    let found = find_link(&stream(&link, 1)).expect("a link");
    assert_eq!(found.link, link);
}

fn refused(head: &[u8], expected: &Expect) {
    expected.assert_eq(find_link(head).expect_err("no link").message());
}

#[test]
fn what_nothing_proves_is_refused() {
    refused(
        &[],
        &expect![
            "no two attached sync markers (1ACFFC1D) follow each other in the first 0 bytes; name the link with --format, by a preset (jpss) or its parameters (aos(frame_length = 892, marker, randomized, reed_solomon = 255/223, interleave = 4))"
        ],
    );
    refused(
        &[0x1A, 0xCF, 0xFC, 0x1D],
        &expect![
            "no two attached sync markers (1ACFFC1D) follow each other in the first 4 bytes; name the link with --format, by a preset (jpss) or its parameters (aos(frame_length = 892, marker, randomized, reed_solomon = 255/223, interleave = 4))"
        ],
    );
    let unchecked = link("aos(frame_length = 120, marker)");
    refused(
        &stream(&unchecked, 20),
        &expect![
            "markers stand 124 bytes apart, but of 20 frames too few pass a check; tried, randomised and not: reed-solomon (255,223) and (255,239), interleaved 1 to 8 deep, in the dual and the conventional basis, and frame error control (crc-16); name the link with --format, by a preset (jpss) or its parameters (aos(frame_length = 892, marker, randomized, reed_solomon = 255/223, interleave = 4))"
        ],
    );
    // Frames of zeros are codewords of every code.
    let zeros = Link {
        fecf: false,
        ..link("tm(frame_length = 200, marker)")
    };
    refused(
        &[coded(&zeros, vec![0; 200]), coded(&zeros, vec![0; 200])].concat(),
        &expect![
            "markers stand 204 bytes apart, but of 2 frames too few pass a check; tried, randomised and not: reed-solomon (255,223) and (255,239), interleaved 1 to 8 deep, in the dual and the conventional basis, and frame error control (crc-16); name the link with --format, by a preset (jpss) or its parameters (aos(frame_length = 892, marker, randomized, reed_solomon = 255/223, interleave = 4))"
        ],
    );
    // Every frame holds whole packets: nothing tells where the zone ends.
    let whole = link("aos(frame_length = 110, marker, fecf)");
    refused(
        &stream(&whole, 20),
        &expect![
            "aos frames of 110 bytes pass their checks, but no packet that goes on in the next frame tells the length of the insert zone (tried 0 to 64) and whether there is an operational control field; name the link with --format, by a preset (jpss) or its parameters (aos(frame_length = 892, marker, randomized, reed_solomon = 255/223, interleave = 4))"
        ],
    );
}

/// A version of frames that is neither, under a check that holds.
#[test]
fn other_frames_are_refused() {
    let frames = (0..5_u8).flat_map(|count| {
        let mut frame = vec![0xC0, 1, count];
        frame.resize(60, count);
        frame.extend(crc::checksum(&frame).to_be_bytes());
        coded(&link("tm(frame_length = 62, marker)"), frame)
    });
    refused(
        &frames.collect::<Vec<_>>(),
        &expect![
            "the frames pass their checks, but have the transfer frame version numbers [3]: expected all 0 (tm) or all 1 (aos)"
        ],
    );
}

#[test]
fn markers_show_a_stream_of_frames() {
    let stream = stream(&link(LINKS[0]), 4);
    assert!(has_markers(&stream[..9]));
    assert!(has_markers(&[&[1, 2, 3], &stream[..]].concat()));
    let two = [&[1, 2, 3], &stream[..2 * 124]].concat();
    assert!(!has_markers(&two));
    assert!(!has_markers(b""));
    assert!(!has_markers(b"n,x\n1,2\n"));
}
