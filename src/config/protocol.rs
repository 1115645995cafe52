//! The section `[protocol]`: a profile, and everything that overrides it one by one.

use super::section::section;
use super::texts::TextSettings;
use super::value::{ImplementationText, Octets, Ranged, ReplyText, Seconds, choice};
use mailroost_protocol::policy::{
    AUTHENTICATED_SECS, COMMAND_OCTETS, CONTINUATION_OCTETS, ERRORS, PRE_AUTHENTICATED_SECS,
};
use mailroost_protocol::{self as protocol, Policy, SizeKind, Text};

type CommandSize = Octets<{ *COMMAND_OCTETS.start() as u64 }, { *COMMAND_OCTETS.end() as u64 }>;
type ContinuationSize =
    Octets<{ *CONTINUATION_OCTETS.start() as u64 }, { *CONTINUATION_OCTETS.end() as u64 }>;
type PreAuthenticated =
    Seconds<{ *PRE_AUTHENTICATED_SECS.start() }, { *PRE_AUTHENTICATED_SECS.end() }>;
type Authenticated = Seconds<{ *AUTHENTICATED_SECS.start() }, { *AUTHENTICATED_SECS.end() }>;
type Errors = Ranged<{ *ERRORS.start() as u64 }, { *ERRORS.end() as u64 }>;

section! {
    /// How POP3 is spoken. A key that is not set has the value that the profile gives it.
    pub struct ProtocolSettings {
        /// Where the other defaults come from: a version of Exchange, or the letter of RFC 1939.
        profile: Profile = Profile::Exchange2013,
        /// What separates a keyword from its arguments: "lenient" is one or more SPACE or TAB,
        /// "single_space" exactly one SPACE.
        separators: Option<Separators> = None,
        /// The longest command, its CRLF counted. Below 255 CAPA's promises are broken
        /// (RFC 2449 s4).
        max_command_size: Option<CommandSize> = None,
        /// What becomes of a session whose client sent a longer one: "close", or "refuse" the
        /// command and go on.
        overlong_command: Option<OverlongCommand> = None,
        /// The longest line of a SASL exchange, its CRLF counted.
        max_continuation_size: Option<ContinuationSize> = None,
        /// "snapshot": any number of sessions, each with the view it logged on with.
        /// "exclusive": one session at a time (RFC 1939 s4).
        maildrop_access: Option<MaildropAccess> = None,
        /// How messages are numbered: "ascending", the oldest first, or "descending".
        message_retrieval_sort_order: Option<SortOrder> = None,
        /// Whether STAT and LIST report the octets that RETR sends; if not, what a message
        /// occupies in storage.
        exact_rfc822_size: Option<bool> = None,
        /// Where passwords may travel. "plain_text_login": everywhere.
        /// "plain_text_authentication": inside TLS; mechanisms that do not show them also
        /// outside. "secure_login": nobody logs on outside TLS.
        login_type: Option<LoginType> = None,
        /// What becomes of users whose site is not server.site: "refuse" their log-on, or
        /// "hand_on" the session to the server of their site (MS-STANXPOP3 C0010).
        foreign_site: Option<ForeignSite> = None,
        /// Capabilities to announce beyond those that Exchange announces. RESP-CODES also
        /// switches the response codes on.
        capabilities: Option<Vec<Capability>> = None,
        /// The text behind IMPLEMENTATION in CAPA, if that is announced.
        implementation: Option<ImplementationText> = None,
        /// Inactivity before authentication after which a session is closed.
        pre_authenticated_timeout: Option<PreAuthenticated> = None,
        /// Inactivity after authentication after which a session is closed.
        authenticated_timeout: Option<Authenticated> = None,
        /// Whether a notice is sent before a session is closed for inactivity.
        closing_notice: Option<bool> = None,
        /// Unknown or malformed commands, one after the other, before a session is closed.
        max_protocol_errors: Option<Errors> = None,
        /// Failed log-ons in a session before it is closed.
        max_auth_failures: Option<Errors> = None,
        /// Whether the reply to a refused log-on or connection ends with the id of the refusal,
        /// which `mailroost why` explains. It is in the log either way.
        refusal_ids_in_replies: Option<bool> = None,
        /// The greeting, behind "+OK ".
        banner: Option<ReplyText> = None,
        /// What else the server says, key by key.
        texts: TextSettings = TextSettings::default(),
    }
}

