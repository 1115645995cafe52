//! The section `[protocol.texts]`: what the server says, where it shall say something else.

use std::collections::BTreeMap;
use std::fmt;

use mailroost_protocol::response_text::TEXT_OCTETS_MAX;
use mailroost_protocol::{Text, Texts};
use serde::de::{DeserializeSeed, Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::section::{Entry, Section};
use super::value::Setting;

/// What the server says in place of the profile's texts, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TextSettings(BTreeMap<&'static str, String>);

/// The texts that can be set here: all but the greeting, which is `protocol.banner`.
fn settable() -> impl Iterator<Item = Text> {
    Text::ALL
        .iter()
        .copied()
        .filter(|text| *text != Text::Greeting)
}

impl TextSettings {
    /// These texts in the place of those of `texts`.
    pub fn over(&self, mut texts: Texts) -> Texts {
        for (key, words) in &self.0 {
            // They were checked against the same rules when they were read.
            let _ = texts.set(key, words);
        }
        texts
    }

    /// Every text written out.
    pub fn all(texts: &Texts) -> Self {
        Self(
            settable()
                .map(|text| (text.key(), texts.text(text).to_owned()))
                .collect(),
        )
    }
}

impl Setting for TextSettings {
    fn accepted() -> String {
        format!(
            "at most {TEXT_OCTETS_MAX} octets without control characters, without <...>, not \
             beginning with [, empty only behind +OK"
        )
    }

    /// It is printed as a section of its own.
    fn toml(&self) -> Option<String> {
        None
    }
}

impl Section for TextSettings {
    const ABOUT: &'static [&'static str] =
        &[" What the server says, behind +OK or -ERR, where it shall say something else."];

    fn entries(&self) -> Vec<Entry> {
        settable()
            .map(|text| Entry {
                key: text.key(),
                about: &[],
                accepted: Self::accepted(),
                value: self.0.get(text.key()).and_then(|words| words.toml()),
                default: text.default_text().to_owned().toml(),
            })
            .collect()
    }
}

impl Setting for String {
    fn accepted() -> String {
        "a text".into()
    }
}

impl<'de> Deserialize<'de> for TextSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = TextSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section [protocol.texts]")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TextSettings, A::Error> {
                let mut texts = BTreeMap::new();
                while let Some(Key(text)) = map.next_key()? {
                    texts.insert(text.key(), map.next_value_seed(Words(text))?);
                }
                Ok(TextSettings(texts))
            }
        }
        deserializer.deserialize_map(Table)
    }
}

/// A key, so that an error knows its place.
struct Key(Text);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        let text = settable().find(|text| text.key() == key);
        text.map(Self)
            .ok_or_else(|| D::Error::unknown_field(&key, &[]))
    }
}

/// The words for one text, likewise.
struct Words(Text);

impl<'de> DeserializeSeed<'de> for Words {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let words = String::deserialize(deserializer)?;
        match Texts::default().replace(self.0, &words) {
            Ok(()) => Ok(words),
            Err(error) => {
                let expected = error.accepted.as_str();
                Err(D::Error::invalid_value(Unexpected::Str(&words), &expected))
            }
        }
    }
}
