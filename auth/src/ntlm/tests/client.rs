//! An NTLM client whose every part can be made wrong.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::super::message::utf16;
use super::super::proof::{exchanged, nt_hash, ntowf_v2};

/// Windows': Unicode, 128 bits, keys are exchanged.
pub const WINDOWS: u32 = 0xe208_8217;
/// curl's: OEM, nothing for a session.
pub const CURL: u32 = 0x0008_8206;

const CLIENT_CHALLENGE: [u8; 8] = [0xaa; 8];
const RANDOM_SESSION_KEY: [u8; 16] = [0x55; 16];

/// What a client does with the challenge.
#[derive(Clone)]
pub struct Client {
    pub flags: u32,
    pub user: String,
    pub domain: String,
    /// The domain in the proof, if it is another.
    pub proven_domain: Option<String>,
    pub password: String,
    /// Added to the AV pairs.
    pub pairs: Vec<(u16, Vec<u8>)>,
    /// Whether the server's pairs are repeated.
    pub repeats: bool,
    /// Whether a MIC is announced, and sent.
    pub mic: (bool, bool),
}

impl Client {
    pub fn windows(user: &str, domain: &str, password: &str) -> Self {
        Self {
            flags: WINDOWS,
            user: user.to_owned(),
            domain: domain.to_owned(),
            proven_domain: None,
            password: password.to_owned(),
            pairs: Vec::new(),
            repeats: true,
            mic: (true, true),
        }
    }

    pub fn curl(user: &str, password: &str) -> Self {
        Self {
            flags: CURL,
            mic: (false, false),
            ..Self::windows(user, "", password)
        }
    }

    pub fn negotiate(&self) -> Vec<u8> {
        let mut message = b"NTLMSSP\0\x01\0\0\0".to_vec();
        message.extend(self.flags.to_le_bytes());
        message.extend([0; 16]);
        message
    }

    fn unicode(&self) -> bool {
        self.flags & 1 != 0
    }

    fn text(&self, text: &str) -> Vec<u8> {
        match self.unicode() {
            true => utf16(text),
            false => text.as_bytes().to_vec(),
        }
    }

    /// The answer to `challenge`.
    pub fn authenticate(&self, challenge: &[u8]) -> Vec<u8> {
        let info = u32::from_le_bytes(*challenge[44..].first_chunk().unwrap()) as usize;
        let mut pairs = match self.repeats {
            // But for the end of the list.
            true => challenge[info..challenge.len() - 4].to_vec(),
            false => Vec::new(),
        };
        let announced = self.mic.0.then(|| (6, 2_u32.to_le_bytes().to_vec()));
        for (id, value) in self.pairs.iter().cloned().chain(announced) {
            pairs.extend(id.to_le_bytes());
            pairs.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
            pairs.extend(value);
        }
        pairs.extend([0; 4]);
        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend([0; 8]);
        temp.extend(CLIENT_CHALLENGE);
        temp.extend([0; 4]);
        temp.extend(pairs);
        temp.extend([0; 4]);

        let domain = self.proven_domain.as_ref().unwrap_or(&self.domain);
        let hash = nt_hash(&self.password);
        let upper = utf16(&self.user.to_uppercase());
        let key = *ntowf_v2(&hash, &upper, &utf16(domain));
        let proof = hmac(&key, &[&challenge[24..32], &temp]);
        let base_key = hmac(&key, &[&proof]);
        let (session_key, encrypted) = match self.flags & 0x4000_0000 != 0 {
            true => (
                RANDOM_SESSION_KEY,
                exchanged(&base_key, &RANDOM_SESSION_KEY).to_vec(),
            ),
            false => (base_key, Vec::new()),
        };
        let response = [&proof[..], &temp].concat();
        let mut message = self.message(&response, &[0; 24], &encrypted);
        if self.mic.1 {
            let mic = hmac(&session_key, &[&self.negotiate(), challenge, &message]);
            message[72..88].copy_from_slice(&mic);
        }
        message
    }

    /// A message with these responses and this session key.
    pub fn message(&self, nt: &[u8], lm: &[u8], session_key: &[u8]) -> Vec<u8> {
        let header = match self.mic.1 {
            true => 88,
            false => 64,
        };
        let (user, domain) = (self.text(&self.user), self.text(&self.domain));
        let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
        let mut payload = Vec::<u8>::new();
        for field in [lm, nt, &domain, &user, b"", session_key] {
            let length = u16::try_from(field.len()).unwrap().to_le_bytes();
            message.extend([length, length].concat());
            message.extend(u32::try_from(header + payload.len()).unwrap().to_le_bytes());
            payload.extend(field);
        }
        message.extend(self.flags.to_le_bytes());
        message.resize(header, 0);
        message.extend(payload);
        message
    }
}

fn hmac(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
