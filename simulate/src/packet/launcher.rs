//! The packets of the launcher.

use super::table::{
    Container, Dictionary, Field, PRIMARY_HEADER, Scalar, Shape, count, float, labels, one,
    reading, signed, whole,
};

/// Application processes; those of engines are one for each engine, by adding
/// its number from 1 on.
pub(crate) mod apid {
    pub(crate) const GUIDANCE: u16 = 0x101;
    pub(crate) const GPS: u16 = 0x102;
    pub(crate) const ATTITUDE: u16 = 0x103;
    pub(crate) const TANKS: u16 = 0x104;
    pub(crate) const POWER: u16 = 0x105;
    pub(crate) const UPPER_ENGINE: u16 = 0x106;
    pub(crate) const ENGINE: u16 = 0x110;
    pub(crate) const VIBRATION: u16 = 0x120;
}

/// Bands of the vibration spectrum, and their width in Hz.
pub(crate) const BANDS: u16 = 32;
pub(crate) const BAND_WIDTH_HZ: f64 = 160.0;

/// Phases of flight, by their number in packets.
pub(crate) const PHASES: &[&str] = &[
    "COUNTDOWN",
    "LIFTOFF",
    "GRAVITY_TURN",
    "SEPARATION",
    "UPPER_BURN",
    "ORBIT",
];
/// States of an engine, by their number in packets.
pub(crate) const ENGINE_STATES: &[&str] = &["OFF", "START", "RUN", "SHUTDOWN"];
/// Positions of a solenoid valve.
pub(crate) const VALVE_STATES: &[&str] = &["CLOSED", "OPEN"];
/// Kinds of position fix.
pub(crate) const FIXES: &[&str] = &["NONE", "2D", "3D"];

const PROPELLANT: &[(&str, Scalar)] = &[
    ("mass", float("kg")),
    ("ullage_pressure", reading(16, 0.0, 1e-4, "bar")),
    ("temperature", reading(16, 0.0, 0.01, "K")),
    ("pressurant_valve", labels(8, VALVE_STATES)),
];

const fn tank(name: &'static str, description: &'static str) -> Field {
    Field {
        name,
        description,
        shape: Shape::Group(PROPELLANT),
    }
}

const BASE: Option<&str> = Some("launcher_packet");

/// The launcher's dictionary.
pub(crate) const DICTIONARY: Dictionary = Dictionary {
    name: "Heron",
    description: "Two-stage launcher with nine first-stage engines",
    containers: &[
        PRIMARY_HEADER,
        Container {
            name: "launcher_packet",
            description: "Secondary header: CCSDS day segmented time code, epoch 1958-01-01 UTC",
            base: Some("space_packet"),
            is_abstract: true,
            when: &[("SEC_HDR_FLAG", "==", 1)],
            fields: &[
                one("DAY", count(16, "d"), "Days since 1958-01-01"),
                one("MSEC", count(32, "ms"), "Milliseconds of the day"),
                one("USEC", count(16, "us"), "Microseconds of the millisecond"),
            ],
        },
        Container {
            name: "engine_packet",
            description: "What all packets of a first-stage engine begin with",
            base: BASE,
            is_abstract: true,
            when: &[
                ("APID", ">", apid::ENGINE),
                ("APID", "<", apid::VIBRATION + 10),
            ],
            fields: &[one("engine", count(8, ""), "Number of the engine, 1 to 9")],
        },
        GUIDANCE,
        GPS,
        ATTITUDE,
        TANKS,
        POWER,
        UPPER_ENGINE,
        ENGINE,
        VIBRATION,
    ],
};

const GUIDANCE: Container = Container {
    name: "guidance",
    description: "Navigation and guidance at 10 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::GUIDANCE)],
    fields: &[
        one(
            "met",
            whole(32, "ms"),
            "Mission elapsed time, 0 at lift-off",
        ),
        one("phase", labels(8, PHASES), "Phase of flight"),
        one(
            "altitude",
            float("m"),
            "Height above the launch site's sphere",
        ),
        one(
            "inertial_speed",
            float("m/s"),
            "Speed against the Earth's centre",
        ),
        one("air_speed", float("m/s"), "Speed against the air"),
        one(
            "flight_path_angle",
            signed(16, 0.01, "deg"),
            "Inertial, above the horizon",
        ),
        one(
            "pitch_command",
            signed(16, 0.01, "deg"),
            "Thrust above the horizon",
        ),
        one(
            "throttle_command",
            reading(16, 0.0, 0.01, "%"),
            "Of the burning stage",
        ),
        one(
            "dynamic_pressure",
            float("Pa"),
            "Half density times air speed squared",
        ),
        one(
            "mach",
            reading(16, 0.0, 0.001, ""),
            "Air speed over the speed of sound",
        ),
        one(
            "axial_acceleration",
            signed(16, 0.002, "m/s2"),
            "Thrust less drag over mass",
        ),
        one("mass", float("kg"), "Vehicle mass as guidance knows it"),
    ],
};

