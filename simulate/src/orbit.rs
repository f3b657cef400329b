//! Orbits of satellites, the Sun, and the turning Earth.
//!
//! Promises: two-body motion on an ellipse whose elements drift as the Earth's
//! flattening makes them (secular terms of J2). Refuses drag, the Moon,
//! periodic terms, precession and polar motion.

use crate::ascent::{EARTH_RADIUS_M, EARTH_RATE_RAD_S};
use crate::guidance::EARTH_MU;
use crate::instant::Instant;
use crate::numeric::{cross, dot, length, radians, sin, sin_cos};

/// Second zonal harmonic of the Earth (EGM96).
const J2: f64 = 1.082_626_7e-3;

/// Mean elements at an epoch, and their rates.
#[derive(Debug, Clone)]
pub(crate) struct Orbit {
    semi_major_m: f64,
    eccentricity: f64,
    inclination_rad: f64,
    node_rad: f64,
    perigee_rad: f64,
    anomaly_rad: f64,
    node_rate: f64,
    perigee_rate: f64,
    anomaly_rate: f64,
}

/// Position and velocity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) position_m: [f64; 3],
    pub(crate) velocity_m_s: [f64; 3],
}

impl Orbit {
    /// A near-circular orbit at a height, with ascending node and anomaly at
    /// the epoch, in radians. Its inclination makes the node follow the Sun.
    pub(crate) fn sun_synchronous(altitude_m: f64, node_rad: f64, anomaly_rad: f64) -> Orbit {
        let semi_major_m = EARTH_RADIUS_M + altitude_m;
        let eccentricity = 0.0011;
        let motion = (EARTH_MU / (semi_major_m * semi_major_m * semi_major_m)).sqrt();
        let parameter_m = semi_major_m * (1.0 - eccentricity * eccentricity);
        let ratio = EARTH_RADIUS_M / parameter_m;
        let drift = 1.5 * motion * J2 * ratio * ratio;
        // One turn in a tropical year.
        let wanted = 2.0 * std::f64::consts::PI / (365.242_19 * 86_400.0);
        let cos = -wanted / drift;
        let inclination_rad = std::f64::consts::FRAC_PI_2 - crate::numeric::asin(cos);
        // Vallado, "Fundamentals of Astrodynamics and Applications", 9-38, 9-40, 9-41.
        Orbit {
            semi_major_m,
            eccentricity,
            inclination_rad,
            node_rad,
            perigee_rad: std::f64::consts::FRAC_PI_2,
            anomaly_rad: anomaly_rad - std::f64::consts::FRAC_PI_2,
            node_rate: -drift * cos,
            perigee_rate: drift * (2.5 * cos * cos - 0.5),
            anomaly_rate: motion
                + drift * (1.0 - eccentricity * eccentricity).sqrt() * (1.5 * cos * cos - 0.5),
        }
    }

    /// Position and velocity without the Earth's rotation, so many seconds
    /// after the epoch. The velocity is the change of the position, with the
    /// drift of the ellipse in it.
    pub(crate) fn state(&self, time_s: f64) -> State {
        let (sin_e, cos_e) = sin_cos(self.eccentric_anomaly(time_s));
        let eccentricity = self.eccentricity;
        let minor = (1.0 - eccentricity * eccentricity).sqrt();
        let semi_major = self.semi_major_m;
        let rate = self.anomaly_rate / (1.0 - eccentricity * cos_e);
        let (x, y) = (
            semi_major * (cos_e - eccentricity),
            semi_major * minor * sin_e,
        );
        let turn = self.perigee_rate;
        let dx = -semi_major * rate * sin_e - turn * y;
        let dy = semi_major * rate * minor * cos_e + turn * x;
        let [p, q] = self.axes(time_s);
        let combine = |a: f64, b: f64| [0, 1, 2].map(|axis| a * p[axis] + b * q[axis]);
        let position_m = combine(x, y);
        let carried = cross([0.0, 0.0, self.node_rate], position_m);
        let within = combine(dx, dy);
        State {
            position_m,
            velocity_m_s: [0, 1, 2].map(|axis| within[axis] + carried[axis]),
        }
    }

    /// Kepler's equation by Newton's method; three steps are exact for a
    /// nearly circular orbit.
    fn eccentric_anomaly(&self, time_s: f64) -> f64 {
        let mean = self.anomaly_rad + self.anomaly_rate * time_s;
        let mut eccentric = mean;
        for _ in 0..3 {
            let (sin, cos) = sin_cos(eccentric);
            let error = eccentric - self.eccentricity * sin - mean;
            eccentric -= error / (1.0 - self.eccentricity * cos);
        }
        eccentric
    }

    /// Towards perigee, and a quarter turn on (Vallado, 2-6: the perifocal
    /// frame).
    fn axes(&self, time_s: f64) -> [[f64; 3]; 2] {
        let (sin_n, cos_n) = sin_cos(self.node_rad + self.node_rate * time_s);
        let (sin_p, cos_p) = sin_cos(self.perigee_rad + self.perigee_rate * time_s);
        let (sin_i, cos_i) = sin_cos(self.inclination_rad);
        [
            [
                cos_n * cos_p - sin_n * sin_p * cos_i,
                sin_n * cos_p + cos_n * sin_p * cos_i,
                sin_p * sin_i,
            ],
            [
                -cos_n * sin_p - sin_n * cos_p * cos_i,
                -sin_n * sin_p + cos_n * cos_p * cos_i,
                cos_p * sin_i,
            ],
        ]
    }
}

