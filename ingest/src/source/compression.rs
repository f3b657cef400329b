//! Compressed files, told by their first bytes.
//!
//! Promises: every member, frame or stream of a file is read, not only the
//! first; a file that ends too early is an error that says where. Refuses
//! to take an extension's word.

use std::io::{self, BufRead, BufReader, Read};

use lz4_flex::frame::FrameDecoder;

/// A compression that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Lz4,
    Bzip2,
    Xz,
}

/// How many bytes tell the compression.
pub(super) const MAGIC_BYTES: usize = 10;

impl Compression {
    /// The compression of a file that begins like this (RFC 1952, RFC 8878,
    /// and the frame formats of LZ4, bzip2 and XZ).
    pub(super) fn of(head: &[u8]) -> Option<Compression> {
        const BZIP2_BLOCK: &[u8] = b"1AY&SY";
        const BZIP2_END: &[u8] = b"\x17rE8P\x90";
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            // Writers that compress in parallel begin with a frame to skip.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Compression::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Compression::Lz4),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
                if rest.starts_with(BZIP2_BLOCK) || rest.starts_with(BZIP2_END) =>
            {
                Some(Compression::Bzip2)
            }
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
        }
    }

    /// The decompressed bytes of a file.
    pub(super) fn reader(
        self,
        stored: impl BufRead + Send + 'static,
    ) -> io::Result<Box<dyn Read + Send>> {
        let inner: Box<dyn Read + Send> = match self {
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stored)),
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(stored)?),
            Compression::Lz4 => Box::new(Lz4Frames::new(stored)),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(stored)),
            Compression::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(stored)),
        };
        Ok(Box::new(Decompressed {
            inner,
            compression: self,
            bytes: 0,
        }))
    }
}

/// Decompressed bytes, counted so that an error can say where.
struct Decompressed {
    inner: Box<dyn Read + Send>,
    compression: Compression,
    bytes: u64,
}

impl Read for Decompressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|error| {
            let how = match error.kind() {
                io::ErrorKind::UnexpectedEof => "ends too early",
                _ => "is damaged",
            };
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the {} data {how} behind byte {} of its content: {error}",
                    self.compression.name(),
                    self.bytes
                ),
            )
        })?;
        self.bytes += count as u64;
        Ok(count)
    }
}

/// All frames of an LZ4 file. Each gets a decoder of its own, for one that
/// goes on with a frame of another block size panics; and the end of the file
/// is watched, for the decoder takes it for the end of a frame.
struct Lz4Frames<R: BufRead> {
    decoder: Option<FrameDecoder<WatchedEnd<R>>>,
}

impl<R: BufRead> Lz4Frames<R> {
    fn new(stored: R) -> Lz4Frames<R> {
        let watched = WatchedEnd {
            inner: stored,
            is_reached: false,
        };
        Lz4Frames {
            decoder: Some(FrameDecoder::new(watched)),
        }
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if decoder.get_ref().is_reached {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let is_last = decoder.get_mut().inner.fill_buf()?.is_empty();
            let stored = self.decoder.take().map(FrameDecoder::into_inner);
            self.decoder = stored.filter(|_| !is_last).map(FrameDecoder::new);
        }
        Ok(0)
    }
}

/// Remembers whether somebody tried to read behind the end.
struct WatchedEnd<R> {
    inner: R,
    is_reached: bool,
}

impl<R: Read> Read for WatchedEnd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.is_reached |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

/// A reader with a buffer, as decoders want it.
pub(super) fn buffered(reader: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(256 << 10, reader))
}
