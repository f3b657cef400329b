//! One ingest command: which units, into which table, under which definition.
//!
//! Promises: a unit that is there already adds nothing; a unit that fails
//! does not hold the others back; the report's counts add up over the units.

mod packets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use downlake_lake::schema::axis_expr::parse_axis;
use downlake_lake::schema::near::did_you_mean;
use downlake_lake::schema::{
    Column, ColumnType, Definition, Evolution, InputLayout, Origin, TimeAxis, embedded, names,
};
use downlake_lake::table::append::{Destination, QuarantineLimit, UnitReport};
use downlake_lake::table::unit::UnitIdentity;
use downlake_lake::table::{Lake, StoredDefinition, Table};
use downlake_lake::{Error, ErrorKind, Result};

use crate::decode::{self, Format, InferOptions};
use crate::infer::Inferred;
use crate::packet::schema::PacketSchema;
use crate::pipeline::{Reading, Target, UnitLimits, UnitWork, constants, stem};
use crate::progress::Progress;
use crate::report::{IngestReport, UnitEnd};
use crate::source::{self, Opened, PathPattern, SourceFile, SourceOptions, SourceRef};
use crate::stop::Stop;
pub(crate) use packets::PacketsAgain;
use packets::PlannedPackets;

/// What is asked of an ingest.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    /// Files, folders, globs, object prefixes, `-`.
    pub sources: Vec<String>,
    /// The definition, if one is given; else the table's, else inferred.
    pub definition: Option<Definition>,
    /// Definitions of packets, whose streams are tables each.
    pub packets: Vec<PacketSchema>,
    /// The APIDs that are taken; all if empty.
    pub apids: Vec<u16>,
    /// The format, where neither name nor content decides.
    pub format: Option<String>,
    /// The table, where neither definition nor path decides.
    pub table: Option<String>,
    /// Names the table `<prefix>_<stream>`.
    pub prefix: Option<String>,
    /// Constant columns.
    pub constants: BTreeMap<String, String>,
    /// Constant columns taken from paths.
    pub from_path: Option<PathPattern>,
    /// The time axis of an inferred definition.
    pub time: Option<String>,
    /// The order of rows of an inferred definition.
    pub sort_by: Vec<String>,
    /// The key of duplicates of an inferred definition.
    pub dedup_by: Vec<String>,
    /// The column that says when the ground received a row.
    pub received_at: Option<String>,
    /// Only part `.0` (from 1) of `.1` of the sources.
    pub shard: Option<(u32, u32)>,
    /// The same bytes under two names are two units.
    pub by_name: bool,
    /// Refuse fields that the definition does not name.
    pub strict: bool,
    /// How much of a unit may be refused.
    pub max_quarantine: QuarantineLimit,
    /// Memory, bytes.
    pub memory_bytes: usize,
    /// Where sources are spooled.
    pub temp_dir: PathBuf,
    /// Options of the clouds that sources are read from.
    pub cloud: Vec<(String, String)>,
}

/// Runs an ingest.
///
/// # Errors
/// The request as a whole cannot be carried out. Units that fail are in the report.
pub async fn ingest(
    lake: &Arc<Lake>,
    request: &IngestRequest,
    progress: Arc<dyn Progress>,
    stop: &Stop,
) -> Result<IngestReport> {
    let options = source_options(request);
    let found = source::discover(&request.sources, &options).await?;
    for notice in found.notices() {
        progress.notice(&notice);
    }
    let mut opened = Opened::default();
    let named;
    let request = match names_nothing(request) {
        true => {
            named = with_stream_of_format(request, &found.sources, &options, &mut opened).await?;
            &named
        }
        false => request,
    };
    let target = match request.packets.is_empty() {
        true => target_name(request, &found.sources)?,
        // Their definitions name the tables.
        false => String::new(),
    };
    let sources = select(found.sources, request.shard);
    let mut job = Job {
        lake: Some(lake),
        request,
        progress,
        stop: stop.clone(),
        options,
        target,
        planned: None,
        packets: None,
        inferred: None,
    };
    job.plan(&sources, &mut opened).await?;
    let mut report = IngestReport::default();
    let units = sources.len();
    for (index, source) in sources.iter().enumerate() {
        if stop.asked() {
            break;
        }
        let end = job.unit(source, opened.take(index), (index, units)).await;
        job.progress.end();
        if end.is_cancelled() {
            break;
        }
        report.add(&source.name(), end);
    }
    if report.units.len() < units {
        report.interrupt(units);
    }
    // What landed is told, whatever goes wrong from here on.
    if let Err(error) = job.finish(&mut report).await {
        report.first_error.get_or_insert(error);
    }
    Ok(report)
}

