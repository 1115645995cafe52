//! A log-on at a site's server: a place in its budget, a connection, TLS, and what the protocol
//! has to say there, each within its limit.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mailroost_protocol::{LogOnRefusal, OnwardFault, OnwardLogOn, OnwardStep, Secret};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;

use super::{Site, SiteSecurity};
use crate::clock;
use crate::tls::BoxedIo;

/// Octets read at once during the log-on: its replies are short.
const READ_OCTETS_MAX: usize = 512;

/// A connection on which a user is logged on.
pub(crate) struct Onward {
    pub(crate) io: BoxedIo,
    /// What the server said behind its answer to PASS already.
    pub(crate) behind: Vec<u8>,
    /// Its place in the site's budget.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Why a session is not handed on.
#[derive(Debug)]
pub(crate) enum NotHandedOn {
    /// The site's server said no.
    Refused(LogOnRefusal),
    /// It could not be asked.
    Failed(Failure),
}

/// Why a site's server could not be asked; the log's words for it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("all {0} connections of its budget are in use")]
    BudgetSpent(usize),
    #[error("it failed {0} times in a row and is left alone for {1:?}")]
    Rests(u32, Duration),
    #[error("{0}: not done within {1:?}")]
    TooLate(&'static str, Duration),
    #[error("{0}")]
    Dialing(String),
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("it closed the connection")]
    Closed,
    #[error(transparent)]
    Protocol(OnwardFault),
}

impl Site {
    /// Logs `user` on at the site's server.
    pub(crate) async fn log_on(
        self: &Arc<Self>,
        user: &str,
        password: Secret,
    ) -> Result<Onward, NotHandedOn> {
        let stls = match self.security {
            SiteSecurity::Stls => true,
            SiteSecurity::ImplicitTls | SiteSecurity::DangerousPlaintext => false,
        };
        // Not the server's fault, so it is found out before anything is counted.
        let log_on = OnwardLogOn::new(user, password, stls)
            .map_err(|fault| NotHandedOn::Failed(Failure::Protocol(fault)))?;
        let permit = self.place().map_err(NotHandedOn::Failed)?;
        match self.within_limits(log_on).await {
            Ok(Ok((io, behind))) => {
                self.breaker.worked();
                Ok(Onward { io, behind, permit })
            }
            Ok(Err(refusal)) => {
                self.breaker.worked();
                Err(NotHandedOn::Refused(refusal))
            }
            Err(failure) => {
                self.breaker.failed(clock::now());
                Err(NotHandedOn::Failed(failure))
            }
        }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let limits = &self.limits;
        let permit = Arc::clone(&self.connections).try_acquire_owned();
        let permit = permit.map_err(|_none_left| Failure::BudgetSpent(limits.connections_max))?;
        if !self.breaker.lets_try(clock::now()) {
            return Err(Failure::Rests(limits.failures_max, limits.rest));
        }
        Ok(permit)
    }

    async fn within_limits(&self, log_on: OnwardLogOn) -> Result<Verdict, Failure> {
        let (connect, rest) = (self.limits.connect, self.limits.log_on);
        let io = match tokio::time::timeout(connect, self.connect()).await {
            Ok(io) => io?,
            Err(_elapsed) => return Err(Failure::TooLate("the connection", connect)),
        };
        match tokio::time::timeout(rest, self.converse(io, log_on)).await {
            Ok(verdict) => verdict,
            Err(_elapsed) => Err(Failure::TooLate("the log-on", rest)),
        }
    }

    async fn connect(&self) -> Result<BoxedIo, Failure> {
        let io = self.dialer.connect().await.map_err(Failure::Dialing)?;
        match self.security {
            SiteSecurity::ImplicitTls => self.start_tls(io).await,
            SiteSecurity::Stls | SiteSecurity::DangerousPlaintext => Ok(io),
        }
    }

    async fn start_tls(&self, io: BoxedIo) -> Result<BoxedIo, Failure> {
        self.dialer.start_tls(io).await.map_err(Failure::Dialing)
    }

    async fn converse(&self, mut io: BoxedIo, mut log_on: OnwardLogOn) -> Result<Verdict, Failure> {
        let mut out = Vec::new();
        let mut read = [0; READ_OCTETS_MAX];
        loop {
            let step = log_on.next(&mut out);
            if !out.is_empty() {
                // It may be a password: wiped when it was written.
                let said = Secret::from(std::mem::take(&mut out));
                let written = io.write_all(said.expose_secret()).await;
                written.map_err(Failure::Broken)?;
                io.flush().await.map_err(Failure::Broken)?;
            }
            match step {
                OnwardStep::NeedInput => match io.read(&mut read).await {
                    Ok(0) => return Err(Failure::Closed),
                    Ok(octets) => log_on.input(&read[..octets]),
                    Err(error) => return Err(Failure::Broken(error)),
                },
                OnwardStep::StartTls => {
                    io = self.start_tls(io).await?;
                    log_on.tls_started(&mut out);
                }
                OnwardStep::LoggedOn { behind } => return Ok(Ok((io, behind))),
                OnwardStep::Refused(refusal) => return Ok(Err(refusal)),
                OnwardStep::Broken(fault) => return Err(Failure::Protocol(fault)),
            }
        }
    }
}

/// What the server says of the user.
type Verdict = Result<(BoxedIo, Vec<u8>), LogOnRefusal>;
