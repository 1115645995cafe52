//! `message_retrieval_sort_order`, from the configuration to the wire (Exchange's
//! `MessageRetrievalSortOrder`): what is numbered from the newest down is the same mail.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::io::Result;
use std::sync::Arc;

use mailroost::storage::{MemoryStore, Staging};
use mailroost::{Config, Security, Server, ServerHandle};
use mailroost_testkit::client::Client;

fn config(more: &str) -> Config {
    let text = format!(
        "listener = []\nprotocol.login_type = \"plain_text_login\"\n\
         protocol.exact_rfc822_size = true\nauth.argon2_memory = 7168\nauth.argon2_passes = 1\n\
         {more}"
    );
    Config::parse("test", &text).unwrap()
}

/// Three messages of growing length; the second one has a unique-id from elsewhere.
async fn server(more: &str) -> ServerHandle {
    let server = Server::builder()
        .config(config(more))
        .store(Arc::new(MemoryStore::new()))
        .listen("127.0.0.1:0".parse().unwrap(), Security::Stls)
        .start()
        .await
        .unwrap();
    server.add_user("ann", "secret").await.unwrap();
    let carried = Staging {
        carried_unique_id: Some("carried".into()),
        ..Staging::default()
    };
    server.deliver("ann", &b"A: 1\r\n\r\n"[..]).await.unwrap();
    server
        .deliver_as("ann", carried, &b"A: 22\r\n\r\n"[..])
        .await
        .unwrap();
    server.deliver("ann", &b"A: 333\r\n\r\n"[..]).await.unwrap();
    server
}

/// Says the `C:` lines of a dialog and compares the `S:` lines.
async fn play(server: &ServerHandle, dialog: &str) -> Result<()> {
    let mut client = Client::connect(server.addresses()[0]).await?;
    assert!(client.line().await?.starts_with(b"+OK"));
    assert_eq!(client.ask("USER ann").await?, "+OK");
    assert!(client.ask("PASS secret").await?.starts_with("+OK"));
    for line in dialog
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (who, text) = line.split_once(':').unwrap();
        match (who, text.trim_start()) {
            ("C", said) => client.send_line(said).await?,
            (_, expected) => {
                let heard = String::from_utf8(client.line().await?).unwrap();
                assert_eq!(heard, expected, "in {dialog}");
            }
        }
    }
    Ok(())
}

fn run<F: Future<Output = Result<()>>>(work: F) {
    actix_rt::System::new().block_on(work).unwrap();
}

const ASCENDING: &str = "
    C: LIST
    S: +OK
    S: 1 8
    S: 2 9
    S: 3 10
    S: .
    C: UIDL
    S: +OK
    S: 1 1
    S: 2 carried
    S: 3 3
    S: .
";

const DESCENDING: &str = "
    C: STAT
    S: +OK 3 27
    C: LIST
    S: +OK
    S: 1 10
    S: 2 9
    S: 3 8
    S: .
    C: UIDL
    S: +OK
    S: 1 3
    S: 2 carried
    S: 3 1
    S: .
    C: UIDL 3
    S: +OK 3 1
    C: TOP 1 0
    S: +OK
    S: A: 333
    S:
    S: .
";

#[test]
fn ascending_is_the_default() {
    run(async {
        let server = server("").await;
        play(&server, ASCENDING).await?;
        server.stop().await;
        Ok(())
    });
}

#[test]
fn descending_numbers_from_the_newest_and_removes_what_was_marked() {
    run(async {
        let server = server("protocol.message_retrieval_sort_order = \"descending\"\n").await;
        play(&server, DESCENDING).await?;
        play(
            &server,
            "
            C: DELE 1
            S: +OK
            C: DELE 2
            S: +OK
            C: UIDL
            S: +OK
            S: 3 1
            S: .
            C: QUIT
            S: +OK Microsoft Exchange Server 2013 POP3 server signing off.
            ",
        )
        .await?;
        play(&server, "C: UIDL\nS: +OK\nS: 1 1\nS: .").await?;
        server.stop().await;
        Ok(())
    });
}

#[test]
fn a_reload_changes_the_order_for_new_sessions() {
    run(async {
        let server = server("").await;
        play(&server, ASCENDING).await?;
        let descending = "protocol.message_retrieval_sort_order = \"descending\"\n";
        let reloaded = server.reload(config(descending)).await.unwrap();
        assert!(reloaded.needs_restart.is_empty(), "{reloaded:?}");
        play(&server, DESCENDING).await?;
        server.stop().await;
        Ok(())
    });
}
