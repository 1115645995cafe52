//! Classes 13, 15, 16 and 22: names and octets that would like to be something else: a filter, a
//! path, a line of a log, the end of a text.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::daemon_program::{Place, SETTINGS};
use crate::slapd::Slapd;
use crate::target::{ANN, More, REFUSED, Target, WELCOME};

const CHARACTERS: [&str; 16] = [
    "*", "(", ")", "\\", "&", "|", "%", "!", "=", "\"", "'", ";", ",", "+", "#", "<",
];

#[test]
fn class_13_no_name_changes_what_a_directory_is_asked() {
    let (place, slapd) = (Place::new(), Slapd::start());
    let password = place.file("service-password", "service secret\n");
    let searched = format!(
        "base = \"ou=people,dc=example,dc=org\"\nfilter = \"(&(uid={{user}})(sn=*))\"\n\
         bind_dn = \"cn=service,dc=example,dc=org\"\nbind_password_file = {password:?}\n"
    );
    let direct = "user_dn = \"uid={user},ou=people,dc=example,dc=org\"\n".to_owned();
    for look_up in [searched, direct] {
        let protocol = SETTINGS.replace("[auth]", "max_auth_failures = 1000\n[auth]");
        place.configure(&format!(
            "{protocol}[[auth.source]]\nkind = \"ldap\"\nprovision = true\ncache_age = 0\n\
             servers = [\"{}\"]\nca_file = {:?}\n{look_up}",
            slapd.ldaps(),
            slapd.ca_file()
        ));
        let daemon = place.daemon();
        let mut client = daemon.connect();
        let mut names: Vec<String> = [
            "*)(uid=*))(|(uid=*",
            "ann)(|(sn=*",
            "ann)(cn=Ann",
            "*)(sn=Smith",
            "ann\\2a",
            "\\61nn",
            "ann,ou=people,dc=example,dc=org",
            "ann,ou=people,dc=example,dc=org\\",
            "#616e6e",
            "%61nn",
            "{user}",
            "$(id)",
        ]
        .map(str::to_owned)
        .into();
        for character in CHARACTERS {
            names.extend([
                character.to_owned(),
                format!("an{character}"),
                format!("{character}nn"),
                format!("ann{character}"),
                format!("{character}ann"),
            ]);
        }
        for name in names {
            client.send(&format!("USER {name}"));
            let user = client.line();
            let refused = user.starts_with("-ERR") || !client.log_on(&name, "secret");
            assert!(refused, "{name}");
        }
        // Nobody came into being by that, and the directory still answers.
        assert!(client.log_on("ann", "secret"));
        assert_eq!(place.run(&["user", "list"], "").text(), "ann\n");
        place.run(&["user", "remove", "ann"], "").octets();
    }
}

/// Names that would be somewhere else as a path, or the same as another one.
const PATHS: [&str; 18] = [
    "../ann",
    "..",
    ".",
    "/etc/passwd",
    "../../../../etc/passwd",
    "ann/../ben",
    "./ann",
    "ann/",
    "a/nn",
    "ann\\..\\ben",
    "%2e%2e%2fann",
    "..%c0%af",
    "CON",
    "nul",
    "ann.",
    "~ann",
    "-rf",
    "\u{202e}nna",
];

/// Every name below a folder, without what chance or time makes of it.
fn tree(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tree(&path, found);
        }
        found.insert(path);
    }
}

