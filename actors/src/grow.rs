//! Grows the tree: every child in start order, with what it is made of.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use actix::Addr;
use mailroost_auth::{Mechanism, PasswordSource};
use mailroost_protocol::MechanismOffer;
use mailroost_storage::{Directory, MaildropStore};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::delivery::{
    Connections, DeliveryParts, DeliverySupervisor, Lmtp, LmtpAddress, LmtpListenerActor,
    LmtpListenerParts,
};
use crate::directory::DirectoryActor;
use crate::listener::{ListenerActor, ListenerParts};
use crate::mailbox::{MailboxParts, MailboxSupervisor, Maildrops};
use crate::refusal::Refusals;
use crate::root::{Branch, Rank, RootSupervisor, reports};
use crate::session::{Admission, Registry, SessionParts, SessionSupervisor};
use crate::supervise::{Budget, ChildSpec, Cradle, Place, Restart, cradle, start_child};
use crate::sweeper::{SweeperActor, SweeperParts};
use crate::timer::{Deadlines, Left, TimerActor};
use crate::trunk::{Addrs, Grown, Trunk};
use crate::{Binding, Blueprint, Limits, Machine};

/// Messages that may wait for a child of the root. More than enough for bursts of log-ons;
/// beyond it senders wait.
const QUEUE_MAX: usize = 4096;

/// Starts everything inside the current `actix::System`.
pub(crate) fn grow(blueprint: Blueprint) -> io::Result<Arc<Trunk>> {
    let here = match &blueprint.machine {
        Machine::Real => Place::Here,
        Machine::Simulated(simulation) => Place::Simulated(Arc::clone(simulation)),
    };
    let (arbiters, places) = threads(blueprint.workers, &here)?;
    let trunk = Arc::new(Trunk {
        log: blueprint.log.clone(),
        policy: Arc::new(RwLock::new(Arc::clone(&blueprint.policy))),
        upkeep: watch::Sender::new(Arc::clone(&blueprint.upkeep)),
        throttle: Arc::clone(&blueprint.throttle),
        refusals: Arc::new(Refusals::new(
            blueprint.limits.refusals_kept,
            blueprint.machine.clone(),
        )),
        addresses: addresses(&blueprint.bindings)?,
        lmtp_rules: watch::Sender::new(Arc::clone(&blueprint.lmtp.rules)),
        lmtp_addresses: lmtp_addresses(&blueprint.lmtp)?,
        token: CancellationToken::new(),
        maildrops: Maildrops::default(),
        sockets: Mutex::default(),
        lmtp_sockets: Mutex::default(),
        arbiters: Mutex::new(arbiters),
        grown: OnceLock::new(),
        ended: watch::Sender::new(None),
        impatience: CancellationToken::new(),
        felling: tokio::sync::Mutex::new(()),
    });
    Grower::new(Arc::clone(&trunk), here, places, &blueprint).grow(blueprint);
    Ok(trunk)
}

fn threads(workers: usize, here: &Place) -> io::Result<(Vec<actix_rt::Arbiter>, Arc<[Place]>)> {
    if workers == 0 {
        return Ok((Vec::new(), [here.clone()].into()));
    }
    let arbiters: Vec<_> = (0..workers)
        .map(|_| actix_rt::Arbiter::try_new())
        .collect::<io::Result<_>>()?;
    let places = arbiters
        .iter()
        .map(|arbiter| Place::Arbiter(arbiter.handle()))
        .collect();
    Ok((arbiters, places))
}

fn addresses(bindings: &[Binding]) -> io::Result<Vec<std::net::SocketAddr>> {
    bindings
        .iter()
        .map(|binding| binding.socket.local_addr())
        .collect()
}

fn lmtp_addresses(lmtp: &Lmtp) -> io::Result<Vec<LmtpAddress>> {
    lmtp.sockets.iter().map(|socket| socket.address()).collect()
}

