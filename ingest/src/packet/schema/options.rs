//! What is said about packets and their streams beside the bits.

use downlake_lake::Result;
use downlake_lake::schema::near::did_you_mean;
use downlake_lake::schema::settings::StreamSettings;
use downlake_lake::schema::time::format_rfc3339;
use downlake_lake::schema::toml::{SETTINGS_KEYS, Section, Value};
use downlake_lake::schema::{TimeAxis, TimeCode};

use super::frames;
use crate::frames::Link;
use crate::packet::document;
use crate::packet::locate::LongerPackets;
use crate::packet::model::{PacketDefinition, Place};

/// The keys of the options.
pub(super) const KEYS: &[&str] = &[
    "longer",
    "error_control",
    "segments",
    "segment_header_bytes",
    "counts",
    "time",
    "stream",
    "frames",
];

const LONGER: &[(&str, LongerPackets)] = &[
    ("keep", LongerPackets::Keep),
    ("refuse", LongerPackets::Refuse),
];
const ERROR_CONTROLS: &[(&str, ErrorControl)] = &[
    ("none", ErrorControl::Unsaid),
    ("crc-16", ErrorControl::Crc16),
];
const COUNTS: &[(&str, Counts)] = &[("sequence", Counts::Sequence), ("random", Counts::Random)];
const SEGMENTS: &[(&str, Segments)] = &[
    ("keep", Segments::Keep),
    ("join", Segments::Join { header_bytes: 0 }),
];

/// The options of a definition.
#[derive(Debug, Clone, PartialEq)]
pub struct PacketOptions {
    /// What becomes of packets that are longer than their container.
    pub longer: LongerPackets,
    /// Whether packets end in error control that is no part of the container.
    pub error_control: ErrorControl,
    /// What becomes of segments.
    pub segments: Segments,
    /// Whether sequence counts tell what is missing.
    pub counts: Counts,
    /// The axis of every stream that has its columns.
    pub time: Option<TimeAxis>,
    /// Where that is said.
    pub time_place: Place,
    /// What a person should know of what is said.
    pub notices: Vec<String>,
    /// What is said about the streams of single containers.
    pub streams: Vec<ContainerSettings>,
    /// The link that the packets come over, in frames.
    pub link: Option<Link>,
}

/// What is said about the stream of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSettings {
    /// The container's name.
    pub container: String,
    /// What is said.
    pub settings: StreamSettings,
    /// Where it is said.
    pub place: Place,
}

/// The last bytes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorControl {
    /// Nothing is said: a packet may have two bytes more than its container if
    /// they prove to be the error control of the others.
    #[default]
    Unsaid,
    /// The last two bytes are CRC-16/CCITT-FALSE over those before them.
    Crc16,
}

/// What becomes of segments of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Segments {
    /// Each is a packet of its own.
    #[default]
    Keep,
    /// They are joined before they are decoded.
    Join {
        /// Bytes of secondary header in segments after the first, which are
        /// no part of the joined packet.
        header_bytes: usize,
    },
}

/// What sequence counts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counts {
    /// They go up by one from packet to packet, so a step tells a gap.
    #[default]
    Sequence,
    /// Nothing: some instruments send any number.
    Random,
}

impl Default for PacketOptions {
    fn default() -> PacketOptions {
        PacketOptions {
            longer: LongerPackets::Keep,
            error_control: ErrorControl::default(),
            segments: Segments::default(),
            counts: Counts::default(),
            time: None,
            time_place: Place::default(),
            notices: Vec::new(),
            streams: Vec::new(),
            link: None,
        }
    }
}

impl PacketOptions {
    /// The options among the keys of a document.
    pub(super) fn read(top: &Section<'_>, file: &str) -> Result<PacketOptions> {
        let read_link = |value: Value<'_>| frames::link(&value.section("[frames]", frames::KEYS)?);
        let streams = top
            .get("stream")
            .map(|value| container_settings(&value, file));
        let time = top.get("time");
        let notices = [time.clone()]
            .into_iter()
            .flatten()
            .chain(stream_times(top)?);
        let notices = notices.map(|time| unsaid_epoch(&time, file));
        let notices = notices.collect::<Result<Vec<_>>>()?;
        Ok(PacketOptions {
            notices: notices.into_iter().flatten().collect(),
            longer: top.word("longer", LONGER, LongerPackets::Keep)?,
            error_control: top.word("error_control", ERROR_CONTROLS, ErrorControl::Unsaid)?,
            segments: segments(top)?,
            counts: top.word("counts", COUNTS, Counts::Sequence)?,
            time_place: time
                .as_ref()
                .map_or_else(Place::default, |t| place(t, file)),
            time: time.map(|value| TimeAxis::read(&value)).transpose()?,
            streams: streams.transpose()?.unwrap_or_default(),
            link: top.get("frames").map(read_link).transpose()?,
        })
    }

