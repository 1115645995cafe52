//! A SASL mechanism that is offered and never lets anybody in, so that a dialog can be played
//! in which a client tries one, cancels it, and goes on with another.

use std::sync::Arc;

use mailroost_auth::{
    AuthError, Exchange, Link, Mechanism, Needs, PasswordSource, Plain, Progress,
};

/// A mechanism of that name: PLAIN, or a dummy in which the client speaks first.
pub fn named(name: &str) -> Option<Arc<dyn Mechanism>> {
    let name = match name {
        "PLAIN" => return Some(Arc::new(Plain)),
        "NTLM" => "NTLM",
        "GSSAPI" => "GSSAPI",
        "LOGIN" => "LOGIN",
        "XOAUTH2" => "XOAUTH2",
        _ => return None,
    };
    Some(Arc::new(Dummy { name }))
}

struct Dummy {
    name: &'static str,
}

impl Mechanism for Dummy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn needs(&self) -> Needs {
        Needs { plaintext: false, tls: false, client_first: true }
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
