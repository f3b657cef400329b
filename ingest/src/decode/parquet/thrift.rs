//! A walk over Thrift compact structs that builds nothing.
//!
//! Promises to look at every byte of a struct once, to hand out the integers
//! it meets with the path of field numbers that leads to them, and to refuse
//! lists and bytes longer than the input that is left. Layout: Apache Thrift,
//! "Thrift compact protocol".

/// Deeper nesting is refused; Parquet's own structs nest 7 deep.
const DEPTH_LIMIT: usize = 24;

/// Why a walk ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The input ends inside the struct.
    Truncated,
    /// The bytes are not what the protocol allows.
    Malformed(&'static str),
}

type Walked<T> = Result<T, Fault>;

/// A field on the way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// The numbers of the fields that lead to it, and its own.
    pub(super) path: &'a [i16],
    /// Where its header starts.
    pub(super) at: usize,
    /// Its value, if that is an integer or a boolean.
    pub(super) value: Option<i64>,
}

type Visit<'a> = dyn FnMut(Field<'_>) + 'a;

/// Walks the struct at the start of `input`, shows each field, and returns the
/// length of the struct in bytes.
pub(super) fn walk(input: &[u8], visit: &mut Visit<'_>) -> Walked<usize> {
    let mut cursor = Cursor {
        input,
        at: 0,
        header: 0,
    };
    let mut path = Vec::with_capacity(DEPTH_LIMIT);
    cursor.structure(&mut path, visit)?;
    Ok(cursor.at)
}

/// Gives the field whose header is at `at` a number that is higher by ten or
/// more, so that readers pass over it; its neighbours stay where they are.
/// Fields behind it that count from its number become as unknown.
pub(super) fn renumber(input: &mut [u8], at: usize) {
    const HIGHEST_STEP: u8 = 0xf0;
    /// 63, zigzag.
    const UNKNOWN: u8 = 0x7e;
    match input.get_mut(at..) {
        Some([head, number, ..]) if *head >> 4 == 0 => *number = UNKNOWN,
        Some([head, ..]) => *head |= HIGHEST_STEP,
        _ => {}
    }
}

struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
    /// Where the header of the current field starts.
    header: usize,
}

