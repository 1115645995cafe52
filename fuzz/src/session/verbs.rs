//! The model's commands: lines taken apart, and what each verb comes to.

use std::fmt::Write;

use mailroost_protocol::{CloseReason, LoginType, MechanismOffer, Separators};

use super::mail;
use super::model::{Done, Model, SaslSaid, State, Verdict, Wrong};
use super::replies::Reply;

impl Model {
    pub(super) fn command(&mut self, logged_on: bool, line: &[u8]) -> Verdict {
        let separators = self.policy.separators;
        let is_separator =
            |octet: &u8| *octet == b' ' || *octet == b'\t' && separators == Separators::Lenient;
        let end = line.iter().position(is_separator).unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        let keyword = keyword.to_ascii_uppercase();
        let all = String::from_utf8_lossy(&keyword).into_owned();
        match (all.as_str(), logged_on) {
            ("USER", false) => return self.user(rest),
            ("PASS", false) => return self.pass(rest),
            ("AUTH", false) => return self.auth(rest),
            _ => {}
        }
        let words = words(rest, separators);
        match (all.as_str(), logged_on) {
            ("CAPA", _) => {
                none(&words?)?;
                let lines = self.capabilities(logged_on);
                self.replies.push(Reply::Lines(lines));
            }
            ("QUIT", false) => {
                none(&words?)?;
                self.replies.push(Reply::Ok);
                self.close(CloseReason::Quit);
            }
            ("STLS", false) => {
                none(&words?)?;
                self.starttls()?;
            }
            (verb, true) => self.transaction(verb, words)?,
            (_, false) => return Err(Wrong::Counted),
        }
        Ok(Done::Well)
    }

    fn transaction(&mut self, verb: &str, words: Result<Vec<Vec<u8>>, Wrong>) -> Result<(), Wrong> {
        match verb {
            "QUIT" => {
                none(&words?)?;
                self.quit();
            }
            "STAT" => {
                none(&words?)?;
                let visible = self.visible();
                let octets: u64 = visible.iter().map(|at| self.octets(*at)).sum();
                let says = format!("{} {octets}", visible.len());
                self.replies.push(Reply::Says(says));
            }
            "NOOP" => {
                none(&words?)?;
                self.replies.push(Reply::Ok);
            }
            "RSET" => {
                none(&words?)?;
                self.marked.clear();
                self.counts.marked = 0;
                self.replies.push(Reply::Ok);
            }
            "LIST" => self.list(&words?, |model, at| model.octets(at).to_string())?,
            "UIDL" => self.list(&words?, |_, at| mail::unique_id(at))?,
            "DELE" => {
                let at = self.one_message(&words?)?;
                self.marked.insert(at);
                self.counts.marked = self.marked.len() as u64;
                self.replies.push(Reply::Ok);
            }
            "RETR" => {
                let at = self.one_message(&words?)?;
                self.state = State::Open { at, lines: None };
            }
            "TOP" => self.top(&words?)?,
            _ => return Err(Wrong::Counted),
        }
        Ok(())
    }

    fn top(&mut self, words: &[Vec<u8>]) -> Result<(), Wrong> {
        let [number, lines] = words else {
            return Err(Wrong::Counted);
        };
        let number = number_of(number)?;
        let lines = digits(lines).ok_or(Wrong::Everyday)?;
        let lines = Some(u64::try_from(lines).unwrap_or(u64::MAX));
        let at = self.at(number)?;
        self.state = State::Open { at, lines };
        Ok(())
    }

    fn starttls(&mut self) -> Result<(), Wrong> {
        if !self.stls || self.tls.is_some() {
            return Err(Wrong::Counted);
        }
        if self.buffer.is_empty() {
            self.replies.push(Reply::Ok);
            self.state = State::StartTls;
        } else {
            self.close(CloseReason::InputBeforeTls);
        }
        Ok(())
    }

    fn user(&mut self, rest: &[u8]) -> Verdict {
        self.state = State::Authorization { user: None };
        if self.policy.login_type != LoginType::PlainTextLogin && self.tls.is_none() {
            return Err(Wrong::NeedsTls);
        }
        let name = match self.policy.separators {
            // Everything, blanks inside as well.
            Separators::Lenient => trimmed(rest).to_vec(),
            Separators::SingleSpace => match words(rest, Separators::SingleSpace)?.as_slice() {
                [name] => name.clone(),
                _ => return Err(Wrong::Counted),
            },
        };
        if name.is_empty() || name.iter().any(|octet| *octet < 0x20 || *octet == 0x7f) {
            return Err(Wrong::Counted);
        }
        self.state = State::Authorization { user: Some(name) };
        self.replies.push(Reply::Ok);
        Ok(Done::Well)
    }

