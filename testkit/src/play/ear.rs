//! Hears one connection: what came, and what is still awaited.

use std::collections::VecDeque;

use super::Difference;
use crate::dialog::shown;
use crate::expect::{Found, Pattern, UniqueIds};

/// The most octets of an unexpected answer that a message shows.
const SHOWN_OCTETS_MAX: usize = 300;

#[derive(Debug, Default)]
pub(super) struct Ear {
    heard: Vec<u8>,
    awaited: VecDeque<(usize, Pattern)>,
}

impl Ear {
    pub(super) fn expect(&mut self, expects: &[(usize, &Pattern)]) {
        self.awaited.extend(
            expects
                .iter()
                .map(|(line, pattern)| (*line, (*pattern).clone())),
        );
    }

    pub(super) fn hear(&mut self, octets: &[u8]) {
        self.heard.extend_from_slice(octets);
    }

    /// Compares as far as possible. `true` if only what may be missing is awaited; with
    /// `ended`, nothing more comes and nothing is awaited any more.
    pub(super) fn settle(&mut self, ids: &mut UniqueIds, ended: bool) -> Result<bool, Difference> {
        while let Some((line, pattern)) = self.awaited.front() {
            let why = match pattern.find(&self.heard, ids) {
                Found::Yes(octets) => {
                    self.heard.drain(..octets);
                    self.awaited.pop_front();
                    continue;
                }
                Found::NotYet if ended => "no more came".to_owned(),
                Found::NotYet => {
                    return Ok(self.awaited.iter().all(|(_, pattern)| pattern.optional));
                }
                Found::No(why) => why,
            };
            if !pattern.optional {
                return Err(Difference::new(*line, self.told(pattern, &why)));
            }
            self.awaited.pop_front();
        }
        Ok(true)
    }

    /// That something is awaited, and what came instead.
    pub(super) fn missing(&self, at: usize, why: &str) -> Difference {
        match self.awaited.front() {
            Some((line, pattern)) => Difference::new(*line, self.told(pattern, why)),
            None => Difference::new(at, why),
        }
    }

    /// Nothing may be left over before `line`.
    pub(super) fn silent(&self, line: usize) -> Result<(), Difference> {
        if self.heard.is_empty() {
            return Ok(());
        }
        let text = format!(
            "nothing more was expected before this, but\n  S: {}",
            self.begin()
        );
        Err(Difference::new(line, text))
    }

    fn told(&self, pattern: &Pattern, why: &str) -> String {
        format!(
            "{why}\n  expected\n  S: {}\n  but came\n  S: {}",
            pattern.shown(),
            self.begin()
        )
    }

    fn begin(&self) -> String {
        let begin = &self.heard[..self.heard.len().min(SHOWN_OCTETS_MAX)];
        shown(begin).replace("\\r\\n", "\n  S: ")
    }
}
