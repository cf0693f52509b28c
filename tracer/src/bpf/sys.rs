//! The system calls that no crate of ours wraps, and the mapping of the slots. The only unsafe code of
//! user space beside the fork in `launch`.
#![expect(unsafe_code, reason = "raw system calls and a shared mapping, each with its reason beside it")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tracer_common::slot::Slot;

/// `poll(2)`; a signal counts as a wake-up.
pub fn poll(fds: &mut [libc::pollfd], timeout: Duration) -> io::Result<()> {
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer and the length are those of one slice.
    let result = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) };
    match result {
        -1 => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(error),
        },
        _ => Ok(()),
    }
}

/// `CLOCK_MONOTONIC` in ns: the clock of `bpf_ktime_get_ns`.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing; this clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time of this process in ns.
pub fn own_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as above.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A descriptor that becomes readable when the process has ended.
/// <https://man7.org/linux/man-pages/man2/pidfd_open.2.html>
pub fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    match unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel just made this descriptor for us.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
    }
}

/// Sends a signal; a process that has ended meanwhile is no error worth telling.
pub fn send_signal(pid: u32, signal: i32) {
    // SAFETY: no pointers are passed; a positive PID names one process.
    unsafe { libc::kill(pid as i32, signal) };
}

/// The kernel's slots, read-only and live.
pub struct SlotMapping {
    address: *const Slot,
    slots: usize,
    bytes: usize,
}

// SAFETY: the mapping is only read, and reading it from another thread is no different.
unsafe impl Send for SlotMapping {}

impl SlotMapping {
    /// Maps the array map behind `fd`, which must hold `slots` slots and allow it (`BPF_F_MMAPABLE`).
    pub fn new(fd: BorrowedFd<'_>, slots: usize) -> io::Result<Self> {
        let bytes = slots * size_of::<Slot>();
        // SAFETY: a new mapping at an address of the kernel's choice.
        let address = unsafe {
            libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { address: address.cast(), slots, bytes })
    }

    /// Every slot that holds an open call. The owner may write meanwhile: a slot is only handed out when it
    /// read the same twice.
    pub fn open_calls(&self, mut take: impl FnMut(&Slot)) {
        for index in 0..self.slots {
            // SAFETY: inside the mapping.
            let slot = unsafe { self.address.add(index) };
            // SAFETY: a byte inside the mapping, which another CPU may write.
            let open = unsafe { AtomicU8::from_ptr((&raw const (*slot).open).cast_mut()) };
            if open.load(Ordering::Relaxed) != tracer_common::slot::open::OPEN {
                continue;
            }
            // SAFETY: plain integers, any bytes are a valid value.
            let (first, second) = unsafe { (slot.read_volatile(), slot.read_volatile()) };
            if first == second && second.open == tracer_common::slot::open::OPEN && second.owner != 0 {
                take(&second);
            }
        }
    }
}

impl Drop for SlotMapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and no reference into it outlives us.
        unsafe { libc::munmap(self.address.cast_mut().cast(), self.bytes) };
    }
}
