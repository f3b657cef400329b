//! Units of packets: into as many tables as their definitions have streams.
//!
//! A table is made by the first unit that has packets for it. A unit is there
//! already when the ledger says that all of it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use downlake_lake::schema::names;
use downlake_lake::table::append::{Destination, UnitReport};
use downlake_lake::table::unit::UnitIdentity;
use downlake_lake::table::{Lake, Table};
use downlake_lake::{Error, Result};

use super::{IngestRequest, Job, fold_name, source_options};
use crate::decode;
use crate::frames::has_markers;
use crate::packet::source::{Asked, PacketPlan};
use crate::pipeline::{Reading, Target, UnitWork};
use crate::progress::Progress;
use crate::redrive::Spool;
use crate::report::UnitEnd;
use crate::source::{Opened, SourceFile, SourceRef};
use crate::stop::Stop;

/// Where the streams of packets go.
pub(super) struct PlannedPackets {
    plan: Arc<PacketPlan>,
    targets: Vec<Target>,
}

impl Job<'_> {
    /// Compiles the definitions and settles the tables. The first source says
    /// whether packets come in frames.
    pub(super) async fn plan_packets(
        &self,
        sources: &[SourceRef],
        opened: &mut Opened,
    ) -> Result<PlannedPackets> {
        self.refuse_options_of_rows()?;
        let request = self.request;
        let format = request.format.as_deref();
        let is_framed = match (format, sources.first()) {
            (Some(name), _) => self.format_of_packets(name)?,
            (None, Some(first)) => self.begins_with_frames(first, opened).await?,
            (None, None) => false,
        };
        let asked = Asked {
            prefix: request.prefix.as_deref(),
            time: request.time.as_deref(),
            apids: &request.apids,
            format,
            is_framed,
        };
        let plan = PacketPlan::new(&request.packets, asked)?;
        for notice in plan.notices() {
            self.progress.notice(notice);
        }
        let mut targets = Vec::with_capacity(plan.streams().len());
        for given in plan.streams() {
            let name = match (&request.table, plan.streams().len()) {
                (None, _) => given.stream.clone(),
                (Some(table), 1) => fold_name(table)?,
                (Some(table), streams) => {
                    return Err(Error::invalid(format!(
                        "--table {table} names one table, but the definition has {streams} streams; --prefix P names them P_<stream>"
                    )));
                }
            };
            let given = self.given_definition(&name, given)?;
            targets.push(match self.stored(&name, Some(&given)).await? {
                Some(stored) => stored,
                None => Target::founding(given),
            });
        }
        Ok(PlannedPackets {
            plan: Arc::new(plan),
            targets,
        })
    }

    /// Whether a format of packets is one of frames.
    fn format_of_packets(&self, name: &str) -> Result<bool> {
        let format = decode::format_by_name(name)?;
        let is_framed = std::ptr::eq(format, decode::packets::frames());
        if is_framed || format.name == decode::packets::framing().format {
            return Ok(is_framed);
        }
        Err(Error::invalid(format!(
            "--format {name} is not one of packets, and the definition describes packets: {} or {}",
            decode::packets::framing().format,
            decode::packets::frames().name
        )))
    }

    async fn begins_with_frames(&self, first: &SourceRef, opened: &mut Opened) -> Result<bool> {
        // A source that cannot be read fails when its turn comes.
        let Ok(file) = self.open(first).await else {
            return Ok(false);
        };
        let is_framed = has_markers(&file.head()?);
        opened.keep(0, first, file);
        Ok(is_framed)
    }

    /// Options that only speak of rows of one table.
    fn refuse_options_of_rows(&self) -> Result<()> {
        let request = self.request;
        let options = [
            ("--sort-by", !request.sort_by.is_empty(), "sort_by"),
            ("--dedup-by", !request.dedup_by.is_empty(), "dedup_by"),
            (
                "--received-at",
                request.received_at.is_some(),
                "received_at",
            ),
        ];
        if request.strict {
            return Err(Error::invalid(
                "--strict speaks of fields that a definition does not name, and packets have none: say longer = \"refuse\" in the definition to refuse packets that go on beyond their container",
            ));
        }
        match options.into_iter().find(|(_, given, _)| *given) {
            Some((option, _, key)) => Err(Error::invalid(format!(
                "{option} speaks of one table, and packets go to several: say {key} in the definition, under [stream.<container>]"
            ))),
            None => Ok(()),
        }
    }

    /// Lands one unit, or packets that were spooled.
    pub(super) async fn packet_unit(
        &mut self,
        file: SourceFile,
        mut identity: UnitIdentity,
        spool: Option<Spool>,
    ) -> Result<UnitEnd> {
        let planned = self
            .packets
            .as_ref()
            .ok_or_else(|| Error::internal("packets without a plan"))?;
        identity.target = self.group_name();
        let plan = Arc::clone(&planned.plan);
        let targets = planned.targets.clone();
        let there: Vec<Arc<Table>> = targets.iter().filter_map(Target::table).collect();
        let state = self.lake()?.group_state(&there, &identity).await?;
        if state.is_landed() {
            return Ok(UnitEnd::already(identity.key().landed_as(state)));
        }
        let bytes_in = file.size;
        let reading = Reading::Packets { plan, state };
        let work = UnitWork {
            spool,
            ..self.work(targets, reading, file, identity)?
        };
        let report: UnitReport = work.land().await?;
        self.remember_tables(&report).await?;
        Ok(UnitEnd::landed(report, bytes_in))
    }

    /// The name that a unit has for the streams together, and for the packets
    /// that were chosen: no table has it.
    fn group_name(&self) -> String {
        let request = self.request;
        let prefix = request.prefix.as_deref().or(request.table.as_deref());
        let tables = match prefix {
            Some(prefix) => format!("{}_*", names::fold(prefix).name),
            None => "*".to_owned(),
        };
        let chosen: BTreeSet<u16> = request.apids.iter().copied().collect();
        match chosen.is_empty() {
            true => tables,
            false => format!("{tables} {chosen:?}"),
        }
    }

    /// Tables that the unit has made are used as they are from now on.
    async fn remember_tables(&mut self, report: &UnitReport) -> Result<()> {
        for made in &report.tables {
            let place = self.packets.as_ref().and_then(|planned| {
                let named = |t: &Target| t.is_founding() && t.destination.name() == made.table;
                planned.targets.iter().position(named)
            });
            if let Some(place) = place {
                self.catch_up_packets(place).await?;
            }
        }
        Ok(())
    }

    /// Looks for the tables that another process may have made.
    pub(super) async fn catch_up_all_packets(&mut self) -> Result<()> {
        let streams = self.packets.as_ref().map_or(0, |p| p.targets.len());
        for place in 0..streams {
            self.catch_up_packets(place).await?;
        }
        Ok(())
    }

    async fn catch_up_packets(&mut self, place: usize) -> Result<()> {
        let Some(target) = self.packets.as_ref().map(|p| p.targets[place].clone()) else {
            return Ok(());
        };
        if !target.is_founding() {
            return Ok(());
        }
        let given = &target.definition.definition;
        let stored = self.stored(&given.stream, Some(given)).await?;
        if let (Some(stored), Some(planned)) = (stored, &mut self.packets) {
            planned.targets[place] = stored;
        }
        Ok(())
    }

    /// The hash of the definitions together.
    pub(super) fn packets_hash(&self) -> Option<String> {
        let planned = self.packets.as_ref()?;
        Some(planned.plan.hash().to_owned())
    }

    /// The tables that are there.
    pub(super) fn packet_tables(&self) -> Vec<Arc<Table>> {
        let planned = self.packets.iter().flat_map(|planned| &planned.targets);
        planned.filter_map(Target::table).collect()
    }
}

