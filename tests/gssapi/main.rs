//! GSSAPI with a real KDC on loopback: real clients, and one of our own for what they do not do.

#![cfg(feature = "gssapi")]
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

#[path = "../real_clients/child.rs"]
mod child;
mod client;
mod clients;
#[path = "../daemon_program/mod.rs"]
mod daemon_program;
mod keytab;
mod layers;
mod realm;
mod refusals;
mod stage;
