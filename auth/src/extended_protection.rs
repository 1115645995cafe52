//! Extended Protection (RFC 5056): whether what a client says about the TLS channel that it
//! sees has to be true, so that nobody in between can pass its log-on on. NTLM and GSSAPI carry
//! such a channel binding and share this policy.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::{AuthError, Link};

/// What stands before the hash of a certificate (RFC 5929 s4).
const END_POINT_PREFIX: &[u8] = b"tls-server-end-point:";

/// What is asked of a client's channel binding: Exchange's `ExtendedProtectionPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtendedProtection {
    /// Nothing: a binding is not looked at.
    Off,
    /// A client that binds must be bound to this channel. One that says to be inside TLS when
    /// it is not, from here, is refused too: somebody ended its TLS in between.
    #[default]
    Allow,
    /// Every client must be bound to this channel.
    Require,
}

impl ExtendedProtection {
    /// Compares the MD5 over `gss_channel_bindings_struct` that a client sent, `None` if it
    /// sent none, with the channel that there is.
    ///
    /// # Errors
    /// `NotPermitted`.
    pub fn check(self, link: &Link, bound_to: Option<[u8; 16]>) -> Result<(), AuthError> {
        let refused = |why| Err(AuthError::NotPermitted(why));
        match (self, bound_to) {
            (Self::Off, _) | (Self::Allow, None) => Ok(()),
            (Self::Require, None) => refused("the client is bound to no channel"),
            (Self::Allow | Self::Require, Some(bound_to)) => {
                let Some(ours) = end_point_application_data(link) else {
                    return refused("the client is bound to a channel, and here is none");
                };
                match bool::from(gss_channel_bindings_md5(&ours).ct_eq(&bound_to)) {
                    true => Ok(()),
                    false => refused("the client is bound to another channel"),
                }
            }
        }
    }
}

/// The application data of the channel bindings of a link: `tls-server-end-point:` and the hash
/// of our certificate (RFC 5929 s4). `None` without TLS, or where the hash is not known.
pub fn end_point_application_data(link: &Link) -> Option<Vec<u8>> {
    let hash = link.tls_server_end_point.as_deref()?;
    Some([END_POINT_PREFIX, hash].concat())
}

/// MD5 over a `gss_channel_bindings_struct` that has only application data (RFC 4121 s4.1.1.2,
/// MS-NLMP 3.1.5.1.2): four empty address fields, the length, the octets.
pub fn gss_channel_bindings_md5(application_data: &[u8]) -> [u8; 16] {
    // A few dozen octets: the length always fits.
    let length = u32::try_from(application_data.len()).unwrap_or(u32::MAX);
    let mut digest = Md5::new();
    digest.update([0; 16]);
    digest.update(length.to_le_bytes());
    digest.update(application_data);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(hash: Option<u8>) -> Link {
        Link {
            tls: hash.is_some(),
            tls_server_end_point: hash.map(|octet| vec![octet; 32]),
            ..Link::default()
        }
    }

    /// What clients compute for a certificate whose hash is 32 times this octet.
    fn bound(hash: u8) -> [u8; 16] {
        let text = match hash {
            0x00 => 0xc9ec_5cb2_9e8f_57f7_ee64_29cd_e733_efeb_u128,
            0x11 => 0x187b_8ed1_6257_0506_35bf_9bbd_99eb_5e29,
            other => panic!("no known value for {other}"),
        };
        text.to_be_bytes()
    }

    #[test]
    fn known_values() {
        for hash in [0x00, 0x11] {
            let data = end_point_application_data(&link(Some(hash))).unwrap();
            assert_eq!(gss_channel_bindings_md5(&data), bound(hash));
        }
        assert_eq!(end_point_application_data(&link(None)), None);
    }

    #[test]
    fn each_policy_lets_in_what_it_says() {
        use ExtendedProtection::{Allow, Off, Require};
        let (this, other) = (Some(bound(0x11)), Some(bound(0x00)));
        for (policy, channel, sent, let_in) in [
            (Off, None, None, true),
            (Off, Some(0x11), other, true),
            (Off, None, other, true),
            (Allow, Some(0x11), None, true),
            (Allow, Some(0x11), this, true),
            (Allow, Some(0x11), other, false),
            (Allow, None, None, true),
            (Allow, None, this, false),
            (Require, Some(0x11), None, false),
            (Require, Some(0x11), this, true),
            (Require, Some(0x11), other, false),
            (Require, None, None, false),
            (Require, None, this, false),
        ] {
            let outcome = policy.check(&link(channel), sent);
            assert_eq!(outcome.is_ok(), let_in, "{policy:?} {channel:?} {sent:?}");
        }
    }
}
