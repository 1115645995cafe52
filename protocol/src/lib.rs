//! POP3 as values: octets in, replies and effects out, time is an argument.
//!
//! Nothing here waits, opens a socket, or asks for the time. A [`Session`] is fed with what
//! the client sent; it writes its replies into a buffer and says, as a [`Step`], what has to
//! happen next. Whoever drives it carries out the [`Effect`]s and reports each [`Outcome`].
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//! use mailroost_protocol::{Effect, LogOnRefusal, Outcome, Policy, Session, Step, Transport};
//!
//! // As if TLS were on, for the default policy lets nobody log on without.
//! let tls = mailroost_protocol::TlsFacts::default();
//! let transport = Transport { tls: Some(tls), stls: false, mechanisms: Arc::new([]) };
//! let now = Instant::now();
//! let mut session = Session::new(Arc::new(Policy::exchange2013()), transport, now);
//!
//! let mut out = Vec::new();
//! assert!(matches!(session.next(now, &mut out), Step::NeedInput));
//! assert_eq!(out, b"+OK The Microsoft Exchange POP3 service is ready.\r\n");
//!
//! out.clear();
//! session.input(b"USER alice\r\nPASS open sesame\r\n");
//! let Step::Effect(Effect::LogOn { user, .. }) = session.next(now, &mut out) else {
//!     panic!("PASS asks for a log-on");
//! };
//! assert_eq!((user.as_slice(), out.as_slice()), (&b"alice"[..], &b"+OK\r\n"[..]));
//!
//! out.clear();
//! session.resume(Outcome::LogOnRefused(LogOnRefusal::Credentials), now, &mut out);
//! assert_eq!(out, b"-ERR Logon failure: unknown user name or bad password.\r\n");
//! ```

mod capability;
pub mod command;
pub mod lmtp;
pub mod maildrop;
mod onward;
pub mod policy;
pub mod profile;
mod refusal_id;
mod reply;
pub mod response_text;
pub mod session;
pub mod wire;

pub use maildrop::{DropListing, Maildrop, MessageNumber, Octets, ScanEntry, SizeKind, UniqueId};
pub use onward::{OnwardFault, OnwardLogOn, OnwardStep};
pub use policy::{
    Access, ForeignSite, LoginType, OverlongCommand, Policy, PolicyError, Separators, SortOrder,
};
pub use profile::Profile;
pub use refusal_id::{RefusalId, RefusalIdError};
pub use reply::REPLY_OCTETS_MAX;
pub use response_text::{Text, Texts};
pub use session::{
    Answer, Blame, CloseReason, CommandRecord, Effect, Ending, LogOnRefusal, MechanismOffer,
    NeededTls, Outcome, Parameters, Refusal, SaslAnswer, Session, Step, Summary, TlsFacts,
    Transport, refusal,
};

/// Octets that are never shown and are wiped when dropped.
pub type Secret = secrecy::SecretSlice<u8>;