fn names_nothing(request: &IngestRequest) -> bool {
    request.definition.is_none() && request.packets.is_empty()
}

/// Formats whose records nothing describes have a stream of their own. The
/// first source says the format.
async fn with_stream_of_format(
    request: &IngestRequest,
    sources: &[SourceRef],
    options: &SourceOptions,
    opened: &mut Opened,
) -> Result<IngestRequest> {
    let mut request = request.clone();
    let Some(first) = sources.first() else {
        return Ok(request);
    };
    // A source that cannot be read fails when its turn comes.
    let Ok(file) = open_hashed(first, &request.temp_dir, options).await else {
        return Ok(request);
    };
    let format = match &request.format {
        Some(name) => Some(decode::format_by_name(name)?),
        None => decode::detect(&file.name, &file.head()?).ok(),
    };
    // The places of a shard's sources are others.
    if request.shard.is_none() {
        opened.keep(0, first, file);
    }
    if let Some(stream) = format.and_then(|format| format.stream) {
        request.definition = Some(embedded::get(stream)?);
    }
    Ok(request)
}

/// A source as a local file whose hash is known: what is read later must be
/// the same. Reads it off the async threads.
async fn open_hashed(
    source: &SourceRef,
    temp_dir: &Path,
    options: &SourceOptions,
) -> Result<SourceFile> {
    let file = source::open(source, temp_dir, options).await?;
    let hashed = tokio::task::spawn_blocking(move || file.content_hash().map(|_| file)).await;
    hashed.map_err(|e| Error::internal(format!("reading {} stopped: {e}", source.name())))?
}

/// With the format given, every file is taken for what it is said to be.
fn source_options(request: &IngestRequest) -> SourceOptions {
    SourceOptions {
        any_format: request.format.is_some(),
        ..SourceOptions::with_cloud_options(request.cloud.clone())
    }
}

/// The sources of one shard, by a hash of their names.
fn select(sources: Vec<SourceRef>, shard: Option<(u32, u32)>) -> Vec<SourceRef> {
    let Some((index, count)) = shard else {
        return sources;
    };
    let mine = |source: &SourceRef| {
        let hash = blake3::hash(source.name().as_bytes());
        let bytes = hash.as_bytes();
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % count == index - 1
    };
    sources.into_iter().filter(mine).collect()
}

/// The table: asked for, the definition's, the file's stem, or the folder of several.
fn target_name(request: &IngestRequest, sources: &[SourceRef]) -> Result<String> {
    let chosen = request
        .table
        .clone()
        .or_else(|| request.definition.as_ref().map(|d| d.stream.clone()))
        .or_else(|| suggested_name(sources));
    let Some(name) = chosen else {
        return Err(Error::invalid(
            "the sources suggest no name for the table; give one with --table",
        ));
    };
    if name.starts_with('_') {
        return Err(Error::invalid(format!(
            "table \"{name}\" begins with \"_\", which is kept for system tables"
        )));
    }
    match &request.prefix {
        Some(prefix) => fold_name(&format!("{prefix}_{name}")),
        None => fold_name(&name),
    }
}

