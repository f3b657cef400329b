//! The sequence count of one APID.
//!
//! Counts are unrolled to positions, so that those of one epoch (from one
//! reset to the next) only grow. What is missing is kept by position until it
//! comes or the source ends.

use std::collections::BTreeMap;

use crate::packet::header::SEQUENCE_MODULUS;

use super::prints::Prints;
use super::{GapKind, Room, SequenceGap};

const RANGE: u64 = SEQUENCE_MODULUS as u64;
/// A position of count 0 with more positions before it than packets can come.
const START: u64 = 1 << 48;
/// From here on a step ahead may be one back.
const HALF: u64 = RANGE / 2;
/// From here on a count ahead is one that is missing, if it is.
const MISSING_AHEAD: u64 = RANGE / 4;
/// A block from before the source has ended if the count returns this near to
/// the point where it left.
const RETURN_WITHIN: u64 = 32;
/// A block whose counts had come with other bytes has ended only if the count
/// returns to that very point, from farther than this.
const RETURN_FROM: u64 = 16;
/// Steps after which it is believed that an APID does not count.
const SURE_STEPS: u64 = 1 << 10;
/// Steps after which it is believed when no more will come.
const FEW_STEPS: u64 = 32;
/// Resets that make it believable after fewer.
const FEW_RESETS: u64 = 2;

/// What is looked at of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    pub(super) count: u16,
    pub(super) print: u32,
    pub(super) index: u64,
    pub(super) offset: u64,
}

/// The packets of one APID so far.
#[derive(Debug)]
pub(super) struct Track {
    spacecraft: Option<u16>,
    apid: u16,
    epoch: Epoch,
    /// The epoch that the last reset ended, to which the count may return.
    left: Option<Epoch>,
    /// The last packets that were not the next ones.
    run: Option<Run>,
    rows: Vec<SequenceGap>,
    prints: Prints,
    steps: u64,
    jumps: u64,
    resets: u64,
    is_irregular: bool,
}

/// Counts between two resets.
#[derive(Debug)]
struct Epoch {
    /// The position and the packet that it began with.
    first: u64,
    first_index: u64,
    /// The highest position, and its packet.
    head: u64,
    head_index: u64,
    /// How the head last moved, if farther than a block returns.
    leap: Option<Leap>,
    /// What is missing, by its first position.
    missing: BTreeMap<u64, Missing>,
    /// Which row tells the reset that it began with.
    row: Option<usize>,
    /// Whether it began with a count that had come with other bytes.
    is_other: bool,
}

/// Positions that have not come.
#[derive(Debug, Clone, Copy)]
struct Missing {
    to: u64,
    before_index: u64,
    after_index: u64,
    after_offset: u64,
}

/// A move of the head.
#[derive(Debug, Clone, Copy)]
struct Leap {
    from: u64,
    from_index: u64,
    to: u64,
}

/// Packets that follow each other, but not the head.
#[derive(Debug, Clone, Copy)]
struct Run {
    position: u64,
    course: Course,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Packets that came before.
    Repeats,
    /// Packets that were missing, in this row if it found room.
    Fills(Option<usize>),
    /// Packets of an epoch that has ended, in this row if it found room.
    Precedes(Option<usize>),
}

/// What a packet is that neither follows the head nor a run.
enum Jump {
    Again { position: u64 },
    Late { position: u64 },
    Return { steps: u64 },
    Ahead { steps: u64 },
    Reset { is_other: bool },
}

impl Track {
    pub(super) fn new(
        spacecraft: Option<u16>,
        apid: u16,
        packet: Sighting,
        room: &mut Room,
    ) -> Track {
        let mut prints = Prints::default();
        prints.set(packet.count, packet.print, room);
        Track {
            spacecraft,
            apid,
            epoch: Epoch::new(packet),
            left: None,
            run: None,
            rows: Vec::new(),
            prints,
            steps: 0,
            jumps: 0,
            resets: 0,
            is_irregular: false,
        }
    }

    #[inline]
    pub(super) fn take(&mut self, packet: Sighting, room: &mut Room) {
        self.steps += 1;
        if self.is_irregular {
            self.take_uncounted(packet);
        } else if packet.count == count_of(self.epoch.head + 1) {
            self.epoch.head += 1;
            self.epoch.head_index = packet.index;
            self.prints.set(packet.count, packet.print, room);
        } else if !self.follow_run(packet, room) {
            self.jump(packet, room);
        }
    }

