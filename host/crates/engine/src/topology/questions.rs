//! Questions to a component's open instance: who reads from it, and what is to be done with one.
//!
//! An instance is called by its own thread alone. Who asks puts a question down, wakes the thread, and
//! waits for so long and no longer; the thread answers between two other calls. While nobody asks, all
//! that it does is look at one flag.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Instant,
};

use dataserver_loader::AnyInstance;
use plugin_api::{Action, ErrorKind, Outcome, PluginError, Reader};

/// Questions that wait at one time.
const MAX_WAITING: usize = 16;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The component did not come to it in time; nothing was done.
    Busy,
    /// It came to it, and nobody knows how that ended.
    Unfinished,
    /// The plugin says no.
    Refused(PluginError),
}

/// What is asked, with the way back.
#[derive(Debug)]
pub enum Question {
    /// Who reads?
    Readers(SyncSender<Result<Option<Vec<Reader>>, PluginError>>),
    /// Do something with one.
    Act {
        /// Who is meant.
        reader: String,
        /// What is to be done.
        action: Action,
        /// Nothing is changed.
        preview: bool,
        /// The way back.
        reply: SyncSender<Result<Outcome, PluginError>>,
    },
}

/// The questions to one component, whichever runner it has.
#[derive(Debug, Default)]
pub struct Questions {
    are_waiting: AtomicBool,
    /// An instance was opened that may know its readers.
    tells: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    /// By number, oldest first.
    questions: VecDeque<(u64, Question)>,
}

/// A question that was put down.
#[derive(Debug)]
pub struct Pending<T> {
    questions: Arc<Questions>,
    number: u64,
    reply: Receiver<Result<T, PluginError>>,
}

impl Questions {
    /// An instance was opened: whether it knows its readers is to be seen.
    pub fn begin(&self) {
        self.tells.store(true, Ordering::Relaxed);
    }

    /// Whether the instance that was opened last may know its readers.
    pub fn tells(&self) -> bool {
        self.tells.load(Ordering::Relaxed)
    }

    /// Asks who reads.
    ///
    /// # Errors
    /// When too many questions wait already.
    pub fn readers(self: &Arc<Self>) -> Result<Pending<Option<Vec<Reader>>>, NoAnswer> {
        self.put(Question::Readers)
    }

    /// Asks for something to be done with a reader.
    ///
    /// # Errors
    /// When too many questions wait already.
    pub fn act(
        self: &Arc<Self>,
        reader: String,
        action: Action,
        preview: bool,
    ) -> Result<Pending<Outcome>, NoAnswer> {
        self.put(|reply| Question::Act { reader, action, preview, reply })
    }

    fn put<T>(
        self: &Arc<Self>,
        question: impl FnOnce(SyncSender<Result<T, PluginError>>) -> Question,
    ) -> Result<Pending<T>, NoAnswer> {
        // it carries one message, so the component's thread never waits
        let (sender, reply) = sync_channel(1);
        let mut waiting = self.lock();
        if waiting.questions.len() >= MAX_WAITING {
            return Err(NoAnswer::Busy);
        }
        waiting.last += 1;
        let number = waiting.last;
        waiting.questions.push_back((number, question(sender)));
        self.are_waiting.store(true, Ordering::Relaxed);
        drop(waiting);
        Ok(Pending { questions: Arc::clone(self), number, reply })
    }

    /// The next question; costs one load while there is none.
    pub fn next(&self) -> Option<Question> {
        if !self.are_waiting.load(Ordering::Relaxed) {
            return None;
        }
        let mut waiting = self.lock();
        let next = waiting.questions.pop_front();
        self.are_waiting.store(!waiting.questions.is_empty(), Ordering::Relaxed);
        next.map(|(_, question)| question)
    }

    /// Lets the instance answer.
    ///
    /// # Errors
    /// When the instance is of no more use; who asked is told the same.
    pub fn answer(
        &self,
        question: Question,
        instance: &mut dyn AnyInstance,
    ) -> Result<(), PluginError> {
        // whoever asked may have gone
        match question {
            Question::Readers(reply) => {
                let told = instance.readers();
                if matches!(told, Ok(None)) {
                    self.tells.store(false, Ordering::Relaxed);
                }
                let broken = broken(&told);
                let _ = reply.send(told);
                broken
            }
            Question::Act { reader, action, preview, reply } => {
                let outcome = instance.act(&reader, &action, preview);
                let broken = broken(&outcome);
                let _ = reply.send(outcome);
                broken
            }
        }
    }

