//! The screen of a comparison: what changed, by impact; and for one call both histograms on one scale, the
//! ladder of percentiles, the errnos, and both heat maps on one scale of colour.

mod call;
mod heat;
mod keys;
mod model;
#[cfg(test)]
mod tests;
mod view;

use std::io;
use std::sync::Arc;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt as _;

use crate::compare::Compared;
use crate::config::ScreenSettings;

use super::Signals;
use super::message::Exit;
use super::terminal::{self, Terminal};
use super::theme::Theme;
use super::view as screen;
pub(super) use keys::{Command, command};
pub(super) use model::{After, Model};
pub(super) use view::draw;

/// Shows a comparison on the terminal until the user quits or a signal comes. The terminal is restored before
/// this returns.
///
/// # Errors
/// What the terminal reports: no terminal, or one that is gone.
pub async fn run(compared: Arc<Compared>, settings: ScreenSettings) -> io::Result<Exit> {
    let mut signals = Signals::new()?;
    let mut terminal = Terminal::take(false)?;
    let mut events = EventStream::new().fuse();
    let theme = Theme::detect(settings, |name| std::env::var(name).ok());
    let mut model = Model::new(compared, theme, terminal.size()?);
    let mut dirty = true;
    loop {
        tokio::select! {
            biased;
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    if let Some(command) = command(key)
                        && model.update(command) == After::Quit
                    {
                        return Ok(Exit::Asked);
                    }
                }
                Some(Ok(Event::Resize(width, height))) => model.resize((width, height)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(Exit::Asked),
            },
            number = signals.next() => return Ok(Exit::Signal(number)),
            () = terminal::lost() => {
                return Err(io::Error::other("a part of tracer panicked; its report is above, please file it"));
            }
            ready = terminal.ready(), if dirty => {
                ready?;
                terminal.draw(|frame| view::view(&model, frame))?;
                dirty = false;
                continue;
            }
        }
        dirty = true;
    }
}
