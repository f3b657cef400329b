//! The packets of the satellites.

use super::launcher::FIXES;
use super::table::{
    Bits, Container, Dictionary, Field, Meaning, PRIMARY_HEADER, Scalar, Shape, count, curved,
    float, labels, one, reading, signed,
};

/// Application processes.
pub(crate) mod apid {
    pub(crate) const POWER: u16 = 0x201;
    pub(crate) const GPS: u16 = 0x202;
    pub(crate) const ATTITUDE: u16 = 0x203;
    pub(crate) const PROPULSION: u16 = 0x204;
    pub(crate) const THERMAL: u16 = 0x205;
    pub(crate) const COMPUTER: u16 = 0x206;
}

/// Temperature sensors.
pub(crate) const SENSORS: u16 = 8;
/// States of the on-board clock.
pub(crate) const CLOCK_STATES: &[&str] = &["SET", "FREE_RUNNING"];

const GPS_TIME: Scalar = Scalar {
    bits: Bits::Unsigned(48),
    unit: "",
    meaning: Meaning::GpsTime,
};
const BASE: Option<&str> = Some("satellite_packet");

/// The satellites' dictionary.
pub(crate) const DICTIONARY: Dictionary = Dictionary {
    name: "Tern",
    description: "Small satellites in a sun-synchronous orbit",
    containers: &[
        PRIMARY_HEADER,
        Container {
            name: "satellite_packet",
            description: "Secondary header: CCSDS unsegmented time code, 4 + 2 bytes, GPS epoch",
            base: Some("space_packet"),
            is_abstract: true,
            when: &[("SEC_HDR_FLAG", "==", 1)],
            fields: &[one("OBT", GPS_TIME, "On-board time")],
        },
        POWER,
        GPS,
        ATTITUDE,
        PROPULSION,
        THERMAL,
        COMPUTER,
    ],
};

const POWER: Container = Container {
    name: "sat_power",
    description: "Battery, array and bus at 1 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::POWER)],
    fields: &[
        one("battery_voltage", reading(16, 0.0, 0.001, "V"), "Battery"),
        one(
            "battery_current",
            signed(16, 0.001, "A"),
            "Positive when it charges",
        ),
        one(
            "battery_charge",
            reading(16, 0.0, 0.01, "%"),
            "State of charge",
        ),
        one("array_current", reading(16, 0.0, 0.001, "A"), "Solar array"),
        one("bus_load", reading(16, 0.0, 0.01, "W"), "All consumers"),
        one(
            "in_eclipse",
            labels(8, &["SUN", "ECLIPSE"]),
            "From the sun sensors",
        ),
    ],
};

const GPS: Container = Container {
    name: "sat_gps",
    description: "Position and velocity at 1 Hz, Earth-fixed",
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
        Field {
            name: "position",
            description: "Earth-centred, Earth-fixed",
            shape: Shape::Group(&[
                ("x", signed(32, 0.01, "m")),
                ("y", signed(32, 0.01, "m")),
                ("z", signed(32, 0.01, "m")),
            ]),
        },
        Field {
            name: "velocity",
            description: "Earth-fixed",
            shape: Shape::Group(&[
                ("x", float("m/s")),
                ("y", float("m/s")),
                ("z", float("m/s")),
            ]),
        },
    ],
};

const ATTITUDE: Container = Container {
    name: "sat_attitude",
    description: "Attitude and rates at 1 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::ATTITUDE)],
    fields: &[
        Field {
            name: "quaternion",
            description: "From the inertial frame to the body, scalar last",
            shape: Shape::Array(signed(16, 1.0 / 32_767.0, ""), 4),
        },
        Field {
            name: "body_rate",
            description: "About the axes of the body",
            shape: Shape::Array(signed(16, 1e-4, "deg/s"), 3),
        },
        Field {
            name: "wheel_speed",
            description: "Reaction wheels",
            shape: Shape::Array(signed(16, 0.5, "rpm"), 3),
        },
    ],
};

const PROPULSION: Container = Container {
    name: "sat_propulsion",
    description: "Xenon tank and feed at 0.1 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::PROPULSION)],
    fields: &[
        one(
            "tank_pressure",
            reading(16, 0.0, 0.002, "bar"),
            "Xenon tank",
        ),
        one(
            "tank_temperature",
            reading(16, 200.0, 0.005, "K"),
            "Xenon tank",
        ),
        one(
            "latch_valve",
            labels(8, &["CLOSED", "OPEN"]),
            "Between tank and feed",
        ),
        one(
            "feed_pressure",
            reading(16, 0.0, 0.001, "bar"),
            "Behind the regulator",
        ),
    ],
};

const THERMAL: Container = Container {
    name: "sat_thermal",
    description: "Temperatures at 0.1 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::THERMAL)],
    fields: &[Field {
        name: "temperature",
        description: "Eight thermistors: panels +X -X +Y -Y, battery, radio, wheels, tank",
        shape: Shape::Array(curved(12, [-60.0, 0.05, -2e-6], "degC"), SENSORS),
    }],
};

const COMPUTER: Container = Container {
    name: "sat_computer",
    description: "On-board computer at 0.1 Hz",
    base: BASE,
    is_abstract: false,
    when: &[("APID", "==", apid::COMPUTER)],
    fields: &[
        one("boot_count", count(16, ""), "Starts since launch"),
        one("uptime", count(32, "s"), "Since the last start"),
        one(
            "clock_state",
            labels(8, CLOCK_STATES),
            "Whether the ground has set the clock",
        ),
        one(
            "recorder_fill",
            reading(16, 0.0, 0.01, "%"),
            "Of the telemetry recorder",
        ),
    ],
};
