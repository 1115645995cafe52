//! The replies of LMTP: every code, enhanced status code (RFC 2034, RFC 3463) and text, in one
//! table.

use crate::wire::CRLF;
use crate::wire::number::push_decimal;

/// A reply of one line. The greeting and the answer to LHLO, which carry the host's name and no
/// enhanced code (RFC 2034 s3), are made beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// HELP.
    Help,
    /// QUIT.
    Goodbye,
    /// RSET, NOOP.
    Done,
    /// A chunk that is not the last one (RFC 3030 s2).
    ChunkTaken,
    /// MAIL.
    SenderTaken,
    /// RCPT.
    RecipientTaken,
    /// The message is durable in this recipient's maildrop.
    Delivered,
    /// VRFY: only a RCPT tells (RFC 5321 s3.5.3).
    NotVerified,
    /// DATA: send it.
    StartMail,
    /// Silence for too long.
    TimedOut,
    /// The server is shutting down.
    ShuttingDown,
    /// What the session depends on was restarted.
    Restarting,
    /// Too many unknown or malformed commands.
    TooManyErrors,
    /// All places for connections are taken.
    TooManyConnections,
    /// The connection's address is not among those that may deliver.
    NotPermitted,
    /// The store or the directory cannot do it at the moment.
    StoreTrouble,
    /// More recipients than one message may have here (RFC 5321 s4.5.3.1.10).
    TooManyRecipients,
    /// The disk is full.
    SystemFull,
    /// The maildrop is over its quota, and the sender may try again.
    OverQuotaForNow,
    /// The maildrop is over its quota, and the sender is told.
    OverQuota,
    /// Nobody knows the verb.
    UnknownCommand,
    /// HELO or EHLO (RFC 2033 s4.1).
    LhloNotThis,
    /// A line over the limit, which was swallowed.
    LineTooLong,
    /// A bare LF among the commands; the connection is closed.
    BareLineFeed,
    /// A verb of SMTP that is not offered.
    NotImplemented,
    /// An octet that no command has: a control character, or no UTF-8.
    BadOctet,
    /// The arguments are not what the verb wants.
    BadArguments,
    /// A parameter whose value is not understood.
    BadParameter,
    /// A parameter that is not offered.
    UnknownParameter,
    /// The reverse-path is not one.
    BadSender,
    /// The forward-path is not one.
    BadRecipient,
    /// An address outside ASCII without SMTPUTF8 (RFC 6531 s3.5).
    NeedsSmtputf8,
    /// A command before LHLO.
    LhloFirst,
    /// MAIL within a transaction.
    NestedMail,
    /// RCPT, DATA or BDAT without MAIL.
    MailFirst,
    /// DATA or BDAT without a recipient that was accepted (RFC 2033 s4.2).
    NoRecipients,
    /// A command that cannot come between the chunks of a message (RFC 3030 s2).
    AmidChunks,
    /// The user is unknown.
    UnknownUser,
    /// The message is larger than allowed, or says so (RFC 1870 s6).
    TooLarge,
    /// A bare CR or LF in the message.
    BareLineEnd,
    /// A NUL in the message.
    Nul,
    /// A line of the message over 998 octets.
    LongLine,
    /// The message does not begin with a header field.
    NoHeader,
}

