//! Bearer tokens: both mechanisms, every algorithm, key roll-over, and the attacks.

mod issuer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mailroost_storage::{MaildropId, UserName};
use openssl::pkey::{Id, PKey};
use openssl::rsa::Rsa;
use serde_json::{Value, json};

use super::*;
use crate::{PasswordSource, Secret};
use issuer::{Document, Issuer, encode};

const NOW: u64 = 1_700_000_000;

/// Ann may open her own maildrop and Bob's.
struct Directory;

impl PasswordSource for Directory {
    fn verify(&self, _name: &str, _password: &Secret) -> Result<crate::Identity, AuthError> {
        Err(AuthError::UnknownUser)
    }

    fn admit(&self, name: &str, wanted: Option<&str>) -> Result<crate::Identity, AuthError> {
        match (name, wanted) {
            ("ann@example.org", None | Some("ann@example.org" | "bob@example.org")) => {
                Ok(crate::Identity {
                    user: UserName::new(wanted.unwrap_or(name)).unwrap(),
                    delegate: None,
                    maildrop: MaildropId(7),
                    exact_rfc822_size: None,
                    site: None,
                })
            }
            ("ann@example.org", Some(_)) => Err(AuthError::NotPermitted("not hers")),
            _ => Err(AuthError::UnknownUser),
        }
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "aud": "mailroost", "exp": NOW + 60, "sub": "ann@example.org",
        "scope": "pop",
    })
}

/// A check that accepts every algorithm, with a clock that a test can move.
fn check(document: &Document) -> (JwtCheck, Arc<AtomicU64>) {
    let elapsed = Arc::new(AtomicU64::new(0));
    let (begin, moved) = (Instant::now(), Arc::clone(&elapsed));
    let ring = KeyRing::new(Box::new(document.clone()), Duration::from_secs(3600))
        .with_clock(move || begin + Duration::from_secs(moved.load(Ordering::SeqCst)));
    let rules = ClaimRules {
        issuer: Some("https://id.example".into()),
        audiences: vec!["mailroost".into()],
        scopes: vec!["pop".into()],
        user_claim: "sub".into(),
        leeway_secs: 0,
    };
    let all = vec![
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::EdDsa,
    ];
    (JwtCheck::new(ring, all, rules).with_clock(|| NOW), elapsed)
}

const EACH: [(&str, &str); 4] = [
    ("RS256", "rsa"),
    ("PS256", "rsa"),
    ("ES256", "p256"),
    ("EdDSA", "ed"),
];

#[test]
fn each_algorithm_proves_with_and_without_the_name_of_the_key() {
    let issuer = Issuer::new();
    let (check, _) = check(&Document::of(&issuer.set()));
    for (algorithm, id) in EACH {
        for id in [Some(id), None] {
            let token = issuer.token(algorithm, id, &claims());
            assert_eq!(
                check.check(&token).as_deref(),
                Ok("ann@example.org"),
                "{algorithm}"
            );
        }
    }
}

