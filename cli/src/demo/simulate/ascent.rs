//! The ascent of a two-stage vehicle into a low orbit.
//!
//! Promises: mass only falls, altitude only rises until the engine stops, and
//! each flight ends in a circular orbit at the vehicle's altitude. Refuses:
//! what a flight dynamics tool has. The Earth is round and does not turn, the
//! air is exponential and still, the vehicle is a point.

use std::f64::consts::PI;
use std::io::{self, Write};

use super::{Noise, instant};

/// Flies one mission and writes its telemetry as JSON lines at 10 Hz: the
/// instant, the flight, the stage that flies (1 or 2), altitude (km), speed
/// against the Earth's centre (m/s), throttle (0 to 1), and propellant left in
/// the stage (kg). Returns the number of lines.
pub(super) fn write(out: &mut dyn Write, mission: &Mission, noise: &mut Noise) -> io::Result<u64> {
    let samples = fly(&Vehicle::for_mission(noise));
    for sample in &samples {
        write_sample(out, mission, sample)?;
    }
    Ok(samples.len() as u64)
}

/// One launch of the campaign.
pub(super) struct Mission {
    /// The flight's name.
    pub(super) flight: &'static str,
    date: &'static str,
    /// Seconds of the day at lift-off, UTC; a flight never crosses midnight.
    liftoff_s: u32,
}

/// The launches, in order of their days.
pub(super) const MISSIONS: [Mission; 3] = [
    Mission {
        flight: "heron-1",
        date: "2026-03-14",
        liftoff_s: 9 * 3600 + 30 * 60,
    },
    Mission {
        flight: "heron-2",
        date: "2026-04-02",
        liftoff_s: 17 * 3600 + 5 * 60 + 12,
    },
    Mission {
        flight: "heron-3",
        date: "2026-04-21",
        liftoff_s: 4 * 3600 + 48 * 60 + 30,
    },
];

/// Gravitational parameter of the Earth, m^3/s^2 (WGS 84).
const EARTH_MU: f64 = 3.986_004_418e14;
/// Equatorial radius of the Earth, m (WGS 84).
const EARTH_RADIUS_M: f64 = 6_378_137.0;
/// Standard gravity, m/s^2: the unit of specific impulse.
const G0: f64 = 9.806_65;
/// Density of air at sea level, kg/m^3, and the height over which it falls by e.
const AIR_DENSITY: f64 = 1.225;
const AIR_SCALE_HEIGHT_M: f64 = 8_500.0;
/// Pressure at sea level, Pa, falls over the same height.
const AIR_PRESSURE_PA: f64 = 101_325.0;

/// Drag coefficient times cross-section, m^2.
const DRAG_AREA_M2: f64 = 0.3 * PI * 1.85 * 1.85;
/// The throttle keeps the dynamic pressure near this bound, Pa.
const DYNAMIC_PRESSURE_LIMIT_PA: f64 = 30_000.0;
/// The throttle keeps the acceleration below this bound, m/s^2.
const ACCELERATION_LIMIT: f64 = 4.5 * G0;
const THROTTLE_MIN: f64 = 0.55;

const PITCH_OVER_AT_M_S: f64 = 60.0;
const SEPARATION_COAST_S: f64 = 4.0;
const COAST_IN_ORBIT_S: f64 = 20.0;

const SAMPLES_PER_S: u32 = 10;
const STEPS_PER_SAMPLE: u32 = 10;
const STEP_S: f64 = 1.0 / (SAMPLES_PER_S * STEPS_PER_SAMPLE) as f64;
/// A vehicle that does not reach orbit within this time never will.
const FLIGHT_LIMIT_S: u32 = 900;

#[derive(Debug, Clone)]
struct Stage {
    dry_kg: f64,
    propellant_kg: f64,
    thrust_vacuum_n: f64,
    /// Sum of the nozzles' exit areas, m^2: what the air's pressure takes away.
    nozzle_m2: f64,
    specific_impulse_vacuum_s: f64,
}

#[derive(Debug, Clone)]
struct Vehicle {
    stages: [Stage; 2],
    payload_kg: f64,
    pitch_kick_rad: f64,
    orbit_altitude_m: f64,
}

impl Vehicle {
    /// The campaign's vehicle with the small differences of one mission.
    fn for_mission(noise: &mut Noise) -> Vehicle {
        Vehicle {
            stages: [
                Stage {
                    dry_kg: 25_600.0,
                    propellant_kg: 395_700.0 * noise.around(0.002),
                    thrust_vacuum_n: 8_227_000.0 * noise.around(0.003),
                    nozzle_m2: 6.1,
                    specific_impulse_vacuum_s: 311.0 * noise.around(0.001),
                },
                Stage {
                    dry_kg: 4_000.0,
                    propellant_kg: 92_670.0 * noise.around(0.002),
                    thrust_vacuum_n: 934_000.0 * noise.around(0.003),
                    nozzle_m2: 0.0,
                    specific_impulse_vacuum_s: 348.0 * noise.around(0.001),
                },
            ],
            payload_kg: 12_000.0 * noise.around(0.03),
            pitch_kick_rad: 0.036 * noise.around(0.005),
            orbit_altitude_m: 210_000.0 * noise.around(0.02),
        }
    }
}

