//! Blocks are encoded here by other means than the codec's: long division bit
//! by bit in the conventional basis, roots as powers of alpha, and the dual
//! basis from the matrix that 131.0-B prints.

use expect_test::expect;

use super::*;

const CODES: [(Strength, usize, usize); 2] = [(Strength::E16, 16, 223), (Strength::E8, 8, 239)];
const BASES: [Basis; 2] = [Basis::Conventional, Basis::Dual];

/// Symbols of alpha^7 to alpha^0 in the dual basis, as printed.
const DUAL_COLUMNS: [u8; 8] = [0x8D, 0xEF, 0xEC, 0x86, 0xFA, 0x99, 0xAF, 0x7B];

/// A generator of numbers that a seed repeats (splitmix64, by S. Vigna).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// A product of polynomials over GF(2), reduced by x^8 + x^7 + x^2 + x + 1.
fn times(a: u8, b: u8) -> u8 {
    let mut product = 0_u16;
    for bit in 0..8 {
        if b >> bit & 1 == 1 {
            product ^= u16::from(a) << bit;
        }
    }
    for bit in (8..15).rev() {
        if product >> bit & 1 == 1 {
            product ^= 0b1_1000_0111 << (bit - 8);
        }
    }
    u8::try_from(product).unwrap()
}

fn alpha_to(exponent: usize) -> u8 {
    (0..exponent % 255).fold(1, |element, _| times(element, 2))
}

fn dual(element: u8) -> u8 {
    let columns = (0..8).filter(|bit| element >> (7 - bit) & 1 == 1);
    columns.fold(0, |symbol, bit| symbol ^ DUAL_COLUMNS[bit])
}

fn from_dual(symbol: u8) -> u8 {
    (0..=255).find(|&element| dual(element) == symbol).unwrap()
}

/// g(x), the highest coefficient first: roots alpha^(11 j).
fn slow_generator(correctable: usize) -> Vec<u8> {
    (128 - correctable..128 + correctable).fold(vec![1], |product, j| {
        let root = alpha_to(11 * j);
        let mut next = product.clone();
        next.push(0);
        for (place, &coefficient) in product.iter().enumerate() {
            next[place + 1] ^= times(coefficient, root);
        }
        next
    })
}

/// Check symbols of data symbols, all in the conventional basis.
fn slow_checks(data: &[u8], generator: &[u8]) -> Vec<u8> {
    let degree = generator.len() - 1;
    let mut dividend = data.to_vec();
    dividend.resize(data.len() + degree, 0);
    for place in 0..data.len() {
        let factor = dividend[place];
        for (i, &coefficient) in generator.iter().enumerate() {
            dividend[place + i] ^= times(factor, coefficient);
        }
    }
    dividend.split_off(data.len())
}

pub(in crate::frames) fn block(code: Code, frame: &[u8]) -> Vec<u8> {
    let generator = slow_generator(code.strength.correctable());
    let mut block = frame.to_vec();
    block.resize(frame.len() + code.check_bytes(), 0);
    for lane in 0..code.interleave {
        let symbols = frame.iter().skip(lane).step_by(code.interleave).copied();
        let dual_basis = code.basis == Basis::Dual;
        let data: Vec<u8> = match dual_basis {
            true => symbols.map(from_dual).collect(),
            false => symbols.collect(),
        };
        for (row, check) in slow_checks(&data, &generator).into_iter().enumerate() {
            block[frame.len() + row * code.interleave + lane] =
                if dual_basis { dual(check) } else { check };
        }
    }
    block
}

/// Changes that many different symbols of a codeword.
fn damage(block: &mut [u8], lane: usize, depth: usize, count: usize, random: &mut Random) {
    let mut places: Vec<_> = (0..block.len() / depth).collect();
    for _ in 0..count {
        let place = places.swap_remove(random.below(places.len()));
        block[place * depth + lane] ^= u8::try_from(1 + random.below(255)).unwrap();
    }
}