/// Packets that were refused before, on their way into the tables of their
/// definitions of today.
pub(crate) struct PacketsAgain<'a> {
    job: Job<'a>,
}

impl<'a> PacketsAgain<'a> {
    pub(crate) async fn plan(
        lake: &'a Arc<Lake>,
        request: &'a IngestRequest,
        progress: &Arc<dyn Progress>,
        stop: &Stop,
    ) -> Result<PacketsAgain<'a>> {
        let mut job = Job {
            lake: Some(lake),
            request,
            progress: Arc::clone(progress),
            stop: stop.clone(),
            options: source_options(request),
            target: String::new(),
            planned: None,
            packets: None,
            inferred: None,
        };
        job.plan(&[], &mut Opened::default()).await?;
        Ok(PacketsAgain { job })
    }

    /// The hash of the definitions of today.
    pub(crate) fn definition_hash(&self) -> Option<String> {
        self.job.packets_hash()
    }

    pub(crate) async fn has_landed(&self, ingest_id: i64) -> Result<bool> {
        let lake = self.job.lake()?;
        for table in self.job.packet_tables() {
            lake.reconcile(&table).await?;
        }
        lake.has_landed(ingest_id).await
    }

    pub(crate) async fn land(
        &mut self,
        file: SourceFile,
        identity: UnitIdentity,
        spool: Spool,
    ) -> Result<UnitEnd> {
        self.job.packet_unit(file, identity, Some(spool)).await
    }
}

impl Target {
    fn table(&self) -> Option<Arc<Table>> {
        match &self.destination {
            Destination::Table(table) => Some(Arc::clone(table)),
            Destination::Founding(_) | Destination::Creating(_) => None,
        }
    }
}
