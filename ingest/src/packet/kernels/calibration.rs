//! Raw numbers to what they mean: polynomials and instants.

use arrow::datatypes::{ArrowPrimitiveType, Float16Type};
use downlake_lake::schema::time::{CCSDS_EPOCH_MICROS, TimeReader};
use downlake_lake::schema::{AbsoluteTime, TimeCode};

use super::super::model::{Clock, Encoding, Scalar, Sign, Term};

/// A polynomial over raw numbers.
#[derive(Debug, Clone)]
pub(super) struct Calibration {
    terms: Vec<Term>,
    read: Read,
}

/// What the 64 settled bits of a number are.
#[derive(Debug, Clone, Copy)]
enum Read {
    Unsigned,
    Signed,
    F16,
    F32,
    F64,
}

impl Read {
    fn of(encoding: &Encoding) -> Read {
        match encoding {
            Encoding::Float { bits: 16, .. } => Read::F16,
            Encoding::Float { bits: 32, .. } => Read::F32,
            Encoding::Float { .. } => Read::F64,
            Encoding::Integer {
                sign: Sign::Unsigned,
                ..
            } => Read::Unsigned,
            _ => Read::Signed,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the bits of a narrow float stand in the low bits; beyond 53 bits a calibrated value is rounded"
    )]
    fn value(self, bits: u64) -> f64 {
        match self {
            Read::Unsigned => bits as f64,
            Read::Signed => bits.cast_signed() as f64,
            Read::F16 => half(bits as u16).into(),
            Read::F32 => f32::from_bits(bits as u32).into(),
            Read::F64 => f64::from_bits(bits),
        }
    }
}

impl Calibration {
    pub(super) fn new(scalar: &Scalar, terms: &[Term]) -> Calibration {
        Calibration {
            terms: terms.to_vec(),
            read: Read::of(&scalar.encoding),
        }
    }

    /// Appends the calibrated numbers. The terms are added in the order of the
    /// definition; a straight line, the common case, is the same sum without
    /// the loop.
    pub(super) fn extend(&self, out: &mut Vec<f64>, numbers: &[u64]) {
        let raw = numbers.iter().map(|bits| self.read.value(*bits));
        match *self.terms {
            [
                Term {
                    coefficient: a,
                    exponent: 0,
                },
                Term {
                    coefficient: b,
                    exponent: 1,
                },
            ] => out.extend(raw.map(|raw| a + b * raw)),
            _ => out.extend(raw.map(|raw| self.sum(raw))),
        }
    }

    fn sum(&self, raw: f64) -> f64 {
        let term = |term: &Term| term.coefficient * raw.powi(term.exponent.into());
        self.terms.iter().map(term).sum()
    }
}

/// A half-precision number.
pub(super) fn half(bits: u16) -> f32 {
    <Float16Type as ArrowPrimitiveType>::Native::from_bits(bits).to_f32()
}

/// A count to an instant.
#[derive(Debug, Clone)]
pub(super) struct Tick {
    reader: TimeReader,
    fraction_bits: Option<u8>,
    signed: bool,
}

impl Tick {
    pub(super) fn new(clock: Clock, scalar: &Scalar) -> Tick {
        let fraction_bits = match clock.code {
            TimeCode::Cuc { fraction_bits } => Some(fraction_bits),
            _ => None,
        };
        Tick {
            reader: TimeReader::new(&AbsoluteTime {
                columns: Vec::new(),
                code: clock.code,
                epoch_micros: clock.epoch_micros,
                scale: clock.scale,
                valid_from_micros: CCSDS_EPOCH_MICROS,
                valid_to_micros: None,
            }),
            fraction_bits,
            signed: !matches!(
                scalar.encoding,
                Encoding::Integer {
                    sign: Sign::Unsigned,
                    ..
                }
            ),
        }
    }

    /// Microseconds since 1970-01-01 UTC, if 64 bits can say them.
    pub(super) fn micros(&self, bits: u64) -> Option<i64> {
        let count = match self.signed {
            true => i128::from(bits.cast_signed()),
            false => i128::from(bits),
        };
        let instant = match self.fraction_bits {
            None => self.reader.count(count).ok(),
            Some(width) => {
                let seconds = i64::try_from(count >> width).ok()?;
                let fraction = i64::try_from(count & ((1 << width) - 1)).ok()?;
                self.reader.parts(&[seconds, fraction]).ok()
            }
        };
        instant.map(|instant| instant.micros)
    }
}
