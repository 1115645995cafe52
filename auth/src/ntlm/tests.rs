//! Whole exchanges with a client that can do everything wrong.

pub(super) mod client;

use std::sync::Mutex;

use mailroost_storage::{MaildropId, UserName};

use super::*;
use crate::extended_protection::{end_point_application_data, gss_channel_bindings_md5};
use crate::{AuthError, Identity, PasswordSource, Progress, Secret};
use client::{Client, WINDOWS};

/// Knows `ann` (maildrop 7, "open sesame", also as `CORP\ann`), and remembers who was asked for.
#[derive(Default)]
struct Users {
    asked: Mutex<Vec<String>>,
}

impl PasswordSource for Users {
    fn verify(&self, _: &str, _: &Secret) -> Result<Identity, AuthError> {
        panic!("NTLM reveals no password");
    }

    fn credential(&self, name: &str, kind: CredentialKind) -> Result<Option<Secret>, AuthError> {
        self.asked.lock().unwrap().push(name.to_owned());
        if kind != CredentialKind::NtHash {
            return Ok(None);
        }
        Ok(match name.to_lowercase().as_str() {
            "ann" | "corp\\ann" | "é" => Some(Secret::from(nt_hash("open sesame").to_vec())),
            "away" => return Err(AuthError::Unavailable("a test".into())),
            _ => None,
        })
    }

    fn admit(&self, name: &str, authorization: Option<&str>) -> Result<Identity, AuthError> {
        assert_eq!(authorization, None);
        assert!(["ann", "corp\\ann", "é"].contains(&name.to_lowercase().as_str()));
        Ok(Identity {
            delegate: None,
            user: UserName::new("ann").unwrap(),
            maildrop: MaildropId(7),
            exact_rfc822_size: None,
            site: None,
        })
    }
}

fn ntlm(settings: NtlmSettings) -> Ntlm {
    Ntlm::new(settings).unwrap()
}

fn begin(ntlm: &Ntlm, link: &Link, client: &Client) -> (Box<dyn Exchange>, Vec<u8>) {
    let mut exchange = ntlm.start(link);
    match exchange.step(&client.negotiate(), &Users::default()) {
        Progress::Challenge(challenge) => (exchange, challenge),
        other => panic!("no challenge: {other:?}"),
    }
}

fn end(mut exchange: Box<dyn Exchange>, answer: &[u8]) -> Result<MaildropId, AuthError> {
    match exchange.step(answer, &Users::default()) {
        Progress::Success(identity) => Ok(identity.maildrop),
        Progress::Failure(error) => Err(error),
        other @ (Progress::Challenge(_) | Progress::Refusal { .. }) => panic!("{other:?}"),
    }
}

fn outcome_of(ntlm: &Ntlm, link: &Link, client: &Client) -> Result<MaildropId, AuthError> {
    let (exchange, challenge) = begin(ntlm, link, client);
    end(exchange, &client.authenticate(&challenge))
}

fn outcome(client: &Client) -> Result<MaildropId, AuthError> {
    outcome_of(&ntlm(NtlmSettings::default()), &Link::default(), client)
}

fn is_malformed<T>(outcome: &Result<T, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::Malformed(_)))
}

fn is_not_permitted<T>(outcome: &Result<T, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::NotPermitted(_)))
}

#[test]
fn a_windows_shaped_client_and_a_curl_shaped_one_log_on() {
    for client in [
        Client::windows("ann", "", "open sesame"),
        Client::windows("Ann", "CORP", "open sesame"),
        Client::curl("ann", "open sesame"),
    ] {
        assert_eq!(outcome(&client), Ok(MaildropId(7)));
    }
}

#[test]
fn a_wrong_password_is_one_for_every_client() {
    for client in [
        Client::windows("ann", "", "guess"),
        Client::curl("ann", "guess"),
        Client::curl("ann", ""),
    ] {
        assert_eq!(outcome(&client), Err(AuthError::WrongPassword));
    }
}

/// What sspi 0.23 lets in: the proof is any octets, and no MIC says otherwise.
#[test]
fn a_random_proof_without_a_mic_lets_nobody_in() {
    let client = Client::curl("ann", "does not matter");
    for octet in 0..=255 {
        let (exchange, challenge) =
            begin(&ntlm(NtlmSettings::default()), &Link::default(), &client);
        let mut answer = client.authenticate(&challenge);
        let at = answer
            .windows(8)
            .position(|eight| eight == [1, 1, 0, 0, 0, 0, 0, 0])
            .unwrap();
        answer[at - 16..at].fill(octet);
        assert_eq!(end(exchange, &answer), Err(AuthError::WrongPassword));
    }
}

