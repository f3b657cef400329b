use expect_test::expect;

use super::*;

fn dual(strength: Strength, interleave: usize) -> Option<Code> {
    Some(Code {
        strength,
        basis: Basis::Dual,
        interleave,
    })
}

#[test]
fn presets_fit() {
    for preset in PRESETS {
        let link = Link::preset(preset.name).unwrap();
        link.validate().unwrap();
    }
    expect![[r#"no frame preset is called "npp"; there are jpss, tm-1115, tm-1115-cadu"#]]
        .assert_eq(Link::preset("npp").unwrap_err().message());
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    let links = [
        Link {
            code: dual(Strength::E16, 9),
            ..Link::aos(892)
        },
        Link {
            code: dual(Strength::E16, 4),
            ..Link::aos(893)
        },
        Link {
            code: dual(Strength::E16, 4),
            ..Link::aos(896)
        },
        Link {
            code: dual(Strength::E8, 1),
            ..Link::tm(0)
        },
        Link {
            insert_zone: 4,
            ..Link::tm(1115)
        },
        Link {
            header_control: true,
            ..Link::tm(1115)
        },
        Link {
            ocf: true,
            ..Link::tm(1115)
        },
        Link {
            insert_zone: 884,
            ..Link::aos(892)
        },
        Link {
            insert_zone: usize::MAX,
            ..Link::aos(892)
        },
        Link::aos(8),
        Link::tm(2053),
        Link {
            virtual_channels: Some(vec![0, 8]),
            ..Link::tm(1115)
        },
        Link {
            spacecraft: Some(1024),
            ..Link::tm(1115)
        },
    ];
    let messages: Vec<_> = links
        .iter()
        .map(|link| link.validate().unwrap_err().message().to_owned())
        .collect();
    expect![[r#"
        codewords are interleaved 1 to 8 deep, not 9
        a frame of 893 bytes does not fit reed-solomon (255,223) interleaved 4 deep: its length is a multiple of 4 up to 892
        a frame of 896 bytes does not fit reed-solomon (255,223) interleaved 4 deep: its length is a multiple of 4 up to 892
        a frame of 0 bytes does not fit reed-solomon (255,239) interleaved 1 deep: its length is a multiple of 1 up to 239
        tm frames have no place for an insert zone; leave it out, or choose aos frames
        tm frames have no place for frame header error control; leave it out, or choose aos frames
        tm frames have no place for a configured operational control field; leave it out, or choose aos frames
        a frame length of 892 bytes does not fit: with 892 bytes of header and trailer it is 893 to 2938
        a frame length of 892 bytes does not fit: with 18446744073709551615 bytes of header and trailer it is 18446744073709551615 to 18446744073709551615
        a frame length of 8 bytes does not fit: with 8 bytes of header and trailer it is 9 to 2054
        a frame length of 2053 bytes does not fit: with 6 bytes of header and trailer it is 7 to 2052
        there is no virtual channel 8; they are 0 to 7
        there is no spacecraft 1024; identifiers are 0 to 1023"#]].assert_eq(&messages.join("\n"));
}

#[test]
fn the_longest_and_the_shortest_frames_fit() {
    for link in [Link::tm(7), Link::tm(2052), Link::aos(9), Link::aos(2054)] {
        link.validate().unwrap();
    }
    let shortened = Link {
        code: dual(Strength::E8, 5),
        ..Link::tm(1115)
    };
    shortened.validate().unwrap();
    assert_eq!(shortened.block_length(), 1195);
}
