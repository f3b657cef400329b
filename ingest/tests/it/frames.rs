//! Transfer frames: real CADUs and frame streams, and streams broken at random.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops, and says what it ran"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use downlake_ingest::frames::{
    Counts, Event, FragmentCause, GapKind, Hole, Link, MARKER, Receiver, randomizer,
};
use downlake_ingest::packet::feed::{CHUNK_BYTES, Chunk, Feed, FrameGap};
use downlake_ingest::packet::frame_feed::FrameFeed;
use expect_test::expect;

use crate::md5::md5;

/// A file of the test data, or nothing, loudly.
fn data(path: &str) -> Option<Vec<u8>> {
    match std::env::var("DOWNLAKE_TEST_DATA") {
        Ok(data) => Some(fs::read(Path::new(&data).join(path)).unwrap()),
        Err(_) => {
            println!("NOT RUN: DOWNLAKE_TEST_DATA does not say where {path} is");
            None
        }
    }
}

/// What a stream held.
#[derive(Default)]
struct Received {
    /// Packets of each virtual channel, one after the other, and their number.
    packets: BTreeMap<u8, (u64, Vec<u8>)>,
    /// Offset of the first frame of each packet.
    offsets: Vec<u64>,
    replays: u64,
    /// Packets of APID 2047.
    idle_packets: u64,
    ocf: u64,
    /// Gaps, holes, and fragments other than of packets that began before.
    reports: String,
    counts: Counts,
}

impl Received {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Packet(packet) if packet.bytes[..2] == [0x07, 0xFF] => self.idle_packets += 1,
            Event::Packet(packet) => {
                let of_channel = self.packets.entry(packet.channel.virtual_channel);
                let (count, bytes) = of_channel.or_default();
                *count += 1;
                bytes.extend_from_slice(packet.bytes);
                self.offsets.push(packet.place.byte_offset);
                self.replays += u64::from(packet.replay);
            }
            Event::Frame(frame) => self.ocf += u64::from(frame.ocf.is_some()),
            Event::Hole(hole) => self.report(&line_of_hole(hole)),
            Event::Gap(gap) => self.report(&format!(
                "{:?} {} of vc {} at {}",
                gap.kind, gap.missing, gap.channel.virtual_channel, gap.place.byte_offset
            )),
            Event::Fragment(fragment) if fragment.cause == FragmentCause::Headless => {}
            Event::Fragment(fragment) => self.report(&format!(
                "{} of vc {} at {}, {} bytes",
                fragment.cause.code(),
                fragment.channel.virtual_channel,
                fragment.place.byte_offset,
                fragment.bytes.len()
            )),
        }
    }

    fn report(&mut self, line: &str) {
        writeln!(self.reports, "{line}").unwrap();
    }
}

fn line_of_hole(hole: &Hole) -> String {
    format!("{} at {:?}", hole.cause.code(), hole.bytes())
}

/// Receives a stream in pieces of one length.
fn receive(link: &Link, bytes: &[u8], piece: usize) -> Received {
    let mut received = Received::default();
    let mut receiver = Receiver::new(link).unwrap();
    for piece in bytes.chunks(piece) {
        receiver.push(piece, &mut |event| received.take(&event));
    }
    received.counts = receiver.finish(&mut |event| received.take(&event));
    received
}

/// One line for each virtual channel, then what was reported.
fn summary(received: &Received) -> String {
    let mut summary = String::new();
    for (channel, (count, bytes)) in &received.packets {
        let (length, md5) = (bytes.len(), md5(bytes));
        writeln!(
            summary,
            "vc {channel}: {count} packets, {length} bytes, {md5}"
        )
        .unwrap();
    }
    let Counts {
        frames,
        frames_idle,
        frames_refused,
        symbols_corrected,
        codewords_uncorrectable,
        ..
    } = received.counts;
    writeln!(
        summary,
        "{} idle packets, {frames} frames, {frames_idle} idle, {frames_refused} refused, {symbols_corrected} symbols \
         corrected, {codewords_uncorrectable} codewords uncorrectable",
        received.idle_packets
    )
    .unwrap();
    summary + &received.reports
}

fn snpp(file: &str) -> Option<Received> {
    let bytes = data(&format!("frames/snpp/{file}"))?;
    let link = Link::preset("jpss").unwrap();
    let received = receive(&link, &bytes, 1 << 16);
    assert_eq!(summary(&receive(&link, &bytes, 777)), summary(&received));
    Some(received)
}

