//! The security layer of a Kerberos context (RFC 4121 s4.2).

use libgssapi::context::{SecurityContext, ServerCtx};

use super::described;
use super::negotiation::RECEIVE_OCTETS_MAX;
use crate::{SecurityLayer, SecurityLayerError};

/// Wraps and unwraps. The context was made with replay detection and sequencing, so that the
/// library refuses a buffer that comes twice or out of order.
pub(super) struct GssapiLayer {
    pub(super) context: ServerCtx,
    /// Whether what we send is encrypted, or only protected against changes.
    pub(super) encrypts: bool,
    pub(super) send_octets_max: usize,
}

impl SecurityLayer for GssapiLayer {
    fn receive_octets_max(&self) -> usize {
        usize::try_from(RECEIVE_OCTETS_MAX).unwrap_or(usize::MAX)
    }

    fn send_octets_max(&self) -> usize {
        self.send_octets_max
    }

    fn encode(&mut self, plain: &[u8]) -> Result<Vec<u8>, SecurityLayerError> {
        let wrapped = self.context.wrap(self.encrypts, plain);
        let wrapped = wrapped.map_err(|error| SecurityLayerError(described(&error)))?;
        Ok(wrapped.to_vec())
    }

    fn decode(&mut self, buffer: &[u8]) -> Result<Vec<u8>, SecurityLayerError> {
        let plain = self.context.unwrap(buffer);
        let plain = plain.map_err(|error| SecurityLayerError(described(&error)))?;
        Ok(plain.to_vec())
    }
}
