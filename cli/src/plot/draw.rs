//! The one drawing of a chart, for every canvas.
//!
//! Layout of a panel, from the top: the label of the y axis with the legend
//! behind it, the field with ticks at its left, labels of the x ticks, the
//! label of the x axis. Panels with the same x axis share its range, and the
//! lowest of them says it.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::DrawingBackend;

use super::axis::Ticks;
use super::chart::{Chart, Marks, Panel};

/// Colours of series: those of Okabe and Ito, which most eyes can tell apart,
/// and three more.
pub(super) const PALETTE: [(u8, u8, u8); 10] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (140, 86, 75),
    (110, 110, 110),
    (120, 60, 180),
    (170, 180, 0),
];
/// Text and axes.
pub(super) const INK: (u8, u8, u8) = (40, 40, 40);
const GRID: (u8, u8, u8) = (225, 225, 225);
const PAPER: (u8, u8, u8) = (255, 255, 255);

/// Sizes on a canvas, in its dots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Height of letters, and of a line of text.
    pub(super) letter: i32,
    pub(super) line: i32,
    /// Around everything.
    pub(super) margin: i32,
    /// Between neighbouring texts.
    pub(super) gap: i32,
    pub(super) stroke: u32,
    pub(super) radius: u32,
    /// Whether the canvas has cells of this size, to which fields are fitted
    /// and of whose letters axes are made.
    pub(super) cell: Option<(i32, i32)>,
    /// Whether a line is drawn piece by piece, since the canvas fills the
    /// corners of a thick one badly.
    pub(super) piecewise: bool,
    /// The least height of a panel.
    pub(super) panel: i32,
}

impl Look {
    /// The height that a chart needs, at least the one that is there.
    pub(super) fn height(&self, chart: &Chart, there: i32) -> i32 {
        let panels = i32::try_from(chart.panels.len()).unwrap_or(1);
        there.max(panels * self.panel + 2 * self.margin + self.line)
    }
}

type Failure<DB> = DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>;

/// From and to of x, and of y.
type Ranges = ((f64, f64), (f64, f64));

/// Draws a chart over the whole canvas.
pub(super) fn draw<DB: DrawingBackend>(
    chart: &Chart,
    look: Look,
    canvas: DB,
) -> Result<(), Failure<DB>> {
    let area = canvas.into_drawing_area();
    let (width, height) = area.dim_in_pixel();
    let mut painter = Painter {
        area,
        look,
        width: width.cast_signed(),
    };
    painter.chart(chart, height.cast_signed())?;
    painter.area.present()
}

/// The field of a panel, and where its numbers are on the canvas.
#[derive(Debug, Clone, Copy)]
struct Field {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
    x: (f64, f64),
    y: (f64, f64),
}

impl Field {
    fn x(&self, value: f64) -> i32 {
        place(value, self.x, self.left, self.right)
    }

    fn y(&self, value: f64) -> i32 {
        place(value, self.y, self.bottom, self.top)
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (self.x(x), self.y(y))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "within the canvas")]
fn place(value: f64, (low, high): (f64, f64), from: i32, to: i32) -> i32 {
    let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
    from + (share * f64::from(to - from)).round() as i32
}

struct Painter<DB: DrawingBackend> {
    area: DrawingArea<DB, Shift>,
    look: Look,
    width: i32,
}

impl<DB: DrawingBackend> Painter<DB> {
    fn chart(&mut self, chart: &Chart, height: i32) -> Result<(), Failure<DB>> {
        let Look { margin, line, .. } = self.look;
        if self.look.cell.is_none() {
            self.area.fill(&rgb(PAPER))?;
        }
        let mut top = margin;
        if let Some(caption) = &chart.caption {
            for text in self.wrapped(caption) {
                self.text(&text, (margin, top), HPos::Left, VPos::Top)?;
                top += line;
            }
        }
        let panels = i32::try_from(chart.panels.len()).unwrap_or(1).max(1);
        let each = (height - margin - top) / panels;
        let ranges = shared_ranges(&chart.panels);
        let left = self.left(chart, &ranges, each);
        for (index, panel) in chart.panels.iter().enumerate() {
            let next = chart.panels.get(index + 1);
            let says_x = next.is_none_or(|next| next.x.label != panel.x.label);
            let (x, y) = ranges[index];
            let below = if says_x {
                2 * line + self.tick()
            } else {
                self.tick()
            };
            let header = self.header(panel, top)?;
            let field = self.snapped(Field {
                left,
                top: header,
                right: self.width - margin - self.look.gap,
                bottom: top + each - below - self.look.gap / 2,
                x,
                y,
            });
            self.panel(panel, &field, says_x)?;
            top += each;
        }
        Ok(())
    }

