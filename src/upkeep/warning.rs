//! The message that tells a user that the quota is nearly used up (RFC 5322, RFC 2045, RFC 2047,
//! RFC 3834).

use mailroost_actors::{Crossing, WarningText};

use super::template::Template;
use crate::calendar;
use crate::config::{Config, MailAddress, is_dot_string};

/// What it says if no file has another text.
const STANDARD_TEXT: &str = "\
Your mailbox holds {used}; it may hold {limit} ({percent}%).
When it is full, messages to you are refused until you have removed some.

This message was written by the mail server. Nobody reads answers to it.
";

/// Octets of a line of the text: RFC 5322 s2.1.1 allows 998.
const LINE_OCTETS_MAX: usize = 900;

/// Characters of an encoded word without its frame: with it there are 75 at most (RFC 2047 s2).
const ENCODED_WORD_MAX: usize = 75 - "=?utf-8?q??=".len();

/// What comes with the server.
pub(super) fn standard_text() -> Template {
    Template::new(STANDARD_TEXT).expect("the words of the standard text are known")
}

/// Writes it.
pub(super) struct QuotaWarning {
    from: String,
    domain: String,
    subject: Template,
    text: Template,
}

impl QuotaWarning {
    pub(super) fn new(config: &Config, text: Template) -> Self {
        let domain = config.server.domains.first();
        let domain = domain.map_or("localhost", |domain| domain.as_str());
        let from = config.quota.warning_from.as_ref();
        let subject = config.quota.warning_subject.as_str();
        Self {
            domain: from.map_or(domain, MailAddress::domain).to_owned(),
            from: from.map_or_else(
                || format!("postmaster@{domain}"),
                |from| from.as_str().to_owned(),
            ),
            subject: Template::new(subject).expect("a subject is examined when it is set"),
            text,
        }
    }
}

impl WarningText for QuotaWarning {
    fn compose(&self, crossing: &Crossing) -> Vec<u8> {
        let text = wrapped(&self.text.fill(crossing));
        let encoding = if text.is_ascii() { "7bit" } else { "8bit" };
        // Without randomness the second and the user still tell two warnings apart.
        let nonce = getrandom::u64().unwrap_or(crossing.used);
        let at = crossing.at_secs;
        let fields = [
            ("From", self.from.clone()),
            ("To", recipient(crossing.user.as_str(), &self.domain)),
            ("Subject", unstructured(&self.subject.fill(crossing))),
            ("Date", calendar::date_time(at)),
            (
                "Message-ID",
                format!("<quota.{at}.{nonce:016x}@{}>", self.domain),
            ),
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("MIME-Version", "1.0".to_owned()),
            ("Content-Type", "text/plain; charset=utf-8".to_owned()),
            ("Content-Transfer-Encoding", encoding.to_owned()),
        ];
        let mut message: String = fields
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .concat();
        message += "\r\n";
        message += &text;
        message.into_bytes()
    }
}

/// A user as an address: a name that is one stays, another gets the domain. What only an
/// internationalised header could hold is left out.
fn recipient(user: &str, domain: &str) -> String {
    let (local, domain) = user.rsplit_once('@').unwrap_or((user, domain));
    if !user.is_ascii() || local.is_empty() || domain.is_empty() {
        return "undisclosed-recipients:;".to_owned();
    }
    if is_dot_string(local) {
        return format!("{local}@{domain}");
    }
    let quoted = local.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{quoted}\"@{domain}")
}

/// A text for a header field: as it is, or in encoded words (RFC 2047 s4.2, s5).
fn unstructured(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for character in text.chars() {
        let encoded = match character {
            ' ' => "_".to_owned(),
            c if c.is_ascii_alphanumeric() => c.to_string(),
            c => {
                let mut octets = [0; 4];
                let octets = c.encode_utf8(&mut octets).bytes();
                octets.map(|octet| format!("={octet:02X}")).collect()
            }
        };
        match words.last_mut() {
            Some(word) if word.len() + encoded.len() <= ENCODED_WORD_MAX => *word += &encoded,
            Some(_) | None => words.push(encoded),
        }
    }
    let words = words.iter().map(|word| format!("=?utf-8?q?{word}?="));
    words.collect::<Vec<_>>().join("\r\n ")
}

