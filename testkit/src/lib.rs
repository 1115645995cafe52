//! Transcripts, a byte client, fixtures and seeded chance for testing POP3 servers and clients.

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
pub mod transcript;
