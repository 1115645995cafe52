//! Several sessions on one maildrop, over TCP (MS-STANXPOP3 C0004, V0006): each keeps the view
//! that it logged on with, and only what was marked in a session that said QUIT is ever removed.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Result;

use mailroost_testkit::client::Client;
use mailroost_testkit::faults::Fault;
use mailroost_testkit::seed::Seed;
use mailroost_testkit::server::TestServer;

/// Dialogs of chance, and steps in each.
const ROUNDS: u64 = 12;
const STEPS: usize = 60;

fn message(name: &str) -> Vec<u8> {
    format!("Subject: {name}\r\n\r\n.{name}\r\n").into_bytes()
}

fn as_sent(name: &str) -> Vec<u8> {
    format!("Subject: {name}\r\n\r\n..{name}\r\n").into_bytes()
}

fn run<F: Future<Output = Result<()>>>(work: F) {
    actix_rt::System::new().block_on(work).unwrap();
}

async fn log_on(server: &TestServer) -> Result<Client> {
    let mut client = Client::connect(server.address()).await?;
    assert!(client.line().await?.starts_with(b"+OK"));
    assert_eq!(client.ask("USER ann").await?, "+OK");
    assert!(client.ask("PASS secret").await?.starts_with("+OK"));
    Ok(client)
}

async fn unique_ids(client: &mut Client) -> Result<Vec<(u32, String)>> {
    assert_eq!(client.ask("UIDL").await?, "+OK");
    let lines = String::from_utf8(client.lines().await?).unwrap();
    let entries = lines.lines().map(|line| {
        let (number, id) = line.split_once(' ').unwrap();
        (number.parse().unwrap(), id.to_owned())
    });
    Ok(entries.collect())
}

fn server_with(names: &[&str]) -> TestServer {
    let server = TestServer::start().unwrap();
    for name in names {
        server.deliver("ann", &message(name)).unwrap();
    }
    server
}

#[test]
fn what_one_removes_is_an_error_in_the_other_and_numbering_stays() {
    run(async {
        let server = server_with(&["one", "two", "three"]);
        let mut first = log_on(&server).await?;
        let mut second = log_on(&server).await?;
        let before = unique_ids(&mut second).await?;
        assert!(first.ask("DELE 2").await?.starts_with("+OK"));
        assert!(first.ask("QUIT").await?.starts_with("+OK"));

        assert!(second.ask("RETR 2").await?.starts_with("-ERR"));
        assert!(second.ask("TOP 2 0").await?.starts_with("-ERR"));
        assert_eq!(unique_ids(&mut second).await?, before);
        assert!(second.ask("STAT").await?.starts_with("+OK 3 "));
        assert!(second.ask("RETR 3").await?.starts_with("+OK"));
        assert_eq!(second.lines().await?, as_sent("three"));
        // It is gone, as asked.
        assert!(second.ask("DELE 2").await?.starts_with("+OK"));
        assert!(second.ask("QUIT").await?.starts_with("+OK"));
        assert_eq!(server.messages("ann").unwrap().len(), 2);
        Ok(())
    });
}

#[test]
fn what_arrives_is_seen_by_the_next_session_only() {
    run(async {
        let server = server_with(&["one"]);
        let mut early = log_on(&server).await?;
        server.deliver("ann", &message("two")).unwrap();
        assert!(early.ask("STAT").await?.starts_with("+OK 1 "));
        assert!(early.ask("RETR 2").await?.starts_with("-ERR"));
        assert!(early.ask("RSET").await?.starts_with("+OK"));
        assert!(early.ask("STAT").await?.starts_with("+OK 1 "));
        let mut late = log_on(&server).await?;
        assert!(late.ask("STAT").await?.starts_with("+OK 2 "));
        Ok(())
    });
}

#[test]
fn both_may_mark_the_same_message() {
    run(async {
        let server = server_with(&["one", "two"]);
        let mut first = log_on(&server).await?;
        let mut second = log_on(&server).await?;
        for client in [&mut first, &mut second] {
            assert!(client.ask("DELE 1").await?.starts_with("+OK"));
        }
        for client in [&mut first, &mut second] {
            assert!(client.ask("QUIT").await?.starts_with("+OK"));
        }
        assert_eq!(server.messages("ann").unwrap(), [message("two")]);
        Ok(())
    });
}

#[test]
fn quit_removes_all_marks_or_none() {
    run(async {
        let server = server_with(&["one", "two", "three"]);
        let mut client = log_on(&server).await?;
        for number in [1, 3] {
            assert!(
                client
                    .ask(&format!("DELE {number}"))
                    .await?
                    .starts_with("+OK")
            );
        }
        server.plan(Fault::Refuse);
        assert!(client.ask("QUIT").await?.starts_with("-ERR"));
        assert_eq!(client.rest().await?, b"");
        assert_eq!(server.messages("ann").unwrap().len(), 3);
        Ok(())
    });
}

