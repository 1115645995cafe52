//! New certificates in a server that runs, and what it does for them day by day.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod tls;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::System;
use mailroost::{Config, ServerError};
use tempfile::TempDir;
use tls::authority::{Authority, Kind};
use tls::{Encrypted, Plain, client, config, keys, listener, server, start};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A configuration with a certificate of this name.
fn with_certificate(folder: &Path, name: &str, days: u32) -> Config {
    let authority = Authority::new();
    let issued = authority.issue_for_days(&[name], Kind::P256, days);
    let files = authority.write(folder, name, &issued);
    with_files(&keys(&files))
}

fn with_files(keys: &str) -> Config {
    let listeners = format!("{}{}", listener("stls"), listener("implicit_tls"));
    config("", &format!("[tls]\n{keys}{listeners}"))
}

fn name(session: &Encrypted) -> String {
    let certificate = session.certificate();
    let mut names = certificate.subject_name().entries();
    names.next().unwrap().data().to_string().unwrap()
}

#[test]
fn sessions_go_on_through_a_reload_and_a_bad_certificate_changes_nothing() {
    System::new().block_on(async {
        let folder: TempDir = tempfile::tempdir().unwrap();
        let server = start(with_certificate(folder.path(), "first.test", 90)).await;
        server.add_user("ann", "secret").await.unwrap();
        server
            .deliver("ann", &b"Subject: hello\r\n\r\nworld\r\n"[..])
            .await
            .unwrap();
        let (stls, implicit) = (server.addresses()[0], server.addresses()[1]);
        let (mut logged_on, plain) = client(move || {
            let mut session = Encrypted::connect(implicit);
            session.ask("USER ann");
            assert!(session.ask("PASS secret").starts_with("+OK"));
            (session, Plain::connect(stls))
        })
        .await;

        let second = with_certificate(folder.path(), "second.test", 90);
        let reloaded = server.reload(second.clone()).await.unwrap();
        assert_eq!(reloaded.needs_restart, [""; 0]);
        let (mut logged_on, mut late) = client(move || {
            assert_eq!(name(&logged_on), "first.test");
            assert!(logged_on.ask("DELE 1").starts_with("+OK"));
            // It began before, but its handshake comes after.
            let late = plain.encrypt();
            assert_eq!(name(&late), "second.test");
            assert_eq!(name(&Encrypted::connect(implicit)), "second.test");
            (logged_on, late)
        })
        .await;

        let certificate = folder.path().join("second.test.pem");
        let key = folder.path().join("second.test-key.pem");
        let other_key = folder.path().join("first.test-key.pem");
        let refused = with_files_unchecked(&second, &certificate, &other_key);
        let error = server.reload(refused).await.unwrap_err();
        assert!(matches!(error, ServerError::Reload(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains(&other_key.display().to_string()), "{text}");
        std::fs::write(&key, "half a key").unwrap();
        let error = server.reload(second).await.unwrap_err().to_string();
        assert!(
            error.contains("second.test-key.pem holds no private key"),
            "{error}"
        );

        client(move || {
            assert_eq!(name(&Encrypted::connect(implicit)), "second.test");
            assert!(late.ask("CAPA").starts_with("+OK"));
            assert!(logged_on.ask("QUIT").starts_with("+OK"));
        })
        .await;
        let left = server.contents("ann").await.unwrap();
        assert!(left.messages.is_empty());
        server.stop().await;
    });
}

/// The same with other files, that nobody has looked at yet.
fn with_files_unchecked(config: &Config, certificate: &Path, key: &Path) -> Config {
    let mut config = config.clone();
    config.tls.certificate = Some(certificate.to_owned());
    config.tls.key = Some(key.to_owned());
    config
}

/// A log in memory, a JSON object per line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn logger(&self) -> slog::Logger {
        let drain = Mutex::new(slog_json::Json::default(self.clone()));
        slog::Logger::root(slog::Fuse(drain), slog::o!())
    }

    /// How many lines there are with all of these in them.
    fn count(&self, parts: &[&str]) -> usize {
        let octets = self.0.lock().unwrap().clone();
        let text = String::from_utf8(octets).unwrap();
        let has_all = |line: &&str| parts.iter().all(|part| line.contains(part));
        text.lines().filter(has_all).count()
    }
}

#[test]
fn the_end_of_a_certificate_is_told_at_the_start_and_each_day_and_ticket_keys_are_renewed() {
    System::new().block_on(async {
        tokio::time::pause();
        let folder = tempfile::tempdir().unwrap();
        let log = Log::default();
        let config = with_certificate(folder.path(), "pop.test", 5);
        let server = server(config).workers(0).log(log.logger());
        let server = server.start().await.unwrap();
        let warned = ["pop.test.pem expires in ", "WARN"];
        let renewed = ["session ticket keys renewed"];
        assert_eq!((log.count(&warned), log.count(&renewed)), (1, 0));
        for day in 1..=3 {
            tokio::time::sleep(DAY).await;
            while log.count(&warned) <= day {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert_eq!((log.count(&warned), log.count(&renewed)), (day + 1, day));
        }
        server.stop().await;
    });
}

#[test]
fn how_far_ahead_is_a_setting() {
    System::new().block_on(async {
        for (setting, warnings) in [("expiry_warning = 5", 0), ("expiry_warning = 6", 1)] {
            let folder = tempfile::tempdir().unwrap();
            let authority = Authority::new();
            let issued = authority.issue_for_days(&["pop.test"], Kind::P256, 6);
            let files = authority.write(folder.path(), "pop", &issued);
            let log = Log::default();
            let config = with_files(&format!("{setting}\n{}", keys(&files)));
            let server = server(config).log(log.logger()).start().await.unwrap();
            assert_eq!(log.count(&["pop.pem expires in "]), warnings, "{setting}");
            server.stop().await;
        }
    });
}

#[test]
fn a_certificate_that_is_taken_away_goes_with_the_next_start_and_that_is_said() {
    System::new().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let stls = |keys: &str| config("", &format!("[tls]\n{keys}{}", listener("stls")));
        let authority = Authority::new();
        let issued = authority.issue_for_days(&["pop.test"], Kind::P256, 90);
        let files = authority.write(folder.path(), "pop.test", &issued);
        let server = start(stls(&keys(&files))).await;
        for _ in 0..2 {
            let reloaded = server.reload(stls("")).await.unwrap();
            assert_eq!(reloaded.needs_restart, ["tls.certificate"]);
        }
        let reloaded = server.reload(stls(&keys(&files))).await.unwrap();
        assert_eq!(reloaded.needs_restart, [""; 0]);
        server.stop().await;
    });
}
