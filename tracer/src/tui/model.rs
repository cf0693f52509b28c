//! Everything the screen is made from: the figures, and what the user chose to see of them.

mod figures;
mod subject;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compare;
use super::filter::Filter;
use super::keys::Mode;
use super::layout;
use super::message::View;
use super::rows::{Choice, Entry, ProcessKey, RowKey, Rows, Tree, columns_of};
use super::theme::Theme;
use super::view::{call, health, over_time};
use crate::by_file::{FileKey, OnBy};
use crate::columns::{self, Column, Context, Placed, Row, Scope};
use crate::compare::Versus;
use crate::group::By;
use crate::interval::CallKey;
use crate::ledger::LedgerCounts;
use crate::over_time::{OverTime, Selection, Wanted};
use crate::process::Comm;
use crate::run::{Origin, RunInfo};
use crate::snapshot::{CallRow, Snapshot};
use crate::timeline::Timeline;
use jiff::tz::TimeZone;

/// Whose calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Those of every process.
    All,
    /// Those of one, and its name when it was opened.
    One(ProcessKey, Comm),
}

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    /// The processes.
    Processes,
    /// The syscalls of a subject.
    Calls(Subject),
    /// One syscall of a subject.
    Call(Subject, CallKey),
    /// The threads of a process, and its name when they were opened.
    Threads(ProcessKey, Comm),
    /// The errors of all processes.
    Errors,
    /// The open calls of all processes.
    Open,
    /// A subject, or one syscall of it, over time.
    OverTime(Subject, Option<CallKey>),
    /// How the tracer itself is.
    Health,
    /// What the calls of a subject are on.
    Files(Subject),
    /// Those of its calls that are on one file.
    OnFile(Subject, FileKey),
}

impl Screen {
    /// The screen that a view starts with.
    pub(crate) fn first_of(view: View) -> Self {
        match view {
            View::Processes => Self::Processes,
            View::Calls => Self::Calls(Subject::All),
            View::Errors => Self::Errors,
            View::Open => Self::Open,
            View::OverTime => Self::OverTime(Subject::All, None),
            View::Health => Self::Health,
            View::Files => Self::Files(Subject::All),
        }
    }

    /// Whether it is a page to scroll, and not a table with a selected row.
    pub(crate) fn is_page(self) -> bool {
        matches!(self, Self::Call(..) | Self::OverTime(..) | Self::Health)
    }

    /// Index of its table's order in [`Model::sorts`].
    fn table(self) -> usize {
        match self {
            // Pages have none to sort.
            Self::Processes | Self::OverTime(..) | Self::Health => 0,
            Self::Calls(_) | Self::Call(..) => 1,
            Self::Errors => 2,
            Self::Open => 3,
            Self::Threads(..) => 4,
            Self::Files(_) => 5,
            Self::OnFile(..) => 6,
        }
    }
}

/// Where in its rows a screen is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The row that was selected; `None` while the first row is selected, whichever that is.
    pub(crate) selected: Option<RowKey>,
    /// The row that is followed wherever it goes, and waited for while it is not there.
    pub(crate) followed: Option<RowKey>,
    /// Its index.
    pub(crate) index: usize,
    /// First line shown.
    pub(crate) top: usize,
}

/// A screen that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Which.
    pub(crate) screen: Screen,
    /// Where in it.
    pub(crate) cursor: Cursor,
}

/// Order of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sort {
    /// Index in the table's columns.
    pub(crate) column: usize,
    /// Whether against the column's own direction.
    pub(crate) inverted: bool,
}

/// What lies over the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlay {
    /// The filter is being typed.
    Filter,
    /// The moment to move to is being typed.
    Jump,
    /// The menu of columns; the selected one.
    SortMenu(usize),
    /// The menu of formats; the selected one.
    SaveMenu(usize),
    /// The help; its first line shown.
    Help(usize),
}