#[test]
fn an_unknown_user_takes_the_same_way_and_ends_the_same() {
    let unknown = outcome(&Client::windows("bob", "", "open sesame"));
    assert!(is_not_permitted(&unknown), "{unknown:?}");
    for name in ["ann/bob", "CORP\\ann", "CORP\\ann\\bob", ""] {
        let users = Users::default();
        let client = Client::windows(name, "", "open sesame");
        let (mut exchange, challenge) =
            begin(&ntlm(NtlmSettings::default()), &Link::default(), &client);
        let progress = exchange.step(&client.authenticate(&challenge), &users);
        assert!(matches!(progress, Progress::Failure(_)), "{name}");
        assert_eq!(*users.asked.lock().unwrap(), ["", ""], "{name}");
    }
}

#[test]
fn a_source_that_is_away_is_no_wrong_password() {
    let away = outcome(&Client::windows("away", "", "open sesame"));
    assert!(matches!(away, Err(AuthError::Unavailable(_))));
}

#[test]
fn the_domain_is_taken_as_written_then_as_empty() {
    let mut client = Client::windows("ann", "Corp", "open sesame");
    assert_eq!(outcome(&client), Ok(MaildropId(7)));
    client.proven_domain = Some(String::new());
    assert_eq!(outcome(&client), Ok(MaildropId(7)));
    client.proven_domain = Some("CORP".into());
    assert_eq!(outcome(&client), Err(AuthError::WrongPassword));
}

#[test]
fn a_domain_of_the_servers_own_names_is_none() {
    let names = TargetNames::new("roost").unwrap();
    let names = names.in_netbios_domain("mail").unwrap();
    let names = names.with_dns_name("pop.example.org").unwrap();
    let own = ntlm(NtlmSettings {
        names: names.in_dns_domain("example.org").unwrap(),
        ..NtlmSettings::default()
    });
    for domain in ["ROOST", "mail", "Example.org", "pop.example.org"] {
        let client = Client::windows("ann", domain, "open sesame");
        assert_eq!(
            outcome_of(&own, &Link::default(), &client),
            Ok(MaildropId(7))
        );
    }
    let foreign = Client::windows("ann", "OTHER", "open sesame");
    assert!(is_not_permitted(&outcome_of(
        &own,
        &Link::default(),
        &foreign
    )));
}

#[test]
fn user_names_are_upper_case_in_unicode() {
    assert_eq!(
        outcome(&Client::windows("é", "", "open sesame")),
        Ok(MaildropId(7))
    );
}

#[test]
fn a_mic_is_checked_when_it_is_there_and_missed_when_it_was_announced() {
    let client = Client::windows("ann", "", "open sesame");
    let ntlm = ntlm(NtlmSettings::default());
    for announced in [true, false] {
        let client = Client {
            mic: (announced, true),
            ..client.clone()
        };
        let (exchange, challenge) = begin(&ntlm, &Link::default(), &client);
        let mut answer = client.authenticate(&challenge);
        answer[80] ^= 1;
        assert_eq!(end(exchange, &answer), Err(AuthError::WrongPassword));
    }
    // Nothing of the three messages can be changed; here a flag of the last.
    let (exchange, challenge) = begin(&ntlm, &Link::default(), &client);
    let mut answer = client.authenticate(&challenge);
    answer[60] ^= 0x10;
    assert_eq!(end(exchange, &answer), Err(AuthError::WrongPassword));

    let missing = Client {
        mic: (true, false),
        ..client.clone()
    };
    assert!(is_malformed(&outcome(&missing)));
    let none = Client {
        mic: (false, false),
        ..client
    };
    assert_eq!(outcome(&none), Ok(MaildropId(7)));
}

#[test]
fn a_mic_is_over_the_key_that_was_exchanged_or_over_the_base_key() {
    for flags in [WINDOWS, WINDOWS & !0x4000_0000] {
        let client = Client {
            flags,
            ..Client::windows("ann", "", "open sesame")
        };
        assert_eq!(outcome(&client), Ok(MaildropId(7)));
    }
    // Keys are exchanged, but none was sent.
    let client = Client::windows("ann", "", "open sesame");
    let (exchange, challenge) = begin(&ntlm(NtlmSettings::default()), &Link::default(), &client);
    let mut answer = client.authenticate(&challenge);
    answer[52..54].fill(0);
    assert!(is_malformed(&end(exchange, &answer)));
}

