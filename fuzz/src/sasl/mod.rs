//! The client's messages of PLAIN, EXTERNAL, OAUTHBEARER and XOAUTH2: who is let in is who they
//! say and no other, and what is asked of the source is what stands in the message.

pub mod source;

use std::sync::{Arc, Mutex};

use mailroost_auth::oauth::{Bearer, Hint, TokenCheck, TokenError};
use mailroost_auth::{
    AuthError, CertificateName, ClientCertificate, External, Link, Mechanism, Plain, Progress,
};

use source::{Ann, NAME, PASSWORD};

/// The target. The first octet says which mechanism; the rest is the client's message.
pub fn sasl(data: &[u8]) {
    let Some((choices, message)) = data.split_first() else {
        return;
    };
    match choices % 4 {
        0 => plain(message),
        1 => external(choices / 4, message),
        2 => bearer(true, message),
        _ => bearer(false, message),
    }
}

fn plain(message: &[u8]) {
    let source = Ann::default();
    let mut exchange = Plain.start(&Link::default());
    let progress = exchange.step(message, &source);
    let verified = source.verified.into_inner().unwrap();
    let text = std::str::from_utf8(message).unwrap_or_default();
    let parts: Vec<&str> = text.split('\0').collect();
    match (&verified[..], &parts[..], &progress) {
        ([], _, Progress::Failure(AuthError::Malformed(_))) => {}
        ([(name, password)], [authzid, authcid, passwd], progress) => {
            assert_eq!(
                (name.as_str(), password.as_slice()),
                (*authcid, passwd.as_bytes())
            );
            assert!(!authcid.is_empty() && !passwd.is_empty());
            let acts = authzid.is_empty() || authzid.to_lowercase() == NAME;
            let is_ann = *authcid == NAME && *passwd == PASSWORD && acts;
            assert_eq!(
                matches!(progress, Progress::Success(_)),
                is_ann,
                "{message:?}"
            );
            assert_eq!(exchange.take_password().is_some(), is_ann);
        }
        _ => panic!("{message:?}: {progress:?}, {verified:?}"),
    }
}

fn external(choices: u8, message: &[u8]) {
    let name = match choices & 1 {
        0 => CertificateName::MailAddress,
        _ => CertificateName::CommonName,
    };
    let addresses = ["carl@example.org", NAME, "bob"];
    let certificate = ClientCertificate {
        mail_addresses: addresses[..usize::from(choices >> 1 & 3)]
            .iter()
            .map(|address| (*address).to_owned())
            .collect(),
        common_name: (choices & 8 != 0).then(|| NAME.to_owned()),
        fingerprint: [7; 32],
    };
    let link = Link {
        tls: true,
        client_certificate: (choices & 16 == 0).then(|| certificate.clone()),
        ..Link::default()
    };
    let source = Ann::default();
    let progress = External::new(name).start(&link).step(message, &source);
    let admitted = source.admitted.into_inner().unwrap();
    // Nobody is admitted but under a name of the certificate.
    let named = certificate
        .mail_addresses
        .iter()
        .chain(&certificate.common_name);
    for (name, wanted) in &admitted {
        assert!(link.client_certificate.is_some());
        assert!(named.clone().any(|named| named == name), "{name:?}");
        assert_eq!(wanted.is_some(), !message.is_empty());
    }
    match progress {
        Progress::Success(_) => assert_eq!(admitted.len(), 1),
        Progress::Failure(_) => {}
        other => panic!("{other:?}"),
    }
}

/// Knows one token, and keeps what it was asked about.
#[derive(Default)]
struct OneToken(Mutex<Vec<String>>);

impl TokenCheck for OneToken {
    fn check(&self, token: &str) -> Result<String, TokenError> {
        self.0.lock().unwrap().push(token.to_owned());
        match token {
            "good" => Ok(NAME.to_owned()),
            "scope" => Err(TokenError::Scope),
            "later" => Err(TokenError::Unavailable("down".to_owned())),
            _ => Err(TokenError::Refused("not that one")),
        }
    }
}

fn bearer(is_oauthbearer: bool, message: &[u8]) {
    let check = Arc::new(OneToken::default());
    let hint = Hint {
        scope: "mail \"\\".to_owned(),
        openid_configuration: Some("https://id.example/".to_owned()),
    };
    let mechanism = match is_oauthbearer {
        true => Bearer::oauthbearer(Arc::clone(&check) as _, hint),
        false => Bearer::xoauth2(Arc::clone(&check) as _, hint),
    };
    let link = Link {
        tls: true,
        ..Link::default()
    };
    let source = Ann::default();
    let mut exchange = mechanism.start(&link);
    let progress = exchange.step(message, &source);
    let tokens = std::mem::take(&mut *check.0.lock().unwrap());
    assert!(tokens.len() <= 1);
    for token in &tokens {
        check_token(token, message);
    }
    match &progress {
        Progress::Success(_) => {
            assert_eq!(tokens, ["good"]);
            let admitted = source.admitted.lock().unwrap();
            assert_eq!(admitted.len(), 1);
        }
        Progress::Refusal { challenge, .. } => {
            let json: serde_json::Value = serde_json::from_slice(challenge).unwrap();
            assert!(json["status"].is_string(), "{json}");
        }
        Progress::Failure(_) => {}
        Progress::Challenge(_) => panic!("{progress:?}"),
    }
    // One token is all.
    let again = exchange.step(message, &source);
    assert!(matches!(again, Progress::Failure(_)), "{again:?}");
    assert!(check.0.lock().unwrap().is_empty());
}

/// A token stands in the message, behind `auth=` and a scheme, and is one (RFC 6750 s2.1).
fn check_token(token: &str, message: &[u8]) {
    let text = std::str::from_utf8(message).unwrap();
    let fields = text.split('\x01');
    let mut auth = fields.filter_map(|field| field.strip_prefix("auth="));
    let value = auth.next().expect("a field of the message");
    assert!(auth.next().is_none(), "{text:?}");
    let (scheme, shown) = value.split_at(7);
    assert!(
        scheme.eq_ignore_ascii_case("bearer ") && shown == token,
        "{text:?}"
    );
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet);
    assert!(!token.is_empty() && token.bytes().all(allowed), "{token:?}");
    assert!(text.ends_with("\x01\x01"));
}
