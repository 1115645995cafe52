//! Administration of a server: users and mail.
//!
//! A running daemon listens on a Unix socket (mode 0600; root and the daemon's own user alone
//! are let in). Without a daemon the command line opens the store itself and speaks the same
//! protocol over a socket pair to the same code: there is one way to do each thing.
//!
//! What goes over the socket is frames: four octets of length in network order, then so many
//! octets, of which the first says what the rest is:
//!
//! | first octet | the rest |
//! | --- | --- |
//! | `J` | a request or a reply, in JSON |
//! | `C` | a chunk of a message |
//! | `E` | nothing: the message is complete |
//!
//! The client sends a request, after `Stage` also the message, and then reads one reply; after
//! the reply `Body` a message follows, which ends with `E`, or with a `J` that says why it broke
//! off. Messages go through in chunks: neither side ever holds a whole one.

mod census;
mod client;
mod codec;
mod credential;
mod directory;
mod execute;
mod facts;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
#[allow(missing_docs, reason = "it is for the fuzz targets")]
pub mod fuzzing;
mod protocol;
mod refusals;
mod remote;
mod server;
#[cfg(test)]
mod tests;
mod upkeep;
mod user;

pub use census::TreeNode;
pub use client::{Client, ClientError};
pub use credential::AppPasswordRow;
pub use protocol::{Fault, FaultKind, MessageRow, SiteChange, Sizes, UserChanges};
pub use refusals::{BanRow, RefusalRow};
pub use remote::{RemoteBodies, RemoteStore};
pub use server::{ControlError, ControlSocket, serve_connection};
pub use upkeep::{AliasChange, DeletedRow, Limit, RetainedRow, UsageRow};
pub use user::{DerivedSecrets, UserRow};
