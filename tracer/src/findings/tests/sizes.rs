//! Reads and writes in tiny pieces.

use super::*;

#[test]
fn tiny_writes_by_the_thousand_stand_out() {
    let mut host = Host::default();
    let found = host.after(6, |slice| {
        healthy(slice);
        slice.moved(7, "write", 12_000, 12).moved(7, "read", 200, 9);
    });
    assert_eq!(host.texts(&found), ["app 7  write 12,000/s, 100% under 64 B, 12 B on average"]);
    assert_eq!(rules(&found), [Rule::TinyIo]);
}

#[test]
fn one_that_reads_byte_by_byte_stands_out_and_a_burst_does_not() {
    let mut host = Host::default();
    let burst = host.seconds(2, |slice| {
        slice.moved(7, "read", 50_000, 1);
    });
    assert!(burst.iter().all(Vec::is_empty), "{burst:?}");
    let found = host.after(3, |slice| {
        slice.moved(7, "read", 50_000, 1);
    });
    assert_eq!(rules(&found), [Rule::TinyIo]);
}

#[test]
fn wake_ups_messages_large_ones_and_rare_ones_do_not_stand_out() {
    let mut host = Host::default();
    let found = host.seconds(8, |slice| {
        slice.moved(7, "write", 90_000, 8).moved(7, "sendto", 90_000, 12).moved(8, "read", 1_900, 3);
        slice
            .moved(9, "pwrite64", 40_000, 4_096)
            .moved(9, "pwrite64", 39_000, 10)
            .moved(9, "read", 90_000, 64);
    });
    assert!(found.iter().all(Vec::is_empty), "{found:?}");
}

#[test]
fn who_answers_requests_does_not_stand_out_and_who_copies_byte_by_byte_does() {
    let found = |waits: usize, reads: usize, writes: usize| {
        let mut host = Host::default();
        let found = host.after(6, |slice| {
            slice.moved(7, "read", reads, 36).moved(7, "write", writes, 4).ok(7, "epoll_wait", waits, 9 * US);
        });
        rules(&found)
    };
    assert_eq!(found(900, 40_000, 40_000), [], "redis under load");
    assert_eq!(found(0, 40_000, 40_000), [Rule::TinyIo; 2], "dd bs=36");
    assert_eq!(found(900, 40_000, 400), [Rule::TinyIo], "an event loop that reads a pipe in tiny pieces");
    assert_eq!(found(900, 1_500, 40_000), [Rule::TinyIo], "a server whose log is flushed with each field");
}
