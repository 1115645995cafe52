//! SASL mechanisms to be offered in dialogs: PLAIN, NTLM with a fixed challenge, XOAUTH2 with the
//! password as its token (its messages are long), OAUTHBEARER with tokens that name their user,
//! EXTERNAL, and dummies that never let anybody in, so that a client can try one,
//! cancel it, and go on with another.

use std::sync::Arc;
use std::time::SystemTime;

use mailroost_auth::ntlm::{Ntlm, NtlmSettings};
use mailroost_auth::oauth::{Bearer, Hint, TokenCheck, TokenError};
use mailroost_auth::{
    AuthError, CertificateName, Exchange, External, Link, Mechanism, Needs, PasswordSource, Plain,
    Progress, Secret,
};

/// The challenge that MS-NLMP 4.2 has in its examples.
const NTLM_CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];

/// A mechanism of that name: one of those above, or a dummy in which the client speaks first.
pub fn named(name: &str) -> Option<Arc<dyn Mechanism>> {
    let name = match name {
        "PLAIN" => return Some(Arc::new(Plain)),
        "NTLM" => return Some(Arc::new(ntlm())),
        "GSSAPI" => "GSSAPI",
        "LOGIN" => "LOGIN",
        "XOAUTH2" => return Some(Arc::new(XOAuth2)),
        "OAUTHBEARER" => return Some(Arc::new(Bearer::oauthbearer(Arc::new(Named), hint()))),
        "EXTERNAL" => return Some(Arc::new(External::new(CertificateName::MailAddress))),
        _ => return None,
    };
    Some(Arc::new(Dummy { name }))
}

/// Challenges always in the same way, so that its dialogs can be written down.
fn ntlm() -> Ntlm {
    Ntlm::new(NtlmSettings::default())
        .expect("the system has random numbers")
        .with_fixed_challenge(NTLM_CHALLENGE, SystemTime::UNIX_EPOCH)
}

/// Of `token.of.NAME` it is known whose it is; others have expired.
struct Named;

impl TokenCheck for Named {
    fn check(&self, token: &str) -> Result<String, TokenError> {
        let name = token.strip_prefix("token.of.");
        name.map(str::to_owned)
            .ok_or(TokenError::Refused("the token has expired"))
    }
}

fn hint() -> Hint {
    Hint {
        scope: "pop".to_owned(),
        openid_configuration: None,
    }
}

struct Dummy {
    name: &'static str,
}

impl Mechanism for Dummy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn needs(&self) -> Needs {
        Needs {
            client_first: true,
            ..Needs::default()
        }
    }

    fn start(&self, _link: &Link) -> Box<dyn Exchange> {
        Box::new(Refusing { asked: false })
    }
}

struct Refusing {
    asked: bool,
}

impl Exchange for Refusing {
    fn step(&mut self, client: &[u8], _source: &dyn PasswordSource) -> Progress {
        if client.is_empty() && !self.asked {
            self.asked = true;
            return Progress::Challenge(Vec::new());
        }
        Progress::Failure(AuthError::WrongPassword)
    }
}

/// `user=NAME ^A auth=Bearer TOKEN ^A ^A`; the token is the password.
struct XOAuth2;

impl Mechanism for XOAuth2 {
    fn name(&self) -> &'static str {
        "XOAUTH2"
    }

    fn needs(&self) -> Needs {
        Needs {
            plaintext: true,
            client_first: true,
            ..Needs::default()
        }
    }

    fn start(&self, _link: &Link) -> Box<dyn Exchange> {
        Box::new(Bearing)
    }
}

struct Bearing;

impl Exchange for Bearing {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        let malformed = AuthError::Malformed("it is not user=NAME ^A auth=Bearer TOKEN ^A ^A");
        let parts = std::str::from_utf8(client).ok().and_then(|text| {
            text.strip_prefix("user=")?
                .strip_suffix("\x01\x01")?
                .split_once("\x01auth=Bearer ")
        });
        let Some((user, token)) = parts else {
            return Progress::Failure(malformed);
        };
        match source.verify(user, &Secret::from(token.as_bytes().to_vec())) {
            Ok(identity) => Progress::Success(identity),
            Err(error) => Progress::Failure(error),
        }
    }
}
