//! The command line's side of the control socket. It blocks; it is for threads that may.

mod upkeep;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mailroost_storage::{BodyFacts, MessageId};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use tokio_util::codec::{Decoder, Encoder};

use super::census::TreeNode;
use super::codec::{CHUNK_OCTETS, ControlCodec, Frame};
use super::protocol::{Fault, FaultKind, MessageRow, PROTOCOL, Reply, Request, UserChanges};
use super::refusals::{BanRow, RefusalRow};
use super::user::{DerivedSecrets, UserRow};
use crate::exit::{Failure, Status};

/// How long a daemon may take to say who it is; it does nothing for that but answer.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a request was not carried out, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server said no. Nothing has changed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The connection to the server broke; what was asked may have been done or not.
    #[error("the connection to the server broke: {0}")]
    Broken(io::Error),
    /// The message that was to be sent could not be read. Nothing has changed.
    #[error("{0}")]
    Reading(io::Error),
    /// There is a socket, but nobody who may talk to it, or who answers.
    #[error("the control socket {}: {why}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why it is of no use.
        why: String,
    },
    /// The server speaks another form of the protocol.
    #[error("process {pid} is another version of mailroost; restart it or use its own version")]
    Version {
        /// The server.
        pid: u32,
    },
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let status = match error {
            ClientError::Fault(fault) => return fault.into(),
            ClientError::Broken(_) | ClientError::Version { .. } => Status::Unavailable,
            ClientError::Reading(_) => Status::Io,
            ClientError::Unreachable { .. } => Status::Unavailable,
        };
        Self::new(status, error.to_string())
    }
}

/// A conversation with a server.
pub struct Client {
    stream: UnixStream,
    codec: ControlCodec,
    input: BytesMut,
    output: BytesMut,
}

