//! The configuration: what is wrong is said in one exact line; what is printed can be read.

use super::*;

/// Enough for a configuration without certificates to be accepted.
const PLAIN: &str = "listener = []\nprotocol.login_type = \"plain_text_login\"\n";

fn refusal(text: &str) -> String {
    Config::parse("m.toml", text).unwrap_err().to_string()
}

/// What is written, and what is said of it.
const WRONG: &[(&str, &str)] = &[
    (
        "[protocol]\nmax_command_size = 39\n",
        "m.toml:2: protocol.max_command_size = 39: out of range; accepted: 40 to 1024 octets",
    ),
    (
        "[protocol]\nmax_command_size = -1\n",
        "m.toml:2: protocol.max_command_size = -1: out of range; accepted: 40 to 1024 octets",
    ),
    (
        "[protocol]\n\nmax_command_size = \"big\"\n",
        "m.toml:3: protocol.max_command_size = \"big\": wrong type; accepted: 40 to 1024 octets",
    ),
    (
        "protocol.authenticated_timeout = 29",
        "m.toml:1: protocol.authenticated_timeout = 29: out of range; accepted: 30 to 86400 \
         seconds",
    ),
    (
        "[protocol]\nclosing_notice = 1\n",
        "m.toml:2: protocol.closing_notice = 1: wrong type; accepted: true or false",
    ),
    (
        "[protocol]\nlogin_type = \"secure\"\n",
        "m.toml:2: protocol.login_type = \"secure\": unknown value; accepted: \
         \"plain_text_login\", \"plain_text_authentication\", \"secure_login\"",
    ),
    (
        "[protocol]\ncapabilities = [\"PIPELINING\",\n \"TOP\"]\n",
        "m.toml:3: protocol.capabilities = \"TOP\": unknown value; accepted: a list, each \
         \"RESP-CODES\", \"PIPELINING\", \"EXPIRE\", \"IMPLEMENTATION\"",
    ),
    (
        "[protocol]\nbanner = \"ready <1@x>\"\n",
        "m.toml:2: protocol.banner = \"ready <1@x>\": clients would misread it; accepted: at \
         most 505 octets without control characters, without <...>, not beginning with [",
    ),
    (
        "[protocol]\nimplementation = \"two  spaces\"\n",
        "m.toml:2: protocol.implementation = \"two  spaces\": not a list of words; accepted: 1 \
         to 495 visible ASCII characters, single spaces between them",
    ),
    (
        "[protocol.texts]\nlog_on_failure = \"\"\n",
        "m.toml:2: protocol.texts.log_on_failure = \"\": out of range; accepted: at most 505 \
         octets without control characters, without <...>, not beginning with [, empty only \
         behind +OK",
    ),
    (
        "[protocol.texts]\nlogon_failure = \"no\"\n",
        "m.toml:2: protocol.texts.logon_failure: unknown key; nearest: log_on_failure",
    ),
    (
        "[protocol]\nmax_comand_size = 512\n",
        "m.toml:2: protocol.max_comand_size: unknown key; nearest: max_command_size",
    ),
    (
        "[server]\nbanner = \"hello\"\n",
        "m.toml:2: server.banner: unknown key; nearest: protocol.banner",
    ),
    (
        "[protocl]\nx = 1\n",
        "m.toml:1: protocl: unknown section; nearest: protocol, protocol_log",
    ),
    (
        "[protocol_log]\nfile_size_max = 4095\n",
        "m.toml:2: protocol_log.file_size_max = 4095: out of range; accepted: 0, 4096 to \
         1099511627776 octets, or \"unlimited\"",
    ),
    (
        "[protocol_log]\nfile_size_max = \"none\"\n",
        "m.toml:2: protocol_log.file_size_max = \"none\": out of range; accepted: 0, 4096 to \
         1099511627776 octets, or \"unlimited\"",
    ),
    (
        "[protocol_log]\nfile_size_max = true\n",
        "m.toml:2: protocol_log.file_size_max = true: wrong type; accepted: 0, 4096 to \
         1099511627776 octets, or \"unlimited\"",
    ),
    (
        "zzzzzzzzzzzzzz = 1\n",
        "m.toml:1: zzzzzzzzzzzzzz: unknown section; known: server, listener, tls, certificate, \
         protocol, protocol.texts, site, lmtp, lmtp.listener, quota, retention, limits, auth, \
         auth.source, auth.gssapi, auth.ntlm, auth.throttle, auth.scram, auth.oauth, \
         auth.external, store, log, protocol_log, privileges",
    ),
    // One line, whatever stands in the file.
    (
        "[server]\n\"a\\nb\\u001b[2J\\u202e\" = 1\n",
        "m.toml:2: server.a\\nb\\u{1b}[2J\\u{202e}: unknown key; known: store, \
         control_socket, domains, site, workers, drain_timeout",
    ),
    (
        "[quota]\nwarn_percent = 101\n",
        "m.toml:2: quota.warn_percent = 101: out of range; accepted: 0 to 100",
    ),
    (
        "[quota]\nwarning_subject = \"{name}, {percent}\"\n",
        "m.toml:2: quota.warning_subject = \"{name}, {percent}\": {name} is not known; known: \
         {user}, {used}, {limit}, {percent}; accepted: a text of at most 200 characters on one \
         line",
    ),
    (
        "[retention]\ndeleted_item_retention = 30000\n",
        "m.toml:2: retention.deleted_item_retention = 30000: out of range; accepted: 0 to 24855 \
         days",
    ),
    (
        "[listener]\nport = 110\n",
        "m.toml:1: listener: wrong type; accepted: sections [[listener]]",
    ),
    (
        "tls = 3\n",
        "m.toml:1: tls = 3: wrong type; accepted: a section [tls]",
    ),
    (
        "[[listener]]\nport = 110\n[[listener]]\nport = 70000\n",
        "m.toml:4: listener.port = 70000: out of range; accepted: 0 to 65535",
    ),
    (
        "[[listener]]\naddress = \"localhost\"\n",
        "m.toml:2: listener.address = \"localhost\": invalid IP address syntax; accepted: an \
         IPv4 or IPv6 address such as \"127.0.0.1\" or \"::\"",
    ),
    (
        "[server]\ndomains = [\"example.org\", \"a b\"]\n",
        "m.toml:2: server.domains = [\"example.org\", \"a b\"]: not a domain; accepted: a \
         list, each a domain such as \"example.org\"",
    ),
    (
        "[server\n",
        "m.toml:1: not TOML: unclosed table, expected `]`",
    ),
    (
        "[log]\nlevel = \"info\"\nlevel = \"debug\"\n",
        "m.toml:3: not TOML: duplicate key",
    ),
];

