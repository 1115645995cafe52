//! A POP3 client that checks what it is told.

use crate::Fault;
use crate::wire::{Target, Wire};

/// The password of every account.
pub const PASSWORD: &str = "secret";

/// A logged-on session.
pub struct Pop3 {
    wire: Wire,
}

impl Pop3 {
    /// Connects, reads the greeting, logs on.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn log_on(target: &Target, user: &str) -> Result<Self, Fault> {
        let mut session = Self {
            wire: Wire::connect(target)?,
        };
        session.reply()?;
        session.command(&format!("USER {user}\r\n"))?;
        session.command(&format!("PASS {PASSWORD}\r\n"))?;
        Ok(session)
    }

    /// STAT: messages and octets.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn stat(&mut self) -> Result<(usize, u64), Fault> {
        let reply = self.command("STAT\r\n")?;
        let mut words = reply.split(' ').skip(1);
        let messages = words.next().and_then(|word| word.parse().ok());
        let octets = words.next().and_then(|word| word.parse().ok());
        messages
            .zip(octets)
            .ok_or_else(|| Fault::reply("STAT", &reply))
    }

    /// UIDL or LIST: the number of its lines.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn listing(&mut self, command: &str) -> Result<usize, Fault> {
        self.command(command)?;
        self.wire.count_lines()
    }

    /// RETR: the octets of the message.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn retr(&mut self, number: usize) -> Result<u64, Fault> {
        self.command(&format!("RETR {number}\r\n"))?;
        self.wire.multi_line()
    }

    /// RETR of messages 1 to `count`, all commands sent first: the octets of all.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn retr_pipelined(&mut self, count: usize) -> Result<u64, Fault> {
        let commands: String = (1..=count).map(|it| format!("RETR {it}\r\n")).collect();
        self.wire.send(commands.as_bytes())?;
        let mut octets = 0;
        for _ in 0..count {
            self.reply()?;
            octets += self.wire.multi_line()?;
        }
        Ok(octets)
    }

    /// A command whose reply has one line.
    ///
    /// # Errors
    /// What the server said instead of `+OK`.
    pub fn command(&mut self, command: &str) -> Result<String, Fault> {
        self.wire.send(command.as_bytes())?;
        self.reply()
    }

    /// QUIT; the connection is closed.
    ///
    /// # Errors
    /// What the server said instead.
    pub fn quit(mut self) -> Result<(), Fault> {
        self.command("QUIT\r\n").map(drop)
    }

    /// From now on the session is idle and costs its client little.
    pub fn rest(&mut self) {
        self.wire.shrink();
    }

    fn reply(&mut self) -> Result<String, Fault> {
        let line = String::from_utf8_lossy(self.wire.line()?).into_owned();
        match line.starts_with("+OK") {
            true => Ok(line),
            false => Err(Fault::reply("a command", &line)),
        }
    }
}