/// The text with CRLF at the end of each line, and no line too long.
fn wrapped(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        let mut octets = 0;
        for character in line.chars().filter(|c| *c != '\0' && *c != '\r') {
            if octets + character.len_utf8() > LINE_OCTETS_MAX {
                lines += "\r\n";
                octets = 0;
            }
            lines.push(character);
            octets += character.len_utf8();
        }
        lines += "\r\n";
    }
    lines
}

#[cfg(test)]
mod tests {
    use mailroost_actors::QuotaKind;
    use mailroost_storage::UserName;

    use super::*;

    fn composed(config: &str, user: &str, text: Option<&str>) -> String {
        let config = Config::parse("m.toml", &format!("listener = []\n{config}")).unwrap();
        let text = text.map_or_else(standard_text, |text| Template::new(text).unwrap());
        let crossing = Crossing {
            user: UserName::new(user).unwrap(),
            of: QuotaKind::Messages,
            used: 9,
            limit: 10,
            at_secs: 1_795_564_799,
        };
        let message = QuotaWarning::new(&config, text).compose(&crossing);
        String::from_utf8(message).unwrap()
    }

    const PLAIN: &str = "protocol.login_type = \"plain_text_login\"\n";

    #[test]
    fn it_is_a_message_with_all_that_belongs_to_one() {
        let config = format!("{PLAIN}server.domains = [\"example.org\"]\n");
        let message = composed(&config, "ann", None);
        let (head, text) = message.split_once("\r\n\r\n").unwrap();
        let fields: Vec<&str> = head.split("\r\n").collect();
        assert_eq!(
            fields[..4],
            [
                "From: postmaster@example.org",
                "To: ann@example.org",
                "Subject: Your mailbox is 90% full",
                "Date: Tue, 24 Nov 2026 23:59:59 +0000",
            ]
        );
        assert!(
            fields[4].starts_with("Message-ID: <quota.1795564799."),
            "{head}"
        );
        assert!(fields[4].ends_with("@example.org>"), "{head}");
        assert!(fields.contains(&"Auto-Submitted: auto-generated"), "{head}");
        assert!(
            text.starts_with("Your mailbox holds 9 messages; it may hold 10 messages (90%)."),
            "{text}"
        );
        assert!(message.is_ascii());
        assert!(!message.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn two_of_them_have_two_message_ids() {
        assert_ne!(composed(PLAIN, "ann", None), composed(PLAIN, "ann", None));
    }

    #[test]
    fn settings_say_who_it_is_from_and_what_it_says() {
        let config = format!(
            "{PLAIN}[quota]\nwarning_from = \"help@example.net\"\n\
             warning_subject = \"{{user}}: \u{e4}\u{e4} {{percent}}\"\n"
        );
        let message = composed(&config, "ann", Some("caf\u{e9} {limit}\n"));
        assert!(message.contains("From: help@example.net\r\nTo: ann@example.net\r\n"));
        assert!(
            message.contains("Subject: =?utf-8?q?ann=3A_=C3=A4=C3=A4_90?=\r\n"),
            "{message}"
        );
        assert!(message.contains("Content-Transfer-Encoding: 8bit\r\n"));
        assert!(
            message.ends_with("\r\n\r\ncaf\u{e9} 10 messages\r\n"),
            "{message}"
        );
    }

    #[test]
    fn odd_names_are_still_addresses_or_are_left_out() {
        let table = [
            ("ann@example.com", "ann@example.com"),
            ("a..b\"c", "\"a..b\\\"c\"@h"),
            ("\u{e4}nn", "undisclosed-recipients:;"),
        ];
        for (user, address) in table {
            assert_eq!(recipient(user, "h"), address);
        }
    }

    #[test]
    fn no_line_of_it_is_too_long() {
        let text = "\u{e4}".repeat(5000);
        let message = composed(PLAIN, "ann", Some(&text));
        assert!(message.split("\r\n").all(|line| line.len() <= 998));
        let subject = unstructured(&"\u{20ac}".repeat(200));
        assert!(
            subject.split("\r\n ").all(|word| word.len() <= 75),
            "{subject}"
        );
    }
}
