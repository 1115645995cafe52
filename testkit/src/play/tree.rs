//! The player against the actors: over TCP and TLS, or, where the clock has to be moved, over a
//! pipe on a paused clock. It can also play against a server that somebody else runs.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;

use super::beats::{Beat, Exchange, beats};
use super::ear::Ear;
use super::scene::Scene;
use super::{Chunking, Difference, Failure, Played};
use crate::certificate::TestCertificate;
use crate::client::{Client, Turn};
use crate::dialog::Dialog;
use crate::expect::UniqueIds;
use crate::faults::Fault;
use crate::transcript::{Action, Direction, Tls, Transcript};

/// What a TLS record of an alert begins with: a server that is given nonsense for a handshake
/// may say so in TLS's own way before it closes.
const ALERT: &[u8] = &[0x15, 0x03];

/// Plays a transcript on a tree of its own, in an `actix::System` of its own.
///
/// # Errors
/// Where it went otherwise than written.
pub fn play(
    transcript: &Transcript,
    chunking: Chunking,
    certificate: &TestCertificate,
) -> Result<Played, Box<Failure>> {
    actix_rt::System::new()
        .block_on(perform(transcript, chunking, certificate))
        .0
}

/// The same in the current `actix::System`, which has to be on this thread alone. Returns how it
/// went, and what was said.
pub async fn perform(
    transcript: &Transcript,
    chunking: Chunking,
    certificate: &TestCertificate,
) -> (Result<Played, Box<Failure>>, Dialog) {
    let pipes = transcript
        .steps
        .iter()
        .any(|step| matches!(step.action, Action::Direct(Direction::Timer(_))));
    let (how, played) = if pipes {
        tokio::time::pause();
        (format!("over a pipe, {chunking:?}"), Played::OverPipe)
    } else {
        (format!("over TCP, {chunking:?}"), Played::OverTcp)
    };
    let performed = match Scene::set(&transcript.stage, certificate, pipes).await {
        Ok(scene) => {
            let mut player = Player::new(Where::Scene(Box::new(scene)), chunking);
            let result = player.play(transcript).await;
            if let Where::Scene(scene) = &player.whereabouts {
                scene.strike().await;
            }
            told(result, played, transcript, how, player.dialog)
        }
        Err(why) => {
            let unset = Difference::new(1, format!("the stage cannot be set: {why}"));
            told(Err(unset), played, transcript, how, Dialog::default())
        }
    };
    if pipes {
        tokio::time::resume();
    }
    performed
}

fn told(
    result: Result<Option<usize>, Difference>,
    played: Played,
    transcript: &Transcript,
    how: String,
    dialog: Dialog,
) -> (Result<Played, Box<Failure>>, Dialog) {
    let result = match result {
        Ok(None) => Ok(played),
        Ok(Some(line)) => Ok(Played::Cannot { line }),
        Err(difference) => Err(Box::new(difference.into_failure(
            transcript,
            how,
            dialog.clone(),
        ))),
    };
    (result, dialog)
}

/// Plays a transcript against a server that is there already and has the users and messages of
/// the head. Returns how it went, and what was said.
pub async fn play_against(
    address: SocketAddr,
    transcript: &Transcript,
    chunking: Chunking,
) -> (Result<Played, Box<Failure>>, Dialog) {
    let tls = transcript.stage.tls == Tls::Implicit;
    let mut player = Player::new(Where::Address { address, tls }, chunking);
    let result = player.play(transcript).await;
    let how = format!("against {address}, {chunking:?}");
    told(result, Played::OverTcp, transcript, how, player.dialog)
}

enum Where {
    Scene(Box<Scene>),
    Address { address: SocketAddr, tls: bool },
}

struct Player {
    whereabouts: Where,
    chunking: Chunking,
    connections: BTreeMap<u8, Connection>,
    ids: UniqueIds,
    dialog: Dialog,
}

struct Connection {
    client: Client,
    ear: Ear,
    ended: bool,
}

impl Player {
    fn new(whereabouts: Where, chunking: Chunking) -> Self {
        Self {
            whereabouts,
            chunking,
            connections: BTreeMap::new(),
            ids: UniqueIds::default(),
            dialog: Dialog::default(),
        }
    }

    /// `Some` is the line of a direction that cannot be done here.
    async fn play(&mut self, transcript: &Transcript) -> Result<Option<usize>, Difference> {
        for beat in beats(&transcript.steps, self.chunking) {
            match beat {
                Beat::Exchange(exchange) => self.exchange(&exchange).await?,
                Beat::Direct(line, direction) => {
                    self.dialog.event(direction.to_string());
                    if !self.direct(line, direction).await? {
                        return Ok(Some(line));
                    }
                }
            }
        }
        let last = transcript.steps.last().map_or(0, |step| step.line);
        let numbers: Vec<u8> = self.connections.keys().copied().collect();
        for number in numbers {
            self.connection(number, last).await?.client.finish().await;
            self.closed(number, last).await?;
        }
        Ok(None)
    }

