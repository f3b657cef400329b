//! What counts as a unit in brackets.
//!
//! The rule is a grammar, not a list of whole units: symbols, each with an
//! optional SI prefix and exponent, joined by `/`, `*`, `·`, `.` or a blank.
//! So `mA`, `m/s^2`, `kg·m²`, `uW/cm2`, `deg C` and `°C` are units, while
//! `total`, `WGS84` and `3` are not and stay in the name.

/// Symbols that take an SI prefix: the SI, and what telemetry uses beside it.
const PREFIXED: &[&str] = &[
    "m", "g", "s", "A", "K", "mol", "cd", "rad", "sr", "Hz", "N", "Pa", "J", "W", "C", "V", "F",
    "Ω", "Ohm", "ohm", "ohms", "S", "Wb", "T", "H", "lm", "lx", "Bq", "Gy", "Sv", "L", "l", "eV",
    "bar", "B", "b", "bit", "bits", "byte", "bytes", "bps", "Bps", "sps", "Wh", "Ah", "VA",
    "gauss", "G", "cal", "sec", "pc", "t", "Torr", "torr", "as", "arcsec",
];

/// Symbols that stand alone.
const PLAIN: &[&str] = &[
    "%",
    "‰",
    "°",
    "°C",
    "°F",
    "℃",
    "℉",
    "deg",
    "degC",
    "degF",
    "degK",
    "degs",
    "degree",
    "degrees",
    "celsius",
    "fahrenheit",
    "kelvin",
    "C",
    "F",
    "'",
    "\"",
    "arcmin",
    "min",
    "mins",
    "minute",
    "minutes",
    "h",
    "hr",
    "hrs",
    "hour",
    "hours",
    "d",
    "day",
    "days",
    "wk",
    "week",
    "weeks",
    "mo",
    "month",
    "months",
    "y",
    "yr",
    "year",
    "years",
    "second",
    "seconds",
    "secs",
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "meter",
    "meters",
    "metre",
    "metres",
    "in",
    "inch",
    "inches",
    "ft",
    "feet",
    "yd",
    "mi",
    "mile",
    "miles",
    "nmi",
    "kn",
    "kt",
    "kts",
    "knot",
    "knots",
    "mph",
    "kph",
    "kmh",
    "psi",
    "psia",
    "psid",
    "psig",
    "ksi",
    "atm",
    "mmHg",
    "inHg",
    "lb",
    "lbs",
    "lbf",
    "lbm",
    "oz",
    "slug",
    "gal",
    "gpm",
    "pps",
    "rpm",
    "RPM",
    "rev",
    "revs",
    "g0",
    "gee",
    "dB",
    "dBm",
    "dBi",
    "dBW",
    "dBHz",
    "dBc",
    "dBA",
    "ppm",
    "ppb",
    "ppt",
    "au",
    "AU",
    "ly",
    "Å",
    "count",
    "counts",
    "cts",
    "cnt",
    "ct",
    "DN",
    "dn",
    "LSB",
    "lsb",
    "px",
    "pixel",
    "pixels",
    "cycle",
    "cycles",
    "tick",
    "ticks",
    "step",
    "steps",
    "frame",
    "frames",
    "packet",
    "packets",
    "sample",
    "samples",
    "amp",
    "amps",
    "volt",
    "volts",
    "watt",
    "watts",
    "percent",
    "pct",
    "R",
    "degR",
    "BTU",
    "hp",
    "var",
    "VAR",
    "VAr",
    "pH",
    "Kelvin",
    "Celsius",
    "ha",
    "um",
    "uas",
    "mas",
    "radian",
    "radians",
    "mbar",
    "cc",
    "fps",
    "FPS",
    "baud",
    "Bd",
];

const PREFIXES: &[&str] = &[
    "da", "y", "z", "a", "f", "p", "n", "u", "µ", "μ", "m", "c", "d", "h", "k", "K", "M", "G", "T",
    "P", "E", "Ki", "Mi", "Gi", "Ti",
];

/// Whether the text between brackets is a unit.
pub fn is_unit(text: &str) -> bool {
    if PLAIN.contains(&text) {
        return true;
    }
    let factors = text.split(['/', '*', '·', '⋅', '.', ' ']);
    let mut symbols = 0;
    for factor in factors.filter(|f| !f.is_empty()) {
        let one_over = factor == "1" && text.starts_with("1/");
        if !one_over && !is_factor(factor) {
            return false;
        }
        symbols += usize::from(!one_over);
    }
    symbols > 0 && !text.starts_with(['/', '*', '.']) && !text.ends_with(['/', '*', '.'])
}

/// A symbol with an optional exponent: `s`, `s2`, `s^-2`, `s**2`, `s⁻²`.
fn is_factor(text: &str) -> bool {
    let symbol = text.trim_end_matches(|c: char| {
        c.is_ascii_digit() || matches!(c, '⁻' | '¹' | '²' | '³' | '⁴' | '-' | '+' | '^')
    });
    is_symbol(text)
        || (!symbol.is_empty() && is_exponent(&text[symbol.len()..]) && is_symbol(symbol))
}

fn is_exponent(text: &str) -> bool {
    let digits = text.trim_start_matches(['^', '-', '+', '⁻']);
    text.len() - digits.len() <= '⁻'.len_utf8() + 1
        && matches!(digits.chars().count(), 1 | 2)
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³' | '⁴'))
}

fn is_symbol(text: &str) -> bool {
    PLAIN.contains(&text)
        || PREFIXED.contains(&text)
        || PREFIXES
            .iter()
            .filter_map(|prefix| text.strip_prefix(prefix))
            .any(|symbol| PREFIXED.contains(&symbol))
}
