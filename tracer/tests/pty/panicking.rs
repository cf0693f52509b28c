//! A screen in a program of which another thread panics, for the test of what becomes of the terminal.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracer::config::ScreenSettings;
use tracer::over_time::OverTime;
use tracer::run::RunInfo;
use tracer::snapshot::Snapshot;
use tracer::timeline::Timeline;
use tracer::tui::{self, Feed};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(1));
        panic!("as it was told to");
    });
    let (_snapshots, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let (_status, status) = watch::channel(RunInfo::default());
    let (_timelines, timelines) = watch::channel(Arc::new(Timeline::default()));
    let (_over_times, over_times) = watch::channel(Arc::new(OverTime::default()));
    let (_versus, versus) = watch::channel(None);
    let (controls, _asked) = mpsc::channel(1);
    match runtime.block_on(tui::run(
        Feed { snapshots, status, timelines, over_times, versus, controls },
        ScreenSettings::default(),
    )) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