#[test]
fn an_answer_cannot_be_replayed_within_an_exchange_or_in_another() {
    let client = Client::curl("ann", "open sesame");
    let ntlm = ntlm(NtlmSettings::default());
    let (mut exchange, challenge) = begin(&ntlm, &Link::default(), &client);
    let answer = client.authenticate(&challenge);
    assert!(matches!(
        exchange.step(&answer, &Users::default()),
        Progress::Success(_)
    ));
    assert!(is_malformed(&end(exchange, &answer)));
    for _ in 0..100 {
        let (exchange, other) = begin(&ntlm, &Link::default(), &client);
        assert_ne!(challenge[24..32], other[24..32]);
        assert!(end(exchange, &answer).is_err());
    }
}

#[test]
fn pairs_of_the_challenge_must_come_back_as_they_were() {
    let mut client = Client::windows("ann", "", "open sesame");
    client.repeats = false;
    assert_eq!(outcome(&client), Ok(MaildropId(7)));
    // The name of another server, the time of another challenge.
    for pair in [(1, b"X\0".to_vec()), (7, vec![0; 8])] {
        client.pairs = vec![pair];
        assert!(is_not_permitted(&outcome(&client)));
    }
}

#[test]
fn who_was_refused_is_known_also_where_no_hash_was_asked_for() {
    let client = Client::curl("ann", "open sesame");
    let (mut exchange, challenge) =
        begin(&ntlm(NtlmSettings::default()), &Link::default(), &client);
    assert_eq!(exchange.claimed_name(), None);
    let mut answer = client.authenticate(&challenge);
    // An NT response of 24 octets is one of NTLMv1.
    answer[20..22].copy_from_slice(&24_u16.to_le_bytes());
    let outcome = exchange.step(&answer, &Users::default());
    assert!(matches!(
        outcome,
        Progress::Failure(AuthError::NotPermitted(_))
    ));
    assert_eq!(exchange.claimed_name(), Some("ann"));
}

#[test]
fn v1_is_let_in_only_where_it_is_allowed_and_lm_never() {
    let client = Client::curl("ann", "open sesame");
    let lm = [&[0xaa; 8][..], &[0; 16]].concat();
    let answer_to = |nonce: &[u8]| {
        // MS-NLMP 4.2.3 with its own challenge, password and user.
        assert_eq!(nonce, 0x0123_4567_89ab_cdef_u64.to_be_bytes());
        let nt = 0x7537_f803_ae36_7128_ca45_8204_bde7_caf8_u128.to_be_bytes();
        [&nt[..], &0x1e97_ed26_8326_7232_u64.to_be_bytes()].concat()
    };
    struct User;
    impl PasswordSource for User {
        fn verify(&self, _: &str, _: &Secret) -> Result<Identity, AuthError> {
            Err(AuthError::UnknownUser)
        }
        fn credential(&self, _: &str, _: CredentialKind) -> Result<Option<Secret>, AuthError> {
            Ok(Some(Secret::from(nt_hash("Password").to_vec())))
        }
        fn admit(&self, _: &str, _: Option<&str>) -> Result<Identity, AuthError> {
            Users::default().admit("ann", None)
        }
    }
    // MS-NLMP 4.2.2: the same without extended session security.
    let plain = 0x67c4_3011_f302_98a2_ad35_ece6_4f16_331c_u128.to_be_bytes();
    let plain = [&plain[..], &0x44bd_bed9_2784_1f94_u64.to_be_bytes()].concat();
    for v1 in [V1::Refused, V1::Extended, V1::Plain] {
        let ntlm = ntlm(NtlmSettings {
            v1,
            ..NtlmSettings::default()
        });
        let nonce = 0x0123_4567_89ab_cdef_u64.to_be_bytes();
        let ntlm = ntlm.with_fixed_challenge(nonce, SystemTime::UNIX_EPOCH);
        let mut wrong = answer_to(&nonce);
        wrong[3] ^= 1;
        for (nt, lm, let_in) in [
            (answer_to(&nonce), lm.clone(), v1 != V1::Refused),
            (wrong, lm.clone(), false),
            (answer_to(&nonce), vec![0xaa; 24], false),
            (plain.clone(), lm.clone(), false),
            (plain.clone(), vec![0xaa; 24], v1 == V1::Plain),
            (plain.clone(), Vec::new(), v1 == V1::Plain),
            (Vec::new(), vec![0xaa; 24], false),
        ] {
            let (mut exchange, _) = begin(&ntlm, &Link::default(), &client);
            let progress = exchange.step(&client.message(&nt, &lm, &[]), &User);
            let success = matches!(progress, Progress::Success(_));
            assert_eq!(success, let_in, "{progress:?}");
        }
    }
}