    /// Where fields begin: behind the widest label of any y axis.
    fn left(&self, chart: &Chart, ranges: &[Ranges], each: i32) -> i32 {
        let most = self.y_ticks(each - 3 * self.look.line);
        let panels = chart.panels.iter().zip(ranges);
        let labels = panels.flat_map(|(panel, (_, y))| panel.y.scale.ticks(*y, most).at);
        let widest = labels.map(|(_, label)| self.text_width(&label)).max();
        let left = self.look.margin + widest.unwrap_or(0) + self.tick() + self.look.gap / 2;
        match self.look.cell {
            Some((across, _)) => (left + across - 1) / across * across,
            None => left,
        }
    }

    /// Fits a field to whole cells; the axes take the cells beside it.
    fn snapped(&self, mut field: Field) -> Field {
        if let Some((across, down)) = self.look.cell {
            field.left = field.left / across * across + across;
            field.right = field.right / across * across - 1;
            field.top = field.top / down * down;
            field.bottom = field.bottom / down * down - 1;
        }
        field
    }

    /// The length of a tick, or of the letter that stands for an axis.
    fn tick(&self) -> i32 {
        self.look.cell.map_or(self.look.letter / 3, |cell| cell.0)
    }

    fn y_ticks(&self, height: i32) -> usize {
        usize::try_from(height / (self.look.line * 2))
            .unwrap_or(0)
            .clamp(2, 8)
    }

    /// The label of the y axis and the legend; returns where the field begins.
    fn header(&self, panel: &Panel, top: i32) -> Result<i32, Failure<DB>> {
        let Look {
            margin, line, gap, ..
        } = self.look;
        self.text(&panel.y.label, (margin, top), HPos::Left, VPos::Top)?;
        let mut at = (margin + self.text_width(&panel.y.label) + 2 * gap, top);
        if panel.series.len() > 1 {
            if panel.y.label.is_empty() {
                at.0 = margin;
            }
            let sample = self.look.letter * 3 / 2;
            for (index, series) in panel.series.iter().enumerate() {
                let needed = sample + gap + self.text_width(&series.name);
                if at.0 + needed > self.width - margin && at.0 > margin {
                    at = (margin, at.1 + line);
                }
                let middle = at.1 + self.look.letter / 2;
                let style = ShapeStyle {
                    color: colour(index).to_rgba(),
                    filled: true,
                    stroke_width: self.look.stroke * 2,
                };
                let ends = vec![(at.0, middle), (at.0 + sample - 1, middle)];
                self.area.draw(&PathElement::new(ends, style))?;
                let name = (at.0 + sample + gap / 2, at.1);
                self.text(&series.name, name, HPos::Left, VPos::Top)?;
                at.0 += needed + gap;
            }
        }
        Ok(at.1 + line + if self.look.cell.is_some() { 0 } else { gap / 2 })
    }

    fn panel(&self, panel: &Panel, field: &Field, says_x: bool) -> Result<(), Failure<DB>> {
        let y = panel
            .y
            .scale
            .ticks(field.y, self.y_ticks(field.bottom - field.top));
        let x = self.x_ticks(panel, field);
        self.grid(field, &x, &y)?;
        for (index, series) in panel.series.iter().enumerate() {
            self.marks(field, &series.marks, colour(index))?;
        }
        self.axes(field)?;
        self.y_labels(field, &y)?;
        if says_x {
            self.x_labels(field, &x)?;
            let shared = x
                .shared
                .map_or_else(String::new, |shared| format!(", {shared}"));
            let label = format!("{}{shared}", panel.x.label);
            let below = field.bottom + self.tick() + self.look.line + self.look.gap / 4;
            let below = self
                .look
                .cell
                .map_or(below, |(_, down)| field.bottom + 1 + 2 * down);
            let middle = i32::midpoint(field.left, field.right);
            self.text(&label, (middle, below), HPos::Center, VPos::Top)?;
        }
        Ok(())
    }

    /// As many ticks as have room for their labels.
    fn x_ticks(&self, panel: &Panel, field: &Field) -> Ticks {
        let mut ticks = panel.x.scale.ticks(field.x, 2);
        for most in (2..=10).rev() {
            ticks = panel.x.scale.ticks(field.x, most);
            let mut end = i32::MIN;
            let fits = ticks.at.iter().all(|(value, label)| {
                let half = self.text_width(label) / 2;
                let centre = self.label_centre(field.x(*value), half);
                let free = centre - half >= end;
                end = centre + half + self.look.gap;
                free
            });
            if fits {
                break;
            }
        }
        ticks
    }

