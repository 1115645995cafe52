//! CAPA (RFC 2449): what is announced, computed from the table of verbs, the mechanisms and the
//! state of the connection. Nothing is offered by hand.

use crate::command::{Announced, AuthorizationVerb, VERBS, Verb};
use crate::policy::{LoginType, Policy};
use crate::reply::ReplyWriter;
use crate::response_text::Text;
use crate::session::{Link, MechanismOffer};

/// Whether passwords may be sent as USER and PASS on this connection (MS-STANXPOP3 V0010).
pub(crate) fn plaintext_allowed(policy: &Policy, link: &Link) -> bool {
    match policy.login_type {
        LoginType::PlainTextLogin => true,
        LoginType::PlainTextAuthentication | LoginType::SecureLogin => link.tls,
    }
}

/// Whether AUTH takes this mechanism on this connection. CAPA's SASL line, AUTH without a
/// mechanism and AUTH with one all ask here. What the server has no secrets for is not in the
/// table to begin with.
pub(crate) fn offered(policy: &Policy, link: &Link, mechanism: &MechanismOffer) -> bool {
    let allowed = match policy.login_type {
        LoginType::PlainTextLogin => true,
        LoginType::PlainTextAuthentication => link.tls || !mechanism.plaintext,
        LoginType::SecureLogin => link.tls,
    };
    allowed
        && (link.tls || !mechanism.tls)
        && (link.channel_binding || !mechanism.channel_binding)
        && (link.client_certificate || !mechanism.client_certificate)
}

/// The mechanisms that AUTH takes on this connection.
pub(crate) fn offers<'a>(
    policy: &'a Policy,
    link: &'a Link,
) -> impl Iterator<Item = &'a MechanismOffer> {
    link.mechanisms
        .iter()
        .filter(move |mechanism| offered(policy, link, mechanism))
}

/// Whether STLS can be had: there is a certificate, and no TLS yet (RFC 2595 s4).
pub(crate) fn stls_possible(link: &Link) -> bool {
    link.stls && !link.tls
}

/// The reply to CAPA. What is valid before log-on is announced afterwards too (RFC 2449 s5,
/// RFC 5034 s3), but for STLS.
pub(crate) fn reply(policy: &Policy, link: &Link, logged_on: bool, reply: &mut ReplyWriter<'_>) {
    reply.ok(Text::Capabilities);
    for entry in &VERBS {
        match entry.announced {
            Announced::No => {}
            Announced::Keyword => {
                if announced(policy, link, logged_on, entry.verb) {
                    reply.line([entry.keyword]);
                }
            }
            Announced::Mechanisms => {
                let mut names = offers(policy, link)
                    .map(|mechanism| mechanism.name)
                    .peekable();
                if names.peek().is_some() {
                    reply.line(std::iter::once("SASL").chain(names));
                }
            }
        }
    }
    if policy.response_codes {
        reply.line(["RESP-CODES"]);
        reply.line(["AUTH-RESP-CODE"]);
    }
    if policy.pipelining {
        reply.line(["PIPELINING"]);
    }
    if policy.expire_never {
        reply.line(["EXPIRE", "NEVER"]);
    }
    if let Some(text) = &policy.implementation {
        reply.line(["IMPLEMENTATION", text]);
    }
    reply.end_lines();
}

fn announced(policy: &Policy, link: &Link, logged_on: bool, verb: Verb) -> bool {
    match verb {
        Verb::Authorization(AuthorizationVerb::User) => plaintext_allowed(policy, link),
        Verb::Authorization(AuthorizationVerb::Stls) => stls_possible(link) && !logged_on,
        Verb::Authorization(AuthorizationVerb::Pass | AuthorizationVerb::Auth)
        | Verb::Transaction(_)
        | Verb::Either(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn link(tls: bool, stls: bool) -> Link {
        let mechanism = |name, plaintext, tls| MechanismOffer {
            name,
            plaintext,
            tls,
            client_first: true,
            ..MechanismOffer::default()
        };
        let mechanisms = [
            mechanism("NTLM", false, false),
            mechanism("PLAIN", true, false),
            mechanism("OAUTHBEARER", true, true),
        ];
        Link {
            tls,
            channel_binding: false,
            client_certificate: false,
            stls,
            mechanisms: Arc::new(mechanisms),
        }
    }

    fn lines(policy: &Policy, link: &Link, logged_on: bool) -> String {
        let mut out = Vec::new();
        reply(
            policy,
            link,
            logged_on,
            &mut ReplyWriter::new(&mut out, policy),
        );
        String::from_utf8(out).unwrap().replace("\r\n", "/")
    }

    #[test]
    fn the_login_type_decides_what_is_offered_without_tls() {
        let clear = link(false, true);
        let table = [
            (
                LoginType::PlainTextLogin,
                "+OK/TOP/UIDL/SASL NTLM PLAIN/USER/STLS/./",
                "+OK/TOP/UIDL/SASL NTLM PLAIN/USER/./",
            ),
            (
                LoginType::PlainTextAuthentication,
                "+OK/TOP/UIDL/SASL NTLM/STLS/./",
                "+OK/TOP/UIDL/SASL NTLM/./",
            ),
            (
                LoginType::SecureLogin,
                "+OK/TOP/UIDL/STLS/./",
                "+OK/TOP/UIDL/./",
            ),
        ];
        for (login_type, before, after) in table {
            let policy = Policy {
                login_type,
                ..Policy::exchange2013()
            };
            assert_eq!(lines(&policy, &clear, false), before);
            assert_eq!(lines(&policy, &clear, true), after);
        }
    }

    #[test]
    fn inside_tls_everything_is_offered_but_stls() {
        let tls = link(true, true);
        let policy = Policy::exchange2013();
        for logged_on in [false, true] {
            assert_eq!(
                lines(&policy, &tls, logged_on),
                "+OK/TOP/UIDL/SASL NTLM PLAIN OAUTHBEARER/USER/./"
            );
        }
    }

    #[test]
    fn what_builds_upon_the_connection_is_offered_where_the_connection_has_it() {
        let offer = |name, channel_binding, client_certificate| MechanismOffer {
            name,
            tls: client_certificate,
            channel_binding,
            client_certificate,
            ..MechanismOffer::default()
        };
        let mechanisms: Arc<[MechanismOffer]> =
            Arc::new([offer("EXTERNAL", false, true), offer("X-PLUS", true, false)]);
        for (channel_binding, client_certificate, expected) in [
            (false, false, ""),
            (true, false, "X-PLUS"),
            (false, true, "EXTERNAL"),
            (true, true, "EXTERNAL X-PLUS"),
        ] {
            let link = Link {
                channel_binding,
                client_certificate,
                mechanisms: Arc::clone(&mechanisms),
                ..link(true, false)
            };
            let policy = Policy::exchange2013();
            let offered: Vec<_> = offers(&policy, &link).map(|offer| offer.name).collect();
            assert_eq!(offered.join(" "), expected);
        }
    }

    #[test]
    fn without_a_certificate_there_is_no_stls() {
        let policy = Policy::exchange2013();
        assert_eq!(
            lines(&policy, &link(false, false), false),
            "+OK/TOP/UIDL/./"
        );
    }

    #[test]
    fn the_rfc_profile_announces_what_it_can() {
        assert_eq!(
            lines(&Policy::rfc1939(), &link(true, false), false),
            "+OK/TOP/UIDL/SASL NTLM PLAIN OAUTHBEARER/USER/RESP-CODES/AUTH-RESP-CODE/PIPELINING/\
             EXPIRE NEVER/IMPLEMENTATION mailroost/./"
        );
    }
}
