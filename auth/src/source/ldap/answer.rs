//! What a server's answer to a bind means (RFC 4511 s4.1.9), with what Active Directory says in
//! the text beside the code.

use ldap3::LdapResult;

use crate::AuthError;

/// Whether the bind succeeded, and if not, why not.
///
/// # Errors
/// `Unavailable` for whatever says nothing about user or password.
pub(super) fn of_bind(result: &LdapResult) -> Result<(), AuthError> {
    match result.rc {
        0 => Ok(()),
        49 => Err(of_sub_code(&result.text)),
        // noSuchObject, invalidDNSyntax: nobody of that name.
        32 | 34 => Err(AuthError::UnknownUser),
        // constraintViolation is how password policies say that an account is locked.
        19 => Err(AuthError::NotPermitted(
            "the LDAP server says that the account is locked",
        )),
        48 | 50 | 53 => Err(AuthError::NotPermitted(
            "the LDAP server does not permit it",
        )),
        code => Err(AuthError::Unavailable(format!(
            "the LDAP server answers with code {code}"
        ))),
    }
}

/// Active Directory gives the same code for all refusals, and beside it `data` and the number of
/// the Windows error in hexadecimal.
fn of_sub_code(text: &str) -> AuthError {
    let data = text.split_once(", data ").map(|(_, rest)| rest);
    let code = data.and_then(|rest| rest.split([',', ' ', '\0']).next());
    match code {
        Some("525") => AuthError::UnknownUser,
        Some("530") => AuthError::NotPermitted("Active Directory: not at this time"),
        Some("531") => AuthError::NotPermitted("Active Directory: not at this workstation"),
        Some("532") => AuthError::NotPermitted("Active Directory: the password has expired"),
        Some("533") => AuthError::NotPermitted("Active Directory: the account is disabled"),
        Some("701") => AuthError::NotPermitted("Active Directory: the account has expired"),
        Some("773") => AuthError::NotPermitted("Active Directory: the password must be changed"),
        Some("775") => AuthError::NotPermitted("Active Directory: the account is locked"),
        Some(_) | None => AuthError::WrongPassword,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rc: u32, text: &str) -> Result<(), AuthError> {
        of_bind(&LdapResult {
            rc,
            matched: String::new(),
            text: text.to_owned(),
            refs: Vec::new(),
            ctrls: Vec::new(),
        })
    }

    #[test]
    fn sub_codes_of_active_directory_are_told_apart() {
        for (data, is_permitted) in [
            ("52e", true),
            ("530", false),
            ("531", false),
            ("532", false),
            ("533", false),
            ("701", false),
            ("773", false),
            ("775", false),
        ] {
            let text = format!(
                "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data \
                 {data}, v2580"
            );
            let outcome = answer(49, &text).unwrap_err();
            let is_wrong = outcome == AuthError::WrongPassword;
            assert_eq!(is_wrong, is_permitted, "{data}: {outcome:?}");
            assert!(is_wrong || matches!(outcome, AuthError::NotPermitted(_)));
        }
        assert_eq!(answer(49, "x, data 525, v1"), Err(AuthError::UnknownUser));
        assert_eq!(answer(49, ""), Err(AuthError::WrongPassword));
        assert_eq!(answer(49, ", data "), Err(AuthError::WrongPassword));
    }

    #[test]
    fn what_says_nothing_of_the_password_is_no_wrong_password() {
        assert_eq!(answer(0, ""), Ok(()));
        for code in [1, 2, 3, 8, 13, 51, 52, 80, 88] {
            let outcome = answer(code, "");
            assert!(
                matches!(outcome, Err(AuthError::Unavailable(_))),
                "{outcome:?}"
            );
        }
    }
}
