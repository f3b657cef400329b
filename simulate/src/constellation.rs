//! The satellites' packets as they came down, pass by pass.
//!
//! Promises: a file a pass. It begins with what the recorder holds since half
//! a minute before the end of the pass before (those packets are in both
//! files), goes on with what is sent as it happens, and has in its middle what
//! was asked for again. What is recorded behind the last pass is in no file.
//! Memory: one outage and half a minute of packets of one satellite.

use std::io;
use std::iter::Peekable;

use crate::downlink::{Event, Packet, PacketFile};
use crate::ground::{Block, Contact, GROUND_DELAY_S, Ground, LIGHT_M_S, Link};
use crate::instant::Instant;
use crate::labels::Label;
use crate::noise::Noise;
use crate::output::{Folder, Kind};
use crate::satellite::{EPOCH, Fault, Satellite};
use crate::station::{Pass, Passes, Station};

/// Seconds that the recorder plays back again.
const OVERLAP_S: i64 = 30;
const LOSS: f64 = 1e-5;
const REPEAT: f64 = 2e-5;
const DAMAGE: f64 = 1.5e-5;
/// Between two values that the ground shows.
const HEALTH_EVERY_S: i64 = 30;
/// The ground sets a clock so long into a pass.
const CLOCK_SET_AFTER_S: i64 = 60;
/// Sequence counts cannot tell a block from before a file that is older.
const REFILL_WITHIN_S: i64 = 7_500;

/// What becomes of what is lost in the middle of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refill {
    SamePass,
    NextPass,
    Never,
}

/// A loss of signal, in seconds since the epoch.
#[derive(Debug, Clone, Copy)]
struct Outage {
    from_s: i64,
    to_s: i64,
    refill: Refill,
}

impl Outage {
    fn contains(&self, time_s: i64) -> bool {
        (self.from_s..self.to_s).contains(&time_s)
    }
}

/// What a satellite came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// By file.
    pub(crate) events: Vec<(String, Vec<Event>)>,
    pub(crate) labels: Vec<Label>,
}

/// Writes the passes of one satellite.
pub(crate) fn write(
    folder: &mut Folder<'_>,
    ground: &mut Ground,
    stations: &[Station],
    mission: &Mission,
) -> io::Result<Outcome> {
    ground.begin(mission.seed, mission.number);
    let faults = mission.faults();
    let satellite = Satellite::new(mission.seed, mission.number, faults);
    let orbit = satellite.orbit.clone();
    let passes = Passes::new(&orbit, EPOCH, stations, mission.seconds()).peekable();
    let mut operations = Operations {
        mission,
        stations,
        satellite,
        time_s: 0,
        packets: Vec::new(),
        recent: Vec::new(),
        asked_again: Vec::new(),
        refill: mission.refill(),
        noise: Noise::new(mission.seed, "satellite link", mission.number),
        outcome: Outcome::default(),
    };
    operations.label_faults();
    operations.run(folder, ground, passes)?;
    Ok(operations.outcome)
}

/// One satellite of the campaign.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mission {
    pub(crate) seed: u64,
    /// From 1 on.
    pub(crate) number: u32,
    pub(crate) hours: u32,
}

impl Mission {
    fn seconds(&self) -> i64 {
        i64::from(self.hours) * 3600
    }

    /// A share of the campaign, s.
    fn share(&self, percent: i64) -> i64 {
        self.seconds() * percent / 100
    }

    /// Satellite 1 starts anew, early enough that 14 bits of sequence count
    /// tell a restart from a loss; satellite 2 leaks; a sensor of satellite 3
    /// freezes.
    fn faults(&self) -> Vec<Fault> {
        match self.number {
            1 => vec![Fault::Reboot {
                at_s: self.share(40).min(5_400),
            }],
            2 => vec![Fault::Leak {
                from_s: self.share(25),
                share_per_s: 7e-6,
            }],
            3 => vec![Fault::Freeze {
                sensor: FROZEN_SENSOR,
                from_s: self.share(40),
                to_s: self.share(55),
            }],
            _ => Vec::new(),
        }
    }

