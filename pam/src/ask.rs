//! One question to PAM: is this the password, and may they come in?

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use nonstick::{
    AuthnFlags, ConversationAdapter, ErrorCode, Result as PamResult, Transaction,
    TransactionBuilder,
};

/// What PAM says, as the octet that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verdict {
    /// They may come in.
    Accepted = 0,
    /// Nobody of that name.
    UnknownUser = 1,
    /// Another password.
    WrongPassword = 2,
    /// The account is locked, expired, or not for this service.
    NotPermitted = 3,
    /// PAM cannot tell.
    Unavailable = 4,
}

/// Answers every question for a password with the one, whatever it is called.
struct Answers<'a> {
    user: &'a OsStr,
    password: &'a OsStr,
}

impl ConversationAdapter for Answers<'_> {
    fn prompt(&self, _: impl AsRef<OsStr>) -> PamResult<OsString> {
        Ok(self.user.to_owned())
    }

    fn masked_prompt(&self, _: impl AsRef<OsStr>) -> PamResult<OsString> {
        Ok(self.password.to_owned())
    }

    // POP3 has nobody to show these to.
    fn error_msg(&self, _: impl AsRef<OsStr>) {}

    fn info_msg(&self, _: impl AsRef<OsStr>) {}
}

pub(crate) fn ask(service: &str, user: &[u8], password: &[u8]) -> Verdict {
    if password.is_empty() || password.contains(&0) {
        return Verdict::WrongPassword;
    }
    let (user, password) = (OsStr::from_bytes(user), OsStr::from_bytes(password));
    let answers = Answers { user, password };
    let begun = TransactionBuilder::new_with_service(service)
        .username(user)
        .build(answers.into_conversation());
    let Ok(mut transaction) = begun else {
        return Verdict::Unavailable;
    };
    if let Err(error) = transaction.authenticate(AuthnFlags::empty()) {
        return of_authentication(error);
    }
    match transaction.account_management(AuthnFlags::empty()) {
        Ok(()) => Verdict::Accepted,
        Err(error) => of_account(error),
    }
}

/// pam_authenticate(3).
fn of_authentication(error: ErrorCode) -> Verdict {
    match error {
        ErrorCode::UserUnknown => Verdict::UnknownUser,
        ErrorCode::AuthenticationError | ErrorCode::MaxTries => Verdict::WrongPassword,
        ErrorCode::PermissionDenied
        | ErrorCode::AccountExpired
        | ErrorCode::AuthTokExpired
        | ErrorCode::CredentialsExpired => Verdict::NotPermitted,
        // The library's enumeration is open. Whatever else there is says nothing of the password.
        _ => Verdict::Unavailable,
    }
}

/// pam_acct_mgmt(3), after the password was right.
fn of_account(error: ErrorCode) -> Verdict {
    match error {
        ErrorCode::UserUnknown => Verdict::UnknownUser,
        ErrorCode::PermissionDenied
        | ErrorCode::AuthenticationError
        | ErrorCode::AccountExpired
        | ErrorCode::NewAuthTokRequired
        | ErrorCode::AuthTokExpired => Verdict::NotPermitted,
        _ => Verdict::Unavailable,
    }
}
