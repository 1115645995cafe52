//! Nasty messages, and what has to arrive of each.
//!
//! A message is a file in `testkit/corpus/`, or generated where it would be too large. What
//! RETR and TOP have to send of it is worked out here from the octets as delivered, by plain
//! code over whole messages that shares nothing with the server.

mod form;

pub use form::Form;

/// A message of the corpus.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its file's name without `.eml`.
    pub name: &'static str,
    /// The octets as they are delivered.
    pub delivered: Vec<u8>,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../corpus/", $name, ".eml")))),*]
    };
}

const FILES: &[(&str, &[u8])] = files![
    "plain",
    "no-final-line-end",
    "lone-dots",
    "first-octet-dot",
    "body-begins-with-dot",
    "two-dots",
    "bare-lf",
    "bare-cr",
    "mixed-line-ends",
    "nul",
    "latin1",
    "utf8",
    "header-only",
    "header-unfinished",
    "empty-body",
    "empty-header",
    "no-header",
    "only-lines",
    "from-lines",
    "crlf-dot-crlf",
    "trailing-blank-lines",
    "one-dot",
    "ends-with-dot",
    "ends-with-cr",
    "folded",
    "spaces-at-line-ends",
    "attachment",
    "looks-like-replies",
];

type Generator = fn() -> Vec<u8>;

const GENERATED: &[(&str, Generator)] = &[
    ("nothing", Vec::new),
    ("long-line", long_line),
    ("dots-only", dots_only),
];

const LARGE: &[(&str, Generator)] = &[
    ("header-1-mib", header_1_mib),
    ("message-10-mib", message_10_mib),
];

/// All but the two large ones.
pub fn small() -> Vec<Message> {
    let files = FILES.iter().map(|(name, octets)| Message {
        name,
        delivered: octets.to_vec(),
    });
    let generated = GENERATED.iter().map(|(name, make)| Message {
        name,
        delivered: make(),
    });
    files.chain(generated).collect()
}

/// A header of 1 MiB, and a message of 10 MiB.
pub fn large() -> Vec<Message> {
    LARGE
        .iter()
        .map(|(name, make)| Message {
            name,
            delivered: make(),
        })
        .collect()
}

/// A message by its name.
pub fn find(name: &str) -> Option<Message> {
    if let Some((name, octets)) = FILES.iter().find(|(known, _)| *known == name) {
        return Some(Message {
            name,
            delivered: octets.to_vec(),
        });
    }
    let (name, make) = GENERATED
        .iter()
        .chain(LARGE)
        .find(|(known, _)| *known == name)?;
    Some(Message {
        name,
        delivered: make(),
    })
}

impl Message {
    /// What has to arrive of it.
    pub fn form(&self) -> Form {
        Form::of(&self.delivered)
    }
}

/// One line of 100,000 octets between two short ones.
fn long_line() -> Vec<u8> {
    let mut octets = b"Subject: Long line\r\n\r\nbefore\r\n".to_vec();
    octets.extend(std::iter::repeat_n(b'a', 100_000));
    octets.extend(b"\r\nafter\r\n");
    octets
}

/// Lines of 1 to 200 dots, so that transparency meets every place in a buffer.
fn dots_only() -> Vec<u8> {
    let mut octets = b"Subject: Dots only\r\n\r\n".to_vec();
    for count in (1..=200).chain((1..=200).rev()) {
        octets.extend(std::iter::repeat_n(b'.', count));
        octets.extend(b"\r\n");
    }
    octets
}

/// A header of 1 MiB, most of it one folded field.
fn header_1_mib() -> Vec<u8> {
    let mut octets = b"Subject: Large header\r\nReferences: <0@example.org>\r\n".to_vec();
    for count in 1.. {
        octets.extend(format!(" <{count}.a-rather-long-message-id@example.org>\r\n").bytes());
        if octets.len() >= 1024 * 1024 {
            break;
        }
    }
    octets.extend(b"\r\nA short body.\r\n");
    octets
}

/// 10 MiB as an attachment would be, with lines of dots amid them.
fn message_10_mib() -> Vec<u8> {
    let mut octets = b"Subject: Large message\r\n\r\n".to_vec();
    let mut count: u32 = 0;
    while octets.len() < 10 * 1024 * 1024 {
        let dots = if count.is_multiple_of(1000) { "." } else { "" };
        octets.extend(format!("{dots}{count:08x}").bytes());
        octets.extend(std::iter::repeat_n(b'A' + (count % 26) as u8, 68));
        octets.extend(b"\r\n");
        count += 1;
    }
    octets
}
