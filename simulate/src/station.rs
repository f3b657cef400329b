//! Ground stations, and the passes of satellites over them.

use crate::instant::Instant;
use crate::numeric::{asin, atan2, degrees, dot, length, radians, sin_cos};
use crate::orbit::{Orbit, State};

/// Equatorial radius and flattening of the Earth (WGS 84).
const ELLIPSOID_M: f64 = 6_378_137.0;
const FLATTENING: f64 = 1.0 / 298.257_223_563;
/// A pass begins and ends at this height above the horizon.
const MASK_DEG: f64 = 5.0;
/// Shorter passes are not taken.
const PASS_LEAST_S: i64 = 240;
/// Between the end of a pass and the next.
const PASS_PAUSE_S: i64 = 90;
const SEARCH_STEP_S: i64 = 20;

/// A station with its place.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) name: &'static str,
    position_m: [f64; 3],
    east: [f64; 3],
    north: [f64; 3],
    up: [f64; 3],
}

/// Name, latitude and longitude (degrees) and height (m).
const PLACES: [(&str, f64, f64, f64); 4] = [
    ("SVB", 78.23, 15.39, 450.0),
    ("INV", 68.32, -133.55, 60.0),
    ("PUQ", -52.94, -70.85, 35.0),
    ("HBK", -25.89, 27.69, 1_415.0),
];

/// Where a station sees a satellite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) azimuth_deg: f64,
    pub(crate) elevation_deg: f64,
    pub(crate) range_m: f64,
    /// Positive when it goes away.
    pub(crate) range_rate_m_s: f64,
}

/// The stations of the network.
pub(crate) fn stations() -> Vec<Station> {
    let station =
        |(name, latitude, longitude, height)| Station::new(name, latitude, longitude, height);
    PLACES.into_iter().map(station).collect()
}

impl Station {
    /// A station by geodetic coordinates (Vallado, 3-7 and 3-28).
    fn new(name: &'static str, latitude_deg: f64, longitude_deg: f64, height_m: f64) -> Station {
        let (sin_lat, cos_lat) = sin_cos(radians(latitude_deg));
        let (sin_lon, cos_lon) = sin_cos(radians(longitude_deg));
        let squared = FLATTENING * (2.0 - FLATTENING);
        let curvature = ELLIPSOID_M / (1.0 - squared * sin_lat * sin_lat).sqrt();
        let level = (curvature + height_m) * cos_lat;
        Station {
            name,
            position_m: [
                level * cos_lon,
                level * sin_lon,
                (curvature * (1.0 - squared) + height_m) * sin_lat,
            ],
            east: [-sin_lon, cos_lon, 0.0],
            north: [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            up: [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        }
    }

    /// Where an Earth-fixed state is seen.
    pub(crate) fn look(&self, state: &State) -> Look {
        let line = [0, 1, 2].map(|axis| state.position_m[axis] - self.position_m[axis]);
        let range_m = length(line);
        let azimuth = degrees(atan2(dot(line, self.east), dot(line, self.north)));
        Look {
            azimuth_deg: azimuth.rem_euclid(360.0),
            elevation_deg: degrees(asin(dot(line, self.up) / range_m)),
            range_m,
            range_rate_m_s: dot(line, state.velocity_m_s) / range_m,
        }
    }

    /// Whether a place is above the mask; cheaper than a look.
    fn sees(&self, state: &State, sin_mask: f64) -> bool {
        let line = [0, 1, 2].map(|axis| state.position_m[axis] - self.position_m[axis]);
        let height_m = dot(line, self.up);
        height_m > 0.0 && height_m > sin_mask * length(line)
    }
}

/// A satellite over a station, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    /// From 1 on, of a satellite.
    pub(crate) number: u32,
    /// Number of the station.
    pub(crate) station: usize,
    /// The first and the last second with a signal.
    pub(crate) from_s: i64,
    pub(crate) to_s: i64,
}

/// The passes of a satellite one after the other; it talks to one station at
/// a time.
#[derive(Debug)]
pub(crate) struct Passes<'a> {
    orbit: &'a Orbit,
    epoch: Instant,
    stations: &'a [Station],
    next_s: i64,
    until_s: i64,
    number: u32,
    sin_mask: f64,
}