/// The generators that 131.0-B prints, as exponents of alpha.
#[test]
fn generators_are_those_of_the_standard() {
    let exponents = |strength: Strength| {
        let degree = 2 * strength.correctable();
        let coefficients = generator(strength);
        let exponent = |c: u8| (0..255).find(|&e| alpha_to(e) == c).unwrap();
        let all: Vec<_> = coefficients[..degree]
            .iter()
            .map(|&c| exponent(c))
            .collect();
        format!("{all:?}")
    };
    expect!["[249, 59, 66, 4, 43, 126, 251, 97, 30, 3, 213, 50, 66, 170, 5, 24, 5, 170, 66, 50, 213, 3, 30, 97, 251, 126, 43, 4, 66, 59, 249, 0]"]
        .assert_eq(&exponents(Strength::E16));
    expect!["[30, 230, 49, 235, 129, 81, 76, 173, 76, 81, 129, 235, 49, 230, 30, 0]"]
        .assert_eq(&exponents(Strength::E8));
}

/// Every code, basis, depth and several lengths, with up to the full number of
/// errors in each codeword: mended exactly, and counted.
#[test]
fn errors_within_reach_are_mended_exactly() {
    let mut random = Random(1);
    for (strength, correctable, symbols) in CODES {
        for basis in BASES {
            for interleave in 1..=8 {
                for sent in [symbols, symbols - 1, symbols - 8, 100, 1] {
                    let code = Code {
                        strength,
                        basis,
                        interleave,
                    };
                    let frame: Vec<u8> = (0..sent * interleave).map(|_| random.byte()).collect();
                    let clean = block(code, &frame);
                    let codec = Codec::new(code, frame.len()).unwrap();
                    let mut damaged = clean.clone();
                    let mut wrong = 0;
                    for lane in 0..interleave {
                        let count = [correctable, random.below(correctable + 1)][lane % 2];
                        damage(&mut damaged, lane, interleave, count, &mut random);
                        wrong += count;
                    }
                    let repair = codec.repair(&mut damaged);
                    assert!(damaged == clean, "{code:?} {sent}");
                    assert_eq!(repair.symbols_corrected, u32::try_from(wrong).unwrap());
                    assert_eq!(repair.codewords_uncorrectable, 0);
                    assert_eq!(codec.repair(&mut damaged), Repair::default());
                }
            }
        }
    }
}

/// One to sixty errors more than can be mended: refused and left alone. What
/// no decoder of the code can tell, another codeword within reach, is counted:
/// of (255,239) about one in 8!, of (255,223) none that a test can meet.
#[test]
fn errors_beyond_reach_are_refused() {
    const ROUNDS: usize = 20_000;
    let mut random = Random(2);
    let mut mistaken = Vec::new();
    for (strength, correctable, symbols) in CODES {
        let code = Code {
            strength,
            basis: Basis::Dual,
            interleave: 1,
        };
        let frame: Vec<u8> = (0..symbols).map(|_| random.byte()).collect();
        let clean = block(code, &frame);
        let codec = Codec::new(code, symbols).unwrap();
        let mut refused = 0;
        for round in 0..ROUNDS {
            let mut damaged = clean.clone();
            let count = correctable + 1 + round % 60;
            damage(&mut damaged, 0, 1, count, &mut random);
            let before = damaged.clone();
            if codec.repair(&mut damaged).codewords_uncorrectable == 1 {
                assert!(damaged == before, "a refused codeword was changed");
                refused += 1;
            }
        }
        mistaken.push((strength, ROUNDS - refused));
    }
    expect!["[(E16, 0), (E8, 0)]"].assert_eq(&format!("{mistaken:?}"));
}

/// Errors that only make sense in symbols that were never sent.
#[test]
fn virtual_fill_is_never_mended() {
    let code = Code {
        strength: Strength::E16,
        basis: Basis::Conventional,
        interleave: 1,
    };
    let full = {
        let mut frame = vec![0; 223];
        frame[10] = 1;
        block(code, &frame)
    };
    // Without its first symbols, the one error of an all-zero codeword.
    let mut block = full[23..].to_vec();
    assert_eq!(
        Codec::new(code, 200)
            .unwrap()
            .repair(&mut block)
            .codewords_uncorrectable,
        1
    );
    assert_eq!(block, full[23..]);
}

#[test]
fn a_block_of_another_length_is_uncorrectable() {
    let code = Code {
        strength: Strength::E8,
        basis: Basis::Dual,
        interleave: 2,
    };
    let codec = Codec::new(code, 100).unwrap();
    assert_eq!(codec.block_length(), 132);
    let repair = codec.repair(&mut [0; 131]);
    assert_eq!(repair.codewords_uncorrectable, 2);
}
