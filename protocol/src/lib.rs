//! POP3 as values: octets in, replies and effects out, time is an argument.
//!
//! Nothing here waits, opens a socket, or asks for the time. A [`Session`] is fed with what
//! the client sent; it writes its replies into a buffer and says, as a [`Step`], what has to
//! happen next. Whoever drives it carries out the [`Effect`]s and reports each [`Outcome`].

pub mod maildrop;
pub mod policy;
pub mod session;
pub mod wire;

pub use maildrop::{Maildrop, MessageNumber, Octets, ScanEntry, SizeKind};
pub use policy::{Access, LoginType, Policy, Separators};
pub use session::{
    Blame, CloseReason, Effect, Ending, LogOnRefusal, MechanismOffer, Outcome, SaslAnswer, Session,
    Step, Summary, TlsFacts, Transport,
};

/// Octets that are never shown and are wiped when dropped.
pub type Secret = secrecy::SecretSlice<u8>;
