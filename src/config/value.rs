//! The types of settings: each knows which values it accepts, and says so in one phrase that
//! `check-config` and `print-config` share.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use mailroost_protocol::response_text::TEXT_OCTETS_MAX;
use mailroost_protocol::{Policy, Text, Texts};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that stands behind a key of the configuration.
pub trait Setting: Serialize {
    /// Which values are accepted, with their unit, for example `40 to 1024 octets`.
    fn accepted() -> String;

    /// The value as TOML; `None` if it is not set.
    fn toml(&self) -> Option<String> {
        toml::Value::try_from(self)
            .ok()
            .map(|value| value.to_string())
    }
}

/// What a number counts. The name stands behind the range in messages.
pub trait Unit: fmt::Debug + Clone + Copy + PartialEq + Eq {
    /// Plural, lower-case; empty where the key says it already.
    const NAME: &'static str;
}

/// Counts things that the key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Things;
/// Counts octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OctetUnit;
/// Counts KiB (1024 octets).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KibUnit;
/// Counts seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondUnit;
/// Counts hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourUnit;
/// Counts days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayUnit;

impl Unit for Things {
    const NAME: &'static str = "";
}
impl Unit for OctetUnit {
    const NAME: &'static str = " octets";
}
impl Unit for KibUnit {
    const NAME: &'static str = " KiB";
}
impl Unit for SecondUnit {
    const NAME: &'static str = " seconds";
}
impl Unit for HourUnit {
    const NAME: &'static str = " hours";
}
impl Unit for DayUnit {
    const NAME: &'static str = " days";
}

/// A whole number from `MIN` to `MAX`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranged<const MIN: u64, const MAX: u64, U: Unit = Things>(u64, PhantomData<U>);

/// A number of octets within a range.
pub type Octets<const MIN: u64, const MAX: u64> = Ranged<MIN, MAX, OctetUnit>;
/// A number of KiB within a range.
pub type Kib<const MIN: u64, const MAX: u64> = Ranged<MIN, MAX, KibUnit>;
/// A number of seconds within a range.
pub type Seconds<const MIN: u64, const MAX: u64> = Ranged<MIN, MAX, SecondUnit>;
/// A number of hours within a range.
pub type Hours<const MIN: u64, const MAX: u64> = Ranged<MIN, MAX, HourUnit>;
/// A number of days within a range.
pub type Days<const MIN: u64, const MAX: u64> = Ranged<MIN, MAX, DayUnit>;

impl<const MIN: u64, const MAX: u64, U: Unit> Ranged<MIN, MAX, U> {
    /// The value, if it is in the range.
    pub fn new(value: u64) -> Option<Self> {
        (MIN..=MAX)
            .contains(&value)
            .then_some(Self(value, PhantomData))
    }

    /// The value, moved to the nearest end of the range if it is outside.
    pub fn clamped(value: u64) -> Self {
        Self(value.clamp(MIN, MAX), PhantomData)
    }

    /// A value that is known when this is compiled; outside the range it does not compile.
    pub const fn fixed(value: u64) -> Self {
        assert!(MIN <= value && value <= MAX, "a default outside its range");
        Self(value, PhantomData)
    }

    /// As a number.
    pub fn value(self) -> u64 {
        self.0
    }

    /// As a size in memory.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const MIN: u64, const MAX: u64> Seconds<MIN, MAX> {
    /// As a span of time.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl<const MIN: u64, const MAX: u64, U: Unit> Setting for Ranged<MIN, MAX, U> {
    fn accepted() -> String {
        format!("{MIN} to {MAX}{}", U::NAME)
    }
}

impl<const MIN: u64, const MAX: u64, U: Unit> Serialize for Ranged<MIN, MAX, U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de, const MIN: u64, const MAX: u64, U: Unit> Deserialize<'de> for Ranged<MIN, MAX, U> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<T>(PhantomData<T>);
        impl<const MIN: u64, const MAX: u64, U: Unit> Visitor<'_> for Number<Ranged<MIN, MAX, U>> {
            type Value = Ranged<MIN, MAX, U>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&Self::Value::accepted())
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                u64::try_from(value)
                    .ok()
                    .and_then(Ranged::new)
                    .ok_or_else(|| E::invalid_value(Unexpected::Signed(value), &self))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Ranged::new(value)
                    .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(value), &self))
            }
        }
        deserializer.deserialize_i64(Number(PhantomData))
    }
}

impl Setting for bool {
    fn accepted() -> String {
        "true or false".into()
    }
}

impl Setting for PathBuf {
    fn accepted() -> String {
        "a path".into()
    }
}

impl Setting for IpAddr {
    fn accepted() -> String {
        "an IPv4 or IPv6 address such as \"127.0.0.1\" or \"::\"".into()
    }
}

impl<T: Setting> Setting for Option<T> {
    fn accepted() -> String {
        T::accepted()
    }

    fn toml(&self) -> Option<String> {
        self.as_ref().and_then(Setting::toml)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn accepted() -> String {
        format!("a list, each {}", T::accepted())
    }
}

/// A text that becomes part of a reply line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReplyText(String);

impl ReplyText {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes it the greeting.
    pub fn put(&self, texts: &mut Texts) {
        // It was checked against the same rules when it was made.
        let _ = texts.replace(Text::Greeting, &self.0);
    }
}

impl Setting for ReplyText {
    fn accepted() -> String {
        format!(
            "at most {TEXT_OCTETS_MAX} octets without control characters, without <...>, not \
             beginning with ["
        )
    }
}

impl TryFrom<String> for ReplyText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Texts::default().replace(Text::Greeting, &text) {
            Ok(()) => Ok(Self(text)),
            Err(_) => Err("clients would misread it"),
        }
    }
}

impl From<ReplyText> for String {
    fn from(text: ReplyText) -> Self {
        text.0
    }
}

/// What IMPLEMENTATION says in CAPA (RFC 2449 s3: parameters are visible characters).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImplementationText(String);

impl ImplementationText {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for ImplementationText {
    fn accepted() -> String {
        "1 to 495 visible ASCII characters, single spaces between them".into()
    }
}

impl TryFrom<String> for ImplementationText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let policy = Policy {
            implementation: Some(text.clone()),
            ..Policy::default()
        };
        policy
            .check()
            .map(|()| Self(text))
            .map_err(|_| "not a list of words")
    }
}

impl From<ImplementationText> for String {
    fn from(text: ImplementationText) -> Self {
        text.0
    }
}

/// A mail domain, lower-case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Domain {
    fn accepted() -> String {
        "a domain such as \"example.org\"".into()
    }
}

impl TryFrom<String> for Domain {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
        };
        if text.len() <= 255 && text.split('.').all(label) {
            Ok(Self(text.to_lowercase()))
        } else {
            Err("not a domain")
        }
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

/// An enumeration whose values are written as the texts given.
macro_rules! choice {
    ($(#[$about:meta])* pub enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $crate::config::value::Setting for $name {
            fn accepted() -> String {
                [$(concat!("\"", $text, "\"")),+].join(", ")
            }
        }
    };
}

pub(super) use choice;