choice! {
    /// A set of defaults.
    pub enum Profile {
        /// Exchange 2013.
        Exchange2013 = "exchange2013",
        /// Exchange 2010.
        Exchange2010 = "exchange2010",
        /// Exchange 2007.
        Exchange2007 = "exchange2007",
        /// RFC 1939 to the letter.
        Rfc1939 = "rfc1939",
    }
}

choice! {
    /// What separates a keyword from its arguments (MS-STANXPOP3 2.1.1).
    pub enum Separators {
        /// One or more SPACE or TAB.
        Lenient = "lenient",
        /// Exactly one SPACE (RFC 1939 s3).
        SingleSpace = "single_space",
    }
}

choice! {
    /// What becomes of a session whose client sent a command over the limit.
    pub enum OverlongCommand {
        /// It is told so and closed.
        Close = "close",
        /// The command is refused and the session goes on.
        Refuse = "refuse",
    }
}

choice! {
    /// How many sessions may open one maildrop (MS-STANXPOP3 2.1.3).
    pub enum MaildropAccess {
        /// Any number.
        Snapshot = "snapshot",
        /// One at a time.
        Exclusive = "exclusive",
    }
}

choice! {
    /// How messages are numbered (Exchange's `MessageRetrievalSortOrder`).
    pub enum SortOrder {
        /// The oldest is number 1.
        Ascending = "ascending",
        /// The newest is number 1.
        Descending = "descending",
    }
}

choice! {
    /// Where passwords may travel (Exchange's `LoginType`).
    pub enum LoginType {
        /// Everywhere.
        PlainTextLogin = "plain_text_login",
        /// Passwords only inside TLS.
        PlainTextAuthentication = "plain_text_authentication",
        /// Nobody logs on outside TLS.
        SecureLogin = "secure_login",
    }
}

choice! {
    /// What becomes of users of other sites (MS-STANXPOP3 C0010).
    pub enum ForeignSite {
        /// Their log-on fails.
        Refuse = "refuse",
        /// Their sessions are handed on.
        HandOn = "hand_on",
    }
}

choice! {
    /// A capability that is announced on request.
    pub enum Capability {
        /// RESP-CODES and AUTH-RESP-CODE (RFC 2449, RFC 3206).
        ResponseCodes = "RESP-CODES",
        /// RFC 2449 s6.6.
        Pipelining = "PIPELINING",
        /// EXPIRE NEVER (RFC 2449 s6.7).
        Expire = "EXPIRE",
        /// RFC 2449 s6.9.
        Implementation = "IMPLEMENTATION",
    }
}

/// What IMPLEMENTATION says if nothing else is set.
const IMPLEMENTATION: &str = concat!("mailroost-", env!("CARGO_PKG_VERSION"));

impl ProtocolSettings {
    /// The profile with everything that is set in its place.
    pub fn policy(&self) -> Policy {
        let mut policy = protocol::Profile::from(self.profile).policy();
        set(&mut policy.separators, self.separators);
        set(&mut policy.overlong_command, self.overlong_command);
        set(&mut policy.access, self.maildrop_access);
        set(&mut policy.sort_order, self.message_retrieval_sort_order);
        set(&mut policy.login_type, self.login_type);
        set(&mut policy.foreign_site, self.foreign_site);
        set(&mut policy.closing_notice, self.closing_notice);
        set(&mut policy.sizes, self.exact_rfc822_size.map(size_kind));
        let size = self.max_command_size.map(Octets::size);
        set(&mut policy.command_octets_max, size);
        let size = self.max_continuation_size.map(Octets::size);
        set(&mut policy.continuation_octets_max, size);
        let timeout = self.pre_authenticated_timeout.map(Seconds::duration);
        set(&mut policy.pre_authenticated_timeout, timeout);
        let timeout = self.authenticated_timeout.map(Seconds::duration);
        set(&mut policy.authenticated_timeout, timeout);
        set(
            &mut policy.protocol_errors_max,
            self.max_protocol_errors.map(count),
        );
        set(
            &mut policy.auth_failures_max,
            self.max_auth_failures.map(count),
        );
        set(&mut policy.refusal_ids, self.refusal_ids_in_replies);
        self.announce(&mut policy);
        policy.texts = self.texts.over(policy.texts);
        if let Some(banner) = &self.banner {
            banner.put(&mut policy.texts);
        }
        policy
    }