struct Grower {
    trunk: Arc<Trunk>,
    limits: Limits,
    machine: Machine,
    /// Where the root and its children live.
    here: Place,
    places: Arc<[Place]>,
    root: Addr<RootSupervisor>,
    root_cradle: Option<Cradle<RootSupervisor>>,
    branches: Vec<Branch>,
}

impl Grower {
    fn new(trunk: Arc<Trunk>, here: Place, places: Arc<[Place]>, blueprint: &Blueprint) -> Self {
        let (root, root_cradle) = cradle(QUEUE_MAX);
        let root_cradle = Some(root_cradle);
        Self {
            trunk,
            limits: blueprint.limits.clone(),
            machine: blueprint.machine.clone(),
            here,
            places,
            root,
            root_cradle,
            branches: Vec::new(),
        }
    }

    /// One permanent child of the root.
    fn branch<A>(
        &mut self,
        rank: Rank,
        name: String,
        make: impl FnOnce() -> A + Send + 'static,
    ) -> Addr<A>
    where
        A: actix::Actor<Context = actix::Context<A>> + actix::Supervised,
    {
        let (addr, cradle) = cradle(QUEUE_MAX);
        let reports = reports(&self.root, rank, &name);
        let spec = self.spec(name);
        let child = start_child(cradle, &self.here, spec, &self.trunk.token, make, reports);
        self.branches.push(Branch { rank, child });
        addr
    }

    fn spec(&self, name: String) -> ChildSpec {
        let budget = Budget::new(self.limits.restarts_max, self.limits.restart_window);
        ChildSpec {
            name,
            restart: Restart::Permanent,
            budget,
        }
    }

    fn grow(mut self, blueprint: Blueprint) {
        let Blueprint {
            store,
            directory: users,
            passwords,
            mechanisms,
            sites,
            protocol_log,
            bindings,
            lmtp,
            log,
            ..
        } = blueprint;
        let limits = self.limits.clone();

        let clients = Arc::new(OnceLock::new());
        let left = Arc::<Left>::default();
        let timer = {
            let (left, clients) = (Arc::clone(&left), Arc::clone(&clients));
            self.branch(Rank::Timer, "TimerActor".into(), move || {
                TimerActor::new(left, clients)
            })
        };
        let mechanisms = provable(mechanisms, &*passwords, &log);
        let directory = self.directory(Arc::clone(&passwords));
        let mailboxes = self.mailboxes(&store, &log);
        let parts = Arc::new(SessionParts {
            throttle: Arc::clone(&self.trunk.throttle),
            refusals: Arc::clone(&self.trunk.refusals),
            admission: Admission::new(&limits),
            registry: Registry::default(),
            directory: directory.clone(),
            passwords,
            mailboxes: mailboxes.clone(),
            maildrops: self.trunk.maildrops.clone(),
            deadlines: Deadlines::new(left, timer.clone()),
            offers: mechanisms
                .iter()
                .map(|mechanism| offer(&**mechanism))
                .collect(),
            mechanisms,
            limits: limits.clone(),
            sites,
            protocol_log,
            machine: self.machine.clone(),
            log: log.clone(),
        });
        let sessions = self.sessions(&parts);
        // Set once, here; the timer has had no reason to look yet.
        drop(clients.set(sessions.clone()));
        let (delivery_parts, deliveries) = self.deliveries(&store, &users, &mailboxes, &log);
        let lmtp_listeners = self.lmtp_listeners(lmtp, &deliveries, &log);
        let listeners = self.listeners(bindings, &sessions, &log);
        let sweeper = self.sweeper(SweeperParts {
            store,
            directory: users,
            mailboxes: mailboxes.clone(),
            upkeep: self.trunk.upkeep.subscribe(),
            machine: self.machine.clone(),
            log,
        });
        let addrs = Addrs {
            root: self.root.clone(),
            timer,
            directory,
            mailboxes,
            sessions,
            deliveries,
            lmtp_listeners,
            listeners,
            sweeper,
        };
        self.root(parts, delivery_parts, addrs);
    }

