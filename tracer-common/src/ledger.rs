//! The counters that must add up. Per CPU, only ever incremented, read by difference through a mapping.
//!
//! ```text
//! enter_seen = paired + no_return + died_in_flight + in_flight_now
//!            + start_insert_failed + overwritten + nr_mismatch
//! exit_seen  = paired + fork_child + denied_before_enter + in_flight_at_attach
//!            + nr_mismatch + untracked_exit + unexplained
//! paired + no_return + denied_before_enter + died_in_flight = streamed + spilled + lost + filtered_out
//! ```

/// One CPU's counters. The order is the wire order of [`Counter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Ledger {
    /// Indexed by [`Counter`].
    pub counters: [u64; COUNTERS],
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A reason to count. Used as index into [`Ledger::counters`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Counter { $($(#[doc = $doc])+ $variant,)+ }

        impl Counter {
            /// Every counter, in wire order.
            pub const ALL: [Self; COUNTERS] = [$(Self::$variant,)+];

            /// The name in tables, JSON and recordings.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        /// Number of counters.
        pub const COUNTERS: usize = [$($name,)+].len();
    };
}

counters! {
    /// Calls entered by a traced thread and wanted by the syscall filter.
    EnterSeen = "enter_seen",
    /// Exits of a traced thread from a wanted call.
    ExitSeen = "exit_seen",
    /// Enter and exit found each other.
    Paired = "paired",
    /// `exit` and `exit_group`: entered, never to return.
    NoReturn = "no_return",
    /// The thread ended inside the call.
    DiedInFlight = "died_in_flight",
    /// No slot could be had for the thread.
    StartInsertFailed = "start_insert_failed",
    /// A second enter arrived while a call was open: its exit was never shown to us.
    Overwritten = "overwritten",
    /// The exit carried another number than the enter (classic family only).
    NrMismatch = "nr_mismatch",
    /// A new task leaving the call that made it.
    ForkChild = "fork_child",
    /// Refused before the enter tracepoint, by seccomp.
    DeniedBeforeEnter = "denied_before_enter",
    /// Entered while the enter program was not attached: before the beginning, or in the moment at the end
    /// when it is detached already and the exit program is not.
    InFlightAtAttach = "in_flight_at_attach",
    /// The exit of a thread for which no slot could be had.
    UntrackedExit = "untracked_exit",
    /// An exit that none of the above explains. Zero unless the kernel skipped an enter.
    Unexplained = "unexplained",
    /// Records that went into a ring.
    Streamed = "streamed",
    /// Records folded into a spill cell because the ring was full: counted exactly, detail lost.
    Spilled = "spilled",
    /// Records for which neither ring nor spill cell had room.
    Lost = "lost",
    /// Records that `-x` or `--slower` did not want.
    FilteredOut = "filtered_out",
    /// News of processes that found the ring full; names may be missing, no call is.
    ProcessRecordsLost = "process_records_lost",
    /// Calls whose path or address was read.
    OperandsRead = "operands_read",
    /// Calls of which one could not be read: the memory was not there, or is not the program's.
    OperandsUnreadable = "operands_unreadable",
    /// Calls of which none was read because there was no room; the calls themselves are counted like any other.
    OperandsLost = "operands_lost",
    /// Slow calls whose stack was taken.
    StacksTaken = "stacks_taken",
    /// Slow calls whose stack the kernel did not give.
    StacksUnreadable = "stacks_unreadable",
    /// Slow calls whose stack was not taken because there was no room; the calls themselves are counted like any other.
    StacksLost = "stacks_lost",
}

impl Ledger {
    /// Counts one.
    #[inline(always)]
    pub fn count(&mut self, counter: Counter) {
        if let Some(value) = self.counters.get_mut(counter as usize) {
            *value += 1;
        }
    }
}