#[test]
fn forged_tokens_are_refused() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let document = Document::of(&issuer.set());
    let (check, _) = check(&document);
    let good = issuer.token("RS256", Some("rsa"), &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let unsigned = |algorithm: &str| {
        let header = encode(json!({ "alg": algorithm, "kid": "rsa" }).to_string());
        format!("{header}.{}.", parts[1])
    };
    let admin = encode(json!({ "sub": "root" }).to_string());
    let critical = encode(json!({ "alg": "RS256", "kid": "rsa", "crit": ["x"] }).to_string());
    let mut forged = vec![
        unsigned("none"),
        unsigned("None"),
        unsigned("RS256"),
        issuer.token("HS256", Some("rsa"), &claims()),
        issuer.token("HS256", None, &claims()),
        other.token("RS256", Some("rsa"), &claims()),
        format!("{}.{admin}.{}", parts[0], parts[2]),
        format!("{critical}.{}.{}", parts[1], parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.x"),
        format!("{good}="),
        "x".to_owned(),
        "..".to_owned(),
    ];
    // The key of another algorithm, and names that would lead elsewhere were they paths.
    for id in [
        "p256",
        "ed",
        "../../etc/passwd",
        "/dev/null",
        "rsa\0",
        "http://127.0.0.1/",
        "",
    ] {
        forged.push(issuer.token("RS256", Some(id), &claims()));
    }
    for token in forged {
        let outcome = check.check(&token);
        assert!(
            matches!(outcome, Err(TokenError::Refused(_))),
            "{token}: {outcome:?}"
        );
    }
    // Nothing but the document was ever read, and no oftener than is allowed.
    assert_eq!(document.reads(), 1);
    assert!(check.check(&good).is_ok());
}

#[test]
fn what_is_signed_and_not_meant_for_us_is_refused() {
    let issuer = Issuer::new();
    let (check, _) = check(&Document::of(&issuer.set()));
    for (claim, value, expected) in [
        ("exp", json!(NOW), "the token has expired"),
        (
            "aud",
            json!("elsewhere"),
            "the token is meant for somebody else",
        ),
        (
            "iss",
            json!("https://evil.example"),
            "the token is of another issuer",
        ),
        ("nbf", json!(NOW + 1), "the token is not valid yet"),
    ] {
        let mut claims = claims();
        claims[claim] = value;
        let token = issuer.token("ES256", Some("p256"), &claims);
        assert_eq!(check.check(&token), Err(TokenError::Refused(expected)));
    }
}

#[test]
fn an_algorithm_that_is_not_configured_is_refused_though_the_key_is_there() {
    let issuer = Issuer::new();
    let (mut check, _) = check(&Document::of(&issuer.set()));
    check.algorithms = vec![Algorithm::Es256];
    for (algorithm, id) in EACH {
        let outcome = check.check(&issuer.token(algorithm, Some(id), &claims()));
        assert_eq!(outcome.is_ok(), algorithm == "ES256", "{algorithm}");
    }
}

#[test]
fn a_new_key_is_fetched_when_a_token_names_it_and_no_oftener_than_allowed() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let document = Document::of(&json!({ "keys": [old.rsa_jwk("1")] }));
    let (check, elapsed) = check(&document);
    let of_old = old.token("RS256", Some("1"), &claims());
    let of_new = new.token("RS256", Some("2"), &claims());
    assert!(check.check(&of_old).is_ok());
    document.put(&json!({ "keys": [old.rsa_jwk("1"), new.rsa_jwk("2")] }));
    for _ in 0..100 {
        assert!(check.check(&of_new).is_err());
    }
    assert_eq!(document.reads(), 1);
    elapsed.store(60, Ordering::SeqCst);
    assert!(check.check(&of_new).is_ok());
    assert!(check.check(&of_old).is_ok());
    assert_eq!(document.reads(), 2);
}

#[test]
fn an_outage_of_the_issuer_is_bridged_for_a_day_and_then_temporary() {
    let issuer = Issuer::new();
    let document = Document::of(&issuer.set());
    let (check, elapsed) = check(&document);
    let token = issuer.token("EdDSA", Some("ed"), &claims());
    document.fail();
    let down = check.check(&token);
    assert_eq!(
        down,
        Err(TokenError::Unavailable("nobody there".to_owned()))
    );
    document.put(&issuer.set());
    elapsed.store(60, Ordering::SeqCst);
    assert!(check.check(&token).is_ok());
    document.fail();
    elapsed.store(60 + 3600 + 86_399, Ordering::SeqCst);
    assert!(check.check(&token).is_ok());
    elapsed.store(60 + 3600 + 86_400, Ordering::SeqCst);
    assert!(matches!(
        check.check(&token),
        Err(TokenError::Unavailable(_))
    ));
}

#[test]
fn keys_that_are_too_short_or_no_points_are_passed_over() {
    let short = Rsa::generate(1024).unwrap();
    let (n, e) = (encode(short.n().to_vec()), encode(short.e().to_vec()));
    for set in [
        json!({ "keys": [{ "kty": "RSA", "n": n, "e": e }] }),
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": encode([1; 32]), "y": encode([1; 32]) }] }),
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": encode([1; 31]) }] }),
        json!({ "keys": [] }),
        json!([]),
    ] {
        assert!(key::parse_set(set.to_string().as_bytes()).is_err(), "{set}");
    }
    assert!(PKey::public_key_from_raw_bytes(&[1; 32], Id::ED25519).is_ok());
}

/// Accepts the token "good", and knows three that are not.
struct Fixed;

impl TokenCheck for Fixed {
    fn check(&self, token: &str) -> Result<String, TokenError> {
        match token {
            "good" => Ok("ann@example.org".to_owned()),
            "stranger" => Ok("eve@example.org".to_owned()),
            "narrow" => Err(TokenError::Scope),
            "down" => Err(TokenError::Unavailable("down".to_owned())),
            _ => Err(TokenError::Refused("the token has expired")),
        }
    }
}

fn hint() -> Hint {
    Hint {
        scope: "pop".to_owned(),
        openid_configuration: Some("https://id.example/.well-known/openid-configuration".into()),
    }
}

fn exchange(dialect: Dialect) -> Box<dyn Exchange> {
    let mechanism = match dialect {
        Dialect::OAuthBearer => Bearer::oauthbearer(Arc::new(Fixed), hint()),
        Dialect::XOAuth2 => Bearer::xoauth2(Arc::new(Fixed), hint()),
    };
    assert!(mechanism.needs().tls);
    mechanism.start(&Link::default())
}

fn message(dialect: Dialect, user: &str, token: &str) -> Vec<u8> {
    let header = match dialect {
        Dialect::OAuthBearer => format!("n,a={user},"),
        Dialect::XOAuth2 => format!("user={user}"),
    };
    format!("{header}\x01auth=Bearer {token}\x01\x01").into_bytes()
}

