//! What the tree hangs on: the children's handles, the sockets and the threads, kept apart from
//! all actors, so that no death loses them; and the order in which all of it is taken down.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use actix::Addr;
use mailroost_auth::Throttle;
use mailroost_protocol::{Ending, Policy};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::delivery::{
    DeliveryParts, DeliverySupervisor, EndDeliveries, LmtpAddress, LmtpListenerActor, LmtpRules,
    SharedSocket,
};
use crate::directory::DirectoryActor;
use crate::listener::ListenerActor;
use crate::mailbox::{MailboxSupervisor, Maildrops};
use crate::refusal::Refusals;
use crate::root::{Branch, Rank, RootSupervisor};
use crate::session::{EndSession, EndSessions, SessionParts, SessionSupervisor};
use crate::supervise::Child;
use crate::sweeper::SweeperActor;
use crate::timer::TimerActor;
use crate::{Ended, Node, Upkeep};

/// See the file's first lines.
pub(crate) struct Trunk {
    pub(crate) log: slog::Logger,
    pub(crate) policy: Arc<RwLock<Arc<Policy>>>,
    pub(crate) upkeep: watch::Sender<Arc<Upkeep>>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) lmtp_rules: watch::Sender<Arc<LmtpRules>>,
    pub(crate) lmtp_addresses: Vec<LmtpAddress>,
    /// Cancelled to end everything at once.
    pub(crate) token: CancellationToken,
    pub(crate) maildrops: Maildrops,
    pub(crate) sockets: Mutex<Vec<Arc<TcpListener>>>,
    pub(crate) lmtp_sockets: Mutex<Vec<SharedSocket>>,
    pub(crate) arbiters: Mutex<Vec<actix_rt::Arbiter>>,
    pub(crate) grown: OnceLock<Grown>,
    pub(crate) ended: watch::Sender<Option<Ended>>,
    /// Cancelled by whoever does not wait for sessions to end by themselves.
    pub(crate) impatience: CancellationToken,
    /// Held by whoever takes the tree down.
    pub(crate) felling: tokio::sync::Mutex<()>,
}

/// What is known once all children were started.
pub(crate) struct Grown {
    pub(crate) root: Child,
    pub(crate) branches: Vec<Branch>,
    pub(crate) parts: Arc<SessionParts>,
    pub(crate) deliveries: Arc<DeliveryParts>,
    pub(crate) addrs: Addrs,
}

/// Where everybody is.
pub(crate) struct Addrs {
    pub(crate) root: Addr<RootSupervisor>,
    pub(crate) timer: Addr<TimerActor>,
    pub(crate) directory: Addr<DirectoryActor>,
    pub(crate) mailboxes: Addr<MailboxSupervisor>,
    pub(crate) sessions: Addr<SessionSupervisor>,
    pub(crate) deliveries: Addr<DeliverySupervisor>,
    pub(crate) lmtp_listeners: Vec<Addr<LmtpListenerActor>>,
    pub(crate) listeners: Vec<Addr<ListenerActor>>,
    pub(crate) sweeper: Addr<SweeperActor>,
}

impl Trunk {
    /// The root's children in start order.
    pub(crate) fn branches(&self) -> &[Branch] {
        self.grown.get().map_or(&[], |grown| &grown.branches)
    }

    /// Ends everything at once: a child's budget is spent.
    pub(crate) fn give_up(self: &Arc<Self>, cause: String) {
        let trunk = Arc::clone(self);
        // Not the root's own future: the root is felled, too.
        actix_rt::spawn(async move {
            trunk.fell(None, Ended::GaveUp { cause }).await;
        });
    }

