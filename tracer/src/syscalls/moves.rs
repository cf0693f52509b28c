//! Which calls return how many bytes they moved.

/// Sorted, for the binary search. `sendmmsg` and `recvmmsg` are not here: they return a number of messages.
const MOVING: [&str; 28] = [
    "copy_file_range",
    "getdents",
    "getdents64",
    "getrandom",
    "mq_timedreceive",
    "mq_timedreceive_time64",
    "msgrcv",
    "pread64",
    "preadv",
    "preadv2",
    "process_vm_readv",
    "process_vm_writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "sendfile",
    "sendfile64",
    "sendmsg",
    "sendto",
    "splice",
    "tee",
    "vmsplice",
    "write",
    "writev",
];

/// Whether the call of this name returns how many bytes it moved.
pub(super) fn by_name(name: &str) -> bool {
    MOVING.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use tracer_common::abi::Abi;

    use super::*;
    use crate::syscalls::number;

    #[test]
    fn the_list_is_sorted_and_names_real_calls() {
        assert!(MOVING.is_sorted());
        for name in MOVING {
            assert!(Abi::ALL.iter().any(|&abi| number(abi, name).is_some()), "{name}");
        }
    }
}
