//! SCRAM-SHA-256 and -PLUS: whoever knows the password is let in where the rules of channel
//! binding allow it, and a message that was changed anywhere lets nobody in.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailroost_auth::prepared::prepared;
use mailroost_auth::{Link, Mechanism, Progress, Scram, UnknownUsers};
use sha2::{Digest, Sha256};

use crate::sasl::source::{Ann, ITERATIONS, NAME, SALT, mac, scram_keys};

/// What the client is like, and what is done to its messages.
struct Client<'a> {
    /// `n`, `y`, or a binding that it uses.
    flag: &'static str,
    plus: bool,
    link: Link,
    name: &'a str,
    authzid: Option<&'static str>,
    extension: &'a str,
}

/// The target. Two octets say what the client is like, three what is changed: in which message,
/// where, how; the rest is the name, and behind `|` an extension. Or (the first octet is 255) all
/// is the client's: two messages with `|` between them.
pub fn scram(data: &[u8]) {
    let Some((&[choices, more, which, at, change], rest)) = data.split_first_chunk() else {
        return;
    };
    if choices == 255 {
        return raw(more, rest);
    }
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let (name, extension) = text.split_once('|').unwrap_or((text, ""));
    let client = Client {
        flag: ["n", "y", "p=tls-exporter", "p=tls-unique"][usize::from(choices & 3)],
        plus: choices & 4 != 0,
        link: link(choices),
        name: match choices & 8 {
            0 => NAME,
            _ => name,
        },
        authzid: [None, Some(NAME), Some("bob")][usize::from(more % 3)],
        extension,
    };
    let source = Ann::default();
    let mut exchange = mechanism(client.plus).start(&client.link);
    let first = changed(client.first(), which == 1, at, change);
    let Progress::Challenge(server_first) = exchange.step(&first, &source) else {
        return;
    };
    let honest = client.last(&server_first);
    if client.name == NAME && first == client.first() {
        let said = String::from_utf8_lossy(&server_first);
        assert!(said.contains(&STANDARD.encode(SALT)), "{said:?}");
    }
    let last = changed(honest.clone(), which == 2, at, change);
    let progress = exchange.step(&last, &source);
    let was_changed = first != client.first() || last != honest;
    match progress {
        Progress::Challenge(_) => {
            assert!(!was_changed, "a changed message is accepted");
            assert!(client.may_come_in(), "who may not come in does");
            let end = exchange.step(b"", &source);
            assert!(matches!(end, Progress::Success(_)), "{end:?}");
        }
        Progress::Failure(why) => {
            assert!(
                was_changed || !client.may_come_in(),
                "Ann is refused: {why}"
            );
        }
        other => panic!("{other:?}"),
    }
    let over = exchange.step(b"", &source);
    assert!(matches!(over, Progress::Failure(_)), "{over:?}");
}

/// Both messages are the client's; `{}` in the second stands for the nonce.
fn raw(choices: u8, rest: &[u8]) {
    let source = Ann::default();
    let mut exchange = mechanism(choices & 4 != 0).start(&link(choices));
    let mut messages = rest.splitn(2, |octet| *octet == b'|');
    let first = exchange.step(messages.next().unwrap_or_default(), &source);
    let Progress::Challenge(server_first) = first else {
        return;
    };
    let nonce = server_first[2..].split(|octet| *octet == b',').next();
    let nonce = std::str::from_utf8(nonce.unwrap()).unwrap();
    let last = String::from_utf8_lossy(messages.next().unwrap_or_default());
    let last = exchange.step(last.replace("{}", nonce).as_bytes(), &source);
    assert!(matches!(last, Progress::Failure(_)), "{last:?}");
}

fn mechanism(plus: bool) -> Scram {
    static UNKNOWN: OnceLock<Arc<UnknownUsers>> = OnceLock::new();
    let unknown = UNKNOWN.get_or_init(|| Arc::new(UnknownUsers::new([9; 32], ITERATIONS)));
    match plus {
        true => Scram::sha_256_plus(Arc::clone(unknown)),
        false => Scram::sha_256(Arc::clone(unknown), true),
    }
}

fn link(choices: u8) -> Link {
    let tls = choices & 16 != 0;
    Link {
        tls,
        tls_exporter: (tls && choices & 32 != 0).then(|| b"exported".to_vec()),
        ..Link::default()
    }
}

fn changed(mut message: Vec<u8>, this: bool, at: u8, change: u8) -> Vec<u8> {
    if this && !message.is_empty() {
        let at = usize::from(at) % message.len();
        message[at] ^= change;
    }
    message
}

impl Client<'_> {
    fn header(&self) -> String {
        let authzid = self
            .authzid
            .map_or(String::new(), |name| format!("a={name}"));
        format!("{},{authzid},", self.flag)
    }

    fn bare(&self) -> String {
        let comma = if self.extension.is_empty() { "" } else { "," };
        let name = self.name.replace('=', "=3D").replace(',', "=2C");
        format!("n={name},r=abcdefgh{comma}{}", self.extension)
    }

    fn first(&self) -> Vec<u8> {
        (self.header() + &self.bare()).into_bytes()
    }

    /// The answer of somebody who knows Ann's password.
    fn last(&self, server_first: &[u8]) -> Vec<u8> {
        let server_first = std::str::from_utf8(server_first).unwrap();
        let mut fields = server_first.split(',');
        let nonce = fields
            .next()
            .and_then(|field| field.strip_prefix("r="))
            .unwrap();
        let binding = match self.flag.strip_prefix("p=") {
            Some("tls-exporter") => self.link.tls_exporter.clone().unwrap_or_default(),
            Some(_) | None => Vec::new(),
        };
        let binding = STANDARD.encode([self.header().as_bytes(), &binding].concat());
        let without_proof = format!("c={binding},r={nonce}");
        let auth_message = format!("{},{server_first},{without_proof}", self.bare());
        let keys = scram_keys();
        let stored_key = Sha256::digest(keys.client_key);
        let mut proof = mac(&stored_key, auth_message.as_bytes());
        proof
            .iter_mut()
            .zip(keys.client_key)
            .for_each(|(proof, key)| *proof ^= key);
        format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes()
    }

    /// RFC 5802 s6: who binds, binds to this channel by -PLUS; who could and was not offered it
    /// was lied to; who chose it, binds.
    fn may_come_in(&self) -> bool {
        let binds = self.link.tls_exporter.is_some();
        let bound = match (self.flag, self.plus) {
            ("n", false) => true,
            ("y", false) => !binds,
            ("p=tls-exporter", true) => binds,
            _ => false,
        };
        // What is Ann's name in another form is hers (RFC 4013).
        let is_ann = prepared(self.name).is_some_and(|name| *name == NAME);
        bound && is_ann && self.authzid != Some("bob")
    }
}
