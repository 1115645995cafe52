//! Settings that are texts of a certain form.

/// The most octets of such a text: longer ones are mistakes.
pub(super) const OCTETS_MAX: usize = 4096;

/// Makes a type of a text that has to have a form.
macro_rules! form {
    ($(#[$about:meta])* $name:ident, $accepted:literal, $refused:literal, $has_form:expr) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $crate::config::value::Setting for $name {
            fn accepted() -> String {
                $accepted.into()
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let has_form: fn(&str) -> bool = $has_form;
                match text.len() <= $crate::config::form::OCTETS_MAX && has_form(&text) {
                    true => Ok(Self(text)),
                    false => Err($refused),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

pub(super) use form;