impl State {
    /// The same state seen from the turning Earth.
    pub(crate) fn earth_fixed(&self, at: Instant) -> State {
        let turn = |v: [f64; 3]| {
            let (sin, cos) = sin_cos(sidereal_rad(at));
            [cos * v[0] + sin * v[1], cos * v[1] - sin * v[0], v[2]]
        };
        let carried = cross([0.0, 0.0, EARTH_RATE_RAD_S], self.position_m);
        let relative = [0, 1, 2].map(|axis| self.velocity_m_s[axis] - carried[axis]);
        State {
            position_m: turn(self.position_m),
            velocity_m_s: turn(relative),
        }
    }

    /// Whether the Earth hides the Sun: a shadow in the form of a cylinder.
    pub(crate) fn is_in_eclipse(&self, sun: [f64; 3]) -> bool {
        let along = dot(self.position_m, sun);
        let across = [0, 1, 2].map(|axis| self.position_m[axis] - along * sun[axis]);
        along < 0.0 && length(across) < EARTH_RADIUS_M
    }
}

/// Greenwich mean sidereal time (Vallado, 3-47, without the small terms).
pub(crate) fn sidereal_rad(at: Instant) -> f64 {
    let days = at.days_since_j2000();
    radians((280.460_618_37 + 360.985_647_366_29 * days).rem_euclid(360.0))
}

/// Direction of the Sun without the Earth's rotation (Astronomical Almanac,
/// low-precision formulas, 0.01 degrees).
pub(crate) fn sun_direction(at: Instant) -> [f64; 3] {
    let days = at.days_since_j2000();
    let mean = radians((280.460 + 0.985_647_4 * days).rem_euclid(360.0));
    let anomaly = radians((357.528 + 0.985_600_3 * days).rem_euclid(360.0));
    let longitude = mean + radians(1.915) * sin(anomaly) + radians(0.020) * sin(2.0 * anomaly);
    let (sin_l, cos_l) = sin_cos(longitude);
    let (sin_o, cos_o) = sin_cos(radians(23.439 - 4e-7 * days));
    [cos_l, cos_o * sin_l, sin_o * sin_l]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::{degrees, unit};

    fn orbit() -> Orbit {
        Orbit::sun_synchronous(550_000.0, 1.0, 2.0)
    }

    #[test]
    fn energy_is_that_of_the_ellipse_and_speed_that_of_a_low_orbit() {
        let orbit = orbit();
        for minute in 0..300 {
            let state = orbit.state(f64::from(minute) * 60.0);
            let speed = length(state.velocity_m_s);
            let energy = speed * speed / 2.0 - EARTH_MU / length(state.position_m);
            let wanted = -EARTH_MU / (2.0 * orbit.semi_major_m);
            // Drifting elements are not those of an ellipse: J2 is a thousandth.
            assert!((energy / wanted - 1.0).abs() < 4e-3);
            assert!((7_560.0..7_610.0).contains(&speed), "{speed}");
        }
    }

    #[test]
    fn velocity_is_the_change_of_position() {
        let orbit = orbit();
        for minute in 0..90 {
            let time_s = f64::from(minute) * 61.0;
            let (before, after) = (orbit.state(time_s - 0.5), orbit.state(time_s + 0.5));
            let state = orbit.state(time_s);
            for axis in 0..3 {
                let moved = after.position_m[axis] - before.position_m[axis];
                assert!((moved - state.velocity_m_s[axis]).abs() < 0.01);
            }
        }
    }

    #[test]
    fn the_plane_follows_the_sun() {
        let orbit = orbit();
        let normal = |days: f64| {
            let state = orbit.state(days * 86_400.0);
            unit(cross(state.position_m, state.velocity_m_s))
        };
        let angle = |v: [f64; 3]| degrees(crate::numeric::atan2(v[1], v[0]));
        let turned = (angle(normal(10.0)) - angle(normal(0.0))).rem_euclid(360.0);
        assert!((turned / 10.0 - 0.9856).abs() < 0.001, "{turned}");
        assert!((degrees(orbit.inclination_rad) - 97.6).abs() < 0.1);
    }

    #[test]
    fn the_sun_is_where_the_almanac_has_it() {
        // Vallado, example 5-1: 2006-04-02T00:00 UTC.
        let sun = sun_direction(Instant(1_143_936_000_000_000));
        let wanted = unit([0.977_106_7, 0.189_795_4, 0.082_286_2]);
        assert!(dot(sun, wanted) > 0.999_99, "{sun:?}");
    }

    #[test]
    fn sidereal_time_of_an_example() {
        // Vallado, example 3-5: 1992-08-20T12:14 UT1, 152.578 788 degrees.
        let at = Instant(714_312_840_000_000);
        assert!((degrees(sidereal_rad(at)) - 152.578_8).abs() < 0.001);
    }
}
