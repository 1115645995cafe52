//! PAM, asked by a program of its own: modules are foreign code that blocks, leaks and crashes,
//! and some need root. The program is `mailroost-pam`; see its documentation for what travels.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::foreign::{Claim, ForeignAccount, ForeignPasswords};
use crate::limits::PASSWORD_OCTETS_MAX;
use crate::user_name::AccountName;
use crate::{AuthError, Secret};

/// Nobody has this name: it cannot be stored, nor logged on with.
const NOBODY: &str = "no such user";

/// A [`ForeignPasswords`] over helpers, of which there are as many as there are checks at once.
/// Each does one check at a time, and is killed when it takes too long.
pub struct PamPasswords {
    program: PathBuf,
    service: String,
    time_limit: Duration,
    idle: Mutex<Vec<Helper>>,
}

/// A helper that waits for a question; killed when it is dropped.
struct Helper {
    child: Child,
    socket: UnixStream,
}

impl PamPasswords {
    /// Asks the PAM service of this name (a file in `/etc/pam.d`). One helper is started at once.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn new(program: PathBuf, service: String, time_limit: Duration) -> io::Result<Self> {
        let pam = Self {
            program,
            service,
            time_limit,
            idle: Mutex::default(),
        };
        let first = pam.start()?;
        pam.put_back(first);
        Ok(pam)
    }

    /// Asks; once more if a helper has died since it was last used.
    fn ask(&self, user: &str, password: &[u8]) -> Result<(), AuthError> {
        let request = request(user, password)?;
        let unavailable = |error: io::Error| AuthError::Unavailable(error.to_string());
        let idle = self.idle().pop();
        if let Some(mut helper) = idle {
            match helper.ask(&request, self.time_limit) {
                Ok(verdict) => {
                    self.put_back(helper);
                    return outcome(verdict);
                }
                Err(error) if is_elapsed(&error) => return Err(too_slow()),
                Err(_it_has_died) => {}
            }
        }
        let mut helper = self.start().map_err(unavailable)?;
        match helper.ask(&request, self.time_limit) {
            Ok(verdict) => {
                self.put_back(helper);
                outcome(verdict)
            }
            Err(error) if is_elapsed(&error) => Err(too_slow()),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn start(&self) -> io::Result<Helper> {
        let (socket, theirs) = UnixStream::pair()?;
        // It sees nothing of the server but this socket.
        let child = Command::new(&self.program)
            .arg(&self.service)
            .arg(self.time_limit.as_secs().to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Helper { child, socket })
    }

    fn put_back(&self, helper: Helper) {
        self.idle().push(helper);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Helper>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Helper {
    fn ask(&mut self, request: &[u8], time_limit: Duration) -> io::Result<u8> {
        self.socket.set_write_timeout(Some(time_limit))?;
        self.socket.set_read_timeout(Some(time_limit))?;
        self.socket.write_all(request)?;
        let mut verdict = [0];
        self.socket.read_exact(&mut verdict)?;
        Ok(verdict[0])
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // A module that hangs does not listen to anything milder.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(user: &str, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, AuthError> {
    // What is passed to PAM ends at a NUL.
    let is_possible = !password.is_empty() && !password.contains(&0) && !user.contains('\0');
    if !is_possible || password.len() > PASSWORD_OCTETS_MAX {
        return Err(AuthError::WrongPassword);
    }
    let length = user.len() + 1 + password.len();
    let octets = u16::try_from(length).map_err(|_| AuthError::UnknownUser)?;
    let mut request = Zeroizing::new(Vec::with_capacity(2 + length));
    request.extend_from_slice(&octets.to_be_bytes());
    request.extend_from_slice(user.as_bytes());
    request.push(0);
    request.extend_from_slice(password);
    Ok(request)
}

fn outcome(verdict: u8) -> Result<(), AuthError> {
    match verdict {
        0 => Ok(()),
        1 => Err(AuthError::UnknownUser),
        2 => Err(AuthError::WrongPassword),
        3 => Err(AuthError::NotPermitted("PAM does not permit it")),
        _ => Err(AuthError::Unavailable("PAM cannot tell".to_owned())),
    }
}

fn is_elapsed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn too_slow() -> AuthError {
    AuthError::Unavailable("PAM takes too long to answer".to_owned())
}

impl ForeignPasswords for PamPasswords {
    fn check(&self, claim: &Claim<'_>, password: &Secret) -> Result<ForeignAccount, AuthError> {
        // Accounts of the system have no domain.
        let (AccountName::Alias(user)
        | AccountName::Domain { user, .. }
        | AccountName::Upn { user, .. }) = claim.account;
        if !claim.at_home {
            return Err(AuthError::UnknownUser);
        }
        // As names are stored: to the system `Ann` may be another than `ann`, whose maildrop it is.
        self.ask(&user.to_lowercase(), password.expose_secret())?;
        Ok(ForeignAccount::default())
    }

    fn feign(&self, password: &Secret) {
        // What comes of it is of no interest.
        let _ = self.ask(NOBODY, password.expose_secret());
    }
}