impl Client {
    /// Connects to a daemon; `None` if none is there.
    ///
    /// # Errors
    /// `Unreachable`, `Version`.
    pub fn connect(path: &Path) -> Result<Option<Self>, ClientError> {
        let unreachable = |why| ClientError::Unreachable {
            path: path.to_owned(),
            why,
        };
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(unreachable(error.to_string())),
        };
        let holder = getsockopt(&stream, PeerCredentials).map_or_else(
            |_| "the daemon".into(),
            |peer| format!("process {}", peer.pid()),
        );
        let mut client = Self::new(stream);
        match client.hello(Some(HELLO_TIMEOUT)) {
            Ok(()) => Ok(Some(client)),
            Err(ClientError::Broken(error)) => {
                let why = match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        format!(
                            "{holder} does not answer within {} s",
                            HELLO_TIMEOUT.as_secs()
                        )
                    }
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                        format!("{holder} serves root and its own user alone, or is about to end")
                    }
                    _ => format!("{holder}: {error}"),
                };
                Err(unreachable(why))
            }
            Err(error) => Err(error),
        }
    }

    /// Speaks over a connection that is there.
    pub fn new(stream: UnixStream) -> Self {
        let (input, output) = (BytesMut::new(), BytesMut::new());
        Self {
            stream,
            codec: ControlCodec::new(),
            input,
            output,
        }
    }

    fn hello(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        self.stream
            .set_read_timeout(timeout)
            .map_err(ClientError::Broken)?;
        let reply = self.ask(&Request::Hello)?;
        self.stream
            .set_read_timeout(None)
            .map_err(ClientError::Broken)?;
        match reply {
            Reply::Hello {
                protocol: PROTOCOL, ..
            } => Ok(()),
            Reply::Hello { pid, .. } => Err(ClientError::Version { pid }),
            _ => Err(unexpected()),
        }
    }

    /// Adds a user.
    ///
    /// # Errors
    /// `Duplicate`, `Invalid`.
    pub fn add_user(
        &mut self,
        name: &str,
        password_hash: Option<String>,
    ) -> Result<UserRow, ClientError> {
        self.ask_user(&Request::AddUser {
            name: name.into(),
            password_hash,
        })
    }

    /// Replaces a user's password hash; with `None` no password will do. What is not in
    /// `derived` is not kept any more.
    ///
    /// # Errors
    /// `NoSuchUser`, `Invalid`.
    pub fn set_password(
        &mut self,
        name: &str,
        password_hash: Option<String>,
        derived: DerivedSecrets,
    ) -> Result<UserRow, ClientError> {
        self.ask_user(&Request::SetPassword {
            name: name.into(),
            password_hash,
            derived,
        })
    }

    /// Changes what else is kept of a user.
    ///
    /// # Errors
    /// `NoSuchUser`.
    pub fn set_user(&mut self, name: &str, changes: UserChanges) -> Result<UserRow, ClientError> {
        self.ask_user(&Request::SetUser {
            name: name.into(),
            changes,
        })
    }

    /// Ends a user's sessions and removes user, maildrop and messages.
    ///
    /// # Errors
    /// `NoSuchUser`, `Busy`.
    pub fn remove_user(&mut self, name: &str) -> Result<UserRow, ClientError> {
        self.ask_user(&Request::RemoveUser { name: name.into() })
    }

    /// One user.
    ///
    /// # Errors
    /// `NoSuchUser`.
    pub fn user(&mut self, name: &str) -> Result<UserRow, ClientError> {
        self.ask_user(&Request::User { name: name.into() })
    }

    /// All users in the order of their names, page by page.
    ///
    /// # Errors
    /// When the server or `each` fails.
    pub fn users<E: From<ClientError>>(
        &mut self,
        mut each: impl FnMut(UserRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let Reply::Users { users } = self.ask(&Request::Users { after })? else {
                return Err(unexpected().into());
            };
            let Some(last) = users.last() else {
                return Ok(());
            };
            after = Some(last.name.clone());
            users.into_iter().try_for_each(&mut each)?;
        }
    }

    /// The messages of a maildrop in order, page by page.
    ///
    /// # Errors
    /// When the server or `each` fails.
    pub fn messages<E: From<ClientError>>(
        &mut self,
        user: &str,
        mut each: impl FnMut(MessageRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let request = Request::Messages {
                user: user.into(),
                after,
            };
            let Reply::Messages { messages } = self.ask(&request)? else {
                return Err(unexpected().into());
            };
            let Some(last) = messages.last() else {
                return Ok(());
            };
            after = Some(last.id);
            messages.into_iter().try_for_each(&mut each)?;
        }
    }

    /// Removes messages, all or none, and says how many there were.
    ///
    /// # Errors
    /// `NoSuchUser`; what the store says.
    pub fn remove(&mut self, user: &str, ids: Vec<u64>) -> Result<usize, ClientError> {
        match self.ask(&Request::Remove {
            user: user.into(),
            ids,
        })? {
            Reply::Removed { count } => Ok(count),
            _ => Err(unexpected()),
        }
    }

    /// The supervision tree.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn census(&mut self) -> Result<TreeNode, ClientError> {
        match self.ask(&Request::Census)? {
            Reply::Census { tree } => Ok(tree),
            _ => Err(unexpected()),
        }
    }

    /// The bans that are in force, a thousand at most, those that last longest first.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn bans(&mut self) -> Result<Vec<BanRow>, ClientError> {
        match self.ask(&Request::Bans)? {
            Reply::Bans { bans } => Ok(bans),
            _ => Err(unexpected()),
        }
    }

    /// Forgets the failures of an address with its /64, of a user, or of everybody. Says how
    /// many records there were.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn clear_bans(&mut self, whom: Option<String>) -> Result<usize, ClientError> {
        match self.ask(&Request::ClearBans { whom })? {
            Reply::Removed { count } => Ok(count),
            _ => Err(unexpected()),
        }
    }

    /// What is known of a refusal, if it is one of the last.
    ///
    /// # Errors
    /// `Invalid` if it is no id.
    pub fn refusal(&mut self, id: &str) -> Result<Option<RefusalRow>, ClientError> {
        match self.ask(&Request::Refusal { id: id.to_owned() })? {
            Reply::Refusal { found } => Ok(found),
            _ => Err(unexpected()),
        }
    }

    /// Delivers one message, read to its end in chunks.
    ///
    /// # Errors
    /// `Reading` if `message` fails; `NoSuchUser`; `OverQuota`; what the store says.
    pub fn deliver(
        &mut self,
        user: &str,
        message: &mut dyn Read,
    ) -> Result<MessageId, ClientError> {
        // Whoever mistypes a name shall know before 150 MiB went through.
        self.user(user)?;
        self.begin_stage(None, None)?;
        let mut chunk = vec![0; CHUNK_OCTETS];
        loop {
            match message.read(&mut chunk) {
                Ok(0) => break,
                Ok(octets) => self.send_chunk(&chunk[..octets])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ClientError::Reading(error)),
            }
        }
        let (token, ..) = self.end_stage()?;
        let ids = self.deliver_staged(user, vec![token], false)?;
        ids.first().copied().ok_or_else(unexpected)
    }

    pub(super) fn begin_stage(
        &mut self,
        received_secs: Option<u64>,
        carried_unique_id: Option<Box<str>>,
    ) -> Result<(), ClientError> {
        self.send_request(&Request::Stage {
            received_secs,
            carried_unique_id,
        })
    }

    pub(super) fn send_chunk(&mut self, octets: &[u8]) -> Result<(), ClientError> {
        octets
            .chunks(CHUNK_OCTETS)
            .try_for_each(|chunk| self.send(Frame::Chunk(Bytes::copy_from_slice(chunk))))
    }

    /// Ends the message: its token, what is known of it, and when it was received.
    pub(super) fn end_stage(&mut self) -> Result<(u64, BodyFacts, u64), ClientError> {
        self.send(Frame::End)?;
        match self.reply()? {
            Reply::Staged {
                token,
                facts,
                received_secs,
            } => Ok((token, facts.into(), received_secs)),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn discard(&mut self, token: u64) -> Result<(), ClientError> {
        match self.ask(&Request::Discard { token })? {
            Reply::Done => Ok(()),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn deliver_staged(
        &mut self,
        user: &str,
        tokens: Vec<u64>,
        ignore_quota: bool,
    ) -> Result<Vec<MessageId>, ClientError> {
        match self.ask(&Request::Deliver {
            user: user.into(),
            tokens,
            ignore_quota,
        })? {
            Reply::Delivered { ids } => Ok(ids.into_iter().map(MessageId).collect()),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn begin_read(&mut self, user: &str, id: u64) -> Result<BodyFacts, ClientError> {
        match self.ask(&Request::Read {
            user: user.into(),
            id,
        })? {
            Reply::Body { facts } => Ok(facts.into()),
            _ => Err(unexpected()),
        }
    }

    /// The next octets of the message that is being read; `None` is its end.
    pub(super) fn read_chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        match self.receive()? {
            Frame::Chunk(chunk) => Ok(Some(chunk)),
            Frame::End => Ok(None),
            Frame::Json(text) => match parse(&text)? {
                Reply::Failed { fault } => Err(fault.into()),
                _ => Err(unexpected()),
            },
        }
    }

    fn ask_user(&mut self, request: &Request) -> Result<UserRow, ClientError> {
        match self.ask(request)? {
            Reply::User { user } => Ok(user),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn ask(&mut self, request: &Request) -> Result<Reply, ClientError> {
        self.send_request(request)?;
        self.reply()
    }

    fn send_request(&mut self, request: &Request) -> Result<(), ClientError> {
        let text =
            serde_json::to_vec(request).map_err(|error| ClientError::Broken(error.into()))?;
        self.send(Frame::Json(text.into()))
    }

    fn reply(&mut self) -> Result<Reply, ClientError> {
        match self.receive()? {
            Frame::Json(text) => match parse(&text)? {
                Reply::Failed { fault } => Err(fault.into()),
                reply => Ok(reply),
            },
            Frame::Chunk(_) | Frame::End => Err(unexpected()),
        }
    }

    fn send(&mut self, frame: Frame) -> Result<(), ClientError> {
        self.output.clear();
        self.codec
            .encode(frame, &mut self.output)
            .map_err(ClientError::Broken)?;
        self.stream
            .write_all(&self.output)
            .map_err(ClientError::Broken)
    }

    fn receive(&mut self) -> Result<Frame, ClientError> {
        loop {
            if let Some(frame) = self
                .codec
                .decode(&mut self.input)
                .map_err(ClientError::Broken)?
            {
                return Ok(frame);
            }
            let begin = self.input.len();
            self.input.resize(begin + CHUNK_OCTETS, 0);
            let read = self.stream.read(&mut self.input[begin..]);
            self.input.truncate(begin + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(ClientError::Broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ClientError::Broken(error)),
            }
        }
    }
}

fn parse(text: &[u8]) -> Result<Reply, ClientError> {
    serde_json::from_slice(text).map_err(|error| ClientError::Broken(error.into()))
}

pub(super) fn unexpected() -> ClientError {
    Fault::new(
        FaultKind::Protocol,
        "the server's reply does not go with the request",
    )
    .into()
}
