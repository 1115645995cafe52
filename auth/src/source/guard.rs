//! Keeps a source that is down or slow from eating the threads: so many checks at once, and
//! after failures in a row none for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::foreign::{Claim, ForeignAccount, ForeignPasswords};
use crate::breaker::Breaker;
use crate::limits::{SOURCE_FAILURES_MAX, SOURCE_SLOT_WAIT_MAX};
use crate::slots::Slots;
use crate::{AuthError, Secret};

/// A source behind a breaker, with a bounded number of checks at once.
pub struct Guarded {
    source: Arc<dyn ForeignPasswords>,
    breaker: Breaker,
    slots: Slots,
}

impl Guarded {
    /// At most `checks_max` checks at once; after [`SOURCE_FAILURES_MAX`] in a row that nobody
    /// answered, none for `rest`.
    pub fn new(source: Arc<dyn ForeignPasswords>, checks_max: usize, rest: Duration) -> Self {
        Self {
            source,
            breaker: Breaker::new(SOURCE_FAILURES_MAX, rest),
            slots: Slots::new(checks_max),
        }
    }

    /// Asks the source, unless it rests or has enough to do.
    fn ask<T>(
        &self,
        ask: impl FnOnce(&dyn ForeignPasswords) -> Result<T, AuthError>,
    ) -> Result<T, AuthError> {
        let slot = self.slots.take_within(SOURCE_SLOT_WAIT_MAX);
        let Some(_given_back_at_the_end) = slot else {
            return Err(AuthError::Unavailable("it has too much to do".to_owned()));
        };
        // Asked last: whoever may try it alone must say how that went.
        if !self.breaker.lets_try(Instant::now()) {
            let why = "it failed several times in a row and is left alone for a while";
            return Err(AuthError::Unavailable(why.to_owned()));
        }
        let outcome = ask(&*self.source);
        match &outcome {
            Err(AuthError::Unavailable(_)) => self.breaker.failed(Instant::now()),
            Ok(_) | Err(_) => self.breaker.worked(),
        }
        outcome
    }
}

impl ForeignPasswords for Guarded {
    fn check(&self, claim: &Claim<'_>, password: &Secret) -> Result<ForeignAccount, AuthError> {
        self.ask(|source| source.check(claim, password))
    }

    fn feign(&self, password: &Secret) {
        // Whether it can answer is found out by those who need an answer.
        if self.breaker.is_closed()
            && let Some(_slot) = self.slots.take_within(SOURCE_SLOT_WAIT_MAX)
        {
            self.source.feign(password);
        }
    }

    fn stored(&self, claim: &Claim<'_>) -> String {
        self.source.stored(claim)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::user_name::LogOnName;

    /// Answers when it is told to.
    struct Told {
        asked: AtomicUsize,
        answers: Mutex<mpsc::Receiver<AuthError>>,
    }

    impl ForeignPasswords for Told {
        fn check(&self, _: &Claim<'_>, _: &Secret) -> Result<ForeignAccount, AuthError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            Err(self.answers.lock().unwrap().recv().unwrap())
        }

        fn feign(&self, _: &Secret) {}
    }

    fn guarded(checks_max: usize, rest: Duration) -> (Guarded, Arc<Told>, mpsc::Sender<AuthError>) {
        let (tell, answers) = mpsc::channel();
        let told = Arc::new(Told {
            asked: AtomicUsize::new(0),
            answers: Mutex::new(answers),
        });
        (Guarded::new(told.clone(), checks_max, rest), told, tell)
    }

    fn check(guarded: &Guarded) -> AuthError {
        let claim = Claim {
            account: LogOnName::parse("ann").unwrap().account,
            candidates: &[],
            at_home: true,
        };
        let password = Secret::from(b"x".to_vec());
        guarded.check(&claim, &password).unwrap_err()
    }

    #[test]
    fn a_source_that_does_not_answer_is_left_alone_and_tried_again() {
        let (guarded, told, tell) = guarded(4, Duration::from_millis(1));
        for _ in 0..SOURCE_FAILURES_MAX {
            tell.send(AuthError::Unavailable("down".to_owned()))
                .unwrap();
            check(&guarded);
        }
        let resting = Guarded::new(told.clone(), 4, Duration::from_secs(3600));
        for _ in 0..SOURCE_FAILURES_MAX {
            tell.send(AuthError::Unavailable("down".to_owned()))
                .unwrap();
            check(&resting);
        }
        let asked = told.asked.load(Ordering::SeqCst);
        assert!(matches!(check(&resting), AuthError::Unavailable(_)));
        assert_eq!(told.asked.load(Ordering::SeqCst), asked, "it is not asked");
        tell.send(AuthError::WrongPassword).unwrap();
        while check(&guarded) != AuthError::WrongPassword {}
        assert_eq!(told.asked.load(Ordering::SeqCst), asked + 1);
    }

    #[test]
    fn wrong_passwords_are_answers() {
        let (guarded, _, tell) = guarded(4, Duration::from_secs(3600));
        for _ in 0..3 * SOURCE_FAILURES_MAX {
            tell.send(AuthError::WrongPassword).unwrap();
            assert_eq!(check(&guarded), AuthError::WrongPassword);
        }
    }

    #[test]
    fn no_more_than_so_many_threads_wait_for_it() {
        let (guarded, told, tell) = guarded(1, Duration::from_secs(3600));
        std::thread::scope(|scope| {
            scope.spawn(|| check(&guarded));
            while told.asked.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            assert!(matches!(check(&guarded), AuthError::Unavailable(_)));
            tell.send(AuthError::WrongPassword).unwrap();
        });
        assert_eq!(told.asked.load(Ordering::SeqCst), 1);
        tell.send(AuthError::WrongPassword).unwrap();
        assert_eq!(check(&guarded), AuthError::WrongPassword);
    }
}
