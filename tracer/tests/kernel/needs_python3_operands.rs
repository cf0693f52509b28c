//! What calls operate on, as the program itself knows it: paths of every kind, pointers that lead nowhere, memory that
//! nobody has touched yet, addresses, and a call that does not return.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::recording::Place;
use crate::tool::{Family, require_program, run, tracer};

/// Makes one call after the other and prints what each was given, as JSON would show it.
const SCRIPT: &str = r#"
import ctypes, mmap, os, socket, tempfile, threading, time
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, OPENAT = -100, 257
# A file whose page no program has touched: only the kernel can fetch it.
where = tempfile.mkdtemp()
paged = os.path.join(where, 'paged')
with open(paged, 'wb') as file:
    file.write(b'\0' * 4096 * 40 + b'/nowhere/paged\0' + b'\0' * 4081)
fd = os.open(paged, os.O_RDONLY)
libc.mmap.restype = ctypes.c_void_p
page = libc.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE, fd, ctypes.c_long(4096 * 40))
libc.syscall(OPENAT, AT_FDCWD, ctypes.c_void_p(page), os.O_RDONLY | os.O_TRUNC)
def fails(path):
    try: os.open(path, os.O_RDONLY | os.O_TRUNC)
    except OSError: pass
fails(b'/nowhere/\xff\x1b[31m"quoted"\n')
fails(b'/nowhere/' + b'l' * 200)
fails(b'/' + b'x/' * 2047)
fails(b'/' + b'y' * 5000)
for pointer in (8, (1 << 64) - 4096):
    libc.syscall(OPENAT, AT_FDCWD, ctypes.c_void_p(pointer), os.O_RDONLY | os.O_TRUNC)
for call in (os.rename, os.link, os.symlink):
    try: call('/nowhere/a', '/nowhere/b')
    except OSError: pass
s = socket.socket()
for address in (('127.0.0.1', 1),):
    try: s.connect(address)
    except OSError: pass
u = socket.socket(socket.AF_UNIX)
for address in ('/nowhere/socket', b'\0nowhere'):
    try: u.connect(address)
    except OSError: pass
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
try: six.sendto(b'x', ('::1', 9))
except OSError: pass
for _ in range(500):
    try: os.stat('/nowhere/often')
    except OSError: pass
fifo = os.path.join(where, 'fifo')
os.mkfifo(fifo)
thread = threading.Thread(target=os.open, args=(fifo, os.O_RDONLY | os.O_NOCTTY))
thread.start()
time.sleep(2.5)
os.open(fifo, os.O_WRONLY)
thread.join()
"#;

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

both_families! {
    each_is_named(family) {
        require_program("python3");
        let (recording, exported) = (Place::new(), Place::new());
        let record = [
            "record", "--program-family", family.argument(), "--events", "-o", &recording.text, "--", "/usr/bin/python3",
            "-c", SCRIPT,
        ];
        assert!(run(&tracer(), &record, None).status.success());
        let export = |format| {
            assert!(run(&tracer(), &["export", &recording.text, "--to", format, "-o", &exported.text, "--force"], None).status.success());
            fs::read_to_string(&exported.text).expect("what was exported")
        };
        let lines: Vec<Value> =
            export("jsonl").lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        let calls = |name: &'static str| {
            lines.iter().filter(move |line| text(line, "type") == "call" && text(line, "syscall") == name)
        };
        // Ours have a flag that no other call here has.
        let opened: Vec<String> = calls("openat")
            .filter(|call| call["arguments"]["flags"].as_str().is_some_and(|flags| flags.contains("O_TRUNC")))
            .filter(|call| !text(call, "errno").is_empty())
            .map(|call| text(&call["arguments"], "filename"))
            .collect();
        let expected = [
            r#""/nowhere/paged""#.to_owned(),
            r#""/nowhere/\377\33[31m\"quoted\"\n""#.to_owned(),
            format!("\"/nowhere/{}\"", "l".repeat(200)),
            format!("\"/{}\"", "x/".repeat(2047)),
            format!("\"/{}\"...", "y".repeat(4094)),
            "0x8".to_owned(),
            "0xfffffffffffff000".to_owned(),
        ];
        if family.is_exact_here() {
            assert_eq!(opened, expected);
        }
        for (name, keys) in [
            ("rename", ["oldname", "newname"]), ("link", ["oldname", "newname"]), ("symlink", ["oldname", "newname"]),
        ] {
            let call = calls(name).find(|call| text(call, "errno") == "ENOENT").expect("it failed");
            let shown = keys.map(|key| text(&call["arguments"], key));
            assert_eq!(shown, [r#""/nowhere/a""#, r#""/nowhere/b""#], "{name}");
        }
        let connected: Vec<String> = calls("connect").map(|call| text(&call["arguments"], "uservaddr")).collect();
        assert_eq!(connected, [
            r#"{sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}"#,
            r#"{sa_family=AF_UNIX, sun_path="/nowhere/socket"}"#,
            r#"{sa_family=AF_UNIX, sun_path=@"nowhere"}"#,
        ]);
        let sent = calls("sendto").next().expect("it was sent");
        assert!(text(&sent["arguments"], "addr").contains("htons(9)"), "{sent}");

        let mut ledger: BTreeMap<&str, u64> = BTreeMap::new();
        for line in lines.iter().filter(|line| text(line, "type") == "ledger") {
            for name in ["operands_read", "operands_unreadable", "operands_lost"] {
                *ledger.entry(name).or_default() += line[name].as_u64().expect("a number");
            }
        }
        assert_eq!(ledger["operands_lost"], 0);
        assert_eq!(ledger["operands_unreadable"], 2, "the two pointers that lead nowhere");

        // While it was open it was known what it waits for.
        let fifo = lines.iter().find(|line| text(line, "type") == "in_flight" && text(line, "syscall") == "openat");
        let fifo = fifo.expect("an open that had not returned");
        assert!(text(&fifo["arguments"], "filename").ends_with("/fifo\""), "{fifo}");

        // What was failed on, counted, live as in a replay.
        let finished = run(&tracer(), &["report", &recording.text, "--json"], None);
        let reported: Vec<Value> =
            finished.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        let failed = |syscall: &str, errno: &str| {
            let is_it = |line: &&Value| {
                text(line, "type") == "errno" && text(line, "syscall") == syscall && text(line, "errno") == errno
            };
            reported.iter().find(is_it).expect("an errno").clone()
        };
        let stat = reported.iter().find(|line| {
            text(line, "type") == "errno" && line["examples"][0]["on"] == "/nowhere/often"
        });
        let stat = stat.expect("the path that is missing most often");
        assert_eq!((text(stat, "errno"), &stat["examples"][0]["at_least"]), ("ENOENT".to_owned(), &Value::from(500)));
        let refused = failed("connect", "ECONNREFUSED");
        let on: Vec<String> =
            refused["examples"].as_array().expect("a list").iter().map(|example| text(example, "on")).collect();
        assert!(on.contains(&"127.0.0.1:1".to_owned()), "{refused}");
        assert!(finished.status.success());
    }
}
