//! Users of another site (MS-STANXPOP3 C0010), with two servers of ours and with Dovecot.

mod daemon_program;
mod site_servers;

use actix::System;
use mailroost::Security;
use site_servers::{Client, Dovecot, Place, Serving};
use tokio::net::TcpListener;

const LOG_ON_FAILURE: &str = "-ERR Logon failure: unknown user name or bad password.";
const UNAVAILABLE: &str = "-ERR [SYS/TEMP] ";
/// Response codes show what kind a refusal is of.
const CODES: &str = "[protocol]\ncapabilities = [\"RESP-CODES\"]\n";

/// The server of site `north`, with the user `ann` and three messages.
async fn north(place: &Place, security: Security) -> Serving {
    let north = place.serve("north", security, "").await;
    north.user("ann", Some("north")).await;
    north.deliver("ann", 3).await;
    north
}

/// The server of site `south`, which knows that `ann` belongs to `north`.
async fn south(place: &Place, more: &str) -> Serving {
    let south = place.serve("south", Security::ImplicitTls, more).await;
    south.user("ann", Some("north")).await;
    south.user("bob", Some("south")).await;
    south.user("cid", None).await;
    south
}

/// What `ann` is told at a server that has these settings.
async fn told(place: &Place, more: &str) -> (String, Serving) {
    let south = south(place, &format!("{CODES}{more}")).await;
    let mut client = Client::connect(south.address()).await;
    let reply = client.log_on("ann", "secret").await;
    (reply, south)
}

#[test]
fn a_session_is_handed_on_and_works_there() {
    System::new().block_on(async {
        let place = Place::new();
        let north = north(&place, Security::ImplicitTls).await;
        let south = south(&place, &place.site("north", north.address())).await;
        let mut client = Client::connect(south.address()).await;
        let reply = client.log_on("ann", "secret").await;
        assert_eq!(reply, "+OK User successfully logged on.");
        assert_eq!(client.ask_lines("LIST").await.len(), 3);
        assert_eq!(client.ask_lines("UIDL").await.len(), 3);
        assert_eq!(
            client.ask_lines("RETR 2").await,
            ["Subject: 2", "", "body 2"]
        );
        assert!(client.ask("DELE 2").await.starts_with("+OK"));
        assert!(client.ask("QUIT").await.starts_with("+OK"));
        assert_eq!(client.rest().await, "");
        assert_eq!(north.messages("ann").await, 2);
        assert_eq!(south.messages("ann").await, 0);
        for server in [&north, &south] {
            server.until_still().await;
            assert!(!server.log.text().contains("secret"));
        }
        let line = south.log.line("session ended");
        assert_eq!(
            (&line["user"], &line["site"]),
            (&"ann".into(), &"north".into())
        );
        assert_eq!(line["reason"], "RelayEnded");
        assert!(line["octets_to_site"].as_u64().unwrap() > 30, "{line}");
        assert!(line["octets_from_site"].as_u64().unwrap() > 100, "{line}");
        assert_eq!(north.log.line("session ended")["removed"], 1);
    });
}

#[test]
fn what_is_pipelined_behind_the_log_on_is_answered_there() {
    System::new().block_on(async {
        let place = Place::new();
        let north = north(&place, Security::Stls).await;
        let way = format!(
            "{}security = \"stls\"\n",
            place.site("north", north.address())
        );
        let south = south(&place, &way).await;
        let mut client = Client::connect(south.address()).await;
        let dialog = "USER ann\r\nPASS secret\r\nDELE 1\r\nDELE 3\r\nSTAT\r\nQUIT\r\n";
        client.send(dialog).await;
        let replies = client.rest().await;
        let replies: Vec<_> = replies.lines().collect();
        assert_eq!(replies.len(), 6, "{replies:?}");
        assert!(replies[4].starts_with("+OK 1 "), "{replies:?}");
        assert_eq!(north.messages("ann").await, 1);
    });
}

