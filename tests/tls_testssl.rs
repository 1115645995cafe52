//! What Debian's `testssl.sh` finds. It looks at loopback alone: no names are looked up and
//! nobody outside is asked. It is slow (about a minute), so that STLS, which shares all of its
//! TLS with the other port, gets fewer checks.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use actix::System;
use serde_json::Value;
use tls::authority::{Authority, Kind};
use tls::{client, config, keys, listener, start};

/// So long it may take, in seconds, on a machine that has other things to do as well.
const PATIENCE: &str = "300";

/// What is not counted, and why.
const EXCEPTIONS: [(&str, &str); 3] = [
    (
        "cert_revocation",
        "the authority of this test publishes neither revocation list nor OCSP; a real one does",
    ),
    (
        "sessionresumption_ticket",
        "the check asks for HTTP; tests/tls_s_client.rs shows that tickets work",
    ),
    (
        "engine_problem",
        "about the openssl program that does the checking, where it has no engine for GOST",
    ),
];

/// A finding: its severity and its text.
type Findings = BTreeMap<String, (String, String)>;

#[test]
fn it_finds_nothing_that_is_worse_than_ok() {
    System::new().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let root = authority.write_root(folder.path());
        // RSA, or the ciphers with DHE would not be looked at.
        let rsa = authority.issue(&["localhost", "127.0.0.1"], Kind::Rsa2048);
        let ecdsa = authority.issue(&["localhost", "127.0.0.1"], Kind::P256);
        let sections = format!(
            "[tls]\n{}{}{}{}",
            keys(&authority.write(folder.path(), "ecdsa", &ecdsa)),
            listener("stls"),
            listener("implicit_tls"),
            keys(&authority.write(folder.path(), "rsa", &rsa)),
        );
        let server = start(config("", &sections)).await;
        let [stls, implicit] = server.addresses() else {
            panic!("two listeners");
        };
        // Protocols, preferences, forward secrecy, what is shown, vulnerabilities.
        let all = ["-p", "-P", "-f", "-S", "-U"];
        let fewer = ["-t", "pop3", "-p", "-P", "-R", "-C"];
        let (all, fewer) = tokio::join!(
            findings(*implicit, &all, &root, folder.path()),
            findings(*stls, &fewer, &root, folder.path()),
        );
        server.stop().await;

        let everywhere = [
            "SSLv3",
            "TLS1_2",
            "TLS1_3",
            "cipher_order",
            "secure_client_renego",
        ];
        let here = [
            "PFS",
            "SWEET32",
            "LUCKY13",
            "ROBOT",
            "LOGJAM",
            "cert_chain_of_trust",
        ];
        assert_fine(&fewer, &everywhere);
        assert_fine(&all, &[&everywhere[..], &here].concat());
    });
}

/// Runs it. `root` is trusted besides the system's own.
async fn findings(address: SocketAddr, checks: &[&str], root: &Path, folder: &Path) -> Findings {
    let json = folder.join(format!("{}.json", address.port()));
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", PATIENCE, "testssl"])
        .args(["--quiet", "--color", "0", "--warnings", "off"])
        .args(["--nodns", "none"])
        .args(["--connect-timeout", "10", "--openssl-timeout", "10"])
        .arg("--add-ca")
        .arg(root)
        .arg("--jsonfile")
        .arg(&json)
        .args(checks)
        .arg(address.to_string());
    let output = client(move || command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // Its exit status counts findings; that it came to its end shows in what it wrote.
    assert!(said.contains(" Done "), "{said}{output:?}");
    let found = std::fs::read_to_string(&json).unwrap();
    let found: Vec<Value> = serde_json::from_str(&found).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let found = found.iter().map(|finding| {
        let severity = text(finding, "severity");
        (text(finding, "id"), (severity, text(finding, "finding")))
    });
    found.collect()
}

/// Nothing is worse than OK, and these were found to be OK.
fn assert_fine(findings: &Findings, ids: &[&str]) {
    for id in ids {
        let severity = findings.get(*id).map(|(severity, _)| severity.as_str());
        assert_eq!(severity, Some("OK"), "{id}: {findings:#?}");
    }
    let excepted = |id: &str| EXCEPTIONS.iter().any(|(exception, _)| *exception == id);
    // DEBUG is about testssl.sh itself; WARN is a check that did not work.
    let fine = |severity: &str| ["OK", "INFO", "DEBUG"].contains(&severity);
    let worse: Findings = findings
        .iter()
        .filter(|(id, (severity, _))| !fine(severity) && !excepted(id))
        .map(|(id, finding)| (id.clone(), finding.clone()))
        .collect();
    assert!(worse.is_empty(), "{worse:#?}");
}
