//! Paths: `<ann+list@example.org>` in MAIL and RCPT (RFC 5321 s4.1.2, RFC 6531 s3.3), and which
//! user names a forward-path can mean.

use super::policy::{LmtpPolicy, PATH_OCTETS_MAX};

/// A mailbox of a path. A domain is not demanded: MTAs hand over plain user names, too, and
/// `postmaster` needs none (RFC 5321 s4.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// What stood between the brackets, without a source route: no control character, at most
    /// [`PATH_OCTETS_MAX`] octets.
    text: Box<str>,
    /// The local part without quotes.
    local: Box<str>,
    /// Lower-case.
    domain: Option<Box<str>>,
}

impl Path {
    /// Reads a path at the beginning of `text`. Returns it (`None` for `<>`) and what is behind
    /// it; or nothing at all if there is no path. A source route is ignored (RFC 5321 s C).
    pub(super) fn parse(text: &str) -> Option<(Option<Self>, &str)> {
        let inside = text.strip_prefix('<')?;
        if let Some(rest) = inside.strip_prefix('>') {
            return Some((None, rest));
        }
        let mailbox = match inside.strip_prefix('@') {
            Some(route) => route.split_once(':').filter(|(hops, _)| is_route(hops))?.1,
            None => inside,
        };
        let (local, behind) = local_part(mailbox)?;
        let (domain, rest) = match behind.strip_prefix('@') {
            Some(domain) => {
                let (domain, rest) = domain.split_once('>')?;
                (Some(domain).filter(|domain| is_domain(domain))?, rest)
            }
            None => {
                return behind
                    .strip_prefix('>')
                    .map(|rest| {
                        let octets = mailbox.len() - behind.len();
                        (Some(Self::new(&mailbox[..octets], local, None)), rest)
                    })
                    .filter(|(path, _)| path.as_ref().is_some_and(Self::fits));
            }
        };
        let octets = mailbox.len() - rest.len() - 1;
        let path = Self::new(&mailbox[..octets], local, Some(domain));
        path.fits().then_some((Some(path), rest))
    }

    fn new(text: &str, local: String, domain: Option<&str>) -> Self {
        Self {
            text: text.into(),
            local: local.into(),
            domain: domain.map(|domain| domain.to_lowercase().into()),
        }
    }

    fn fits(&self) -> bool {
        self.text.len() <= PATH_OCTETS_MAX
    }

    /// As it was sent, without brackets and source route.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Names of users and aliases that it can mean, the first that there is counts. None if its
    /// domain is not served and nobody can have it.
    ///
    /// ```text
    /// ann+list@example.org ─► ann+list@example.org, ann+list, ann@example.org, ann
    /// ```
    pub fn names(&self, policy: &LmtpPolicy) -> Vec<String> {
        let served = match &self.domain {
            None => true,
            Some(domain) => policy.domains.is_empty() || policy.domains.contains(domain),
        };
        let whole: &str = &self.local;
        let delimiter = whole
            .char_indices()
            .find(|(at, character)| *at > 0 && policy.delimiters.contains(*character));
        let user = delimiter.map(|(at, _)| &whole[..at]);
        let mut names = Vec::new();
        for local in [Some(whole), user].into_iter().flatten() {
            if let Some(domain) = &self.domain {
                names.push(format!("{local}@{domain}"));
            }
            if served {
                names.push(local.to_owned());
            }
        }
        let postmaster = self.local.eq_ignore_ascii_case("postmaster") && served;
        names.extend(
            policy
                .postmaster
                .as_deref()
                .filter(|_| postmaster)
                .map(str::to_owned),
        );
        names
    }
}

/// A local part at the beginning of `text`, its quotes undone, and what is behind it.
fn local_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !is_atext(c) && c != '.')?;
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut local = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (!local.is_empty()).then(|| (local, &quoted[at + 1..])),
            '\\' => local.push(characters.next()?.1),
            _ => local.push(character),
        }
    }
    None
}

/// `atext` of RFC 5321 and all that RFC 6531 adds to it.
fn is_atext(character: char) -> bool {
    !character.is_ascii()
        || character.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(character)
}

