use expect_test::expect;

use super::*;

fn read(link: &Link, frame: &[u8]) -> String {
    match parse(link, frame) {
        Err(cause) => format!("{}: {cause}", cause.code()),
        Ok(parsed) => format!(
            "{:?}\ncount {:?}, insert {:?}, zone {:?}, ocf {:?}, {:?}",
            parsed.header,
            parsed.header.count(),
            parsed.insert_zone,
            parsed.zone,
            parsed.ocf,
            parsed.content
        ),
    }
}

#[test]
fn a_plain_frame() {
    let mut frame = [0; 892];
    frame[..8].copy_from_slice(&[0x67, 0x50, 0x96, 0x30, 0xBC, 0x80, 0x01, 0x05]);
    expect![[r#"
        Aos(Header { channel: ChannelId { spacecraft: 157, virtual_channel: 16 }, channel_count: 9842876, replay: true, count_cycle: None })
        count (9842876, 16777216), insert 6..6, zone 8..892, ocf None, Packets(Some(261))"#]]
    .assert_eq(&read(&Link::aos(892), &frame));
}

#[test]
fn every_option_at_once() {
    let link = Link {
        header_control: true,
        insert_zone: 4,
        ocf: true,
        fecf: true,
        ..Link::aos(100)
    };
    let mut frame = [0; 100];
    // Two more bits of the spacecraft, count cycle 5 in use.
    frame[..6].copy_from_slice(&[0x40, 0x41, 0x00, 0x00, 0x02, 0x75]);
    let control = header_control([0x40, 0x41, 0, 0, 2, 0x75]);
    frame[6..8].copy_from_slice(&control.to_be_bytes());
    frame[12..14].copy_from_slice(&[0x07, 0xFF]);
    expect![[r#"
        Aos(Header { channel: ChannelId { spacecraft: 769, virtual_channel: 1 }, channel_count: 2, replay: false, count_cycle: Some(5) })
        count (83886082, 268435456), insert 8..12, zone 14..94, ocf Some(94), Packets(None)"#]]
    .assert_eq(&read(&link, &frame));
    frame[5] ^= 1;
    expect!["frame-header-error-control: the frame header error control does not agree"]
        .assert_eq(&read(&link, &frame));
}

#[test]
fn what_is_no_packet_frame_is_refused_by_name() {
    let frame_of = |header: [u8; 8]| {
        let mut frame = [0; 50];
        frame[..8].copy_from_slice(&header);
        read(&Link::aos(50), &frame)
    };
    let refused = [
        frame_of([0x27, 0x50, 0, 0, 0, 0, 0, 0]),
        frame_of([0x67, 0x50, 0, 0, 0, 0, 0x80, 0]),
        frame_of([0x67, 0x50, 0, 0, 0, 0, 0, 42]),
    ];
    expect![[r#"
        frame-version: transfer frame version number 0
        frame-reserved-bits: reserved bits in front of the first header pointer are set; not packets (m_pdu)
        frame-pointer: first header pointer 42 in a packet zone of 42 bytes"#]]
    .assert_eq(&refused.join("\n"));
    expect![[r#"
        Aos(Header { channel: ChannelId { spacecraft: 157, virtual_channel: 63 }, channel_count: 0, replay: false, count_cycle: None })
        count (0, 16777216), insert 6..6, zone 6..50, ocf None, Idle"#]]
    .assert_eq(&frame_of([0x67, 0x7F, 0, 0, 0, 0, 0xFF, 0xFF]));
}

/// Values computed by the ground system Yamcs.
#[test]
fn header_control_is_that_of_another_implementation() {
    assert_eq!(header_control([0x12, 0x34, 0, 0, 0, 0x56]), 0x94DC);
    assert_eq!(header_control([0x36, 0x9C, 7, 7, 7, 0xFA]), 0x457C);
}
