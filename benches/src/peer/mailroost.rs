//! mailroost itself: the daemon, on a sled store.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use mailroost_auth::password::{Argon2id, Cost, PasswordHasher};
use mailroost_storage::{
    Directory, MaildropStore, NewUser, SledStore, SledStoreOptions, Staging, UserName,
};

use super::{Door, Peer, Work, first_line};
use crate::Fault;
use crate::mail::{Group, message, seed_of};
use crate::pop3::PASSWORD;

/// Messages that are taken in with one commit while seeding.
const AT_ONCE: usize = 500;

/// See the first line.
pub struct Mailroost {
    work: Work,
    program: PathBuf,
}

impl Mailroost {
    /// `program` is the daemon.
    pub fn new(work: Work, program: PathBuf) -> Self {
        Self { work, program }
    }

    fn folder(&self) -> PathBuf {
        self.work.folder.join("mailroost")
    }

    fn configuration(&self) -> PathBuf {
        self.folder().join("mailroost.toml")
    }
}

impl Peer for Mailroost {
    fn name(&self) -> &'static str {
        "mailroost"
    }

    fn version(&self) -> String {
        first_line(&self.program.to_string_lossy(), "--version")
    }

    fn settings(&self) -> &'static str {
        "defaults but for the connection limits; passwords Argon2id (19 MiB, 2 passes), remembered \
         after the first log-on"
    }

    fn address(&self, door: Door) -> Option<SocketAddr> {
        let port = match door {
            Door::Plain => 20_110,
            Door::Tls => 20_995,
            Door::Lmtp => 20_024,
        };
        Some(([127, 0, 0, 1], port).into())
    }

    fn seed(&self, group: Group) -> Result<(), Fault> {
        let failed = |error: &dyn std::error::Error| Fault::new("mailroost seed", &error);
        let folder = self.folder().join("store");
        fs::create_dir_all(&folder)?;
        let store =
            SledStore::open(&folder, SledStoreOptions::default()).map_err(|e| failed(&e))?;
        let hasher = Argon2id::new(Cost::default()).map_err(|e| failed(&e))?;
        let password = mailroost_auth::Secret::from(PASSWORD.as_bytes().to_vec());
        // One salt for all: it makes seeding quick and log-on no cheaper.
        let hash = hasher.hash(&password).map_err(|e| failed(&e))?;
        for account in 0..group.accounts() {
            let name = UserName::new(&group.account(account)).map_err(|e| failed(&e))?;
            if store.find(&name).map_err(|e| failed(&e))?.is_some() {
                store.remove(&name).map_err(|e| failed(&e))?;
            }
            let password_hash = Some(hash.clone());
            let user = NewUser {
                name,
                password_hash,
            };
            let user = store.add(user).map_err(|e| failed(&e))?;
            let mut maildrop = store.open_maildrop(user.maildrop).map_err(|e| failed(&e))?;
            let numbers: Vec<usize> = (0..group.messages()).collect();
            for numbers in numbers.chunks(AT_ONCE) {
                let mut batch = Vec::with_capacity(numbers.len());
                for number in numbers {
                    let mut staged = store.stage(Staging::default()).map_err(|e| failed(&e))?;
                    staged.write_all(&message(seed_of(group, account, *number), group.octets()))?;
                    batch.push(staged.finish().map_err(|e| failed(&e))?);
                }
                maildrop.deliver(batch).map_err(|e| failed(&e))?;
            }
        }
        store.close().map_err(|e| failed(&e))
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
port = 20110
security = "stls"

[[listener]]
address = "127.0.0.1"
port = 20995
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
port = 20024

[log]
level = "warning"

[privileges]
user = "root"
"#,
            folder = folder.display(),
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
