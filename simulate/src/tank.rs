//! Tanks: propellant under a pressurized ullage, and gas that leaks.
//!
//! Promises: mass only falls; ullage and gas obey the ideal gas law.

const BAR: f64 = 1e5;
const ULLAGE_LOW_PA: f64 = 3.3 * BAR;
const ULLAGE_HIGH_PA: f64 = 3.5 * BAR;
/// Gas that the open valve lets in, over what full flow makes room for.
const PRESSURANT_MARGIN: f64 = 1.4;
/// Share of a full tank's volume that is gas.
const ULLAGE_SHARE: f64 = 0.04;

/// Molar gas constant, J/(mol K) (CODATA 2018).
const GAS_CONSTANT: f64 = 8.314_462_618;

/// A tank that an engine draws from.
#[derive(Debug, Clone)]
pub(crate) struct PropellantTank {
    pub(crate) mass_kg: f64,
    pub(crate) ullage_pa: f64,
    pub(crate) is_pressurizing: bool,
    loaded_kg: f64,
    loaded_k: f64,
    density_kg_m3: f64,
    volume_m3: f64,
    full_flow_kg_s: f64,
}

impl PropellantTank {
    /// A loaded tank: liquid oxygen, kg, and its flow at full power, kg/s.
    pub(crate) fn lox(loaded_kg: f64, full_flow_kg_s: f64) -> PropellantTank {
        PropellantTank::new(loaded_kg, full_flow_kg_s, 1_141.0, 90.2)
    }

    /// A loaded tank of kerosene.
    pub(crate) fn rp1(loaded_kg: f64, full_flow_kg_s: f64) -> PropellantTank {
        PropellantTank::new(loaded_kg, full_flow_kg_s, 810.0, 288.0)
    }

    fn new(loaded_kg: f64, full_flow_kg_s: f64, density_kg_m3: f64, loaded_k: f64) -> Self {
        PropellantTank {
            mass_kg: loaded_kg,
            ullage_pa: ULLAGE_HIGH_PA,
            is_pressurizing: false,
            loaded_kg,
            loaded_k,
            density_kg_m3,
            volume_m3: loaded_kg / density_kg_m3 / (1.0 - ULLAGE_SHARE),
            full_flow_kg_s,
        }
    }

    /// Draws a share of the full flow; the ullage expands at constant
    /// temperature and a valve keeps it within its band.
    pub(crate) fn draw(&mut self, flow_share: f64, step_s: f64) {
        let drawn_kg = (flow_share * self.full_flow_kg_s * step_s).clamp(0.0, self.mass_kg);
        self.mass_kg -= drawn_kg;
        let ullage_m3 = self.volume_m3 - self.mass_kg / self.density_kg_m3;
        self.ullage_pa *= 1.0 - drawn_kg / self.density_kg_m3 / ullage_m3;
        if self.ullage_pa < ULLAGE_LOW_PA {
            self.is_pressurizing = true;
        } else if self.ullage_pa > ULLAGE_HIGH_PA {
            self.is_pressurizing = false;
        }
        if self.is_pressurizing {
            let full_m3_s = self.full_flow_kg_s / self.density_kg_m3;
            let inflow_m3 = PRESSURANT_MARGIN * full_m3_s * step_s;
            self.ullage_pa += ULLAGE_HIGH_PA * inflow_m3 / ullage_m3;
        }
    }

    pub(crate) fn ullage_bar(&self) -> f64 {
        self.ullage_pa / BAR
    }

    /// What is left warms by up to 2 K.
    pub(crate) fn temperature_k(&self) -> f64 {
        self.loaded_k + 2.0 * (1.0 - self.mass_kg / self.loaded_kg)
    }
}

/// A tank of gas.
#[derive(Debug, Clone)]
pub(crate) struct GasTank {
    moles: f64,
    volume_m3: f64,
}

impl GasTank {
    /// A tank filled to a pressure at a temperature.
    pub(crate) fn filled(volume_m3: f64, pressure_bar: f64, temperature_k: f64) -> GasTank {
        GasTank {
            moles: pressure_bar * BAR * volume_m3 / (GAS_CONSTANT * temperature_k),
            volume_m3,
        }
    }

    /// Loses gas through a hole: choked flow is in proportion to the pressure
    /// (Sutton and Biblarz, equation 3-24), so a share of the rest each second.
    pub(crate) fn leak(&mut self, share_per_s: f64, step_s: f64) {
        self.moles *= 1.0 - share_per_s * step_s;
    }

    pub(crate) fn pressure_bar(&self, temperature_k: f64) -> f64 {
        self.moles * GAS_CONSTANT * temperature_k / self.volume_m3 / BAR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ullage_stays_in_its_band_and_mass_falls() {
        let mut tank = PropellantTank::lox(278_000.0, 1_900.0);
        let mut before_kg = tank.mass_kg;
        for _ in 0..14_000 {
            tank.draw(1.0, 0.01);
            assert!(tank.mass_kg <= before_kg);
            before_kg = tank.mass_kg;
            assert!(
                (3.2..3.6).contains(&tank.ullage_bar()),
                "{}",
                tank.ullage_bar()
            );
        }
        assert!((tank.mass_kg - (278_000.0 - 1_900.0 * 140.0)).abs() < 1e-3);
    }

    #[test]
    fn an_empty_tank_stays_empty() {
        let mut tank = PropellantTank::rp1(10.0, 100.0);
        (0..100).for_each(|_| tank.draw(1.0, 0.01));
        assert!(tank.mass_kg.abs() < 1e-9);
    }

    #[test]
    fn gas_leaks_at_constant_temperature() {
        let mut tank = GasTank::filled(0.02, 150.0, 293.0);
        assert!((tank.pressure_bar(293.0) - 150.0).abs() < 1e-9);
        (0..3600).for_each(|_| tank.leak(1e-5, 1.0));
        let share = tank.pressure_bar(293.0) / 150.0;
        assert!((share - crate::numeric::exp(-0.036)).abs() < 1e-6);
        assert!((tank.pressure_bar(586.0) / tank.pressure_bar(293.0) - 2.0).abs() < 1e-12);
    }
}
