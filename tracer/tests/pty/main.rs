//! The real binary in a real terminal: what it shows, what its keys do, how it leaves the terminal. Needs no
//! privilege.

mod keys;
mod leaving;
mod recorded;
mod replay;
mod terminal;