#[test]
fn class_15_no_name_and_no_recipient_becomes_a_path() {
    let target = Target::new();
    let outside = || {
        let mut found = BTreeSet::new();
        tree(&target.place.path(""), &mut found);
        found.retain(|path| !path.starts_with(target.place.path("store")));
        found
    };
    let before = outside();
    for name in PATHS {
        let mut wire = target.wire();
        if wire.ask(&format!("USER {name}")).starts_with("+OK") {
            assert_eq!(wire.ask("PASS secret"), REFUSED, "{name}");
        }
        let plain = openssl::base64::encode_block(format!("\0{name}\0secret").as_bytes());
        assert_eq!(
            target.wire().ask(&format!("AUTH PLAIN {plain}")),
            REFUSED,
            "{name}"
        );
        let mut lmtp = target.lmtp();
        assert!(lmtp.ask("LHLO x").starts_with("250"));
        while lmtp_goes_on(&mut lmtp) {}
        assert!(lmtp.ask("MAIL FROM:<>").starts_with("250"));
        for recipient in [
            name.to_owned(),
            format!("\"{}\"", name.replace('\\', "\\\\")),
        ] {
            let reply = lmtp.ask(&format!("RCPT TO:<{recipient}>"));
            assert!(reply.starts_with('5'), "{recipient}: {reply}");
        }
    }
    // What an administrator names so is refused, or is a name and no path: then it can be removed.
    for name in PATHS {
        let added = target
            .place
            .run(&["user", "add", "--no-password", "--", name], "");
        if added.status == Some(0) {
            let removed = target.place.run(&["user", "remove", "--", name], "");
            assert_eq!(removed.status, Some(0), "{removed:?}");
        }
    }
    assert_eq!(outside(), before);
    assert_eq!(target.place.run(&["user", "list"], "").text(), "ann\n");
    target.assert_serves();
}

/// Whether the reply to LHLO has another line: its last one has the limit of sizes.
fn lmtp_goes_on(lmtp: &mut crate::wire::Wire) -> bool {
    lmtp.line().as_bytes().get(3) == Some(&b'-')
}

#[test]
fn class_15_an_import_does_not_follow_links_out_of_its_folder() {
    let target = Target::new();
    let secret = target
        .place
        .file("secret/file", "Subject: not yours\n\nto read\n");
    for folder in ["mail/cur", "mail/new", "mail/tmp"] {
        fs::create_dir_all(target.place.path(folder)).unwrap();
    }
    target.place.file("mail/cur/1.good", "Subject: good\n\nx\n");
    symlink(secret, target.place.path("mail/cur/2.link")).unwrap();
    let folder = target.place.path("mail");
    let import = [
        "mail",
        "import",
        "ann",
        "--maildir",
        folder.to_str().unwrap(),
    ];
    let ran = target.place.run(&import, "");
    let mut session = target.session();
    let stat = session.ask("STAT");
    assert!(
        stat.starts_with("+OK 1 ") || stat.starts_with("+OK 0 "),
        "{stat} {ran:?}"
    );
    for number in 1..=2 {
        if session.ask(&format!("RETR {number}")).starts_with("+OK") {
            let lines = session.lines();
            assert!(
                !lines.iter().any(|line| line.contains("not yours")),
                "{lines:?}"
            );
        }
    }
}

/// Passwords that are sent in every place where one could be.
const PLANTED: &str = "plantedPassword";

