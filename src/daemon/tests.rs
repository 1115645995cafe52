//! A daemon that is told something before it is ready.

use nix::sys::signal::{Signal as Number, raise};

use super::*;

#[test]
fn a_hangup_amid_the_start_is_a_reload_afterwards_and_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let text = "listener = []\nprotocol.login_type = \"plain_text_login\"\n";
    let mut config = Config::parse("m.toml", text).unwrap();
    config.server.store = folder.path().join("store");
    let log = slog::Logger::root(slog::Discard, slog::o!());
    actix::System::new().block_on(async {
        let mut starting = Box::pin(Daemon::start(config, None, log));
        tokio::select! {
            biased;
            _ = &mut starting => panic!("it opened a store without waiting for it"),
            () = std::future::ready(()) => {}
        }
        raise(Number::SIGHUP).unwrap();
        let mut daemon = starting.await.unwrap();
        assert_eq!(daemon.signals.next().await, Signal::Reload);
        daemon.server.stop().await;
        daemon.close().await.unwrap();
    });
}
