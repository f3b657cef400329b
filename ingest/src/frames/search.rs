//! The parameters of a link, found by trying them on the beginning of a stream
//! of marked frames.
//!
//! Promises: a parameter is accepted only if checks that the frames carry prove
//! it. The distance of markers is the length. Randomiser and Reed-Solomon code
//! are those under which blocks are codewords, a frame error control field is
//! there if it agrees, the kind is the version in the header. TM frames say the
//! rest themselves. Of AOS frames, insert zone and operational control field
//! are those with which first header pointers stand where packets end. Refuses
//! to choose where nothing proves a choice, and says what was tried.

use std::collections::BTreeMap;

use downlake_lake::{Error, Result};

use super::event::{Cause, Event, FragmentCause};
use super::link::{FrameKind, Link};
use super::receiver::Receiver;
use super::reed_solomon::{Basis, Code, Codec, Strength};
use super::sync::{Synchronizer, marker_bits};
use super::{aos, crc, randomizer};

/// How much of a stream is searched, in bytes.
pub const SEARCH_BYTES: usize = 512 << 10;

/// Markers at equal distances that show a stream of marked frames.
const MARKERS_IN_STEP: usize = 3;

/// Blocks on which codes are tried.
const BLOCKS_FOR_CODE: usize = 32;

/// Frames on which the places in AOS frames are tried.
const FRAMES_FOR_PLACES: usize = 128;

/// One block in so many has to pass; by chance hardly one in a million does.
const DAMAGED_MOST: usize = 4;

/// The longest insert zone that is tried, in bytes.
const INSERT_ZONE_MOST: usize = 64;

/// The longest frame with marker and check symbols, in bits.
const DISTANCE_MOST: u64 = 8 * (4 << 10);

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLink {
    /// The link.
    pub link: Link,
    /// Frames that were tried.
    pub frames: usize,
    /// Of these: frames that pass its checks.
    pub passed: usize,
}

/// Whether the beginning of a stream holds marked frames: a marker at its first
/// byte, or some at equal distances.
pub fn has_markers(head: &[u8]) -> bool {
    marker_bits(head).next() == Some(0)
        || distance(head).is_some_and(|d| d.times + 1 >= MARKERS_IN_STEP)
}

/// The link of a stream that begins with these bytes.
///
/// # Errors
/// Invalid, with what was tried, if no parameters are proven.
pub fn find_link(head: &[u8]) -> Result<FoundLink> {
    let bits = frame_bits(head)?;
    let blocks = blocks(head, bits)?;
    let coding = find_coding(&blocks).ok_or_else(|| unproven(bits, blocks.len()))?;
    let frames: Vec<&[u8]> = coding.frames.iter().map(Vec::as_slice).collect();
    let kind = kind_of(&frames)?;
    let plain = Link {
        frame_length: coding.frame_length,
        fecf: coding.fecf,
        ..match kind {
            FrameKind::Tm => Link::tm(coding.frame_length),
            FrameKind::Aos => Link::aos(coding.frame_length),
        }
    };
    let placed = match kind {
        FrameKind::Tm => plain,
        FrameKind::Aos => find_places(&plain, &frames)?,
    };
    let link = Link {
        marker: true,
        randomized: coding.randomized,
        code: coding.code,
        ..placed
    };
    link.validate()?;
    Ok(FoundLink {
        link,
        frames: blocks.len(),
        passed: frames.len(),
    })
}

/// The distance at which most markers follow each other, in bits.
struct Distance {
    bits: u64,
    times: usize,
}

fn distance(head: &[u8]) -> Option<Distance> {
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    let mut last = None;
    for bit in marker_bits(head) {
        if let Some(step) = last.replace(bit).map(|last| bit - last)
            && step <= DISTANCE_MOST
            && step % 8 == 0
        {
            *times.entry(step).or_default() += 1;
        }
    }
    let most = times.into_iter().max_by_key(|(_, times)| *times);
    most.map(|(bits, times)| Distance { bits, times })
}