    fn pass(&mut self, rest: &[u8]) -> Verdict {
        let State::Authorization { user: Some(user) } = &self.state else {
            return Err(Wrong::Counted);
        };
        // All that follows one separator, be it blank.
        let Some((_, password)) = rest.split_first() else {
            return Err(Wrong::Counted);
        };
        self.state = State::LogOn {
            user: user.clone(),
            password: password.to_vec(),
        };
        Ok(Done::Well)
    }

    fn auth(&mut self, rest: &[u8]) -> Verdict {
        self.state = State::Authorization { user: None };
        if trimmed_by(rest, self.policy.separators).is_empty() {
            let offers: Vec<&str> = self.offers().map(|offer| offer.name).collect();
            if offers.is_empty() {
                return Err(Wrong::Counted);
            }
            let lines = offers.iter().map(|name| format!("{name}\r\n"));
            let lines = lines.collect::<String>().into_bytes();
            self.replies.push(Reply::Lines(lines));
            return Ok(Done::Well);
        }
        let words = words(rest, self.policy.separators)?;
        let (name, response) = match words.as_slice() {
            [name] => (name, None),
            [name, response] => (name, Some(response.as_slice())),
            _ => return Err(Wrong::Counted),
        };
        let known = self.mechanisms.iter();
        let mut known = known.filter(|offer| offer.name.as_bytes().eq_ignore_ascii_case(name));
        let offer = known.next().ok_or(Wrong::Counted)?;
        let (mechanism, client_first) = (offer.name, offer.client_first);
        if !self.offers().any(|offer| offer.name == mechanism) {
            return Err(Wrong::NeedsTls);
        }
        let answer = match response {
            Some(_) if !client_first => return Err(Wrong::Counted),
            Some(b"=") => SaslSaid::StartWith(Vec::new()),
            Some(response) => SaslSaid::StartWith(decoded(response)?),
            None if client_first => {
                self.replies.push(Reply::Challenge(Vec::new()));
                self.state = State::Answer {
                    mechanism,
                    begun: false,
                };
                return Ok(Done::Undecided);
            }
            None => SaslSaid::Start,
        };
        self.state = State::Sasl { mechanism, answer };
        Ok(Done::Undecided)
    }

    pub(super) fn answer_to_challenge(
        &mut self,
        mechanism: &'static str,
        begun: bool,
        line: Option<Vec<u8>>,
    ) -> Verdict {
        self.state = State::Authorization { user: None };
        let line = line.ok_or(Wrong::Counted)?;
        if line == b"*" {
            return Err(Wrong::Counted);
        }
        let said = decoded(&line)?;
        let answer = match begun {
            true => SaslSaid::Continue(said),
            false => SaslSaid::StartWith(said),
        };
        self.state = State::Sasl { mechanism, answer };
        Ok(Done::Undecided)
    }

    fn quit(&mut self) {
        if self.marked.is_empty() {
            self.replies.push(Reply::Ok);
            self.close(CloseReason::Quit);
            return;
        }
        let ids = self.marked.iter().map(|at| mail::id(*at)).collect();
        self.forget_input();
        self.state = State::Commit { ids };
    }

    fn list(
        &mut self,
        words: &[Vec<u8>],
        says: impl Fn(&Self, u64) -> String,
    ) -> Result<(), Wrong> {
        let reply = match words {
            [] => {
                let mut lines = String::new();
                for at in self.visible() {
                    let _ = write!(lines, "{} {}\r\n", at + 1, says(self, at));
                }
                Reply::Lines(lines.into_bytes())
            }
            words => {
                let at = self.one_message(words)?;
                Reply::Says(format!("{} {}", at + 1, says(self, at)))
            }
        };
        self.replies.push(reply);
        Ok(())
    }

    fn octets(&self, at: u64) -> u64 {
        mail::octets(at, self.policy.sizes)
    }

    fn visible(&self) -> Vec<u64> {
        let all = 0..self.messages;
        all.filter(|at| !self.marked.contains(at)).collect()
    }

