//! A SASL mechanism of one's own, offered beside those that come with the server.
//!
//! ```text
//! cargo run --example own_mechanism
//! ```
//!
//! X-COUNTERSIGN asks for a name and then for that day's countersign, as a sentry does. Nothing of
//! the server is touched for it: the mechanism says what it needs, and CAPA, AUTH and the settings
//! follow. Here it is started on a port that the system chooses, a client logs on with it, and the
//! dialog is printed.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use mailroost::auth::{
    AuthError, Exchange, Link, Mechanism, Needs, PasswordSource, Plain, Progress,
};
use mailroost::protocol::{LoginType, Policy};
use mailroost::storage::MemoryStore;
use mailroost::{Security, Server};
use mailroost_testkit::client::Client;

fn main() -> Result<(), Box<dyn Error>> {
    actix_rt::System::new().block_on(run(&mut std::io::stdout()))
}

/// The mechanism: what it is called, what it needs, and how an exchange begins.
struct Countersign {
    of_the_day: &'static str,
}

impl Mechanism for Countersign {
    fn name(&self) -> &'static str {
        "X-COUNTERSIGN"
    }

    /// Whoever listens learns the countersign, so it goes where passwords may go.
    fn needs(&self) -> Needs {
        Needs {
            plaintext: true,
            ..Needs::default()
        }
    }

    fn start(&self, _link: &Link) -> Box<dyn Exchange> {
        Box::new(Challenge {
            of_the_day: self.of_the_day,
            stage: Stage::Silent,
        })
    }
}

/// One client, and how far it is.
struct Challenge {
    of_the_day: &'static str,
    stage: Stage,
}

enum Stage {
    Silent,
    AskedForName,
    AskedForCountersign { name: String },
}

impl Exchange for Challenge {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        match &self.stage {
            Stage::Silent => {
                self.stage = Stage::AskedForName;
                Progress::Challenge(b"who goes there?".to_vec())
            }
            Stage::AskedForName => match std::str::from_utf8(client) {
                Ok(name) => {
                    let name = name.to_owned();
                    self.stage = Stage::AskedForCountersign { name };
                    Progress::Challenge(b"advance and give the countersign".to_vec())
                }
                Err(_) => Progress::Failure(AuthError::Malformed("the name is not UTF-8")),
            },
            Stage::AskedForCountersign { name } => {
                if client != self.of_the_day.as_bytes() {
                    return Progress::Failure(AuthError::WrongPassword);
                }
                // The name is proven: the source says whose maildrop that is.
                match source.admit(name, None) {
                    Ok(identity) => Progress::Success(identity),
                    Err(error) => Progress::Failure(error),
                }
            }
        }
    }
}

/// Starts the server, logs on, and writes what was said.
pub async fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let policy = Policy {
        login_type: LoginType::PlainTextLogin,
        ..Policy::default()
    };
    let of_the_day = "heron";
    let server = Server::builder()
        .store(Arc::new(MemoryStore::new()))
        .policy(policy)
        .mechanisms(vec![Arc::new(Countersign { of_the_day }), Arc::new(Plain)])
        .listen(SocketAddr::from(([127, 0, 0, 1], 0)), Security::Stls)
        .start()
        .await?;
    server.add_user("ann", "unused").await?;
    let address = *server.addresses().first().ok_or("no listener")?;
    let mut client = Client::connect(address).await?;
    let greeting = client.line().await?;
    writeln!(out, "S: {}", String::from_utf8_lossy(&greeting).trim_end())?;
    for line in [
        "AUTH",
        "AUTH X-COUNTERSIGN",
        "YW5u",
        "aGVyb24=",
        "STAT",
        "QUIT",
    ] {
        writeln!(out, "C: {line}")?;
        writeln!(out, "S: {}", client.ask(line).await?.trim_end())?;
        if line == "AUTH" {
            let list = client.lines().await?;
            let list = String::from_utf8_lossy(&list).into_owned();
            list.lines()
                .try_for_each(|name| writeln!(out, "S: {name}"))?;
        }
    }
    server.stop().await;
    Ok(())
}
