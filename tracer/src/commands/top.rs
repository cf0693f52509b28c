//! `tracer top`: attach, fold, show, until the target has ended or somebody says stop.

use std::io::{self, IsTerminal as _};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::aggregate::Aggregator;
use crate::bpf::loader::{Family, Kernel, Plan, object_sha256};
use crate::bpf::sys;
use crate::cli::exit_status;
use crate::commands::outlet::Outlet;
use crate::commands::target::{Found, watch_ends};
use crate::config::{FamilyChoice, Target, TopSettings, Tracing};
use crate::launch::{self, CapturedOutput, Streams};
use crate::run::{Meta, RunInfo};
use crate::snapshot::Snapshot;
use crate::source::live::{Live, Tick};
use crate::syscalls::filter::SyscallSet;
use crate::tui;

/// Intervals that may wait for us; beyond it they join into longer ones.
const QUEUE: usize = 4;

/// Requests of the screen's user that may wait for us.
const CONTROLS: usize = 16;

/// Runs until the end; the result is the exit status.
pub(super) fn run(settings: &TopSettings) -> Result<u8> {
    let screen = !settings.output.json
        && !settings.output.plain
        && settings.output.file.is_none()
        && io::stdout().is_terminal()
        && io::stdin().is_terminal();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Two, so that a terminal that does not read holds up the screen and nothing else.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    // Before anything of ours could write to it: a bad path is an error now and not after the run.
    let outlet = if screen { None } else { Some(Outlet::open(settings)?) };
    let streams = if screen { Streams::Capture } else { Streams::Inherit };
    let found = Found::find(&settings.tracing.target, streams)?;
    let session = Session::start(&settings.tracing, found)?;
    let outcome = runtime.block_on(session.follow(settings, outlet));
    // A thread that waits for a signal or a key must not keep us.
    runtime.shutdown_background();
    outcome
}

/// An attached run.
struct Session {
    live: Live,
    ticks: mpsc::Receiver<Tick>,
    meta: Meta,
    info: RunInfo,
    watched: Vec<u32>,
    command: Option<Command>,
}

/// The command we started.
struct Command {
    pid: u32,
    output: Option<CapturedOutput>,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Session {
    fn start(tracing: &Tracing, found: Found) -> Result<Self> {
        let label = found.label(&tracing.target);
        let plan = plan(tracing, &found);
        let mut kernel = Kernel::load(&plan)?;
        let start_ns = sys::monotonic_ns();
        found.attach(&mut kernel)?;
        let info = RunInfo {
            target: label,
            host: host_name(),
            filter: filter_words(tracing),
            family: kernel.family().name().to_owned(),
            notices: [found.notices(), notices(&kernel, tracing)].concat(),
            ..RunInfo::default()
        };
        let meta = Meta {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: info.host.clone(),
            kernel: kernel_release(),
            arch: std::env::consts::ARCH.to_owned(),
            boot_id: read_line("/proc/sys/kernel/random/boot_id"),
            cpus: std::thread::available_parallelism().map_or(0, |cpus| cpus.get() as u32),
            family: info.family.clone(),
            object: object_sha256().to_owned(),
            target: info.target.clone(),
            filter: info.filter.clone().unwrap_or_default(),
            command: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            args: tracing.args,
            interval_ns: tracing.interval.as_nanos() as u64,
            start_ns,
            start_unix_ns: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |now| now.as_nanos() as u64),
            notices: info.notices.clone(),
        };
        let (sender, ticks) = mpsc::channel(QUEUE);
        let live = Live::start(kernel, tracing.interval, start_ns, sender)
            .context("cannot start the drain thread")?;
        let watched = found.pids();
        let command = match found {
            Found::Command(held) => Some(Command::release(held)?),
            _ => None,
        };
        Ok(Self { live, ticks, meta, info, watched, command })
    }

