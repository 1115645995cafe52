//! What the actors' player plays on: a tree of its own with a store in memory, or somebody
//! else's server.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use mailroost_actors::tls::TlsAcceptor;
use mailroost_actors::{
    Binding, Blueprint, Limits, Lmtp, Machine, Security, Sites, TreeHandle, Upkeep,
};
use mailroost_auth::{AcceptedDomains, Throttle, ThrottleRules};
use mailroost_storage::{
    Directory as _, MaildropId, MaildropStore as _, MemoryStore, MessageId, NewUser, Staging,
    UserName,
};

use crate::accounts::{Account, Accounts};
use crate::certificate::TestCertificate;
use crate::client::{Client, Clock};
use crate::faults::{Fault, FaultyStore};
use crate::mechanism;
use crate::transcript::{Message, Stage, Tls, User};

/// Octets that a pipe holds each way.
const PIPE_OCTETS: usize = 64 * 1024;

/// How long sessions may take to end when the tree is drained.
const DRAIN: Duration = Duration::from_secs(10);

/// For how long what was removed can be brought back: longer than any play.
const RECOVERABLE_SECS: u64 = 14 * 24 * 60 * 60;

type Why = Box<dyn std::error::Error>;

/// A tree set up as a stage wants it.
pub(super) struct Scene {
    tree: TreeHandle,
    store: Arc<FaultyStore>,
    directory: Arc<MemoryStore>,
    stage: Stage,
    maildrops: Vec<MaildropId>,
    /// By user, in the order of delivery.
    delivered: Vec<Vec<MessageId>>,
    tls: Option<Arc<dyn TlsAcceptor>>,
    pipes: bool,
}

