//! One exchange (RFC 4752 s3.1): tokens until the context is there, then a security layer and an
//! authorization identity.

use std::mem;
use std::sync::Arc;

use libgssapi::context::{CtxFlags, SecurityContext, ServerCtx};
use libgssapi::error::{Error, MajorFlags};
use libgssapi::oid::GSS_MECH_KRB5;

use super::layer::GssapiLayer;
use super::negotiation::{Layer, Offer};
use super::principal::is_pop_service;
use super::{Rules, acceptor, described};
use crate::extended_protection::end_point_application_data;
use crate::{
    AuthError, Exchange, ExtendedProtection, Identity, Link, PasswordSource, Progress,
    SecurityLayer,
};

/// Kerberos needs one token, SPNEGO around it up to three; who sends more wants something else.
const TOKENS_MAX: u32 = 6;

/// The library's flag for "the client was bound to this channel" (MIT krb5 1.19 and later).
const CHANNEL_BOUND: u32 = 0x800;

/// Where a major status has its routine error.
const ROUTINE_ERRORS: u32 = 0x00ff_0000;

pub(super) struct GssapiExchange {
    rules: Arc<Rules>,
    link: Link,
    state: State,
    layer: Option<Box<dyn SecurityLayer>>,
    /// The client's principal: its ticket was good, whatever else was not.
    principal: Option<String>,
}

/// What the next message of the client is.
enum State {
    Token {
        context: Option<ServerCtx>,
        tokens: u32,
    },
    /// Empty: it has taken our last token.
    Acknowledgement(ServerCtx),
    /// Its choice of what we offered.
    Choice(ServerCtx, Offer),
    /// None.
    Over,
}

impl GssapiExchange {
    pub(super) fn new(rules: Arc<Rules>, link: Link) -> Self {
        Self {
            rules,
            link,
            state: State::Token {
                context: None,
                tokens: 0,
            },
            layer: None,
            principal: None,
        }
    }

    /// A token of the client, and what the library says to it.
    fn token(
        &mut self,
        context: Option<ServerCtx>,
        tokens: u32,
        token: &[u8],
    ) -> Result<Progress, AuthError> {
        if token.is_empty() || tokens == TOKENS_MAX {
            return Err(AuthError::Malformed("no token, or one too many"));
        }
        let mut context = match context {
            Some(context) => context,
            None => ServerCtx::new(Some(acceptor().map_err(no_keys)?)),
        };
        // Without a policy that looks at it, the client's binding must not be compared.
        let binding = match self.rules.extended_protection {
            ExtendedProtection::Off => None,
            ExtendedProtection::Allow | ExtendedProtection::Require => {
                end_point_application_data(&self.link)
            }
        };
        let answer = context.step(token, binding.as_deref()).map_err(refused)?;
        if !context.is_complete() {
            let challenge = answer.map(|answer| answer.to_vec()).unwrap_or_default();
            self.state = State::Token {
                context: Some(context),
                tokens: tokens + 1,
            };
            return Ok(Progress::Challenge(challenge));
        }
        self.principal = context.source_name().ok().and_then(|it| name(&it).ok());
        self.examine(&context)?;
        match answer {
            Some(answer) => {
                self.state = State::Acknowledgement(context);
                Ok(Progress::Challenge(answer.to_vec()))
            }
            None => self.offer(context),
        }
    }

    /// A context that came about is good for us only with Kerberos inside, for our service, and
    /// bound to this channel if that is asked for.
    fn examine(&self, context: &ServerCtx) -> Result<(), AuthError> {
        let refused = |why| Err(AuthError::NotPermitted(why));
        // SPNEGO may have agreed on anything that the system has a library for.
        if context.mechanism().map_err(unusable)? != GSS_MECH_KRB5 {
            return refused("the mechanism inside is not Kerberos");
        }
        let flags = context.flags().map_err(unusable)?;
        if flags.contains(CtxFlags::GSS_C_ANON_FLAG) {
            return refused("the client is anonymous");
        }
        let service = name(&context.target_name().map_err(unusable)?)?;
        if !is_pop_service(&service) {
            return refused("the ticket is for another service");
        }
        let bound = flags.bits() & CHANNEL_BOUND != 0;
        match self.rules.extended_protection {
            ExtendedProtection::Require if !bound => refused("the client is bound to no channel"),
            ExtendedProtection::Off | ExtendedProtection::Allow | ExtendedProtection::Require => {
                Ok(())
            }
        }
    }

    /// The context is there: offers layers.
    fn offer(&mut self, mut context: ServerCtx) -> Result<Progress, AuthError> {
        let flags = context.flags().map_err(unusable)?;
        // What RFC 4752 s3.1 asks of a client that wants a layer.
        let wanted = CtxFlags::GSS_C_INTEG_FLAG
            | CtxFlags::GSS_C_MUTUAL_FLAG
            | CtxFlags::GSS_C_SEQUENCE_FLAG;
        let integrity = flags.contains(wanted);
        let confidentiality = flags.contains(CtxFlags::GSS_C_CONF_FLAG);
        let offer = Offer::new(self.link.tls, integrity, confidentiality);
        let message = context.wrap(false, &offer.message()).map_err(unusable)?;
        self.state = State::Choice(context, offer);
        Ok(Progress::Challenge(message.to_vec()))
    }

