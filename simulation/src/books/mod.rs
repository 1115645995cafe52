//! The books: what was sent, what the store says that it has done, and what clients were told.
//! Nothing here is computed as the tree computes it. Each entry is checked against what was
//! allowed; what was not is an error in words.

mod maildrop;

use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) use maildrop::MaildropBook;

use crate::plan::Plan;
use crate::warning;

/// What is wrong, if anything.
pub(crate) type Checked = Result<(), String>;

/// A message that somebody sends.
pub(crate) struct Submission {
    /// All of it, but for trace lines.
    pub(crate) text: Arc<[u8]>,
    /// Places of the maildrops that may have it.
    to: BTreeSet<usize>,
    /// The last octet was sent: from here on it may be there.
    complete: bool,
    /// Places of the maildrops that have taken it.
    taken: BTreeSet<usize>,
    /// Trace lines may stand before it.
    traced: bool,
    /// It counts against the quota.
    limited: bool,
}

/// See the file's first lines.
pub(crate) struct Books {
    pub(crate) maildrops: Vec<MaildropBook>,
    submissions: Vec<Submission>,
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over LMTP.
    Lmtp,
    /// By a call, within the quota.
    Direct,
    /// By a call, whatever the quota.
    Unlimited,
}

impl Books {
    pub(crate) fn new(plan: &Plan) -> Self {
        let maildrops = (0..plan.maildrops).map(|place| MaildropBook::new(place, plan));
        Self {
            maildrops: maildrops.collect(),
            submissions: Vec::new(),
        }
    }

    /// A message of so many lines, for these places; returns its number and its text.
    pub(crate) fn submit(&mut self, to: &[usize], way: Way, lines: usize) -> (usize, Arc<[u8]>) {
        let number = self.submissions.len();
        let mut text = format!("Subject: s{number}\r\nTo: {to:?}\r\n\r\n");
        for line in 0..lines {
            // Some lines begin with a dot.
            let dots = &"...."[..line % 4];
            text += &format!("{dots}line {line} of message {number}\r\n");
        }
        let text: Arc<[u8]> = text.into_bytes().into();
        self.submissions.push(Submission {
            text: Arc::clone(&text),
            to: to.iter().copied().collect(),
            complete: false,
            taken: BTreeSet::new(),
            traced: way == Way::Lmtp,
            limited: way != Way::Unlimited,
        });
        (number, text)
    }

    /// The last octet is about to leave.
    pub(crate) fn completes(&mut self, number: usize) {
        self.submissions[number].complete = true;
    }

    /// Somebody was told that the message is there, for good.
    pub(crate) fn acknowledged(&self, number: usize, place: usize) -> Checked {
        if self.submissions[number].taken.contains(&place) {
            return Ok(());
        }
        Err(format!(
            "message s{number} was acknowledged for maildrop {place} and is not there"
        ))
    }

    /// The store has taken `octets` in as number `id`.
    pub(crate) fn taken_in(
        &mut self,
        place: usize,
        id: u64,
        octets: &[u8],
        at_secs: u64,
    ) -> Checked {
        if octets.starts_with(warning::BEGIN.as_bytes()) {
            return self.maildrops[place].warned(id, octets, at_secs);
        }
        let number = number_of(octets)
            .filter(|number| *number < self.submissions.len())
            .ok_or_else(|| format!("maildrop {place} took in {id}, which nobody sent"))?;
        let submission = &mut self.submissions[number];
        let trace = octets.len().saturating_sub(submission.text.len());
        if octets[trace..] != *submission.text || (trace > 0 && !submission.traced) {
            return Err(format!("message s{number} is not what was sent"));
        }
        if !submission.complete {
            return Err(format!("half of message s{number} was taken in"));
        }
        if !submission.to.contains(&place) {
            return Err(format!(
                "message s{number} is in maildrop {place}, which is another's"
            ));
        }
        if !submission.taken.insert(place) {
            return Err(format!("message s{number} is in maildrop {place} twice"));
        }
        let limited = submission.limited;
        self.maildrops[place].taken_in(id, octets, at_secs, limited)
    }
}

/// Which message it is: the subject says so.
fn number_of(octets: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(octets).ok()?;
    let header = text.split("\r\n\r\n").next()?;
    let subject = header
        .lines()
        .find_map(|line| line.strip_prefix("Subject: s"))?;
    subject.parse().ok()
}
