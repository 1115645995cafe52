//! Which of several certificates a client is shown, by the name that it asks for (SNI,
//! RFC 6066 s3).

use std::collections::HashMap;

/// Names of certificates; `T` stands for the certificate.
#[derive(Debug)]
pub(super) struct ServerNames<T> {
    exact: HashMap<String, T>,
    /// `*.contoso.com` under `contoso.com`.
    wildcard: HashMap<String, T>,
}

impl<T: Clone> ServerNames<T> {
    pub(super) fn new() -> Self {
        Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
        }
    }

    /// Adds the names of one certificate. A name that is there already keeps its certificate.
    pub(super) fn add(&mut self, names: &[String], certificate: &T) {
        for name in names {
            let name = name.to_lowercase();
            let (names, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent.to_owned()),
                None => (&mut self.exact, name),
            };
            names.entry(name).or_insert_with(|| certificate.clone());
        }
    }

    /// The certificate for a name: the name itself first, then a wildcard, which stands for
    /// exactly one label (RFC 6125 s6.4.3).
    pub(super) fn find(&self, name: &str) -> Option<&T> {
        let name = name.trim_end_matches('.').to_lowercase();
        self.exact.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.wildcard.get(parent)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_name_comes_before_the_wildcard_and_the_first_certificate_before_the_second() {
        let mut names = ServerNames::new();
        names.add(&["*.contoso.com".to_owned(), "A.test".to_owned()], &1);
        names.add(&["pop.contoso.com".to_owned(), "a.test".to_owned()], &2);
        for (name, expected) in [
            ("pop.contoso.com", Some(&2)),
            ("POP.Contoso.COM.", Some(&2)),
            ("mail.contoso.com", Some(&1)),
            ("a.b.contoso.com", None),
            ("contoso.com", None),
            ("a.test", Some(&1)),
            ("", None),
        ] {
            assert_eq!(names.find(name), expected, "{name}");
        }
    }
}