impl Reply {
    /// The code, the enhanced code and the text.
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Help => (
                "214",
                "2.0.0",
                "RFC 2033; the commands are LHLO MAIL RCPT DATA BDAT \
                RSET NOOP VRFY HELP QUIT",
            ),
            Self::Goodbye => ("221", "2.0.0", "goodbye"),
            Self::Done => ("250", "2.0.0", "done"),
            Self::ChunkTaken => ("250", "2.0.0", "chunk received"),
            Self::SenderTaken => ("250", "2.1.0", "sender accepted"),
            Self::RecipientTaken => ("250", "2.1.5", "recipient accepted"),
            Self::Delivered => ("250", "2.0.0", "delivered"),
            Self::NotVerified => ("252", "2.5.0", "not verified; RCPT tells"),
            Self::StartMail => ("354", "", "send the message, end it with CRLF.CRLF"),
            Self::TimedOut => ("421", "4.4.2", "nothing was received for too long, closing"),
            Self::ShuttingDown => ("421", "4.3.2", "shutting down, try again later"),
            Self::Restarting => ("421", "4.3.2", "restarting, try again at once"),
            Self::TooManyErrors => ("421", "4.7.0", "too many errors, closing"),
            Self::TooManyConnections => ("421", "4.3.2", "too many connections, try again later"),
            Self::NotPermitted => ("554", "5.7.1", "this address may not deliver here"),
            Self::StoreTrouble => ("451", "4.3.0", "the mail store cannot take it now"),
            Self::TooManyRecipients => (
                "452",
                "4.5.3",
                "too many recipients, send it again to \
                the rest",
            ),
            Self::SystemFull => ("452", "4.3.1", "the mail store is full"),
            Self::OverQuotaForNow => ("452", "4.2.2", "the maildrop is over its quota"),
            Self::OverQuota => ("552", "5.2.2", "the maildrop is over its quota"),
            Self::UnknownCommand => ("500", "5.5.1", "unknown command"),
            Self::LhloNotThis => ("500", "5.5.1", "this is LMTP, say LHLO"),
            Self::LineTooLong => ("500", "5.5.2", "line too long"),
            Self::BareLineFeed => ("521", "5.5.2", "a bare LF ends no command, closing"),
            Self::NotImplemented => ("502", "5.5.1", "not implemented"),
            Self::BadOctet => ("501", "5.5.2", "an octet that no command has"),
            Self::BadArguments => ("501", "5.5.4", "malformed arguments"),
            Self::BadParameter => ("501", "5.5.4", "malformed parameter"),
            Self::UnknownParameter => ("555", "5.5.4", "parameter not recognised"),
            Self::BadSender => ("501", "5.1.7", "malformed reverse-path"),
            Self::BadRecipient => ("501", "5.1.3", "malformed forward-path"),
            Self::NeedsSmtputf8 => ("553", "5.6.7", "such an address needs SMTPUTF8"),
            Self::LhloFirst => ("503", "5.5.1", "say LHLO first"),
            Self::NestedMail => (
                "503",
                "5.5.1",
                "a message was begun already, RSET gives it up",
            ),
            Self::MailFirst => ("503", "5.5.1", "say MAIL first"),
            Self::NoRecipients => ("503", "5.5.1", "no valid recipients"),
            Self::AmidChunks => ("503", "5.5.1", "a message is being sent in chunks"),
            Self::UnknownUser => ("550", "5.1.1", "no such user here"),
            Self::TooLarge => ("552", "5.3.4", "the message is too large"),
            Self::BareLineEnd => ("554", "5.6.0", "a bare CR or LF in the message"),
            Self::Nul => ("554", "5.6.0", "a NUL in the message"),
            Self::LongLine => ("554", "5.6.0", "a line of the message is too long"),
            Self::NoHeader => ("554", "5.6.0", "the message has no header"),
        }
    }

    /// What it says.
    pub(super) fn text(self) -> &'static str {
        self.parts().2
    }

    /// Appends the line to `out`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let (code, enhanced, text) = self.parts();
        line(code, enhanced, &[text], out);
    }

    /// The same with the recipient in front of the text: the replies to a message come one for
    /// each recipient, and a log of the client's is easier to read.
    pub(super) fn write_for(self, forward_path: &str, out: &mut Vec<u8>) {
        let (code, enhanced, text) = self.parts();
        line(code, enhanced, &["<", forward_path, "> ", text], out);
    }
}

fn line(code: &str, enhanced: &str, words: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(code.as_bytes());
    out.push(b' ');
    if !enhanced.is_empty() {
        out.extend_from_slice(enhanced.as_bytes());
        out.push(b' ');
    }
    for word in words {
        out.extend_from_slice(word.as_bytes());
    }
    out.extend_from_slice(CRLF);
}

/// The greeting (RFC 2033 s4, RFC 5321 s4.2).
pub(super) fn greeting(host: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"220 ");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b" LMTP ready");
    out.extend_from_slice(CRLF);
}

/// The answer to LHLO: the host, and what is offered.
pub(super) fn extensions(host: &str, message_octets_max: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"250-");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(
        b"\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n\
        250-ENHANCEDSTATUSCODES\r\n250 SIZE ",
    );
    push_decimal(out, message_octets_max);
    out.extend_from_slice(CRLF);
}
