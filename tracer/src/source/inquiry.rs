//! Questions of the drain thread that take any time to answer, and a thread of their own that does: reading `/proc` can
//! block, and the drain thread never may. Both queues are bounded; what finds no room stays unknown.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Questions and answers that may be under way.
pub(super) const QUEUED: usize = 1024;

/// Questions that may wait for room in the queue; beyond it, they have no answer.
const WAITING: usize = 8192;

/// The drain thread's end. Dropping it ends the thread, which is not waited for: it may be reading.
#[derive(Debug)]
pub(super) struct Inquiry<Q, A> {
    questions: Option<SyncSender<Q>>,
    waiting: VecDeque<Q>,
    answers: Receiver<(Q, Option<Arc<A>>)>,
    /// Questions that were handed over and have no answer.
    open: usize,
}

impl<Q: Send + 'static, A: Send + Sync + 'static> Inquiry<Q, A> {
    /// Starts the thread `name`, which answers by `look`.
    pub(super) fn start(name: &str, look: impl FnMut(&Q) -> Option<A> + Send + 'static) -> io::Result<Self> {
        Self::start_with(name, move || look)
    }

    /// The same where what answers cannot leave the thread, which makes it.
    pub(super) fn start_with<L: FnMut(&Q) -> Option<A>>(
        name: &str,
        make: impl FnOnce() -> L + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, asked) = sync_channel::<Q>(QUEUED);
        let (answer, answers) = sync_channel(QUEUED);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut look = make();
            while let Ok(question) = asked.recv() {
                let found = look(&question).map(Arc::new);
                if answer.send((question, found)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions: Some(questions), waiting: VecDeque::new(), answers, open: 0 })
    }

    /// Asks these, and those that waited.
    pub(super) fn ask(&mut self, questions: Vec<Q>) {
        let room = WAITING - self.waiting.len();
        self.waiting.extend(questions.into_iter().take(room));
        let Some(questions) = &self.questions else { return };
        while let Some(question) = self.waiting.pop_front() {
            match questions.try_send(question) {
                Ok(()) => self.open += 1,
                Err(TrySendError::Full(question)) => return self.waiting.push_front(question),
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }

    /// The answers that came since.
    pub(super) fn take_answers(&mut self) -> Vec<(Q, Arc<A>)> {
        let mut known = Vec::new();
        loop {
            match self.answers.try_recv() {
                Ok(answer) => known.extend(self.note(answer)),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return known,
            }
        }
    }

    /// The last answers, for which it waits, but not for long.
    pub(super) fn finish(&mut self, longest: Duration) -> Vec<(Q, Arc<A>)> {
        let until = Instant::now() + longest;
        let mut known = self.take_answers();
        self.ask(Vec::new());
        while self.open > 0 {
            match self.answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(answer) => known.extend(self.note(answer)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
            // There is room for one that waited.
            self.ask(Vec::new());
        }
        self.questions = None;
        known
    }

    fn note(&mut self, (question, found): (Q, Option<Arc<A>>)) -> Option<(Q, Arc<A>)> {
        self.open -= 1;
        found.map(|found| (question, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_questions_than_fit_wait_and_are_answered() {
        let mut inquiry =
            Inquiry::start("asked", |&number: &usize| (number > 0).then_some(number)).expect("a thread");
        let began = Instant::now();
        inquiry.ask(vec![1; 3 * QUEUED]);
        assert!(began.elapsed() < Duration::from_secs(1), "asking does not wait");
        let mut answers = 0;
        while answers < 3 * QUEUED && began.elapsed() < Duration::from_mins(1) {
            answers += inquiry.take_answers().len();
            inquiry.ask(Vec::new());
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(answers, 3 * QUEUED);
        inquiry.ask(vec![7, 0]);
        inquiry.ask(vec![1; 3 * QUEUED]);
        assert_eq!(inquiry.finish(Duration::from_mins(1)).len(), 1 + 3 * QUEUED, "the second has none");
    }

    #[test]
    fn whoever_never_answers_holds_nobody_up() {
        let (sender, receiver) = sync_channel::<()>(0);
        let mut inquiry = Inquiry::start("slow", move |_: &usize| receiver.recv().ok()).expect("a thread");
        let began = Instant::now();
        for _ in 0..100 {
            inquiry.ask(vec![1; 1000]);
            assert!(inquiry.take_answers().is_empty());
        }
        assert!(inquiry.waiting.len() <= WAITING);
        assert!(inquiry.finish(Duration::from_millis(10)).is_empty());
        assert!(began.elapsed() < Duration::from_secs(5), "nothing waits for it");
        drop(sender);
    }
}
