//! Where a value came from: a line of the file, the profile, or the default.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::blame::{find, line_of};
use super::{Config, Entry};

/// Which keys are set in a file, and on which lines.
pub(super) struct Origins {
    /// Section, which of its name, key.
    lines: BTreeMap<(&'static str, usize, &'static str), usize>,
    file: String,
}

impl Origins {
    /// The origins of a configuration that was read from `text`.
    pub(super) fn of(file: &str, text: &str, config: &Config) -> Self {
        let mut lines = BTreeMap::new();
        if let Ok(table) = DeTable::parse(text) {
            each_section(config, |section, index, entries| {
                let Some(written) = section_table(table.get_ref(), section, index) else {
                    return;
                };
                for entry in entries {
                    if let Some((key, _)) = find(written, entry.key) {
                        let line = line_of(text, key.span().start);
                        lines.insert((section, index, entry.key), line);
                    }
                }
            });
        }
        // It stands in a comment, which has to stay one line.
        let file = file.replace(char::is_control, "?");
        Self { lines, file }
    }

    /// Without a file.
    pub(super) fn none() -> Self {
        let (lines, file) = (BTreeMap::new(), String::new());
        Self { lines, file }
    }

    /// Where the value of this key came from, in a few words.
    pub(super) fn say(
        &self,
        config: &Config,
        section: &'static str,
        index: usize,
        entry: &Entry,
    ) -> String {
        if let Some(line) = self.lines.get(&(section, index, entry.key)) {
            return format!("{}:{line}", self.file);
        }
        let of_profile = match (section, entry.key) {
            ("protocol", "profile") => false,
            // Only some profiles have this one.
            ("protocol", "implementation") => config.protocol.announces_itself(),
            ("protocol", _) => true,
            ("protocol.texts", _) => entry.value != entry.default,
            _ => false,
        };
        if of_profile {
            let profile = mailroost_protocol::Profile::from(config.protocol.profile);
            return format!("profile {profile}");
        }
        "default".to_owned()
    }
}

/// Calls `each` for all sections in reading order; those of one name are counted from 0.
fn each_section(config: &Config, mut each: impl FnMut(&'static str, usize, &[Entry])) {
    let (mut last, mut index) = ("", 0);
    for (name, _, entries) in config.sections() {
        index = if name == last { index + 1 } else { 0 };
        each(name, index, &entries);
        last = name;
    }
}

/// The table of a section, the one of this index where it can be repeated.
pub(super) fn section_table<'a, 'i>(
    table: &'a DeTable<'i>,
    section: &str,
    index: usize,
) -> Option<&'a DeTable<'i>> {
    let mut table = table;
    for name in section.split('.') {
        let (_, value) = find(table, name)?;
        table = match value.get_ref() {
            DeValue::Array(tables) => tables.get(index)?.get_ref().as_table()?,
            value => value.as_table()?,
        };
    }
    Some(table)
}
