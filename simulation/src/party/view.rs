//! What a POP3 client was shown at log-on, and what it has marked since.

use std::collections::BTreeSet;

/// The messages of a session, by message-number from 1, and the marks.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// The store's numbers: the unique-ids.
    pub(crate) ids: Vec<u64>,
    marked: BTreeSet<usize>,
}

impl View {
    /// Reads the lines of a unique-id listing; an error says what is wrong with it.
    pub(crate) fn of(lines: &[String]) -> Result<Self, String> {
        let mut ids = Vec::new();
        for (number, line) in (1..).zip(lines) {
            let (said, id) = line.split_once(' ').unwrap_or_default();
            if said.parse() != Ok(number) {
                return Err(format!("{line:?} stands in place {number} of a listing"));
            }
            let Ok(id) = id.parse() else {
                return Err(format!("{id:?} is no unique-id of ours"));
            };
            ids.push(id);
        }
        let view = Self {
            ids,
            marked: BTreeSet::new(),
        };
        match view.all().len() == view.ids.len() {
            true => Ok(view),
            false => Err(format!("a unique-id is there twice: {:?}", view.ids)),
        }
    }

    pub(crate) fn all(&self) -> BTreeSet<u64> {
        self.ids.iter().copied().collect()
    }

    pub(crate) fn mark(&mut self, number: usize) {
        self.marked.insert(number);
    }

    pub(crate) fn unmark_all(&mut self) {
        self.marked.clear();
    }

    pub(crate) fn is_marked(&self, number: usize) -> bool {
        self.marked.contains(&number)
    }

    /// The store's numbers of what is marked.
    pub(crate) fn marked(&self) -> BTreeSet<u64> {
        let ids = self.marked.iter().map(|number| self.ids[number - 1]);
        ids.collect()
    }

    /// How many messages there are, without those that are marked.
    pub(crate) fn left(&self) -> usize {
        self.ids.len() - self.marked.len()
    }
}
