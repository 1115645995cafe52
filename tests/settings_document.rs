//! `docs/settings.md` says what is so: every key is in it, with the default, the range and the
//! way of change that the code has; and every parameter of Exchange's cmdlets is.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod daemon_program;

use std::collections::{BTreeMap, BTreeSet};

use daemon_program::{Place, run_bare};
use mailroost::Config;
use mailroost::config::Profile;

const DOCUMENT: &str = include_str!("../docs/settings.md");

/// The parameters of Set-PopSettings that concern POP3 or the cmdlet itself.
const SET_POP_SETTINGS: [&str; 31] = [
    "AuthenticatedConnectionTimeout",
    "PreAuthenticatedConnectionTimeout",
    "Banner",
    "CalendarItemRetrievalOption",
    "OwaServerUrl",
    "EnableExactRFC822Size",
    "EnableGSSAPIAndNTLMAuth",
    "EnforceCertificateErrors",
    "ExtendedProtectionPolicy",
    "ExternalConnectionSettings",
    "InternalConnectionSettings",
    "SSLBindings",
    "UnencryptedOrTLSBindings",
    "X509CertificateName",
    "LoginType",
    "MaxCommandSize",
    "MaxConnections",
    "MaxConnectionFromSingleIP",
    "MaxConnectionsPerUser",
    "MessageRetrievalMimeFormat",
    "MessageRetrievalSortOrder",
    "ProxyTargetPort",
    "ProtocolLogEnabled",
    "LogFileLocation",
    "LogFileRollOverSettings",
    "LogPerFileSizeQuota",
    "SuppressReadReceipt",
    "Server",
    "DomainController",
    "Confirm",
    "WhatIf",
];

/// Those of Set-CASMailbox that concern POP3.
const SET_CAS_MAILBOX: [&str; 6] = [
    "PopEnabled",
    "PopUseProtocolDefaults",
    "PopEnableExactRFC822Size",
    "PopMessagesRetrievalMimeFormat",
    "PopForceICalForCalendarRetrievalOption",
    "PopSuppressReadReceipt",
];

/// The rows of the table below a heading, cell by cell.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, below) = DOCUMENT.split_once(&format!("## {heading}\n")).unwrap();
    let section = below.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    rows.skip(2)
        .map(|row| {
            let row = row.strip_prefix("| ").unwrap().strip_suffix(" |").unwrap();
            row.split(" | ").map(str::trim).collect()
        })
        .collect()
}

/// A key as a table has it.
struct Row {
    key: &'static str,
    default: &'static str,
    accepted: &'static str,
    taken_up: &'static str,
}

/// All rows that name a key, of all tables.
fn rows() -> Vec<Row> {
    let exchange = [
        "Set-PopSettings",
        "The log of Exchange 2007",
        "Set-MailboxDatabase",
    ];
    let of_exchange = exchange.into_iter().flat_map(table).map(|cells| {
        assert_eq!(cells.len(), 6, "{cells:?}");
        cells[1..].to_vec()
    });
    let own = table("Settings that Exchange does not have");
    of_exchange
        .chain(own)
        .filter(|cells| cells[0] != "-")
        .map(|cells| Row {
            key: unquoted(cells[0]),
            default: cells[1],
            accepted: cells[2],
            taken_up: cells[3],
        })
        .collect()
}

fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// What is printed of a key.
struct Printed {
    value: String,
    accepted: String,
}

/// Every key that `print-config` prints, by section and name; of repeated sections the first.
fn printed(profile: Profile) -> BTreeMap<String, Printed> {
    let mut config = Config::default();
    config.protocol.profile = profile;
    let (mut keys, mut section, mut accepted) = (BTreeMap::new(), String::new(), None);
    for line in config.print().lines() {
        let bare = line.trim_start_matches("# ");
        if bare.starts_with('[') && bare.ends_with(']') {
            section = bare.trim_matches(['[', ']']).to_owned();
        } else if let Some((_, range)) = line.split_once(". Accepted: ") {
            accepted = Some(range.trim_end_matches('.').to_owned());
        } else if let Some((key, value)) = bare.split_once(" =")
            && let Some(accepted) = accepted.take()
        {
            let value = match value.trim() {
                "" => "not set".to_owned(),
                value => value.to_owned(),
            };
            keys.insert(format!("{section}.{key}"), Printed { value, accepted });
        }
    }
    keys
}

