//! Message bodies: from the octets handed in to the body as RETR sends it.

pub mod normalise;
pub mod trace;