#[test]
fn anonymous_is_refused() {
    let ntlm = ntlm(NtlmSettings {
        v1: V1::Plain,
        ..NtlmSettings::default()
    });
    for flags in [WINDOWS, WINDOWS | 0x800] {
        let client = Client {
            flags,
            ..Client::windows("", "", "")
        };
        for lm in [&[][..], &[0]] {
            let (exchange, _) = begin(&ntlm, &Link::default(), &client);
            assert!(is_not_permitted(&end(
                exchange,
                &client.message(&[], lm, &[])
            )));
        }
        assert!(outcome_of(&ntlm, &Link::default(), &client).is_err());
    }
}

#[test]
fn messages_that_are_not_due_end_the_exchange() {
    let client = Client::windows("ann", "", "open sesame");
    let ntlm = ntlm(NtlmSettings::default());
    let (_, challenge) = begin(&ntlm, &Link::default(), &client);
    let answer = client.authenticate(&challenge);
    for first in [&b""[..], b"\0", b"NTLMSSP\0", &challenge, &answer] {
        assert!(is_malformed(&end(ntlm.start(&Link::default()), first)));
    }
    for second in [&b""[..], &client.negotiate(), &challenge] {
        let (exchange, _) = begin(&ntlm, &Link::default(), &client);
        assert!(is_malformed(&end(exchange, second)));
    }
}

#[test]
fn extended_protection_lets_in_who_is_bound_to_this_channel() {
    let link = |octet: u8| Link {
        tls: true,
        tls_server_end_point: Some(vec![octet; 32]),
        ..Link::default()
    };
    let bound_to = |octet: u8| {
        let data = end_point_application_data(&link(octet)).unwrap();
        vec![(10, gss_channel_bindings_md5(&data).to_vec())]
    };
    let zero = vec![(10, vec![0; 16])];
    use ExtendedProtection::{Allow, Off, Require};
    for (extended_protection, pairs, let_in) in [
        (Off, bound_to(2), true),
        (Allow, Vec::new(), true),
        (Allow, zero.clone(), true),
        (Allow, bound_to(1), true),
        (Allow, bound_to(2), false),
        (Require, Vec::new(), false),
        (Require, zero, false),
        (Require, bound_to(1), true),
        (Require, bound_to(2), false),
    ] {
        let ntlm = ntlm(NtlmSettings {
            extended_protection,
            ..NtlmSettings::default()
        });
        let client = Client {
            pairs,
            ..Client::windows("ann", "", "open sesame")
        };
        let outcome = outcome_of(&ntlm, &link(1), &client);
        assert_eq!(
            outcome.is_ok(),
            let_in,
            "{extended_protection:?}: {outcome:?}"
        );
        assert_eq!(ntlm.needs().tls, extended_protection == Require);
    }
}

#[test]
fn the_challenge_tells_the_names_that_were_set_and_nothing_else() {
    let (_, challenge) = begin(
        &ntlm(NtlmSettings::default()),
        &Link::default(),
        &Client::windows("ann", "", ""),
    );
    let mut expected = vec![2, 0, 8, 0, b'P', 0, b'O', 0, b'P', 0, b'3', 0];
    expected.extend([1, 0, 8, 0, b'P', 0, b'O', 0, b'P', 0, b'3', 0]);
    expected.extend([7, 0, 8, 0]);
    assert_eq!(challenge[64..64 + expected.len()], expected);
    assert_eq!(challenge.len(), 64 + expected.len() + 8 + 4);
    for name in ["", "SIXTEEN_OCTETS_1", "A B", "É", "a.b"] {
        assert!(TargetNames::new(name).is_err(), "{name}");
    }
    assert!(
        TargetNames::default()
            .with_dns_name(&"a".repeat(256))
            .is_err()
    );
}
