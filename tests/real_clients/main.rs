//! Real clients, as Debian packages them, fetch the corpus; what arrives is compared octet for
//! octet, after what the client itself is documented to change was changed in what is expected.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod child;
mod curl;
mod fetchmail;
mod getmail;
mod mailbox;
mod mpop;
mod net_pop3;
mod poplib;
