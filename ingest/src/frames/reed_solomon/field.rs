//! The field of 256 elements of CCSDS 131.0-B, and its two bases.
//!
//! Elements are polynomials in alpha modulo F(x) = x^8 + x^7 + x^2 + x + 1.
//! Powers and logarithms here are to the base alpha^11: it generates the field
//! as well (11 and 255 have no common factor), and the roots of the code are
//! consecutive powers of it.

const F: u16 = 0x187;

/// The number of elements other than zero.
const ORDER: usize = 255;

/// `POWERS[i]` is alpha^(11 i); twice around, so that a sum of two logarithms
/// needs no reduction.
static POWERS: [u8; 2 * ORDER] = powers();

/// The logarithm of each element; that of zero means nothing.
static LOGARITHMS: [u8; 256] = logarithms();

/// The symbol in the dual basis of each element.
pub(super) static TO_DUAL: [u8; 256] = to_dual();

/// The element of each symbol in the dual basis.
pub(super) static FROM_DUAL: [u8; 256] = from_dual();

/// The `exponent`-th power of alpha^11.
pub(super) fn power(exponent: usize) -> u8 {
    POWERS[exponent % ORDER]
}

/// The power of alpha^11 that divides by its `exponent`-th power.
pub(super) fn inverse_power(exponent: usize) -> u8 {
    POWERS[ORDER - exponent % ORDER]
}

pub(super) fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    POWERS[usize::from(LOGARITHMS[usize::from(a)]) + usize::from(LOGARITHMS[usize::from(b)])]
}

/// `a / b`; `None` for a division by zero.
pub(super) fn divide(a: u8, b: u8) -> Option<u8> {
    let logarithm = usize::from(LOGARITHMS[usize::from(b)]);
    (b != 0).then(|| multiply(a, POWERS[ORDER - logarithm]))
}

/// Multiplication by the definition: shift, add, reduce by F(x).
const fn multiply_slowly(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut sum) = (a, b, 0);
    while b != 0 {
        if b & 1 != 0 {
            sum ^= a;
        }
        let carry = a & 0x80 != 0;
        a <<= 1;
        if carry {
            a ^= F.to_be_bytes()[1];
        }
        b >>= 1;
    }
    sum
}

const fn alpha_to(exponent: u8) -> u8 {
    let (mut element, mut i) = (1, 0);
    while i < exponent {
        element = multiply_slowly(element, 2);
        i += 1;
    }
    element
}

const fn powers() -> [u8; 2 * ORDER] {
    let base = alpha_to(11);
    let mut powers = [1; 2 * ORDER];
    let mut i = 1;
    while i < 2 * ORDER {
        powers[i] = multiply_slowly(powers[i - 1], base);
        i += 1;
    }
    powers
}

const fn logarithms() -> [u8; 256] {
    let powers = powers();
    let mut logarithms = [0; 256];
    let mut i: u8 = 0;
    while (i as usize) < ORDER {
        logarithms[powers[i as usize] as usize] = i;
        i += 1;
    }
    logarithms
}

/// Tr(x), the sum of x^(2^k) for k from 0 to 7: always 0 or 1.
const fn trace(element: u8) -> u8 {
    let (mut conjugate, mut sum, mut k) = (element, 0, 0);
    while k < 8 {
        sum ^= conjugate;
        conjugate = multiply_slowly(conjugate, conjugate);
        k += 1;
    }
    sum
}

/// Bit i of a symbol, the most significant first, is Tr(u alpha^(117 i)): the
/// basis is the dual of the powers of alpha^117 (131.0-B, the annex on
/// Berlekamp's representation).
const fn to_dual() -> [u8; 256] {
    let beta = alpha_to(117);
    let mut symbols = [0; 256];
    let mut element: u8 = 0;
    loop {
        let (mut rotated, mut symbol, mut bit) = (element, 0, 0);
        while bit < 8 {
            symbol = symbol << 1 | trace(rotated);
            rotated = multiply_slowly(rotated, beta);
            bit += 1;
        }
        symbols[element as usize] = symbol;
        if element == u8::MAX {
            return symbols;
        }
        element += 1;
    }
}

const fn from_dual() -> [u8; 256] {
    let symbols = to_dual();
    let mut elements = [0; 256];
    let mut element: u8 = 0;
    loop {
        elements[symbols[element as usize] as usize] = element;
        if element == u8::MAX {
            return elements;
        }
        element += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_agree_with_the_definition() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(multiply(a, b), multiply_slowly(a, b));
                let quotient = divide(a, b).map(|quotient| multiply(quotient, b));
                assert_eq!(quotient, (b != 0).then_some(a));
            }
        }
        for exponent in 0..600 {
            assert_eq!(multiply(power(exponent), inverse_power(exponent)), 1);
        }
    }

    /// alpha is a root of F(x), and alpha^11 generates the field.
    #[test]
    fn field_is_that_of_the_standard() {
        let alpha = |exponent| alpha_to(exponent);
        assert_eq!(alpha(8) ^ alpha(7) ^ alpha(2) ^ alpha(1) ^ 1, 0);
        assert_eq!(power(1), alpha(11));
        let mut seen: Vec<_> = (0..255).map(power).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(1..=255));
    }

    /// The columns of the matrix that 131.0-B prints for the change to the
    /// dual basis: the symbols of alpha^7 to alpha^0.
    #[test]
    fn dual_basis_is_that_of_the_standard() {
        let columns: Vec<u8> = (0..8).rev().map(|i| TO_DUAL[1 << i]).collect();
        assert_eq!(columns, [0x8D, 0xEF, 0xEC, 0x86, 0xFA, 0x99, 0xAF, 0x7B]);
    }
}
