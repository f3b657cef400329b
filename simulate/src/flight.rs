//! The telemetry of one flight of the launcher.
//!
//! Promises: each packet at its rate (guidance, attitude, tanks, vibration and
//! the upper engine 10 Hz, first-stage engines 100 Hz, position and power
//! 1 Hz) from ten seconds before lift-off to twenty in orbit; engines until
//! their stage is gone. What goes wrong on board and on the way is in
//! [`Plan`].

mod radio;

use std::io;

use crate::ascent::{Ascent, EARTH_RATE_RAD_S, Phase, STEP_S};
use crate::downlink::{Event, PacketFile};
use crate::engine::Fault;
use crate::instant::Instant;
use crate::noise::Noise;
use crate::numeric::{asin, atan2, degrees, sin_cos};
use crate::output::{Folder, Kind};
use crate::packet::launcher::{BANDS, DICTIONARY, apid};
use crate::packet::layout::Layout;
use crate::vehicle::Vehicle;

use radio::{Outage, Radio};

/// 2024-03-14T09:30:00Z: the first lift-off.
const FIRST_LIFTOFF: Instant = Instant(1_710_408_600_000_000);
/// Between two lift-offs: two days and an odd hour.
const INTERVAL_S: f64 = 177_917.0;

/// What is special about a flight.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// From 1 on.
    pub(crate) number: u32,
    pub(crate) faults: Vec<Fault>,
    pub(crate) outages: Vec<Outage>,
}

impl Plan {
    /// Flight 1 is the golden one; flight 2 has a black-out that is filled
    /// from the recorder; flight 3 a bearing, a valve, and a black-out that is
    /// never filled.
    pub(crate) fn of(number: u32) -> Plan {
        let mut plan = Plan {
            number,
            faults: Vec::new(),
            outages: Vec::new(),
        };
        let outage = |from_s, to_s, replayed_at_s| Outage {
            from_s,
            to_s,
            replayed_at_s,
        };
        match number {
            2 => plan.outages.push(outage(71.4, 75.1, Some(96.0))),
            3 => {
                plan.outages.push(outage(118.2, 119.9, None));
                plan.faults = faults();
            }
            _ => {}
        }
        plan
    }

    pub(crate) fn name(&self) -> String {
        format!("F{:02}", self.number)
    }

    pub(crate) fn liftoff(&self) -> Instant {
        FIRST_LIFTOFF.after(f64::from(self.number - 1) * INTERVAL_S)
    }
}

fn faults() -> Vec<Fault> {
    vec![
        Fault::Bearing {
            engine: 4,
            from_s: 64.0,
            to_s: 150.0,
        },
        Fault::StuckValve {
            engine: 7,
            from_s: 40.0,
            to_s: 98.0,
        },
    ]
}

/// What a flight came to.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) file: String,
    pub(crate) events: Vec<Event>,
    pub(crate) payload_kg: f64,
    pub(crate) target_m: f64,
    pub(crate) altitude_m: f64,
    pub(crate) speed_m_s: f64,
    pub(crate) separation_s: f64,
    pub(crate) orbit_s: f64,
}

/// Flies a flight and writes its packets.
pub(crate) fn write(folder: &mut Folder<'_>, seed: u64, plan: &Plan) -> io::Result<Outcome> {
    let vehicle = Vehicle::of_flight(&mut Noise::new(seed, "vehicle", plan.number));
    let mut built = Noise::new(seed, "engines", plan.number);
    let mut ascent = Ascent::new(vehicle, &plan.faults, &mut built);
    let path = format!("launcher/{}/flight.ccsds", plan.name());
    let file = PacketFile::new(folder.create(&path, Kind::LauncherPackets)?);
    let mut telemetry = Telemetry::new(seed, plan, file);
    let (mut separation_s, mut orbit_s) = (0.0, 0.0);
    while ascent.is_flying() {
        telemetry.report(&ascent)?;
        let before = ascent.phase;
        ascent.advance();
        match ascent.phase {
            Phase::Separation if before != ascent.phase => separation_s = ascent.time_s(),
            Phase::Orbit if before != ascent.phase => orbit_s = ascent.time_s(),
            _ => {}
        }
    }
    let (output, events) = telemetry.file.finish();
    let file = output.name.clone();
    folder.finish(output)?;
    Ok(Outcome {
        file,
        events,
        payload_kg: ascent.vehicle.payload_kg,
        target_m: ascent.vehicle.orbit_altitude_m,
        altitude_m: ascent.motion.altitude_m(),
        speed_m_s: ascent.motion.speed_m_s(),
        separation_s,
        orbit_s,
    })
}

