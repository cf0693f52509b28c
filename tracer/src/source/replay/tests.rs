//! A player driven by hand: no clock, no runtime, every request answered before the next.

use proptest::prelude::*;

use super::*;
use crate::aggregate::Aggregator;
use crate::interval::tests::any_interval;
use crate::recording::tests::fixture::interval_as_recorded;
use crate::recording::{self, Kind, Writer};
use crate::source::tape::Input;
use crate::timeline::Motion;

const SECOND: u64 = 1_000_000_000;

struct Shown {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    status: watch::Receiver<RunInfo>,
    timelines: watch::Receiver<Arc<Timeline>>,
}

fn recording_of(run: &[Interval], marks: &[(u64, &str)]) -> Vec<u8> {
    let meta = Meta {
        args: true,
        stacks: true,
        start_ns: 1,
        start_unix_ns: 1_700_000_000 * SECOND,
        ..Meta::default()
    };
    let mut writer = Writer::new(Vec::new(), &meta, Kind::Intervals).expect("a vector takes everything");
    let mut marks = marks.iter().peekable();
    for interval in run {
        while let Some((time_ns, text)) = marks.next_if(|mark| mark.0 <= interval.end_ns) {
            let mark = recording::Mark { time_ns: *time_ns, text: (*text).to_owned() };
            writer.mark(&mark).expect("a vector takes everything");
        }
        writer.interval(interval).expect("a vector takes everything");
    }
    writer.finish().expect("a vector takes everything")
}

fn player_of(input: Input, limits: Limits) -> (Player, Shown) {
    let (snapshots, snapshots_shown) = watch::channel(Arc::default());
    let (status, status_shown) = watch::channel(RunInfo::default());
    let (timelines, timelines_shown) = watch::channel(Arc::default());
    let tape = Tape::open(vec![input]).expect("a recording");
    let over_times = watch::Sender::new(Arc::default());
    let versus = watch::Sender::new(None);
    let outputs = Outputs { snapshots, status, timelines, over_times, versus };
    let player = Player::new(tape, limits, outputs).expect("a thread");
    (player, Shown { snapshots: snapshots_shown, status: status_shown, timelines: timelines_shown })
}

fn file(bytes: Vec<u8>) -> Input {
    Input::Bytes(Vec::leak(bytes))
}

fn pipe(bytes: Vec<u8>) -> Input {
    Input::Pipe(Box::new(io::Cursor::new(bytes)))
}

impl Player {
    /// Reads as long as it has a reason to.
    fn settle(&mut self) {
        while self.wants_more() {
            let fed = self.fed.blocking_recv();
            self.take(fed);
        }
        self.publish();
    }

    fn ask(&mut self, transport: Transport) {
        self.obey(transport);
        self.settle();
    }
}

fn seconds(count: u64) -> Vec<Interval> {
    (0..count)
        .map(|second| Interval {
            start_ns: second * SECOND + 1,
            end_ns: (second + 1) * SECOND,
            ..Interval::default()
        })
        .collect()
}

#[test]
fn a_file_opens_at_its_end_with_everything_known() {
    let bytes = recording_of(&seconds(30), &[(10 * SECOND, "a"), (20 * SECOND, "b")]);
    let (mut player, shown) = player_of(file(bytes), Limits::default());
    player.publish();
    assert!(matches!(shown.timelines.borrow().motion, Motion::Seeking(_)), "reading is shown as such");
    player.settle();
    let timeline = Arc::clone(&shown.timelines.borrow());
    assert!(timeline.is_at_end() && timeline.motion == Motion::Paused);
    assert_eq!((timeline.position_ns, timeline.end_ns), (30 * SECOND, 30 * SECOND));
    assert_eq!(timeline.marks.len(), 2);
    assert_eq!(shown.snapshots.borrow().generation, 30);
    assert_eq!(shown.status.borrow().notices, Vec::<String>::new());
    assert_eq!(shown.status.borrow().origin, Origin::Replay);
}