    fn one_message(&self, words: &[Vec<u8>]) -> Result<u64, Wrong> {
        match words {
            [word] => self.at(number_of(word)?),
            _ => Err(Wrong::Counted),
        }
    }

    fn at(&self, number: u128) -> Result<u64, Wrong> {
        let visible = self.visible().into_iter();
        let mut found = visible.filter(|at| u128::from(at + 1) == number);
        found.next().ok_or(Wrong::Everyday)
    }

    /// What AUTH takes here and now.
    fn offers(&self) -> impl Iterator<Item = &MechanismOffer> {
        let tls = self.tls.as_ref();
        let login_type = self.policy.login_type;
        self.mechanisms.iter().filter(move |offer| {
            let needs_tls = match login_type {
                LoginType::SecureLogin => true,
                LoginType::PlainTextAuthentication => offer.plaintext || offer.tls,
                LoginType::PlainTextLogin => offer.tls,
            };
            !(needs_tls && tls.is_none()
                || offer.channel_binding && !tls.is_some_and(|tls| tls.channel_binding)
                || offer.client_certificate && !tls.is_some_and(|tls| tls.client_certificate))
        })
    }

    fn capabilities(&self, logged_on: bool) -> Vec<u8> {
        let mut lines = vec!["TOP".to_owned(), "UIDL".to_owned()];
        let offers: Vec<&str> = self.offers().map(|offer| offer.name).collect();
        if !offers.is_empty() {
            lines.push(format!("SASL {}", offers.join(" ")));
        }
        if self.tls.is_some() || self.policy.login_type == LoginType::PlainTextLogin {
            lines.push("USER".to_owned());
        }
        if self.stls && self.tls.is_none() && !logged_on {
            lines.push("STLS".to_owned());
        }
        let policy = &self.policy;
        for (announced, line) in [
            (policy.response_codes, "RESP-CODES"),
            (policy.response_codes, "AUTH-RESP-CODE"),
            (policy.pipelining, "PIPELINING"),
            (policy.expire_never, "EXPIRE NEVER"),
        ] {
            if announced {
                lines.push(line.to_owned());
            }
        }
        if let Some(text) = &policy.implementation {
            lines.push(format!("IMPLEMENTATION {text}"));
        }
        (lines.join("\r\n") + "\r\n").into_bytes()
    }
}

fn none(words: &[Vec<u8>]) -> Result<(), Wrong> {
    words.is_empty().then_some(()).ok_or(Wrong::Counted)
}

/// What follows the keyword. Between single spaces nothing may be empty.
fn words(rest: &[u8], separators: Separators) -> Result<Vec<Vec<u8>>, Wrong> {
    let mut pieces = rest.split(|octet| trimmed_by(&[*octet], separators).is_empty());
    // The keyword is off, and so what stands before the first separator is empty.
    pieces.next();
    let pieces = pieces.map(<[u8]>::to_vec);
    match separators {
        Separators::Lenient => Ok(pieces.filter(|piece| !piece.is_empty()).collect()),
        Separators::SingleSpace => pieces
            .map(|piece| match piece.is_empty() {
                true => Err(Wrong::Counted),
                false => Ok(piece),
            })
            .collect(),
    }
}

fn trimmed(octets: &[u8]) -> &[u8] {
    trimmed_by(octets, Separators::Lenient)
}

fn trimmed_by(mut octets: &[u8], separators: Separators) -> &[u8] {
    let separates =
        |octet: u8| octet == b' ' || octet == b'\t' && separators == Separators::Lenient;
    while let [first, rest @ ..] = octets
        && separates(*first)
    {
        octets = rest;
    }
    while let [rest @ .., last] = octets
        && separates(*last)
    {
        octets = rest;
    }
    octets
}

/// A number from 1 upwards. One that no message can have is a number still.
fn number_of(word: &[u8]) -> Result<u128, Wrong> {
    match digits(word) {
        None | Some(0) => Err(Wrong::Everyday),
        Some(number) => Ok(number),
    }
}

fn digits(word: &[u8]) -> Option<u128> {
    let all = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let add = |sum: u128, octet: &u8| sum.saturating_mul(10).saturating_add((octet - b'0').into());
    all.then(|| word.iter().fold(0, add))
}

fn decoded(base64: &[u8]) -> Result<Vec<u8>, Wrong> {
    super::base64_decoded(base64).ok_or(Wrong::Counted)
}
