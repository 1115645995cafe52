//! Which responses are good enough to be checked at all.

use super::NtlmSettings;
use super::message::authenticate::{Authenticate, Response};
use crate::{AuthError, ExtendedProtection, Link, Needs};

/// What may come in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    extended_protection: ExtendedProtection,
    allow_v1: bool,
}

impl Rules {
    pub(super) fn of(settings: &NtlmSettings) -> Self {
        Self {
            extended_protection: settings.extended_protection,
            allow_v1: settings.allow_v1,
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
        self.allow_v1
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
        let channel = match response {
            Response::V2 { pairs, .. } => pairs.channel(),
            Response::V1Extended { .. } if self.allow_v1 => None,
            Response::V1Extended { .. } => {
                return Err(AuthError::NotPermitted("an NTLMv1 response is refused"));
            }
        };
        self.extended_protection.check(link, channel)?;
        Ok(response)
    }
}
