//! Fuzz targets: each takes octets, does something with them that the outside can make a server
//! do, and panics where a law is broken.
//!
//! A target is a function here. libFuzzer calls it through a program of two lines in
//! `fuzz_targets`; `tests/corpus.rs` calls it with everything in `corpus` and with mutations of
//! it, for which no instrumentation is needed. `./run` builds and runs; docs/reliability.md says
//! how.

#![allow(clippy::unwrap_used, reason = "a target panics: that is how it tells")]
#![allow(missing_docs, reason = "nobody but the targets uses what is here")]

mod cut;
mod maildrop;
pub mod mutation;

pub mod command;
pub mod config;
pub mod control;
#[cfg(feature = "gssapi")]
pub mod gssapi;
pub mod lmtp;
pub mod maildir;
pub mod mbox;
pub mod message;
pub mod ntlm;
pub mod onward;
pub mod record;
pub mod sasl;
pub mod scram;
pub mod session;
pub mod token;
pub mod transparency;

/// A target.
pub struct Target {
    /// Also the name of its program, its corpus and, if it has one, its dictionary.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("command", command::command),
    target("config", config::config),
    target("control", control::control),
    #[cfg(feature = "gssapi")]
    target("gssapi", gssapi::gssapi),
    target("lmtp", lmtp::lmtp),
    target("maildir", maildir::maildir),
    target("mbox", mbox::mbox),
    target("message", message::message),
    target("ntlm", ntlm::ntlm),
    target("onward", onward::onward),
    target("record", record::record),
    target("sasl", sasl::sasl),
    target("scram", scram::scram),
    target("session", session::session),
    target("token", token::token),
    target("transparency", transparency::transparency),
];
