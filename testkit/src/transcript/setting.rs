//! The settings of a stage: a profile, and what overrides it.
//!
//! Keys are the names that `statements.md` of the specification and the configuration file
//! use: `separators`, `max_command_size`, `max_continuation_size`, `maildrop_access`,
//! `exact_rfc822_size`, `login_type`, `response_codes`, `pipelining`, `expire_never`,
//! `implementation`, `pre_authenticated_timeout`, `authenticated_timeout`, `closing_notice`,
//! `max_protocol_errors`, `max_auth_failures`, `overlong_command`, `banner`, `signing_off`,
//! `max_connections_per_user`.

use std::time::Duration;

use mailroost_protocol::policy::OverlongCommand;
use mailroost_protocol::profile::Profile;
use mailroost_protocol::response_text::Texts;
use mailroost_protocol::{Access, LoginType, Policy, Separators, SizeKind};

/// A profile by name and the settings that override it.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    profile: Profile,
    overrides: Vec<Setting>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `separators = lenient | single_space`
    Separators(Separators),
    /// `max_command_size = OCTETS`
    CommandOctets(usize),
    /// `max_continuation_size = OCTETS`
    ContinuationOctets(usize),
    /// `maildrop_access = snapshot | exclusive`
    Access(Access),
    /// `exact_rfc822_size = on | off`
    Sizes(SizeKind),
    /// `login_type = plain_text_login | plain_text_authentication | secure_login`
    LoginType(LoginType),
    /// `response_codes = on | off`
    ResponseCodes(bool),
    /// `pipelining = on | off`
    Pipelining(bool),
    /// `expire_never = on | off`
    ExpireNever(bool),
    /// `implementation = TEXT`
    Implementation(String),
    /// `pre_authenticated_timeout = SECONDS`
    PreAuthenticatedTimeout(Duration),
    /// `authenticated_timeout = SECONDS`
    AuthenticatedTimeout(Duration),
    /// `closing_notice = on | off`
    ClosingNotice(bool),
    /// `max_protocol_errors = COUNT`
    ProtocolErrors(u32),
    /// `max_auth_failures = COUNT`
    AuthFailures(u32),
    /// `overlong_command = close | refuse`
    OverlongCommand(OverlongCommand),
    /// `banner = TEXT` and `signing_off = TEXT`: the key of the text, and the text.
    Text(&'static str, String),
    /// `max_connections_per_user = COUNT`
    SessionsPerUser(usize),
}

impl Settings {
    /// Names the profile.
    ///
    /// # Errors
    /// What was expected.
    pub fn profile(&mut self, name: &str) -> Result<(), String> {
        self.profile = name
            .parse()
            .map_err(|_| "exchange2007, exchange2010, exchange2013 or rfc1939".to_owned())?;
        Ok(())
    }

    /// Takes `key = value`.
    ///
    /// # Errors
    /// What was expected.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = text.split_once('=').ok_or("`key = value`")?;
        self.overrides.push(setting(key.trim(), value.trim())?);
        Ok(())
    }

    /// The profile that was named, or the default one.
    pub fn chosen(&self) -> Profile {
        self.profile
    }

    /// What the protocol is to follow.
    pub fn policy(&self) -> Policy {
        let mut policy = self.profile.policy();
        for setting in &self.overrides {
            apply(setting.clone(), &mut policy);
        }
        policy
    }

    /// `max_connections_per_user`, if it is set.
    pub fn sessions_per_user(&self) -> Option<usize> {
        self.overrides
            .iter()
            .rev()
            .find_map(|setting| match setting {
                Setting::SessionsPerUser(count) => Some(*count),
                _ => None,
            })
    }
}

fn apply(setting: Setting, policy: &mut Policy) {
    match setting {
        Setting::Separators(value) => policy.separators = value,
        Setting::CommandOctets(value) => policy.command_octets_max = value,
        Setting::ContinuationOctets(value) => policy.continuation_octets_max = value,
        Setting::Access(value) => policy.access = value,
        Setting::Sizes(value) => policy.sizes = value,
        Setting::LoginType(value) => policy.login_type = value,
        Setting::ResponseCodes(value) => policy.response_codes = value,
        Setting::Pipelining(value) => policy.pipelining = value,
        Setting::ExpireNever(value) => policy.expire_never = value,
        Setting::Implementation(value) => policy.implementation = Some(value),
        Setting::PreAuthenticatedTimeout(value) => policy.pre_authenticated_timeout = value,
        Setting::AuthenticatedTimeout(value) => policy.authenticated_timeout = value,
        Setting::ClosingNotice(value) => policy.closing_notice = value,
        Setting::ProtocolErrors(value) => policy.protocol_errors_max = value,
        Setting::AuthFailures(value) => policy.auth_failures_max = value,
        Setting::OverlongCommand(value) => policy.overlong_command = value,
        Setting::Text(key, value) => {
            policy
                .texts
                .set(key, &value)
                .expect("the text was checked when it was read");
        }
        Setting::SessionsPerUser(_) => {}
    }
}

fn setting(key: &str, value: &str) -> Result<Setting, String> {
    Ok(match key {
        "separators" => Setting::Separators(match value {
            "lenient" => Separators::Lenient,
            "single_space" => Separators::SingleSpace,
            _ => return Err("lenient or single_space".to_owned()),
        }),
        "maildrop_access" => Setting::Access(match value {
            "snapshot" => Access::Snapshot,
            "exclusive" => Access::Exclusive,
            _ => return Err("snapshot or exclusive".to_owned()),
        }),
        "login_type" => Setting::LoginType(match value {
            "plain_text_login" => LoginType::PlainTextLogin,
            "plain_text_authentication" => LoginType::PlainTextAuthentication,
            "secure_login" => LoginType::SecureLogin,
            _ => {
                let known = "plain_text_login, plain_text_authentication or secure_login";
                return Err(known.to_owned());
            }
        }),
        "exact_rfc822_size" => Setting::Sizes(if on(value)? {
            SizeKind::Exact
        } else {
            SizeKind::Stored
        }),
        "max_command_size" => Setting::CommandOctets(number(value)?),
        "max_continuation_size" => Setting::ContinuationOctets(number(value)?),
        "max_connections_per_user" => Setting::SessionsPerUser(number(value)?),
        "max_protocol_errors" => Setting::ProtocolErrors(number(value)?),
        "max_auth_failures" => Setting::AuthFailures(number(value)?),
        "pre_authenticated_timeout" => Setting::PreAuthenticatedTimeout(seconds(value)?),
        "authenticated_timeout" => Setting::AuthenticatedTimeout(seconds(value)?),
        "response_codes" => Setting::ResponseCodes(on(value)?),
        "pipelining" => Setting::Pipelining(on(value)?),
        "expire_never" => Setting::ExpireNever(on(value)?),
        "closing_notice" => Setting::ClosingNotice(on(value)?),
        "implementation" => Setting::Implementation(value.to_owned()),
        "banner" => text("greeting", value)?,
        "signing_off" => text("signing_off", value)?,
        "overlong_command" => Setting::OverlongCommand(match value {
            "close" => OverlongCommand::Close,
            "refuse" => OverlongCommand::Refuse,
            _ => return Err("close or refuse".to_owned()),
        }),
        _ => return Err("a known setting, for example max_command_size".to_owned()),
    })
}

fn text(key: &'static str, value: &str) -> Result<Setting, String> {
    let checked = Texts::default().set(key, value);
    checked.map_err(|error| format!("a text that can be sent ({error})"))?;
    Ok(Setting::Text(key, value.to_owned()))
}

fn on(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| "a number".to_owned())
}

fn seconds(value: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(number(value)?))
}
