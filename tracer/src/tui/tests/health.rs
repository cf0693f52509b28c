//! The view of health: what it says when all is well, when it is not, and of a recording.

use super::*;

fn health(mut model: Model) -> Model {
    send(&mut model, Command::View(View::Health));
    model
}

fn run_of_a_machine() -> RunInfo {
    RunInfo {
        family_why: "the cheaper kind, and this kernel does not preempt them".to_owned(),
        machine: "kernel 6.12.30, x86_64, 8 CPUs, tracer 0.1.0".to_owned(),
        ring_peak: 0.41,
        own_rss_bytes: Some(23_100_000),
        drain_ns_per_record: Some(37.6),
        ..fixture::run()
    }
}

#[test]
fn all_is_well() {
    let mut model = incident();
    update(&mut model, Message::Run(run_of_a_machine()));
    assert_screens("health", &health(model));
}

#[test]
fn everything_is_wrong() {
    let mut snapshot = fixture::incident();
    for (at, counter) in Counter::ALL.into_iter().enumerate() {
        snapshot.ledger.kernel[counter as usize] += 1_000 * (at as u64 + 1);
    }
    snapshot.ledger.missed_enter = 12;
    let mut model = model_of(snapshot);
    let notices = vec!["32-bit calls cannot be told apart here \x1b[2J".to_owned()];
    update(&mut model, Message::Run(RunInfo { notices, ..run_of_a_machine() }));
    assert_screens("health_of_a_bad_run", &health(model));
}

#[test]
fn of_a_recording_it_says_what_the_recording_says() {
    let mut model = replay(62, Motion::Paused);
    let run = RunInfo { origin: Origin::Replay, family_why: String::new(), ..run_of_a_machine() };
    update(&mut model, Message::Run(run));
    let text = screen(&health(model), 80, 24);
    assert!(text.contains("recorded on kernel 6.12.30"), "{text}");
    assert!(!text.contains("of memory") && !text.contains("R starts one"), "{text}");
}

#[test]
fn an_account_that_does_not_add_up_is_excused_while_it_runs_and_not_at_the_end() {
    let mut snapshot = fixture::incident();
    snapshot.ledger.kernel[Counter::ExitSeen as usize] = 3;
    let mut model = health(model_of(snapshot));
    assert!(screen(&model, 80, 50).contains("apart while it runs"));
    update(&mut model, Message::Run(RunInfo { ended: Some("quit".to_owned()), ..fixture::run() }));
    assert!(screen(&model, 80, 50).contains("The account does not add up: exit_seen ="));
}

#[test]
fn it_scrolls_to_its_last_line_and_no_further() {
    let mut model = health(incident());
    update(&mut model, Message::Resize(60, 15));
    send(&mut model, Command::Bottom);
    let text = screen(&model, 60, 15);
    assert!(text.contains("skipped by the kernel"), "{text}");
    send(&mut model, Command::Move(1));
    assert_eq!(screen(&model, 60, 15), text);
}
