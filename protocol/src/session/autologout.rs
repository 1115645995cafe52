//! Endings that the client did not ask for: the inactivity timer (MS-STANXPOP3 V0002, V0003), a
//! shutdown, a restart. None enters UPDATE.

use std::time::{Duration, Instant};

use super::{CloseReason, Ending, Session, State};
use crate::policy::AUTHENTICATED_SECS;
use crate::reply::{ReplyWriter, ResponseCode};
use crate::response_text::Text;

impl Session {
    /// When the session is to be ended for inactivity, if nothing is received before.
    ///
    /// Any command and any SASL continuation line that was received whole sets it anew, and so
    /// does the end of an effect. While a message is being sent the client is not the one who is
    /// silent: the deadline is then the longest that a timer can be set to, and it is for
    /// whoever writes to notice a client that does not read.
    pub fn deadline(&self) -> Instant {
        let timeout = match &self.state {
            State::Greeting | State::Authorization(_) | State::StartingTls => {
                self.policy.pre_authenticated_timeout
            }
            State::Transaction(state) if state.is_sending() => {
                Duration::from_secs(*AUTHENTICATED_SECS.end())
            }
            State::Transaction(_) | State::Update(_) | State::HandedOn(_) | State::Closed(_) => {
                self.policy.authenticated_timeout
            }
        };
        self.heard_at + timeout
    }

    /// Ends it without entering UPDATE, with the notice for `ending` if the policy has one and
    /// nothing is in the midst of being sent. The next `next` says `Close`.
    ///
    /// A session in UPDATE is not ended: whether the messages were removed must be known before
    /// it closes, which it then does by itself.
    pub fn end(&mut self, ending: Ending, out: &mut Vec<u8>) {
        // A client that waits for a security layer cannot read anything before it begins.
        let amid_reply = self.layer_pending.is_some();
        let amid_reply = amid_reply
            || match &self.state {
                State::Update(_) | State::Closed(_) => return,
                State::StartingTls => true,
                State::Transaction(state) => state.is_amid_reply(),
                State::HandedOn(state) => state.is_amid_reply(),
                State::Greeting | State::Authorization(_) => false,
            };
        let (reason, text, code, wanted) = match ending {
            Ending::Autologout => (
                CloseReason::Autologout,
                Text::Autologout,
                None,
                self.policy.closing_notice,
            ),
            Ending::Shutdown => (
                CloseReason::Shutdown,
                Text::ShuttingDown,
                Some(ResponseCode::SysTemp),
                true,
            ),
            Ending::Restart => (
                CloseReason::Restart,
                Text::Restarting,
                Some(ResponseCode::SysTemp),
                true,
            ),
        };
        if wanted && !amid_reply {
            ReplyWriter::new(out, &self.policy).err(code, text);
        }
        self.enter(State::Closed(reason));
    }
}