    /// Shows what comes until the end.
    async fn follow(mut self, settings: &TopSettings, outlet: Option<Outlet>) -> Result<u8> {
        let mut target_end = watch_ends(&self.watched).context("cannot start a thread")?;
        let (snapshots, shown) = watch::channel(Arc::new(Snapshot::default()));
        let (infos, info_shown) = watch::channel(self.info.clone());
        let mut aggregator = Aggregator::new();
        let mut cost = OwnCost::new();
        let mut outlet = outlet;
        // Closed by its user, or by a signal; when the run ends by itself it stays, to be read.
        let (controls, _asked) = mpsc::channel(CONTROLS);
        let feed = tui::Feed { snapshots: shown, status: info_shown, timeline: None, controls };
        let mut screen = outlet.is_none().then(|| tokio::spawn(tui::run(feed)));
        let mut closed = None;
        if let Some(outlet) = &mut outlet
            && !reader_is_there(outlet.begin(&self.meta))?
        {
            self.live.stop();
        }
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let deadline = async {
            match settings.tracing.duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        let has_command = self.command.is_some();
        let mut status = None;
        let mut ending = false;
        loop {
            tokio::select! {
                biased;
                tick = self.ticks.recv() => {
                    let Some(tick) = tick else { break };
                    aggregator.merge(&tick.interval);
                    let snapshot = Arc::new(aggregator.snapshot());
                    self.info.ring_fill = tick.ring_fill;
                    self.info.own_cpu_percent = cost.percent();
                    self.info.notices.extend(tick.log.iter().cloned());
                    let written = match &mut outlet {
                        None => Ok(()),
                        Some(outlet) => outlet.tick(&tick, &snapshot, &self.info),
                    };
                    if !reader_is_there(written)? {
                        self.live.stop();
                        outlet = None;
                    }
                    if tick.last {
                        self.info.ended.get_or_insert_with(|| "stopped".to_owned());
                    }
                    infos.send_replace(self.info.clone());
                    snapshots.send_replace(snapshot);
                    if tick.last {
                        break;
                    }
                }
                ended = command_end(&mut self.command), if status.is_none() && has_command => {
                    status = Some(ended);
                    self.info.ended = Some("the command has ended".to_owned());
                    self.live.stop();
                    ending = true;
                }
                () = end_of(&mut target_end), if !ending => {
                    self.info.ended = Some("the target has ended".to_owned());
                    self.live.stop();
                    ending = true;
                }
                () = &mut deadline, if !ending => {
                    self.stop("the time is over", libc::SIGTERM);
                    ending = true;
                }
                _ = interrupt.recv(), if screen.is_none() => {
                    // From a terminal the command got it too, and decides for itself.
                    if !has_command {
                        self.stop("interrupted", libc::SIGINT);
                    }
                    ending |= !has_command;
                }
                _ = terminate.recv(), if screen.is_none() => {
                    self.stop("terminated", libc::SIGTERM);
                    ending = true;
                }
                _ = hangup.recv(), if screen.is_none() => {
                    self.stop("hung up", libc::SIGHUP);
                    ending = true;
                }
                exit = end_of_screen(&mut screen) => {
                    closed = Some(exit?);
                    screen = None;
                    self.stop("quit", libc::SIGTERM);
                    ending = true;
                }
            }
        }
        if screen.is_some() {
            closed = Some(end_of_screen(&mut screen).await?);
        }
        let _ = self.live.join();
        match (self.command, status) {
            (Some(command), status) => command.finish(status).await,
            (None, _) => Ok(match closed {
                Some(tui::Exit::Signal(number)) => 128 + number as u8,
                _ => 0,
            }),
        }
    }

    /// Ends the run: through its command when there is one, whose end then ends it.
    fn stop(&mut self, why: &str, signal: i32) {
        self.info.ended.get_or_insert_with(|| why.to_owned());
        match &self.command {
            Some(command) => sys::send_signal(command.pid, signal),
            None => self.live.stop(),
        }
    }
}

impl Command {
    fn release(held: launch::Held) -> Result<Self> {
        let pid = held.pid();
        let mut running = held.release()?;
        let (sender, ended) = oneshot::channel();
        let mut child = running.child;
        std::thread::Builder::new()
            .name("wait".to_owned())
            .spawn(move || sender.send(child.wait()))
            .context("cannot start a thread")?;
        Ok(Self { pid, output: running.output.take(), ended })
    }

