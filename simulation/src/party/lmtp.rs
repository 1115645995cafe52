//! An MTA: messages for several maildrops, each answered for itself.

use super::pop3::user_name;
use super::{Over, Talker};
use crate::books::Way;
use crate::dice::Dice;

/// See the file's first lines.
pub(crate) struct Mta {
    pub(crate) talker: Talker,
}

impl Mta {
    /// From the greeting to whatever end.
    pub(crate) async fn talk(mut self, dice: &mut Dice) -> Result<(), Over> {
        let greeting = self.talker.greeting().await?;
        if !greeting.starts_with("220 ") {
            self.talker.may_end = true;
            self.talker.note(&greeting);
            return self.talker.hear_the_end().await;
        }
        self.talker.say(b"LHLO mta.example\r\n").await?;
        while self.talker.hear().await?.as_bytes().get(3) == Some(&b'-') {}
        for _ in 0..dice.between(1, 3) {
            self.message(dice).await?;
        }
        if dice.percent(30) {
            return Ok(());
        }
        self.talker.may_end = true;
        let answer = self.talker.ask("QUIT").await?;
        match answer.starts_with("221 ") {
            true => self.talker.hear_the_end().await,
            false => Err(self.talker.refused("QUIT", &answer).await),
        }
    }

    async fn message(&mut self, dice: &mut Dice) -> Result<(), Over> {
        let world = std::sync::Arc::clone(&self.talker.world);
        let wanted: Vec<usize> = (0..dice.between(1, 4))
            .map(|_| dice.below(world.plan.maildrops + 1))
            .collect();
        self.expect(&["250"], "MAIL FROM:<sender@example.net>")
            .await?;
        let mut to = Vec::new();
        for place in wanted {
            let command = format!("RCPT TO:<{}>", user_name(place));
            let answer = self.expect(&["250", "451", "550"], &command).await?;
            let is_somebody = place < world.plan.maildrops;
            match &answer[..3] {
                "250" if is_somebody => to.push(place),
                "451" => {}
                "550" if !is_somebody => {}
                _ => return Err(self.talker.refused(&command, &answer).await),
            }
        }
        if to.is_empty() {
            return self.expect(&["250"], "RSET").await.map(drop);
        }
        let lines = dice.pick(&[0, 1, 3, 60, 600]);
        let (number, text) = world.books().submit(&to, Way::Lmtp, lines);
        self.talker.note(&format!("sends s{number} to {to:?}"));
        let answer = self.expect(&["354", "451", "452"], "DATA").await?;
        if !answer.starts_with("354") {
            return self.expect(&["250"], "RSET").await.map(drop);
        }
        let travelling = stuffed(&text);
        if dice.percent(10) {
            let half = dice.below(travelling.len());
            self.talker.say(&travelling[..half]).await?;
            // A message without its end is none.
            self.talker.note("hangs up amid a message");
            return Err(Over);
        }
        world.books().completes(number);
        self.talker.say(&travelling).await?;
        for place in to {
            let answer = self.talker.hear().await?;
            self.talker
                .note(&format!("s{number} for {place} -> {answer}"));
            match &answer[..3] {
                "250" => {
                    let acknowledged = world.books().acknowledged(number, place);
                    world.check(acknowledged);
                }
                "451" | "452" => {}
                _ => return Err(self.talker.refused("a message", &answer).await),
            }
        }
        Ok(())
    }

    /// One of these codes, or a notice before the end.
    async fn expect(&mut self, codes: &[&str], command: &str) -> Result<String, Over> {
        let answer = self.talker.ask(command).await?;
        match codes.iter().any(|code| answer.starts_with(code)) {
            true => Ok(answer),
            false => Err(self.talker.refused(command, &answer).await),
        }
    }
}

/// A message as it travels: dots are doubled, and a dot ends it.
fn stuffed(text: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(text.len() + 16);
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}