impl<'a> Passes<'a> {
    pub(crate) fn new(
        orbit: &'a Orbit,
        epoch: Instant,
        stations: &'a [Station],
        until_s: i64,
    ) -> Passes<'a> {
        Passes {
            orbit,
            epoch,
            stations,
            next_s: 0,
            until_s,
            number: 0,
            sin_mask: sin_cos(radians(MASK_DEG)).0,
        }
    }

    fn state(&self, time_s: i64) -> State {
        let at = Instant(self.epoch.0 + time_s * 1_000_000);
        self.orbit.state(time_s as f64).earth_fixed(at)
    }

    fn sees(&self, station: usize, time_s: i64) -> bool {
        self.stations[station].sees(&self.state(time_s), self.sin_mask)
    }

    fn rising(&self, time_s: i64) -> Option<usize> {
        let state = self.state(time_s);
        let sees = |station: &Station| station.sees(&state, self.sin_mask);
        self.stations.iter().position(sees)
    }

    /// The whole pass around a second in it.
    fn around(&self, station: usize, time_s: i64) -> (i64, i64) {
        let (mut from_s, mut to_s) = (time_s, time_s);
        while from_s > self.next_s && self.sees(station, from_s - 1) {
            from_s -= 1;
        }
        while to_s < self.until_s && self.sees(station, to_s + SEARCH_STEP_S) {
            to_s += SEARCH_STEP_S;
        }
        while to_s < self.until_s && self.sees(station, to_s + 1) {
            to_s += 1;
        }
        (from_s, to_s.min(self.until_s))
    }
}

impl Iterator for Passes<'_> {
    type Item = Pass;

    fn next(&mut self) -> Option<Pass> {
        let mut time_s = self.next_s;
        while time_s < self.until_s {
            let Some(station) = self.rising(time_s) else {
                time_s += SEARCH_STEP_S;
                continue;
            };
            let (from_s, to_s) = self.around(station, time_s);
            self.next_s = to_s + PASS_PAUSE_S;
            time_s = self.next_s;
            if to_s - from_s >= PASS_LEAST_S {
                self.number += 1;
                return Some(Pass {
                    number: self.number,
                    station,
                    from_s,
                    to_s,
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Instant = Instant(1_714_521_600_000_000);

    #[test]
    fn a_satellite_overhead_is_at_ninety_degrees() {
        for station in stations() {
            let above = [0, 1, 2].map(|axis| station.position_m[axis] + 5e5 * station.up[axis]);
            let look = station.look(&State {
                position_m: above,
                velocity_m_s: [0.0; 3],
            });
            assert!((look.elevation_deg - 90.0).abs() < 1e-4);
            assert!((look.range_m - 5e5).abs() < 1e-3);
        }
    }

    #[test]
    fn passes_are_above_the_mask_and_apart() {
        let orbit = Orbit::sun_synchronous(550_000.0, 0.5, 0.0);
        let stations = stations();
        let passes: Vec<Pass> = Passes::new(&orbit, EPOCH, &stations, 86_400).collect();
        assert!((10..60).contains(&passes.len()), "{}", passes.len());
        for (at, pass) in passes.iter().enumerate() {
            let look = |time_s: i64| {
                let instant = EPOCH.after(time_s as f64);
                let state = orbit.state(time_s as f64).earth_fixed(instant);
                stations[pass.station].look(&state)
            };
            assert!(look(pass.from_s).elevation_deg >= MASK_DEG - 1e-6);
            assert!(look(pass.to_s).elevation_deg >= MASK_DEG - 1e-6);
            assert!(look(pass.to_s + 1).elevation_deg < MASK_DEG);
            assert!(look((pass.from_s + pass.to_s) / 2).range_m < 2.5e6);
            assert!((PASS_LEAST_S..800).contains(&(pass.to_s - pass.from_s)));
            assert!(at == 0 || pass.from_s >= passes[at - 1].to_s + PASS_PAUSE_S);
        }
    }

    #[test]
    fn range_rate_is_the_change_of_range() {
        let orbit = Orbit::sun_synchronous(550_000.0, 0.5, 0.0);
        let station = &stations()[0];
        let look =
            |time_s: f64| station.look(&orbit.state(time_s).earth_fixed(EPOCH.after(time_s)));
        for minute in 0..95 {
            let time_s = f64::from(minute) * 60.0;
            let change = look(time_s + 0.5).range_m - look(time_s - 0.5).range_m;
            assert!((change - look(time_s).range_rate_m_s).abs() < 0.1);
        }
    }
}
