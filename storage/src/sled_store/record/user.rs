//! A user, packed: the record of the index and the content of an owner file.

use super::{Cursor, put, put_octets, put_text};
use crate::{
    Credential, MaildropId, NewUser, QuotaOverride, RetentionOverride, StoredCredential, User,
    UserName,
};

/// Packs a user; the name stands first, so that an owner file says whose it is.
pub(in super::super) fn encode_user(user: &User) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    put_octets(&mut out, user.name.as_str().as_bytes());
    put(&mut out, user.maildrop.0);
    put(&mut out, user.created_secs);
    out.push(u8::from(user.pop_enabled));
    out.push(match user.exact_rfc822_size {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    });
    out.push(u8::from(user.password_hash.is_some()));
    put_octets(
        &mut out,
        user.password_hash.as_deref().unwrap_or("").as_bytes(),
    );
    out.push(u8::from(user.use_protocol_defaults));
    put_text(&mut out, user.site.as_deref());
    for names in [&user.aliases, &user.delegates] {
        put(&mut out, names.len() as u64);
        for name in names {
            put_octets(&mut out, name.as_str().as_bytes());
        }
    }
    put(&mut out, user.credentials.len() as u64);
    for credential in &user.credentials {
        put_credential(&mut out, credential);
    }
    let QuotaOverride { octets, messages } = user.quota;
    let RetentionOverride {
        read_secs,
        unread_secs,
    } = user.retention;
    for number in [octets, messages, read_secs, unread_secs] {
        put(&mut out, u64::from(number.is_some()));
        number.iter().for_each(|number| put(&mut out, *number));
    }
    out
}

fn put_credential(out: &mut Vec<u8>, credential: &Credential) {
    out.push(match credential.kind {
        StoredCredential::ScramSha256 => 1,
        StoredCredential::NtHash => 2,
        StoredCredential::AppPassword => 3,
    });
    put_octets(out, credential.label.as_bytes());
    put_octets(out, credential.value.as_bytes());
    put(out, credential.created_secs);
}

/// The reverse.
pub(in super::super) fn decode_user(octets: &[u8]) -> Option<User> {
    let mut cursor = Cursor(octets);
    let name = UserName::new(cursor.text()?).ok()?;
    let maildrop = MaildropId(cursor.number()?);
    let created_secs = cursor.number()?;
    let pop_enabled = cursor.flag()?;
    let exact_rfc822_size = match cursor.number()? {
        0 => None,
        1 => Some(false),
        2 => Some(true),
        _ => return None,
    };
    let has_password = cursor.flag()?;
    let password_hash = Some(cursor.text()?.to_owned()).filter(|_| has_password);
    // Earlier records end here, and an override of theirs acts.
    let use_protocol_defaults = match cursor.is_at_end() {
        true => exact_rfc822_size.is_none(),
        false => cursor.flag()?,
    };
    let new = NewUser {
        name,
        password_hash,
    };
    let mut user = User {
        pop_enabled,
        use_protocol_defaults,
        exact_rfc822_size,
        ..User::new(new, maildrop, created_secs)
    };
    // So do earlier records of users without a site,
    if !cursor.is_at_end() {
        user.site = cursor.text_if_any()?;
    }
    // and those from before users had more than that.
    if !cursor.is_at_end() {
        cursor.rest_of(&mut user)?;
    }
    cursor.end()?;
    Some(user)
}

impl Cursor<'_> {
    fn rest_of(&mut self, user: &mut User) -> Option<()> {
        user.aliases = self.names()?;
        user.delegates = self.names()?;
        for _ in 0..self.count()? {
            user.credentials.push(self.credential()?);
        }
        user.quota = QuotaOverride {
            octets: self.number_if_any()?,
            messages: self.number_if_any()?,
        };
        user.retention = RetentionOverride {
            read_secs: self.number_if_any()?,
            unread_secs: self.number_if_any()?,
        };
        Some(())
    }

    fn names(&mut self) -> Option<Vec<UserName>> {
        let count = self.count()?;
        (0..count)
            .map(|_| UserName::new(self.text()?).ok())
            .collect()
    }

    fn credential(&mut self) -> Option<Credential> {
        Some(Credential {
            kind: match self.number()? {
                1 => StoredCredential::ScramSha256,
                2 => StoredCredential::NtHash,
                3 => StoredCredential::AppPassword,
                _ => return None,
            },
            label: self.text()?.into(),
            value: self.text()?.to_owned(),
            created_secs: self.number()?,
        })
    }

    fn number_if_any(&mut self) -> Option<Option<u64>> {
        match self.flag()? {
            true => self.number().map(Some),
            false => Some(None),
        }
    }
}
