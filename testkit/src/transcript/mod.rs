//! Transcripts: POP3 dialogs as text, to be read by people and played against a server.
//!
//! ```text
//! # One sentence that says why this dialog is worth keeping.
//! tags: RFC1939 s5, STANXPOP3 V0004
//! profile: exchange2013
//! set: login_type = plain_text_login
//! user: alice password: "open sesame"
//! message: plain
//! message: lunch
//! | Subject: Lunch
//! |
//! | Twelve o'clock?
//!
//! S: +OK ...
//! C: USER alice
//! S: +OK
//! C: PASS open sesame
//! S: +OK ...
//! C: STAT
//! S: +OK 2 {octets}
//! C: QUIT
//! S: +OK ...
//! {closed}
//! ```
//!
//! # The head
//!
//! | line | meaning |
//! | --- | --- |
//! | `# text` | why; the first one is required |
//! | `tags: a, b` | what it covers, for example `RFC1939 s5` or `STANXPOP3 V0003` |
//! | `profile: exchange2013` | the settings to begin with; this one unless another is named |
//! | `set: key = value` | one setting, see [`setting`] |
//! | `tls: no` | `no`, `available` (STLS is offered) or `implicit`; `no` unless given |
//! | `mechanisms: NTLM PLAIN` | SASL in order, see [`crate::mechanism`]; else `PLAIN` |
//! | `user: name password: "text"` | a user with an empty maildrop |
//! | ... `disabled`, ... `site: name` | behind it: takes POP3 away; makes it another site's |
//! | `message: name` | of the last user: from the corpus, or the `\|` lines that follow |
//! | `message: name unique-id: x` | the same with a unique-id that another server had given it |
//! | `later: name` | a message that is not there yet; `{deliver name}` brings it |
//!
//! # The dialog
//!
//! `C: ` is what the client sends, a CRLF is added; `S: ` is what the server has to answer.
//! `C2: ` and `S2: ` belong to a second connection, made when it is first mentioned, and so
//! on. `S?: ` is an answer that may be missing. `# ` is a comment.
//!
//! In both kinds of line `\r \n \t \0 \s \\ \{ \xNN` stand for octets (`\s` is a space at the
//! end of a line), `{repeat 40 a}` for a run and `{base64 text}` for its encoding. A client
//! line that ends in `{no crlf}` gets none.
//!
//! In `S: ` lines `...` at the end is free text, `{octets}` is any number,
//! `{octets plain lunch}` is the sum of what RETR sends of these messages, and `{id name}` is
//! a unique-id: anything at first, then always the same, never another's, decimal ones
//! growing. `S: ...lines` is any number of lines up to the termination line,
//! `S: {retr plain}` and `S: {top plain 3}` are the lines that RETR and TOP send of a message
//! (without the termination line).
//!
//! # Stage directions
//!
//! | direction | meaning |
//! | --- | --- |
//! | `{tls}` | the client makes its TLS handshake here |
//! | `{timer +600s}` | so much time passes |
//! | `{cut}` | the client closes the connection |
//! | `{closed}` | the server has to close it here |
//! | `{deliver name}` | the message arrives in its user's maildrop |
//! | `{removed elsewhere 2}` | something else removes the second message that was delivered |
//! | `{undelete 2}` | the second message that was delivered, and removed, is brought back |
//! | `{kill mailbox}` | the mailbox dies when next asked to store; it is made anew |
//! | `{fail store}` | the store refuses the next thing that it is asked to store |
//! | `{shutdown}` | the server is told to drain |
//!
//! The first three and `{closed}` take a connection's number: `{cut 2}`.

mod direction;
mod head;
mod parse;
pub mod setting;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use setting::{Setting, Settings};

use crate::expect::Pattern;

/// A dialog and the stage that it is played on.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// Where it was read.
    pub path: PathBuf,
    /// The first comment: why it is worth keeping.
    pub why: String,
    /// What it covers.
    pub tags: Vec<String>,
    /// The stage.
    pub stage: Stage,
    /// The dialog.
    pub steps: Vec<Step>,
}

/// What is there before the first line is spoken.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    /// The profile and what overrides it.
    pub settings: Settings,
    /// How TLS comes about.
    pub tls: Tls,
    /// SASL mechanisms, upper-case, in order.
    pub mechanisms: Vec<String>,
    /// Who has a maildrop, and what is in it.
    pub users: Vec<User>,
}

