//! The rules of the house that a machine can check: what may stand in which room, who may know
//! whom, and what must not be left behind. A rule that fails names file, line and reason.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mailroost_testkit::transcript::Transcript;

/// Folders with our own Rust files.
const ROOMS: [&str; 12] = [
    "src",
    "protocol",
    "auth",
    "storage",
    "actors",
    "testkit",
    "simulation",
    "pam",
    "benches",
    "fuzz",
    "tests",
    "examples",
];

/// The most lines of a file, tests included. Nothing is let off.
const LINES_MAX: usize = 500;

/// What may not be mentioned in the code of a room (its tests and comments may).
const FORBIDDEN: [(&str, &[&str], &str); 6] = [
    (
        "protocol/src",
        &[
            "tokio",
            "actix",
            "sled",
            "async ",
            "Instant::now",
            "SystemTime",
            "std::net",
            "std::fs",
        ],
        "the protocol cannot wait, and time is an argument",
    ),
    (
        "auth/src",
        &["+OK", "-ERR", "MessageNumber", "sled", "actix"],
        "authentication knows neither replies nor message-numbers",
    ),
    (
        "storage/src",
        &["+OK", "-ERR", "Addr<", "actix", "tokio"],
        "storage speaks no POP3 and knows no actors",
    ),
    (
        "actors/src",
        &["sled", "+OK", "-ERR"],
        "actors carry, they neither speak nor know keys",
    ),
    (
        "src",
        &["Handler<", "\"+OK", "\"-ERR"],
        "the composer handles no messages and speaks no POP3",
    ),
    (
        "testkit/src",
        &["sleep("],
        "what is tested is waited for, not slept for",
    ),
];

/// Who may name a status indicator, and why.
const STATUS_INDICATORS: [(&str, &str); 4] = [
    ("protocol/src/reply.rs", "makes all replies"),
    (
        "protocol/src/onward.rs",
        "reads the replies of another server",
    ),
    (
        "protocol/src/session/trail.rs",
        "reads how a command ended, for the log",
    ),
    (
        "src/protocol_log/line.rs",
        "writes the log in the words of the wire",
    ),
];

/// What must not be left behind anywhere. Each is put together here, so that this file is clean.
const LEFT_BEHIND: [(&str, &str); 5] = [
    ("#[ign", "ore"),
    ("#[should_", "panic"),
    ("to", "do!("),
    ("db", "g!("),
    ("unimple", "mented!("),
];

/// Which of our crates each may depend on.
const EDGES: [(&str, &[&str]); 11] = [
    ("protocol", &[]),
    ("storage", &[]),
    ("pam", &[]),
    ("auth", &["storage"]),
    ("actors", &["protocol", "auth", "storage"]),
    (".", &["protocol", "auth", "storage", "actors"]),
    ("testkit", &["", "protocol", "auth", "storage", "actors"]),
    ("benches", &["auth", "storage"]),
    ("benches/parts", &["protocol", "storage"]),
    ("fuzz", &["", "protocol", "auth", "storage"]),
    ("simulation", &["protocol", "auth", "storage", "actors"]),
];

/// File names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "helpers", "common", "misc", "manager"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

struct Source {
    /// Relative to the root.
    path: PathBuf,
    text: String,
}

impl Source {
    /// Whether it holds tests only.
    fn is_test(&self) -> bool {
        let mut parts = self.path.components().map(|part| part.as_os_str());
        parts.any(|part| part == "tests" || part == "tests.rs")
    }

    /// Lines of code before the tests at its end, without comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.lines());
        lines
            .take_while(|(_, line)| *line != "mod tests {")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn find(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            find(&path, extension, found);
        } else if path.extension().is_some_and(|has| has == extension) {
            found.push(path);
        }
    }
}

fn sources(room: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    find(&root().join(room), "rs", &mut paths);
    let sources = paths.into_iter().map(|path| Source {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root()).unwrap().to_owned(),
    });
    sources.collect()
}

fn all_sources() -> Vec<Source> {
    ROOMS.iter().flat_map(|room| sources(room)).collect()
}

fn may_name_status_indicators(source: &Source) -> bool {
    let mut excepted = STATUS_INDICATORS.iter();
    excepted.any(|(path, _why)| source.path == Path::new(path))
}

#[track_caller]
fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_file_says_first_what_it_is() {
    let faults = all_sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "));
    assert_none(
        faults
            .map(|source| format!("{}: the first line is no `//! `", source.path.display()))
            .collect(),
    );
}

