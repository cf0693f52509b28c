//! Rules about calls that take time or do not return.

use super::*;

/// What is found each second while a call that began at the start of the first of them stays open.
fn stuck(host: &mut Host, seconds: usize, pid: u32, name: &str) -> Vec<Vec<Finding>> {
    let enter_ns = host.now_ns.max(Host::START);
    host.seconds(seconds, |slice| {
        slice.open(pid, name, pid, enter_ns);
    })
}

#[test]
fn a_call_that_should_be_prompt_is_stuck_after_a_second() {
    let mut host = Host::default();
    let found = stuck(&mut host, 41, 7, "flock");
    assert_eq!(host.texts(&found[0]).len(), 1);
    assert_eq!(host.texts(&found[40]), ["app 7  flock open for 41 s"]);

    let mut host = Host::default();
    host.seconds(5, |slice| {
        slice.ok(7, "fsync", 30, 10 * MS);
    });
    let found = stuck(&mut host, 4, 7, "fsync").pop().expect("four seconds");
    assert_eq!(host.texts(&found), ["app 7  fsync open for 4.0 s, 400x its p99"]);
}

#[test]
fn a_call_is_stuck_beyond_ten_times_its_p99_and_its_longest() {
    let mut host = Host::default();
    host.seconds(5, |slice| {
        slice.ok(7, "openat", 10, 300 * MS).ok(7, "close", 100, 3 * MS);
    });
    let enter_ns = host.now_ns;
    let found = host.seconds(5, |slice| {
        slice.open(7, "openat", 7, enter_ns).open(7, "close", 8, enter_ns);
    });
    let opens: Vec<bool> = found
        .iter()
        .map(|found| found.iter().any(|f| f.rule == Rule::StuckCall && f.call == call("openat")))
        .collect();
    assert_eq!(opens, [false, false, true, true, true], "3 s are ten times its p99");
    assert!(found[0].iter().any(|found| found.call == call("close")));

    // It came back after 5 s: 5 s are no news any more, 6 are.
    host.pass(SECOND, |slice| {
        slice.ok(7, "close", 1, 5 * SECOND);
    });
    let stuck: Vec<bool> = stuck(&mut host, 7, 7, "close")
        .iter()
        .map(|found| found.iter().any(|found| found.rule == Rule::StuckCall))
        .collect();
    assert_eq!(stuck, [false, false, false, false, true, true, true]);
}

#[test]
fn a_stuck_call_that_returns_is_not_spoken_of_any_longer() {
    let mut host = Host::default();
    assert_eq!(rules(&stuck(&mut host, 3, 7, "flock")[2]), [Rule::StuckCall]);
    let findings = host.pass(SECOND, |slice| {
        slice.ok(7, "flock", 1, 3 * SECOND);
    });
    assert_eq!(findings.now, []);
    assert_eq!(host.texts(&findings.run), ["app 7  flock was open for 3.0 s, until 1.0 s ago"]);
}

#[test]
fn a_peer_that_stops_answering_is_named_and_one_that_is_slow_to_speak_is_not() {
    let exchange = |slice: &mut Slice| {
        slice.ok(7, "sendto", 200, 8 * US).ok(7, "recvfrom", 200, 2 * MS);
    };
    let mut host = Host::default();
    host.seconds(3, exchange);
    let found = stuck(&mut host, 4, 7, "recvfrom");
    let counts: Vec<usize> = found.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 1, 1, 1]);
    let text = host.texts(&found[3]);
    assert!(
        text[0].starts_with("app 7  recvfrom open for 4.0 s, 2,00")
            && text[0].ends_with("x its p99, nothing arrives"),
        "{text:?}"
    );

    // A person types: seconds pass between two keys.
    let mut host = Host::default();
    host.seconds(60, |slice| {
        slice.ok(7, "recvfrom", 2, 450 * MS);
    });
    assert!(stuck(&mut host, 60, 7, "recvfrom").iter().all(Vec::is_empty));
    // Nobody ever said anything.
    assert!(stuck(&mut Host::default(), 60, 7, "recvfrom").iter().all(Vec::is_empty));
    // One of many connections has nothing to say.
    let mut host = Host::default();
    host.seconds(3, exchange);
    let enter_ns = host.now_ns;
    let quiet = host.seconds(60, |slice| {
        exchange(slice);
        slice.open(7, "recvfrom", 70, enter_ns);
    });
    assert!(quiet.iter().all(Vec::is_empty));
}

