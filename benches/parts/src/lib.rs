//! The inner parts of mailroost, each to be measured alone: `benches/` measures their time with
//! criterion, `instructions` counts what they execute.
//!
//! No part opens a socket or waits, and none depends on the time of day.

mod delivery;
mod listing;
mod retrieval;
mod session;

pub use delivery::{Accepting, Storing};
pub use listing::Listing;
pub use retrieval::{Encoding, Retrieving};
pub use session::{Commands, Polling};

/// A part that is ready to be measured.
pub trait Part {
    /// Does it once.
    fn once(&mut self);
}

/// A part by its name.
pub struct Named {
    /// Its name in the baseline.
    pub name: &'static str,
    /// Makes it ready.
    pub make: fn() -> Box<dyn Part>,
}

/// What `make test` counts.
pub const COUNTED: [Named; 8] = [
    Named {
        name: "commands_10",
        make: || Box::new(Commands::new()),
    },
    Named {
        name: "poll_of_100",
        make: || Box::new(Polling::new(100)),
    },
    Named {
        name: "listing_of_10000",
        make: || Box::new(Listing::new(10_000)),
    },
    Named {
        name: "retr_of_64_kib",
        make: || Box::new(Retrieving::new(64 * 1024)),
    },
    Named {
        name: "chunk_of_64_kib_without_dots",
        make: || Box::new(Encoding::new(64 * 1024, 0)),
    },
    Named {
        name: "chunk_of_64_kib_with_dots",
        make: || Box::new(Encoding::new(64 * 1024, 10)),
    },
    Named {
        name: "lmtp_transaction_of_4_kib",
        make: || Box::new(Accepting::new(4 * 1024)),
    },
    Named {
        name: "delivery_of_4_kib_to_memory",
        make: || Box::new(Storing::in_memory(4 * 1024)),
    },
];

/// About so many octets of a message: a header, and lines of 74 octets, of which every
/// `dotted`-th begins with a dot (0: none).
pub fn message(octets: usize, dotted: usize) -> Vec<u8> {
    let mut text = b"From: Ann <ann@example.org>\r\nTo: Ben <ben@example.org>\r\n\
                     Subject: a message\r\nDate: Tue, 03 Nov 2026 09:00:00 +0000\r\n\r\n"
        .to_vec();
    for line in 1.. {
        if text.len() >= octets {
            break;
        }
        let begin = match dotted {
            0 => b'a',
            _ if line % dotted == 0 => b'.',
            _ => b'a',
        };
        text.push(begin);
        text.extend((0..71).map(|place| b'a' + (line + place) as u8 % 26));
        text.extend_from_slice(b"\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_can_be_done_again_and_again() {
        for named in COUNTED {
            let mut part = (named.make)();
            (0..3).for_each(|_| part.once());
        }
    }
}
