//! A terminal as a canvas: each character holds two by four dots (the Braille
//! patterns, U+2800) or one letter.
//!
//! Without colours, series are told apart by letters of their own; without
//! Unicode, every dot becomes such a letter.

use std::convert::Infallible;

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::draw::{INK, PALETTE};

/// Dots across and down a character.
pub(super) const DOTS: (i32, i32) = (2, 4);

/// The marks of series where colours are missing.
const LETTERS: [char; 10] = ['*', '+', 'o', 'x', '#', '@', '%', '&', '=', '$'];

/// Colours of the terminal's own palette, in the order of the series.
const ANSI: [u8; 10] = [36, 33, 35, 32, 31, 34, 96, 93, 95, 92];

type Done = Result<(), DrawingErrorKind<Infallible>>;

/// How cells are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looks {
    pub(super) colour: bool,
    /// Whether characters beyond ASCII can be shown.
    pub(super) unicode: bool,
    /// Whether there are several series to tell apart.
    pub(super) several: bool,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    dots: u8,
    text: Option<char>,
    /// The cell is covered by the wide character before it.
    covered: bool,
    rgb: (u8, u8, u8),
}

const EMPTY: Cell = Cell {
    dots: 0,
    text: None,
    covered: false,
    rgb: INK,
};

/// The canvas.
#[derive(Debug)]
pub(super) struct Braille {
    columns: i32,
    rows: i32,
    cells: Vec<Cell>,
}

impl Braille {
    pub(super) fn new(columns: u16, rows: u16) -> Braille {
        let cells = usize::from(columns) * usize::from(rows);
        Braille {
            columns: i32::from(columns),
            rows: i32::from(rows),
            cells: vec![EMPTY; cells],
        }
    }

    fn cell(&mut self, column: i32, row: i32) -> Option<&mut Cell> {
        let inside = (0..self.columns).contains(&column) && (0..self.rows).contains(&row);
        let index = usize::try_from(row * self.columns + column).ok()?;
        if inside {
            self.cells.get_mut(index)
        } else {
            None
        }
    }

    fn dot(&mut self, (x, y): BackendCoord, rgb: (u8, u8, u8)) {
        /// The bit of each dot, by row and column (Unicode 15, Braille Patterns).
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let bit = usize::try_from(y.rem_euclid(DOTS.1))
            .ok()
            .zip(usize::try_from(x.rem_euclid(DOTS.0)).ok())
            .map_or(0, |(row, column)| BITS[row][column]);
        if let Some(cell) = self.cell(x.div_euclid(DOTS.0), y.div_euclid(DOTS.1)) {
            cell.dots |= bit;
            cell.rgb = rgb;
        }
    }

    fn line(&mut self, from: BackendCoord, to: BackendCoord, rgb: (u8, u8, u8)) {
        let (dx, dy) = ((to.0 - from.0).abs(), -(to.1 - from.1).abs());
        let step = ((to.0 - from.0).signum(), (to.1 - from.1).signum());
        let (mut at, mut error) = (from, dx + dy);
        loop {
            self.dot(at, rgb);
            if at == to {
                return;
            }
            let doubled = 2 * error;
            if doubled >= dy {
                error += dy;
                at.0 += step.0;
            }
            if doubled <= dx {
                error += dx;
                at.1 += step.1;
            }
        }
    }

    /// The canvas as lines of text.
    pub(super) fn text(&self, looks: Looks) -> String {
        let mut text = String::new();
        let width = usize::try_from(self.columns).unwrap_or(1).max(1);
        for row in self.cells.chunks(width) {
            let used = row
                .iter()
                .rposition(|cell| cell.dots != 0 || shown(cell).is_some());
            let mut colour = None;
            for cell in &row[..used.map_or(0, |last| last + 1)] {
                if cell.covered {
                    continue;
                }
                let wanted = looks.colour.then(|| ansi(cell)).flatten();
                if wanted != colour {
                    text.push_str(&wanted.map_or("\x1b[0m".to_owned(), |c| format!("\x1b[{c}m")));
                    colour = wanted;
                }
                text.push(character(cell, looks));
            }
            if colour.is_some() {
                text.push_str("\x1b[0m");
            }
            text.push('\n');
        }
        text
    }
}

fn shown(cell: &Cell) -> Option<char> {
    cell.text.filter(|c| *c != ' ')
}

fn series(rgb: (u8, u8, u8)) -> Option<usize> {
    PALETTE.iter().position(|colour| *colour == rgb)
}

fn ansi(cell: &Cell) -> Option<u8> {
    series(cell.rgb).map(|series| ANSI[series % ANSI.len()])
}

fn character(cell: &Cell, looks: Looks) -> char {
    if let Some(text) = cell.text {
        return if looks.unicode { text } else { ascii(text) };
    }
    if cell.dots == 0 {
        return ' ';
    }
    let braille = looks.unicode && (looks.colour || !looks.several);
    if braille {
        return char::from_u32(0x2800 + u32::from(cell.dots)).unwrap_or('.');
    }
    series(cell.rgb).map_or('.', |series| LETTERS[series % LETTERS.len()])
}

fn ascii(c: char) -> char {
    match c {
        '│' | '┤' => '|',
        '─' => '-',
        '└' | '┬' => '+',
        '■' => '#',
        '²' => '2',
        '³' => '3',
        'µ' | 'μ' => 'u',
        '·' => '.',
        c if c.is_ascii() => c,
        _ => '?',
    }
}

impl DrawingBackend for &mut Braille {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let size = |cells: i32, dots: i32| u32::try_from(cells * dots).unwrap_or(0);
        (size(self.columns, DOTS.0), size(self.rows, DOTS.1))
    }

    fn ensure_prepared(&mut self) -> Done {
        Ok(())
    }

    fn present(&mut self) -> Done {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Done {
        if color.alpha > 0.0 {
            self.dot(point, color.rgb);
        }
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Done {
        self.line(from, to, style.color().rgb);
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Done {
        let mut before = None;
        for point in path {
            self.line(before.unwrap_or(point), point, style.color().rgb);
            before = Some(point);
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        _radius: u32,
        style: &S,
        _fill: bool,
    ) -> Done {
        self.dot(center, style.color().rgb);
        Ok(())
    }

    /// One letter a cell, from the cell that the anchor means.
    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, pos: BackendCoord) -> Done {
        let width = i32::try_from(text.width()).unwrap_or(0);
        let shift = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => width / 2,
            HPos::Right => width,
        };
        let up = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => DOTS.1 / 2,
            VPos::Bottom => DOTS.1,
        };
        let mut column = pos.0.div_euclid(DOTS.0) - shift;
        let row = (pos.1 - up + DOTS.1 / 2).div_euclid(DOTS.1);
        for c in text.chars() {
            let wide = i32::try_from(c.width().unwrap_or(0)).unwrap_or(0);
            for part in 0..wide {
                if let Some(cell) = self.cell(column + part, row) {
                    cell.text = Some(c);
                    cell.covered = part > 0;
                    cell.rgb = style.color().rgb;
                }
            }
            column += wide;
        }
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        _style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let columns = u32::try_from(text.width()).unwrap_or(0);
        Ok((columns * DOTS.0.unsigned_abs(), DOTS.1.unsigned_abs()))
    }
}
