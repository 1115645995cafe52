//! What is to be told about an import: all of it counted, the first part of it kept.

/// So many lines are kept: more than anybody reads, and no memory for a million.
const LISTED_MAX: usize = 1000;

/// Lines of text for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    listed: Vec<String>,
    count: u64,
}

impl Notes {
    /// Adds one line.
    pub fn add(&mut self, line: impl Into<String>) {
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(line.into());
        }
    }

    /// The first thousand.
    pub fn listed(&self) -> &[String] {
        &self.listed
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }
}