/// The moment to move to while it is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// What was typed.
    pub(crate) text: String,
    /// Why it leads nowhere; told when it is entered, gone when it is changed.
    pub(crate) refusal: Option<String>,
}

/// The state of the screen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    /// The figures of that moment since the start.
    given: Arc<Snapshot>,
    /// Where figures are counted from; `None` for the start.
    zero: Option<Arc<Snapshot>>,
    /// The figures on the screen: the newest, or those of the moment that is looked back at.
    pub(crate) shown: Arc<Snapshot>,
    /// What makes a row of the processes.
    pub(crate) group: By,
    /// What makes a row of the files.
    pub(crate) on_by: OnBy,
    /// What files were called when they were opened.
    opened_files: BTreeMap<FileKey, String>,
    /// Whether they stand under their parents, and how.
    pub(crate) tree: Tree,
    /// The run.
    pub(crate) run: RunInfo,
    /// The axis of time, where one can move along it.
    pub(crate) timeline: Option<Arc<Timeline>>,
    /// Two spans of the run compared, over everything else.
    pub(crate) comparison: Option<compare::Model>,
    /// Which pair of spans was shown last, closed or not.
    versus_shown: u64,
    /// Where the reader's clock is.
    pub(crate) zone: TimeZone,
    /// What the terminal can show.
    pub(crate) theme: Theme,
    /// Columns and lines of the terminal.
    pub(crate) size: (u16, u16),
    /// The view.
    pub(crate) view: View,
    /// Screens opened in it, one from the other. Never empty.
    opened: Vec<Opened>,
    /// The selection over time that came last.
    pub(crate) over_time: Option<Arc<OverTime>>,
    /// The one that was asked for last.
    pub(crate) watched: Option<Wanted>,
    /// What lies over them.
    pub(crate) overlay: Option<Overlay>,
    /// The moment to move to.
    pub(crate) prompt: Prompt,
    /// What became of what the last key asked for.
    pub(crate) told: Option<String>,
    /// Whether the mouse is ours and not the terminal's.
    pub(crate) has_mouse: bool,
    /// Span of rates and counts.
    pub(crate) scope: Scope,
    /// Whether idle and waiting rows are shown.
    pub(crate) show_waiting: bool,
    /// Whether errors that healthy programs get have rows of their own.
    pub(crate) show_expected: bool,
    /// Filter.
    pub(crate) filter: Filter,
    /// Orders of the tables of processes, syscalls, errors, open calls, threads, files, calls on a file.
    sorts: [Sort; 7],
    /// Rows of the screen, in order.
    pub(crate) rows: Rows,
}

impl Model {
    /// The first screen.
    pub(crate) fn new(snapshot: Arc<Snapshot>, run: RunInfo, theme: Theme, size: (u16, u16)) -> Self {
        let sort_by = |screen: Screen, name: &str| Sort {
            column: columns::find(columns_of(screen, false), Scope::Interval, name).unwrap_or(0),
            inverted: false,
        };
        let mut model = Self {
            given: Arc::clone(&snapshot),
            zero: None,
            shown: snapshot,
            group: By::Process,
            on_by: OnBy::File,
            opened_files: BTreeMap::new(),
            tree: Tree::default(),
            run: RunInfo::default(),
            timeline: None,
            comparison: None,
            versus_shown: 0,
            zone: TimeZone::UTC,
            theme,
            size,
            view: View::Processes,
            opened: vec![Opened { screen: Screen::Processes, cursor: Cursor::default() }],
            over_time: None,
            watched: None,
            overlay: None,
            prompt: Prompt::default(),
            told: None,
            has_mouse: false,
            scope: Scope::Interval,
            show_waiting: true,
            show_expected: false,
            filter: Filter::default(),
            sorts: [
                sort_by(Screen::Processes, "busy"),
                sort_by(Screen::Calls(Subject::All), "busy"),
                sort_by(Screen::Errors, "now"),
                sort_by(Screen::Open, "open_for"),
                sort_by(Screen::Threads(ProcessKey::default(), Comm::default()), "busy"),
                sort_by(Screen::Files(Subject::All), "busy"),
                sort_by(Screen::OnFile(Subject::All, FileKey::NoFile), "busy"),
            ],
            rows: Rows::default(),
        };
        model.set_run(run);
        model.refresh();
        model
    }

