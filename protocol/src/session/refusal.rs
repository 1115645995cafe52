//! Connections that are not let in at all.

use crate::reply::{ReplyWriter, ResponseCode};
use crate::response_text::Text;
use crate::{Policy, RefusalId};

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The server has all the connections that it takes.
    TooManyConnections,
    /// The client's address has all the connections that it may have.
    TooManyConnectionsFromAddress,
    /// The server is shutting down.
    ShuttingDown,
}

/// The one line that such a connection gets in place of a greeting, before it is closed. It ends
/// with `id` where the policy wants it.
pub fn refusal(policy: &Policy, refusal: Refusal, id: RefusalId) -> Vec<u8> {
    let text = match refusal {
        Refusal::TooManyConnections => Text::TooManyConnections,
        Refusal::TooManyConnectionsFromAddress => Text::TooManyConnectionsFromAddress,
        Refusal::ShuttingDown => Text::ShuttingDown,
    };
    let mut out = Vec::new();
    ReplyWriter::new(&mut out, policy).err_naming(Some(ResponseCode::SysTemp), text, Some(id));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_refusals() {
        let id = RefusalId::new(0, 0);
        assert_eq!(
            refusal(&Policy::exchange2013(), Refusal::TooManyConnections, id),
            b"-ERR Too many connections. Connection is closed.\r\n"
        );
        assert_eq!(
            refusal(&Policy::rfc1939(), Refusal::ShuttingDown, id),
            b"-ERR [SYS/TEMP] The server is shutting down. Connection is closed.\r\n"
        );
    }
}
