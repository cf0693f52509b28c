//! Loads the programs with their settings, attaches them in the order that makes no false pairs, and
//! detaches them in the order that loses no tail.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use aya::maps::{CgroupArray, HashMap, Map, MapData, RingBuf};
use aya::programs::raw_trace_point::RawTracePointLinkId;
use aya::programs::trace_point::TracePointLinkId;
use aya::programs::{Program, ProgramError, ProgramType, RawTracePoint, TracePoint};
use aya::sys::is_helper_supported;
use aya::{Ebpf, EbpfLoader};
use aya_obj::generated::bpf_func_id;
use thiserror::Error;
use tracer_common::config::{BITMAP_WORDS, Config, Control, Offsets, arch};
use tracer_common::cpu::Cpu;
use tracer_common::operand::{TABLE, chunks_per_cpu};
use tracer_common::slot::{SLOTS, Slot, open, verdict};
use tracer_common::spill::cells_per_cpu;
use tracer_common::stack;

use super::btf::Btf;
use super::counters::{Spill, read_ledger, recursion_misses};
pub use super::family::Family;
use super::files;
use super::log::ProgramLog;
use super::operands::Operands;
use super::rings::{self, Rings};
use super::stacks::Stacks;
use super::sys::{SharedArray, Unpreempted};
use super::tracefs;
use crate::arguments;
use crate::ledger::LedgerCounts;
use crate::process::Comm;

/// The compiled programs, built from `tracer-ebpf` by `cargo xtask build-ebpf`.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/tracer.bpf.o");

/// SHA-256 of the object file, as its provenance has it.
pub fn object_sha256() -> &'static str {
    let provenance = include_str!("../../bpf/PROVENANCE.toml");
    let object = provenance.split("[object]").nth(1).unwrap_or_default();
    object.split("sha256 = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

/// Inode of the initial PID namespace.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h#L44>
const INITIAL_PIDNS: u64 = 0xEFFF_FFFC;

/// Bytes of the shared ring when it only wakes, and when it carries every record and no size was asked for.
const WAKE_UP_BYTES: u32 = 4096;
const SHARED_BYTES: u32 = 16 << 20;

/// What to load.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Plan {
    /// Program family.
    pub family: Family,
    /// Every process but ourselves.
    pub whole_host: bool,
    /// Children of targets are targets.
    pub follow: bool,
    /// Names that make a process a target at exec.
    pub comms: Vec<Comm>,
    /// How many cgroups make their processes targets; at most [`tracer_common::config::MAX_CGROUPS`].
    pub cgroups: u32,
    /// Send arguments.
    pub args: bool,
    /// Wanted syscalls, and whether numbers that no filter can name are wanted; `None` for all.
    pub syscalls: Option<([u64; BITMAP_WORDS], bool)>,
    /// Only failed calls.
    pub failed_only: bool,
    /// Only calls this slow; 0 for all.
    pub slower_ns: u64,
    /// Take the user stacks of those.
    pub stacks: bool,
    /// Bytes of each ring; `None` for the default.
    pub ring_bytes: Option<u32>,
}

/// A step that failed.
#[derive(Debug, Error)]
#[error("{step}: {message}")]
pub struct LoadError {
    /// What was being done.
    pub step: &'static str,
    /// What the kernel or the loader said.
    pub message: String,
    /// The errno behind it, when there is one.
    pub errno: Option<i32>,
}

impl LoadError {
    pub(super) fn new(step: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut errno = None;
        let mut message = error.to_string();
        let mut source = Some(error);
        while let Some(cause) = source {
            if let Some(io) = cause.downcast_ref::<std::io::Error>() {
                errno = errno.or(io.raw_os_error());
            }
            source = cause.source();
            if let Some(next) = source
                && !message.contains(&next.to_string())
            {
                message = format!("{message}: {next}");
            }
        }
        Self { step, message, errno }
    }
}

/// The loaded and attached programs and everything read from them.
pub struct Kernel {
    ebpf: Ebpf,
    family: Family,
    /// Whether cgroups are the target.
    by_cgroup: bool,
    in_pid_namespace: bool,
    links: Vec<Link>,
    control: SharedArray<Control>,
    cpus: SharedArray<Cpu>,
    targets: HashMap<MapData, u32, u8>,
    cgroups: CgroupArray<MapData>,
    overflow: HashMap<MapData, u32, Slot>,
    slots: SharedArray<Slot>,
    /// The rings.
    pub rings: Rings,
    /// The spill cells.
    pub spill: Spill,
    offsets: Offsets,
    takes_stacks: bool,
}

