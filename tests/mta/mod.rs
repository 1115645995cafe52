//! A daemon that takes messages over LMTP, and what is in its maildrops afterwards.

// Each test file uses its part of this.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use crate::daemon_program::{Place, SETTINGS};

/// A store with these users (password `secret`), and LMTP on loopback and on the Unix socket
/// `lmtp` in its folder.
pub fn place(users: &[&str], more: &str) -> Place {
    let place = Place::new();
    place.configure(&format!(
        "{SETTINGS}\n[lmtp]\nhost_name = \"pop.example.org\"\n{more}\n[[lmtp.listener]]\nport = 0\n\
         [[lmtp.listener]]\npath = \"lmtp\"\nmode = \"0666\"\n"
    ));
    for user in users {
        place.add_user(user);
    }
    place
}

/// All messages in a maildrop, as POP3 sends them.
pub fn messages(pop: SocketAddr, user: &str) -> Vec<String> {
    let mut client = BufReader::new(TcpStream::connect(pop).unwrap());
    let mut line = move |command: Option<&str>| {
        if let Some(command) = command {
            write!(client.get_mut(), "{command}\r\n").unwrap();
        }
        let mut octets = Vec::new();
        client.read_until(b'\n', &mut octets).unwrap();
        String::from_utf8_lossy(&octets).into_owned()
    };
    line(None);
    line(Some(&format!("USER {user}")));
    let entered = line(Some("PASS secret"));
    assert!(entered.starts_with("+OK"), "{entered}");
    let stat = line(Some("STAT"));
    let count: usize = stat.split(' ').nth(1).unwrap().parse().unwrap();
    let mut messages = Vec::new();
    for number in 1..=count {
        assert!(line(Some(&format!("RETR {number}"))).starts_with("+OK"));
        let mut message = String::new();
        loop {
            let next = line(None);
            if next == ".\r\n" {
                break;
            }
            message.push_str(next.strip_prefix('.').unwrap_or(&next));
        }
        messages.push(message);
    }
    line(Some("QUIT"));
    messages
}
