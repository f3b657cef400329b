use expect_test::expect;

use super::*;

/// A frame of 40 bytes that begins so.
fn read(link: &Link, beginning: &[u8]) -> String {
    let mut frame = [0; 40];
    frame[..beginning.len()].copy_from_slice(beginning);
    match parse(link, &frame) {
        Err(cause) => format!("{}: {cause}", cause.code()),
        Ok(parsed) => format!(
            "{:?}\nsecondary {:?}, zone {:?}, ocf {:?}, {:?}",
            parsed.header, parsed.secondary_header, parsed.zone, parsed.ocf, parsed.content
        ),
    }
}

#[test]
fn a_frame_with_control_fields() {
    let link = Link {
        fecf: true,
        ..Link::tm(40)
    };
    expect![[r#"
        Tm(Header { channel: ChannelId { spacecraft: 419, virtual_channel: 1 }, ocf: true, master_count: 4, channel_count: 1, secondary_header: false, unstructured: false, packet_order: false, segment_length_id: 3, first_header_pointer: 2047 })
        secondary 6..6, zone 6..34, ocf Some(34), Packets(None)"#]]
    .assert_eq(&read(&link, &[0x1A, 0x33, 0x04, 0x01, 0x1F, 0xFF]));
}

#[test]
fn a_frame_with_a_secondary_header() {
    expect![[r#"
        Tm(Header { channel: ChannelId { spacecraft: 1, virtual_channel: 7 }, ocf: false, master_count: 255, channel_count: 254, secondary_header: true, unstructured: false, packet_order: false, segment_length_id: 3, first_header_pointer: 3 })
        secondary 7..10, zone 10..40, ocf None, Packets(Some(3))"#]]
    .assert_eq(&read(
        &Link::tm(40),
        &[0x00, 0x1E, 0xFF, 0xFE, 0x98, 0x03, 0x03],
    ));
}

#[test]
fn what_is_no_packet_frame_is_refused_by_name() {
    let link = Link::tm(40);
    let read = [
        read(&link, &[0x40, 0, 0, 0, 0x18, 0]),
        read(&link, &[0, 0, 0, 0, 0x10, 0]),
        read(&link, &[0, 0, 0, 0, 0x98, 0, 0x43]),
        read(&link, &[0, 0, 0, 0, 0x98, 0, 33]),
        read(&link, &[0, 0, 0, 0, 0x18, 34]),
    ];
    expect![[r#"
        frame-version: transfer frame version number 1
        frame-segments: segment length identifier 2, expected 3: packet segments are not supported
        frame-secondary-header: secondary header of version 1 and 4 bytes, expected version 0 inside the frame
        frame-secondary-header: secondary header of version 0 and 34 bytes, expected version 0 inside the frame
        frame-pointer: first header pointer 34 in a packet zone of 34 bytes"#]]
    .assert_eq(&read.join("\n"));
}

#[test]
fn content_follows_the_flags() {
    let content = |status: [u8; 2]| {
        let mut frame = [0; 40];
        frame[4..6].copy_from_slice(&status);
        parse(&Link::tm(40), &frame).map(|parsed| parsed.content)
    };
    assert_eq!(content([0x18, 0x00]), Ok(Content::Packets(Some(0))));
    assert_eq!(content([0x1F, 0xFE]), Ok(Content::Idle));
    assert_eq!(content([0x40, 0x55]), Ok(Content::Unstructured));
}
