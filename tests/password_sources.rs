//! Passwords that others keep, from the outside: hashes that users bring, files of names and
//! hashes, and who gets a maildrop.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use daemon_program::{Place, Pop3, SETTINGS};

/// Of the password `secret`.
const SSHA: &str = "{SSHA}O54jdNDyU9TP76AX8b2FlpYylokxfGmt";
const SHA512_CRYPT: &str = "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2C\
                            KPPrVACtLtip/cZ/1GM/O6IND4WQhG.";

const LOG_ON_FAILURE: &str = "-ERR [AUTH] Logon failure: unknown user name or bad password.";

/// The directory, then the file `users`.
const WITH_FILE: &str = "\
capabilities = [\"RESP-CODES\"]
[[auth.source]]
kind = \"directory\"
[[auth.source]]
kind = \"passwd_file\"
file = \"users\"
";

fn settings(more: &str) -> String {
    let (protocol, auth) = SETTINGS.split_once("[auth]").unwrap();
    let (capabilities, sources) = more.split_once('\n').unwrap();
    format!("{protocol}{capabilities}\n[auth]{auth}{sources}")
}

fn log_on(client: &mut Pop3, user: &str, password: &str) -> String {
    assert!(client.ask(&format!("USER {user}")).starts_with("+OK"));
    client.ask(&format!("PASS {password}"))
}

/// Where the password of a user is, as the command line tells it.
fn has_password(place: &Place, user: &str) -> bool {
    let shown = place.run(&["user", "show", user], "").text();
    let line = shown
        .lines()
        .find(|line| line.starts_with("password "))
        .unwrap();
    line.ends_with("set")
}

#[test]
fn a_user_brings_the_hash_of_an_old_password() {
    let place = Place::new();
    for (user, hash) in [("ann", SSHA), ("ben", SHA512_CRYPT)] {
        place
            .run(&["user", "add", user, "--hash", hash], "")
            .octets();
        // The daemon has the store for itself afterwards.
        let daemon = place.daemon();
        assert!(!daemon.connect().log_on(user, "wrong"));
        assert!(daemon.connect().log_on(user, "secret"));
        assert!(daemon.connect().log_on(user, "secret"));
    }
    let (status, line) = place
        .run(&["user", "passwd", "ann", "--hash", "{MD5}topsecret"], "")
        .failure();
    assert_eq!(status, 65);
    assert!(
        line.contains("scheme is not known") && !line.contains("topsecret"),
        "{line}"
    );
}

#[test]
fn users_are_brought_in_from_a_file() {
    let place = Place::new();
    place.add_user("cid");
    let file = place.file(
        "old",
        format!("# old users\nann:{SSHA}\nben:{SHA512_CRYPT}:1:1::/home/ben\ncid:{SSHA}\n"),
    );
    let done = place.run(&["user", "import-passwd", &file], "").text();
    assert_eq!(done, "2 added, 0 replaced, 1 left alone, 0 unusable\n");
    let done = place
        .run(&["user", "import-passwd", &file, "--replace"], "")
        .text();
    assert_eq!(done, "0 added, 3 replaced, 0 left alone, 0 unusable\n");
    let bad = place.file("bad", "topsecret\ndora:topsecret\nerna:!\n");
    let ran = place.run(&["user", "import-passwd", &bad], "");
    assert_eq!(ran.status, Some(65));
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert!(
        lines[0].ends_with("bad:1: not used: it has no colon"),
        "{lines:?}"
    );
    assert!(lines[1].contains("bad:2: not used: "), "{lines:?}");
    assert!(lines[2].ends_with("2 lines cannot be used"), "{lines:?}");
    assert!(!ran.stderr.contains("topsecret"), "{lines:?}");
    let daemon = place.daemon();
    for user in ["ann", "ben", "cid"] {
        assert!(daemon.connect().log_on(user, "secret"), "{user}");
    }
}

