//! STLS (RFC 2595 s4), and the door that it must not open: octets that came before the handshake
//! never count as said inside TLS.

use crate::capability::stls_possible;
use crate::command::{Arguments, CommandError};
use crate::response_text::Text;
use crate::session::authorization::Authorization;
use crate::session::effect::{CloseReason, Outcome};
use crate::session::turn::{Context, Turn, Verdict};
use crate::session::{Session, State};

/// With anything behind the command, the session closes without a word: no client sends that,
/// so somebody else did.
pub(super) fn stls(arguments: Arguments<'_>, more: bool, context: &mut Context<'_>) -> Verdict {
    arguments.none()?;
    if !stls_possible(context.link) {
        return Err(CommandError::WrongState);
    }
    if more {
        return Ok(Turn::Enter(State::Closed(CloseReason::InputBeforeTls)));
    }
    context.reply.ok(Text::BeginTls);
    Ok(Turn::Enter(State::StartingTls))
}

impl Session {
    /// Everything that was said before is forgotten: half a line, the user's name, an exchange,
    /// the errors. Failed log-ons still count.
    pub(in crate::session) fn handshake_ended(&mut self, outcome: Outcome) -> State {
        match outcome {
            Outcome::TlsStarted(facts) => {
                self.lines.clear();
                self.protocol_errors = 0;
                self.link.secured(&facts);
                self.summary.tls = Some(facts);
                State::Authorization(Authorization::Fresh)
            }
            Outcome::LoggedOn { .. }
            | Outcome::HandedOn { .. }
            | Outcome::RelayEnded
            | Outcome::LogOnRefused(_)
            | Outcome::Challenge(_)
            | Outcome::MessageOpened
            | Outcome::MessageGone
            | Outcome::MessageSent
            | Outcome::Committed
            | Outcome::Failed(_) => State::Closed(CloseReason::UnexpectedOutcome),
        }
    }
}