const DIALECTS: [Dialect; 2] = [Dialect::OAuthBearer, Dialect::XOAuth2];

#[test]
fn a_good_token_opens_ones_own_maildrop_or_one_that_may_be_opened() {
    for dialect in DIALECTS {
        for user in ["ann@example.org", "bob@example.org"] {
            match exchange(dialect).step(&message(dialect, user, "good"), &Directory) {
                Progress::Success(identity) => assert_eq!(identity.user.as_str(), user),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// RFC 7628 s4.3, and what XOAUTH2 has in its place.
#[test]
fn a_refusal_is_json_and_ends_with_the_clients_acknowledgement() {
    let json = |status: &str| {
        format!(
            "{{\"openid-configuration\":\"https://id.example/.well-known/openid-configuration\",\
             \"scope\":\"pop\",\"status\":\"{status}\"}}"
        )
    };
    let two = "{\"schemes\":\"bearer\",\"scope\":\"pop\",\"status\":\"401\"}".to_owned();
    for (dialect, token, user, expected, acknowledgement) in [
        (
            Dialect::OAuthBearer,
            "bad",
            "ann@example.org",
            json("invalid_token"),
            &b"\x01"[..],
        ),
        (
            Dialect::OAuthBearer,
            "narrow",
            "ann@example.org",
            json("insufficient_scope"),
            b"\x01",
        ),
        (
            Dialect::OAuthBearer,
            "stranger",
            "eve@example.org",
            json("invalid_token"),
            b"\x01",
        ),
        (
            Dialect::OAuthBearer,
            "good",
            "eve@example.org",
            json("invalid_token"),
            b"\x01",
        ),
        (Dialect::XOAuth2, "bad", "ann@example.org", two.clone(), b""),
    ] {
        let mut exchange = exchange(dialect);
        match exchange.step(&message(dialect, user, token), &Directory) {
            Progress::Refusal { challenge, .. } => {
                assert_eq!(String::from_utf8(challenge).unwrap(), expected);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(exchange.claimed_name(), Some(user));
        let end = exchange.step(acknowledgement, &Directory);
        assert!(matches!(end, Progress::Failure(_)), "{end:?}");
    }
}

#[test]
fn a_second_message_after_a_refusal_is_not_looked_at() {
    for dialect in DIALECTS {
        let mut exchange = exchange(dialect);
        exchange.step(&message(dialect, "ann@example.org", "bad"), &Directory);
        let second = exchange.step(&message(dialect, "ann@example.org", "good"), &Directory);
        assert!(matches!(second, Progress::Failure(_)), "{second:?}");
    }
}

#[test]
fn an_outage_is_no_refusal() {
    for dialect in DIALECTS {
        let outcome = exchange(dialect).step(&message(dialect, "a", "down"), &Directory);
        assert!(
            matches!(outcome, Progress::Failure(AuthError::Unavailable(_))),
            "{outcome:?}"
        );
    }
}

/// An endpoint that answers what it is told.
struct Answering(Result<Vec<u8>, String>, Arc<AtomicUsize>);

impl AuthorizationServer for Answering {
    fn introspect(&self, _token: &str) -> Result<Vec<u8>, String> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.clone()
    }
}

fn introspection(answer: Result<&Value, &str>) -> (Introspection, Arc<AtomicUsize>) {
    let answer = answer
        .map(|json| json.to_string().into_bytes())
        .map_err(str::to_owned);
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Box::new(Answering(answer, Arc::clone(&asked)));
    let rules = ClaimRules {
        user_claim: "username".into(),
        scopes: vec!["pop".into()],
        ..ClaimRules::default()
    };
    (
        Introspection::new(server, rules, Duration::from_secs(600)),
        asked,
    )
}

#[test]
fn the_issuer_says_whose_token_it_is_and_whether_it_is_good() {
    let active = json!({ "active": true, "username": "ann@example.org", "scope": "pop" });
    let (check, _) = introspection(Ok(&active));
    assert_eq!(check.check("t").as_deref(), Ok("ann@example.org"));
    for (claim, value) in [
        ("active", json!(false)),
        ("active", json!("true")),
        ("username", json!("")),
        ("exp", json!(1)),
    ] {
        let mut answer = active.clone();
        answer[claim] = value;
        let (check, _) = introspection(Ok(&answer));
        assert!(
            matches!(check.check("t"), Err(TokenError::Refused(_))),
            "{answer}"
        );
    }
}

#[test]
fn an_issuer_that_does_not_answer_is_left_alone_for_a_while() {
    let (check, asked) = introspection(Err("nobody there"));
    for _ in 0..10 {
        assert!(matches!(check.check("t"), Err(TokenError::Unavailable(_))));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
