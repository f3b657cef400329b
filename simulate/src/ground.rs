//! What ground systems note, as JSON lines, one file a station and kind.
//!
//! * `tracking`: once a second of a pass, where the antenna points and how
//!   strong the signal is;
//! * `receipts`: of each APID and block of packets, when it came;
//! * `health`: a few decoded values with the time at which they were true and
//!   the time at which the ground got them.
//!
//! A few lines of tracking are cut off in the middle, as when a disk is full.

use std::io;

use crate::downlink::{Event, Fate, Packet};
use crate::instant::Instant;
use crate::noise::Noise;
use crate::numeric::ln;
use crate::output::{Folder, Kind, Output};
use crate::packet::layout::COUNTS;
use crate::satellite::Health;
use crate::station::{Look, Station};

/// Speed of light, m/s.
pub(crate) const LIGHT_M_S: f64 = 299_792_458.0;
/// Between the antenna and the file, s.
pub(crate) const GROUND_DELAY_S: f64 = 0.24;
const DOWNLINK_HZ: f64 = 2.245e9;
/// Lines of tracking that are cut.
const CUT: f64 = 1.5e-4;

/// How a block of packets came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Playback,
    Realtime,
    Retransmission,
}

impl Link {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Link::Playback => "playback",
            Link::Realtime => "realtime",
            Link::Retransmission => "retransmission",
        }
    }
}

/// Which satellite talks to which station in which pass.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    pub(crate) station: usize,
    pub(crate) satellite: String,
    pub(crate) pass: String,
}

/// The files of all stations.
pub(crate) struct Ground {
    names: Vec<&'static str>,
    tracking: Vec<Output>,
    receipts: Vec<Output>,
    health: Vec<Output>,
    /// Lines of tracking that were cut, by station.
    cut: Vec<u64>,
    noise: Noise,
}

impl Ground {
    pub(crate) fn open(folder: &Folder<'_>, stations: &[Station], seed: u64) -> io::Result<Ground> {
        let files = |kind: &str| -> io::Result<Vec<Output>> {
            let path = |station: &Station| format!("stations/{kind}/{}.jsonl", station.name);
            let files = stations
                .iter()
                .map(|s| folder.create(&path(s), Kind::GroundJson));
            files.collect()
        };
        Ok(Ground {
            names: stations.iter().map(|station| station.name).collect(),
            tracking: files("tracking")?,
            receipts: files("receipts")?,
            health: files("health")?,
            cut: vec![0; stations.len()],
            noise: Noise::new(seed, "ground", 0),
        })
    }

    /// Goes on with another satellite, with noise of its own.
    pub(crate) fn begin(&mut self, seed: u64, satellite: u32) {
        self.noise = Noise::new(seed, "ground", satellite);
    }

    /// The end of all files; which lines were damaged comes back, by file.
    pub(crate) fn finish(self, folder: &mut Folder<'_>) -> io::Result<Vec<(String, Vec<Event>)>> {
        let cut = self
            .tracking
            .iter()
            .zip(&self.cut)
            .filter(|(_, cut)| **cut > 0);
        let damaged = |(file, cut): (&Output, &u64)| {
            let event = Event::of_lines(Fate::Damaged, *cut);
            (file.name.clone(), vec![event])
        };
        let events = cut.map(damaged).collect();
        let files = self
            .tracking
            .into_iter()
            .chain(self.receipts)
            .chain(self.health);
        for file in files {
            folder.finish(file)?;
        }
        Ok(events)
    }

    fn whose(&self, contact: &Contact) -> String {
        format!(
            "\"station\":\"{}\",\"satellite\":\"{}\",\"pass\":\"{}\"",
            self.names[contact.station], contact.satellite, contact.pass
        )
    }

    /// One second of tracking; without a signal the receiver has no lock.
    pub(crate) fn track(
        &mut self,
        contact: &Contact,
        at: Instant,
        look: &Look,
        is_locked: bool,
    ) -> io::Result<()> {
        let doppler_hz = -DOWNLINK_HZ * look.range_rate_m_s / LIGHT_M_S;
        // Free space loss alone changes: 20 dB for ten times the range.
        let signal_db = 21.5 - 20.0 * ln(look.range_m / 5e5) / std::f64::consts::LN_10
            + 0.25 * self.noise.gauss();
        let signal = match is_locked {
            true => format!("{signal_db:.2}"),
            false => "null".to_owned(),
        };
        let mut line = format!(
            "{{\"time\":\"{at}\",{},\"azimuth_deg\":{:.3},\"elevation_deg\":{:.3},\
             \"range_km\":{:.4},\"doppler_hz\":{:.1},\"eb_n0_db\":{signal},\"locked\":{is_locked}}}\n",
            self.whose(contact),
            look.azimuth_deg,
            look.elevation_deg,
            look.range_m / 1000.0,
            doppler_hz + 2.0 * self.noise.gauss(),
        );
        if self.noise.happens(CUT) {
            self.cut[contact.station] += 1;
            line.truncate(70);
            line.push('\n');
        }
        self.tracking[contact.station].record(line.as_bytes())
    }

    /// A few values, true at one instant, known on the ground at another.
    pub(crate) fn health(
        &mut self,
        contact: &Contact,
        (link, generated, received): (Link, Instant, Instant),
        health: &Health,
    ) -> io::Result<()> {
        let line = format!(
            "{{\"generated_at\":\"{generated}\",\"received_at\":\"{received}\",{},\"link\":\"{}\",\
             \"battery_charge_pct\":{:.2},\"tank_pressure_bar\":{:.3},\"radio_degc\":{:.2}}}\n",
            self.whose(contact),
            link.name(),
            health.battery_charge_pct,
            health.tank_pressure_bar,
            health.radio_c,
        );
        self.health[contact.station].record(line.as_bytes())
    }

    /// The receipts of a block.
    pub(crate) fn receive(
        &mut self,
        contact: &Contact,
        (link, from, to): (Link, Instant, Instant),
        block: &Block,
    ) -> io::Result<()> {
        for part in &block.parts {
            let line = format!(
                "{{\"received_from\":\"{from}\",\"received_to\":\"{to}\",{},\"link\":\"{}\",\
                 \"apid\":{},\"from_seq\":{},\"to_seq\":{},\"packets\":{},\
                 \"from_time\":\"{}\",\"to_time\":\"{}\"}}\n",
                self.whose(contact),
                link.name(),
                part.apid,
                part.from_seq,
                part.to_seq,
                part.packets,
                part.from,
                part.to,
            );
            self.receipts[contact.station].record(line.as_bytes())?;
        }
        Ok(())
    }
}

/// Packets that came one behind the other, by APID.
#[derive(Debug, Default)]
pub(crate) struct Block {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    apid: u16,
    from_seq: u16,
    to_seq: u16,
    packets: u64,
    from: Instant,
    to: Instant,
}

impl Block {
    /// Adds a packet with its true time; a count that does not go on begins
    /// another part.
    pub(crate) fn add(&mut self, packet: &Packet, at: Instant) {
        let last = self.parts.iter_mut().rev().find(|p| p.apid == packet.apid);
        let goes_on = |part: &&mut Part| (part.to_seq + 1) % COUNTS == packet.seq;
        match last.filter(goes_on) {
            Some(part) => {
                part.to_seq = packet.seq;
                part.to = at;
                part.packets += 1;
            }
            None => self.parts.push(Part {
                apid: packet.apid,
                from_seq: packet.seq,
                to_seq: packet.seq,
                packets: 1,
                from: at,
                to: at,
            }),
        }
    }
}