#[test]
fn what_waits_by_design_or_may_take_any_time_is_never_stuck() {
    for name in
        ["epoll_wait", "futex", "nanosleep", "wait4", "accept4", "ioctl", "vfork", "pause", "write", "read"]
    {
        let mut host = Host::default();
        host.seconds(5, |slice| {
            slice.ok(7, name, 90, 20 * US);
        });
        let found = stuck(&mut host, 60, 7, name);
        assert!(found.iter().all(Vec::is_empty), "{name}: {:?}", host.texts(&found[59]));
    }
}

#[test]
fn a_process_that_ended_has_nothing_stuck() {
    let mut host = Host::default();
    let enter_ns = Host::START;
    let found = host.after(5, |slice| {
        slice.open(7, "flock", 7, enter_ns).named(7, "app", true);
    });
    assert_eq!(found, []);
}

#[test]
fn standstill() {
    let work = |slice: &mut Slice| {
        slice.ok(7, "pwrite64", 60, 5 * US).ok(7, "futex", 300, 40 * US);
    };
    let waiting = |host: &Host, others: &'static [&'static str]| {
        let enter_ns = host.now_ns;
        move |slice: &mut Slice| {
            slice.open(7, "futex", 71, enter_ns).open(7, "futex", 72, enter_ns + 10 * MS);
            for (tid, name) in (73..).zip(others) {
                slice.open(7, name, tid, enter_ns);
            }
        }
    };
    let mut host = Host::default();
    host.seconds(5, work);
    let fill = waiting(&host, &[]);
    let found = host.seconds(4, fill);
    let counts: Vec<usize> = found.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 0, 1, 1]);
    assert_eq!(host.texts(&found[3]), ["app 7  all 2 threads in futex for 4.0 s, none can be woken"]);
    // The first call it makes takes it back.
    assert_eq!(host.after(1, work), []);

    // Somebody is there to be woken from outside, so it idles.
    for others in [&["epoll_wait"][..], &["read"], &["nanosleep"], &["accept4"]] {
        let mut host = Host::default();
        host.seconds(5, work);
        let fill = waiting(&host, others);
        assert!(host.seconds(60, fill).iter().all(Vec::is_empty), "{others:?}");
    }
    // It was never seen at work, or not for long.
    let mut host = Host::default();
    let fill = waiting(&host, &[]);
    assert!(host.seconds(60, fill).iter().all(Vec::is_empty));
    let mut host = Host::default();
    host.seconds(2, work);
    let fill = waiting(&host, &[]);
    assert!(host.seconds(60, fill).iter().all(Vec::is_empty));
}

#[test]
fn sync_in_the_hot_path() {
    let mut host = Host::default();
    let findings = host.after(4, |slice| {
        slice.ok(7, "fsync", 29, 10 * MS).ok(7, "pwrite64", 2_000, 6 * US);
    });
    assert_eq!(host.texts(&findings), ["app 7  fsync 29/s, median 10.0 ms, 29% of its time"]);

    let found = |fill: &dyn Fn(&mut Slice)| rules(&Host::default().after(5, fill));
    // Often and slow, whatever else it does.
    let busy = |slice: &mut Slice, syncs: usize, each_ns: u64| {
        slice.ok(7, "pwrite64", 80, 9 * MS).ok(7, "fdatasync", syncs, each_ns);
    };
    assert_eq!(found(&|slice| busy(slice, 10, MS)), [Rule::SyncInHotPath]);
    assert_eq!(found(&|slice| busy(slice, 9, MS)), []);
    assert_eq!(found(&|slice| busy(slice, 10, 900 * US)), []);
    // A journal that syncs now and then; one that does nothing else, but hardly that.
    assert_eq!(
        found(&|slice| {
            slice.ok(7, "fsync", 4, 11 * MS);
        }),
        []
    );
    assert_eq!(
        found(&|slice| {
            slice.ok(7, "fsync", 5, 11 * MS);
        }),
        [Rule::SyncInHotPath]
    );
    let shared = |slice: &mut Slice, work: usize| {
        slice.ok(7, "fsync", 6, 10 * MS).ok(7, "pwrite64", work, 10 * MS);
    };
    assert_eq!(found(&|slice| shared(slice, 14)), [Rule::SyncInHotPath]);
    assert_eq!(found(&|slice| shared(slice, 15)), []);
    // One that was slow, once.
    let mut host = Host::default();
    host.seconds(3, healthy);
    host.seconds(1, |slice| {
        slice.ok(8, "fsync", 1, 300 * MS);
    });
    assert_eq!(host.after(3, healthy), []);
}

