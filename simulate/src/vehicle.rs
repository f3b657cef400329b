//! The launcher: two stages of liquid oxygen and kerosene, and the small
//! differences of every flight.
//!
//! The numbers are those of a medium launcher with nine first-stage engines,
//! rounded; no real vehicle is meant.

use crate::noise::Noise;
use crate::numeric::{cos, radians};

/// Standard gravity, m/s^2: the unit of specific impulse.
pub(crate) const G0: f64 = 9.806_65;
/// Oxidizer to fuel by mass, as built.
pub(crate) const MIXTURE_RATIO: f64 = 2.36;
/// First-stage engines.
pub(crate) const ENGINES: u32 = 9;

/// One stage.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) dry_kg: f64,
    pub(crate) lox_kg: f64,
    pub(crate) rp1_kg: f64,
    pub(crate) thrust_vacuum_n: f64,
    /// Sum of the nozzles' exit areas, m^2: what the air's pressure takes away.
    pub(crate) nozzle_m2: f64,
    pub(crate) specific_impulse_s: f64,
}

impl Stage {
    fn new(dry_kg: f64, propellant_kg: f64, thrust_vacuum_n: f64) -> Stage {
        Stage {
            dry_kg,
            lox_kg: propellant_kg * MIXTURE_RATIO / (1.0 + MIXTURE_RATIO),
            rp1_kg: propellant_kg / (1.0 + MIXTURE_RATIO),
            thrust_vacuum_n,
            nozzle_m2: 0.0,
            specific_impulse_s: 0.0,
        }
    }

    /// Speed of the exhaust in vacuum, m/s.
    pub(crate) fn exhaust_m_s(&self) -> f64 {
        self.specific_impulse_s * G0
    }

    /// Propellant through all engines at full power, kg/s.
    pub(crate) fn full_flow_kg_s(&self) -> f64 {
        self.thrust_vacuum_n / self.exhaust_m_s()
    }

    pub(crate) fn propellant_kg(&self) -> f64 {
        self.lox_kg + self.rp1_kg
    }
}

/// A vehicle with its payload and its target.
#[derive(Debug, Clone)]
pub(crate) struct Vehicle {
    pub(crate) stages: [Stage; 2],
    pub(crate) payload_kg: f64,
    /// Drag coefficient times cross-section, m^2, without the drag rise.
    pub(crate) drag_area_m2: f64,
    /// Tilt of the thrust that begins the gravity turn.
    pub(crate) kick_rad: f64,
    pub(crate) orbit_altitude_m: f64,
    pub(crate) site: Site,
}

/// Where and in which direction a vehicle is launched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    pub(crate) latitude_rad: f64,
    pub(crate) longitude_rad: f64,
    /// From north over east.
    pub(crate) azimuth_rad: f64,
}

impl Site {
    /// Cosine of the orbit's inclination (Bate, Mueller and White,
    /// "Fundamentals of Astrodynamics", 3.5).
    pub(crate) fn cos_inclination(&self) -> f64 {
        cos(self.latitude_rad) * crate::numeric::sin(self.azimuth_rad)
    }
}

impl Vehicle {
    /// The vehicle of one flight.
    pub(crate) fn of_flight(noise: &mut Noise) -> Vehicle {
        let mut first = Stage::new(25_600.0, 395_700.0 * noise.around(0.002), 8_227_000.0);
        first.nozzle_m2 = 6.1;
        first.specific_impulse_s = 311.0 * noise.around(0.001);
        let mut second = Stage::new(4_000.0, 92_670.0 * noise.around(0.002), 934_000.0);
        second.thrust_vacuum_n *= noise.around(0.003);
        second.specific_impulse_s = 348.0 * noise.around(0.001);
        Vehicle {
            stages: [first, second],
            payload_kg: 13_000.0 * noise.around(0.03),
            drag_area_m2: 0.3 * 10.75 * noise.around(0.02),
            kick_rad: radians(4.4) * noise.around(0.01),
            orbit_altitude_m: 250_000.0 * noise.around(0.002),
            site: Site {
                latitude_rad: radians(28.5),
                longitude_rad: radians(-80.6),
                azimuth_rad: radians(90.0),
            },
        }
    }
}
