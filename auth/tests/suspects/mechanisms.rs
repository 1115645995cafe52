//! The mechanisms, each with a client of its own.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::{Arc, LazyLock};

use mailroost_auth::ntlm::{Ntlm, NtlmSettings};
use mailroost_auth::oauth::{Bearer, Hint};
use mailroost_auth::{
    CertificateName, ClientCertificate, External, Link, Mechanism, Plain, Scram, UnknownUsers,
};

use super::token::Issuer;
use super::{CASES, Case, PROVEN_CASES, SCRAM_ITERATIONS, Stand, Talk, ntlm, scram, secret};

/// A mechanism that can be tried.
pub struct Tried {
    pub name: &'static str,
    pub proof: Proof,
    pub log_on: LogOn,
}

/// Name and password lead to an outcome.
pub type LogOn = fn(&mut Talk<'_>, &Stand, &str, &str);

/// What a client has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The password, which it shows.
    Password,
    /// The password, which it keeps.
    Secret,
    /// What somebody else gave it: nothing to guess at.
    Given,
}

impl Tried {
    /// What can be wrong.
    pub fn cases(&self) -> &'static [Case] {
        match self.proof {
            Proof::Password | Proof::Secret => &CASES,
            Proof::Given => &PROVEN_CASES,
        }
    }
}

/// The mechanisms, USER and PASS among them.
pub fn mechanisms() -> Vec<Tried> {
    let all = passwords().into_iter().chain(secrets()).chain(given());
    all.collect()
}

fn tried(name: &'static str, proof: Proof, log_on: LogOn) -> Tried {
    Tried {
        name,
        proof,
        log_on,
    }
}

fn passwords() -> [Tried; 3] {
    [
        tried("USER, PASS", Proof::Password, |talk, _, name, password| {
            talk.ask(|source| source.verify_octets(name.as_bytes(), &secret(password)));
        }),
        tried("PLAIN", Proof::Password, |talk, _, name, password| {
            one_message(talk, &Plain, &format!("\0{name}\0{password}"));
        }),
        tried(
            "app password",
            Proof::Password,
            |talk, stand, name, password| {
                let mut shown = stand.app_password.clone();
                // The id of one that is there, and another secret.
                if password.starts_with("wrong") {
                    let last = if shown.ends_with('0') { "1" } else { "0" };
                    shown.replace_range(shown.len() - 1.., last);
                }
                talk.ask(|source| source.verify(name, &secret(&shown)));
            },
        ),
    ]
}

fn secrets() -> [Tried; 3] {
    [
        tried("SCRAM-SHA-256", Proof::Secret, |talk, _, name, password| {
            let unbound = Scram::sha_256(unknown(), true);
            scram_log_on(talk, &unbound, "n,,", b"", name, password);
        }),
        tried(
            "SCRAM-SHA-256-PLUS",
            Proof::Secret,
            |talk, _, name, password| {
                let plus = Scram::sha_256_plus(unknown());
                let header = "p=tls-exporter,,";
                scram_log_on(talk, &plus, header, &EXPORTED, name, password);
            },
        ),
        tried("NTLM", Proof::Secret, |talk, _, name, password| {
            static NTLM: LazyLock<Ntlm> =
                LazyLock::new(|| Ntlm::new(NtlmSettings::default()).unwrap());
            let mut exchange = NTLM.start(&link());
            let challenge = talk.step(&mut *exchange, &ntlm::negotiate()).unwrap();
            talk.step(
                &mut *exchange,
                &ntlm::authenticate(name, password, &challenge),
            );
        }),
    ]
}

fn given() -> [Tried; 4] {
    [
        tried("OAUTHBEARER", Proof::Given, |talk, _, name, _| {
            let bearer = Bearer::oauthbearer(ISSUER.check.clone(), Hint::default());
            let token = ISSUER.token(name);
            one_message(
                talk,
                &bearer,
                &format!("n,,\x01auth=Bearer {token}\x01\x01"),
            );
        }),
        tried("XOAUTH2", Proof::Given, |talk, _, name, _| {
            let bearer = Bearer::xoauth2(ISSUER.check.clone(), Hint::default());
            let token = ISSUER.token(name);
            let message = format!("user={name}\x01auth=Bearer {token}\x01\x01");
            one_message(talk, &bearer, &message);
        }),
        tried("EXTERNAL", Proof::Given, |talk, _, name, _| {
            let external = External::new(CertificateName::CommonName);
            let certificate = ClientCertificate {
                common_name: Some(name.to_owned()),
                ..ClientCertificate::default()
            };
            let link = Link {
                client_certificate: Some(certificate),
                ..link()
            };
            talk.step(&mut *external.start(&link), b"");
        }),
        // What comes before this is the Kerberos library's, and knows no user.
        tried("GSSAPI, ticket proven", Proof::Given, |talk, _, name, _| {
            talk.ask(|source| source.admit(name, None));
        }),
    ]
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);

const EXPORTED: [u8; 32] = [7; 32];

fn link() -> Link {
    Link {
        tls: true,
        tls_exporter: Some(EXPORTED.to_vec()),
        ..Link::default()
    }
}

fn unknown() -> Arc<UnknownUsers> {
    Arc::new(UnknownUsers::new([9; 32], SCRAM_ITERATIONS))
}

/// The client's only message.
fn one_message(talk: &mut Talk<'_>, mechanism: &dyn Mechanism, message: &str) {
    talk.step(&mut *mechanism.start(&link()), message.as_bytes());
}

fn scram_log_on(
    talk: &mut Talk<'_>,
    mechanism: &Scram,
    header: &str,
    bound: &[u8],
    name: &str,
    password: &str,
) {
    let mut exchange = mechanism.start(&link());
    let first = scram::first(name);
    let message = format!("{header}{first}");
    let challenge = talk.step(&mut *exchange, message.as_bytes()).unwrap();
    let binding = [header.as_bytes(), bound].concat();
    let (last, iterations) = scram::last(password, &first, &challenge, &binding);
    talk.iterations = iterations;
    // The server's signature wants an acknowledgement.
    if talk.step(&mut *exchange, last.as_bytes()).is_some() {
        talk.step(&mut *exchange, b"");
    }
}
