//! The mail that every server is seeded with: the same octets, made from numbers.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Accounts that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// A maildrop as most people have it.
    Small,
    /// Like `Small`, to be fetched and emptied.
    Drain,
    /// 10 messages.
    Few,
    /// 1,000 messages.
    Thousand,
    /// 10,000 messages.
    Many,
    /// 100,000 messages.
    Huge,
    /// Messages of 64 KiB.
    Medium,
    /// Messages of 10 MiB.
    Large,
    /// Nothing yet: mail is delivered to them.
    Target,
    /// Nothing yet: mail is delivered to them and fetched again.
    Mixed,
    /// Nothing: many users, logged on and idle.
    Idle,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Small,
        Self::Drain,
        Self::Few,
        Self::Thousand,
        Self::Many,
        Self::Huge,
        Self::Medium,
        Self::Large,
        Self::Target,
        Self::Mixed,
        Self::Idle,
    ];

    /// The accounts' name without their number.
    pub fn name(self) -> &'static str {
        self.shape().0
    }

    /// How many accounts.
    pub fn accounts(self) -> usize {
        self.shape().1
    }

    /// Messages in each maildrop.
    pub fn messages(self) -> usize {
        self.shape().2
    }

    /// Octets of each message, CRLF counted as two.
    pub fn octets(self) -> usize {
        self.shape().3
    }

    fn shape(self) -> (&'static str, usize, usize, usize) {
        const KIB: usize = 1024;
        match self {
            Self::Small => ("small", 100, 100, 4 * KIB),
            Self::Drain => ("drain", 64, 100, 4 * KIB),
            Self::Few => ("few", 16, 10, KIB),
            Self::Thousand => ("thousand", 4, 1_000, KIB),
            Self::Many => ("many", 4, 10_000, KIB),
            Self::Huge => ("huge", 1, 100_000, KIB),
            Self::Medium => ("medium", 4, 100, 64 * KIB),
            Self::Large => ("large", 2, 10, 10 * KIB * KIB),
            Self::Target => ("target", 16, 0, 0),
            Self::Mixed => ("mixed", 16, 0, 0),
            Self::Idle => ("idle", 1_000, 0, 0),
        }
    }

    /// Its name and shape, for files that say what is there already.
    pub fn shape_name(self) -> String {
        let (name, accounts, messages, octets) = self.shape();
        format!("{name}-{accounts}x{messages}x{octets}")
    }

    /// Whether rows change its maildrops, so that each run begins with fresh ones.
    pub fn is_changed(self) -> bool {
        matches!(self, Self::Drain | Self::Target | Self::Mixed)
    }

    /// The name of an account.
    pub fn account(self, number: usize) -> String {
        format!("{}{}", self.name(), number % self.accounts())
    }
}

/// Octets of a line, its end included.
const LINE_OCTETS: usize = 74;

/// Every so many lines one begins with a dot.
const DOTTED: usize = 10;

/// A message of exactly `octets` octets with CRLF line ends; some lines begin with a dot.
pub fn message(seed: u64, octets: usize) -> Vec<u8> {
    let mut text = String::with_capacity(octets + 128);
    let _ = write!(
        text,
        "From: Ann Example <ann@bench.test>\r\nTo: Bob Example <bob@bench.test>\r\n\
         Subject: Message {seed}\r\nDate: Tue, 03 Nov 2026 09:00:00 +0000\r\n\
         Message-ID: <{seed}@bench.test>\r\n\r\n"
    );
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for line in 1.. {
        let left = octets.saturating_sub(text.len());
        if left < 2 {
            break;
        }
        // What is left behind this line must hold another one, or nothing.
        let length = match left {
            0..=LINE_OCTETS => left,
            _ if left - LINE_OCTETS < 3 => LINE_OCTETS - 3,
            _ => LINE_OCTETS,
        };
        for place in 0..length - 2 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let dot = place == 0 && line % DOTTED == 0;
            text.push(if dot {
                '.'
            } else {
                char::from(b'a' + (state % 26) as u8)
            });
        }
        text.push_str("\r\n");
    }
    text.into_bytes()
}

/// The number of a message's octets in the whole corpus.
pub fn seed_of(group: Group, account: usize, message: usize) -> u64 {
    (group as u64) << 48 | (account as u64) << 32 | message as u64
}

/// Writes a group's maildrops as Maildirs below `folder`, with LF line ends.
///
/// # Errors
/// If the disk does not take them.
pub fn write_maildirs(group: Group, folder: &Path, owner: u32) -> io::Result<()> {
    // For everybody to pass: the servers' processes have other owners.
    fs::create_dir_all(folder)?;
    for account in 0..group.accounts() {
        let maildir = folder.join(group.account(account));
        if maildir.exists() {
            fs::remove_dir_all(&maildir)?;
        }
        for part in ["cur", "new", "tmp"] {
            let folder = maildir.join(part);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)?;
            std::os::unix::fs::chown(&folder, Some(owner), Some(owner))?;
        }
        std::os::unix::fs::chown(&maildir, Some(owner), Some(owner))?;
        for number in 0..group.messages() {
            let crlf = message(seed_of(group, account, number), group.octets());
            let lf: Vec<u8> = crlf.into_iter().filter(|octet| *octet != b'\r').collect();
            let name = format!("{}.{number}.bench", 1_700_000_000 + number);
            let path = maildir.join("new").join(name);
            fs::write(&path, lf)?;
            std::os::unix::fs::chown(&path, Some(owner), Some(owner))?;
        }
    }
    Ok(())
}

/// Writes a group's maildrops as mbox files below `folder`.
///
/// # Errors
/// If the disk does not take them.
pub fn write_mboxes(group: Group, folder: &Path, owner: u32) -> io::Result<()> {
    for account in 0..group.accounts() {
        let path = folder.join(group.account(account));
        let mut file = io::BufWriter::new(fs::File::create(&path)?);
        for number in 0..group.messages() {
            let crlf = message(seed_of(group, account, number), group.octets());
            let lf: Vec<u8> = crlf.into_iter().filter(|octet| *octet != b'\r').collect();
            file.write_all(b"From ann@bench.test Tue Nov  3 09:00:00 2026\n")?;
            file.write_all(&lf)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
        std::os::unix::fs::chown(&path, Some(owner), Some(owner))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_exactly_the_octets_that_were_asked_for_and_ends_in_a_line_end() {
        for octets in [1_024, 4_096, 4_097, 4_098, 4_099, 4_100, 65_536] {
            let message = message(7, octets);
            assert_eq!(message.len(), octets);
            assert!(message.ends_with(b"\r\n"));
            assert!(message.windows(3).any(|three| three == b"\r\n."));
        }
    }
}
