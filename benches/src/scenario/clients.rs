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
pub struct Visiting<'a> {
    target: &'a Target,
    group: Group,
    number: usize,
}

impl<'a> Visiting<'a> {
    pub fn new(target: &'a Target, group: Group, number: usize) -> Self {
        Self {
            target,
            group,
            number,
        }
    }
}

impl Client for Visiting<'_> {
    fn operate(&mut self, round: usize) -> Result<Option<Work>, Fault> {
        let account = self.group.account(self.number * STRIDE + round);
        visit(self.target, &account, self.group.messages())?.quit()?;
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
    pub fn new(target: &Target, number: usize) -> Result<Self, Fault> {
        Ok(Self {
            session: Lmtp::connect(target)?,
            recipient: Group::Target.account(number),
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
        let delivering = lmtp.map(|lmtp| Delivering::new(lmtp, number)).transpose()?;
        Ok(Self {
            target,
            delivering,
            number,
        })
    }
}

impl Client for Mixing<'_> {
    fn operate(&mut self, round: usize) -> Result<Option<Work>, Fault> {
        let place = self.number * STRIDE + round;
        // 37 has no factor in common with 100: the kinds come well mixed.
        match (place * 37) % 100 {
            0..80 => {
                let group = Group::Small;
                visit(self.target, &group.account(place), group.messages())?.quit()?;
            }
            80..94 => {
                let group = Group::Small;
                let mut session = visit(self.target, &group.account(place), group.messages())?;
                for number in 1..=3 {
                    session.retr(number)?;
                }
                session.quit()?;
            }
            94..98 => {
                let group = Group::Medium;
                let mut session = visit(self.target, &group.account(place), group.messages())?;
                session.retr(1 + place % group.messages())?;
                session.quit()?;
            }
            _ => match &mut self.delivering {
                Some(delivering) => {
                    delivering.operate(round)?;
                }
                None => {
                    let group = Group::Small;
                    visit(self.target, &group.account(place), group.messages())?.quit()?;
                }
            },
        }
        Ok(Some(Work::default()))
    }
}
