//! Names as clients give them at log-on: alias, `DOMAIN\user`, UPN, and the delegate forms of
//! MS-OXPOP3 s2.2.2. What is stored in a directory is a plain [`UserName`]; this says which
//! ones a name can mean.

use mailroost_storage::UserName;

use crate::prepared::prepared;

/// Accounts that never open a maildrop, whatever the directory says (Exchange refuses them).
const BLOCKED_ALIASES: [&str; 2] = ["anonymous", "guest"];

/// A name given at log-on, taken apart. `/` and `\` mean the same.
///
/// | form | account | mailbox |
/// | --- | --- | --- |
/// | `alias` | alias | |
/// | `user@domain` | UPN | |
/// | `domain\user` | domain, user | |
/// | `user@domain/mailbox` | UPN: the delegate | alias or UPN |
/// | `domain/user/mailbox` | domain, user: the delegate | alias or UPN |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOnName<'a> {
    /// Whose password it is.
    pub account: AccountName<'a>,
    /// Whose maildrop is wanted, if the name says so.
    pub mailbox: Option<AccountName<'a>>,
}

impl<'a> LogOnName<'a> {
    /// Takes a name apart; `None` if it is empty, has an empty part, or has more than three.
    pub fn parse(name: &'a str) -> Option<Self> {
        let is_separator = |c: char| c == '/' || c == '\\';
        if name.split(is_separator).any(str::is_empty) {
            return None;
        }
        let Some((head, last)) = name.rsplit_once(is_separator) else {
            return Some(Self {
                account: AccountName::plain(name),
                mailbox: None,
            });
        };
        let Some((domain, user)) = head.split_once(is_separator) else {
            let delegate = AccountName::plain(head);
            return Some(if let AccountName::Upn { .. } = delegate {
                Self {
                    account: delegate,
                    mailbox: Some(AccountName::plain(last)),
                }
            } else {
                let account = AccountName::Domain {
                    whole: name,
                    domain: head,
                    user: last,
                };
                Self {
                    account,
                    mailbox: None,
                }
            });
        };
        if user.contains(is_separator) {
            return None;
        }
        let account = AccountName::Domain {
            whole: head,
            domain,
            user,
        };
        Some(Self {
            account,
            mailbox: Some(AccountName::plain(last)),
        })
    }
}

/// The name of one account, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountName<'a> {
    /// Without a domain.
    Alias(&'a str),
    /// `DOMAIN\user` or `domain/user`.
    Domain {
        /// As it was written.
        whole: &'a str,
        /// What stands before the separator.
        domain: &'a str,
        /// What stands after it.
        user: &'a str,
    },
    /// `user@domain`.
    Upn {
        /// As it was written.
        whole: &'a str,
        /// What stands before the last `@`.
        user: &'a str,
        /// What stands after it.
        domain: &'a str,
    },
}

impl<'a> AccountName<'a> {
    fn plain(whole: &'a str) -> Self {
        match whole.rsplit_once('@') {
            Some((user, domain)) if !user.is_empty() && !domain.is_empty() => Self::Upn {
                whole,
                user,
                domain,
            },
            Some(_) | None => Self::Alias(whole),
        }
    }

    /// Whether this account is refused without being looked up.
    pub fn is_blocked(&self) -> bool {
        let (Self::Alias(user) | Self::Domain { user, .. } | Self::Upn { user, .. }) = self;
        is_blocked(user)
    }

    /// The stored names that it can mean, likeliest first: at most three as it was written, and
    /// as many as SASLprep (RFC 4013) makes of it. How many there are depends on nothing that is
    /// stored.
    pub fn candidates(&self, domains: &AcceptedDomains) -> Vec<UserName> {
        let mut names = Vec::with_capacity(3);
        let written = self.texts(domains).into_iter().flatten();
        for text in written {
            let prepared = prepared(&text).filter(|prepared| **prepared != *text);
            let forms = [Some(&*text), prepared.as_ref().map(|text| text.as_str())];
            let forms = forms.into_iter().flatten();
            names.extend(forms.filter_map(|text| UserName::new(text).ok()));
        }
        names
    }

