//! A POP3 server for the tests of a mail client: in the same process, on ports that the system
//! chooses, gone when it is dropped. Many can run side by side.
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//! use std::net::TcpStream;
//!
//! use mailroost_testkit::server::TestServer;
//!
//! let server = TestServer::start()?;
//! server.deliver("ann", b"Subject: hello\r\n\r\nworld\r\n")?;
//!
//! // The client to be tested would do this: log on as anybody, with any password, fetch,
//! // delete, quit.
//! let mut client = TcpStream::connect(server.address())?;
//! client.write_all(b"USER ann\r\nPASS x\r\nSTAT\r\nDELE 1\r\nQUIT\r\n")?;
//! let answers: Vec<String> = BufReader::new(client).lines().collect::<Result<_, _>>()?;
//! assert!(answers.iter().all(|answer| answer.starts_with("+OK")), "{answers:?}");
//!
//! assert!(server.wait_for_count("ann", 0));
//! # Ok::<(), mailroost_testkit::server::Error>(())
//! ```

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_rt::{ArbiterHandle, System};
use mailroost::{Security, Server, ServerHandle};
use mailroost_storage::{
    Directory, MaildropId, MaildropStore, MemoryStore, MessageId, Staging, UserName,
};

use crate::accounts::Accounts;
use crate::certificate::TestCertificate;
use crate::faults::{Changes, Fault, FaultyStore};
use crate::transcript::Settings;

/// How long [`TestServer::wait_for_count`] waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why something could not be done.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A server that runs on a thread of its own.
pub struct TestServer {
    parts: Parts,
    directory: MemoryStore,
    accounts: Arc<Accounts>,
    store: Arc<FaultyStore>,
    changes: Arc<Changes>,
    certificate: Arc<TestCertificate>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread hands out when it serves.
struct Parts {
    handle: ServerHandle,
    system: System,
    arbiter: ArbiterHandle,
}

/// A server to be.
#[derive(Default)]
pub struct TestServerBuilder {
    settings: Settings,
}

impl TestServer {
    /// A server with the manners of Exchange 2013, but passwords may travel in the clear. STLS
    /// is offered; whoever logs on for the first time has an account from then on.
    ///
    /// # Errors
    /// If no port can be bound or no certificate made.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// One that differs.
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::default()
            .set("login_type = plain_text_login")
            .expect("this is a setting")
    }

    /// Plaintext with STLS.
    pub fn address(&self) -> SocketAddr {
        self.parts.handle.addresses()[0]
    }

    /// Implicit TLS.
    pub fn tls_address(&self) -> SocketAddr {
        self.parts.handle.addresses()[1]
    }

    /// The certificate, PEM, for clients that want to check it.
    pub fn certificate(&self) -> PathBuf {
        self.certificate.file()
    }

    /// The server itself.
    pub fn handle(&self) -> &ServerHandle {
        &self.parts.handle
    }

    /// A user with this password; one that was there gets a new password.
    ///
    /// # Errors
    /// If it cannot be a user name.
    pub fn user(&self, name: &str, password: &str) -> Result<(), Error> {
        let name = UserName::new(name)?;
        self.accounts
            .make(&self.directory, name, password.as_bytes())?;
        Ok(())
    }

    /// Delivers a message; the maildrop is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be a user name, or a fault was planned.
    pub fn deliver(&self, user: &str, message: &[u8]) -> Result<MessageId, Error> {
        self.deliver_all(user, &[message])?
            .pop()
            .ok_or_else(|| "nothing was delivered".into())
    }

    /// Delivers messages, all or none.
    ///
    /// # Errors
    /// As [`TestServer::deliver`].
    pub fn deliver_all(&self, user: &str, messages: &[&[u8]]) -> Result<Vec<MessageId>, Error> {
        let maildrop = self.maildrop(user)?;
        let mut deliveries = Vec::new();
        for message in messages {
            let mut staged = self.store.stage(Staging::default())?;
            staged.write_all(message)?;
            deliveries.push(staged.finish()?);
        }
        let tree = self.parts.handle.tree().clone();
        let delivered = self.ask(async move || tree.deliver(maildrop, deliveries).await)?;
        Ok(delivered?)
    }

