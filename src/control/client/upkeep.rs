//! The client's side of quota, retention and undelete.

use super::{Client, ClientError, unexpected};
use crate::control::protocol::{Reply, Request};
use crate::control::upkeep::{DeletedRow, RetainedRow, UsageRow};

impl Client {
    /// What is in a user's maildrop, and what may be.
    ///
    /// # Errors
    /// `NoSuchUser`; what the store says.
    pub fn usage(&mut self, name: &str) -> Result<UsageRow, ClientError> {
        match self.ask(&Request::Usage { name: name.into() })? {
            Reply::Usage { usage } => Ok(usage),
            _ => Err(unexpected()),
        }
    }

    /// The messages that were removed and can be brought back, in order of their numbers, page
    /// by page.
    ///
    /// # Errors
    /// When the server or `each` fails.
    pub fn deleted<E: From<ClientError>>(
        &mut self,
        user: &str,
        mut each: impl FnMut(DeletedRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let request = Request::Deleted {
                user: user.into(),
                after,
            };
            let Reply::Deleted { messages } = self.ask(&request)? else {
                return Err(unexpected().into());
            };
            let Some(last) = messages.last() else {
                return Ok(());
            };
            after = Some(last.id);
            messages.into_iter().try_for_each(&mut each)?;
        }
    }

    /// Brings removed messages back, all or none: their old and new numbers.
    ///
    /// # Errors
    /// `NoSuchUser`, `Gone`, `OverQuota`; what the store says.
    pub fn undelete(
        &mut self,
        user: &str,
        ids: Vec<u64>,
        ignore_quota: bool,
    ) -> Result<Vec<(u64, u64)>, ClientError> {
        let request = Request::Undelete {
            user: user.into(),
            ids,
            ignore_quota,
        };
        match self.ask(&request)? {
            Reply::Undeleted { ids } => Ok(ids),
            _ => Err(unexpected()),
        }
    }

    /// Gives up what was removed before that second, for good: messages, and octets that they
    /// occupied.
    ///
    /// # Errors
    /// `NoSuchUser`; what the store says.
    pub fn purge(
        &mut self,
        user: &str,
        deleted_before_secs: u64,
    ) -> Result<(u64, u64), ClientError> {
        let request = Request::Purge {
            user: user.into(),
            deleted_before_secs,
        };
        match self.ask(&request)? {
            Reply::Purged {
                messages,
                stored_octets,
            } => Ok((messages, stored_octets)),
            _ => Err(unexpected()),
        }
    }

    /// Retention for all users, those of whom there is something to tell one by one.
    ///
    /// # Errors
    /// When the server or `each` fails.
    pub fn retain<E: From<ClientError>>(
        &mut self,
        dry_run: bool,
        mut each: impl FnMut(RetainedRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let Reply::Retained { rows, last } = self.ask(&Request::Retain { after, dry_run })?
            else {
                return Err(unexpected().into());
            };
            rows.into_iter().try_for_each(&mut each)?;
            if last.is_none() {
                return Ok(());
            }
            after = last;
        }
    }
}
