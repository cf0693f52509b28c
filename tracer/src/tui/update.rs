//! What happens to the model. Pure: what has to be done outside is returned.

use super::compare::{self, After};
use super::copy;
use super::keys;
use super::layout;
use super::message::{Command, Control, Effect, Exit, Message, View};
use super::model::{Model, Overlay, Prompt, Screen, Sort, Subject};
use super::mouse;
use super::rows::{ProcessKey, RowKey};
use super::save::Format;
use super::travel;
use crate::columns::{self, Row, Scope};
use crate::group::By;
use crate::timeline::Transport;

/// Characters that a filter or a prompt may have.
const MAX_TYPED: usize = 200;

/// `SIGINT`, which Ctrl-C no longer raises once the terminal is in raw mode.
const SIGINT: i32 = 2;

/// Takes one message.
pub(crate) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    // What the key before led to has been read.
    if matches!(message, Message::Command(_) | Message::Type(_) | Message::Click(..)) {
        model.told = None;
    }
    // A request may be lost while whoever answers is busy.
    if matches!(message, Message::Snapshot(_))
        && model.watched != model.over_time.as_ref().map(|over| over.wanted)
    {
        model.watched = None;
    }
    let mut effects = take(model, message);
    let wanted = model.wanted();
    if wanted != model.watched {
        model.watched = wanted;
        effects.push(Effect::Control(Control::Watch(wanted)));
    }
    effects
}

fn take(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Resize(width, height) => {
            model.size = (width, height);
            if let Some(comparison) = &mut model.comparison {
                comparison.resize(model.size);
            }
            model.keep_selection_visible();
        }
        Message::Snapshot(snapshot) => {
            model.set_snapshot(snapshot);
        }
        Message::Run(run) => {
            model.set_run(run);
            model.keep_selection_visible();
        }
        Message::Type(character) => {
            let typed =
                if model.overlay == Some(Overlay::Jump) { &model.prompt.text } else { model.filter.text() };
            if typed.chars().count() < MAX_TYPED && !character.is_control() {
                let text = format!("{typed}{character}");
                set_typed(model, text);
            }
        }
        Message::OverTime(over_time) => model.over_time = Some(over_time),
        Message::Versus(versus) => model.set_versus(versus),
        Message::Compare(command) => return in_comparison(model, command),
        Message::Told(words) => model.told = Some(words),
        Message::Click(x, y) => mouse::click(model, x, y),
        Message::Wheel(by) if keys::TYPING.contains(&model.mode()) || by == 0 => {}
        Message::Wheel(by) => return take(model, Message::Command(Command::Move(by * mouse::NOTCH))),
        Message::Timeline(timeline) => model.set_timeline(timeline),
        Message::Command(Command::Quit) => return vec![Effect::Exit(Exit::Asked)],
        Message::Command(Command::ToggleRecording) => {
            return vec![Effect::Control(Control::ToggleRecording)];
        }
        Message::Command(Command::Suspend) => return vec![Effect::Suspend],
        Message::Command(Command::ToggleMouse) => {
            model.has_mouse = !model.has_mouse;
            let words = if model.has_mouse {
                "the mouse selects rows; Shift with it selects text in most terminals"
            } else {
                "the mouse is the terminal's: it selects text"
            };
            model.told = Some(words.to_owned());
            return vec![Effect::Mouse(model.has_mouse)];
        }
        Message::Command(Command::CopyRow) => return copied(model, copy::row_words(model)),
        Message::Command(Command::CopyCommandLine) => return copied(model, copy::command_line(model)),
        Message::Command(Command::Interrupt) => return vec![Effect::Exit(Exit::Signal(SIGINT))],
        Message::Command(command) => match model.overlay {
            None => match travel::asked_by(model, command) {
                Some(transport) => return vec![Effect::Control(Control::Transport(transport))],
                None => on_screen(model, command),
            },
            Some(Overlay::Jump) => {
                let transport = in_prompt(model, command);
                return transport.map(Control::Transport).map(Effect::Control).into_iter().collect();
            }
            Some(Overlay::Filter) => in_filter(model, command),
            Some(Overlay::SortMenu(selected)) => in_menu(model, command, selected),
            Some(Overlay::SaveMenu(selected)) => {
                return in_save_menu(model, command, selected).map(Effect::Save).into_iter().collect();
            }
            Some(Overlay::Help(top)) => in_help(model, command, top),
        },
    }
    Vec::new()
}

