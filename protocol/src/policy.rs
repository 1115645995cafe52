//! How this server behaves where RFC 1939, RFC 2449 and Exchange leave a choice. A profile is
//! a `Policy`; every setting can then be overridden by itself.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::SizeKind;
use crate::response_text::Texts;

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

/// How the messages of a view are numbered (Exchange's `MessageRetrievalSortOrder`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortOrder {
    /// The oldest is number 1.
    #[default]
    Ascending,
    /// The newest is number 1. Unique-ids stay with their messages.
    Descending,
}

/// What becomes of a user whose site is not the server's own (MS-STANXPOP3 C0010).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignSite {
    /// The log-on fails.
    Refuse,
    /// The session is handed on to the site's server.
    HandOn,
}

/// What becomes of a session whose client sent a command over the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlongCommand {
    /// It is told so and closed (seen of Exchange).
    Close,
    /// The command is refused and swallowed whole, and the session goes on.
    Refuse,
}

/// The octets that a command may have, its CRLF counted (MS-STANXPOP3 E0006).
pub const COMMAND_OCTETS: RangeInclusive<usize> = 40..=1024;
/// The octets that a SASL continuation line may have, its CRLF counted: from what RFC 5034 wants
/// to what no mechanism needs.
pub const CONTINUATION_OCTETS: RangeInclusive<usize> = 12_288..=1_048_576;
/// The seconds of the timer before authentication (Exchange's range).
pub const PRE_AUTHENTICATED_SECS: RangeInclusive<u64> = 30..=3_600;
/// The seconds of the timer after authentication (Exchange's range).
pub const AUTHENTICATED_SECS: RangeInclusive<u64> = 30..=86_400;
/// How many errors or failures in a session may be allowed: more is no limit.
pub const ERRORS: RangeInclusive<u32> = 1..=10_000;
/// The octets of IMPLEMENTATION's text, which has a line of 512 for itself (RFC 2449 s3).
const IMPLEMENTATION_OCTETS_MAX: usize = 495;

/// All choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What separates keyword and arguments.
    pub separators: Separators,
    /// The longest command, its CRLF counted: 40 to 1024 octets.
    pub command_octets_max: usize,
    /// What becomes of a session whose client sent a longer one.
    pub overlong_command: OverlongCommand,
    /// The longest SASL continuation line, its CRLF counted. It is also what a session may hold
    /// before it is authenticated.
    pub continuation_octets_max: usize,
    /// Snapshot or exclusive.
    pub access: Access,
    /// How the messages are numbered.
    pub sort_order: SortOrder,
    /// What STAT and LIST report, unless the user has an override.
    pub sizes: SizeKind,
    /// Where passwords may travel.
    pub login_type: LoginType,
    /// What becomes of users of other sites.
    pub foreign_site: ForeignSite,
    /// Announce RESP-CODES and AUTH-RESP-CODE, and send response codes.
    pub response_codes: bool,
    /// Announce PIPELINING. Pipelined commands are answered rightly either way.
    pub pipelining: bool,
    /// Announce EXPIRE NEVER.
    pub expire_never: bool,
    /// Announce IMPLEMENTATION with this text: visible octets, single spaces between them.
    pub implementation: Option<String>,
    /// Autologout before authentication (MS-STANXPOP3 V0002).
    pub pre_authenticated_timeout: Duration,
    /// Autologout after authentication.
    pub authenticated_timeout: Duration,
    /// Whether a notice is sent before an autologout closes (MS-STANXPOP3 V0003).
    pub closing_notice: bool,
    /// Unknown or malformed commands, one after the other, until the session is closed (C0005).
    pub protocol_errors_max: u32,
    /// Failed log-ons in a session until it is closed (C0005).
    pub auth_failures_max: u32,
    /// Whether refusals end with their id, where one was offered.
    pub refusal_ids: bool,
    /// What the server says.
    pub texts: Texts,
}

impl Default for Policy {
    fn default() -> Self {
        Self::exchange2013()
    }
}

