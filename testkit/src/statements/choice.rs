//! The settings that profiles give different values to, or that decide what a statement means.

use mailroost_protocol::policy::{ForeignSite, OverlongCommand};
use mailroost_protocol::{Access, LoginType, Policy, Separators, SizeKind};

/// A setting, and how its value is read off a policy.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Its key in the configuration.
    pub setting: &'static str,
    /// Its value, in the words of the configuration.
    pub value: fn(&Policy) -> String,
}

pub(super) const SEPARATORS: Choice = Choice {
    setting: "separators",
    value: |policy| match policy.separators {
        Separators::Lenient => "lenient".to_owned(),
        Separators::SingleSpace => "single_space".to_owned(),
    },
};

pub(super) const MAX_COMMAND_SIZE: Choice = Choice {
    setting: "max_command_size",
    value: |policy| policy.command_octets_max.to_string(),
};

pub(super) const CONTINUATION_OCTETS: Choice = Choice {
    setting: "max_continuation_size",
    value: |policy| policy.continuation_octets_max.to_string(),
};

pub(super) const OVERLONG_COMMAND: Choice = Choice {
    setting: "overlong_command",
    value: |policy| match policy.overlong_command {
        OverlongCommand::Close => "close".to_owned(),
        OverlongCommand::Refuse => "refuse".to_owned(),
    },
};

pub(super) const MAILDROP_ACCESS: Choice = Choice {
    setting: "maildrop_access",
    value: |policy| match policy.access {
        Access::Snapshot => "snapshot".to_owned(),
        Access::Exclusive => "exclusive".to_owned(),
    },
};

pub(super) const EXACT_SIZES: Choice = Choice {
    setting: "exact_rfc822_size",
    value: |policy| match policy.sizes {
        SizeKind::Stored => "false".to_owned(),
        SizeKind::Exact => "true".to_owned(),
    },
};

pub(super) const LOGIN_TYPE: Choice = Choice {
    setting: "login_type",
    value: |policy| match policy.login_type {
        LoginType::PlainTextLogin => "plain_text_login".to_owned(),
        LoginType::PlainTextAuthentication => "plain_text_authentication".to_owned(),
        LoginType::SecureLogin => "secure_login".to_owned(),
    },
};

pub(super) const FOREIGN_SITE: Choice = Choice {
    setting: "foreign_site",
    value: |policy| match policy.foreign_site {
        ForeignSite::Refuse => "refuse".to_owned(),
        ForeignSite::HandOn => "hand_on".to_owned(),
    },
};

pub(super) const RESPONSE_CODES: Choice = Choice {
    setting: "capabilities",
    value: |policy| {
        let with = if policy.response_codes {
            "with"
        } else {
            "without"
        };
        format!("{with} RESP-CODES")
    },
};

pub(super) const PRE_AUTHENTICATED_TIMEOUT: Choice = Choice {
    setting: "pre_authenticated_timeout",
    value: |policy| format!("{} seconds", policy.pre_authenticated_timeout.as_secs()),
};

pub(super) const AUTHENTICATED_TIMEOUT: Choice = Choice {
    setting: "authenticated_timeout",
    value: |policy| format!("{} seconds", policy.authenticated_timeout.as_secs()),
};

pub(super) const CLOSING_NOTICE: Choice = Choice {
    setting: "closing_notice",
    value: |policy| policy.closing_notice.to_string(),
};

pub(super) const PROTOCOL_ERRORS: Choice = Choice {
    setting: "max_protocol_errors",
    value: |policy| policy.protocol_errors_max.to_string(),
};

pub(super) const AUTH_FAILURES: Choice = Choice {
    setting: "max_auth_failures",
    value: |policy| policy.auth_failures_max.to_string(),
};
