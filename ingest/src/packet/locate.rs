//! The part of a packet without a fixed layout: where its values are, packet
//! by packet.
//!
//! Promises: a packet that passes has every value that its container says, at
//! the place noted, with text that can be read; it is exactly as long as the
//! container, or has two bytes more that prove to be its error control
//! ([`error_control`]), which definitions often leave out. Refuses anything else with the bit and the name at fault, before
//! a value of it is kept.

use std::borrow::Cow;

use crate::decode::reason;

use super::bits;
use super::error_control;
use super::model::{Charset, Encoding, Ending};
use super::plan::{Field, Plan, Source, Spot, Step, Test, Width};

const ERROR_CONTROL_BITS: u32 = 16;

/// Why a packet is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One of the codes in [`reason`].
    pub reason: &'static str,
    /// What is wrong, with name, bit and what was expected.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn new(reason: &'static str, detail: impl Into<String>) -> Refusal {
        Refusal {
            reason,
            detail: detail.into(),
        }
    }
}

/// Where the steps found a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its first bit.
    pub start: u32,
    /// How many bits it takes.
    pub bits: u32,
}

impl Found {
    /// The place of a value that the packet has not.
    pub const ABSENT: Found = Found {
        start: u32::MAX,
        bits: 0,
    };
}

/// What becomes of packets that are longer than their container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LongerPackets {
    /// They are refused: either the definition or the packet is wrong.
    #[default]
    Refuse,
    /// They are rows, and reported as not decoded to their end. This gives up
    /// what tells a wrong reading of a definition from the right one.
    Keep,
}

/// Finds every slot of a plan in a packet, and proves the packet's length; the
/// bits at its end that no value takes, where such packets are kept.
///
/// # Errors
/// The packet is not what the container says.
pub fn locate(
    plan: &Plan,
    packet: &[u8],
    longer: LongerPackets,
    found: &mut [Found],
) -> Result<u32, Refusal> {
    let has = packet_bits(packet);
    if plan.is_rigid() && has == plan.fixed_end.div_ceil(8) * 8 {
        return Ok(0);
    }
    if plan.fixed_end > has {
        return Err(cut(plan, has));
    }
    found.fill(Found::ABSENT);
    let end = walk(plan, packet, found)?.max(plan.fixed_end);
    let needs = end.div_ceil(8) * 8;
    let controlled = needs + ERROR_CONTROL_BITS == has;
    let undecoded = match controlled && error_control::is_intact(packet) {
        true => 0,
        false => has - needs,
    };
    if undecoded > 0 && longer == LongerPackets::Refuse {
        return Err(too_long(plan, has, end, controlled));
    }
    check_texts(plan, packet, found)?;
    Ok(undecoded)
}

fn too_long(plan: &Plan, has: u32, end: u32, controlled: bool) -> Refusal {
    let more = match controlled {
        true => "; its last two bytes are not the error control of the others",
        false => "",
    };
    Refusal::new(
        reason::PACKET_LENGTH,
        format!(
            "the packet has {} bytes, but container {:?} ends at bit {end}, in byte {}{more}",
            has / 8,
            plan.container,
            end.div_ceil(8)
        ),
    )
}

