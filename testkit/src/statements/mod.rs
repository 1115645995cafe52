//! What mailroost does for each statement of MS-STANXPOP3, as data: the table, which transcripts
//! show a statement in which profile, and the document that is made of both.

mod choice;
mod commands;
mod document;
mod operation;
mod surroundings;
mod variations;

use mailroost_protocol::Policy;
use mailroost_protocol::profile::Profile;

pub use choice::Choice;
pub use document::document;

use crate::transcript::Transcript;

/// What stands before a statement's id in the tags of a transcript.
pub const TAG: &str = "STANXPOP3 ";

/// A section of MS-STANXPOP3 that makes statements.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// For example `2.2.1`.
    pub number: &'static str,
    /// The RFC, its section and what it is about.
    pub title: &'static str,
    /// In the order of the section.
    pub statements: &'static [Statement],
}

/// A statement, and what is done for it.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// For example `V0003`; in section 2.1, which has no ids, the section's number.
    pub id: &'static str,
    /// What the RFC says there, in short.
    pub asked: &'static str,
    /// What mailroost does.
    pub done: &'static str,
    /// The settings that decide it; their values are the profiles'.
    pub choices: &'static [Choice],
    /// Tests that show what no transcript can.
    pub elsewhere: &'static [TestFunction],
    /// What is missing.
    pub not_yet: Option<&'static str>,
}

/// A test in Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestFunction {
    /// Relative to the root of the project.
    pub file: &'static str,
    /// The function.
    pub name: &'static str,
}

/// All sections, in order: 2.1 (variations), then 2.2 (clarifications).
pub fn sections() -> impl Iterator<Item = &'static Section> {
    variations().iter().chain(clarifications())
}

/// All statements, in order.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    sections().flat_map(|section| section.statements)
}

fn variations() -> &'static [Section] {
    variations::SECTIONS
}

fn clarifications() -> impl Iterator<Item = &'static Section> {
    [
        operation::SECTIONS,
        commands::SECTIONS,
        surroundings::SECTIONS,
    ]
    .into_iter()
    .flatten()
}

impl Statement {
    /// What most statements are like: the same in every profile, nothing missing.
    const EMPTY: Self = Self {
        id: "",
        asked: "",
        done: "",
        choices: &[],
        elsewhere: &[],
        not_yet: None,
    };

    /// Whether a transcript has its tag.
    pub fn is_covered_by(&self, transcript: &Transcript) -> bool {
        let mut ids = transcript
            .tags
            .iter()
            .filter_map(|tag| tag.strip_prefix(TAG));
        ids.any(|id| id == self.id)
    }

    /// Whether a profile decides it as another does.
    pub fn is_the_same_in(&self, one: Profile, other: Profile) -> bool {
        self.values(&one.policy()) == self.values(&other.policy())
    }

    /// Whether a transcript is played with the profile's own values of the settings that decide
    /// the statement.
    pub fn keeps_defaults(&self, transcript: &Transcript) -> bool {
        let settings = &transcript.stage.settings;
        self.values(&settings.policy()) == self.values(&settings.chosen().policy())
    }

    /// Whether a transcript shows what a profile does here by default.
    pub fn is_shown_by(&self, transcript: &Transcript, profile: Profile) -> bool {
        self.is_covered_by(transcript)
            && transcript.stage.settings.chosen() == profile
            && self.keeps_defaults(transcript)
    }

    fn values(&self, policy: &Policy) -> Vec<String> {
        self.choices
            .iter()
            .map(|choice| (choice.value)(policy))
            .collect()
    }
}
