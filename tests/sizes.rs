//! Sizes over a store on a disk (MS-STANXPOP3 2.1.4, 2.1.5): what a message occupies there, as
//! the file system counts it, or the octets that RETR sends; STAT is their sum.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::collections::BTreeMap;
use std::io::Result;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use mailroost::storage::{MaildropStore, SledStore, SledStoreOptions};
use mailroost::{Config, Security, Server, ServerHandle};
use mailroost_testkit::client::Client;
use mailroost_testkit::corpus;

/// What the file system counts in (stat(2), `st_blocks`).
const BLOCK_OCTETS: u64 = 512;

/// A server over a store in `folder`, with the corpus in the maildrop of ann.
async fn server(folder: &Path, exact: bool) -> (ServerHandle, Arc<SledStore>) {
    let text = format!(
        "listener = []\nprotocol.login_type = \"plain_text_login\"\n\
         protocol.exact_rfc822_size = {exact}\nauth.argon2_memory = 7168\nauth.argon2_passes = 1\n"
    );
    let store = Arc::new(SledStore::open(folder, SledStoreOptions::default()).unwrap());
    let server = Server::builder()
        .config(Config::parse("test", &text).unwrap())
        .store(store.clone())
        .listen("127.0.0.1:0".parse().unwrap(), Security::Stls)
        .start()
        .await
        .unwrap();
    server.add_user("ann", "secret").await.unwrap();
    for message in corpus::small().into_iter().chain(corpus::large()) {
        let octets = std::io::Cursor::new(message.delivered);
        server.deliver("ann", octets).await.unwrap();
    }
    (server, store)
}

async fn log_on(server: &ServerHandle) -> Result<Client> {
    let mut client = Client::connect(server.addresses()[0]).await?;
    assert!(client.line().await?.starts_with(b"+OK"));
    assert_eq!(client.ask("USER ann").await?, "+OK");
    assert!(client.ask("PASS secret").await?.starts_with("+OK"));
    Ok(client)
}

/// The pairs of a listing, or of one line.
fn pairs(lines: &[u8]) -> Vec<(u64, u64)> {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    lines
        .map(|line| {
            let (number, value) = line.split_once(' ').unwrap();
            (number.parse().unwrap(), value.parse().unwrap())
        })
        .collect()
}

async fn listing(client: &mut Client, command: &str) -> Result<Vec<(u64, u64)>> {
    assert_eq!(client.ask(command).await?, "+OK");
    Ok(pairs(&client.lines().await?))
}

/// LIST, and that LIST of each message and STAT say the same.
async fn sizes(client: &mut Client) -> Result<Vec<(u64, u64)>> {
    let sizes = listing(client, "LIST").await?;
    for (number, octets) in &sizes {
        let reply = client.ask(&format!("LIST {number}")).await?;
        assert_eq!(reply, format!("+OK {number} {octets}"));
    }
    let sum: u64 = sizes.iter().map(|(_, octets)| octets).sum();
    let stat = client.ask("STAT").await?;
    assert_eq!(stat, format!("+OK {} {sum}", sizes.len()));
    Ok(sizes)
}

/// What the files of the messages occupy, by unique-id, which is the name of the file.
fn occupied(folder: &Path) -> BTreeMap<u64, u64> {
    let entries = |folder: &Path| {
        let entries: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        entries
    };
    let fans = entries(&folder.join("bodies"));
    let maildrops = fans.iter().flat_map(|fan| entries(&fan.path()));
    let files = maildrops.flat_map(|maildrop| entries(&maildrop.path()));
    files
        .filter_map(|file| {
            let id = file.file_name().to_str()?.parse().ok()?;
            Some((id, file.metadata().unwrap().blocks() * BLOCK_OCTETS))
        })
        .collect()
}

/// The octets that RETR sends of each message, transparency undone.
async fn sent(client: &mut Client, messages: usize) -> Result<Vec<(u64, u64)>> {
    let mut sent = Vec::new();
    for number in 1..=messages as u64 {
        assert!(
            client
                .ask(&format!("RETR {number}"))
                .await?
                .starts_with("+OK")
        );
        let octets = client.lines().await?;
        let stuffed = u64::from(octets.starts_with(b"."))
            + octets.windows(3).filter(|part| part == b"\r\n.").count() as u64;
        // A bare LF or CR never stands in what is sent.
        sent.push((number, octets.len() as u64 - stuffed));
    }
    Ok(sent)
}

async fn close(server: ServerHandle, store: Arc<SledStore>) {
    server.stop().await;
    store.close().unwrap();
}

fn run<F: Future<Output = Result<()>>>(work: F) {
    actix_rt::System::new().block_on(work).unwrap();
}

#[test]
fn stored_sizes_are_what_the_files_occupy() {
    run(async {
        let folder = tempfile::tempdir()?;
        let (server, store) = server(folder.path(), false).await;
        let mut client = log_on(&server).await?;
        let sizes = sizes(&mut client).await?;
        let unique_ids = listing(&mut client, "UIDL").await?;
        let occupied = occupied(folder.path());
        assert_eq!(sizes.len(), occupied.len());
        for ((number, octets), (_, id)) in sizes.iter().zip(&unique_ids) {
            assert_eq!(occupied[id], *octets, "message {number}");
        }
        // They are no more than measured: a file system gives whole blocks.
        assert!(sizes.iter().all(|(_, octets)| octets % BLOCK_OCTETS == 0));
        assert_ne!(sizes, sent(&mut client, sizes.len()).await?);
        close(server, store).await;
        Ok(())
    });
}

#[test]
fn exact_sizes_are_the_octets_that_retr_sends() {
    run(async {
        let folder = tempfile::tempdir()?;
        let (server, store) = server(folder.path(), true).await;
        let mut client = log_on(&server).await?;
        let sizes = sizes(&mut client).await?;
        assert_eq!(sizes, sent(&mut client, sizes.len()).await?);
        let expected: Vec<u64> = corpus::small()
            .iter()
            .chain(&corpus::large())
            .map(|message| corpus::Form::of(&message.delivered).exact().len() as u64)
            .collect();
        let octets: Vec<u64> = sizes.iter().map(|(_, octets)| *octets).collect();
        assert_eq!(octets, expected);
        close(server, store).await;
        Ok(())
    });
}

#[test]
fn an_override_of_a_user_counts_when_the_defaults_are_not_used() {
    run(async {
        let folder = tempfile::tempdir()?;
        let (server, store) = server(folder.path(), false).await;
        let set = |use_protocol_defaults, exact_rfc822_size| {
            let (server, directory) = (server.clone(), server.directory().clone());
            async move {
                let mut user = server.user("ann").await.unwrap();
                user.use_protocol_defaults = use_protocol_defaults;
                user.exact_rfc822_size = exact_rfc822_size;
                directory.update(&user).unwrap();
            }
        };
        let stored = sizes(&mut log_on(&server).await?).await?;
        set(true, Some(true)).await;
        assert_eq!(sizes(&mut log_on(&server).await?).await?, stored);
        set(false, None).await;
        assert_eq!(sizes(&mut log_on(&server).await?).await?, stored);
        set(false, Some(true)).await;
        let mut client = log_on(&server).await?;
        let exact = sizes(&mut client).await?;
        assert_eq!(exact, sent(&mut client, exact.len()).await?);
        assert_ne!(exact, stored);
        close(server, store).await;
        Ok(())
    });
}
