//! RETR, and the encoder of its octets.

use std::hint::black_box;
use std::sync::Arc;

use mailroost_protocol::wire::transparency::MessageEncoder;
use mailroost_protocol::{Maildrop, Policy};

use crate::session::{Server, entries};
use crate::{Part, message};

/// RETR in a session that is logged on: the command, its effects, and one chunk of a message in
/// which no line begins with a dot.
pub struct Retrieving {
    server: Server,
    message: Vec<u8>,
}

impl Retrieving {
    /// A message of about so many octets.
    pub fn new(octets: usize) -> Self {
        let policy = Arc::new(Policy::exchange2013());
        let maildrop = Arc::new(Maildrop::new(entries(100), Vec::new()));
        Self {
            server: Server::logged_on(&policy, &maildrop),
            message: message(octets, 0),
        }
    }
}

impl Part for Retrieving {
    fn once(&mut self) {
        let message = &self.message;
        let mut sent = 0;
        let mut scratch = Vec::new();
        self.server
            .say_and_send(black_box(b"RETR 50\r\n"), &mut |lines, out| {
                let mut encoder = MessageEncoder::new(lines, 0, false);
                sent = black_box(encoder.encode(message, &mut scratch).octets).len();
                out.extend_from_slice(encoder.end());
            });
        assert_eq!(sent, self.message.len(), "octets sent");
    }
}

/// The encoder alone, which looks at each octet of one chunk.
pub struct Encoding {
    message: Vec<u8>,
    scratch: Vec<u8>,
}

impl Encoding {
    /// A chunk of about so many octets, of whose lines every `dotted`-th begins with a dot (0:
    /// none).
    pub fn new(octets: usize, dotted: usize) -> Self {
        Self {
            message: message(octets, dotted),
            scratch: Vec::new(),
        }
    }
}

impl Part for Encoding {
    fn once(&mut self) {
        let mut encoder = MessageEncoder::new(None, 0, true);
        let encoded = encoder.encode(&self.message, &mut self.scratch);
        assert!(
            black_box(encoded.octets).len() >= self.message.len(),
            "octets are missing"
        );
    }
}
