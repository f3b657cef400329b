//! The link from the vehicle to the ground, and the recorder on board.
//!
//! Promises: what the recorder sends again comes as one block, with a little
//! around what was missed. Memory: the packets of one outage.

use std::io;

use super::Plan;
use crate::downlink::{Counters, Packet, PacketFile};
use crate::noise::Noise;
use crate::packet::layout::Layout;

/// Single packets that the link loses, sends twice, and damages.
const LOSS: f64 = 2e-5;
const REPEAT: f64 = 4e-5;
const DAMAGE: f64 = 1e-5;

/// An outage of the link, in seconds since lift-off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outage {
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    /// When the recorder sends what was missed, with a little around it.
    pub(crate) replayed_at_s: Option<f64>,
}

/// What the recorder sends on either side of an outage.
const OVERLAP_S: f64 = 0.2;

/// The link from the vehicle, and its recorder.
pub(super) struct Radio<'a> {
    counters: Counters,
    outages: &'a [Outage],
    /// What the recorder will send, and whether it was missed.
    recorded: Vec<(Packet, bool)>,
    noise: Noise,
    packet: Packet,
}

impl<'a> Radio<'a> {
    pub(super) fn new(seed: u64, plan: &'a Plan) -> Radio<'a> {
        Radio {
            counters: Counters::starting_at(0),
            outages: &plan.outages,
            recorded: Vec::new(),
            noise: Noise::new(seed, "launcher link", plan.number),
            packet: Packet {
                apid: 0,
                seq: 0,
                bytes: Vec::new(),
            },
        }
    }

    pub(super) fn send(
        &mut self,
        time_s: f64,
        layout: &Layout,
        apid: u16,
        values: &[f64],
        file: &mut PacketFile,
    ) -> io::Result<()> {
        self.packet.apid = apid;
        self.packet.seq = self.counters.next(apid);
        layout.pack(apid, self.packet.seq, values, &mut self.packet.bytes);
        let near =
            |o: &&Outage| time_s > o.from_s - 4.0 * OVERLAP_S && time_s < o.to_s + 4.0 * OVERLAP_S;
        match self.outages.iter().find(near) {
            Some(outage) => self.send_near(time_s, outage, file),
            None => self.send_clear(file),
        }
    }

    /// Nothing else happens near an outage.
    fn send_near(&mut self, time_s: f64, outage: &Outage, file: &mut PacketFile) -> io::Result<()> {
        let is_out = time_s >= outage.from_s && time_s < outage.to_s;
        if outage.replayed_at_s.is_none() {
            return match is_out {
                true => {
                    file.lose(&self.packet);
                    Ok(())
                }
                false => file.deliver(&self.packet),
            };
        }
        if time_s >= outage.from_s - OVERLAP_S && time_s < outage.to_s + OVERLAP_S {
            self.recorded.push((self.packet.clone(), is_out));
        }
        match is_out {
            true => {
                file.put_off(&self.packet);
                Ok(())
            }
            false => file.deliver(&self.packet),
        }
    }

    fn send_clear(&mut self, file: &mut PacketFile) -> io::Result<()> {
        let chance = self.noise.uniform();
        if chance < LOSS {
            file.lose(&self.packet);
            Ok(())
        } else if chance < LOSS + REPEAT {
            file.deliver(&self.packet)?;
            file.deliver_again(&self.packet)
        } else if chance < LOSS + REPEAT + DAMAGE {
            file.deliver_damaged(&mut self.packet)
        } else {
            file.deliver(&self.packet)
        }
    }

    /// Sends what was recorded, if it is time.
    pub(super) fn replay(&mut self, time_s: f64, file: &mut PacketFile) -> io::Result<()> {
        let due = |o: &Outage| o.replayed_at_s.is_some_and(|at| time_s >= at);
        if self.recorded.is_empty() || !self.outages.iter().any(due) {
            return Ok(());
        }
        for (packet, was_missed) in std::mem::take(&mut self.recorded) {
            match was_missed {
                true => file.deliver_late(&packet)?,
                false => file.deliver_again(&packet)?,
            }
        }
        Ok(())
    }
}
