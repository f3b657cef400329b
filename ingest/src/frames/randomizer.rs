//! The pseudo-randomiser of CCSDS 131.0-B.
//!
//! A frame is combined by exclusive or with a fixed sequence that begins anew
//! behind each marker, so that applying it twice gives the frame back.

/// The first `length` bytes of the sequence: the register of h(x) = x^8 + x^7
/// + x^5 + x^3 + 1, all ones at the start, with a period of 255 bits.
pub fn sequence(length: usize) -> Vec<u8> {
    let mut register = 0xFF_u8;
    (0..length).map(|_| next_byte(&mut register)).collect()
}

/// Eight steps; the oldest bit is the most significant and leaves first.
fn next_byte(register: &mut u8) -> u8 {
    const TAPS: u8 = 0b1001_0101;
    let byte = *register;
    for _ in 0..8 {
        let fed_back = (*register & TAPS).count_ones() & 1;
        *register = *register << 1 | u8::from(fed_back == 1);
    }
    byte
}

/// Takes the sequence off a block, or puts it on.
pub(super) fn apply(block: &mut [u8], sequence: &[u8]) {
    for (byte, mask) in block.iter_mut().zip(sequence) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first 40 bits are printed in 131.0-B; the rest is the recurrence
    /// s(n+8) = s(n+7) + s(n+5) + s(n+3) + s(n) bit by bit.
    #[test]
    fn sequence_is_that_of_the_standard() {
        assert_eq!(
            sequence(8),
            [0xFF, 0x48, 0x0E, 0xC0, 0x9A, 0x0D, 0x70, 0xBC]
        );
        let bytes = sequence(510);
        let bit = |n: usize| bytes[n / 8] >> (7 - n % 8) & 1;
        for n in 0..bytes.len() * 8 - 8 {
            assert_eq!(bit(n + 8), bit(n + 7) ^ bit(n + 5) ^ bit(n + 3) ^ bit(n));
        }
        assert_eq!(bytes[..255], bytes[255..]);
    }

    #[test]
    fn applying_it_twice_gives_the_block_back() {
        let sequence = sequence(300);
        let mut block: Vec<u8> = (0..=255).collect();
        apply(&mut block, &sequence);
        assert_eq!(block[..4], [0xFF, 0x49, 0x0C, 0xC3]);
        apply(&mut block, &sequence);
        assert!(block.iter().copied().eq(0..=255));
    }
}