    /// As it was written, with and without a domain.
    fn texts(&self, domains: &AcceptedDomains) -> [Option<String>; 3] {
        let in_default = |user: &str| domains.default_domain().map(|d| format!("{user}@{d}"));
        match *self {
            Self::Alias(alias) => [Some(alias.to_owned()), in_default(alias), None],
            Self::Upn {
                whole,
                user,
                domain,
            } => {
                let stripped = domains.accepts(domain).then(|| user.to_owned());
                [Some(whole.to_owned()), stripped, None]
            }
            Self::Domain {
                whole,
                domain,
                user,
            } => {
                let accepted = domains.accepts(domain).then_some(user);
                let upn = accepted
                    .filter(|user| !user.contains('@'))
                    .and_then(in_default);
                [Some(whole.to_owned()), accepted.map(str::to_owned), upn]
            }
        }
    }
}

/// Whether a name is one of those that open no maildrop, whatever domain stands behind it.
pub(crate) fn is_blocked(user: &str) -> bool {
    let alias = user.split_once('@').map_or(user, |(alias, _)| alias);
    BLOCKED_ALIASES.contains(&alias.to_lowercase().as_str())
}

/// One form for all names that may mean the same account: without an accepted domain, as
/// SASLprep (RFC 4013) has it if it can be prepared, lower-case. It need not be the name of
/// anybody.
pub(crate) fn canonical(name: &str, domains: &AcceptedDomains) -> String {
    let account = LogOnName::parse(name).map(|name| name.account);
    let bare = match account {
        Some(AccountName::Domain { domain, user, .. }) if domains.accepts(domain) => user,
        Some(
            AccountName::Domain { whole, .. }
            | AccountName::Upn { whole, .. }
            | AccountName::Alias(whole),
        ) => whole,
        None => name,
    };
    let prepared = prepared(bare);
    let bare = prepared.as_ref().map_or(bare, |prepared| prepared.as_str());
    let bare = match AccountName::plain(bare) {
        AccountName::Upn { user, domain, .. } if domains.accepts(domain) => user,
        AccountName::Upn { whole, .. }
        | AccountName::Domain { whole, .. }
        | AccountName::Alias(whole) => whole,
    };
    bare.to_lowercase()
}

/// The domains whose users are this directory's: `DOMAIN\` and `@domain` may be left out for
/// them. Without any, only the whole name counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptedDomains(Vec<String>);

impl AcceptedDomains {
    /// In this order; the first is the default, which a bare alias may stand in.
    pub fn new<I>(domains: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self(
            domains
                .into_iter()
                .map(|domain| domain.as_ref().to_lowercase())
                .collect(),
        )
    }

    /// Whether it is one of them, upper or lower case.
    pub fn accepts(&self, domain: &str) -> bool {
        self.0.contains(&domain.to_lowercase())
    }

    /// The first.
    pub fn default_domain(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn alias(alias: &str) -> AccountName<'_> {
        AccountName::Alias(alias)
    }

