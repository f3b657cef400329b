//! First-stage engines: valves, chamber, turbopump, and what wears and sticks.
//!
//! Promises: flow follows the valves, chamber pressure the flow (at a given
//! throat and mixture, Sutton and Biblarz, "Rocket Propulsion Elements",
//! equation 3-32), pump head the square of the shaft's speed (the affinity
//! laws), each with a lag of its own. Refuses start transients in detail and
//! any coupling of engines.

use crate::noise::Noise;
use crate::numeric::exp;
use crate::packet::launcher::{BAND_WIDTH_HZ, BANDS};
use crate::vehicle::{ENGINES, MIXTURE_RATIO};

const CHAMBER_PRESSURE_BAR: f64 = 97.0;
const SHAFT_SPEED_RPM: f64 = 36_000.0;
const AMBIENT_K: f64 = 290.0;
const TURBINE_K: f64 = 900.0;
const CHILLED_K: f64 = 105.0;

const VALVE_LAG_S: f64 = 0.06;
const CHAMBER_LAG_S: f64 = 0.08;
const SHAFT_LAG_S: f64 = 0.15;
const TURBINE_LAG_S: f64 = 0.8;
const BEARING_LAG_S: f64 = 6.0;

/// Rolling elements of the bearing, and their diameter over the pitch
/// diameter times the cosine of the contact angle.
const BALLS: f64 = 11.0;
const BALL_RATIO: f64 = 0.198;

/// What is wrong with an engine, in seconds since lift-off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// A bearing of the turbopump wears out.
    Bearing { engine: u32, from_s: f64, to_s: f64 },
    /// The main oxidizer valve stays where it is.
    StuckValve { engine: u32, from_s: f64, to_s: f64 },
}

/// One engine, as shares of full power.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(crate) number: u32,
    /// How far this engine is from its sisters, as built.
    trim: f64,
    command: f64,
    ox_valve: f64,
    fuel_valve: f64,
    ox_flow: f64,
    fuel_flow: f64,
    pressure: f64,
    shaft: f64,
    turbine_k: f64,
    bearing_k: f64,
    wear: f64,
}

/// What the sensors of an engine say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readings {
    /// Number in [`ENGINE_STATES`](crate::packet::launcher::ENGINE_STATES).
    pub(crate) state: u8,
    pub(crate) chamber_pressure_bar: f64,
    pub(crate) turbopump_speed_rpm: f64,
    pub(crate) mixture_ratio: f64,
    pub(crate) turbine_k: f64,
    pub(crate) bearing_k: f64,
    pub(crate) ox_valve_command_pct: f64,
    pub(crate) ox_valve_pct: f64,
    pub(crate) fuel_valve_pct: f64,
}

impl Engine {
    pub(crate) fn new(number: u32, noise: &mut Noise) -> Engine {
        Engine {
            number,
            trim: noise.around(0.004),
            command: 0.0,
            ox_valve: 0.0,
            fuel_valve: 0.0,
            ox_flow: 0.0,
            fuel_flow: 0.0,
            pressure: 0.0,
            shaft: 0.0,
            turbine_k: AMBIENT_K,
            bearing_k: CHILLED_K,
            wear: 0.0,
        }
    }

    /// One step towards a throttle command, 0 to 1.
    pub(crate) fn step(&mut self, time_s: f64, command: f64, faults: &[Fault], step_s: f64) {
        self.command = command;
        let mine = || faults.iter().filter(|fault| fault.engine() == self.number);
        let is_stuck = mine().any(|fault| fault.sticks_at(time_s));
        self.wear = mine().map(|fault| fault.wear_at(time_s)).sum();
        if !is_stuck {
            follow(&mut self.ox_valve, command, step_s / VALVE_LAG_S);
        }
        follow(&mut self.fuel_valve, command, step_s / VALVE_LAG_S);
        let pumped = self.trim * (1.0 - 0.05 * self.wear);
        self.ox_flow = self.ox_valve * pumped;
        self.fuel_flow = self.fuel_valve * pumped;
        let flow = (MIXTURE_RATIO * self.ox_flow + self.fuel_flow) / (1.0 + MIXTURE_RATIO);
        follow(&mut self.pressure, flow, step_s / CHAMBER_LAG_S);
        let shaft = self.pressure.max(0.0).sqrt() * (1.0 - 0.03 * self.wear);
        follow(&mut self.shaft, shaft, step_s / SHAFT_LAG_S);
        self.warm(step_s);
    }

    fn warm(&mut self, step_s: f64) {
        let lean = (self.mixture_ratio() / MIXTURE_RATIO - 1.0).clamp(-0.3, 0.3);
        let turbine_k = AMBIENT_K
            + (TURBINE_K - AMBIENT_K) * self.pressure * (1.0 + 0.5 * lean)
            + 60.0 * self.wear;
        follow(&mut self.turbine_k, turbine_k, step_s / TURBINE_LAG_S);
        let bearing_k = CHILLED_K + self.shaft * self.shaft * (35.0 + 80.0 * self.wear);
        follow(&mut self.bearing_k, bearing_k, step_s / BEARING_LAG_S);
    }

    /// Thrust in vacuum over that at full power: pressure, and what a mixture
    /// beside the best one loses.
    pub(crate) fn thrust_share(&self) -> f64 {
        let beside = self.mixture_ratio() / MIXTURE_RATIO - 1.0;
        self.pressure * (1.0 - 0.15 * beside * beside)
    }

    /// Flow of oxidizer and fuel over that at full power.
    pub(crate) fn flow_shares(&self) -> (f64, f64) {
        (self.ox_flow, self.fuel_flow)
    }

