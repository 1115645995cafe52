//! What is measured: one row of the table each.

mod clients;
mod idle;

use std::time::Duration;

use crate::Fault;
use crate::drive::{Measured, Plan, drive};
use crate::mail::Group;
use crate::peer::{Door, Peer, Work};
use crate::pop3::Pop3;
use crate::wire::{Target, tls};

pub use idle::{Idle, idle};

use clients::{Delivering, Draining, Fetching, Mixing, Pipelining, Visiting};

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
    /// Of 100 visits: 80 polls, 14 that fetch three messages, 4 that fetch one of 64 KiB, 2
    /// deliveries where there is LMTP.
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
    /// How many clients.
    pub clients: usize,
    /// What is counted.
    pub unit: Unit,
    /// At least so many times the best peer, if that is a goal.
    pub goal: Option<f64>,
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
        clients,
        unit,
        goal: None,
    }
}

impl Row {
    const fn at_least(mut self, times: f64) -> Self {
        self.goal = Some(times);
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

/// The rows of the comparison.
pub const ROWS: &[Row] = &[
    row(
        "sessions, 16 clients",
        Kind::Visit,
        Door::Plain,
        Group::Small,
        16,
    )
    .at_least(8.0),
    row(
        "sessions, 64 clients",
        Kind::Visit,
        Door::Plain,
        Group::Small,
        64,
    )
    .at_least(8.0),
    row(
        "sessions, TLS in full, 16 clients",
        Kind::Visit,
        Door::Tls,
        Group::Small,
        16,
    )
    .at_least(4.0),
    row(
        "sessions, TLS resumed, 16 clients",
        Kind::Visit,
        Door::Tls,
        Group::Small,
        16,
    )
    .resumed()
    .at_least(8.0),
    row(
        "polls of 10,000 messages, 1 client",
        Kind::Visit,
        Door::Plain,
        Group::Many,
        1,
    )
    .at_least(30.0),
    row(
        "polls of 10,000 messages, 4 clients",
        Kind::Visit,
        Door::Plain,
        Group::Many,
        4,
    )
    .at_least(30.0),
    row(
        "polls of 100,000 messages, 1 client",
        Kind::Visit,
        Door::Plain,
        Group::Huge,
        1,
    ),
    row(
        "RETR of 4 KiB, 1 client",
        Kind::Fetch,
        Door::Plain,
        Group::Small,
        1,
    ),
    row(
        "RETR of 4 KiB, 16 clients",
        Kind::Fetch,
        Door::Plain,
        Group::Small,
        16,
    )
    .at_least(4.0),
    row(
        "RETR of 4 KiB, TLS, 16 clients",
        Kind::Fetch,
        Door::Tls,
        Group::Small,
        16,
    ),
    row(
        "RETR of 4 KiB, pipelined, 4 clients",
        Kind::Pipeline,
        Door::Plain,
        Group::Small,
        4,
    ),
    row(
        "RETR of 64 KiB, 4 clients",
        Kind::Fetch,
        Door::Plain,
        Group::Medium,
        4,
    )
    .in_unit(Unit::Megabytes),
    row(
        "RETR of 64 KiB, TLS, 4 clients",
        Kind::Fetch,
        Door::Tls,
        Group::Medium,
        4,
    )
    .in_unit(Unit::Megabytes),
    row(
        "RETR of 10 MiB, 1 client",
        Kind::Fetch,
        Door::Plain,
        Group::Large,
        1,
    )
    .in_unit(Unit::Megabytes),
    row(
        "RETR of 10 MiB, TLS, 1 client",
        Kind::Fetch,
        Door::Tls,
        Group::Large,
        1,
    )
    .in_unit(Unit::Megabytes),
    row(
        "RETR, DELE all, QUIT, 16 clients",
        Kind::Drain,
        Door::Plain,
        Group::Drain,
        16,
    )
    .at_least(5.0),
    row(
        "delivery of 4 KiB, 1 connection",
        Kind::Deliver,
        Door::Lmtp,
        Group::Target,
        1,
    )
    .at_least(4.0),
    row(
        "delivery of 4 KiB, 16 connections",
        Kind::Deliver,
        Door::Lmtp,
        Group::Target,
        16,
    )
    .at_least(10.0),
    row(
        "a mix, 16 clients",
        Kind::Mix,
        Door::Plain,
        Group::Small,
        16,
    ),
    row(
        "sessions, 4 clients, alone",
        Kind::Visit,
        Door::Plain,
        Group::Small,
        4,
    )
    .in_unit(Unit::Percentile99),
    row(
        "sessions, 4 clients, beside RETRs",
        Kind::VisitBeside,
        Door::Plain,
        Group::Small,
        4,
    ),
];

/// Measures one row at one server, which runs.
///
/// # Errors
/// What went wrong; `None` if the server has no such door.
pub fn measure(
    row: &Row,
    peer: &dyn Peer,
    work: &Work,
    window: Duration,
) -> Result<Option<Measured>, Fault> {
    let Some(address) = peer.address(row.door) else {
        return Ok(None);
    };
    let config = match row.door {
        Door::Tls => Some(tls(&work.certificate, row.resume)?),
        Door::Plain | Door::Lmtp => None,
    };
    let target = Target {
        address,
        tls: config,
    };
    let group = row.group;
    let plan = Plan {
        clients: row.clients,
        window,
        warm_up: row.kind != Kind::Drain,
    };
    let lmtp = peer
        .address(Door::Lmtp)
        .map(|address| Target { address, tls: None });
    let measured = match row.kind {
        Kind::Visit => drive(plan, |number| Ok(Visiting::new(&target, group, number))),
        Kind::Fetch => drive(plan, |number| Fetching::new(&target, group, number)),
        Kind::Pipeline => drive(plan, |number| Pipelining::new(&target, group, number)),
        Kind::Deliver => drive(plan, |number| Delivering::new(&target, number)),
        Kind::Mix => drive(plan, |number| Mixing::new(&target, lmtp.as_ref(), number)),
        Kind::Drain => {
            let plan = Plan {
                window: window * 20,
                ..plan
            };
            drive(plan, |number| {
                Ok(Draining::new(&target, number, row.clients))
            })
        }
        Kind::VisitBeside => beside(&target, plan, group),
    }?;
    Ok(Some(measured))
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
        let visits = drive(plan, |number| Ok(Visiting::new(target, group, number)));
        match loading.join() {
            Ok(loaded) => loaded.and(visits),
            Err(_) => Err(Fault::text("the load panicked")),
        }
    })
}

/// Logs one account of the row on and off.
///
/// # Errors
/// What went wrong.
pub fn log_on_once(row: &Row, peer: &dyn Peer, work: &Work, account: usize) -> Result<(), Fault> {
    let Some(address) = peer.address(row.door) else {
        return Ok(());
    };
    let config = match row.door {
        Door::Tls => Some(tls(&work.certificate, row.resume)?),
        Door::Plain | Door::Lmtp => None,
    };
    let target = Target {
        address,
        tls: config,
    };
    Pop3::log_on(&target, &row.group.account(account))?.quit()
}
