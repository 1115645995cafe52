//! The header lines that a delivery adds (RFC 5321 s4.4): Return-Path, Delivered-To, Received.

use std::sync::Arc;

use super::path::Path;

/// The most octets of a name that goes into the trace, so that all of it stays below 4,096.
const NAME_OCTETS_MAX: usize = 255;

/// What is said of one message to each of its recipients.
#[derive(Debug, Clone)]
pub struct Trace {
    pub(super) reverse_path: Option<Path>,
    /// As LHLO said.
    pub(super) client: Box<str>,
    /// As the outside knows it.
    pub(super) peer: Arc<str>,
    pub(super) host: Box<str>,
    pub(super) smtputf8: bool,
}

impl Trace {
    /// The sender as MAIL said; empty if nobody wants to hear of it.
    pub fn sender(&self) -> &str {
        self.reverse_path.as_ref().map_or("", Path::as_str)
    }

    /// The lines for one recipient, each ending in CRLF. A Return-Path that the message has
    /// already stays where it is, below this one: the topmost counts.
    ///
    /// `id` names the delivery in the log; `received_secs` counts from 1970-01-01 UTC.
    pub fn lines(&self, recipient: &Path, id: &str, received_secs: u64) -> Vec<u8> {
        let with = if self.smtputf8 { "UTF8LMTP" } else { "LMTP" };
        format!(
            "Return-Path: <{}>\r\nDelivered-To: {}\r\nReceived: from {} ({})\r\n\tby {} with \
             {with} id {id};\r\n\t{}\r\n",
            self.sender(),
            recipient.as_str(),
            cut(&self.client),
            cut(&self.peer),
            cut(&self.host),
            date_time(received_secs),
        )
        .into_bytes()
    }
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_OCTETS_MAX)]
}

/// `Thu, 01 Jan 1970 00:00:00 +0000` (RFC 5322 s3.3).
fn date_time(secs: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (days, of_day) = (secs / 86_400, secs % 86_400);
    let weekday = DAYS[usize::try_from(days % 7).expect("a weekday is below seven")];
    let (mut year, mut left) = (1970, days);
    while left >= year_days(year) {
        left -= year_days(year);
        year += 1;
    }
    let mut month = 0;
    while left >= month_days(year, month) {
        left -= month_days(year, month);
        month += 1;
    }
    format!(
        "{weekday}, {:02} {} {year:04} {:02}:{:02}:{:02} +0000",
        left + 1,
        MONTHS[month],
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
    )
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_days(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

/// Days of a month, the first of which is 0.
fn month_days(year: u64, month: usize) -> u64 {
    const DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    DAYS[month] + u64::from(month == 1 && is_leap(year))
}

#[cfg(test)]
mod tests {
    use super::super::policy::PATH_OCTETS_MAX;
    use super::*;

    fn path(text: &str) -> Option<Path> {
        Path::parse(text).unwrap().0
    }

    #[test]
    fn known_dates() {
        for (secs, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_785_542_399, "Fri, 31 Jul 2026 23:59:59 +0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
        ] {
            assert_eq!(date_time(secs), text);
        }
    }

    #[test]
    fn known_lines_and_their_limit() {
        let mut trace = Trace {
            reverse_path: path("<a@x>"),
            client: "mta.example".into(),
            peer: "[127.0.0.1]".into(),
            host: "pop.example".into(),
            smtputf8: false,
        };
        let lines = trace.lines(&path("<b+c@y>").unwrap(), "7", 0);
        assert_eq!(
            String::from_utf8(lines).unwrap(),
            "Return-Path: <a@x>\r\nDelivered-To: b+c@y\r\n\
             Received: from mta.example ([127.0.0.1])\r\n\tby pop.example with LMTP id 7;\r\n\
             \tThu, 01 Jan 1970 00:00:00 +0000\r\n"
        );
        trace.reverse_path = None;
        assert!(
            trace
                .lines(&path("<b>").unwrap(), "7", 0)
                .starts_with(b"Return-Path: <>\r\n")
        );
        let long = format!("<{}>", "a".repeat(PATH_OCTETS_MAX));
        let name: String = "\u{fc}".repeat(2_000);
        trace = Trace {
            reverse_path: path(&long),
            client: name.as_str().into(),
            peer: name.as_str().into(),
            host: name.as_str().into(),
            smtputf8: true,
        };
        assert!(
            trace
                .lines(&path(&long).unwrap(), "7", u64::from(u32::MAX))
                .len()
                < 4_096
        );
    }
}
