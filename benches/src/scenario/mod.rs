//! What is measured: one row of the table each.

mod clients;
mod idle;
mod rows;
mod start_up;

use std::time::Duration;

use crate::Fault;
use crate::drive::{Measured, Plan, drive, side_by_side};
use crate::mail::Group;
use crate::peer::{Door, Peer, Work};
use crate::pop3::Pop3;
use crate::wire::{Target, tls};

pub use clients::Visiting;
pub use idle::{Idle, idle};
pub use rows::ROWS;
pub use start_up::{StartUp, start_up};

use clients::{Delivering, Draining, Fetching, Mixing, Pipelining};

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Connect, log on, STAT, UIDL, QUIT.
    Visit,
    /// One session: RETR of one message after another.
    Fetch,
    /// One session: RETR of all messages, the commands sent at once.
    Pipeline,
    /// Log on, RETR and DELE all, QUIT; each maildrop once.
    Drain,
    /// One connection: a message after another, each acknowledged.
    Deliver,
    /// Of 100 visits: 80 polls, 12 that fetch three messages, 4 that fetch one of 64 KiB, 2
    /// deliveries, 2 that fetch and remove what was delivered (polls where there is no LMTP).
    Mix,
    /// `Visit`, while two others fetch messages of 10 MiB without a pause.
    VisitBeside,
}

/// What a row's figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Operations in a second.
    Operations(&'static str),
    /// Messages in a second.
    Messages,
    /// Millions of octets in a second.
    Megabytes,
    /// The 99th percentile of an operation, in milliseconds: less is better.
    Percentile99,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name in the table.
    pub name: &'static str,
    /// What the clients do.
    pub kind: Kind,
    /// Through which door.
    pub door: Door,
    /// TLS sessions are taken up again.
    pub resume: bool,
    /// Whose maildrops.
    pub group: Group,
    /// How many of the group's accounts are visited.
    pub accounts: usize,
    /// How many clients.
    pub clients: usize,
    /// What is counted.
    pub unit: Unit,
    /// At least so many times the best peer, if that is a goal.
    pub goal: Option<f64>,
    /// Also for servers that are not measured in every row.
    pub everyone: bool,
}

const fn row(name: &'static str, kind: Kind, door: Door, group: Group, clients: usize) -> Row {
    let unit = match kind {
        Kind::Visit => Unit::Operations("sessions/s"),
        Kind::Mix => Unit::Operations("visits/s"),
        Kind::Fetch | Kind::Pipeline | Kind::Drain | Kind::Deliver => Unit::Messages,
        Kind::VisitBeside => Unit::Percentile99,
    };
    Row {
        name,
        kind,
        door,
        resume: false,
        group,
        accounts: usize::MAX,
        clients,
        unit,
        goal: None,
        everyone: false,
    }
}

impl Row {
    const fn at_least(mut self, times: f64) -> Self {
        self.goal = Some(times);
        self
    }

    const fn everyone(mut self) -> Self {
        self.everyone = true;
        self
    }

    const fn resumed(mut self) -> Self {
        self.resume = true;
        self
    }

    const fn in_unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Whose maildrops its clients open.
    pub fn groups(&self) -> Vec<Group> {
        match self.kind {
            Kind::Visit | Kind::Fetch | Kind::Pipeline | Kind::Drain | Kind::Deliver => {
                vec![self.group]
            }
            Kind::Mix => vec![Group::Small, Group::Medium, Group::Mixed],
            Kind::VisitBeside => vec![self.group, Group::Large],
        }
    }

    /// Why a server is not measured in it, if so.
    pub fn absence(&self, peer: &dyn Peer) -> Option<&'static str> {
        match peer.address(self.door) {
            None => Some(self.door.missing()),
            Some(_) if !self.everyone && !peer.in_every_row() => Some("not measured"),
            Some(_) if !peer.takes(self.group) => Some("not measured"),
            Some(_) => None,
        }
    }

    /// The figure of a run.
    pub fn figure(&self, measured: &Measured) -> f64 {
        match self.unit {
            Unit::Operations(_) => measured.rate(),
            Unit::Messages => measured.messages_rate(),
            Unit::Megabytes => measured.megabytes_rate(),
            Unit::Percentile99 => measured.percentile(0.99),
        }
    }

    /// What stands behind the figure.
    pub fn unit_name(&self) -> &'static str {
        match self.unit {
            Unit::Operations(name) => name,
            Unit::Messages => "messages/s",
            Unit::Megabytes => "MB/s",
            Unit::Percentile99 => "ms, 99th percentile",
        }
    }
}

/// Measures one row at one server, which runs.
///
/// # Errors
/// What went wrong.
pub fn measure(
    row: &Row,
    peer: &dyn Peer,
    work: &Work,
    window: Duration,
) -> Result<Measured, Fault> {
    let target = target(peer, row.door, work, row.resume)?;
    let group = row.group;
    let plan = Plan {
        clients: row.clients,
        window,
        warm_up: row.kind != Kind::Drain,
    };
    let lmtp = peer
        .address(Door::Lmtp)
        .map(|address| Target { address, tls: None });
    match row.kind {
        Kind::Visit => drive(plan, |number| {
            let own = target.own(row.resume);
            Ok(Visiting::new(own, group, number).among(row.accounts))
        }),
        Kind::Fetch => drive(plan, |number| Fetching::new(&target, group, number)),
        Kind::Pipeline => drive(plan, |number| Pipelining::new(&target, group, number)),
        Kind::Deliver => drive(plan, |number| Delivering::new(&target, group, number)),
        Kind::Mix => drive(plan, |number| Mixing::new(&target, lmtp.as_ref(), number)),
        Kind::Drain => drive(plan, |number| {
            Ok(Draining::new(&target, number, row.clients))
        }),
        Kind::VisitBeside => beside(&target, plan, group),
    }
}

/// A door of a server, for clients that share their TLS state if they `resume`.
///
/// # Errors
/// If the server has no such door.
pub fn target(peer: &dyn Peer, door: Door, work: &Work, resume: bool) -> Result<Target, Fault> {
    let address = peer.address(door);
    let tls = match door {
        Door::Tls => Some(tls(&work.certificate, resume)?),
        Door::Plain | Door::Lmtp => None,
    };
    let target = address.map(|address| Target { address, tls });
    target.ok_or_else(|| Fault::text(door.missing()))
}

/// Visits, while two clients fetch large messages until the visits are over.
fn beside(target: &Target, plan: Plan, group: Group) -> Result<Measured, Fault> {
    let load = Plan {
        clients: 2,
        // A little longer, so that the last visit is not alone.
        window: plan.window + Duration::from_millis(300),
        warm_up: true,
    };
    std::thread::scope(|scope| {
        let loading =
            scope.spawn(|| drive(load, |number| Fetching::new(target, Group::Large, number)));
        let visits = drive(plan, |number| {
            Ok(Visiting::new(target.clone(), group, number))
        });
        match loading.join() {
            Ok(loaded) => loaded.and(visits),
            Err(_) => Err(Fault::text("the load panicked")),
        }
    })
}

/// Every account of a group logs on once: passwords are hashed, and indexes and caches made, before
/// anything is measured.
///
/// # Errors
/// What went wrong.
pub fn warm(peer: &dyn Peer, work: &Work, group: Group, accounts: usize) -> Result<(), Fault> {
    const CLIENTS: usize = 4;
    let target = target(peer, Door::Plain, work, false)?;
    side_by_side(CLIENTS, accounts, |account| {
        Pop3::log_on(&target, &group.account(account))?.quit()
    })
}
