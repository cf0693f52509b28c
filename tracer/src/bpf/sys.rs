//! The system calls that no crate of ours wraps, and the mapping of the slots. The only unsafe code of
//! user space beside the fork in `launch`.
#![expect(unsafe_code, reason = "raw system calls and a shared mapping, each with its reason beside it")]

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

use tracer_common::ring::RingCell;

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

/// Waits until `fd` is readable.
pub fn wait_readable(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut fds = [libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    while fds[0].revents == 0 {
        poll(&mut fds, Duration::from_hours(1))?;
    }
    Ok(())
}

/// Stops this process as Ctrl-Z does, until somebody continues it. Nothing happens where nobody could: in a process
/// group without a shell above it the kernel ignores the signal.
pub fn stop_self() {
    // SAFETY: no pointers are passed. It goes to the calling thread, so that the process is stopped before this
    // returns.
    unsafe { libc::raise(libc::SIGTSTP) };
}

/// Puts the calling thread before all ordinary ones; without the right to do so it stays where it is.
pub fn raise_priority() {
    // SAFETY: no pointers are passed; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
}

/// Keeps a signal from the calling thread.
pub fn block_signal(number: i32) {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: the set is written by the first call and read by the others; only this thread's mask changes.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), number);
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
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

/// CPU time of the calling thread in ns.
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as above.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Gives back what the allocator holds and nobody uses. It takes some milliseconds, during which others may wait for it.
pub fn release_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, by any thread. <https://man7.org/linux/man-pages/man3/malloc_trim.3.html>
    unsafe {
        libc::malloc_trim(0);
    }
}

/// While it lives, ordinary threads do not preempt the calling one, where we may ask for that.
///
/// While bpf(2) changes a map, the kernel runs no classic program on that CPU, not even in whoever preempts the change:
/// `bpf_disable_instrumentation`. A tracer that runs beside us would miss those calls. A change takes microseconds.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/bpf.h#L1960>
pub struct Unpreempted {
    before: Option<(i32, libc::sched_param)>,
}

impl Unpreempted {
    /// Begins.
    pub fn begin() -> Self {
        let mut param = libc::sched_param { sched_priority: 0 };
        // SAFETY: no pointers; 0 is the calling thread.
        let policy = unsafe { libc::sched_getscheduler(0) };
        // SAFETY: `param` is valid for writing.
        let is_known = unsafe { libc::sched_getparam(0, &raw mut param) } == 0;
        let is_ordinary = is_known && [libc::SCHED_OTHER, libc::SCHED_BATCH].contains(&policy);
        // The lowest above all ordinary threads.
        let first = libc::sched_param { sched_priority: 1 };
        // SAFETY: `first` is valid for reading.
        let is_set =
            is_ordinary && unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const first) } == 0;
        Self { before: is_set.then_some((policy, param)) }
    }
}