/// Length of a frame with its marker, in bits. A single frame reaches to the
/// end of the stream.
fn frame_bits(head: &[u8]) -> Result<u64> {
    if let Some(distance) = distance(head) {
        return Ok(distance.bits);
    }
    let end = 8 * head.len() as u64;
    let only = marker_bits(head).next().map(|first| end - first);
    let whole = only.filter(|bits| *bits <= DISTANCE_MOST && *bits % 8 == 0 && *bits > 32);
    whole.ok_or_else(|| {
        Error::invalid(format!(
            "no two attached sync markers (1ACFFC1D) follow each other in the first {} bytes; {NAME_IT}",
            head.len()
        ))
    })
}

/// The blocks between markers, as they came.
fn blocks(head: &[u8], frame_bits: u64) -> Result<Vec<Vec<u8>>> {
    let length = usize::try_from(frame_bits / 8 - 4)
        .map_err(|_| Error::internal("the distance of markers is bounded"))?;
    let mut sync = Synchronizer::new(length, true);
    sync.feed(head);
    sync.end();
    let mut blocks = Vec::new();
    while blocks.len() < FRAMES_FOR_PLACES
        && let Some(candidate) = sync.candidate()
    {
        if candidate.confirmed {
            let mut block = vec![0; length];
            sync.copy_block(&candidate, &mut block);
            blocks.push(block);
            sync.consume(&candidate);
        } else {
            sync.pass_over(Cause::Unconfirmed);
        }
    }
    Ok(blocks)
}

/// How frames are coded, and those that pass.
struct Coding {
    randomized: bool,
    code: Option<Code>,
    frame_length: usize,
    fecf: bool,
    frames: Vec<Vec<u8>>,
}

/// The first coding that enough blocks prove. Strong codes come first: a
/// codeword of (255,223) is one of (255,239) too.
fn find_coding(blocks: &[Vec<u8>]) -> Option<Coding> {
    let length = blocks.first()?.len();
    let clear = blocks.to_vec();
    let derandomized: Vec<Vec<u8>> = blocks.iter().map(|block| derandomized(block)).collect();
    let streams = [(true, derandomized), (false, clear)];
    let coded = codes(length).into_iter().find_map(|(code, frame_length)| {
        streams.iter().find_map(|(randomized, blocks)| {
            let codec = Codec::new(code, frame_length).ok()?;
            let few = &blocks[..blocks.len().min(BLOCKS_FOR_CODE)];
            is_enough(mended(&codec, few, frame_length).len(), few.len()).then_some(())?;
            let frames = mended(&codec, blocks, frame_length);
            Some(Coding {
                randomized: *randomized,
                code: Some(code),
                frame_length,
                fecf: frames.iter().all(|frame| crc::checksum(frame) == 0),
                frames,
            })
        })
    });
    coded.or_else(|| {
        streams.into_iter().find_map(|(randomized, mut frames)| {
            frames.retain(|frame| crc::checksum(frame) == 0);
            is_enough(frames.len(), blocks.len()).then_some(Coding {
                randomized,
                code: None,
                frame_length: length,
                fecf: true,
                frames,
            })
        })
    })
}

fn is_enough(passed: usize, tried: usize) -> bool {
    passed > 0 && passed * DAMAGED_MOST >= tried
}

fn derandomized(block: &[u8]) -> Vec<u8> {
    let sequence = randomizer::sequence(block.len());
    let mut block = block.to_vec();
    randomizer::apply(&mut block, &sequence);
    block
}

/// The codes that a block of a length can be of, with the length of the frame.
fn codes(block_length: usize) -> Vec<(Code, usize)> {
    let mut codes = Vec::new();
    for strength in [Strength::E16, Strength::E8] {
        for basis in [Basis::Dual, Basis::Conventional] {
            for interleave in 1..=8 {
                let code = Code {
                    strength,
                    basis,
                    interleave,
                };
                let frame_length = block_length.saturating_sub(code.check_bytes());
                if code.validate(frame_length).is_ok() {
                    codes.push((code, frame_length));
                }
            }
        }
    }
    codes
}

