//! PAM services of the tests' own, asked through the helper. They are files in `/etc/pam.d`, which
//! only root may write, and touch no account.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailroost_auth::source::{Claim, ForeignAccount, ForeignPasswords, PamPasswords};
use mailroost_auth::user_name::{AcceptedDomains, LogOnName};
use mailroost_auth::{AuthError, Secret};

/// A service that is removed again, and what its script leaves behind.
struct Service {
    name: String,
    file: PathBuf,
    folder: tempfile::TempDir,
}

impl Service {
    /// A module runs this script with the password on standard input; what it fails is a wrong
    /// password. Then comes `account`.
    fn new(name: &str, script: &str, account: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("check");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        Self::of_lines(
            name,
            &format!(
                "auth [success=1 default=ignore] pam_exec.so quiet expose_authtok {}\n\
                 auth requisite pam_deny.so\nauth required pam_permit.so\n{account}\n",
                program.display()
            ),
            folder,
        )
    }

    fn of_lines(name: &str, lines: &str, folder: tempfile::TempDir) -> Self {
        let name = format!("mailroost-test-{name}-{}", std::process::id());
        let file = Path::new("/etc/pam.d").join(&name);
        std::fs::write(&file, lines).expect("a PAM service can be written; only root may");
        Self { name, file, folder }
    }

    fn pam(&self, time_limit: Duration) -> PamPasswords {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_mailroost-pam"));
        PamPasswords::new(program, self.name.clone(), time_limit).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const PERMIT: &str = "account required pam_permit.so";
/// The password ends with a NUL.
const IS_SECRET: &str = "[ \"$PAM_USER $(tr -d '\\0')\" = 'ann secret' ]";

fn check(pam: &PamPasswords, name: &str, password: &str) -> Result<ForeignAccount, AuthError> {
    let account = LogOnName::parse(name).unwrap().account;
    let candidates = account.candidates(&AcceptedDomains::default());
    let claim = Claim {
        account,
        candidates: &candidates,
        at_home: !name.contains('@'),
    };
    pam.check(&claim, &Secret::from(password.as_bytes().to_vec()))
}

#[test]
fn pam_says_whose_password_it_is() {
    let service = Service::new("right", IS_SECRET, PERMIT);
    let pam = service.pam(MINUTE);
    for _ in 0..2 {
        assert_eq!(check(&pam, "ann", "secret"), Ok(ForeignAccount::default()));
        for (user, password) in [("ann", "wrong"), ("ben", "secret"), ("ann", "secret\0")] {
            let outcome = check(&pam, user, password);
            assert_eq!(
                outcome,
                Err(AuthError::WrongPassword),
                "{user} {password:?}"
            );
        }
    }
    // What opens ann's maildrop is ann's password, and not that of an account called ANN.
    assert_eq!(check(&pam, "ANN", "secret"), Ok(ForeignAccount::default()));
    let outcome = check(&pam, "ann@elsewhere.org", "secret");
    assert_eq!(outcome, Err(AuthError::UnknownUser));
}

#[test]
fn an_account_that_pam_does_not_let_in_is_not_permitted() {
    let service = Service::new("denied", IS_SECRET, "account required pam_deny.so");
    let pam = service.pam(MINUTE);
    let outcome = check(&pam, "ann", "secret");
    assert!(
        matches!(outcome, Err(AuthError::NotPermitted(_))),
        "{outcome:?}"
    );
    assert_eq!(check(&pam, "ann", "wrong"), Err(AuthError::WrongPassword));
}

#[test]
fn a_service_that_is_broken_is_no_wrong_password() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "auth required no-such-module.so\n";
    let service = Service::of_lines("broken", lines, folder);
    let outcome = check(&service.pam(MINUTE), "ann", "secret");
    assert!(
        matches!(outcome, Err(AuthError::Unavailable(_))),
        "{outcome:?}"
    );
}

#[test]
fn a_module_that_hangs_is_killed_and_the_next_check_has_another_helper() {
    let script = format!("[ \"$PAM_USER\" != slow ] || exec sleep 10\n{IS_SECRET}");
    let service = Service::new("slow", &script, PERMIT);
    let pam = service.pam(Duration::from_secs(1));
    let outcome = check(&pam, "slow", "secret");
    assert!(
        matches!(outcome, Err(AuthError::Unavailable(_))),
        "{outcome:?}"
    );
    assert_eq!(check(&pam, "ann", "secret"), Ok(ForeignAccount::default()));
    assert!(service.folder.path().exists());
}

#[test]
fn a_helper_that_died_is_replaced() {
    // It kills the helper that runs it, once.
    let folder = tempfile::tempdir().unwrap();
    let once = folder.path().join("once");
    let script = format!(
        "[ -e {once} ] || {{ touch {once}; kill -9 $PPID; exit 1; }}\n{IS_SECRET}",
        once = once.display()
    );
    let service = Service::new("dies", &script, PERMIT);
    let pam = service.pam(MINUTE);
    assert_eq!(check(&pam, "ann", "secret"), Ok(ForeignAccount::default()));
}