#[test]
fn a_connection_that_is_cut_removes_nothing() {
    run(async {
        let server = server_with(&["one", "two"]);
        let mut client = log_on(&server).await?;
        assert!(client.ask("DELE 1").await?.starts_with("+OK"));
        drop(client);
        // QUIT without its line end, and then the end of the connection.
        let mut client = log_on(&server).await?;
        assert!(client.ask("DELE 1").await?.starts_with("+OK"));
        client.send(b"QUIT\r").await?;
        client.finish().await;
        assert_eq!(client.rest().await?, b"");
        assert_eq!(server.messages("ann").unwrap().len(), 2);
        Ok(())
    });
}

/// What a session must see, and what it has marked.
struct Expected {
    client: Client,
    /// Unique-id and name, by number.
    view: BTreeMap<u32, (String, String)>,
    marked: BTreeSet<u32>,
}

/// The maildrop as it must be: unique-ids and names in order.
#[derive(Default)]
struct Model {
    live: BTreeMap<u64, String>,
    delivered: usize,
}

impl Model {
    fn deliver(&mut self, server: &TestServer) {
        self.delivered += 1;
        let name = format!("message-{}", self.delivered);
        let id = server.deliver("ann", &message(&name)).unwrap();
        let highest = self
            .live
            .last_key_value()
            .map_or(0, |(highest, _)| *highest);
        assert!(id.0 > highest, "unique-ids grow");
        self.live.insert(id.0, name);
    }

    async fn log_on(&self, server: &TestServer) -> Result<Expected> {
        let mut client = log_on(server).await?;
        let view: BTreeMap<u32, _> = (1..)
            .zip(&self.live)
            .map(|(number, (id, name))| (number, (id.to_string(), name.clone())))
            .collect();
        let seen = unique_ids(&mut client).await?;
        let expected: Vec<_> = view
            .iter()
            .map(|(number, (id, _))| (*number, id.clone()))
            .collect();
        assert_eq!(seen, expected);
        let marked = BTreeSet::new();
        Ok(Expected {
            client,
            view,
            marked,
        })
    }

    fn lives(&self, id: &str) -> bool {
        self.live.contains_key(&id.parse().unwrap())
    }

    async fn quit(&mut self, mut session: Expected) -> Result<()> {
        assert!(session.client.ask("QUIT").await?.starts_with("+OK"));
        for number in &session.marked {
            self.live.remove(&session.view[number].0.parse().unwrap());
        }
        Ok(())
    }
}

impl Expected {
    async fn step(&mut self, model: &Model, seed: &mut Seed) -> Result<()> {
        // One more than there are, now and then.
        let number = 1 + seed.below(self.view.len() + 1) as u32;
        let known = self
            .view
            .get(&number)
            .filter(|_| !self.marked.contains(&number));
        match seed.below(5) {
            0 => {
                let answer = self.client.ask(&format!("DELE {number}")).await?;
                assert_eq!(answer.starts_with("+OK"), known.is_some(), "DELE: {answer}");
                if known.is_some() {
                    self.marked.insert(number);
                }
            }
            1 => {
                assert!(self.client.ask("RSET").await?.starts_with("+OK"));
                self.marked.clear();
            }
            2 => {
                let left = self.view.len() - self.marked.len();
                let answer = self.client.ask("STAT").await?;
                assert!(
                    answer.starts_with(&format!("+OK {left} ")),
                    "STAT: {answer}"
                );
            }
            3 => {
                let seen = unique_ids(&mut self.client).await?;
                let unmarked = self.view.iter().filter(|(n, _)| !self.marked.contains(n));
                let expected: Vec<_> = unmarked.map(|(n, (id, _))| (*n, id.clone())).collect();
                assert_eq!(seen, expected);
            }
            _ => {
                let answer = self.client.ask(&format!("RETR {number}")).await?;
                let there = known.filter(|(id, _)| model.lives(id));
                assert_eq!(answer.starts_with("+OK"), there.is_some(), "RETR: {answer}");
                if let Some((_, name)) = there {
                    assert_eq!(self.client.lines().await?, as_sent(name));
                }
            }
        }
        Ok(())
    }
}

async fn play_by_chance(seed: u64) -> Result<()> {
    let mut seed = Seed::new(seed);
    let server = TestServer::start().unwrap();
    let mut model = Model::default();
    for _ in 0..seed.below(5) {
        model.deliver(&server);
    }
    let mut sessions: Vec<Expected> = Vec::new();
    for _ in 0..STEPS {
        let which = seed.below(sessions.len());
        match seed.below(12) {
            0 if sessions.len() < 4 => sessions.push(model.log_on(&server).await?),
            1 => model.deliver(&server),
            2 if !sessions.is_empty() => model.quit(sessions.remove(which)).await?,
            // Cut: nothing is removed.
            3 if !sessions.is_empty() => drop(sessions.remove(which)),
            _ if !sessions.is_empty() => sessions[which].step(&model, &mut seed).await?,
            _ => sessions.push(model.log_on(&server).await?),
        }
    }
    drop(sessions);
    let left = server.messages("ann").unwrap();
    let expected: Vec<_> = model.live.values().map(|name| message(name)).collect();
    assert_eq!(left, expected);
    Ok(())
}

#[test]
fn random_sessions_never_remove_what_was_not_marked() {
    run(async {
        for seed in 1..=ROUNDS {
            println!("seed {seed}");
            play_by_chance(seed).await?;
        }
        Ok(())
    });
}
