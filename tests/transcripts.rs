//! Plays every transcript on the pure session and against the actors, in four chunkings, and
//! looks for verbs, statements and known defects that no transcript covers.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mailroost_testkit::certificate::TestCertificate;
use mailroost_testkit::play::{Chunking, Failure, Played, pure, tree};
use mailroost_testkit::transcript::Transcript;

/// Where the random cuts come from; a failure prints it.
const SEED: u64 = 1939;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn transcripts() -> Vec<Transcript> {
    Transcript::load_all(&folder()).unwrap_or_else(|error| panic!("{error}"))
}

/// Plays all in all chunkings; panics with all that failed. Returns the files that were played
/// in a way for which `odd` is true.
fn play_all(
    play: impl Fn(&Transcript, Chunking) -> Result<Played, Box<Failure>>,
    odd: impl Fn(Played) -> bool,
) -> BTreeSet<String> {
    let mut failures = Vec::new();
    let mut odd_ones = BTreeSet::new();
    for transcript in transcripts() {
        for chunking in Chunking::all(SEED) {
            match play(&transcript, chunking) {
                Ok(played) if odd(played) => {
                    let path = transcript.path.strip_prefix(folder()).unwrap();
                    odd_ones.insert(path.display().to_string());
                }
                Ok(_) => {}
                Err(failure) => {
                    failures.push(failure.to_string());
                    break;
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    odd_ones
}

#[test]
fn every_transcript_holds_on_the_pure_session() {
    let elsewhere = play_all(pure::play, |played| played != Played::Purely);
    assert_eq!(elsewhere, BTreeSet::new());
}

#[test]
fn every_transcript_holds_over_tcp_and_tls_or_on_a_paused_clock() {
    let certificate = TestCertificate::make().unwrap();
    let play = |transcript: &Transcript, chunking| tree::play(transcript, chunking, &certificate);
    let elsewhere = play_all(play, |played| played != Played::OverTcp);
    // Time has to be moved in these; all others go over TCP, and nothing is left out.
    let expected = [
        "exchange/autologout-after-log-on.pop3",
        "exchange/autologout-before-log-on.pop3",
        "exchange/autologout-inside-auth.pop3",
        "exchange/autologout-settings.pop3",
        "rfc1939/autologout-is-silent.pop3",
    ];
    assert_eq!(elsewhere, expected.map(str::to_owned).into());
}

#[test]
fn a_difference_is_found_and_shown_by_both_players() {
    let text = "# Wrong on purpose.\nset: login_type = plain_text_login\n\
                user: alice password: \"secret\"\n\nS: +OK...\nC: USER alice\nS: +OK\n\
                C: PASS secret\nS: +OK...\nC: STAT\nS: +OK 7 {octets}\n";
    let transcript = Transcript::parse(Path::new("wrong.pop3"), text).unwrap();
    let certificate = TestCertificate::make().unwrap();
    for chunking in Chunking::all(SEED) {
        let purely = pure::play(&transcript, chunking).unwrap_err();
        let over_tcp = tree::play(&transcript, chunking, &certificate).unwrap_err();
        for failure in [purely, over_tcp] {
            let message = failure.to_string();
            assert!(message.starts_with("wrong.pop3:11: "), "{message}");
            for part in ["S: +OK 7 {octets}", "S: +OK 0 0", "C: STAT"] {
                assert!(
                    message.contains(part) || chunking == Chunking::Octets,
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn an_answer_too_many_is_found_by_both_players() {
    let text = "# Two answers, and one is expected.\n\nS: +OK...\nC: XXXX\\r\\nYYYY\n\
                S: -ERR ...\nC: QUIT\nS: +OK...\n{closed}\n";
    let transcript = Transcript::parse(Path::new("wrong.pop3"), text).unwrap();
    let certificate = TestCertificate::make().unwrap();
    for chunking in Chunking::all(SEED) {
        assert!(pure::play(&transcript, chunking).is_err());
        assert!(tree::play(&transcript, chunking, &certificate).is_err());
    }
}

fn assert_covered(what: &str, wanted: impl IntoIterator<Item = String>) {
    let transcripts = transcripts();
    let tags: BTreeSet<&str> = transcripts
        .iter()
        .flat_map(|transcript| &transcript.tags)
        .map(String::as_str)
        .collect();
    let missing: Vec<String> = wanted
        .into_iter()
        .filter(|tag| !tags.contains(tag.as_str()))
        .collect();
    assert!(missing.is_empty(), "no transcript for {what}: {missing:?}");
}

#[test]
fn every_verb_has_a_transcript_in_each_state() {
    let verbs = mailroost::protocol::command::keywords().flat_map(|verb| {
        ["AUTHORIZATION", "TRANSACTION"].map(|state| format!("verb {verb} {state}"))
    });
    assert_covered("a verb in a state", verbs);
}

#[test]
fn every_statement_has_a_transcript() {
    // Not here, as they are no dialogs of POP3: E0003 and E0004 (quota), E0005 (retention).
    let statements = [
        "2.1.1", "2.1.2", "2.1.3", "2.1.4", "2.1.5", "C0001", "C0002", "C0003", "C0004", "C0005",
        "C0006", "C0007", "C0008", "C0009", "C0010", "C0011", "E0001", "E0002", "E0006", "E0007",
        "V0001", "V0002", "V0003", "V0004", "V0005", "V0006", "V0007", "V0008", "V0009", "V0010",
        "V0011", "V0012",
    ];
    assert_covered(
        "a statement",
        statements.map(|id| format!("STANXPOP3 {id}")),
    );
    assert_covered("a reading", (1..=10).map(|id| format!("decided {id}")));
    assert_covered(
        "a golden transcript",
        (1..=4).map(|id| format!("golden {id}")),
    );
}

#[test]
fn every_defect_of_a_peer_has_a_transcript() {
    // 5 is about 5 GiB and 11 about a million messages and the log.
    let rows = [1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17];
    assert_covered("a defect", rows.map(|row| format!("peers 1b.{row}")));
}

#[test]
fn every_class_of_errors_has_a_transcript() {
    let classes = [
        "Unknown",
        "Malformed",
        "ArgumentMissing",
        "TooManyArguments",
        "WrongState",
        "TooLong",
        "NotBase64",
        "ContinuationTooLong",
        "Cancelled",
        "MessageNumber",
        "LineCount",
        "NoSuchMessage",
        "MessageDeleted",
    ];
    assert_covered("an error", classes.map(|class| format!("error {class}")));
}

#[test]
fn every_transcript_says_what_it_covers() {
    for transcript in transcripts() {
        assert!(!transcript.tags.is_empty(), "{}", transcript.path.display());
    }
}
