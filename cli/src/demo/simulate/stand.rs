//! The static fire of nine engines on a stand.
//!
//! Promises: engine 5 drifts away from its sisters, slowly and in all its
//! channels, and three lines are damaged the way a serial line damages them,
//! so that quarantine has something to show.

use std::io::{self, Write};

use super::{Noise, instant};

const STAND_DATE: &str = "2026-02-20";
const STAND_START_S: u32 = 13 * 3600;
const STAND_SAMPLES_PER_S: u32 = 50;
const STAND_DURATION_S: u32 = 40;
const ENGINES: u32 = 9;
const DRIFTING_ENGINE: u32 = 5;
const IGNITION_S: f64 = 2.0;
const DRIFT_FROM_S: f64 = 14.0;
const CUT_OFF_S: f64 = 36.0;

const CHAMBER_PRESSURE_BAR: f64 = 97.0;
const TURBOPUMP_SPEED_RPM: f64 = 36_000.0;
const VIBRATION_G: f64 = 2.4;

/// How a record is damaged on its way from the stand.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// The line ends in the middle.
    Cut,
    /// The next line begins before the line feed of this one.
    Run,
    /// A byte of the text is no text.
    Byte,
}

/// Record number (of the whole file, from 0) and its damage.
const DAMAGE: [(u64, Damage); 3] = [
    (4_321, Damage::Cut),
    (9_870, Damage::Run),
    (14_002, Damage::Byte),
];

/// Writes the firing as CSV at 50 Hz and engine, units in the header. Returns
/// the number of lines below the header.
pub(super) fn write(out: &mut dyn Write, noise: &mut Noise) -> io::Result<u64> {
    writeln!(
        out,
        "time,engine,chamber_pressure (bar),turbopump_speed (rpm),vibration (g)"
    )?;
    let mut rows = 0;
    for tick in 0..STAND_DURATION_S * STAND_SAMPLES_PER_S {
        let since_ms = tick * (1000 / STAND_SAMPLES_PER_S);
        for engine in 1..=ENGINES {
            let line = stand_line(since_ms, engine, noise);
            out.write_all(&damaged(rows, line))?;
            out.write_all(b"\n")?;
            rows += 1;
        }
    }
    Ok(rows)
}

fn stand_line(since_ms: u32, engine: u32, noise: &mut Noise) -> String {
    let since_s = f64::from(since_ms) / 1000.0;
    let power = power(since_s);
    let drift = drift(since_s, engine);
    let pressure = CHAMBER_PRESSURE_BAR * power * (1.0 - 0.06 * drift);
    // A centrifugal pump's pressure goes with the square of its speed.
    let speed = TURBOPUMP_SPEED_RPM * power.sqrt() * (1.0 + 0.03 * drift);
    let vibration = VIBRATION_G * power * (1.0 + 1.8 * drift);
    format!(
        "{},e{engine},{:.2},{:.0},{:.3}",
        instant(STAND_DATE, STAND_START_S, since_ms),
        pressure + 0.25 * noise.gauss(),
        (speed + 40.0 * noise.gauss()).max(0.0),
        (vibration + (0.02 + 0.25 * power) * noise.gauss()).abs(),
    )
}

/// Share of full power: a start and a stop of about a second each.
fn power(since_s: f64) -> f64 {
    let rise = 1.0 / (1.0 + (-(since_s - IGNITION_S - 0.5) * 10.0).exp());
    let fall = 1.0 / (1.0 + ((since_s - CUT_OFF_S - 0.5) * 10.0).exp());
    rise * fall
}

/// How far the drifting engine is on its way, 0 to 1.
fn drift(since_s: f64, engine: u32) -> f64 {
    if engine == DRIFTING_ENGINE {
        ((since_s - DRIFT_FROM_S) / (CUT_OFF_S - DRIFT_FROM_S)).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn damaged(row: u64, line: String) -> Vec<u8> {
    let damage = DAMAGE.iter().find(|(at, _)| *at == row);
    let mut bytes = line.into_bytes();
    match damage {
        None => {}
        Some((_, Damage::Cut)) => bytes.truncate("2026-02-20T13:00:00.000Z,e1,9".len()),
        Some((_, Damage::Run)) => bytes.extend_from_within(..),
        Some((_, Damage::Byte)) => bytes["2026-02-20T13:00:00.000Z,".len()] = 0xFF,
    }
    bytes
}

#[cfg(test)]
mod tests;