    /// The packets that rows may name.
    pub(super) fn marks(&self) -> impl Iterator<Item = u64> {
        let epochs = [Some(&self.epoch), self.left.as_ref()];
        let of_epochs = epochs.into_iter().flatten().flat_map(Epoch::marks);
        let of_rows = self
            .rows
            .iter()
            .flat_map(|row| [row.before_index, row.after_index]);
        of_epochs.chain(of_rows).filter(|_| !self.is_irregular)
    }

    /// The rows, or a notice why there are none.
    pub(super) fn finish(mut self) -> Result<Vec<SequenceGap>, String> {
        let is_sure = self.steps >= FEW_STEPS || self.resets >= FEW_RESETS;
        if self.is_irregular || is_sure && self.is_mostly_jumps() {
            return Err(self.notice());
        }
        self.doubt_the_head();
        let missing = std::mem::take(&mut self.epoch.missing);
        self.settle(missing);
        if let Some(left) = self.left.take() {
            self.settle(left.missing);
        }
        Ok(self.rows)
    }

    /// Whether the packet goes on with the run; takes it if so.
    fn follow_run(&mut self, packet: Sighting, room: &mut Room) -> bool {
        let Some(Run { position, course }) = self.run else {
            return false;
        };
        let is_forward = packet.count == count_of(position + 1);
        if !is_forward && packet.count != count_of(position - 1) {
            return false;
        }
        let next = if is_forward {
            position + 1
        } else {
            position - 1
        };
        let is_missing = self.epoch.missing_at(next).is_some();
        let is_repeat = self.is_repeat(packet, !is_missing);
        match course {
            Course::Precedes(row) if is_forward && !is_repeat => {
                self.extend(row, packet, is_forward);
                self.prints.set(packet.count, packet.print, room);
                self.run = Some(Run {
                    position: next,
                    course,
                });
            }
            Course::Precedes(_) => return false,
            _ if is_repeat => self.repeat(next),
            Course::Fills(row) if is_missing => {
                self.extend(row, packet, is_forward);
                self.fill(next, packet, room);
                self.run = Some(Run {
                    position: next,
                    course,
                });
            }
            Course::Repeats if is_missing => self.take_late(next, packet, room),
            _ => return false,
        }
        true
    }

    /// Whether the packet came before, by its bytes. Bytes that stand still
    /// count only for a packet that can be nothing else.
    fn is_repeat(&self, packet: Sighting, is_nothing_else: bool) -> bool {
        self.prints.is(packet.count, packet.print)
            && (is_nothing_else || self.prints.is_telling(packet.count))
    }

    fn jump(&mut self, packet: Sighting, room: &mut Room) {
        match self.judge(packet) {
            Jump::Again { position } => return self.repeat(position),
            Jump::Late { position } => self.take_late(position, packet, room),
            Jump::Return { steps } => self.go_back(steps, packet, room),
            Jump::Ahead { steps } => self.go_ahead(steps, packet, room),
            Jump::Reset { is_other } => self.begin_anew(is_other, packet, room),
        }
        self.jumps += 1;
        if self.steps >= SURE_STEPS && self.is_mostly_jumps() {
            self.give_up(room);
        }
    }

    fn judge(&self, packet: Sighting) -> Jump {
        let ahead = steps_to(self.epoch.head, packet.count);
        let position = self.epoch.head - (RANGE - ahead) % RANGE;
        let is_ahead = (1..HALF).contains(&ahead);
        let missing = self.epoch.missing_at(position);
        if self.is_repeat(packet, !is_ahead && missing.is_none()) {
            return Jump::Again { position };
        }
        match missing {
            Some(first) if first == position || ahead >= MISSING_AHEAD => Jump::Late { position },
            _ => match self.steps_from_return(packet.count, ahead) {
                Some(steps) => Jump::Return { steps },
                None if is_ahead => Jump::Ahead { steps: ahead },
                None => Jump::Reset {
                    is_other: position >= self.epoch.first,
                },
            },
        }
    }

    /// How far the count is behind the point where the last reset left, if
    /// that is where it returns to.
    fn steps_from_return(&self, count: u16, ahead: u64) -> Option<u64> {
        let steps = steps_to(self.left.as_ref()?.head, count);
        let is_near = match self.epoch.is_other {
            true => steps == 1 && ahead > RETURN_FROM,
            // That point lies between the block and the packet.
            false => (1..=RETURN_WITHIN).contains(&steps) && ahead > steps,
        };
        is_near.then_some(steps)
    }

    fn repeat(&mut self, position: u64) {
        self.run = Some(Run {
            position,
            course: Course::Repeats,
        });
    }