#[test]
fn real_cadus_give_the_known_packets() {
    let Some(received) = snpp("snpp_synchronized_cadus.dat") else {
        return;
    };
    expect![[r#"
        vc 16: 12 packets, 53098 bytes, 5e11051d86c46ddc3500904c99bbe978
        0 idle packets, 65 frames, 0 idle, 0 refused, 0 symbols corrected, 0 codewords uncorrectable
        Lost 1 of vc 16 at 6144
        packet-frame-lost of vc 16 at 5120, 400 bytes
        packet-unfinished of vc 16 at 65536, 438 bytes
    "#]]
    .assert_eq(&summary(&received));
    let packets = data("frames/snpp/snpp_expected_packets.bin").unwrap();
    assert!(received.packets[&16].1 == packets);
    assert_eq!(received.replays, 12);
    expect!["[1024, 5120, 8192, 12288, 18432, 24576, 29696, 35840, 41984, 48128, 53248, 59392]"]
        .assert_eq(&format!("{:?}", received.offsets));
}

#[test]
fn sixteen_errors_in_every_codeword_change_nothing() {
    let Some(received) = snpp("snpp_16errors_per_codeword.dat") else {
        return;
    };
    expect![[r#"
        vc 16: 12 packets, 53098 bytes, 5e11051d86c46ddc3500904c99bbe978
        0 idle packets, 65 frames, 0 idle, 0 refused, 4160 symbols corrected, 0 codewords uncorrectable
        Lost 1 of vc 16 at 6144
        packet-frame-lost of vc 16 at 5120, 400 bytes
        packet-unfinished of vc 16 at 65536, 438 bytes
    "#]].assert_eq(&summary(&received));
}

#[test]
fn a_dropped_frame_refuses_its_packet_alone() {
    let Some(received) = snpp("snpp_dropped_frame20.dat") else {
        return;
    };
    expect![[r#"
        vc 16: 11 packets, 48040 bytes, 392a2f121cc65c4da8692a3233025fa1
        0 idle packets, 64 frames, 0 idle, 0 refused, 0 symbols corrected, 0 codewords uncorrectable
        Lost 1 of vc 16 at 6144
        packet-frame-lost of vc 16 at 5120, 400 bytes
        Lost 1 of vc 16 at 20480
        packet-frame-lost of vc 16 at 18432, 1382 bytes
        packet-unfinished of vc 16 at 64512, 438 bytes
    "#]]
    .assert_eq(&summary(&received));
}

#[test]
fn garbage_between_frames_is_reported_and_harms_nothing() {
    let Some(received) = snpp("snpp_garbage_between.dat") else {
        return;
    };
    expect![[r#"
        vc 16: 12 packets, 53098 bytes, 5e11051d86c46ddc3500904c99bbe978
        0 idle packets, 65 frames, 0 idle, 0 refused, 0 symbols corrected, 0 codewords uncorrectable
        no-marker at 0..137
        Lost 1 of vc 16 at 6281
        packet-frame-lost of vc 16 at 5257, 400 bytes
        no-marker at 11401..11478
        no-marker at 42198..42275
        packet-unfinished of vc 16 at 65827, 438 bytes
    "#]]
    .assert_eq(&summary(&received));
}

#[test]
fn an_uncorrectable_frame_is_refused() {
    let Some(received) = snpp("snpp_uncorrectable_frame30.dat") else {
        return;
    };
    expect![[r#"
        vc 16: 11 packets, 47976 bytes, b15a1e3de2880dc174c6eeee57f7f215
        0 idle packets, 64 frames, 0 idle, 1 refused, 0 symbols corrected, 4 codewords uncorrectable
        Lost 1 of vc 16 at 6144
        packet-frame-lost of vc 16 at 5120, 400 bytes
        frame-uncorrectable at 30720..31744
        Lost 1 of vc 16 at 31744
        packet-frame-lost of vc 16 at 29696, 138 bytes
        packet-unfinished of vc 16 at 65536, 438 bytes
    "#]]
    .assert_eq(&summary(&received));
}

/// The packets of virtual channel 1 carry random version numbers, as their
/// instrument sent them; each goes on in later frames, whose first header
/// pointers prove where it ends.
#[test]
fn tm_frames_give_the_known_packets() {
    let Some(bytes) = data("fixtures/tm_frames_1115.bin") else {
        return;
    };
    let link = Link::preset("tm-1115").unwrap();
    let received = receive(&link, &bytes, 1 << 16);
    assert_eq!(received.ocf, 116);
    expect![[r#"
        vc 0: 500 packets, 35500 bytes, 8b221b51a8ae67a9bf5750818a11728b
        vc 1: 20 packets, 80120 bytes, aa180bc4c26966a31290d715a3ff9aa9
        2 idle packets, 116 frames, 10 idle, 0 refused, 0 symbols corrected, 0 codewords uncorrectable
    "#]].assert_eq(&summary(&received));
    let cadus = data("fixtures/tm_cadu_1115_randomized.bin").unwrap();
    let link = Link::preset("tm-1115-cadu").unwrap();
    assert_eq!(receive(&link, &cadus, 999).packets, received.packets);
}

/// With each frame of virtual channel 1 missing once: what comes out went in.
#[test]
fn a_lost_frame_leaves_no_packet_of_another_version_unproven() {
    let Some(bytes) = data("fixtures/tm_frames_1115.bin") else {
        return;
    };
    let link = Link::preset("tm-1115").unwrap();
    let sent = receive(&link, &bytes, 1 << 16).packets[&1].1.clone();
    let sent: Vec<&[u8]> = sent.chunks(4006).collect();
    for lost in 0..116 {
        let mut stream = bytes.clone();
        stream.drain(lost * 1115..(lost + 1) * 1115);
        let received = receive(&link, &stream, 1 << 16);
        let (count, bytes) = &received.packets[&1];
        assert!(*count >= 18, "{count} packets without frame {lost}");
        assert!(bytes.chunks(4006).all(|packet| sent.contains(&packet)));
    }
}

#[test]
fn aos_frames_give_the_known_packets() {
    let Some(bytes) = data("fixtures/aos_frames_892.bin") else {
        return;
    };
    let link = Link {
        insert_zone: 4,
        fecf: true,
        spacecraft: Some(171),
        ..Link::aos(892)
    };
    expect![[r#"
        vc 3: 520 packets, 115620 bytes, d4bd8df2a3a24a57c4a1d9141ebc3085
        1 idle packets, 151 frames, 19 idle, 0 refused, 0 symbols corrected, 0 codewords uncorrectable
    "#]].assert_eq(&summary(&receive(&link, &bytes, 1 << 16)));
    let other = Link {
        spacecraft: Some(172),
        ..link
    };
    let refused = receive(&other, &bytes, 1 << 16);
    assert_eq!(
        (refused.counts.frames, refused.counts.frames_refused),
        (0, 151)
    );
}

#[test]
fn channels_that_were_not_asked_for_are_not_read() {
    let Some(bytes) = data("fixtures/tm_frames_1115.bin") else {
        return;
    };
    let link = Link {
        virtual_channels: Some(vec![0]),
        ..Link::preset("tm-1115").unwrap()
    };
    let received = receive(&link, &bytes, 1 << 16);
    assert_eq!(received.packets.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(received.counts.unread_bytes, 73 * 1103);
}

/// A bit lost inside a frame: that frame is a hole, and the next is found at
/// another bit of its byte.
#[test]
fn real_cadus_are_found_again_behind_a_bit_slip() {
    let Some(bytes) = data("frames/snpp/snpp_synchronized_cadus.dat") else {
        return;
    };
    let cut = 10 * 1024 + 500;
    let mut slipped = bytes[..cut].to_vec();
    slipped.extend(
        bytes[cut..]
            .windows(2)
            .map(|pair| pair[0] << 1 | pair[1] >> 7),
    );
    let link = Link::preset("jpss").unwrap();
    let received = receive(&link, &slipped, 4096);
    expect![[r#"
        vc 16: 10 packets, 43890 bytes, 7d9ce8376b5318fc861687d92d5ce3d6
        0 idle packets, 63 frames, 0 idle, 0 refused, 0 symbols corrected, 4 codewords uncorrectable
        Lost 1 of vc 16 at 6144
        packet-frame-lost of vc 16 at 5120, 400 bytes
        frame-uncorrectable at 10240..11264
        Lost 1 of vc 16 at 11263
        packet-frame-lost of vc 16 at 8192, 1730 bytes
        frame-truncated at 65535..66559
        packet-unfinished of vc 16 at 59391, 4672 bytes
    "#]]
    .assert_eq(&summary(&received));
}

/// A stream of TM frames of 40 bytes made here: valid checks, packets of all
/// lengths across three channels.
fn tm_stream(link: &Link, frames: u8) -> Vec<u8> {
    let zone = 40 - 6 - 2;
    let mut stream = Vec::new();
    for number in 0..frames {
        let channel = number % 3;
        let count = number / 3;
        let mut frame = vec![0x1A, 0x30 | channel << 1, number, count, 0x18, 0x00];
        for fill in 0..2 {
            frame.extend([0x08, channel, 0xC0, count, 0, 9]);
            frame.extend([fill; 10]);
        }
        assert_eq!(frame.len(), 6 + zone);
        frame.extend(crc16(&frame).to_be_bytes());
        if link.marker {
            stream.extend(MARKER.to_be_bytes());
        }
        if link.randomized {
            let sequence = randomizer::sequence(frame.len());
            frame.iter_mut().zip(sequence).for_each(|(b, s)| *b ^= s);
        }
        stream.extend(frame);
    }
    stream
}

/// Marked frames whose link can be found.
pub(crate) fn marked_stream(frames: u8) -> Vec<u8> {
    let link = Link {
        marker: true,
        randomized: true,
        fecf: true,
        ..Link::tm(40)
    };
    tm_stream(&link, frames)
}

/// CRC-16 bit by bit.
fn crc16(bytes: &[u8]) -> u16 {
    let bits = bytes
        .iter()
        .flat_map(|&byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    bits.fold(0xFFFF, |register: u16, bit| {
        let carry = u16::from(bit) ^ register >> 15;
        register << 1 ^ if carry == 1 { 0x1021 } else { 0 }
    })
}

/// Every byte of input is in a frame or a hole, every byte of a packet zone in
/// a packet, a fragment, idle or unread; packets have the length they say.
fn run_accounted(link: &Link, bytes: &[u8], piece: usize) -> Counts {
    let (mut next, mut zone_bytes, mut found_bytes) = (0, 0, 0);
    let mut sink = |event: Event<'_>| match event {
        Event::Frame(frame) => {
            assert_eq!(frame.bits.start, next);
            assert_eq!(frame.place.byte_offset, next / 8);
            next = frame.bits.end;
            zone_bytes += frame.zone.len() as u64;
        }
        Event::Hole(hole) => {
            assert_eq!(hole.bits.start, next);
            assert!(hole.bits.end > next);
            next = hole.bits.end;
        }
        Event::Packet(packet) => {
            let length = u16::from_be_bytes([packet.bytes[4], packet.bytes[5]]);
            assert_eq!(packet.bytes.len(), usize::from(length) + 7);
            found_bytes += packet.bytes.len() as u64;
        }
        Event::Fragment(fragment) => {
            assert!((1..70_000).contains(&fragment.bytes.len()));
            found_bytes += fragment.bytes.len() as u64;
        }
        Event::Gap(gap) => {
            assert!(gap.missing > 0);
            assert!(matches!(gap.kind, GapKind::Lost | GapKind::Reset));
        }
    };
    let mut receiver = Receiver::new(link).unwrap();
    for piece in bytes.chunks(piece.max(1)) {
        receiver.push(piece, &mut sink);
    }
    let counts = receiver.finish(&mut sink);
    assert_eq!(next, 8 * bytes.len() as u64);
    assert_eq!(
        counts.bytes_in * 8,
        counts.bits_in_frames + counts.bits_in_holes
    );
    assert_eq!(
        zone_bytes,
        found_bytes + counts.idle_bytes + counts.unread_bytes
    );
    assert_eq!(found_bytes, counts.packet_bytes + counts.fragment_bytes);
    counts
}

/// Links, each with a valid stream.
fn valid_streams() -> Vec<(Link, Vec<u8>)> {
    let plain = Link {
        fecf: true,
        ..Link::tm(40)
    };
    let marked = Link {
        marker: true,
        randomized: true,
        ..plain.clone()
    };
    let unchecked = Link {
        fecf: false,
        ..marked.clone()
    };
    let mut streams: Vec<_> = [plain, marked, unchecked]
        .into_iter()
        .map(|link| {
            let stream = tm_stream(&link, 120);
            (link, stream)
        })
        .collect();
    let cadus = data("frames/snpp/snpp_synchronized_cadus.dat");
    let few = cadus.map(|bytes| bytes[..12 * 1024].to_vec());
    streams.extend(few.map(|bytes| (Link::preset("jpss").unwrap(), bytes)));
    let aos = Link {
        insert_zone: 4,
        ..Link::aos(892)
    };
    let frames = data("fixtures/aos_frames_892.bin");
    streams.extend(frames.map(|bytes| (aos, bytes[40 * 892..60 * 892].to_vec())));
    streams
}

/// Streams broken in one to four places, under links that fit and links that
/// do not. `DOWNLAKE_BUDGET_SECONDS` and `DOWNLAKE_FUZZ_SEED` as in the fuzzing
/// of formats.
#[test]
fn budgeted_broken_frames() {
    let variable = |name: &str| std::env::var(name).ok();
    let seconds = variable("DOWNLAKE_BUDGET_SECONDS").and_then(|s| s.parse().ok());
    let seed = variable("DOWNLAKE_FUZZ_SEED").and_then(|s| s.parse().ok());
    let fresh = u64::from(std::process::id()).wrapping_mul(0x9e37_79b9);
    let budget = Duration::from_secs_f64(seconds.unwrap_or(1.0)) / 4;
    let streams = valid_streams();
    for seed in [1, 2, 3, seed.unwrap_or(fresh)] {
        println!("frames: seed {seed}");
        let mut random = crate::fuzz::Random(seed);
        let start = Instant::now();
        let mut executions = 0;
        while start.elapsed() < budget {
            let (_, stream) = &streams[random.below(streams.len())];
            let (link, _) = &streams[random.below(streams.len())];
            let bytes = crate::fuzz::broken(stream, &mut random);
            let piece = [1 << 20, 1 + random.below(5000)][random.below(2)];
            run_accounted(link, &bytes, piece);
            executions += 1;
        }
        println!("frames: seed {seed}: {executions} executions");
        assert!(executions > 0);
    }
}

/// A packet that comes out is one that went in, whatever was broken, where
/// frames carry a check.
#[test]
fn no_packet_comes_out_that_did_not_go_in() {
    for (link, stream) in valid_streams().into_iter().take(2) {
        let mut sent = Vec::new();
        let mut receiver = Receiver::new(&link).unwrap();
        let mut keep = |event: Event<'_>| {
            if let Event::Packet(packet) = event {
                sent.push(packet.bytes.to_vec());
            }
        };
        receiver.push(&stream, &mut keep);
        receiver.finish(&mut keep);
        assert_eq!(sent.len(), 240);
        let mut random = crate::fuzz::Random(7);
        for _ in 0..300 {
            let bytes = crate::fuzz::broken(&stream, &mut random);
            let mut receiver = Receiver::new(&link).unwrap();
            let mut check = |event: Event<'_>| {
                if let Event::Packet(packet) = event {
                    assert!(sent.iter().any(|bytes| bytes == packet.bytes));
                }
            };
            receiver.push(&bytes, &mut check);
            receiver.finish(&mut check);
        }
    }
}

/// Without a check of its own a frame is believed if a marker follows it.
#[test]
fn an_unchecked_frame_that_lost_bytes_is_not_believed() {
    let link = Link {
        marker: true,
        ..Link::tm(40)
    };
    let mut stream = tm_stream(&link, 6);
    stream.drain(2 * 44 + 20..2 * 44 + 23);
    let received = receive(&link, &stream, 64);
    assert_eq!(received.counts.frames, 5);
    assert!(received.reports.contains("frame-unconfirmed at 88..129"));
}

/// So many frames are lost that the counts of all channels go on as if none
/// were.
#[test]
fn a_hole_as_long_as_a_turn_of_the_count_is_reported() {
    let link = Link::preset("tm-1115-cadu").unwrap();
    let link = Link {
        frame_length: 40,
        ..link
    };
    let stream = tm_stream(&link, 4);
    for (frames, gaps) in [(255, 0), (256, 1)] {
        let lost = vec![0x55; frames * 44];
        let (before, behind) = stream.split_at(3 * 44);
        let received = receive(&link, &[before, &lost, behind].concat(), 4096);
        let found = received.reports.matches("Lost 256 of vc 0").count();
        assert_eq!(found, gaps, "{}", received.reports);
    }
}

/// A feed tells all that its receiver reports, in chunks that stay small.
#[test]
fn chunks_hold_what_the_receiver_reports() {
    let mut random = crate::fuzz::Random(11);
    for (link, stream) in valid_streams() {
        for _ in 0..20 {
            let bytes = crate::fuzz::broken(&stream.repeat(30), &mut random);
            check_chunks(&link, &bytes);
        }
    }
    let noise: Vec<u8> = (0..12 << 20).map(|_| random.byte()).collect();
    for (link, _) in valid_streams() {
        check_chunks(&link, &noise);
    }
}

fn check_chunks(link: &Link, bytes: &[u8]) {
    let mut events = Received::default();
    let (mut holes, mut fragments, mut gaps) = (0, 0, 0);
    let mut receiver = Receiver::new(link).unwrap();
    let mut sink = |event: Event<'_>| {
        holes += u64::from(matches!(event, Event::Hole(_)));
        fragments += u64::from(matches!(event, Event::Fragment(_)));
        gaps += u64::from(matches!(event, Event::Gap(_)));
    };
    receiver.push(bytes, &mut sink);
    events.counts = receiver.finish(&mut sink);
    let mut feed = FrameFeed::new(bytes, link).unwrap();
    let (mut chunk, mut index) = (Chunk::default(), 0);
    loop {
        chunk.clear();
        feed.fill(&mut chunk).unwrap();
        if chunk.is_empty() {
            break;
        }
        let heads: usize = chunk.holes.iter().map(|hole| hole.head.len()).sum();
        assert!(chunk.bytes.len() + heads < CHUNK_BYTES + (1 << 20));
        for entry in &chunk.packets {
            assert_eq!(entry.index, index);
            index += 1;
        }
        for hole in &chunk.holes {
            let is_fragment = hole.reason.starts_with("packet-");
            assert!(!hole.head.is_empty() && hole.head.len() as u64 <= hole.bytes);
            let at = usize::try_from(hole.offset).unwrap();
            assert!(is_fragment || bytes[at..].starts_with(&hole.head));
            holes -= u64::from(!is_fragment);
            fragments -= u64::from(is_fragment);
        }
        gaps -= chunk.frame_gaps.len() as u64;
    }
    assert_eq!(
        (index, holes, fragments, gaps),
        (events.counts.packets, 0, 0, 0)
    );
    assert_eq!(feed.counts(), &events.counts);
}

/// Losses and resets say which counts are missing, across the turn of a count.
#[test]
fn frame_gaps_name_the_missing_counts() {
    let link = Link {
        fecf: true,
        ..Link::tm(40)
    };
    let stream = tm_stream(&link, 120);
    let frame = |number: usize| &stream[number * 40..(number + 1) * 40];
    // Channel 0 has the frames 0, 3, 6, ... with the counts 0, 1, 2, ...
    let kept: Vec<u8> = [0, 3, 12, 15, 3, 6]
        .into_iter()
        .flat_map(frame)
        .copied()
        .collect();
    let mut feed = FrameFeed::new(kept.as_slice(), &link).unwrap();
    let mut chunk = Chunk::default();
    feed.fill(&mut chunk).unwrap();
    let gaps: Vec<String> = chunk
        .frame_gaps
        .iter()
        .map(|gap| {
            let FrameGap {
                from_count,
                to_count,
                missing,
                is_reset,
                offset,
                ..
            } = gap;
            format!("{from_count}..={to_count} missing {missing} reset {is_reset} at {offset}")
        })
        .collect();
    expect![[r#"
        2..=3 missing 2 reset false at 80
        6..=1 missing 0 reset true at 160"#]]
    .assert_eq(&gaps.join("\n"));
}

/// Valid streams come out whole under their own link.
#[test]
fn streams_made_here_are_whole() {
    for (link, stream) in valid_streams().into_iter().take(3) {
        let counts = run_accounted(&link, &stream, 64);
        assert_eq!((counts.frames, counts.bits_in_holes), (120, 0));
        let expected = if link.fecf { 240 } else { counts.packets };
        assert_eq!(counts.packets, expected);
    }
}