fn is_domain(text: &str) -> bool {
    let visible = |text: &str| text.chars().all(|c| !c.is_ascii() || c.is_ascii_graphic());
    if let Some(literal) = text.strip_prefix('[') {
        return literal.strip_suffix(']').is_some_and(visible);
    }
    let label = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-._".contains(c);
    !text.is_empty() && text.chars().all(label)
}

/// What stands between the first `@` and the colon of a source route.
fn is_route(hops: &str) -> bool {
    let mut hops = hops.split(',').enumerate();
    hops.all(|(place, hop)| match place {
        0 => is_domain(hop),
        _ => hop.strip_prefix('@').is_some_and(is_domain),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<String>)> {
        let (path, rest) = Path::parse(text)?;
        assert_eq!(rest, "", "{text}");
        let path = path?;
        Some((path.local.into(), path.domain.map(Into::into)))
    }

    fn some(local: &str, domain: Option<&str>) -> Option<(String, Option<String>)> {
        Some((local.into(), domain.map(Into::into)))
    }

    #[test]
    fn known_paths() {
        let table = [
            ("<ann@Example.ORG>", some("ann", Some("example.org"))),
            ("<Ann>", some("Ann", None)),
            ("<postmaster>", some("postmaster", None)),
            ("<a.b+c@x>", some("a.b+c", Some("x"))),
            (r#"<"a b@c\"d"@x.org>"#, some(r#"a b@c"d"#, Some("x.org"))),
            (r#"<"a">"#, some("a", None)),
            ("<ann@[192.0.2.1]>", some("ann", Some("[192.0.2.1]"))),
            ("<@a.org,@b.org:ann@c.org>", some("ann", Some("c.org"))),
            (
                "<jürgen@müller.example>",
                some("jürgen", Some("müller.example")),
            ),
            ("<@a.org:>", None),
            ("<@:ann@x>", None),
            ("<ann@>", None),
            ("<@x>", None),
            ("<ann@x", None),
            ("ann@x", None),
            ("<ann@x@y>", None),
            ("<a b@x>", None),
            (r#"<""@x>"#, None),
            (r#"<"a\>"#, None),
            ("<", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parsed(text), expected, "{text}");
        }
        assert_eq!(Path::parse("<> SIZE=1"), Some((None, " SIZE=1")));
    }

    #[test]
    fn the_text_is_kept_without_brackets_and_route() {
        for (sent, kept) in [
            (r#"<@a.org:"a b"@X.org>"#, r#""a b"@X.org"#),
            ("<Ann>", "Ann"),
        ] {
            let (path, _) = Path::parse(sent).unwrap();
            assert_eq!(path.unwrap().as_str(), kept);
        }
    }

    #[test]
    fn a_path_has_its_limit() {
        let long = format!("<{}>", "a".repeat(PATH_OCTETS_MAX));
        assert!(Path::parse(&long).is_some());
        let long = format!("<{}>", "a".repeat(PATH_OCTETS_MAX + 1));
        assert!(Path::parse(&long).is_none());
    }

    #[test]
    fn what_a_path_can_mean() {
        let policy = LmtpPolicy {
            domains: vec!["example.org".into()],
            postmaster: Some("ann".into()),
            ..LmtpPolicy::default()
        };
        let table: [(&str, &[&str]); 7] = [
            ("<Ann>", &["Ann"]),
            ("<ann@example.org>", &["ann@example.org", "ann"]),
            ("<ann@elsewhere.org>", &["ann@elsewhere.org"]),
            (
                "<ann+a+b@EXAMPLE.org>",
                &["ann+a+b@example.org", "ann+a+b", "ann@example.org", "ann"],
            ),
            ("<+ann>", &["+ann"]),
            ("<Postmaster>", &["Postmaster", "ann"]),
            ("<postmaster@elsewhere.org>", &["postmaster@elsewhere.org"]),
        ];
        for (sent, names) in table {
            let path = Path::parse(sent).unwrap().0.unwrap();
            assert_eq!(path.names(&policy), names, "{sent}");
        }
        let open = LmtpPolicy {
            delimiters: "".into(),
            ..LmtpPolicy::default()
        };
        let path = Path::parse("<a+b@x.org>").unwrap().0.unwrap();
        assert_eq!(path.names(&open), ["a+b@x.org", "a+b"]);
    }
}