#[test]
fn who_is_only_in_the_file_gets_a_maildrop_where_that_is_wanted() {
    for (provision, reply) in [
        ("provision = true\n", "+OK User successfully logged on."),
        ("", LOG_ON_FAILURE),
    ] {
        let place = Place::with(&settings(&format!("{WITH_FILE}{provision}")));
        place.file("users", format!("ann:{SSHA}\n"));
        let daemon = place.daemon();
        let mut client = daemon.connect();
        assert_eq!(log_on(&mut client, "nobody", "secret"), LOG_ON_FAILURE);
        assert_eq!(log_on(&mut client, "ann", "wrong"), LOG_ON_FAILURE);
        assert_eq!(place.run(&["user", "list"], "").text(), "");
        assert_eq!(log_on(&mut client, "ann", "secret"), reply);
        if !provision.is_empty() {
            assert!(client.ask("STAT").starts_with("+OK 0 0"));
            assert_eq!(place.run(&["user", "list"], "").text(), "ann\n");
            assert!(!has_password(&place, "ann"));
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_wrong_password() {
    let place = Place::with(&settings(WITH_FILE));
    place.add_user("cid");
    let daemon = place.daemon();
    let mut client = daemon.connect();
    let reply = log_on(&mut client, "ann", "secret");
    assert!(reply.starts_with("-ERR [SYS/TEMP] "), "{reply}");
    assert_eq!(
        log_on(&mut client, "cid", "secret"),
        "+OK User successfully logged on."
    );
}

#[test]
fn the_log_names_bad_lines_by_number() {
    let place = Place::with(&settings(WITH_FILE));
    place.file("users", format!("ann:{SSHA}\ntopsecret\n"));
    let daemon = place.daemon();
    assert!(!daemon.connect().log_on("ben", "secret"));
    let path = place.path("users");
    let line = daemon.log_of(&format!("{}:2: not used: it has no colon", path.display()));
    assert_eq!(line["level"], "WARN");
}

#[test]
fn an_app_password_is_shown_once_and_lets_in_until_it_is_removed() {
    let place = Place::new();
    place.add_user("ann");
    place
        .run(&["user", "add", "ben", "--no-password"], "")
        .octets();
    let daemon = place.daemon();
    let add = |user: &str, label: &str| {
        let shown = place
            .run(&["user", "app-password", "add", user, label], "")
            .text();
        shown.trim_end().to_owned()
    };
    let (phone, desk) = (add("ann", "phone"), add("ann", "desk"));
    let bens = add("ben", "phone");
    for (user, password, is_in) in [
        ("ann", phone.as_str(), true),
        ("ann", &desk, true),
        ("ann", "secret", true),
        ("ben", &bens, true),
        ("ann", &bens, false),
        ("ben", &phone, false),
        ("ben", "secret", false),
        ("ann", &phone[..7], false),
    ] {
        assert_eq!(
            daemon.connect().log_on(user, password),
            is_in,
            "{user} {password}"
        );
    }
    let plain = openssl::base64::encode_block(format!("\0ann\0{phone}").as_bytes());
    let mut client = daemon.connect();
    assert!(
        client
            .ask(&format!("AUTH PLAIN {plain}"))
            .starts_with("+OK")
    );
    let list = place
        .run(&["user", "app-password", "list", "ann"], "")
        .text();
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 2, "{list}");
    assert!(
        lines[0].starts_with(&phone[..6]) && lines[0].ends_with("  phone"),
        "{list}"
    );
    let again = place.run(&["user", "app-password", "add", "ann", "desk"], "");
    assert_eq!(again.failure().0, 73);
    place
        .run(&["user", "app-password", "remove", "ann", "phone"], "")
        .octets();
    place
        .run(&["user", "app-password", "remove", "ann", &desk[..6]], "")
        .octets();
    let nothing = place.run(&["user", "app-password", "remove", "ann", "phone"], "");
    assert_eq!(nothing.failure().0, 67);
    for gone in [&phone, &desk] {
        assert!(!daemon.connect().log_on("ann", gone));
    }
    assert!(daemon.connect().log_on("ann", "secret"));
}

#[test]
fn a_helper_that_does_not_start_is_said_at_the_start() {
    let place = Place::with(&settings(
        "capabilities = []\n[[auth.source]]\nkind = \"pam\"\nservice = \"mailroost\"\nhelper = \
         \"/nowhere/mailroost-pam\"\n",
    ));
    let ran = place.run(&["serve"], "");
    assert_eq!(ran.status, Some(78), "{ran:?}");
    let reason = "cannot start /nowhere/mailroost-pam: No such file or directory";
    assert!(ran.stderr.contains(reason), "{ran:?}");
}