#[test]
fn a_selection_over_time_goes_as_far_as_the_moment_shown() {
    let (mut player, _) = player_of(file(recording_of(&seconds(30), &[])), Limits::default());
    player.settle();
    player.playback.watch(Some(Wanted { columns: 100, ..Wanted::default() }));
    for count in [30, 12, 13] {
        player.ask(Transport::Seek(count * SECOND));
        let over_time = Arc::clone(&player.out.over_times.borrow());
        assert_eq!((over_time.columns.len() as u64, over_time.end_ns), (count, count * SECOND));
    }
}

#[test]
fn going_back_beyond_what_is_kept_reads_from_the_start_and_learns_nothing_twice() {
    let bytes = recording_of(&seconds(100), &[(10 * SECOND, "a")]);
    let limits = Limits { span_ns: 5 * SECOND, ..Limits::default() };
    let (mut player, shown) = player_of(file(bytes), limits);
    player.settle();
    let learned = shown.timelines.borrow().rates.clone();
    player.obey(Transport::Seek(40 * SECOND));
    let motion = shown.timelines.borrow().motion;
    assert!(matches!(motion, Motion::Seeking(_)), "{motion:?}");
    assert_eq!(shown.snapshots.borrow().generation, 100, "what is shown stays until the way is done");
    player.settle();
    assert_eq!(shown.snapshots.borrow().generation, 40);
    player.ask(Transport::Step(-20));
    assert_eq!(shown.snapshots.borrow().generation, 20);
    player.ask(Transport::Step(30));
    assert_eq!(shown.timelines.borrow().position_ns, 50 * SECOND);
    player.ask(Transport::Step(-1000));
    assert_eq!(shown.snapshots.borrow().generation, 1, "the first interval is the earliest there is");
    player.ask(Transport::ToMark(1));
    assert_eq!(shown.timelines.borrow().position_ns, 10 * SECOND);
    player.ask(Transport::SeekEnd);
    let timeline = shown.timelines.borrow();
    assert_eq!((&timeline.rates, timeline.marks.len()), (&learned, 1));
    assert!(timeline.is_at_end());
}

#[test]
fn a_pipe_is_followed_and_goes_back_as_far_as_it_is_kept() {
    let limits = Limits { span_ns: 10 * SECOND, ..Limits::default() };
    let (mut player, shown) = player_of(pipe(recording_of(&seconds(60), &[])), limits);
    player.publish();
    assert_eq!(shown.timelines.borrow().motion, Motion::Following);
    player.settle();
    assert!(shown.timelines.borrow().is_at_end());
    player.ask(Transport::Seek(0));
    assert_eq!(shown.timelines.borrow().position_ns, 50 * SECOND);
    assert_eq!(shown.timelines.borrow().reach_ns, 50 * SECOND);
    player.ask(Transport::Step(-5));
    assert_eq!(shown.snapshots.borrow().generation, 50);
}

#[test]
fn a_pipe_is_emptied_while_one_looks_back() {
    let limits = Limits::default();
    let (mut player, shown) = player_of(pipe(recording_of(&seconds(60), &[])), limits);
    for _ in 0..20 {
        let fed = player.fed.blocking_recv();
        player.take(fed);
    }
    player.obey(Transport::Seek(5 * SECOND));
    assert_eq!(shown.timelines.borrow().motion, Motion::Paused);
    player.settle();
    assert_eq!(shown.timelines.borrow().end_ns, 60 * SECOND);
    assert_eq!(shown.timelines.borrow().position_ns, 5 * SECOND, "news do not move who looks back");
}