/// Calls that last for three seconds: each second is counted where it was spent, and once.
#[test]
fn time_in_calls_that_outlast_a_step_is_not_counted_twice() {
    let mut host = Host::default();
    let begin_ns = Host::START;
    for second in 0..12 {
        let findings = host.pass(SECOND, |slice| {
            if second % 3 == 2 {
                slice.ok(7, "fsync", 1, 3 * SECOND);
            } else {
                slice.open(7, "fsync", 7, begin_ns + second / 3 * 3 * SECOND);
            }
        });
        for finding in findings.now {
            if let Evidence::Time { busy_ns, .. } = finding.evidence {
                assert_eq!(busy_ns, SECOND, "second {second}");
                assert!(second >= 4);
            }
        }
    }
    assert_eq!(
        host.texts(&host.aggregator.snapshot().findings.now),
        ["app 7  fsync 1/s, median 3.00 s, 100% of its time"]
    );
}

#[test]
fn slow_call() {
    let mut host = Host::default();
    let findings = host.after(5, |slice| {
        slice.ok(7, "openat", 90, 120 * US).ok(7, "openat", 10, 31 * MS);
    });
    let texts = host.texts(&findings);
    assert_eq!(texts.len(), 1);
    assert!(texts[0].starts_with("app 7  openat p99 31.0 ms, 25"), "{texts:?}");
    assert!(texts[0].ends_with("x its median, 32% of its time"), "{texts:?}");

    let found = |name: &str, parts: &[(usize, u64)]| {
        rules(&Host::default().after(6, |slice| {
            for &(count, each_ns) in parts {
                slice.ok(7, name, count, each_ns);
            }
        }))
    };
    // Slow throughout.
    assert_eq!(found("openat", &[(3, 110 * MS)]), [Rule::SlowCall]);
    assert_eq!(found("openat", &[(7, 45 * MS)]), []);
    assert_eq!(found("openat", &[(1, 290 * MS)]), []);
    // A tail that takes no time, or is no tail.
    assert_eq!(found("openat", &[(90, 120 * US), (2, 31 * MS)]), []);
    assert_eq!(found("openat", &[(100, 4 * MS)]), []);
    // What waits for others, or computes for as long as it likes.
    for name in ["read", "recvfrom", "epoll_wait", "futex", "ioctl", "wait4"] {
        assert_eq!(found(name, &[(90, 120 * US), (10, 90 * MS)]), [], "{name}");
    }
}

#[test]
fn a_call_that_was_slow_and_is_not_any_more_is_no_news() {
    let mut host = Host::default();
    let slow = |slice: &mut Slice| {
        slice.ok(7, "openat", 90, 120 * US).ok(7, "openat", 10, 31 * MS);
    };
    assert_eq!(rules(&host.after(20, slow)), [Rule::SlowCall]);
    let after = host.after(7, |slice| {
        slice.ok(7, "openat", 3_000, 120 * US);
    });
    assert_eq!(after, []);
}

#[test]
fn several_threads_in_one_call_are_counted() {
    let mut host = Host::default();
    let findings = host.after(4, |slice| {
        let now_ns = slice.0.end_ns;
        slice.ok(7, "fsync", 4, 900 * MS).open(7, "openat", 8, now_ns - 3 * SECOND).open(
            7,
            "openat",
            9,
            now_ns - 2 * SECOND,
        );
    });
    assert_eq!(
        host.texts(&findings),
        [
            "app 7  openat open for 3.0 s in 2 threads",
            "app 7  fsync 4/s, median 900 ms, 3.6 threads in it at a time",
        ]
    );
}
