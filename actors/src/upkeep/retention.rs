//! Retention: for how long messages stay, and what a round of it did.

use mailroost_storage::{MessageRecord, Purged};

/// For how long messages stay in one maildrop, in seconds since they were received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Those that a session has retrieved. `None`: for ever.
    pub read_secs: Option<u64>,
    /// The others. `None`: for ever.
    pub unread_secs: Option<u64>,
}

/// What retention removed from a maildrop, or would remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retained {
    /// Messages that had been there for too long.
    pub messages: u64,
    /// Their octets, as RETR sent them.
    pub octets: u64,
    /// When the oldest of them was received, in seconds since 1970-01-01 UTC.
    pub oldest_secs: Option<u64>,
    /// What had been removed earlier and can be brought back no longer.
    pub purged: Purged,
    /// There is more to be removed, with the next step.
    pub(crate) more: bool,
}

impl Retention {
    /// Whether the time of a message is over.
    pub(crate) fn is_over(self, message: &MessageRecord, now_secs: u64) -> bool {
        let stays = match message.read {
            true => self.read_secs,
            false => self.unread_secs,
        };
        stays.is_some_and(|secs| message.received_secs.saturating_add(secs) <= now_secs)
    }
}

impl Retained {
    /// Messages that go.
    pub(crate) fn of<'a>(messages: impl Iterator<Item = &'a MessageRecord>) -> Self {
        messages.fold(Self::default(), |sum, message| Self {
            messages: sum.messages + 1,
            octets: sum.octets + message.exact_octets,
            oldest_secs: earlier(sum.oldest_secs, Some(message.received_secs)),
            ..sum
        })
    }

    /// Whether nothing was to be done.
    pub fn is_nothing(&self) -> bool {
        self.messages == 0 && self.purged.messages == 0
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            octets: self.octets + other.octets,
            oldest_secs: earlier(self.oldest_secs, other.oldest_secs),
            purged: Purged {
                messages: self.purged.messages + other.purged.messages,
                stored_octets: self.purged.stored_octets + other.purged.stored_octets,
            },
            more: self.more || other.more,
        }
    }
}

fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use mailroost_storage::MessageId;

    use super::*;

    fn message(received_secs: u64, read: bool) -> MessageRecord {
        MessageRecord {
            id: MessageId(1),
            exact_octets: 10,
            stored_octets: 4096,
            received_secs,
            carried_unique_id: None,
            read,
        }
    }

    #[test]
    fn read_and_unread_messages_have_ages_of_their_own() {
        let retention = Retention {
            read_secs: Some(100),
            unread_secs: None,
        };
        assert!(!retention.is_over(&message(1000, true), 1099));
        assert!(retention.is_over(&message(1000, true), 1100));
        assert!(!retention.is_over(&message(0, false), u64::MAX));
        assert!(!Retention::default().is_over(&message(0, true), u64::MAX));
    }

    #[test]
    fn what_goes_is_counted_with_its_oldest() {
        let (one, other) = (message(7, true), message(5, false));
        let sum = Retained::of([&one].into_iter()).and(Retained::of([&other].into_iter()));
        assert_eq!(
            (sum.messages, sum.octets, sum.oldest_secs),
            (2, 20, Some(5))
        );
        assert!(!sum.is_nothing() && Retained::default().is_nothing());
    }
}
