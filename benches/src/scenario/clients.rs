//! What the clients of the rows do, operation by operation.

use crate::Fault;
use crate::drive::{Client, Work};
use crate::lmtp::Lmtp;
use crate::mail::{Group, message};
use crate::pop3::Pop3;
use crate::wire::Target;

/// Octets of a message that is delivered.
const DELIVERED_OCTETS: usize = 4 * 1024;

/// How far apart the accounts of two clients begin.
const STRIDE: usize = 7;

fn expect(what: &str, expected: usize, found: usize) -> Result<(), Fault> {
    match expected == found {
        true => Ok(()),
        false => Err(Fault::reply(
            what,
            &format!("{found} instead of {expected}"),
        )),
    }
}

fn visit(target: &Target, account: &str, messages: usize) -> Result<Pop3, Fault> {
    let mut session = Pop3::log_on(target, account)?;
    let (found, _) = session.stat()?;
    expect("STAT", messages, found)?;
    expect("UIDL", messages, session.listing("UIDL\r\n")?)?;
    Ok(session)
}

/// Logs on, looks, leaves.
pub struct Visiting {
    target: Target,
    group: Group,
    accounts: usize,
    number: usize,
}

impl Visiting {
    /// A client with a number, which visits all accounts of a group in turn.
    pub fn new(target: Target, group: Group, number: usize) -> Self {
        Self {
            target,
            group,
            accounts: group.accounts(),
            number,
        }
    }

    /// Only so many of them.
    pub fn among(mut self, accounts: usize) -> Self {
        self.accounts = self.accounts.min(accounts);
        self
    }
}

impl Client for Visiting {
    fn operate(&mut self, round: usize) -> Result<Option<Work>, Fault> {
        let place = (self.number * STRIDE + round) % self.accounts;
        let account = self.group.account(place);
        visit(&self.target, &account, self.group.messages())?.quit()?;
        Ok(Some(Work::default()))
    }
}

/// One session that fetches a message after another.
pub struct Fetching {
    session: Pop3,
    group: Group,
}

impl Fetching {
    pub fn new(target: &Target, group: Group, number: usize) -> Result<Self, Fault> {
        let session = Pop3::log_on(target, &group.account(number))?;
        Ok(Self { session, group })
    }
}

impl Client for Fetching {
    fn operate(&mut self, round: usize) -> Result<Option<Work>, Fault> {
        let octets = self.session.retr(1 + round % self.group.messages())?;
        expect("RETR", self.group.octets(), octets as usize)?;
        Ok(Some(Work {
            messages: 1,
            octets,
        }))
    }
}

/// One session that fetches all messages with one write.
pub struct Pipelining {
    session: Pop3,
    group: Group,
}

impl Pipelining {
    pub fn new(target: &Target, group: Group, number: usize) -> Result<Self, Fault> {
        let session = Pop3::log_on(target, &group.account(number))?;
        Ok(Self { session, group })
    }
}

impl Client for Pipelining {
    fn operate(&mut self, _round: usize) -> Result<Option<Work>, Fault> {
        let octets = self.session.retr_pipelined(self.group.messages())?;
        Ok(Some(Work {
            messages: self.group.messages() as u64,
            octets,
        }))
    }
}

/// Empties one maildrop after another.
pub struct Draining<'a> {
    target: &'a Target,
    number: usize,
    clients: usize,
}

impl<'a> Draining<'a> {
    pub fn new(target: &'a Target, number: usize, clients: usize) -> Self {
        Self {
            target,
            number,
            clients,
        }
    }
}

impl Client for Draining<'_> {
    fn operate(&mut self, round: usize) -> Result<Option<Work>, Fault> {
        let group = Group::Drain;
        let place = self.number + round * self.clients;
        if place >= group.accounts() {
            return Ok(None);
        }
        let mut session = Pop3::log_on(self.target, &group.account(place))?;
        let (messages, _) = session.stat()?;
        expect("STAT", group.messages(), messages)?;
        let mut work = Work::default();
        for number in 1..=messages {
            work.octets += session.retr(number)?;
            work.messages += 1;
            session.command(&format!("DELE {number}\r\n"))?;
        }
        session.quit()?;
        Ok(Some(work))
    }
}

/// One connection that delivers a message after another.
pub struct Delivering {
    session: Lmtp,
    recipient: String,
    message: Vec<u8>,
}

impl Delivering {
    pub fn new(target: &Target, group: Group, number: usize) -> Result<Self, Fault> {
        Ok(Self {
            session: Lmtp::connect(target)?,
            recipient: group.account(number),
            message: message(number as u64, DELIVERED_OCTETS),
        })
    }
}

impl Client for Delivering {
    fn operate(&mut self, _round: usize) -> Result<Option<Work>, Fault> {
        self.session.deliver(&self.recipient, &self.message)?;
        Ok(Some(Work {
            messages: 1,
            octets: self.message.len() as u64,
        }))
    }
}

/// What real users do, mostly nothing new.
pub struct Mixing<'a> {
    target: &'a Target,
    delivering: Option<Delivering>,
    number: usize,
}

impl<'a> Mixing<'a> {
    pub fn new(target: &'a Target, lmtp: Option<&Target>, number: usize) -> Result<Self, Fault> {
        let delivering = lmtp
            .map(|lmtp| Delivering::new(lmtp, Group::Mixed, number))
            .transpose()?;
        Ok(Self {
            target,
            delivering,
            number,
        })
    }

    /// A poll, and then some messages from the first on.
    fn fetch(&self, group: Group, place: usize, messages: usize) -> Result<(), Fault> {
        let mut session = visit(self.target, &group.account(place), group.messages())?;
        for number in 1..=messages {
            session.retr(number)?;
        }
        session.quit()
    }

    /// Takes what was delivered out of the maildrop.
    fn collect(&self) -> Result<(), Fault> {
        let mut session = Pop3::log_on(self.target, &Group::Mixed.account(self.number))?;
        let (messages, _) = session.stat()?;
        for number in 1..=messages {
            session.retr(number)?;
            session.command(&format!("DELE {number}\r\n"))?;
        }
        session.quit()
    }
}

impl Client for Mixing<'_> {
    fn operate(&mut self, round: usize) -> Result<Option<Work>, Fault> {
        let place = self.number * STRIDE + round;
        // 37 has no factor in common with 100: the kinds come well mixed.
        match (place * 37) % 100 {
            0..80 => self.fetch(Group::Small, place, 0)?,
            80..92 => self.fetch(Group::Small, place, 3)?,
            92..96 => self.fetch(Group::Medium, place, 1)?,
            96..98 => match &mut self.delivering {
                Some(delivering) => drop(delivering.operate(round)?),
                None => self.fetch(Group::Small, place, 0)?,
            },
            _ if self.delivering.is_some() => self.collect()?,
            _ => self.fetch(Group::Small, place, 0)?,
        }
        Ok(Some(Work::default()))
    }
}
