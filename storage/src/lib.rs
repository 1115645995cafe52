//! Maildrops and their directory: what is kept, and what stays true after power is lost.
//!
//! Two contracts, [`MaildropStore`] and [`Directory`], and two stores that keep them: the sled
//! store (an index in sled, bodies as content files) and the in-memory store. Calls block: they
//! touch disks. The caller runs them away from threads that serve sockets.

pub mod body;
pub mod conformance;
pub mod credential;
pub mod directory;
pub mod error;
pub mod export;
pub mod faulty;
pub mod import;
pub mod maildrop_store;
pub mod memory;
pub mod message;
pub mod numbering;
pub mod sled_store;

pub use credential::{Credential, StoredCredential};
pub use directory::{
    Directory, NewUser, QuotaOverride, RetentionOverride, User, UserName, UserNameError,
};
pub use error::{StoreError, StoreErrorKind};
pub use maildrop_store::{
    Body, BodySource, Delivery, Housekeeping, MaildropStore, OpenedNow, OwnedMaildrop, Purged,
    Removal, SharedBody, StagedBody, Staging,
};
pub use memory::MemoryStore;
pub use message::{BodyFacts, DeletedRecord, MaildropId, MessageId, MessageRecord, Usage};
pub use sled_store::{SledStore, SledStoreOptions, StoreEvent, StoreStatistics};
