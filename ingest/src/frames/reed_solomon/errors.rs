//! From syndromes to errors: Berlekamp and Massey, Chien, Forney.
//!
//! See R. E. Blahut, Theory and Practice of Error Control Codes, chapter 7.
//! Polynomials are arrays with the constant term first. The errors returned
//! are checked to have exactly the syndromes that were given.

use super::field::{divide, inverse_power, multiply, power};

/// The most check symbols of a codeword.
const CHECKS: usize = 32;

/// One wrong symbol.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SymbolError {
    /// The power of x whose coefficient it is.
    pub(super) power: usize,
    /// What to add, as an element of the field.
    pub(super) value: u8,
}

/// The wrong symbols of a codeword.
#[derive(Debug, Default)]
pub(super) struct Errors {
    found: [SymbolError; CHECKS / 2],
    count: usize,
}

impl Errors {
    pub(super) fn iter(&self) -> impl Iterator<Item = &SymbolError> {
        self.found[..self.count].iter()
    }

    /// `None` if there are more than can be mended.
    fn push(&mut self, error: SymbolError) -> Option<()> {
        *self.found.get_mut(self.count)? = error;
        self.count += 1;
        Some(())
    }
}

/// The one set of at most `syndromes.len() / 2` errors among the lowest
/// `length` powers that has these syndromes; `None` if there is none.
/// `syndromes[j]` is the codeword at the power `first_root + j` of the root
/// element.
pub(super) fn locate(syndromes: &[u8], first_root: usize, length: usize) -> Option<Errors> {
    let (locator, degree) = locator(syndromes)?;
    let locator = &locator[..=degree];
    let evaluator = product(syndromes, locator);
    let evaluator = &evaluator[..degree];
    let mut errors = Errors::default();
    for place in (0..length).filter(|&place| value_at(locator, inverse_power(place)) == 0) {
        let inverse = inverse_power(place);
        let slope = slope_at(locator, inverse);
        // X^(1 - first) = X^(256 - first), as X^255 = 1.
        let scale = power(place * (256 - first_root));
        let value = divide(multiply(scale, value_at(evaluator, inverse)), slope)?;
        let power = place;
        errors.push(SymbolError { power, value })?;
    }
    // Fails as well where the locator has fewer roots than errors.
    has_syndromes(&errors, syndromes, first_root).then_some(errors)
}

/// The error locator and its degree, the number of errors.
fn locator(syndromes: &[u8]) -> Option<([u8; CHECKS + 1], usize)> {
    let mut locator = [0; CHECKS + 1];
    locator[0] = 1;
    let mut earlier = locator;
    let (mut length, mut shift, mut earlier_discrepancy) = (0, 1, 1);
    for n in 0..syndromes.len() {
        let terms = (0..=length).map(|i| multiply(locator[i], syndromes[n - i]));
        let discrepancy = terms.fold(0, |sum, term| sum ^ term);
        if discrepancy == 0 {
            shift += 1;
            continue;
        }
        let before = locator;
        let factor = divide(discrepancy, earlier_discrepancy)?;
        for (place, &coefficient) in locator[shift..].iter_mut().zip(&earlier) {
            *place ^= multiply(factor, coefficient);
        }
        if 2 * length <= n {
            length = n + 1 - length;
            (earlier, earlier_discrepancy, shift) = (before, discrepancy, 1);
        } else {
            shift += 1;
        }
    }
    let degree = locator.iter().rposition(|&coefficient| coefficient != 0)?;
    (degree == length && 2 * length <= syndromes.len()).then_some((locator, degree))
}

/// The lowest terms of a product.
fn product(a: &[u8], b: &[u8]) -> [u8; CHECKS] {
    let mut product = [0; CHECKS];
    for (place, term) in product.iter_mut().enumerate().take(a.len()) {
        for (i, &factor) in b.iter().enumerate().take(place + 1) {
            *term ^= multiply(factor, a[place - i]);
        }
    }
    product
}

fn value_at(polynomial: &[u8], x: u8) -> u8 {
    let horner = |sum, &coefficient| multiply(sum, x) ^ coefficient;
    polynomial.iter().rev().fold(0, horner)
}

/// The derivative at x: in this field only odd terms have one.
fn slope_at(polynomial: &[u8], x: u8) -> u8 {
    let square = multiply(x, x);
    let odd = polynomial.iter().skip(1).step_by(2);
    let mut power = 1;
    odd.fold(0, |sum, &coefficient| {
        let term = multiply(coefficient, power);
        power = multiply(power, square);
        sum ^ term
    })
}

fn has_syndromes(errors: &Errors, syndromes: &[u8], first_root: usize) -> bool {
    (first_root..).zip(syndromes).all(|(root, &expected)| {
        let terms = errors
            .iter()
            .map(|error| multiply(error.value, power(root * error.power)));
        terms.fold(0, |sum, term| sum ^ term) == expected
    })
}
