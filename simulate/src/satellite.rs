//! One satellite: power, heat, propellant, attitude and clock, second by
//! second, and the packets that it makes of them.
//!
//! Promises: battery charge is the integral of its current; temperatures
//! follow sunlight with a lag; the tank obeys the gas law. Refuses to be a
//! model of any bus: one battery, one array, eight nodes without coupling.

use crate::downlink::{Counters, Packet};
use crate::instant::Instant;
use crate::noise::Noise;
use crate::numeric::{cross, dot, radians, sin, unit};
use crate::orbit::{Orbit, State, sun_direction};
use crate::packet::layout::Layout;
use crate::packet::satellite::{DICTIONARY, SENSORS, apid};
use crate::tank::GasTank;

/// 2024-05-01T00:00:00Z: the epoch of the constellation.
pub(crate) const EPOCH: Instant = Instant(1_714_521_600_000_000);

/// Turned by it again and again, satellites stand apart however many there are.
const GOLDEN_ANGLE_RAD: f64 = 2.399_963_229_728_653;
/// Seconds without telemetry when the computer starts again.
const REBOOT_S: i64 = 25;
const RECORDER_S: f64 = 86_400.0;
const NODES: usize = SENSORS as usize;
/// The node of the tank.
const TANK_NODE: usize = 7;
/// Temperature in the Sun and in the shadow, degC, and the lag, s.
const HEAT: [(f64, f64, f64); NODES] = [
    (62.0, -48.0, 700.0),
    (38.0, -52.0, 700.0),
    (55.0, -50.0, 650.0),
    (47.0, -49.0, 720.0),
    (21.0, 11.0, 4_000.0),
    (34.0, 22.0, 2_400.0),
    (29.0, 19.0, 2_600.0),
    (24.0, 16.0, 6_000.0),
];
const ARRAY_W: f64 = 96.0;
const BATTERY_W_S: f64 = 84.0 * 3600.0;

/// What goes wrong on board, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// The tank loses this share of its gas each second, from then on.
    Leak { from_s: i64, share_per_s: f64 },
    /// A sensor repeats its last value.
    Freeze {
        sensor: usize,
        from_s: i64,
        to_s: i64,
    },
    /// The computer starts again: its clock and its counts begin at zero.
    Reboot { at_s: i64 },
}

/// A satellite at a second.
pub(crate) struct Satellite {
    /// From 1 on.
    pub(crate) number: u32,
    pub(crate) orbit: Orbit,
    faults: Vec<Fault>,
    layouts: Layouts,
    counters: Counters,
    sensors: Noise,
    /// The clock's place within a second, microseconds: each satellite samples
    /// at its own.
    phase_micros: i64,
    sun: [f64; 3],
    charge: f64,
    nodes_c: [f64; NODES],
    frozen: Option<(usize, f64)>,
    tank: GasTank,
    wheels_rpm: [f64; 3],
    boot_count: u32,
    booted_s: i64,
    clock_is_set: bool,
    emptied_s: i64,
}

/// What the ground shows of a satellite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Health {
    pub(crate) battery_charge_pct: f64,
    pub(crate) tank_pressure_bar: f64,
    pub(crate) radio_c: f64,
}

struct Layouts {
    power: Layout,
    gps: Layout,
    attitude: Layout,
    propulsion: Layout,
    thermal: Layout,
    computer: Layout,
}

