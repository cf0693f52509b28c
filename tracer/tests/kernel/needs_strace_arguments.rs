//! Arguments against strace on the same run: every number and every flag word of every call of real programs.
//! So are the paths and socket addresses that calls are given; what strace reads from memory beside those has no
//! counterpart here and is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::needs_strace::Launch;
use crate::recording::Place;
use crate::tool::{Family, Tracing, require_program, run, tell, tracer, wait_for, wait_for_read};

/// A call as both write it: name and arguments.
type Shown = (String, Vec<String>);

/// The calls of each thread, in order, from what `strace -f` wrote. A call that another thread's line cut in
/// two is put together again.
fn calls_by_thread(text: &str) -> BTreeMap<u32, Vec<Shown>> {
    let mut calls: BTreeMap<u32, Vec<Shown>> = BTreeMap::new();
    let mut begun: BTreeMap<u32, String> = BTreeMap::new();
    for line in text.lines() {
        let Some((tid, rest)) = line.split_once(char::is_whitespace) else { continue };
        let tid: u32 = tid.parse().expect("a line begins with the thread");
        let rest = rest.trim_start();
        // `export` has the time there.
        let rest = match rest.split_once(' ') {
            Some((time, rest)) if time.parse::<f64>().is_ok() => rest,
            _ => rest,
        };
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        let whole = if let Some(part) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(tid, part.trim_end().to_owned());
            continue;
        } else if let Some((_, end)) =
            rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"))
        {
            // The call in which a thread was when strace came has an end only.
            let Some(beginning) = begun.remove(&tid) else { continue };
            format!("{beginning}{end}")
        } else {
            rest.to_owned()
        };
        if let Some((name, arguments)) = whole.split_once('(') {
            calls.entry(tid).or_default().push((name.to_owned(), split_arguments(arguments)));
        }
    }
    calls
}

/// The arguments up to the closing parenthesis, without comments.
fn split_arguments(text: &str) -> Vec<String> {
    let (mut arguments, mut current) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for character in text.chars() {
        if quoted {
            quoted = escaped || character != '"';
            escaped = !escaped && character == '\\';
            current.push(character);
            continue;
        }
        match character {
            '"' => quoted = true,
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(std::mem::take(&mut current));
                continue;
            }
            _ => {}
        }
        current.push(character);
    }
    if !current.trim().is_empty() {
        arguments.push(current);
    }
    let plain = |text: String| text.split("/*").next().unwrap_or_default().trim().to_owned();
    arguments.into_iter().map(plain).collect()
}

/// Whether strace shows what a pointer points to, or where it wrote it.
fn is_content(text: &str) -> bool {
    text.starts_with(['"', '[', '{', '~']) || text.is_empty()
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split('|').collect()
}

/// Calls whose first text is a path.
const PATHS: [&str; 10] =
    ["open", "openat", "access", "newfstatat", "readlink", "unlink", "unlinkat", "mkdir", "chdir", "execve"];

/// Why the two are not the same; `None` when they are.
fn difference(ours: &Shown, theirs: &Shown) -> Option<String> {
    // strace puts the arguments of clone in an order of its own and shows what clone3 points to; to it
    // rt_sigreturn has the frame of the signal for an argument.
    if matches!(theirs.0.as_str(), "clone" | "clone3" | "rt_sigreturn") && ours.0 == theirs.0 {
        return None;
    }
    let path =
        PATHS.contains(&theirs.0.as_str()).then(|| theirs.1.iter().position(|its| its.starts_with('"')));
    let same = |(at, (mine, its)): (usize, (&String, &String))| {
        // A pointer whose contents strace shows, and that we are not to read.
        let is_pointer = mine.starts_with("0x") && path != Some(Some(at));
        (is_pointer && is_content(its)) || words(mine) == words(its)
    };
    let is_same = ours.0 == theirs.0
        && ours.1.len() == theirs.1.len()
        && ours.1.iter().zip(&theirs.1).enumerate().all(same);
    (!is_same)
        .then(|| format!("{}({}) strace: {}({})", ours.0, ours.1.join(", "), theirs.0, theirs.1.join(", ")))
}

