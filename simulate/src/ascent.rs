//! From the pad into orbit.
//!
//! Promises: mass only falls; the energy of the motion changes by the work of
//! thrust and drag alone; a sound flight ends in a circular orbit at the
//! vehicle's altitude. The Earth is a sphere that turns with its air; the
//! vehicle is a point that moves in the plane of its launch. Left out: the
//! motion across that plane, the Earth's flattening, wind, lift, sloshing,
//! bending, and the return of the first stage.

use crate::atmosphere::{Air, air};
use crate::engine::{Cluster, Fault};
use crate::guidance::{EARTH_MU, Guidance, Seen};
use crate::noise::Noise;
use crate::numeric::{asin, exp, sin_cos};
use crate::tank::PropellantTank;
use crate::vehicle::{G0, MIXTURE_RATIO, Stage, Vehicle};

/// Equatorial radius of the Earth, m (WGS 84).
pub(crate) const EARTH_RADIUS_M: f64 = 6_378_137.0;
/// Rotation of the Earth, rad/s (WGS 84).
pub(crate) const EARTH_RATE_RAD_S: f64 = 7.292_115e-5;

/// The step of the integration: a hundredth of a second, as engines report.
pub(crate) const STEP_S: f64 = 0.01;
/// Telemetry begins so long before lift-off.
pub(crate) const COUNTDOWN_S: f64 = 10.0;
const IGNITION_S: f64 = -3.0;
const SEPARATION_S: f64 = 3.0;
const UPPER_IGNITION_S: f64 = 5.0;
const COAST_IN_ORBIT_S: f64 = 20.0;
/// A vehicle that does not reach orbit within this time never will.
const FLIGHT_LIMIT_S: f64 = 900.0;

/// The throttle keeps the dynamic pressure near this bound, Pa.
const DYNAMIC_PRESSURE_LIMIT_PA: f64 = 27_000.0;
/// The throttle keeps the acceleration below this bound, m/s^2.
const ACCELERATION_LIMIT: f64 = 4.5 * G0;
const THROTTLE_MIN: f64 = 0.6;
const THROTTLE_RATE_PER_S: f64 = 0.15;
const START_RATE_PER_S: f64 = 0.8;
const PITCH_OVER_AT_M_S: f64 = 60.0;
/// Propellant that cannot be used, over what was loaded.
const RESIDUAL: f64 = 0.004;
const UPPER_LAG_S: f64 = 0.4;

/// Phases, in order; their numbers are those of the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Countdown,
    Liftoff,
    GravityTurn,
    Separation,
    UpperBurn,
    Orbit,
}

/// Position and velocity in the plane of the ascent, against the Earth's
/// centre, without its rotation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Motion {
    pub(crate) radius_m: f64,
    pub(crate) climb_m_s: f64,
    pub(crate) horizontal_m_s: f64,
    /// Angle that the vehicle has flown around the Earth's centre.
    pub(crate) range_rad: f64,
    /// Work of thrust and drag so far, J/kg.
    pub(crate) work_j_kg: f64,
}

impl Motion {
    pub(crate) fn altitude_m(&self) -> f64 {
        self.radius_m - EARTH_RADIUS_M
    }

    pub(crate) fn speed_m_s(&self) -> f64 {
        let (climb, horizontal) = (self.climb_m_s, self.horizontal_m_s);
        (climb * climb + horizontal * horizontal).sqrt()
    }

    /// Sine of the angle above the horizon.
    pub(crate) fn flight_path_rad(&self) -> f64 {
        asin(self.climb_m_s / self.speed_m_s().max(1e-9))
    }

    /// Kinetic and potential energy, J/kg.
    #[cfg(test)]
    pub(crate) fn energy_j_kg(&self) -> f64 {
        self.speed_m_s() * self.speed_m_s() / 2.0 - EARTH_MU / self.radius_m
    }

    /// One step under a constant force (N/kg, up and along): Runge and Kutta's
    /// method of fourth order.
    fn step(&mut self, force: (f64, f64), step_s: f64) {
        let k1 = self.rates(force);
        let k2 = self.moved(&k1, step_s / 2.0).rates(force);
        let k3 = self.moved(&k2, step_s / 2.0).rates(force);
        let k4 = self.moved(&k3, step_s).rates(force);
        let mut mean = [0.0; 5];
        for (at, rate) in mean.iter_mut().enumerate() {
            *rate = (k1[at] + 2.0 * (k2[at] + k3[at]) + k4[at]) / 6.0;
        }
        *self = self.moved(&mean, step_s);
    }