    fn announce(&self, policy: &mut Policy) {
        if let Some(capabilities) = &self.capabilities {
            let announced = |capability| capabilities.contains(&capability);
            policy.response_codes = announced(Capability::ResponseCodes);
            policy.pipelining = announced(Capability::Pipelining);
            policy.expire_never = announced(Capability::Expire);
            policy.implementation = announced(Capability::Implementation).then(|| {
                policy
                    .implementation
                    .take()
                    .unwrap_or_else(|| IMPLEMENTATION.into())
            });
        }
        if let (Some(text), Some(set)) = (&mut policy.implementation, &self.implementation) {
            *text = set.as_str().into();
        }
    }

    /// Whether the profile has a text of its own for IMPLEMENTATION.
    pub(super) fn announces_itself(&self) -> bool {
        let profile = protocol::Profile::from(self.profile);
        profile.policy().implementation.is_some()
    }

    /// The same with every key set, so that what the profile gives is written out.
    pub fn effective(&self) -> Self {
        let policy = self.policy();
        let capabilities = [
            (Capability::ResponseCodes, policy.response_codes),
            (Capability::Pipelining, policy.pipelining),
            (Capability::Expire, policy.expire_never),
            (Capability::Implementation, policy.implementation.is_some()),
        ];
        let implementation_text = |text: String| ImplementationText::try_from(text).ok();
        Self {
            profile: self.profile,
            separators: Some(policy.separators.into()),
            max_command_size: Some(Octets::clamped(policy.command_octets_max as u64)),
            overlong_command: Some(policy.overlong_command.into()),
            max_continuation_size: Some(Octets::clamped(policy.continuation_octets_max as u64)),
            maildrop_access: Some(policy.access.into()),
            message_retrieval_sort_order: Some(policy.sort_order.into()),
            exact_rfc822_size: Some(policy.sizes == SizeKind::Exact),
            login_type: Some(policy.login_type.into()),
            foreign_site: Some(policy.foreign_site.into()),
            capabilities: Some(
                capabilities
                    .into_iter()
                    .filter_map(|(name, on)| on.then_some(name))
                    .collect(),
            ),
            implementation: policy
                .implementation
                .and_then(implementation_text)
                .or_else(|| self.implementation.clone())
                .or_else(|| implementation_text(IMPLEMENTATION.into())),
            pre_authenticated_timeout: Some(Seconds::clamped(
                policy.pre_authenticated_timeout.as_secs(),
            )),
            authenticated_timeout: Some(Seconds::clamped(policy.authenticated_timeout.as_secs())),
            closing_notice: Some(policy.closing_notice),
            max_protocol_errors: Some(Ranged::clamped(policy.protocol_errors_max.into())),
            max_auth_failures: Some(Ranged::clamped(policy.auth_failures_max.into())),
            refusal_ids_in_replies: Some(policy.refusal_ids),
            banner: ReplyText::try_from(policy.texts.text(Text::Greeting).to_owned()).ok(),
            texts: TextSettings::all(&policy.texts),
        }
    }
}

/// Puts a setting in the place of what the profile says.
fn set<T, S: Into<T>>(place: &mut T, setting: Option<S>) {
    if let Some(value) = setting {
        *place = value.into();
    }
}

fn size_kind(exact: bool) -> SizeKind {
    if exact {
        SizeKind::Exact
    } else {
        SizeKind::Stored
    }
}

fn count<const MIN: u64, const MAX: u64>(setting: Ranged<MIN, MAX>) -> u32 {
    u32::try_from(setting.value()).unwrap_or(u32::MAX)
}

/// Two enumerations that mean the same, one written in files, one of the protocol.
macro_rules! same {
    ($name:ident = $other:path { $($variant:ident),+ }) => {
        impl From<$name> for $other {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant,)+ }
            }
        }

        impl From<$other> for $name {
            fn from(value: $other) -> Self {
                type Other = $other;
                match value { $(Other::$variant => Self::$variant,)+ }
            }
        }
    };
}

same!(
    Separators = protocol::Separators {
        Lenient,
        SingleSpace
    }
);
same!(ForeignSite = protocol::ForeignSite { Refuse, HandOn });
same!(OverlongCommand = protocol::OverlongCommand { Close, Refuse });
same!(
    Profile = protocol::Profile {
        Exchange2013,
        Exchange2010,
        Exchange2007,
        Rfc1939
    }
);
same!(
    SortOrder = protocol::SortOrder {
        Ascending,
        Descending
    }
);
same!(
    MaildropAccess = protocol::Access {
        Snapshot,
        Exclusive
    }
);
same!(
    LoginType = protocol::LoginType {
        PlainTextLogin,
        PlainTextAuthentication,
        SecureLogin
    }
);