enum Link {
    Raw(&'static str, RawTracePointLinkId),
    Classic(&'static str, TracePointLinkId),
}

/// One tracepoint and its program in each family.
struct Hook {
    raw: &'static str,
    classic: &'static str,
    category: &'static str,
    name: &'static str,
}

const TASK_EXIT: Hook = Hook {
    raw: "raw_task_exit",
    classic: "classic_task_exit",
    category: "sched",
    name: "sched_process_exit",
};
const EXEC: Hook =
    Hook { raw: "raw_exec", classic: "classic_exec", category: "sched", name: "sched_process_exec" };
const FORK: Hook =
    Hook { raw: "raw_fork", classic: "classic_fork", category: "sched", name: "sched_process_fork" };
const CGROUP_MOVE: Hook =
    Hook { raw: "raw_moved", classic: "classic_moved", category: "cgroup", name: "cgroup_attach_task" };
const SYS_EXIT: Hook =
    Hook { raw: "raw_exit", classic: "classic_exit", category: "raw_syscalls", name: "sys_exit" };
const SYS_ENTER: Hook =
    Hook { raw: "raw_enter", classic: "classic_enter", category: "raw_syscalls", name: "sys_enter" };

impl Kernel {
    /// Loads the programs and makes the maps; nothing is attached yet.
    pub fn load(plan: &Plan) -> Result<Self, LoadError> {
        mount_tracefs_for(plan.family);
        let offsets = find_offsets();
        let online = aya::util::online_cpus().map_err(|(path, error)| LoadError {
            step: "count CPUs",
            message: format!("{path}: {error}"),
            errno: None,
        })?;
        let possible = aya::util::nr_cpus().map_err(|(path, error)| LoadError {
            step: "count CPUs",
            message: format!("{path}: {error}"),
            errno: None,
        })?;
        // CPUs are numbered from 0 without gaps, but for some that are off or yet to come: those spill.
        let rings = online.iter().max().map_or(1, |&last| last as usize + 1);
        let cells = match plan.ring_bytes {
            Some(bytes) => rings::cells_in(u64::from(bytes)),
            None => rings::default_cells(rings),
        };
        let chunks = if plan.args { chunks_per_cpu(rings) } else { 1 };
        let mut config = config_of(plan, offsets, cells);
        // A program that another one can preempt shares what it writes to with it.
        let takes_stacks = plan.stacks && config.preemptible == 0;
        config.stack_cells = if takes_stacks { stack::cells_per_cpu(rings) } else { 0 };
        let config = Config { spill_mask: cells_per_cpu(possible) - 1, chunk_mask: chunks - 1, ..config };
        let stack_cells = config.stack_cells.max(1);
        let shared_bytes = match config.preemptible {
            0 => WAKE_UP_BYTES,
            _ => plan.ring_bytes.unwrap_or(SHARED_BYTES),
        };
        let mut loader = EbpfLoader::new();
        loader
            // Nothing in the object is relocated against the kernel's types.
            .btf(None)
            .override_global("CONFIG", std::slice::from_ref(&config), true)
            .map_max_entries("RINGS", rings as u32 * cells)
            .map_max_entries("CONSUMERS", rings as u32)
            .map_max_entries("OPERANDS", rings as u32 * chunks)
            .map_max_entries("STACKS", rings as u32 * stack_cells)
            .map_max_entries("SHARED_RING", shared_bytes)
            .map_max_entries("CPUS", possible as u32)
            .map_max_entries("SPILL", possible as u32 * cells_per_cpu(possible));
        let mut ebpf = {
            let _unpreempted = Unpreempted::begin();
            loader.load(OBJECT).map_err(|error| LoadError::new("create maps", &error))?
        };

        let step = "open the maps";
        let slots = share(&ebpf, "SLOTS", SLOTS as usize)?;
        let control = share(&ebpf, "CONTROL", 1)?;
        let cpus = share(&ebpf, "CPUS", possible)?;
        let heads = share(&ebpf, "CPUS", possible)?;
        let consumers = share(&ebpf, "CONSUMERS", rings)?;
        let ring_cells = share(&ebpf, "RINGS", rings * cells as usize)?;
        let operands = Operands::new(share(&ebpf, "OPERANDS", rings * chunks as usize)?, rings, chunks);
        let stacks = share(&ebpf, "STACKS", rings * stack_cells as usize)?;
        let stacks = Stacks::new(stacks, rings, config.stack_cells);
        let spill = share(&ebpf, "SPILL", possible * cells_per_cpu(possible) as usize)?;
        let mut take = |name: &'static str| ebpf.take_map(name).ok_or_else(|| missing(name));
        let targets = HashMap::try_from(take("TARGETS")?).map_err(|error| LoadError::new(step, &error))?;
        let cgroups =
            CgroupArray::try_from(take("CGROUPS")?).map_err(|error| LoadError::new(step, &error))?;
        let shared = RingBuf::try_from(take("SHARED_RING")?).map_err(|error| LoadError::new(step, &error))?;
        let overflow = HashMap::try_from(take("OVERFLOW")?).map_err(|error| LoadError::new(step, &error))?;
        let mut comms: HashMap<_, [u8; 16], u8> =
            HashMap::try_from(take("COMMS")?).map_err(|error| LoadError::new(step, &error))?;
        for comm in &plan.comms {
            let _unpreempted = Unpreempted::begin();
            comms.insert(comm.to_kernel(), 1, 0).map_err(|error| LoadError::new("set the names", &error))?;
        }

        let mut kernel = Self {
            ebpf,
            family: plan.family,
            by_cgroup: plan.cgroups > 0,
            in_pid_namespace: config.pidns_ino != 0,
            links: Vec::new(),
            control,
            cpus,
            targets,
            cgroups,
            overflow,
            slots,
            rings: Rings::new(ring_cells, heads, consumers, shared, operands, stacks, cells),
            spill: Spill::new(spill),
            offsets,
            takes_stacks,
        };
        let mut hooks = vec![TASK_EXIT, EXEC, SYS_EXIT, SYS_ENTER];
        if plan.follow || !plan.comms.is_empty() {
            hooks.push(FORK);
        }
        if plan.cgroups > 0 {
            hooks.push(CGROUP_MOVE);
        }
        for hook in hooks {
            kernel.load_program(&hook)?;
        }
        Ok(kernel)
    }

    /// Attaches what tells of tasks. From here on children of targets are targets, and so is who is moved into a
    /// cgroup that is one.
    pub fn attach_lifecycle(&mut self, follow: bool) -> Result<(), LoadError> {
        self.attach(&TASK_EXIT)?;
        self.attach(&EXEC)?;
        if follow {
            self.attach(&FORK)?;
        }
        if self.by_cgroup {
            self.attach(&CGROUP_MOVE)?;
        }
        Ok(())
    }

    /// Attaches exit, then enter: the other way round, a call could enter and never be seen to leave.
    pub fn attach_syscalls(&mut self) -> Result<(), LoadError> {
        self.attach(&SYS_EXIT)?;
        self.attach(&SYS_ENTER)?;
        self.control.write(0, Control { armed: 1, ..self.control.read(0) });
        Ok(())
    }

    /// Makes a process a target, by its PID in our own namespace.
    pub fn add_target(&mut self, pid: u32) -> Result<(), LoadError> {
        let _unpreempted = Unpreempted::begin();
        self.targets.insert(pid, 1, 0).map_err(|error| LoadError::new("add a target", &error))
    }

    /// Makes what is in a cgroup or below it a target, in the place of whichever had that place before. Of a plan with
    /// cgroups only.
    pub fn set_cgroup(&mut self, place: usize, directory: &OwnedFd) -> Result<(), LoadError> {
        let _unpreempted = Unpreempted::begin();
        self.cgroups
            .set(place as u32, directory.as_fd(), 0)
            .map_err(|error| LoadError::new("set a cgroup as the target", &error))?;
        self.bump_epoch();
        Ok(())
    }

    /// Lets earlier verdicts "no target" be given again, after targets were added.
    pub fn bump_epoch(&self) {
        let now = self.control.read(0);
        self.control.write(0, Control { epoch: now.epoch + 1, ..now });
    }

    /// Detaches enter, then exit, then the rest. What is in the rings and counters stays readable.
    pub fn detach(&mut self) {
        // From here on calls leave without having been seen to enter.
        self.control.write(0, Control { armed: 0, ..self.control.read(0) });
        // Attached last is enter.
        while let Some(link) = self.links.pop() {
            // A link that cannot be detached goes with its file descriptor when we end.
            match link {
                Link::Raw(name, id) => {
                    if let Some(program) = self.ebpf.program_mut(name)
                        && let Ok(program) = <&mut RawTracePoint>::try_from(program)
                    {
                        let _ = program.detach(id);
                    }
                }
                Link::Classic(name, id) => {
                    if let Some(program) = self.ebpf.program_mut(name)
                        && let Ok(program) = <&mut TracePoint>::try_from(program)
                    {
                        let _ = program.detach(id);
                    }
                }
            }
        }
    }

    /// The kernel's part of the ledger since load.
    pub fn counts(&self) -> LedgerCounts {
        let misses = |hook: &Hook| self.program_fd(hook).and_then(recursion_misses).unwrap_or(0);
        LedgerCounts {
            kernel: read_ledger(&self.cpus),
            missed_enter: misses(&SYS_ENTER),
            missed_exit: misses(&SYS_EXIT),
            ..LedgerCounts::default()
        }
    }

    /// Whether this kernel says how often it skipped a program.
    pub fn reports_misses(&self) -> bool {
        self.program_fd(&SYS_ENTER).and_then(recursion_misses).is_some()
    }

    /// Every open call. A thread may enter or leave one meanwhile: a slot counts when it reads the same
    /// twice.
    pub fn open_calls(&self, mut take: impl FnMut(&Slot)) {
        for index in 0..self.slots.len() {
            if self.slots.read_byte(index, std::mem::offset_of!(Slot, open)) != open::OPEN {
                continue;
            }
            let slot = self.slots.read(index);
            if slot == self.slots.read(index) && slot.open == open::OPEN && slot.owner != 0 {
                take(&slot);
            }
        }
        for (_, slot) in self.overflow.iter().filter_map(Result::ok) {
            if slot.open == open::OPEN {
                take(&slot);
            }
        }
    }

    /// Whether a traced thread has done anything since we attached. Threads in the overflow map are not looked
    /// up: that is no business of a run. In a PID namespace, whose numbers are not those of slots, nobody is: there the
    /// first record of a thread tells, and nothing does when that was lost.
    pub fn has_called(&self, tid: u32) -> bool {
        if self.in_pid_namespace {
            return false;
        }
        let slot = self.slots.read(tid as usize % self.slots.len());
        slot.owner == tid && matches!(slot.verdict, verdict::TRACE | verdict::LEAVING)
    }

    /// The log of the programs themselves; once.
    pub fn take_log(&mut self) -> Option<ProgramLog> {
        ProgramLog::new(&mut self.ebpf)
    }

    /// Which family is loaded.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether the stacks of slow calls are taken: they were asked for, and can be.
    pub fn takes_stacks(&self) -> bool {
        self.takes_stacks
    }

    /// Whether 32-bit calls can be told apart.
    pub fn knows_compat(&self) -> bool {
        self.offsets.task_status != Offsets::UNKNOWN
    }

    fn program_name(&self, hook: &Hook) -> &'static str {
        match self.family {
            Family::Raw => hook.raw,
            Family::Classic => hook.classic,
        }
    }

    fn program_fd(&self, hook: &Hook) -> Option<BorrowedFd<'_>> {
        Some(self.ebpf.program(self.program_name(hook))?.fd().ok()?.as_fd())
    }