#[test]
fn what_is_wrong_is_said_in_one_line() {
    for (text, line) in WRONG {
        assert_eq!(refusal(text), *line, "for {text:?}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_named() {
    let table = [
        (
            "[[listener]]\naddress = \"127.0.0.1\"\n[[listener]]\naddress = \"0.0.0.0\"\n\
             port = 110\n",
            "m.toml:5: listener.port = 110: 0.0.0.0:110 is taken by the listener on \
             127.0.0.1:110; accepted: 0 to 65535",
        ),
        (
            "",
            "m.toml: tls.certificate is not set: the listener on [::]:995 has implicit TLS; \
             accepted: a path",
        ),
        (
            "listener = []\n",
            "m.toml: protocol.login_type is not set: nobody could log on, as there is no \
             certificate for TLS; accepted: \"plain_text_login\", \
             \"plain_text_authentication\", \"secure_login\"",
        ),
        (
            "[tls]\ncertificate = \"/nowhere/c.pem\"\n",
            "m.toml:2: tls.certificate = \"/nowhere/c.pem\": cannot read /nowhere/c.pem: No such \
             file or directory (os error 2); accepted: a path",
        ),
        (
            "[tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n",
            "m.toml:2: tls.certificate = \"/nowhere/c.pem\": cannot read /nowhere/c.pem: No such \
             file or directory (os error 2); accepted: a path",
        ),
        (
            "listener = []\n[auth]\nargon2_memory = 262144\nargon2_passes = 5\n\
             [protocol]\nlogin_type = \"plain_text_login\"\n",
            "m.toml:4: auth.argon2_passes = 5: memory times passes is 1310720 KiB, more than \
             1048576; accepted: 1 to 32",
        ),
    ];
    for (text, line) in table {
        assert_eq!(refusal(text), line, "for {text:?}");
    }
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    let texts = [
        PLAIN.to_owned(),
        format!("{PLAIN}protocol.profile = \"rfc1939\"\nserver.domains = [\"example.org\"]\n"),
        format!("{PLAIN}protocol.profile = \"exchange2007\"\nprotocol.texts.in_use = \"later\"\n"),
        "protocol.login_type = \"plain_text_login\"\n[[listener]]\nport = 0\n[[listener]]\n\
         address = \"127.0.0.1\"\nport = 1\n"
            .to_owned(),
    ];
    for text in texts {
        let config = Config::parse("m.toml", &text).unwrap();
        let printed = config.print();
        let again = Config::parse("printed", &printed).unwrap();
        assert_eq!(again, config.effective(), "{printed}");
        assert_eq!(again.print(), printed);
    }
}

#[test]
fn every_key_is_printed_and_explained() {
    let printed = Config::default().print();
    let lines: Vec<&str> = printed.lines().collect();
    let sections = Config::default().sections();
    let is_section = |name: &str| sections.iter().any(|(section, ..)| *section == name);
    for (name, _, entries) in &sections {
        for entry in entries {
            if is_section(&format!("{name}.{}", entry.key)) {
                continue;
            }
            let shown = |line: &&str| {
                line.trim_start_matches("# ")
                    .starts_with(&format!("{} =", entry.key))
            };
            assert!(lines.iter().any(shown), "{name}.{} is missing", entry.key);
            assert!(
                !entry.about.is_empty() || *name == "protocol.texts",
                "{name}.{} is not explained",
                entry.key
            );
        }
    }
    assert!(
        printed.contains("# Default: 19456. Accepted: 7168 to 262144 KiB.\n"),
        "{printed}"
    );
}

#[test]
fn a_profile_gives_what_is_not_set() {
    let policy = |text: &str| {
        Config::parse("m.toml", &format!("{PLAIN}{text}"))
            .unwrap()
            .protocol
            .policy()
    };
    assert_eq!(policy("").command_octets_max, 512);
    assert_eq!(
        policy("protocol.profile = \"exchange2007\"").command_octets_max,
        47
    );
    let both = policy("protocol.profile = \"exchange2007\"\nprotocol.max_command_size = 100");
    assert_eq!(both.command_octets_max, 100);
    let greeted = policy("protocol.banner = \"hello\"");
    assert_eq!(
        greeted.texts.text(mailroost_protocol::Text::Greeting),
        "hello"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nowhere/m.toml")).unwrap_err();
    assert!(error.unreadable());
    assert_eq!(
        error.to_string(),
        "/nowhere/m.toml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn paths_count_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.toml");
    std::fs::write(&file, format!("{PLAIN}server.store = \"mail\"\n")).unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.server.store, folder.path().join("mail"));
    assert_eq!(
        config.server.control_socket(),
        folder.path().join("mail/control")
    );
}

#[test]
fn a_path_that_no_socket_can_have_is_refused_before_the_start() {
    let store = |octets: usize| format!("{PLAIN}server.store = \"/{}\"\n", "s".repeat(octets - 1));
    // With "/control" behind it.
    assert!(Config::parse("m.toml", &store(99)).is_ok());
    let refusal = refusal(&store(100));
    assert!(
        refusal.starts_with("m.toml: server.control_socket is not set: /sss"),
        "{refusal}"
    );
    assert!(
        refusal.ends_with("/control has 108 octets, more than 107; accepted: a path"),
        "{refusal}"
    );
    let elsewhere = format!("{}server.control_socket = \"/run/m\"\n", store(100));
    assert!(Config::parse("m.toml", &elsewhere).is_ok());
}

/// A folder with two certificates (`one.pem`, `two.pem`) and their keys (`one-key.pem`,
/// `two-key.pem`).
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let made = crate::tls::self_signed(&[name]).unwrap();
        let file = |end: &str| folder.path().join(format!("{name}{end}.pem"));
        std::fs::write(file(""), made.certificate).unwrap();
        std::fs::write(file("-key"), made.key.as_bytes()).unwrap();
    }
    folder
}

