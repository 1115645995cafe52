//! The post office: actors that carry what the protocol decides to where it has to go, and the
//! supervision tree that keeps them.
//!
//! No octet of the wire is made here, and no key of the store is known. The tree lives in the
//! caller's `actix::System`; it installs nothing global.

mod ask;
mod clock;
mod delivery;
mod directory;
mod grow;
mod limits;
mod listener;
mod machine;
mod mailbox;
mod protocol_log;
mod refusal;
mod relay;
mod root;
mod session;
mod supervise;
mod sweeper;
mod timer;
pub mod tls;
mod tree;
mod trunk;
mod upkeep;

pub use delivery::{Lmtp, LmtpAddress, LmtpPeer, LmtpRules, LmtpSocket};
pub use limits::Limits;
pub use machine::{Machine, Simulation};
pub use protocol_log::{LoggedSession, ProtocolLog};
pub use refusal::{RefusalNote, Rule};
pub use relay::{Dialer, Dialing, Site, SiteLimits, SiteSecurity, Sites};
pub use tree::{
    Binding, Blueprint, Ended, MaildropContents, Node, Security, TreeError, TreeHandle, Victim,
};
pub use upkeep::{Crossing, Quota, QuotaKind, Retained, Retention, Terms, Upkeep, WarningText};