    fn mixture_ratio(&self) -> f64 {
        match self.fuel_flow > 0.02 {
            true => MIXTURE_RATIO * self.ox_flow / self.fuel_flow,
            false => MIXTURE_RATIO,
        }
    }

    pub(crate) fn readings(&self, noise: &mut Noise) -> Readings {
        let mixture = match self.pressure > 0.05 {
            true => self.mixture_ratio() + 0.012 * noise.gauss(),
            false => 0.0,
        };
        Readings {
            state: self.state(),
            chamber_pressure_bar: CHAMBER_PRESSURE_BAR * self.pressure
                + (0.04 + 0.3 * self.pressure) * noise.gauss(),
            turbopump_speed_rpm: SHAFT_SPEED_RPM * self.shaft + 35.0 * self.shaft * noise.gauss(),
            mixture_ratio: mixture,
            turbine_k: self.turbine_k + 1.2 * noise.gauss(),
            bearing_k: self.bearing_k + 0.15 * noise.gauss(),
            ox_valve_command_pct: 100.0 * self.command,
            ox_valve_pct: 100.0 * self.ox_valve + 0.05 * noise.gauss(),
            fuel_valve_pct: 100.0 * self.fuel_valve + 0.05 * noise.gauss(),
        }
    }

    fn state(&self) -> u8 {
        match (self.command > 0.01, self.pressure) {
            (true, pressure) if pressure < 0.5 => 1,
            (true, _) => 2,
            (false, pressure) if pressure > 0.02 => 3,
            (false, _) => 0,
        }
    }

    /// Overall level, the shaft's line and the level of each band, in g.
    pub(crate) fn vibration(&self, noise: &mut Noise) -> (f64, f64, [f64; BANDS as usize]) {
        let shaft_hz = SHAFT_SPEED_RPM / 60.0 * self.shaft;
        let line_g = 1.1 * self.shaft * self.shaft * noise.around(0.1);
        let mut bands = [0.0; BANDS as usize];
        for (band, level) in (0_u32..).zip(&mut bands) {
            let hum = 0.45 * self.pressure / (1.0 + f64::from(band) / 12.0);
            *level = ((0.01 + hum) * (1.0 + 0.12 * noise.gauss())).abs();
        }
        add_line(&mut bands, shaft_hz, line_g);
        add_line(&mut bands, 2.0 * shaft_hz, 0.35 * line_g);
        let bearing_g = 6.0 * self.wear * self.shaft * self.shaft * noise.around(0.15);
        add_line(&mut bands, outer_race_hz(shaft_hz), bearing_g);
        add_line(&mut bands, 1.85 * outer_race_hz(shaft_hz), 0.3 * bearing_g);
        let overall = bands.iter().map(|level| level * level).sum::<f64>().sqrt();
        (overall, line_g, bands)
    }
}

impl Fault {
    pub(crate) fn engine(&self) -> u32 {
        match self {
            Fault::Bearing { engine, .. } | Fault::StuckValve { engine, .. } => *engine,
        }
    }

    fn sticks_at(&self, time_s: f64) -> bool {
        matches!(self, Fault::StuckValve { from_s, to_s, .. } if (*from_s..*to_s).contains(&time_s))
    }

    /// Wear from 0 to 1, faster and faster.
    fn wear_at(&self, time_s: f64) -> f64 {
        match self {
            Fault::Bearing { from_s, to_s, .. } => {
                let share = ((time_s - from_s) / (to_s - from_s)).clamp(0.0, 1.0);
                (exp(3.0 * share) - 1.0) / (exp(3.0) - 1.0)
            }
            Fault::StuckValve { .. } => 0.0,
        }
    }
}

/// The engines of a stage.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) engines: Vec<Engine>,
    faults: Vec<Fault>,
}

impl Cluster {
    pub(crate) fn new(faults: &[Fault], noise: &mut Noise) -> Cluster {
        Cluster {
            engines: (1..=ENGINES).map(|n| Engine::new(n, noise)).collect(),
            faults: faults.to_vec(),
        }
    }

    pub(crate) fn step(&mut self, time_s: f64, command: f64, step_s: f64) {
        for engine in &mut self.engines {
            engine.step(time_s, command, &self.faults, step_s);
        }
    }

    /// Mean over the engines.
    pub(crate) fn thrust_share(&self) -> f64 {
        let sum: f64 = self.engines.iter().map(Engine::thrust_share).sum();
        sum / f64::from(ENGINES)
    }

    /// Mean over the engines: oxidizer, fuel.
    pub(crate) fn flow_shares(&self) -> (f64, f64) {
        let flows = self.engines.iter().map(Engine::flow_shares);
        let (ox, fuel) = flows.fold((0.0, 0.0), |sum, flow| (sum.0 + flow.0, sum.1 + flow.1));
        (ox / f64::from(ENGINES), fuel / f64::from(ENGINES))
    }
}

/// Frequency at which balls pass a point of the outer race (Harris, "Rolling
/// Bearing Analysis", chapter 25).
pub(crate) fn outer_race_hz(shaft_hz: f64) -> f64 {
    0.5 * BALLS * shaft_hz * (1.0 - BALL_RATIO)
}

fn add_line(bands: &mut [f64; BANDS as usize], frequency_hz: f64, level_g: f64) {
    let at = crate::numeric::whole((frequency_hz / BAND_WIDTH_HZ).floor());
    let band = usize::try_from(at).ok().and_then(|at| bands.get_mut(at));
    if let Some(band) = band {
        *band = (*band * *band + level_g * level_g).sqrt();
    }
}

/// One step of a first-order lag; `share` is the step over the time constant.
fn follow(value: &mut f64, target: f64, share: f64) {
    *value += (target - *value) * share.min(1.0);
}

#[cfg(test)]
mod tests;