    fn load_program(&mut self, hook: &Hook) -> Result<(), LoadError> {
        let name = self.program_name(hook);
        let program = self.ebpf.program_mut(name).ok_or_else(|| missing(name))?;
        let result = match program {
            Program::RawTracePoint(program) => program.load(),
            Program::TracePoint(program) => program.load(),
            _ => return Err(missing(name)),
        };
        result.map_err(|error| LoadError::new("load the programs", &error))
    }

    fn attach(&mut self, hook: &Hook) -> Result<(), LoadError> {
        let name = self.program_name(hook);
        let step = "attach to the tracepoints";
        let program = self.ebpf.program_mut(name).ok_or_else(|| missing(name))?;
        let link = match program {
            Program::RawTracePoint(program) => program.attach(hook.name).map(|id| Link::Raw(name, id)),
            Program::TracePoint(program) => {
                program.attach(hook.category, hook.name).map(|id| Link::Classic(name, id))
            }
            _ => return Err(missing(name)),
        };
        self.links.push(link.map_err(|error: ProgramError| LoadError::new(step, &error))?);
        Ok(())
    }
}

/// Maps an array of the object's.
fn share<T: Copy>(ebpf: &Ebpf, name: &'static str, len: usize) -> Result<SharedArray<T>, LoadError> {
    let Some(Map::Array(data)) = ebpf.map(name) else { return Err(missing(name)) };
    SharedArray::new(data.fd().as_fd(), len).map_err(|error| LoadError::new("map the arrays", &error))
}

