//! The contract of a SASL mechanism (RFC 4422), server side, and the table of those that are
//! offered.

use std::fmt;
use std::sync::Arc;

use crate::{AuthError, CredentialKind, Identity, PasswordSource, Plain, Secret, SecurityLayer};

/// The longest name that a mechanism can have (RFC 4422 s3.1).
const NAME_OCTETS_MAX: usize = 20;

/// A mechanism: what it is called, what it needs, and how an exchange begins. An embedding
/// program can add its own:
///
/// ```
/// use std::sync::Arc;
///
/// use mailroost_auth::{
///     AuthError, Exchange, Link, Mechanism, Mechanisms, Needs, PasswordSource, Progress, Secret,
/// };
///
/// /// Asks for the name, then for the password.
/// struct TwoQuestions;
///
/// impl Mechanism for TwoQuestions {
///     fn name(&self) -> &'static str {
///         "X-TWO-QUESTIONS"
///     }
///
///     fn needs(&self) -> Needs {
///         Needs { plaintext: true, ..Needs::default() }
///     }
///
///     fn start(&self, _link: &Link) -> Box<dyn Exchange> {
///         Box::new(Asking::Nothing)
///     }
/// }
///
/// enum Asking {
///     Nothing,
///     Name,
///     Password { name: String },
/// }
///
/// impl Exchange for Asking {
///     fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
///         match self {
///             Asking::Nothing => {
///                 *self = Asking::Name;
///                 Progress::Challenge(b"name?".to_vec())
///             }
///             Asking::Name => match String::from_utf8(client.to_vec()) {
///                 Ok(name) => {
///                     *self = Asking::Password { name };
///                     Progress::Challenge(b"password?".to_vec())
///                 }
///                 Err(_) => Progress::Failure(AuthError::Malformed("the name is not UTF-8")),
///             },
///             Asking::Password { name } => {
///                 match source.verify(name, &Secret::from(client.to_vec())) {
///                     Ok(identity) => Progress::Success(identity),
///                     Err(error) => Progress::Failure(error),
///                 }
///             }
///         }
///     }
/// }
///
/// let mut mechanisms = Mechanisms::default();
/// mechanisms.put(Arc::new(TwoQuestions))?;
/// let names: Vec<_> = mechanisms.iter().map(|mechanism| mechanism.name()).collect();
/// assert_eq!(names, ["PLAIN", "X-TWO-QUESTIONS"]);
/// assert!(mechanisms.find("x-two-questions").is_some());
/// # Ok::<(), mailroost_auth::MechanismNameError>(())
/// ```
pub trait Mechanism: Send + Sync + 'static {
    /// Its name in upper case, as in CAPA's SASL line.
    fn name(&self) -> &'static str;

    /// What must be there before it is offered.
    fn needs(&self) -> Needs;

    /// Begins an exchange.
    fn start(&self, link: &Link) -> Box<dyn Exchange>;
}

/// What a mechanism needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// It shows the password to whoever reads the connection: TLS is wanted wherever the
    /// log-on policy wants it for passwords.
    pub plaintext: bool,
    /// It is not offered without TLS, whatever the policy says.
    pub tls: bool,
    /// The client speaks first; if not, an initial response is an error (RFC 5034 s4).
    pub client_first: bool,
    /// A kind of stored credential: without any user who has one it need not be offered.
    pub credential: Option<CredentialKind>,
    /// It binds to the channel: it is not offered where the link has no binding.
    pub channel_binding: bool,
    /// The client proves itself by its certificate: it is not offered to one that has none.
    pub client_certificate: bool,
}

/// What an exchange may know of the connection.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Whether TLS is on.
    pub tls: bool,
    /// `tls-server-end-point` channel binding (RFC 5929), if TLS is on and it is known.
    pub tls_server_end_point: Option<Vec<u8>>,
    /// `tls-exporter` channel binding (RFC 9266), likewise.
    pub tls_exporter: Option<Vec<u8>>,
    /// `tls-unique` channel binding (RFC 5929), likewise; TLS 1.3 has none.
    pub tls_unique: Option<Vec<u8>>,
    /// The client's certificate, if it sent one that the server's policy trusts.
    pub client_certificate: Option<ClientCertificate>,
}

impl Link {
    /// The channel binding of that name (IANA's), if the connection has it.
    pub fn binding(&self, name: &str) -> Option<&[u8]> {
        let binding = match name {
            "tls-exporter" => &self.tls_exporter,
            "tls-unique" => &self.tls_unique,
            "tls-server-end-point" => &self.tls_server_end_point,
            _ => &None,
        };
        binding.as_deref()
    }

    /// Whether it has any.
    pub fn binds(&self) -> bool {
        self.tls_exporter.is_some()
            || self.tls_unique.is_some()
            || self.tls_server_end_point.is_some()
    }
}

/// A client's certificate, checked already against the authorities of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The mail addresses of its subject alternative name (RFC 5280 s4.2.1.6), in order.
    pub mail_addresses: Vec<String>,
    /// The last common name of its subject, if it has one.
    pub common_name: Option<String>,
    /// SHA-256 over its DER form.
    pub fingerprint: [u8; 32],
}