/// One record of flight telemetry.
#[derive(Debug, Clone)]
struct Sample {
    since_liftoff_ms: u32,
    stage: u8,
    altitude_m: f64,
    velocity_m_s: f64,
    throttle: f64,
    propellant_kg: f64,
}

/// Position and velocity in the plane of the ascent, polar: distance from
/// the Earth's centre, and the radial and the horizontal speed.
#[derive(Debug, Clone, Copy)]
struct Motion {
    radius_m: f64,
    radial_m_s: f64,
    horizontal_m_s: f64,
}

impl Motion {
    fn altitude_m(&self) -> f64 {
        self.radius_m - EARTH_RADIUS_M
    }

    fn speed_m_s(&self) -> f64 {
        self.radial_m_s.hypot(self.horizontal_m_s)
    }

    /// Radial and horizontal parts of the unit vector along the velocity.
    fn direction(&self) -> (f64, f64) {
        let speed = self.speed_m_s();
        if speed < 1e-6 {
            (1.0, 0.0)
        } else {
            (self.radial_m_s / speed, self.horizontal_m_s / speed)
        }
    }

    /// One step of symplectic Euler: stable, and exact enough at 10 ms.
    fn step(&mut self, (radial, horizontal): (f64, f64)) {
        let centrifugal = self.horizontal_m_s * self.horizontal_m_s / self.radius_m;
        let gravity = EARTH_MU / (self.radius_m * self.radius_m);
        let coriolis = self.radial_m_s * self.horizontal_m_s / self.radius_m;
        self.radial_m_s += (radial + centrifugal - gravity) * STEP_S;
        self.horizontal_m_s += (horizontal - coriolis) * STEP_S;
        self.radius_m += self.radial_m_s * STEP_S;
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Burn(usize),
    Separation { left_s: f64 },
    Orbit { left_s: f64 },
}

struct Flight<'a> {
    vehicle: &'a Vehicle,
    motion: Motion,
    phase: Phase,
    pitched_over: bool,
    propellant_kg: [f64; 2],
    throttle: f64,
}

/// Flies a vehicle from the pad into orbit and a little along it.
fn fly(vehicle: &Vehicle) -> Vec<Sample> {
    let mut flight = Flight::on_the_pad(vehicle);
    let mut samples = Vec::new();
    for tick in 0..FLIGHT_LIMIT_S * SAMPLES_PER_S {
        samples.push(flight.sample(tick * (1000 / SAMPLES_PER_S)));
        for _ in 0..STEPS_PER_SAMPLE {
            flight.step();
        }
        if matches!(flight.phase, Phase::Orbit { left_s } if left_s <= 0.0) {
            break;
        }
    }
    samples
}

impl<'a> Flight<'a> {
    fn on_the_pad(vehicle: &'a Vehicle) -> Self {
        Flight {
            vehicle,
            motion: Motion {
                radius_m: EARTH_RADIUS_M,
                radial_m_s: 0.0,
                horizontal_m_s: 0.0,
            },
            phase: Phase::Burn(0),
            pitched_over: false,
            propellant_kg: vehicle.stages.each_ref().map(|s| s.propellant_kg),
            throttle: 1.0,
        }
    }

    /// Index of the stage that flies.
    fn stage(&self) -> usize {
        match self.phase {
            Phase::Burn(stage) => stage,
            Phase::Separation { .. } | Phase::Orbit { .. } => 1,
        }
    }

    fn mass_kg(&self) -> f64 {
        let stages = (self.stage()..2)
            .map(|i| self.vehicle.stages[i].dry_kg + self.propellant_kg[i])
            .sum::<f64>();
        stages + self.vehicle.payload_kg
    }

    fn sample(&self, since_liftoff_ms: u32) -> Sample {
        let stage = self.stage();
        let burning = matches!(self.phase, Phase::Burn(_));
        Sample {
            since_liftoff_ms,
            stage: if stage == 0 { 1 } else { 2 },
            altitude_m: self.motion.altitude_m(),
            velocity_m_s: self.motion.speed_m_s(),
            throttle: if burning { self.throttle } else { 0.0 },
            propellant_kg: self.propellant_kg[stage],
        }
    }

    fn step(&mut self) {
        match &mut self.phase {
            Phase::Burn(stage) => {
                let stage = *stage;
                self.burn(stage);
            }
            Phase::Separation { left_s } => {
                *left_s -= STEP_S;
                let separated = *left_s <= 0.0;
                self.coast();
                if separated {
                    self.phase = Phase::Burn(1);
                }
            }
            Phase::Orbit { left_s } => {
                *left_s -= STEP_S;
                self.coast();
            }
        }
    }

