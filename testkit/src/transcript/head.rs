//! The head of a transcript: why, what it covers, and the stage.

use super::{Message, Stage, Tls, User, text};
use crate::corpus;

/// The head while it is read.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) why: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) stage: Stage,
    /// A message whose lines may follow.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    message: Message,
    inline: bool,
}

impl Head {
    /// Takes a line. `Err` says what was expected.
    pub(super) fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(text) = line.strip_prefix('|') {
            let open = self
                .open
                .as_mut()
                .ok_or("`message: name` above a line of it")?;
            open.inline = true;
            let text = text.strip_prefix(' ').unwrap_or(text);
            let no_end = text.strip_suffix("{no crlf}");
            open.message
                .delivered
                .extend(text::octets(no_end.unwrap_or(text))?);
            if no_end.is_none() {
                open.message.delivered.extend(b"\r\n");
            }
            return Ok(());
        }
        self.close_message()?;
        if let Some(comment) = line.strip_prefix('#') {
            self.why.get_or_insert_with(|| comment.trim().to_owned());
            return Ok(());
        }
        let (key, value) = line.split_once(':').ok_or("`key: value`")?;
        let value = value.trim();
        match key {
            "tags" => self
                .tags
                .extend(value.split(',').map(|tag| tag.trim().to_owned())),
            "profile" => self.stage.settings.profile(value)?,
            "set" => self.stage.settings.set(value)?,
            "tls" => self.stage.tls = tls(value)?,
            "mechanisms" => {
                self.stage.mechanisms = value.split_whitespace().map(str::to_owned).collect();
            }
            "user" => self.stage.users.push(user(value)?),
            "message" => self.begin_message(value, false)?,
            "later" => self.begin_message(value, true)?,
            _ => {
                let known = "tags, profile, set, tls, mechanisms, user, message, later";
                return Err(format!("one of {known}"));
            }
        }
        Ok(())
    }

    /// Ends the head.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.close_message()?;
        self.why.as_ref().ok_or("a comment that says why")?;
        if self.stage.mechanisms.is_empty() {
            self.stage.mechanisms.push("PLAIN".to_owned());
        }
        Ok(())
    }

    fn begin_message(&mut self, value: &str, later: bool) -> Result<(), String> {
        let (name, carried) = match value.split_once(" unique-id:") {
            Some((name, carried)) => (name.trim(), Some(carried.trim().to_owned())),
            None => (value, None),
        };
        if self.stage.message(name).is_some() {
            return Err("a name that no other message has".to_owned());
        }
        let message = Message {
            name: name.to_owned(),
            delivered: Vec::new(),
            carried,
            later,
        };
        self.open = Some(Open {
            message,
            inline: false,
        });
        Ok(())
    }

    fn close_message(&mut self) -> Result<(), String> {
        let Some(Open {
            mut message,
            inline,
        }) = self.open.take()
        else {
            return Ok(());
        };
        if !inline {
            let found = corpus::find(&message.name);
            let found = found.ok_or("a message of the corpus, or `|` lines below it")?;
            message.delivered = found.delivered;
        }
        let user = self
            .stage
            .users
            .last_mut()
            .ok_or("a user above the message")?;
        user.messages.push(message);
        Ok(())
    }
}

fn tls(value: &str) -> Result<Tls, String> {
    match value {
        "no" => Ok(Tls::No),
        "available" => Ok(Tls::Available),
        "implicit" => Ok(Tls::Implicit),
        _ => Err("no, available or implicit".to_owned()),
    }
}

fn user(value: &str) -> Result<User, String> {
    let form = "`user: name password: \"text\"`";
    let (name, rest) = value.split_once(" password: \"").ok_or(form)?;
    let (password, rest) = rest.rsplit_once('"').ok_or(form)?;
    let (disabled, site) = match (rest.trim(), rest.trim().strip_prefix("site: ")) {
        ("", _) => (false, None),
        ("disabled", _) => (true, None),
        (_, Some(site)) => (false, Some(site.into())),
        _ => return Err("nothing, `disabled` or `site: name` behind the password".to_owned()),
    };
    let password = text::octets(password)?;
    let name = name.trim().to_owned();
    Ok(User {
        name,
        password,
        disabled,
        site,
        messages: Vec::new(),
    })
}
