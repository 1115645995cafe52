//! What is done to a message before it is stored, written a second time: NUL is dropped, and a
//! line over 998 octets is cut; what follows the cut begins with a space.

use mailroost_protocol::lmtp::LINE_OCTETS_MAX;

/// `message` as it is written.
pub fn repaired(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    let mut in_line = 0;
    for octet in message {
        match octet {
            0 => {}
            b'\r' | b'\n' => {
                out.push(*octet);
                in_line = 0;
            }
            _ => {
                if in_line == LINE_OCTETS_MAX {
                    out.extend_from_slice(b"\r\n ");
                    in_line = 1;
                }
                out.push(*octet);
                in_line += 1;
            }
        }
    }
    out
}