impl Test {
    /// Whether it holds in a packet; none of its numbers may be missing.
    pub(crate) fn holds(&self, packet: &[u8], found: &[Found]) -> Result<bool, Refusal> {
        match self {
            Test::Compare {
                source,
                operator,
                value,
            } => Ok(operator.holds(source.value(packet, found)?, *value)),
            Test::All(parts) => {
                for part in parts {
                    if !part.holds(packet, found)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Any(parts) => {
                for part in parts {
                    if part.holds(packet, found)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

impl Source {
    fn value(&self, packet: &[u8], found: &[Found]) -> Result<i128, Refusal> {
        let start = match self.spot {
            Spot::At(bit) => Some(bit),
            Spot::Slot(slot) => found
                .get(slot)
                .filter(|found| **found != Found::ABSENT)
                .map(|found| found.start),
        };
        let value = start.and_then(|bit| self.number.read(packet, bit));
        value.ok_or_else(|| {
            Refusal::new(
                reason::PACKET_LENGTH,
                format!(
                    "the packet of {} bytes does not have {:?}, which says how it goes on",
                    packet.len(),
                    self.name
                ),
            )
        })
    }
}

/// The characters of a text that takes these bits of the packet.
///
/// # Errors
/// The text goes beyond its bits, or its bytes are no characters.
pub(crate) fn text<'a>(
    field: &Field,
    packet: &'a [u8],
    at: Found,
) -> Result<Cow<'a, str>, Refusal> {
    let Encoding::Text {
        ending, charset, ..
    } = &field.scalar.encoding
    else {
        return Ok(Cow::Borrowed(""));
    };
    let content = content(field, ending, packet, at)?;
    match (charset, content) {
        (Charset::Latin1, bytes) => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
        (Charset::Utf8, Cow::Borrowed(bytes)) => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| no_text(field, at, &error)),
        (Charset::Utf8, Cow::Owned(bytes)) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|error| no_text(field, at, &error.utf8_error())),
    }
}

fn no_text(field: &Field, at: Found, error: &std::str::Utf8Error) -> Refusal {
    Refusal::new(
        reason::UTF8,
        format!("{:?} at bit {} is no UTF-8: {error}", field.name, at.start),
    )
}

fn content<'a>(
    field: &Field,
    ending: &Ending,
    packet: &'a [u8],
    at: Found,
) -> Result<Cow<'a, [u8]>, Refusal> {
    let (start, bits) = match ending {
        Ending::LeadingSize(tag) => {
            let size = bits::unsigned(packet, at.start, *tag).unwrap_or(u64::MAX);
            let inside = at.bits.checked_sub(u32::from(*tag));
            let size = u32::try_from(size)
                .ok()
                .and_then(|size| size.checked_mul(8));
            let fits = size.zip(inside).filter(|(size, inside)| size <= inside);
            let Some((size, _)) = fits else {
                return Err(Refusal::new(
                    reason::PACKET_LENGTH,
                    format!(
                        "{:?} at bit {} says a size that goes beyond its {} bits",
                        field.name, at.start, at.bits
                    ),
                ));
            };
            (at.start + u32::from(*tag), size)
        }
        _ => (at.start, at.bits),
    };
    let bytes = bits::bytes(packet, start, bits).ok_or_else(|| beyond(field, start, packet))?;
    let kept = match ending {
        Ending::Whole | Ending::LeadingSize(_) => bytes.len(),
        Ending::Padded => bytes
            .iter()
            .rposition(|b| *b != 0)
            .map_or(0, |last| last + 1),
        Ending::Terminator(end) => find(&bytes, end).unwrap_or(bytes.len()),
    };
    Ok(match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..kept]),
        Cow::Owned(mut bytes) => {
            bytes.truncate(kept);
            Cow::Owned(bytes)
        }
    })
}

fn find(bytes: &[u8], end: &[u8]) -> Option<usize> {
    bytes.windows(end.len()).position(|window| window == end)
}

pub(crate) fn packet_bits(packet: &[u8]) -> u32 {
    u32::try_from(packet.len().saturating_mul(8)).unwrap_or(u32::MAX)
}

/// The first value that the packet is too short for.
fn cut(plan: &Plan, has: u32) -> Refusal {
    let short = plan.fields.iter().find_map(|field| match field.spot {
        Spot::At(bit) => {
            let end = bit + field.fixed_bits()?;
            (end > has).then_some((field, bit, end))
        }
        Spot::Slot(_) => None,
    });
    let place = match short {
        Some((field, bit, end)) => format!("{:?} needs bits {bit} to {end}", field.name),
        None => format!("its values end at bit {}", plan.fixed_end),
    };
    Refusal::new(
        reason::PACKET_LENGTH,
        format!(
            "the packet has {} bytes, too few for container {:?}: {place}",
            has / 8,
            plan.container
        ),
    )
}