#[test]
fn time_passes_at_its_speed_and_stops_at_the_end() {
    let (mut player, shown) = player_of(file(recording_of(&seconds(30), &[])), Limits::default());
    player.settle();
    player.ask(Transport::TogglePlay);
    assert_eq!(shown.timelines.borrow().position_ns, SECOND, "from the end it starts over");
    assert_eq!(shown.timelines.borrow().motion, Motion::Playing);
    player.playback.tick((Instant::now() + Duration::from_secs(4)).into_std(), true);
    player.publish();
    let position_ns = shown.timelines.borrow().position_ns;
    assert!((5 * SECOND..6 * SECOND).contains(&position_ns), "{position_ns}");
    assert_eq!(shown.snapshots.borrow().generation, 5);
    player.ask(Transport::Faster(10));
    player.playback.tick((Instant::now() + Duration::from_secs(4)).into_std(), true);
    player.publish();
    assert!(shown.timelines.borrow().is_at_end());
}

#[test]
fn an_unclean_end_is_said_once_and_first() {
    let mut bytes = recording_of(&seconds(30), &[]);
    bytes.truncate(bytes.len() - 8);
    let (mut player, shown) = player_of(file(bytes), Limits::default());
    player.settle();
    player.ask(Transport::Seek(0));
    player.ask(Transport::SeekEnd);
    let notices = shown.status.borrow().notices.clone();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].starts_with("ENDED UNCLEANLY"), "{notices:?}");
}

#[test]
fn segments_of_one_run_play_as_one_and_those_of_two_hosts_do_not() {
    let run = seconds(20);
    let part = |from: usize, to: usize, host: &str| {
        let meta = Meta {
            args: true,
            stacks: true,
            host: host.to_owned(),
            start_ns: run[from].start_ns,
            ..Meta::default()
        };
        let mut writer = Writer::new(Vec::new(), &meta, Kind::Intervals).expect("a vector takes everything");
        for interval in &run[from..to] {
            writer.interval(interval).expect("a vector takes everything");
        }
        file(writer.finish().expect("a vector takes everything"))
    };
    let mut tape = Tape::open(vec![part(10, 20, "a"), part(0, 10, "a")]).expect("one run");
    let mut fed = tape.play().expect("a thread");
    let mut ends = Vec::new();
    while let Some(Fed::Interval(interval, _)) = fed.blocking_recv() {
        ends.push(interval.end_ns / SECOND);
    }
    assert_eq!(ends, (1..=20).collect::<Vec<_>>());
    assert!(Tape::open(vec![part(0, 10, "a"), part(10, 20, "b")]).is_err());
}

fn any_request() -> impl Strategy<Value = Transport> {
    prop_oneof![
        4 => (0u64..26_000).prop_map(Transport::Seek),
        3 => (-12i32..12).prop_map(Transport::Step),
        1 => Just(Transport::SeekEnd),
        2 => Just(Transport::TogglePlay),
        1 => Just(Transport::TogglePause),
        1 => any::<i8>().prop_map(Transport::Faster),
        1 => any::<i8>().prop_map(Transport::ToMark),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn wherever_one_went_the_end_is_that_of_folding_straight_through(
        run in (1usize..24).prop_flat_map(|len| (0..len as u64).map(any_interval).collect::<Vec<_>>()),
        requests in proptest::collection::vec((any_request(), any::<bool>()), 0..12),
        span_ns in 500u64..30_000, is_pipe in any::<bool>(),
    ) {
        let run: Vec<_> = run.into_iter().map(|interval| interval_as_recorded(interval, false)).collect();
        let bytes = recording_of(&run, &[]);
        let input = if is_pipe { pipe(bytes) } else { file(bytes) };
        let (mut player, shown) = player_of(input, Limits { span_ns, ..Limits::default() });
        for (request, settles) in requests {
            player.obey(request);
            if settles {
                player.settle();
                let count = player.playback.count();
                let mut straight = Aggregator::new();
                for interval in &run[..count as usize] {
                    straight.merge(interval);
                }
                prop_assert_eq!(&**shown.snapshots.borrow(), &straight.snapshot());
            }
        }
        player.ask(Transport::SeekEnd);
        let mut straight = Aggregator::new();
        for interval in &run {
            straight.merge(interval);
        }
        prop_assert_eq!(&**shown.snapshots.borrow(), &straight.snapshot());
        prop_assert!(shown.timelines.borrow().is_at_end());
    }
}
