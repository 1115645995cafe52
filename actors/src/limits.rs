//! Every limit of the tree, in one place. The values are settings; the reasons are here.

use std::time::Duration;

/// How much there may be of everything.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Sessions at once, authenticated or not (Exchange's `MaxConnections`).
    pub sessions_max: usize,
    /// Sessions at once from one address (Exchange's `MaxConnectionFromSingleIP`).
    pub sessions_per_address_max: usize,
    /// Sessions at once of one user (Exchange's `MaxConnectionsPerUser`, 16).
    pub sessions_per_user_max: usize,
    /// LMTP connections at once: each holds up to 300 KiB of a message, and an MTA opens tens.
    pub lmtp_connections_max: usize,
    /// A TLS handshake that takes longer is cut: a stalled one costs a socket and buffers.
    pub tls_handshake: Duration,
    /// A peer that takes nothing for this long while we have something to send is cut.
    pub write_stall: Duration,
    /// A session that is told to end and does not is cut after this.
    pub closing: Duration,
    /// Password checks at once: each takes 19 MiB and most of a core for tens of milliseconds.
    pub password_checks_max: usize,
    /// Password checks that wait for their turn; beyond this a log-on fails as temporary.
    pub password_checks_waiting_max: usize,
    /// Password checks at once for one address (IPv6: one /64): half, so that one that floods us
    /// leaves threads to the others.
    pub password_checks_per_address_max: usize,
    /// Password checks of one address that wait for their turn: an office's clients after a power
    /// cut, and a small part of what may wait in all.
    pub password_checks_waiting_per_address_max: usize,
    /// Refusals that are kept for `mailroost why`: a few hundred octets each.
    pub refusals_kept: usize,
    /// A mailbox actor without a session or delivery for this long stops.
    pub mailbox_idle: Duration,
    /// Requests that wait for one mailbox actor (opens, commits, deliveries) while its store
    /// call is under way.
    pub mailbox_waiting_max: usize,
    /// Restarts of one child within `restart_window` before its parent gives up on it.
    pub restarts_max: usize,
    /// See `restarts_max`.
    pub restart_window: Duration,
    /// How often the sweeper looks for what was left over.
    pub sweep_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions_max: i32::MAX as usize,
            sessions_per_address_max: i32::MAX as usize,
            sessions_per_user_max: 16,
            lmtp_connections_max: 200,
            tls_handshake: Duration::from_secs(30),
            write_stall: Duration::from_secs(120),
            closing: Duration::from_secs(10),
            password_checks_max: 4,
            password_checks_waiting_max: 1024,
            password_checks_per_address_max: 2,
            password_checks_waiting_per_address_max: 64,
            refusals_kept: 10_000,
            mailbox_idle: Duration::from_secs(60),
            mailbox_waiting_max: 1024,
            restarts_max: 5,
            restart_window: Duration::from_secs(10),
            sweep_every: Duration::from_secs(60),
        }
    }
}