    fn upn<'a>(whole: &'a str, user: &'a str, domain: &'a str) -> AccountName<'a> {
        AccountName::Upn {
            whole,
            user,
            domain,
        }
    }

    fn domain<'a>(whole: &'a str, domain: &'a str, user: &'a str) -> AccountName<'a> {
        AccountName::Domain {
            whole,
            domain,
            user,
        }
    }

    /// Else a name would have as many guesses as it has spellings.
    #[test]
    fn all_spellings_of_an_account_are_one() {
        let domains = AcceptedDomains::new(["corp.example", "corp"]);
        for name in [
            "ann",
            "ANN",
            "a\u{ad}nn",
            "\u{ff41}nn",
            "ann@corp.example",
            "ann\u{ff20}corp.example",
            "corp\\ann",
            "corp/\u{ff41}nn",
            "corp/ann@corp.example",
            "corp/ann/bob",
            "ann@corp/bob",
        ] {
            assert_eq!(canonical(name, &domains), "ann", "{name:?}");
        }
        for name in ["ann@other.example", "other\\ann", "bell\u{7}", ""] {
            assert_eq!(canonical(name, &domains), name);
        }
    }

    fn own(account: AccountName<'_>) -> Option<LogOnName<'_>> {
        Some(LogOnName {
            account,
            mailbox: None,
        })
    }

    fn delegate<'a>(account: AccountName<'a>, mailbox: AccountName<'a>) -> Option<LogOnName<'a>> {
        Some(LogOnName {
            account,
            mailbox: Some(mailbox),
        })
    }

    #[test]
    fn every_form_is_taken_apart() {
        let d = upn("d@e.org", "d", "e.org");
        for (name, expected) in [
            ("alice", own(alias("alice"))),
            ("a@b@c.org", own(upn("a@b@c.org", "a@b", "c.org"))),
            ("@c.org", own(alias("@c.org"))),
            ("alice@", own(alias("alice@"))),
            (
                "CONTOSO\\alice",
                own(domain("CONTOSO\\alice", "CONTOSO", "alice")),
            ),
            (
                "contoso/alice",
                own(domain("contoso/alice", "contoso", "alice")),
            ),
            (
                "contoso/a@c.org",
                own(domain("contoso/a@c.org", "contoso", "a@c.org")),
            ),
            ("d@e.org/alice", delegate(d, alias("alice"))),
            (
                "d@e.org\\a@c.org",
                delegate(d, upn("a@c.org", "a", "c.org")),
            ),
            (
                "x/d/alice",
                delegate(domain("x/d", "x", "d"), alias("alice")),
            ),
            (
                "X\\d\\a@c.org",
                delegate(domain("X\\d", "X", "d"), upn("a@c.org", "a", "c.org")),
            ),
        ] {
            assert_eq!(LogOnName::parse(name), expected, "{name}");
        }
    }

    #[test]
    fn empty_parts_and_more_than_three_are_no_name() {
        for name in [
            "", "/", "/alice", "alice/", "x//alice", "\\alice", "a/b/c/d", "a/b/c/",
        ] {
            assert_eq!(LogOnName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_whole_name_comes_before_the_alias_of_an_accepted_domain() {
        let domains = AcceptedDomains::new(["Contoso.com", "CONTOSO"]);
        for (name, expected) in [
            ("Alice", &["alice", "alice@contoso.com"][..]),
            ("Alice@CONTOSO.com", &["alice@contoso.com", "alice"]),
            ("alice@fabrikam.com", &["alice@fabrikam.com"]),
            (
                "Contoso\\Alice",
                &["contoso\\alice", "alice", "alice@contoso.com"],
            ),
            (
                "contoso/a@fabrikam.com",
                &["contoso/a@fabrikam.com", "a@fabrikam.com"],
            ),
            ("FABRIKAM\\alice", &["fabrikam\\alice"]),
            ("al ice", &[]),
        ] {
            let account = LogOnName::parse(name).unwrap().account;
            let candidates = account.candidates(&domains);
            assert_eq!(
                candidates.iter().map(UserName::as_str).collect::<Vec<_>>(),
                expected
            );
        }
    }

    #[test]
    fn without_accepted_domains_only_the_whole_name_counts() {
        for name in ["alice", "alice@contoso.com", "contoso\\alice"] {
            let account = LogOnName::parse(name).unwrap().account;
            let candidates = account.candidates(&AcceptedDomains::default());
            assert_eq!(candidates, [UserName::new(name).unwrap()]);
        }
    }

    #[test]
    fn anonymous_and_guest_are_blocked_in_every_form() {
        for name in [
            "guest",
            "ANONYMOUS",
            "x\\Guest",
            "guest@contoso.com",
            "x/guest@y",
            "x/guest/a",
        ] {
            assert!(
                LogOnName::parse(name).unwrap().account.is_blocked(),
                "{name}"
            );
        }
        for name in ["guests", "guest\\alice", "alice@guest", "x/alice/guest"] {
            assert!(
                !LogOnName::parse(name).unwrap().account.is_blocked(),
                "{name}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_without_a_panic(name in "(\\PC|[/\\\\@]){0,12}") {
            let domains = AcceptedDomains::new(["d"]);
            if let Some(name) = LogOnName::parse(&name) {
                let candidates = name.account.candidates(&domains);
                prop_assert!(candidates.len() <= 6);
            }
        }
    }
}
