//! The document that says what is done for each statement, in the form of MS-STANXPOP3.

use std::path::Path;

use mailroost_protocol::profile::Profile;

use super::{Choice, Section, Statement, TestFunction, clarifications, statements, variations};
use crate::transcript::Transcript;

/// In the order of the products.
const PROFILES: [Profile; 4] = [
    Profile::Exchange2007,
    Profile::Exchange2010,
    Profile::Exchange2013,
    Profile::Rfc1939,
];

const INTRODUCTION: &str = "\
# mailroost: POP3 standards support

This page is generated from `testkit/src/statements` and the tags of the transcripts; do not edit it.
`cargo run --example standards_support > docs/standards-support.md` writes it, and `tests/standards_support.rs` fails when it is not up to date or a statement is shown by nothing.

## 1 Introduction

This page states how far mailroost supports RFC 1939 and RFC 2449, statement by statement, in the order and with the ids of Microsoft's [MS-STANXPOP3], revision 5.0.

### 1.1 Profiles

A profile is a named set of defaults: `exchange2013` is the one that is used unless another is named.
Where a statement has a table, it gives each profile's default; every setting can be overridden by itself.
Where it has none, all profiles do the same.

### 1.2 Transcripts

A transcript is a POP3 dialog in `tests/transcripts`, played by `tests/transcripts.rs` on the session alone and then over TCP and TLS, or on a paused clock where time has to pass.
Behind each stands the profile that it is played in. \"Overridden\" means that it sets another value than the profile's for a setting of the statement.

### 1.3 References

[MS-STANXPOP3] Exchange Post Office Protocol Version 3 (POP3) Standards Support.
[RFC1939] Post Office Protocol - Version 3.
[RFC2449] POP3 Extension Mechanism.
";

const VARIATIONS: &str = "
## 2 Standards support statements

### 2.1 Normative variations
";

const CLARIFICATIONS: &str = "
### 2.2 Clarifications
";

const END: &str = "
### 2.3 Error handling

See 2.2.5 for a removal that fails, and 2.2.9 for a log-on that fails.

### 2.4 Security

See 2.2.8: whether a mailbox exists is not told.
";

/// The document; `folder` is that of the transcripts.
pub fn document(folder: &Path, transcripts: &[Transcript]) -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n### 1.4 What is missing\n\n");
    for statement in statements() {
        if let Some(missing) = statement.not_yet {
            text.push_str(&format!("- {}: {missing}.\n", statement.id));
        }
    }
    if statements().all(|statement| statement.not_yet.is_none()) {
        text.push_str("Nothing.\n");
    }
    text.push_str(VARIATIONS);
    for section in variations() {
        push_section(&mut text, section, folder, transcripts);
    }
    text.push_str(CLARIFICATIONS);
    for section in clarifications() {
        push_section(&mut text, section, folder, transcripts);
    }
    text.push_str(END);
    text
}

fn push_section(text: &mut String, section: &Section, folder: &Path, transcripts: &[Transcript]) {
    let Section { number, title, .. } = section;
    // The brackets would make it a link.
    let title = title.replace('[', "\\[").replace(']', "\\]");
    text.push_str(&format!("\n#### {number} {title}\n"));
    for statement in section.statements {
        if statement.id != *number {
            text.push_str(&format!("\n##### {}\n", statement.id));
        }
        push_statement(text, statement, folder, transcripts);
    }
}

fn push_statement(
    text: &mut String,
    statement: &Statement,
    folder: &Path,
    transcripts: &[Transcript],
) {
    text.push_str(&format!("\nThe RFC: {}\n", statement.asked));
    text.push_str(&format!("\nmailroost: {}\n", statement.done));
    if let Some(missing) = statement.not_yet {
        text.push_str(&format!("\n**Not yet:** {missing}.\n"));
    }
    push_defaults(text, statement.choices);
    text.push('\n');
    for profile in PROFILES {
        for transcript in transcripts {
            let chosen = transcript.stage.settings.chosen();
            if chosen == profile && statement.is_covered_by(transcript) {
                text.push_str(&transcript_item(statement, transcript, folder));
            }
        }
    }
    for TestFunction { file, name } in statement.elsewhere {
        text.push_str(&format!("- [`{file}`](../{file}): `{name}`\n"));
    }
    if text.ends_with("\n\n") {
        text.push_str("Shown by nothing.\n");
    }
}

fn push_defaults(text: &mut String, choices: &[Choice]) {
    if choices.is_empty() {
        return;
    }
    let names = PROFILES.map(Profile::name).join(" | ");
    text.push_str(&format!("\n| setting | {names} |\n"));
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for choice in choices {
        let values = PROFILES.map(|profile| (choice.value)(&profile.policy()));
        let values = values.join(" | ");
        text.push_str(&format!("| `{}` | {values} |\n", choice.setting));
    }
}

fn transcript_item(statement: &Statement, transcript: &Transcript, folder: &Path) -> String {
    let path = &transcript.path;
    let path = path.strip_prefix(folder).unwrap_or(path).display();
    let profile = transcript.stage.settings.chosen();
    let overridden = if statement.keeps_defaults(transcript) {
        ""
    } else {
        ", overridden"
    };
    let why = &transcript.why;
    format!("- [`{path}`](../tests/transcripts/{path}) ({profile}{overridden}): {why}\n")
}
