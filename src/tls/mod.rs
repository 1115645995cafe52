//! TLS behind the seam of [`mailroost_actors::tls`], with two providers.
//!
//! `openssl` is the default: TLS 1.2 and 1.3, several certificates by SNI, both channel
//! bindings. `native-tls` is the portable one; as a server it never negotiates TLS 1.3, has one
//! certificate, tells neither version nor cipher, and leaves the choice of ciphers to the platform.

mod certificate;
mod clients;
mod gathered;
mod native_provider;
mod openssl_provider;
mod reload;
mod self_signed;
mod server_names;

pub use certificate::{CertificateError, CertificateFacts, CertificateFiles};
pub use clients::ClientPolicy;
pub use reload::{MinimumVersion, Provider, ReloadableAcceptor, TlsSettings, TlsSetupError};
pub use self_signed::{LOOPBACK_NAMES, SelfSigned, self_signed};

#[cfg(test)]
mod tests;
