//! Reed-Solomon (255,223) and (255,239) of CCSDS 131.0-B.
//!
//! A codeword of 255 symbols is a polynomial whose first symbol is the highest
//! power; it is whole if the generator g(x), the product of (x - alpha^(11 j))
//! for j from 128 - E to 127 + E, divides it. Up to E wrong symbols are found
//! and mended. Promised: a codeword is mended only if what comes out is a
//! codeword at a distance of at most E symbols, none of them in virtual fill;
//! otherwise it is refused. Beyond E wrong symbols another codeword can be that
//! near: no decoder of this code can tell, and it happens about once in E!.
//!
//! Codewords are divided by g(x) as they stand, eight symbols at a time. Both
//! bases are linear, so the division needs no conversion; only the remainder of
//! a damaged codeword is converted, and all syndromes follow from it.

mod errors;
mod field;
#[cfg(test)]
pub(super) mod tests;

use downlake_lake::{Error, Result};

use field::{FROM_DUAL, TO_DUAL, multiply, power};

/// Symbols of a codeword, virtual fill included.
const CODEWORD: usize = 255;

/// Which code, and how it is laid into a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// How many symbols of a codeword can be mended.
    pub strength: Strength,
    /// How symbols are written.
    pub basis: Basis,
    /// Codewords in a block, 1 to 8; they take turns symbol by symbol.
    pub interleave: usize,
}

/// How many symbols of a codeword can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// (255,239): 8 symbols.
    E8,
    /// (255,223): 16 symbols.
    E16,
}

/// How the eight bits of a symbol are an element of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Coefficients of alpha^7 to alpha^0.
    Conventional,
    /// Berlekamp's dual basis, the one that 131.0-B asks for.
    Dual,
}

impl Strength {
    /// How many symbols of a codeword can be mended.
    pub const fn correctable(self) -> usize {
        match self {
            Strength::E8 => 8,
            Strength::E16 => 16,
        }
    }
}

impl Code {
    /// Check symbols of a block, in bytes.
    pub const fn check_bytes(self) -> usize {
        2 * self.strength.correctable() * self.interleave
    }

    /// Checks that blocks can carry frames of a length.
    ///
    /// # Errors
    /// Invalid, with the limits.
    pub fn validate(self, frame_length: usize) -> Result<()> {
        if !(1..=8).contains(&self.interleave) {
            return Err(Error::invalid(format!(
                "codewords are interleaved 1 to 8 deep, not {}",
                self.interleave
            )));
        }
        let symbols = CODEWORD - 2 * self.strength.correctable();
        let longest = symbols * self.interleave;
        if frame_length == 0
            || frame_length > longest
            || !frame_length.is_multiple_of(self.interleave)
        {
            return Err(Error::invalid(format!(
                "a frame of {frame_length} bytes does not fit reed-solomon ({CODEWORD},{symbols}) \
                 interleaved {} deep: its length is a multiple of {} up to {longest}",
                self.interleave, self.interleave
            )));
        }
        Ok(())
    }
}

/// What mending did to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repair {
    /// Codewords with mended symbols.
    pub codewords_corrected: u32,
    /// Mended symbols, those among the check symbols included.
    pub symbols_corrected: u32,
    /// Codewords with more errors than the code can mend; left as they were.
    pub codewords_uncorrectable: u32,
}

/// Mends blocks of one code and length.
pub struct Codec {
    code: Code,
    /// Data symbols of a codeword that are sent; the rest of it is virtual
    /// fill, zeros in front.
    data_symbols: usize,
    divider: Divider,
}

impl Codec {
    /// A codec for blocks that carry frames of a length in bytes.
    ///
    /// # Errors
    /// Invalid, as of [`Code::validate`].
    pub fn new(code: Code, frame_length: usize) -> Result<Codec> {
        code.validate(frame_length)?;
        Ok(Codec {
            code,
            data_symbols: frame_length / code.interleave,
            divider: Divider::new(code),
        })
    }

    /// Length of a block in bytes: the frame, then its check symbols.
    pub fn block_length(&self) -> usize {
        self.sent_symbols() * self.code.interleave
    }

