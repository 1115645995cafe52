//! AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3), the client's answer, and the responses in it
//! (MS-NLMP 2.2.2.4 to 2.2.2.8).

use super::av_pairs::AvPairs;
use super::flags::Flags;
use super::{expect, payload, u32_at};
use crate::AuthError;
use crate::limits::NTLM_AUTHENTICATE_OCTETS_MAX;

/// Octets of the fields that every client sends; version and MIC may follow.
const HEADER_OCTETS: usize = 64;

/// Where the MIC is, if there is one.
const MIC: std::ops::Range<usize> = 72..88;

/// Where the payload fields are described.
const LM: usize = 12;
const NT: usize = 20;
const DOMAIN: usize = 28;
const USER: usize = 36;
const WORKSTATION: usize = 44;
const SESSION_KEY: usize = 52;

/// Octets of every response but that of NTLMv2.
const V1_OCTETS: usize = 24;

/// Octets of an NTLMv2 response before its AV pairs: proof, and the head of what it proves.
const V2_HEAD_OCTETS: usize = 16 + 28;

/// What the client says.
#[derive(Debug, Clone, Copy)]
pub(in crate::ntlm) struct Authenticate<'a> {
    /// What it goes by.
    pub(in crate::ntlm) flags: Flags,
    /// The user's name, in the character set of `flags`.
    pub(in crate::ntlm) user: &'a [u8],
    /// The domain's name, likewise.
    pub(in crate::ntlm) domain: &'a [u8],
    /// The session key, encrypted, if keys are exchanged.
    pub(in crate::ntlm) session_key: &'a [u8],
    lm: &'a [u8],
    nt: &'a [u8],
    message: &'a [u8],
    /// Where the first payload begins: what may stand before it.
    payload_at: usize,
}

/// A response that can be checked.
#[derive(Debug, Clone, Copy)]
pub(in crate::ntlm) enum Response<'a> {
    /// NTLMv2.
    V2 {
        /// `NTProofStr`.
        proof: &'a [u8; 16],
        /// `temp`: what it proves, as it was sent.
        temp: &'a [u8],
        /// The AV pairs in it.
        pairs: AvPairs<'a>,
    },
    /// NTLMv1 with extended session security.
    V1Extended {
        /// The client's challenge.
        client_challenge: &'a [u8; 8],
        /// Its answer to both challenges.
        answer: &'a [u8; 24],
    },
    /// NTLMv1 by itself.
    V1 {
        /// The client's answer to our challenge.
        answer: &'a [u8; 24],
    },
}

impl<'a> Authenticate<'a> {
    /// Takes a message apart.
    ///
    /// # Errors
    /// `Malformed`: not this message, too long, or a field outside of it.
    pub(in crate::ntlm) fn parse(message: &'a [u8]) -> Result<Self, AuthError> {
        expect(message, 3)?;
        if message.len() > NTLM_AUTHENTICATE_OCTETS_MAX {
            return Err(AuthError::Malformed("the AUTHENTICATE message is too long"));
        }
        let field = |at| payload(message, at, HEADER_OCTETS);
        let mut payload_at = message.len();
        for at in [LM, NT, DOMAIN, USER, WORKSTATION, SESSION_KEY] {
            if !field(at)?.is_empty() {
                let offset = usize::try_from(u32_at(message, at + 4)?).unwrap_or(usize::MAX);
                payload_at = payload_at.min(offset);
            }
        }
        Ok(Self {
            flags: Flags(u32_at(message, HEADER_OCTETS - 4)?),
            user: field(USER)?,
            domain: field(DOMAIN)?,
            session_key: field(SESSION_KEY)?,
            lm: field(LM)?,
            nt: field(NT)?,
            message,
            payload_at,
        })
    }

    /// Which response there is.
    ///
    /// # Errors
    /// `NotPermitted` for LM by itself, and for none at all, which asks for an anonymous log-on; `Malformed` for what is no response.
    pub(in crate::ntlm) fn response(&self) -> Result<Response<'a>, AuthError> {
        if self.nt.len() > V1_OCTETS {
            return self.v2();
        }
        if self.flags.has(Flags::ANONYMOUS) || self.nt.is_empty() && self.lm.len() <= 1 {
            return Err(AuthError::NotPermitted("anonymous log-on"));
        }
        // MS-NLMP 2.2.2.3: the client's challenge, then zeros, where LM has its response.
        match (self.nt.first_chunk(), self.lm.split_first_chunk()) {
            (Some(answer), Some((client_challenge, zeros))) if zeros == [0; 16] => {
                Ok(Response::V1Extended {
                    client_challenge,
                    answer,
                })
            }
            (Some(answer), Some(_) | None) => Ok(Response::V1 { answer }),
            (None, Some(_) | None) => Err(AuthError::NotPermitted("an LM response is refused")),
        }
    }

    fn v2(&self) -> Result<Response<'a>, AuthError> {
        let malformed = AuthError::Malformed("the NTLMv2 response is too short");
        let (true, Some((proof, temp))) =
            (self.nt.len() >= V2_HEAD_OCTETS, self.nt.split_first_chunk())
        else {
            return Err(malformed);
        };
        // RespType and HiRespType: NTLMv2 is the newest there is.
        if !temp.starts_with(&[1, 1]) {
            return Err(AuthError::Malformed(
                "the NTLMv2 response has an unknown version",
            ));
        }
        let pairs = AvPairs::parse(&temp[28..])?;
        Ok(Response::V2 { proof, temp, pairs })
    }

    /// The MIC, if there is room for one before the payload.
    pub(in crate::ntlm) fn mic(&self) -> Option<&'a [u8; 16]> {
        let room = self.payload_at >= MIC.end;
        room.then(|| self.message.get(MIC)?.first_chunk()).flatten()
    }

    /// The whole message as it was before its MIC was filled in.
    pub(in crate::ntlm) fn with_mic_zeroed(&self) -> Vec<u8> {
        let mut message = self.message.to_vec();
        if let Some(mic) = message.get_mut(MIC) {
            mic.fill(0);
        }
        message
    }
}
