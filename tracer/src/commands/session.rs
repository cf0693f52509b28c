//! A run from attaching to its end, whoever looks at it: what it is, what ends it, and what its command
//! exits with.

use std::future::{self, Future};
use std::io;
use std::pin::Pin;
use std::process::ExitStatus;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::target::{Found, watch_cgroups, watch_ends};
use crate::bpf::loader::{Family, Kernel, Plan, object_sha256};
use crate::bpf::sys;
use crate::cli::exit_status;
use crate::config::{FamilyChoice, Target, Tracing};
use crate::launch::{self, CapturedOutput};
use crate::run::{Meta, RunInfo};
use crate::source::live::{Live, Present, Tick};
use crate::syscalls::filter::SyscallSet;
use crate::tap::Tap;

/// Intervals that may wait for us; beyond it they join into longer ones.
const QUEUE: usize = 4;

/// What a session runs in.
pub(super) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        // Two, so that a terminal that does not read holds up the screen and nothing else.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Programs that are attached and not read yet.
pub(super) struct Attached {
    kernel: Kernel,
    found: Found,
    present: Vec<u32>,
    /// What the run is.
    pub(super) meta: Meta,
    /// What its header says.
    pub(super) info: RunInfo,
}

impl Attached {
    /// Loads and attaches. A command is still held.
    pub(super) fn attach(tracing: &Tracing, found: Found) -> Result<Self> {
        let plan = plan(tracing, &found);
        let mut kernel = Kernel::load(&plan)?;
        let start_ns = sys::monotonic_ns();
        let present = found.attach(&mut kernel)?;
        let mut info = RunInfo {
            target: found.label(&tracing.target),
            host: host_name(),
            filter: filter_words(tracing),
            args: tracing.args,
            family: kernel.family().name().to_owned(),
            family_why: kernel
                .family()
                .why(&kernel_release(), tracing.family != FamilyChoice::Auto)
                .to_owned(),
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
            stacks: kernel.takes_stacks(),
            interval_ns: tracing.interval.as_nanos() as u64,
            start_ns,
            start_unix_ns: unix_ns(),
            is_part: false,
            notices: info.notices.clone(),
        };
        info.machine = meta.machine();
        Ok(Self { kernel, found, present, meta, info })
    }

    /// Starts draining, into `tap` too, and lets the command go. Call within the runtime.
    pub(super) fn start(self, tracing: &Tracing, tap: Option<Tap>) -> Result<Session> {
        let (sender, ticks) = mpsc::channel(QUEUE);
        let present = Present {
            pids: self.present,
            is_everybody: matches!(self.found, Found::WholeHost),
            filter: tracing.filter.syscalls.clone(),
        };
        let live = Live::start(self.kernel, present, tracing.interval, self.meta.start_ns, sender, tap)
            .context("cannot start the drain thread")?;
        watch_cgroups(self.found.cgroups().to_vec(), live.cgroup_setter())
            .context("cannot start a thread")?;
        let watched = self.found.pids();
        let command = match self.found {
            Found::Command(held) => Some(Command::release(held)?),
            _ => None,
        };
        Ok(Session {
            live,
            info: self.info,
            ticks,
            cost: OwnCost::new(),
            command,
            status: None,
            target_end: watch_ends(&watched).context("cannot start a thread")?,
            deadline: match tracing.duration {
                Some(duration) => Box::pin(tokio::time::sleep(duration)),
                None => Box::pin(future::pending()),
            },
            signals: Signals::new()?,
            ending: false,
        })
    }
}

/// A run that goes on.
pub(super) struct Session {
    /// The drain thread.
    pub(super) live: Live,
    /// What its header says.
    pub(super) info: RunInfo,
    ticks: mpsc::Receiver<Tick>,
    cost: OwnCost,
    command: Option<Command>,
    /// The command's exit status, once it has ended.
    status: Option<u8>,
    target_end: Option<oneshot::Receiver<()>>,
    deadline: Pin<Box<dyn Future<Output = ()> + Send>>,
    signals: Signals,
    ending: bool,
}

/// What happens in a run.
pub(super) enum News {
    /// An interval is over.
    Tick(Box<Tick>),
    /// `SIGUSR1` came.
    MarkAsked,
}

