//! Prints what mailroost does for each statement of MS-STANXPOP3, and which transcripts show it.
//!
//! ```text
//! cargo run --example standards_support > docs/standards-support.md
//! ```

use std::io::{self, Write};
use std::path::Path;

use mailroost_testkit::statements;
use mailroost_testkit::transcript::Transcript;

fn main() -> io::Result<()> {
    io::stdout().write_all(document()?.as_bytes())
}

/// The page, from the tags as they are now.
///
/// # Errors
/// The first transcript that cannot be read.
pub fn document() -> io::Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let transcripts = Transcript::load_all(&folder).map_err(io::Error::other)?;
    Ok(statements::document(&folder, &transcripts))
}
