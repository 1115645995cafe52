//! The client's side of a session that is handed on: whatever the other server says, and however
//! it is cut, nothing but USER, PASS and STLS is said, each when it is due and once.

use mailroost_protocol::{OnwardLogOn, OnwardStep, Secret};

use crate::cut;

/// The target. The first octet says whether STLS is wanted, the second how long the password is,
/// four how what the server says is cut; then come password and server.
pub fn onward(data: &[u8]) {
    let [choices, length, data @ ..] = data else {
        return;
    };
    let stls = choices & 1 == 1;
    let (password, data) = data.split_at(usize::from(*length).min(data.len()));
    let secret = || Secret::from(password.to_vec());
    let writable = !password.is_empty() && !password.iter().any(|octet| b"\r\n\0".contains(octet));
    assert_eq!(OnwardLogOn::new("ann", secret(), stls).is_ok(), writable);
    if !writable {
        return;
    }
    let (reads, all) = cut::cut(data);
    let (said, end) = dialog(OnwardLogOn::new("ann", secret(), stls).unwrap(), &reads);
    // What is said are the first of these, in this order.
    let commands = [
        stls.then(|| b"STLS\r\n".to_vec()),
        Some(b"USER ann\r\n".to_vec()),
        Some([b"PASS ", password, b"\r\n"].concat()),
    ];
    let commands: Vec<_> = commands.into_iter().flatten().collect();
    let whole = commands.concat();
    assert!(whole.starts_with(&said));
    let count = (0..=commands.len()).find(|count| commands[..*count].concat() == said);
    let count = count.expect("commands are said whole");
    // Each command is the answer to one line that begins with +OK.
    let lines: Vec<&[u8]> = all.split_inclusive(|octet| *octet == b'\n').collect();
    assert!(
        lines
            .iter()
            .take(count)
            .all(|line| line.starts_with(b"+OK"))
    );
    match end {
        End::LoggedOn(_) => {
            assert_eq!(count, commands.len());
            assert!(lines[count].starts_with(b"+OK"));
        }
        End::Refused => assert!(lines[count].starts_with(b"-ERR")),
        End::Waiting | End::Broken => {}
    }
    // Reads may be cut anywhere, but for STLS, behind whose reply nothing may be there.
    if !stls {
        let log_on = OnwardLogOn::new("ann", secret(), stls).unwrap();
        let single: Vec<&[u8]> = all.chunks(1).collect();
        let (said_then, end_then) = dialog(log_on, &single);
        assert_eq!(said_then, said);
        match (end, end_then) {
            // What is behind depends on what was read.
            (End::LoggedOn(behind), End::LoggedOn(none)) => {
                let used = lines[..=count].concat().len();
                assert!(none.is_empty() && all[used..].starts_with(&behind));
            }
            (one, other) => assert_eq!(one, other),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Waiting,
    LoggedOn(Vec<u8>),
    Refused,
    Broken,
}

fn dialog(mut log_on: OnwardLogOn, reads: &[&[u8]]) -> (Vec<u8>, End) {
    let mut said = Vec::new();
    for read in reads {
        log_on.input(read);
        loop {
            match log_on.next(&mut said) {
                OnwardStep::NeedInput => break,
                OnwardStep::StartTls => log_on.tls_started(&mut said),
                OnwardStep::LoggedOn { behind } => return (said, End::LoggedOn(behind)),
                OnwardStep::Refused(_) => return (said, End::Refused),
                OnwardStep::Broken(_) => return (said, End::Broken),
            }
        }
    }
    (said, End::Waiting)
}