    /// Keeps a label inside the picture.
    fn label_centre(&self, centre: i32, half: i32) -> i32 {
        centre.min(self.width - half - 1).max(half)
    }

    fn grid(&self, field: &Field, x: &Ticks, y: &Ticks) -> Result<(), Failure<DB>> {
        if self.look.cell.is_some() {
            return Ok(());
        }
        let style = rgb(GRID).stroke_width(self.look.stroke / 2);
        for (value, _) in &x.at {
            let at = field.x(*value);
            let ends = vec![(at, field.top), (at, field.bottom)];
            self.area.draw(&PathElement::new(ends, style))?;
        }
        for (value, _) in &y.at {
            let at = field.y(*value);
            let ends = vec![(field.left, at), (field.right, at)];
            self.area.draw(&PathElement::new(ends, style))?;
        }
        Ok(())
    }

    fn axes(&self, field: &Field) -> Result<(), Failure<DB>> {
        let Some((across, down)) = self.look.cell else {
            let corner = [
                (field.left, field.top),
                (field.left, field.bottom),
                (field.right, field.bottom),
            ];
            let style = rgb(INK).stroke_width(self.look.stroke / 2);
            for ends in corner.windows(2) {
                self.area.draw(&PathElement::new(ends.to_vec(), style))?;
            }
            return Ok(());
        };
        let (axis, below) = (field.left - across, field.bottom + 1);
        for y in (field.top..field.bottom).step_by(usize::try_from(down).unwrap_or(1)) {
            self.text("│", (axis, y), HPos::Left, VPos::Top)?;
        }
        self.text("└", (axis, below), HPos::Left, VPos::Top)?;
        for x in (field.left..field.right).step_by(usize::try_from(across).unwrap_or(1)) {
            self.text("─", (x, below), HPos::Left, VPos::Top)?;
        }
        Ok(())
    }

    fn y_labels(&self, field: &Field, ticks: &Ticks) -> Result<(), Failure<DB>> {
        for (value, label) in &ticks.at {
            let y = field.y(*value);
            let end = field.left - self.tick() - self.look.gap / 2;
            match self.look.cell {
                Some((across, down)) => {
                    let at = (field.left - 2 * across, y / down * down);
                    self.text(label, at, HPos::Right, VPos::Top)?;
                    self.text("┤", (field.left - across, at.1), HPos::Left, VPos::Top)?;
                }
                None => {
                    // Digits stand on the line of letters that also go below it.
                    let at = (end, y + self.look.letter / 10);
                    self.text(label, at, HPos::Right, VPos::Center)?;
                }
            }
        }
        Ok(())
    }

    fn x_labels(&self, field: &Field, ticks: &Ticks) -> Result<(), Failure<DB>> {
        for (value, label) in &ticks.at {
            let x = field.x(*value);
            let centre = self.label_centre(x, self.text_width(label) / 2);
            match self.look.cell {
                Some((_, down)) => {
                    let below = field.bottom + 1;
                    self.text("┬", (x, below), HPos::Left, VPos::Top)?;
                    self.text(label, (centre, below + down), HPos::Center, VPos::Top)?;
                }
                None => {
                    let below = field.bottom + self.tick();
                    self.text(label, (centre, below), HPos::Center, VPos::Top)?;
                }
            }
        }
        Ok(())
    }

    fn marks(&self, field: &Field, marks: &Marks, colour: RGBColor) -> Result<(), Failure<DB>> {
        match marks {
            Marks::Lines(lines) => {
                for line in lines {
                    self.line(&folded(line.iter().map(|p| field.at(*p))), colour)?;
                }
            }
            Marks::Points(points) => {
                let mut before = None;
                for point in points.iter().map(|p| field.at(*p)) {
                    if before != Some(point) {
                        self.point(point, colour)?;
                    }
                    before = Some(point);
                }
            }
            Marks::Bars(bars) => {
                for &(from, to, height) in bars.iter().filter(|bar| bar.2 > 0.0) {
                    self.bar(field, (from, to), height, colour)?;
                }
            }
        }
        Ok(())
    }

