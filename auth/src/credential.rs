//! What can be stored of a user so that secrets are proven, not revealed.

/// The kinds, each for the mechanisms that need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialKind {
    /// Salt, iterations and the two keys of SCRAM-SHA-256, as RFC 5803 writes them.
    ScramSha256,
    /// The 16 octets of the NT hash (MS-NLMP 3.3.1), unsealed.
    NtHash,
}