    fn refill(&self) -> Option<Refill> {
        match self.number {
            1 => Some(Refill::Never),
            2 => Some(Refill::SamePass),
            3 => Some(Refill::NextPass),
            _ => None,
        }
    }
}

/// The thermistor of panel -Y.
const FROZEN_SENSOR: usize = 3;

struct Operations<'a> {
    mission: &'a Mission,
    stations: &'a [Station],
    satellite: Satellite,
    time_s: i64,
    /// Packets of the current second.
    packets: Vec<Packet>,
    /// What the recorder plays back again.
    recent: Vec<Recent>,
    /// What was lost and is asked for, with its true times.
    asked_again: Vec<(Packet, i64)>,
    /// The outage that is still to come.
    refill: Option<Refill>,
    noise: Noise,
    outcome: Outcome,
}

/// A packet of the end of a pass.
struct Recent {
    packet: Packet,
    /// Its true time.
    time_s: i64,
    /// Whether the file of that pass has it, undamaged.
    has_arrived: bool,
}

/// What belongs to one pass.
struct Session {
    pass: Pass,
    contact: Contact,
    file: PacketFile,
    outage: Option<Outage>,
    /// When the packets that were asked for are sent.
    answer_at_s: Option<i64>,
    block: Block,
    block_from_s: i64,
}

