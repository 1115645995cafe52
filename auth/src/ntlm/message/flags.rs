//! NEGOTIATE flags (MS-NLMP 2.2.2.5): what is asked for, and what is granted of it.

/// A set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ntlm) struct Flags(pub(in crate::ntlm) u32);

impl Flags {
    pub(in crate::ntlm) const UNICODE: Self = Self(0x0000_0001);
    pub(in crate::ntlm) const OEM: Self = Self(0x0000_0002);
    pub(in crate::ntlm) const REQUEST_TARGET: Self = Self(0x0000_0004);
    pub(in crate::ntlm) const SIGN: Self = Self(0x0000_0010);
    pub(in crate::ntlm) const SEAL: Self = Self(0x0000_0020);
    pub(in crate::ntlm) const NTLM: Self = Self(0x0000_0200);
    pub(in crate::ntlm) const ANONYMOUS: Self = Self(0x0000_0800);
    pub(in crate::ntlm) const DOMAIN_SUPPLIED: Self = Self(0x0000_1000);
    pub(in crate::ntlm) const WORKSTATION_SUPPLIED: Self = Self(0x0000_2000);
    pub(in crate::ntlm) const ALWAYS_SIGN: Self = Self(0x0000_8000);
    pub(in crate::ntlm) const TARGET_TYPE_DOMAIN: Self = Self(0x0001_0000);
    pub(in crate::ntlm) const TARGET_TYPE_SERVER: Self = Self(0x0002_0000);
    pub(in crate::ntlm) const EXTENDED_SESSION_SECURITY: Self = Self(0x0008_0000);
    pub(in crate::ntlm) const TARGET_INFO: Self = Self(0x0080_0000);
    pub(in crate::ntlm) const BITS_128: Self = Self(0x2000_0000);
    pub(in crate::ntlm) const KEY_EXCHANGE: Self = Self(0x4000_0000);
    pub(in crate::ntlm) const BITS_56: Self = Self(0x8000_0000);

    /// Granted whether asked for or not.
    const ALWAYS: Self = Self::REQUEST_TARGET
        .and(Self::NTLM)
        .and(Self::ALWAYS_SIGN)
        .and(Self::TARGET_INFO);

    /// Granted to who asks: strength and keys of a session security that POP3 never uses, but
    /// clients insist on.
    const ON_REQUEST: Self = Self::SIGN
        .and(Self::SEAL)
        .and(Self::EXTENDED_SESSION_SECURITY)
        .and(Self::BITS_128)
        .and(Self::KEY_EXCHANGE)
        .and(Self::BITS_56);

    pub(in crate::ntlm) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(in crate::ntlm) const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(in crate::ntlm) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 == flag.0
    }

    /// What a challenge says to a client that asked for these (MS-NLMP 3.2.5.1.1): Unicode
    /// rather than the OEM character set, everything for the session that it wants, and no
    /// version. `None` if it can do neither character set.
    pub(in crate::ntlm) const fn granted(self) -> Option<Self> {
        let characters = if self.has(Self::UNICODE) {
            Self::UNICODE
        } else if self.has(Self::OEM) {
            Self::OEM
        } else {
            return None;
        };
        let session = self.common(Self::ON_REQUEST);
        Some(Self::ALWAYS.and(characters).and(session))
    }
}