impl Drop for Unpreempted {
    fn drop(&mut self) {
        if let Some((policy, param)) = &self.before {
            // SAFETY: `param` is valid for reading. Giving up a priority is always allowed.
            unsafe { libc::sched_setscheduler(0, *policy, std::ptr::from_ref(param)) };
        }
    }
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

/// An array map of the kernel's, live. Reading it through this mapping takes no system call: a `bpf(2)`
/// lookup keeps classic programs from running on its CPU, and when the reader is preempted in it, for as long
/// as that lasts.
pub struct SharedArray<T> {
    mapping: Mapping,
    len: usize,
    values: PhantomData<T>,
}

impl<T: Copy> SharedArray<T> {
    /// Maps the array map behind `fd`, which must hold `len` values of type `T`, whose size is a multiple of
    /// 8, and allow it (`BPF_F_MMAPABLE`).
    pub fn new(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let mapping = Mapping::new(fd, 0, len * size_of::<T>(), libc::PROT_READ | libc::PROT_WRITE)?;
        Ok(Self { mapping, len, values: PhantomData })
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A value as it is now; the kernel may write meanwhile, word by word.
    ///
    /// # Panics
    /// When there is no such value.
    pub fn read(&self, index: usize) -> T {
        // SAFETY: inside the mapping; `T` is plain integers, any bytes are a valid value.
        unsafe { self.address(index).read_volatile() }
    }

    /// One byte of a value: enough to pass over most of a large array.
    ///
    /// # Panics
    /// When there is no such byte.
    pub fn read_byte(&self, index: usize, offset: usize) -> u8 {
        assert!(offset < size_of::<T>(), "byte {offset} of {}", size_of::<T>());
        // SAFETY: inside the mapping.
        unsafe { self.address(index).cast::<u8>().add(offset).read_volatile() }
    }

    /// One word of a value.
    ///
    /// # Panics
    /// When there is no such word.
    pub fn read_word(&self, index: usize, offset: usize) -> u64 {
        assert!(
            offset.is_multiple_of(8) && offset < size_of::<T>(),
            "word at {offset} of {}",
            size_of::<T>()
        );
        // SAFETY: inside the mapping, and aligned as the mapping and the size of a value are.
        unsafe { self.address(index).cast::<u64>().add(offset / 8).read_volatile() }
    }

    /// Writes a value that only user space writes.
    ///
    /// # Panics
    /// When there is no such value.
    pub fn write(&self, index: usize, value: T) {
        // SAFETY: inside the mapping.
        unsafe { self.address(index).write_volatile(value) };
    }

    /// A value that nobody writes while it is looked at.
    ///
    /// # Panics
    /// When there is no such value.
    pub fn get(&self, index: usize) -> &T {
        // SAFETY: inside the mapping; the kernel side waits with writing until it is told.
        unsafe { &*self.address(index) }
    }

    /// Some bytes of a value, which nobody writes while they are looked at.
    ///
    /// # Panics
    /// When there are no such bytes.
    pub fn bytes(&self, index: usize, offset: usize, len: usize) -> &[u8] {
        let end = offset.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= size_of::<T>()),
            "{len} bytes at {offset} of {}",
            size_of::<T>()
        );
        // SAFETY: inside the mapping; the kernel side waits with writing until it is told.
        unsafe { std::slice::from_raw_parts(self.address(index).cast::<u8>().add(offset), len) }
    }

    fn address(&self, index: usize) -> *mut T {
        assert!(index < self.len, "index {index} of {}", self.len);
        // SAFETY: inside the mapping.
        unsafe { self.mapping.address.cast::<T>().add(index) }
    }
}

/// Waits until every store that another CPU had made before now can be seen by us. Processors that keep the
/// order of stores (x86) need none of it.
pub fn order_stores() {
    if cfg!(not(target_arch = "x86_64")) {
        // SAFETY: no pointers are passed.
        unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
    }
}

/// The bytes of a cell.
pub fn bytes_of(cell: &RingCell) -> &[u8; size_of::<RingCell>()] {
    // SAFETY: integers without padding, and as many bytes as they have.
    unsafe { &*std::ptr::from_ref(cell).cast() }
}

/// A mapping of a file, unmapped when dropped.
struct Mapping {
    address: *mut u8,
    bytes: usize,
}

// SAFETY: an address is not bound to a thread; see the accesses.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, offset: usize, bytes: usize, protection: i32) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                offset as libc::off_t,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { address: address.cast(), bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and no reference into it outlives us.
        unsafe { libc::munmap(self.address.cast(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_ordinary_again() {
        // SAFETY: no pointers.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        assert_eq!(policy(), libc::SCHED_OTHER);
        let unpreempted = Unpreempted::begin();
        let is_set = unpreempted.before.is_some();
        assert_eq!(policy(), if is_set { libc::SCHED_FIFO } else { libc::SCHED_OTHER });
        drop(unpreempted);
        assert_eq!(policy(), libc::SCHED_OTHER);
    }
}