    async fn exchange(&mut self, exchange: &Exchange<'_>) -> Result<(), Difference> {
        let Exchange {
            line, connection, ..
        } = *exchange;
        self.connection(connection, line).await?;
        let to = self
            .connections
            .get_mut(&connection)
            .expect("it was connected");
        to.ear.expect(&exchange.expects);
        let mut writes = exchange.writes(self.chunking).into_iter();
        let mut outgoing = Vec::new();
        loop {
            if outgoing.is_empty() {
                outgoing = writes.next().unwrap_or_default();
                self.dialog.client(connection, &outgoing);
            }
            if to.ear.settle(&mut self.ids, to.ended)? && outgoing.is_empty() {
                return Ok(());
            }
            match to.client.turn(&outgoing).await {
                Ok(Turn::Heard) => {
                    let heard = to.client.take_heard();
                    self.dialog.server(connection, &heard);
                    to.ear.hear(&heard);
                }
                Ok(Turn::Written(octets)) => {
                    outgoing.drain(..octets);
                }
                Ok(Turn::Ended) => {
                    to.ended = true;
                    to.ear.settle(&mut self.ids, true)?;
                    return Ok(());
                }
                // It closed for writing; what it still says comes first.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    outgoing.clear();
                    writes = Vec::new().into_iter();
                }
                Err(error) => return Err(to.ear.missing(line, &error.to_string())),
            }
        }
    }

    /// `false` if it cannot be done here.
    async fn direct(&mut self, line: usize, direction: &Direction) -> Result<bool, Difference> {
        match direction {
            Direction::Tls(number) => {
                let connection = self.connection(*number, line).await?;
                connection.ear.silent(line)?;
                if let Err(error) = connection.client.start_tls().await {
                    return Err(Difference::new(line, format!("the handshake: {error}")));
                }
                return Ok(true);
            }
            Direction::Cut(number) => {
                self.connection(*number, line).await?.client.finish().await;
                self.closed(*number, line).await?;
                return Ok(true);
            }
            Direction::Closed(number) => {
                self.closed(*number, line).await?;
                return Ok(true);
            }
            _ => {}
        }
        let Where::Scene(scene) = &mut self.whereabouts else {
            return Ok(false);
        };
        let done = match direction {
            Direction::Timer(span) => {
                tokio::time::advance(*span).await;
                Ok(())
            }
            Direction::Deliver(name) => scene.deliver(name).await,
            Direction::RemovedElsewhere(nth) => scene.remove_elsewhere(*nth).await,
            Direction::Undelete(nth) => scene.undelete(*nth).await,
            Direction::KillMailbox => {
                scene.plan(Fault::Panic);
                Ok(())
            }
            Direction::FailStore => {
                scene.plan(Fault::Refuse);
                Ok(())
            }
            Direction::Shutdown => {
                scene.drain();
                Ok(())
            }
            Direction::Tls(_) | Direction::Cut(_) | Direction::Closed(_) => Ok(()),
        };
        done.map(|()| true)
            .map_err(|why| Difference::new(line, why.to_string()))
    }

    /// Waits for the close; nothing but what is awaited may come before it.
    async fn closed(&mut self, number: u8, line: usize) -> Result<(), Difference> {
        let Some(mut connection) = self.connections.remove(&number) else {
            return Err(Difference::new(line, "there is no such connection"));
        };
        let rest = connection.client.rest().await;
        let rest = rest.map_err(|error| {
            let why = format!("the server did not close ({error})");
            connection.ear.missing(line, &why)
        })?;
        if !rest.starts_with(ALERT) {
            self.dialog.server(number, &rest);
            connection.ear.hear(&rest);
        }
        connection.ear.settle(&mut self.ids, true)?;
        connection.ear.silent(line)
    }

    /// The connection, made now if it was not there.
    async fn connection(&mut self, number: u8, line: usize) -> Result<&mut Connection, Difference> {
        if !self.connections.contains_key(&number) {
            let client = match &self.whereabouts {
                Where::Scene(scene) => scene.connect().await.map_err(|why| why.to_string()),
                Where::Address { address, tls } => {
                    connect(*address, *tls).await.map_err(|why| why.to_string())
                }
            };
            let client = client.map_err(|why| Difference::new(line, why))?;
            let connection = Connection {
                client,
                ear: Ear::default(),
                ended: false,
            };
            self.connections.insert(number, connection);
        }
        Ok(self
            .connections
            .get_mut(&number)
            .expect("it was inserted if it was not there"))
    }
}

async fn connect(address: SocketAddr, tls: bool) -> std::io::Result<Client> {
    let mut client = Client::connect(address).await?;
    if tls {
        client.start_tls().await?;
    }
    Ok(client)
}
