//! POP3 as values: octets in, replies and effects out, time is an argument.
//!
//! Nothing here waits, opens a socket, or asks for the time. A [`Session`] is fed with what
//! the client sent; it writes its replies into a buffer and says, as a [`Step`], what has to
//! happen next. Whoever drives it carries out the [`Effect`]s and reports each [`Outcome`].

mod capability;
pub mod command;
pub mod maildrop;
pub mod policy;
pub mod profile;
mod reply;
pub mod response_text;
pub mod session;
pub mod wire;

pub use maildrop::{DropListing, Maildrop, MessageNumber, Octets, ScanEntry, SizeKind, UniqueId};
pub use policy::{Access, LoginType, OverlongCommand, Policy, PolicyError, Separators};
pub use profile::Profile;
pub use reply::REPLY_OCTETS_MAX;
pub use response_text::{Text, Texts};
pub use session::{
    Blame, CloseReason, Effect, Ending, LogOnRefusal, MechanismOffer, Outcome, Refusal, SaslAnswer,
    Session, Step, Summary, TlsFacts, Transport, refusal,
};

/// Octets that are never shown and are wiped when dropped.
pub type Secret = secrecy::SecretSlice<u8>;
