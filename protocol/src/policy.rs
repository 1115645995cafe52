//! How this server behaves where RFC 1939, RFC 2449 and Exchange leave a choice. A profile is
//! a `Policy`; every setting can then be overridden by itself.

use std::time::Duration;

use crate::SizeKind;

/// What separates a keyword from its arguments (MS-STANXPOP3 2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separators {
    /// One or more SPACE or TAB.
    Lenient,
    /// Exactly one SPACE (RFC 1939 s3).
    SingleSpace,
}

/// How many sessions may open one maildrop (MS-STANXPOP3 2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any number; each works on its snapshot.
    Snapshot,
    /// One at a time; the next gets `[IN-USE]` (RFC 1939 s4).
    Exclusive,
}

/// Where passwords may travel (Exchange's `LoginType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginType {
    /// Everywhere.
    PlainTextLogin,
    /// Passwords only inside TLS; mechanisms that do not show them also outside.
    PlainTextAuthentication,
    /// Nobody logs on outside TLS.
    SecureLogin,
}

/// All choices.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What separates keyword and arguments.
    pub separators: Separators,
    /// The longest command, its CRLF counted: 40 to 1024 octets.
    pub command_octets_max: usize,
    /// The longest SASL continuation line, its CRLF counted.
    pub continuation_octets_max: usize,
    /// Snapshot or exclusive.
    pub access: Access,
    /// What STAT and LIST report, unless the user has an override.
    pub sizes: SizeKind,
    /// Where passwords may travel.
    pub login_type: LoginType,
    /// Announce RESP-CODES and AUTH-RESP-CODE, and send response codes.
    pub response_codes: bool,
    /// Announce PIPELINING. Pipelined commands are answered rightly either way.
    pub pipelining: bool,
    /// Announce EXPIRE NEVER.
    pub expire_never: bool,
    /// Announce IMPLEMENTATION with this text.
    pub implementation: Option<String>,
    /// Autologout before authentication (MS-STANXPOP3 V0002).
    pub pre_authenticated_timeout: Duration,
    /// Autologout after authentication.
    pub authenticated_timeout: Duration,
    /// Whether a notice is sent before an autologout closes (MS-STANXPOP3 V0003).
    pub closing_notice: bool,
    /// Unknown or malformed commands in a session before it is closed (C0005).
    pub protocol_errors_max: u32,
    /// Failed log-ons in a session before it is closed (C0005).
    pub auth_failures_max: u32,
    /// The text of the greeting, after `+OK `.
    pub greeting: String,
    /// The text of the reply to QUIT, after `+OK `.
    pub signing_off: String,
}
