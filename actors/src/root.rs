//! The root of the supervision tree: the children in start order, who is restarted with whom,
//! and what happens when a child's budget is spent.
//!
//! ```text
//! RootSupervisor
//! ├─ 1 TimerActor              permanent; its clients arm again after a restart
//! ├─ 2 DirectoryActor          permanent; password work on threads of its own
//! ├─ 3 MailboxSupervisor       permanent; if it dies, what comes after it is restarted too
//! │    └─ MailboxActor         transient, one per maildrop in use
//! ├─ 4 SessionSupervisor       permanent
//! │    └─ SessionActor         temporary, one per connection
//! ├─ 5 DeliverySupervisor      permanent
//! │    └─ LmtpActor            temporary, one per connection of an MTA
//! ├─ 6 ListenerActor           permanent, one per binding; LmtpListenerActor likewise
//! └─ 7 SweeperActor            permanent
//! ```

use std::sync::Arc;

use actix::{Actor, Addr, Context, Handler, Message, Supervised};
use mailroost_protocol::Ending;

use crate::session::{EndSessions, SessionSupervisor};
use crate::supervise::{Child, Crash, Exit, Reports, Restarted, notify};
use crate::trunk::Trunk;

/// A child's place in the start order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Timer,
    Directory,
    Mailboxes,
    Sessions,
    Deliveries,
    Listener,
    Sweeper,
}

impl Rank {
    /// Whether what comes later is restarted when a child of this rank was: sessions hold views
    /// of mailboxes that are gone.
    fn takes_the_rest_along(self) -> bool {
        self == Self::Mailboxes
    }
}

/// A child of the root.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) rank: Rank,
    pub(crate) child: Child,
}

/// A child died and is restarted.
#[derive(Message)]
#[rtype(result = "()")]
struct ChildRestarted {
    rank: Rank,
    name: String,
    cause: String,
}

/// A child is gone for good.
#[derive(Message)]
#[rtype(result = "()")]
struct ChildDown {
    name: String,
    exit: Exit,
}

/// What a child of the root reports, and to whom.
pub(crate) fn reports(root: &Addr<RootSupervisor>, rank: Rank, name: &str) -> Reports {
    let (restarted, ended) = (
        (root.clone(), name.to_owned()),
        (root.clone(), name.to_owned()),
    );
    Reports {
        restarted: Box::new(move |Restarted { cause }| {
            let (root, name) = &restarted;
            notify(
                root,
                ChildRestarted {
                    rank,
                    name: name.clone(),
                    cause,
                },
            );
        }),
        ended: Box::new(move |exit| {
            let (root, name) = ended;
            notify(&root, ChildDown { name, exit });
        }),
    }
}

/// See the file's first lines.
pub(crate) struct RootSupervisor {
    trunk: Arc<Trunk>,
    sessions: Addr<SessionSupervisor>,
}

impl RootSupervisor {
    pub(crate) fn new(trunk: Arc<Trunk>, sessions: Addr<SessionSupervisor>) -> Self {
        Self { trunk, sessions }
    }
}

impl Actor for RootSupervisor {
    type Context = Context<Self>;
}

impl Supervised for RootSupervisor {
    // The children and their addresses are kept in the trunk.
}

impl Handler<ChildRestarted> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, message: ChildRestarted, _ctx: &mut Context<Self>) {
        let ChildRestarted { rank, name, cause } = message;
        slog::error!(self.trunk.log, "child died and is restarted";
            "child" => name, "cause" => cause);
        if !rank.takes_the_rest_along() {
            return;
        }
        // Who logs on from now on waits for the next supervisor.
        self.trunk.maildrops.take_back();
        // Only a supervisor whose queue is full does not hear it; then its sessions find out
        // when they ask for their mailbox.
        drop(self.sessions.try_send(EndSessions(Ending::Restart)));
        for branch in self.trunk.branches() {
            if branch.rank > rank {
                branch.child.restart();
            }
        }
    }
}

impl Handler<ChildDown> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, message: ChildDown, _ctx: &mut Context<Self>) {
        let cause = match message.exit {
            Exit::Normal | Exit::Stopped => return,
            Exit::Panicked(panic) => panic,
            Exit::GaveUp(cause) => format!("it died too often, the last time of: {cause}"),
            Exit::Lost => "its thread ended".to_owned(),
        };
        let cause = format!("{}: {cause}", message.name);
        slog::crit!(self.trunk.log, "the tree gives up"; "cause" => &cause);
        self.trunk.give_up(cause);
    }
}

impl Handler<Crash> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the root was told to crash");
    }
}
