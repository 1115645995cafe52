//! SCRAM: the example of RFC 7677, and what must not let anybody in.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailroost_storage::{MaildropId, UserName};
use sha2::{Digest, Sha256};

use super::keys::mac;
use super::*;
use crate::Secret;

const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

/// Knows the user of RFC 7677's example, who may also act as "other".
struct OneUser;

impl PasswordSource for OneUser {
    fn verify(&self, _name: &str, _password: &Secret) -> Result<Identity, AuthError> {
        Err(AuthError::UnknownUser)
    }

    fn credential(&self, name: &str, kind: CredentialKind) -> Result<Option<Secret>, AuthError> {
        assert_eq!(kind, CredentialKind::ScramSha256);
        if name == "down" {
            return Err(AuthError::Unavailable("down".to_owned()));
        }
        let salt = STANDARD.decode(SALT).unwrap();
        let keys = ScramKeys::derive(&Secret::from(b"pencil".to_vec()), salt, 4096);
        Ok((name == "user").then(|| Secret::from(keys.stored().into_bytes())))
    }

    fn admit(&self, name: &str, authorization: Option<&str>) -> Result<Identity, AuthError> {
        match (name, authorization) {
            ("user", None | Some("other")) => Ok(Identity {
                delegate: None,
                user: UserName::new(authorization.unwrap_or(name)).unwrap(),
                maildrop: MaildropId(7),
                exact_rfc822_size: None,
                site: None,
            }),
            _ => Err(AuthError::NotPermitted("not theirs")),
        }
    }
}

fn unknown() -> Arc<UnknownUsers> {
    Arc::new(UnknownUsers::new([9; 32], 4096))
}

fn link() -> Link {
    Link {
        tls: true,
        tls_exporter: Some(vec![1; 32]),
        tls_server_end_point: Some(vec![2; 32]),
        ..Link::default()
    }
}

fn exchange(kind: Kind, link: Link) -> ScramExchange {
    ScramExchange {
        unknown: unknown(),
        kind,
        link,
        claimed: None,
        stage: Stage::First(Some(SERVER_NONCE.to_owned())),
    }
}

const UNBOUND: Kind = Kind::Unbound { beside_plus: true };

fn challenge(progress: Progress) -> String {
    match progress {
        Progress::Challenge(octets) => String::from_utf8(octets).unwrap(),
        other => panic!("no challenge: {other:?}"),
    }
}

fn failure(progress: Progress) -> AuthError {
    match progress {
        Progress::Failure(error) => error,
        other => panic!("no failure: {other:?}"),
    }
}

/// What a client with this password answers to a challenge.
fn answer(password: &str, first_bare: &str, server_first: &str, binding: &[u8]) -> String {
    let mut attributes = server_first.split(',').map(|part| &part[2..]);
    let mut next = || attributes.next().unwrap();
    let (nonce, salt, iterations) = (next(), next(), next());
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(
        password.as_bytes(),
        &STANDARD.decode(salt).unwrap(),
        iterations.parse().unwrap(),
        &mut salted,
    );
    let client_key = mac(&salted, &[b"Client Key"]);
    let stored_key = Sha256::digest(client_key.as_ref());
    let without_proof = format!("c={},r={nonce}", STANDARD.encode(binding));
    let message = format!("{first_bare},{server_first},{without_proof}");
    let signature = mac(&stored_key, &[message.as_bytes()]);
    let proof: Vec<u8> = std::iter::zip(client_key.iter(), signature.iter())
        .map(|(key, signature)| key ^ signature)
        .collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}

