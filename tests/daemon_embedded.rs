//! The server inside another actix program.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use std::sync::Arc;

use actix::System;
use daemon_program::Pop3;
use mailroost::actors::Ended;
use mailroost::storage::{MemoryStore, StoreErrorKind};
use mailroost::{Config, Security, Server, ServerError, ServerHandle};

fn config(more: &str) -> Config {
    let text = format!(
        "listener = []\nprotocol.login_type = \"plain_text_login\"\n\
         auth.argon2_memory = 7168\nauth.argon2_passes = 1\n{more}"
    );
    Config::parse("test", &text).unwrap()
}

async fn start(more: &str) -> ServerHandle {
    let server = Server::builder()
        .config(config(more))
        .store(Arc::new(MemoryStore::new()))
        .listen("127.0.0.1:0".parse().unwrap(), Security::Stls)
        .listen("[::1]:0".parse().unwrap(), Security::Stls)
        .start()
        .await
        .unwrap();
    server.add_user("ann", "secret").await.unwrap();
    server
}

/// What a client does blocks; it must not stop the System.
async fn client<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    actix_rt::task::spawn_blocking(work).await.unwrap()
}

#[test]
fn mail_goes_in_by_the_handle_and_out_by_pop3() {
    System::new().block_on(async {
        let server = start("").await;
        let addresses = server.addresses().to_vec();
        assert!(addresses[0].is_ipv4() && addresses[1].is_ipv6());
        assert!(addresses.iter().all(|address| address.port() != 0));

        let id = server
            .deliver("Ann", &b"Subject: x\n\nbody\n"[..])
            .await
            .unwrap();
        let replies = client(move || {
            let mut session = Pop3::connect(addresses[1]);
            assert!(session.log_on("ann", "secret"));
            let replies = [
                session.ask("UIDL 1"),
                session.ask("DELE 1"),
                session.ask("QUIT"),
            ];
            assert!(
                replies.iter().all(|reply| reply.starts_with("+OK")),
                "{replies:?}"
            );
            replies
        })
        .await;
        assert_eq!(replies[0], format!("+OK 1 {id}"));
        assert!(server.contents("ann").await.unwrap().messages.is_empty());
        server.stop().await;
        assert_eq!(server.ended().await, Ended::Stopped);
    });
}

#[test]
fn draining_frees_the_ports_and_the_system_goes_on() {
    System::new().block_on(async {
        let server = start("").await;
        let address = server.addresses()[0];
        let (mut session, server) = client(move || (Pop3::connect(address), server)).await;
        server.drain().await;
        let notice = client(move || {
            let notice = session.line();
            assert!(session.ends());
            notice
        });
        assert!(notice.await.starts_with("-ERR"));
        std::net::TcpListener::bind(address).unwrap();
        assert_eq!(server.ended().await, Ended::Stopped);
        // Another one can be started in the same System.
        start("").await.stop().await;
    });
}

#[test]
fn errors_say_who_is_to_blame() {
    System::new().block_on(async {
        let server = start("limits.max_message_size = 10").await;
        let error = server.deliver("nobody", &b""[..]).await.unwrap_err();
        assert!(matches!(&error, ServerError::NoSuchUser(name) if name == "nobody"), "{error}");
        let error = server.deliver("ann", &b"more than ten octets"[..]).await.unwrap_err();
        assert!(
            matches!(&error, ServerError::Store(error) if error.kind() == StoreErrorKind::Invalid),
            "{error}"
        );
        let error = server.add_user("ANN", "x").await.unwrap_err();
        assert!(
            matches!(&error, ServerError::Store(error) if error.kind() == StoreErrorKind::Duplicate),
            "{error}"
        );
        assert!(matches!(server.user("a b").await.unwrap_err(), ServerError::UserName(_)));
        server.stop().await;
    });
}

#[test]
fn a_new_configuration_is_for_new_sessions() {
    System::new().block_on(async {
        let server = start("").await;
        let address = server.addresses()[0];
        let old = client(move || Pop3::connect(address)).await;
        let new = config("protocol.texts.signing_off = \"bye\"\nlimits.mailbox_idle = 5");
        let reloaded = server.reload(new).await.unwrap();
        assert_eq!(reloaded.needs_restart, ["limits"]);
        let goodbyes = client(move || {
            let mut sessions = [old, Pop3::connect(address)];
            sessions.each_mut().map(|session| session.ask("QUIT"))
        });
        let [old, new] = goodbyes.await;
        assert_ne!(old, "+OK bye");
        assert_eq!(new, "+OK bye");
        server.stop().await;
    });
}

#[test]
fn the_tree_can_be_looked_at() {
    System::new().block_on(async {
        let server = start("").await;
        let tree = server.census().await;
        fn names(node: &mailroost::actors::Node) -> Vec<String> {
            let mut all = vec![node.name.clone()];
            all.extend(node.children.iter().flat_map(names));
            all
        }
        let names = names(&tree);
        for address in server.addresses() {
            let listener = format!("ListenerActor {address}");
            assert!(names.contains(&listener), "{listener} is not in {names:?}");
        }
        server.stop().await;
    });
}

/// The signals that this process has a handler for, as the kernel shows them.
fn caught_signals() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find(|line| line.starts_with("SigCgt:"))
        .unwrap()
        .to_owned()
}

#[test]
fn no_signal_handler_is_installed() {
    let before = caught_signals();
    System::new().block_on(async {
        let server = start("").await;
        server.deliver("ann", &b"Subject: x\n\n"[..]).await.unwrap();
        server.stop().await;
    });
    assert_eq!(caught_signals(), before);
}
