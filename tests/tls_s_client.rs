//! What `openssl s_client` sees of a server.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod tls;

use actix::System;
use mailroost::ServerHandle;
use tempfile::TempDir;
use tls::authority::{Authority, Kind};
use tls::{Plain, client, config, keys, listener, s_client, start};

/// A server on two ports, STLS and implicit TLS, with a certificate for `localhost`.
struct Served {
    folder: TempDir,
    server: ServerHandle,
}

impl Served {
    async fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.write_root(folder.path());
        let issued = authority.issue(&["localhost"], Kind::P256);
        let files = authority.write(folder.path(), "localhost", &issued);
        let sections = format!(
            "[tls]\n{more}\n{}{}{}",
            keys(&files),
            listener("stls"),
            listener("implicit_tls")
        );
        let server = start(config("", &sections)).await;
        Self { folder, server }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What is printed on each port.
    async fn both(&self, options: &[&str], input: &str) -> [String; 2] {
        let [stls, implicit] = self.server.addresses() else {
            panic!("two listeners");
        };
        let with_stls = [&["-starttls", "pop3"], options].concat();
        [
            s_client(*stls, &with_stls, input).await,
            s_client(*implicit, options, input).await,
        ]
    }
}

#[test]
fn a_client_that_trusts_the_root_verifies_chain_and_name_and_gets_tls_1_3() {
    System::new().block_on(async {
        let served = Served::new("").await;
        let root = served.path("root.pem");
        let options = [
            "-CAfile",
            &root,
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
            "-servername",
            "localhost",
            "-ign_eof",
        ];
        for seen in served.both(&options, "CAPA\r\nQUIT\r\n").await {
            assert!(
                seen.contains("New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"),
                "{seen}"
            );
            assert!(seen.contains("Verification: OK"), "{seen}");
            assert!(seen.contains("Verified peername: localhost"), "{seen}");
            assert!(
                seen.contains("\nUIDL\r\n") && !seen.contains("\nSTLS\r\n"),
                "{seen}"
            );
        }
        served.server.stop().await;
    });
}

#[test]
fn tls_1_1_is_refused_and_1_2_too_where_the_least_is_1_3() {
    System::new().block_on(async {
        let weak = ["-cipher", "DEFAULT:@SECLEVEL=0", "-ign_eof"];
        let served = Served::new("").await;
        for seen in served
            .both(&[&["-tls1_1"], &weak[..]].concat(), "QUIT\r\n")
            .await
        {
            assert!(seen.contains("alert protocol version"), "{seen}");
        }
        for seen in served.both(&["-tls1_2", "-ign_eof"], "QUIT\r\n").await {
            let cipher = "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256";
            assert!(seen.contains(cipher), "{seen}");
        }
        served.server.stop().await;

        let served = Served::new("minimum_version = \"1.3\"").await;
        for seen in served.both(&["-tls1_2", "-ign_eof"], "QUIT\r\n").await {
            assert!(seen.contains("alert protocol version"), "{seen}");
        }
        for seen in served.both(&["-ign_eof"], "QUIT\r\n").await {
            assert!(seen.contains("New, TLSv1.3, "), "{seen}");
        }
        served.server.stop().await;
    });
}

#[test]
fn sessions_are_resumed_with_tickets_and_with_session_ids() {
    System::new().block_on(async {
        let served = Served::new("").await;
        let session = served.path("session.pem");
        // Without tickets, TLS 1.2 has the server remember the session.
        for kind in [&["-tls1_2"][..], &["-tls1_2", "-no_ticket"], &["-tls1_3"]] {
            let first = [kind, &["-ign_eof", "-sess_out", &session]].concat();
            let seen = served.both(&first, "QUIT\r\n").await;
            assert!(seen.iter().all(|seen| seen.contains("\nNew, ")), "{seen:?}");
            let second = [kind, &["-ign_eof", "-sess_in", &session]].concat();
            for seen in served.both(&second, "QUIT\r\n").await {
                assert!(seen.contains("\nReused, "), "{kind:?}: {seen}");
            }
        }
        let implicit = served.server.addresses()[1];
        let seen = s_client(implicit, &["-tls1_2", "-reconnect"], "").await;
        let count = |start: &str| seen.matches(start).count();
        assert_eq!((count("\nNew, "), count("\nReused, ")), (1, 5), "{seen}");
        served.server.stop().await;
    });
}