/// A whole log-on; `header` is what the client believes of channel binding.
fn log_on(kind: Kind, link: Link, header: &str, bound: &[u8]) -> Result<UserName, AuthError> {
    let mut exchange = exchange(kind, link);
    let bare = "n=user,r=abc";
    let server_first = match exchange.step(format!("{header}{bare}").as_bytes(), &OneUser) {
        Progress::Challenge(octets) => String::from_utf8(octets).unwrap(),
        other => return Err(failure(other)),
    };
    let binding = [header.as_bytes(), bound].concat();
    let last = answer("pencil", bare, &server_first, &binding);
    match exchange.step(last.as_bytes(), &OneUser) {
        Progress::Challenge(_) => {}
        other => return Err(failure(other)),
    }
    match exchange.step(b"", &OneUser) {
        Progress::Success(identity) => Ok(identity.user),
        other => Err(failure(other)),
    }
}

/// RFC 7677 s3.
#[test]
fn the_example_of_rfc_7677() {
    let mut exchange = exchange(UNBOUND, Link::default());
    let first = exchange.step(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", &OneUser);
    assert_eq!(
        challenge(first),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let last = exchange.step(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
          p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        &OneUser,
    );
    assert_eq!(
        challenge(last),
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
    match exchange.step(b"", &OneUser) {
        Progress::Success(identity) => assert_eq!(identity.user.as_str(), "user"),
        other => panic!("{other:?}"),
    }
    assert!(exchange.take_password().is_none());
}

#[test]
fn plus_is_proven_over_each_binding_that_the_connection_has() {
    for (name, octets) in [("tls-exporter", [1; 32]), ("tls-server-end-point", [2; 32])] {
        let header = format!("p={name},,");
        assert!(
            log_on(Kind::Plus, link(), &header, &octets).is_ok(),
            "{name}"
        );
        let another = log_on(Kind::Plus, link(), &header, &[3; 32]);
        assert!(
            matches!(another, Err(AuthError::NotPermitted(_))),
            "{another:?}"
        );
    }
    let none = log_on(Kind::Plus, link(), "p=tls-unique,,", &[1; 32]);
    assert!(matches!(none, Err(AuthError::NotPermitted(_))), "{none:?}");
}

/// RFC 5802 s6: what a man in the middle who strips -PLUS from the list would bring about.
#[test]
fn a_client_that_was_not_told_of_plus_is_refused_where_plus_is_offered() {
    let told = |kind, link| log_on(kind, link, "y,,", b"");
    let refused = told(UNBOUND, link());
    assert!(
        matches!(refused, Err(AuthError::NotPermitted(_))),
        "{refused:?}"
    );
    assert!(told(UNBOUND, Link::default()).is_ok());
    assert!(told(Kind::Unbound { beside_plus: false }, link()).is_ok());
    assert!(log_on(UNBOUND, link(), "n,,", b"").is_ok());
}

#[test]
fn the_flag_goes_with_the_mechanism() {
    for (kind, header) in [
        (Kind::Plus, "n,,"),
        (Kind::Plus, "y,,"),
        (UNBOUND, "p=tls-exporter,,"),
    ] {
        let outcome = log_on(kind, link(), header, &[1; 32]);
        assert!(
            matches!(outcome, Err(AuthError::NotPermitted(_))),
            "{header}"
        );
    }
}

/// The flag is part of what is proven: changing it on the way helps nobody.
#[test]
fn a_header_that_was_changed_on_the_way_is_noticed() {
    let mut exchange = exchange(UNBOUND, link());
    let server_first = challenge(exchange.step(b"n,,n=user,r=abc", &OneUser));
    let last = answer("pencil", "n=user,r=abc", &server_first, b"y,,");
    let outcome = failure(exchange.step(last.as_bytes(), &OneUser));
    assert!(matches!(outcome, AuthError::NotPermitted(_)), "{outcome:?}");
}

#[test]
fn a_nonce_that_was_tampered_with_is_refused() {
    for tampered in ["abd", "", "abcd", "ABC"] {
        let mut exchange = exchange(UNBOUND, link());
        let server_first = challenge(exchange.step(b"n,,n=user,r=abc", &OneUser));
        let changed = server_first.replacen("r=abc", &format!("r={tampered}"), 1);
        let last = answer("pencil", "n=user,r=abc", &changed, b"n,,");
        let outcome = failure(exchange.step(last.as_bytes(), &OneUser));
        assert!(
            matches!(outcome, AuthError::Malformed(_)),
            "{tampered}: {outcome:?}"
        );
    }
}

#[test]
fn a_recorded_answer_is_worth_nothing_in_another_exchange() {
    let mechanism = Scram::sha_256(unknown(), false);
    let mut recorded = mechanism.start(&Link::default());
    let server_first = challenge(recorded.step(b"n,,n=user,r=abc", &OneUser));
    let last = answer("pencil", "n=user,r=abc", &server_first, b"n,,");
    challenge(recorded.step(last.as_bytes(), &OneUser));
    let mut replayed = mechanism.start(&Link::default());
    assert_ne!(
        challenge(replayed.step(b"n,,n=user,r=abc", &OneUser)),
        server_first
    );
    failure(replayed.step(last.as_bytes(), &OneUser));
}

#[test]
fn the_wrong_password_and_no_such_user_get_challenges_of_one_form() {
    let exchange_of = |name: &str| {
        let mut exchange = exchange(UNBOUND, Link::default());
        let first = format!("n,,n={name},r=abc");
        let server_first = challenge(exchange.step(first.as_bytes(), &OneUser));
        let bare = format!("n={name},r=abc");
        let last = answer("wrong", &bare, &server_first, b"n,,");
        (
            server_first,
            failure(exchange.step(last.as_bytes(), &OneUser)),
        )
    };
    let (known, wrong) = exchange_of("user");
    let (missing, nobody) = exchange_of("nobody");
    assert_eq!(wrong, AuthError::WrongPassword);
    assert_eq!(nobody, AuthError::UnknownUser);
    assert_eq!(known.len(), missing.len());
    let shape = |text: &str| text.split(',').map(str::len).collect::<Vec<_>>();
    assert_eq!(shape(&known), shape(&missing));
    // The same name has the same salt, in upper case too; another has another.
    assert_eq!(exchange_of("nobody").0, missing);
    assert_eq!(exchange_of("NoBody").0, missing);
    assert_ne!(exchange_of("someone").0, missing);
}

#[test]
fn an_authorization_identity_is_the_sources_business() {
    assert_eq!(
        log_on(UNBOUND, link(), "n,a=other,", b"").unwrap().as_str(),
        "other"
    );
    assert_eq!(
        log_on(UNBOUND, link(), "n,a=third,", b""),
        Err(AuthError::NotPermitted("not theirs"))
    );
}

#[test]
fn the_source_being_down_is_no_wrong_password() {
    let mut exchange = exchange(UNBOUND, link());
    let outcome = failure(exchange.step(b"n,,n=down,r=abc", &OneUser));
    assert!(matches!(outcome, AuthError::Unavailable(_)));
}

#[test]
fn an_exchange_that_is_over_stays_over() {
    let mut exchange = exchange(UNBOUND, link());
    failure(exchange.step(b"", &OneUser));
    for message in [&b"n,,n=user,r=abc"[..], b""] {
        assert!(matches!(
            failure(exchange.step(message, &OneUser)),
            AuthError::Malformed(_)
        ));
    }
}

#[test]
fn octets_in_place_of_the_acknowledgement_do_not_let_in() {
    let mut exchange = exchange(UNBOUND, link());
    let server_first = challenge(exchange.step(b"n,,n=user,r=abc", &OneUser));
    let last = answer("pencil", "n=user,r=abc", &server_first, b"n,,");
    challenge(exchange.step(last.as_bytes(), &OneUser));
    failure(exchange.step(b"x", &OneUser));
}

#[test]
fn who_was_refused_is_known_also_where_no_key_was_asked_for() {
    let mut exchange = exchange(Kind::Plus, Link::default());
    let refused = failure(exchange.step(b"p=tls-exporter,,n=user,r=abc", &OneUser));
    assert!(matches!(refused, AuthError::NotPermitted(_)));
    assert_eq!(exchange.claimed_name(), Some("user"));
}
