//! The static-fire stand: one engine, a thousand samples a second.
//!
//! Promises: two firings with the same engine model as in flight, as CSV with
//! units in the header; slow channels have a value in every tenth line. The
//! second firing has what a data recorder does to files: lines that are
//! missing, that stand there twice, and that are damaged.

use std::fmt::Write as _;
use std::io;

use crate::downlink::{Event, Fate};
use crate::engine::Engine;
use crate::instant::Instant;
use crate::noise::Noise;
use crate::numeric::{exp, sin};
use crate::output::{Folder, Kind, Output};

/// Columns behind the time: name, unit, what it is. The last three are slow.
const COLUMNS: [(&str, &str, &str); 12] = [
    ("chamber_pressure", "bar", "Chamber"),
    ("thrust", "kN", "Load cells of the frame"),
    ("turbopump_speed", "rpm", "Shaft"),
    ("lox_inlet_pressure", "bar", "Before the oxidizer pump"),
    ("rp1_inlet_pressure", "bar", "Before the fuel pump"),
    ("acceleration_x", "g", "Thrust frame, along"),
    ("acceleration_y", "g", "Thrust frame, across"),
    ("ox_valve", "%", "Main oxidizer valve, position"),
    ("fuel_valve", "%", "Main fuel valve, position"),
    ("mixture_ratio", "", "Oxidizer to fuel by mass"),
    ("turbine_temperature", "K", "Turbine inlet"),
    ("wall_temperature", "K", "Nozzle wall"),
];
/// 2024-02-20T13:00:00Z: the ignition of the first firing; a day between two.
const FIRST_IGNITION: Instant = Instant(1_708_434_000_000_000);
const DAY_S: f64 = 86_400.0;
const FIRINGS: u32 = 2;

const STEP_S: f64 = 0.001;
const BEFORE_MS: i64 = 1_500;
const AFTER_MS: i64 = 22_500;
const CUT_OFF_S: f64 = 20.0;
/// Thrust at sea level at full power, kN.
const THRUST_KN: f64 = 845.0;
const SLOW_EVERY_MS: i64 = 10;
/// The chugging of the feed lines, Hz.
const CHUG_HZ: f64 = 87.0;

/// Milliseconds since ignition of the second firing.
const STALL_MS: std::ops::Range<i64> = 7_310..7_655;
const TWICE_MS: std::ops::Range<i64> = 12_000..12_040;
/// Lines and their damage.
const DAMAGED_MS: [(i64, Damage); 3] = [
    (3_217, Damage::Cut),
    (9_874, Damage::Run),
    (15_002, Damage::Byte),
];

#[derive(Debug, Clone, Copy)]
enum Damage {
    /// The line ends in the middle of its second value.
    Cut,
    /// The next line begins before the line feed of this one.
    Run,
    /// A byte that is no text, where a comma belongs.
    Byte,
}

/// Writes all firings; the events of each file, lines as packets of no APID.
pub(crate) fn write(folder: &mut Folder<'_>, seed: u64) -> io::Result<Vec<(String, Vec<Event>)>> {
    let mut events = Vec::new();
    for firing in 1..=FIRINGS {
        let path = format!("stand/SF-{firing:02}.csv");
        let mut output = folder.create(&path, Kind::StandCsv)?;
        output.write(header().as_bytes())?;
        let mut stand = Stand::new(seed, firing);
        for millis in -BEFORE_MS..AFTER_MS {
            stand.step(millis);
            if firing < 2 || !STALL_MS.contains(&millis) {
                stand.record(millis, &mut output)?;
            }
        }
        events.push((output.name.clone(), stand.events()));
        folder.finish(output)?;
    }
    Ok(events)
}

struct Stand {
    firing: u32,
    ignition: Instant,
    engine: Engine,
    noise: Noise,
    wall_k: f64,
    power: f64,
    line: String,
}

impl Stand {
    fn new(seed: u64, firing: u32) -> Stand {
        let mut noise = Noise::new(seed, "stand", firing);
        Stand {
            firing,
            ignition: FIRST_IGNITION.after(f64::from(firing - 1) * DAY_S),
            engine: Engine::new(1, &mut noise),
            noise,
            wall_k: 290.0,
            power: 0.0,
            line: String::new(),
        }
    }

    fn step(&mut self, millis: i64) {
        let time_s = millis as f64 * STEP_S;
        let command = throttle(time_s);
        self.engine.step(time_s, command, &[], STEP_S);
        self.power = self.engine.thrust_share();
        let wall_k = 290.0 + 480.0 * self.power;
        self.wall_k += (wall_k - self.wall_k) * STEP_S / 4.0;
    }

    fn record(&mut self, millis: i64, output: &mut Output) -> io::Result<()> {
        self.compose(millis);
        let damage = DAMAGED_MS.iter().find(|(at, _)| *at == millis);
        match damage.filter(|_| self.firing == 2) {
            Some((_, damage)) => output.record(&damaged(&self.line, *damage))?,
            None => output.record(self.line.as_bytes())?,
        }
        if self.firing == 2 && TWICE_MS.contains(&millis) {
            output.record(self.line.as_bytes())?;
        }
        Ok(())
    }

