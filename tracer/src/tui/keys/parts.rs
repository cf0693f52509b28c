//! What bindings are made of: keys, and where they mean something.

use crossterm::event::{KeyCode, KeyModifiers};

use super::{Key, Mode};
use crate::run::Origin;

pub(super) const fn key(code: KeyCode) -> Key {
    Key { code, modifiers: KeyModifiers::NONE }
}

pub(super) const fn char(character: char) -> Key {
    key(KeyCode::Char(character))
}

pub(super) const fn ctrl(character: char) -> Key {
    Key { code: KeyCode::Char(character), modifiers: KeyModifiers::CONTROL }
}

pub(super) const ANYWHERE: &[Mode] =
    &[Mode::Table, Mode::Detail, Mode::Filter, Mode::Jump, Mode::SortMenu, Mode::SaveMenu, Mode::Help];
pub(super) const SCREENS: &[Mode] = &[Mode::Table, Mode::Detail];
pub(super) const TABLE: &[Mode] = &[Mode::Table];
pub(super) const LISTS: &[Mode] = &[Mode::Table, Mode::Detail, Mode::SortMenu, Mode::SaveMenu, Mode::Help];
pub(super) const MENUS: &[Mode] = &[Mode::SortMenu, Mode::SaveMenu, Mode::Help];
pub(super) const FILTER: &[Mode] = &[Mode::Filter];
pub(super) const JUMP: &[Mode] = &[Mode::Jump];
/// Where characters are typed.
pub(crate) const TYPING: &[Mode] = &[Mode::Filter, Mode::Jump];

/// Of whatever origin.
pub(super) const EVERY: &[Origin] = &[Origin::Live, Origin::Replay];
pub(super) const LIVE: &[Origin] = &[Origin::Live];
pub(super) const REPLAY: &[Origin] = &[Origin::Replay];