    /// Takes the tree down from the last child to the first: with `patience` sessions end at a
    /// command boundary and have that long, without it they are cut.
    pub(crate) async fn fell(&self, patience: Option<Duration>, why: Ended) {
        if patience.is_none() {
            // A drain that is under way goes on without waiting.
            self.impatience.cancel();
        }
        let _alone = self.felling.lock().await;
        let Some(grown) = self.grown.get() else {
            return;
        };
        if self.ended.borrow().is_some() {
            return;
        }
        end(&grown.branches, Rank::Sweeper).await;
        end(&grown.branches, Rank::Listener).await;
        lock(&self.sockets).clear();
        lock(&self.lmtp_sockets).clear();
        if let Some(patience) = patience {
            self.drain_connections(grown, patience).await;
        }
        // First the one who lets them in, then those who came in late.
        end(&grown.branches, Rank::Deliveries).await;
        self.cut_deliveries(grown).await;
        end(&grown.branches, Rank::Sessions).await;
        self.cut_sessions(grown).await;
        end(&grown.branches, Rank::Mailboxes).await;
        self.maildrops.let_go().await;
        end(&grown.branches, Rank::Directory).await;
        end(&grown.branches, Rank::Timer).await;
        grown.root.end().await;
        self.token.cancel();
        self.end_arbiters().await;
        self.ended.send_replace(Some(why));
    }

    /// Nobody new, and all connections to their next command boundary, as far as `patience`
    /// goes.
    async fn drain_connections(&self, grown: &Grown, patience: Duration) {
        let (registry, deliveries) = (&grown.parts.registry, &grown.deliveries.connections);
        registry.close();
        deliveries.close();
        // After what is in the queue already: who was admitted last is told, too.
        let end = EndSessions(Ending::Shutdown);
        if grown.addrs.sessions.send(end).await.is_err() {
            // Their supervisor is gone for good; they are not.
            registry.tell_all(|| EndSession(Ending::Shutdown));
        }
        let end = EndDeliveries(Ending::Shutdown);
        if grown.addrs.deliveries.send(end).await.is_err() {
            deliveries.end_all(Ending::Shutdown);
        }
        let all_gone = async {
            registry.population().empty().await;
            deliveries.population().empty().await;
        };
        tokio::select! {
            biased;
            () = self.impatience.cancelled() => {}
            () = tokio::time::sleep(patience) => {}
            () = all_gone => {}
        }
    }

    async fn cut_deliveries(&self, grown: &Grown) {
        let connections = &grown.deliveries.connections;
        let left = connections.population().size();
        if left > 0 {
            slog::warn!(self.log, "lmtp connections are cut"; "connections" => left);
        }
        connections.cut_all().await;
    }

    async fn cut_sessions(&self, grown: &Grown) {
        let registry = &grown.parts.registry;
        let left = registry.all();
        if !left.is_empty() {
            slog::warn!(self.log, "sessions are cut"; "sessions" => left.len());
        }
        for session in left {
            session.child.stop.cancel();
        }
        registry.population().empty().await;
    }

    /// Threads are joined away from this one, which may be what they wait for.
    async fn end_arbiters(&self) {
        let arbiters = std::mem::take(&mut *lock(&self.arbiters));
        if arbiters.is_empty() {
            return;
        }
        let joined = tokio::task::spawn_blocking(move || {
            for arbiter in arbiters {
                arbiter.stop();
                drop(arbiter.join());
            }
        });
        drop(joined.await);
    }

    /// The tree as it is now.
    pub(crate) fn census(&self) -> Node {
        let Some(grown) = self.grown.get() else {
            return leaf("RootSupervisor", 0);
        };
        let mut root = leaf(&grown.root.name, grown.root.restarts());
        root.children = grown
            .branches
            .iter()
            .map(|branch| {
                let mut node = leaf(&branch.child.name, branch.child.restarts());
                node.population = match branch.rank {
                    Rank::Mailboxes => self.maildrops.mailboxes.size(),
                    Rank::Sessions => grown.parts.registry.population().size(),
                    Rank::Deliveries => grown.deliveries.connections.population().size(),
                    Rank::Timer | Rank::Directory | Rank::Listener | Rank::Sweeper => 0,
                };
                node
            })
            .collect();
        root
    }
}

fn leaf(name: &str, restarts: u64) -> Node {
    Node {
        name: name.to_owned(),
        restarts,
        children: Vec::new(),
        population: 0,
    }
}

async fn end(branches: &[Branch], rank: Rank) {
    for branch in branches.iter().filter(|branch| branch.rank == rank) {
        branch.child.end().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
