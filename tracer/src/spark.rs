//! Figures over time on one line.

/// From nothing to the highest.
const LEVELS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// What there is to say of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Point {
    /// Nothing was recorded.
    Unknown,
    /// There was nothing that could have a figure.
    None,
    /// This figure.
    Figure(f64),
}

/// A figure to scale; whatever is not zero can be seen.
pub(crate) fn level(figure: f64, highest: f64) -> &'static str {
    if figure <= 0.0 || highest <= 0.0 {
        return LEVELS[0];
    }
    LEVELS[((figure / highest * 8.0).round() as usize).clamp(1, 8)]
}

/// The highest figure; 0 without any.
pub(crate) fn highest(points: &[Point]) -> f64 {
    let figures = points.iter().map(|point| if let Point::Figure(figure) = point { *figure } else { 0.0 });
    figures.fold(0.0, f64::max)
}

/// Points to the scale of the highest, each `zoom` cells wide, marked as in maps of heat where there is no figure.
pub(crate) fn line(points: &[Point], zoom: usize) -> String {
    let highest = highest(points);
    let cells = points.iter().map(|point| match point {
        Point::Unknown => "/",
        Point::None => "·",
        Point::Figure(figure) => level(*figure, highest),
    });
    cells.map(|cell| cell.repeat(zoom)).collect()
}
