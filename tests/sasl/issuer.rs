//! Somebody who issues tokens, says with which keys they are signed, and whether they are good.

// Each test file uses its part of this.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};
use serde_json::{Value, json};

/// The octets of a request that is waited for, at most.
const REQUEST_OCTETS_MAX: usize = 64 * 1024;

/// A key and its name.
pub struct Issuer {
    key: PKey<Private>,
    id: &'static str,
}

impl Issuer {
    pub fn new(id: &'static str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        Self { key, id }
    }

    /// The JWK set with its key.
    pub fn keys(&self) -> String {
        let key = self.key.ec_key().unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let mut context = BigNumContext::new().unwrap();
        let point = key.public_key();
        point
            .affine_coordinates(key.group(), &mut x, &mut y, &mut context)
            .unwrap();
        let [x, y] = [x, y].map(|n| base64url(&n.to_vec_padded(32).unwrap()));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": self.id, "x": x, "y": y }] })
            .to_string()
    }

    /// A token for `user` that is good for a minute, with these claims changed.
    pub fn token(&self, user: &str, changes: &[(&str, Value)]) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mut claims = json!({
            "iss": "https://id.example", "aud": "mailroost", "email": user, "exp": now + 60,
        });
        for (claim, value) in changes {
            claims[*claim] = value.clone();
        }
        let header = json!({ "alg": "ES256", "kid": self.id }).to_string();
        let signed = [header, claims.to_string()]
            .map(|part| base64url(part.as_bytes()))
            .join(".");
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        let der = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
        let signature = EcdsaSig::from_der(&der).unwrap();
        let halves = [signature.r(), signature.s()].map(|n| n.to_vec_padded(32).unwrap());
        format!("{signed}.{}", base64url(&halves.concat()))
    }
}

fn base64url(octets: &[u8]) -> String {
    let text = openssl::base64::encode_block(octets);
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

/// What a server answers, and how often it was asked.
#[derive(Clone)]
pub struct Answers {
    pub body: Arc<Mutex<String>>,
    pub asked: Arc<AtomicUsize>,
    pub last_request: Arc<Mutex<String>>,
}

/// Answers every https request with what `Answers` holds, until the test ends.
pub fn serve(certificate: &Path, key: &Path, body: String) -> (SocketAddr, Answers) {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate_chain_file(certificate).unwrap();
    acceptor
        .set_private_key_file(key, SslFiletype::PEM)
        .unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Answers {
        body: Arc::new(Mutex::new(body)),
        asked: Arc::default(),
        last_request: Arc::default(),
    };
    let served = answers.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Ok(mut stream) = acceptor.accept(stream) else {
                continue;
            };
            *served.last_request.lock().unwrap() = request(&mut stream);
            served.asked.fetch_add(1, Ordering::SeqCst);
            let body = served.body.lock().unwrap().clone();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n",
                body.len()
            );
            drop(stream.write_all((head + &body).as_bytes()));
            drop(stream.shutdown());
        }
    });
    (address, answers)
}

/// Header and body, if there is one.
fn request(stream: &mut impl Read) -> String {
    let (mut octets, mut chunk) = (Vec::new(), [0; 4096]);
    while octets.len() < REQUEST_OCTETS_MAX {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => octets.extend_from_slice(&chunk[..count]),
        }
        let text = String::from_utf8_lossy(&octets).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            break;
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}
