//! What was typed. Nothing here decides anything: see `settings` for what it
//! comes to and `wire` for what is made of it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::plot::PlotKind;

/// Raw telemetry in, an open lake out, SQL on top.
#[derive(Debug, Parser)]
#[command(
    name = "downlake",
    version,
    about,
    max_term_width = 100,
    propagate_version = true
)]
#[command(
    after_help = "Start with `downlake demo`. Each command has its own help: downlake ingest --help"
)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that stand before or after the command.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// The lake: a path, memory://, s3://bucket/prefix, gs://..., az://...
    #[arg(
        long,
        value_name = "URL",
        global = true,
        env = "DOWNLAKE_LAKE",
        default_value = "./lake"
    )]
    pub(crate) lake: String,
    /// Do not wait for the disk: what landed survives the death of the process, not a power cut.
    #[arg(long, global = true)]
    pub(crate) no_fsync: bool,
    /// Print the report as JSON, with stable keys.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress, no notices; errors and results only.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Memory for decoding, sorting, encoding and queries (default: an eighth of the machine, 384 MiB at most).
    #[arg(long, value_name = "SIZE", global = true, value_parser = parse_size)]
    pub(crate) memory: Option<u64>,
    /// Folder for spilled and spooled data (default: the system's).
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) temp_dir: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Simulate a launch campaign, ingest it, query it, and say what to try next.
    Demo(DemoArgs),
    /// Land raw files in the lake, each exactly once.
    Ingest(Box<IngestArgs>),
    /// Ask the lake.
    Sql(SqlArgs),
    /// Look at tables.
    #[command(subcommand)]
    Table(TableCommand),
    /// Look at refused records and try them again.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Look at stream definitions.
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Check the lake and its store, and say what a support engineer would ask.
    Doctor,
    /// Settings and where each comes from.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// `downlake demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where raw files and lake go.
    #[arg(default_value = "./demo")]
    pub(crate) dir: PathBuf,
    /// The simulation is the same for the same seed.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Launches; the first is the golden one.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=300))]
    pub(crate) flights: u32,
    /// How long satellites are followed.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) hours: u32,
    /// Satellites; 100 for 100 hours are gigabytes.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) satellites: u32,
}

/// `downlake ingest`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downlake ingest flights/*.jsonl --time ts
  downlake ingest stand.csv.gz --schema engine.toml --set vehicle=A
  downlake ingest 'raw/' --from-path '{vehicle}/{day}/*.jsonl' --table telemetry
  zcat old.csv.gz | downlake ingest - --table old --format csv")]
pub(crate) struct IngestArgs {
    /// Files, folders, globs, object prefixes, or - for standard input.
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// A definition: an embedded stream's name, or a file: a stream as TOML, or packets as XTCE,
    /// ccsdspy CSV or TOML, which may point to one (`definition = "packets.xml"`). Without one it
    /// is inferred and kept. May be repeated for packets.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) schema: Vec<String>,
    /// The format, where extension and content do not say it.
    #[arg(long, value_name = "F")]
    pub(crate) format: Option<String>,
    /// The table (default: the definition's stream, else the file's stem or the common folder).
    #[arg(long, value_name = "T")]
    pub(crate) table: Option<String>,
    /// Name the table `P_<stream>`.
    #[arg(long, value_name = "P")]
    pub(crate) prefix: Option<String>,
    /// A constant column for every row, part of the unit's identity. May be repeated.
    #[arg(long = "set", value_name = "K=V", value_parser = parse_pair)]
    pub(crate) constants: Vec<(String, String)>,
    /// Take constant columns from the paths, e.g. '{vehicle}/{date}/*.jsonl'.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) from_path: Option<String>,
    /// The time axis: ts, seconds(t), 'cds(DAY,MSEC)', 'relative(t, s)', none.
    #[arg(long, value_name = "EXPR")]
    pub(crate) time: Option<String>,
    /// Columns by which rows are sorted inside files.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) sort_by: Vec<String>,
    /// The key of duplicates: of rows that are equal in all columns, one is kept;
    /// of rows that share only the key, all are, and the later one is flagged.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) dedup_by: Vec<String>,
    /// The column that says when the ground received a row.
    #[arg(long, value_name = "COL")]
    pub(crate) received_at: Option<String>,
    /// Take only packets of these APIDs.
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(0..2047))]
    pub(crate) apid: Vec<u16>,
    /// Take only part I of N of the sources, by a hash of their names.
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub(crate) shard: Option<(u32, u32)>,
    /// The same bytes under two names are two units.
    #[arg(long)]
    pub(crate) by_name: bool,
    /// How much of a unit may be refused: rows, or a share (default 10%, from 1,000 rows on).
    #[arg(long, value_name = "N|P%")]
    pub(crate) max_quarantine: Option<String>,
    /// Refuse fields that the definition does not name.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Write the report also to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
}

