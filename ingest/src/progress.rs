//! What a running ingest tells whoever watches.

/// Receives progress and notices. Calls come from several threads.
pub trait Progress: Send + Sync {
    /// A unit begins: its source, its bytes as stored, its number from 0, and how many there are.
    fn begin(&self, source: &str, bytes: u64, index: usize, units: usize);
    /// Bytes and records of the current unit so far.
    fn advance(&self, bytes: u64, records: u64);
    /// Something the user should know once.
    fn notice(&self, text: &str);
    /// The current unit ended.
    fn end(&self);
}

/// Tells nobody.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _source: &str, _bytes: u64, _index: usize, _units: usize) {}
    fn advance(&self, _bytes: u64, _records: u64) {}
    fn notice(&self, _text: &str) {}
    fn end(&self) {}
}
