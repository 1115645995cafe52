//! A POP3 client: a dialog of some commands, each answered once and rightly.

use std::sync::Arc;
use std::time::Duration;

use super::view::View;
use super::{Over, Talker};
use crate::dice::Dice;

/// How exact the timer is, which may find a session at work and look again.
const LOOKS_AGAIN: Duration = Duration::from_secs(6);

/// See the file's first lines.
pub(crate) struct Pop3 {
    pub(crate) talker: Talker,
    /// Which maildrop.
    pub(crate) place: usize,
    pub(crate) view: View,
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// With QUIT.
    Quit,
    /// Without a word.
    HangUp,
    /// It stays, and says nothing more.
    FallAsleep,
    /// The network forgets it.
    FadeAway,
}

impl Pop3 {
    pub(crate) fn new(talker: Talker, place: usize) -> Self {
        Self {
            talker,
            place,
            view: View::default(),
        }
    }

    /// From the greeting to whatever end.
    pub(crate) async fn talk(mut self, dice: &mut Dice) -> Result<(), Over> {
        if !self.log_on().await? {
            return Ok(());
        }
        self.list().await?;
        for _ in 0..dice.below(7) {
            if dice.percent(10) {
                tokio::time::sleep(dice.millis(20_000)).await;
            }
            match dice.percent(25) {
                true => self.pipelined(dice).await?,
                false => self.command(dice).await?,
            }
        }
        let leave = [Leave::HangUp, Leave::FallAsleep, Leave::FadeAway];
        let leave = match dice.percent(60) {
            true => Leave::Quit,
            false => dice.pick(&leave),
        };
        self.leave(leave).await
    }

    /// Whether it was let in.
    pub(crate) async fn log_on(&mut self) -> Result<bool, Over> {
        let greeting = self.talker.greeting().await?;
        if !greeting.starts_with("+OK") {
            // All places are taken.
            self.talker.may_end = true;
            self.talker.note(&greeting);
            self.talker.hear_the_end().await?;
            return Ok(false);
        }
        let name = user_name(self.place);
        self.sure(&format!("USER {name}")).await?;
        let world = Arc::clone(&self.talker.world);
        let interval = world.books().maildrops[self.place].interval();
        let answer = self.talker.ask(&format!("PASS {name}")).await?;
        if !answer.starts_with("+OK") {
            if !["-ERR [SYS/TEMP]", "-ERR [IN-USE]", "-ERR [LOGIN-DELAY]"]
                .iter()
                .any(|known| answer.starts_with(known))
            {
                return Err(self.talker.refused("PASS", &answer).await);
            }
            return Ok(false);
        }
        // The view was made by now; what it holds is asked for next.
        let interval = interval.until_now(&world.books().maildrops[self.place]);
        let lines = self.lines("UIDL").await?;
        match View::of(&lines) {
            Ok(view) => self.view = view,
            Err(what) => return Err(self.talker.wrong(&what)),
        }
        let books = world.books();
        let seen = books.maildrops[self.place].view_of(&interval, &self.view.all());
        drop(books);
        world.check(seen);
        Ok(true)
    }

    /// STAT and LIST agree with the books.
    async fn list(&mut self) -> Result<(), Over> {
        let mut sum = 0;
        let lines = self.lines("LIST").await?;
        for (line, (number, id)) in lines.iter().zip((1..).zip(&self.view.ids)) {
            let octets = self.text(*id).len();
            sum += octets;
            if *line != format!("{number} {octets}") {
                return Err(self
                    .talker
                    .wrong(&format!("LIST says {line:?} of {octets}")));
            }
        }
        let answer = self.sure("STAT").await?;
        let expected = format!("+OK {} {sum}", self.view.ids.len());
        match answer == expected {
            true => Ok(()),
            false => Err(self
                .talker
                .wrong(&format!("STAT says {answer:?}, not {expected:?}"))),
        }
    }

