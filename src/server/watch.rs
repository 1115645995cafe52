//! What a server does for its certificates once a day, unasked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use slog::{debug, error, warn};

use super::handle::ServerHandle;

/// How often. It is also how long the keys of session tickets are kept: whoever steals them can
/// read the recorded sessions of TLS 1.2 whose tickets they sealed.
const ROUND: Duration = Duration::from_secs(24 * 60 * 60);

/// Says what is to be said of the certificates now, and goes on until the server has ended.
pub(super) fn begin(server: &ServerHandle) {
    if server.certificates().is_empty() {
        return;
    }
    warn_of_certificates(server);
    let server = server.clone();
    actix_rt::spawn(async move {
        loop {
            tokio::select! {
                _ = server.ended() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            renew_ticket_keys(&server).await;
            warn_of_certificates(&server);
        }
    });
}

/// One line in the log for everything that somebody should look after.
pub(super) fn warn_of_certificates(server: &ServerHandle) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    for warning in server.certificate_warnings(i64::try_from(now).unwrap_or(i64::MAX)) {
        warn!(server.logger(), "certificate"; "warning" => warning);
    }
}

async fn renew_ticket_keys(server: &ServerHandle) {
    let renewing = server.clone();
    let renewed = move || renewing.certificates().renew_ticket_keys();
    // Many certificates take a while.
    let failure = match actix_rt::task::spawn_blocking(renewed).await {
        Ok(Ok(())) => return debug!(server.logger(), "session ticket keys renewed"),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic.to_string(),
    };
    error!(server.logger(), "session ticket keys not renewed"; "error" => failure);
}
