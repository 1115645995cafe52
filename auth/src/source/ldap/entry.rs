//! What is read of somebody's entry.

use ldap3::{ResultEntry, SearchEntry};
use mailroost_storage::UserName;

use crate::AuthError;
use crate::source::{ForeignAccount, Notices};

/// The attributes that say something, by name; those that are not set are not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The name of the maildrop's user.
    pub maildrop: Option<String>,
    /// The most octets in it.
    pub quota: Option<String>,
    /// The site that has it.
    pub site: Option<String>,
    /// Whether its owner may log on: `FALSE`, `no`, `0` or `disabled` mean that they may not, in
    /// `userAccountControl` the bit for a disabled account does.
    pub enabled: Option<String>,
}

/// UF_ACCOUNTDISABLE (MS-ADTS 2.2.16).
const ACCOUNT_DISABLED: u32 = 0x2;

impl Attributes {
    pub(super) fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Those to ask for.
    pub(super) fn names(&self) -> Vec<&str> {
        let all = [&self.maildrop, &self.quota, &self.site, &self.enabled];
        let names: Vec<_> = all.into_iter().flatten().map(String::as_str).collect();
        match names.is_empty() {
            // RFC 4511 s4.5.1.8: none at all.
            true => vec!["1.1"],
            false => names,
        }
    }

    /// DN and account of an entry.
    ///
    /// # Errors
    /// `NotPermitted` for somebody who is disabled, or whose maildrop cannot be one.
    pub(super) fn read(
        &self,
        entry: ResultEntry,
        notices: &Notices,
    ) -> Result<(String, ForeignAccount), AuthError> {
        let entry = SearchEntry::construct(entry);
        if let Some(name) = &self.enabled
            && value(&entry, Some(name)).is_some_and(|value| is_disabled(name, value))
        {
            return Err(AuthError::NotPermitted("the LDAP entry is disabled"));
        }
        let maildrop = value(&entry, self.maildrop.as_ref()).map(UserName::new);
        let maildrop = maildrop.transpose().map_err(|_| {
            AuthError::NotPermitted("the LDAP entry names a maildrop that no user can have")
        })?;
        let quota = value(&entry, self.quota.as_ref()).map(str::parse);
        let quota_octets = quota.transpose().unwrap_or_else(|_| {
            notices("the quota of an LDAP entry is no number of octets, and does not count");
            None
        });
        let site = value(&entry, self.site.as_ref()).map(str::to_lowercase);
        let account = ForeignAccount {
            maildrop,
            site: site.map(Into::into),
            quota_octets,
        };
        Ok((entry.dn, account))
    }
}

/// The first value of an attribute; servers write names as they like.
fn value<'a>(entry: &'a SearchEntry, name: Option<&String>) -> Option<&'a str> {
    let name = name?;
    let mut attributes = entry.attrs.iter();
    let (_, values) = attributes.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    values.first().map(String::as_str)
}

fn is_disabled(name: &str, value: &str) -> bool {
    if name.eq_ignore_ascii_case("userAccountControl") {
        return value
            .parse()
            .is_ok_and(|flags: u32| flags & ACCOUNT_DISABLED != 0);
    }
    let no = ["false", "no", "0", "disabled"];
    no.iter().any(|no| value.eq_ignore_ascii_case(no))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_words_mean_that_somebody_is_disabled() {
        for value in ["FALSE", "No", "0", "disabled"] {
            assert!(is_disabled("mailEnabled", value), "{value}");
        }
        for value in ["TRUE", "yes", "1", "", "514"] {
            assert!(!is_disabled("mailEnabled", value), "{value}");
        }
        assert!(is_disabled("userAccountControl", "514"));
        assert!(!is_disabled("useraccountcontrol", "512"));
        assert!(!is_disabled("userAccountControl", "x"));
    }
}