    /// Any command, alone.
    async fn command(&mut self, dice: &mut Dice) -> Result<(), Over> {
        let number = 1 + dice.below(self.view.ids.len());
        if self.view.ids.is_empty() {
            return self.sure("NOOP").await.map(drop);
        }
        match dice.below(10) {
            0..4 => self.delete(number).await,
            4 | 5 => self.retrieve(number, None).await,
            6 => self.retrieve(number, Some(dice.below(5))).await,
            7 => {
                self.sure("RSET").await?;
                self.view.unmark_all();
                Ok(())
            }
            8 => {
                let answer = self.talker.ask(&format!("UIDL {number}")).await?;
                self.expect_visible("UIDL", number, &answer).await
            }
            _ => {
                let answer = self.talker.ask("XYZZY").await?;
                match answer.starts_with("-ERR") {
                    true => Ok(()),
                    false => Err(self.talker.wrong(&format!("XYZZY: {answer}"))),
                }
            }
        }
    }

    /// Several commands at once; the answers come in order.
    async fn pipelined(&mut self, dice: &mut Dice) -> Result<(), Over> {
        let mut commands = Vec::new();
        for _ in 0..dice.between(2, 6) {
            let number = 1 + dice.below(self.view.ids.len());
            commands.push(match dice.below(3) {
                0 if !self.view.ids.is_empty() => (format!("LIST {number}"), number),
                1 => ("STAT".to_owned(), 0),
                _ => ("NOOP".to_owned(), 0),
            });
        }
        let said: String = commands
            .iter()
            .map(|(said, _)| format!("{said}\r\n"))
            .collect();
        self.talker.say(said.as_bytes()).await?;
        for (command, number) in commands {
            let answer = self.talker.hear().await?;
            self.talker.note(&format!("{command} -> {answer}"));
            let answered_rightly = match &command[..4] {
                "LIST" if self.view.is_marked(number) => answer.starts_with("-ERR"),
                "LIST" => answer.starts_with(&format!("+OK {number} ")),
                "STAT" => answer.starts_with(&format!("+OK {} ", self.view.left())),
                _ => answer.starts_with("+OK"),
            };
            if !answered_rightly {
                return Err(self.talker.refused(&command, &answer).await);
            }
        }
        Ok(())
    }

    async fn delete(&mut self, number: usize) -> Result<(), Over> {
        let answer = self.talker.ask(&format!("DELE {number}")).await?;
        self.expect_visible("DELE", number, &answer).await?;
        self.view.mark(number);
        Ok(())
    }

    /// `+OK` unless the message is marked, and nothing else.
    async fn expect_visible(&mut self, verb: &str, number: usize, said: &str) -> Result<(), Over> {
        let expected = match self.view.is_marked(number) {
            true => "-ERR",
            false => "+OK",
        };
        match said.starts_with(expected) {
            true => Ok(()),
            false => Err(self.talker.refused(verb, said).await),
        }
    }

    /// RETR, or TOP with so many lines: octet for octet.
    pub(crate) async fn retrieve(&mut self, number: usize, top: Option<usize>) -> Result<(), Over> {
        let command = match top {
            None => format!("RETR {number}"),
            Some(lines) => format!("TOP {number} {lines}"),
        };
        let answer = self.talker.ask(&command).await?;
        let id = self.view.ids[number - 1];
        if self.view.is_marked(number) {
            return self.expect_visible("RETR", number, &answer).await;
        }
        if !answer.starts_with("+OK") {
            let is_live = self.talker.world.books().maildrops[self.place].is_live(id);
            // Somebody else has removed it, or the store has its troubles.
            return match !is_live || answer.starts_with("-ERR [SYS/TEMP]") {
                true => Ok(()),
                false => Err(self.talker.refused(&command, &answer).await),
            };
        }
        let text = self.text(id);
        let expected = transparent(&text, top);
        // A store that fails amid a message can only break the connection off.
        self.talker.may_end = true;
        for expected in expected {
            let line = self.talker.hear().await?;
            if line != expected {
                let what = format!("{command} of {id}: {line:?} came, not {expected:?}");
                return Err(self.talker.wrong(&what));
            }
        }
        self.talker.may_end = false;
        Ok(())
    }

