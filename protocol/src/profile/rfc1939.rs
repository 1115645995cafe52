//! The profile of the RFCs, to the letter, with everything that they let a server announce.

use std::time::Duration;

use crate::policy::{OverlongCommand, SortOrder};
use crate::response_text::{Text, Texts};
use crate::{Access, ForeignSite, LoginType, Policy, Separators, SizeKind};

impl Policy {
    /// What RFC 1939 and RFC 2449 say.
    pub fn rfc1939() -> Self {
        Self {
            // RFC 1939 s3.
            separators: Separators::SingleSpace,
            // RFC 2449 s4.
            command_octets_max: 255,
            overlong_command: OverlongCommand::Refuse,
            // RFC 5034 s4.
            continuation_octets_max: 12_288,
            // RFC 1939 s4.
            access: Access::Exclusive,
            // RFC 1939 s11.
            sort_order: SortOrder::Ascending,
            sizes: SizeKind::Exact,
            login_type: LoginType::PlainTextLogin,
            // It knows nothing of sites.
            foreign_site: ForeignSite::Refuse,
            response_codes: true,
            pipelining: true,
            expire_never: true,
            implementation: Some("mailroost".to_owned()),
            // RFC 1939 s3: ten minutes at least, and no response.
            pre_authenticated_timeout: Duration::from_secs(600),
            authenticated_timeout: Duration::from_secs(600),
            closing_notice: false,
            protocol_errors_max: 10,
            auth_failures_max: 5,
            refusal_ids: false,
            texts: Texts::of_profile(&[
                (Text::Greeting, "POP3 server ready"),
                (Text::SigningOff, "POP3 server signing off"),
                (Text::UnknownCommand, "This command is not known."),
                (Text::ProtocolError, "This is not a command."),
                (
                    Text::ServerUnavailable,
                    "The server is unavailable for now.",
                ),
                (
                    Text::ServerBroken,
                    "The server is unavailable. An administrator has to act.",
                ),
            ]),
        }
    }
}
