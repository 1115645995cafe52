//! The two messages with which a security layer is agreed upon (RFC 4752 s3.3): an octet of
//! layers, three of a size, and from the client whom it wants to act as.

use std::str;

use crate::AuthError;
use crate::limits::IDENTITY_OCTETS_MAX;

/// The most octets of a protected buffer that we take from a client: what its size field is
/// usually set to, and all that is held for a session that uses a layer.
pub(super) const RECEIVE_OCTETS_MAX: u32 = 64 * 1024;

/// What protection adds to a buffer, at most: Kerberos takes less than 100 octets (RFC 4121
/// s4.2.4: two headers of 16, a confounder of 16, a checksum of up to 24; RFC 4757 less).
pub(super) const OVERHEAD_OCTETS_MAX: u32 = 128;

/// The largest size that three octets can tell.
const SIZE_MAX: u32 = 0x00ff_ffff;

/// What happens to all octets after the log-on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    None,
    Integrity,
    Confidentiality,
}

impl Layer {
    const ALL: [Self; 3] = [Self::None, Self::Integrity, Self::Confidentiality];

    fn bit(self) -> u8 {
        match self {
            Self::None => 1,
            Self::Integrity => 2,
            Self::Confidentiality => 4,
        }
    }
}

/// What we offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    layers: u8,
}

impl Offer {
    /// No layer inside TLS, which protects already; outside it those that the context can carry.
    pub(super) fn new(tls: bool, integrity: bool, confidentiality: bool) -> Self {
        let mut layers = Layer::None.bit();
        if !tls && integrity {
            layers |= Layer::Integrity.bit();
            if confidentiality {
                layers |= Layer::Confidentiality.bit();
            }
        }
        Self { layers }
    }

    /// The server's message, to be wrapped.
    pub(super) fn message(self) -> [u8; 4] {
        let only_none = self.layers == Layer::None.bit();
        let size = if only_none { 0 } else { RECEIVE_OCTETS_MAX };
        let [_, a, b, c] = size.to_be_bytes();
        [self.layers, a, b, c]
    }

    /// The client's answer, unwrapped.
    ///
    /// # Errors
    /// `Malformed`.
    pub(super) fn choice<'a>(self, message: &'a [u8]) -> Result<Choice<'a>, AuthError> {
        let malformed = |why| Err(AuthError::Malformed(why));
        let Some((&[chosen, a, b, c], authzid)) = message.split_first_chunk() else {
            return malformed("the choice of a security layer has less than 4 octets");
        };
        let chosen = Layer::ALL.into_iter().find(|layer| layer.bit() == chosen);
        let Some(layer) = chosen.filter(|layer| layer.bit() & self.layers != 0) else {
            return malformed("the security layer is not one that was offered");
        };
        let receives = u32::from_be_bytes([0, a, b, c]);
        // Without a layer the size means nothing, and some clients repeat ours.
        let send_octets_max = match layer {
            Layer::None => 0,
            Layer::Integrity | Layer::Confidentiality => {
                receives.saturating_sub(OVERHEAD_OCTETS_MAX)
            }
        };
        if layer != Layer::None && send_octets_max == 0 {
            return malformed("the client's buffer is too small for a security layer");
        }
        let Ok(authzid) = str::from_utf8(authzid) else {
            return malformed("the authorization identity is not UTF-8");
        };
        if authzid.len() > IDENTITY_OCTETS_MAX || authzid.contains('\0') {
            return malformed("the authorization identity is too long or has a NUL");
        }
        Ok(Choice {
            layer,
            send_octets_max,
            authzid: Some(authzid).filter(|authzid| !authzid.is_empty()),
        })
    }
}

/// What the client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice<'a> {
    pub(super) layer: Layer,
    /// The most octets of plaintext in one buffer to it; 0 without a layer.
    pub(super) send_octets_max: u32,
    /// Whom it wants to act as, if it says so.
    pub(super) authzid: Option<&'a str>,
}

const _: () = assert!(RECEIVE_OCTETS_MAX <= SIZE_MAX);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Offer = Offer { layers: 7 };

    fn choice(layer: Layer, send_octets_max: u32, authzid: Option<&str>) -> Choice<'_> {
        Choice {
            layer,
            send_octets_max,
            authzid,
        }
    }

    #[test]
    fn layers_are_offered_outside_tls_and_as_far_as_the_context_goes() {
        for (tls, integrity, confidentiality, message) in [
            (true, true, true, [1, 0, 0, 0]),
            (false, false, false, [1, 0, 0, 0]),
            (false, false, true, [1, 0, 0, 0]),
            (false, true, false, [3, 1, 0, 0]),
            (false, true, true, [7, 1, 0, 0]),
        ] {
            let offer = Offer::new(tls, integrity, confidentiality);
            assert_eq!(offer.message(), message);
        }
    }

    #[test]
    fn each_layer_can_be_chosen() {
        for (message, expected) in [
            (&b"\x01\0\0\0"[..], choice(Layer::None, 0, None)),
            (b"\x01\x01\0\0alice", choice(Layer::None, 0, Some("alice"))),
            (
                b"\x02\0\x10\0bob",
                choice(Layer::Integrity, 4096 - 128, Some("bob")),
            ),
            (
                b"\x04\xff\xff\xff",
                choice(Layer::Confidentiality, 0x00ff_ffff - 128, None),
            ),
        ] {
            assert_eq!(ALL.choice(message), Ok(expected));
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        let long = [b"\x01\0\0\0", &[b'a'; 256][..]].concat();
        for message in [
            &b""[..],
            b"\x01\0\0",
            b"\0\0\0\0",
            b"\x03\0\x10\0",
            b"\x07\0\x10\0",
            b"\x08\0\x10\0",
            b"\x02\0\0\x80",
            b"\x04\0\0\0",
            b"\x01\0\0\0al\xffce",
            b"\x01\0\0\0alice\0",
            &long,
        ] {
            let refused = ALL.choice(message);
            assert!(
                matches!(refused, Err(AuthError::Malformed(_))),
                "{message:?}"
            );
        }
        let none = Offer::new(true, true, true);
        assert!(none.choice(b"\x02\0\x10\0").is_err());
        assert!(none.choice(b"\x01\0\0\0").is_ok());
    }

    proptest! {
        #[test]
        fn no_message_gets_a_layer_that_was_not_offered(
            message in proptest::collection::vec(any::<u8>(), 0..40), bits in 0_u8..4,
        ) {
            let offer = Offer::new(false, bits & 1 != 0, bits & 2 != 0);
            if let Ok(choice) = offer.choice(&message) {
                prop_assert!(choice.layer.bit() & offer.message()[0] != 0);
            }
        }
    }
}