const GPS: Container = Container {
    name: "launcher_gps",
    description: "Position and velocity at 1 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::GPS)],
    fields: &[
        one("fix", labels(8, FIXES), "Kind of fix"),
        one(
            "satellites_used",
            count(8, ""),
            "Satellites in the solution",
        ),
        one("latitude", signed(32, 1e-7, "deg"), "Geocentric, north"),
        one("longitude", signed(32, 1e-7, "deg"), "East"),
        one("gps_altitude", signed(32, 0.01, "m"), "Above the sphere"),
        one(
            "ground_speed",
            reading(24, 0.0, 0.001, "m/s"),
            "Against the turning Earth",
        ),
    ],
};

const ATTITUDE: Container = Container {
    name: "launcher_attitude",
    description: "Attitude and rates at 10 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::ATTITUDE)],
    fields: &[
        Field {
            name: "quaternion",
            description: "From the local frame at the pad to the body, scalar last",
            shape: Shape::Array(signed(16, 1.0 / 32_767.0, ""), 4),
        },
        one("pitch_rate", signed(16, 0.001, "deg/s"), "Body rate"),
        one("yaw_rate", signed(16, 0.001, "deg/s"), "Body rate"),
        one("roll_rate", signed(16, 0.001, "deg/s"), "Body rate"),
        one(
            "gimbal_pitch",
            signed(16, 0.001, "deg"),
            "Thrust vector actuator",
        ),
        one(
            "gimbal_yaw",
            signed(16, 0.001, "deg"),
            "Thrust vector actuator",
        ),
    ],
};

const TANKS: Container = Container {
    name: "launcher_tanks",
    description: "Propellant tanks of both stages at 10 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::TANKS)],
    fields: &[
        tank("s1_lox", "First stage, liquid oxygen"),
        tank("s1_rp1", "First stage, kerosene"),
        tank("s2_lox", "Second stage, liquid oxygen"),
        tank("s2_rp1", "Second stage, kerosene"),
    ],
};

const POWER: Container = Container {
    name: "launcher_power",
    description: "Avionics power at 1 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::POWER)],
    fields: &[
        one("bus_voltage", reading(16, 0.0, 0.001, "V"), "Main bus"),
        one("bus_current", reading(16, 0.0, 0.001, "A"), "Main bus"),
        one(
            "battery_charge",
            reading(16, 0.0, 0.01, "%"),
            "State of charge",
        ),
        one(
            "battery_temperature",
            reading(16, 200.0, 0.01, "K"),
            "Battery case",
        ),
    ],
};

const UPPER_ENGINE: Container = Container {
    name: "upper_engine",
    description: "The second-stage engine at 10 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::UPPER_ENGINE)],
    fields: &[
        one("upper_state", labels(8, ENGINE_STATES), "State"),
        one(
            "upper_chamber_pressure",
            reading(16, -5.0, 0.002, "bar"),
            "Chamber",
        ),
        one(
            "upper_turbopump_speed",
            reading(16, 0.0, 1.0, "rpm"),
            "Shaft",
        ),
        one(
            "upper_turbine_temperature",
            reading(16, 0.0, 0.025, "K"),
            "Turbine inlet",
        ),
    ],
};

const ENGINE: Container = Container {
    name: "engine",
    description: "A first-stage engine at 100 Hz",
    base: Some("engine_packet"),
    is_abstract: false,
    when: &[
        ("APID", ">", apid::ENGINE),
        ("APID", "<", apid::ENGINE + 10),
    ],
    fields: &[
        one("state", labels(8, ENGINE_STATES), "State"),
        one(
            "chamber_pressure",
            reading(16, -5.0, 0.002, "bar"),
            "Chamber",
        ),
        one("turbopump_speed", reading(16, 0.0, 1.0, "rpm"), "Shaft"),
        one(
            "mixture_ratio",
            reading(16, 0.0, 1e-4, ""),
            "Oxidizer to fuel by mass",
        ),
        one(
            "turbine_temperature",
            reading(16, 0.0, 0.025, "K"),
            "Turbine inlet",
        ),
        one(
            "bearing_temperature",
            reading(16, 0.0, 0.01, "K"),
            "Turbopump bearing",
        ),
        one(
            "ox_valve_command",
            reading(16, 0.0, 0.002, "%"),
            "Main oxidizer valve",
        ),
        one(
            "ox_valve_position",
            reading(16, 0.0, 0.002, "%"),
            "Main oxidizer valve",
        ),
        one(
            "fuel_valve_position",
            reading(16, 0.0, 0.002, "%"),
            "Main fuel valve",
        ),
    ],
};

const VIBRATION: Container = Container {
    name: "engine_vibration",
    description: "Spectrum of the turbopump's accelerometer at 10 Hz, made on board",
    base: Some("engine_packet"),
    is_abstract: false,
    when: &[
        ("APID", ">", apid::VIBRATION),
        ("APID", "<", apid::VIBRATION + 10),
    ],
    fields: &[
        one(
            "overall",
            reading(16, 0.0, 0.001, "g"),
            "Root of the sum of squares of all bands",
        ),
        one(
            "synchronous",
            reading(16, 0.0, 0.001, "g"),
            "Line at the shaft's frequency",
        ),
        Field {
            name: "bands",
            description: "Root mean square in each of 32 bands of 160 Hz",
            shape: Shape::Array(reading(16, 0.0, 0.0005, "g"), BANDS),
        },
    ],
};
