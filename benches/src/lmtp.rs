//! An LMTP client (RFC 2033): one message to one recipient at a time.

use crate::Fault;
use crate::wire::{Target, Wire};

/// A connection that has said LHLO.
pub struct Lmtp {
    wire: Wire,
}

impl Lmtp {
    /// Connects and says LHLO.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn connect(target: &Target) -> Result<Self, Fault> {
        let mut session = Self {
            wire: Wire::connect(target)?,
        };
        session.reply("220")?;
        session.command("LHLO bench.test\r\n", "250")?;
        Ok(session)
    }

    /// Delivers one message; the server has said that it is stored.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn deliver(&mut self, recipient: &str, message: &[u8]) -> Result<(), Fault> {
        self.command("MAIL FROM:<ann@bench.test>\r\n", "250")?;
        self.command(&format!("RCPT TO:<{recipient}>\r\n"), "250")?;
        self.command("DATA\r\n", "354")?;
        let mut octets = Vec::with_capacity(message.len() + 64);
        for line in message.split_inclusive(|octet| *octet == b'\n') {
            if line.first() == Some(&b'.') {
                octets.push(b'.');
            }
            octets.extend_from_slice(line);
        }
        octets.extend_from_slice(b".\r\n");
        self.wire.send(&octets)?;
        self.reply("250")
    }

    fn command(&mut self, command: &str, expected: &str) -> Result<(), Fault> {
        self.wire.send(command.as_bytes())?;
        self.reply(expected)
    }

    fn reply(&mut self, expected: &str) -> Result<(), Fault> {
        loop {
            let line = String::from_utf8_lossy(self.wire.line()?).into_owned();
            if !line.starts_with(expected) {
                return Err(Fault::reply("LMTP", &line));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}
