//! `downlake config show`: each setting, its value, and where it comes from.

use serde_json::json;

use super::output;
use crate::args::ConfigCommand;
use crate::settings::{Origin, Settings};

pub(crate) fn run(command: &ConfigCommand, settings: &Settings) -> anyhow::Result<u8> {
    match command {
        ConfigCommand::Show => show(settings)?,
    }
    Ok(0)
}

fn show(settings: &Settings) -> anyhow::Result<()> {
    let flag = |given: bool| if given { Origin::Flag } else { Origin::Default };
    let entries = [
        ("lake", settings.lake.clone(), settings.lake_origin),
        ("fsync", settings.fsync.to_string(), flag(!settings.fsync)),
        (
            "memory",
            settings.memory_bytes.to_string(),
            settings.memory_origin,
        ),
        (
            "temp_dir",
            settings.temp_dir.display().to_string(),
            settings.temp_dir_origin,
        ),
        ("quiet", settings.quiet.to_string(), flag(settings.quiet)),
        ("json", settings.json.to_string(), flag(settings.json)),
        ("host", settings.host.clone(), Origin::Default),
    ];
    // Values of cloud options are credentials more often than not.
    let cloud: Vec<_> = settings
        .cloud
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    if settings.json {
        let mut all: Vec<_> = entries
            .iter()
            .map(|(name, value, origin)| json!({"setting": name, "value": value, "origin": origin.as_str()}))
            .collect();
        all.push(
            json!({"setting": "cloud", "value": cloud, "origin": Origin::Environment.as_str()}),
        );
        return output::json(&all);
    }
    let mut rows: Vec<_> = entries
        .into_iter()
        .map(|(name, value, origin)| vec![name.to_owned(), value, origin.as_str().to_owned()])
        .collect();
    if !cloud.is_empty() {
        rows.push(vec![
            "cloud".into(),
            cloud.join(", "),
            Origin::Environment.as_str().into(),
        ]);
    }
    output::columns(&["setting", "value", "origin"], &[], &rows)
}