/// One exchange with one client. Dropping it is cancelling it.
pub trait Exchange: Send {
    /// Takes the client's octets, decoded, and says how it goes on. Where the client speaks
    /// first, the first step has its message, also when it had to be asked for with an empty
    /// challenge (RFC 5034 s4); where the server does, the first step has none. May block.
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress;

    /// Whom the client says it is, or wants to be, as far as was heard, and whether it is true or
    /// not: asked for when the exchange failed without a name that the source was asked about, so
    /// that the failure is somebody's. The default says nobody.
    fn claimed_name(&self) -> Option<&str> {
        None
    }

    /// The password, if the client revealed it and it was the right one; given once, after
    /// `Success`. A session can be handed on to another site with it (MS-STANXPOP3 C0010); a
    /// mechanism that proves a password without revealing it has none to give.
    fn take_password(&mut self) -> Option<Secret> {
        None
    }

    /// The security layer that was negotiated, if one was; given once, after `Success`. It
    /// begins with the octet behind the reply that says so (RFC 5034 s4).
    fn take_security_layer(&mut self) -> Option<Box<dyn SecurityLayer>> {
        None
    }
}

/// How an exchange goes on.
#[derive(Debug)]
pub enum Progress {
    /// Send this to the client (not yet encoded) and come back with its answer.
    Challenge(Vec<u8>),
    /// It is not, and is told so in the mechanism's own words first (RFC 7628 s3.2.3). The failure
    /// counts from now on, whether the client answers or not; the exchange is over, and whatever
    /// the client answers, it is refused.
    Refusal {
        /// What is sent (not yet encoded).
        challenge: Vec<u8>,
        /// Why it is refused.
        why: AuthError,
    },
    /// The client is who it says.
    Success(Identity),
    /// It is not, or nobody can tell.
    Failure(AuthError),
}

/// The mechanisms that are offered, in the order of CAPA's SASL line. The default is PLAIN.
#[derive(Clone)]
pub struct Mechanisms(Vec<Arc<dyn Mechanism>>);

impl Mechanisms {
    /// None at all.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a mechanism at the end, or puts it in the place of the one of the same name.
    ///
    /// # Errors
    /// If its name is none that RFC 4422 allows.
    pub fn put(&mut self, mechanism: Arc<dyn Mechanism>) -> Result<(), MechanismNameError> {
        let name = mechanism.name();
        let allowed = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || b"-_".contains(&c);
        if name.is_empty() || name.len() > NAME_OCTETS_MAX || !name.bytes().all(allowed) {
            return Err(MechanismNameError(name));
        }
        match self.0.iter_mut().find(|known| known.name() == name) {
            Some(known) => *known = mechanism,
            None => self.0.push(mechanism),
        }
        Ok(())
    }

    /// Leaves one out; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0
            .retain(|mechanism| !mechanism.name().eq_ignore_ascii_case(name));
        self.0.len() < before
    }

    /// The mechanism of that name, upper or lower case.
    pub fn find(&self, name: &str) -> Option<&Arc<dyn Mechanism>> {
        self.0
            .iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Mechanism>> {
        self.0.iter()
    }
}

impl Default for Mechanisms {
    fn default() -> Self {
        Self(vec![Arc::new(Plain)])
    }
}

impl fmt::Debug for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|mechanism| mechanism.name()))
            .finish()
    }
}

/// A name that no mechanism can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a mechanism has 1 to 20 of A-Z, 0-9, - and _, but this one is {0:?}")]
pub struct MechanismNameError(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str, bool);

    impl Mechanism for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn needs(&self) -> Needs {
            Needs {
                tls: self.1,
                ..Needs::default()
            }
        }

        fn start(&self, link: &Link) -> Box<dyn Exchange> {
            Plain.start(link)
        }
    }

    #[test]
    fn the_default_table_is_plain() {
        assert_eq!(format!("{:?}", Mechanisms::default()), r#"["PLAIN"]"#);
    }

    #[test]
    fn put_keeps_the_order_and_replaces_in_place() {
        let mut mechanisms = Mechanisms::default();
        mechanisms.put(Arc::new(Named("NTLM", false))).unwrap();
        mechanisms.put(Arc::new(Named("PLAIN", true))).unwrap();
        assert_eq!(format!("{mechanisms:?}"), r#"["PLAIN", "NTLM"]"#);
        assert!(mechanisms.find("plain").unwrap().needs().tls);
    }

    #[test]
    fn find_and_remove_take_upper_and_lower_case() {
        let mut mechanisms = Mechanisms::default();
        assert!(mechanisms.find("PlAiN").is_some());
        assert!(mechanisms.find("PLAI").is_none());
        assert!(mechanisms.remove("plain"));
        assert!(!mechanisms.remove("plain"));
        assert!(mechanisms.iter().next().is_none());
    }

    #[test]
    fn a_name_that_would_break_the_sasl_line_is_refused() {
        for name in ["", "plain", "A B", "A\r\nB", "ABCDEFGHIJKLMNOPQRSTU", "É"] {
            let outcome = Mechanisms::none().put(Arc::new(Named(name, false)));
            assert_eq!(outcome, Err(MechanismNameError(name)));
        }
        assert!(
            Mechanisms::none()
                .put(Arc::new(Named("SCRAM-SHA-256-PLUS_1", false)))
                .is_ok()
        );
    }
}