    fn coast(&mut self) {
        self.motion.step(self.drag());
    }

    fn burn(&mut self, stage: usize) {
        let engine = &self.vehicle.stages[stage];
        let pressure = AIR_PRESSURE_PA * self.air();
        let full_thrust_n = engine.thrust_vacuum_n - engine.nozzle_m2 * pressure;
        self.throttle = self.throttle_for(full_thrust_n);
        let acceleration = self.throttle * full_thrust_n / self.mass_kg();
        let (up, along) = self.steer(stage, acceleration);
        let drag = self.drag();
        self.motion
            .step((acceleration * up + drag.0, acceleration * along + drag.1));
        self.propellant_kg[stage] -= self.throttle * engine.thrust_vacuum_n
            / (engine.specific_impulse_vacuum_s * G0)
            * STEP_S;
        self.next_phase(stage);
    }

    fn next_phase(&mut self, stage: usize) {
        let spent = self.propellant_kg[stage] <= 0.0;
        self.propellant_kg[stage] = self.propellant_kg[stage].max(0.0);
        if stage == 0 && spent {
            self.phase = Phase::Separation {
                left_s: SEPARATION_COAST_S,
            };
        } else if stage == 1 && (spent || self.in_orbit()) {
            self.phase = Phase::Orbit {
                left_s: COAST_IN_ORBIT_S,
            };
        }
    }

    /// Whether the orbit's energy is that of a circle at this height.
    fn in_orbit(&self) -> bool {
        self.motion.speed_m_s() >= (EARTH_MU / self.motion.radius_m).sqrt()
    }

    /// Air density relative to sea level.
    fn air(&self) -> f64 {
        (-self.motion.altitude_m() / AIR_SCALE_HEIGHT_M).exp()
    }

    fn dynamic_pressure_pa(&self) -> f64 {
        0.5 * AIR_DENSITY * self.air() * self.motion.speed_m_s().powi(2)
    }

    fn drag(&self) -> (f64, f64) {
        let (up, along) = self.motion.direction();
        let drag = self.dynamic_pressure_pa() * DRAG_AREA_M2 / self.mass_kg();
        (-drag * up, -drag * along)
    }

    fn throttle_for(&self, full_thrust_n: f64) -> f64 {
        let by_acceleration = ACCELERATION_LIMIT * self.mass_kg() / full_thrust_n;
        let by_pressure = 2.0 - self.dynamic_pressure_pa() / DYNAMIC_PRESSURE_LIMIT_PA;
        by_acceleration.min(by_pressure).clamp(THROTTLE_MIN, 1.0)
    }

    /// Direction of the thrust: up, then a gravity turn, then guided.
    fn steer(&mut self, stage: usize, acceleration: f64) -> (f64, f64) {
        if stage == 1 {
            return self.guide(acceleration);
        }
        if !self.pitched_over && self.motion.speed_m_s() > PITCH_OVER_AT_M_S {
            self.pitched_over = true;
            self.pitch_over();
        }
        self.motion.direction()
    }

    /// Tilts the velocity by the kick angle; gravity does the rest.
    fn pitch_over(&mut self) {
        let speed = self.motion.speed_m_s();
        let (sin, cos) = self.vehicle.pitch_kick_rad.sin_cos();
        self.motion.radial_m_s = speed * cos;
        self.motion.horizontal_m_s = speed * sin;
    }

    /// Climbs towards the orbit at a rate that falls to nothing there, with
    /// just as much of the thrust as that takes; the rest makes speed.
    fn guide(&self, acceleration: f64) -> (f64, f64) {
        let motion = &self.motion;
        let missing_m = self.vehicle.orbit_altitude_m - motion.altitude_m();
        let climb_m_s = (missing_m / 70.0).max(0.0);
        let weight =
            EARTH_MU / motion.radius_m.powi(2) - motion.horizontal_m_s.powi(2) / motion.radius_m;
        let wanted = weight + (climb_m_s - motion.radial_m_s) / 20.0;
        let up = (wanted / acceleration).clamp(-0.3, 0.75);
        (up, (1.0 - up * up).sqrt())
    }
}

fn write_sample(out: &mut dyn Write, mission: &Mission, sample: &Sample) -> io::Result<()> {
    writeln!(
        out,
        "{{\"time\": \"{}\", \"flight\": \"{}\", \"stage\": {}, \"altitude_km\": {:.4}, \
         \"velocity_m_s\": {:.3}, \"throttle\": {:.3}, \"propellant_kg\": {:.1}}}",
        instant(mission.date, mission.liftoff_s, sample.since_liftoff_ms),
        mission.flight,
        sample.stage,
        sample.altitude_m / 1000.0,
        sample.velocity_m_s,
        sample.throttle,
        sample.propellant_kg,
    )
}

#[cfg(test)]
mod tests;