struct Layouts {
    guidance: Layout,
    gps: Layout,
    attitude: Layout,
    tanks: Layout,
    power: Layout,
    upper: Layout,
    engine: Layout,
    vibration: Layout,
}

impl Layouts {
    fn new() -> Layouts {
        let layout = |name| Layout::new(&DICTIONARY, name);
        Layouts {
            guidance: layout("guidance"),
            gps: layout("launcher_gps"),
            attitude: layout("launcher_attitude"),
            tanks: layout("launcher_tanks"),
            power: layout("launcher_power"),
            upper: layout("upper_engine"),
            engine: layout("engine"),
            vibration: layout("engine_vibration"),
        }
    }
}

struct Telemetry<'a> {
    layouts: Layouts,
    radio: Radio<'a>,
    file: PacketFile,
    liftoff: Instant,
    sensors: Noise,
    battery: Battery,
    before_tilt_rad: f64,
}

impl<'a> Telemetry<'a> {
    fn new(seed: u64, plan: &'a Plan, file: PacketFile) -> Telemetry<'a> {
        Telemetry {
            layouts: Layouts::new(),
            radio: Radio::new(seed, plan),
            file,
            liftoff: plan.liftoff(),
            sensors: Noise::new(seed, "launcher sensors", plan.number),
            battery: Battery::default(),
            before_tilt_rad: 0.0,
        }
    }

    /// The packets of one hundredth of a second.
    fn report(&mut self, ascent: &Ascent) -> io::Result<()> {
        let tick = ascent.ticks();
        if ascent.has_first_stage {
            self.engines(ascent)?;
        }
        if tick.rem_euclid(10) == 3 {
            self.guidance(ascent)?;
            self.attitude(ascent)?;
            self.tanks(ascent)?;
            self.upper(ascent)?;
        }
        if ascent.has_first_stage && tick.rem_euclid(10) == 7 {
            self.vibration(ascent)?;
        }
        if tick.rem_euclid(100) == 50 {
            self.gps(ascent)?;
            self.power(ascent)?;
        }
        self.radio.replay(ascent.time_s(), &mut self.file)
    }

    fn send(&mut self, ascent: &Ascent, kind: Sent, apid: u16, values: &[f64]) -> io::Result<()> {
        let layout = match kind {
            Sent::Guidance => &self.layouts.guidance,
            Sent::Gps => &self.layouts.gps,
            Sent::Attitude => &self.layouts.attitude,
            Sent::Tanks => &self.layouts.tanks,
            Sent::Power => &self.layouts.power,
            Sent::Upper => &self.layouts.upper,
            Sent::Engine => &self.layouts.engine,
            Sent::Vibration => &self.layouts.vibration,
        };
        let time_s = ascent.time_s();
        self.radio
            .send(time_s, layout, apid, values, &mut self.file)
    }

    fn clock(&self, ascent: &Ascent) -> [f64; 3] {
        Instant(self.liftoff.0 + ascent.ticks() * 10_000).day_segmented()
    }

    fn engines(&mut self, ascent: &Ascent) -> io::Result<()> {
        let [day, msec, usec] = self.clock(ascent);
        for engine in &ascent.cluster.engines {
            let r = engine.readings(&mut self.sensors);
            let values = [
                day,
                msec,
                usec,
                f64::from(engine.number),
                f64::from(r.state),
                r.chamber_pressure_bar,
                r.turbopump_speed_rpm,
                r.mixture_ratio,
                r.turbine_k,
                r.bearing_k,
                r.ox_valve_command_pct,
                r.ox_valve_pct,
                r.fuel_valve_pct,
            ];
            self.send(
                ascent,
                Sent::Engine,
                of_engine(apid::ENGINE, engine.number),
                &values,
            )?;
        }
        Ok(())
    }

    fn vibration(&mut self, ascent: &Ascent) -> io::Result<()> {
        let mut values = [0.0; 6 + BANDS as usize];
        values[..3].copy_from_slice(&self.clock(ascent));
        for engine in &ascent.cluster.engines {
            let (overall, line, bands) = engine.vibration(&mut self.sensors);
            values[3..6].copy_from_slice(&[f64::from(engine.number), overall, line]);
            values[6..].copy_from_slice(&bands);
            let apid = of_engine(apid::VIBRATION, engine.number);
            self.send(ascent, Sent::Vibration, apid, &values)?;
        }
        Ok(())
    }

    fn guidance(&mut self, ascent: &Ascent) -> io::Result<()> {
        let [day, msec, usec] = self.clock(ascent);
        let noise = &mut self.sensors;
        let values = [
            day,
            msec,
            usec,
            (ascent.ticks() * 10) as f64,
            f64::from(ascent.phase as u8),
            ascent.motion.altitude_m() + 0.8 * noise.gauss(),
            ascent.motion.speed_m_s() + 0.03 * noise.gauss(),
            ascent.air_speed_m_s() + 0.05 * noise.gauss(),
            degrees(ascent.motion.flight_path_rad()),
            degrees(ascent.pitch_rad),
            100.0 * ascent.throttle,
            ascent.dynamic_pressure_pa() * noise.around(0.002),
            ascent.mach(),
            ascent.axial_m_s2 + 0.01 * noise.gauss(),
            ascent.mass_kg(),
        ];
        self.send(ascent, Sent::Guidance, apid::GUIDANCE, &values)
    }

    fn gps(&mut self, ascent: &Ascent) -> io::Result<()> {
        let [day, msec, usec] = self.clock(ascent);
        let (latitude, longitude) = under(ascent);
        let noise = &mut self.sensors;
        let horizontal = ascent.air_speed_m_s();
        let climb = ascent.motion.climb_m_s;
        let ground = (horizontal * horizontal - climb * climb).max(0.0).sqrt();
        let values = [
            day,
            msec,
            usec,
            2.0,
            (9.5 + noise.gauss()).round(),
            degrees(latitude) + 2e-5 * noise.gauss(),
            degrees(longitude) + 2e-5 * noise.gauss(),
            ascent.motion.altitude_m() + 3.0 * noise.gauss(),
            ground + 0.05 * noise.gauss(),
        ];
        self.send(ascent, Sent::Gps, apid::GPS, &values)
    }

    fn attitude(&mut self, ascent: &Ascent) -> io::Result<()> {
        let [day, msec, usec] = self.clock(ascent);
        let upright = std::f64::consts::FRAC_PI_2;
        let tilt = ascent.motion.range_rad + upright - ascent.pitch_rad;
        let rate = degrees(tilt - self.before_tilt_rad) / (10.0 * STEP_S);
        self.before_tilt_rad = tilt;
        let noise = &mut self.sensors;
        let (sin, cos) = sin_cos(tilt / 2.0);
        let shake = 1.0 + ascent.dynamic_pressure_pa() / 10_000.0;
        let values = [
            day,
            msec,
            usec,
            1e-4 * noise.gauss(),
            sin,
            1e-4 * noise.gauss(),
            cos,
            rate + 0.02 * shake * noise.gauss(),
            0.02 * shake * noise.gauss(),
            0.05 * noise.gauss(),
            -0.2 * rate + 0.03 * shake * noise.gauss(),
            0.03 * shake * noise.gauss(),
        ];
        self.send(ascent, Sent::Attitude, apid::ATTITUDE, &values)
    }

    fn tanks(&mut self, ascent: &Ascent) -> io::Result<()> {
        let mut values = Vec::with_capacity(19);
        values.extend(self.clock(ascent));
        for tank in &ascent.tanks {
            values.push(tank.mass_kg);
            values.push(tank.ullage_bar() + 0.004 * self.sensors.gauss());
            values.push(tank.temperature_k() + 0.05 * self.sensors.gauss());
            values.push(f64::from(u8::from(tank.is_pressurizing)));
        }
        self.send(ascent, Sent::Tanks, apid::TANKS, &values)
    }

    fn power(&mut self, ascent: &Ascent) -> io::Result<()> {
        let [day, msec, usec] = self.clock(ascent);
        let valves = ascent.tanks.iter().filter(|t| t.is_pressurizing).count();
        let current = 38.0 + 2.5 * valves as f64 + 4.0 * ascent.throttle + self.sensors.gauss();
        self.battery.draw(current);
        let values = [
            day,
            msec,
            usec,
            self.battery.voltage(current) + 0.01 * self.sensors.gauss(),
            current,
            100.0 * self.battery.charge,
            self.battery.temperature_k + 0.03 * self.sensors.gauss(),
        ];
        self.send(ascent, Sent::Power, apid::POWER, &values)
    }

    fn upper(&mut self, ascent: &Ascent) -> io::Result<()> {
        let [day, msec, usec] = self.clock(ascent);
        let power = ascent.upper.power;
        let state = match (ascent.upper.is_commanded, power > 0.5) {
            (true, false) => 1.0,
            (true, true) => 2.0,
            (false, _) => 0.0,
        };
        let noise = &mut self.sensors;
        let values = [
            day,
            msec,
            usec,
            state,
            97.0 * power + (0.04 + 0.3 * power) * noise.gauss(),
            (35_000.0 * power.max(0.0).sqrt()) * noise.around(0.001),
            290.0 + 600.0 * power + 1.2 * noise.gauss(),
        ];
        self.send(ascent, Sent::Upper, apid::UPPER_ENGINE, &values)
    }
}

#[derive(Debug, Clone, Copy)]
enum Sent {
    Guidance,
    Gps,
    Attitude,
    Tanks,
    Power,
    Upper,
    Engine,
    Vibration,
}

fn of_engine(first: u16, engine: u32) -> u16 {
    first + u16::try_from(engine).unwrap_or(0)
}

/// Latitude and longitude below the vehicle: along a great circle, over an
/// Earth that turns (Snyder, "Map Projections: A Working Manual", 5-5, 5-6).
fn under(ascent: &Ascent) -> (f64, f64) {
    let site = ascent.vehicle.site;
    let (sin_range, cos_range) = sin_cos(ascent.motion.range_rad);
    let (sin_lat, cos_lat) = sin_cos(site.latitude_rad);
    let (sin_az, cos_az) = sin_cos(site.azimuth_rad);
    let latitude = asin(sin_lat * cos_range + cos_lat * sin_range * cos_az);
    let east = atan2(
        sin_range * sin_az,
        cos_lat * cos_range - sin_lat * sin_range * cos_az,
    );
    let turned = EARTH_RATE_RAD_S * ascent.time_s().max(0.0);
    (latitude, site.longitude_rad + east - turned)
}

/// The avionics battery: 60 Ah, a straight discharge curve, inner resistance.
#[derive(Debug)]
struct Battery {
    charge: f64,
    temperature_k: f64,
}

impl Default for Battery {
    fn default() -> Battery {
        Battery {
            charge: 0.985,
            temperature_k: 293.0,
        }
    }
}

impl Battery {
    const CAPACITY_A_S: f64 = 60.0 * 3600.0;
    const RESISTANCE_OHM: f64 = 0.012;

    /// One second; the case warms by the loss in the cells (90 kJ/K with what
    /// it is bolted to).
    fn draw(&mut self, current_a: f64) {
        self.charge -= current_a / Self::CAPACITY_A_S;
        self.temperature_k += current_a * current_a * Self::RESISTANCE_OHM / 9_000.0;
    }

    fn voltage(&self, current_a: f64) -> f64 {
        25.2 + 6.8 * self.charge - current_a * Self::RESISTANCE_OHM
    }
}
