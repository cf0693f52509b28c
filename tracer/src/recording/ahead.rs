//! Reading on a thread of its own, so that decoding and whatever is done with what was read go on side by side.

use std::io::Read;
use std::sync::mpsc;
use std::thread;

use super::{Item, ReadError, Reader};

/// Memory of intervals that may wait to be visited. A larger one waits alone.
const ROOM_BYTES: usize = 8 << 20;

/// Memory of intervals that are handed over at once: waking the other thread for each would cost as much as visiting a
/// small one.
const GROUP_BYTES: usize = 1 << 20;

/// Items that are handed over at once, at most.
const GROUP: usize = 64;

/// Groups that may wait: few, so that they are still in the cache when they are visited.
const QUEUE: usize = 2;

/// Items with their memory, about.
type Group = Vec<(Item, usize)>;

/// Hands every item to `visit`, in order, until that fails. Not for pipes: the end waits for a read that has begun.
///
/// What is left of an item goes back to the thread that made it, to be freed there: an allocator whose threads
/// free each other's memory spends more time on that than it takes to decode.
pub fn read_ahead<R: Read + Send, E>(
    reader: &mut Reader<R>,
    mut visit: impl FnMut(&mut Item) -> Result<(), E>,
) -> Result<Result<(), E>, ReadError> {
    let (sender, groups) = mpsc::sync_channel::<Group>(QUEUE);
    let (visited, visits) = mpsc::channel::<Group>();
    let bytes_of = |group: &Group| group.iter().map(|(_, bytes)| bytes).sum::<usize>();
    thread::scope(|scope| {
        let decoding = scope.spawn(move || {
            let mut waiting = 0;
            loop {
                let (group, outcome) = next_group(reader);
                let bytes = bytes_of(&group);
                // What came before an error is visited too.
                if group.is_empty() || sender.send(group).is_err() {
                    return outcome;
                }
                outcome?;
                waiting += bytes;
                waiting -= visits.try_iter().map(|group| bytes_of(&group)).sum::<usize>();
                while waiting > ROOM_BYTES
                    && let Ok(group) = visits.recv()
                {
                    waiting -= bytes_of(&group);
                }
            }
        });
        for mut group in groups {
            for (item, _) in &mut group {
                if let Err(error) = visit(item) {
                    return Ok(Err(error));
                }
            }
            // Nobody asks once everything is read.
            let _ = visited.send(group);
        }
        match decoding.join() {
            Ok(outcome) => outcome.map(Ok),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The items that come next; none at the end.
fn next_group<R: Read>(reader: &mut Reader<R>) -> (Group, Result<(), ReadError>) {
    let mut group = Group::new();
    let mut bytes = 0;
    while bytes < GROUP_BYTES && group.len() < GROUP {
        match reader.next() {
            Ok(Some(item)) => {
                bytes += reader.item_bytes();
                group.push((item, reader.item_bytes()));
            }
            Ok(None) => break,
            Err(error) => return (group, Err(error)),
        }
    }
    (group, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Kind;
    use crate::recording::tests::fixture::{any_steps, read, record};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn items_come_in_order_and_reading_stops_where_the_visitor_does(
            steps in any_steps(true), events in any::<bool>(), cut in 0.0f64..1.0, stop in 0usize..20,
        ) {
            let kind = if events { Kind::Events } else { Kind::Intervals };
            let (_, mut file) = record(&steps, kind, true);
            file.truncate((file.len() as f64 * (0.5 + cut)) as usize);
            let Ok((expected, end)) = read(&file) else { return Ok(()) };
            let mut reader = Reader::open(file.as_slice()).expect("a recording");
            let mut found = Vec::new();
            let outcome = read_ahead(&mut reader, |item| {
                if found.len() == stop {
                    return Err("enough");
                }
                found.push(item.clone());
                Ok(())
            });
            let whole = expected.len() <= stop;
            prop_assert_eq!(outcome.expect("read"), if whole { Ok(()) } else { Err("enough") });
            prop_assert_eq!(&found[..], &expected[..stop.min(expected.len())]);
            if whole {
                prop_assert_eq!(reader.end(), Some(&end));
            }
        }
    }
}