impl Operations<'_> {
    fn run(
        &mut self,
        folder: &mut Folder<'_>,
        ground: &mut Ground,
        mut passes: Peekable<Passes<'_>>,
    ) -> io::Result<()> {
        while let Some(pass) = passes.next() {
            let mut session = self.begin(folder, pass, passes.peek())?;
            self.play_back(&mut session, ground)?;
            self.send_live(&mut session, ground)?;
            let (output, events) = session.file.finish();
            self.outcome.events.push((output.name.clone(), events));
            folder.finish(output)?;
        }
        Ok(())
    }

    fn begin(
        &mut self,
        folder: &Folder<'_>,
        pass: Pass,
        next: Option<&Pass>,
    ) -> io::Result<Session> {
        let satellite = self.satellite.name();
        let name = format!("P{:04}", pass.number);
        let station = self.stations[pass.station].name;
        let path = format!("satellites/{satellite}/{name}-{station}.ccsds");
        let file = folder.create(&path, Kind::SatellitePackets)?;
        let middle_s = (pass.from_s + pass.to_s) / 2;
        let answer_at_s = (!self.asked_again.is_empty()).then_some(middle_s);
        let outage = match answer_at_s {
            Some(_) => None,
            None => self.plan_outage(&pass, next),
        };
        if let Some(outage) = outage {
            self.label_outage(&outage, &name, station);
        }
        let again_s = outage.filter(|o| o.refill == Refill::SamePass);
        Ok(Session {
            pass,
            contact: Contact {
                station: pass.station,
                satellite,
                pass: name,
            },
            file: PacketFile::new(file),
            outage,
            answer_at_s: answer_at_s.or(again_s.map(|outage| outage.to_s + 60)),
            block: Block::default(),
            block_from_s: 0,
        })
    }

    /// The outage comes in the first long pass behind the first one.
    fn plan_outage(&mut self, pass: &Pass, next: Option<&Pass>) -> Option<Outage> {
        let refill = self.refill?;
        let length_s = pass.to_s - pass.from_s;
        let from_s = pass.from_s + length_s * 3 / 10;
        let is_reached = |next: &Pass| next.to_s - from_s < REFILL_WITHIN_S;
        let suits = match refill {
            Refill::SamePass => true,
            Refill::NextPass => next.is_some_and(is_reached),
            Refill::Never => pass.from_s > self.mission.share(40).min(5_400) + 1_800,
        };
        if pass.number < 2 || length_s < 400 || !suits {
            return None;
        }
        self.refill = None;
        let lasts_s = if refill == Refill::Never { 45 } else { 80 };
        Some(Outage {
            from_s,
            to_s: from_s + lasts_s,
            refill,
        })
    }

    /// What was recorded, up to the begin of the pass.
    fn play_back(&mut self, session: &mut Session, ground: &mut Ground) -> io::Result<()> {
        let mut block = Block::default();
        for recent in std::mem::take(&mut self.recent) {
            match recent.has_arrived {
                true => session.file.deliver_overlap(&recent.packet)?,
                false => session.file.deliver(&recent.packet)?,
            }
            block.add(&recent.packet, self.satellite.instant(recent.time_s));
        }
        let began_s = self.time_s;
        let pass = session.pass;
        let took_s = (pass.to_s - pass.from_s) / 3;
        while self.time_s < pass.from_s {
            self.satellite.advance(self.time_s, &mut self.packets);
            for mut packet in std::mem::take(&mut self.packets) {
                block.add(&packet, self.satellite.instant(self.time_s));
                self.pass_on(&mut packet, session)?;
            }
            if self.time_s % HEALTH_EVERY_S == 0 {
                let share = (self.time_s - began_s) as f64 / (pass.from_s - began_s) as f64;
                let received = EPOCH.after(pass.from_s as f64 + 10.0 + share * took_s as f64);
                let times = (
                    Link::Playback,
                    self.satellite.instant(self.time_s),
                    received,
                );
                ground.health(&session.contact, times, &self.satellite.health())?;
            }
            self.time_s += 1;
        }
        let received = [10, 10 + took_s].map(|s| EPOCH.after((pass.from_s + s) as f64));
        let times = (Link::Playback, received[0], received[1]);
        ground.receive(&session.contact, times, &block)
    }

    /// What is sent as it happens, and what was asked for.
    fn send_live(&mut self, session: &mut Session, ground: &mut Ground) -> io::Result<()> {
        let pass = session.pass;
        session.block_from_s = pass.from_s;
        self.satellite.empty_recorder(pass.from_s);
        while self.time_s <= pass.to_s {
            if session.answer_at_s == Some(self.time_s) {
                self.answer(session, ground)?;
            }
            if self.time_s == pass.from_s + CLOCK_SET_AFTER_S {
                self.set_clock();
            }
            self.satellite.advance(self.time_s, &mut self.packets);
            let packets = std::mem::take(&mut self.packets);
            self.send_second(session, packets)?;
            self.note_second(session, ground)?;
            self.time_s += 1;
        }
        self.close_block(session, ground)
    }

    fn send_second(&mut self, session: &mut Session, packets: Vec<Packet>) -> io::Result<()> {
        let is_out = session
            .outage
            .is_some_and(|outage| outage.contains(self.time_s));
        for mut packet in packets {
            if let Some(outage) = session.outage.filter(|_| is_out) {
                self.miss(packet, &outage, session);
                continue;
            }
            session
                .block
                .add(&packet, self.satellite.instant(self.time_s));
            let recorded = packet.clone();
            let has_arrived = self.pass_on(&mut packet, session)?;
            if self.time_s + OVERLAP_S > session.pass.to_s {
                self.recent.push(Recent {
                    packet: recorded,
                    time_s: self.time_s,
                    has_arrived,
                });
            }
        }
        Ok(())
    }

    /// A packet that the antenna does not get.
    fn miss(&mut self, packet: Packet, outage: &Outage, session: &mut Session) {
        match outage.refill {
            Refill::SamePass => session.file.put_off(&packet),
            Refill::NextPass | Refill::Never => session.file.lose(&packet),
        }
        if outage.refill != Refill::Never {
            self.asked_again.push((packet, self.time_s));
        }
    }

    /// A packet on its way, with what happens to single packets; near an
    /// outage nothing else happens. Whether it arrived undamaged.
    fn pass_on(&mut self, packet: &mut Packet, session: &mut Session) -> io::Result<bool> {
        let file = &mut session.file;
        let chance = self.noise.uniform();
        let time_s = self.time_s;
        let is_near = |o: Outage| time_s > o.from_s - 20 && time_s < o.to_s + 20;
        if session.outage.is_some_and(is_near) || chance >= LOSS + REPEAT + DAMAGE {
            file.deliver(packet)?;
            return Ok(true);
        }
        if chance < LOSS {
            file.lose(packet);
            return Ok(false);
        }
        if chance < LOSS + DAMAGE {
            file.deliver_damaged(packet)?;
            return Ok(false);
        }
        file.deliver(packet)?;
        file.deliver_again(packet)?;
        Ok(true)
    }

    /// Sends what was asked for, behind what came so far.
    fn answer(&mut self, session: &mut Session, ground: &mut Ground) -> io::Result<()> {
        self.close_block(session, ground)?;
        let mut block = Block::default();
        for (packet, time_s) in std::mem::take(&mut self.asked_again) {
            session.file.deliver_late(&packet)?;
            block.add(&packet, self.satellite.instant(time_s));
        }
        let sent = [self.time_s, self.time_s + 2].map(|s| EPOCH.after(s as f64));
        let times = (Link::Retransmission, sent[0], sent[1]);
        ground.receive(&session.contact, times, &block)
    }

    fn close_block(&mut self, session: &mut Session, ground: &mut Ground) -> io::Result<()> {
        let block = std::mem::take(&mut session.block);
        let ends = [session.block_from_s, self.time_s];
        let [from, to] = ends.map(|s| EPOCH.after(s as f64 + GROUND_DELAY_S));
        session.block_from_s = self.time_s;
        ground.receive(&session.contact, (Link::Realtime, from, to), &block)
    }

    fn note_second(&mut self, session: &Session, ground: &mut Ground) -> io::Result<()> {
        let at = self.satellite.instant(self.time_s);
        let state = self.satellite.state(self.time_s).earth_fixed(at);
        let look = self.stations[session.pass.station].look(&state);
        let is_locked = !session.outage.is_some_and(|o| o.contains(self.time_s));
        ground.track(&session.contact, at, &look, is_locked)?;
        if is_locked && self.time_s % HEALTH_EVERY_S == 0 {
            let received = at.after(look.range_m / LIGHT_M_S + GROUND_DELAY_S);
            let times = (Link::Realtime, at, received);
            ground.health(&session.contact, times, &self.satellite.health())?;
        }
        Ok(())
    }

    fn set_clock(&mut self) {
        let set = self.satellite.instant(self.time_s);
        let reset = self
            .outcome
            .labels
            .iter_mut()
            .find(|l| l.what == "clock_reset");
        if let Some(label) = reset.filter(|_| !self.satellite.clock_is_set()) {
            label.to = set;
        }
        self.satellite.set_clock();
    }

    fn label_faults(&mut self) {
        let end = EPOCH.after(self.mission.seconds() as f64);
        for fault in self.mission.faults() {
            let (what, channel, from_s, to, description) = match fault {
                Fault::Reboot { at_s } => (
                    "clock_reset",
                    "sat_computer.clock_state",
                    at_s,
                    end,
                    "The computer starts again; clock and sequence counts begin at zero until the ground sets the clock",
                ),
                Fault::Leak { from_s, .. } => (
                    "tank_leak",
                    "sat_propulsion.tank_pressure",
                    from_s,
                    end,
                    "Pressure over temperature falls though the latch valve is closed",
                ),
                Fault::Freeze { from_s, to_s, .. } => (
                    "frozen_sensor",
                    "sat_thermal.temperature[4]",
                    from_s,
                    EPOCH.after(to_s as f64),
                    "The thermistor of panel -Y repeats one value without noise",
                ),
            };
            self.label(
                what,
                channel.to_owned(),
                (EPOCH.after(from_s as f64), to),
                description.to_owned(),
            );
        }
    }

    fn label_outage(&mut self, outage: &Outage, pass: &str, station: &str) {
        let later = match outage.refill {
            Refill::SamePass => "sent again in the same pass",
            Refill::NextPass => "sent again in the next pass",
            Refill::Never => "never sent again",
        };
        let ends = [outage.from_s, outage.to_s].map(|s| EPOCH.after(s as f64));
        let description = format!("Loss of signal in pass {pass} over {station}; {later}");
        self.label(
            "signal_loss",
            format!("pass {pass}"),
            (ends[0], ends[1]),
            description,
        );
    }

    fn label(
        &mut self,
        what: &'static str,
        channel: String,
        (from, to): (Instant, Instant),
        description: String,
    ) {
        self.outcome.labels.push(Label {
            what,
            vehicle: self.satellite.name(),
            channel,
            from,
            to,
            description,
        });
    }
}