    /// What is said about the stream of a container.
    pub(in crate::packet) fn of(&self, container: &str) -> Option<&ContainerSettings> {
        self.streams.iter().find(|s| s.container == container)
    }

    /// Refuses settings of containers that the definition does not have.
    pub(super) fn check(&self, definition: &PacketDefinition) -> Result<()> {
        let known: Vec<&str> = definition.containers.iter().map(|c| &*c.name).collect();
        let unknown = |settings: &&ContainerSettings| !known.contains(&settings.container.as_str());
        match self.streams.iter().find(unknown) {
            None => Ok(()),
            Some(ContainerSettings {
                container, place, ..
            }) => {
                let near = did_you_mean(container, &known);
                Err(place.refuse(format!(
                    "[stream.{container}] names no container of the definition{near}"
                )))
            }
        }
    }

    /// A definition with these options as one document.
    pub(super) fn text(&self, definition: &PacketDefinition) -> Result<String> {
        let mut text = document::write_with(definition, &self.pairs())?;
        if let Some(time) = &self.time {
            text.push_str(&time.to_toml("time"));
        }
        for stream in &self.streams {
            let path = format!("stream.{}", quoted(&stream.container));
            text.push_str(&stream.settings.to_toml(&path));
        }
        if let Some(link) = &self.link {
            text.push_str(&frames::text(link));
        }
        Ok(text)
    }

    fn pairs(&self) -> String {
        let default = PacketOptions::default();
        let mut pairs = String::new();
        let mut pair = |key: &str, value: String| pairs.push_str(&format!("{key} = {value}\n"));
        if self.longer != default.longer {
            pair("longer", quoted(spelling(&self.longer, LONGER)));
        }
        if self.error_control != default.error_control {
            pair(
                "error_control",
                quoted(spelling(&self.error_control, ERROR_CONTROLS)),
            );
        }
        if let Segments::Join { header_bytes } = self.segments {
            pair("segments", quoted("join"));
            if header_bytes > 0 {
                pair("segment_header_bytes", header_bytes.to_string());
            }
        }
        if self.counts != default.counts {
            pair("counts", quoted(spelling(&self.counts, COUNTS)));
        }
        pairs
    }
}

fn segments(top: &Section<'_>) -> Result<Segments> {
    let segments = top.word("segments", SEGMENTS, Segments::Keep)?;
    let Some(value) = top.get("segment_header_bytes") else {
        return Ok(segments);
    };
    if segments == Segments::Keep {
        return Err(value.error("segment_header_bytes belongs to segments = \"join\""));
    }
    match usize::try_from(value.whole()?) {
        Ok(header_bytes @ 0..=65_535) => Ok(Segments::Join { header_bytes }),
        _ => Err(value.error("segment_header_bytes must be 0 to 65535, less than a segment has")),
    }
}

fn container_settings(value: &Value<'_>, file: &str) -> Result<Vec<ContainerSettings>> {
    let read = |(container, value): (&str, Value<'_>)| {
        let title = format!("[stream.{container}]");
        Ok(ContainerSettings {
            container: container.to_owned(),
            settings: StreamSettings::read(&value.section(title, SETTINGS_KEYS)?)?,
            place: place(&value, file),
        })
    };
    value.entries()?.into_iter().map(read).collect()
}

/// The axes that are said of single streams.
fn stream_times<'a>(top: &Section<'a>) -> Result<Vec<Value<'a>>> {
    let streams = top.get("stream").map(|value| value.entries()).transpose()?;
    let mut times = Vec::new();
    for (_, stream) in streams.into_iter().flatten() {
        let pairs = stream.entries()?.into_iter();
        times.extend(
            pairs
                .filter(|(key, _)| *key == "time")
                .map(|(_, value)| value),
        );
    }
    Ok(times)
}

/// A clock of a spacecraft seldom counts from 1970, so that it is told where
/// that is taken for its epoch.
fn unsaid_epoch(time: &Value<'_>, file: &str) -> Result<Option<String>> {
    let TimeAxis::Absolute(axis) = TimeAxis::read(time)? else {
        return Ok(None);
    };
    let counts = matches!(
        axis.code,
        TimeCode::Seconds | TimeCode::Millis | TimeCode::Micros | TimeCode::Nanos
    );
    let is_said = time.entries()?.iter().any(|(key, _)| *key == "epoch");
    Ok((counts && !is_said).then(|| {
        format!(
            "{}: [time] says no epoch, so its clock counts from {}; say epoch = \"...\" if it does not",
            place(time, file),
            format_rfc3339(axis.epoch_micros)
        )
    }))
}

fn place(value: &Value<'_>, file: &str) -> Place {
    Place {
        file: file.into(),
        line: u32::try_from(value.line()).unwrap_or(u32::MAX),
    }
}

/// The word of a value that has one.
pub(super) fn spelling<T: PartialEq>(value: &T, known: &[(&'static str, T)]) -> &'static str {
    let found = known.iter().find(|(_, other)| other == value);
    found.map_or("", |(text, _)| text)
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