#[test]
fn no_file_is_too_long() {
    let mut faults = Vec::new();
    for source in all_sources() {
        let path = source.path.display();
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{path}: {lines} lines, {LINES_MAX} at most"));
        }
    }
    assert_none(faults);
}

#[test]
fn each_room_keeps_to_its_words() {
    let mut faults = Vec::new();
    for (room, words, why) in FORBIDDEN {
        for source in sources(room).iter().filter(|source| !source.is_test()) {
            for (number, line) in source.code() {
                for word in words.iter().filter(|word| line.contains(**word)) {
                    if word.contains(['+', '-']) && may_name_status_indicators(source) {
                        continue;
                    }
                    faults.push(format!(
                        "{}:{number}: `{word}`: {why}",
                        source.path.display()
                    ));
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn replies_are_made_in_one_file() {
    let mut faults = Vec::new();
    for source in sources("protocol/src")
        .iter()
        .filter(|source| !source.is_test())
    {
        if may_name_status_indicators(source) {
            continue;
        }
        for (number, line) in source.code() {
            if line.contains("\"+OK") || line.contains("\"-ERR") {
                let path = source.path.display();
                faults.push(format!("{path}:{number}: `reply.rs` makes the replies"));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn nothing_is_left_behind() {
    let mut faults = Vec::new();
    for source in all_sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            for (begin, end) in LEFT_BEHIND {
                let word = format!("{begin}{end}");
                if line.contains(&word) {
                    faults.push(format!("{}:{number}: `{word}`", source.path.display()));
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn names_of_files_say_something() {
    let faults = all_sources().into_iter().filter(|source| {
        let mut parts = source.path.iter().map(|part| part.to_string_lossy());
        parts.any(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs")))
    });
    assert_none(
        faults
            .map(|source| format!("{}: a name that says nothing", source.path.display()))
            .collect(),
    );
}

#[test]
fn crates_know_only_whom_the_drawing_allows() {
    let mut faults = Vec::new();
    for (room, allowed) in EDGES {
        let text = std::fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        let file: toml::Table = text.parse().unwrap();
        let known: BTreeSet<&str> = file["dependencies"]
            .as_table()
            .unwrap()
            .keys()
            .filter_map(|name| name.strip_prefix("mailroost"))
            .map(|name| name.trim_start_matches('-'))
            .collect();
        for edge in known.difference(&allowed.iter().copied().collect()) {
            faults.push(format!(
                "{room}/Cargo.toml: mailroost-{edge} is not in the drawing"
            ));
        }
    }
    assert_none(faults);
}

#[test]
fn each_example_is_run_by_a_test() {
    let tests: String = sources("tests")
        .into_iter()
        .map(|source| source.text)
        .collect();
    let mut faults = Vec::new();
    for source in sources("examples") {
        let path = source.path.display().to_string();
        if !tests.contains(&path) {
            faults.push(format!("{path}: no test runs it"));
        }
    }
    // Tests play all that end in .pop3.
    for folder in ["examples/scripts", "tests/transcripts"] {
        let mut scripts = Vec::new();
        find(&root().join(folder), "pop3", &mut scripts);
        let mut others = Vec::new();
        for extension in ["txt", "pop", "script", "transcript"] {
            find(&root().join(folder), extension, &mut others);
        }
        assert!(!scripts.is_empty());
        faults.extend(
            others
                .iter()
                .map(|path| format!("{}: no test plays it", path.display())),
        );
    }
    assert_none(faults);
}

#[test]
fn each_statement_that_the_protocol_cites_has_a_transcript() {
    let transcripts = Transcript::load_all(&root().join("tests/transcripts")).unwrap();
    let tags: BTreeSet<&str> = transcripts
        .iter()
        .flat_map(|transcript| &transcript.tags)
        .filter_map(|tag| tag.strip_prefix("STANXPOP3 "))
        .collect();
    let mut faults = Vec::new();
    for source in sources("protocol/src") {
        for (number, line) in (1..).zip(source.text.lines()) {
            for cited in line.split("STANXPOP3 ").skip(1) {
                let id = cited
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
                    .next();
                let id = id.unwrap_or_default().trim_end_matches('.');
                let is_id = id.starts_with(['C', 'E', 'V', '2']);
                if is_id && !tags.contains(id) {
                    let path = source.path.display();
                    faults.push(format!(
                        "{path}:{number}: no transcript has the tag of {id}"
                    ));
                }
            }
        }
    }
    assert_none(faults);
}
