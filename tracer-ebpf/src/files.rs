//! What a descriptor of the current task stands for: the identity of the open file, read at enter. Close and reuse
//! of a number can not blur it: it is looked up anew for every call.

use core::ptr::read_volatile;

use aya_ebpf::helpers::{bpf_get_current_task, bpf_jiffies64, bpf_probe_read_kernel};
use tracer_common::config::INODE_BYTES;
use tracer_common::record::{FileRecord, file_kind};

use crate::config::config;
use crate::kernel::{Current, task_field};
use crate::maps::ThisCpu;

/// The file behind descriptor `number`; nothing where there is none.
#[inline(always)]
pub fn behind(cpu: &mut ThisCpu, current: &Current, number: u32) -> FileRecord {
    let (files, len) = table(current);
    if number >= len {
        return FileRecord::default();
    }
    let file: u64 = at(files + u64::from(number) * 8);
    if file == 0 {
        return FileRecord::default();
    }
    let inode: u64 = at(file + u64::from(config!(offsets.file_inode)));
    let block: [u64; INODE_BYTES / 8] = match read(inode) {
        Some(block) => block,
        None => return FileRecord::default(),
    };
    let field = |offset: u32| block.as_ptr().cast::<u8>().wrapping_add(offset as usize);
    let mode = field(config!(offsets.inode_mode)).cast::<u16>();
    let ino = field(config!(offsets.inode_number)).cast::<u64>();
    let super_block = field(config!(offsets.inode_super_block)).cast::<u64>();
    // SAFETY: with `files` set these three are within the block, and aligned as the kernel aligns them.
    let (mode, ino, super_block) =
        unsafe { (read_volatile(mode), read_volatile(ino), read_volatile(super_block)) };
    let dev = device(cpu, super_block);
    if ino == config!(anonymous_ino) && dev == config!(anonymous_dev) {
        let operations: u64 = at(file + u64::from(config!(offsets.file_operations)));
        let release = at(operations + u64::from(config!(offsets.operations_release)));
        return FileRecord { ino: release, dev, kind: file_kind::ANONYMOUS };
    }
    FileRecord { ino, dev, kind: u32::from(mode) >> file_kind::SHIFT }
}

/// Where the current task's pointers to open files lie, and how many there are.
#[inline(always)]
fn table(current: &Current) -> (u64, u32) {
    if config!(typed_task) == 0 {
        // SAFETY: no arguments.
        let task = unsafe { bpf_get_current_task() } as *const u8;
        let files: u64 = task_field(task, config!(offsets.task_files));
        let table: u64 = at(files + u64::from(config!(offsets.files_table)));
        let len = at(table + u64::from(config!(offsets.table_len)));
        return (at(table + u64::from(config!(offsets.table_files))), len);
    }
    let files: *const u8 = typed(current.typed_task.cast(), config!(offsets.task_files));
    if files.is_null() {
        return (0, 0);
    }
    let table: *const u8 = typed(files, config!(offsets.files_table));
    if table.is_null() {
        return (0, 0);
    }
    (typed(table, config!(offsets.table_files)), typed(table, config!(offsets.table_len)))
}

/// The device of a file system. Whether it is the one of last time is a compare, reading it is a helper call; the tick is
/// a load, as the verifier puts it in place. An address is another file system's only after it was unmounted and everybody
/// that may have looked at it has gone, which no tick sees happen.
#[inline(always)]
fn device(cpu: &mut ThisCpu, super_block: u64) -> u32 {
    // SAFETY: no arguments.
    let tick = unsafe { bpf_jiffies64() };
    if super_block != cpu.state.last_super_block || tick != cpu.state.last_device_tick {
        let device: u32 = at(super_block + u64::from(config!(offsets.super_block_device)));
        cpu.state.last_device = u64::from(device);
        cpu.state.last_super_block = super_block;
        cpu.state.last_device_tick = tick;
    }
    cpu.state.last_device as u32
}

/// A field behind one of the kernel's typed pointers, which `base` must be.
#[inline(always)]
fn typed<T>(base: *const u8, offset: u32) -> T {
    // SAFETY: the verifier knows the type and checks the offset; a fault reads as zero.
    unsafe { read_volatile(base.add(offset as usize).cast::<T>()) }
}

/// Kernel memory; zero where it cannot be read.
#[inline(always)]
fn at<T: Default>(address: u64) -> T {
    read(address).unwrap_or_default()
}

#[inline(always)]
fn read<T>(address: u64) -> Option<T> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
}