    fn top(&self) -> &Opened {
        const NONE: Opened = Opened {
            screen: Screen::Processes,
            cursor: Cursor { selected: None, followed: None, index: 0, top: 0 },
        };
        self.opened.last().unwrap_or(&NONE)
    }

    /// The screen shown.
    pub(crate) fn screen(&self) -> Screen {
        self.top().screen
    }

    /// Where in it.
    pub(crate) fn cursor(&self) -> Cursor {
        self.top().cursor
    }

    /// Every screen from the view's first to the one shown.
    pub(crate) fn path(&self) -> impl Iterator<Item = Screen> + '_ {
        self.opened.iter().map(|opened| opened.screen)
    }

    /// What keys mean now.
    pub(crate) fn mode(&self) -> Mode {
        match (self.overlay, self.screen()) {
            (Some(Overlay::Filter), _) => Mode::Filter,
            (Some(Overlay::Jump), _) => Mode::Jump,
            (Some(Overlay::SortMenu(_)), _) => Mode::SortMenu,
            (Some(Overlay::SaveMenu(_)), _) => Mode::SaveMenu,
            (Some(Overlay::Help(_)), _) => Mode::Help,
            (None, _) => self.mode_below(),
        }
    }

    /// What keys mean below the overlay.
    pub(crate) fn mode_below(&self) -> Mode {
        if self.screen().is_page() { Mode::Detail } else { Mode::Table }
    }

    /// Spans of the figures shown.
    pub(crate) fn context(&self) -> Context {
        Context::new(&self.shown, self.scope)
    }

    /// Columns of the table shown.
    pub(crate) fn columns(&self) -> &'static [Column] {
        match self.screen() {
            Screen::Processes if self.tree.is_shown => &columns::PROCESSES_AS_TREE,
            screen => columns_of(screen, self.shown.baseline.is_some()),
        }
    }

    /// Those that a line of `width` cells has room for, the one it is sorted by among them.
    pub(crate) fn placed_columns(&self, width: usize) -> Vec<Placed> {
        columns::lay_out_with(self.columns(), self.scope, width, Some(self.sort().column))
    }

    /// Order of the table shown.
    pub(crate) fn sort(&self) -> Sort {
        self.sorts[self.screen().table()]
    }

    /// The figures of a row.
    pub(crate) fn row(&self, entry: Entry) -> Option<Row<'_>> {
        self.rows.row(&self.shown, entry)
    }

    /// The syscall on a detail screen; `None` where its process is gone.
    pub(crate) fn call(&self) -> Option<&CallRow> {
        let (Screen::Call(_, key) | Screen::OverTime(_, Some(key))) = self.screen() else { return None };
        self.rows.calls(&self.shown).iter().find(|call| call.call == key)
    }

    /// What of the past the screen needs.
    pub(crate) fn wanted(&self) -> Option<Wanted> {
        let (subject, call, columns) = match self.screen() {
            Screen::OverTime(subject, call) => (subject, call, over_time::cells(self.size.0)),
            Screen::Call(subject, call) => (subject, Some(call), call::map_cells(self.size.0)?),
            _ => return None,
        };
        let process = match subject {
            Subject::All => None,
            Subject::One(key, _) => Some(key.process()?),
        };
        Some(Wanted { selection: Selection { process, call }, columns })
    }

    /// The past that the screen needs, once it is there.
    pub(crate) fn over_time(&self) -> Option<&OverTime> {
        let wanted = self.wanted()?;
        self.over_time
            .as_deref()
            .filter(|over| over.wanted.selection == wanted.selection && !over.columns.is_empty())
    }

    /// Line of the table on which row `index` is: the heading of waiting rows takes a line too.
    pub(crate) fn line_of(&self, index: usize) -> usize {
        index + usize::from(index >= self.rows.waiting_from)
    }

    /// Takes news of the run. When it ended, rates are over and totals are what is left to read.
    pub(crate) fn set_run(&mut self, run: RunInfo) {
        let was_over = self.is_over();
        self.run = run;
        self.settle_scope(was_over);
    }

    /// Takes news of the axis. At the end of a complete run totals are what there is to read, as when a live
    /// run has ended; anywhere else it is what happens there.
    pub(crate) fn set_timeline(&mut self, timeline: Arc<Timeline>) {
        let was_over = self.is_over();
        self.timeline = Some(timeline);
        self.settle_scope(was_over);
        // It takes lines of the screen, more of them where there are marks, and while one looks back.
        self.keep_selection_visible();
    }

    /// Shows two spans compared: at once when they are new, and as they grow for as long as nobody closed them.
    pub(crate) fn set_versus(&mut self, versus: Option<Versus>) {
        let Some(Versus { serial, compared }) = versus else { return };
        match &mut self.comparison {
            Some(comparison) if serial == self.versus_shown => comparison.renew(compared),
            _ if serial > self.versus_shown => {
                self.versus_shown = serial;
                self.comparison = Some(compare::Model::new(compared, self.theme, self.size));
            }
            _ => {}
        }
    }

    fn settle_scope(&mut self, was_over: bool) {
        match (was_over, self.is_over()) {
            (false, true) => self.set_scope(Scope::Total),
            (true, false) => self.set_scope(Scope::Interval),
            _ => {}
        }
    }

    /// Whether nothing follows what is shown.
    pub(crate) fn is_over(&self) -> bool {
        match &self.timeline {
            Some(timeline) => timeline.is_at_end(),
            None => self.run.ended.is_some(),
        }
    }

    /// What is known of the trustworthiness of the figures, up to now.
    pub(crate) fn ledger(&self) -> &LedgerCounts {
        self.run.ledger_now.as_ref().unwrap_or(&self.shown.ledger)
    }

    /// The axis, where a moment of a run that goes on is shown that is not the newest.
    pub(crate) fn looking_back(&self) -> Option<&Timeline> {
        self.timeline
            .as_deref()
            .filter(|timeline| self.run.origin == Origin::Live && timeline.is_looking_back())
    }

    /// Follows the selected row, or no longer the one that is followed.
    pub(crate) fn toggle_follow(&mut self) {
        let selected = self.selected().map(|entry| entry.key);
        self.change_cursor(|cursor| {
            cursor.followed = if cursor.followed.is_some() { None } else { selected };
            cursor.selected = cursor.followed.or(cursor.selected);
        });
    }

    /// Changes the span of rates and counts; orders go on with the same figure.
    pub(crate) fn set_scope(&mut self, scope: Scope) {
        self.scope = scope;
        let has_baseline = self.shown.baseline.is_some();
        let tables = View::ALL.map(Screen::first_of);
        let threads = Screen::Threads(ProcessKey::default(), Comm::default());
        let uses = Screen::OnFile(Subject::All, FileKey::NoFile);
        for screen in tables.into_iter().filter(|screen| !screen.is_page()).chain([threads, uses]) {
            let sort = &mut self.sorts[screen.table()];
            sort.column = columns::counterpart(columns_of(screen, has_baseline), scope, sort.column);
        }
        self.refresh();
    }

    /// Changes the order of the table shown.
    pub(crate) fn set_sort(&mut self, sort: Sort) {
        self.sorts[self.screen().table()] = sort;
        self.refresh();
    }

    /// Changes the filter.
    pub(crate) fn set_filter(&mut self, text: &str) {
        self.filter = Filter::parse(text);
        self.refresh();
    }

    /// Shows the first screen of a view.
    pub(crate) fn show_view(&mut self, view: View) {
        self.view = view;
        self.opened = vec![Opened { screen: Screen::first_of(view), cursor: Cursor::default() }];
        self.refresh();
    }

    /// Shows what all calls are on, or whom they lead to.
    pub(crate) fn show_files(&mut self, by: OnBy) {
        self.on_by = by;
        self.show_view(View::Files);
    }

    /// Opens a screen from the one shown.
    pub(crate) fn open(&mut self, screen: Screen) {
        self.opened.push(Opened { screen, cursor: Cursor::default() });
        self.refresh();
    }

    /// Goes back to the screen before. Whether there was one.
    pub(crate) fn go_back(&mut self) -> bool {
        if self.opened.len() < 2 {
            return false;
        }
        self.opened.pop();
        self.refresh();
        true
    }

    /// The selected row.
    pub(crate) fn selected(&self) -> Option<Entry> {
        self.rows.entries.get(self.cursor().index).copied()
    }

    /// Selects row `index`, or the last; `follow` it when it moves, or stay on the first.
    pub(crate) fn select(&mut self, index: usize, follow: bool) {
        let index = index.min(self.rows.entries.len().saturating_sub(1));
        let selected = self.rows.entries.get(index).filter(|_| follow).map(|entry| entry.key);
        self.change_cursor(|cursor| (cursor.index, cursor.selected) = (index, selected));
        self.keep_selection_visible();
    }

    /// Changes the first line shown.
    pub(crate) fn scroll_to(&mut self, top: usize) {
        self.change_cursor(|cursor| cursor.top = top);
    }

    /// Selects a row that the user chose, which ends the following of another.
    pub(crate) fn choose(&mut self, index: usize, follow: bool) {
        self.change_cursor(|cursor| cursor.followed = None);
        self.select(index, follow);
    }

    fn change_cursor(&mut self, change: impl FnOnce(&mut Cursor)) {
        if let Some(opened) = self.opened.last_mut() {
            change(&mut opened.cursor);
        }
    }

    /// The last line that a page can begin with.
    pub(crate) fn last_top(&self) -> usize {
        match self.screen() {
            Screen::Health => {
                let height = layout::table_height(self) + 1;
                health::lines(self, usize::from(self.size.0)).len().saturating_sub(height)
            }
            Screen::OverTime(..) => 0,
            _ => self.call().map_or(0, |call| call.in_flight.len().saturating_sub(1)),
        }
    }

    /// Computes the rows again and finds the selected one among them.
    pub(crate) fn refresh(&mut self) {
        let choice = Choice {
            screen: self.screen(),
            sort: self.sort(),
            scope: self.scope,
            filter: &self.filter,
            on_by: self.on_by,
            show_waiting: self.shows_waiting(),
            tree: (self.tree.is_shown && self.screen() == Screen::Processes).then_some(&self.tree.folded),
        };
        self.rows = Rows::compute(&self.shown, &choice);
        if self.screen().is_page() {
            let last = self.last_top();
            self.change_cursor(|cursor| cursor.top = cursor.top.min(last));
            return;
        }
        let cursor = self.cursor();
        if let Some(followed) = cursor.followed {
            let found = self.rows.entries.iter().position(|entry| entry.key == followed);
            return self.select(found.unwrap_or(cursor.index), true);
        }
        let Some(selected) = cursor.selected else { return self.select(0, false) };
        match self.rows.entries.iter().position(|entry| entry.key == selected) {
            Some(index) => self.select(index, true),
            // The row is gone; the one that took its place is selected instead.
            None => self.select(cursor.index, true),
        }
    }

    /// Scrolls as little as possible so that the selected row is on the screen.
    pub(crate) fn keep_selection_visible(&mut self) {
        if self.screen().is_page() {
            return;
        }
        let (line, height) = (self.line_of(self.cursor().index), layout::table_height(self));
        self.change_cursor(|cursor| cursor.top = layout::scrolled(cursor.top, line, height));
    }
}
