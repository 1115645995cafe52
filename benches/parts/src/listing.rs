//! Rendering a unique-id listing.

use std::hint::black_box;

use mailroost_protocol::{Maildrop, ScanEntry};

use crate::Part;
use crate::session::entries;

/// Makes the view of a maildrop and renders its unique-id listing.
pub struct Listing {
    entries: Vec<ScanEntry>,
}

impl Listing {
    /// A maildrop of so many messages.
    pub fn new(messages: usize) -> Self {
        Self {
            entries: entries(messages),
        }
    }
}

impl Part for Listing {
    fn once(&mut self) {
        let maildrop = Maildrop::new(self.entries.clone(), Vec::new());
        let listing = maildrop.unique_id_listing();
        assert!(listing.ends_with(b"\r\n.\r\n"), "the listing has no end");
        black_box(listing);
    }
}
