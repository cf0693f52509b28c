//! The system calls that no crate of ours wraps, and the mapping of the slots. The only unsafe code of
//! user space beside the fork in `launch`.
#![expect(unsafe_code, reason = "raw system calls and a shared mapping, each with its reason beside it")]

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

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

    /// Writes a value that only user space writes.
    ///
    /// # Panics
    /// When there is no such value.
    pub fn write(&self, index: usize, value: T) {
        // SAFETY: inside the mapping.
        unsafe { self.address(index).write_volatile(value) };
    }

    fn address(&self, index: usize) -> *mut T {
        assert!(index < self.len, "index {index} of {}", self.len);
        // SAFETY: inside the mapping.
        unsafe { self.mapping.address.cast::<T>().add(index) }
    }
}

/// The reading end of one BPF ring buffer.
///
/// aya has one too; it tells the kernel after each record how far it has read, and that word is what every
/// producer looks at. At millions of records a second the line it lies in then travels between two CPUs all the
/// time. This one tells the kernel once for many records.
/// Layout: <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/ringbuf.c#L28-L76>
pub struct RingReader {
    consumer: Mapping,
    producer: Mapping,
    page_bytes: usize,
    mask: u64,
}

impl RingReader {
    const HEADER_BYTES: u64 = 8;
    const BUSY: u32 = 1 << 31;
    const DISCARDED: u32 = 1 << 30;
    /// How much is read before the kernel may use the room again.
    const RELEASE_EVERY_BYTES: u64 = 64 << 10;

    /// Maps the ring behind `fd`, which must hold `bytes` bytes, a power of two.
    pub fn new(fd: BorrowedFd<'_>, bytes: u32) -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let consumer = Mapping::new(fd, 0, page_bytes, libc::PROT_READ | libc::PROT_WRITE)?;
        // The data follow twice, so that no record is ever broken at the end.
        let producer = Mapping::new(fd, page_bytes, page_bytes + 2 * bytes as usize, libc::PROT_READ)?;
        Ok(Self { consumer, producer, page_bytes, mask: u64::from(bytes) - 1 })
    }

    /// Hands out every record that is there, up to `limit_bytes`; the result is how many bytes and records.
    pub fn drain(&mut self, limit_bytes: u64, mut take: impl FnMut(&[u8])) -> (u64, usize) {
        let begin = self.consumer.word(0).load(Ordering::Relaxed);
        let end = self.producer.word(0).load(Ordering::Acquire);
        let (mut position, mut released, mut records) = (begin, begin, 0);
        while position < end && position - begin < limit_bytes {
            let at = self.page_bytes + (position & self.mask) as usize;
            // The kernel clears the busy bit last; nothing behind a record that is still written is read.
            let header = self.producer.half(at).load(Ordering::Acquire);
            if header & Self::BUSY != 0 {
                break;
            }
            let bytes = u64::from(header & !Self::DISCARDED);
            if bytes > self.mask {
                break;
            }
            if header & Self::DISCARDED == 0 {
                take(self.producer.slice(at + Self::HEADER_BYTES as usize, bytes as usize));
                records += 1;
            }
            position += (bytes + Self::HEADER_BYTES).next_multiple_of(8);
            if position - released >= Self::RELEASE_EVERY_BYTES {
                self.consumer.word(0).store(position, Ordering::Release);
                released = position;
            }
        }
        self.consumer.word(0).store(position, Ordering::Release);
        (position - begin, records)
    }
}

/// A mapping of a file, unmapped when dropped.
struct Mapping {
    address: *mut u8,
    bytes: usize,
}

// SAFETY: accesses are atomic or of bytes that the kernel has finished writing.
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

    /// The aligned u64 at a byte offset.
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.bytes, "word at {at} of {}", self.bytes);
        // SAFETY: inside the mapping and aligned; both sides access it atomically.
        unsafe { AtomicU64::from_ptr(self.address.add(at).cast()) }
    }

    /// The aligned u32 at a byte offset.
    fn half(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= self.bytes, "half word at {at} of {}", self.bytes);
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(self.address.add(at).cast()) }
    }

    /// Bytes that the kernel has finished writing and does not touch before they are released.
    fn slice(&self, at: usize, bytes: usize) -> &[u8] {
        assert!(at + bytes <= self.bytes, "{bytes} bytes at {at} of {}", self.bytes);
        // SAFETY: inside the mapping; see the contract above.
        unsafe { std::slice::from_raw_parts(self.address.add(at), bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and no reference into it outlives us.
        unsafe { libc::munmap(self.address.cast(), self.bytes) };
    }
}