/// How TLS comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// There is no certificate.
    #[default]
    No,
    /// STLS can be offered.
    Available,
    /// The handshake comes first.
    Implicit,
}

/// A user of the stage.
#[derive(Debug, Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// Any octets.
    pub password: Vec<u8>,
    /// Whether POP3 is switched off for them.
    pub disabled: bool,
    /// The site that they belong to; the server's own is none.
    pub site: Option<Box<str>>,
    /// In the order of delivery.
    pub messages: Vec<Message>,
}

/// A message of the stage.
#[derive(Debug, Clone)]
pub struct Message {
    /// What the transcript calls it.
    pub name: String,
    /// The octets as they are delivered.
    pub delivered: Vec<u8>,
    /// A unique-id that another server had given it.
    pub carried: Option<String>,
    /// It arrives only when `{deliver}` says so.
    pub later: bool,
}

/// One line of the dialog.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its line in the file, from 1.
    pub line: usize,
    /// What happens.
    pub action: Action,
}

/// What happens in a step.
#[derive(Debug, Clone)]
pub enum Action {
    /// The client sends these octets.
    Send {
        /// On which connection, from 1.
        connection: u8,
        /// With the CRLF, if there is one.
        octets: Vec<u8>,
    },
    /// The server has to answer this.
    Expect {
        /// On which connection, from 1.
        connection: u8,
        /// What.
        pattern: Pattern,
    },
    /// A stage direction.
    Direct(Direction),
}

/// A stage direction. A `u8` is a connection, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// The client makes its TLS handshake.
    Tls(u8),
    /// So much time passes.
    Timer(Duration),
    /// The client closes.
    Cut(u8),
    /// The server has to close.
    Closed(u8),
    /// This message arrives.
    Deliver(String),
    /// The nth message that was delivered is removed by something else.
    RemovedElsewhere(usize),
    /// The nth message that was delivered, and removed since, is brought back.
    Undelete(usize),
    /// The mailbox dies at the next thing that it is asked to store; it is made again, and
    /// asked again.
    KillMailbox,
    /// The store refuses the next thing that it is asked to store.
    FailStore,
    /// The server is told to drain.
    Shutdown,
}

/// Why a text is not a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Where it was read.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What was expected there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            expected,
            found,
        } = self;
        write!(
            f,
            "{}:{line}: expected {expected}, found {found:?}",
            path.display()
        )
    }
}

impl std::error::Error for ParseError {}

impl Transcript {
    /// Reads a transcript from its text; `path` is for messages.
    ///
    /// # Errors
    /// The first line that is not as the format has it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ParseError> {
        parse::transcript(path, text)
    }

    /// Reads a transcript from a file.
    ///
    /// # Errors
    /// As [`Transcript::parse`]; a file that cannot be read is an error at line 0.
    pub fn load(path: &Path) -> Result<Self, ParseError> {
        let text = std::fs::read_to_string(path).map_err(|error| ParseError {
            path: path.to_owned(),
            line: 0,
            expected: "a readable file".to_owned(),
            found: error.to_string(),
        })?;
        Self::parse(path, &text)
    }

    /// Reads all `.pop3` files in a folder and the folders in it, in order of their paths.
    ///
    /// # Errors
    /// As [`Transcript::load`].
    pub fn load_all(folder: &Path) -> Result<Vec<Self>, ParseError> {
        let mut paths = Vec::new();
        find(folder, &mut paths).map_err(|error| ParseError {
            path: folder.to_owned(),
            line: 0,
            expected: "a readable folder".to_owned(),
            found: error.to_string(),
        })?;
        paths.sort();
        paths.iter().map(|path| Self::load(path)).collect()
    }
}

impl Stage {
    /// A message by its name, and the index of its user.
    pub fn message(&self, name: &str) -> Option<(usize, &Message)> {
        self.users.iter().enumerate().find_map(|(index, user)| {
            user.messages
                .iter()
                .find(|message| message.name == name)
                .map(|found| (index, found))
        })
    }
}

fn find(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, paths)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "pop3")
        {
            paths.push(path);
        }
    }
    Ok(())
}