    /// A missing packet has come: it begins a block.
    fn take_late(&mut self, position: u64, packet: Sighting, room: &mut Room) {
        let row = room.take_row().then(|| {
            let seq = packet.count;
            self.push(GapKind::Late, (seq, seq), 1, packet.index, packet)
        });
        self.fill(position, packet, room);
        self.run = Some(Run {
            position,
            course: Course::Fills(row),
        });
    }

    /// The block of a row has one packet more.
    fn extend(&mut self, row: Option<usize>, packet: Sighting, is_forward: bool) {
        let Some(row) = row.map(|row| &mut self.rows[row]) else {
            return;
        };
        if row.kind != GapKind::Late {
            return;
        }
        row.missing += 1;
        if is_forward {
            row.to_seq = packet.count;
            row.after_index = packet.index;
        } else {
            row.from_seq = packet.count;
            row.before_index = packet.index;
        }
    }

    /// Takes a position out of what is missing.
    fn fill(&mut self, position: u64, packet: Sighting, room: &mut Room) {
        self.prints.set(packet.count, packet.print, room);
        let missing = &mut self.epoch.missing;
        let Some(first) = missing_at(missing, position) else {
            return;
        };
        let Some(gap) = missing.remove(&first) else {
            return;
        };
        room.rows += 1;
        if first < position && room.take_row() {
            let before = Missing {
                to: position - 1,
                after_index: packet.index,
                after_offset: packet.offset,
                ..gap
            };
            missing.insert(first, before);
        }
        if position < gap.to && room.take_row() {
            let behind = Missing {
                before_index: packet.index,
                ..gap
            };
            missing.insert(position + 1, behind);
        }
    }

    /// The head moves; what is between is missing.
    fn go_ahead(&mut self, steps: u64, packet: Sighting, room: &mut Room) {
        let epoch = &mut self.epoch;
        if steps > 1 && room.take_row() {
            let gap = Missing {
                to: epoch.head + steps - 1,
                before_index: epoch.head_index,
                after_index: packet.index,
                after_offset: packet.offset,
            };
            epoch.missing.insert(epoch.head + 1, gap);
        }
        if steps > RETURN_WITHIN {
            epoch.leap = Some(Leap {
                from: epoch.head,
                from_index: epoch.head_index,
                to: epoch.head + steps,
            });
        }
        epoch.head += steps;
        epoch.head_index = packet.index;
        self.prints.set(packet.count, packet.print, room);
    }

    /// A reset: another epoch begins.
    fn begin_anew(&mut self, is_other: bool, packet: Sighting, room: &mut Room) {
        self.resets += 1;
        let row = room.take_row().then(|| {
            let seqs = (count_of(self.epoch.head), packet.count);
            self.push(GapKind::Reset, seqs, 0, self.epoch.head_index, packet)
        });
        let epoch = Epoch {
            row,
            is_other,
            ..Epoch::new(packet)
        };
        let left = std::mem::replace(&mut self.epoch, epoch);
        if let Some(forgotten) = self.left.replace(left) {
            self.settle(forgotten.missing);
        }
        self.run = None;
        self.prints.set(packet.count, packet.print, room);
    }

    /// The count returns to where it was before the last reset: the epoch
    /// between was a block of its own.
    fn go_back(&mut self, steps: u64, packet: Sighting, room: &mut Room) {
        let Some(left) = self.left.take() else {
            return;
        };
        self.resets -= 1;
        let block = std::mem::replace(&mut self.epoch, left);
        if let Some(row) = block.row.map(|row| &mut self.rows[row])
            && !block.is_other
        {
            row.kind = GapKind::Late;
            row.from_seq = count_of(block.first);
            row.to_seq = count_of(block.head);
            row.missing = block.packets();
            row.before_index = block.first_index;
            row.after_index = block.head_index;
        }
        self.run = Some(Run {
            position: block.head,
            course: Course::Precedes(block.row),
        });
        self.settle(block.missing);
        self.go_ahead(steps, packet, room);
    }

    /// If the head is a single packet far ahead, and all that came behind it
    /// goes on from before, what is between was not yet due.
    fn doubt_the_head(&mut self) {
        let Some(Run {
            position,
            course: Course::Fills(_),
        }) = self.run
        else {
            return;
        };
        let leap = self.epoch.leap.filter(|leap| leap.to == self.epoch.head);
        let gap = self.epoch.missing.get(&(position + 1)).copied();
        let (Some(leap), Some(gap)) = (leap, gap.filter(|gap| gap.to + 1 == self.epoch.head))
        else {
            return;
        };
        self.epoch.missing.remove(&(position + 1));
        self.rows.push(SequenceGap {
            spacecraft: self.spacecraft,
            apid: self.apid,
            kind: GapKind::Reset,
            from_seq: count_of(leap.from),
            to_seq: count_of(leap.to),
            missing: 0,
            before_index: leap.from_index,
            after_index: gap.after_index,
            byte_offset: gap.after_offset,
        });
    }

