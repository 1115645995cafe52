//! The effective configuration as TOML that explains itself.

use std::fmt::Write;

use super::origin::Origins;
use super::{Config, Entry};

/// Every key with its value, and with `origins` where it came from; what is not set is there as
/// a comment.
pub(super) fn print(config: &Config, origins: Option<&Origins>) -> String {
    let mut out = String::from("# The effective configuration of mailroost.\n");
    let (mut last, mut index) = ("", 0);
    let sections = config.sections();
    let names: Vec<&str> = sections.iter().map(|(name, ..)| *name).collect();
    for (name, about, entries) in sections {
        out.push('\n');
        // Listeners, certificates, sites and sources are many; the first one explains the keys.
        let first = name != last;
        index = if first { 0 } else { index + 1 };
        if first {
            comment(&mut out, about);
        }
        let header = match name {
            "listener" => "[[listener]]".into(),
            // There is none; its keys are comments as well.
            "certificate" if config.certificate.is_empty() => "# [[certificate]]".into(),
            "certificate" => "[[certificate]]".into(),
            "site" if config.site.is_empty() => "# [[site]]".into(),
            "site" => "[[site]]".into(),
            "lmtp.listener" if config.lmtp.listener.is_empty() => "# [[lmtp.listener]]".into(),
            "lmtp.listener" => "[[lmtp.listener]]".into(),
            "auth.source" if config.auth.source.is_empty() => "# [[auth.source]]".into(),
            "auth.source" => "[[auth.source]]".into(),
            name => format!("[{name}]"),
        };
        let _ = writeln!(out, "{header}");
        for entry in &entries {
            if names.contains(&&*format!("{name}.{}", entry.key)) {
                continue; // It has a section of its own.
            }
            if first {
                explain(&mut out, entry);
            }
            let origin = origins.map_or(String::new(), |origins| {
                format!("  # {}", origins.say(config, name, index, entry))
            });
            let _ = match &entry.value {
                Some(value) if header.starts_with('#') => {
                    writeln!(out, "# {} = {value}", entry.key)
                }
                Some(value) => writeln!(out, "{} = {value}{origin}", entry.key),
                None => writeln!(out, "# {} =", entry.key),
            };
        }
        last = name;
    }
    if config.listener.is_empty() {
        out.insert_str(0, "listener = []\n\n");
    }
    out
}

fn explain(out: &mut String, entry: &Entry) {
    out.push('\n');
    comment(out, entry.about);
    let default = entry.default.as_deref().unwrap_or("not set");
    let _ = writeln!(out, "# Default: {default}. Accepted: {}.", entry.accepted);
}

fn comment(out: &mut String, lines: &[&str]) {
    for line in lines {
        let _ = writeln!(out, "# {}", line.trim());
    }
}