    fn line(&self, points: &[(i32, i32)], colour: RGBColor) -> Result<(), Failure<DB>> {
        let style = colour.stroke_width(self.look.stroke);
        match points {
            [] => Ok(()),
            [alone] => self.point(*alone, colour),
            points if self.look.piecewise => {
                for ends in points.windows(2) {
                    self.area.draw(&PathElement::new(ends.to_vec(), style))?;
                }
                Ok(())
            }
            points => self.area.draw(&PathElement::new(points.to_vec(), style)),
        }
    }

    fn point(&self, at: (i32, i32), colour: RGBColor) -> Result<(), Failure<DB>> {
        self.area
            .draw(&Circle::new(at, self.look.radius, colour.filled()))
    }

    /// A bar; neighbours are parted where there is room for it.
    fn bar(
        &self,
        field: &Field,
        (from, to): (f64, f64),
        height: f64,
        colour: RGBColor,
    ) -> Result<(), Failure<DB>> {
        let (left, right) = (field.x(from), field.x(to));
        let parted = i32::from(right - left > 2 * self.look.gap) * (self.look.gap / 4);
        let right = (right - 1 - parted).max(left);
        // The smallest count is more than none.
        let top = field.y(height).min(field.bottom - 1);
        let corners = [(left + parted, top), (right, field.bottom)];
        self.area.draw(&Rectangle::new(corners, colour.filled()))
    }

    fn style(&self) -> TextStyle<'static> {
        let font = ("sans-serif", self.look.letter).into_font();
        TextStyle {
            color: rgb(INK).to_backend_color(),
            ..TextStyle::from(font)
        }
    }

    fn text(
        &self,
        text: &str,
        at: (i32, i32),
        h_pos: HPos,
        v_pos: VPos,
    ) -> Result<(), Failure<DB>> {
        if text.is_empty() {
            return Ok(());
        }
        let style = self.style().pos(Pos::new(h_pos, v_pos));
        self.area.draw_text(text, &style, at)
    }

    fn text_width(&self, text: &str) -> i32 {
        let size = self.area.estimate_text_size(text, &self.style());
        size.map_or(0, |(width, _)| width.cast_signed())
    }

    /// A text in lines that the picture has room for, broken after `;`.
    fn wrapped(&self, text: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for part in text.split_inclusive("; ") {
            match lines.last_mut() {
                Some(line)
                    if self.text_width(&format!("{line}{part}"))
                        <= self.width - 2 * self.look.margin =>
                {
                    line.push_str(part);
                }
                _ => lines.push(part.to_owned()),
            }
        }
        lines
    }
}

/// The ranges of each panel; panels with the same x axis have the same range of x.
fn shared_ranges(panels: &[Panel]) -> Vec<Ranges> {
    let own: Vec<_> = panels.iter().map(Panel::ranges).collect();
    let wide = |label: &str| {
        let same = panels.iter().zip(&own).filter(|(p, _)| p.x.label == label);
        same.fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(low, high), (_, (x, _))| (low.min(x.0), high.max(x.1)),
        )
    };
    let ranges = panels.iter().zip(&own);
    ranges
        .map(|(panel, (_, y))| (wide(&panel.x.label), *y))
        .collect()
}

/// Of the points in one column of dots those that can be seen: the first, the
/// highest, the lowest and the last.
fn folded(points: impl Iterator<Item = (i32, i32)>) -> Vec<(i32, i32)> {
    let mut kept: Vec<(i32, i32)> = Vec::new();
    let mut column: Vec<(i32, i32)> = Vec::new();
    for point in points {
        if column.first().is_some_and(|first| first.0 != point.0) {
            fold_column(&mut column, &mut kept);
        }
        column.push(point);
    }
    fold_column(&mut column, &mut kept);
    kept
}

fn fold_column(column: &mut Vec<(i32, i32)>, kept: &mut Vec<(i32, i32)>) {
    let highest = column
        .iter()
        .enumerate()
        .min_by_key(|(_, p)| p.1)
        .map(|(i, _)| i);
    let lowest = column
        .iter()
        .enumerate()
        .max_by_key(|(_, p)| p.1)
        .map(|(i, _)| i);
    let mut seen = [Some(0), highest, lowest, column.len().checked_sub(1)];
    seen.sort_unstable();
    for index in seen.into_iter().flatten() {
        if let Some(point) = column.get(index)
            && kept.last() != Some(point)
        {
            kept.push(*point);
        }
    }
    column.clear();
}

fn rgb((red, green, blue): (u8, u8, u8)) -> RGBColor {
    RGBColor(red, green, blue)
}

fn colour(series: usize) -> RGBColor {
    rgb(PALETTE[series % PALETTE.len()])
}
