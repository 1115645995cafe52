//! A section of the configuration: one list of keys makes the type, its defaults, and what
//! `print-config` and `check-config` know about each key.

/// What is known of one key.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: &'static str,
    /// What it does: the documentation of the field, a line each.
    pub about: &'static [&'static str],
    /// Which values are accepted, with their unit.
    pub accepted: String,
    /// The value as TOML, if it is set.
    pub value: Option<String>,
    /// The default as TOML, if there is one.
    pub default: Option<String>,
}

/// A section of the configuration.
pub trait Section: Default {
    /// What it is about: the documentation of the type, a line each.
    const ABOUT: &'static [&'static str];

    /// Its keys in reading order.
    fn entries(&self) -> Vec<Entry>;
}

/// Makes the type of a section. Each field is `key: Type = default`.
macro_rules! section {
    ($(#[doc = $about:literal])+ pub struct $name:ident {
        $($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr,)+
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $key: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        impl $crate::config::section::Section for $name {
            const ABOUT: &'static [&'static str] = &[$($about),+];

            fn entries(&self) -> Vec<$crate::config::section::Entry> {
                use $crate::config::value::Setting;
                let standard = Self::default();
                vec![$($crate::config::section::Entry {
                    key: stringify!($key),
                    about: &[$($doc),+],
                    accepted: <$type as Setting>::accepted(),
                    value: self.$key.toml(),
                    default: standard.$key.toml(),
                },)+]
            }
        }
    };
}

pub(super) use section;