    /// What is missing now is missing for good.
    fn settle(&mut self, missing: BTreeMap<u64, Missing>) {
        for (first, gap) in missing {
            self.rows.push(SequenceGap {
                spacecraft: self.spacecraft,
                apid: self.apid,
                kind: GapKind::Lost,
                from_seq: count_of(first),
                to_seq: count_of(gap.to),
                missing: gap.to - first + 1,
                before_index: gap.before_index,
                after_index: gap.after_index,
                byte_offset: gap.after_offset,
            });
        }
    }

    /// Adds a row that ends at the packet; its number.
    fn push(
        &mut self,
        kind: GapKind,
        (from_seq, to_seq): (u16, u16),
        missing: u64,
        before_index: u64,
        packet: Sighting,
    ) -> usize {
        self.rows.push(SequenceGap {
            spacecraft: self.spacecraft,
            apid: self.apid,
            kind,
            from_seq,
            to_seq,
            missing,
            before_index,
            after_index: packet.index,
            byte_offset: packet.offset,
        });
        self.rows.len() - 1
    }

    fn is_mostly_jumps(&self) -> bool {
        self.jumps * 2 > self.steps
    }

    /// The count counts nothing: what was made of it is forgotten.
    fn give_up(&mut self, room: &mut Room) {
        self.is_irregular = true;
        let epochs = [Some(&self.epoch), self.left.as_ref()];
        let open = epochs
            .into_iter()
            .flatten()
            .map(|epoch| epoch.missing.len());
        room.rows += self.rows.len() + open.sum::<usize>();
        self.rows = Vec::new();
        self.epoch.missing = BTreeMap::new();
        self.left = None;
        self.prints.clear(room);
    }

    /// Counts on for the notice.
    fn take_uncounted(&mut self, packet: Sighting) {
        let is_next = packet.count == count_of(self.epoch.head + 1);
        self.jumps += u64::from(!is_next);
        self.epoch.head = position_of(packet.count);
    }

    fn notice(&self) -> String {
        let spacecraft = match self.spacecraft {
            Some(id) => format!("spacecraft {id}, "),
            None => String::new(),
        };
        format!(
            "{spacecraft}APID {}: {} of {} sequence counts do not follow the one before: \
             no gaps are reported for it",
            self.apid, self.jumps, self.steps
        )
    }
}

impl Epoch {
    fn new(packet: Sighting) -> Epoch {
        let first = position_of(packet.count);
        Epoch {
            first,
            first_index: packet.index,
            head: first,
            head_index: packet.index,
            leap: None,
            missing: BTreeMap::new(),
            row: None,
            is_other: false,
        }
    }

    fn missing_at(&self, position: u64) -> Option<u64> {
        missing_at(&self.missing, position)
    }

    /// How many packets came.
    fn packets(&self) -> u64 {
        let gaps = self.missing.iter();
        let missing: u64 = gaps.map(|(first, gap)| gap.to - first + 1).sum();
        self.head - self.first + 1 - missing
    }

    fn marks(&self) -> impl Iterator<Item = u64> {
        let of_gaps = self.missing.values();
        let of_gaps = of_gaps.flat_map(|gap| [gap.before_index, gap.after_index]);
        let of_leap = self.leap.map(|leap| leap.from_index);
        [self.first_index, self.head_index]
            .into_iter()
            .chain(of_leap)
            .chain(of_gaps)
    }
}

/// The first position of the gap that a position is in.
fn missing_at(missing: &BTreeMap<u64, Missing>, position: u64) -> Option<u64> {
    let (first, gap) = missing.range(..=position).next_back()?;
    (position <= gap.to).then_some(*first)
}

/// The position of a count that an epoch begins with; runs can go back from it.
fn position_of(count: u16) -> u64 {
    START + u64::from(count)
}

fn count_of(position: u64) -> u16 {
    (position % RANGE) as u16
}

/// The steps from a position to the next one with the count.
fn steps_to(from: u64, count: u16) -> u64 {
    (RANGE + u64::from(count) - from % RANGE) % RANGE
}
