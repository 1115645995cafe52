//! What is said about the support of MS-STANXPOP3 is true: each statement is shown by a transcript
//! or a test or said to be missing, in each profile that differs, and the page is up to date.

use std::collections::BTreeSet;
use std::path::Path;

use mailroost::protocol::profile::Profile;
use mailroost::{Config, Security};
use mailroost_testkit::statements::{self, TAG};
use mailroost_testkit::transcript::Transcript;

#[expect(dead_code, reason = "its main is for the command line")]
#[path = "../examples/standards_support.rs"]
mod standards_support;

/// What is not supported in whole.
const NOT_YET: [&str; 0] = [];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn transcripts() -> Vec<Transcript> {
    let folder = root().join("tests/transcripts");
    Transcript::load_all(&folder).unwrap_or_else(|error| panic!("{error}"))
}

/// The ids in MS-STANXPOP3, which numbers each kind without gaps.
fn ids_of_the_document() -> BTreeSet<String> {
    let kinds = [('C', 11), ('E', 7), ('V', 12)];
    let numbered = kinds
        .into_iter()
        .flat_map(|(kind, last)| (1..=last).map(move |number| format!("{kind}{number:04}")));
    let variations = (1..=5).map(|number| format!("2.1.{number}"));
    variations.chain(numbered).collect()
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_page_is_up_to_date() {
    let path = root().join("docs/standards-support.md");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let generated = standards_support::document().unwrap();
    let command = "cargo run --example standards_support > docs/standards-support.md";
    let lines = committed.lines().zip(generated.lines()).enumerate();
    for (index, (old, new)) in lines {
        let line = index + 1;
        assert_eq!(
            old, new,
            "docs/standards-support.md:{line} is old: {command}"
        );
    }
    assert!(
        committed == generated,
        "docs/standards-support.md is old: {command}"
    );
}

#[test]
fn every_statement_of_the_document_is_in_the_table_once() {
    let ids: Vec<String> = statements::statements()
        .map(|statement| statement.id.to_owned())
        .collect();
    let unique: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(unique, ids_of_the_document());
    assert_eq!(ids.len(), unique.len());
    for statement in statements::statements() {
        assert!(!statement.asked.is_empty(), "{}", statement.id);
        assert!(!statement.done.is_empty(), "{}", statement.id);
    }
}

#[test]
fn every_statement_is_shown_by_a_transcript_or_a_test_or_is_not_there_yet() {
    let transcripts = transcripts();
    let mut faults = Vec::new();
    for statement in statements::statements() {
        let shown = transcripts
            .iter()
            .any(|transcript| statement.is_covered_by(transcript));
        if !shown && statement.elsewhere.is_empty() && statement.not_yet.is_none() {
            faults.push(format!(
                "{}: no transcript has the tag `{TAG}{0}`",
                statement.id
            ));
        }
    }
    assert_none(&faults);
}

#[test]
fn what_is_not_there_yet_is_known() {
    let missing: Vec<&str> = statements::statements()
        .filter(|statement| statement.not_yet.is_some())
        .map(|statement| statement.id)
        .collect();
    assert_eq!(missing, NOT_YET);
}

#[test]
fn what_differs_between_profiles_is_shown_in_each_that_differs() {
    let transcripts = transcripts();
    let mut faults = Vec::new();
    let mut differences = 0;
    for statement in statements::statements().filter(|statement| !statement.choices.is_empty()) {
        for profile in Profile::ALL {
            let is_default = profile == Profile::default();
            if !is_default && statement.is_the_same_in(profile, Profile::default()) {
                continue;
            }
            differences += usize::from(!is_default);
            let shown = transcripts
                .iter()
                .any(|transcript| statement.is_shown_by(transcript, profile));
            if !shown {
                faults.push(format!(
                    "{}: no transcript with its tag is played in {profile} with the defaults of it",
                    statement.id
                ));
            }
        }
    }
    assert_none(&faults);
    // rfc1939 differs in nearly all of them, exchange2007 in some.
    assert!(differences >= 15, "{differences} differences");
}

#[test]
fn every_tag_names_a_statement() {
    let ids = ids_of_the_document();
    let mut faults = Vec::new();
    for transcript in transcripts() {
        for id in transcript
            .tags
            .iter()
            .filter_map(|tag| tag.strip_prefix(TAG))
        {
            if !ids.contains(id) {
                let path = transcript.path.display();
                faults.push(format!("{path}: there is no statement {id}"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn every_test_that_is_named_is_there() {
    let mut faults = Vec::new();
    for statement in statements::statements() {
        for test in statement.elsewhere {
            let text = std::fs::read_to_string(root().join(test.file)).unwrap_or_default();
            let statements::TestFunction { file, name } = test;
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let head = format!("fn {name}() {{");
            let blocks = ["#[test]", &head];
            let awaits = ["#[actix::test]", &format!("async {head}")];
            if !lines
                .windows(2)
                .any(|pair| pair == blocks || pair == awaits)
            {
                faults.push(format!("{}: no test {name} in {file}", statement.id));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn a_transcript_with_settings_of_its_own_shows_no_default() {
    let text = |more: &str| {
        let text = format!("# Why.\ntags: STANXPOP3 E0006\nprofile: rfc1939\n{more}\nS: +OK...\n");
        Transcript::parse(Path::new("made-up.pop3"), &text).unwrap()
    };
    let statement = statements::statements()
        .find(|statement| statement.id == "E0006")
        .unwrap();
    assert!(statement.is_shown_by(&text(""), Profile::Rfc1939));
    assert!(!statement.is_shown_by(&text(""), Profile::Exchange2013));
    let other = text("set: login_type = secure_login\n");
    assert!(statement.is_shown_by(&other, Profile::Rfc1939));
    let overridden = text("set: max_command_size = 256\n");
    assert!(!statement.is_shown_by(&overridden, Profile::Rfc1939));
    assert!(statement.is_covered_by(&overridden));
}

#[test]
fn without_listeners_ports_110_and_995_are_served() {
    let mut served: Vec<(String, Security)> = Config::default()
        .listener
        .iter()
        .map(|listener| (listener.socket_address().to_string(), listener.security))
        .collect();
    served.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("0.0.0.0:110", Security::Stls),
        ("0.0.0.0:995", Security::ImplicitTls),
        ("[::]:110", Security::Stls),
        ("[::]:995", Security::ImplicitTls),
    ];
    assert_eq!(
        served,
        expected.map(|(address, security)| (address.to_owned(), security))
    );
}
