//! Elementary functions that give the same bits on every machine.
//!
//! Promises: only additions, multiplications, divisions and square roots of
//! IEEE 754, which every machine rounds alike, so that the bytes of a campaign
//! depend on its seed alone; the functions of the standard library are those
//! of the platform, which differ in the last bit. Errors are a few units in
//! the last place for arguments up to some 10^6. Refuses to care for infinite
//! arguments and NaN.
//!
//! Method: reduction of the argument (Cody and Waite, "Software Manual for the
//! Elementary Functions", 1980), then the Taylor series.

use std::f64::consts::{FRAC_PI_2, LN_2, PI, SQRT_2};

/// The parts of pi/2 and of ln 2 whose first has so few bits that products
/// with small whole numbers are exact.
const FRAC_PI_2_HIGH: f64 = 1.570_796_326_734_125_6;
const FRAC_PI_2_LOW: f64 = 6.077_100_506_506_192e-11;
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

const RADIANS_PER_DEGREE: f64 = PI / 180.0;

/// Sine and cosine of an angle in radians.
pub(crate) fn sin_cos(angle_rad: f64) -> (f64, f64) {
    let quarters = (angle_rad / FRAC_PI_2).round();
    let rest = angle_rad - quarters * FRAC_PI_2_HIGH - quarters * FRAC_PI_2_LOW;
    let (sin, cos) = sin_cos_of_small(rest);
    match whole(quarters).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// The sine of an angle in radians.
pub(crate) fn sin(angle_rad: f64) -> f64 {
    sin_cos(angle_rad).0
}

/// The cosine of an angle in radians.
pub(crate) fn cos(angle_rad: f64) -> f64 {
    sin_cos(angle_rad).1
}

/// e to the power of a number.
pub(crate) fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let powers = (x / LN_2).round();
    let rest = x - powers * LN_2_HIGH - powers * LN_2_LOW;
    let mut sum = 1.0;
    for n in (1..=14_u32).rev() {
        sum = 1.0 + sum * rest / f64::from(n);
    }
    sum * power_of_two(whole(powers))
}

/// The natural logarithm of a positive number that is not subnormal.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52).cast_signed() - 1023;
    let mantissa = f64::from_bits(bits & 0x000F_FFFF_FFFF_FFFF | 1023 << 52);
    let (mantissa, exponent) = match mantissa > SQRT_2 {
        true => (mantissa / 2.0, exponent + 1),
        false => (mantissa, exponent),
    };
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let exponent = exponent as f64;
    2.0 * odd_series(s, 1.0) + exponent * LN_2_LOW + exponent * LN_2_HIGH
}

/// A positive number to a power.
pub(crate) fn pow(base: f64, power: f64) -> f64 {
    exp(power * ln(base))
}

/// The angle of a point in radians, from -pi to pi.
pub(crate) fn atan2(y: f64, x: f64) -> f64 {
    if x == 0.0 && y == 0.0 {
        return 0.0;
    }
    let (small, large) = (y.abs().min(x.abs()), y.abs().max(x.abs()));
    let acute = atan_of_small(small / large);
    let first = match y.abs() > x.abs() {
        true => FRAC_PI_2 - acute,
        false => acute,
    };
    let upper = if x < 0.0 { PI - first } else { first };
    upper.copysign(y)
}

/// The arc sine of a number, radians; beyond 1 that of 1.
pub(crate) fn asin(x: f64) -> f64 {
    let x = x.clamp(-1.0, 1.0);
    atan2(x, (1.0 - x * x).sqrt())
}

/// Degrees to radians.
pub(crate) fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

/// Radians to degrees.
pub(crate) fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

/// The nearest whole number; at the ends of the range beyond it.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
pub(crate) fn whole(x: f64) -> i64 {
    x.round() as i64
}

/// The length of a vector.
pub(crate) fn length(v: [f64; 3]) -> f64 {
    dot(v, v).sqrt()
}

/// The scalar product.
pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The vector product.
pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// A vector of length 1.
pub(crate) fn unit(v: [f64; 3]) -> [f64; 3] {
    let length = length(v);
    v.map(|part| part / length)
}

fn sin_cos_of_small(x: f64) -> (f64, f64) {
    let square = x * x;
    let (mut sin, mut cos) = (1.0, 1.0);
    for n in (1..=8_u32).rev() {
        let n = f64::from(2 * n);
        sin = 1.0 - sin * square / (n * (n + 1.0));
        cos = 1.0 - cos * square / (n * (n - 1.0));
    }
    (x * sin, cos)
}

/// From 0 to 1. Twice the angle is halved:
/// atan(x) = 2 atan(x / (1 + sqrt(1 + x^2))).
fn atan_of_small(x: f64) -> f64 {
    let half = |x: f64| x / (1.0 + (1.0 + x * x).sqrt());
    4.0 * odd_series(half(half(x)), -1.0)
}

/// x + sign x^3/3 + x^5/5 + sign x^7/7 + ...
fn odd_series(x: f64, sign: f64) -> f64 {
    let square = sign * x * x;
    let mut sum = 0.0;
    for n in (0..=11_u32).rev() {
        sum = sum * square + 1.0 / f64::from(2 * n + 1);
    }
    sum * x
}

fn power_of_two(power: i64) -> f64 {
    f64::from_bits((power + 1023).cast_unsigned() << 52)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what is compared with")]
mod tests {
    use super::*;

    fn near(ours: f64, platform: f64) {
        let error = (ours - platform).abs();
        assert!(
            error <= 4e-16 * platform.abs().max(1.0),
            "{ours} {platform}"
        );
    }

    #[test]
    fn agrees_with_the_platform() {
        for step in -2000..2000 {
            let x = f64::from(step) * 0.013_7;
            near(sin(x), x.sin());
            near(cos(x), x.cos());
            near(exp(x / 10.0) / (x / 10.0).exp(), 1.0);
            near(atan2(x, 1.3), x.atan2(1.3));
            near(atan2(-0.7, x), (-0.7_f64).atan2(x));
            near(ln(x.abs() + 0.001), (x.abs() + 0.001).ln());
            near(asin(x / 30.0), (x / 30.0).asin());
        }
    }

    #[test]
    fn powers_of_large_numbers() {
        let ratio = pow(288.15, 5.255_88) / 288.15_f64.powf(5.255_88);
        assert!((ratio - 1.0).abs() < 1e-14);
        near(sin(1.0e5), 1.0e5_f64.sin());
    }
}