impl Session {
    /// What happens next; `None` after the last interval. Whatever should end the run ends it. With
    /// `has_screen` the signals that do are left to the screen, which then closes. May be dropped while it
    /// waits.
    pub(super) async fn next(&mut self, has_screen: bool) -> Option<News> {
        let has_command = self.command.is_some();
        loop {
            tokio::select! {
                biased;
                tick = self.ticks.recv() => {
                    let tick = tick?;
                    self.info.ring_fill = tick.ring_fill;
                    self.info.ring_peak = self.info.ring_peak.max(tick.ring_fill);
                    self.info.drain_ns_per_record = tick.drained.ns_per_record();
                    self.info.own_cpu_percent = self.cost.percent();
                    self.info.own_rss_bytes = own_rss_bytes();
                    self.info.notices.extend(tick.log.iter().cloned());
                    if tick.last {
                        self.info.ended.get_or_insert_with(|| "stopped".to_owned());
                    }
                    return Some(News::Tick(Box::new(tick)));
                }
                ended = command_end(&mut self.command), if has_command && self.status.is_none() => {
                    self.status = Some(ended);
                    self.info.ended.get_or_insert_with(|| "the command has ended".to_owned());
                    self.live.stop();
                    self.ending = true;
                }
                () = end_of(&mut self.target_end), if !self.ending => {
                    self.info.ended = Some("the target has ended".to_owned());
                    self.live.stop();
                    self.ending = true;
                }
                () = &mut self.deadline, if !self.ending => self.stop("the time is over", libc::SIGTERM),
                _ = self.signals.mark.recv() => return Some(News::MarkAsked),
                // From a terminal the command got it too, and decides for itself.
                _ = self.signals.interrupt.recv(), if !has_screen => if !has_command {
                    self.stop("interrupted", libc::SIGINT);
                },
                _ = self.signals.terminate.recv(), if !has_screen => self.stop("terminated", libc::SIGTERM),
                _ = self.signals.hangup.recv(), if !has_screen => self.stop("hung up", libc::SIGHUP),
            }
        }
    }

    /// Ends the run: through its command when there is one, whose end then ends it.
    pub(super) fn stop(&mut self, why: &str, signal: i32) {
        self.info.ended.get_or_insert_with(|| why.to_owned());
        self.ending = true;
        match &self.command {
            Some(command) => sys::send_signal(command.pid, signal),
            None => self.live.stop(),
        }
    }

    /// Ends the tracing; a command goes on untraced.
    pub(super) fn let_go(&mut self, why: &str) {
        self.info.ended.get_or_insert_with(|| why.to_owned());
        self.ending = true;
        self.live.stop();
    }

    /// Waits for the command, whose kept output is printed now; the result is its exit status, `None` without
    /// a command.
    pub(super) async fn finish(mut self) -> Result<Option<u8>> {
        let _ = self.live.join();
        let Some(command) = &mut self.command else { return Ok(None) };
        while self.status.is_none() {
            tokio::select! {
                ended = &mut command.ended => self.status = Some(exit_code(&ended)),
                _ = self.signals.terminate.recv() => sys::send_signal(command.pid, libc::SIGTERM),
                _ = self.signals.hangup.recv() => sys::send_signal(command.pid, libc::SIGHUP),
            }
        }
        if let Some(output) = &command.output {
            reader_is_there(output.copy_to(&mut io::stdout()).map(drop))?;
        }
        Ok(self.status)
    }
}

/// The signals that mean something to a run.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    mark: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            mark: signal(SignalKind::user_defined1())?,
        })
    }
}

/// The command we started.
struct Command {
    pid: u32,
    output: Option<CapturedOutput>,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
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
}

/// The exit status of the command as ours; never without a command.
async fn command_end(command: &mut Option<Command>) -> u8 {
    match command {
        Some(command) => exit_code(&(&mut command.ended).await),
        None => future::pending().await,
    }
}

/// A command that could not be waited for is an error of ours.
fn exit_code(ended: &Result<io::Result<ExitStatus>, oneshot::error::RecvError>) -> u8 {
    match ended {
        Ok(Ok(status)) => launch::exit_code(*status),
        _ => exit_status::RUN_TIME,
    }
}

/// Pending for ever when nobody is watched, or the watch has failed.
async fn end_of(watched: &mut Option<oneshot::Receiver<()>>) {
    let ended = match watched {
        Some(ended) => ended.await.is_ok(),
        None => false,
    };
    if !ended {
        future::pending::<()>().await;
    }
}

/// Whether whoever reads our output is still there; going away is no error (`| head`).
pub(super) fn reader_is_there(written: io::Result<()>) -> Result<bool> {
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

/// Resident memory of our own process.
fn own_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn plan(tracing: &Tracing, found: &Found) -> Plan {
    Plan {
        family: match tracing.family {
            FamilyChoice::Raw => Family::Raw,
            FamilyChoice::Classic => Family::Classic,
            FamilyChoice::Auto => Family::for_release(&kernel_release()),
        },
        whole_host: matches!(tracing.target, Target::WholeHost),
        follow: found.follows(),
        comms: found.names().to_vec(),
        cgroups: found.cgroups().len() as u32,
        args: tracing.args,
        syscalls: tracing.filter.syscalls.as_ref().map(SyscallSet::bitmap),
        failed_only: tracing.filter.failed_only,
        slower_ns: tracing.filter.slower_ns,
        stacks: tracing.stacks,
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
    if tracing.stacks && !kernel.takes_stacks() {
        notices.push(
            "no stacks are taken: this kernel can preempt raw tracepoint programs; --program-family classic takes \
             them"
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

/// Name of this host.
pub(super) fn host_name() -> String {
    read_line("/proc/sys/kernel/hostname")
}

fn read_line(path: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
}

/// Now, in ns since 1970.
pub(super) fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
}
