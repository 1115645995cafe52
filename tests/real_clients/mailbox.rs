//! A server with the corpus in it, and folders in which clients put what they fetch.

use std::path::Path;

use mailroost_testkit::corpus::{self, Message};
use mailroost_testkit::dialog::shown;
use mailroost_testkit::server::TestServer;

/// The password of the only user, `ann`.
pub const PASSWORD: &str = "pass with spaces";

/// A server with all small messages of the corpus, and these.
pub fn server() -> (TestServer, Vec<Message>) {
    server_with(corpus::small())
}

/// A server with these messages.
pub fn server_with(messages: Vec<Message>) -> (TestServer, Vec<Message>) {
    let server = TestServer::start().unwrap();
    server.user("ann", PASSWORD).unwrap();
    let octets: Vec<&[u8]> = messages.iter().map(|m| m.delivered.as_slice()).collect();
    server.deliver_all("ann", &octets).unwrap();
    (server, messages)
}

/// Compares two messages octet by octet; the message of a failure shows where they differ.
#[track_caller]
pub fn assert_same(name: &str, arrived: &[u8], expected: &[u8]) {
    if arrived == expected {
        return;
    }
    let same = arrived
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    let part = |octets: &[u8]| {
        let from = same.saturating_sub(20);
        shown(&octets[from.min(octets.len())..(same + 60).min(octets.len())])
    };
    panic!(
        "{name}: {} octets arrived, {} expected; from octet {same} on they differ:\n  {}\n  {}",
        arrived.len(),
        expected.len(),
        part(arrived),
        part(expected)
    );
}

/// The message with LF line ends, as most clients store it on Unix.
pub fn with_lf(message: &Message) -> Vec<u8> {
    lf(&message.form().exact())
}

pub fn lf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    for (index, &octet) in octets.iter().enumerate() {
        if octet != b'\r' || octets.get(index + 1) != Some(&b'\n') {
            out.push(octet);
        }
    }
    out
}

/// A program that stores each message that it is given in a file of its own, numbered from 1 in
/// a folder: `sh -c` runs it.
pub fn storing_program(folder: &Path) -> String {
    let folder = folder.display();
    format!("n=$(($(ls {folder} | wc -l) + 1)); cat > {folder}/$n")
}

/// What such a program stored, in order.
pub fn stored(folder: &Path) -> Vec<Vec<u8>> {
    (1..)
        .map(|number| folder.join(number.to_string()))
        .take_while(|path| path.exists())
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}