impl Policy {
    /// Checks every setting against what it accepts.
    ///
    /// # Errors
    /// The first that is not acceptable, with its name, its value and what is accepted.
    pub fn check(&self) -> Result<(), PolicyError> {
        in_range(
            "max_command_size",
            self.command_octets_max,
            &COMMAND_OCTETS,
            "octets",
        )?;
        in_range(
            "max_continuation_size",
            self.continuation_octets_max,
            &CONTINUATION_OCTETS,
            "octets",
        )?;
        in_range(
            "pre_authenticated_timeout",
            self.pre_authenticated_timeout.as_secs(),
            &PRE_AUTHENTICATED_SECS,
            "seconds",
        )?;
        in_range(
            "authenticated_timeout",
            self.authenticated_timeout.as_secs(),
            &AUTHENTICATED_SECS,
            "seconds",
        )?;
        in_range(
            "max_protocol_errors",
            self.protocol_errors_max,
            &ERRORS,
            "errors",
        )?;
        in_range(
            "max_auth_failures",
            self.auth_failures_max,
            &ERRORS,
            "failures",
        )?;
        if let Some(text) = &self.implementation {
            check_implementation(text)?;
        }
        self.texts.check()
    }
}

fn in_range<N: PartialOrd + Display + Copy>(
    setting: &str,
    value: N,
    accepted: &RangeInclusive<N>,
    unit: &str,
) -> Result<(), PolicyError> {
    if accepted.contains(&value) {
        return Ok(());
    }
    let range = format!("{} to {} {unit}", accepted.start(), accepted.end());
    Err(PolicyError::new(setting, value.to_string(), range))
}

/// RFC 2449 s3: parameters are visible octets with single spaces between them.
fn check_implementation(text: &str) -> Result<(), PolicyError> {
    let words_are_visible = text
        .split(' ')
        .all(|word| !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_graphic()));
    if words_are_visible && text.len() <= IMPLEMENTATION_OCTETS_MAX {
        return Ok(());
    }
    let accepted = format!(
        "1 to {IMPLEMENTATION_OCTETS_MAX} visible ASCII characters, single spaces between them"
    );
    Err(PolicyError::new(
        "implementation",
        format!("{text:?}"),
        accepted,
    ))
}

/// A setting that is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {value}, accepted: {accepted}")]
pub struct PolicyError {
    /// The setting, as it is named in the configuration.
    pub setting: String,
    /// What it is.
    pub value: String,
    /// What would be accepted.
    pub accepted: String,
}

impl PolicyError {
    pub(crate) fn new(setting: &str, value: String, accepted: impl Into<String>) -> Self {
        Self {
            setting: setting.to_owned(),
            value,
            accepted: accepted.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Policy)) -> String {
        let mut policy = Policy::default();
        change(&mut policy);
        policy.check().unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_setting_value_and_range() {
        let table: [(String, &str); 8] = [
            (
                refusal(|p| p.command_octets_max = 39),
                "max_command_size is 39, accepted: 40 to 1024 octets",
            ),
            (
                refusal(|p| p.command_octets_max = 1025),
                "max_command_size is 1025, accepted: 40 to 1024 octets",
            ),
            (
                refusal(|p| p.continuation_octets_max = 12_287),
                "max_continuation_size is 12287, accepted: 12288 to 1048576 octets",
            ),
            (
                refusal(|p| p.pre_authenticated_timeout = Duration::from_secs(29)),
                "pre_authenticated_timeout is 29, accepted: 30 to 3600 seconds",
            ),
            (
                refusal(|p| p.authenticated_timeout = Duration::from_secs(86_401)),
                "authenticated_timeout is 86401, accepted: 30 to 86400 seconds",
            ),
            (
                refusal(|p| p.protocol_errors_max = 0),
                "max_protocol_errors is 0, accepted: 1 to 10000 errors",
            ),
            (
                refusal(|p| p.auth_failures_max = 0),
                "max_auth_failures is 0, accepted: 1 to 10000 failures",
            ),
            (
                refusal(|p| p.implementation = Some("two  spaces".into())),
                "implementation is \"two  spaces\", accepted: 1 to 495 visible ASCII characters, \
                 single spaces between them",
            ),
        ];
        for (said, expected) in table {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn the_ends_of_the_ranges_are_accepted() {
        for octets in [40, 1024] {
            let policy = Policy {
                command_octets_max: octets,
                ..Policy::default()
            };
            assert_eq!(policy.check(), Ok(()));
        }
    }
}
