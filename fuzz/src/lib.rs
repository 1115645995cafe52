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
pub mod mutation;

pub mod command;
pub mod lmtp;
pub mod onward;
pub mod session;
pub mod transparency;

/// A target.
pub struct Target {
    /// Also the name of its program, its corpus and, if it has one, its dictionary.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "command",
        run: command::command,
    },
    Target {
        name: "lmtp",
        run: lmtp::lmtp,
    },
    Target {
        name: "onward",
        run: onward::onward,
    },
    Target {
        name: "session",
        run: session::session,
    },
    Target {
        name: "transparency",
        run: transparency::transparency,
    },
];