impl Satellite {
    pub(crate) fn new(seed: u64, number: u32, faults: Vec<Fault>) -> Satellite {
        let mut built = Noise::new(seed, "satellite", number);
        let turn = GOLDEN_ANGLE_RAD * f64::from(number - 1);
        let layout = |name| Layout::new(&DICTIONARY, name);
        let altitude_m = 550_000.0 * built.around(0.01);
        Satellite {
            number,
            orbit: Orbit::sun_synchronous(altitude_m, radians(200.0) + turn / 4.0, turn),
            faults,
            layouts: Layouts {
                power: layout("sat_power"),
                gps: layout("sat_gps"),
                attitude: layout("sat_attitude"),
                propulsion: layout("sat_propulsion"),
                thermal: layout("sat_thermal"),
                computer: layout("sat_computer"),
            },
            counters: Counters::starting_at(0),
            sensors: Noise::new(seed, "satellite sensors", number),
            phase_micros: i64::from(number) * 7_919 % 1_000_000,
            sun: sun_direction(EPOCH),
            charge: 0.9 * built.around(0.03),
            nodes_c: HEAT.map(|(sun, shadow, _)| 0.6 * sun + 0.4 * shadow),
            frozen: None,
            tank: GasTank::filled(0.024, 96.0 * built.around(0.04), 293.0),
            wheels_rpm: [900.0, -1_400.0, 2_100.0],
            boot_count: 3,
            booted_s: -7_200,
            clock_is_set: true,
            emptied_s: 0,
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("S{:02}", self.number)
    }

    /// The true instant of the samples of a second.
    pub(crate) fn instant(&self, time_s: i64) -> Instant {
        Instant(EPOCH.0 + time_s * 1_000_000 + self.phase_micros)
    }

    /// The state without the Earth's rotation.
    pub(crate) fn state(&self, time_s: i64) -> State {
        self.orbit
            .state(time_s as f64 + self.phase_micros as f64 / 1e6)
    }

    pub(crate) fn health(&self) -> Health {
        Health {
            battery_charge_pct: 100.0 * self.charge,
            tank_pressure_bar: self.tank.pressure_bar(self.nodes_c[TANK_NODE] + 273.15),
            radio_c: self.nodes_c[5],
        }
    }

    pub(crate) fn clock_is_set(&self) -> bool {
        self.clock_is_set
    }

    /// The ground sets the clock.
    pub(crate) fn set_clock(&mut self) {
        self.clock_is_set = true;
    }

    /// The ground has all that was recorded up to a second.
    pub(crate) fn empty_recorder(&mut self, time_s: i64) {
        self.emptied_s = time_s;
    }

    /// One second: what happens, and the packets that say so, in place of what
    /// the buffer holds.
    pub(crate) fn advance(&mut self, time_s: i64, packets: &mut Vec<Packet>) {
        packets.clear();
        let state = self.state(time_s);
        if time_s % 60 == 0 {
            self.sun = sun_direction(self.instant(time_s));
        }
        let is_dark = state.is_in_eclipse(self.sun);
        let array_w = if is_dark {
            0.0
        } else {
            ARRAY_W * self.incidence(&state)
        };
        let load_w = 38.0
            + if time_s - self.emptied_s < 600 {
                14.0
            } else {
                0.0
            };
        let flow_w = self.charge_battery(array_w, load_w);
        self.warm(is_dark);
        self.suffer(time_s);
        if self.is_down(time_s) {
            return;
        }
        self.power(time_s, [array_w, load_w, flow_w], is_dark, packets);
        self.gps(time_s, &state, packets);
        self.attitude(time_s, &state, packets);
        match time_s % 10 {
            2 => self.propulsion(time_s, packets),
            5 => self.thermal(time_s, packets),
            8 => self.computer(time_s, packets),
            _ => {}
        }
    }

    /// Cosine of the angle between the Sun and an array that turns about the
    /// orbit's normal.
    fn incidence(&self, state: &State) -> f64 {
        let normal = unit(cross(state.position_m, state.velocity_m_s));
        let beside = dot(normal, self.sun);
        (1.0 - beside * beside).max(0.0).sqrt()
    }

    /// Power into the battery, W; a full one takes none.
    fn charge_battery(&mut self, array_w: f64, load_w: f64) -> f64 {
        let surplus_w = array_w - load_w;
        let room = ((1.0 - self.charge) / 0.05).clamp(0.0, 1.0);
        let flow_w = if surplus_w > 0.0 {
            surplus_w * room
        } else {
            surplus_w
        };
        self.charge = (self.charge + flow_w / BATTERY_W_S).clamp(0.0, 1.0);
        flow_w
    }

    fn warm(&mut self, is_dark: bool) {
        for (node, (sun, shadow, lag_s)) in self.nodes_c.iter_mut().zip(HEAT) {
            let target = if is_dark { shadow } else { sun };
            *node += (target - *node) / lag_s;
        }
    }

    fn suffer(&mut self, time_s: i64) {
        self.frozen = self
            .frozen
            .filter(|_| self.faults.iter().any(|f| f.freezes_at(time_s)));
        for fault in self.faults.clone() {
            match fault {
                Fault::Leak {
                    from_s,
                    share_per_s,
                } if time_s >= from_s => {
                    self.tank.leak(share_per_s, 1.0);
                }
                Fault::Freeze { sensor, .. } if fault.freezes_at(time_s) => {
                    let value = self.nodes_c[sensor];
                    self.frozen.get_or_insert((sensor, value));
                }
                Fault::Reboot { at_s } if time_s == at_s => self.reboot(time_s),
                _ => {}
            }
        }
    }

    fn reboot(&mut self, time_s: i64) {
        self.counters = Counters::starting_at(0);
        self.boot_count += 1;
        self.booted_s = time_s + REBOOT_S;
        self.clock_is_set = false;
    }

    fn is_down(&self, time_s: i64) -> bool {
        time_s < self.booted_s
    }

    /// What the clock on board says.
    fn clock(&self, time_s: i64) -> f64 {
        match self.clock_is_set {
            true => self.instant(time_s).unsegmented(),
            false => {
                let uptime = (time_s - self.booted_s) * 1_000_000 + self.phase_micros;
                Instant(Instant::gps_epoch().0 + uptime).unsegmented()
            }
        }
    }

    fn power(&mut self, time_s: i64, watts: [f64; 3], is_dark: bool, packets: &mut Vec<Packet>) {
        let [array_w, load_w, flow_w] = watts;
        let rest_v = 14.4 + 2.1 * self.charge;
        let battery_a = flow_w / rest_v;
        let noise = &mut self.sensors;
        let values = [
            0.0,
            rest_v + 0.06 * battery_a + 0.004 * noise.gauss(),
            battery_a + 0.008 * noise.gauss(),
            100.0 * self.charge,
            (array_w / 18.0 + 0.008 * noise.gauss()).max(0.0),
            load_w + 0.2 * noise.gauss(),
            f64::from(u8::from(is_dark)),
        ];
        self.send(time_s, Sent::Power, values, packets);
    }

    fn gps(&mut self, time_s: i64, state: &State, packets: &mut Vec<Packet>) {
        let fixed = state.earth_fixed(self.instant(time_s));
        let noise = &mut self.sensors;
        let [x, y, z] = fixed.position_m.map(|part| part + 1.5 * noise.gauss());
        let [vx, vy, vz] = fixed.velocity_m_s.map(|part| part + 0.01 * noise.gauss());
        let used = (9.0 + 1.2 * noise.gauss()).round();
        self.send(
            time_s,
            Sent::Gps,
            [0.0, 2.0, used, x, y, z, vx, vy, vz],
            packets,
        );
    }

    fn attitude(&mut self, time_s: i64, state: &State, packets: &mut Vec<Packet>) {
        let [qx, qy, qz, qw] = nadir(state);
        let noise = &mut self.sensors;
        let [wx, wy, wz] = [0.0, -0.063, 0.0].map(|rate| rate + 4e-4 * noise.gauss());
        let wave = sin(time_s as f64 * 0.001_1 * 2.0);
        let [a, b, c] = self
            .wheels_rpm
            .map(|speed| speed + 120.0 * wave + 0.8 * noise.gauss());
        self.send(
            time_s,
            Sent::Attitude,
            [0.0, qx, qy, qz, qw, wx, wy, wz, a, b, c],
            packets,
        );
    }

    fn propulsion(&mut self, time_s: i64, packets: &mut Vec<Packet>) {
        let kelvin = self.nodes_c[TANK_NODE] + 273.15;
        let noise = &mut self.sensors;
        let values = [
            0.0,
            self.tank.pressure_bar(kelvin) + 0.02 * noise.gauss(),
            kelvin + 0.03 * noise.gauss(),
            0.0,
            2.2 + 0.004 * noise.gauss(),
        ];
        self.send(time_s, Sent::Propulsion, values, packets);
    }

    fn thermal(&mut self, time_s: i64, packets: &mut Vec<Packet>) {
        let mut values = [0.0; 1 + NODES];
        for (node, value) in values[1..].iter_mut().enumerate() {
            *value = self.nodes_c[node] + 0.12 * self.sensors.gauss();
        }
        if let Some((sensor, stuck)) = self.frozen {
            values[1 + sensor] = stuck;
        }
        self.send(time_s, Sent::Thermal, values, packets);
    }

    fn computer(&mut self, time_s: i64, packets: &mut Vec<Packet>) {
        let fill = (time_s - self.emptied_s) as f64 / RECORDER_S;
        let values = [
            0.0,
            f64::from(self.boot_count),
            (time_s - self.booted_s) as f64,
            f64::from(u8::from(!self.clock_is_set)),
            100.0 * fill.min(1.0),
        ];
        self.send(time_s, Sent::Computer, values, packets);
    }

    /// Packs a packet; the first value is the clock's.
    fn send<const N: usize>(
        &mut self,
        time_s: i64,
        kind: Sent,
        mut values: [f64; N],
        packets: &mut Vec<Packet>,
    ) {
        values[0] = self.clock(time_s);
        let (layout, apid) = match kind {
            Sent::Power => (&self.layouts.power, apid::POWER),
            Sent::Gps => (&self.layouts.gps, apid::GPS),
            Sent::Attitude => (&self.layouts.attitude, apid::ATTITUDE),
            Sent::Propulsion => (&self.layouts.propulsion, apid::PROPULSION),
            Sent::Thermal => (&self.layouts.thermal, apid::THERMAL),
            Sent::Computer => (&self.layouts.computer, apid::COMPUTER),
        };
        let seq = self.counters.next(apid);
        let mut bytes = Vec::with_capacity(64);
        layout.pack(apid, seq, &values, &mut bytes);
        packets.push(Packet { apid, seq, bytes });
    }
}

#[derive(Debug, Clone, Copy)]
enum Sent {
    Power,
    Gps,
    Attitude,
    Propulsion,
    Thermal,
    Computer,
}

impl Fault {
    fn freezes_at(&self, time_s: i64) -> bool {
        matches!(self, Fault::Freeze { from_s, to_s, .. } if (*from_s..*to_s).contains(&time_s))
    }
}

/// The quaternion (scalar last) from the inertial frame to one whose z axis
/// points to the Earth's centre and whose y axis is against the orbit's normal
/// (Shepperd, "Quaternion from Rotation Matrix", 1978).
fn nadir(state: &State) -> [f64; 4] {
    let z = unit(state.position_m.map(|part| -part));
    let normal = unit(cross(state.position_m, state.velocity_m_s));
    let y = normal.map(|part| -part);
    let x = cross(y, z);
    let trace = x[0] + y[1] + z[2];
    let squares = [
        1.0 + 2.0 * x[0] - trace,
        1.0 + 2.0 * y[1] - trace,
        1.0 + 2.0 * z[2] - trace,
        1.0 + trace,
    ];
    let sums = [
        [x[1] + y[0], z[0] + x[2], y[2] + z[1]],
        [y[2] - z[1], z[0] - x[2], x[1] - y[0]],
    ];
    let largest = (0..4)
        .max_by(|a, b| squares[*a].total_cmp(&squares[*b]))
        .unwrap_or(3);
    let half = squares[largest].sqrt() / 2.0;
    let part = |value: f64| value / (4.0 * half);
    let [[xy, xz, yz], [dx, dy, dz]] = sums.map(|row| row.map(part));
    match largest {
        0 => [half, xy, xz, dx],
        1 => [xy, half, yz, dy],
        2 => [xz, yz, half, dz],
        _ => [dx, dy, dz, half],
    }
}

#[cfg(test)]
mod tests;