    fn rates(&self, (up, along): (f64, f64)) -> [f64; 5] {
        let (radius, climb, horizontal) = (self.radius_m, self.climb_m_s, self.horizontal_m_s);
        [
            climb,
            horizontal * horizontal / radius - EARTH_MU / (radius * radius) + up,
            along - climb * horizontal / radius,
            horizontal / radius,
            up * climb + along * horizontal,
        ]
    }

    fn moved(&self, rates: &[f64; 5], step_s: f64) -> Motion {
        Motion {
            radius_m: self.radius_m + rates[0] * step_s,
            climb_m_s: self.climb_m_s + rates[1] * step_s,
            horizontal_m_s: self.horizontal_m_s + rates[2] * step_s,
            range_rad: self.range_rad + rates[3] * step_s,
            work_j_kg: self.work_j_kg + rates[4] * step_s,
        }
    }
}

/// The second-stage engine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UpperEngine {
    /// Thrust over that at full power.
    pub(crate) power: f64,
    pub(crate) is_commanded: bool,
}

/// A vehicle in flight.
#[derive(Debug, Clone)]
pub(crate) struct Ascent {
    pub(crate) vehicle: Vehicle,
    pub(crate) motion: Motion,
    pub(crate) phase: Phase,
    pub(crate) cluster: Cluster,
    pub(crate) upper: UpperEngine,
    /// Oxygen and kerosene of the first stage, then of the second.
    pub(crate) tanks: [PropellantTank; 4],
    /// Of the stage that burns, 0 to 1.
    pub(crate) throttle: f64,
    /// Thrust above the horizon.
    pub(crate) pitch_rad: f64,
    pub(crate) axial_m_s2: f64,
    pub(crate) has_first_stage: bool,
    air: Air,
    guidance: Guidance,
    follows_velocity: bool,
    step: i64,
    phase_began_s: f64,
}

impl Ascent {
    /// A vehicle on the pad, at the beginning of telemetry.
    pub(crate) fn new(vehicle: Vehicle, faults: &[Fault], noise: &mut Noise) -> Ascent {
        let target_m = EARTH_RADIUS_M + vehicle.orbit_altitude_m;
        let [first, second] = &vehicle.stages;
        Ascent {
            motion: Motion {
                radius_m: EARTH_RADIUS_M,
                climb_m_s: 0.0,
                horizontal_m_s: EARTH_RADIUS_M * EARTH_RATE_RAD_S * vehicle.site.cos_inclination(),
                range_rad: 0.0,
                work_j_kg: 0.0,
            },
            phase: Phase::Countdown,
            cluster: Cluster::new(faults, noise),
            upper: UpperEngine::default(),
            tanks: [lox(first), rp1(first), lox(second), rp1(second)],
            throttle: 0.0,
            pitch_rad: std::f64::consts::FRAC_PI_2,
            axial_m_s2: 0.0,
            has_first_stage: true,
            air: air(0.0),
            guidance: Guidance::new(
                target_m,
                0.92 * second.propellant_kg() / second.full_flow_kg_s(),
            ),
            follows_velocity: false,
            step: -crate::numeric::whole(COUNTDOWN_S / STEP_S),
            phase_began_s: -COUNTDOWN_S,
            vehicle,
        }
    }

    /// Hundredths of a second since lift-off.
    pub(crate) fn ticks(&self) -> i64 {
        self.step
    }

    /// Seconds since lift-off.
    pub(crate) fn time_s(&self) -> f64 {
        self.step as f64 * STEP_S
    }

    /// Whether telemetry goes on.
    pub(crate) fn is_flying(&self) -> bool {
        let has_coasted =
            self.phase == Phase::Orbit && self.time_s() - self.phase_began_s >= COAST_IN_ORBIT_S;
        !has_coasted && self.time_s() < FLIGHT_LIMIT_S
    }