pub(super) fn missing(name: &'static str) -> LoadError {
    LoadError { step: "read the BPF object", message: format!("it holds no {name}"), errno: None }
}

fn config_of(plan: &Plan, offsets: Offsets, ring_cells: u32) -> Config {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let pidns = std::fs::metadata("/proc/self/ns/pid").ok().filter(|ns| ns.ino() != INITIAL_PIDNS);
    let typed_task = ![offsets.task_pid, offsets.task_tgid, offsets.task_status].contains(&Offsets::UNKNOWN)
        && has_helper(plan.family, bpf_func_id::BPF_FUNC_get_current_task_btf);
    let (wanted, unknown_wanted) = plan.syscalls.unwrap_or(([0; BITMAP_WORDS], false));
    let anonymous = files::anonymous_inode().unwrap_or_default();
    let is_preemptible = plan.family.is_preemptible_on(&release);
    // A program that another one can preempt shares what it writes to with it.
    let reads = if plan.args && !is_preemptible { *arguments::reads() } else { [0; TABLE] };
    Config {
        self_tgid: std::process::id(),
        whole_host: u32::from(plan.whole_host),
        follow: u32::from(plan.follow),
        match_comm: u32::from(!plan.comms.is_empty()),
        cgroups: plan.cgroups,
        args: u32::from(plan.args),
        filter_syscalls: u32::from(plan.syscalls.is_some()),
        unknown_wanted: u32::from(unknown_wanted),
        failed_only: u32::from(plan.failed_only),
        slower_ns: plan.slower_ns,
        // Early enough that the reader is there before the ring is full at full speed.
        high_water: ring_cells / 2,
        ring_mask: ring_cells - 1,
        preemptible: u32::from(is_preemptible),
        pidns_dev: pidns.as_ref().map_or(0, MetadataExt::dev),
        pidns_ino: pidns.as_ref().map_or(0, MetadataExt::ino),
        typed_task: u32::from(typed_task),
        typed_regs: u32::from(typed_task && has_helper(plan.family, bpf_func_id::BPF_FUNC_task_pt_regs)),
        offsets,
        files: u32::from(plan.args && files::can_be_told(&offsets)),
        anonymous_dev: anonymous.dev,
        anonymous_ino: anonymous.ino,
        wanted,
        described: arguments::taking_a_descriptor(),
        reads,
        ..Config::DEFAULT
    }
}

