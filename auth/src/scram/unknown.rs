//! What stands in for users who do not exist, or have no keys of SCRAM.

use zeroize::Zeroizing;

use super::keys::{Digest32, ScramKeys, mac};
use crate::limits::SCRAM_SALT_OCTETS;

/// Makes salts and keys out of a secret of the server: the same name has the same salt each
/// time, as a user who exists has, and nobody knows the password.
pub struct UnknownUsers {
    secret: Zeroizing<Digest32>,
    iterations: u32,
}

impl UnknownUsers {
    /// `secret` should outlive restarts, or salts that change tell who does not exist.
    /// `iterations` should be those of the users who do.
    pub fn new(secret: [u8; 32], iterations: u32) -> Self {
        Self {
            secret: Zeroizing::new(secret),
            iterations,
        }
    }

    pub(super) fn keys(&self, name: &str) -> ScramKeys {
        let derive = |what: &[u8]| mac(self.secret.as_ref(), &[what, b"\0", name.as_bytes()]);
        let salt = derive(b"salt");
        ScramKeys {
            iterations: self.iterations,
            salt: salt[..SCRAM_SALT_OCTETS].to_vec(),
            stored_key: derive(b"StoredKey"),
            server_key: derive(b"ServerKey"),
        }
    }
}
