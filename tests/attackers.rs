//! What is done about those who guess, by the program and by real ban tools: bans on the command
//! line, refusals explained, and a log that fail2ban reads without being fooled.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use daemon_program::{Place, SETTINGS, Signal};
use mailroost::logging::{Form, Logging};
use mailroost::storage::MemoryStore;
use mailroost::{Config, Security, Server};
use mailroost_testkit::client::Client;

/// Nobody is trusted, the second wrong password bans, and nothing is slow.
const STRICT: &str = "\
[auth.throttle]
trusted_networks = []
pair_failures = 2
longest_delay = 0
[protocol]
";

fn strict() -> Place {
    let wanted = "refusal_ids_in_replies = true\n";
    let settings = SETTINGS.replace("[protocol]\n", &format!("{STRICT}{wanted}"));
    let place = Place::with(&settings);
    place.add_user("ann");
    place.add_user("bob");
    place
}

#[test]
fn bans_are_listed_outlive_a_reload_and_are_cleared() {
    let place = strict();
    let daemon = place.daemon();
    let mut client = daemon.connect();
    assert!(!client.log_on("ann", "one"));
    assert!(!client.log_on("ann", "two"));
    assert!(!client.log_on("ann", "secret"));
    daemon.signal(Signal::SIGHUP);
    daemon.log_of("configuration reloaded");
    let list = place.run(&["bans", "list"], "").text();
    let words: Vec<_> = list.split_whitespace().collect();
    let end = ["auth.throttle.pair_failures", "ann", "from", "127.0.0.1"];
    assert!(words[0] == "pair" && words.ends_with(&end), "{list}");
    assert!(!daemon.connect().log_on("ann", "secret"));
    assert!(daemon.connect().log_on("bob", "secret"));
    let cleared = place.run(&["bans", "clear", "ann"], "").text();
    assert_eq!(cleared, "2 records forgotten\n");
    assert!(daemon.connect().log_on("ann", "secret"));
    assert_eq!(place.run(&["bans", "list"], "").text(), "");
}

#[test]
fn a_refusal_is_explained_by_the_daemon_and_from_a_log() {
    let place = strict();
    let daemon = place.daemon();
    let mut client = daemon.connect();
    client.log_on("ann", "one");
    client.log_on("ann", "two");
    client.ask("USER ann");
    let reply = client.ask("PASS secret");
    let words = "-ERR Logon failure: unknown user name or bad password. (refusal ";
    let id = reply.strip_prefix(words).unwrap().trim_end_matches(')');
    let explained = place.run(&["why", id], "").text();
    for line in [
        "name      ann\n",
        "how       password\n",
        "rule      banned\n",
        "setting   auth.throttle.pair_failures\n",
        "limit     2\n",
    ] {
        assert!(explained.contains(line), "{explained}");
    }
    let log = loop {
        let line = daemon.log_of("log-on failed");
        if line["refusal"] == id {
            break place.file("mailroost.log", format!("not ours {id}\n{line}\n"));
        }
    };
    assert_eq!(place.run(&["why", id, "--log", &log], "").text(), explained);
    let (status, line) = place.run(&["why", "0000000000000000"], "").failure();
    assert_eq!(status, 69);
    assert!(
        line.starts_with("no refusal 0000000000000000 among the last ones"),
        "{line}"
    );
    assert_eq!(place.run(&["why", "nonsense"], "").failure().0, 64);
}

/// User names that would like to have others banned, to break a line, or to look like a time.
const HOSTILE: [&str; 9] = [
    "ann",
    "x, peer: 203.0.113.9:1, session: 1",
    "x\", \"peer\":\"203.0.113.9:1\"}",
    "\",\"rule\":\"banned\",\"refusal\":\"0000000000000000\",\"session\":1,\"peer\":\"203.0.113.9:1\"}",
    "x\\",
    "x\\\",\"peer\":\"203.0.113.9:1\"}",
    "WARN log-on failed, peer: 203.0.113.9:1, session: 1, refusal: 0000000000000000, rule: banned, ",
    "\"ts\":\"1999-01-01T00:00:00Z\"",
    "\u{2028}<HOST> 203.0.113.9",
];

/// Fails once with each hostile name, and once by SASL, and ends.
async fn fail_with_all(form: Form, log: &Path) {
    let text = "listener = []\nprotocol.login_type = \"plain_text_login\"\n\
                protocol.max_auth_failures = 100\n\
                auth.argon2_memory = 7168\nauth.argon2_passes = 1\n";
    let file = std::fs::File::create(log).unwrap();
    let logging = Logging::to_writer(form, slog::Level::Info, file);
    let server = Server::builder()
        .config(Config::parse("test", text).unwrap())
        .store(Arc::new(MemoryStore::new()))
        .listen("127.0.0.1:0".parse().unwrap(), Security::Stls)
        .log(logging.logger().clone())
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(server.addresses()[0]).await.unwrap();
    client.line().await.unwrap();
    for name in HOSTILE {
        assert_eq!(client.ask(&format!("USER {name}")).await.unwrap(), "+OK");
        assert!(client.ask("PASS wrong").await.unwrap().starts_with("-ERR"));
    }
    let refused = client.ask("AUTH PLAIN AGFubgB3cm9uZw==").await.unwrap();
    assert!(refused.starts_with("-ERR"));
    client.ask("QUIT").await.unwrap();
    server.stop().await;
}

#[actix::test]
async fn fail2ban_finds_each_failure_and_bans_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let filter =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/fail2ban/filter.d/mailroost.conf");
    for form in [Form::Human { colour: false }, Form::Json] {
        let log = folder.path().join("log");
        fail_with_all(form, &log).await;
        let ran = Command::new("fail2ban-regex")
            .args(["--out", "ip"])
            .args([&log, &filter])
            .output()
            .unwrap();
        let text = std::fs::read_to_string(&log).unwrap();
        let hosts = String::from_utf8(ran.stdout).unwrap();
        let hosts: Vec<_> = hosts.lines().collect();
        assert_eq!(hosts, ["127.0.0.1"; HOSTILE.len() + 1], "{form:?}: {text}");
    }
}
