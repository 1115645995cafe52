//! What must be in a maildrop after a crash, learnt from what was begun and what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use mailroost_storage::{
    BodySource, MaildropId, MaildropStore, MessageId, SledStore, StoreErrorKind,
};

use super::{message, read};

/// What somebody outside knows of a maildrop.
#[derive(Default)]
pub struct Known {
    /// Acknowledged and not removed: the seeds by number.
    pub live: BTreeMap<u64, u64>,
    /// The same of those that were removed and kept.
    pub kept: BTreeMap<u64, u64>,
    /// Numbers that were seen and are gone for ever.
    pub gone: BTreeSet<u64>,
    /// What was being done when the process died: the word, and seeds or numbers.
    pub doing: Option<(String, Vec<u64>)>,
}

impl Known {
    fn highest(&self) -> u64 {
        let live = self.live.keys().chain(self.kept.keys()).max().copied();
        live.max(self.gone.last().copied()).unwrap_or(0)
    }

    pub fn hear(&mut self, word: &str, numbers: Vec<u64>) {
        if word.ends_with("ing") {
            self.doing = Some((word.to_owned(), numbers));
            return;
        }
        let (_, before) = self.doing.take().unwrap();
        match word {
            "delivered" => {
                for (number, seed) in numbers.into_iter().zip(before) {
                    self.arrive(number, seed);
                }
            }
            "undeleted" => {
                for (number, old) in numbers.into_iter().zip(before) {
                    let seed = self.end(old);
                    self.arrive(number, seed);
                }
            }
            "kept" => before.into_iter().for_each(|number| self.keep(number)),
            "removed" | "purged" => {
                for number in before {
                    self.end(number);
                }
            }
            other => panic!("the process said {other:?}"),
        }
    }

    fn arrive(&mut self, number: u64, seed: u64) {
        let highest = self.highest();
        assert!(number > highest, "number {number} came twice or came back");
        self.live.insert(number, seed);
    }

    fn keep(&mut self, number: u64) {
        let seed = self.live.remove(&number).unwrap();
        self.kept.insert(number, seed);
    }

    fn end(&mut self, number: u64) -> u64 {
        self.gone.insert(number);
        let kept = self.kept.remove(&number);
        kept.or_else(|| self.live.remove(&number)).unwrap()
    }

    /// Compares with the maildrop after the crash, and learns what became of the last step.
    ///
    /// `whole`: the step was taken wholly or not at all. Where the index went as well, the files
    /// that the step had got to are all that is known of it.
    pub fn compare(&mut self, store: &SledStore, id: MaildropId, whole: bool) {
        let maildrop = store.open_maildrop(id).unwrap();
        let source = maildrop.bodies();
        let found: BTreeSet<u64> = maildrop.messages().iter().map(|it| it.id.0).collect();
        let deleted = maildrop.deleted().unwrap();
        let deleted: BTreeSet<u64> = deleted.iter().map(|it| it.id.0).collect();
        self.learn(&*source, &found, &deleted, whole);
        let kept: BTreeSet<u64> = self.kept.keys().copied().collect();
        assert_eq!(deleted, kept, "the deleted messages of maildrop {id}");
        let live: BTreeSet<u64> = self.live.keys().copied().collect();
        assert_eq!(found, live, "the messages of maildrop {id}");
        for (number, seed) in &self.live {
            let octets = read(&*source, MessageId(*number)).unwrap();
            let expected = message(*seed);
            let differs = octets
                .iter()
                .zip(&expected)
                .position(|(one, two)| one != two);
            assert!(
                octets == expected,
                "message {number} of maildrop {id} has {} octets instead of {}, others from {differs:?} on",
                octets.len(),
                expected.len()
            );
        }
        for number in self.gone.iter().chain(&kept) {
            let outcome = source.open(MessageId(*number)).map(drop);
            assert_eq!(
                outcome.unwrap_err().kind(),
                StoreErrorKind::Gone,
                "message {number}"
            );
        }
    }

    fn learn(
        &mut self,
        source: &dyn BodySource,
        found: &BTreeSet<u64>,
        deleted: &BTreeSet<u64>,
        whole: bool,
    ) {
        let Some((word, mut numbers)) = self.doing.take() else {
            return;
        };
        let new = found.iter().filter(|it| !self.live.contains_key(it));
        let new: Vec<u64> = new.copied().collect();
        let all = numbers.len();
        let done = match &*word {
            "delivering" => {
                let done = new.len();
                // With the index lost, any of a batch may be there: files have no order.
                for number in new {
                    let octets = read(source, MessageId(number)).unwrap();
                    let place = numbers.iter().position(|it| message(*it) == octets);
                    let place = place.expect("what was delivered is as it was");
                    self.arrive(number, numbers.remove(place));
                }
                done
            }
            "undeleting" => {
                let left: Vec<u64> = numbers
                    .into_iter()
                    .filter(|it| !deleted.contains(it))
                    .collect();
                assert_eq!(left.len(), new.len(), "half an undelete");
                for (number, old) in new.iter().zip(left) {
                    let seed = self.end(old);
                    self.arrive(*number, seed);
                }
                new.len()
            }
            word => {
                let stays = |it: &u64| match word {
                    "purging" => deleted.contains(it),
                    _ => found.contains(it),
                };
                let done: Vec<u64> = numbers.into_iter().filter(|it| !stays(it)).collect();
                for number in &done {
                    match word {
                        "keeping" => self.keep(*number),
                        _ => drop(self.end(*number)),
                    }
                }
                done.len()
            }
        };
        assert!(
            done == 0 || done == all || !whole && done < all,
            "{word}: {done} of {all} were done"
        );
    }

    /// What was kept can be brought back as it was.
    pub fn bring_all_back(&mut self, store: &SledStore, id: MaildropId) {
        let mut maildrop = store.open_maildrop(id).unwrap();
        let old: Vec<MessageId> = self.kept.keys().copied().map(MessageId).collect();
        let source = maildrop.bodies();
        for (old, new) in maildrop.undelete(&old, 99).unwrap() {
            let seed = self.end(old.0);
            self.arrive(new.0, seed);
            assert!(read(&*source, new).unwrap() == message(seed));
        }
    }
}
