//! mailroost itself: the daemon, on a sled store.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use mailroost_auth::password::{Argon2id, Cost, PasswordHasher};
use mailroost_storage::sled_store::Durability;
use mailroost_storage::{
    Directory, MaildropStore, NewUser, SledStore, SledStoreOptions, Staging, UserName,
};

use super::{Door, Peer, Work, first_line};
use crate::Fault;
use crate::drive::side_by_side;
use crate::mail::{Group, message, seed_of};
use crate::pop3::PASSWORD;

/// Messages that are taken in with one commit while seeding.
const AT_ONCE: usize = 500;

/// Threads that seed: the store makes what they commit durable together.
const SEEDERS: usize = 16;

/// What the store of many messages holds: so many maildrops of so many small messages.
const MILLION: (usize, usize) = (10_000, 100);

/// How long filling it may take.
const FILLING_MAX: Duration = Duration::from_secs(240);

const SMALL_BODY: &[u8] = b"From: ann@bench.test\r\nSubject: small\r\n\r\nA small body.\r\n";

/// See the first line.
pub struct Mailroost {
    work: Work,
    program: PathBuf,
    name: &'static str,
    /// Its first port; POP3, POP3 with TLS and LMTP are so many behind it.
    base: u16,
}

impl Mailroost {
    /// `program` is the daemon.
    pub fn new(work: Work, program: PathBuf) -> Self {
        Self {
            work,
            program,
            name: "mailroost",
            base: 20_000,
        }
    }

    /// The same program, on another store.
    pub fn with_store(work: Work, program: PathBuf, name: &'static str) -> Self {
        Self {
            work,
            program,
            name,
            base: 26_000,
        }
    }

    fn folder(&self) -> PathBuf {
        self.work.folder.join(self.name)
    }

    fn configuration(&self) -> PathBuf {
        self.folder().join("mailroost.toml")
    }

    /// Its store, opened to be filled: what is written is made durable once, at the end of all
    /// seeding, as for the others.
    fn store(&self) -> Result<SledStore, Fault> {
        let folder = self.folder().join("store");
        fs::create_dir_all(&folder)?;
        let options = SledStoreOptions {
            durability: Durability::UnsafeNoSync,
            ..SledStoreOptions::default()
        };
        SledStore::open(&folder, options).map_err(failed)
    }

    /// Fills its store with messages that are nearly empty, going on where an earlier run ended,
    /// and says how many there are: fewer than a million where the disk is too slow for that.
    ///
    /// # Errors
    /// If the store refuses.
    pub fn fill(&self) -> Result<u64, Fault> {
        let (maildrops, messages) = MILLION;
        let end = Instant::now() + FILLING_MAX;
        let store = self.store()?;
        let there = store.statistics().map_err(failed)?.messages;
        if there < (maildrops * messages) as u64 {
            side_by_side(SEEDERS, maildrops, |user| {
                let name = format!("user{user}");
                let known = UserName::new(&name).map_err(failed)?;
                if Instant::now() > end || store.find(&known).map_err(failed)?.is_some() {
                    return Ok(());
                }
                let bodies = (0..messages).map(|_| SMALL_BODY.to_vec());
                add_user(&store, &name, None, bodies)
            })?;
        }
        let there = store.statistics().map_err(failed)?.messages;
        store.close().map_err(failed)?;
        Ok(there)
    }
}

fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::new("mailroost seed", &error)
}

/// A user with all these messages.
fn add_user(
    store: &SledStore,
    name: &str,
    password_hash: Option<String>,
    messages: impl Iterator<Item = Vec<u8>>,
) -> Result<(), Fault> {
    let name = UserName::new(name).map_err(failed)?;
    let user = NewUser {
        name,
        password_hash,
    };
    let user = store.add(user).map_err(failed)?;
    let mut maildrop = store.open_maildrop(user.maildrop).map_err(failed)?;
    let mut messages = messages.peekable();
    while messages.peek().is_some() {
        let mut batch = Vec::with_capacity(AT_ONCE);
        for message in messages.by_ref().take(AT_ONCE) {
            let mut staged = store.stage(Staging::default()).map_err(failed)?;
            staged.write_all(&message)?;
            batch.push(staged.finish().map_err(failed)?);
        }
        maildrop.deliver(batch).map_err(failed)?;
    }
    Ok(())
}

impl Peer for Mailroost {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        first_line(&self.program.to_string_lossy(), "--version")
    }

    fn settings(&self) -> &'static str {
        "defaults but for the connection limits; passwords Argon2id (19 MiB, 2 passes), remembered \
         after the first log-on"
    }

    fn durability(&self) -> &'static str {
        "its default, and it has no other: deliveries and the removals of QUIT are synced before \
         they are acknowledged"
    }

    fn address(&self, door: Door) -> Option<SocketAddr> {
        let port = match door {
            Door::Plain => 110,
            Door::Tls => 995,
            Door::Lmtp => 24,
        };
        Some(([127, 0, 0, 1], self.base + port).into())
    }

    fn seed(&self, group: Group) -> Result<(), Fault> {
        let store = self.store()?;
        let hasher = Argon2id::new(Cost::default()).map_err(failed)?;
        let password = mailroost_auth::Secret::from(PASSWORD.as_bytes().to_vec());
        // One salt for all: it makes seeding quick and log-on no cheaper.
        let hash = hasher.hash(&password).map_err(failed)?;
        side_by_side(SEEDERS, group.accounts(), |account| {
            let name = group.account(account);
            let known = UserName::new(&name).map_err(failed)?;
            if store.find(&known).map_err(failed)?.is_some() {
                store.remove(&known).map_err(failed)?;
            }
            let messages = (0..group.messages())
                .map(|number| message(seed_of(group, account, number), group.octets()));
            add_user(&store, &name, Some(hash.clone()), messages)
        })?;
        store.close().map_err(failed)
    }

    fn command(&self) -> Result<Command, Fault> {
        let folder = self.folder();
        fs::create_dir_all(&folder)?;
        let work = self.work.folder.display();
        let text = format!(
            r#"[server]
store = "{folder}/store"

[[listener]]
address = "127.0.0.1"
port = {pop3}
security = "stls"

[[listener]]
address = "127.0.0.1"
port = {pop3s}
security = "implicit_tls"

[tls]
certificate = "{work}/cert.pem"
key = "{work}/key.pem"

[protocol]
login_type = "plain_text_login"

[limits]
max_connections = 30000
max_connections_per_address = 30000
max_connections_per_user = 30000

[[lmtp.listener]]
address = "127.0.0.1"
port = {lmtp}

[log]
level = "warning"

[privileges]
user = "root"
"#,
            folder = folder.display(),
            pop3 = self.base + 110,
            pop3s = self.base + 995,
            lmtp = self.base + 24,
        );
        fs::write(self.configuration(), text)?;
        let mut command = Command::new(&self.program);
        command
            .arg("serve")
            .arg("--config")
            .arg(self.configuration());
        Ok(command)
    }
}
