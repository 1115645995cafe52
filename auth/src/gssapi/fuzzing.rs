//! A way to the last two messages of an exchange, for the fuzz targets. It is compiled for them
//! alone (feature `fuzzing`) and promises nothing.

use super::negotiation::Offer;

/// What is offered, the four octets of the server's message.
pub fn offer(tls: bool, integrity: bool, confidentiality: bool) -> [u8; 4] {
    Offer::new(tls, integrity, confidentiality).message()
}

/// What a client's answer to that chooses: the most octets of plaintext in one buffer to it (0
/// without a layer), and whom it wants to act as.
pub fn choice(
    tls: bool,
    integrity: bool,
    confidentiality: bool,
    message: &[u8],
) -> Option<(u32, Option<&str>)> {
    let offer = Offer::new(tls, integrity, confidentiality);
    let choice = offer.choice(message).ok()?;
    Some((choice.send_octets_max, choice.authzid))
}