    /// Mends a block in place; the frame is the beginning of it. A block of
    /// another length is uncorrectable in all codewords.
    pub fn repair(&self, block: &mut [u8]) -> Repair {
        let mut repair = Repair::default();
        for lane in 0..self.code.interleave {
            match self.repair_codeword(block, lane) {
                Some(0) => {}
                Some(symbols) => {
                    repair.codewords_corrected += 1;
                    repair.symbols_corrected += symbols;
                }
                None => repair.codewords_uncorrectable += 1,
            }
        }
        repair
    }

    fn sent_symbols(&self) -> usize {
        self.data_symbols + 2 * self.code.strength.correctable()
    }

    /// The number of symbols mended; `None` if the codeword is beyond it.
    fn repair_codeword(&self, block: &mut [u8], lane: usize) -> Option<u32> {
        if block.len() != self.block_length() {
            return None;
        }
        let depth = self.code.interleave;
        let (data, checks) = block.split_at(self.data_symbols * depth);
        let codeword = Lane {
            data,
            checks,
            lane,
            depth,
        };
        let mut remainder = [0; 32];
        let remainder = self.divider.divide(&codeword, &mut remainder);
        if remainder.iter().all(|&symbol| symbol == 0) {
            return Some(0);
        }
        let syndromes = self.syndromes(remainder);
        let syndromes = &syndromes[..remainder.len()];
        let errors = errors::locate(syndromes, self.first_root(), self.sent_symbols())?;
        let mut count = 0;
        for error in errors.iter() {
            let place = self.sent_symbols() - 1 - error.power;
            block[place * depth + lane] ^= self.written(error.value);
            count += 1;
        }
        Some(count)
    }

    /// The remainder at each root of the generator. It is what the codeword is
    /// there, as the generator is zero.
    fn syndromes(&self, remainder: &[u8]) -> [u8; 32] {
        let mut syndromes = [0; 32];
        for (j, syndrome) in syndromes.iter_mut().take(remainder.len()).enumerate() {
            let root = power(self.first_root() + j);
            let value = |sum, &symbol| multiply(sum, root) ^ self.element(symbol);
            *syndrome = remainder.iter().fold(0, value);
        }
        syndromes
    }

    /// The exponent of the first root of the generator, to the base alpha^11.
    fn first_root(&self) -> usize {
        128 - self.code.strength.correctable()
    }

    fn element(&self, symbol: u8) -> u8 {
        self.code.basis.element(symbol)
    }

    fn written(&self, element: u8) -> u8 {
        self.code.basis.symbol(element)
    }
}

impl Basis {
    /// The element of the field that a symbol stands for.
    fn element(self, symbol: u8) -> u8 {
        match self {
            Basis::Conventional => symbol,
            Basis::Dual => FROM_DUAL[usize::from(symbol)],
        }
    }

    /// The symbol of an element of the field.
    fn symbol(self, element: u8) -> u8 {
        match self {
            Basis::Conventional => element,
            Basis::Dual => TO_DUAL[usize::from(element)],
        }
    }
}

/// Division by the generator.
enum Divider {
    E8(Box<Table<2>>),
    E16(Box<Table<4>>),
}

impl Divider {
    fn new(code: Code) -> Divider {
        match code.strength {
            Strength::E8 => Divider::E8(Box::new(Table::new(code))),
            Strength::E16 => Divider::E16(Box::new(Table::new(code))),
        }
    }

    /// The remainder of a codeword, highest power first.
    fn divide<'a>(&self, codeword: &Lane<'_>, remainder: &'a mut [u8; 32]) -> &'a [u8] {
        let length = match self {
            Divider::E8(table) => table.divide(codeword, remainder),
            Divider::E16(table) => table.divide(codeword, remainder),
        };
        let remainder = &mut remainder[..length];
        for (symbol, check) in remainder.iter_mut().zip(codeword.checks()) {
            *symbol ^= check;
        }
        remainder
    }
}