/// A name as the lake's folders have it.
pub fn fold_name(name: &str) -> Result<String> {
    let folded = names::fold(name).name;
    if folded.is_empty() {
        return Err(Error::invalid(format!(
            "\"{name}\" has no letter or digit to make a name of"
        )));
    }
    Ok(folded)
}

fn suggested_name(sources: &[SourceRef]) -> Option<String> {
    let [first, rest @ ..] = sources else {
        return None;
    };
    let own = stem(&first.name()).filter(|s| s != "-");
    if rest.iter().all(|s| stem(&s.name()) == own) {
        return own;
    }
    let folder = |s: &SourceRef| PathBuf::from(s.name()).parent().map(PathBuf::from);
    let mut common = folder(first)?;
    while !rest
        .iter()
        .all(|s| folder(s).is_some_and(|f| f.starts_with(&common)))
    {
        common = common.parent()?.to_owned();
    }
    common.file_name()?.to_str().map(str::to_owned)
}

struct Job<'a> {
    /// None where a definition is only inferred.
    lake: Option<&'a Arc<Lake>>,
    request: &'a IngestRequest,
    progress: Arc<dyn Progress>,
    stop: Stop,
    options: SourceOptions,
    target: String,
    planned: Option<Target>,
    packets: Option<PlannedPackets>,
    /// The hash of the definition that was inferred from all sources.
    inferred: Option<String>,
}

impl Target {
    /// A table that is not there yet: it is made by the first unit that lands.
    fn founding(definition: Definition) -> Target {
        Target {
            destination: Destination::Founding(Arc::new(definition.clone())),
            definition: StoredDefinition {
                number: 1,
                definition,
            },
        }
    }

    fn is_founding(&self) -> bool {
        matches!(self.destination, Destination::Founding(_))
    }
}

/// The definition that an ingest of the request would infer.
///
/// # Errors
/// Those of sources and inference; Invalid where there are no records.
pub async fn infer_definition(
    request: &IngestRequest,
    progress: Arc<dyn Progress>,
) -> Result<Definition> {
    let options = source_options(request);
    let found = source::discover(&request.sources, &options).await?;
    for notice in found.notices() {
        progress.notice(&notice);
    }
    let target = target_name(request, &found.sources)?;
    let job = Job {
        lake: None,
        request,
        progress,
        stop: Stop::default(),
        options,
        target,
        planned: None,
        packets: None,
        inferred: None,
    };
    let mut opened = Opened::default();
    let inferred = job.infer_all(&found.sources, &mut opened).await?;
    if let Some(error) = opened.first_failure() {
        return Err(error);
    }
    let inferred = inferred
        .ok_or_else(|| Error::invalid("the sources hold no records to infer a definition from"))?;
    job.inferred_definition(inferred)
}