const PROFILES: [(&str, Profile); 4] = [
    ("exchange2013", Profile::Exchange2013),
    ("exchange2010", Profile::Exchange2010),
    ("exchange2007", Profile::Exchange2007),
    ("rfc1939", Profile::Rfc1939),
];

#[test]
fn every_parameter_of_exchange_is_there_with_a_setting_or_a_reason() {
    for (heading, parameters) in [
        ("Set-PopSettings", &SET_POP_SETTINGS[..]),
        ("Set-CASMailbox", &SET_CAS_MAILBOX),
    ] {
        let rows = table(heading);
        let named: Vec<_> = rows.iter().map(|cells| cells[0]).collect();
        assert_eq!(named, parameters);
        for cells in rows.iter().filter(|cells| cells[1] == "-") {
            let reason = cells.last().unwrap();
            let says_why = reason.starts_with("Not done: ") || reason.starts_with("No meaning");
            assert!(says_why && reason.contains(": "), "{cells:?}");
        }
    }
}

#[test]
fn every_key_is_in_the_tables_and_every_row_is_a_key() {
    let keys: BTreeSet<String> = printed(Profile::Exchange2013)
        .into_keys()
        .filter(|key| !key.starts_with("protocol.texts."))
        .collect();
    assert!(keys.len() > 60, "{keys:?}");
    let documented: BTreeSet<String> = rows().iter().map(|row| row.key.to_owned()).collect();
    assert_eq!(keys, documented);
}

#[test]
fn defaults_are_those_of_the_profiles() {
    let of_profiles = PROFILES.map(|(name, profile)| (name, printed(profile)));
    for row in rows() {
        let default = row.default.replace("VERSION", env!("CARGO_PKG_VERSION"));
        let mut parts = default.split("; ");
        let standard = parts.next().unwrap();
        let others: BTreeMap<_, _> = parts.map(|part| part.split_once(": ").unwrap()).collect();
        for (profile, keys) in &of_profiles {
            let expected = unquoted(others.get(profile).unwrap_or(&standard));
            let value = &keys[row.key].value;
            if row.key == "protocol.profile" {
                assert_eq!(value.trim_matches('"'), *profile);
            } else {
                assert_eq!(value, expected, "{} in {profile}", row.key);
            }
        }
    }
}

/// Values to try, as TOML: those that are accepted, those that are not.
fn candidates(accepted: &str) -> (Vec<String>, Vec<String>) {
    if let Some(each) = accepted.strip_prefix("a list, each ") {
        let list = |values: Vec<String>| -> Vec<String> {
            values.iter().map(|value| format!("[{value}]")).collect()
        };
        let (good, bad) = candidates(each);
        return (list(good), list(bad));
    }
    let mut good: Vec<String> = accepted
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|word| format!("{word:?}"))
        .collect();
    let mut bad = vec!["\"no such thing!\"".to_owned(), "1.5".to_owned()];
    for part in accepted.split(", ") {
        let words: Vec<&str> = part.split(' ').collect();
        let unit = words.get(3..).unwrap_or_default();
        let counts = ["", "octets", "KiB", "seconds", "hours", "days"];
        if let [least, "to", most, ..] = words[..]
            && counts.contains(&unit.join(" ").as_str())
        {
            let (least, most): (i64, i64) = (least.parse().unwrap(), most.parse().unwrap());
            good.extend([least.to_string(), most.to_string()]);
            bad.push((most + 1).to_string());
            if !accepted.starts_with("0, ") || least > 1 {
                bad.push((least - 1).to_string());
            }
        }
    }
    match accepted {
        "true or false" => good.extend(["true".to_owned(), "false".to_owned()]),
        "a path" => {
            good = vec!["\"/one\"".to_owned(), "\"/another\"".to_owned()];
            bad = vec!["1".to_owned()];
        }
        "a text" => {
            good = vec!["\"one text\"".to_owned(), "\"another\"".to_owned()];
            bad = vec!["1".to_owned()];
        }
        // Names and texts: what is given as an example is accepted, if any is.
        _ if accepted.contains("such as") => bad.push("\"a b\"".to_owned()),
        _ if good.iter().any(|value| value == "\".\"") => good = vec!["\"a.b-c_1\"".to_owned()],
        _ if accepted.contains("characters") => {
            good = vec!["\"one text\"".to_owned(), "\"another\"".to_owned()];
            bad = vec!["\"a\\u0000b\"".to_owned(), "1".to_owned()];
        }
        _ => {}
    }
    (good, bad)
}