    pub(crate) fn mass_kg(&self) -> f64 {
        let [first, second] = &self.vehicle.stages;
        let upper = second.dry_kg + self.tanks[2].mass_kg + self.tanks[3].mass_kg;
        let lower = first.dry_kg + self.tanks[0].mass_kg + self.tanks[1].mass_kg;
        let lower = if self.has_first_stage { lower } else { 0.0 };
        lower + upper + self.vehicle.payload_kg
    }

    /// Velocity against the air, up and along.
    fn air_velocity(&self) -> (f64, f64) {
        let turn = EARTH_RATE_RAD_S * self.vehicle.site.cos_inclination();
        let wind = turn * self.motion.radius_m;
        (self.motion.climb_m_s, self.motion.horizontal_m_s - wind)
    }

    pub(crate) fn air_speed_m_s(&self) -> f64 {
        let (up, along) = self.air_velocity();
        (up * up + along * along).sqrt()
    }

    pub(crate) fn dynamic_pressure_pa(&self) -> f64 {
        let speed = self.air_speed_m_s();
        0.5 * self.air.density_kg_m3 * speed * speed
    }

    pub(crate) fn mach(&self) -> f64 {
        self.air_speed_m_s() / self.air.sound_m_s
    }

    /// One hundredth of a second.
    pub(crate) fn advance(&mut self) {
        self.air = air(self.motion.altitude_m());
        self.command();
        if self.has_first_stage {
            self.cluster
                .step(self.time_s(), self.first_throttle(), STEP_S);
        }
        let upper = if self.upper.is_commanded { 1.0 } else { 0.0 };
        self.upper.power += (upper - self.upper.power) * STEP_S / UPPER_LAG_S;
        let thrust_n = self.thrust_n();
        self.pitch_rad = self.pitch();
        self.fly(thrust_n);
        self.draw();
        self.step += 1;
        self.next_phase();
    }

    fn first_throttle(&self) -> f64 {
        match self.phase {
            Phase::Countdown | Phase::Liftoff | Phase::GravityTurn => self.throttle,
            Phase::Separation | Phase::UpperBurn | Phase::Orbit => 0.0,
        }
    }

    /// Moves the throttle towards what the limits leave.
    fn command(&mut self) {
        let wanted = match self.phase {
            Phase::Countdown if self.time_s() < IGNITION_S => 0.0,
            Phase::Countdown => {
                self.throttle = (self.throttle + START_RATE_PER_S * STEP_S).min(1.0);
                return;
            }
            Phase::Liftoff | Phase::GravityTurn => self.limited_throttle(),
            Phase::Separation | Phase::Orbit => 0.0,
            Phase::UpperBurn => 1.0,
        };
        let most = match self.phase {
            Phase::Liftoff | Phase::GravityTurn => THROTTLE_RATE_PER_S * STEP_S,
            _ => 1.0,
        };
        self.throttle += (wanted - self.throttle).clamp(-most, most);
    }

    fn limited_throttle(&self) -> f64 {
        let first = &self.vehicle.stages[0];
        let by_acceleration = ACCELERATION_LIMIT * self.mass_kg() / first.thrust_vacuum_n;
        let by_pressure = 2.2 - 1.4 * self.dynamic_pressure_pa() / DYNAMIC_PRESSURE_LIMIT_PA;
        by_acceleration.min(by_pressure).clamp(THROTTLE_MIN, 1.0)
    }

    fn thrust_n(&self) -> f64 {
        let [first, second] = &self.vehicle.stages;
        let upper = second.thrust_vacuum_n * self.upper.power;
        if !self.has_first_stage {
            return upper;
        }
        let share = self.cluster.thrust_share();
        let lower = first.thrust_vacuum_n * share - first.nozzle_m2 * self.air.pressure_pa;
        lower.max(0.0) + upper
    }

    /// Direction of the thrust above the horizon.
    fn pitch(&mut self) -> f64 {
        let upright = std::f64::consts::FRAC_PI_2;
        match self.phase {
            Phase::Countdown | Phase::Liftoff => upright,
            Phase::GravityTurn | Phase::Separation => {
                let (up, along) = self.air_velocity();
                let of_velocity = crate::numeric::atan2(up, along);
                let kicked = upright - self.vehicle.kick_rad;
                self.follows_velocity |= of_velocity <= kicked;
                if self.follows_velocity {
                    of_velocity
                } else {
                    kicked
                }
            }
            Phase::UpperBurn => asin(self.steer()),
            Phase::Orbit => self.motion.flight_path_rad(),
        }
    }