/// `downlake sql`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downlake sql \"SELECT count(*) FROM flights\"
  downlake sql -f csv -o out.csv \"SELECT * FROM flights VERSION AS OF 3\"
  downlake sql \"SELECT * FROM 'raw/stand.csv' LIMIT 5\"
  downlake sql --plot \"SELECT time, pressure FROM flights\"
  downlake sql --plot spectrum -o chamber.svg \"SELECT t, chamber_pressure FROM hotfire ORDER BY t\"")]
pub(crate) struct SqlArgs {
    /// Statements, separated by `;`. Without them they are read from standard input.
    pub(crate) sql: Option<String>,
    /// Output format.
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<OutputFormat>,
    /// Write to a file; a plot to .svg or .png.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Draw the rows, to the terminal or to the file of -o: line, scatter, histogram or spectrum.
    /// The axis is the first column of time (else of numbers), a text column tells series apart.
    #[arg(
        long,
        value_name = "KIND",
        num_args = 0..=1,
        default_missing_value = "line",
        conflicts_with_all = ["format", "nan"],
        value_parser = parse_plot
    )]
    pub(crate) plot: Option<PlotArg>,
    /// Read the statements from a file.
    #[arg(long, value_name = "F", conflicts_with = "sql")]
    pub(crate) file: Option<PathBuf>,
    /// One line per statement to stderr with the time it took.
    #[arg(long)]
    pub(crate) timing: bool,
    /// How JSON says NaN and infinities: null, or the words as strings.
    #[arg(long, value_enum, default_value_t = NanFormat::Null)]
    pub(crate) nan: NanFormat,
    /// Refuse every statement that writes.
    #[arg(long)]
    pub(crate) read_only: bool,
}

/// What follows `--plot`: its kind, or already the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlotArg {
    /// A kind.
    Kind(PlotKind),
    /// Statements, to be drawn as the kind that is the default.
    Sql(String),
}

/// Output formats of `sql`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Aligned columns.
    Table,
    /// Header, RFC 3339 times, NULL empty.
    Csv,
    /// One object a line.
    Json,
    /// Arrow IPC stream.
    Arrow,
    /// One Parquet file.
    Parquet,
}

/// How JSON says NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NanFormat {
    /// `null`
    Null,
    /// `"NaN"`, `"Infinity"`, `"-Infinity"`
    String,
}

/// `downlake table`
#[derive(Debug, Subcommand)]
pub(crate) enum TableCommand {
    /// The tables with their versions, rows and bytes.
    List {
        /// System tables too.
        #[arg(long)]
        all: bool,
    },
    /// Columns, order, partition and files of one table.
    Show {
        /// The table.
        table: String,
    },
    /// The versions of one table, newest first.
    History {
        /// The table.
        table: String,
        /// How many.
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: usize,
    },
}

/// `downlake quarantine`
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// What was refused, counted by landing and reason.
    List,
    /// Refused records with place and raw bytes.
    Show(QuarantineFilter),
    /// Decode refused records again under the table's definition of today.
    Redrive(RedriveArgs),
}

/// Which records.
#[derive(Debug, Args)]
pub(crate) struct QuarantineFilter {
    /// Of this landing.
    #[arg(long, value_name = "I")]
    pub(crate) ingest_id: Option<i64>,
    /// Meant for this table.
    #[arg(long, value_name = "T")]
    pub(crate) table: Option<String>,
    /// Refused for this reason.
    #[arg(long, value_name = "R")]
    pub(crate) reason: Option<String>,
    /// How many.
    #[arg(long, short = 'n', default_value_t = 20)]
    pub(crate) limit: usize,
}

