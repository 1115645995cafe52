//! A record as a line: the fields of Exchange's POP log, separated by commas.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use mailroost_protocol::session::{CLOSE_SESSION, OPEN_SESSION};
use mailroost_protocol::{Answer, CommandRecord, Parameters};

use crate::calendar::moment;
use crate::logging::harmless::is_seen;

/// What the columns are, as Exchange 2013 and later name them.
pub(super) const FIELDS: &str = "dateTime,sessionId,seqNumber,sIp,cIp,user,duration,rqsize,\
                                 rpsize,command,parameters,context";

/// What stands for a secret.
const SECRET: &str = "*****";

/// A record and whose it is, on the way to the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) time: SystemTime,
    pub(super) session: u64,
    pub(super) sequence: u64,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: SocketAddr,
    pub(super) user: Option<Box<str>>,
    pub(super) record: CommandRecord,
}

/// Seconds and milliseconds since 1970-01-01.
pub(super) fn since_epoch(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_millis())
}

/// A moment as the log writes it.
pub(super) fn timestamp(time: SystemTime) -> String {
    let (secs, millis) = since_epoch(time);
    format!("{}.{millis:03}Z", moment(secs))
}

impl Entry {
    /// Appends the line, with its line end.
    pub(super) fn push(&self, out: &mut String) {
        let record = &self.record;
        let took = record.ended.saturating_duration_since(record.began);
        let _ = write!(
            out,
            "{},{:016X},{},",
            timestamp(self.time),
            self.session,
            self.sequence
        );
        if let Some(local) = self.local {
            let _ = write!(out, "{local}");
        }
        let _ = write!(out, ",{},", self.peer);
        push_field(out, self.user.as_deref().unwrap_or_default());
        let _ = write!(
            out,
            ",{},{},{},",
            took.as_millis(),
            record.request_octets,
            record.reply_octets
        );
        match record.command {
            OPEN_SESSION | CLOSE_SESSION => out.push_str(record.command),
            keyword => out.extend(keyword.chars().map(|c| c.to_ascii_lowercase())),
        }
        out.push(',');
        match &record.parameters {
            Parameters::None => {}
            Parameters::Shown(octets) => push_field(out, &harmless(octets)),
            Parameters::Hidden => out.push_str(SECRET),
            Parameters::Mechanism(name, false) => out.push_str(name),
            Parameters::Mechanism(name, true) => {
                let _ = write!(out, "{name} {SECRET}");
            }
        }
        out.push(',');
        match &record.answer {
            Answer::None => {}
            Answer::Ok => out.push_str("R=ok"),
            Answer::Refused(text) => push_field(out, &named("R", &format!("-ERR {text}"))),
            Answer::Ended(why) => push_field(out, &named("Msg", why)),
        }
        out.push_str("\r\n");
    }
}

/// `name="text"`, where what the text says cannot end it.
fn named(name: &str, text: &str) -> String {
    let text = harmless(text.as_bytes()).replace('"', "'");
    format!("{name}=\"{text}\"")
}

/// Characters that are not simply seen are escaped, so that a line stays one line.
fn harmless(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_seen(c) {
                text.push(c);
            } else {
                let _ = write!(text, "{}", c.escape_unicode());
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(text, "\\x{octet:02x}");
        }
    }
    text
}

/// RFC 4180: a field with a comma or a quote stands in quotes, and its quotes are doubled.
fn push_field(out: &mut String, field: &str) {
    if !field.contains([',', '"']) {
        out.push_str(field);
        return;
    }
    out.push('"');
    for c in field.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}
