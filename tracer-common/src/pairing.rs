//! The state machine of one thread: what an enter, an exit and the thread's end mean for its slot and for
//! the ledger. Pure, so that the property tests below run the code that runs in the kernel.

use crate::abi::Abi;
use crate::ledger::{Counter, Ledger};
use crate::outcome::{MAX_ERRNO, is_restart, makes_task, never_returns};
use crate::record::{FileRecord, kind};
use crate::slot::{Slot, open, verdict};

/// What an enter came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The filter does not want this call.
    Unwanted,
    /// The call is open; the caller adds arguments and time.
    Opened,
    /// The call will not come back; the caller adds arguments and time and sends the record.
    NeverReturns,
}

/// What an exit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exited {
    /// The record holds a whole call, to be sent.
    Paired,
    /// Nothing was open; the caller finds out ABI and number and asks [`exit_alone`].
    Alone,
    /// Nothing to send.
    Nothing,
}

/// The thread enters call `nr`.
#[inline(always)]
pub fn enter(slot: &mut Slot, ledger: &mut Ledger, abi: Abi, nr: i32, wanted: bool) -> Entered {
    if slot.open == open::OPEN {
        ledger.count(Counter::Overwritten);
    }
    if !wanted {
        slot.open = open::SKIPPED;
        return Entered::Unwanted;
    }
    ledger.count(Counter::EnterSeen);
    slot.record.nr = nr;
    slot.record.abi = abi as u8;
    if never_returns(abi, nr) {
        ledger.count(Counter::NoReturn);
        slot.open = open::CLOSED;
        slot.record.kind = kind::NO_RETURN;
        slot.record.latency_ns = 0;
        slot.record.ret = 0;
        return Entered::NeverReturns;
    }
    slot.open = open::OPEN;
    slot.record.kind = kind::CALL;
    Entered::Opened
}

/// The thread leaves a call with `ret` at `now_ns`. `nr` is the number at exit where the context holds it;
/// −1 there is `rt_sigreturn`, which has put the interrupted context in place of its own.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/signal_64.c#L84>
#[inline(always)]
pub fn exit(slot: &mut Slot, ledger: &mut Ledger, nr: Option<i32>, ret: i64, now_ns: u64) -> Exited {
    match slot.open {
        open::OPEN => {
            ledger.count(Counter::ExitSeen);
            slot.open = open::CLOSED;
            if matches!(nr, Some(nr) if nr != slot.record.nr && nr != -1) {
                ledger.count(Counter::NrMismatch);
                return Exited::Nothing;
            }
            ledger.count(Counter::Paired);
            slot.record.latency_ns = now_ns.saturating_sub(slot.record.enter_ns);
            slot.record.ret = ret;
            Exited::Paired
        }
        open::SKIPPED => {
            slot.open = open::CLOSED;
            Exited::Nothing
        }
        _ => Exited::Alone,
    }
}

/// What is known of an exit that closes nothing.
#[derive(Clone, Copy, Debug)]
pub struct LoneExit {
    /// Table.
    pub abi: Abi,
    /// Number.
    pub nr: i32,
    /// Return value.
    pub ret: i64,
    /// Whether the filter wants the call.
    pub wanted: bool,
    /// Whether both programs are attached everywhere. Exit is attached first; until enter is too, every
    /// call leaves without having been seen to enter.
    pub armed: bool,
}