#[test]
fn a_wrong_password_is_refused_here_and_one_that_is_only_wrong_there_is_refused_there() {
    System::new().block_on(async {
        let place = Place::new();
        let north = place.serve("north", Security::ImplicitTls, "").await;
        north.server.add_user("ann", "another").await.unwrap();
        let south = south(&place, &place.site("north", north.address())).await;
        let mut client = Client::connect(south.address()).await;
        assert_eq!(client.log_on("ann", "wrong").await, LOG_ON_FAILURE);
        assert!(!north.log.text().contains("ann"));
        assert_eq!(client.log_on("ann", "secret").await, LOG_ON_FAILURE);
        assert!(north.log.text().contains("log-on failed"));
        let line = south.log.line("log-on refused by the site's server");
        assert_eq!(
            (&line["user"], &line["site"]),
            (&"ann".into(), &"north".into())
        );
    });
}

#[test]
fn exchange_2007_refuses_and_the_own_site_stays_here() {
    System::new().block_on(async {
        let place = Place::new();
        let north = north(&place, Security::ImplicitTls).await;
        let way = place.site("north", north.address());
        for profile in ["exchange2007", "rfc1939"] {
            let more = format!("[protocol]\nprofile = \"{profile}\"\ncapabilities = []\n{way}");
            let south = south(&place, &more).await;
            let mut client = Client::connect(south.address()).await;
            assert_eq!(client.log_on("ann", "secret").await, LOG_ON_FAILURE);
            assert!(client.log_on("bob", "secret").await.starts_with("+OK"));
            let mut client = Client::connect(south.address()).await;
            assert!(client.log_on("cid", "secret").await.starts_with("+OK"));
        }
        assert!(!north.log.text().contains("ann"));
    });
}

#[test]
fn a_server_that_is_down_is_unavailable_and_the_others_do_not_notice() {
    System::new().block_on(async {
        let place = Place::new();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr();
        let (reply, south) = told(&place, &place.site("north", nobody.unwrap())).await;
        assert!(reply.starts_with(UNAVAILABLE), "{reply}");
        let line = south.log.line("session cannot be handed on");
        assert_eq!(line["site"], "north");
        assert!(line["why"].as_str().unwrap().contains("refused"), "{line}");
        let mut client = Client::connect(south.address()).await;
        assert!(client.log_on("bob", "secret").await.starts_with("+OK"));
    });
}

#[test]
fn a_certificate_that_is_not_trusted_or_for_another_name_is_no_way_out() {
    System::new().block_on(async {
        let place = Place::new();
        let north = north(&place, Security::ImplicitTls).await;
        let stranger = Place::new();
        let (reply, south) = told(&place, &stranger.site("north", north.address())).await;
        assert!(reply.starts_with(UNAVAILABLE), "{reply}");
        let why = south.log.line("session cannot be handed on")["why"].to_string();
        assert!(why.contains("certificate verify failed"), "{why}");
        // Told not to look, it does not.
        let way = stranger.site("north", north.address()) + "verify_certificate = false\n";
        let (reply, _south) = told(&place, &way).await;
        assert!(reply.starts_with("+OK"), "{reply}");

        let misnamed = Place::of(&["pop.example.org"]);
        let elsewhere = misnamed.serve("north", Security::ImplicitTls, "").await;
        let (reply, _south) = told(&place, &misnamed.site("north", elsewhere.address())).await;
        assert!(reply.starts_with(UNAVAILABLE), "{reply}");
    });
}

#[test]
fn a_server_that_hangs_is_unavailable_after_its_time_limit() {
    System::new().block_on(async {
        let place = Place::new();
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = place.site("north", silent.local_addr().unwrap());
        // It takes the connection and never makes its handshake.
        let (reply, south) = told(&place, &format!("{way}connect_timeout = 1\n")).await;
        assert!(reply.starts_with(UNAVAILABLE), "{reply}");
        let line = south.log.line("session cannot be handed on");
        assert_eq!(line["why"], "the connection: not done within 1s");
        // Nor does it greet.
        let limits = "log_on_timeout = 1\nsecurity = \"dangerous_plaintext\"\n";
        let (reply, _south) = told(&place, &format!("{way}{limits}")).await;
        assert!(reply.starts_with(UNAVAILABLE), "{reply}");
    });
}

