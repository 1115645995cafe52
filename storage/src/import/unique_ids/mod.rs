//! The unique-ids that messages had on the server they come from (MS-STANXPOP3 C0009).

mod courier;
mod dovecot;
mod list;
mod two_columns;
mod x_uidl;

use std::path::PathBuf;

use crate::StoreError;
use crate::numbering::check_unique_id;

pub use list::{ListError, UniqueIdList};
pub(crate) use x_uidl::{find_x_uidl, leading_field_octets};

/// Where the unique-ids of an import come from.
#[derive(Debug, Clone, Default)]
pub enum UniqueIds {
    /// The maildrop gives each message a new one.
    #[default]
    New,
    /// The first `X-UIDL` field of each message. If it is the message's very first line, as an
    /// export of ours writes it, the line is taken off again.
    XUidl,
    /// A `dovecot-uidlist` file. For a Maildir.
    Dovecot(PathBuf),
    /// A `courierpop3dsizelist` file. For a Maildir.
    Courier(PathBuf),
    /// Lines of two columns: the number of the message in its mbox file (from 1), or its file name
    /// in a Maildir, then white space, then the unique-id.
    TwoColumns(PathBuf),
}

/// Octets that another server gave out as a unique-id.
///
/// # Errors
/// `Invalid` unless they are 1 to 70 octets of 0x21 to 0x7E (RFC 1939 s7).
pub(crate) fn unique_id(octets: &[u8]) -> Result<Box<str>, StoreError> {
    // What is no UTF-8 is no unique-id either, nor is the replacement character.
    let text = String::from_utf8_lossy(octets);
    check_unique_id(&text)?;
    Ok(text.into())
}
