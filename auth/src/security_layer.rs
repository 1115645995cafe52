//! The contract of a security layer (RFC 4422 s3.7): what a mechanism negotiated for all octets
//! that follow its success. Framing (RFC 4422 s3.7: four octets of length before each buffer)
//! and sockets are the caller's.

/// Protects octets on their way out and opens those that come in. Calls compute and do not
/// block.
pub trait SecurityLayer: Send {
    /// The most octets that one protected buffer of the client can have, without its length.
    fn receive_octets_max(&self) -> usize;

    /// The most octets that can be protected as one buffer, so that the client can take it.
    /// At least 1.
    fn send_octets_max(&self) -> usize;

    /// Protects at most [`Self::send_octets_max`] octets.
    ///
    /// # Errors
    /// Nothing can be sent any more.
    fn encode(&mut self, plain: &[u8]) -> Result<Vec<u8>, SecurityLayerError>;

    /// Opens one buffer of the client; an empty result is none's end.
    ///
    /// # Errors
    /// It was forged, repeated or put out of order: nothing that follows can be trusted.
    fn decode(&mut self, buffer: &[u8]) -> Result<Vec<u8>, SecurityLayerError>;
}

/// Why a security layer cannot go on, for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("security layer: {0}")]
pub struct SecurityLayerError(pub String);