fn read(place: &Place, key: &str, value: &str) -> Result<Config, String> {
    let (section, name) = key.rsplit_once('.').unwrap();
    let header = match section {
        "listener" | "certificate" | "site" | "lmtp.listener" | "auth.source" => {
            format!("[[{section}]]")
        }
        _ => format!("[{section}]"),
    };
    let file = place.file("one.toml", format!("{header}\n{name} = {value}\n"));
    Config::read(file.as_ref()).map_err(|error| error.to_string())
}

#[test]
fn ranges_are_those_that_are_enforced() {
    let place = Place::new();
    let keys = printed(Profile::Exchange2013);
    for row in rows() {
        let Row { key, accepted, .. } = row;
        assert_eq!(accepted, keys[key].accepted, "{key}");
        let (good, bad) = candidates(accepted);
        assert!(!good.is_empty() && !bad.is_empty(), "{key}: {accepted}");
        for value in good {
            let read = read(&place, key, &value);
            assert!(read.is_ok(), "{key} = {value}: {read:?}");
        }
        for value in bad {
            let error = read(&place, key, &value).unwrap_err();
            let end = format!("; accepted: {accepted}");
            assert!(error.ends_with(&end), "{key} = {value}: {error}");
        }
    }
}

#[test]
fn what_needs_a_restart_is_what_is_said_to() {
    let place = Place::new();
    for row in rows() {
        let (good, _) = candidates(row.accepted);
        let [one, .., other] = &good[..] else {
            continue;
        };
        let [one, other] = [one, other].map(|value| read(&place, row.key, value).unwrap());
        let taken_up = match one.needs_restart(&other).is_empty() {
            true => "reload",
            false => "restart",
        };
        assert_ne!(one, other, "{}", row.key);
        assert_eq!(row.taken_up, taken_up, "{}", row.key);
    }
}

#[test]
fn options_of_users_take_what_is_said_and_nothing_else() {
    let place = Place::new();
    place.add_user("ann");
    let help = run_bare(&["user", "set", "--help"]).text();
    let shown = || place.run(&["user", "show", "ann"], "").text();
    for cells in table("Set-CASMailbox")
        .iter()
        .filter(|cells| cells[1] != "-")
    {
        let option = unquoted(cells[1]);
        assert!(help.contains(option), "{option}: {help}");
        let name = option.trim_start_matches('-').replace('-', "_");
        let value = || {
            let shown = shown();
            let line = shown.lines().find(|line| line.starts_with(&name)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        assert_eq!(value(), unquoted(cells[2]), "{option}");
        for accepted in cells[3].split(", ") {
            place
                .run(&["user", "set", "ann", option, accepted], "")
                .octets();
            assert_eq!(value(), accepted, "{option}");
        }
        let (status, line) = place
            .run(&["user", "set", "ann", option, "maybe"], "")
            .failure();
        assert_eq!(status, 64);
        assert!(line.contains(&format!("accepted: {}", cells[3])), "{line}");
    }
}