    /// Its kept output, and its exit status as ours.
    async fn finish(self, status: Option<u8>) -> Result<u8> {
        let status = match status {
            Some(status) => status,
            None => exit_code(&self.ended.await),
        };
        if let Some(output) = &self.output {
            reader_is_there(output.copy_to(&mut io::stdout()).map(drop))?;
        }
        Ok(status)
    }
}

/// The exit status of the command as ours; never without a command.
async fn command_end(command: &mut Option<Command>) -> u8 {
    match command {
        Some(command) => exit_code(&(&mut command.ended).await),
        None => std::future::pending().await,
    }
}

/// A command that could not be waited for is an error of ours.
fn exit_code(ended: &Result<io::Result<ExitStatus>, oneshot::error::RecvError>) -> u8 {
    match ended {
        Ok(Ok(status)) => launch::exit_code(*status),
        _ => exit_status::RUN_TIME,
    }
}

/// Pending for ever when there is no screen.
async fn end_of_screen(screen: &mut Option<JoinHandle<io::Result<tui::Exit>>>) -> Result<tui::Exit> {
    match screen {
        Some(task) => task.await.context("the screen has failed")?.context("cannot draw the screen"),
        None => std::future::pending().await,
    }
}

/// Pending for ever when nobody is watched, or the watch has failed.
async fn end_of(watched: &mut Option<oneshot::Receiver<()>>) {
    let ended = match watched {
        Some(ended) => ended.await.is_ok(),
        None => false,
    };
    if !ended {
        std::future::pending::<()>().await;
    }
}

/// Whether whoever reads our output is still there; going away is no error (`| head`).
fn reader_is_there(written: io::Result<()>) -> Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write the results"),
    }
}

/// CPU time of our own process between two ticks.
struct OwnCost {
    cpu_ns: u64,
    at_ns: u64,
}

impl OwnCost {
    fn new() -> Self {
        Self { cpu_ns: sys::own_cpu_ns(), at_ns: sys::monotonic_ns() }
    }

    fn percent(&mut self) -> f64 {
        let now = Self::new();
        let share = (now.cpu_ns - self.cpu_ns) as f64 / (now.at_ns - self.at_ns).max(1) as f64;
        *self = now;
        share * 100.0
    }
}

fn plan(tracing: &Tracing, found: &Found) -> Plan {
    Plan {
        family: match tracing.family {
            FamilyChoice::Raw => Family::Raw,
            FamilyChoice::Classic => Family::Classic,
            FamilyChoice::Auto => Family::for_release(&kernel_release()),
        },
        whole_host: matches!(tracing.target, Target::WholeHost),
        only_pid: match found.pids()[..] {
            [pid] if !found.follows() => Some(pid),
            _ => None,
        },
        follow: found.follows(),
        comms: found.names().to_vec(),
        args: tracing.args,
        syscalls: tracing.filter.syscalls.as_ref().map(SyscallSet::bitmap),
        failed_only: tracing.filter.failed_only,
        slower_ns: tracing.filter.slower_ns,
        ring_bytes: tracing.ring_bytes,
    }
}

fn notices(kernel: &Kernel, tracing: &Tracing) -> Vec<String> {
    let mut notices = Vec::new();
    if !kernel.knows_compat() {
        notices.push(
            "this kernel has no type information (BTF): 32-bit calls are shown under 64-bit names".to_owned(),
        );
    }
    // Raw tracepoints before 6.1 have no guard that could skip a program.
    if kernel.family() == Family::Classic && !kernel.reports_misses() {
        notices.push(
            "this kernel does not say how often it skipped our programs; the ledger shows it as unexplained"
                .to_owned(),
        );
    }
    let safe = Family::for_release(&kernel_release());
    if tracing.family == FamilyChoice::Raw && safe == Family::Classic {
        notices.push(
            "this kernel can preempt raw tracepoint programs and then skips calls; --program-family classic \
             loses none"
                .to_owned(),
        );
    }
    notices
}

fn filter_words(tracing: &Tracing) -> Option<String> {
    let mut words = Vec::new();
    if let Some(set) = &tracing.filter.syscalls {
        words.push(set.to_string());
    }
    if tracing.filter.failed_only {
        words.push("failed only".to_owned());
    }
    if tracing.filter.slower_ns > 0 {
        words.push(format!("slower than {}", crate::human::duration(tracing.filter.slower_ns)));
    }
    (!words.is_empty()).then(|| words.join(", "))
}

fn kernel_release() -> String {
    read_line("/proc/sys/kernel/osrelease")
}

fn host_name() -> String {
    read_line("/proc/sys/kernel/hostname")
}

fn read_line(path: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
}
