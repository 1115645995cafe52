//! What a line from the helper means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::AuthError;

/// Of what a helper says, the log shows no more characters than this.
const SHOWN_CHARACTERS_MAX: usize = 100;

/// What `NA` says when it was the domain that did not answer, and not the password that was
/// wrong (MS-ERREF 2.3).
const DOMAIN_IS_AWAY: [&str; 8] = [
    "NT_STATUS_NO_LOGON_SERVERS",
    "NT_STATUS_DOMAIN_CONTROLLER_NOT_FOUND",
    "NT_STATUS_TRUSTED_DOMAIN_FAILURE",
    "NT_STATUS_TRUSTED_RELATIONSHIP_FAILURE",
    "NT_STATUS_CANT_ACCESS_DOMAIN_INFO",
    "NT_STATUS_IO_TIMEOUT",
    "NT_STATUS_CONNECTION_",
    "NT_STATUS_HOST_UNREACHABLE",
];

/// A line from the helper.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `TT`: this goes to the client.
    Challenge(Vec<u8>),
    /// `AF`: who it is.
    User(String),
    /// `NA`: it is not.
    Refused(AuthError),
}

impl Answer {
    /// # Errors
    /// `Unavailable`: the helper is broken, or speaks something else.
    pub(super) fn parse(line: &str) -> Result<Self, AuthError> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "TT" => STANDARD
                .decode(rest)
                .map(Self::Challenge)
                .map_err(|_| broken("its challenge is not base64")),
            "AF" if !rest.is_empty() => Ok(Self::User(rest.to_owned())),
            "NA" if DOMAIN_IS_AWAY.iter().any(|status| rest.contains(status)) => Err(broken(rest)),
            "NA" => Ok(Self::Refused(AuthError::WrongPassword)),
            _ => Err(broken(line)),
        }
    }
}

/// The helper does not do its work; `why` may be its own words.
pub(super) fn broken(why: &str) -> AuthError {
    let shown = why.chars().take(SHOWN_CHARACTERS_MAX);
    let shown: String = shown.flat_map(char::escape_debug).collect();
    AuthError::Unavailable(format!("the NTLM helper: {shown}"))
}