/// The screen of a comparison; collection goes on below it.
fn in_comparison(model: &mut Model, command: compare::Command) -> Vec<Effect> {
    match model.comparison.as_mut().map(|comparison| comparison.update(command)) {
        Some(After::Quit) => vec![Effect::Exit(Exit::Asked)],
        Some(After::Leave) => {
            model.comparison = None;
            vec![Effect::Control(Control::Transport(Transport::StopComparing))]
        }
        Some(After::Stay) | None => Vec::new(),
    }
}

pub(super) fn on_screen(model: &mut Model, command: Command) {
    match command {
        Command::Open => open_selected(model),
        Command::Back => {
            let is_first = !model.go_back();
            if is_first && (model.filter.text().is_empty() || model.screen().is_page()) {
                model.show_view(View::Processes);
            } else if is_first {
                model.set_filter("");
            }
        }
        Command::View(View::OverTime) => match model.pointed_at() {
            (Subject::All, None) => model.show_view(View::OverTime),
            (subject, call) => model.open(Screen::OverTime(subject, call)),
        },
        // Of a call that is pointed at, its process's.
        Command::View(View::Files) => match model.pointed_at() {
            (Subject::All, _) => model.show_view(View::Files),
            _ if matches!(model.screen(), Screen::Files(_) | Screen::OnFile(..)) => {
                model.show_view(View::Files);
            }
            (subject, _) => model.open(Screen::Files(subject)),
        },
        Command::View(view) => model.show_view(view),
        Command::NextView(by) => {
            let at = View::ALL.iter().position(|&view| view == model.view).unwrap_or(0);
            model.show_view(View::ALL[stepped_round(at, by, View::ALL.len())]);
        }
        Command::NextSort(by) => {
            let choices = sort_choices(model);
            let at = choices.iter().position(|&index| index == model.sort().column).unwrap_or(0);
            if let Some(&column) = choices.get(stepped_round(at, by, choices.len())) {
                model.set_sort(Sort { column, inverted: false });
            }
        }
        Command::SortBy(name) => {
            if let Some(column) = columns::find(model.columns(), model.scope, name) {
                model.set_sort(Sort { column, inverted: false });
            }
        }
        Command::Invert => {
            let sort = model.sort();
            model.set_sort(Sort { inverted: !sort.inverted, ..sort });
        }
        Command::NextGroup if matches!(model.screen(), Screen::Files(_) | Screen::OnFile(..)) => {
            model.toggle_peers();
        }
        Command::NextGroup => match model.group {
            By::Process if !model.tree.is_shown => model.show_tree(),
            By::Process => model.group_by(By::Comm),
            By::Comm => model.group_by(By::Cgroup),
            _ => model.group_by(By::Process),
        },
        Command::ToggleFold => tell(model, Model::toggle_folded),
        Command::ToggleAllFolded => tell(model, Model::toggle_all_folded),
        Command::OpenThreads => tell(model, open_threads),
        Command::ToggleWaiting => {
            model.told = Some(model.toggle_waiting());
        }
        Command::ToggleScope => model.set_scope(match model.scope {
            Scope::Interval => Scope::Total,
            Scope::Total => Scope::Interval,
        }),
        Command::OpenSortMenu => {
            let at = sort_choices(model).iter().position(|&index| index == model.sort().column).unwrap_or(0);
            model.overlay = Some(Overlay::SortMenu(at));
        }
        Command::OpenSaveMenu => model.overlay = Some(Overlay::SaveMenu(0)),
        Command::ToggleFollow => model.toggle_follow(),
        Command::Zero => model.set_zero(true),
        Command::Unzero => model.set_zero(false),
        Command::OpenFilter => model.overlay = Some(Overlay::Filter),
        Command::OpenHelp => model.overlay = Some(Overlay::Help(0)),
        Command::Move(_) | Command::Page(_) | Command::Top | Command::Bottom => {
            move_on_screen(model, command);
        }
        Command::OpenJump => {
            model.prompt = Prompt::default();
            model.overlay = Some(Overlay::Jump);
        }
        // Answered before, or without meaning here.
        Command::Quit
        | Command::Interrupt
        | Command::Suspend
        | Command::ToggleMouse
        | Command::CopyRow
        | Command::CopyCommandLine
        | Command::ToggleRecording
        | Command::TogglePause
        | Command::TogglePlay
        | Command::Step(_)
        | Command::Faster(_)
        | Command::ToStart
        | Command::ToEnd
        | Command::ToMark(_)
        | Command::MarkSpan
        | Command::Erase
        | Command::EraseAll => {}
    }
}

