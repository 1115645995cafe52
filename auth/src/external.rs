//! EXTERNAL (RFC 4422 appendix A): the client has proven who it is by its TLS certificate, and
//! says at most whose maildrop it wants.

use std::collections::BTreeMap;
use std::str;
use std::sync::Arc;

use crate::limits::IDENTITY_OCTETS_MAX;
use crate::prepared::prepared;
use crate::{
    AuthError, ClientCertificate, Exchange, Link, Mechanism, Needs, PasswordSource, Progress,
};

/// SHA-256 over a certificate's DER form.
pub type Fingerprint = [u8; 32];

/// Which field of a certificate names its user. A certificate without that field is nobody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// A mail address of the subject alternative name: the one that the client asks for, if it is
    /// among them, else the first.
    MailAddress,
    /// The common name of the subject.
    CommonName,
    /// The certificates that are known, and whose each is.
    Fingerprint(BTreeMap<Fingerprint, String>),
}

/// The mechanism.
pub struct External {
    name: Arc<CertificateName>,
}

impl External {
    /// With users named by that field.
    pub fn new(name: CertificateName) -> Self {
        let name = Arc::new(name);
        Self { name }
    }
}

impl Mechanism for External {
    fn name(&self) -> &'static str {
        "EXTERNAL"
    }

    fn needs(&self) -> Needs {
        Needs {
            tls: true,
            client_first: true,
            client_certificate: true,
            ..Needs::default()
        }
    }

    fn start(&self, link: &Link) -> Box<dyn Exchange> {
        Box::new(ExternalExchange {
            name: Arc::clone(&self.name),
            certificate: link.client_certificate.clone(),
            wanted: None,
        })
    }
}

struct ExternalExchange {
    name: Arc<CertificateName>,
    certificate: Option<ClientCertificate>,
    /// Whose maildrop the client wants.
    wanted: Option<String>,
}

impl Exchange for ExternalExchange {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        let Some(certificate) = &self.certificate else {
            return Progress::Failure(AuthError::NotPermitted("the client has no certificate"));
        };
        let admitted = authzid(client).and_then(|authzid| {
            self.wanted = authzid.clone();
            let user = self.name.user(certificate, authzid.as_deref());
            let user = user.ok_or(AuthError::NotPermitted("the certificate names no user"))?;
            source.admit(user, authzid.as_deref())
        });
        match admitted {
            Ok(identity) => Progress::Success(identity),
            Err(error) => Progress::Failure(error),
        }
    }

    fn claimed_name(&self) -> Option<&str> {
        self.wanted.as_deref()
    }
}

/// The client's only message.
fn authzid(octets: &[u8]) -> Result<Option<String>, AuthError> {
    let malformed = AuthError::Malformed("the authorization identity is none");
    let text = str::from_utf8(octets).map_err(|_| malformed.clone())?;
    if text.is_empty() {
        return Ok(None);
    }
    let prepared = prepared(text).filter(|text| text.len() <= IDENTITY_OCTETS_MAX);
    Ok(Some(prepared.ok_or(malformed)?.to_string()))
}

impl CertificateName {
    fn user<'a>(
        &'a self,
        certificate: &'a ClientCertificate,
        asked: Option<&str>,
    ) -> Option<&'a str> {
        match self {
            Self::MailAddress => {
                let addresses = &certificate.mail_addresses;
                let asked = asked.and_then(|asked| {
                    addresses
                        .iter()
                        .find(|address| address.to_lowercase() == asked.to_lowercase())
                });
                asked.or(addresses.first()).map(String::as_str)
            }
            Self::CommonName => certificate.common_name.as_deref(),
            Self::Fingerprint(known) => known.get(&certificate.fingerprint).map(String::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use mailroost_storage::{MaildropId, UserName};

    use super::*;
    use crate::{Identity, Secret};

    /// Everybody is let in as who they are, and Ann as "bob" too.
    struct Anybody;

    impl PasswordSource for Anybody {
        fn verify(&self, _name: &str, _password: &Secret) -> Result<Identity, AuthError> {
            Err(AuthError::UnknownUser)
        }

        fn admit(&self, name: &str, wanted: Option<&str>) -> Result<Identity, AuthError> {
            let wanted = wanted.unwrap_or(name);
            if wanted != name && (name, wanted) != ("ann", "bob") {
                return Err(AuthError::NotPermitted("not theirs"));
            }
            Ok(Identity {
                user: UserName::new(wanted).map_err(|_| AuthError::UnknownUser)?,
                delegate: None,
                maildrop: MaildropId(1),
                exact_rfc822_size: None,
                site: None,
            })
        }
    }

    fn certificate() -> ClientCertificate {
        ClientCertificate {
            mail_addresses: vec!["ann@example.org".into(), "sales@example.org".into()],
            common_name: Some("ann".into()),
            fingerprint: [7; 32],
        }
    }

    fn outcome(
        name: CertificateName,
        certificate: Option<ClientCertificate>,
        message: &[u8],
    ) -> Result<String, AuthError> {
        let link = Link {
            client_certificate: certificate,
            ..Link::default()
        };
        match External::new(name).start(&link).step(message, &Anybody) {
            Progress::Success(identity) => Ok(identity.user.to_string()),
            Progress::Failure(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    fn is_refused(outcome: &Result<String, AuthError>) -> bool {
        matches!(outcome, Err(AuthError::NotPermitted(_)))
    }

    #[test]
    fn the_configured_field_names_the_user() {
        let known = BTreeMap::from([([7; 32], "carl".to_owned())]);
        for (name, message, user) in [
            (CertificateName::MailAddress, "", "ann@example.org"),
            (
                CertificateName::MailAddress,
                "sales@example.org",
                "sales@example.org",
            ),
            (CertificateName::CommonName, "", "ann"),
            (CertificateName::CommonName, "ann", "ann"),
            (CertificateName::CommonName, "bob", "bob"),
            (CertificateName::Fingerprint(known), "", "carl"),
        ] {
            let outcome = outcome(name, Some(certificate()), message.as_bytes());
            assert_eq!(outcome.as_deref(), Ok(user));
        }
    }

    /// CVE-2019-3814: a certificate without the field was let in as whoever it said.
    #[test]
    fn without_the_field_a_certificate_is_nobodys() {
        let empty = ClientCertificate::default();
        for name in [
            CertificateName::MailAddress,
            CertificateName::CommonName,
            CertificateName::Fingerprint(BTreeMap::new()),
        ] {
            for message in ["", "ann"] {
                let outcome = outcome(name.clone(), Some(empty.clone()), message.as_bytes());
                assert!(is_refused(&outcome), "{name:?}: {outcome:?}");
            }
        }
    }

    #[test]
    fn without_a_certificate_nobody_is_let_in() {
        let outcome = outcome(CertificateName::CommonName, None, b"ann");
        assert!(is_refused(&outcome), "{outcome:?}");
        assert!(
            External::new(CertificateName::CommonName)
                .needs()
                .client_certificate
        );
    }

    #[test]
    fn an_authzid_without_a_right_is_refused_and_one_that_is_none_malformed() {
        let with =
            |message: &[u8]| outcome(CertificateName::CommonName, Some(certificate()), message);
        assert!(is_refused(&with(b"carl")));
        for message in [&b"a\0b"[..], b"\xff", &[b'a'; IDENTITY_OCTETS_MAX + 1]] {
            assert!(matches!(with(message), Err(AuthError::Malformed(_))));
        }
    }
}