    fn directory(&mut self, passwords: Arc<dyn PasswordSource>) -> Addr<DirectoryActor> {
        let throttle = Arc::clone(&self.trunk.throttle);
        let (limits, machine) = (self.limits.clone(), self.machine.clone());
        self.branch(Rank::Directory, "DirectoryActor".into(), move || {
            DirectoryActor::new(passwords, throttle, &limits, machine)
        })
    }

    fn sweeper(&mut self, parts: SweeperParts) -> Addr<SweeperActor> {
        let limits = self.limits.clone();
        self.branch(Rank::Sweeper, "SweeperActor".into(), move || {
            SweeperActor::new(parts, &limits)
        })
    }

    fn mailboxes(
        &mut self,
        store: &Arc<dyn MaildropStore>,
        log: &slog::Logger,
    ) -> Addr<MailboxSupervisor> {
        let parts = MailboxParts {
            store: Arc::clone(store),
            upkeep: self.trunk.upkeep.subscribe(),
            waiting_max: self.limits.mailbox_waiting_max,
            machine: self.machine.clone(),
            log: log.clone(),
        };
        let (limits, places) = (self.limits.clone(), Arc::clone(&self.places));
        let maildrops = self.trunk.maildrops.clone();
        let tree = self.trunk.token.clone();
        self.branch(Rank::Mailboxes, "MailboxSupervisor".into(), move || {
            MailboxSupervisor::new(Arc::new(parts), limits, places, maildrops, tree)
        })
    }

    fn sessions(&mut self, parts: &Arc<SessionParts>) -> Addr<SessionSupervisor> {
        let (parts, policy) = (Arc::clone(parts), Arc::clone(&self.trunk.policy));
        let (places, tree) = (Arc::clone(&self.places), self.trunk.token.clone());
        self.branch(Rank::Sessions, "SessionSupervisor".into(), move || {
            SessionSupervisor::new(parts, policy, places, tree)
        })
    }

    fn deliveries(
        &mut self,
        store: &Arc<dyn MaildropStore>,
        directory: &Arc<dyn Directory>,
        mailboxes: &Addr<MailboxSupervisor>,
        log: &slog::Logger,
    ) -> (Arc<DeliveryParts>, Addr<DeliverySupervisor>) {
        let shared = Arc::new(DeliveryParts {
            limits: self.limits.clone(),
            connections: Connections::default(),
            rules: self.trunk.lmtp_rules.subscribe(),
            upkeep: self.trunk.upkeep.subscribe(),
            store: Arc::clone(store),
            directory: Arc::clone(directory),
            mailboxes: mailboxes.clone(),
            machine: self.machine.clone(),
            log: log.clone(),
        });
        let parts = Arc::clone(&shared);
        let (places, tree) = (Arc::clone(&self.places), self.trunk.token.clone());
        let deliveries = self.branch(Rank::Deliveries, "DeliverySupervisor".into(), move || {
            DeliverySupervisor::new(parts, places, tree)
        });
        (shared, deliveries)
    }

    fn listeners(
        &mut self,
        bindings: Vec<Binding>,
        sessions: &Addr<SessionSupervisor>,
        log: &slog::Logger,
    ) -> Vec<Addr<ListenerActor>> {
        let addresses = self.trunk.addresses.clone();
        let mut sockets = Vec::new();
        let listeners = bindings
            .into_iter()
            .zip(addresses)
            .map(|(binding, address)| {
                let socket = Arc::new(binding.socket);
                sockets.push(Arc::clone(&socket));
                let parts = ListenerParts {
                    socket,
                    address,
                    security: binding.security,
                    tls: binding.tls,
                    sessions: sessions.clone(),
                    log: log.clone(),
                };
                let name = format!("ListenerActor {address}");
                self.branch(Rank::Listener, name, move || ListenerActor::new(parts))
            })
            .collect();
        *self
            .trunk
            .sockets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = sockets;
        listeners
    }