impl Scene {
    /// Sets the stage. With `pipes` nothing is bound, and the clock may be paused.
    pub(super) async fn set(
        stage: &Stage,
        certificate: &TestCertificate,
        pipes: bool,
    ) -> Result<Self, Why> {
        let memory = MemoryStore::new();
        let (accounts, maildrops) = cast(&stage.users, &memory)?;
        let mechanisms = stage.mechanisms.iter().map(|name| {
            mechanism::named(name).ok_or_else(|| format!("there is no mechanism {name}"))
        });
        let tls = (stage.tls != Tls::No).then(|| certificate.acceptor());
        let directory = Arc::new(memory.clone());
        let store = Arc::new(FaultyStore::new(Arc::new(memory)));
        let mut limits = Limits::default();
        if let Some(sessions) = stage.settings.sessions_per_user() {
            limits.sessions_per_user_max = sessions;
        }
        let tree = TreeHandle::start(Blueprint {
            store: store.clone(),
            directory: directory.clone(),
            passwords: Arc::new(accounts),
            throttle: Arc::new(Throttle::new(
                ThrottleRules::off(),
                AcceptedDomains::default(),
            )?),
            mechanisms: mechanisms.collect::<Result<_, _>>()?,
            policy: Arc::new(stage.settings.policy()),
            limits,
            upkeep: Arc::new(Upkeep {
                recoverable_secs: RECOVERABLE_SECS,
                ..Upkeep::default()
            }),
            protocol_log: None,
            sites: Sites::default(),
            bindings: if pipes {
                Vec::new()
            } else {
                vec![binding(stage.tls, tls.clone())?]
            },
            lmtp: Lmtp::default(),
            workers: 0,
            machine: Machine::Real,
            log: slog::Logger::root(slog::Discard, slog::o!()),
        })?;
        let mut scene = Self {
            tree,
            store,
            directory,
            stage: stage.clone(),
            delivered: vec![Vec::new(); maildrops.len()],
            maildrops,
            tls,
            pipes,
        };
        for user in &stage.users {
            for message in user.messages.iter().filter(|message| !message.later) {
                scene.deliver(&message.name).await?;
            }
        }
        Ok(scene)
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Client, Why> {
        let mut client = if self.pipes {
            let (near, far) = tokio::io::duplex(PIPE_OCTETS);
            let peer = SocketAddr::from(([127, 0, 0, 1], 1024));
            let security = security(self.stage.tls);
            let tls = self.tls.clone();
            self.tree.serve(Box::new(far), peer, security, tls).await?;
            Client::over(Box::new(near), Clock::Machine)
        } else {
            Client::connect(self.tree.addresses()[0]).await?
        };
        if self.stage.tls == Tls::Implicit {
            client.start_tls().await?;
        }
        Ok(client)
    }

    /// A message of the stage arrives.
    pub(super) async fn deliver(&mut self, name: &str) -> Result<(), Why> {
        let (user, message) = self.stage.message(name).ok_or("no such message")?;
        let Message {
            delivered, carried, ..
        } = message.clone();
        let staging = Staging {
            carried_unique_id: carried.map(Into::into),
            ..Staging::default()
        };
        let mut staged = self.store.stage(staging)?;
        staged.write_all(&delivered)?;
        let delivery = staged.finish()?;
        let ids = self
            .tree
            .deliver(self.maildrops[user], vec![delivery])
            .await?;
        self.delivered[user].extend(ids);
        Ok(())
    }

    /// The nth message delivered to the first user is removed.
    pub(super) async fn remove_elsewhere(&self, nth: usize) -> Result<(), Why> {
        let ids = self.delivered.first().ok_or("there is no user")?;
        let id = *ids.get(nth - 1).ok_or("there is no such message")?;
        self.tree.remove(self.maildrops[0], vec![id]).await?;
        Ok(())
    }

    /// The nth message delivered to the first user, which was removed, is brought back.
    pub(super) async fn undelete(&mut self, nth: usize) -> Result<(), Why> {
        let user = self.stage.users.first().ok_or("there is no user")?;
        let user = self.directory.find(&UserName::new(&user.name)?)?;
        let user = user.ok_or("there is no such user")?;
        let ids = self.delivered.first().ok_or("there is no user")?;
        let id = *ids.get(nth - 1).ok_or("there is no such message")?;
        let terms = self.tree.upkeep().terms_of(&user);
        let undeleted = self.tree.undelete(terms, user.maildrop, vec![id]).await?;
        self.delivered[0].extend(undeleted.into_iter().map(|(_, new)| new));
        Ok(())
    }

    pub(super) fn plan(&self, fault: Fault) {
        self.store.plan(fault);
    }

    /// Begins to drain; goes on by itself.
    pub(super) fn drain(&self) {
        let tree = self.tree.clone();
        actix_rt::spawn(async move { tree.drain(DRAIN).await });
    }

    /// Takes the tree down.
    pub(super) async fn strike(&self) {
        self.tree.stop().await;
    }
}

fn security(tls: Tls) -> Security {
    match tls {
        Tls::No | Tls::Available => Security::Stls,
        Tls::Implicit => Security::ImplicitTls,
    }
}

fn binding(how: Tls, tls: Option<Arc<dyn TlsAcceptor>>) -> std::io::Result<Binding> {
    let socket = TcpListener::bind(("127.0.0.1", 0))?;
    socket.set_nonblocking(true)?;
    Ok(Binding {
        socket,
        security: security(how),
        tls,
    })
}

/// Who is in the play: accounts, and the maildrops in the users' order.
fn cast(users: &[User], memory: &MemoryStore) -> Result<(Accounts, Vec<MaildropId>), Why> {
    let accounts = Accounts::default();
    let mut maildrops = Vec::with_capacity(users.len());
    for user in users {
        let name = UserName::new(&user.name)?;
        let added = memory.add(NewUser {
            name: name.clone(),
            password_hash: None,
        })?;
        maildrops.push(added.maildrop);
        accounts.add(Account {
            name,
            password: user.password.clone(),
            maildrop: added.maildrop,
            disabled: user.disabled,
            site: user.site.clone(),
        });
    }
    Ok((accounts, maildrops))
}
