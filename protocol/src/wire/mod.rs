//! What goes over the wire, octet by octet: lines, numbers, multi-line replies.

pub mod line;
pub mod number;
pub mod transparency;

/// The line end of every command and reply (RFC 1939 s3).
pub(crate) const CRLF: &[u8] = b"\r\n";

/// The line that ends a multi-line reply: the termination octet and a line end (RFC 1939 s3).
pub(crate) const TERMINATION_LINE: &[u8] = b".\r\n";