#[test]
fn class_16_one_event_is_one_line_and_no_log_has_a_password() {
    let target = Target::with(More {
        protocol: "max_auth_failures = 1000\nmax_protocol_errors = 1000",
        sections: "[protocol_log]\nenabled = true\n",
        ..More::default()
    });
    let mut wire = target.wire();
    for evil in [
        "a\rb",
        "a\u{b}b",
        "a\u{1b}[2Jb",
        "a,b\"c",
        "a\u{202e}b",
        "a\u{2028}b",
        "a\u{85}b",
        "a\\nb",
        "x\"}\n",
        "a\0b",
        "=cmd|calc",
        "\u{feff}ann",
        "\u{200b}",
    ] {
        for command in [
            format!("USER {evil}"),
            format!("PASS {PLANTED}{evil}"),
            format!("{PLANTED}{evil} x"),
            format!("APOP {evil} {PLANTED}"),
            format!("RETR {evil}"),
        ] {
            wire.send(format!("{command}\r\n").as_bytes()).unwrap();
        }
    }
    let both = format!("\0{PLANTED}User\0{PLANTED}");
    let plain = openssl::base64::encode_block(both.as_bytes());
    wire.send(format!("AUTH PLAIN {plain}\r\nAUTH PLAIN\r\n{plain}\r\n{plain}\r\n").as_bytes())
        .unwrap();
    wire.send(format!("USER ann\r\nPASS {PLANTED}\r\nPASS {PLANTED}\r\nQUIT\r\n").as_bytes())
        .unwrap();
    wire.rest();
    // The user's name may be in the log; who is told apart by it is said once, as JSON.
    let (mut lines, mut log) = (0, String::new());
    loop {
        let line = target.daemon.line().unwrap();
        lines += 1;
        log += &line.to_string();
        if line["msg"] == "session ended" {
            break;
        }
    }
    assert!(lines > 10, "{log}");
    let seen = log.replace(&format!("{PLANTED}User"), "");
    assert!(
        !seen.to_lowercase().contains(&PLANTED.to_lowercase()),
        "{seen}"
    );
    assert!(!log.contains(&plain), "{log}");
    target.daemon.signal(crate::daemon_program::Signal::SIGTERM);
    target.daemon.wait();
    protocol_log_has_one_line_for_each_command(&target.place);
}

fn protocol_log_has_one_line_for_each_command(place: &Place) {
    let folder = place.path("store/protocol-log");
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let text_of_commands = text.replace(&format!("{PLANTED}User"), "");
        assert!(!text_of_commands.contains(PLANTED), "{text}");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for line in lines {
            // The first field is a time, the second one the number of the session.
            let mut fields = line.split(',');
            assert!(fields.next().unwrap().ends_with('Z'), "{line}");
            assert_eq!(fields.next().unwrap().len(), 16, "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
            count += 1;
        }
        assert!(count > 60, "{text}");
    }
}

/// Octets that are no text, or the end of one.
fn odd() -> impl Iterator<Item = u8> {
    [0, 1, 7, 8, 9, 11, 12, 27, 127]
        .into_iter()
        .chain(128..=255)
}

#[test]
fn class_22_no_octet_in_any_argument_breaks_the_dialog() {
    let target = Target::with(More {
        protocol: "max_auth_failures = 1000\nmax_protocol_errors = 1000",
        ..More::default()
    });
    target.deliver("Subject: x\n\nbody\n");
    for logged_on in [false, true] {
        for octet in odd() {
            let mut wire = if logged_on {
                target.session()
            } else {
                target.wire()
            };
            for command in [
                "USER ",
                "PASS ",
                "AUTH ",
                "AUTH PLAIN ",
                "APOP ",
                "STLS ",
                "CAPA ",
                "RETR ",
                "TOP 1 ",
                "LIST ",
                "UIDL ",
                "DELE ",
                "NOOP ",
                "STAT ",
                "RSET ",
                "",
            ] {
                let octets = [command.as_bytes(), &[octet], b"1\r\n"].concat();
                wire.send(&octets).unwrap();
                let mut reply = wire.line();
                if reply == "+ " {
                    reply = wire.ask("*");
                }
                assert!(
                    reply.starts_with("-ERR") || reply.starts_with("+OK"),
                    "{octets:?}: {reply}"
                );
                if reply.starts_with("+OK") && matches!(command, "CAPA " | "RETR " | "TOP 1 ") {
                    wire.lines();
                }
            }
            // One answer came for each command: this one is the next.
            wire.send(b"RSET\r\nCAPA\r\n").unwrap();
            assert_eq!(wire.line().starts_with("+OK"), logged_on);
            assert!(wire.line().starts_with("+OK"), "{octet}");
            assert!(wire.lines().iter().any(|line| line == "TOP"));
        }
    }
    assert_eq!(target.wire().ask(&format!("AUTH PLAIN {ANN}")), WELCOME);
}