    async fn leave(mut self, leave: Leave) -> Result<(), Over> {
        self.talker.note(&format!("leaves: {leave:?}"));
        match leave {
            Leave::Quit => self.quit().await,
            Leave::HangUp => Ok(()),
            Leave::FadeAway => {
                self.talker.line().fall_silent();
                while self.talker.line().is_served() {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                }
                Ok(())
            }
            Leave::FallAsleep => self.wait_for_autologout().await,
        }
    }

    /// Enters UPDATE: what is marked may go from the moment when QUIT is sent, and is gone when
    /// it is answered.
    pub(crate) async fn quit(&mut self) -> Result<(), Over> {
        let (world, marked) = (Arc::clone(&self.talker.world), self.view.marked());
        world.books().maildrops[self.place].may_go(marked.iter().copied());
        self.talker.may_end = true;
        let answer = self.talker.ask("QUIT").await?;
        if answer.starts_with("+OK") {
            let gone = world.books().maildrops[self.place].gone(&marked);
            world.check(gone);
        } else if !answer.starts_with("-ERR") {
            return Err(self.talker.wrong(&format!("QUIT: {answer}")));
        }
        self.talker.hear_the_end().await
    }

    /// Says nothing; it has to be told so, at its time.
    async fn wait_for_autologout(&mut self) -> Result<(), Over> {
        let world = Arc::clone(&self.talker.world);
        let timers = world.timer_excuses();
        let served_at = self.talker.line().served_at();
        let answer = self.talker.hear().await?;
        self.talker.note(&format!("is told {answer}"));
        let slept = served_at.elapsed();
        if self.talker.is_excused() || world.timer_excuses() != timers {
            self.talker.may_end = true;
            return self.talker.hear_the_end().await;
        }
        let timeout = world.plan.policy().authenticated_timeout;
        let late = timeout + LOOKS_AGAIN + self.talker.line().way_of_a_line();
        if !answer.starts_with("-ERR") || slept + LOOKS_AGAIN < timeout {
            return Err(self
                .talker
                .wrong(&format!("{answer:?} came after {slept:?}")));
        }
        if slept > late {
            return Err(self
                .talker
                .wrong(&format!("the notice came after {slept:?}")));
        }
        self.talker.may_end = true;
        self.talker.hear_the_end().await
    }

    fn text(&self, id: u64) -> Arc<[u8]> {
        let text = self.talker.world.books().maildrops[self.place].text(id);
        text.unwrap_or_default()
    }

    /// A command that nothing speaks against.
    async fn sure(&mut self, command: &str) -> Result<String, Over> {
        let answer = self.talker.ask(command).await?;
        match answer.starts_with("+OK") {
            true => Ok(answer),
            false => Err(self.talker.refused(command, &answer).await),
        }
    }

    /// A listing.
    async fn lines(&mut self, command: &str) -> Result<Vec<String>, Over> {
        self.sure(command).await?;
        let mut lines = Vec::new();
        loop {
            let line = self.talker.hear().await?;
            if line == "." {
                return Ok(lines);
            }
            lines.push(line);
        }
    }
}

/// The user of a maildrop.
pub(crate) fn user_name(place: usize) -> String {
    format!("user{place}")
}

/// The lines of a message as they travel, the last one included.
fn transparent(text: &[u8], top: Option<usize>) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut lines = Vec::new();
    let (mut in_body, mut left) = (false, top.unwrap_or(usize::MAX));
    for line in text.split_terminator("\r\n") {
        if in_body && left == 0 {
            break;
        }
        left -= usize::from(in_body);
        in_body |= line.is_empty();
        let dot = if line.starts_with('.') { "." } else { "" };
        lines.push(format!("{dot}{line}"));
    }
    lines.push(".".to_owned());
    lines
}