/// Runs `command` once under strace and a recording tracer and compares every call; the number of calls.
fn assert_same_arguments(family: Family, command: &[&str]) -> usize {
    let strace = require_program("strace");
    let (theirs, recording, exported) = (Place::new(), Place::new(), Place::new());
    let launch = Launch::prepare(command);
    let pid = launch.pid().to_string();
    wait_for_read(launch.pid());
    let mut strace = Command::new(&strace)
        .args(["-f", "-p", &pid, "-o", &theirs.text])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace starts");
    wait_for("strace to attach", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        (!status.contains("TracerPid:\t0\n")).then_some(())
    });
    // It interrupts the read next, and the shell begins it again: nothing shows when that is done.
    thread::sleep(Duration::from_millis(500));
    let tracing = Tracing::attach(family, &["-f", "-p", &pid, "--record", &recording.text, "--events"]);
    launch.run();
    tracing.finish().report().assert_laws();
    assert!(strace.wait().expect("a child").success(), "strace");
    let to = ["export", &recording.text, "--to", "strace", "-o", &exported.text];
    assert!(run(&tracer(), &to, None).status.success());
    if !family.is_exact_here() {
        tell("NOT COMPARED with strace: raw programs are skipped by this kernel");
        return 0;
    }

    let theirs = fs::read_to_string(&theirs.text).expect("strace's lines");
    let ours = fs::read_to_string(&exported.text).expect("our lines");
    let (mut theirs, ours) = (calls_by_thread(&theirs), calls_by_thread(&ours));
    assert!(theirs.keys().eq(ours.keys()), "threads {:?}, strace {:?}", ours.keys(), theirs.keys());
    // The read in which the shell waited for both began before us.
    let shell = theirs.get_mut(&pid.parse().expect("a number")).expect("the shell's calls");
    assert_eq!(shell.remove(0).0, "read");
    let mut differences = Vec::new();
    let mut compared = 0;
    for (tid, theirs) in &theirs {
        let ours = &ours[tid];
        assert_eq!(ours.len(), theirs.len(), "calls of thread {tid}");
        compared += ours.len();
        differences.extend(ours.iter().zip(theirs).filter_map(|(mine, its)| difference(mine, its)));
    }
    differences.sort();
    differences.dedup();
    assert!(differences.is_empty(), "{command:?}\n{}", differences.join("\n"));
    compared
}

/// Calls of every class, made by a language that does not do them for itself.
const CLASSES: &str = "
import fcntl, mmap, os, select, signal, socket, subprocess, tempfile, threading, time
f = tempfile.TemporaryFile()
f.write(b'x' * 100000); f.flush(); os.fsync(f.fileno()); os.lseek(f.fileno(), -5, os.SEEK_END)
fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB); os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
os.pread(f.fileno(), 10, 4096); os.pwritev(f.fileno(), [b'ab'], 7); os.posix_fallocate(f.fileno(), 0, 9)
m = mmap.mmap(f.fileno(), 8192); m.madvise(mmap.MADV_WILLNEED); m.flush(); m.close()
a, b = socket.socketpair(); a.send(b'x'); b.recv(5, socket.MSG_PEEK | socket.MSG_DONTWAIT); a.shutdown(1)
s = socket.socket(); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', 0)); s.listen(5)
c = socket.create_connection(s.getsockname()); d, _ = s.accept(); d.settimeout(0.01)
e = select.epoll(); e.register(c, select.EPOLLIN); e.poll(0.01); e.modify(c, 0); e.unregister(c)
p = select.poll(); p.register(c); p.poll(10); select.select([c], [], [], 0.01)
r, w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC); os.dup2(r, 77, inheritable=False); fcntl.fcntl(r, fcntl.F_GETFL)
fcntl.fcntl(r, fcntl.F_SETPIPE_SZ, 65536); fcntl.lockf(f, fcntl.LOCK_EX)
os.umask(0o27); os.access('/', os.R_OK | os.X_OK); os.kill(os.getpid(), 0); time.sleep(0.001)
signal.setitimer(signal.ITIMER_REAL, 100); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
d = tempfile.mkdtemp(); n = os.open(d, os.O_RDONLY | os.O_DIRECTORY); os.mkdir('x', 0o711, dir_fd=n)
os.open('y', os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_SYNC, 0o640, dir_fd=n); os.unlink('y', dir_fd=n)
os.rmdir('x', dir_fd=n); os.chmod(d, 0o700); os.rmdir(d); os.statvfs('/'); os.stat('/', follow_symlinks=False)
os.sched_getaffinity(0); os.getpriority(os.PRIO_PROCESS, 0); os.memfd_create('m'); os.eventfd(3)
t = threading.Thread(target=time.sleep, args=(0.01,)); t.start(); t.join()
subprocess.run(['true'])
try: os.open('/nowhere', os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
except OSError: pass
";

both_families! {
    needs_python3_imports(family) {
        require_program("python3");
        let compared = assert_same_arguments(family, &["/usr/bin/python3", "-c", "import json, ssl"]);
        assert!(!family.is_exact_here() || compared > 300, "{compared} calls");
    }

    find(family) {
        let compared = assert_same_arguments(family, &["find", "/etc", "-newer", "/etc/passwd"]);
        assert!(!family.is_exact_here() || compared > 300, "{compared} calls");
    }

    needs_python3(family) {
        require_program("python3");
        let compared = assert_same_arguments(family, &["python3", "-c", CLASSES]);
        assert!(!family.is_exact_here() || compared > 500, "{compared} calls");
    }

    pipeline(family) {
        let compared = assert_same_arguments(family, &["sh", "-c", "tar c /usr/share/doc/tar /etc/apt 2>/dev/null | wc -c"]);
        assert!(!family.is_exact_here() || compared > 200, "{compared} calls");
    }
}