/// Runs the steps; the furthest bit that they reach.
fn walk(plan: &Plan, packet: &[u8], found: &mut [Found]) -> Result<u32, Refusal> {
    let (mut cursor, mut end) = (0u32, 0u32);
    let mut at = 0;
    while let Some(step) = plan.steps.get(at) {
        at += 1;
        match step {
            Step::Seek(bit) => cursor = *bit,
            Step::Skip(bits) => {
                cursor = cursor.checked_add_signed(*bits).ok_or_else(|| {
                    let detail = format!("an entry lies {bits} bits after bit {cursor}");
                    Refusal::new(reason::PACKET_LENGTH, detail)
                })?;
            }
            Step::Unless { test, over } => {
                if !test.holds(packet, found)? {
                    at += over;
                }
            }
            Step::Note { field, slot, width } => {
                let field = &plan.fields[*field];
                let bits = measure(field, width, packet, cursor, found)?;
                let whole = field.fixed_bits().unwrap_or(bits).max(bits);
                let behind = cursor
                    .checked_add(whole)
                    .filter(|behind| *behind <= packet_bits(packet))
                    .ok_or_else(|| beyond(field, cursor, packet))?;
                found[*slot] = Found {
                    start: cursor,
                    bits,
                };
                cursor += bits;
                end = end.max(behind);
            }
        }
    }
    Ok(end)
}

fn measure(
    field: &Field,
    width: &Width,
    packet: &[u8],
    cursor: u32,
    found: &[Found],
) -> Result<u32, Refusal> {
    match width {
        Width::Fixed(bits) => Ok(*bits),
        Width::Told(ending, limit) => told(field, ending, *limit, packet, cursor),
        Width::Measured {
            source,
            slope,
            intercept,
        } => {
            let number = source.value(packet, found)?;
            let bits = number * i128::from(*slope) + i128::from(*intercept);
            u32::try_from(bits)
                .ok()
                .filter(|bits| bits % 8 == 0)
                .ok_or_else(|| {
                    Refusal::new(
                        reason::PACKET_LENGTH,
                        format!(
                            "{:?} at bit {cursor} would have {bits} bits, since {:?} is {number}",
                            field.name, source.name
                        ),
                    )
                })
        }
    }
}

/// The bits of a text that says itself how long it is.
fn told(
    field: &Field,
    ending: &Ending,
    limit: Option<u32>,
    packet: &[u8],
    cursor: u32,
) -> Result<u32, Refusal> {
    let room = packet_bits(packet).saturating_sub(cursor);
    let bits = match ending {
        Ending::LeadingSize(tag) => bits::unsigned(packet, cursor, *tag)
            .and_then(|size| size.checked_mul(8)?.checked_add(u64::from(*tag)))
            .and_then(|bits| u32::try_from(bits).ok()),
        Ending::Terminator(end) => bits::bytes(packet, cursor, room / 8 * 8)
            .and_then(|bytes| Some(find(&bytes, end)? + end.len()))
            .and_then(|bytes| u32::try_from(bytes * 8).ok()),
        Ending::Whole | Ending::Padded => None,
    };
    bits.filter(|bits| *bits <= limit.unwrap_or(room).min(room))
        .ok_or_else(|| {
            Refusal::new(
                reason::PACKET_LENGTH,
                format!(
                    "{:?} at bit {cursor} does not end within {} bits",
                    field.name,
                    limit.unwrap_or(room).min(room)
                ),
            )
        })
}

fn beyond(field: &Field, cursor: u32, packet: &[u8]) -> Refusal {
    Refusal::new(
        reason::PACKET_LENGTH,
        format!(
            "{:?} at bit {cursor} goes beyond the packet of {} bytes",
            field.name,
            packet.len()
        ),
    )
}

fn check_texts(plan: &Plan, packet: &[u8], found: &[Found]) -> Result<(), Refusal> {
    for field in plan.texts.iter().map(|at| &plan.fields[*at]) {
        if let Some(at) = place_of(field, found) {
            text(field, packet, at)?;
        }
    }
    Ok(())
}

/// Where a field with an extent is in a packet, if it is there.
pub(crate) fn place_of(field: &Field, found: &[Found]) -> Option<Found> {
    match field.spot {
        Spot::At(start) => Some(Found {
            start,
            bits: field.scalar.encoding.fixed_bits()?,
        }),
        Spot::Slot(slot) => Some(found[slot]).filter(|found| *found != Found::ABSENT),
    }
}
