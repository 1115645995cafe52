//! Where a name stands in a filter or a DN, escaped so that it stays a name (RFC 4515 s3, RFC 4514
//! s2.4).

use ldap3::{dn_escape, ldap_escape};

use crate::source::Claim;
use crate::user_name::AccountName;

/// A text with `{user}`, `{domain}` and `{name}` in it: what stands before the domain, the domain,
/// and the whole name in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

/// What a template becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A filter of a search.
    Filter,
    /// A distinguished name.
    Dn,
    /// A name that Active Directory takes in place of one, as `user@domain`.
    Principal,
}

const PLACES: [&str; 3] = ["{user}", "{domain}", "{name}"];

impl Template {
    /// A text that names somebody. `None` if it has none of the three in it.
    pub fn new(text: &str) -> Option<Self> {
        let names_somebody = ["{user}", "{name}"]
            .iter()
            .any(|place| text.contains(place));
        names_somebody.then(|| Self(text.to_owned()))
    }

    /// The same for a filter, which has to be one when the names are in it.
    pub fn filter(text: &str) -> Option<Self> {
        let filled = PLACES
            .iter()
            .fold(text.to_owned(), |text, place| text.replace(place, "x"));
        let whole = text.starts_with('(') && ldap3::parse_filter(filled).is_ok();
        Self::new(text).filter(|_| whole)
    }

    /// Whether it is for a distinguished name.
    pub(super) fn form(&self) -> Form {
        if self.0.contains('=') {
            Form::Dn
        } else {
            Form::Principal
        }
    }

    /// The text for somebody; `None` if nobody of that name can be meant: a foreign domain that
    /// the text would leave out, or none where it needs one.
    pub(super) fn fill(&self, form: Form, claim: &Claim<'_>) -> Option<String> {
        let tells_domains_apart = self.0.contains("{domain}") || self.0.contains("{name}");
        if !claim.at_home && !tells_domains_apart {
            return None;
        }
        let whole = claim.candidates.first()?.as_str();
        let (user, domain) = match claim.account {
            AccountName::Alias(user) => (user, None),
            AccountName::Domain { user, domain, .. } | AccountName::Upn { user, domain, .. } => {
                (user, Some(domain))
            }
        };
        let of_default = || {
            claim
                .candidates
                .iter()
                .find_map(|name| name.as_str().rsplit_once('@'))
        };
        let domain = domain.or_else(|| of_default().map(|(_, domain)| domain));
        let mut text = String::with_capacity(self.0.len() + whole.len());
        let mut rest = self.0.as_str();
        // Replaced in one pass: a name that looks like a place is not filled again.
        while let Some(at) = rest.find('{') {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            let Some(place) = PLACES.into_iter().find(|place| rest.starts_with(place)) else {
                text.push('{');
                rest = &rest[1..];
                continue;
            };
            let value = match place {
                "{user}" => user,
                "{domain}" => domain?,
                _whole => whole,
            };
            text.push_str(&form.escape(value)?);
            rest = &rest[place.len()..];
        }
        text.push_str(rest);
        Some(text)
    }
}

impl Form {
    fn escape(self, value: &str) -> Option<String> {
        match self {
            Self::Filter => Some(ldap_escape(value).into_owned()),
            Self::Dn => Some(dn_escape(value).into_owned()),
            // There is no way to escape: what could make it another kind of name is nobody's.
            Self::Principal => {
                let is_plain = !value.contains(['=', ',', '\\', '/', '"', ';', '<', '>', '+', '@']);
                is_plain.then(|| value.to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_name::{AcceptedDomains, LogOnName};

    fn fill(template: &str, form: Form, name: &str) -> Option<String> {
        let domains = AcceptedDomains::new(["example.org"]);
        let account = LogOnName::parse(name).unwrap().account;
        let candidates = account.candidates(&domains);
        let at_home = match account {
            AccountName::Alias(_) => true,
            AccountName::Domain { domain, .. } | AccountName::Upn { domain, .. } => {
                domains.accepts(domain)
            }
        };
        let claim = Claim {
            account,
            candidates: &candidates,
            at_home,
        };
        Template::new(template).unwrap().fill(form, &claim)
    }

    #[test]
    fn a_name_is_put_in_its_place() {
        for (template, form, name, filled) in [
            ("(uid={user})", Form::Filter, "ann", Some("(uid=ann)")),
            (
                "(uid={user})",
                Form::Filter,
                "ann@example.org",
                Some("(uid=ann)"),
            ),
            ("(uid={user})", Form::Filter, "ann@elsewhere.org", None),
            (
                "(mail={name})",
                Form::Filter,
                "Ann@Elsewhere.org",
                Some("(mail=ann@elsewhere.org)"),
            ),
            (
                "(mail={user}@{domain})",
                Form::Filter,
                "ann",
                Some("(mail=ann@example.org)"),
            ),
            ("uid={user},dc=x", Form::Dn, "ann", Some("uid=ann,dc=x")),
            (
                "{user}@corp.org",
                Form::Principal,
                "ann",
                Some("ann@corp.org"),
            ),
            ("{x{user}", Form::Principal, "ann", Some("{xann")),
        ] {
            assert_eq!(
                fill(template, form, name).as_deref(),
                filled,
                "{template} {name}"
            );
        }
    }

    #[test]
    fn a_name_cannot_become_anything_else() {
        for (form, name, filled) in [
            (Form::Filter, "*", Some("(\\2a)")),
            (Form::Filter, "a)(uid=*", Some("(a\\29\\28uid=\\2a)")),
            (Form::Filter, "a|&!", Some("(a|&!)")),
            (Form::Filter, "{user}", Some("({user})")),
            (Form::Dn, "ann,ou=admins", Some("(ann\\2cou\\3dadmins)")),
            (Form::Dn, "a+b", Some("(a\\2bb)")),
            (Form::Principal, "cn=admin,dc=x", None),
        ] {
            let filled_in = fill("({user})", form, name);
            assert_eq!(filled_in.as_deref(), filled, "{name}");
        }
    }

    #[test]
    fn what_is_no_filter_is_none() {
        assert!(Template::filter("(&(objectClass=person)(uid={user}))").is_some());
        for text in ["(uid=ann)", "uid={user}", "(uid={user}", "{domain}", ""] {
            assert_eq!(Template::filter(text), None, "{text}");
        }
    }
}