    /// Takes a question back; false when it is being answered, or was.
    fn withdraw(&self, number: u64) -> bool {
        let mut waiting = self.lock();
        let before = waiting.questions.len();
        waiting.questions.retain(|(it, _)| *it != number);
        waiting.questions.len() < before
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    /// The call that answers it.
    pub fn call(&self) -> &'static str {
        match self {
            Self::Readers(_) => "readers",
            Self::Act { .. } => "act",
        }
    }
}

fn broken<T>(answer: &Result<T, PluginError>) -> Result<(), PluginError> {
    match answer {
        Err(error) if matches!(error.kind, ErrorKind::Fatal | ErrorKind::Panic) => {
            Err(error.clone())
        }
        _ => Ok(()),
    }
}

impl<T> Pending<T> {
    /// Waits for the answer until `end`. If nobody has come to the question at `begin`, it is taken
    /// back.
    ///
    /// # Errors
    /// Why there is none.
    pub fn wait(self, begin: Instant, end: Instant) -> Result<T, NoAnswer> {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        let mut answer = self.reply.recv_timeout(left(begin));
        if matches!(answer, Err(RecvTimeoutError::Timeout)) {
            if self.questions.withdraw(self.number) {
                return Err(NoAnswer::Busy);
            }
            // it was begun, and may have ended this moment
            answer = self.reply.recv_timeout(left(end));
        }
        answer.map_err(|_| NoAnswer::Unfinished)?.map_err(NoAnswer::Refused)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugin_api::ReaderKind;
    use serde_json::json;

    use super::*;

    /// Tells what it was made with.
    struct Telling(Result<Option<Vec<Reader>>, PluginError>);

    impl AnyInstance for Telling {
        fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
            Ok(None)
        }

        fn import_state(&mut self, _: &[u8]) -> Result<(), PluginError> {
            Ok(())
        }

        fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
            self.0.clone()
        }

        fn act(&mut self, reader: &str, _: &Action, _: bool) -> Result<Outcome, PluginError> {
            Ok(Outcome { before: json!(reader), after: json!(null) })
        }
    }

    fn now() -> Instant {
        Instant::now()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn answer(questions: &Questions, instance: &mut Telling) -> Result<(), PluginError> {
        let question = questions.next().expect("something was asked");
        questions.answer(question, instance)
    }

    #[test]
    fn what_is_asked_is_answered_in_order_by_whoever_calls_the_instance() {
        let questions = Arc::<Questions>::default();
        assert!(questions.next().is_none());
        let readers = questions.readers().unwrap();
        let outcome = questions.act("7".to_owned(), Action::Disconnect, true).unwrap();
        let mut instance = Telling(Ok(Some(vec![Reader::new(ReaderKind::Client, "7")])));
        answer(&questions, &mut instance).unwrap();
        answer(&questions, &mut instance).unwrap();
        assert!(questions.next().is_none());
        assert_eq!(readers.wait(soon(), soon()).unwrap().unwrap()[0].id, "7");
        assert_eq!(outcome.wait(soon(), soon()).unwrap().before, json!("7"));
    }

    #[test]
    fn a_question_that_nobody_comes_to_is_taken_back_and_never_answered() {
        let questions = Arc::<Questions>::default();
        let asked = questions.act("1".to_owned(), Action::Remove, false).unwrap();
        assert_eq!(asked.wait(now(), soon()), Err(NoAnswer::Busy));
        assert!(questions.next().is_none(), "nothing is removed later");
        let asked = questions.readers().unwrap();
        let question = questions.next().unwrap();
        assert_eq!(asked.wait(now(), now()), Err(NoAnswer::Unfinished), "it was begun");
        let mut instance = Telling(Ok(None));
        questions.answer(question, &mut instance).unwrap();
        for _ in 0..MAX_WAITING {
            questions.readers().unwrap();
        }
        assert!(matches!(questions.readers(), Err(NoAnswer::Busy)));
    }

    #[test]
    fn who_never_knows_its_readers_says_so_once_and_who_breaks_is_replaced() {
        let questions = Arc::<Questions>::default();
        assert!(!questions.tells());
        questions.begin();
        let asked = questions.readers().unwrap();
        let away = PluginError::retry("the server is away");
        answer(&questions, &mut Telling(Err(away.clone()))).unwrap();
        assert_eq!(asked.wait(soon(), soon()), Err(NoAnswer::Refused(away)));
        assert!(questions.tells());
        let asked = questions.readers().unwrap();
        answer(&questions, &mut Telling(Ok(None))).unwrap();
        assert_eq!((asked.wait(soon(), soon()), questions.tells()), (Ok(None), false));
        let asked = questions.readers().unwrap();
        let broken = PluginError::fatal("broken");
        assert_eq!(answer(&questions, &mut Telling(Err(broken.clone()))), Err(broken.clone()));
        assert_eq!(asked.wait(soon(), soon()), Err(NoAnswer::Refused(broken)));
    }
}