/// An exit that closes nothing: a new task, a call that was under way when we came, or one that was
/// refused before its enter tracepoint. True when the record is to be sent.
#[inline(always)]
pub fn exit_alone(slot: &mut Slot, ledger: &mut Ledger, exit: LoneExit) -> bool {
    let LoneExit { abi, nr, ret, wanted, armed } = exit;
    let fresh = slot.open == open::FRESH || !armed;
    slot.open = if armed { open::CLOSED } else { open::FRESH };
    if !wanted {
        return false;
    }
    ledger.count(Counter::ExitSeen);
    if fresh {
        let is_child = ret == 0 && makes_task(abi, nr);
        ledger.count(if is_child { Counter::ForkChild } else { Counter::InFlightAtAttach });
        return false;
    }
    if !(-MAX_ERRNO..0).contains(&ret) || is_restart(-ret) {
        ledger.count(Counter::Unexplained);
        return false;
    }
    ledger.count(Counter::DeniedBeforeEnter);
    slot.record.kind = kind::DENIED;
    slot.record.abi = abi as u8;
    slot.record.nr = nr;
    slot.record.enter_ns = 0;
    slot.record.latency_ns = 0;
    slot.record.ret = ret;
    slot.record.args = [0; 6];
    slot.record.file = FileRecord::default();
    true
}

