//! Where charts go: the terminal, an SVG or a PNG.
//!
//! Promises: pictures look the same on every machine, since their letters
//! come with the program. SVG names a font and holds its text as text.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;

use downlake_lake::{Error, Result};
use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::style::{FontStyle, register_font};

use super::braille::{Braille, DOTS, Looks};
use super::chart::{Chart, Marks};
use super::draw::{Look, draw};

/// A picture in pixels. It is drawn at twice the size.
const PICTURE: (u32, u32) = (1200, 700);
const FINER: u32 = 2;

/// The size where there is no terminal to ask.
const NO_TERMINAL: (u16, u16) = (100, 30);
/// A chart is no higher than this, however high the terminal is.
const MOST_ROWS: u16 = 40;

const PICTURE_LOOK: Look = Look {
    letter: 30,
    line: 42,
    margin: 30,
    gap: 24,
    stroke: 4,
    radius: 5,
    cell: None,
    piecewise: false,
    panel: 440,
};

const SCREEN_LOOK: Look = Look {
    letter: DOTS.1,
    line: DOTS.1,
    margin: 0,
    gap: 2 * DOTS.0,
    stroke: 1,
    radius: 0,
    cell: Some(DOTS),
    piecewise: false,
    panel: 11 * DOTS.1,
};

/// A file that holds a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileTarget {
    Svg,
    Png,
}

impl FileTarget {
    /// The kind of picture that a file's extension names.
    ///
    /// # Errors
    /// `Invalid` if it names none.
    pub(crate) fn from_path(path: &Path) -> Result<FileTarget> {
        let extension = path.extension().and_then(|e| e.to_str());
        match extension.unwrap_or_default().to_ascii_lowercase().as_str() {
            "svg" => Ok(FileTarget::Svg),
            "png" => Ok(FileTarget::Png),
            _ => Err(Error::invalid(format!(
                "plot: file {} is no picture: its extension must be .svg or .png",
                path.display()
            ))),
        }
    }

    /// Writes the picture.
    ///
    /// # Errors
    /// What the output says.
    pub(crate) fn write(self, chart: &Chart, out: &mut dyn Write) -> anyhow::Result<()> {
        load_font()?;
        let (width, height) = (PICTURE.0 * FINER, PICTURE.1 * FINER);
        let height = PICTURE_LOOK
            .height(chart, height.cast_signed())
            .cast_unsigned();
        match self {
            FileTarget::Svg => write_svg(chart, (width, height), out),
            FileTarget::Png => write_png(chart, (width, height), out),
        }
    }
}

fn load_font() -> Result<()> {
    static LOADED: OnceLock<bool> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        let letters = dejavu::sans::regular();
        register_font("sans-serif", FontStyle::Normal, letters).is_ok()
    });
    match loaded {
        true => Ok(()),
        false => Err(Error::internal("the font of the program cannot be read")),
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("plot: {error}"))
}

fn write_svg(chart: &Chart, size: (u32, u32), out: &mut dyn Write) -> anyhow::Result<()> {
    let mut text = String::new();
    draw(
        chart,
        PICTURE_LOOK,
        SVGBackend::with_string(&mut text, size),
    )
    .map_err(failed)?;
    let drawn = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    let shown = format!("width=\"{}\" height=\"{}\"", size.0 / FINER, size.1 / FINER);
    out.write_all(text.replacen(&drawn, &shown, 1).as_bytes())?;
    Ok(())
}

fn write_png(chart: &Chart, size: (u32, u32), out: &mut dyn Write) -> anyhow::Result<()> {
    let look = Look {
        piecewise: true,
        ..PICTURE_LOOK
    };
    let mut pixels = vec![255; size.0 as usize * size.1 as usize * 3];
    draw(chart, look, BitMapBackend::with_buffer(&mut pixels, size)).map_err(failed)?;
    let mut encoder = png::Encoder::new(out, size.0 / FINER, size.1 / FINER);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&averaged(&pixels, size))?;
    writer.finish()?;
    Ok(())
}

/// Each pixel of the picture is the mean of four that were drawn.
fn averaged(pixels: &[u8], (width, height): (u32, u32)) -> Vec<u8> {
    let row = width as usize * 3;
    let mut small = Vec::with_capacity(pixels.len() / 4);
    for y in (0..height as usize - 1).step_by(2) {
        for x in (0..row - 5).step_by(6) {
            for channel in 0..3 {
                let at = y * row + x + channel;
                let four = [at, at + 3, at + row, at + row + 3];
                let sum: u16 = four.iter().map(|at| u16::from(pixels[*at])).sum();
                small.push(u8::try_from(sum / 4).unwrap_or(u8::MAX));
            }
        }
    }
    small
}

/// A terminal, or a pipe that is treated as one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    pub(crate) colour: bool,
    pub(crate) unicode: bool,
}

impl Screen {
    /// What stdout is. Colours are for terminals that do not say otherwise
    /// (`NO_COLOR`, `TERM=dumb`).
    pub(crate) fn of_stdout() -> Screen {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let terminal = std::io::stdout().is_terminal();
        let size = if terminal {
            terminal_size::terminal_size()
        } else {
            None
        };
        let (columns, rows) = size.map_or(NO_TERMINAL, |(w, h)| (w.0, h.0));
        Screen {
            columns: columns.max(20),
            rows: rows.max(10),
            colour: terminal && !dumb && !no_colour,
            unicode: !dumb,
        }
    }

    /// The chart as lines of text. One row is left for the prompt.
    ///
    /// # Errors
    /// `Internal` only.
    pub(crate) fn text(&self, chart: &Chart) -> Result<String> {
        let rows = if (self.columns, self.rows) == NO_TERMINAL {
            self.rows
        } else {
            (self.rows - 1).min(MOST_ROWS)
        };
        let rows = SCREEN_LOOK.height(chart, i32::from(rows) * DOTS.1) / DOTS.1;
        let rows = u16::try_from(rows).unwrap_or(u16::MAX);
        let mut canvas = Braille::new(self.columns, rows);
        draw(chart, SCREEN_LOOK, &mut canvas).map_err(failed)?;
        let bars = chart.panels.iter().flat_map(|p| &p.series);
        let bars = bars.filter(|s| matches!(s.marks, Marks::Bars(_))).count();
        let several = bars == 0 && chart.panels.iter().any(|panel| panel.series.len() > 1);
        Ok(canvas.text(Looks {
            colour: self.colour,
            unicode: self.unicode,
            several,
        }))
    }
}