impl Cursor<'_> {
    fn structure(&mut self, path: &mut Vec<i16>, visit: &mut Visit<'_>) -> Walked<()> {
        if path.len() >= DEPTH_LIMIT {
            return Err(Fault::Malformed("structs nest too deep"));
        }
        let mut last = 0_i16;
        loop {
            self.header = self.at;
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            let number = match head >> 4 {
                0 => i16::try_from(self.integer()?).ok(),
                step => last.checked_add(i16::from(step)),
            };
            last = number.ok_or(Fault::Malformed("field number out of range"))?;
            path.push(last);
            self.field(head & 0x0f, path, visit)?;
            path.pop();
        }
    }

    fn field(&mut self, kind: u8, path: &mut Vec<i16>, visit: &mut Visit<'_>) -> Walked<()> {
        match kind {
            1 | 2 => {
                self.show(path, Some(i64::from(kind == 1)), visit);
                Ok(())
            }
            4..=6 => self.value(kind, path, visit),
            _ => {
                self.show(path, None, visit);
                self.value(kind, path, visit)
            }
        }
    }

    fn show(&self, path: &[i16], value: Option<i64>, visit: &mut Visit<'_>) {
        let at = self.header;
        visit(Field { path, at, value });
    }

    fn value(&mut self, kind: u8, path: &mut Vec<i16>, visit: &mut Visit<'_>) -> Walked<()> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => {
                let value = self.integer()?;
                self.show(path, Some(value), visit);
                Ok(())
            }
            7 => self.skip(8),
            8 => {
                let length = self.length()?;
                self.skip(length)
            }
            9 | 10 => self.list(path, visit),
            11 => self.map(path, visit),
            12 => self.structure(path, visit),
            13 => self.skip(16),
            _ => Err(Fault::Malformed("unknown field type")),
        }
    }

    fn list(&mut self, path: &mut Vec<i16>, visit: &mut Visit<'_>) -> Walked<()> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.length()?,
            short => usize::from(short),
        };
        self.elements(count, &[head & 0x0f], path, visit)
    }

    fn map(&mut self, path: &mut Vec<i16>, visit: &mut Visit<'_>) -> Walked<()> {
        let count = self.length()?;
        if count == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        self.elements(count, &[kinds >> 4, kinds & 0x0f], path, visit)
    }

    fn elements(
        &mut self,
        count: usize,
        kinds: &[u8],
        path: &mut Vec<i16>,
        visit: &mut Visit<'_>,
    ) -> Walked<()> {
        if path.len() >= DEPTH_LIMIT {
            return Err(Fault::Malformed("lists nest too deep"));
        }
        // The element's path ends in 0, so that no field of a list looks
        // like a field of the struct around it.
        path.push(0);
        for _ in 0..count {
            for kind in kinds {
                self.value(*kind, path, visit)?;
            }
        }
        path.pop();
        Ok(())
    }

    fn byte(&mut self) -> Walked<u8> {
        let byte = *self.input.get(self.at).ok_or(Fault::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Walked<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed("integer longer than 64 bits"))
    }

    fn integer(&mut self) -> Walked<i64> {
        let coded = self.varint()?;
        Ok((coded >> 1).cast_signed() ^ -(coded & 1).cast_signed())
    }

    /// A count of bytes or elements: each takes at least one byte.
    fn length(&mut self) -> Walked<usize> {
        let length = usize::try_from(self.varint()?);
        length.map_err(|_| Fault::Malformed("length out of range"))
    }

    fn skip(&mut self, bytes: usize) -> Walked<()> {
        if bytes > self.input.len() - self.at {
            return Err(Fault::Truncated);
        }
        self.at += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field's path and value.
    type Found = (Vec<i16>, Option<i64>);

    fn integers(input: &[u8]) -> Walked<(usize, Vec<Found>)> {
        let mut found = Vec::new();
        let length = walk(input, &mut |field| {
            found.push((field.path.to_vec(), field.value));
        })?;
        Ok((length, found))
    }

    #[test]
    fn integers_come_with_their_path() {
        // {1: i32 3, 2: i32 -1, 5: {1: i32 150, 2: true}} and a byte beyond.
        let input = [
            0x15, 0x06, 0x15, 0x01, 0x3c, 0x15, 0xac, 0x02, 0x11, 0x00, 0x00, 0x7f,
        ];
        let found = vec![
            (vec![1], Some(3)),
            (vec![2], Some(-1)),
            (vec![5], None),
            (vec![5, 1], Some(150)),
            (vec![5, 2], Some(1)),
        ];
        assert_eq!(integers(&input), Ok((11, found)));
    }

    #[test]
    fn lengths_beyond_the_input_are_refused() {
        // A binary of 2^31 - 1 bytes, and a list of as many i32.
        let binary = [0x18, 0xff, 0xff, 0xff, 0xff, 0x07];
        let list = [0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x07];
        assert_eq!(integers(&binary), Err(Fault::Truncated));
        assert_eq!(integers(&list), Err(Fault::Truncated));
    }

    #[test]
    fn endless_nesting_is_refused() {
        let structs = [0x1c; 100];
        assert!(matches!(integers(&structs), Err(Fault::Malformed(_))));
        let lists = [[0x19].as_slice(), &[0x19; 100]].concat();
        assert!(matches!(integers(&lists), Err(Fault::Malformed(_))));
    }

    #[test]
    fn a_renumbered_field_leaves_the_others() {
        // {1: i32 3, 2: list<i32> [1], 3: i32 5}, in the short and long form.
        let short = vec![0x15, 0x06, 0x19, 0x15, 0x02, 0x15, 0x0a, 0x00];
        let long = vec![0x15, 0x06, 0x09, 0x04, 0x15, 0x02, 0x05, 0x06, 0x0a, 0x00];
        for (mut input, behind) in [(short, 17), (long, 3)] {
            let length = input.len();
            renumber(&mut input, 2);
            let (walked, found) = integers(&input).unwrap();
            assert_eq!(walked, length);
            assert_eq!(found.first(), Some(&(vec![1], Some(3))));
            assert_eq!(found.last(), Some(&(vec![behind], Some(5))));
            assert!(found.iter().all(|(path, _)| path[0] != 2), "{found:?}");
        }
    }
}