#[test]
fn renegotiation_is_refused() {
    System::new().block_on(async {
        let served = Served::new("").await;
        // Behind STLS the server is silent. A greeting that comes amid what s_client believes to be
        // a handshake would be an error of its own.
        let stls = served.server.addresses()[0];
        let seen = s_client(stls, &["-starttls", "pop3", "-tls1_2"], "R\nNOOP\n").await;
        assert!(seen.contains("RENEGOTIATING"), "{seen}");
        assert!(seen.contains("no renegotiation"), "{seen}");
        served.server.stop().await;
    });
}

#[test]
fn certificates_are_chosen_by_name_and_by_listener() {
    System::new().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let issue = |file: &str, names: &[&str], kind| {
            authority.write(folder.path(), file, &authority.issue(names, kind))
        };
        let shared = issue("shared", &["pop.example.org"], Kind::P256);
        let own = issue("own", &["inside.example.org"], Kind::Rsa2048);
        let named = issue(
            "named",
            &["pop.example.net", "*.example.net"],
            Kind::Rsa2048,
        );

        // One more, as an archive with a password.
        let issued = authority.issue(&["pop.example.com"], Kind::P256);
        let archive = folder.path().join("com.p12");
        let password = folder.path().join("password");
        let mut builder = openssl::pkcs12::Pkcs12::builder();
        builder.pkey(&issued.key).cert(&issued.leaf);
        let octets = builder.build2("secret").unwrap().to_der().unwrap();
        std::fs::write(&archive, octets).unwrap();
        std::fs::write(&password, "secret\n").unwrap();

        let sections = format!(
            "[tls]\n{}[[certificate]]\n{}[[certificate]]\ncertificate = {archive:?}\n\
             password_file = {password:?}\n{}{}{}",
            keys(&shared),
            keys(&named),
            listener("stls"),
            listener("implicit_tls"),
            keys(&own),
        );
        let server = start(config("", &sections)).await;
        let [stls, implicit] = server.addresses() else {
            panic!("two listeners");
        };
        for (name, on_stls, on_implicit) in [
            ("pop.example.org", "pop.example.org", "inside.example.org"),
            (
                "inside.example.org",
                "pop.example.org",
                "inside.example.org",
            ),
            ("pop.example.net", "pop.example.net", "pop.example.net"),
            ("MAIL.example.net", "pop.example.net", "pop.example.net"),
            ("pop.example.com", "pop.example.com", "pop.example.com"),
            ("unknown.test", "pop.example.org", "inside.example.org"),
        ] {
            let options = ["-ign_eof", "-servername", name];
            let with_stls = [&["-starttls", "pop3"], &options[..]].concat();
            let seen = s_client(*stls, &with_stls, "QUIT\r\n").await;
            let subject = |name| format!("subject=CN = {name}\n");
            assert!(seen.contains(&subject(on_stls)), "{name}: {seen}");
            let seen = s_client(*implicit, &options, "QUIT\r\n").await;
            assert!(seen.contains(&subject(on_implicit)), "{name}: {seen}");
        }
        let seen = s_client(*implicit, &["-ign_eof", "-noservername"], "QUIT\r\n").await;
        assert!(seen.contains("subject=CN = inside.example.org\n"), "{seen}");
        server.stop().await;
    });
}

#[test]
fn without_a_certificate_stls_is_neither_announced_nor_done() {
    System::new().block_on(async {
        let server = start(config("", &listener("stls"))).await;
        let address = server.addresses()[0];
        let (capabilities, answer) = client(move || {
            let mut plain = Plain::connect(address);
            (plain.ask_for_lines("CAPA"), plain.ask("STLS"))
        })
        .await;
        assert!(
            capabilities.contains(&"UIDL".to_owned()),
            "{capabilities:?}"
        );
        assert!(
            !capabilities.contains(&"STLS".to_owned()),
            "{capabilities:?}"
        );
        assert!(answer.starts_with("-ERR"), "{answer}");
        server.stop().await;

        let served = Served::new("").await;
        let address = served.server.addresses()[0];
        let capabilities = client(move || Plain::connect(address).ask_for_lines("CAPA")).await;
        assert!(
            capabilities.contains(&"STLS".to_owned()),
            "{capabilities:?}"
        );
        served.server.stop().await;
    });
}
