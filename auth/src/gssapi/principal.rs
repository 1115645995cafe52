//! From the name of a Kerberos principal (RFC 1964 s2.1.1) to that of a user.

use super::keytab::is_service;
use crate::AuthError;

/// The realms whose principals are users here. Upper and lower case count (RFC 4120 s6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AcceptedRealms(Vec<String>);

impl AcceptedRealms {
    pub(super) fn new(realms: Vec<String>) -> Self {
        Self(realms)
    }

    /// The user's name: the principal without its realm.
    ///
    /// A principal of another realm is nobody's, though its realm is trusted: only an
    /// administrator can know that `ann@OTHER` is our `ann`. So is one that has more than one
    /// component, or an escaped character: `a/ann` is not the user that `a/ann` means at a
    /// log-on.
    ///
    /// # Errors
    /// `NotPermitted`.
    pub(super) fn user<'a>(&self, principal: &'a str) -> Result<&'a str, AuthError> {
        let refused = |why| Err(AuthError::NotPermitted(why));
        let Some((name, realm)) = principal.rsplit_once('@') else {
            return refused("the principal has no realm");
        };
        if !self.0.iter().any(|accepted| accepted == realm) {
            return refused("the principal's realm is not accepted");
        }
        if name.is_empty() || name.contains(['/', '\\', '@', '\0']) {
            return refused("the principal is not one of a user");
        }
        Ok(name)
    }
}

/// Whether the principal that a ticket was issued for stands for POP3.
pub(super) fn is_pop_service(principal: &str) -> bool {
    principal
        .split_once('/')
        .is_some_and(|(service, _)| is_service(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_realm_is_stripped_where_it_is_accepted() {
        let realms = AcceptedRealms::new(vec!["A.TEST".into(), "B.TEST".into()]);
        for principal in ["ann@A.TEST", "ann@B.TEST"] {
            assert_eq!(realms.user(principal), Ok("ann"));
        }
        for principal in ["ann", "ann@", "ann@C.TEST", "ann@a.test", "@A.TEST"] {
            assert!(realms.user(principal).is_err(), "{principal}");
        }
    }

    #[test]
    fn a_principal_that_would_mean_somebody_else_at_a_log_on_is_refused() {
        let realms = AcceptedRealms::new(vec!["A.TEST".into()]);
        for principal in [
            "contoso/ann@A.TEST",
            "host/mail.test@A.TEST",
            "ann\\@contoso.com@A.TEST",
            "contoso\\\\ann@A.TEST",
            "WELLKNOWN/ANONYMOUS@A.TEST",
        ] {
            assert!(
                matches!(realms.user(principal), Err(AuthError::NotPermitted(_))),
                "{principal}"
            );
        }
    }

    #[test]
    fn three_services_are_ours() {
        for principal in ["pop/h@R", "POP/h@R", "POP3/h@R"] {
            assert!(is_pop_service(principal));
        }
        for principal in ["imap/h@R", "pop@R", "Pop/h@R", "pop3/h@R", "host/pop/h@R"] {
            assert!(!is_pop_service(principal), "{principal}");
        }
    }
}
