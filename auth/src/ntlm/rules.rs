//! Which responses are good enough to be checked at all.

use super::message::authenticate::{Authenticate, Response};
use super::{NtlmSettings, V1};
use crate::{AuthError, ExtendedProtection, Link, Needs};

/// What may come in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    extended_protection: ExtendedProtection,
    v1: V1,
}

impl Rules {
    pub(super) fn of(settings: &NtlmSettings) -> Self {
        Self {
            extended_protection: settings.extended_protection,
            v1: settings.v1,
        }
    }

    /// Where no binding is possible, a policy that requires one lets nobody in.
    pub(super) fn needs(self) -> Needs {
        let bound = match self.extended_protection {
            ExtendedProtection::Require => true,
            ExtendedProtection::Off | ExtendedProtection::Allow => false,
        };
        Needs {
            tls: bound,
            channel_binding: bound,
            client_first: true,
            ..Needs::default()
        }
    }

    /// Whether NTLMv1 with extended session security will do.
    pub(super) fn allows_v1(self) -> bool {
        match self.v1 {
            V1::Refused => false,
            V1::Extended | V1::Plain => true,
        }
    }

    /// The response, if it is strong enough and bound to the right channel. The binding is as
    /// true as the proof that has yet to be checked: it is part of what is proven.
    ///
    /// # Errors
    /// `NotPermitted`, `Malformed`.
    pub(super) fn response<'a>(
        self,
        link: &Link,
        message: &Authenticate<'a>,
    ) -> Result<Response<'a>, AuthError> {
        let response = message.response()?;
        let channel = match (response, self.v1) {
            (Response::V2 { pairs, .. }, _) => pairs.channel(),
            (Response::V1Extended { .. }, V1::Extended | V1::Plain)
            | (Response::V1 { .. }, V1::Plain) => None,
            (Response::V1Extended { .. }, V1::Refused)
            | (Response::V1 { .. }, V1::Refused | V1::Extended) => {
                return Err(AuthError::NotPermitted("an NTLMv1 response is refused"));
            }
        };
        self.extended_protection.check(link, channel)?;
        Ok(response)
    }
}
