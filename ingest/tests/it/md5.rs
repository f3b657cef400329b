//! MD5 (RFC 1321), the digest in which expected packets are recorded.

use std::fmt::Write as _;

/// The digest as lower-case hex.
pub(crate) fn md5(bytes: &[u8]) -> String {
    let mut message = bytes.to_vec();
    message.push(0x80);
    message.resize(message.len().next_multiple_of(64), 0);
    if message.len() - bytes.len() < 9 {
        message.resize(message.len() + 64, 0);
    }
    let length = 8 * bytes.len() as u64;
    let end = message.len();
    message[end - 8..].copy_from_slice(&length.to_le_bytes());
    let start = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
    let state = message.chunks(64).fold(start, round);
    let digest = state.iter().flat_map(|word: &u32| word.to_le_bytes());
    digest.fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn round(state: [u32; 4], block: &[u8]) -> [u32; 4] {
    const SHIFTS: [[u32; 4]; 4] = [
        [7, 12, 17, 22],
        [5, 9, 14, 20],
        [4, 11, 16, 23],
        [6, 10, 15, 21],
    ];
    let words = block.as_chunks::<4>().0;
    let [mut a, mut b, mut c, mut d] = state;
    for step in 0..64 {
        let (mixed, place) = match step / 16 {
            0 => (b & c | !b & d, step),
            1 => (d & b | !d & c, 5 * step + 1),
            2 => (b ^ c ^ d, 3 * step + 5),
            _ => (c ^ (b | !d), 7 * step),
        };
        let sum = a
            .wrapping_add(mixed)
            .wrapping_add(sine(step))
            .wrapping_add(u32::from_le_bytes(words[place % 16]));
        let turned = sum.rotate_left(SHIFTS[step / 16][step % 4]);
        (a, d, c, b) = (d, c, b, b.wrapping_add(turned));
    }
    let [a0, b0, c0, d0] = state;
    [
        a0.wrapping_add(a),
        b0.wrapping_add(b),
        c0.wrapping_add(c),
        d0.wrapping_add(d),
    ]
}

/// The integer part of 2^32 times |sin(step + 1)|, in radians.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "below 2^32"
)]
fn sine(step: usize) -> u32 {
    let angle = step as f64 + 1.0;
    (angle.sin().abs() * 4_294_967_296.0) as u32
}

#[test]
fn digests_are_those_of_the_rfc() {
    assert_eq!(md5(b""), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(md5(b"abc"), "900150983cd24fb0d6963f7d28e17f72");
    let long = "1234567890".repeat(8);
    assert_eq!(md5(long.as_bytes()), "57edf4a22be3c955ac49da2e2107b67a");
}
