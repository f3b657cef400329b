//! Steering of the upper stage into a circular orbit.
//!
//! Powered explicit guidance in the plane: the sine of the pitch is a straight
//! line in time, chosen so that height and climb meet the target when the
//! rocket equation says that the speed does (Jaggers, "An Explicit Solution to
//! the Exoatmospheric Powered Flight Guidance and Trajectory Optimization
//! Problem for Rocket Propelled Vehicles", AIAA 77-1051). Refuses coasting
//! arcs, planes other than the launch's, and throttling.

use crate::numeric::{exp, ln};

/// Gravitational parameter of the Earth, m^3/s^2 (WGS 84).
pub(crate) const EARTH_MU: f64 = 3.986_004_418e14;
/// Closer to the end the line is kept as it is: the equations become singular.
const FREEZE_S: f64 = 8.0;
/// Between two solutions of the equations.
const CYCLE_S: f64 = 0.1;

/// The state that guidance sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) radius_m: f64,
    pub(crate) climb_m_s: f64,
    pub(crate) horizontal_m_s: f64,
    /// Thrust over mass, m/s^2.
    pub(crate) acceleration_m_s2: f64,
    pub(crate) exhaust_m_s: f64,
}

/// The steering law, and what is left of the burn.
#[derive(Debug, Clone)]
pub(crate) struct Guidance {
    target_radius_m: f64,
    offset: f64,
    slope: f64,
    left_s: f64,
    since_cycle_s: f64,
}

impl Guidance {
    /// For a circular orbit of that radius, with a first guess of the burn.
    pub(crate) fn new(target_radius_m: f64, burn_s: f64) -> Guidance {
        Guidance {
            target_radius_m,
            offset: 0.0,
            slope: 0.0,
            left_s: burn_s,
            since_cycle_s: CYCLE_S,
        }
    }

    /// Sine of the pitch above the horizon, now.
    pub(crate) fn steer(&mut self, seen: &Seen, step_s: f64) -> f64 {
        self.left_s = (self.left_s - step_s).max(0.1);
        self.offset += self.slope * step_s;
        self.since_cycle_s += step_s;
        if self.left_s > FREEZE_S && self.since_cycle_s >= CYCLE_S {
            self.since_cycle_s = 0.0;
            self.aim(seen);
            self.left_s = self.time_to_go(seen);
        }
        (self.offset + hold(seen)).clamp(-0.6, 0.95)
    }

    /// Chooses the line by height and climb at the end of the burn.
    fn aim(&mut self, seen: &Seen) {
        let (exhaust, left_s) = (seen.exhaust_m_s, self.left_s);
        let tau = exhaust / seen.acceleration_m_s2;
        let share = (left_s / tau).min(0.98);
        let b0 = -exhaust * ln(1.0 - share);
        let b1 = b0 * tau - exhaust * left_s;
        let c0 = b0 * left_s - b1;
        let c1 = c0 * tau - exhaust * left_s * left_s / 2.0;
        let climb = -seen.climb_m_s;
        let rise = self.target_radius_m - seen.radius_m - seen.climb_m_s * left_s;
        let determinant = b0 * c1 - b1 * c0;
        self.offset = (climb * c1 - rise * b1) / determinant;
        self.slope = (rise * b0 - climb * c0) / determinant;
    }

    /// Time until the angular momentum is that of the target.
    fn time_to_go(&self, seen: &Seen) -> f64 {
        let target_m_s = (EARTH_MU / self.target_radius_m).sqrt();
        let missing = self.target_radius_m * target_m_s - seen.radius_m * seen.horizontal_m_s;
        let mean_radius_m = (seen.radius_m + self.target_radius_m) / 2.0;
        let (exhaust, left_s) = (seen.exhaust_m_s, self.left_s);
        let tau = exhaust / seen.acceleration_m_s2;
        let first = self.offset + hold(seen);
        let last = self.offset + self.slope * left_s;
        let rate = (last - first) / left_s;
        let along = 1.0 - first * first / 2.0;
        let along_rate = -first * rate;
        let along_curve = -rate * rate / 2.0;
        let gained = missing / mean_radius_m
            + exhaust * left_s * (along_rate + along_curve * tau)
            + exhaust * left_s * left_s * along_curve / 2.0;
        let speed_m_s = gained / (along + along_rate * tau + along_curve * tau * tau);
        (tau * (1.0 - exp(-speed_m_s / exhaust))).clamp(1.0, 600.0)
    }
}

/// Share of the thrust that holds the vehicle against gravity.
fn hold(seen: &Seen) -> f64 {
    let gravity = EARTH_MU / (seen.radius_m * seen.radius_m);
    let centrifugal = seen.horizontal_m_s * seen.horizontal_m_s / seen.radius_m;
    (gravity - centrifugal) / seen.acceleration_m_s2
}