impl<'a> Job<'a> {
    fn lake(&self) -> Result<&'a Arc<Lake>> {
        self.lake
            .ok_or_else(|| Error::internal("inference does not touch a lake"))
    }

    /// Settles table and definition. A definition that is to be inferred
    /// takes all sources of the command into account, so they are opened now.
    async fn plan(&mut self, sources: &[SourceRef], opened: &mut Opened) -> Result<()> {
        if !self.request.packets.is_empty() {
            self.packets = Some(self.plan_packets(sources, opened).await?);
            return Ok(());
        }
        let given = self.request.definition.as_ref();
        self.planned = match (self.stored(&self.target, given).await?, given) {
            (Some(stored), _) => Some(stored),
            (None, Some(given)) => {
                let given = self.given_definition(&self.target, given)?;
                Some(Target::founding(given))
            }
            (None, None) => {
                let inferred = self.infer_all(sources, opened).await?;
                if opened.failures() == sources.len()
                    && let Some(error) = opened.first_failure()
                {
                    return Err(error);
                }
                let definition = inferred.map(|inferred| self.inferred_definition(inferred));
                let definition = definition.transpose()?;
                self.inferred = definition.as_ref().map(Definition::hash);
                definition.map(Target::founding)
            }
        };
        Ok(())
    }

    /// The table, if it is there, under its definition or the given successor of it.
    async fn stored(&self, name: &str, given: Option<&Definition>) -> Result<Option<Target>> {
        let Some(table) = self.lake()?.table(name).await? else {
            return Ok(None);
        };
        let stored = table.definition(self.lake()?).await?;
        let stored = stored.ok_or_else(|| foreign_table(name))?;
        let definition = match given {
            Some(given) => self.succeed(&table, stored, given).await?,
            None => {
                self.check_kept(&stored.definition)?;
                stored
            }
        };
        Ok(Some(Target {
            destination: Destination::Table(table),
            definition,
        }))
    }

    /// A table that this or another process has made since the plan is used as it is.
    async fn catch_up(&mut self) -> Result<()> {
        if self.planned.as_ref().is_some_and(Target::is_founding)
            && let Some(stored) = self
                .stored(&self.target, self.request.definition.as_ref())
                .await?
        {
            self.planned = Some(stored);
        }
        Ok(())
    }

    /// What is left to do once all units have ended.
    async fn finish(&self, report: &mut IngestReport) -> Result<()> {
        let lake = self.lake()?;
        let flushed = lake.flush_ledger().await.map_err(|error| {
            error.context("the ledger is behind the tables, which the next ingest mends")
        });
        let tables = match &self.packets {
            Some(_) => self.packet_tables(),
            None => lake.table(&self.target).await?.into_iter().collect(),
        };
        for table in tables {
            if self.packets.is_none() || report.has_table(table.name()) {
                report.set_version(table.name(), table.snapshot().version);
            }
        }
        self.tell_refused_earlier(report).await?;
        flushed
    }

    /// A definition that was mended does nothing for what is there already:
    /// says how its refused records are tried again.
    async fn tell_refused_earlier(&self, report: &IngestReport) -> Result<()> {
        let already = report.already();
        let is_given = self.request.definition.is_some() || self.packets.is_some();
        if !is_given || already.is_empty() {
            return Ok(());
        }
        let in_force = self.hash_in_force().await?;
        let groups = self.lake()?.refused_groups(None, None).await?;
        let earlier = groups.iter().filter(|(group, _)| {
            let may_be_tried = group.are_packets || group.table_name.is_some();
            let is_here = already.contains(&group.ingest_id);
            may_be_tried && is_here && group.definition_hash != in_force
        });
        let records: u64 = earlier.map(|(_, (records, _))| records).sum();
        if records > 0 {
            let option = match self.packets {
                Some(_) => " --schema ...",
                None => "",
            };
            self.progress.notice(&format!(
                "{records} records of sources that are there already were refused by an earlier definition; `downlake quarantine redrive{option}` tries them under this one"
            ));
        }
        Ok(())
    }

    /// The hash of the definition that would refuse records today.
    async fn hash_in_force(&self) -> Result<Option<String>> {
        if self.packets.is_some() {
            return Ok(self.packets_hash());
        }
        let lake = self.lake()?;
        let Some(table) = lake.table(&self.target).await? else {
            return Ok(None);
        };
        let stored = table.definition(lake).await?;
        Ok(stored.map(|stored| stored.definition.hash()))
    }

    /// A definition that was given, for this table and these options.
    fn given_definition(&self, name: &str, given: &Definition) -> Result<Definition> {
        let mut given = Definition {
            stream: name.to_owned(),
            ..given.clone()
        };
        for name in self.constant_names() {
            if !given.constants.contains(&name) {
                given.constants.push(name);
            }
        }
        if self.request.strict {
            given.evolution = Evolution::Strict;
        }
        given.check()?;
        Ok(given)
    }

    /// Puts a given definition in force, unless it is already.
    async fn succeed(
        &self,
        table: &Table,
        stored: StoredDefinition,
        given: &Definition,
    ) -> Result<StoredDefinition> {
        let given = self.given_definition(table.name(), given)?;
        if stored.definition.hash() == given.hash() {
            return Ok(stored);
        }
        let next = stored.definition.succeed(&given)?;
        table.store_definition(self.lake()?, &next).await
    }

    /// What was fixed when the table was made cannot be asked for differently now.
    fn check_kept(&self, stored: &Definition) -> Result<()> {
        let request = self.request;
        let folded = |names: &[String]| {
            let column = |name: &String| column_named(&stored.columns, name);
            names.iter().map(column).collect::<Result<Vec<_>>>()
        };
        let refuse = |option: &str| {
            Err(Error::invalid(format!(
                "table \"{}\" was made with another {option}, which stays as it is; name another table with --table, or leave the option out",
                stored.stream
            )))
        };
        if let Some(expr) = &request.time
            && parse_axis(expr, &stored.columns)? != stored.time
        {
            return refuse("--time");
        }
        if !request.sort_by.is_empty() && folded(&request.sort_by)? != stored.sort_by {
            return refuse("--sort-by");
        }
        if !request.dedup_by.is_empty() && folded(&request.dedup_by)? != stored.dedup_by {
            return refuse("--dedup-by");
        }
        match &request.received_at {
            Some(name) if Some(column_named(&stored.columns, name)?) != stored.received_at => {
                refuse("--received-at")
            }
            _ => Ok(()),
        }
    }

    async fn open(&self, source: &SourceRef) -> Result<SourceFile> {
        open_hashed(source, &self.request.temp_dir, &self.options).await
    }

    /// What the sources hold together. One that cannot be read is left out
    /// and fails as a unit.
    async fn infer_all(
        &self,
        sources: &[SourceRef],
        opened: &mut Opened,
    ) -> Result<Option<Inferred>> {
        let mut all: Option<Inferred> = None;
        for (index, source) in sources.iter().enumerate() {
            self.stop.check()?;
            self.progress.begin(&source.name(), 0, index, sources.len());
            let taken = opened.take(index);
            let (file, found) = match self.open_and_infer(source, taken).await {
                Ok(inferred) => inferred,
                Err(error) => {
                    opened.fail(index, error);
                    continue;
                }
            };
            opened.keep(index, source, file);
            for notice in &found.notices {
                self.progress.notice(notice);
            }
            match &mut all {
                Some(all) => all.merge(found)?,
                None => all = Some(found),
            }
        }
        Ok(all.filter(|i| !i.fields.is_empty()))
    }

    async fn open_and_infer(
        &self,
        source: &SourceRef,
        opened: Option<Result<SourceFile>>,
    ) -> Result<(SourceFile, Inferred)> {
        let file = match opened {
            Some(opened) => opened?,
            None => self.open(source).await?,
        };
        let found = self.infer_one(&file, None).await?;
        Ok((file, found))
    }

    async fn infer_one(
        &self,
        file: &SourceFile,
        following: Option<&Definition>,
    ) -> Result<Inferred> {
        let format = self.format_of(file, None)?;
        let options = InferOptions {
            source: file.name.clone(),
            following: following.cloned(),
            ..InferOptions::default()
        };
        let input = file.input(format.access, &self.request.temp_dir)?;
        let done = tokio::task::spawn_blocking(move || (format.infer)(input, &options)).await;
        done.map_err(|e| Error::internal(format!("inference stopped: {e}")))?
    }

    fn format_of(
        &self,
        file: &SourceFile,
        definition: Option<&Definition>,
    ) -> Result<&'static Format> {
        // An inferred layout speaks of the file it was inferred from.
        let given = definition.filter(|d| d.origin == Origin::Given);
        let named = self.request.format.as_deref();
        let named = named.or_else(|| given?.input.format.as_deref());
        match named {
            Some(name) => decode::format_by_name(name),
            None => decode::detect(&file.name, &file.head()?),
        }
    }

    fn inferred_definition(&self, inferred: Inferred) -> Result<Definition> {
        let layout = inferred.layout.clone();
        let (columns, notices) = inferred.columns()?;
        for notice in &notices {
            self.progress.notice(notice);
        }
        let request = self.request;
        let time = match &request.time {
            Some(expr) => parse_axis(expr, &columns)?,
            None => default_axis(&columns)?,
        };
        let folded = |names: &[String]| {
            names
                .iter()
                .map(|n| column_named(&columns, n))
                .collect::<Result<Vec<_>>>()
        };
        let mut definition = Definition {
            stream: self.target.clone(),
            description: None,
            origin: Origin::Inferred,
            input: layout,
            time,
            partition: downlake_lake::schema::Partition::Day,
            constants: self.constant_names(),
            sort_by: folded(&request.sort_by)?,
            dedup_by: folded(&request.dedup_by)?,
            dedup_ignore: Vec::new(),
            received_at: request
                .received_at
                .as_deref()
                .map(|n| column_named(&columns, n))
                .transpose()?,
            evolution: if request.strict {
                Evolution::Strict
            } else {
                Evolution::Add
            },
            columns,
        };
        for notice in definition.leave_reserved_names() {
            self.progress.notice(&notice);
        }
        definition.check()?;
        Ok(definition)
    }

    fn constant_names(&self) -> Vec<String> {
        let from_path = self
            .request
            .from_path
            .iter()
            .flat_map(|p| p.names().into_iter().map(str::to_owned));
        let mut names: Vec<String> = from_path
            .chain(self.request.constants.keys().cloned())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    async fn unit(
        &mut self,
        source: &SourceRef,
        opened: Option<Result<SourceFile>>,
        place: (usize, usize),
    ) -> UnitEnd {
        let was_founding = self.founds_tables();
        let tried = match self.try_unit(source, opened, place).await {
            // Another process made a table first: the unit is decoded again for it.
            Err(error)
                if error.kind() == ErrorKind::Conflict
                    && was_founding
                    && *source != SourceRef::Stdin
                    && self.caught_up().await =>
            {
                self.try_unit(source, None, place).await
            }
            tried => tried,
        };
        tried.unwrap_or_else(UnitEnd::failed)
    }

    /// Whether a landing may have to make a table.
    fn founds_tables(&self) -> bool {
        self.packets.is_some() || self.planned.as_ref().is_some_and(Target::is_founding)
    }

    async fn caught_up(&mut self) -> bool {
        if self.packets.is_some() {
            return self.catch_up_all_packets().await.is_ok();
        }
        let caught_up = self.catch_up().await.is_ok();
        caught_up && !self.planned.as_ref().is_some_and(Target::is_founding)
    }

    async fn try_unit(
        &mut self,
        source: &SourceRef,
        opened: Option<Result<SourceFile>>,
        (index, units): (usize, usize),
    ) -> Result<UnitEnd> {
        let was_inferred_from = opened.is_some();
        let file = match opened {
            Some(opened) => opened?,
            None => self.open(source).await?,
        };
        self.progress.begin(&file.name, file.size, index, units);
        if self.packets.is_some() {
            let identity = self.identity(source, &file)?;
            return self.packet_unit(file, identity, None).await;
        }
        self.catch_up().await?;
        let Some(planned) = self.planned.clone() else {
            self.progress.notice(&format!(
                "{} holds no records: there is nothing to land",
                &file.name
            ));
            return Ok(UnitEnd::empty());
        };
        let identity = self.identity(source, &file)?;
        if let Destination::Table(table) = &planned.destination {
            let state = self.lake()?.unit_state(table, &identity).await?;
            if state.is_landed() {
                return Ok(UnitEnd::already(identity.key().landed_as(state)));
            }
        }
        let planned = if was_inferred_from && self.is_own(&planned) {
            planned
        } else {
            self.evolve(planned, &file).await?
        };
        self.planned = Some(planned.clone());
        let bytes_in = file.size;
        let format = self.format_of(&file, Some(&planned.definition.definition))?;
        // A link that is named by hand is not in the definition.
        let layout = self.request.format.as_ref().map(|name| InputLayout {
            format: Some(name.clone()),
            ..planned.definition.definition.input.clone()
        });
        let reading = Reading::Rows { format, layout };
        let work = self.work(vec![planned], reading, file, identity)?;
        let report: UnitReport = work.land().await?;
        Ok(UnitEnd::landed(report, bytes_in))
    }

    fn work(
        &self,
        streams: Vec<Target>,
        reading: Reading,
        file: SourceFile,
        identity: UnitIdentity,
    ) -> Result<UnitWork> {
        Ok(UnitWork {
            lake: Arc::clone(self.lake()?),
            streams,
            reading,
            file,
            identity,
            limits: UnitLimits {
                memory_bytes: self.request.memory_bytes,
                max_quarantine: self.request.max_quarantine,
            },
            temp_dir: self.request.temp_dir.clone(),
            spool: None,
            progress: Arc::clone(&self.progress),
            stop: self.stop.clone(),
        })
    }

    fn identity(&self, source: &SourceRef, file: &SourceFile) -> Result<UnitIdentity> {
        let from_path = match &self.request.from_path {
            Some(pattern) => Some(pattern.extract(&source.name()).ok_or_else(|| {
                Error::invalid(format!("{} does not match --from-path", &source.name()))
            })?),
            None => None,
        };
        Ok(UnitIdentity {
            target: self.target.clone(),
            content_hash: *file.content_hash()?.as_bytes(),
            constants: constants(from_path, &self.request.constants),
            name: self.request.by_name.then(|| source.name()),
        })
    }

    /// Whether the definition in force is the one that this command inferred.
    /// Another process may have made the table from other sources meanwhile.
    fn is_own(&self, planned: &Target) -> bool {
        let in_force = || planned.definition.definition.hash();
        self.inferred.as_ref().is_some_and(|own| *own == in_force())
    }

    /// For inferred tables: what this unit holds beyond the definition is added to it.
    async fn evolve(&self, planned: Target, file: &SourceFile) -> Result<Target> {
        let definition = &planned.definition.definition;
        if definition.origin == Origin::Given || definition.evolution != Evolution::Add {
            return Ok(planned);
        }
        let found = self.infer_one(file, Some(definition)).await?;
        let (columns, _) = found.columns_with_values()?;
        let evolved = definition.evolve(&columns);
        if evolved.added.is_empty() {
            return Ok(planned);
        }
        for notice in &evolved.notices {
            self.progress.notice(notice);
        }
        let Destination::Table(table) = &planned.destination else {
            return Ok(Target::founding(evolved.definition));
        };
        let definition = table
            .store_definition(self.lake()?, &evolved.definition)
            .await?;
        Ok(Target {
            definition,
            ..planned
        })
    }
}

/// A column `time` of timestamps is the axis; anything else has to be said.
fn default_axis(columns: &[Column]) -> Result<TimeAxis> {
    let is_instant =
        |kind: &ColumnType| matches!(kind, ColumnType::Timestamp | ColumnType::TimestampNs);
    let is_axis = |c: &Column| c.name == names::TIME && is_instant(&c.kind);
    if columns.iter().any(is_axis) {
        parse_axis(names::TIME, columns)
    } else {
        Ok(TimeAxis::None)
    }
}

fn column_named(columns: &[Column], name: &str) -> Result<String> {
    let found = columns.iter().find(|c| c.name == name || c.source == name);
    found.map(|c| c.name.clone()).ok_or_else(|| {
        let names: Vec<_> = columns.iter().map(|c| c.name.as_str()).collect();
        let near = did_you_mean(name, &names);
        Error::invalid(format!(
            "there is no column \"{name}\"{near}: there are {}",
            names.join(", ")
        ))
    })
}

fn foreign_table(name: &str) -> Error {
    Error::invalid(format!(
        "table \"{name}\" was made by another program and has no stream definition; give one with --schema"
    ))
}
