//! What stands beside the raw files: XTCE and the TOML that points to it.

use std::io;

use crate::output::{Folder, Kind};
use crate::packet::table::Dictionary;
use crate::packet::{launcher, satellite, xtce};
use crate::stand;

/// Limits and time of the launcher's streams.
const LAUNCHER_TOML: &str = r#"# What no bits say about the packets of launcher.xml.
definition = "launcher.xml"
error_control = "crc-16"

[time]
axis = "absolute"
code = "cds"
columns = ["DAY", "MSEC", "USEC"]

[stream.guidance]
limits = { dynamic_pressure = [{ name = "structural", low = 0.0, high = 36000.0 }] }

[stream.engine]
sort_by = ["engine", "time", "seq_count"]
limits = { turbine_temperature = [{ name = "redline", low = 250.0, high = 1000.0 }], bearing_temperature = [{ name = "redline", low = 80.0, high = 180.0 }] }

[stream.engine_vibration]
sort_by = ["engine", "time", "seq_count"]
limits = { overall = [{ name = "redline", low = 0.0, high = 5.0 }] }

[stream.launcher_power]
limits = { bus_voltage = [{ name = "warning", low = 27.0, high = 34.0 }] }
"#;

/// Limits and time of the satellites' streams.
const SATELLITE_TOML: &str = r#"# What no bits say about the packets of satellites.xml.
definition = "satellites.xml"
error_control = "crc-16"

[time]
axis = "absolute"
code = "iso"
columns = ["OBT"]

[stream.sat_power]
limits = { battery_voltage = [{ name = "warning", low = 15.0, high = 16.8 }] }
"#;

/// Writes the definitions.
pub(crate) fn write(folder: &mut Folder<'_>) -> io::Result<()> {
    let mut both = |name: &str, dictionary: &Dictionary, toml: &str| {
        let document = xtce::document(dictionary);
        folder.write(&format!("{name}.xml"), Kind::Definition, &document)?;
        folder.write(&format!("{name}.toml"), Kind::Definition, toml)
    };
    both("launcher", &launcher::DICTIONARY, LAUNCHER_TOML)?;
    both("satellites", &satellite::DICTIONARY, SATELLITE_TOML)?;
    folder.write("stand.toml", Kind::Definition, &stand::definition())
}