/// The frames of the blocks that are codewords or can be mended. Zeros are a
/// codeword of every code, and prove none.
fn mended(codec: &Codec, blocks: &[Vec<u8>], frame_length: usize) -> Vec<Vec<u8>> {
    let mend = |block: &Vec<u8>| {
        let mut block = block.clone();
        let is_mended = codec.repair(&mut block).codewords_uncorrectable == 0;
        block.truncate(frame_length);
        (is_mended && block.iter().any(|byte| *byte != 0)).then_some(block)
    };
    blocks.iter().filter_map(mend).collect()
}

/// The kind of frame that all headers say.
fn kind_of(frames: &[&[u8]]) -> Result<FrameKind> {
    let versions = frames.iter().filter_map(|frame| frame.first());
    let mut versions: Vec<u8> = versions.map(|first| first >> 6).collect();
    versions.sort_unstable();
    versions.dedup();
    match versions.as_slice() {
        [0] => Ok(FrameKind::Tm),
        [1] => Ok(FrameKind::Aos),
        other => Err(Error::invalid(format!(
            "the frames pass their checks, but have the transfer frame version numbers {other:?}: \
             expected all 0 (tm) or all 1 (aos)"
        ))),
    }
}

/// Header error control, insert zone and operational control field of AOS
/// frames.
fn find_places(plain: &Link, frames: &[&[u8]]) -> Result<Link> {
    let header_control = frames.iter().all(|frame| aos::header_control_agrees(frame));
    let stream = frames.concat();
    let mut best: Option<(usize, Link)> = None;
    let mut is_alone = false;
    for link in places(plain, header_control) {
        let proofs = proofs(&link, &stream)?;
        match &best {
            Some((most, _)) if proofs < *most => {}
            Some((most, _)) if proofs == *most => is_alone = false,
            _ => {
                best = Some((proofs, link));
                is_alone = true;
            }
        }
    }
    match best {
        Some((proofs, link)) if proofs > 0 && is_alone => Ok(link),
        _ => Err(Error::invalid(format!(
            "aos frames of {} bytes pass their checks, but no packet that goes on in the next frame \
             tells the length of the insert zone (tried 0 to {INSERT_ZONE_MOST}) and whether there \
             is an operational control field; {NAME_IT}",
            plain.frame_length
        ))),
    }
}

fn places(plain: &Link, header_control: bool) -> Vec<Link> {
    let lengths = 0..=INSERT_ZONE_MOST;
    let links = lengths.flat_map(|insert_zone| {
        [false, true].map(|ocf| Link {
            insert_zone,
            ocf,
            header_control,
            ..plain.clone()
        })
    });
    links.filter(|link| link.validate().is_ok()).collect()
}

/// How many packets end in a later frame exactly where its first header
/// pointer stands; none if more than a few pointers say otherwise.
fn proofs(link: &Link, stream: &[u8]) -> Result<usize> {
    let (mut agree, mut contradict, mut frame) = (0, 0, 0);
    let mut receiver = Receiver::new(link)?;
    let mut judge = |event: Event<'_>| match event {
        Event::Frame(found) => frame = found.place.frame_index,
        Event::Packet(packet) => agree += usize::from(packet.place.frame_index < frame),
        Event::Fragment(fragment) => {
            use FragmentCause::{PacketVersion, PointerMismatch};
            contradict += usize::from(matches!(fragment.cause, PointerMismatch | PacketVersion(_)));
        }
        Event::Hole(_) => contradict += 1,
        Event::Gap(_) => {}
    };
    receiver.push(stream, &mut judge);
    receiver.finish(&mut judge);
    Ok(if contradict * DAMAGED_MOST <= agree {
        agree
    } else {
        0
    })
}

/// What to do where a link cannot be found.
const NAME_IT: &str = "name the link with --format, by a preset (jpss) or its parameters \
                       (aos(frame_length = 892, marker, randomized, reed_solomon = 255/223, interleave = 4))";

fn unproven(bits: u64, blocks: usize) -> Error {
    Error::invalid(format!(
        "markers stand {} bytes apart, but of {blocks} frames too few pass a check; tried, randomised \
         and not: reed-solomon (255,223) and (255,239), interleaved 1 to 8 deep, in the dual and the \
         conventional basis, and frame error control (crc-16); {NAME_IT}",
        bits / 8
    ))
}

#[cfg(test)]
mod tests;
