//! Transcripts, a byte client, fixtures and seeded chance for testing POP3 servers and clients.
//!
//! | module | holds |
//! | --- | --- |
//! | [`transcript`] | dialogs as text: the format, its reader |
//! | [`play`] | players: on the pure session, over TCP and TLS, on a paused clock |
//! | [`server`] | a server for the tests of a mail client |
//! | [`client`] | a client that knows octets and lines only |
//! | [`corpus`] | nasty messages, and what has to arrive of each |
//! | [`accounts`], [`mechanism`], [`certificate`], [`faults`], [`seed`] | fixtures |
//! | [`statements`] | what is done for each statement of MS-STANXPOP3, and which transcript shows it |
//! | [`expect`], [`dialog`] | what was expected, and what was said |

pub mod accounts;
pub mod certificate;
pub mod client;
pub mod corpus;
pub mod dialog;
pub mod expect;
pub mod faults;
pub mod mechanism;
pub mod play;
pub mod seed;
pub mod server;
pub mod statements;
pub mod transcript;
