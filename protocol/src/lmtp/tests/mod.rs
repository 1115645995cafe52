//! The LMTP session, driven without a network.

mod dialogs;
mod driver;
mod limits;
mod oracle;
mod splits;