    fn steer(&mut self) -> f64 {
        let second = &self.vehicle.stages[1];
        let seen = Seen {
            radius_m: self.motion.radius_m,
            climb_m_s: self.motion.climb_m_s,
            horizontal_m_s: self.motion.horizontal_m_s,
            acceleration_m_s2: second.thrust_vacuum_n / self.mass_kg(),
            exhaust_m_s: second.exhaust_m_s(),
        };
        self.guidance.steer(&seen, STEP_S)
    }

    /// Clamps hold the vehicle until lift-off.
    fn fly(&mut self, thrust_n: f64) {
        if self.phase == Phase::Countdown {
            self.axial_m_s2 = G0;
            return;
        }
        let mass_kg = self.mass_kg();
        let (sin, cos) = sin_cos(self.pitch_rad);
        let (up, along) = self.air_velocity();
        let speed = self.air_speed_m_s().max(1e-6);
        let drag = self.dynamic_pressure_pa() * self.drag_area_m2() / mass_kg;
        let thrust = thrust_n / mass_kg;
        self.axial_m_s2 = thrust - drag;
        let force = (
            thrust * sin - drag * up / speed,
            thrust * cos - drag * along / speed,
        );
        self.motion.step(force, STEP_S);
    }

    /// Drag rises around the speed of sound: a bell over Mach 1.2 of the form
    /// that slender bodies show (Hoerner, "Fluid-Dynamic Drag", chapter 16).
    fn drag_area_m2(&self) -> f64 {
        let beside = (self.mach() - 1.2) / 0.45;
        self.vehicle.drag_area_m2 * (1.0 + 0.75 * exp(-beside * beside))
    }

    fn draw(&mut self) {
        let (lower, upper) = self.tanks.split_at_mut(2);
        if self.has_first_stage {
            let (ox, fuel) = self.cluster.flow_shares();
            lower[0].draw(ox, STEP_S);
            lower[1].draw(fuel, STEP_S);
        }
        for tank in upper {
            tank.draw(self.upper.power, STEP_S);
        }
    }

    fn next_phase(&mut self) {
        let since_s = self.time_s() - self.phase_began_s;
        let next = match self.phase {
            Phase::Countdown if self.step >= 0 => Phase::Liftoff,
            Phase::Liftoff if self.air_speed_m_s() > PITCH_OVER_AT_M_S => Phase::GravityTurn,
            Phase::GravityTurn if self.is_spent(0) => Phase::Separation,
            Phase::Separation => {
                self.has_first_stage &= since_s < SEPARATION_S;
                match since_s >= UPPER_IGNITION_S {
                    true => Phase::UpperBurn,
                    false => return,
                }
            }
            Phase::UpperBurn if self.is_spent(2) || self.is_fast_enough() => Phase::Orbit,
            _ => return,
        };
        self.phase = next;
        self.phase_began_s = self.time_s();
        self.upper.is_commanded = next == Phase::UpperBurn;
        if next == Phase::Orbit {
            self.upper.power = 0.0;
        }
    }

    /// Whether one of the two tanks from a number on is empty.
    fn is_spent(&self, from: usize) -> bool {
        let stage = &self.vehicle.stages[from / 2];
        self.tanks[from].mass_kg <= RESIDUAL * stage.lox_kg
            || self.tanks[from + 1].mass_kg <= RESIDUAL * stage.rp1_kg
    }

    /// Whether the orbit's energy is that of the target.
    fn is_fast_enough(&self) -> bool {
        let target_m = EARTH_RADIUS_M + self.vehicle.orbit_altitude_m;
        let speed = self.motion.speed_m_s();
        speed * speed / 2.0 - EARTH_MU / self.motion.radius_m >= -EARTH_MU / (2.0 * target_m)
    }
}

fn lox(stage: &Stage) -> PropellantTank {
    let share = MIXTURE_RATIO / (1.0 + MIXTURE_RATIO);
    PropellantTank::lox(stage.lox_kg, share * stage.full_flow_kg_s())
}

fn rp1(stage: &Stage) -> PropellantTank {
    let share = 1.0 / (1.0 + MIXTURE_RATIO);
    PropellantTank::rp1(stage.rp1_kg, share * stage.full_flow_kg_s())
}

#[cfg(test)]
mod tests;