#[test]
fn the_budget_of_a_site_is_kept_and_comes_back() {
    System::new().block_on(async {
        let place = Place::new();
        let north = north(&place, Security::ImplicitTls).await;
        let way = place.site("north", north.address()) + "max_connections = 1\n";
        let south = south(&place, &format!("{CODES}{way}")).await;
        let mut first = Client::connect(south.address()).await;
        assert!(first.log_on("ann", "secret").await.starts_with("+OK"));
        let mut second = Client::connect(south.address()).await;
        let reply = second.log_on("ann", "secret").await;
        assert!(reply.starts_with(UNAVAILABLE), "{reply}");
        drop((first, second));
        south.until_still().await;
        north.until_still().await;
        assert_eq!(north.messages("ann").await, 3);
        let mut third = Client::connect(south.address()).await;
        assert!(third.log_on("ann", "secret").await.starts_with("+OK"));
    });
}

#[test]
fn the_site_of_a_user_is_set_on_the_command_line() {
    let place = daemon_program::Place::new();
    let user = |arguments: &[&str]| place.run(&[&["user"], arguments].concat(), "secret\n");
    let site_of = |name: &str| {
        let shown = user(&["show", name]).text();
        let line = shown.lines().find(|line| line.starts_with("site"));
        line.unwrap().split_whitespace().last().unwrap().to_owned()
    };
    user(&["add", "ann", "--password-stdin", "--site", "North"]).octets();
    user(&["add", "bob", "--no-password"]).octets();
    assert_eq!(
        (site_of("ann"), site_of("bob")),
        ("north".into(), "any".into())
    );
    user(&["set", "bob", "--site", "south-1"]).octets();
    user(&["set", "ann", "--pop-enabled", "no"]).octets();
    assert_eq!(
        (site_of("ann"), site_of("bob")),
        ("north".into(), "south-1".into())
    );
    user(&["set", "ann", "--no-site"]).octets();
    assert_eq!(site_of("ann"), "any");
    let refused = user(&["set", "ann", "--site", "a b"]);
    assert_eq!(refused.status, Some(64));
    assert!(
        refused.stderr.contains("accepted: 1 to 64 of a-z"),
        "{refused:?}"
    );
}

#[test]
fn dovecot_takes_sessions_that_are_handed_on() {
    System::new().block_on(async {
        let place = Place::new();
        let messages = [
            "Subject: 1\n\n.one\n",
            "Subject: 2\n\ntwo\n",
            "Subject: 3\n\nthree\n",
        ];
        let dovecot = Dovecot::start(&place, &messages);
        let south = south(&place, &place.site("north", dovecot.address)).await;

        let mut client = Client::connect(south.address()).await;
        let reply = client.log_on("ann", "secret").await;
        assert_eq!(reply, "+OK User successfully logged on.");
        assert_eq!(client.ask_lines("LIST").await.len(), 3);
        assert_eq!(client.ask_lines("RETR 1").await.last().unwrap(), "..one");
        assert!(client.ask("DELE 1").await.starts_with("+OK"));
        assert!(client.ask("QUIT").await.starts_with("+OK"));
        assert_eq!(client.rest().await, "");
        assert_eq!(dovecot.messages(), 2);

        // Pipelined, and a connection that breaks off removes nothing.
        let mut client = Client::connect(south.address()).await;
        client
            .send("USER ann\r\nPASS secret\r\nSTAT\r\nDELE 1\r\n")
            .await;
        assert_eq!(client.line().await, "+OK");
        assert_eq!(client.line().await, reply);
        assert!(client.line().await.starts_with("+OK 2 "));
        assert!(client.line().await.starts_with("+OK"));
        drop(client);
        south.until_still().await;
        assert_eq!(dovecot.messages(), 2);
        assert!(!south.log.text().contains("secret"));
    });
}
