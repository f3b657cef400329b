//! Settings of a stream, to and from text.

use super::document::{Section, Value};
use super::read::{PARTITIONS, read_axis, read_limits, read_range};
use super::write::{Text, array, float, inline_table, limit, quoted, word, write_axis};
use crate::Result;
use crate::schema::TimeAxis;
use crate::schema::settings::StreamSettings;

/// The keys of a table of settings.
pub const SETTINGS_KEYS: &[&str] = &[
    "table",
    "description",
    "time",
    "partition",
    "sort_by",
    "dedup_by",
    "dedup_ignore",
    "received_at",
    "units",
    "limits",
    "valid",
];

impl TimeAxis {
    /// Reads an axis; its columns are named as the text names them.
    ///
    /// # Errors
    /// Invalid, with the place in the text.
    pub fn read(value: &Value<'_>) -> Result<TimeAxis> {
        read_axis(value)
    }

    /// The text of the axis under a path of keys, such as `time`.
    pub fn to_toml(&self, path: &str) -> String {
        let mut out = Text::default();
        let header = format!("[{path}]");
        if *self == TimeAxis::None {
            out.header(&header);
            out.pair("axis", "\"none\"");
        }
        write_axis(&mut out, &header, self);
        out.0
    }
}

impl StreamSettings {
    /// Reads the settings in a table, which may have other keys beside them.
    ///
    /// # Errors
    /// Invalid, with the place in the text.
    pub fn read(section: &Section<'_>) -> Result<StreamSettings> {
        let listed = |key| {
            let value: Option<Value<'_>> = section.get(key);
            value.map(|value| value.texts()).transpose()
        };
        Ok(StreamSettings {
            table: section.text("table")?,
            description: section.text("description")?,
            time: section.get("time").map(|v| read_axis(&v)).transpose()?,
            partition: section
                .get("partition")
                .map(|v| v.word(PARTITIONS))
                .transpose()?,
            sort_by: listed("sort_by")?,
            dedup_by: listed("dedup_by")?,
            dedup_ignore: listed("dedup_ignore")?,
            received_at: section.text("received_at")?,
            units: by_column(section, "units", |v| Ok(v.text()?.to_owned()))?,
            limits: by_column(section, "limits", read_limits)?,
            valid: by_column(section, "valid", read_range)?,
        })
    }

    /// The text of the settings under a path of keys, such as `stream.engine`;
    /// nothing where nothing is said.
    pub fn to_toml(&self, path: &str) -> String {
        let mut out = Text::default();
        if *self != StreamSettings::default() {
            out.header(&format!("[{path}]"));
        }
        self.write_pairs(&mut out);
        if let Some(time) = &self.time {
            out.0.push_str(&time.to_toml(&format!("{path}.time")));
        }
        out.0
    }

    fn write_pairs(&self, out: &mut Text) {
        out.optional("table", self.table.as_deref());
        out.optional("description", self.description.as_deref());
        if let Some(partition) = &self.partition {
            out.pair("partition", &quoted(word(PARTITIONS, partition)));
        }
        for (key, names) in [
            ("sort_by", &self.sort_by),
            ("dedup_by", &self.dedup_by),
            ("dedup_ignore", &self.dedup_ignore),
        ] {
            if let Some(names) = names {
                out.pair(key, &array(names.iter().map(|name| quoted(name))));
            }
        }
        out.optional("received_at", self.received_at.as_deref());
        let units = self.units.iter().map(|(name, unit)| (name, quoted(unit)));
        write_by_column(out, "units", units);
        let limits = self.limits.iter();
        let limits = limits.map(|(name, limits)| (name, array(limits.iter().map(limit))));
        write_by_column(out, "limits", limits);
        let valid = self.valid.iter();
        let valid = valid.map(|(name, (low, high))| (name, array([*low, *high].map(float))));
        write_by_column(out, "valid", valid);
    }
}

fn by_column<T, C: FromIterator<(String, T)>>(
    section: &Section<'_>,
    key: &'static str,
    read: impl Fn(&Value<'_>) -> Result<T>,
) -> Result<C> {
    let entries = section.get(key).map(|value| value.entries()).transpose()?;
    let entries = entries.into_iter().flatten();
    entries
        .map(|(name, value)| Ok((name.to_owned(), read(&value)?)))
        .collect()
}

fn write_by_column<'a>(
    out: &mut Text,
    key: &str,
    values: impl Iterator<Item = (&'a String, String)>,
) {
    let pairs: Vec<String> = values
        .map(|(name, value)| format!("{} = {value}", quoted(name)))
        .collect();
    if !pairs.is_empty() {
        out.pair(key, &inline_table(pairs));
    }
}
