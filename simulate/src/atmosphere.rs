//! Air over height: the U.S. Standard Atmosphere 1976 below 86 km.
//!
//! Promises: temperature and pressure of the standard's seven layers
//! (equations 23, 33a, 33b; table 4). Above 86 km pressure and density go on
//! falling with the scale height there, which is enough for drag that no
//! vehicle feels. Refuses wind, weather and humidity.

use crate::numeric::{exp, pow};

/// Radius of the Earth that turns height into geopotential height, m.
const EARTH_RADIUS_M: f64 = 6_356_766.0;
/// Gravity, m/s^2, over the gas constant of air, J/(kg K).
const GRAVITY_OVER_GAS: f64 = 9.806_65 / GAS_CONSTANT;
const GAS_CONSTANT: f64 = 287.052_87;
const RATIO_OF_SPECIFIC_HEATS: f64 = 1.4;
const TOP_M: f64 = 86_000.0;
const SCALE_HEIGHT_ABOVE_M: f64 = 5_700.0;
/// From here on there is none.
const VACUUM_M: f64 = 200_000.0;

/// Base height (geopotential, m), temperature (K) and pressure (Pa), and the
/// change of temperature with height (K/m).
const LAYERS: [(f64, f64, f64, f64); 7] = [
    (0.0, 288.15, 101_325.0, -0.0065),
    (11_000.0, 216.65, 22_632.06, 0.0),
    (20_000.0, 216.65, 5_474.889, 0.001),
    (32_000.0, 228.65, 868.018_7, 0.0028),
    (47_000.0, 270.65, 110.906_3, 0.0),
    (51_000.0, 270.65, 66.938_87, -0.0028),
    (71_000.0, 214.65, 3.956_420, -0.002),
];

/// The air at a height.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Air {
    /// Static pressure, Pa.
    pub(crate) pressure_pa: f64,
    /// Density, kg/m^3.
    pub(crate) density_kg_m3: f64,
    /// Speed of sound, m/s.
    pub(crate) sound_m_s: f64,
}

const VACUUM: Air = Air {
    pressure_pa: 0.0,
    density_kg_m3: 0.0,
    sound_m_s: 274.1,
};

/// The air at a height above the sea, m.
pub(crate) fn air(height_m: f64) -> Air {
    if height_m > VACUUM_M {
        return VACUUM;
    }
    let below = height_m.clamp(0.0, TOP_M);
    let geopotential_m = EARTH_RADIUS_M * below / (EARTH_RADIUS_M + below);
    let layer = LAYERS.iter().rev().find(|layer| geopotential_m >= layer.0);
    let &(base_m, base_k, base_pa, lapse) = layer.unwrap_or(&LAYERS[0]);
    let rise_m = geopotential_m - base_m;
    let temperature_k = base_k + lapse * rise_m;
    let share = match lapse == 0.0 {
        true => exp(-GRAVITY_OVER_GAS * rise_m / base_k),
        false => pow(base_k / temperature_k, GRAVITY_OVER_GAS / lapse),
    };
    let above = match height_m > TOP_M {
        true => exp((TOP_M - height_m) / SCALE_HEIGHT_ABOVE_M),
        false => 1.0,
    };
    let pressure_pa = base_pa * share * above;
    Air {
        pressure_pa,
        density_kg_m3: pressure_pa / (GAS_CONSTANT * temperature_k),
        sound_m_s: (RATIO_OF_SPECIFIC_HEATS * GAS_CONSTANT * temperature_k).sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table I of the standard: geometric height, pressure (Pa), density.
    #[test]
    fn agrees_with_the_printed_table() {
        let rows = [
            (0.0, 101_325.0, 1.2250),
            (5_000.0, 54_048.0, 0.736_43),
            (11_000.0, 22_700.0, 0.364_80),
            (20_000.0, 5_529.3, 0.088_910),
            (30_000.0, 1_197.0, 0.018_410),
            (50_000.0, 79.779, 0.001_026_9),
            (70_000.0, 5.2209, 8.2829e-5),
        ];
        for (height_m, pressure_pa, density) in rows {
            let air = air(height_m);
            assert!(
                (air.pressure_pa / pressure_pa - 1.0).abs() < 1e-3,
                "{height_m}"
            );
            assert!(
                (air.density_kg_m3 / density - 1.0).abs() < 1e-3,
                "{height_m}"
            );
        }
        assert!((air(0.0).sound_m_s - 340.29).abs() < 0.01);
    }

    #[test]
    fn thins_without_steps() {
        let mut before = air(0.0).pressure_pa;
        for height in 1..1999 {
            let now = air(f64::from(height) * 100.0).pressure_pa;
            assert!(now < before && now > before * 0.97, "{height}");
            before = now;
        }
    }
}
