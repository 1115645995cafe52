//! How this server behaves over LMTP where the documents leave a choice.

use std::time::Duration;

/// The most octets of a command line, CRLF counted. RFC 5321 s4.5.3.1.4 has 512, RFC 6531 s3.4
/// adds to it; a path of `PATH_OCTETS_MAX` with its parameters fits.
pub const COMMAND_OCTETS_MAX: usize = 1024;

/// The most octets of a path without its brackets. RFC 5321 s4.5.3.1.3 has 256; senders that put
/// more into their local part (SRS, VERP) get twice as many.
pub const PATH_OCTETS_MAX: usize = 512;

/// The most octets of a line of a message, CRLF not counted (RFC 5322 s2.1.1).
pub const LINE_OCTETS_MAX: usize = 998;

/// What becomes of a message that does not conform (MS-STANXPOP3 C0011): bare CR or LF, NUL,
/// lines over [`LINE_OCTETS_MAX`], no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonconforming {
    /// It is made to conform: NUL is dropped, a long line is cut and its rest begins with a
    /// space (as Postfix does it), and the store does the rest.
    Repair,
    /// It is refused, with 554 for each recipient.
    Refuse,
}

/// Whether who sent to a maildrop over its quota may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverQuota {
    /// 452 4.2.2: the MTA keeps the message and tries again.
    Temporary,
    /// 552 5.2.2: the sender is told.
    Permanent,
}

/// Everything that can be chosen.
#[derive(Debug, Clone)]
pub struct LmtpPolicy {
    /// The server's name in greeting and trace. Visible ASCII.
    pub host: Box<str>,
    /// The most octets of a message, transparency not counted. It is what SIZE says.
    pub message_octets_max: u64,
    /// The most recipients of one message. RFC 5321 s4.5.3.1.8 wants 100 at least.
    pub recipients_max: usize,
    /// So many unknown or malformed commands in a row end the session.
    pub protocol_errors_max: u32,
    /// How long nothing need be heard between commands (RFC 5321 s4.5.3.2.7).
    pub command_timeout: Duration,
    /// How long nothing need be heard amid a message (RFC 5321 s4.5.3.2.5).
    pub data_timeout: Duration,
    /// See there.
    pub nonconforming: Nonconforming,
    /// See there.
    pub over_quota: OverQuota,
    /// Each of these characters ends the part of a local part that names the user. Empty: none.
    pub delimiters: Box<str>,
    /// Domains that may stand behind a user's name, lower-case. Empty: any.
    pub domains: Vec<Box<str>>,
    /// Who gets mail to `postmaster` where no user or alias of that name is.
    pub postmaster: Option<Box<str>>,
}

impl Default for LmtpPolicy {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            message_octets_max: 150 * 1024 * 1024,
            recipients_max: 1000,
            protocol_errors_max: 20,
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(300),
            nonconforming: Nonconforming::Repair,
            over_quota: OverQuota::Temporary,
            delimiters: "+".into(),
            domains: Vec::new(),
            postmaster: None,
        }
    }
}
