//! Attacks over the wire, one for each class of defect that other mail servers had. The program
//! itself is attacked, with a store of its own; `README.md` says which test is which class, and
//! what else shows it.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

#[path = "../daemon_program/mod.rs"]
mod daemon_program;
#[path = "../sasl/issuer.rs"]
mod issuer;
#[path = "../slapd/mod.rs"]
mod slapd;
#[path = "../tls/mod.rs"]
mod tls;

mod channel;
mod doors;
mod guessing;
mod limits;
mod mail;
mod mechanisms;
mod names;
mod proofs;
mod target;
mod tokens;
mod wire;