/// Whether programs of this family may call the helper. A kernel that cannot be asked is taken to have none.
fn has_helper(family: Family, helper: bpf_func_id) -> bool {
    let program = match family {
        Family::Raw => ProgramType::RawTracePoint,
        Family::Classic => ProgramType::TracePoint,
    };
    is_helper_supported(program, helper).unwrap_or(false)
}

/// Classic programs are attached by a number that stands in tracefs.
pub(super) fn mount_tracefs_for(family: Family) {
    if family == Family::Classic {
        // Where it cannot be mounted attaching fails, and that error says what to do.
        let _ = tracefs::ensure_mounted();
    }
}

fn find_offsets() -> Offsets {
    let mut offsets = Offsets {
        arch: if cfg!(target_arch = "aarch64") { arch::AARCH64 } else { arch::X86_64 },
        fork_child_pid: tracefs::field_offset("sched/sched_process_fork", "child_pid")
            .unwrap_or(Offsets::UNKNOWN),
        exec_old_pid: tracefs::field_offset("sched/sched_process_exec", "old_pid")
            .unwrap_or(Offsets::UNKNOWN),
        ..Offsets::NONE
    };
    if let Some(btf) = Btf::of_running_kernel() {
        let find = |path| btf.offset(path).unwrap_or(Offsets::UNKNOWN);
        offsets.task_status = find("task_struct.thread_info.status");
        offsets.task_group_leader = find("task_struct.group_leader");
        offsets.task_comm = find("task_struct.comm");
        offsets.task_start = btf
            .offset("task_struct.start_boottime")
            .or_else(|| btf.offset("task_struct.real_start_time"))
            .unwrap_or(Offsets::UNKNOWN);
        offsets.task_pid = find("task_struct.pid");
        offsets.task_tgid = find("task_struct.tgid");
        offsets.task_files = find("task_struct.files");
        offsets.task_thread_pid = find("task_struct.thread_pid");
        offsets.pid_level = find("pid.level");
        offsets.pid_numbers = find("pid.numbers");
        offsets.pid_namespace_number = find("pid_namespace.ns.inum");
        offsets.files_table = find("files_struct.fdt");
        offsets.table_len = find("fdtable.max_fds");
        offsets.table_files = find("fdtable.fd");
        offsets.file_inode = find("file.f_inode");
        offsets.file_operations = find("file.f_op");
        offsets.operations_release = find("file_operations.release");
        offsets.inode_mode = find("inode.i_mode");
        offsets.inode_number = find("inode.i_ino");
        offsets.inode_super_block = find("inode.i_sb");
        offsets.super_block_device = find("super_block.s_dev");
    }
    offsets
}