/// One codeword of a block.
struct Lane<'a> {
    data: &'a [u8],
    checks: &'a [u8],
    lane: usize,
    depth: usize,
}

impl Lane<'_> {
    /// The data symbols, eight to a word; the first word is filled up with
    /// zeros in front, which change nothing.
    fn data_words(&self) -> impl Iterator<Item = u64> {
        let odd = self.data.len() % (8 * self.depth);
        let (first, whole) = self.data.split_at(odd);
        let eights = whole.chunks_exact(8 * self.depth);
        std::iter::once(first).chain(eights).map(|rows| {
            let symbols = rows.iter().skip(self.lane).step_by(self.depth);
            symbols.fold(0, |word, &symbol| word << 8 | u64::from(symbol))
        })
    }

    fn checks(&self) -> impl Iterator<Item = u8> {
        let rows = self.checks.chunks_exact(self.depth);
        rows.map(|row| row[self.lane])
    }
}

/// What comes back into the `8 * WORDS` places of the division's register for
/// what leaves it at the top.
struct Table<const WORDS: usize> {
    /// `rows[k][s]`: for the symbol `s` that `k` others follow out.
    rows: [[[u64; WORDS]; 256]; 8],
}

impl<const WORDS: usize> Table<WORDS> {
    fn new(code: Code) -> Table<WORDS> {
        let generator = generator(code.strength);
        let mut rows = [[[0; WORDS]; 256]; 8];
        for (symbol, row) in (0..=u8::MAX).zip(&mut rows[0]) {
            let leaving = code.basis.element(symbol);
            let back = generator.map(|g| code.basis.symbol(multiply(leaving, g)));
            for (word, bytes) in row.iter_mut().zip(back.as_chunks::<8>().0) {
                *word = u64::from_be_bytes(*bytes);
            }
        }
        for k in 1..8 {
            rows[k] = rows[k - 1].map(|row| shifted(row, &rows[0]));
        }
        Table { rows }
    }

    /// The remainder of the data symbols times the highest power of the
    /// generator, and its length.
    fn divide(&self, codeword: &Lane<'_>, remainder: &mut [u8; 32]) -> usize {
        let words = codeword.data_words();
        let register = words.fold([0; WORDS], |register, word| self.step(register, word));
        let places = remainder.as_chunks_mut::<8>().0.iter_mut();
        for (place, word) in places.zip(register) {
            *place = word.to_be_bytes();
        }
        8 * WORDS
    }

    /// The register after eight more symbols.
    fn step(&self, register: [u64; WORDS], symbols: u64) -> [u64; WORDS] {
        let leaving = (register[0] ^ symbols).to_be_bytes();
        let mut next = [0; WORDS];
        next[..WORDS - 1].copy_from_slice(&register[1..]);
        for (rows, symbol) in self.rows.iter().rev().zip(leaving) {
            let row = &rows[usize::from(symbol)];
            for (place, back) in next.iter_mut().zip(row) {
                *place ^= back;
            }
        }
        next
    }
}

/// The register after one more symbol, a zero.
fn shifted<const WORDS: usize>(register: [u64; WORDS], rows: &[[u64; WORDS]; 256]) -> [u64; WORDS] {
    let leaving = register[0].to_be_bytes()[0];
    let mut next = rows[usize::from(leaving)];
    for (place, word) in next.iter_mut().enumerate() {
        let carried = register.get(place + 1).map_or(0, |behind| behind >> 56);
        *word ^= register[place] << 8 | carried;
    }
    next
}

/// The coefficients of the generator below its highest, highest first; the
/// places behind 2 E are zero.
fn generator(strength: Strength) -> [u8; 32] {
    let degree = 2 * strength.correctable();
    let first = 128 - strength.correctable();
    // `product[0]` is the highest coefficient, which stays 1.
    let mut product = [0; 33];
    product[0] = 1;
    for root in 0..degree {
        for place in (1..=root + 1).rev() {
            product[place] ^= multiply(product[place - 1], power(first + root));
        }
    }
    let mut below = [0; 32];
    below.copy_from_slice(&product[1..]);
    below
}