/// `downlake quarantine redrive`
#[derive(Debug, Args)]
pub(crate) struct RedriveArgs {
    /// Of this landing.
    #[arg(long, value_name = "I")]
    pub(crate) ingest_id: Option<i64>,
    /// Meant for this table.
    #[arg(long, value_name = "T")]
    pub(crate) table: Option<String>,
    /// A mended definition: of a stream, stored with the table first, or of packets.
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<String>,
    /// Packets: the prefix of their tables, as they were ingested.
    #[arg(long, value_name = "P")]
    pub(crate) prefix: Option<String>,
    /// Packets: the time axis, as they were ingested.
    #[arg(long, value_name = "EXPR")]
    pub(crate) time: Option<String>,
}

/// `downlake schema`
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Embedded streams, and those of the lake.
    List,
    /// A definition as TOML.
    Show {
        /// A table, an embedded stream, or a file.
        stream: String,
    },
    /// The definition that ingest would infer, as TOML.
    Infer(InferArgs),
    /// Say what definitions contain, and all that they would be refused for.
    Check {
        /// A stream as TOML, or packets as XTCE, ccsdspy CSV or TOML.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// A packet definition in the form that is easiest to read and mend, as TOML.
    Import(ImportArgs),
}

/// `downlake schema import`
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// XTCE, ccsdspy CSV, or a TOML that points to one.
    pub(crate) definition: PathBuf,
    /// Write to a new file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// `downlake schema infer`
#[derive(Debug, Args)]
pub(crate) struct InferArgs {
    /// Files, folders, globs, or - for standard input.
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// The format, where extension and content do not say it.
    #[arg(long, value_name = "F")]
    pub(crate) format: Option<String>,
    /// The table (default: the file's stem or the common folder).
    #[arg(long, value_name = "T")]
    pub(crate) table: Option<String>,
    /// The time axis.
    #[arg(long, value_name = "EXPR")]
    pub(crate) time: Option<String>,
}

/// `downlake config`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Each setting, its value, and where it comes from.
    Show,
}

/// A size in bytes: `512`, `64KiB`, `384MiB`, `2GiB` (also `K`, `M`, `G`: powers of 1024; `kB`, `MB`, `GB`: of 1000).
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim() {
        "" | "B" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "m" | "MiB" => 1 << 20,
        "G" | "g" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        other => {
            return Err(format!(
                "unknown unit \"{other}\", expected KiB, MiB, GiB, kB, MB or GB"
            ));
        }
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("\"{text}\" is not a size such as 384MiB"))?;
    number
        .checked_mul(scale)
        .ok_or_else(|| format!("\"{text}\" is too large"))
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err(format!("\"{text}\" is not a pair such as vehicle=A")),
    }
}

/// A kind of plot is one word; what has several is a statement.
fn parse_plot(text: &str) -> Result<PlotArg, String> {
    if text.trim().contains(char::is_whitespace) {
        return Ok(PlotArg::Sql(text.to_owned()));
    }
    let kind = text.parse::<PlotKind>();
    kind.map(PlotArg::Kind).map_err(|error| error.to_string())
}

fn parse_shard(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("\"{text}\" is not a shard such as 1/4 (from 1/4 to 4/4)");
    let (index, count) = text.split_once('/').ok_or_else(wrong)?;
    let (index, count) = (
        index.parse::<u32>().map_err(|_| wrong())?,
        count.parse::<u32>().map_err(|_| wrong())?,
    );
    if index == 0 || index > count {
        Err(wrong())
    } else {
        Ok((index, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes() {
        let good = [
            ("0", 0),
            ("512", 512),
            ("64KiB", 65_536),
            ("384MiB", 402_653_184),
            ("1GB", 1_000_000_000),
        ];
        for (text, bytes) in good {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5G", "7 parsecs", "99999999999999G"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn plots() {
        assert_eq!(parse_plot("Scatter"), Ok(PlotArg::Kind(PlotKind::Scatter)));
        assert_eq!(
            parse_plot("SELECT 1"),
            Ok(PlotArg::Sql("SELECT 1".to_owned()))
        );
        assert!(parse_plot("pie").is_err());
    }

    #[test]
    fn shards() {
        assert_eq!(parse_shard("2/4"), Ok((2, 4)));
        for text in ["0/4", "5/4", "1", "a/b", "1/0"] {
            assert!(parse_shard(text).is_err(), "{text}");
        }
    }
}
