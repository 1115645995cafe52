//! Finds the words for what is wrong in a file: line, key, value, why, and what is accepted.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::Conflict;
use super::origin::section_table;
use super::{Config, ConfigError, Entry};

/// The longest value that a message repeats, in characters.
const VALUE_CHARACTERS_MAX: usize = 60;

/// The most known keys that are offered in place of an unknown one.
const NEAREST_MAX: usize = 3;

/// What the TOML library says, in our words.
pub(super) fn syntax_or_value(name: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start);
    let line = Some(line_of(text, at));
    let text = match DeTable::parse(text) {
        Ok(table) => value(text, table.get_ref(), at, error.message()),
        Err(_) => format!("not TOML: {}", one_line(error.message())),
    };
    ConfigError {
        file: name.into(),
        line,
        text,
        unreadable: false,
    }
}

/// Two settings that do not go together.
pub(super) fn conflict(name: &str, text: &str, config: &Config, conflict: Conflict) -> ConfigError {
    let Conflict {
        section,
        index,
        key,
        why,
    } = conflict;
    let written = DeTable::parse(text).ok().and_then(|table| {
        let section = section_table(table.get_ref(), section, index)?;
        find(section, key).map(|(_, value)| value.span())
    });
    let entry = config
        .sections()
        .into_iter()
        .filter(|(name, ..)| *name == section)
        .nth(index)
        .and_then(|(_, _, entries)| entries.into_iter().find(|entry| entry.key == key));
    let accepted = entry
        .as_ref()
        .map_or(String::new(), |entry| entry.accepted.clone());
    let value = match (&written, entry.and_then(|entry| entry.value)) {
        (Some(span), _) => format!(" = {}", excerpt(text, span)),
        (None, Some(value)) => format!(" = {value} (not set in the file)"),
        (None, None) => " is not set".into(),
    };
    ConfigError {
        file: name.into(),
        line: written.map(|span| line_of(text, span.start)),
        text: format!("{section}.{key}{value}: {why}; accepted: {accepted}"),
        unreadable: false,
    }
}

/// What is wrong with the value, or key, at an offset.
fn value(text: &str, table: &DeTable<'_>, at: usize, message: &str) -> String {
    let mut path = Vec::new();
    let span = descend(table, at, &mut path);
    let dotted = path.join(".");
    if let Some(key) = message
        .strip_prefix("unknown field `")
        .and_then(|m| m.split('`').next())
    {
        return unknown(&dotted, key);
    }
    let entry = dotted
        .rsplit_once('.')
        .and_then(|(section, key)| entries(section).into_iter().find(|entry| entry.key == key));
    let why = match message.split_once(':').map_or(message, |(kind, _)| kind) {
        "invalid type" => "wrong type",
        "invalid value" => "out of range",
        _ if message.starts_with("unknown variant") => "unknown value",
        _ => message,
    };
    let accepted = match (entry, path.as_slice()) {
        (Some(entry), _) => entry.accepted,
        (None, [section]) if ["listener", "certificate", "site"].contains(&section.as_str()) => {
            format!("sections [[{section}]]")
        }
        (None, [section]) => format!("a section [{section}]"),
        (None, _) => message
            .split_once("expected ")
            .map_or("", |(_, accepted)| accepted)
            .into(),
    };
    let value = span.map_or(String::new(), |span| format!(" = {}", excerpt(text, &span)));
    format!("{dotted}{value}: {}; accepted: {accepted}", one_line(why))
}

/// Says which known keys are nearest to an unknown one.
fn unknown(dotted: &str, key: &str) -> String {
    let sections = Config::default().sections();
    let (what, known): (_, Vec<String>) = match dotted.rsplit_once('.') {
        Some((section, _)) => (
            "key",
            entries(section).iter().map(|e| e.key.into()).collect(),
        ),
        None => (
            "section",
            sections.iter().map(|(name, ..)| (*name).into()).collect(),
        ),
    };
    let elsewhere = sections.iter().flat_map(|(section, _, entries)| {
        let same = entries.iter().filter(|entry| entry.key == key);
        same.map(move |entry| format!("{section}.{}", entry.key))
    });
    let mut near: Vec<_> = known
        .iter()
        .map(|name| (distance(key, name), name.clone()))
        .filter(|(distance, name)| *distance <= key.len().max(name.len()) / 3 + 1)
        .chain(elsewhere.map(|name| (0, name)))
        .collect();
    near.sort();
    near.dedup();
    near.truncate(NEAREST_MAX);
    match near.as_slice() {
        [] => format!(
            "{dotted}: unknown {what}; known: {}",
            deduplicated(known).join(", ")
        ),
        near => {
            let near: Vec<_> = near.iter().map(|(_, name)| name.as_str()).collect();
            format!("{dotted}: unknown {what}; nearest: {}", near.join(", "))
        }
    }
}

fn deduplicated(mut names: Vec<String>) -> Vec<String> {
    names.dedup();
    names
}

fn entries(section: &str) -> Vec<Entry> {
    let sections = Config::default().sections();
    sections
        .into_iter()
        .find(|(name, ..)| *name == section)
        .map_or_else(Vec::new, |found| found.2)
}

pub(super) type Keyed<'a, 'i> = (
    &'a Spanned<toml::de::DeString<'i>>,
    &'a Spanned<DeValue<'i>>,
);

pub(super) fn find<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<Keyed<'a, 'i>> {
    table.iter().find(|(name, _)| name.get_ref() == key)
}

/// Puts the keys that lead to an offset into `path`; the span is that of the value there.
fn descend(table: &DeTable<'_>, at: usize, path: &mut Vec<String>) -> Option<Range<usize>> {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        if key.span().contains(&at) && value.get_ref().as_table().is_none() {
            return Some(value.span());
        }
        if let Some(span) = descend_value(value, at, path) {
            return span;
        }
        if key.span().contains(&at) || value.span().contains(&at) {
            return None;
        }
        path.pop();
    }
    None
}

/// `Some` if the offset is in this value; the span then, unless it is a table.
fn descend_value(
    value: &Spanned<DeValue<'_>>,
    at: usize,
    path: &mut Vec<String>,
) -> Option<Option<Range<usize>>> {
    match value.get_ref() {
        DeValue::Table(table) => {
            let depth = path.len();
            let span = descend(table, at, path);
            (path.len() > depth).then_some(span)
        }
        DeValue::Array(values) => {
            let inner = values
                .iter()
                .find_map(|value| descend_value(value, at, path));
            inner.or_else(|| value.span().contains(&at).then(|| Some(value.span())))
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => value.span().contains(&at).then(|| Some(value.span())),
    }
}

/// The line that an offset is on, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(at)
        .filter(|octet| **octet == b'\n')
        .count()
        + 1
}

/// A value as it is written, cut to one short line.
fn excerpt(text: &str, span: &Range<usize>) -> String {
    let written = text
        .get(span.clone())
        .unwrap_or_default()
        .replace(['\r', '\n'], " ");
    match written.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((cut, _)) => format!("{}...", &written[..cut]),
        None => written,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Single characters to insert, remove or replace until `one` is `other` (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