/// Does what may not be possible here, and says why where it is not.
fn tell(model: &mut Model, does: fn(&mut Model) -> Result<(), &'static str>) {
    if let Err(why) = does(model) {
        model.told = Some(why.to_owned());
    }
}

fn open_threads(model: &mut Model) -> Result<(), &'static str> {
    let selected = model.selected().and_then(|entry| model.row(entry));
    let (key, comm) = match (model.screen(), selected) {
        (Screen::Threads(..), _) => return Err("these are the threads"),
        (Screen::Calls(Subject::One(key, comm)), _) => (key, comm),
        (
            _,
            Some(
                Row::Process(process)
                | Row::Error(process, ..)
                | Row::Open(process, ..)
                | Row::Use(process, ..),
            ),
        ) => (ProcessKey::of(process), process.comm),
        (Screen::Files(Subject::One(key, comm)), _) => (key, comm),
        _ => return Err("threads are those of one process: select one"),
    };
    if key.process().is_none() {
        return Err("the threads of many processes are not told apart");
    }
    model.open(Screen::Threads(key, comm));
    Ok(())
}

fn move_on_screen(model: &mut Model, command: Command) {
    let page = layout::table_height(model);
    if model.screen().is_page() {
        let top = moved(command, model.cursor().top, page / 2, model.last_top());
        model.scroll_to(top);
        return;
    }
    let last = model.rows.entries.len().saturating_sub(1);
    let index = moved(command, model.cursor().index, page, last);
    model.choose(index, command != Command::Top);
}

fn open_selected(model: &mut Model) {
    let Some(entry) = model.selected() else { return };
    let screen = match (entry.key, model.screen(), model.row(entry)) {
        (RowKey::Process(key), _, Some(Row::Process(process))) => {
            Screen::Calls(Subject::One(key, process.comm))
        }
        (RowKey::Call(call), Screen::Calls(subject), _) => Screen::Call(subject, call),
        (RowKey::File(key), Screen::Files(subject), Some(Row::File(file))) => {
            let label = file.label();
            return model.open_file(subject, key, label);
        }
        (
            _,
            _,
            Some(Row::Error(process, call, _) | Row::Open(process, call, _) | Row::Use(process, call, _)),
        ) => Screen::Call(Subject::One(ProcessKey::of(process), process.comm), call.call),
        (_, Screen::Threads(key, comm), Some(Row::Thread(process, thread))) => {
            let Some(call) = thread.now.as_ref().and_then(|(index, _)| process.calls.get(*index)) else {
                model.told = Some("this thread is in no call now".to_owned());
                return;
            };
            Screen::Call(Subject::One(key, comm), call.call)
        }
        _ => return,
    };
    model.open(screen);
}

fn in_filter(model: &mut Model, command: Command) {
    match command {
        Command::Open => model.overlay = None,
        Command::Back => {
            model.overlay = None;
            model.set_filter("");
        }
        Command::Erase => {
            let mut text = model.filter.text().to_owned();
            text.pop();
            model.set_filter(&text);
        }
        Command::EraseAll => model.set_filter(""),
        _ => {}
    }
}