    fn lmtp_listeners(
        &mut self,
        lmtp: Lmtp,
        deliveries: &Addr<DeliverySupervisor>,
        log: &slog::Logger,
    ) -> Vec<Addr<LmtpListenerActor>> {
        let sockets: Vec<_> = lmtp.sockets.into_iter().map(Arc::new).collect();
        *self
            .trunk
            .lmtp_sockets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = sockets.clone();
        let addresses = self.trunk.lmtp_addresses.clone();
        let listeners = sockets.into_iter().zip(addresses);
        listeners
            .map(|(socket, address)| {
                let name = format!("LmtpListenerActor {address}");
                let parts = LmtpListenerParts {
                    socket,
                    address,
                    deliveries: deliveries.clone(),
                    log: log.clone(),
                };
                self.branch(Rank::Listener, name, move || LmtpListenerActor::new(parts))
            })
            .collect()
    }

    /// The root comes last: its queue has kept what the children reported until now.
    fn root(mut self, parts: Arc<SessionParts>, deliveries: Arc<DeliveryParts>, addrs: Addrs) {
        let Some(cradle) = self.root_cradle.take() else {
            return;
        };
        let spec = self.spec("RootSupervisor".into());
        let (trunk, sessions) = (Arc::clone(&self.trunk), addrs.sessions.clone());
        let reports = root_reports(&self.trunk);
        let make = move || RootSupervisor::new(trunk, sessions);
        let root = start_child(cradle, &self.here, spec, &self.trunk.token, make, reports);
        let branches = std::mem::take(&mut self.branches);
        let grown = Grown {
            root,
            branches,
            parts,
            deliveries,
            addrs,
        };
        // The trunk is ours alone until `grow` returns, so nobody has set it before.
        drop(self.trunk.grown.set(grown));
    }
}

/// Those mechanisms whose kind of stored secret the source can have; without it nobody could
/// log on with them.
fn provable(
    mechanisms: Vec<Arc<dyn Mechanism>>,
    source: &dyn PasswordSource,
    log: &slog::Logger,
) -> Vec<Arc<dyn Mechanism>> {
    let (provable, others): (Vec<_>, _) = mechanisms.into_iter().partition(|mechanism| {
        let credential = mechanism.needs().credential;
        credential.is_none_or(|kind| source.keeps(kind))
    });
    for mechanism in others {
        slog::warn!(log, "a mechanism is not offered";
            "mechanism" => mechanism.name(), "why" => "no secrets are stored for it");
    }
    provable
}

/// A mechanism as the protocol knows it.
fn offer(mechanism: &dyn Mechanism) -> MechanismOffer {
    let needs = mechanism.needs();
    MechanismOffer {
        name: mechanism.name(),
        plaintext: needs.plaintext,
        tls: needs.tls,
        client_first: needs.client_first,
        channel_binding: needs.channel_binding,
        client_certificate: needs.client_certificate,
    }
}

/// The root has no parent: when it gives up, the tree does.
fn root_reports(trunk: &Arc<Trunk>) -> crate::supervise::Reports {
    let (restarted, ended) = (trunk.log.clone(), Arc::downgrade(trunk));
    crate::supervise::Reports {
        restarted: Box::new(move |restart| {
            slog::error!(restarted, "the root died and is restarted"; "cause" => restart.cause);
        }),
        ended: Box::new(move |exit| {
            use crate::supervise::Exit;
            match (exit, ended.upgrade()) {
                (Exit::GaveUp(cause) | Exit::Panicked(cause), Some(trunk)) => {
                    trunk.give_up(format!("RootSupervisor: {cause}"));
                }
                (Exit::Normal | Exit::Stopped | Exit::Lost, _)
                | (Exit::GaveUp(_) | Exit::Panicked(_), None) => {}
            }
        }),
    }
}