/// The thread ends. True when it was inside a call, whose record is to be sent.
#[inline(always)]
pub fn end(slot: &mut Slot, ledger: &mut Ledger) -> bool {
    let traced = matches!(slot.verdict, verdict::TRACE | verdict::LEAVING);
    if !traced || slot.open != open::OPEN {
        return false;
    }
    slot.open = open::CLOSED;
    ledger.count(Counter::DiedInFlight);
    slot.record.kind = kind::DIED;
    slot.record.latency_ns = 0;
    slot.record.ret = 0;
    true
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use Counter::{
        DeniedBeforeEnter, DiedInFlight, EnterSeen, ExitSeen, ForkChild, InFlightAtAttach, NoReturn,
        NrMismatch, Overwritten, Paired, Unexplained,
    };
    use proptest::prelude::*;
    use std::vec::Vec;

    /// What can happen to a thread, in any order the kernel may show it, skipped events included.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Enter { nr: i32, wanted: bool },
        Exit { nr: Option<i32>, ret: i64 },
        End,
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let nr = prop_oneof![4 => 0i32..6, 1 => Just(-1), 1 => Just(60), 1 => Just(231), 1 => Just(56), 1 => Just(15)];
        let ret = prop_oneof![3 => Just(0i64), 2 => Just(-13i64), 1 => Just(-512i64), 1 => any::<i64>()];
        prop_oneof![
            5 => (nr.clone(), prop_oneof![5 => Just(true), 1 => Just(false)])
                .prop_map(|(nr, wanted)| Event::Enter { nr, wanted }),
            5 => (proptest::option::of(nr), ret).prop_map(|(nr, ret)| Event::Exit { nr, ret }),
            1 => Just(Event::End),
        ]
    }

    fn fresh_slot() -> Slot {
        Slot { verdict: verdict::TRACE, open: open::FRESH, ..Slot::default() }
    }

    fn sum(ledger: &Ledger, counters: &[Counter]) -> u64 {
        counters.iter().map(|&counter| ledger.counters[counter as usize]).sum()
    }

    proptest! {
        /// Both identities hold after every step of every interleaving of up to 16 threads, and no latency
        /// is longer than the time since that thread's last enter.
        #[test]
        fn every_interleaving_balances(events in proptest::collection::vec((0usize..16, any_event()), 0..400)) {
            let mut slots = [fresh_slot(); 16];
            let mut entered_ns = [0u64; 16];
            let mut ledger = Ledger::default();
            let mut sent = Vec::new();
            for (step, &(thread, event)) in events.iter().enumerate() {
                let now_ns = step as u64 * 10 + 10;
                let slot = &mut slots[thread];
                match event {
                    Event::Enter { nr, wanted } => match enter(slot, &mut ledger, Abi::X86_64, nr, wanted) {
                        Entered::Unwanted => {}
                        Entered::Opened => {
                            slot.record.enter_ns = now_ns;
                            entered_ns[thread] = now_ns;
                        }
                        Entered::NeverReturns => sent.push(slot.record),
                    },
                    Event::Exit { nr, ret } => match exit(slot, &mut ledger, nr, ret, now_ns) {
                        Exited::Paired => {
                            prop_assert_eq!(slot.record.latency_ns, now_ns - entered_ns[thread]);
                            prop_assert_eq!(slot.record.ret, ret);
                            sent.push(slot.record);
                        }
                        Exited::Alone => {
                            let lone = LoneExit { abi: Abi::X86_64, nr: nr.unwrap_or(0), ret, wanted: true, armed: step > 40 };
                            if exit_alone(slot, &mut ledger, lone) {
                                prop_assert_eq!(slot.record.latency_ns, 0);
                                sent.push(slot.record);
                            }
                        }
                        Exited::Nothing => {}
                    },
                    Event::End => {
                        if end(slot, &mut ledger) {
                            sent.push(slot.record);
                        }
                        *slot = fresh_slot();
                    }
                }
                let open_now = slots.iter().filter(|slot| slot.open == open::OPEN).count() as u64;
                prop_assert_eq!(
                    sum(&ledger, &[EnterSeen]),
                    sum(&ledger, &[Paired, NoReturn, DiedInFlight, Overwritten, NrMismatch]) + open_now
                );
                prop_assert_eq!(
                    sum(&ledger, &[ExitSeen]),
                    sum(&ledger, &[Paired, ForkChild, DeniedBeforeEnter, InFlightAtAttach, NrMismatch, Unexplained])
                );
                prop_assert_eq!(
                    sent.len() as u64,
                    sum(&ledger, &[Paired, NoReturn, DeniedBeforeEnter, DiedInFlight])
                );
            }
        }
    }

    #[test]
    fn a_denied_call_never_gets_a_latency_from_the_call_before_it() {
        let (mut slot, mut ledger) = (fresh_slot(), Ledger::default());
        enter(&mut slot, &mut ledger, Abi::X86_64, 0, true);
        slot.record.enter_ns = 100;
        assert_eq!(exit(&mut slot, &mut ledger, None, 5, 150), Exited::Paired);
        assert_eq!(exit(&mut slot, &mut ledger, None, -13, 900_000), Exited::Alone);
        let lone = LoneExit { abi: Abi::X86_64, nr: 110, ret: -13, wanted: true, armed: true };
        assert!(exit_alone(&mut slot, &mut ledger, lone));
        assert_eq!((slot.record.kind, slot.record.nr, slot.record.latency_ns), (kind::DENIED, 110, 0));
    }

    #[test]
    fn until_enter_is_attached_every_exit_was_under_way() {
        let (mut slot, mut ledger) = (fresh_slot(), Ledger::default());
        let lone = LoneExit { abi: Abi::X86_64, nr: 0, ret: -13, wanted: true, armed: false };
        for _ in 0..3 {
            assert_eq!(exit(&mut slot, &mut ledger, None, -13, 10), Exited::Alone);
            assert!(!exit_alone(&mut slot, &mut ledger, lone));
        }
        // Entered in the gap, left after it.
        assert!(!exit_alone(&mut slot, &mut ledger, LoneExit { armed: true, ..lone }));
        assert_eq!(sum(&ledger, &[InFlightAtAttach]), 4);
        assert!(exit_alone(&mut slot, &mut ledger, LoneExit { armed: true, ..lone }), "now it was refused");
    }

    #[test]
    fn a_restart_code_is_no_refusal() {
        let (mut slot, mut ledger) = (fresh_slot(), Ledger::default());
        slot.open = open::CLOSED;
        let lone = LoneExit { abi: Abi::X86_64, nr: 202, ret: -512, wanted: true, armed: true };
        assert!(!exit_alone(&mut slot, &mut ledger, lone));
        assert_eq!(sum(&ledger, &[Unexplained]), 1);
    }

    #[test]
    fn sigreturn_leaves_with_another_number_and_is_still_a_pair() {
        let (mut slot, mut ledger) = (fresh_slot(), Ledger::default());
        enter(&mut slot, &mut ledger, Abi::X86_64, 15, true);
        assert_eq!(exit(&mut slot, &mut ledger, Some(-1), -4, 10), Exited::Paired);
        assert_eq!(slot.record.nr, 15);
    }
}
