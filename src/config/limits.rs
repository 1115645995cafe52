//! The section `[limits]`: how much there may be of everything.

use super::section::section;
use super::value::{Octets, Ranged, Seconds};
use mailroost_actors::Limits;

section! {
    /// How much there may be of everything.
    pub struct LimitSettings {
        /// Sessions at once, authenticated or not (Exchange's MaxConnections).
        max_connections: Ranged<1, 2_147_483_647> = Ranged::fixed(2_147_483_647),
        /// Sessions at once from one address (Exchange's MaxConnectionFromSingleIP).
        max_connections_per_address: Ranged<1, 2_147_483_647> = Ranged::fixed(2_147_483_647),
        /// Sessions at once of one user (Exchange's MaxConnectionsPerUser).
        max_connections_per_user: Ranged<1, 2_147_483_647> = Ranged::fixed(16),
        /// LMTP connections at once; each holds up to 300 KiB of a message.
        max_lmtp_connections: Ranged<1, 100_000> = Ranged::fixed(200),
        /// The largest message that is taken in, as received. Not set: no limit.
        max_message_size: Option<Octets<1, 1_099_511_627_776>> = None,
        /// A TLS handshake that takes longer is cut.
        tls_handshake_timeout: Seconds<1, 600> = Seconds::fixed(30),
        /// A client that takes nothing for this long while there is something to send is cut.
        write_timeout: Seconds<1, 3600> = Seconds::fixed(120),
        /// A session that is told to end and does not is cut after this.
        closing_timeout: Seconds<1, 600> = Seconds::fixed(10),
        /// Password checks at once: each takes the memory of auth.argon2_memory and most of a
        /// processor for tens of milliseconds.
        password_checks: Ranged<1, 1024> = Ranged::fixed(4),
        /// Password checks that wait for their turn; beyond this a log-on fails as temporary.
        password_checks_waiting: Ranged<1, 1_000_000> = Ranged::fixed(1024),
        /// Password checks at once for one address (IPv6: one /64), if it is not in
        /// auth.throttle.trusted_networks.
        password_checks_per_address: Ranged<1, 1024> = Ranged::fixed(2),
        /// Password checks of one address that wait for their turn.
        password_checks_waiting_per_address: Ranged<1, 1_000_000> = Ranged::fixed(64),
        /// Refusals that are kept for `mailroost why`; a few hundred octets each.
        refusals_kept: Ranged<1, 1_000_000> = Ranged::fixed(10_000),
        /// A mailbox without a session or delivery for this long is let go of.
        mailbox_idle: Seconds<1, 86_400> = Seconds::fixed(60),
        /// Requests that wait for one mailbox while its disk is busy.
        mailbox_waiting: Ranged<1, 1_000_000> = Ranged::fixed(1024),
        /// Restarts of one part of the server within restart_window before the part above it
        /// gives up on it.
        restarts: Ranged<1, 1000> = Ranged::fixed(5),
        /// See restarts.
        restart_window: Seconds<1, 3600> = Seconds::fixed(10),
        /// How often what was left over (removed messages, temporary files) is looked for.
        sweep_interval: Seconds<1, 86_400> = Seconds::fixed(60),
    }
}

impl LimitSettings {
    /// As the supervision tree takes them.
    pub fn limits(&self) -> Limits {
        Limits {
            sessions_max: self.max_connections.size(),
            sessions_per_address_max: self.max_connections_per_address.size(),
            sessions_per_user_max: self.max_connections_per_user.size(),
            lmtp_connections_max: self.max_lmtp_connections.size(),
            tls_handshake: self.tls_handshake_timeout.duration(),
            write_stall: self.write_timeout.duration(),
            closing: self.closing_timeout.duration(),
            password_checks_max: self.password_checks.size(),
            password_checks_waiting_max: self.password_checks_waiting.size(),
            password_checks_per_address_max: self.password_checks_per_address.size(),
            password_checks_waiting_per_address_max: self
                .password_checks_waiting_per_address
                .size(),
            refusals_kept: self.refusals_kept.size(),
            mailbox_idle: self.mailbox_idle.duration(),
            mailbox_waiting_max: self.mailbox_waiting.size(),
            restarts_max: self.restarts.size(),
            restart_window: self.restart_window.duration(),
            sweep_every: self.sweep_interval.duration(),
        }
    }
}