/// The prompt for a moment; where to go once it is entered.
fn in_prompt(model: &mut Model, command: Command) -> Option<Transport> {
    match command {
        Command::Open => match travel::read(&model.prompt.text, model.timeline.as_deref()?, &model.zone) {
            Ok(transport) => {
                model.overlay = None;
                return Some(transport);
            }
            Err(refusal) => model.prompt.refusal = Some(refusal),
        },
        Command::Back => model.overlay = None,
        Command::Erase => {
            let mut text = model.prompt.text.clone();
            text.pop();
            set_typed(model, text);
        }
        Command::EraseAll => set_typed(model, String::new()),
        _ => {}
    }
    None
}

fn set_typed(model: &mut Model, text: String) {
    if model.overlay == Some(Overlay::Jump) {
        model.prompt = Prompt { text, refusal: None };
    } else {
        model.set_filter(&text);
    }
}

fn in_menu(model: &mut Model, command: Command, selected: usize) {
    let choices = sort_choices(model);
    match command {
        Command::Open => {
            if let Some(&column) = choices.get(selected) {
                model.set_sort(Sort { column, inverted: false });
            }
            model.overlay = None;
        }
        Command::Back => model.overlay = None,
        _ => {
            let last = choices.len().saturating_sub(1);
            let selected = moved(command, selected, layout::table_height(model), last);
            model.overlay = Some(Overlay::SortMenu(selected));
        }
    }
}

/// The menu of formats; the one to write, once it is chosen.
fn in_save_menu(model: &mut Model, command: Command, selected: usize) -> Option<Format> {
    match command {
        Command::Open => {
            model.overlay = None;
            return Format::ALL.get(selected).copied();
        }
        Command::Back => model.overlay = None,
        _ => {
            let selected = moved(command, selected, layout::table_height(model), Format::ALL.len() - 1);
            model.overlay = Some(Overlay::SaveMenu(selected));
        }
    }
    None
}

/// Selects line `at` of the menu that is open.
pub(super) fn in_menu_at(model: &mut Model, at: usize) {
    match model.overlay {
        Some(Overlay::SortMenu(_)) => {
            let last = sort_choices(model).len().saturating_sub(1);
            model.overlay = Some(Overlay::SortMenu(at.min(last)));
        }
        Some(Overlay::SaveMenu(_)) => {
            model.overlay = Some(Overlay::SaveMenu(at.min(Format::ALL.len() - 1)));
        }
        _ => {}
    }
}

/// Copies words, and says so: not every terminal takes them.
fn copied(model: &mut Model, words: Option<String>) -> Vec<Effect> {
    let Some(words) = words else {
        model.told = Some("nothing is selected that could be copied".to_owned());
        return Vec::new();
    };
    model.told = Some(format!("copied, where the terminal allows it: {words}"));
    vec![Effect::Copy(words)]
}

fn in_help(model: &mut Model, command: Command, top: usize) {
    if command == Command::Back {
        model.overlay = None;
        return;
    }
    let page = layout::table_height(model);
    let last = super::view::help::lines(model).len().saturating_sub(page);
    model.overlay = Some(Overlay::Help(moved(command, top, page, last)));
}

/// Columns of the table shown that it can be sorted by, by index.
pub(crate) fn sort_choices(model: &Model) -> Vec<usize> {
    let columns = model.columns().iter().enumerate();
    columns.filter(|(_, column)| column.is_in(model.scope)).map(|(index, _)| index).collect()
}

/// Where a command that moves leads from line `at` of `0..=last`.
fn moved(command: Command, at: usize, page: usize, last: usize) -> usize {
    let by = |lines: isize| at.saturating_add_signed(lines).min(last);
    match command {
        Command::Move(lines) => by(isize::from(lines)),
        Command::Page(pages) => by(isize::from(pages) * page.max(1) as isize),
        Command::Top => 0,
        Command::Bottom => last,
        _ => at,
    }
}

/// `at` moved by `by` in a ring of `len`.
fn stepped_round(at: usize, by: i8, len: usize) -> usize {
    (at as isize + isize::from(by)).rem_euclid(len.max(1) as isize) as usize
}
