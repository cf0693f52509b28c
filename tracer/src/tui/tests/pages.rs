//! A screen as a text that can be compared: what it says, where it has which style, and what of it is different on a
//! terminal that has ASCII alone.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::*;
use crate::tui::view::draw_into;

/// The sizes at which every scene is kept.
pub(super) const SIZES: [(u16, u16); 4] = [(60, 15), (80, 24), (120, 40), (200, 50)];

fn drawn(model: &Model, theme: Theme, (width, height): (u16, u16)) -> Buffer {
    let mut model = model.clone();
    model.theme = theme;
    update(&mut model, Message::Resize(width, height));
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw_into(&model, area, &mut buffer);
    buffer
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let lines = buffer.content.chunks(usize::from(buffer.area.width));
    lines.map(|line| line.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned()).collect()
}

/// A style in words; empty for the plain one.
fn words(style: Style) -> String {
    let mut words = Vec::new();
    match style.fg {
        None | Some(Color::Reset) => {}
        Some(Color::Indexed(number)) => words.push(number.to_string()),
        Some(other) => words.push(format!("{other:?}")),
    }
    assert!(matches!(style.bg, None | Some(Color::Reset)), "no ground of our own");
    for (modifier, name) in [
        (Modifier::BOLD, "bold"),
        (Modifier::DIM, "dim"),
        (Modifier::UNDERLINED, "underlined"),
        (Modifier::REVERSED, "reversed"),
    ] {
        if style.add_modifier.contains(modifier) {
            words.push(name.to_owned());
        }
    }
    words.join(" ")
}

/// Line by line, which cells are not plain: `03  0-12 75 bold, 20-24 dim`.
fn styles(buffer: &Buffer) -> Vec<String> {
    let mut all = Vec::new();
    for (at, line) in buffer.content.chunks(usize::from(buffer.area.width)).enumerate() {
        let mut runs: Vec<(usize, usize, String)> = Vec::new();
        for (x, cell) in line.iter().enumerate() {
            let style = words(cell.style());
            match runs.last_mut() {
                Some((_, last, before)) if *before == style && *last + 1 == x => *last = x,
                _ => runs.push((x, x, style)),
            }
        }
        let runs: Vec<String> = runs
            .into_iter()
            .filter(|(.., style)| !style.is_empty())
            .map(|(from, to, style)| format!("{from}-{to} {style}"))
            .collect();
        if !runs.is_empty() {
            all.push(format!("{at:02}  {}", runs.join(", ")));
        }
    }
    all
}

/// The text, the styles, and the lines that ASCII changes. Without colours it is the same but for the colours.
fn page(model: &Model, size: (u16, u16)) -> String {
    let coloured = drawn(model, Theme::COLOURS, size);
    let mono = drawn(model, Theme::MONO, size);
    for (cell, without) in coloured.content.iter().zip(&mono.content) {
        assert_eq!(cell.symbol(), without.symbol());
        let colourless = Style { fg: without.style().fg, ..cell.style() };
        assert_eq!(without.style(), colourless);
        assert!(matches!(without.style().fg, None | Some(Color::Reset)));
    }
    let (text, ascii) = (lines(&coloured), lines(&drawn(model, Theme::ASCII, size)));
    let changed = text.iter().zip(&ascii).enumerate().filter(|(_, (text, ascii))| text != ascii);
    let changed: Vec<String> = changed.map(|(at, (_, ascii))| format!("{at:02}  {ascii}")).collect();
    assert!(ascii.iter().all(|line| line.is_ascii()));
    format!(
        "{}\n--- styles\n{}\n--- ascii\n{}",
        text.join("\n"),
        styles(&coloured).join("\n"),
        changed.join("\n")
    )
}

/// Keeps a scene at every size: one line adds a scene.
pub(super) fn assert_screens(name: &str, model: &Model) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), page(model, (width, height)));
    }
}