    fn compose(&mut self, millis: i64) {
        let r = self.engine.readings(&mut self.noise);
        let noise = &mut self.noise;
        let [x, y] = shaking(millis, self.power, noise);
        let at = Instant(self.ignition.0 + millis * 1000);
        self.line.clear();
        write!(
            self.line,
            "{at},{:.3},{:.2},{:.0},{:.3},{:.3},{x:.3},{y:.3},{:.2},{:.2},",
            r.chamber_pressure_bar,
            THRUST_KN * self.power + 0.9 * noise.gauss(),
            r.turbopump_speed_rpm.max(0.0),
            6.2 - 1.1 * self.power + 0.02 * noise.gauss(),
            4.1 - 0.7 * self.power + 0.02 * noise.gauss(),
            r.ox_valve_pct,
            r.fuel_valve_pct,
        )
        .expect("a string takes all text");
        match millis % SLOW_EVERY_MS == 0 {
            true => writeln!(
                self.line,
                "{:.4},{:.2},{:.2}",
                r.mixture_ratio,
                r.turbine_k,
                self.wall_k + 0.4 * noise.gauss()
            ),
            false => writeln!(self.line, ",,"),
        }
        .expect("a string takes all text");
    }

    fn events(&self) -> Vec<Event> {
        match self.firing {
            2 => vec![
                Event::of_lines(Fate::Lost, lines(&STALL_MS)),
                Event::of_lines(Fate::Duplicate, lines(&TWICE_MS)),
                Event::of_lines(Fate::Damaged, DAMAGED_MS.len() as u64),
            ],
            _ => Vec::new(),
        }
    }
}

fn lines(millis: &std::ops::Range<i64>) -> u64 {
    (millis.end - millis.start).unsigned_abs()
}

/// Full, four fifths, three fifths, full again.
fn throttle(time_s: f64) -> f64 {
    match time_s {
        t if !(0.0..CUT_OFF_S).contains(&t) => 0.0,
        t if t < 6.0 => (t / 1.2).min(1.0),
        t if t < 10.0 => 0.8,
        t if t < 14.0 => 0.6,
        _ => 1.0,
    }
}

/// Two accelerometers on the thrust frame: noise of combustion, the chugging
/// of the feed lines, which low power brings out, and hum of the mains.
fn shaking(millis: i64, power: f64, noise: &mut Noise) -> [f64; 2] {
    let turns = 2.0 * std::f64::consts::PI * (millis as f64 * STEP_S);
    let chug = 0.9 * power * exp(-power * 1.5) * sin(CHUG_HZ * turns);
    let hum = 0.01 * sin(50.0 * turns);
    [1.0, 0.7].map(|share| share * (chug + hum + (0.01 + 0.5 * power) * noise.gauss()))
}

fn damaged(line: &str, damage: Damage) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    let first = line.find(',').unwrap_or(0) + 1;
    match damage {
        Damage::Cut => {
            bytes.truncate(first + 9);
            bytes.push(b'\n');
        }
        Damage::Run => {
            bytes.pop();
            bytes.extend_from_slice(line.as_bytes());
        }
        Damage::Byte => {
            let mut commas = line.bytes().enumerate().filter(|(_, byte)| *byte == b',');
            if let Some((at, _)) = commas.nth(3) {
                bytes[at] = 0xFF;
            }
        }
    }
    bytes
}

fn header() -> String {
    let mut header = String::from("time");
    for (name, unit, _) in COLUMNS {
        match unit {
            "" => header.push_str(&format!(",{name}")),
            _ => header.push_str(&format!(",{name} ({unit})")),
        }
    }
    header + "\n"
}

/// The stream's definition, as TOML.
pub(crate) fn definition() -> String {
    let mut text = String::from(
        "# Static fires of one engine, a thousand lines a second; slow channels\n\
         # have a value in every tenth line.\n\
         stream = \"stand\"\n\
         description = \"Static fires of one engine\"\n\n\
         [input]\nformat = \"csv\"\nheader = true\n\n\
         [time]\naxis = \"absolute\"\ncode = \"iso\"\ncolumns = [\"time\"]\n\n\
         [table]\ndedup_by = [\"time\"]\n\n\
         [[column]]\nsource = \"time\"\ntype = \"timestamp\"\n",
    );
    for (name, unit, description) in COLUMNS {
        let (source, unit) = match unit {
            "" => (name.to_owned(), String::new()),
            _ => (format!("{name} ({unit})"), format!("unit = \"{unit}\"\n")),
        };
        text.push_str(&format!(
            "\n[[column]]\nsource = \"{source}\"\ntype = \"f64\"\n{unit}description = \"{description}\"\n"
        ));
    }
    text
}
