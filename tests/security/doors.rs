//! Classes 25 and 27: headers of proxies that nobody trusts, and the door for administrators.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::target::{ANN, More, REFUSED, Target, WELCOME};
use crate::wire::Wire;

/// PROXY v1 and v2 (haproxy's proxy-protocol.txt) that say 203.0.113.9, one with a length that is
/// wrong.
fn headers() -> [Vec<u8>; 4] {
    let v2 = |length: u16| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
        header.extend(length.to_be_bytes());
        header.extend([203, 0, 113, 9, 127, 0, 0, 1, 0x30, 0x39, 0, 110]);
        header
    };
    [
        b"PROXY TCP4 203.0.113.9 127.0.0.1 12345 110\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(12),
        v2(0xffff),
    ]
}

/// There is no setting that believes such a header, so nobody's is.
#[test]
fn class_25_a_client_cannot_say_that_it_has_another_address() {
    for header in headers() {
        let target = Target::with(More {
            sections: "[auth.throttle]\ntrusted_networks = []\npair_failures = 1\n\
                       longest_delay = 0\n",
            ..More::default()
        });
        let mut wire = target.wire();
        wire.send(&header).unwrap();
        wire.send(b"USER ann\r\nPASS wrong\r\n").unwrap();
        // Whatever it takes the header for, it ends or answers with an error, and goes on as
        // with everybody.
        let mut replies = Vec::new();
        while let Ok(reply) = wire.try_line() {
            let is_last = reply == REFUSED;
            replies.push(reply);
            if is_last {
                break;
            }
        }
        assert!(!replies.iter().any(|reply| reply == WELCOME), "{replies:?}");
        if replies.last().is_some_and(|reply| reply == REFUSED) {
            let line = target.daemon.log_of("log-on failed");
            assert!(
                line["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
                "{line}"
            );
            // The ban is that of the address that it really came from.
            let list = target.place.run(&["bans", "list"], "").text();
            assert!(
                list.contains("127.0.0.1") && !list.contains("203.0.113.9"),
                "{list}"
            );
            assert_eq!(target.wire().ask(&format!("AUTH PLAIN {ANN}")), REFUSED);
        }
        // Nor in front of a handshake.
        let mut wire = Wire::connect(target.daemon.addresses[1]);
        wire.send(&header).unwrap();
        assert!(wire.into_tls("localhost").is_err());
    }
}

/// Inodes of the sockets that a process has.
fn sockets_of(pid: u32) -> BTreeSet<String> {
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = folder.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let inode = |link: std::path::PathBuf| {
        let text = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(text.to_owned())
    };
    links.filter_map(inode).collect()
}

/// The other lock, the uid of who comes: `tests/privileges/control_socket.rs`.
#[test]
fn class_27_there_is_no_door_for_administrators_but_a_unix_socket() {
    let target = Target::new();
    let mut known: BTreeSet<u16> = target.daemon.addresses.iter().map(|at| at.port()).collect();
    let lmtp: std::net::SocketAddr = target.daemon.lmtp[0].parse().unwrap();
    known.insert(lmtp.port());
    let sockets = sockets_of(target.daemon.pid());
    let mut listening = BTreeSet::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = fs::read_to_string(format!("/proc/{}/net/{table}", target.daemon.pid()));
        for line in text.unwrap().lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            // 0A: LISTEN; a socket of UDP that is bound would be a door, too.
            let is_door = fields[3] == "0A" || table.starts_with("udp");
            if is_door && sockets.contains(fields[9]) {
                let port = fields[1].rsplit(':').next().unwrap();
                listening.insert(u16::from_str_radix(port, 16).unwrap());
            }
        }
    }
    assert_eq!(listening, known);
}

#[test]
fn class_27_what_is_no_administration_closes_that_conversation_alone() {
    let target = Target::new();
    let control = target.place.path("store/control");
    for octets in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n"[..],
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\0\0\0\x02J{",
        b"\0\0\0\x0cJ{\"user_list\"",
        &[0x41; 100_000],
    ] {
        let mut stream = UnixStream::connect(&control).unwrap();
        // It may be closed before all has been sent.
        let _ = stream.write_all(octets);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 1024, "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(target.place.run(&["user", "list"], "").text(), "ann\n");
    target.assert_serves();
}