    /// The messages that a user has now, as RETR sends them.
    ///
    /// # Errors
    /// If it cannot be a user name.
    pub fn messages(&self, user: &str) -> Result<Vec<Vec<u8>>, Error> {
        let maildrop = self.maildrop(user)?;
        let tree = self.parts.handle.tree().clone();
        let contents = self.ask(async move || tree.contents(maildrop).await)??;
        let mut messages = Vec::new();
        for record in contents.messages.iter() {
            let mut octets = Vec::new();
            let body = contents.bodies.open(record.id)?;
            Reading(body).read_to_end(&mut octets)?;
            messages.push(octets);
        }
        Ok(messages)
    }

    /// Waits until a user has exactly so many messages; `false` if that does not come to pass
    /// in 20 seconds.
    pub fn wait_for_count(&self, user: &str, count: usize) -> bool {
        self.changes.wait_until(PATIENCE, || {
            self.messages(user)
                .is_ok_and(|messages| messages.len() == count)
        })
    }

    /// Makes the next delivery or removal fail.
    pub fn plan(&self, fault: Fault) {
        self.store.plan(fault);
    }

    fn maildrop(&self, user: &str) -> Result<MaildropId, Error> {
        let name = UserName::new(user)?;
        match self.directory.find(&name)? {
            Some(user) => Ok(user.maildrop),
            // No password is set yet: the first log-on does that.
            None => {
                let password_hash = None;
                let user = mailroost_storage::NewUser {
                    name,
                    password_hash,
                };
                Ok(self.directory.add(user)?.maildrop)
            }
        }
    }

    /// Does something on the server's thread and waits for it.
    fn ask<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.parts.arbiter.spawn_fn(move || {
            actix_rt::spawn(async move {
                // Whoever asked may have gone.
                let _ = answer.send(work().await);
            });
        });
        answered
            .recv()
            .map_err(|_| "the server's thread has ended".into())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let handle = self.parts.handle.clone();
        // Both fail only if the thread has ended already.
        let _ = self.ask(async move || handle.stop().await);
        self.parts.system.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl TestServerBuilder {
    /// A setting, as in the head of a transcript: `response_codes = on`.
    ///
    /// # Errors
    /// What was expected.
    pub fn set(mut self, setting: &str) -> Result<Self, String> {
        self.settings.set(setting)?;
        Ok(self)
    }

    /// Another profile: `exchange2007`, `exchange2010`, `exchange2013` or `rfc1939`.
    ///
    /// # Errors
    /// What was expected.
    pub fn profile(mut self, name: &str) -> Result<Self, String> {
        self.settings.profile(name)?;
        Ok(self)
    }

    /// Starts it; when this returns it serves.
    ///
    /// # Errors
    /// If no port can be bound or no certificate made.
    pub fn start(self) -> Result<TestServer, Error> {
        let certificate = Arc::new(TestCertificate::make()?);
        let directory = MemoryStore::new();
        let accounts = Arc::new(Accounts::on_demand(Arc::new(directory.clone())));
        let store = Arc::new(FaultyStore::new(Arc::new(directory.clone())));
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::builder()
            .maildrops(store.clone())
            .directory(Arc::new(directory.clone()))
            .passwords(accounts.clone())
            .policy(self.settings.policy())
            .tls(certificate.acceptor())
            .listen(any_port, Security::Stls)
            .listen(any_port, Security::ImplicitTls)
            .workers(0);
        let (started, start) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let runner = System::new();
            let result = runner.block_on(server.start()).map(|handle| Parts {
                handle,
                system: System::current(),
                arbiter: System::current().arbiter().clone(),
            });
            let serving = result.is_ok();
            // Whoever starts it waits for this.
            let _ = started.send(result);
            if serving {
                let _ = runner.run();
            }
        });
        let parts = start
            .recv()
            .map_err(|_| "the server's thread has ended")??;
        Ok(TestServer {
            parts,
            directory,
            accounts,
            changes: store.changes(),
            store,
            certificate,
            thread: Some(thread),
        })
    }
}

/// A body as something to read.
struct Reading(Box<dyn mailroost_storage::Body>);

impl std::io::Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer).map_err(std::io::Error::other)
    }
}
