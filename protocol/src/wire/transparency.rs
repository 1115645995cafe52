//! Transparency (RFC 1939 s3): a line that begins with the termination octet gets one more, and
//! a multi-line reply ends with a line of its own. TOP's line count is here too, as it is
//! decided by the same octets.

/// Encodes one message for RETR or TOP, chunk by chunk, without holding it.
#[derive(Debug)]
pub struct MessageEncoder {}

/// What became of a chunk.
#[derive(Debug)]
pub struct Encoded<'a> {
    /// Send these: the chunk itself where nothing had to be added, else the scratch buffer.
    pub octets: &'a [u8],
    /// No more chunks are needed (TOP has its lines).
    pub complete: bool,
}

impl MessageEncoder {
    /// `lines` as in `Effect::SendMessage`. With `dot_lines` false no octet is looked at for
    /// transparency. `header_octets` is where the body begins.
    pub fn new(_lines: Option<u64>, _header_octets: u64, _dot_lines: bool) -> Self {
        todo!()
    }

    /// Encodes the next chunk.
    pub fn encode<'a>(&mut self, _chunk: &'a [u8], _scratch: &'a mut Vec<u8>) -> Encoded<'a> {
        todo!()
    }

    /// Ends the message: appends a missing line end and the termination line to `out`.
    pub fn finish(&mut self, _out: &mut Vec<u8>) {
        todo!()
    }
}
