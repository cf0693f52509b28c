//! Many threads that are blocked when somebody comes, are let go, block again, and are let go again: each time
//! at a signal, so that whoever looks decides how long.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::raw;
use crate::tally::Tally;
use crate::tasks::readv_one_byte;

/// Rounds in which every thread is blocked once.
const ROUNDS: u32 = 2;

/// How to let a thread go that is blocked in a round.
type LetGo = Box<dyn Fn(u32)>;

/// `count` threads, in turn in `futex`, `readv` of a pipe and `connect` to a listener that takes nobody, twice,
/// each time until SIGUSR1.
pub(crate) fn blocked(tally: &mut Tally, count: usize) {
    let wakeup = block_signal(libc::SIGUSR1);
    // A PID alone is another one's in another namespace.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    let directory = std::env::temp_dir().join(format!("oracle-blocked-{}-{now}", std::process::id()));
    std::fs::create_dir(&directory).expect("a new directory");
    let mut threads = Vec::new();
    let mut gates: Vec<LetGo> = Vec::new();
    for index in 0..count {
        let (wait, let_go) = match index % 3 {
            0 => futex_waiter(),
            1 => reader(),
            _ => connector(&directory.join(index.to_string())),
        };
        threads.push(thread::spawn(move || (0..ROUNDS).for_each(wait)));
        gates.push(let_go);
    }
    for round in 0..ROUNDS {
        wait_for(&wakeup);
        for let_go in &gates {
            let_go(round);
        }
    }
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    std::fs::remove_dir_all(&directory).expect("our own directory");
    // What began before the second round began before anybody looked, but for the calls of that round.
    let of = |first: usize| (first..count).step_by(3).count() as u64;
    tally.add_calls(libc::SYS_readv, of(1));
    tally.add_calls(libc::SYS_connect, of(2));
    tally.fact("threads", count);
}

/// A wait for round after round, and what ends it.
type Waiter = (Box<dyn FnMut(u32) + Send>, LetGo);

fn futex_waiter() -> Waiter {
    let word = Arc::new(AtomicU32::new(0));
    let theirs = Arc::clone(&word);
    let address = |word: &AtomicU32| word.as_ptr() as usize;
    let wait = move |round: u32| {
        while theirs.load(Ordering::SeqCst) == round {
            let op = libc::FUTEX_WAIT as usize;
            raw::syscall(libc::SYS_futex, [address(&theirs), op, round as usize, 0, 0, 0]);
        }
    };
    let let_go = move |round: u32| {
        word.store(round + 1, Ordering::SeqCst);
        raw::syscall(libc::SYS_futex, [address(&word), libc::FUTEX_WAKE as usize, 1, 0, 0, 0]);
    };
    (Box::new(wait), Box::new(let_go))
}

fn reader() -> Waiter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let wait = move |_| assert_eq!(readv_one_byte(reader.as_raw_fd()), 1);
    let let_go = move |_| {
        use std::io::Write as _;
        (&writer).write_all(b"x").expect("somebody reads");
    };
    (Box::new(wait), Box::new(let_go))
}

/// The queue of the listener is full, so that whoever connects waits until somebody is taken from it.
fn connector(path: &std::path::Path) -> Waiter {
    let listener = UnixListener::bind(path).expect("a new path");
    let listen = raw::syscall(libc::SYS_listen, [listener.as_raw_fd() as usize, 0, 0, 0, 0, 0]);
    assert_eq!(listen, 0, "a queue of one");
    let first = UnixStream::connect(path).expect("there is room for one");
    let path = path.to_owned();
    let mut connected = vec![first];
    let wait = move |_| connected.push(UnixStream::connect(&path).expect("it is let in"));
    let let_go = move |_| drop(listener.accept().expect("somebody waits"));
    (Box::new(wait), Box::new(let_go))
}

fn block_signal(number: i32) -> u64 {
    let set = 1_u64 << (number - 1);
    let how = libc::SIG_BLOCK as usize;
    let blocked = raw::syscall(libc::SYS_rt_sigprocmask, [how, (&raw const set) as usize, 0, 8, 0, 0]);
    assert_eq!(blocked, 0, "rt_sigprocmask");
    set
}

fn wait_for(set: &u64) {
    let number = raw::syscall(libc::SYS_rt_sigtimedwait, [std::ptr::from_ref(set) as usize, 0, 0, 8, 0, 0]);
    assert_eq!(number, i64::from(libc::SIGUSR1) as _, "rt_sigtimedwait");
}
