//! The examples do what they say: scripts hold however they are played, and programs end well.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::path::{Path, PathBuf};

use mailroost_testkit::certificate::TestCertificate;
use mailroost_testkit::play::{Chunking, pure, tree};
use mailroost_testkit::server::TestServer;
use mailroost_testkit::transcript::Transcript;

#[expect(dead_code, reason = "its main is for the command line")]
#[path = "../examples/embed_in_actix_web.rs"]
mod embed_in_actix_web;

#[expect(dead_code, reason = "its main is for the command line")]
#[path = "../examples/own_mechanism.rs"]
mod own_mechanism;

#[expect(dead_code, reason = "its main is for the command line")]
#[path = "../examples/scripted_session.rs"]
mod scripted_session;

/// Where the random cuts come from.
const SEED: u64 = 42;

fn scripts() -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts");
    let scripts = Transcript::load_all(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert!(scripts.len() >= 12);
    scripts
}

fn run_scripted_session(arguments: &[&str]) -> (u8, String) {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    let mut out = Vec::new();
    let status = scripted_session::run(&arguments, &mut out).unwrap();
    (status, String::from_utf8(out).unwrap())
}

#[test]
fn each_script_holds_on_the_pure_session_and_over_tcp_however_it_is_cut() {
    let certificate = TestCertificate::make().unwrap();
    for script in scripts() {
        for chunking in Chunking::all(SEED) {
            pure::play(&script, chunking).unwrap_or_else(|failure| panic!("{failure}"));
            tree::play(&script, chunking, &certificate)
                .unwrap_or_else(|failure| panic!("{failure}"));
        }
    }
}

#[test]
fn scripted_session_plays_each_script_and_prints_the_dialog() {
    for script in scripts() {
        let path = script.path.to_str().unwrap();
        let (status, out) = run_scripted_session(&[path]);
        assert_eq!(status, 0, "{out}");
        assert!(out.contains(&script.why), "{out}");
        assert!(out.contains("\n    S: +OK"), "{out}");
        assert!(out.ends_with("as written\n"), "{out}");
    }
}

#[test]
fn scripted_session_plays_against_a_server_that_is_there() {
    let server = TestServer::start().unwrap();
    server.user("ann", "a secret with spaces").unwrap();
    let script = &scripts()[1];
    let (_, message) = script.stage.message("lunch").unwrap();
    server.deliver("ann", &message.delivered).unwrap();
    let address = server.address().to_string();
    let path = script.path.to_str().unwrap();
    for how in ["--whole", "--octets"] {
        let (status, out) = run_scripted_session(&["--server", &address, how, path]);
        assert_eq!(status, 0, "{out}");
    }
}

#[test]
fn scripted_session_says_which_line_it_cannot_play_and_fails() {
    let scripts = scripts();
    let silence = |script: &&Transcript| script.path.ends_with("10-silence.pop3");
    let script = scripts.iter().find(silence).unwrap();
    let (_, message) = script.stage.message("plain").unwrap();
    let server = TestServer::start().unwrap();
    server.deliver("ann", &message.delivered).unwrap();
    let address = server.address().to_string();
    let path = script.path.to_str().unwrap();
    let (status, out) = run_scripted_session(&["--server", &address, path]);
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("line 14 cannot be played"), "{out}");
}

/// Writes a script that is wrong on purpose.
fn wrong_script(folder: &Path) -> PathBuf {
    let path = folder.join("wrong.pop3");
    let text = "# Wrong on purpose.\n\nS: +OK...\nC: QUIT\nS: -ERR so soon?\n{closed}\n";
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn scripted_session_shows_a_difference_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = wrong_script(folder.path());
    let (status, out) = run_scripted_session(&[path.to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(out.contains("wrong.pop3:5: "), "{out}");
    assert!(out.contains("S: -ERR so soon?"), "{out}");
    assert!(out.contains("C: QUIT"), "{out}");
}

#[test]
fn scripted_session_names_what_is_wrong_with_its_arguments() {
    for arguments in [
        &[][..],
        &["--server", "nowhere", "x"],
        &["--unheard-of", "x"],
    ] {
        let (status, out) = run_scripted_session(arguments);
        assert_eq!(status, 2);
        assert!(out.starts_with("usage: "), "{out}");
    }
    let (status, out) = run_scripted_session(&["no-such-file.pop3"]);
    assert_eq!(status, 1);
    assert!(out.contains("no-such-file.pop3"), "{out}");
}

#[test]
fn a_mechanism_of_ones_own_is_offered_and_lets_in() {
    let mut out = Vec::new();
    let running = own_mechanism::run(&mut out);
    actix_rt::System::new().block_on(running).unwrap();
    let dialog = String::from_utf8(out).unwrap();
    let expected = "\
        C: AUTH\nS: +OK\nS: X-COUNTERSIGN\nS: PLAIN\n\
        C: AUTH X-COUNTERSIGN\nS: + d2hvIGdvZXMgdGhlcmU/\n\
        C: YW5u\nS: + YWR2YW5jZSBhbmQgZ2l2ZSB0aGUgY291bnRlcnNpZ24=\n\
        C: aGVyb24=\nS: +OK User successfully logged on.\nC: STAT\nS: +OK 0 0\n";
    assert!(dialog.contains(expected), "{dialog}");
}

#[test]
fn a_web_application_delivers_and_pop3_fetches_in_one_system() {
    actix_rt::System::new()
        .block_on(embed_in_actix_web::once_only())
        .unwrap();
}