    /// The client's choice, and whether it may act as whom it wants to.
    fn choice(
        &mut self,
        mut context: ServerCtx,
        offer: Offer,
        message: &[u8],
        source: &dyn PasswordSource,
    ) -> Result<Identity, AuthError> {
        let message = context.unwrap(message).map_err(refused)?;
        let choice = offer.choice(&message)?;
        let principal = name(&context.source_name().map_err(unusable)?)?;
        let user = self.rules.realms.user(&principal)?;
        let itself = |authzid: &&str| *authzid == principal || *authzid == user;
        let authorization = choice.authzid.filter(|authzid| !itself(authzid));
        let identity = source.admit(user, authorization)?;
        self.layer = match choice.layer {
            Layer::None => None,
            Layer::Integrity | Layer::Confidentiality => Some(Box::new(GssapiLayer {
                context,
                encrypts: choice.layer == Layer::Confidentiality,
                send_octets_max: usize::try_from(choice.send_octets_max).unwrap_or(usize::MAX),
            })),
        };
        Ok(identity)
    }
}

impl Exchange for GssapiExchange {
    fn step(&mut self, client: &[u8], source: &dyn PasswordSource) -> Progress {
        let progress = match mem::replace(&mut self.state, State::Over) {
            State::Token { context, tokens } => self.token(context, tokens, client),
            State::Acknowledgement(context) if client.is_empty() => self.offer(context),
            State::Acknowledgement(_) => Err(AuthError::Malformed("there is no token to come")),
            State::Choice(context, offer) => self
                .choice(context, offer, client, source)
                .map(Progress::Success),
            State::Over => Err(AuthError::Malformed("the exchange is over")),
        };
        progress.unwrap_or_else(Progress::Failure)
    }

    fn take_security_layer(&mut self) -> Option<Box<dyn SecurityLayer>> {
        self.layer.take()
    }

    fn claimed_name(&self) -> Option<&str> {
        self.principal.as_deref()
    }
}

/// The text of a name.
fn name(name: &libgssapi::name::Name) -> Result<String, AuthError> {
    let text = name.display_name().map_err(unusable)?;
    match std::str::from_utf8(&text) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(AuthError::NotPermitted("the principal is not UTF-8")),
    }
}

/// The client's token is at fault: too old, too new, seen before, for somebody else, or none.
fn refused(error: Error) -> AuthError {
    // Routine errors are numbers, not flags, in the second octet (RFC 2744 s3.9.1).
    let routine_error = error.major.bits() & ROUTINE_ERRORS;
    if routine_error == MajorFlags::GSS_S_DEFECTIVE_TOKEN.bits() {
        AuthError::Malformed("the token is not one")
    } else {
        AuthError::Refused(described(&error))
    }
}

/// The context cannot say what every context can.
fn unusable(error: Error) -> AuthError {
    AuthError::Unavailable(described(&error))
}

/// The keytab cannot be used now.
fn no_keys(error: Error) -> AuthError {
    AuthError::Unavailable(format!("no keys for GSSAPI: {}", described(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::gssapi::principal::AcceptedRealms;

    /// Lets everybody in, so that only the exchange can refuse.
    struct Anybody;

    impl PasswordSource for Anybody {
        fn verify(&self, name: &str, _: &Secret) -> Result<Identity, AuthError> {
            self.admit(name, None)
        }

        fn admit(&self, name: &str, _: Option<&str>) -> Result<Identity, AuthError> {
            Ok(Identity {
                user: mailroost_storage::UserName::new(name).unwrap(),
                maildrop: mailroost_storage::MaildropId(1),
                delegate: None,
                exact_rfc822_size: None,
                site: None,
            })
        }
    }

    fn exchange() -> GssapiExchange {
        let rules = Rules {
            realms: AcceptedRealms::new(vec!["A.TEST".into()]),
            extended_protection: ExtendedProtection::Allow,
        };
        GssapiExchange::new(Arc::new(rules), Link::default())
    }

    fn error(progress: Progress) -> AuthError {
        match progress {
            Progress::Failure(error) => error,
            Progress::Challenge(_) | Progress::Refusal { .. } | Progress::Success(_) => {
                panic!("{progress:?}")
            }
        }
    }

    #[test]
    fn an_empty_token_is_malformed_and_the_exchange_is_over() {
        let mut exchange = exchange();
        for _ in 0..2 {
            let error = error(exchange.step(b"", &Anybody));
            assert!(matches!(error, AuthError::Malformed(_)), "{error:?}");
        }
        assert!(exchange.take_security_layer().is_none());
    }

    #[test]
    fn octets_that_are_no_token_let_nobody_in() {
        for token in [
            &b"x"[..],
            b"\x60\x00",
            b"\x60\x82\xff\xff",
            b"NTLMSSP\0\x01\0\0\0",
        ] {
            error(exchange().step(token, &Anybody));
        }
    }

    #[test]
    fn only_a_defective_token_is_malformed() {
        let with = |major| {
            refused(Error {
                major: MajorFlags::from_bits_retain(major),
                minor: 0,
            })
        };
        let defective = MajorFlags::GSS_S_DEFECTIVE_TOKEN.bits();
        let failure = MajorFlags::GSS_S_FAILURE.bits();
        assert!(matches!(with(defective), AuthError::Malformed(_)));
        // The number of this one has all the bits of the other.
        assert_eq!(failure & defective, defective);
        assert!(matches!(with(failure), AuthError::Refused(_)));
    }
}
