//! Texts that LDAP and PAM have a form for.

use mailroost_auth::source::ldap::Template;

use super::form::form;
use super::site::HostName;

form! {
    /// Where a server is.
    LdapUrl, "a URL such as \"ldaps://ldap.example.org\"", "neither ldap:// nor ldaps:// and a host",
    is_url
}

form! {
    /// The name of an entry (RFC 4514), or one that Active Directory takes in place of it.
    DistinguishedName, "a name such as \"ou=people,dc=example,dc=org\"", "not the name of an entry",
    |text| (text.contains('=') || text.contains('@')) && !text.chars().any(char::is_control)
}

form! {
    /// A filter (RFC 4515) with a place for a name.
    LdapFilter, "a filter such as \"(uid={user})\"", "not a filter with {user} or {name} in it",
    |text| Template::filter(text).is_some()
}

form! {
    /// What a user binds as, with a place for a name.
    UserTemplate, "a name such as \"uid={user},ou=people,dc=example,dc=org\"",
    "it has neither {user} nor {name} in it", |text| Template::new(text).is_some()
}

form! {
    /// The name of an attribute (RFC 4512 s2.5).
    AttributeName, "an attribute such as \"mail\"", "not the name of an attribute",
    |text| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-;.".contains(c);
        !text.is_empty() && text.chars().all(is_plain)
    }
}

form! {
    /// The name of a PAM service.
    PamService, "the name of a PAM service such as \"mailroost\"", "not the name of a PAM service",
    |text| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !text.is_empty() && !text.starts_with('.') && text.chars().all(is_plain)
    }
}

impl LdapFilter {
    /// What most directories have.
    pub(super) fn of_uid() -> Self {
        Self("(uid={user})".to_owned())
    }
}

fn is_url(text: &str) -> bool {
    let schemes = ["ldap://", "ldaps://"];
    let Some(place) = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)) else {
        return false;
    };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (place, None),
    };
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    HostName::try_from(host.to_owned()).is_ok() && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_perhaps_a_port_and_no_more() {
        for text in [
            "ldap://a",
            "ldaps://a.org:636",
            "ldap://127.0.0.1:1",
            "ldaps://[::1]:636",
        ] {
            assert!(is_url(text), "{text}");
        }
        for text in [
            "",
            "a",
            "http://a",
            "ldap://",
            "ldap://a/",
            "ldap://a:0",
            "ldap://a:x",
        ] {
            assert!(!is_url(text), "{text}");
        }
    }
}