#[test]
fn certificates_are_refused_with_the_key_that_is_to_blame() {
    const ONE: &str = "certificate = \"one.pem\"\nkey = \"one-key.pem\"\n";
    let folder = certificates();
    std::fs::write(folder.path().join("p"), "secret\n").unwrap();
    let file = folder.path().join("m.toml");
    let table = [
        (
            "[tls]\ncertificate = \"one.pem\"",
            "m.toml: tls.key is not set: F/one.pem holds no ",
        ),
        (
            "[tls]\nkey = \"one.pem\"",
            "m.toml: tls.certificate is not set: it is missing, but ",
        ),
        (
            "[tls]\ncertificate = \"one.pem\"\nkey = \"two-key.pem\"",
            "m.toml:3: tls.key = \"two-key.pem\": the private key in F/two-key.pem does not belong",
        ),
        (
            &format!("[tls]\n{ONE}password_file = \"q\""),
            "m.toml:4: tls.password_file = \"q\": cannot read F/q: ",
        ),
        (
            &format!("[tls]\n{ONE}minimum_version = \"1.1\""),
            "m.toml:4: tls.minimum_version = \"1.1\": unknown value; accepted: \"1.2\", \"1.3\"",
        ),
        (
            &format!("[tls]\n{ONE}minimum_version = \"1.3\"\nprovider = \"native-tls\""),
            "m.toml:4: tls.minimum_version = \"1.3\": native-tls serves TLS 1.2 and no newer one",
        ),
        (
            &format!("[tls]\n{ONE}provider = \"native-tls\"\n[[certificate]]\n{ONE}"),
            "m.toml:4: tls.provider = \"native-tls\": native-tls serves 1 certificate, not 2",
        ),
        (
            &format!("[tls]\n{ONE}[[certificate]]\n{ONE}[[certificate]]\nkey = \"two-key.pem\""),
            "m.toml: certificate.certificate is not set: it is missing, but ",
        ),
        (
            &format!("[tls]\n{ONE}[[certificate]]\n{ONE}[[certificate]]\ncertificate = \"p\""),
            "m.toml:8: certificate.certificate = \"p\": F/p holds no certificate in PEM form",
        ),
        (
            &format!("[[certificate]]\n{ONE}"),
            "m.toml: tls.certificate is not set: [[certificate]] is for clients that ask for its",
        ),
        (
            "certificate = 3",
            "m.toml:1: certificate = 3: wrong type; accepted: sections [[certificate]]",
        ),
    ];
    for (text, start) in table {
        std::fs::write(&file, format!("{text}\n")).unwrap();
        let error = Config::load(&file).unwrap_err().to_string();
        let error = error.replace(&format!("{}/m.toml", folder.path().display()), "m.toml");
        let error = error.replace(&folder.path().display().to_string(), "F");
        assert!(error.starts_with(start), "for {text:?}: {error}");
    }
}

#[test]
fn several_certificates_are_printed_and_read_back() {
    let folder = certificates();
    let path = |name: &str| folder.path().join(name);
    let (one, one_key) = (path("one.pem"), path("one-key.pem"));
    let (two, two_key) = (path("two.pem"), path("two-key.pem"));
    let text = format!(
        "[tls]\ncertificate = {one:?}\nkey = {one_key:?}\n[[certificate]]\ncertificate = {two:?}\n\
         key = {two_key:?}\n[[certificate]]\ncertificate = {one:?}\nkey = {one_key:?}\n"
    );
    let config = Config::parse("m.toml", &text).unwrap();
    let printed = config.print();
    assert_eq!(
        printed.matches("\n[[certificate]]\n").count(),
        2,
        "{printed}"
    );
    assert_eq!(
        Config::parse("printed", &printed).unwrap(),
        config.effective()
    );
    // Without any, the section is explained all the same.
    assert!(Config::default().print().contains("\n# [[certificate]]\n"));
}
